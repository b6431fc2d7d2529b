"""Measures of count tables that predictive checks rest on, and how wide cells are taken to be."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats

from hatstats.bayes.count_tables import BENT, MEASURES, table_measures
from hatstats.bayes.diagnostics import predictive_checks, predictive_table
from hatstats.bayes.estimates import item_cells
from hatstats.estimators.methods import fit_profile
from hatstats.scores.item_profile import ItemProfile
from hatstats.simulation.simulate import Shape, simulate_study

Floats = NDArray[np.float64]


def naive_measures(table: tuple[Floats, Floats], trials: tuple[Floats, Floats]) -> dict[str, float]:
    """The same one answer after another."""
    (source, target), (source_trials, target_trials) = table, trials
    answers = [
        (source[i] / source_trials[i], target[i, place] / target_trials[i, place], i, place)
        for i in range(len(source))
        for place in range(target.shape[1])
        if source_trials[i] > 0 and target_trials[i, place] > 0
    ]
    own = [source[i] / source_trials[i] for i in range(len(source)) if source_trials[i] > 0]

    def mean(values: list[float]) -> float:
        return float(np.mean(values)) if values else float("nan")

    left: dict[tuple[int, int], float] = {}
    for share, accuracy, i, place in answers:
        peers = [a for s, a, _, other in answers if other == place and abs(s - share) < 1e-9]
        left[i, place] = accuracy - mean(peers)
    products = [
        (source[i] / source_trials[i], left[i, place] * left[i, other])
        for i, place in left
        for other in range(target.shape[1])
        if other != place and (i, other) in left
    ]
    of_items = [mean([a for _, a, i, _ in answers if i == one]) for one in range(len(source))]
    known = [value for value in of_items if value == value]
    accuracies = [a[1] for a in answers]
    source_mean, target_mean = mean(own), mean(accuracies)
    return {
        "source accuracy": source_mean,
        "target accuracy": target_mean,
        "gap": source_mean - target_mean,
        "ratio": target_mean / source_mean if source_mean > 0 else float("nan"),
        "items never right in the source": mean([float(s == 0.0) for s in own]),
        "items always right in the source": mean([float(s == 1.0) for s in own]),
        "target accuracy of the hardest third": mean([a for s, a, *_ in answers if s <= 1 / 3]),
        "target accuracy of the easiest third": mean([a for s, a, *_ in answers if s >= 2 / 3]),
        "target never right, source mostly right": mean(
            [float(a == 0.0) for s, a, *_ in answers if s >= 0.8]
        ),
        "target always right, source mostly wrong": mean(
            [float(a == 1.0) for s, a, *_ in answers if s <= 0.2]
        ),
        "spread of items in a target language": float(np.std(list(left.values()))),
        "residuals shared by languages": mean([product for _, product in products]),
        "residuals shared by languages, easiest third": mean(
            [product for share, product in products if share >= 2 / 3]
        ),
        "skewness of items over target languages": mean(
            [(value - mean(known)) ** 3 for value in known]
        ),
        "bend of target logits over source logits": naive_bend(table, trials, answers),
        "bend of target less source logits over all answers": naive_other_bend(
            table, trials, answers
        ),
    }


def naive_bend(
    table: tuple[Floats, Floats],
    trials: tuple[Floats, Floats],
    answers: list[tuple[float, float, int, int]],
) -> float:
    """numpy's own parabola through the logits of each kind of source count."""
    right: dict[tuple[float, float], list[float]] = {}
    for _, _, i, place in answers:
        sums = right.setdefault((table[0][i], trials[0][i]), [0.0, 0.0])
        sums[0] += table[1][i, place]
        sums[1] += trials[1][i, place]
    x = [np.log((k + 0.5) / (n - k + 0.5)) for k, n in right]
    if len({round(value, 12) for value in x}) < 3:
        return float("nan")
    share = np.array([(k + 0.5) / (n + 1.0) for k, n in right.values()])
    size = np.array([n for _, n in right.values()])
    weight = np.sqrt(size * share * (1.0 - share))
    return float(np.polyfit(x, special.logit(share), 2, w=weight)[0])


def naive_other_bend(
    table: tuple[Floats, Floats],
    trials: tuple[Floats, Floats],
    answers: list[tuple[float, float, int, int]],
) -> float:
    """numpy's own parabola through the differences of logits of classes of items."""
    classes: dict[float, list[tuple[float, Floats]]] = {}
    for i in sorted({i for _, _, i, _ in answers}):
        asked = [place for _, _, one, place in answers if one == i]
        right = sum(table[1][i, place] for place in asked)
        tried = sum(trials[1][i, place] for place in asked)
        share = (table[0][i] + right + 0.5) / (trials[0][i] + tried + 1.0)
        logit = np.log(share / (1.0 - share))
        counts = np.array([right, tried, table[0][i], trials[0][i]])
        classes.setdefault(round(4.0 * logit), []).append((logit, counts))
    if len(classes) < 3:
        return float("nan")
    x, y, weight = [], [], []
    for members in classes.values():
        right, tried, own, own_tried = np.sum([counts for _, counts in members], axis=0)
        shares = (right + 0.5) / (tried + 1.0), (own + 0.5) / (own_tried + 1.0)
        noise = [n * p * (1.0 - p) for n, p in zip((tried, own_tried), shares, strict=True)]
        x.append(np.mean([logit for logit, _ in members]))
        y.append(special.logit(shares[0]) - special.logit(shares[1]))
        weight.append((1.0 / noise[0] + 1.0 / noise[1]) ** -0.5)
    return float(np.polyfit(x, y, 2, w=weight)[0])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 6), languages=st.integers(1, 3))
