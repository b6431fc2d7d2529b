"""Trends against theory: derivatives, algebra, and simulations with a known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from hatstats.estimators.aggregate.profile import AggregateProfile, fit_aggregate
from hatstats.inference.reml.meta_regression import RemlFit, fit_reml
from hatstats.scores.scores import HatScores
from hatstats.study.formula import with_release_year
from hatstats.trends.regression import fit_trend
from hatstats.trends.seemingly_unrelated import slope_difference
from hatstats.trends.trend import TrendFit
from tests.trends.makers import (
    FAMILY,
    FORMULA,
    aggregate_study,
    full_covariance,
    some_scores,
    table_of_models,
)

Floats = NDArray[np.float64]
Equation = tuple[Floats, Floats, Floats, Floats, NDArray[np.intp]]
SIZE = "log10(params_total)"


# --- a known world ------------------------------------------------------------------------------

INTERCEPTS, LINE, TREND = np.array([-0.3, -0.7]), 0.9, 0.3


def target_logits(source: Floats, size: Floats) -> Floats:
    """Logits (M, 2) of target accuracies in a world where transfer grows with size."""
    return INTERCEPTS + LINE * source[:, None] + TREND * (size - 10.0)[:, None]


def known_world(seed: int) -> AggregateProfile:
    """Twenty models; source accuracy grows with size, and transfer does too, by `TREND`."""
    rng = np.random.default_rng([51, seed])
    table = table_of_models(seed)
    size = np.log10(table["params_total"].to_numpy())
    ability = 0.3 + 0.8 * (size - 10.0) + 0.5 * rng.standard_normal(20)
    logits = target_logits(ability, size)
    logits += 0.05 * (rng.standard_normal(6)[FAMILY] + rng.standard_normal(20))[:, None]
    logits += 0.03 * rng.standard_normal((20, 2))
    p = special.expit(np.column_stack([ability, logits]))
    return fit_aggregate(aggregate_study(table, rng.binomial(2000, p) / 2000, n_trials=2000))


def true_slope(profile: AggregateProfile, trend: TrendFit) -> float:
    """Change of mean target accuracy per tenfold parameters, at the reference of the trend."""
    nodes = np.quantile(profile.parts[0].source, (np.arange(20) + 0.5) / 20)
    middle = trend.design.matrix.mean()
    above, below = (
        special.expit(target_logits(nodes, np.full(20, middle + step))) for step in (0.5, -0.5)
    )
    return float((above - below).mean())


@pytest.mark.slow
def test_one_regression_is_unbiased_and_two_stages_attenuate_against_theory() -> None:
    one, two, logit, truth = [], [], [], []
    for seed in range(40):
        profile = known_world(seed)
        trend = fit_trend(profile, SIZE)
        one.append(trend.slope_gradient(SIZE)[0])
        logit.append(trend.estimates[-1])
        two.append(fit_trend(profile.hat(), SIZE).slope_gradient(SIZE)[0])
        truth.append(true_slope(profile, trend))
    error = np.array(one) - truth
    noise = float(error.std(ddof=1) / np.sqrt(error.size))
    assert noise < 0.04 * np.mean(truth)
    assert abs(error.mean()) < 3 * noise
    assert np.mean(logit) == pytest.approx(TREND, abs=3 * np.std(logit) / np.sqrt(len(logit)))
    # Frisch-Waugh-Lovell: the slope of the first line absorbs the common part of size and accuracy,
    # so that 1 - R^2 of the trend remains in the scores, R^2 that of size on source accuracy.
    share = np.mean(two) / np.mean(truth)
    ability_variance = (0.8 * 0.8) ** 2 + 0.5**2
    assert share == pytest.approx(0.5**2 / ability_variance, abs=0.3)
    assert share < 0.75


# --- calculus on the accuracy scale -------------------------------------------------------------


@pytest.fixture(scope="module")
def profile() -> AggregateProfile:
    rng = np.random.default_rng(61)
    table = table_of_models(61)
    size = np.log10(table["params_total"].to_numpy())
    ability = 0.2 + 0.7 * (size - 10.0) + 0.6 * rng.standard_normal(20)
    logits = target_logits(ability, size) + 0.1 * rng.standard_normal((20, 2))
    p = 0.25 + 0.75 * special.expit(np.column_stack([ability, logits]))
    accuracy = rng.binomial(800, p) / 800
    accuracy[4, 1] = np.nan
    return fit_aggregate(aggregate_study(table, accuracy, n_trials=800, chance=0.25))


@pytest.fixture(scope="module")
def trends(profile: AggregateProfile) -> dict[str, TrendFit]:
    """One trend of each kind: scores, one regression, one regression with a line held at 1."""
    held = fit_aggregate(profile.study, slope=1.0)
    return {
        "two stages": fit_trend(some_scores(), FORMULA),
        "one regression": fit_trend(profile, FORMULA),
        "line held at 1": fit_trend(held, FORMULA),
    }


KINDS = ("two stages", "one regression", "line held at 1")


def with_params(trend: TrendFit, params: Floats) -> TrendFit:
    return replace(trend, surface=replace(trend.surface, params=params))


@pytest.mark.parametrize("kind", KINDS)
def test_accuracy_slopes_against_theory(kind: str, trends: dict[str, TrendFit]) -> None:
    trend = trends[kind]
    table = trend.accuracy_slopes().set_index("term")
    assert list(table.index) == list(trend.design.terms)
    middle = trend.design.matrix.mean(axis=0)
    for index, term in enumerate(trend.design.terms):
        step = 0.5 * np.eye(middle.size)[index]
        above = trend.surface.accuracy(middle + step)
        below = trend.surface.accuracy(middle - step)
        gradient = above[1] - below[1]
        assert table.loc[term, "estimate"] == pytest.approx(above[0] - below[0], rel=1e-12)
        assert table.loc[term, "std_error"] == pytest.approx(
            np.sqrt(gradient @ trend.covariance @ gradient), rel=1e-8
        )
        assert table.loc[term, "df"] == pytest.approx(trend.robust.df(gradient)[0], rel=1e-6)
    assert set(table["method"]) == {"CR2 by family, Satterthwaite df, accuracy scale"}


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_against_theory(kind: str, trends: dict[str, TrendFit]) -> None:
    """Of slopes and differences, by finite differences in the coefficients."""
    trend = trends[kind]
    high, low = {"params_total": 2e9, "release_year": 2024.2}, {"params_total": 7e10}
    quantities = {
        "difference": lambda fit: fit.difference_gradient(high, low),
        "slope of size": lambda fit: fit.slope_gradient(SIZE),
        "slope of date": lambda fit: fit.slope_gradient("release_year"),
    }
    for name, quantity in quantities.items():
        gradient = quantity(trend)[1]
        # Large relative to the rounding of years, small relative to the curvature of a logit.
        step = 1e-6 / np.maximum(1.0, np.abs(trend.reml.X).max(axis=0))
        for index in range(trend.estimates.size):
            move = step * np.eye(trend.estimates.size)[index]
            above = quantity(with_params(trend, trend.estimates + move))[0]
            below = quantity(with_params(trend, trend.estimates - move))[0]
            numeric = (above - below) / (2 * step[index])
            scale = np.abs(trend.reml.X[:, index]).max()
            assert gradient[index] == pytest.approx(numeric, abs=1e-7 * scale), (name, index)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("covariate", ["params_total", "release_year"])
@pytest.mark.slow
def test_curve_passes_through_the_surface_against_theory(
    kind: str, covariate: str, trends: dict[str, TrendFit]
) -> None:
    trend = trends[kind]
    curve = trend.curve(covariate, conf_level=0.8)
    values = trend.design.frame[covariate]
    assert curve["x"].iloc[[0, -1]].tolist() == pytest.approx([values.min(), values.max()])
    steps = np.diff(np.log(curve["x"]) if covariate == "params_total" else curve["x"])
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    index = 0 if covariate == "params_total" else 1
    for row in curve.iloc[::8].itertuples():
        covariates = trend.design.matrix.mean(axis=0)
        covariates[index] = np.log10(row.x) if covariate == "params_total" else row.x
        value, gradient = trend.surface.accuracy(covariates)
        error = np.sqrt(gradient @ trend.covariance @ gradient)
        assert row.estimate == pytest.approx(value, rel=1e-12)
        width = (row.conf_high - row.conf_low) / 2
        assert (row.conf_high + row.conf_low) / 2 == pytest.approx(value, rel=1e-9)
        expected = stats.t.ppf(0.9, trend.robust.df(gradient)[0]) * error
        assert width == pytest.approx(expected, rel=1e-5)
    assert set(curve["conf_level"]) == {0.8}


def test_surface_of_a_panel_is_the_mean_fitted_accuracy_against_theory(
    profile: AggregateProfile, trends: dict[str, TrendFit]
) -> None:
    """The value at one model's covariates, node by node and language by language."""
    trend = trends["one regression"]
    assert trend.surface.link == "logit"
    row = trend.design.matrix[7]
    *intercepts, slope, size, date = trend.estimates
    nodes = np.quantile(profile.parts[0].source, (np.arange(20) + 0.5) / 20)
    total = 0.0
    for node in nodes:
        for intercept in intercepts:
            line = intercept + slope * node + size * row[0] + date * row[1]
            total += 0.25 + 0.75 / (1 + np.exp(-line))
    assert trend.surface.accuracy(row)[0] == pytest.approx(
        total / (20 * len(intercepts)), rel=1e-12
    )
    assert len(intercepts) == 2


