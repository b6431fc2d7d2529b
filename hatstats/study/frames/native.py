"""A frame of pandas, polars, Arrow or another library, brought to one plain pandas form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hatstats.errors import DataError

if TYPE_CHECKING:
    import narwhals as nw


def plain_frame(value: object) -> tuple[pd.DataFrame, list[str]]:
    """Bring any frame that narwhals knows to pandas, in one form; a named index becomes columns.

    Returns a frame (n rows, index 0, 1, ...) of numbers, truth values and text, and the names of
    columns of lists, records or bytes, which no study can use.
    """
    columns, series = [], []
    nested = []
    for column in _narwhals(_with_index(value)).iter_columns():
        name = str(column.name).strip()
        plain = _plain_column(column)
        if plain is None:
            nested.append(name)
        else:
            columns.append(name)
            series.append(plain)
    names = [*columns, *nested]
    if not all(names) or len(set(names)) < len(names):
        raise _unclear_names()
    frame = pd.concat(series, axis=1, keys=columns) if series else pd.DataFrame()
    if not len(frame):
        raise DataError(
            "the frame has no rows.", hint="give one row per answer, or one per cell of counts."
        )
    return frame, nested


def describe(value: object) -> str:
    """Say in two or three words what a value is: ``a pandas DataFrame``, ``a path``."""
    if isinstance(value, str | Path):
        return "a path"
    if value is None:
        return "None"
    library, name = type(value).__module__.split(".")[0], type(value).__name__
    article = "an" if (name if library == "builtins" else library)[0].lower() in "aeiou" else "a"
    return f"{article} {name}" if library == "builtins" else f"{article} {library} {name}"


def is_frame(value: object) -> bool:
    """Whether a value looks like a frame of any library, without importing one."""
    return hasattr(value, "columns") or any(
        hasattr(value, name) for name in ("__arrow_c_stream__", "__dataframe__")
    )


def no_path(value: object, caller: str) -> DataError:
    """Make the error of a function that takes a path and was given something else."""
    return DataError(
        f"{caller} takes a path, and this is {describe(value)}: make a study of a frame with "
        "Study.from_frame(df, source='en')."
    )


def _unclear_names() -> DataError:
    return DataError(
        "the frame has two columns of one name, or one without a name.",
        hint="give every column its own name.",
    )


def _with_index(value: object) -> object:
    """A pandas frame with its named index as columns (n rows); anything else as it is."""
    if not isinstance(value, pd.DataFrame):
        return value
    if value.columns.nlevels > 1:
        raise DataError(
            "the columns of the frame have several levels.",
            hint="make one level of them, for example with df.stack().reset_index().",
        )
    frame = value.rename(columns=str)
    named = [name for name in value.index.names if name is not None]
    if not named and pd.api.types.is_string_dtype(value.index.dtype):
        raise DataError(
            f"the index of the frame has no name; it begins with {str(value.index[0])!r}.",
            hint="say what it holds, as in df.rename_axis('model'), or leave it out with "
            "df.reset_index(drop=True).",
        )
    if named and not set(map(str, named)) & set(frame.columns):
        frame = frame.reset_index(level=named)
    return frame.rename_axis(columns=None).reset_index(drop=True)


def _narwhals(value: object) -> nw.DataFrame[Any]:
    """Wrap a frame of any library, collected into memory."""
    import narwhals as nw
    from narwhals.exceptions import DuplicateError

    hint = "give a frame of pandas, polars or Arrow, with one row per answer or per cell."
    no_frame = isinstance(value, Mapping | list | tuple | np.ndarray | pd.Series)
    if no_frame:
        hint = "make a frame of it first: pandas.DataFrame(...)."
    elif isinstance(value, str | Path):
        hint = f"read it: read_study({str(value)!r})."
    try:
        wrapped: object = nw.from_native(value, pass_through=True)
    except DuplicateError:
        raise _unclear_names() from None
    if isinstance(wrapped, nw.LazyFrame):
        return wrapped.collect()
    if isinstance(wrapped, nw.DataFrame):
        return wrapped
    if hasattr(value, "__arrow_c_stream__") and not no_frame:
        return nw.from_arrow(value, backend="pyarrow")
    raise DataError(f"this is {describe(value)}, not a frame.", hint=hint)


def _plain_column(column: nw.Series[Any]) -> pd.Series | None:
    """Cells (n,) as numbers, truth values or text; None for a column of anything else."""
    import narwhals as nw

    kind = column.dtype
    if kind == nw.Boolean:
        cells = column.to_list()
        return pd.Series(cells, dtype="object" if None in cells else "bool")
    if kind.is_integer():
        if column.null_count():
            return pd.Series(pd.array(column.to_list(), dtype="Int64"))
        return pd.Series(np.asarray(column.to_numpy()))
    if kind.is_numeric():
        return pd.Series(np.asarray(column.cast(nw.Float64).to_numpy(), dtype=np.float64))
    if kind.is_temporal() and kind not in (nw.Time, nw.Duration):
        return pd.Series(column.cast(nw.String).to_list(), dtype="str")
    if kind.is_nested() or kind in (nw.Binary, nw.Time, nw.Duration):
        return None
    cells = [None if cell is pd.NA else cell for cell in column.to_list()]
    if any(isinstance(cell, Mapping | list | tuple | set | bytes | np.ndarray) for cell in cells):
        return None
    present = [cell for cell in cells if cell is not None and cell == cell]
    if any(isinstance(cell, str) for cell in present):
        return pd.Series([None if c is None or c != c else str(c) for c in cells], dtype="str")
    # Python numbers and truth values in a column of objects
    if all(isinstance(cell, bool | np.bool_) for cell in present):
        return pd.Series(cells, dtype="object" if len(present) < len(cells) else "bool")
    return pd.Series(cells).infer_objects()
