"""Formulas of strangers are parsed, never executed."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from hatstats.bayes.trend_design import trend_design
from hatstats.errors import DataError
from hatstats.study.formula import CALLS, evaluate_formula, parse_formula
from hatstats.trends.claims.verdicts import evaluate_claims
from hatstats.trends.design import functions
from hatstats.trends.regression import fit_trend
from tests.trends.makers import some_scores

DATA = Path(__file__).parents[2] / "data"
FRAME = pd.DataFrame(
    {
        "model": [f"m{number}" for number in range(20)],
        "family": list("abcde") * 4,
        "kind": ["x", "y"] * 10,
        "size_class": ["small", "large"] * 10,
        "a": [1.0 + number**2 for number in range(20)],
        "b": [2.0 + number for number in range(20)],
        "my column": [3.0 + number**3 for number in range(20)],
    }
)
ALLOWED = [
    "a", "a + b", "a - 1", "0 + a", "-1 + a", "a * b", "a:b", "a / b", "(a + b)**2", "a^2",
    "(a + b + kind)**2 - a:b", "log10(a)", "log(`my column`) + `my column`", "exp(a / 1e4)",
    "bs(a, df=4)", "bs(a, knots=[5, 9])", "cr(a, df=3)", "poly(a, 2)", "poly(a, degree=2)",
    "scale(a)", "center(a)", "C(kind)", "C(kind, Treatment('y'))", "C(kind, levels=['y', 'x'])",
    "within(a) + between(a)", "I(2 * a)", "I(a**-2)",
]  # fmt: skip
#: Each is a kind of what no formula may have.
REFUSED = {
    "attribute": "C(a.__class__)",
    "method": "a.clip(1)",
    "module": "np.log(a)",
    "subscript": "log(a[0])",
    "braces": "{a}",
    "text alone": '"text"',
    "text outside C()": 'log("text")',
    "keyword": "log(a, out=b)",
    "keywords of a mapping": "log(**a)",
    "starred": "C(*a)",
    "other call": "open(a)",
    "look-alike call": "\uff4f\uff50en(a)",
    "result called": "log(a)(b)",
    "dunder name": "log(__import__)",
    "dunder call": '__import__("os")',
    "lambda": "I((lambda: a)())",
    "comprehension": "I([x for x in a])",
    "generator": "C(x for x in a)",
    "f-string": 'C(f"{a}")',
    "bytes": 'C(kind, b"x")',
    "walrus": "C(x := a)",
    "condition": "log(a if a else b)",
    "comparison": "I(a < b)",
    "two sides": "a ~ b",
    "parts": "a | b",
    "all columns": ".",
    "remainder": "I(a % b)",
    "power of a formula": "(a + b)**200",
    "power of numbers": "I(9**9**9**9)",
    "power of a covariate": "I(a**99)",
    "many products": "*".join(["(a + b)"] * 60),
    "many labels": "C(model):C(model):C(model)",
    "many degrees": "bs(a, df=1000000)",
    "many degrees by position": "poly(a, 10000)",
    "splines of splines": "bs(bs(a, df=50), df=50)",
    "repeated text": "C(kind * 999999999)",
    "length": "+".join(["a"] * 2000),
    "depth": f"{'(' * 450}a{')' * 450}",
    "open backtick": "log(`a)",
    "backslash": "C(kind, '\\x41')",
}


@pytest.mark.parametrize("formula", ALLOWED)
def test_formulas_of_covariates_are_evaluated(formula: str) -> None:
    context = functions(FRAME["family"].to_numpy())
    table = evaluate_formula(parse_formula(formula, FRAME), FRAME, formula, context)
    assert len(table) == 20
    trusted = parse_formula(formula, FRAME, trusted=True)
    pd.testing.assert_frame_equal(evaluate_formula(trusted, FRAME, formula, context), table)


@pytest.mark.parametrize("formula", REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_at_once(formula: str) -> None:
    start = time.process_time()
    with pytest.raises(DataError) as caught:
        parse_formula(formula, FRAME)
    assert time.process_time() - start < 1.0
    assert caught.value.column == "formula"
    assert caught.value.hint


def test_every_formula_of_the_studies_passes() -> None:
    found = 0
    for file in sorted(DATA.glob("*/study.toml")):
        models = pd.read_csv(file.parent / "models.csv").assign(release_year=2024.0)
        for claim in tomllib.loads(file.read_text(encoding="utf-8")).get("claims", []):
            if "formula" in claim:
                parse_formula(claim["formula"], models)
                found += 1
    assert found > 10


def test_every_function_of_a_trend_may_be_called() -> None:
    assert set(functions(FRAME["family"].to_numpy())) <= CALLS


def test_no_door_runs_a_formula(tmp_path: Path) -> None:
    mark = tmp_path / "ran.npy"
    formula = f"{{np.save({str(mark)!r}, [1.0])}}"
    claim = {"name": "c", "kind": "slope", "term": "a", "threshold": 0.0, "formula": formula}
    with pytest.raises(DataError, match="cannot be read"):
        fit_trend(some_scores(), formula)
    assert "cannot be read" in evaluate_claims(some_scores(), [claim])[0].reason
    with pytest.raises(DataError, match="cannot be read"):
        trend_design(FRAME, formula)
    assert not mark.exists()
    with pytest.raises(DataError):  # the file is made, and None is no covariate
        fit_trend(some_scores(), formula, trusted=True)
    assert mark.exists()


def test_a_programmer_may_trust_a_formula_of_his_own() -> None:
    trend = fit_trend(some_scores(), "np.log10(params_total.clip(1e9, None))", trusted=True)
    assert trend.nobs == 20
    design = trend_design(FRAME, "np.log1p(a)", trusted=True)
    assert design.terms == ("np.log1p(a)",)
