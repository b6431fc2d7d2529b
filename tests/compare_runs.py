"""Compare two run folders: every CSV cell and every number of results.json and numbers.tex.

Run ``python tests/compare_runs.py OLD NEW [--rename old=new ...] [--only-numbers]``. Numbers may
differ by 1e-9 of their size, which is the rounding of ten stored digits. ``--rename`` replaces a
text in the old folder before comparing, for columns and words that were renamed on purpose. With
``--only-numbers`` sentences that differ are compared by the numbers in them. Prints what differs
and exits 1; prints one line and exits 0 if nothing does.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

RELATIVE, ABSOLUTE = 1e-9, 1e-13
NUMBER = re.compile(r"[-−]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
MACRO = re.compile(r"^\\newcommand\{\\(\w+)\}\{(.*)\}$", flags=re.MULTILINE)
#: No more differences than this are printed.
MOST = 40

Values = dict[str, str | float | bool | None]


def values_of(path: Path, text: str) -> Values:
    """Every value of one file by its position: row and column, JSON path, or macro name."""
    if path.suffix == ".json":
        return dict(_flat(json.loads(text), ""))
    if path.suffix == ".tex":
        return dict(MACRO.findall(text))
    header, *rows = csv.reader(io.StringIO(text))
    cells = {
        f"row {number}, {column}": cell
        for number, row in enumerate(rows, start=1)
        for column, cell in zip(header, row, strict=True)
    }
    return {"columns": ",".join(header), **cells}


def _flat(value: object, path: str) -> Iterator[tuple[str, str | float | bool | None]]:
    """Leaves of a JSON value with their paths."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(part, f"{path}.{key}")
    elif isinstance(value, list):
        yield f"{path}.length", len(value)
        for index, part in enumerate(value):
            yield from _flat(part, f"{path}[{index}]")
    elif value is None or isinstance(value, str | float | int):
        yield path, value


def equal(old: object, new: object, *, only_numbers: bool) -> bool:
    """Whether two values are the same number to rounding, or the same text."""
    try:
        first, second = float(str(old)), float(str(new))
    except ValueError:
        sentences = isinstance(old, str) and isinstance(new, str) and " " in old and " " in new
        if old == new or not (only_numbers and sentences):
            return old == new
        numbers = [
            [float(part.replace("−", "-")) for part in NUMBER.findall(str(each))]
            for each in (old, new)
        ]
        return len(numbers[0]) == len(numbers[1]) and all(
            math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
            for a, b in zip(*numbers, strict=True)
        )
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) and math.isnan(second)
    return math.isclose(first, second, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def differences(
    old: Path, new: Path, renames: Sequence[tuple[str, str]] = (), *, only_numbers: bool = False
) -> list[str]:
    """One line for each file or value that is missing or differs.

    Parameters
    ----------
    old, new : Path
        Run folders.
    renames : sequence of (str, str)
        Texts of the old folder and what replaces them.
    only_numbers : bool
        Compare sentences that differ by the numbers in them.
    """

    def read(folder: Path, path: Path) -> str:
        text = (folder / path).read_text(encoding="utf-8")
        if folder == old:
            for before, after in renames:
                text = text.replace(before, after)
        return text

    names = {
        folder: {
            path.relative_to(folder)
            for path in (*folder.glob("*.csv"), folder / "results.json", folder / "numbers.tex")
            if path.is_file()
        }
        for folder in (old, new)
    }
    found = [f"{path}: only in one folder" for path in sorted(names[old] ^ names[new])]
    for path in sorted(names[old] & names[new]):
        before, after = (values_of(path, read(folder, path)) for folder in (old, new))
        for position in dict.fromkeys((*before, *after)):
            one, other = before.get(position, "absent"), after.get(position, "absent")
            if not equal(one, other, only_numbers=only_numbers):
                found.append(f"{path}: {position}: {one!r} became {other!r}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the folders that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--rename", nargs="*", default=[], metavar="OLD=NEW")
    parser.add_argument("--only-numbers", action="store_true")
    given = parser.parse_args(arguments)
    renames = [tuple(text.split("=", 1)) for text in given.rename]
    found = differences(given.old, given.new, renames, only_numbers=given.only_numbers)
    print("\n".join(found[:MOST]) or f"{given.new}: equal to {given.old}")
    if len(found) > MOST:
        print(f"and {len(found) - MOST} more differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
