"""Writing a study folder so that the same input gives the same bytes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

TEXTS = Path(__file__).parent / "texts"
DIGITS = 6  # significant digits of a derived number: far finer than any standard error here


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """The tables of a study before they are written, as the contract of a study names them."""

    counts: pd.DataFrame
    models: pd.DataFrame
    benchmarks: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Written:
    """What one folder holds: the line that the script prints about it."""

    folder: str
    models: int
    languages: int
    cells: int
    rows: int
    flagged: int

    def line(self) -> str:
        """Say it in one line."""
        return (
            f"{self.folder:<20} {self.models:>4} models  {self.languages:>3} languages  "
            f"{self.cells:>5} cells  {self.rows:>6} rows  {self.flagged:>3} flagged"
        )


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table: floats with `DIGITS` significant digits, unknown as an empty cell."""
    text = frame.copy()
    for name in text.columns:
        if pd.api.types.is_float_dtype(text[name]):
            text[name] = text[name].map(lambda x: "" if pd.isna(x) else _digits(float(x)))
    text.to_csv(path, index=False, lineterminator="\n")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a large table: text as dictionaries, integers as they are, no library's metadata."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd", compression_level=19, write_statistics=False)


def write_readme(name: str, folder: Path, numbers: dict[str, str]) -> None:
    """Fill the text of ``texts/NAME.md`` with computed numbers; each must be used and be there."""
    template = Template((TEXTS / f"{name}.md").read_text("utf-8"))
    unused = set(numbers) - set(template.get_identifiers())
    if unused:
        raise ValueError(f"numbers that the text of {name} does not use: {sorted(unused)}")
    (folder / "README.md").write_text(template.substitute(numbers), "utf-8")


def copy_licence(raw: Path, folder: Path) -> None:
    """Copy the licence of the origin into the folder, as the licence asks."""
    shutil.copyfile(raw, folder / "LICENCE")
    (folder / "LICENCE").chmod(0o644)


def write_tables(tables: Tables, folder: Path, *, counts: str = "csv") -> Written:
    """Write the three tables of a study; `counts` is the format of the counts, csv or parquet."""
    if counts == "parquet":
        write_parquet(tables.counts, folder / "counts.parquet")
    else:
        write_csv(tables.counts, folder / "counts.csv")
    write_csv(tables.models, folder / "models.csv")
    write_csv(tables.benchmarks, folder / "benchmarks.csv")
    flagged = tables.counts["flag"] != "" if "flag" in tables.counts else pd.Series(dtype=bool)
    cells = tables.counts.drop_duplicates(["model", "benchmark", "language"])
    return Written(
        folder.name,
        models=len(tables.models),
        languages=tables.counts["language"].nunique(),
        cells=len(cells),
        rows=len(tables.counts),
        flagged=int(flagged.sum()),
    )


def benchmark_table(name: str, chance: float) -> pd.DataFrame:
    """Return the table of one benchmark whose source language is English."""
    return pd.DataFrame({"benchmark": [name], "source_language": ["en"], "chance": [chance]})


def bullets(frame: pd.DataFrame, *, none: str) -> str:
    """List the evidence on cells, ``model, language[, flag], evidence``, one cell per line."""
    lines = [
        f"- {row['model']}, {row['language']}"
        + (f" (`{row['flag']}`)" if "flag" in row else "")
        + f": {row['evidence']}"
        for row in frame.to_dict("records")
    ]
    return "\n".join(lines) or none


def _digits(value: float) -> str:
    return f"{value:.{DIGITS}g}" if abs(value) < 10**DIGITS else f"{value:.0f}"
