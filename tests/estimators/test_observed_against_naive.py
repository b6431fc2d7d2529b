"""The observed profile, references, overlap and weights of models against loops."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatstats.errors import DegenerateDataWarning
from hatstats.estimators.methods import fit_profile
from hatstats.scores.cell_weights import cell_weights, common_languages
from hatstats.scores.item_profile import ItemProfile
from hatstats.scores.reference import reference_mixture
from hatstats.scores.scores import HatScores
from hatstats.study import Study
from tests.studies import cases, item_rows, study_of

MODELS, TARGETS = ("a", "b"), ("sw", "yo")
Cells = dict[tuple[str, str, str], float]


def random_study(seed: int) -> Study:
    rng = np.random.default_rng(seed)
    rows = item_rows(MODELS, ["en", *TARGETS], 9, rng=rng, trials=None)
    always = {"item-0", "item-1"}
    return study_of([row for row in rows if row[3] in always or rng.random() < 0.85])


def shares(study: Study) -> Cells:
    return {
        (row["model"], row["language"], row["item"]): row["n_correct"] / row["n_trials"]
        for _, row in study.counts.iterrows()
    }


def line(at: float, known: list[tuple[float, float]]) -> float:
    """Straight between known points, level beyond them."""
    known = sorted(known)
    if at <= known[0][0]:
        return known[0][1]
    for (x0, y0), (x1, y1) in pairwise(known):
        if at <= x1:
            return y0 + (at - x0) / (x1 - x0) * (y1 - y0)
    return known[-1][1]


def naive_scores(
    cells: Cells, reference: str | list[float], weights: dict[str, float]
) -> list[float]:
    """HAT of models a and b by dictionaries; `weights` of items."""
    profiles: dict[tuple[str, str], list[tuple[float, float]]] = {}
    own: dict[str, dict[float, float]] = {model: {} for model in MODELS}
    for model in MODELS:
        asked = [key[2] for key in cells if key[:2] == (model, "en")]
        total = sum(weights[item] for item in asked)
        for item in asked:
            level = cells[model, "en", item]
            own[model][level] = own[model].get(level, 0.0) + weights[item] / total
        for language in TARGETS:
            sums: dict[float, list[float]] = {}
            for item in asked:
                if (model, language, item) in cells:
                    pair = sums.setdefault(cells[model, "en", item], [0.0, 0.0])
                    pair[0] += weights[item] * cells[model, language, item]
                    pair[1] += weights[item]
            profiles[model, language] = [(x, up / down) for x, (up, down) in sums.items()]
    found = []
    for model in MODELS:
        if reference == "pooled":
            mixture = [
                (x, share / len(MODELS)) for each in own.values() for x, share in each.items()
            ]
        elif reference == "model:b":
            mixture = list(own["b"].items())
        elif reference == "uniform":
            # The area under the line: trapezoids, and rectangles beyond the ends.
            levels = sorted({x for each in own.values() for x in each})
            middles = [(low + high) / 2 for low, high in pairwise(levels)]
            cuts = [0.0, *middles, 1.0]
            mixture = [(x, hi - lo) for x, lo, hi in zip(levels, cuts[:-1], cuts[1:], strict=True)]
        else:
            # Accuracies between levels that any model has are read off the line through levels.
            levels = sorted({x for each in own.values() for x in each})
            mixture = []
            for value in reference:
                assert not isinstance(value, str)
                inside = min(max(value, levels[0]), levels[-1])
                above = next(x for x in levels if x >= inside)
                below = max(x for x in levels if x <= inside)
                share = 0.0 if above == below else (inside - below) / (above - below)
                mixture += [(below, (1 - share) / len(reference)), (above, share / len(reference))]
        found.append(
            float(
                np.mean(
                    [
                        sum(share * line(x, profiles[model, language]) for x, share in mixture)
                        for language in TARGETS
                    ]
                )
            )
        )
    return found


REFERENCES = ["pooled", "uniform", "model:b", [0.1, 0.55, 0.55, 1.0]]


@cases(2, 30)
def test_scores_equal_loops(seed: int) -> None:
    study, which = random_study(seed), seed % 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        profile = fit_profile(study, method="observed")
        scores = profile.hat(REFERENCES[which])
    ones = dict.fromkeys(study.counts["item"], 1.0)
    expected = naive_scores(shares(study), REFERENCES[which], ones)
    np.testing.assert_allclose(scores.estimates, expected, atol=1e-12)


@cases(2, 15)
def test_influence_equals_differences_of_weighted_loops(seed: int) -> None:
    study = random_study(seed)
    reference = REFERENCES[seed % 4]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        profile = fit_profile(study, method="observed")
        scores = profile.hat(reference)
    assert isinstance(profile, ItemProfile)
    influence = profile.fits[0].scores(reference).influence
    cells, step = shares(study), 1e-5
    items = profile.fits[0].counts.items
    for i, item in enumerate(items):
        ends = []
        for sign in (1.0, -1.0):
            weights = dict.fromkeys(study.counts["item"], 1.0)
            weights[item] += sign * step
            ends.append(np.array(naive_scores(cells, reference, weights)))
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(influence[i].mean(axis=1), slope, atol=1e-8)
    psi = influence.mean(axis=2)
    factor = items.size / (items.size - 1)
    np.testing.assert_allclose(scores.covariance, factor * psi.T @ psi, atol=1e-14)


@pytest.mark.parametrize("method", ["latent", "observed"])
def test_overlap_equals_loops(method: str) -> None:
    study = study_of(item_rows(["a", "b"], ["en", "sw"], 50, rng=np.random.default_rng(1)))
    profile = fit_profile(study, method=method)
    assert isinstance(profile, ItemProfile)
    (fit,) = profile.fits
    found = profile.hat("pooled").overlap
    for m in range(2):
        own, pooled = fit.distributions[m], fit.distributions.mean(axis=0)
        outside, below, kept, total, square = 0.0, 0.0, 0.0, 0.0, 0.0
        for q in range(own.size):
            # Inside are the points that the central 98 % reach into.
            inner = below + own[q] > 0.01 and below < 0.99
            below += own[q]
            if inner:
                kept += pooled[q]
                total += pooled[q] * fit.profiles[m, 0, q]
            else:
                outside += pooled[q]
            if pooled[q] > 0:
                square += np.inf if own[q] == 0 else pooled[q] ** 2 / own[q]
        assert found.loc[m, "outside"] == pytest.approx(outside)
        assert found.loc[m, "trimmed"] == pytest.approx(total / kept)
        assert found.loc[m, "effective_size"] == pytest.approx(50 / square)


@settings(max_examples=30)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
    st.lists(st.floats(0, 1), min_size=1, max_size=6, unique=True),
)
def test_given_and_uniform_references_equal_loops(values: list[float], levels: list[float]) -> None:
    support = np.array(sorted(levels))
    heights = np.cos(3 * support)
    known = list(zip(support, heights, strict=True))
    given_weights = reference_mixture(values, MODELS, support).fixed
    expected = np.mean([line(value, known) for value in values])
    assert given_weights @ heights == pytest.approx(expected, abs=1e-9)
    assert given_weights.sum() == pytest.approx(1.0)
    assert (given_weights >= 0).all()

    uniform = reference_mixture("uniform", MODELS, support).fixed
    points = [0.0, *support.tolist(), 1.0]
    curve = [line(x, known) for x in points]
    area = sum(
        0.5 * (y0 + y1) * (x1 - x0)
        for x0, x1, y0, y1 in zip(points[:-1], points[1:], curve[:-1], curve[1:], strict=True)
    )
    assert uniform @ heights == pytest.approx(area, abs=1e-9)
    assert uniform.sum() == pytest.approx(1.0)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_weights_of_models_equal_loops(seed: int) -> None:
    """Mean over the languages that all models of a benchmark have, then over benchmarks."""
    rng = np.random.default_rng(seed)
    rows = [
        (model, benchmark, language)
        for model in ("a", "b", "c")
        for benchmark in ("one", "two")
        for language in ("sw", "yo", "zu")
        if language == "sw" or rng.random() < 0.7
    ]
    cells = pd.DataFrame(rows, columns=["model", "benchmark", "language"])
    cells["estimate"] = rng.random(len(cells))
    table = {tuple(row[:3]): row[3] for row in cells.itertuples(index=False, name=None)}
    cells = cells.sort_values("benchmark", kind="stable", ignore_index=True)
    parts = [part for _, part in cells.groupby("benchmark")]
    weights = np.hstack([each.toarray() for each in cell_weights(parts, ["c", "a"])])
    shared = common_languages(cells)
    for place, model in enumerate(["c", "a"]):
        means = []
        for benchmark in ("one", "two"):
            both = [
                language
                for language in ("sw", "yo", "zu")
                if all((each, benchmark, language) in table for each in ("a", "b", "c"))
            ]
            assert shared[benchmark] == both
            means.append(np.mean([table[model, benchmark, language] for language in both]))
        assert weights[place] @ cells["estimate"] == pytest.approx(np.mean(means))
        assert weights[place].sum() == pytest.approx(1.0)
        own = (cells["model"] == model).to_numpy()
        assert (weights[place][~own] == 0).all()


def test_scores_of_two_benchmarks_are_their_mean() -> None:
    rng = np.random.default_rng(2)
    first = item_rows(MODELS, ["en", "sw"], 40, rng=rng, benchmark="one")
    second = item_rows(MODELS, ["en", "yo", "zu"], 30, rng=rng, benchmark="two")

    def score(rows: list[tuple[str, str, str, str, float, float, str]]) -> HatScores:
        return fit_profile(study_of(rows), method="observed").hat()

    both, one, two = score([*first, *second]), score(first), score(second)
    np.testing.assert_allclose(both.estimates, (one.estimates + two.estimates) / 2)
    np.testing.assert_allclose(both.covariance, (one.covariance + two.covariance) / 4)
    np.testing.assert_allclose(both.joint_cov, (one.joint_cov + two.joint_cov) / 4)
    np.testing.assert_allclose(both.source, (one.source + two.source) / 2)
