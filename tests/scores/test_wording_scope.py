"""Scores that generalise over wordings: naive twin, theory, simulation, bad input."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import hatstats as hs
from hatstats.calibration.coverage import CoverageDesign, coverage
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.influence import (
    covariance_of_sums,
    degrees_of_freedom,
    second_unit_part,
)
from hatstats.scores.scores import HatScores

LIKE = "wordings like these"
pytestmark = pytest.mark.filterwarnings("ignore:.*wordings say little")
A, B = "model-01", "model-02"


def study(*, sd: float = 0.5, items: int = 60, wordings: int = 4) -> hs.Study:
    shape = hs.Shape(items, 2, wordings, wording_sd=sd)
    return hs.simulate_study((0.0, 0.0), shape=shape, rng=4)


def without(whole: hs.Study, wording: str) -> hs.Study:
    rows = whole.counts[whole.counts["prompt"] != wording]
    return hs.Study(rows, whole.models, whole.benchmarks)


def two_benchmarks() -> hs.Study:
    one, two = study(), study(items=50, wordings=3, sd=0.2)
    second = two.counts.assign(benchmark="second")
    return hs.Study(
        pd.concat([one.counts, second]),
        one.models,
        pd.concat([one.benchmarks, two.benchmarks.assign(benchmark="second")]),
    )


def naive_parts(
    whole: hs.Study, method: str, reference: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Jackknife and doubly counted covariance of the cells from refits of filtered studies.

    With loops over wordings, items and pairs of cells; and the replicates of the scores.
    """
    names = sorted(whole.counts["prompt"].unique())
    refits = [hs.fit_profile(without(whole, w), method=method).hat(reference) for w in names]  # type: ignore[arg-type]
    cells = np.array([scores.cells["estimate"].to_numpy() for scores in refits])
    psi = np.array([scores.cell_influence[0] for scores in refits])  # type: ignore[index]
    count, items, width = psi.shape
    outer, double = np.zeros((width, width)), np.zeros((width, width))
    for w in range(count):
        for a in range(width):
            for b in range(width):
                moved = [cells[w, c] - cells[:, c].mean() for c in (a, b)]
                outer[a, b] += (count - 1) / count * moved[0] * moved[1]
                for i in range(items):
                    shift = [psi[w, i, c] - psi[:, i, c].mean() for c in (a, b)]
                    step = (count - 1) / count * shift[0] * shift[1]
                    double[a, b] += items / (items - 1) * step
    return outer, double, np.array([scores.estimates for scores in refits])


@pytest.mark.parametrize("method", [pytest.param("latent", marks=pytest.mark.slow), "observed"])
def test_covariance_against_refits_of_filtered_studies_naive(method: str) -> None:
    whole = study()
    profile = hs.fit_profile(whole, method=method)  # type: ignore[arg-type]
    these, like = profile.hat(), profile.hat(scope=LIKE)
    outer, double, replicates = naive_parts(whole, method, "pooled")
    np.testing.assert_array_equal(like.estimates, these.estimates)
    assert like.cell_wordings is not None
    moves = like.cell_wordings[0]
    np.testing.assert_allclose(moves.T @ moves, outer, rtol=1e-6, atol=1e-12)
    # Wordings add a positive semi-definite part; sources have their place in it, too.
    part = like.cells_cov - these.cells_cov
    assert np.linalg.eigvalsh(part).min() > -1e-12
    assert np.trace(part) >= np.trace(outer - double) - 1e-12
    assert like.wordings is not None
    spread = (
        (len(replicates) - 1)
        / len(replicates)
        * np.sum((replicates - replicates.mean(axis=0)) ** 2, axis=0)
    )
    np.testing.assert_allclose((like.wordings[0] ** 2).sum(axis=0), spread, rtol=1e-6)