def test_measures_equal_those_of_single_answers(seed: int, n: int, languages: int) -> None:
    rng = np.random.default_rng(seed)
    trials = rng.integers(0, n + 1, 30).astype(float), np.full((30, languages), float(n))
    trials[1][rng.random(trials[1].shape) < 0.2] = 0.0
    source = rng.binomial(trials[0].astype(int), 0.6).astype(float)
    target = rng.binomial(trials[1].astype(int), 0.5).astype(float)
    found = table_measures(source, target, *trials)
    expected = naive_measures((source, target), trials)
    assert tuple(expected) == MEASURES
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-8, atol=1e-10)


def test_nothing_asked_is_nan_and_not_zero() -> None:
    found = table_measures(np.zeros(4), np.zeros((4, 2)), np.zeros(4), np.zeros((4, 2)))
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    "measure",
    [
        "residuals shared by languages, easiest third",
        "skewness of items over target languages",
        "bend of target logits over source logits",
        "bend of target less source logits over all answers",
    ],
)
def test_measures_tell_a_cube_from_a_straight_line_of_logits(measure: str) -> None:
    """The likelihood's own world is a line; that of a cube gets flatter as items get easier."""
    place = MEASURES.index(measure)
    trials = np.full(250, 10.0), np.full((250, 2), 10.0)
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        eta = rng.normal(0.0, 1.5, 250)
        source = rng.binomial(10, special.expit(eta)).astype(float)
        values = []
        for share in (special.expit(eta) ** 3, special.expit(1.6 * eta - 1.7)):
            target = rng.binomial(10, np.column_stack([share, share])).astype(float)
            values.append(table_measures(source, target, *trials)[place])
        found.append(values)
    assert stats.ttest_rel(*np.array(found).T, alternative="less").pvalue < 1e-4


@pytest.mark.parametrize(("off", "surprised"), [(-1.9, True), (0.3, False)])
def test_measures_that_a_bend_moves_alike_fail_together(off: float, surprised: bool) -> None:
    """Each lies where a hundred replicates hold some like it; all at once do not occur."""
    rng = np.random.default_rng(3)
    replicated = rng.normal(5.0, 0.2, (4, 500, len(MEASURES)))
    observed = np.full(len(MEASURES), 5.0)
    observed[[MEASURES.index(name) for name in BENT]] += 0.2 * off
    observed[0] = np.nan
    groups = {
        "posterior_predictive": {"measures": SimpleNamespace(values=replicated)},
        "observed_data": {"measures": SimpleNamespace(values=observed)},
    }
    fit = SimpleNamespace(idata=groups, model=SimpleNamespace(measures=MEASURES))
    table = predictive_table(fit).set_index("measure")  # type: ignore[arg-type]
    assert len(table) == len(MEASURES)
    assert table["p_value"].iloc[:-1].between(0.01, 0.99).all()
    (check,) = predictive_checks(fit)  # type: ignore[arg-type]
    assert check.passed is not surprised
    assert ("4 measures together" in check.words) is surprised
    np.testing.assert_allclose(table["observed"].iloc[-1], 4 * off, atol=0.3)


@pytest.mark.parametrize("method", ["latent", "observed"])
def test_cells_are_as_wide_as_the_t_distribution_of_their_error(method: str) -> None:
    """Few items carry a weak model's score, and then two standard errors are too few."""
    study = simulate_study((-2.0, 1.0), shape=Shape(n_items=120, n_languages=2), rng=8)
    profile = fit_profile(study, method=method)  # type: ignore[arg-type]
    assert isinstance(profile, ItemProfile)
    (fit,) = profile.fits
    unit, cells = item_cells(fit, "uniform")
    scores = fit.scores("uniform")
    estimate, influence = scores.estimate, scores.influence
    for place, (m, language) in enumerate(zip(unit.cell_model, unit.cell_language, strict=True)):
        own = influence[:, m, language]
        groups, variance = own.size, float(own @ own)
        df = min(2.0 / max(float((own**4).sum()) / variance**2 - 1.0 / groups, 0.0), groups - 1.0)
        half = stats.t.ppf(0.975, df) * np.sqrt(variance * groups / (groups - 1.0))
        slope = 1.0 / (estimate[m, language] * (1.0 - estimate[m, language]))
        at = cells.source.size + place
        np.testing.assert_allclose(
            stats.norm.ppf(0.975) * np.sqrt(cells.cov[at, at]), half * slope, rtol=1e-6
        )


def test_variances_of_few_items_are_drawn_to_those_of_like_cells() -> None:
    """Between studies the widths scatter less than by the items of each cell alone."""
    scatter = []
    for seed in range(12):
        study = simulate_study(
            tuple(np.linspace(-1.5, 0.5, 6)), shape=Shape(n_items=100, n_languages=2), rng=seed
        )
        profile = fit_profile(study)
        assert isinstance(profile, ItemProfile)
        (fit,) = profile.fits
        unit, cells = item_cells(fit, "uniform")
        scores = fit.scores("uniform")
        estimate, influence = scores.estimate, scores.influence
        value = estimate[unit.cell_model, unit.cell_language]
        error = np.sqrt((influence[:, unit.cell_model, unit.cell_language] ** 2).sum(axis=0))
        own = np.log(error / (value * (1.0 - value)))
        scatter.append((own, 0.5 * np.log(np.diag(cells.cov)[cells.source.size :])))
    own, drawn = np.moveaxis(np.array(scatter), 1, 0)
    assert drawn.std(axis=0).mean() < 0.8 * own.std(axis=0).mean()
