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
    M, C = len(models), len(tables["cells"])
    shapes = {"estimates": (M,), "covariance": (M, M), "source": (M,)}
    # Files of an earlier version know nothing of target accuracies.
    target, beside = facts.get("target"), facts.get("beside_influence")
    J = (2 if target is None else 3) * M
    shapes |= {"joint_cov": (J, J), "cells_cov": (C, C)}
    arrays = {name: _array(facts[name], shape) for name, shape in shapes.items()}
    influence, df = facts["influence"], facts["given_df"]
    texts = {name: facts[name] for name in _TEXTS}
    wrong = [name for name, value in texts.items() if not isinstance(value, str)]
    if wrong or not models or not all(isinstance(name, str) for name in models):
        raise ValueError(f"{', '.join(wrong) or 'models'} must be text")
    if len(tables["covariates"]) != M or not isinstance(facts["bounded"], bool):
        raise ValueError("covariates or bounded do not fit the models")
    parts = {name: _blocks(facts[name]) for name in ("cell_influence", "cell_wordings", "wordings")}
    parts["beside_wordings"] = _blocks(facts.get("beside_wordings"))
    for name, blocks in parts.items():
        widths = [block.shape[1] for block in blocks or ()]
        models_wide = {"wordings": M, "beside_wordings": J - M}.get(name)
        if widths and (set(widths) != {models_wide} if models_wide else sum(widths) != C):
            raise ValueError(f"{name} does not fit the scores")
    return {
        "models": models,
        **texts,
        **tables,
        **arrays,
        "bounded": facts["bounded"],
        "influence": None if influence is None else _array(influence, (len(influence), M)),
        "target": None if target is None else _array(target, (M,)),
        "beside_influence": None if beside is None else _array(beside, (len(beside), J - M)),
        **parts,
        "given_df": None if df is None else _array(df, (M,)),
    }


def _blocks(parts: Any) -> tuple[Floats, ...] | None:
    """Arrays of benchmarks, each of its own size, from lists; None as it is."""
    if parts is None:
        return None
    return tuple(_array(part, (len(part), len(part[0]))) for part in parts)


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


def _array(values: Any, shape: tuple[int, ...]) -> Floats:
    """Numbers of a given shape from lists."""
    array = np.array(values, dtype=object)
    if array.size != np.prod(shape) or (array.size and array.shape != shape):
        raise ValueError(f"an array has shape {array.shape}, not {shape}")
    unknown = np.array([value is None for value in array.ravel()]).reshape(array.shape)
    return np.asarray(np.where(unknown, np.nan, array), dtype=float).reshape(shape)


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
            found[name] = pd.Series(_array(values, (len(values),)), dtype=kind)
        elif kind in _DTYPES or kind.startswith("datetime64["):
            found[name] = pd.Series(values, dtype=kind)
        else:
            raise ValueError(f"column {name!r} has the unknown type {kind!r}")
    return pd.DataFrame(found)
