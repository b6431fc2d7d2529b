"""HAT scores as a JSON file: plain numbers, a schema and its version, nothing that is executed."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.error_rows import ErrorRows, covariance_root
from hatstats.inference.influence import covariance_of_sums
from hatstats.study.files import decode, read_bytes
from hatstats.study.outputs import whole_output

SCHEMA = "hatstats.scores"
VERSION = 3

_TEXTS = ("reference", "method", "estimand", "scope")
_TABLES = ("covariates", "cells", "overlap", "language_table")
#: Dimensions of arrays: M models, C cells, J of `joint_cov`, B = J - M; None is any size.
_REQUIRED = {"estimates": "M", "source": "M", "joint_cov": "JJ"}
_OPTIONAL = {"covariance": "MM", "influence": "*M", "target": "M", "beside_influence": "*B"}
_OPTIONAL |= {"given_df": "M"}
#: Widths of arrays of benchmarks, each of its own size.
_BLOCKS = {"wordings": "M", "beside_wordings": "B"}
#: Parts of the errors of the cells of a benchmark.
_ERRORS = ("influence", "rows", "moves", "common")
#: Parts of a sparse array.
_SPARSE = ("data", "indices", "indptr")
# Arrays of more numbers are written as text in base 64, of their bytes as 64-bit floats.
_PACKED = 100_000
# Types of columns that are restored as they were; dates as ISO text.
_DTYPES = ("float64", "int64", "bool", "object", "str", "Int64", "Float64", "boolean")


def write(path: str | Path, scores: Any) -> None:
    """Write the fields of scores to a file."""
    facts: dict[str, Any] = {"schema": SCHEMA, "schema_version": VERSION}
    for field in fields(scores):
        value = getattr(scores, field.name)
        if field.name in _TABLES:
            value = _plain_table(value)
        elif field.name == "cell_errors":
            value = tuple({n: getattr(each, n) for n in _ERRORS} for each in value)
        facts[field.name] = value
    # Written once: it is the first block of `joint_cov`, but for scores made elsewhere.
    own = _own_block(scores.joint_cov, len(scores.models))
    if np.array_equal(own, scores.covariance, equal_nan=True):
        del facts["covariance"]
    with whole_output(path, _written, name="the file of scores", folder=False) as new:
        try:
            with new.open("w", encoding="utf-8") as file:
                file.writelines(_texts(facts))
                file.write("\n")
        except (TypeError, ValueError) as error:
            raise DataError(
                f"a covariate of the models cannot be written as JSON: {error}",
                hint="keep numbers and text.",
            ) from error


def _texts(value: Any) -> Iterator[str]:
    """A value as JSON in pieces: of a long array the whole text would fill the memory."""
    if isinstance(value, dict):
        for number, (name, part) in enumerate(value.items()):
            yield f"{', ' if number else '{'}{json.dumps(name, ensure_ascii=False)}: "
            yield from _texts(part)
        yield "}" if value else "{}"
    elif isinstance(value, tuple):
        for number, part in enumerate(value):
            yield ", " if number else "["
            yield from _texts(part)
        yield "]" if value else "[]"
    elif isinstance(value, sparse.csc_array):
        parts = {name: getattr(value, name).astype(float) for name in _SPARSE}
        yield from _texts({"shape": value.shape, **parts})
    elif isinstance(value, np.ndarray) and value.size > _PACKED:
        kind = "upper" if value.ndim == 2 and np.array_equal(value, value.T) else "float64"
        yield f'{{"shape": {list(value.shape)}, "{kind}": "'
        if kind == "upper":  # of a symmetric array the rows from the diagonal on
            value = np.concatenate([row[k:] for k, row in enumerate(value)])
        flat = np.ascontiguousarray(value, dtype="<f8").reshape(-1)
        for start in range(0, flat.size, 3 * _PACKED):  # 3 bytes are 4 letters
            yield base64.b64encode(flat[start : start + 3 * _PACKED]).decode()
        yield '"}'
    else:
        plain = _plain(value) if isinstance(value, np.ndarray) else value
        yield json.dumps(plain, allow_nan=False, ensure_ascii=False)


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
        if facts.get("schema_version") not in range(1, VERSION + 1):
            raise DataError(
                f"scores of schema version {facts.get('schema_version')!r}, and this hatstats "
                f"reads versions 1 to {VERSION}",
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
    if arrays["covariance"] is None:
        arrays["covariance"] = _own_block(arrays["joint_cov"], len(models))
    for name, width in _BLOCKS.items():
        if (parts := facts.get(name)) is not None:
            arrays[name] = tuple(_array(part, (None, sizes[width])) for part in parts)
    arrays["cell_errors"] = _cell_errors(facts, tables["cells"])
    return {"models": models, "bounded": facts["bounded"], **texts, **tables, **arrays}


def _cell_errors(facts: dict[str, Any], cells: pd.DataFrame) -> tuple[ErrorRows, ...]:
    """Errors of the cells of each benchmark, of which version 1 has the whole covariance."""
    widths = cells.groupby("benchmark", sort=False).size().to_list() if len(cells) else []
    if facts["schema_version"] > 1:
        # Where nothing is common to benchmarks a file may leave it out.
        return tuple(
            ErrorRows(*(_rows(({"common": None} | part)[name], width) for name in _ERRORS))
            for part, width in zip(facts["cell_errors"], widths, strict=True)
        )
    known = (
        facts.get(name) or [None] * len(widths) for name in ("cell_influence", "cell_wordings")
    )
    cov, found, end = _array(facts["cells_cov"], (len(cells),) * 2), [], 0
    for psi, moves, width in zip(*known, widths, strict=True):
        own = slice(end, end := end + width)
        influence, rest = _rows(psi, width), cov[own, own]
        if influence is not None:
            rest = rest - covariance_of_sums(influence)
        root = covariance_root(rest)
        # What rounding leaves of the covariance is no error.
        kept = ~((root**2).sum(axis=1) <= 1e-14 * np.trace(cov[own, own]))
        found.append(ErrorRows(influence, root[kept] if kept.any() else None, _rows(moves, width)))
    return tuple(found)


def _rows(values: Any, width: int) -> Any:
    """Rows (R, width) from lists or from the parts of a sparse array; None stays None."""
    if not (isinstance(values, dict) and "indptr" in values):
        return None if values is None else _array(values, (None, width))
    data, indices, indptr = (_array(values[name], (None,)) for name in _SPARSE)
    place = data, indices.astype(int), indptr.astype(int)
    found = sparse.csc_array(place, shape=(int(values["shape"][0]), width))
    found.check_format()
    return found


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
    """Numbers of a given shape from lists or bytes; None stands for any size."""
    if isinstance(values, dict):
        kind = "upper" if "upper" in values else "float64"
        # Text and numbers of a large array are not held side by side.
        numbers = np.frombuffer(base64.b64decode(values.pop(kind), validate=True), "<f8")
        sizes = tuple(values["shape"])
        if len(sizes) != len(shape) or any(
            a not in (None, b) for a, b in zip(shape, sizes, strict=True)
        ):
            raise ValueError(f"an array has shape {sizes}, not {shape}")
        if kind == "upper":
            return _symmetric(numbers, *sizes)
        return np.asarray(numbers.reshape(sizes), dtype=float)
    array = np.array(values, dtype=object)
    found = array.shape if array.ndim == len(shape) else (*array.shape, 0)
    wanted = tuple(have if size is None else size for have, size in zip(found, shape, strict=True))
    if array.size != np.prod(wanted) or (array.size and found != wanted):
        raise ValueError(f"an array has shape {array.shape}, not {wanted}")
    unknown = np.array([value is None for value in array.ravel()]).reshape(array.shape)
    return np.asarray(np.where(unknown, np.nan, array), dtype=float).reshape(wanted)


def _own_block(joint_cov: Floats, count: int) -> Floats:
    """Covariance (M, M) of the scores within that of (estimates, source, target)."""
    return joint_cov[:count, :count]


def _symmetric(numbers: Floats, rows: int, columns: int) -> Floats:
    """The symmetric array (k, k) whose rows from the diagonal on are given one after another."""
    if not (rows == columns and 2 * numbers.size == rows * (rows + 1)):
        raise ValueError(f"{numbers.size} numbers are no half of an array {rows, columns}")
    found, end = np.empty((rows, columns)), 0
    for k in range(rows):
        start, end = end, end + rows - k
        found[k, k:] = found[k:, k] = numbers[start:end]
    return found


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
