"""Slopes inside families and series of models, their mean, and where methods agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.cluster_robust.sandwich import cluster_robust
from hatstats.inference.intervals import wald_interval
from hatstats.inference.reml.group_slopes import group_slopes
from hatstats.inference.reml.meta_regression import fit_reml
from hatstats.trends.claims.agreement import agreement
from hatstats.trends.claims.estimands import estimate_claim
from hatstats.trends.regression import fit_trend
from hatstats.trends.standard_errors import robust_covariance
from hatstats.trends.within_series import family_slopes
from tests.trends.makers import (
    FAMILY,
    FORMULA,
    aggregate_study,
    scores_of,
    some_scores,
    table_of_models,
)

SIZE = "log10(params_total)"


def test_slopes_of_families_against_naive() -> None:
    """Least squares in each family; the scatter around the lines in excess of the known errors."""
    scores = some_scores(3)
    found = family_slopes(scores, SIZE)
    x = np.log10(scores.covariates["params_total"].to_numpy(dtype=float))
    V, loadings, residuals, freedom, known = scores.covariance, [], 0.0, 0, 0.0
    for family in range(5):  # the sixth has one model
        rows = np.flatnonzero(family == FAMILY)
        slope, level = np.polyfit(x[rows], scores.estimates[rows], 1)
        assert found.params[f"family-{family}"] == pytest.approx(slope, rel=1e-8)
        X = np.column_stack([np.ones(rows.size), x[rows]])
        maker = np.eye(rows.size) - X @ np.linalg.pinv(X)
        residuals += float(((scores.estimates[rows] - level - slope * x[rows]) ** 2).sum())
        known += float(np.trace(maker @ V[np.ix_(rows, rows)]))
        freedom += rows.size - 2
        row = np.zeros(20)
        row[rows] = (x[rows] - x[rows].mean()) / ((x[rows] - x[rows].mean()) ** 2).sum()
        loadings.append(row)
    L = np.array(loadings)
    scatter = max(0.0, (residuals - known) / freedom)
    cov = L @ (V + scatter * np.eye(20)) @ L.T
    np.testing.assert_allclose(found.cov, cov, rtol=1e-8)
    assert found.slopes.freedom == pytest.approx(freedom)
    # The mean: REML weights, and CR2 with the series as clusters.
    one = np.ones((5, 1))
    fit = fit_reml(found.estimates, one, np.diag(np.diag(cov)), [np.arange(5)])
    tau2 = fit.variance_components[0]
    assert found.slopes.mean == pytest.approx(fit.params[0], rel=1e-8)
    robust = cluster_robust(
        one, fit.residuals, fit.weights, cov + tau2 * np.eye(5), np.arange(5), kind="CR2"
    )
    assert found.slopes.std_error == pytest.approx(float(robust.std_errors([1.0])[0]), rel=1e-7)
    assert found.slopes.df == pytest.approx(min(float(robust.df([1.0])[0]), 4.0), rel=1e-6)
    pooled = fit_trend(scores, SIZE).tidy().iloc[-1]
    assert found.beside["estimate"].iloc[-1] == pytest.approx(pooled["estimate"])


def test_series_split_a_family() -> None:
    series = np.array([f"s{code}{index % 2}" for index, code in enumerate(FAMILY)], dtype=object)
    series[FAMILY >= 2] = None  # unknown: the family stands for them
    found = family_slopes(some_scores(3, series=series), SIZE)
    assert list(found.params.index) == [
        "s00",
        "s01",
        "s10",
        "s11",
        "family-2",
        "family-3",
        "family-4",
    ]
    assert found.families[:3] == ("family-0", "family-0", "family-1")
    assert found.n_positive == int((found.params > 0).sum())


def test_slopes_within_and_between_families_against_truth() -> None:
    """Slope .05 inside families, -.02 between them."""
    table = table_of_models(7)
    size = np.log10(table["params_total"].to_numpy())
    mean = pd.Series(size).groupby(FAMILY).transform("mean").to_numpy()
    noise = 0.004 * np.random.default_rng(7).standard_normal(20)
    scores = scores_of(table, 0.5 + 0.05 * (size - mean) - 0.02 * mean + noise, np.full(20, 1e-5))
    rows = family_slopes(scores, SIZE).tidy().set_index("term")
    assert rows.loc["mean within series", "estimate"] == pytest.approx(0.05, abs=0.005)
    assert rows.loc["mean within series", "p_value"] < 0.05
    assert rows.loc["between family means", "estimate"] == pytest.approx(-0.02, abs=0.01)
    with pytest.raises(NotIdentifiedError, match="differs inside no series"):
        family_slopes(some_scores(code=FAMILY.astype(float)), "code")


def test_a_family_effect_of_any_size_leaves_the_slopes_as_they_are() -> None:
    scores = some_scores(3)
    moved = replace(scores, estimates=scores.estimates + np.array([3.0, -1, 0, 5, 2, 9])[FAMILY])
    one, other = family_slopes(scores, SIZE), family_slopes(moved, SIZE)
    np.testing.assert_allclose(other.estimates, one.estimates, atol=1e-9)
    assert other.slopes.mean == pytest.approx(one.slopes.mean, abs=1e-9)


def test_a_covariate_that_others_determine_in_a_group_is_left_out() -> None:
    """Two covariates: a group of two models determines no slope of its own on either."""
    X = np.array([[0.0, 0.0], [1.0, 2.0], [0.0, 1.0], [1.0, 0.0], [2.0, 5.0], [3.0, 1.0]])
    y, labels = X @ [2.0, -1.0], ["a", "a", "b", "b", "b", "b"]
    found = group_slopes(y, 0.01 * np.eye(6), X, np.array([1.0, 0.0]), labels)
    assert found.groups == ("b",)
    assert found.estimates[0] == pytest.approx(2.0)
    assert np.isnan(found.mean)


def test_tidy_summary_and_html_say_the_same() -> None:
    found = family_slopes(some_scores(3), SIZE)
    table = found.tidy(0.9)
    assert table["term"].tolist()[-3:] == [
        "mean within series", "between family means", "all models, pooled",
    ]  # fmt: skip
    assert table["n_models"].tolist() == [6, 5, 3, 3, 2, 19, 20, 20]
    np.testing.assert_allclose(found.conf_int(0.9).to_numpy(), table[["conf_low", "conf_high"]][:5])
    assert max(map(len, found.summary().splitlines())) <= 80
    for text in (found.summary(), found._repr_html_()):
        assert f"{found.n_positive} of 5 series rise" in text


def test_from_accuracies_alone_the_slope_of_source_accuracy_is_held() -> None:
    rng = np.random.default_rng(2)
    table = table_of_models(2)
    size = np.log10(table["params_total"].to_numpy()) - 10.0
    source = 0.5 + 0.5 * rng.standard_normal(20)
    target = source + 0.2 * size - 0.3
    logits = np.column_stack([source, target, target + 0.1])
    profile = hs.fit_profile(aggregate_study(table, 1 / (1 + np.exp(-logits))))
    found = family_slopes(profile, SIZE)
    assert found.scale == "logit"
    np.testing.assert_allclose(found.estimates, 0.2, atol=0.03)
    assert found.slopes.mean == pytest.approx(0.2, abs=0.02)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="only one numeric covariate"):
        family_slopes(some_scores(), FORMULA)
    single = some_scores(
        family=[f"f{index // 2}" if index < 2 else f"g{index}" for index in range(20)]
    )
    with pytest.raises(NotIdentifiedError, match="differs inside 1 series"):
        family_slopes(single, SIZE)


# --- agreement ----------------------------------------------------------------------------------


@pytest.mark.parametrize("vcov", ["CR2", "CR3"])
def test_limits_of_agreement_against_naive(vcov: str) -> None:
    """Every family left out and refitted by weighted least squares, the other errors, the mean."""
    scores = some_scores(4)
    trend = fit_trend(scores, FORMULA, vcov=vcov)  # type: ignore[arg-type]
    claim = {"name": "s", "kind": "slope", "term": SIZE, "formula": FORMULA, "threshold": 0.0}
    number = estimate_claim(claim, lambda *_: trend)
    found = number.series()
    (low, low_by), (high, high_by) = agreement(number, found, 0.9)
    lows, highs = [], []
    for family in range(6):
        rows = np.flatnonzero(family != FAMILY)
        W, X = trend.reml.weights[np.ix_(rows, rows)], trend.reml.X[rows]
        cov = np.linalg.inv(X.T @ W @ X)
        value, error = (cov @ X.T @ W @ trend.reml.y[rows])[1], np.sqrt(cov[1, 1])
        lows.append(value - 0.5 * error)
        highs.append(value + 0.5 * error)
    other = robust_covariance(
        trend.reml, np.array(trend.clusters), "CR3" if vcov == "CR2" else "CR2"
    )
    unit = np.array([0.0, 1.0, 0.0])
    (row,) = wald_interval([number.value], other.std_errors(unit), other.df(unit), 0.9)
    assert found is not None
    assert low == pytest.approx(min([*lows, row[0], found.mean]), rel=1e-6)
    assert high == pytest.approx(max([*highs, row[1], found.mean]), rel=1e-6)
    assert low_by
    assert high_by


def test_values_that_differ_by_rounding_are_one_value() -> None:
    x = np.array([0.0, 1.0, 2.0, 0.1 + 0.2, 0.3, 0.3 - 1e-16])
    y, labels = np.array([0.0, 1.0, 2.0, 5.0, 6.0, 7.0]), ["a", "a", "a", "b", "b", "b"]
    found = group_slopes(y, 0.01 * np.eye(6), x[:, None], np.ones(1), labels)
    assert found.groups == ("a",)
    assert found.estimates == pytest.approx([1.0])
