"""At the door of functions that take a study: what to call when given something else."""

from __future__ import annotations

from pathlib import Path

from hatstats.errors import DataError
from hatstats.study.frames.native import describe, is_frame
from hatstats.study.study import Study


def as_study(value: object, caller: str) -> Study:
    """Return a study as it is; for anything else an error says which call makes a study of it."""
    if isinstance(value, Study):
        return value
    raise refused(value, caller, "a study", "read_study(path)")


def refused(value: object, caller: str, wanted: str, call: str) -> DataError:
    """Make the error of function `caller`, which takes `wanted` (in words) and was given `value`.

    `call` makes what is wanted of a study, or a study of a file; a frame and a path are first to be
    made a study of.
    """
    then = "" if wanted == "a study" else f", then {call}"
    if isinstance(value, str | Path):
        what = f"{describe(value)}: read it first: read_study({str(value)!r}){then}"
    elif is_frame(value):
        what = f"{describe(value)}: make a study of it first: Study.from_frame(df, source='en')"
        what += then
    elif isinstance(value, Study):
        what = f"a study: call {call} first"
    else:
        what = f"{describe(value)}: {wanted} comes of {call}"
        what += " or Study.from_frame(df, source='en')" if not then else ""
    return DataError(f"{caller} takes {wanted}, and this is {what}.")
