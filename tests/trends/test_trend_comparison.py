"""The comparison of standard errors: each row against its source."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.inference.cluster_robust.resampled_tests import (
    permutation_test,
    wild_cluster_bootstrap,
)
from hatstats.inference.cluster_robust.sandwich import cluster_robust
from hatstats.inference.tidy import TIDY_COLUMNS
from hatstats.study import Study
from hatstats.trends.regression import fit_trend
from hatstats.trends.trend import TrendFit
from tests.trends.makers import FORMULA, aggregate_study, some_scores, table_of_models

METHODS = ["OLS", "HC1", "HC3", "REML", "REML, Satterthwaite", "Knapp-Hartung", "CR1", "CR2", "CR3"]
TESTS = [
    "wild Rademacher (floor .0312)",
    "wild Webb (floor .0005)",
    "permutation by family (floor .0005)",
]


@pytest.fixture(scope="module")
def trends() -> dict[str, TrendFit]:
    rng = np.random.default_rng(12)
    accuracy = rng.uniform(0.3, 0.9, (20, 3))
    accuracy[2, 1] = np.nan
    study = aggregate_study(table_of_models(12), accuracy)
    return {
        "two stages": fit_trend(some_scores(12), FORMULA),
        "one regression": fit_trend(fit_aggregate(study), FORMULA),
    }


KINDS = ["two stages", "one regression"]


@pytest.fixture(scope="module")
def tables(trends: dict[str, TrendFit]) -> dict[str, pd.DataFrame]:
    return {kind: trend.comparison(conf_level=0.9) for kind, trend in trends.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_methods_are_in_order(kind: str, tables: dict[str, pd.DataFrame]) -> None:
    table = tables[kind]
    assert list(table.columns) == list(TIDY_COLUMNS)
    assert list(table["method"]) == [name for name in METHODS + TESTS for _ in range(2)]
    assert list(table["term"]) == ["log10(params_total)", "release_year"] * len(METHODS + TESTS)
    assert set(table["conf_level"]) == {0.9}
    table = table[table["method"].isin(METHODS)]
    width = stats.t.ppf(0.95, table["df"]) * table["std_error"]
    np.testing.assert_allclose(table["conf_high"] - table["estimate"], width)
    p = 2 * stats.t.sf(abs(table["estimate"] / table["std_error"]), table["df"])
    np.testing.assert_allclose(table["p_value"], p)
    assert table["std_error"].notna().all()


def outcome(trend: TrendFit) -> tuple[np.ndarray, np.ndarray]:
    """One outcome and one row of regressors per model, by the definition."""
    panel = trend.panel
    if panel is None:
        return trend.reml.y, np.column_stack([np.ones(20), trend.design.matrix])
    y, X = np.zeros(20), np.zeros((20, 4))
    for index, name in enumerate(trend.design.models):
        rows = np.flatnonzero(panel.model == name)
        intercepts = panel.fit.params[panel.language[rows]]
        y[index] = np.mean(panel.fit.y[rows] - intercepts)
        X[index] = [1.0, panel.fit.dense.X[rows[0], 2], *trend.design.matrix[index]]
    return y, X


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_rows_against_naive(
    kind: str, trends: dict[str, TrendFit], tables: dict[str, pd.DataFrame]
) -> None:
    y, X = outcome(trends[kind])
    table = tables[kind].set_index(["method", "term"])
    bread = np.linalg.inv(X.T @ X)
    params = bread @ X.T @ y
    e = y - X @ params
    n, k = X.shape
    leverage = np.einsum("ip,pq,iq->i", X, bread, X)
    by_hand = {
        "OLS": e @ e / (n - k) * bread,
        "HC1": n / (n - k) * bread @ (X.T * e**2) @ X @ bread,
        "HC3": bread @ (X.T * (e / (1 - leverage)) ** 2) @ X @ bread,
    }
    fits = {name: sm.OLS(y, X).fit(cov_type=name, use_t=True) for name in ("HC1", "HC3")}
    fits["OLS"] = sm.OLS(y, X).fit()
    assert set(by_hand) == set(fits)
    for name, cov in by_hand.items():
        for column, term in ((k - 2, "log10(params_total)"), (k - 1, "release_year")):
            row = table.loc[(name, term)]
            assert row["estimate"] == pytest.approx(params[column], rel=1e-6)
            assert row["std_error"] == pytest.approx(np.sqrt(cov[column, column]), rel=1e-5)
            assert row["std_error"] == pytest.approx(fits[name].bse[column], rel=1e-5)
            assert row["p_value"] == pytest.approx(fits[name].pvalues[column], rel=1e-5)
            assert row["df"] == n - k


@pytest.mark.parametrize("kind", KINDS)
def test_model_based_row_against_theory(
    kind: str, trends: dict[str, TrendFit], tables: dict[str, pd.DataFrame]
) -> None:
    trend = trends[kind]
    X, S = trend.reml.X, trend.reml.marginal
    cov = np.linalg.inv(X.T @ np.linalg.solve(S, X))
    rows = tables[kind].query("method == 'REML'")
    np.testing.assert_allclose(rows["std_error"], np.sqrt(np.diag(cov))[-2:], rtol=1e-5)
    np.testing.assert_allclose(rows["estimate"], trend.estimates[-2:])
    assert set(rows["df"]) == {17.0 if kind == "two stages" else 16.0}


@pytest.mark.parametrize("method", ["CR1", "CR2", "CR3"])
@pytest.mark.parametrize("kind", KINDS)
def test_cluster_rows_against_the_sandwich(
    kind: str, method: str, trends: dict[str, TrendFit], tables: dict[str, pd.DataFrame]
) -> None:
    trend = trends[kind]
    fit = trend.reml
    family = dict(zip(trend.design.models, trend.clusters, strict=True))
    names = trend.design.models if trend.panel is None else trend.panel.model
    robust = cluster_robust(
        fit.X,
        fit.residuals,
        np.linalg.inv(fit.marginal),
        fit.marginal,
        [family[str(name)] for name in names],
        kind=method,  # type: ignore[arg-type]
    )
    rows = tables[kind].query("method == @method")
    np.testing.assert_allclose(rows["estimate"], trend.estimates[-2:])
    np.testing.assert_allclose(rows["std_error"], np.sqrt(np.diag(robust.cov))[-2:], rtol=1e-5)
    freedom = robust.satterthwaite(np.eye(len(robust.cov)))[-2:] if method == "CR2" else [5, 5]
    np.testing.assert_allclose(rows["df"], freedom, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_row_of_the_vcov_of_a_fit_is_its_tidy_row(
    kind: str, trends: dict[str, TrendFit], tables: dict[str, pd.DataFrame]
) -> None:
    trend = trends[kind]
    tidy = trend.tidy(0.9).set_index("term").loc[list(trend.design.terms)]
    rows = tables[kind].query("method == 'CR2'").set_index("term")
    for column in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high"):
        np.testing.assert_allclose(rows[column], tidy[column], rtol=1e-7)


def test_comparison_does_not_depend_on_the_vcov_of_the_fit() -> None:
    scores = some_scores(12)
    second, third = (fit_trend(scores, FORMULA, vcov=kind) for kind in ("CR2", "CR3"))
    assert second.comparison(n_draws=99, rng=1).equals(third.comparison(n_draws=99, rng=1))
    assert not np.allclose(second.bse, third.bse)


def test_as_many_models_as_can_be_fitted_degenerate() -> None:
    """One degree of freedom in the ordinary rows."""
    rng = np.random.default_rng(3)
    table = table_of_models(3, np.array([0, 1, 1, 2]))
    study = aggregate_study(table, rng.uniform(0.4, 0.9, (4, 4)))
    trend = fit_trend(fit_aggregate(study), "release_year")
    rows = trend.comparison(n_draws=99).set_index("method")
    assert rows.loc["OLS", "df"] == 1
    assert list(rows.index[:-3]) == METHODS


def test_as_many_coefficients_as_models_degenerate() -> None:
    """Each benchmark has its own slope, so that five models leave least squares no residuals."""
    rng = np.random.default_rng(4)
    table = table_of_models(3, np.array([0, 0, 1, 1, 2]))
    one = aggregate_study(table, rng.uniform(0.4, 0.9, (5, 4)))
    counts, benchmarks = [one.counts], [one.benchmarks]
    for name in ("b2", "b3"):
        other = aggregate_study(table, rng.uniform(0.4, 0.9, (5, 4)))
        counts.append(other.counts.assign(benchmark=name))
        benchmarks.append(other.benchmarks.assign(benchmark=name))
    study = Study(pd.concat(counts), one.models, pd.concat(benchmarks))
    trend = fit_trend(fit_aggregate(study), "release_year")
    assert trend.collapsed[1].shape == (5, 5)
    rows = trend.comparison(n_draws=99).set_index("method")
    plain = rows.loc[["OLS", "HC1", "HC3"], ["std_error", "df", "p_value"]]
    assert plain.isna().all(axis=None)
    assert rows["estimate"].notna().all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_bootstrap_and_permutation_rows_against_their_functions(
    kind: str, trends: dict[str, TrendFit], tables: dict[str, pd.DataFrame]
) -> None:
    trend, table = trends[kind], tables[kind]
    for index, name in enumerate(trend.design.terms):  # noqa: B007
        contrast = np.eye(trend.estimates.size)[index - 2]
        wild = wild_cluster_bootstrap(
            trend.reml.y,
            trend.reml.X,
            trend.robust.codes,
            contrast=contrast,
            weights=np.linalg.inv(trend.reml.marginal),
        )
        row = table.query("method == @TESTS[0] and term == @name").iloc[0]
        assert row["p_value"] == pytest.approx(wild.p_value, abs=1e-12)
        assert row["p_value"] >= 2 / 2**6
        np.testing.assert_allclose(
            [row["conf_low"], row["conf_high"]], wild.conf_int(0.9), rtol=1e-6
        )
        assert np.isnan(row["df"])
        y, X = trend.collapsed
        permuted = permutation_test(
            y, X, np.array(trend.clusters), column=X.shape[1] - 2 + index, rng=8
        )
        row = table.query("method == @TESTS[2] and term == @name").iloc[0]
        assert row["estimate"] == pytest.approx(permuted.estimate)
        # Two sets of draws: their p values differ by a few Monte-Carlo errors at most.
        assert row["p_value"] == pytest.approx(permuted.p_value, abs=0.06)


def test_seeds_of_the_drawn_rows() -> None:
    trend = fit_trend(some_scores(12), "release_year")
    first, again, other = (trend.comparison(rng=seed, n_draws=499) for seed in (1, 1, 2))
    assert first.equals(again)
    differs = first["p_value"].to_numpy() != other["p_value"].to_numpy()
    drawn = [method.split(" (")[0] for method in first.loc[differs, "method"]]
    assert drawn == ["wild Webb", "permutation by family"]


def test_a_coefficient_of_one_model_alone_degenerate() -> None:
    """HC3 divides by one minus the leverage, which is zero."""
    alone = fit_trend(some_scores(only=(np.arange(20) == 3).astype(float)), "only")
    rows = alone.comparison(n_draws=99).set_index("method")["std_error"]
    assert rows[["HC3", "CR1", "CR2", "CR3"]].isna().all()
    assert rows[["OLS", "HC1", "REML"]].notna().all()


def test_comparison_records_its_seed() -> None:
    trend = fit_trend(some_scores(1), "release_year")
    fresh = trend.comparison(n_draws=50)
    again = trend.comparison(n_draws=50, rng=fresh.attrs["seed"])
    pd.testing.assert_frame_equal(fresh, again)
