"""All measures from one resampling: loops over items, agreement, what the data do not allow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.methods import fit_profile
from hatstats.other_measures.draws import MeasureDraws, measure_draws
from hatstats.other_measures.formulas import (
    MEANING,
    item_sums,
    logit,
    mantel_haenszel,
    moment_excess,
)
from hatstats.other_measures.table import measures
from hatstats.scores.counts import item_counts
from hatstats.scores.item_profile import require_items
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from hatstats.study.study import Study as StudyType
from tests.studies import item_rows, panel_rows, study_of

ETA = [-0.6, -0.1, 0.2, 0.8, 1.1, 1.7]


@pytest.fixture(scope="module")
def items() -> Study:
    return study_of(
        item_rows(["a", "b", "c", "d"], ["en", "sw", "yo"], 60, rng=np.random.default_rng(2))
    )


@pytest.fixture(scope="module")
def draws(items: Study) -> MeasureDraws:
    return measure_draws(items, method="observed", n_draws=400, rng=1)


def test_measures_of_items_against_naive(items: Study, draws: MeasureDraws) -> None:
    """Each by a loop over items, from its definition."""
    counts = item_counts(items, items.benchmark_names[0])
    s, t = counts.source_accuracy(), counts.target_accuracy()
    for m in range(4):
        S, T = s[m].mean(), t[m].mean(axis=0)
        both = np.array([np.mean(s[m] * t[m, :, place]) for place in range(2)])
        own = {name: values[m] for name, values in draws.estimate.items()}
        assert own["gap"] == pytest.approx(S - T.mean())
        assert own["ratio"] == pytest.approx(T.mean() / S)
        assert own["overall"] == pytest.approx(both.mean())
        assert own["conditional"] == pytest.approx(both.mean() / S)
        assert own["conditional_with_source"] == pytest.approx((1 + 2 * both.mean() / S) / 3)
        logit = stats.logistic.ppf
        error = s[m].std(ddof=1) / np.sqrt(60) / (S * (1 - S))
        # A denominator that may be 0 makes no ratio.
        gamma = logit(T.mean()) / logit(S) if abs(logit(S)) > 3 * error else np.nan
        assert own["gamma"] == pytest.approx(gamma, nan_ok=True)
        seen = both + np.array([np.mean((1 - s[m]) * (1 - t[m, :, p])) for p in range(2)])
        luck = S * T + (1 - S) * (1 - T)
        assert own["agreement"] == pytest.approx(np.mean((seen - luck) / (1 - luck)))
        everywhere = [S, *T]
        assert own["parity_gap"] == pytest.approx(max(everywhere) - min(everywhere))
    assert "mother_tongue" not in draws.estimate


def test_draws_are_what_refitting_on_drawn_items_gives(items: Study) -> None:
    counts = item_counts(items, items.benchmark_names[0])
    sums = item_sums(items, counts, counts.models)
    weights = np.random.default_rng(3).multinomial(60, np.full(60, 1 / 60)).astype(float)
    drawn = {name: np.tensordot(weights, values, 1) for name, values in sums.items()}
    s, t = counts.source_accuracy(), counts.target_accuracy()
    chosen = np.repeat(np.arange(60), weights.astype(int))
    np.testing.assert_allclose(drawn["s"][1] / drawn["n"][1], s[1, chosen].mean())
    both = (s[1, chosen, None] * t[1, chosen]).mean(axis=0)
    np.testing.assert_allclose(drawn["both"][1] / drawn["n"][1], both)


def test_errors_of_gap_and_hat_are_those_of_the_delta_method(
    items: Study, draws: MeasureDraws
) -> None:
    tidy = draws.tidy().set_index(["term", "model"])["std_error"]
    exact = measures(items, rng=1).set_index(["term", "model"])["std_error"]
    for term in ("gap", "ratio"):
        np.testing.assert_allclose(tidy.loc[term], exact.loc[term], rtol=0.15)
    scores = fit_profile(items, method="observed").hat("pooled")
    np.testing.assert_allclose(tidy.loc["HAT"], scores.std_errors, rtol=0.15)
    np.testing.assert_allclose(draws.estimate["HAT"], scores.estimates)


def test_mantel_haenszel_against_statsmodels() -> None:
    rng = np.random.default_rng(5)
    n = rng.integers(20, 60, 5)
    source, target = rng.binomial(n, 0.7), rng.binomial(n, 0.5)
    tables = np.array(
        [[[t, k - t], [s, k - s]] for k, s, t in zip(n, source, target, strict=True)]
    ).transpose(1, 2, 0)
    expected = StratifiedTable(tables.astype(float)).logodds_pooled
    strata = np.stack([n, source, target], axis=1)[None, None].astype(float)
    assert mantel_haenszel(strata)[0, 0] == pytest.approx(expected)
    assert np.isnan(mantel_haenszel(np.zeros((1, 1, 5, 3)))).all()


def test_local_effects_of_items_with_sources_of_their_own() -> None:
    """Each item asked in en and de; half of them from each language."""
    rng = np.random.default_rng(6)
    truth = {("en", "en"): 0.9, ("de", "en"): 0.5, ("de", "de"): 0.8, ("en", "de"): 0.6}
    rows = []
    for model in ("a", "b"):
        for item in range(200):
            home = "en" if item % 2 else "de"
            for language in ("en", "de"):
                right = rng.binomial(10, truth[home, language])
                rows.append((model, "b", language, f"i{item}", float(right), 10.0))
    counts = pd.DataFrame(
        rows, columns=["model", "benchmark", "language", "item", "n_correct", "n_trials"]
    )
    sources = pd.DataFrame(
        {
            "benchmark": "b",
            "item": [f"i{item}" for item in range(200)],
            "source_language": ["en" if item % 2 else "de" for item in range(200)],
            "cluster": "",
        }
    )
    models = pd.DataFrame({"model": ["a", "b"], "family": ["f", "g"]}).assign(
        release_date=pd.NaT, params_total=np.nan, params_active=np.nan
    )
    benchmarks = pd.DataFrame({"benchmark": ["b"], "source_language": "", "chance": 0.0})
    study = StudyType(counts, models, benchmarks, sources)
    found = measure_draws(study, method="observed", n_draws=200, rng=1)
    np.testing.assert_allclose(found.estimate["mother_tongue"], 0.8 - 0.5, atol=0.03)
    np.testing.assert_allclose(found.estimate["locality"], 0.8 - 0.6, atol=0.03)
    rows_of = found.tidy().set_index(["term", "model"])
    assert (rows_of.loc["mother_tongue", "p_value"] < 0.01).all()


def test_excess_and_gamma_at_their_edges_degenerate() -> None:
    np.testing.assert_allclose(logit(np.array([0.0, 0.5, 1.0])), [np.nan, 0.0, np.nan])
    assert np.isnan(moment_excess(np.full((1, 2), 0.5), np.full((1, 2), 0.4), np.zeros(2))).all()
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1, 30))
    s, t = stats.logistic.cdf(x), stats.logistic.cdf(0.3 + 0.8 * x)
    np.testing.assert_allclose(moment_excess(s, t, np.zeros(30)), 0.0, atol=1e-9)
    # Noise in x flattens a plain line; the moment slope undoes that.
    noisy = x + 0.5 * rng.normal(size=x.shape)
    flat = moment_excess(stats.logistic.cdf(noisy), t, np.zeros(30))
    steep = moment_excess(stats.logistic.cdf(noisy), t, np.full(30, 0.25))
    assert np.abs(np.corrcoef(x[0], flat[0])[0, 1]) > np.abs(np.corrcoef(x[0], steep[0])[0, 1])


def test_rank_agreement_against_scipy(draws: MeasureDraws) -> None:
    table = draws.agreement().set_index("term")
    for a, b in (("HAT", "ratio"), ("gap", "overall")):
        turn = [1.0 if MEANING.get(name, ("", True))[1] else -1.0 for name in (a, b)]
        expected = stats.kendalltau(
            turn[0] * draws.estimate[a], turn[1] * draws.estimate[b]
        ).statistic
        assert table.loc[f"{a} ~ {b}", "estimate"] == pytest.approx(expected)
    known = ~table["method"].str.contains("no interval")
    assert known.sum() > 40
    low, high = table.loc[known, "conf_low"], table.loc[known, "conf_high"]
    assert ((low >= -1 - 1e-12) & (high <= 1 + 1e-12)).all()
    assert table.loc[~known, ["conf_low", "conf_high"]].isna().all(axis=None)


def test_a_table_of_means_has_fewer_measures() -> None:
    rows = panel_rows(ETA, ["sw", "yo"], rng=np.random.default_rng(3), trials=500)
    study = study_of(rows, chance=0.25)
    found = measure_draws(study, n_draws=300, rng=1)
    assert set(found.estimate) == {
        "HAT", "gap", "ratio", "moment_excess", "gamma", "parity_gap"
    }  # fmt: skip
    scores = fit_profile(study).hat()
    np.testing.assert_allclose(found.estimate["HAT"], scores.estimates)
    errors = found.tidy().set_index(["term", "model"])["std_error"]
    np.testing.assert_allclose(errors.loc["HAT"], scores.std_errors, rtol=0.25)
    exact = measures(study, rng=1).set_index(["term", "model"])["std_error"]
    np.testing.assert_allclose(errors.loc["gap"], exact.loc["gap"], rtol=0.2)
    with pytest.raises(NotIdentifiedError, match="pooled, uniform or own"):
        measure_draws(study, reference="model:model-00")


def test_seeds_of_measures(items: Study) -> None:
    first, again, other = (measures(items, n_draws=100, rng=seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
    assert first["term"].nunique() == 10


def test_undefined_draws_are_counted_degenerate() -> None:
    """One model right on a single item: some draws leave it out, and the ratio undefined."""
    study = simulate_study((0.0, 0.5), shape=Shape(n_items=12, n_languages=1, n_trials=2), rng=1)
    counts = study.counts.copy()
    mine = (counts["model"] == "model-01").to_numpy() & study.is_source
    counts.loc[mine, "n_correct"] = 0.0
    counts.loc[np.flatnonzero(mine)[0], "n_correct"] = 1.0
    lame = Study(counts, study.models, study.benchmarks)
    table = measure_draws(lame, method="observed", n_draws=200, rng=1).tidy()
    row = table[(table["term"] == "ratio") & (table["model"] == "model-01")].iloc[0]
    assert "of them undefined" in row["method"]
    assert np.isnan(row["conf_low"])
    profile = require_items(fit_profile(lame, method="observed"), "this")
    assert profile.complete_models == ("model-01", "model-02")


def test_a_fresh_seed_of_measures_gives_the_same_numbers(items: Study) -> None:
    first = measures(items, n_draws=100)
    again = measures(items, n_draws=100, rng=first.attrs["seed"])
    pd.testing.assert_frame_equal(first, again)
    drawn = measure_draws(items, n_draws=100)
    assert measure_draws(items, n_draws=100, rng=drawn.seed).tidy().equals(drawn.tidy())