def test_second_units_against_naive() -> None:
    rng, units, clusters, width = np.random.default_rng(1), 5, 7, 3
    values = rng.normal(size=(units, width))
    psi = 0.03 * rng.normal(size=(units, clusters, width))
    part, moves = second_unit_part(zip(values, psi, strict=True))
    outer, double = np.zeros((2, width, width))
    for w in range(units):
        step = values[w] - values.mean(axis=0)
        outer += (units - 1) / units * np.outer(step, step)
        for c in range(clusters):
            shift = psi[w, c] - psi[:, c].mean(axis=0)
            double += (units - 1) / units * clusters / (clusters - 1) * np.outer(shift, shift)
    np.testing.assert_allclose(moves.T @ moves, outer, rtol=1e-10)
    size = np.linalg.eigvalsh(outer - double)
    assert size.min() > 0.0  # or the positive part would hide a difference
    np.testing.assert_allclose(part, outer - double, rtol=1e-9)
    nothing, _ = second_unit_part(zip(1e-3 * values, psi, strict=True))
    np.testing.assert_allclose(nothing, 0.0, atol=1e-12)
    unknown, _ = second_unit_part(zip(values, psi[:, :1], strict=True))
    assert np.isnan(unknown).all()  # one cluster of items has no covariance


def test_second_units_against_two_way_theory() -> None:
    """For means of a_i + b_w + e_iw the parts estimate Var(b) / W, without the interaction."""
    rng, items, units = np.random.default_rng(0), 400, 6
    found, jackknife = [], []
    for _ in range(400):
        a, b = rng.normal(0.0, 0.3, (items, 1)), rng.normal(0.0, 0.1, units)
        y = a + b + rng.normal(0.0, 2.0, (items, units))

        def replicate(w: int, y: np.ndarray = y) -> tuple[np.ndarray, np.ndarray]:
            rest = np.delete(y, w, axis=1).mean(axis=1)
            return np.array([rest.mean()]), ((rest - rest.mean()) / items)[:, None]

        part, moves = second_unit_part(replicate(w) for w in range(units))
        found.append(part[0, 0])
        jackknife.append((moves**2).sum())
    interaction, main = 2.0**2 / (items * units), 0.1**2 / units
    # A positive part is a little larger in the mean than what it estimates.
    assert np.mean(jackknife) == pytest.approx(main + interaction, rel=0.08)
    assert main * 0.9 < np.mean(found) < main * 1.25


def test_contrasts_intervals_and_files_follow(tmp_path: Any) -> None:
    profile = hs.fit_profile(two_benchmarks(), method="observed")
    these, like = profile.hat(), profile.hat(scope=LIKE)
    assert (like.std_errors >= these.std_errors - 1e-12).all()
    one, two = (scores.contrast(A, B) for scores in (these, like))
    assert two.std_error > one.std_error
    assert two.df < one.df
    weights = np.array([1.0, -1.0])
    # Satterthwaite over items and the benchmarks' wordings, with 3 and 2 df.
    own = float(weights @ these.covariance @ weights)
    assert like.wordings is not None
    moved = [float(((each @ weights) ** 2).sum()) for each in like.wordings]
    whole = float(weights @ like.covariance @ weights)
    spread = own**2 / one.df + moved[0] ** 2 / 3 + moved[1] ** 2 / 2
    assert two.df == pytest.approx(max(whole**2 / spread, 2.0), rel=0.02)
    critical = stats.t.ppf(0.975, two.df) * two.std_error
    assert two.conf_high - two.conf_low == pytest.approx(2 * critical, rel=0.05)
    # All languages by name are all languages.
    named = like.contrast(A, B, languages=["t01", "t02"])
    assert (named.std_error, named.df) == pytest.approx((two.std_error, two.df), rel=1e-9)
    assert like.cells["df"].between(2.0, 60.0).all()
    like.save(tmp_path / "scores.json")
    back = HatScores.load(tmp_path / "scores.json")
    assert back.scope == LIKE
    pd.testing.assert_frame_equal(back.tidy(), like.tidy())
    pd.testing.assert_frame_equal(back.tidy_cells(), like.tidy_cells())
    again = HatScores.from_frame(like.tidy(), like.cov)
    assert again.scope == LIKE
    assert again.df.tolist() == pytest.approx(like.df.tolist())


