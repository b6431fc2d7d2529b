"""`panel` against loops over items and dense nodes, written from its formulas alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize

from hatstats.estimators.panel.bend import common_bend
from hatstats.estimators.panel.fit import _targets, fit_panel
from hatstats.estimators.panel.options import PanelOptions
from hatstats.estimators.panel.profile import PanelModel
from hatstats.estimators.panel.stages import Panel
from tests.estimators.panel.panels import panel_counts
from tests.studies import cases

SIGMA, ITEMS = 1.0, 24
#: Right answers and trials of a rater, its level and its slope.
type Answer = tuple[float, float, float, float]


def nodes(step: float) -> list[tuple[float, float]]:
    """Nodes of a standard normal variable within 4.5, with weights that add up to 1."""
    number = int(4.5 / step)
    found = [(step * j, math.exp(-0.5 * (step * j) ** 2)) for j in range(-number, number + 1)]
    total = sum(weight for _, weight in found)
    return [(node, weight / total) for node, weight in found]


def expit(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z))


def chance_of(k: float, n: float, z: float, c: float) -> float:
    """Likelihood of k of n right answers, without the binomial coefficient."""
    p = c + (1.0 - c) * expit(z)
    return float(p**k * (1.0 - p) ** (n - k))


def ease_of(answers: list[Answer], c: float) -> float:
    """Mean of t given right answers and trials of raters with levels and slopes."""
    top = bottom = 0.0
    for t, weight in nodes(0.15):
        value = weight
        for k, n, alpha, gamma in answers:
            value *= chance_of(k, n, alpha + gamma * t, c)
        top, bottom = top + value * t, bottom + value
    return top / bottom


def marginal(answers: list[Answer], c: float) -> float:
    """Logarithm of the likelihood of one item's answers."""
    total = 0.0
    for t, weight in nodes(0.15):
        value = weight
        for k, n, alpha, gamma in answers:
            value *= chance_of(k, n, alpha + gamma * t, c)
        total += value
    return math.log(total)


def source_loss(k: np.ndarray, n: np.ndarray, h: np.ndarray, theta: np.ndarray, c: float) -> float:
    """Negative log-likelihood of one model's source counts, with the ridge of its level."""
    loss = 0.005 * theta[0] ** 2
    for k_i, n_i, h_i in zip(k, n, h, strict=True):
        z = theta[0] + theta[1] * h_i
        terms = (w * chance_of(k_i, n_i, z + SIGMA * e, c) for e, w in nodes(0.4))
        loss -= math.log(sum(terms))
    return float(loss)


def expected(k: float, n: float, z: float, line: np.ndarray, c: float, with_trials: bool) -> float:
    """Expected target accuracy of an item with source logit about z."""
    top = bottom = 0.0
    for e, weight in nodes(0.4):
        value = weight * (chance_of(k, n, z + SIGMA * e, c) if with_trials else 1.0)
        top += value * (c + (1.0 - c) * expit(line[0] + line[1] * (z + SIGMA * e)))
        bottom += value
    return top / bottom


