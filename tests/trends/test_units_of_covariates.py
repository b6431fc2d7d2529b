"""A trend does not depend on the units of its covariates: parameters, or billions of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.inference.cluster_robust.leverage import partial_leverage, partial_r_squared
from hatstats.inference.cluster_robust.resampled_tests import (
    permutation_test,
    wild_cluster_bootstrap,
)
from hatstats.trends.regression import fit_trend
from tests.trends.makers import FAMILY, aggregate_study, some_scores, table_of_models

#: Of values around 1e10, and products that follow them closely, beside a constant of 1.
FORMULAS = ("size * release_year", "size + size:release_year")
BILLION = 1e9


def in_units(unit: float) -> dict[str, np.ndarray]:
    """A column of sizes."""
    return {"size": table_of_models(12)["params_total"].to_numpy(dtype=float) / unit}


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("stages", [1, 2])
def test_every_row_is_the_same_in_billions(formula: str, stages: int) -> None:
    tables = []
    for unit in (1.0, BILLION):
        columns = in_units(unit)
        if stages == 2:
            trend = fit_trend(some_scores(12, **columns), formula)
        else:
            accuracy = np.random.default_rng(12).uniform(0.3, 0.9, (20, 3))
            table = table_of_models(12).assign(**columns)
            trend = fit_trend(fit_aggregate(aggregate_study(table, accuracy)), formula)
        tables.append(pd.concat([trend.tidy(), trend.comparison(rng=1)], ignore_index=True))
    raw, billions = tables
    powers = raw["term"].str.count("size")
    for name in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(
            raw[name] * BILLION**powers, billions[name], rtol=1e-5, err_msg=name
        )
    for name in ("p_value", "df", "statistic"):
        np.testing.assert_allclose(raw[name], billions[name], rtol=1e-5, err_msg=name)


def test_tests_by_cluster_do_not_depend_on_units() -> None:
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(20), rng.normal(size=(20, 2))])
    y, root = rng.normal(size=20), rng.normal(size=(20, 20))
    W = root @ root.T + np.eye(20)
    found = []
    for unit in (1.0, 1e20):
        D = X * [1.0, unit, 1.0 / unit]
        wild = wild_cluster_bootstrap(y, D, FAMILY, contrast=[0.0, 1.0, 0.0], weights=W)
        permuted = permutation_test(y, D, FAMILY, column=2, n_draws=99, rng=1)
        found.append(
            [
                wild.estimate * unit, wild.std_error * unit, wild.p_value,
                permuted.statistic, permuted.p_value,
                *partial_leverage(D, W, FAMILY).ravel(), *partial_r_squared(y, D),
            ]
        )  # fmt: skip
    np.testing.assert_allclose(found[0], found[1], rtol=1e-7)
    # The estimate is generalised least squares.
    assert found[1][0] == pytest.approx(np.linalg.solve(X.T @ W @ X, X.T @ W @ y)[1])
