"""The account of a conversion: rows read and kept, what was left out and why, what to look at."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hatstats.logs.readers.reader import LeftOut
from hatstats.study.study import Study

WIDTH = 80
#: Files that the text lists; all of them stand in the table.
MOST_FILES = 24
#: Ends of names that tell how a model was tuned, packed or asked, not which model it is.
_SUFFIX = re.compile(
    r"(?:[-_ .](?:it|instruct|chat|hf|base|latest|preview|exp|thinking|no-?thinking|fp8|fp16|bf16|"
    r"awq|gptq|gguf|int[48]|v?\d{4,8}|20\d\d-\d\d-\d\d)|\s*\(.*\)|[@#].*)$",
    flags=re.IGNORECASE,
)


def account_table(
    formats: Mapping[str, str],
    read: Mapping[str, int],
    left_out: Sequence[tuple[str, LeftOut]],
) -> pd.DataFrame:
    """Rows read, kept, set aside and left out of each file.

    Parameters
    ----------
    formats : mapping
        Format of each file.
    read : mapping
        Rows read of each file, as far as known.
    left_out : sequence of (str, LeftOut)

    Returns
    -------
    DataFrame
        `file, format, read, kept, set_aside, left_out`.
    """
    lost: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for file, each in left_out:
        lost[file][not each.by_rule] += each.rows
    rows = []
    for file in sorted({*formats, *(name for name, _ in left_out if name)}):
        aside, out = lost[file]
        n_read = float(read[file]) if file in read else np.nan
        if file not in formats:
            n_read = 0.0
        rows.append((file, formats.get(file, ""), n_read, n_read - aside - out, aside, out))
    return pd.DataFrame(
        rows, columns=["file", "format", "read", "kept", "set_aside", "left_out"]
    ).astype({"file": "str", "format": "str"})


def left_out_table(left_out: Sequence[tuple[str, LeftOut]]) -> pd.DataFrame:
    """Reasons, one row for each file and reason: `file, reason, rows, by_rule`."""
    sums: dict[tuple[str, str, bool], int] = defaultdict(int)
    for file, each in left_out:
        sums[file, each.reason, each.by_rule] += each.rows
    rows = [(*key[:2], count, key[2]) for key, count in sums.items()]
    return pd.DataFrame(rows, columns=["file", "reason", "rows", "by_rule"]).astype(
        {"file": "str", "reason": "str", "rows": "int64", "by_rule": "bool"}
    )


def pairing_notes(study: Study) -> list[str]:
    """Say which languages lack items of the source language, or have items it lacks."""
    notes = []
    counts = study.counts.assign(is_source=study.is_source)
    for benchmark, cells in counts[(counts["item"] != "").to_numpy()].groupby(
        "benchmark", sort=False
    ):
        source = set(cells.loc[cells["is_source"].to_numpy(), "item"])
        lacking, extra = [], []
        for language, rows in cells.groupby("language", sort=False):
            items = set(rows["item"])
            if len(source - items) and not rows["is_source"].any():
                lacking.append(f"{language} ({len(source - items)} of {len(source)})")
            if items - source:
                extra.append(f"{language} ({len(items - source)} of {len(items)})")
        if lacking:
            notes.append(f"{benchmark}: items missing in {', '.join(lacking)}.")
        if extra:
            notes.append(f"{benchmark}: items without a source row in {', '.join(extra)}.")
    return notes


def suffix_notes(names: Sequence[str]) -> list[str]:
    """Suggest, for models whose names differ only by a suffix, how to merge them; nothing is."""
    stems: dict[str, list[str]] = defaultdict(list)
    for name in names:
        stems[model_stem(name)].append(name)
    return [
        f"Are {' and '.join(map(repr, group))} one model? If so: "
        + " ".join(f'--set "model:{other}={group[0]}"' for other in group[1:])
        for group in stems.values()
        if len(group) > 1
    ]


def model_stem(name: str) -> str:
    """Name of a model without its organisation and without suffixes, in lower case."""
    stem = name.rsplit("/", 1)[-1].strip().lower()
    while (shorter := _SUFFIX.sub("", stem)) and shorter != stem:
        stem = shorter
    return re.sub(r"[-_ .]+", "-", stem)


def conversion_text(
    study: Study, files: pd.DataFrame, left_out: pd.DataFrame, notes: Sequence[str]
) -> str:
    """The account in plain text, at most 80 columns wide; long lists of files are cut."""
    total = files[["read", "kept", "set_aside", "left_out"]].sum()
    lines = [
        repr(study),
        "",
        f"{len(files)} files: {total['read']:.0f} rows read, {total['kept']:.0f} kept, "
        f"{total['set_aside']:.0f} set aside by a rule, {total['left_out']:.0f} left out.",
    ]
    names = _short_names(files["file"].tolist())
    lines += _lines("file", ["read", "kept", "aside", "out"])
    numbers = files[["read", "kept", "set_aside", "left_out"]].to_numpy(dtype=float)
    for name, row in list(zip(names, numbers, strict=True))[:MOST_FILES]:
        lines += _lines(name, ["?" if np.isnan(value) else f"{value:.0f}" for value in row])
    if len(names) > MOST_FILES:
        lines.append(f"... and {len(names) - MOST_FILES} more files")
    if len(left_out):
        lines += ["", "Not counted:"]
        grouped = left_out.groupby(["reason", "by_rule"], sort=False)
        for (reason, by_rule), rows in grouped:
            n, m = int(rows["rows"].sum()), rows["file"].nunique()
            where = _short_names(rows["file"].tolist())[0]
            place = f"in {m} files" if m > 1 else f"in {where}" if where else ""
            kind = " (by rule)" if by_rule else ""
            count = f"{n} row{'s' if n != 1 else ''} " if n else ""
            lines.append(f"- {count}{place}{kind}: {reason}.")
    if notes:
        lines += ["", "Notes:", *(f"- {note}" for note in notes)]
    return "\n".join(
        part
        for line in lines
        for part in (
            textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
            if len(line) > WIDTH
            else [line]
        )
    )


def _short_names(files: Sequence[str]) -> list[str]:
    """Paths from the folder that they have in common."""
    parts = [Path(file).parts for file in files]
    shared = 0
    if len(parts) > 1:
        for level in zip(*parts, strict=False):
            if len(set(level)) > 1:
                break
            shared += 1
    if len(parts) == 1:
        return [parts[0][-1] if parts[0] else ""]
    return ["/".join(part[min(shared, len(part) - 1) :]) if part else "" for part in parts]


def _lines(name: str, numbers: Sequence[str]) -> list[str]:
    """One row of the table of files; a long path has a line of its own."""
    counts = "".join(f"{number:>8}" for number in numbers)
    return [f"{name:<48}{counts}"] if len(name) <= 48 else [name, " " * 48 + counts]
