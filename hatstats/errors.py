"""What went wrong: one root error, and the warnings a user may want to filter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BAYES = ("the hierarchical model", ".")
_LOGS = ("evaluation logs and Parquet files", '".[logs]"')
#: Packages that much of hatstats works without: what needs them, and what pip is to install.
_NEEDED_FOR = {
    **dict.fromkeys(("pymc", "pytensor", "nutpie", "numba"), _BAYES),
    **dict.fromkeys(("arviz", "arviz_base", "arviz_stats", "xarray", "h5netcdf"), _BAYES),
    **dict.fromkeys(("duckdb", "ibis", "pyarrow"), _LOGS),
    "pyspark": ("logs on a Spark cluster", '".[spark]"'),
    "matplotlib": ("figures", "."),
    "jinja2": ("the page of a report", "."),
}


class HatstatsError(Exception):
    """Root of every error that hatstats raises on purpose.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 0.5], shape=hs.Shape(50, 1), rng=1)
    >>> try:
    ...     hs.fit_profile(study, method="best")
    ... except hs.HatstatsError as error:
    ...     print(error)
    column 'method', value 'best': unknown method. Hint: ...
    """

    @property
    def reason(self) -> str:
        """The message; for quantities that are not identified, without its hint."""
        return str(self)


def _with_hint(text: str, hint: str | None) -> str:
    """The text as a sentence, and the hint after it."""
    if not hint:
        return text
    return f"{text}{'' if text.endswith(('.', '!', '?')) else '.'} Hint: {hint}"


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
    position : int, optional
        Position of the row in a frame, which has no header: 0 for the first, whatever the index.
    column : str, optional
        Name of the column at fault.
    value : object, optional
        The value found there.
    hint : str, optional
        What the user can do about it.

    Examples
    --------
    >>> import hatstats as hs
    >>> try:
    ...     hs.read_study("no/such/folder")
    ... except hs.DataError as error:
    ...     print(error.file)
    no/such/folder
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        row: int | None = None,
        position: int | None = None,
        column: str | None = None,
        value: object = None,
        hint: str | None = None,
    ) -> None:
        location = [str(file)] if file is not None else []
        if row is not None:
            location.append(f"row {row}")
        if position is not None:
            location.append(f"position {position} (df.iloc[{position}])")
        if column is not None:
            location.append(f"column {column!r}")
        if value is not None:
            text = repr(value)
            location.append(f"value {text if len(text) <= 300 else f'{text[:300]}...'}")
        text = f"{', '.join(location)}: {message}" if location else message
        super().__init__(_with_hint(text, hint))
        self.file, self.row, self.position = file, row, position
        self.column, self.value, self.hint = column, value, hint


class MissingPackageError(HatstatsError, ModuleNotFoundError):
    """A package is not installed that this part needs; the message has the line that installs it.

    Examples
    --------
    >>> import hatstats as hs
    >>> issubclass(hs.MissingPackageError, ImportError)
    True
    """


@contextmanager
def explained_imports() -> Iterator[None]:
    """Turn the failed import of an optional package into one sentence with its pip line."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if isinstance(error, MissingPackageError) or package not in _NEEDED_FOR:
            raise
        purpose, requirement = _NEEDED_FOR[package]
        raise MissingPackageError(
            f"{package} is needed for {purpose}, and is not installed: in the clone of hatstats, "
            f"pip install {requirement}",
            name=error.name,
        ) from error


class NotIdentifiedError(HatstatsError, ValueError):
    """The data do not determine the quantity asked for; the message names what is missing.

    Parameters
    ----------
    message : str
        What is missing, in words.
    hint : str, optional
        What the user can do about it.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 0.5], shape=hs.Shape(50, 1), rng=1)
    >>> try:
    ...     hs.fit_trend(hs.fit_profile(study, method="observed").hat(), "release_year")
    ... except hs.NotIdentifiedError as error:
    ...     print(error)
    2 models have release_year, too few for 2 coefficients and their scatter
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(_with_hint(message, hint))
        self.message, self.hint = message, hint

    @property
    def reason(self) -> str:
        """The message without its hint, as reports quote it."""
        return self.message


class FitError(HatstatsError, RuntimeError):
    """A fit did not reach a solution that can be reported.

    Examples
    --------
    >>> import hatstats as hs
    >>> issubclass(hs.FitError, hs.HatstatsError)
    True
    """


class DegenerateDataWarning(UserWarning):
    """The data lie at a boundary, so that an estimate carries little information.

    Examples
    --------
    >>> import warnings
    >>> import hatstats as hs
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", hs.DegenerateDataWarning)
    ...     study = hs.simulate_study([0.0, 12.0], shape=hs.Shape(50, 1), rng=1)
    ...     scores = hs.fit_profile(study, method="observed").hat()
    """


class ConvergenceWarning(UserWarning):
    """An iterative fit stopped before it met its tolerance.

    Examples
    --------
    >>> import warnings
    >>> import hatstats as hs
    >>> warnings.filterwarnings("error", category=hs.ConvergenceWarning)  # stop instead
    """
