"""`read_study`: a study folder or a plain table of counts; `as_study`: what is no study."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatstats.errors import DataError
from hatstats.study.claims import StudyInfo, read_head
from hatstats.study.files import DELIMITERS, FORMATS, read_table, read_toml, shown, study_table
from hatstats.study.frames.native import describe, is_frame, no_path
from hatstats.study.plain_table import split_plain, unused_note, with_defaults
from hatstats.study.schema import COUNTS, Sheet, conform, no_items
from hatstats.study.study import Study, study_of_sheets, with_notes

#: The small study that comes with the package.
DEMO = Path(__file__).parent / "demo"


def load_demo() -> Study:
    """A small real study that comes with the package, to try things on.

    Twelve open models of four families on the 100 templates of Multilingual GSM-Symbolic, in
    English, German, Icelandic and Chinese, 20 instances each: an extract of ``data/gsm_symbolic``,
    whose licence (MIT), source and citation are in `Study.info`.

    Returns
    -------
    Study

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.load_demo()
    >>> study
    Study('demo', item data: 12 models, 1 benchmark, 4 languages, 4800 rows)
    >>> study.info.licence
    'MIT (file LICENCE)'
    """
    return read_study(DEMO)


def read_study(path: str | Path, *, format: str | None = None) -> Study:
    """Read a study folder, or one plain table of counts.

    Parameters
    ----------
    path : path
        A folder with ``study.toml``, ``counts.csv`` or ``counts.parquet``, ``models.csv``,
        ``benchmarks.csv`` and, where needed, ``items.csv`` and ``languages.csv``; or a CSV, TSV or
        Parquet table with the columns of the counts. Such a table may also have `family,
        release_date, params_total, params_active, source_language, chance`. Without a source
        language English is taken, without a chance level 0, and `info.notes` says so.
    format : {"csv", "tsv", "parquet"}, optional
        Format of the counts; by default the file's name says so.

    Returns
    -------
    Study
        The validated study, rows in the order of the file.

    Raises
    ------
    DataError
        For anything wrong in the files; the message names file, row, column, value and hint.

    Warns
    -----
    DegenerateDataWarning
        For sizes that look like billions and counts that look like per cent.

    Examples
    --------
    A study that was written is read as it was:

    >>> import tempfile
    >>> import hatstats as hs
    >>> study = hs.simulate_study(shape=hs.Shape(n_items=10, n_languages=2), rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     hs.read_study(study.write(f"{folder}/quiz"))
    Study('simulated', item data: 6 models, 1 benchmark, 3 languages, 180 rows)
    """
    if not isinstance(path, str | Path):
        raise no_path(path, "read_study")
    path = Path(path)
    if not os.path.exists(path):
        hint = "correct the path to a study folder or a table of counts."
        raise DataError("there is no such file or folder.", file=path, hint=hint)
    files: tuple[Path, ...] = (path,)
    info, claims = StudyInfo(shown(path.stem)), ()
    if path.is_dir():
        sheets, notes, info, claims, files = _read_folder(path, format)
    else:
        other_way = (
            f" Study.from_frame(pandas.read_csv({str(path)!r}), source='en') finds columns of "
            "other names."
        )
        sheets, notes = split_plain(read_table(path, format=format), other_way)
    return study_of_sheets(sheets, with_notes(info, notes), claims, files)


def _read_folder(
    folder: Path, format: str | None
) -> tuple[dict[str, Sheet], list[str], StudyInfo, tuple[Any, ...], tuple[Path, ...]]:
    """Raw tables by name, notes, description, claims and files of a study folder."""
    if format is not None and format not in {*DELIMITERS, "parquet"}:
        raise DataError("the format is not known.", value=format, hint="use csv, tsv or parquet.")
    endings = [f".{format}"] if format else FORMATS
    path = study_table(folder, *(f"counts{ending}" for ending in endings))
    toml = folder / "study.toml"
    head = read_toml(toml) if toml.exists() else {}
    info, claims, constants = read_head(head, file=str(toml), name=shown(folder.resolve().name))
    files = [toml, path] if toml.exists() else [path]
    raw = read_table(path)
    sheets = {"counts": conform(raw, COUNTS)}
    for table in ("models", "benchmarks", "items", "languages"):
        if (file := folder / f"{table}.csv").exists():
            sheets["language_table" if table == "languages" else table] = read_table(file)
            files.append(file)
    if "models" not in sheets:
        raise DataError(
            "the file is missing.",
            file=folder / "models.csv",
            hint="write it with the columns model, family, release_date, "
            "params_total, params_active (cells may be empty), or read the table of "
            f"counts alone: read_study({str(path)!r}).",
        )
    items = sheets.setdefault("items", Sheet.from_frame("items.csv", no_items()))
    by_item = len(items.frame) > 0 and "source_language" in items.frame
    sheets["benchmarks"], notes = with_defaults(
        sheets.get("benchmarks"), sheets["counts"], constants, by_item=by_item
    )
    return sheets, [*unused_note(raw, COUNTS), *notes], info, claims, tuple(files)


def as_study(value: object, caller: str) -> Study:
    """Return a study as it is; for anything else an error says which call makes a study of it."""
    if isinstance(value, Study):
        return value
    raise refused(value, caller, "a study", "read_study(path)")


def refused(value: object, caller: str, wanted: str, call: str) -> DataError:
    """Error of `caller`, which takes `wanted` (words), made by `call`, and got `value`."""
    then = "" if wanted == "a study" else f", then {call}"
    if isinstance(value, str | Path):
        what = f"{describe(value)}: read it first: read_study({str(value)!r}){then}"
    elif is_frame(value):
        what = f"{describe(value)}: make a study of it first: Study.from_frame(df, source='en')"
        what += then
    elif not then and isinstance(getattr(value, "study", None), Study):
        what = f"{describe(value)}, made of one: give its study, {caller}(x.study)"
    elif isinstance(value, Study):
        what = f"a study: call {call} first"
    else:
        what = f"{describe(value)}: {wanted} comes of {call}"
        what += " or Study.from_frame(df, source='en')" if not then else ""
    return DataError(f"{caller} takes {wanted}, and this is {what}.")