def test_difference_does_not_depend_on_other_covariates_against_theory() -> None:
    """On a linear surface other covariates cancel, and the difference is slope times step."""
    trend = fit_trend(some_scores(), FORMULA)
    estimate, gradient = trend.difference_gradient({"params_total": 1e9}, {"params_total": 1e11})
    assert estimate == pytest.approx(-2 * trend.estimates[1])
    np.testing.assert_allclose(gradient, [0, -2, 0], atol=1e-12)


def test_factors_are_averaged_over_the_models_against_theory() -> None:
    kind = np.array(["base", "chat"])[np.arange(20) % 5 // 2 % 2]
    trend = fit_trend(some_scores(kind=kind), f"kind * {SIZE}")
    assert trend.design.terms == ("kind[T.chat]", SIZE, f"kind[T.chat]:{SIZE}")
    share = (kind == "chat").mean()
    row = trend.design.mean_row({"params_total": 1e9})
    np.testing.assert_allclose(row, [share, 9.0, 9.0 * share])
    estimate, _ = trend.difference_gradient({"params_total": 1e11}, {"params_total": 1e9})
    assert estimate == pytest.approx(2 * (trend.estimates[2] + share * trend.estimates[3]))
    assert trend.curve("params_total")["estimate"].notna().all()


def test_covariates_are_averaged_on_the_scale_of_the_formula_against_theory() -> None:
    """The mean of logarithms: a few very large models do not shift the curve over time."""
    trend = fit_trend(some_scores(), FORMULA)
    row = trend.design.mean_row({"release_year": 2025.0})
    np.testing.assert_allclose(row, [trend.design.matrix[:, 0].mean(), 2025.0])


# --- source accuracy beside transfer ------------------------------------------------------------


def with_source(scores: HatScores, source: Floats, joint: Floats) -> HatScores:
    size = len(scores.models)
    return replace(scores, source=source, joint_cov=joint, covariance=joint[:size, :size])


def joint_scores(seed: int, *, within_families: bool) -> HatScores:
    """Scores with source accuracies and one covariance over both."""
    rng = np.random.default_rng([71, seed])
    joint = full_covariance(rng, 40)
    if within_families:
        code = np.tile(FAMILY, 2)
        joint = np.where(code[:, None] == code, joint, 0.0)
    scores = some_scores(seed)
    source = 0.5 + 0.1 * rng.standard_normal(6)[FAMILY] + 0.05 * rng.standard_normal(20)
    return with_source(scores, source, joint)


@pytest.mark.parametrize("term", [SIZE, "release_year"])
def test_identical_equations_do_not_differ_against_theory(term: str) -> None:
    for seed in range(3):
        scores = some_scores(seed)
        # An error that is common to all models, such as that of hard items.
        cov = scores.covariance + 0.03**2
        scores = with_source(scores, scores.estimates, np.tile(cov, (2, 2)))
        trend = fit_trend(scores, FORMULA)
        both = slope_difference(scores, trend, term)
        error = float(trend.robust.std_errors(trend.slope_gradient(term)[1])[0])
        assert both.other_slope == pytest.approx(both.transfer_slope, abs=1e-12)
        assert both.estimate == pytest.approx(0.0, abs=1e-12)
        assert both.std_error <= 1e-3 * error


def test_errors_that_both_equations_share_cancel_against_theory() -> None:
    """The error of common items in source accuracy and score cancels in the difference."""
    scores = joint_scores(1, within_families=True)
    trend = fit_trend(scores, FORMULA)
    without = slope_difference(scores, trend, SIZE)
    # An error proportional to size: models of all families gain in proportion to their size.
    size = trend.design.matrix[:, 0]
    shared = 0.05**2 * np.outer(np.tile(size - size.mean(), 2), np.tile(size - size.mean(), 2))
    noisy = with_source(scores, scores.source, scores.joint_cov + shared)
    noisy_trend = fit_trend(noisy, FORMULA)
    # It adds 0.05 to the error of each slope and nothing to that of their difference.
    assert noisy_trend.accuracy_slopes()["std_error"][0] > 0.045
    assert slope_difference(noisy, noisy_trend, SIZE).std_error == pytest.approx(
        without.std_error, rel=0.05
    )


def block_sandwich(trend: TrendFit, equations: list[Equation]) -> Floats:
    """CR2 of stacked equations (X, weights, working, residuals, family codes), by loops."""
    sizes = [X.shape[1] for X, *_ in equations]
    meat = np.zeros((sum(sizes), sum(sizes)))
    breads = [np.linalg.inv(X.T @ W @ X) for X, W, *_ in equations]
    for family in range(trend.n_clusters):
        scores = []
        for (X, W, S, e, code), bread in zip(equations, breads, strict=True):
            rows = np.flatnonzero(code == family)
            maker = np.eye(len(X)) - X @ bread @ X.T @ W
            residual = (maker @ S @ maker.T)[np.ix_(rows, rows)]
            root = np.linalg.cholesky(S[np.ix_(rows, rows)]).T
            value, vector = np.linalg.eigh(root @ residual @ root.T)
            inverse_root = vector @ np.diag(value**-0.5) @ vector.T
            adjusted = root.T @ inverse_root @ root @ e[rows]
            scores.append(bread @ X[rows].T @ W[np.ix_(rows, rows)] @ adjusted)
        score = np.concatenate(scores)
        meat += np.outer(score, score)
    return meat


def equation(fit: RemlFit, code: NDArray[np.intp]) -> Equation:
    return fit.X, fit.weights, fit.marginal, fit.residuals, code


def test_slope_difference_of_an_aggregate_study_against_theory(profile: AggregateProfile) -> None:
    # Rows of the panel in the order of its fit; the source equation has one row per model.
    trend = fit_trend(profile, SIZE)
    panel = trend.panel
    assert panel is not None
    both = slope_difference(profile, trend, SIZE)
    family_of = dict(zip(trend.design.models, map(int, FAMILY), strict=True))
    cells = np.array([family_of[str(name)] for name in panel.model])
    models = np.array([family_of[name] for name in panel.source_models[0]])
    source = panel.source_fit[0].dense
    cov = block_sandwich(trend, [equation(source, models), equation(panel.fit.dense, cells)])

    middle = trend.design.matrix.mean()

    def accuracy(gamma: Floats, size: float) -> float:
        return float(0.25 + 0.75 * special.expit(gamma[0] + gamma[1] * size))

    def slope(gamma: Floats) -> float:
        return accuracy(gamma, middle + 0.5) - accuracy(gamma, middle - 0.5)

    assert both.other_slope == pytest.approx(slope(source.params), rel=1e-10)
    assert both.transfer_slope == pytest.approx(trend.slope_gradient(SIZE)[0], rel=1e-12)
    steps = 1e-6 * np.eye(2)
    numeric = [(slope(source.params + h) - slope(source.params - h)) / 2e-6 for h in steps]
    gradient = np.concatenate([numeric, -trend.slope_gradient(SIZE)[1]])
    assert both.std_error == pytest.approx(np.sqrt(gradient @ cov @ gradient), rel=1e-5)
    assert both.estimate == both.other_slope - both.transfer_slope


def test_slope_difference_of_scores_against_theory() -> None:
    """CR0 needs no working covariance: the plain sandwich of both equations, by loops."""
    scores = joint_scores(2, within_families=True)
    trend = fit_trend(scores, FORMULA, vcov="CR0")
    both = slope_difference(scores, trend, "release_year")
    X, weights = trend.reml.X, trend.reml.weights
    assert both.robust.cov.shape == (6, 6)
    np.testing.assert_allclose(both.transfer_slope, trend.estimates[2], rtol=1e-10)
    # The equation of the source by generalised least squares with its own weights.
    fit = fit_reml(scores.source, X, scores.joint_cov[20:, 20:], trend.reml.codes)
    assert both.other_slope == pytest.approx(fit.params[2], rel=1e-8)
    total = 0.0
    for family in range(6):
        rows = family == FAMILY
        part = 0.0
        for sign, X_, W, e in (
            (1.0, X, fit.weights, fit.residuals),
            (-1.0, X, weights, trend.reml.residuals),
        ):
            bread = np.linalg.inv(X_.T @ W @ X_)
            part += sign * float((bread @ X_[rows].T @ W[np.ix_(rows, rows)] @ e[rows])[2])
        total += part**2
    assert both.std_error == pytest.approx(np.sqrt(total), rel=1e-6)
    assert both.df == 5


# --- covariates ---------------------------------------------------------------------------------


def test_release_year_of_known_dates_against_theory() -> None:
    known = {
        "2025-01-01": 2025.0,
        "2024-01-01": 2024.0,
        "2024-12-31": 2024 + 365 / 366,
        "2025-12-31": 2025 + 364 / 365,
        "2024-02-29": 2024 + 59 / 366,
        "2024-03-01": 2024 + 60 / 366,
        "2025-03-01": 2025 + 59 / 365,
        "2000-07-01": 2000 + 182 / 366,
        "2100-07-01": 2100 + 181 / 365,
    }
    frame = pd.DataFrame({"model": list(known), "release_date": pd.to_datetime(list(known))})
    years = with_release_year(frame)["release_year"]
    np.testing.assert_allclose(years, list(known.values()), rtol=1e-15)
    assert "release_year" not in frame.columns


def test_unknown_dates_have_no_release_year_against_theory() -> None:
    dates = pd.to_datetime(["2024-07-01", None, "2025-07-01"])
    years = with_release_year(pd.DataFrame({"release_date": dates}))["release_year"]
    assert years.isna().tolist() == [False, True, False]
    assert with_release_year(pd.DataFrame({"release_date": [pd.NaT]}))["release_year"].isna().all()
    assert list(with_release_year(pd.DataFrame({"model": ["a"]})).columns) == ["model"]


def test_models_without_a_covariate_are_left_out_by_name() -> None:
    size = table_of_models()["params_total"].where(np.arange(20) % 7 != 3)
    trend = fit_trend(some_scores(params_total=size), FORMULA)
    assert trend.left_out == ("m03", "m10", "m17")
    assert (trend.nobs, trend.glance()["n_left_out"].item()) == (17, 3)
    # The rest is fitted as if the others had never been there.
    scores = some_scores()
    kept = [scores.models.index(name) for name in trend.design.models]
    np.testing.assert_array_equal(trend.reml.y, scores.estimates[kept])
    np.testing.assert_allclose(trend.reml.V, scores.covariance[np.ix_(kept, kept)], rtol=1e-12)


@pytest.mark.parametrize(
    ("families", "floor"),
    [([0, 0, 1, 1, 1], 0.5), ([0, 0, 1, 1, 2, 2, 2], 0.25), (list(FAMILY), 1 / 32)],
)
def test_p_floor_against_theory(families: list[int], floor: float) -> None:
    code = np.array(families)
    table = table_of_models(3, code)
    rng = np.random.default_rng(4)
    scores = HatScores.from_frame(
        table.assign(estimate=rng.uniform(0.4, 0.7, code.size)),
        pd.DataFrame(1e-4 * np.eye(code.size), index=table["model"], columns=table["model"]),
    )
    trend = fit_trend(scores, "release_year")
    assert trend.p_floor == floor
    assert trend.glance()["p_floor"].item() == floor
    assert trend.n_clusters == len(set(code))
