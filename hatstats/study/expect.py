"""At the door of functions that take a study: what to call when given something else."""

from __future__ import annotations

from pathlib import Path

from hatstats.errors import DataError
from hatstats.study.frames.native import describe, is_frame
from hatstats.study.study import Study


def as_study(value: object, caller: str) -> Study:
    """Return a study as it is, and say for anything else which call makes a study of it.

    Parameters
    ----------
    value : object
        What a user gave as the study.
    caller : str
        Name of the function that was called.

    Returns
    -------
    Study

    Raises
    ------
    DataError
        In one sentence, for a frame, a path or any other value.
    """
    if isinstance(value, Study):
        return value
    what = describe(value)
    if isinstance(value, str | Path):
        message = f"{what}: read it first: read_study({str(value)!r})"
    elif is_frame(value):
        message = f"{what}: make a study of it first: Study.from_frame(df, source='en')"
    else:
        message = f"{what}: a study comes of read_study(path) or Study.from_frame(df, source='en')"
    raise DataError(f"{caller} takes a study, and this is {message}.")
