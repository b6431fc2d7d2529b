"""The account of a conversion: rows read, kept and left out with reasons, and notes."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hatstats.inference.result_frame import ResultFrame
from hatstats.logs.readers.schema import LeftOut
from hatstats.study.losses import Loss
from hatstats.study.study import Study

WIDTH = 80
#: Most files that the text lists; the table has all of them.
MOST_FILES = 24
#: Suffixes that tell how a model was tuned, packed or prompted, not which model it is.
_SUFFIX = re.compile(
    r"(?:[-_ .](?:it|instruct|chat|hf|base|latest|preview|exp|thinking|no-?thinking|fp8|fp16|bf16|"
    r"awq|gptq|gguf|int[48]|v?\d{4,8}|20\d\d-\d\d-\d\d)|\s*\(.*\)|[@#].*)$",
    flags=re.IGNORECASE,
)


def left_out_table(left_out: Sequence[tuple[str, LeftOut]]) -> pd.DataFrame:
    """Reasons, one row for each file and reason: `file, reason, rows, by_rule`."""
    rows = [(file, each.reason, each.rows, each.by_rule) for file, each in left_out]
    table = ResultFrame(rows, columns=["file", "reason", "rows", "by_rule"]).astype(
        {"file": "str", "reason": "str", "rows": "int64", "by_rule": "bool"}
    )
    key = ["file", "reason", "by_rule"]
    return table.groupby(key, sort=False, as_index=False).agg({"rows": "sum"})[[*table.columns]]


def account_table(
    formats: Mapping[str, str], read: Mapping[str, int], left_out: pd.DataFrame
) -> pd.DataFrame:
    """Rows of each file: `file, format, read, kept, set_aside, left_out`; unknown `read` is NaN."""
    files = pd.Index(sorted({*formats, *left_out["file"]} - {""}), dtype="str", name="file")
    table = ResultFrame(index=files)
    table["format"] = [formats.get(file, "") for file in files]
    table["read"] = [float(read.get(file, np.nan)) if file in formats else 0.0 for file in files]
    rows = left_out.pivot_table("rows", "file", "by_rule", aggfunc="sum")
    rows = rows.reindex(index=files, columns=[True, False]).fillna(0).astype("int64")
    table[["set_aside", "left_out"]] = rows
    table.insert(2, "kept", table["read"] - table["set_aside"] - table["left_out"])
    return table.astype({"format": "str"}).reset_index()


def suffix_notes(names: Sequence[str]) -> list[str]:
    """Suggest, for models whose names differ only by a suffix, how to merge them; nothing is."""
    stems: dict[str, list[str]] = defaultdict(list)
    for name in names:
        stems[_stem(name)].append(name)
    return [
        f"Are {' and '.join(map(repr, group))} one model? If so: settings="
        f"{ {f'model:{other}': group[0] for other in group[1:]} }"
        for group in stems.values()
        if len(group) > 1
    ]


def _stem(name: str) -> str:
    """Name of a model without its organisation and without suffixes, in lower case."""
    stem = name.rsplit("/", 1)[-1].strip().lower()
    while (shorter := _SUFFIX.sub("", stem)) and shorter != stem:
        stem = shorter
    return re.sub(r"[-_ .]+", "-", stem)


def conversion_text(
    study: Study, files: pd.DataFrame, left_out: pd.DataFrame, notes: Sequence[str]
) -> str:
    """The account in plain text, at most 80 columns wide; long lists of files are cut."""
    numbers = files[["read", "kept", "set_aside", "left_out"]].astype(float)
    read, kept, aside, out = numbers.sum()
    lines = [
        repr(study),
        "",
        f"{len(files)} file{'s' if len(files) != 1 else ''}: {read:.0f} rows read, "
        f"{kept:.0f} kept, {aside:.0f} set aside by a rule, {out:.0f} left out.",
        *_row("file", ["read", "kept", "aside", "out"]),
    ]
    names = _short_names(files["file"].tolist())
    for name, row in list(zip(names, numbers.to_numpy(), strict=True))[:MOST_FILES]:
        lines += _row(name, ["?" if np.isnan(value) else f"{value:.0f}" for value in row])
    if len(names) > MOST_FILES:
        lines.append(f"... and {len(names) - MOST_FILES} more files")
    if len(left_out):
        lines += ["", "Not counted:"]
        for (reason, by_rule), rows in left_out.groupby(["reason", "by_rule"], sort=False):
            n, m = int(rows["rows"].sum()), rows["file"].nunique()
            only = _short_names(rows["file"].tolist())[0]
            source = f"in {m} files" if m > 1 else f"in {only}" if only else ""
            count = f"{n} row{'s' if n != 1 else ''} " if n else ""
            lines.append(f"- {count}{source}{' (by rule)' if by_rule else ''}: {reason}.")
    lines += _loss_lines(study.info.losses)
    if notes:
        lines += ["", "Notes:", *(f"- {note}" for note in notes)]
    wrap = textwrap.TextWrapper(WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(line if len(line) <= WIDTH else wrap.fill(line) for line in lines)


def _loss_lines(losses: Sequence[Loss]) -> list[str]:
    """Answers that could not be used, by model and language, the largest shares first."""
    if not losses:
        return []
    lines = ["", f"{'Answers that could not be used':<48}{'asked':>8}{'missing':>8}{'wrong':>8}"]
    first = sorted(losses, key=lambda each: -each.share)
    for each in first[:MOST_FILES]:
        numbers = [str(each.asked), str(each.missing), str(each.wrong)]
        lines += _row(f"{each.model} {each.benchmark} {each.language}", numbers)
    if len(losses) > MOST_FILES:
        lines.append(f"... and {len(losses) - MOST_FILES} more models and languages")
    return lines


def _short_names(files: Sequence[str]) -> list[str]:
    """Paths from the folder that they have in common."""
    parts = [Path(file).parts for file in files]
    # The first and the last in order have in common what all have.
    pairs = zip(min(parts, default=()), max(parts, default=()), strict=False)
    shared = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    return ["/".join(part[min(shared, len(part) - 1) :]) if part else "" for part in parts]


def _row(name: str, numbers: Sequence[str]) -> list[str]:
    """One row of the table of files; a long path has a line of its own."""
    counts = "".join(f"{number:>8}" for number in numbers)
    return [f"{name:<48}{counts}"] if len(name) <= 48 else [name, " " * 48 + counts]