def test_every_output_names_its_scope() -> None:
    profile = hs.fit_profile(study(), method="observed")
    for scope in ("these wordings", LIKE):
        scores = profile.hat(scope=scope)  # type: ignore[arg-type]
        for text in (
            scores.summary(),
            scores._repr_html_(),
            repr(scores.contrast(A, B)),
            scores.contrast(A, B)._repr_html_(),
        ):
            assert scope in " ".join(text.split())
        assert scores.tidy().attrs["scope"] == scope
        assert scores.tidy_cells().attrs["scope"] == scope
        assert scores.contrast(A, B).tidy().attrs["scope"] == scope
        assert scores.glance()["scope"].tolist() == [scope]


@pytest.mark.slow
def test_one_language_and_other_references_against_naive() -> None:
    whole = study(items=40)
    profile = hs.fit_profile(whole, method="observed")
    for reference in ("own", "uniform", [0.3, 0.6], "model:model-01"):
        scores = profile.hat(reference, languages="t01", scope=LIKE)
        replicates = np.array(
            [
                hs.fit_profile(without(whole, w), method="observed")
                .hat(reference, languages="t01")
                .estimates
                for w in sorted(whole.counts["prompt"].unique())
            ]
        )
        assert scores.wordings is not None
        spread = 3 / 4 * ((replicates - replicates.mean(axis=0)) ** 2).sum(axis=0)
        np.testing.assert_allclose((scores.wordings[0] ** 2).sum(axis=0), spread, rtol=1e-9)


@pytest.mark.parametrize(("wordings", "warns"), [(2, True), (5, False)])
def test_few_wordings_are_said(wordings: int, warns: bool) -> None:
    profile = hs.fit_profile(study(wordings=wordings), method="observed")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        profile.hat(scope=LIKE)
    said = [w for w in caught if f"{wordings} wordings say little" in str(w.message)]
    assert bool(said) == warns


def test_progress_reports_each_wording() -> None:
    reported: list[tuple[str, float]] = []
    hs.fit_profile(study(), method="observed").hat(
        scope=LIKE, progress=lambda what, share: reported.append((what, share))
    )
    assert [what for what, _ in reported] == [
        *(f"without wording wording-{n:02d}" for n in range(1, 5)),
        "scores",
    ]
    assert [share for _, share in reported] == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.slow
def test_what_cannot_be_generalised_names_what_is_missing() -> None:
    whole = study(items=30)
    repeats = whole.counts.assign(prompt="", repeat=whole.counts["prompt"])
    unnamed = hs.Study(repeats, whole.models, whole.benchmarks)
    first = whole.counts["prompt"] == "wording-01"
    item = whole.counts["item"] == "item-000000"
    some = whole.counts.assign(prompt=whole.counts["prompt"].mask(item, ""))[first | ~item]
    partly = hs.Study(some, whole.models, whole.benchmarks)
    one = hs.Study(whole.counts[first], whole.models, whole.benchmarks)
    for part, found in (
        (unnamed, "has no named wordings"),
        (partly, "has trials without a named wording"),
        (one, r"has one \(wording-01\)"),
    ):
        profile = hs.fit_profile(part, method="observed")
        message = rf"{found}.*column prompt, with at least 2 different names"
        with pytest.raises(NotIdentifiedError, match=message):
            profile.hat(scope=LIKE)
    with pytest.raises(DataError, match="use these wordings, wordings like these"):
        hs.fit_profile(whole, method="observed").hat(scope="all")  # type: ignore[arg-type]
    two = whole.counts["prompt"].isin(["wording-01", "wording-02"])
    latent = hs.fit_profile(replace(whole, counts=whole.counts[two]), method="latent")
    with pytest.raises(NotIdentifiedError, match="without 'wording-01' it cannot be fitted"):
        latent.hat(scope=LIKE)
    lonely = whole.counts["language"].eq("t01") & whole.counts["model"].eq(A) & ~first
    alone = hs.fit_profile(replace(whole, counts=whole.counts[~lonely]), method="observed")
    with pytest.raises(NotIdentifiedError, match=r"was asked in no other than 'wording-01'"):
        alone.hat(scope=LIKE)
    with pytest.raises(NotIdentifiedError, match="item by item, and method 'aggregate'"):
        hs.fit_profile(hs.simulate_study(rng=1), method="aggregate").hat(scope=LIKE)


