"""The algebra of aggregate scores against loops and central differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatstats.estimators.aggregate.panel_regression import chance_corrected_logit
from hatstats.estimators.aggregate.profile import AggregateProfile, fit_aggregate
from tests.studies import panel_rows, study_of

LANGUAGES = ["sw", "yo"]
REFERENCES: list[str | list[float]] = ["pooled", "uniform", "model:model-02", [0.3, 0.62, 0.9]]


@settings(max_examples=60)
@given(st.floats(0, 1), st.integers(1, 10_000), st.sampled_from([0.0, 0.25, 0.5]), st.booleans())
def test_chance_corrected_logit(share: float, trials: int, chance: float, whole: bool) -> None:
    accuracy = round(share * trials) / trials if whole else share
    (z,), (variance,) = chance_corrected_logit(
        np.array([accuracy]), np.array([float(trials)]), chance
    )
    held = (accuracy * trials + 0.5) / (trials + 1)
    error = math.sqrt(held * (1 - held) / trials) / (1 - chance)
    q = (accuracy - chance) / (1 - chance)
    q = min(max(q, 0.5 * error), 1 - 0.5 * error)
    assert z == pytest.approx(math.log(q / (1 - q)), abs=1e-9)
    assert variance == pytest.approx((error / (q * (1 - q))) ** 2)
    # Round trip where the accuracy is inside.
    if 0.5 * error < (accuracy - chance) / (1 - chance) < 1 - 0.5 * error:
        assert chance + (1 - chance) / (1 + math.exp(-z)) == pytest.approx(accuracy, abs=1e-9)
    else:
        assert math.sqrt(variance) > 1.9


def test_missing_cells_have_no_logit() -> None:
    z, variance = chance_corrected_logit(np.array([np.nan, 0.5]), np.array([0.0, 100.0]), 0.25)
    assert np.isnan([z[0], variance[0]]).all()
    assert np.isfinite([z[1], variance[1]]).all()


class Loops:
    """Scores of one benchmark as a plain function of what errs: logits and slope."""

    def __init__(self, profile: AggregateProfile, b: int, reference: str | list[float]) -> None:
        self.part, self.reference = profile.parts[b], reference
        self.counts = self.part.counts
        panel = profile.panel
        self.beta = (
            panel.slope
            if panel.slope is not None
            else panel.fit.params[panel.terms.index(f"source_logit[{self.counts.benchmark}]")]
        )
        self.level = {
            place: panel.fit.params[
                panel.terms.index(f"intercept[{self.counts.benchmark}, {language}]")
            ]
            for place, language in enumerate(self.counts.languages)
        }
        self.shape = self.part.target.shape

    def nodes(self, source: np.ndarray, m: int) -> list[float]:
        c = self.counts.chance
        if self.reference == "pooled":
            return list(source)
        if self.reference == "own":
            return [source[m]]
        if self.reference == "uniform":
            return [math.log(u / (1 - u)) for u in ((place + 0.5) / 50 for place in range(50))]
        if isinstance(self.reference, str):
            return [source[self.counts.models.index(self.reference.removeprefix("model:"))]]
        kept = [min(max((value - c) / (1 - c), 1e-3), 1 - 1e-3) for value in self.reference]
        return [math.log(q / (1 - q)) for q in kept]

    def scores(self, source: np.ndarray, target: np.ndarray, beta: float) -> np.ndarray:
        c = self.counts.chance
        found = np.zeros(self.shape)
        for m in range(self.shape[0]):
            seen = [place for place in range(self.shape[1]) if not np.isnan(target[m, place])]
            for place in range(self.shape[1]):
                z = target[m, place]
                if np.isnan(z):
                    offsets = [target[m, other] - self.level[other] for other in seen]
                    z = self.level[place] + sum(offsets) / len(offsets)
                values = [
                    c + (1 - c) / (1 + math.exp(-(z + beta * (node - source[m]))))
                    for node in self.nodes(source, m)
                ]
                found[m, place] = sum(values) / len(values)
        return found

    def covariance(self, slope_variance: float, scatter: float, correlation: float) -> np.ndarray:
        """Of the cells, by differences in every logit and the slope."""
        source, target, step = self.part.source, self.part.target, 1e-5
        columns, errors, groups = [], [], []

        def change(by_source: np.ndarray, by_target: np.ndarray, by_beta: float) -> np.ndarray:
            ends = [
                self.scores(source + s * by_source, target + s * by_target, self.beta + s * by_beta)
                for s in (step, -step)
            ]
            return ((ends[0] - ends[1]) / (2 * step)).ravel()

        none, nowhere = np.zeros(self.shape[0]), np.zeros(self.shape)
        for m in range(self.shape[0]):
            move = none.copy()
            move[m] = 1.0
            columns.append(change(move, nowhere, 0.0))
            errors.append(math.sqrt(self.part.source_var[m]))
            groups.append("source")
        for m, place in np.argwhere(~np.isnan(target)):
            moves = nowhere.copy()
            moves[m, place] = 1.0
            columns.append(change(none, moves, 0.0))
            errors.append(math.sqrt(self.part.target_var[m, place]))
            groups.append(f"target {place}")
        gradient, sd = np.column_stack(columns), np.array(errors)
        link = np.array(
            [
                [1.0 if i == j else correlation * (groups[i] == groups[j]) for j in range(sd.size)]
                for i in range(sd.size)
            ]
        )
        by_slope = change(none, nowhere, 1.0)
        cov = gradient @ (link * np.outer(sd, sd)) @ gradient.T
        cov += slope_variance * np.outer(by_slope, by_slope)
        for m, place in np.argwhere(np.isnan(target)):
            moves = nowhere.copy()
            moves[m, place] = 1.0
            # A predicted cell errs by the scatter of cells, its own and that of what it rests on.
            seen = int((~np.isnan(target[m])).sum())
            filled = np.where(np.isnan(target), self._filled(), target)
            ends = [self.scores(source, filled + s * moves, self.beta) for s in (step, -step)]
            slope = ((ends[0] - ends[1]) / (2 * step))[m, place]
            row = m * self.shape[1] + place
            cov[row, row] += slope**2 * scatter * (1 + 1 / seen)
        return np.asarray(cov)

    def _filled(self) -> np.ndarray:
        filled = self.part.target.copy()
        for m, place in np.argwhere(np.isnan(filled)):
            seen = [
                other for other in range(self.shape[1]) if not np.isnan(self.part.target[m, other])
            ]
            offsets = [self.part.target[m, other] - self.level[other] for other in seen]
            filled[m, place] = self.level[place] + sum(offsets) / len(offsets)
        return filled


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize(("missing", "correlation"), [(False, 0.0), (True, 0.4)])
def test_scores_and_covariance_equal_loops(which: int, missing: bool, correlation: float) -> None:
    rng = np.random.default_rng(10 + which)
    eta = rng.normal(0.6, 0.9, 6)
    rows = panel_rows(eta, LANGUAGES, rng=rng, trials=300, effects=rng.normal(0, 0.3, 6))
    if missing:
        gone = {("model-01", "sw"), ("model-04", "yo")}
        rows = [row for row in rows if (row[0], row[2]) not in gone]
    profile = fit_aggregate(study_of(rows, chance=0.25), correlation=correlation)
    reference = REFERENCES[which]
    scores = profile.hat(reference)
    loops = Loops(profile, 0, reference)
    expected = loops.scores(loops.part.source, loops.part.target, loops.beta)
    np.testing.assert_allclose(scores.cells["estimate"], expected.ravel(), atol=1e-12)
    np.testing.assert_allclose(scores.estimates, expected.mean(axis=1), atol=1e-12)
    place = profile.panel.terms.index("source_logit[quiz]")
    cov = loops.covariance(
        profile.covariance[place, place], profile.panel.components["cell"], correlation
    )
    np.testing.assert_allclose(scores.cells_cov, cov, rtol=1e-6, atol=1e-10)
    spread = np.kron(np.eye(6), np.full((1, 2), 0.5))
    np.testing.assert_allclose(scores.covariance, spread @ cov @ spread.T, rtol=1e-6, atol=1e-10)


def test_a_given_slope_equals_loops_without_its_error() -> None:
    rng = np.random.default_rng(20)
    rows = panel_rows(rng.normal(0.6, 0.9, 5), LANGUAGES, rng=rng, trials=300)
    profile = fit_aggregate(study_of(rows, chance=0.25), slope=1.0)
    scores = profile.hat("uniform")
    loops = Loops(profile, 0, "uniform")
    assert loops.beta == 1.0
    expected = loops.scores(loops.part.source, loops.part.target, 1.0)
    np.testing.assert_allclose(scores.cells["estimate"], expected.ravel(), atol=1e-12)
    np.testing.assert_allclose(
        scores.cells_cov, loops.covariance(0.0, 0.0, 0.0), rtol=1e-6, atol=1e-10
    )


def test_source_accuracy_errs_with_the_scores() -> None:
    """The joint covariance: of cells with source accuracies, by differences."""
    rng = np.random.default_rng(21)
    rows = panel_rows(rng.normal(0.6, 0.9, 5), ["sw"], rng=rng, trials=300)
    profile = fit_aggregate(study_of(rows, chance=0.25))
    scores = profile.hat([0.6])
    loops = Loops(profile, 0, [0.6])
    step = 1e-5
    for m in range(5):
        p = loops.counts.source_accuracy[m]
        error = math.sqrt(p * (1 - p) / 300)
        assert scores.joint_cov[5 + m, 5 + m] == pytest.approx(error**2)
        move = np.eye(5)[m] * step
        up, down = (
            loops.scores(loops.part.source + sign * move, loops.part.target, loops.beta)
            for sign in (1, -1)
        )
        slope = ((up - down) / (2 * step)).ravel()
        expected = slope * math.sqrt(loops.part.source_var[m]) * error
        np.testing.assert_allclose(scores.joint_cov[:5, 5 + m], expected, rtol=1e-6, atol=1e-12)


def test_curve_and_points_equal_loops() -> None:
    rng = np.random.default_rng(22)
    rows = panel_rows(rng.normal(0.6, 0.9, 5), LANGUAGES, rng=rng, trials=300)
    rows = [row for row in rows if (row[0], row[2]) != ("model-03", "yo")]
    profile = fit_aggregate(study_of(rows, chance=0.25))
    loops = Loops(profile, 0, "pooled")
    curve = profile.curve()
    assert list(curve.columns) == ["benchmark", "language", "source", "target"]
    for place, language in enumerate(LANGUAGES):
        for row in curve[curve["language"] == language].iloc[::20].itertuples():
            q = (row.source - 0.25) / 0.75
            z = loops.level[place] + loops.beta * math.log(q / (1 - q))
            assert row.target == pytest.approx(0.25 + 0.75 / (1 + math.exp(-z)))
    points = profile.points().set_index(["model", "language"])
    assert len(points) == 9
    for row in rows:
        if row[2] != "en":
            p = row[4] / row[5]
            found = points.loc[(row[0], row[2])]
            assert found["target"] == pytest.approx(p)
            assert found["target_se"] == pytest.approx(math.sqrt(p * (1 - p) / 300))