def paule_mandel(values: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Mean and variance between units; a standard deviation of .05 at least."""

    def parts(t: float) -> tuple[float, float]:
        weight = [1.0 / (v + t) for v in errors]
        mean = sum(w * z for w, z in zip(weight, values, strict=True)) / sum(weight)
        total = sum(w * (z - mean) ** 2 for w, z in zip(weight, values, strict=True))
        return mean, total - (len(values) - 1)

    if parts(0.0025)[1] <= 0.0:
        return parts(0.0025)[0], 0.0025
    t = float(optimize.brentq(lambda t: parts(t)[1], 0.0025, 100.0, xtol=1e-14))
    return parts(t)[0], t


def gradient(loss, theta: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    step = 1e-5
    moves = np.eye(theta.size) * step
    return np.array([(loss(theta + move) - loss(theta - move)) / (2 * step) for move in moves])


@cases(2, 8)
@pytest.mark.filterwarnings("ignore::hatstats.errors.DegenerateDataWarning")
def test_every_stage_solves_the_naive_equations(seed: int) -> None:
    trials, chance = [(3, 0.25), (1, 0.0), (1, 0.25), (3, 0.0)][seed % 4]
    counts = panel_counts(ITEMS, trials, seed=seed, n_languages=2, chance=chance)
    model = fit_panel(counts, PanelOptions(sigma=SIGMA)).models[0]
    assert isinstance(model, PanelModel)
    panel = model.panel
    check_hardness(panel, counts.source_correct, trials, chance)
    check_sources(panel, counts.source_correct, trials, chance)
    check_lines(panel, counts.source_correct, trials, chance)
    check_bend(panel, counts.source_correct, trials, chance)


def check_hardness(panel: Panel, correct: np.ndarray, trials: int, c: float) -> None:
    """Ease from all other models' answers, of which several count less; raters at a maximum."""
    share = 1.0 / (1.0 + (trials - 1) * 0.25)
    theta = panel.hardness.theta

    def answers(i: int, theta: np.ndarray, out: int = -1) -> list[Answer]:
        return [
            (correct[r, i] * share, trials * share, theta[0, r], theta[1, r])
            for r in range(8)
            if r != out
        ]

    for m in (0, 5):
        ease = [ease_of(answers(i, theta, m), c) for i in range(ITEMS)]
        np.testing.assert_allclose(panel.hardness.ease[panel.hardness.group[m]], ease, atol=1e-8)

    def loss(flat: np.ndarray) -> float:
        raters = flat.reshape(2, 8)
        prior = (raters[0] ** 2 / 25.0).sum() + ((raters[1] - 1.0) ** 2).sum()
        return float(0.5 * prior - sum(marginal(answers(i, raters), c) for i in range(ITEMS)))

    np.testing.assert_allclose(gradient(loss, theta.ravel()), 0.0, atol=1e-4)


def check_sources(panel: Panel, correct: np.ndarray, trials: int, c: float) -> None:
    """Levels and slopes at the maximum of the likelihood and the slopes' prior."""
    data, found = panel.sources.data, panel.sources
    n = np.full(ITEMS, float(trials))
    mean, variance = paule_mandel(found.slopes.values, found.slopes.errors)
    assert found.slopes.mean == pytest.approx(mean, abs=1e-8)
    assert found.slopes.variance == pytest.approx(variance, rel=1e-6)
    for m in (1, 6):
        theta = found.theta[:, m]

        def loss(theta: np.ndarray, m: int = m) -> float:
            prior = 0.5 * (theta[1] - mean) ** 2 / variance
            return source_loss(correct[m], n, data.ease[m], theta, c) + prior

        np.testing.assert_allclose(gradient(loss, theta), 0.0, atol=1e-4)


def check_lines(panel: Panel, correct: np.ndarray, trials: int, c: float) -> None:
    """Quasi-likelihood scores of the languages' lines, over dispersion, against their priors."""
    several = trials > 1
    own = panel.lines.theta[1]
    values = np.concatenate([fit.values for fit in panel.languages]) - np.repeat(own, 2)
    errors = np.concatenate([fit.errors for fit in panel.languages])
    mean, variance = paule_mandel(values, errors)
    # Where hardly a slope is known (errors above 1), 200 rounds end a thousandth of that short.
    slack = 2e-3 if errors.min() > 1.0 else 1e-6
    assert panel.deviations.mean == pytest.approx(mean, abs=slack)
    assert panel.deviations.variance == pytest.approx(variance, rel=1e-5)
    for m, column in ((2, 0), (7, 1)):
        fit = panel.languages[m]
        line, y = fit.theta[:, column], panel.targets.accuracy[m, :, column]
        score, pearson = np.zeros(2), 0.0
        for i in range(ITEMS):
            z = float(panel.sources.eta[m, i])

            def at(line: np.ndarray, i: int = i, z: float = z, m: int = m) -> float:
                return expected(correct[m, i], trials, z, line, c, several)

            value = at(line)
            slope = gradient(at, line)
            score += slope * (y[i] - value) / (value * (1.0 - value))
            pearson += (y[i] - value) ** 2 / (value * (1.0 - value))
        dispersion = max(pearson / (ITEMS - 2.0), 0.01)
        assert fit.dispersion[column] == pytest.approx(dispersion, rel=1e-5)
        score[0] -= dispersion * 0.01 * line[0]
        score[1] -= dispersion * (line[1] - own[m] - panel.deviations.mean) / variance
        np.testing.assert_allclose(score, 0.0, atol=1e-4)
        x = panel.sources.data.chance + (1.0 - c) * expit(0.5)
        curve = np.interp(x, GRID(c), PanelModel(panel, m, GRID(c)).profile[column])
        assert curve == pytest.approx(c + (1.0 - c) * expit(line[0] + line[1] * 0.5), abs=1e-4)


def check_bend(panel: Panel, correct: np.ndarray, trials: int, c: float) -> None:
    """Bends of all models' means at the maximum, each shrunk towards none."""
    data = panel.conditional(np.arange(8))
    theta, bends = common_bend(data, panel.lines, panel.slopes)
    score = np.zeros(4)
    for m in range(8):
        for i in range(ITEMS):
            z = float(panel.sources.eta[m, i])

            def at(bends: np.ndarray, m: int = m, i: int = i, z: float = z) -> float:
                top = bottom = 0.0
                for e, weight in nodes(0.4):
                    x = z + SIGMA * e
                    value = weight * (chance_of(correct[m, i], trials, x, c) if trials > 1 else 1)
                    knots = zip(bends, (-2.0, 0.0, 2.0, 4.0), strict=True)
                    bend = sum(b * math.log1p(math.exp(2 * (x - t))) / 2 for b, t in knots)
                    top += value * (c + (1 - c) * expit(theta[0, m] + theta[1, m] * x + bend))
                    bottom += value
                return top / bottom

            value = at(bends)
            residual = panel.targets.average[i, m] - value
            scale = value * (1.0 - value) * panel.lines.dispersion[m]
            score += gradient(at, bends) * residual / scale
    # Bends are settled to 1e-5, and their curvature is some hundreds.
    np.testing.assert_allclose(score - bends / 0.25, 0.0, atol=4e-3)


def GRID(c: float) -> np.ndarray:
    """The grid of source accuracies, from the chance level to 1."""
    inner = [expit(-8.0 + j / 6.0) for j in range(97)]
    return c + (1.0 - c) * np.array([0.0, *inner, 1.0])


def test_targets_count_where_source_and_target_were_asked_against_naive() -> None:
    """An item without a target answer says nothing of a model's line, whatever its source says."""
    counts = panel_counts(40, 3, seed=2, n_languages=3)
    rng = np.random.default_rng(1)
    counts.target_trials[rng.uniform(size=counts.target_trials.shape) < 0.4] = 0.0
    counts.source_trials[rng.uniform(size=counts.source_trials.shape) < 0.2] = 0.0
    items = rng.uniform(0.5, 2.0, 40)
    found, alone = _targets(counts, items), 0
    for m, i in np.ndindex(8, 40):
        shares = []
        for place in range(3):
            trials = counts.target_trials[m, i, place]
            asked = trials > 0 and counts.source_trials[m, i] > 0
            share = counts.target_correct[m, i, place] / trials if asked else 0.0
            shares += [share] if asked else []
            assert found.accuracy[m, i, place] == share
            assert found.weights[m, i, place] == (items[i] if asked else 0.0)
        alone += not shares
        assert found.average[i, m] == pytest.approx(np.mean(shares) if shares else 0.0)
        assert found.average_weights[i, m] == (items[i] if shares else 0.0)
    assert 0 < alone < 8 * 40
