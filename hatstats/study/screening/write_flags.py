"""Flags written into the counts of a study folder; everything else in the folder stays."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hatstats.errors import DataError
from hatstats.study.raw_tables import read_table
from hatstats.study.screening.findings import Finding, rows_of
from hatstats.study.write import write_csv


def write_flags(folder: Path, found: Sequence[Finding]) -> int:
    """Flag the rows that findings concern, in the table of counts of a study folder.

    Parameters
    ----------
    folder : Path
        A study folder with ``counts.csv`` or ``counts.parquet``.
    found : sequence of Finding

    Returns
    -------
    int
        Rows flagged. Rows with another flag keep it.

    Raises
    ------
    DataError
        When the folder has no such table.
    """
    path = _table(folder, ("counts.csv", "counts.parquet"))
    frame = read_table(path).frame
    for column in ("flag", "evidence"):
        if column not in frame:
            frame[column] = ""
        frame[column] = frame[column].fillna("").astype("str")
    text = frame.assign(**{
        name: frame[name].astype("str").str.strip() if name in frame else ""
        for name in ("model", "benchmark", "language", "item")
    })  # fmt: skip
    hit = pd.Series(False, index=frame.index)
    for finding in found:
        rows = rows_of(text, finding) & (frame["flag"] == "")
        frame.loc[rows, "flag"] = finding.kind
        frame.loc[rows, "evidence"] = finding.evidence
        hit |= rows
    replace_table(path, frame)
    return int(hit.sum())


def write_models(folder: Path, models: pd.DataFrame) -> None:
    """Write columns of completed models into ``models.csv``; rows and columns it has stay.

    Parameters
    ----------
    folder : Path
        A study folder.
    models : DataFrame
        The models of the study, completed.
    """
    path = _table(folder, ("models.csv",))
    frame = read_table(path).frame
    by_name = models.set_index("model")
    names = frame["model"].astype("str").str.strip()
    for column in models.columns:
        if column == "model":
            continue
        if column not in frame:
            if by_name[column].isna().all() or (by_name[column].astype("str") == "").all():
                continue
            frame[column] = ""
        blank = frame[column].fillna("").astype("str").str.strip() == ""
        new = names.map(_as_text(by_name[column])).fillna("")
        frame[column] = frame[column].fillna("").astype("str").mask(blank, new)
    replace_table(path, frame)


def replace_table(path: Path, frame: pd.DataFrame) -> None:
    """Write a table beside itself and move it into place: an interrupted run leaves the old one."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        if path.suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            write_csv(frame, temporary)
        os.chmod(temporary, path.stat().st_mode)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _as_text(values: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(values):
        return pd.Series(values.dt.strftime("%Y-%m-%d"), dtype="str").fillna("")
    if pd.api.types.is_numeric_dtype(values):
        numbers = ["" if pd.isna(n) else f"{n:.17g}" for n in values.tolist()]
        return pd.Series(numbers, index=values.index, dtype="str")
    return values.fillna("").astype("str")


def _table(folder: Path, names: Sequence[str]) -> Path:
    there = [folder / name for name in names if (folder / name).is_file()]
    if not there:
        raise DataError(
            f"this is no study folder with {' or '.join(names)}.",
            file=folder,
            hint="write the study into a folder first: hatstats convert TABLE --out FOLDER.",
        )
    return there[0]
