"""HAT scores as a JSON file: plain numbers, a schema and its version, nothing that is executed."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.study.files import decode, read_bytes
from hatstats.study.outputs import whole_output

SCHEMA = "hatstats.scores"
VERSION = 1

_TEXTS = ("reference", "method", "estimand", "scope")
_TABLES = ("covariates", "cells", "overlap", "language_table")
#: Dimensions of arrays: M models, C cells, J of `joint_cov`, B = J - M; None is any size.
_REQUIRED = {"estimates": "M", "covariance": "MM", "source": "M"}
_REQUIRED |= {"joint_cov": "JJ", "cells_cov": "CC"}
_OPTIONAL = {"influence": "*M", "target": "M", "beside_influence": "*B", "given_df": "M"}
#: Widths of arrays of benchmarks, each of its own size: all of cells together have C columns.
_BLOCKS = {"cell_influence": "C", "cell_wordings": "C", "wordings": "M", "beside_wordings": "B"}
# Types of columns that are restored as they were; dates as ISO text.
_DTYPES = ("float64", "int64", "bool", "object", "str", "Int64", "Float64", "boolean")


def write(path: str | Path, scores: Any) -> None:
    """Write the fields of scores to a file."""
    facts: dict[str, Any] = {"schema": SCHEMA, "schema_version": VERSION}
    for field in fields(scores):
        value = getattr(scores, field.name)
        if field.name in _TABLES:
            facts[field.name] = _plain_table(value)
        elif isinstance(value, np.ndarray):
            facts[field.name] = _plain(value)
        elif isinstance(value, tuple) and field.name != "models":
            facts[field.name] = [_plain(part) for part in value]
        else:
            facts[field.name] = value
    try:
        text = json.dumps(facts, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"a covariate of the models cannot be written as JSON: {error}",
            hint="keep numbers and text.",
        ) from error
    with whole_output(path, _written, name="the file of scores", folder=False) as new:
        new.write_text(text + "\n", encoding="utf-8")


def _written(path: Path) -> tuple[str] | None:
    """The name of a file that begins as `write` begins it; None for any other."""
    try:
        with path.open("rb") as file:
            start = json.dumps({"schema": SCHEMA}).removesuffix("}").encode()
            return ("",) if file.read(len(start)) == start else None
    except OSError:
        return None


def read(path: str | Path) -> dict[str, Any]:
    """The fields of scores from a file that `write` has written, or one `DataError`."""
    if not os.path.exists(path):
        hint = "give a file that scores.save has written."
        raise DataError("there is no such file", file=path, hint=hint)
    try:
        facts = json.loads(decode(read_bytes(Path(path)), Path(path)))
        if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
            raise DataError("no scores of hatstats", file=path, hint="give a file of scores.save.")
        if facts.get("schema_version") != VERSION:
            raise DataError(
                f"scores of schema version {facts.get('schema_version')!r}, and this hatstats "
                f"reads version {VERSION}",
                file=path,
                hint="read it with the version that wrote it, or make the scores anew.",
            )
        return _fields(facts)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        reason = f"not a whole file of scores ({type(error).__name__}: {error})"
        raise DataError(reason, file=path, hint="give a file of scores.save.") from error


def _fields(facts: dict[str, Any]) -> dict[str, Any]:
    models = tuple(facts["models"])
    tables = {name: _table(facts[name]) for name in _TABLES if name in facts}
    # Files of an earlier version know nothing of target accuracies.
    joint = (2 if facts.get("target") is None else 3) * len(models)
    sizes = {"M": len(models), "C": len(tables["cells"]), "J": joint, "B": joint - len(models)}
    texts = {name: facts[name] for name in _TEXTS}
    wrong = [name for name, value in texts.items() if not isinstance(value, str)]
    if wrong or not models or not all(isinstance(name, str) for name in models):
        raise ValueError(f"{', '.join(wrong) or 'models'} must be text")
    if len(tables["covariates"]) != len(models) or not isinstance(facts["bounded"], bool):
        raise ValueError("covariates or bounded do not fit the models")
    known = {**{name: facts[name] for name in _REQUIRED}, **{n: facts.get(n) for n in _OPTIONAL}}
    arrays: dict[str, Any] = {}
    for name, dims in (_REQUIRED | _OPTIONAL).items():
        values = known[name]
        shape = tuple(sizes.get(size) for size in dims)
        arrays[name] = None if values is None and name in _OPTIONAL else _array(values, shape)
    for name, width in _BLOCKS.items():
        if (parts := facts.get(name)) is None:
            continue
        arrays[name] = tuple(_array(part, (None, None)) for part in parts)
        widths = [part.shape[1] for part in arrays[name]]
        if sum(widths) != sizes["C"] if width == "C" else {*widths, sizes[width]} != {sizes[width]}:
            raise ValueError(f"{name} does not fit the scores")
    return {"models": models, "bounded": facts["bounded"], **texts, **tables, **arrays}


def _plain(values: Any) -> Any:
    """Numbers, texts and dates as lists of what JSON has."""
    return np.frompyfunc(_plain_value, 1, 1)(np.asarray(values, dtype=object)).tolist()


def _plain_value(value: Any) -> Any:
    """An unknown value as null, an infinity and a date as text, any other as it is."""
    if pd.isna(value):
        return None
    if isinstance(value, float) and np.isinf(value):
        return str(value)
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


def _array(values: Any, shape: tuple[int | None, ...]) -> Floats:
    """Numbers of a given shape from lists; None stands for any size."""
    array = np.array(values, dtype=object)
    found = array.shape if array.ndim == len(shape) else (*array.shape, 0)
    wanted = tuple(have if size is None else size for have, size in zip(found, shape, strict=True))
    if array.size != np.prod(wanted) or (array.size and found != wanted):
        raise ValueError(f"an array has shape {array.shape}, not {wanted}")
    unknown = np.array([value is None for value in array.ravel()]).reshape(array.shape)
    return np.asarray(np.where(unknown, np.nan, array), dtype=float).reshape(wanted)


def _plain_table(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Columns by name: type and values."""
    return {
        str(name): {"dtype": str(column.dtype), "values": _plain(column)}
        for name, column in table.items()
    }


def _table(columns: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """The table that `_plain_table` wrote."""
    found = {}
    for name, column in columns.items():
        kind, values = str(column["dtype"]), column["values"]
        if kind == "float64":
            found[name] = pd.Series(_array(values, (None,)), dtype=kind)
        elif kind in _DTYPES or kind.startswith("datetime64["):
            found[name] = pd.Series(values, dtype=kind)
        else:
            raise ValueError(f"column {name!r} has the unknown type {kind!r}")
    return pd.DataFrame(found)
