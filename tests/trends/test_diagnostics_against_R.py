"""Model-based inference and influence against metafor and lmerTest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hatstats.inference.reml.meta_regression import (
    fit_reml,
    knapp_hartung,
    satterthwaite,
)
from hatstats.trends.diagnostics import influence_measures
from hatstats.trends.regression import fit_trend
from tests.reference import stored
from tests.trends.makers import scores_of

CASES = stored.cases("diagnostics")


def case(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    found = CASES[name]
    return {key: np.asarray(value) for key, value in found["input"].items()}, found["output"]


def test_knapp_hartung_against_R() -> None:
    given, expected = case("knapp_hartung")
    fit = fit_reml(given["y"], given["X"], np.diag(given["v"]), [np.arange(20)])
    cov, df = knapp_hartung(fit)
    np.testing.assert_allclose(fit.params, expected["params"], rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(cov)), expected["se"], rtol=1e-6)
    assert df == expected["df"] == 17


def test_satterthwaite_against_R() -> None:
    given, expected = case("satterthwaite")
    fit = fit_reml(given["y"], given["X"], np.zeros((20, 20)), [given["family"], np.arange(20)])
    np.testing.assert_allclose(fit.params, expected["params"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.cov)), expected["se"], rtol=1e-4)
    np.testing.assert_allclose(satterthwaite(fit, np.eye(3)), expected["df"], rtol=2e-3)


def test_influence_against_R() -> None:
    given, expected = case("influence")
    table = pd.DataFrame(
        {
            "model": [f"m{index}" for index in range(20)],
            "family": [f"f{code}" for code in given["family"]],
            "size": given["X"][:, 1],
            "date": given["X"][:, 2],
        }
    )
    trend = fit_trend(scores_of(table, given["y"], given["V"]), "size + date")
    for unit, name in (("model", "model"), ("cluster", "family")):
        found = influence_measures(trend, unit=unit)  # type: ignore[arg-type]
        assert len(found) == (20 if unit == "model" else 6)
        np.testing.assert_allclose(
            found["cooks_distance"], expected[f"cook_{name}"], rtol=2e-3, atol=1e-4
        )
        dfbetas = np.asarray(expected[f"dfbetas_{name}"])[:, 1:]
        np.testing.assert_allclose(
            found[["dfbetas[size]", "dfbetas[date]"]], dfbetas, rtol=5e-3, atol=1e-3
        )
