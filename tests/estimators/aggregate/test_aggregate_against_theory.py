"""What the panel must give back: its slope, its effects, raw accuracies, and honest intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import special

from hatstats.estimators.aggregate.panel_regression import Panel, fit_panel
from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.estimators.methods import fit_profile
from hatstats.inference.tidy import TIDY_COLUMNS
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from tests.studies import panel_rows, study_of

LANGUAGES = ["sw", "yo"]
ETA = np.array([-0.7, -0.2, 0.3, 0.9, 1.4, 2.0])


def panel_study(seed: int, *, eta: np.ndarray = ETA, **options: object) -> Study:
    rng = np.random.default_rng(seed)
    return study_of(panel_rows(eta, LANGUAGES, rng=rng, **options), chance=0.25)  # type: ignore[arg-type]


# --- identities -----------------------------------------------------------------------------------


def test_own_reference_is_raw_accuracy_with_cells_at_and_below_chance() -> None:
    rng = np.random.default_rng(1)
    rows = panel_rows([-9.0, *ETA], LANGUAGES, rng=rng)
    below = {("model-00", "sw"): 80.0, ("model-01", "yo"): 100.0, ("model-06", "yo"): 400.0}
    rows = [(*row[:4], below.get((row[0], row[2]), row[4]), *row[5:]) for row in rows]
    study = study_of(rows, chance=0.25)
    scores = fit_aggregate(study).hat("own")
    raw = {(row[0], row[2]): row[4] / row[5] for row in rows}
    assert raw["model-00", "sw"] == 0.2
    for cell in scores.cells.itertuples():
        assert cell.estimate == pytest.approx(raw[cell.model, cell.language], abs=1e-12)
    for m, model in enumerate(scores.models):
        mean = np.mean([raw[model, language] for language in LANGUAGES])
        assert scores.estimates[m] == pytest.approx(mean, abs=1e-12)
    # The errors are those of binomial counts, shrunk by half a trial.
    p = np.array(
        [(raw[cell.model, cell.language] * 400 + 0.5) / 401 for cell in scores.cells.itertuples()]
    )
    np.testing.assert_allclose(scores.cells["std_error"], np.sqrt(p * (1 - p) / 400), rtol=1e-9)


def test_a_model_as_reference_is_its_own_reference() -> None:
    profile = fit_aggregate(panel_study(2))
    own = profile.hat("own")
    for m, model in enumerate(own.models):
        named = profile.hat(f"model:{model}")
        assert named.estimates[m] == pytest.approx(own.estimates[m], abs=1e-12)
        assert named.std_errors[m] == pytest.approx(own.std_errors[m], rel=1e-9)


def test_pooled_is_the_mean_over_models_as_references() -> None:
    profile = fit_aggregate(panel_study(3))
    named = [profile.hat(f"model:{model}").estimates for model in profile.study.model_names]
    np.testing.assert_allclose(profile.hat("pooled").estimates, np.mean(named, axis=0), atol=1e-12)


@pytest.mark.parametrize("reference", ["pooled", "uniform", "own", "model:model-03", [0.4, 0.8]])
def test_covariances_are_symmetric_and_not_negative(reference: str | list[float]) -> None:
    for correlation in (0.0, 0.6):
        scores = fit_aggregate(panel_study(4), correlation=correlation).hat(reference)
        for matrix in (scores.covariance, scores.cells_cov, scores.joint_cov):
            np.testing.assert_allclose(matrix, matrix.T, atol=1e-15)
            assert np.linalg.eigvalsh(matrix).min() > -1e-12
        np.testing.assert_array_equal(scores.joint_cov[:6, :6], scores.covariance)


def test_items_added_up_are_a_table_of_means() -> None:
    study = simulate_study(ETA, shape=Shape(60, 2, 5), rng=5)
    cells = study.counts.groupby(["model", "benchmark", "language"], as_index=False)[
        ["n_correct", "n_trials"]
    ].sum()
    table = Study(cells.assign(item=""), study.models, study.benchmarks)
    assert study.data_kind == "item"
    assert table.data_kind == "aggregate"
    of_items = fit_profile(study, method="aggregate").hat()
    of_means = fit_profile(table).hat()
    assert of_means.method == "aggregate"
    np.testing.assert_allclose(of_items.estimates, of_means.estimates, atol=1e-12)
    np.testing.assert_allclose(of_items.covariance, of_means.covariance, atol=1e-14)


def test_many_models_are_represented_by_quantiles() -> None:
    eta = np.random.default_rng(6).normal(0.5, 1.0, 70)
    rng = np.random.default_rng(7)
    study = study_of(panel_rows(eta, ["sw"], rng=rng, trials=2000), chance=0.25)
    profile = fit_aggregate(study)
    scores = profile.hat("pooled")
    part, beta = profile.parts[0], profile.panel.slopes()[0]
    z = part.target + beta * (part.source[None, :] - part.source[:, None])
    exact = 0.25 + 0.75 * special.expit(z).mean(axis=1)
    np.testing.assert_allclose(scores.estimates, exact, atol=2e-3)


def test_tables_follow_the_one_schema() -> None:
    profile = fit_aggregate(panel_study(8))
    table = profile.tidy(0.9)
    assert list(table.columns) == list(TIDY_COLUMNS)
    assert table["term"].tolist() == [
        "intercept[quiz, sw]",
        "intercept[quiz, yo]",
        "source_logit[quiz]",
    ]
    assert set(table["method"]) == {"aggregate, REML"}
    np.testing.assert_allclose(profile.limits(0.9), table[["conf_low", "conf_high"]])
    scores = profile.hat()
    assert list(scores.tidy().columns) == ["model", "reference", *TIDY_COLUMNS]
    assert ((scores.limits() > 0) & (scores.limits() < 1)).all()
    facts = profile.glance().iloc[0]
    assert facts[["n_models", "n_benchmarks", "n_languages", "n_cells"]].tolist() == [6, 1, 2, 12]
    assert facts["slope"] == pytest.approx(table["estimate"].iloc[-1])
    assert not facts["slope_fixed"]
    fixed = fit_aggregate(panel_study(8), slope=0.5)
    assert fixed.glance().loc[0, "slope"] == 0.5
    assert fixed.glance().loc[0, "slope_fixed"]
    assert not fixed.tidy()["term"].str.startswith("source").any()


# --- options --------------------------------------------------------------------------------------


def test_correlation_of_models_sharpens_contrasts_and_blunts_means() -> None:
    study = panel_study(9)
    alone, linked = (fit_aggregate(study, correlation=r).hat([0.6]) for r in (0.0, 0.5))
    np.testing.assert_allclose(alone.estimates, linked.estimates)
    np.testing.assert_allclose(np.diag(alone.cells_cov), np.diag(linked.cells_cov))
    off = ~np.eye(6, dtype=bool)
    assert (linked.covariance[off] > alone.covariance[off] + 1e-6).all()
    errors = [s.contrast("model-01", "model-02").std_error for s in (alone, linked)]
    # Half of each model's sampling variance is common to both, and drops out of the difference.
    assert errors[1] == pytest.approx(errors[0] * np.sqrt(0.5), rel=0.1)
    mean = np.full(6, 1 / 6)
    assert mean @ linked.covariance @ mean > mean @ alone.covariance @ mean


def test_a_given_slope_moves_scores_along_it() -> None:
    study = panel_study(10)
    flat, steep = fit_aggregate(study, slope=0.0), fit_aggregate(study, slope=2.0)
    np.testing.assert_allclose(flat.hat("pooled").estimates, flat.hat("own").estimates, atol=1e-12)
    assert flat.hat([0.9]).estimates == pytest.approx(flat.hat([0.5]).estimates)
    # A weak model gains more than a strong one loses when moved along a steep line.
    moved = steep.hat([0.7]).estimates - steep.hat("own").estimates
    source = steep.parts[0].counts.source_accuracy
    assert (np.sign(moved) == np.sign(0.7 - source)).all()
    assert steep.hat("own").estimates == pytest.approx(flat.hat("own").estimates, abs=1e-12)


def test_a_missing_cell_is_predicted_with_a_wider_interval() -> None:
    full = panel_rows(ETA, ["sw", "yo", "zu"], rng=np.random.default_rng(11), trials=3000)
    some = [row for row in full if (row[0], row[2]) != ("model-02", "yo")]
    whole, part = (
        fit_aggregate(study_of(rows, chance=0.25)).hat().cells.set_index(["model", "language"])
        for rows in (full, some)
    )
    assert len(part) == len(whole) == 18
    there, predicted = whole.loc[("model-02", "yo")], part.loc[("model-02", "yo")]
    assert abs(there["estimate"] - predicted["estimate"]) < 3 * predicted["std_error"]
    assert predicted["estimate"] != there["estimate"]
    other = part.loc[("model-02", "sw")]
    assert other["estimate"] == pytest.approx(whole.loc[("model-02", "sw"), "estimate"], abs=0.01)
    # Of an honest line the scatter of cells is 0, so take it from cells that do scatter.
    rng = np.random.default_rng(12)
    rough = [
        (*row[:4], float(np.clip(row[4] + rng.normal(0, 150), 900, 2900)), *row[5:]) for row in some
    ]
    cells = fit_aggregate(study_of(rough, chance=0.25)).hat().cells.set_index(["model", "language"])
    assert (
        cells.loc[("model-02", "yo"), "std_error"] > 2 * cells.loc[("model-02", "sw"), "std_error"]
    )


def test_scores_of_two_benchmarks_are_means_of_their_cells() -> None:
    rng = np.random.default_rng(13)
    rows = panel_rows(ETA, ["sw", "yo"], rng=rng, benchmark="one")
    rows += panel_rows(ETA - 0.5, ["yo", "zu", "xh"], rng=rng, benchmark="two", slope=0.5)
    profile = fit_aggregate(study_of(rows, chance=0.25))
    assert list(profile.panel.components) == ["model", "benchmark", "cell"]
    assert profile.panel.slopes() == pytest.approx([0.8, 0.5], abs=0.25)
    scores = profile.hat()
    cells = scores.cells.set_index(["model", "benchmark"])["estimate"]
    for m, model in enumerate(scores.models):
        both = [cells[model, "one"].mean(), cells[model, "two"].mean()]
        assert scores.estimates[m] == pytest.approx(np.mean(both))
    one = (scores.cells["benchmark"] == "one").to_numpy()
    held = fit_aggregate(profile.study, slope=0.8).hat().cells_cov
    assert (held[np.ix_(one, ~one)] == 0).all()
    # Slopes are estimated over the same models, whose effects are in both.
    assert scores.cells_cov[np.ix_(one, ~one)].max() > 0


# --- simulated panels with known truth ------------------------------------------------------------


@pytest.mark.slow
def test_noisy_sources_do_not_pull_the_slope_to_zero() -> None:
    """Least squares on noisy sources is attenuated by the reliability; the panel is not."""
    slopes, plain = [], []
    for seed in range(30):
        rng = np.random.default_rng(100 + seed)
        eta = rng.normal(0.4, 0.7, 24)
        rows = panel_rows(eta, LANGUAGES, rng=rng, trials=3000, chance=0.0)
        noisy = special.expit(eta)
        few = [
            (*row[:4], float(rng.binomial(100, noisy[int(row[0][6:])])), 100.0, "")
            if row[2] == "en"
            else row
            for row in rows
        ]
        profile = fit_aggregate(study_of(few))
        slopes.append(profile.panel.slopes()[0])
        part = profile.parts[0]
        plain.append(np.polyfit(part.source, part.target.mean(axis=1), 1)[0])
    error = np.std(slopes, ddof=1) / np.sqrt(30)
    assert error < 0.016  # of mean steepness, where a curve is fitted
    assert np.mean(slopes) == pytest.approx(0.8, abs=2.5 * error)
    assert np.mean(plain) < 0.74


@pytest.mark.slow
def test_scores_recover_the_truth_coverage() -> None:
    """Interval of HAT at a given reference: transfer effects and slope known."""
    reference = np.array([0.45, 0.6, 0.8])
    target_logit = special.logit((reference - 0.25) / 0.75)
    held, missed, width = [], [], []
    for seed in range(25):
        rng = np.random.default_rng(500 + seed)
        eta, effect = rng.normal(0.5, 0.8, 16), rng.normal(0.0, 0.4, 16)
        rows = panel_rows(eta, LANGUAGES, rng=rng, trials=600, effects=effect, slope=0.8)
        scores = fit_aggregate(study_of(rows, chance=0.25)).hat(reference)
        z = effect[:, None, None] - 0.2 * np.array([1, 2])[:, None] + 0.8 * target_logit
        truth = (0.25 + 0.75 * special.expit(z)).mean(axis=(1, 2))
        low, high = scores.limits().T
        held.append((low <= truth) & (truth <= high))
        missed.append(scores.estimates - truth)
        width.append(scores.std_errors)
    assert 0.91 < np.mean(held) < 0.985
    assert abs(np.mean(missed)) < 0.01
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(width))), np.std(missed), rtol=0.15)
    effects_found = np.corrcoef(scores.estimates, effect)[0, 1]
    assert effects_found > 0.9


def test_a_family_effect_is_found_apart_from_the_models() -> None:
    rng = np.random.default_rng(14)
    eta = rng.normal(0.5, 0.8, 24)
    family = np.repeat(np.arange(6), 4)
    effect = np.array([-0.8, -0.4, -0.1, 0.2, 0.5, 0.9])[family] + rng.normal(0, 0.1, 24)
    rows = panel_rows(eta, LANGUAGES, rng=rng, trials=4000, effects=effect)
    study = study_of(rows, chance=0.25, families=[f"family-{place}" for place in family])
    components = fit_aggregate(study).panel.components
    assert list(components) == ["family", "model", "cell"]
    assert components["family"] > 10 * components["model"]
    assert components["model"] == pytest.approx(0.01, abs=0.01)
    # Families of one model each are no families.
    single = study_of(rows, chance=0.25)
    assert list(fit_aggregate(single).panel.components) == ["model", "cell"]


def test_sensitivity_to_the_slope_is_that_of_two_fits() -> None:
    rng = np.random.default_rng(31)
    study = study_of(panel_rows(rng.normal(0.6, 1.0, 7), ["sw", "yo"], rng=rng, slope=0.5))
    profile = fit_aggregate(study, correlation=0.3)
    table = profile.slope_sensitivity("uniform")
    assert list(table.columns) == ["model", "estimate", "slope_one", "difference"]
    assert table["model"].tolist() == list(study.model_names)
    held = fit_aggregate(study, slope=1.0).hat("uniform").params
    np.testing.assert_allclose(table["estimate"], profile.hat("uniform").estimates)
    np.testing.assert_allclose(table["slope_one"], held[table["model"]])
    np.testing.assert_allclose(table["difference"], table["estimate"] - table["slope_one"])
    assert profile.slope_sensitivity()["estimate"].tolist() == profile.hat("pooled").params.tolist()


def test_what_covariates_and_languages_add_to_targets_is_found_exactly() -> None:
    """Restricted likelihood does not see shifts along columns of the design."""
    rng = np.random.default_rng(32)
    rows = panel_rows(rng.normal(0.6, 1.0, 9), ["sw", "yo"], rng=rng, slope=0.7)
    rows = [row for row in rows if (row[0], row[2]) != ("model-02", "yo")]
    (logits,) = fit_aggregate(study_of(rows)).parts
    names = logits.counts.models
    # One model has no covariates, and is left out.
    known = {name: rng.normal(size=2) for name in names[1:]}
    families = {name: "even" if int(name[-1]) % 2 == 0 else "odd" for name in names}
    x = np.array([known.get(name, np.zeros(2)) for name in names])
    moved = logits.target + (x @ [0.7, -0.4])[:, None] + [0.3, 0.0]

    def fitted(target: np.ndarray, **options: Any) -> Panel:
        part = replace(logits, target=target)
        return fit_panel([part], family_of=families, covariates=known, terms=("x", "z"), **options)

    for options in ({}, {"slope": 1.0}, {"bent": True}):
        before, after = fitted(logits.target, **options), fitted(moved, **options)
        assert before.terms[-2:] == ("x", "z")
        assert set(before.model) == set(names[1:])
        assert before.source_models == (names[1:],)
        change = dict(zip(before.terms, after.fit.params - before.fit.params, strict=True))
        assert change.pop("x") == pytest.approx(0.7, abs=1e-4)
        assert change.pop("z") == pytest.approx(-0.4, abs=1e-4)
        assert change.pop("intercept[quiz, sw]") == pytest.approx(0.3, abs=1e-4)
        np.testing.assert_allclose(list(change.values()), 0.0, atol=1e-4)
        np.testing.assert_allclose(after.fit.cov, before.fit.cov, rtol=1e-2)
        again = fitted(logits.target, near=before, **options)
        # The search ends where steps are small, which is a little nearer from there.
        np.testing.assert_allclose(again.fit.params, before.fit.params, atol=0.01)
