"""Formulas over the table of models: checked, read, and evaluated row by row.

formulaic evaluates the parts of a formula as Python. Formulas come with studies of strangers, so
nothing reaches formulaic that `check_formula` has not let through.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, SimpleFormula, model_matrix
from formulaic.errors import FormulaicError
from formulaic.parser.algos.tokenize import tokenize
from formulaic.parser.types import Token
from formulaic.utils.code import sanitize_variable_names

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Ints
from hatstats.study.schema import near

#: Functions that a formula may call.
FUNCTIONS = {"log10": np.log10, "log": np.log, "sqrt": np.sqrt, "exp": np.exp}
EXAMPLE = "write it like 'log10(params_total) + release_year'."

#: Calls that make several columns of one covariate; they stand alone, never inside another call.
_SPLINES = frozenset({"bs", "cr", "cs", "cc", "poly"})
_CODINGS = frozenset({"Treatment", "Sum", "Helmert", "Diff", "Poly"})
#: Every call that a formula may make.
CALLS = _SPLINES | _CODINGS | {
    "C", "log", "log2", "log10", "exp", "exp2", "exp10", "sqrt", "center", "scale",
    "standardize", "I", "between", "within",
}  # fmt: skip
#: Keywords of these calls that hold numbers, text or lists of them.
_KEYWORDS = frozenset({
    "df", "degree", "knots", "lower_bound", "upper_bound", "include_intercept", "extrapolation",
    "raw", "ddof", "levels", "reference", "base", "contrasts", "spans_intercept", "scores",
})  # fmt: skip
_LONGEST, _LARGEST_POWER, _LARGEST_DEGREE, _LEAST_COLUMNS = 1000, 10, 50, 1000


def with_release_year(models: pd.DataFrame) -> pd.DataFrame:
    """The table of models with `release_year`, the date in years and fractions of a year."""
    frame = models.copy()
    if "release_date" in frame.columns:
        date = pd.to_datetime(frame["release_date"])
        start = pd.to_datetime({"year": date.dt.year, "month": 1, "day": 1}, errors="coerce")
        length = np.where(date.dt.is_leap_year, 366.0, 365.0)
        frame["release_year"] = date.dt.year + (date - start).dt.days / length
    return frame


def formula_error(formula: str, message: str, hint: str) -> DataError:
    """Error about a formula."""
    return DataError(message, column="formula", value=formula, hint=hint)


def parse_formula(formula: str, frame: pd.DataFrame, *, trusted: bool = False) -> SimpleFormula:
    """The formula as formulaic reads it, checked for a table of models unless it is `trusted`."""
    try:
        if not trusted:
            check_formula(formula, frame)
        parsed = Formula(formula)
        if isinstance(parsed, SimpleFormula):
            return parsed
        reason = "it has sides or parts, and a trend needs covariates alone"
    except DataError:
        raise
    except (FormulaicError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = (str(error).splitlines() or ["it is nested too deeply"])[0]
    raise formula_error(formula, f"the formula cannot be read ({reason})", EXAMPLE)


def check_formula(formula: str, frame: pd.DataFrame) -> None:
    """Refuse, by a `DataError`, whatever is no formula of covariates.

    Allowed are names, numbers, ``+ - * / : ** ^ ( )`` and calls of `CALLS`; length, powers and
    number of columns have limits, so that it always ends. Looked at are formulaic's own tokens.
    """
    if not isinstance(formula, str) or len(formula) > _LONGEST:
        what = f"a formula is a text of at most {_LONGEST} characters"
        raise formula_error(str(formula)[:60], what, EXAMPLE)
    if "\\" in formula:
        raise _refused(formula, "\\")
    parts, columns = list[str](), dict[str, int]()
    for token in tokenize(formula):
        part = token.token
        if token.kind is Token.Kind.OPERATOR:
            if set(part) - set("+-*/:^"):
                raise _refused(formula, part)
            part = part.replace("^", "**").replace(":", "@")
        elif token.kind is Token.Kind.CONTEXT:
            if part not in "()":
                raise _refused(formula, part)
        elif token.kind is Token.Kind.VALUE:
            if not part.replace(".", "", 1).isdecimal():
                raise _refused(formula, part)
        else:
            # One column, or one for each label.
            width = int(frame[part].nunique()) if _is_text(part, frame) else 1
            if token.kind is Token.Kind.PYTHON:
                if formula[token.source_start or 0] == "{":
                    raise _refused(formula, "{")
                tree = ast.parse(sanitize_variable_names(part, {}, {}), mode="eval").body
                if not isinstance(tree, ast.Call):
                    raise _refused(formula, part)
                _check_expression(tree, formula, frame)
                width = _width_of_call(tree, frame)
            part = f"part{len(columns)}"
            columns[part] = width
        parts.append(part)
    skeleton = ast.parse(" ".join(parts) or "0", mode="eval").body
    count = _n_columns(skeleton, columns, formula)
    if count > (most := max(_LEAST_COLUMNS, 2 * len(frame))):
        text = f"the formula makes up to {count:.3g} columns, and {most} are the most"
        raise formula_error(formula, text, "name fewer covariates, or smaller powers.")


def _refused(formula: str, part: str) -> DataError:
    """Error about a part that no formula may have."""
    return formula_error(
        formula,
        f"the formula cannot be read: {part[:40]!r} is no covariate, number, sign (+ - * / : **) "
        f"or call of {', '.join(sorted(CALLS))}",
        f"{EXAMPLE[:-1]}. In Python, trusted=True evaluates a formula of your own as it stands.",
    )


def _check_expression(
    node: ast.expr, formula: str, frame: pd.DataFrame, *, labels: bool = False, inner: bool = False
) -> None:
    """Refuse what is no arithmetic of covariates, inside a call; text only among `labels`."""

    def check(*nodes: ast.expr) -> None:
        for each in nodes:
            _check_expression(each, formula, frame, labels=labels, inner=True)

    match node:
        case ast.Constant(value=str()) if labels:
            return
        case ast.Constant(value=bool() | int() | float()):
            return
        case ast.Name(id=name) if not name.startswith("__"):
            return
        case ast.List(elts=parts) | ast.Tuple(elts=parts) if inner:
            return check(*parts)
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=operand):
            return check(operand)
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow()):
            names = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
            texts = [name for name in names if _is_text(name, frame)]
            if texts:
                hint = f"write C({texts[0]}) for its labels."
                raise formula_error(formula, f"{texts[0]} is text, which has no arithmetic", hint)
            if isinstance(node.op, ast.Pow):
                _check_power(node, formula)
            return check(node.left, node.right)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in CALLS:
            several = name in _SPLINES or name == "C"
            known = all(each.arg in _KEYWORDS for each in keywords)
            if known and not (several and inner):
                labels = labels or name in _CODINGS or name == "C"
                if name in _SPLINES:
                    _check_degrees(args[1:], keywords, formula)
                return check(*args, *(each.value for each in keywords))
    raise _refused(formula, ast.unparse(node))


def _check_power(node: ast.BinOp, formula: str) -> None:
    """Refuse a power other than of a covariate to a small number: others may take for ever."""
    exponent = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
    number = exponent.value if isinstance(exponent, ast.Constant) else None
    small = isinstance(number, int | float) and number <= _LARGEST_POWER
    if not small or not any(isinstance(part, ast.Name) for part in ast.walk(node.left)):
        text = f"a power is of a covariate, and at most {_LARGEST_POWER}"
        raise formula_error(formula, text, "write a smaller power.")


def _check_degrees(args: Sequence[ast.expr], keywords: list[ast.keyword], formula: str) -> None:
    """Refuse a spline or polynomial of many degrees, given by position or by name."""
    named = [each.value for each in keywords if each.arg in ("df", "degree")]
    for each in (*args, *named):
        number = each.value if isinstance(each, ast.Constant) else None
        if isinstance(number, int | float) and number > _LARGEST_DEGREE:
            text = f"a spline or polynomial has at most {_LARGEST_DEGREE} degrees"
            raise formula_error(formula, text, "write a smaller number.")


def _is_text(name: str, frame: pd.DataFrame) -> bool:
    """Whether a name is a column that holds no numbers."""
    return name in frame and not pd.api.types.is_numeric_dtype(frame[name])


def _width_of_call(tree: ast.Call, frame: pd.DataFrame) -> int:
    """Most columns that a call makes: labels of C(), degrees and knots of a spline, else one."""
    name, nodes = getattr(tree.func, "id", ""), list(ast.walk(tree))
    if name == "C":
        names = {part.id for part in nodes if isinstance(part, ast.Name)} & set(frame.columns)
        return max((int(frame[each].nunique()) for each in names), default=1)
    if name not in _SPLINES:
        return 1
    numbers = [part.value for part in nodes if isinstance(part, ast.Constant)]
    small = [int(x) for x in numbers if isinstance(x, int | float) and x <= _LARGEST_DEGREE]
    return max([3, *small]) + sum(len(part.elts) for part in nodes if isinstance(part, ast.List))


def _n_columns(node: ast.expr, columns: Mapping[str, int], formula: str) -> float:
    """Most columns that a formula makes, of which the leaves of its tree make so many."""
    match node:
        case ast.Name(id=name):
            return columns[name]
        case ast.UnaryOp(operand=operand):
            return _n_columns(operand, columns, formula)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))):
            if power > _LARGEST_POWER:
                text = f"a power is at most {_LARGEST_POWER}"
                raise formula_error(formula, text, "write a smaller power.")
            return float((1.0 + _n_columns(left, columns, formula)) ** power)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.MatMult(),
                       right=right):  # fmt: skip
            first, second = (_n_columns(side, columns, formula) for side in (left, right))
            product = 0.0 if isinstance(node.op, ast.Add | ast.Sub) else first * second
            return product if isinstance(node.op, ast.MatMult) else first + second + product
        case ast.Constant():
            return 1
    raise formula_error(formula, "the formula cannot be read", EXAMPLE)


def required_columns(
    parsed: SimpleFormula,
    frame: pd.DataFrame,
    formula: str,
    functions: Mapping[str, Any] = FUNCTIONS,
) -> list[str]:
    """Columns of the table of models that a formula names; an error if one is missing or a date."""
    names = {str(name) for name in parsed.required_variables}
    needed = sorted(names - (set(functions) - set(frame.columns)))
    unknown = [name for name in needed if name not in frame.columns]
    if unknown:
        raise DataError(
            "the formula names a variable that the table lacks, or a function that is not known",
            file="the table of models",
            column=unknown[0],
            hint=f"it has {', '.join(str(name) for name in frame.columns)}."
            f"{near(unknown[0], frame.columns)}",
        )
    dates = [name for name in needed if pd.api.types.is_datetime64_any_dtype(frame[name])]
    if dates:
        raise formula_error(formula, "a date is no number", "use release_year.")
    return needed


def no_values(columns: Sequence[str]) -> NotIdentifiedError:
    """Error about columns of the table of models that no model has values of."""
    message = f"no model has a value of {' and of '.join(columns)}"
    give = "give models= to Study.from_frame."
    filled = {"params_total", "params_active", "release_year", "family"} & set(columns)
    known = "hatstats models fill STUDY (fill_models(study).study) fills what is known, or "
    return NotIdentifiedError(message, hint=(known if filled else "") + give)


def evaluate_formula(
    parsed: SimpleFormula,
    frame: pd.DataFrame,
    formula: str,
    functions: Mapping[str, Any] = FUNCTIONS,
) -> Any:
    """Model matrix with one row per row of `frame`; what has no finite value stays visible."""
    try:
        with np.errstate(all="ignore"):
            return model_matrix(parsed, frame, context=functions, na_action="ignore")
    except FormulaicError as error:
        if isinstance(error.__cause__, DataError):
            raise error.__cause__ from None
        reason = str(error).splitlines()[0]
        raise formula_error(
            formula, f"the formula cannot be evaluated ({reason})", EXAMPLE
        ) from error


def identified_terms(
    table: pd.DataFrame, rows: Ints, needed: Sequence[str], formula: str, units: str = "models"
) -> list[str]:
    """Terms of a model matrix, without the constant, if its rows identify their trends.

    `rows` (M,) are the positions of its rows in the table of models; `needed` are the variables of
    the formula. Else a DataError for a value that is not finite, or NotIdentifiedError.
    """
    terms = [str(name) for name in table.columns if str(name) != "Intercept"]
    if not terms:
        raise formula_error(formula, "the formula names no covariate", EXAMPLE)
    matrix = np.asarray(table[terms], dtype=float)
    if len(rows) < len(terms) + 2:
        raise NotIdentifiedError(
            f"{len(rows)} {units} have {', '.join(needed)}, too few for "
            f"{len(terms) + 1} coefficients and their scatter"
        )
    for name, column in zip(terms, matrix.T, strict=True):
        if not np.isfinite(column).all():
            index = int(np.flatnonzero(~np.isfinite(column))[0])
            raise DataError(
                f"{name} is not finite",
                file="the table of models",
                row=int(rows[index]) + 2,
                column=name,
                value=float(column[index]),
                hint="correct the value, or leave it empty.",
            )
        if np.ptp(column) == 0.0:
            raise NotIdentifiedError(
                f"{name} is {column[0]:.6g} for every model, so that it has no trend; drop it from "
                "the formula"
            )
    scaled = np.column_stack([np.ones(len(rows)), matrix - matrix.mean(axis=0)])
    scaled = scaled / np.linalg.norm(scaled, axis=0)
    if np.linalg.matrix_rank(scaled, tol=1e-8) < scaled.shape[1]:
        raise NotIdentifiedError(
            f"the covariates {', '.join(terms)} depend on each other over these {len(rows)} "
            "models, so that their trends are not identified separately; drop one of them"
        )
    return terms
