"""What went wrong: one root error, and the warnings a user may want to filter."""

from __future__ import annotations

from pathlib import Path


class HatstatsError(Exception):
    """Root of every error that hatstats raises on purpose."""


class DataError(HatstatsError, ValueError):
    """The input is wrong; the message says where, and what the user can do about it.

    Parameters
    ----------
    message : str
        What is wrong, in words.
    file : str or path, optional
        The file or table at fault.
    row : int, optional
        Row of the file as a spreadsheet counts it (the header is row 1).
    column : str, optional
        Name of the column at fault.
    value : object, optional
        The value found there.
    hint : str, optional
        What the user can do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        row: int | None = None,
        column: str | None = None,
        value: object = None,
        hint: str | None = None,
    ) -> None:
        location = [str(file)] if file is not None else []
        if row is not None:
            location.append(f"row {row}")
        if column is not None:
            location.append(f"column {column!r}")
        if value is not None:
            location.append(f"value {value!r}")
        text = f"{', '.join(location)}: {message}" if location else message
        super().__init__(f"{text} Hint: {hint}" if hint else text)
        self.file, self.row, self.column, self.value, self.hint = file, row, column, value, hint


class NotIdentifiedError(HatstatsError, ValueError):
    """The data do not determine the quantity asked for; the message names what is missing."""


class FitError(HatstatsError, RuntimeError):
    """A fit did not reach a solution that can be reported."""


class DegenerateDataWarning(UserWarning):
    """The data lie at a boundary, so that an estimate carries little information."""


class ConvergenceWarning(UserWarning):
    """An iterative fit stopped before it met its tolerance."""