@pytest.mark.slow
def test_contrasts_of_equal_models_hold_the_truth_coverage() -> None:
    """A coverage of .95 in 40 studies has a Monte-Carlo error of .034: .82 is four of them away.

    With main effects of SD .5 the intervals over items alone hold the truth in .5 of studies with
    250 items, and in more of these smaller ones: their standard error is half of what it should be.
    """
    shape = hs.Shape(150, 2, 5, wording_sd=0.5)
    these, like = (
        coverage(
            CoverageDesign(shape=shape, abilities=(0.0, 0.0), scope=scope),  # type: ignore[arg-type]
            ["pooled"],
            n_replicates=40,
            rng=11,
        ).iloc[-1]
        for scope in ("these wordings", LIKE)
    )
    assert these["quantity"] == like["quantity"] == "contrast"
    assert these["sd"] == like["sd"]
    assert these["coverage"] < 0.9
    assert these["mean_se"] < 0.7 * these["sd"]
    assert like["coverage"] > 0.82
    assert like["mean_se"] == pytest.approx(like["sd"], rel=0.4)


def test_covariance_is_that_over_items_where_wordings_do_not_matter() -> None:
    """Wordings that are right equally often, if not of the same items, add nothing."""
    whole = study(items=40)
    first = whole.counts[whole.counts["prompt"] == "wording-01"]
    cells = first.groupby(["model", "language"])["n_correct"]
    rows = pd.concat(
        [
            first.assign(
                prompt=f"wording-{number:02d}",
                n_correct=cells.transform(lambda k, by=number: np.roll(k, by)),
            )
            for number in range(1, 5)
        ]
    )
    profile = hs.fit_profile(hs.Study(rows, whole.models, whole.benchmarks), method="observed")
    these, like = profile.hat("own"), profile.hat("own", scope=LIKE)
    np.testing.assert_allclose(like.covariance, these.covariance, rtol=1e-9)
    assert covariance_of_sums(np.ones((3, 1))).shape == (1, 1)


def test_the_only_wording_of_a_model_is_named() -> None:
    whole = study(items=10, wordings=3)
    first = sorted(whole.counts["prompt"].unique())[0]
    rows = whole.counts[(whole.counts["model"] != A) | (whole.counts["prompt"] == first)]
    profile = hs.fit_profile(hs.Study(rows, whole.models, whole.benchmarks), method="observed")
    with pytest.raises(NotIdentifiedError, match=f"without '{first}' .*'{A}': no item has answers"):
        profile.hat(scope="wordings like these")


def test_source_and_target_accuracies_move_with_wordings_against_naive() -> None:
    whole = study(items=40)
    scores = hs.fit_profile(whole, method="observed").hat(scope=LIKE)
    names = sorted(whole.counts["prompt"].unique())
    replicates = []
    for name in names:
        rows = without(whole, name).counts
        own = rows["language"] == whole.benchmarks["source_language"].iloc[0]
        rows = rows.assign(share=rows["n_correct"] / rows["n_trials"], own=own)
        shares = rows.groupby(["model", "own", "language", "item"])["share"].mean()
        # Of items, then of languages: targets first, then the source.
        means = shares.groupby(level=[0, 1, 2]).mean().groupby(level=[0, 1]).mean()
        replicates.append([*(means[m, True] for m in (A, B)), *(means[m, False] for m in (A, B))])
    values = np.array(replicates)
    assert scores.beside_wordings is not None
    (moves,) = scores.beside_wordings
    assert moves.shape == (4, 4)
    wanted = np.sqrt(3 / 4) * (values - values.mean(axis=0))
    np.testing.assert_allclose(moves, wanted, atol=1e-10)
    # A sum of scores and accuracies has the degrees of freedom of all that moves it.
    weights = np.array([[1.0, -1.0, 0.5, 0.0, 0.0, 0.3]])
    assert scores.wordings is not None
    together = np.hstack([scores.wordings[0], moves]) @ weights.T
    assert scores.influence is not None
    assert scores.beside_influence is not None
    sums = np.hstack([scores.influence, scores.beside_influence]) @ weights.T
    variance = weights @ scores.joint_cov @ weights.T
    wanted = degrees_of_freedom(sums, [together], variance[0])
    np.testing.assert_allclose(scores.degrees_of_freedom(weights), wanted)
    assert wanted < 10
