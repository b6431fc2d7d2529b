"""Intervals of measures: each contains its estimate, or says why there is none, and covers."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.other_measures.draws import MeasureDraws, measure_draws
from hatstats.other_measures.limits import parity_limits
from hatstats.other_measures.table import measures
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from tests.studies import Row, item_rows, panel_rows, study_of


def check_rows(table: pd.DataFrame) -> None:
    """Limits hold the estimate, or are NaN with a reason."""
    value = table["estimate"].to_numpy()
    low, high = table["conf_low"].to_numpy(), table["conf_high"].to_numpy()
    known = ~np.isnan(low)
    np.testing.assert_array_equal(known, ~np.isnan(high))
    assert (low[known] <= value[known] + 1e-12).all()
    assert (value[known] <= high[known] + 1e-12).all()
    reasons = table.loc[~known, "method"]
    assert reasons.str.contains("no interval|not defined|not identified").all()
    bounded = table["term"].isin(["gap", "excess", "moment_excess", "agreement", "locality"])
    inside = table[known & bounded.to_numpy()]
    assert (inside[["conf_low", "conf_high"]].abs() <= 1 + 1e-12).all(axis=None)


@st.composite
def studies(draw: st.DrawFn) -> Study:
    """Small studies, many of them degenerate: missing cells, floors, ceilings, few items."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 5))
    languages = ["en", "sw", "yo", "zu"][: draw(st.integers(2, 4))]
    rows: list[Row] = []
    for b in range(draw(st.integers(1, 2))):
        if draw(st.booleans()):
            p = rng.choice([0.0, 0.02, 0.3, 0.5, 0.98, 1.0], (count, len(languages)))
            n = int(rng.choice([2, 20, 400]))
            for m, place in np.ndindex(p.shape):
                right = float(rng.binomial(n, p[m, place]))
                rows.append((f"m{m}", f"b{b}", languages[place], "", right, n, ""))
        else:
            size = draw(st.integers(2, 12))
            names = [f"m{m}" for m in range(count)]
            made = item_rows(names, languages, size, rng=rng, trials=None, benchmark=f"b{b}")
            level = rng.choice([0.0, 0.5, 1.0], (count, len(languages)))
            for row in made:
                fixed = level[int(row[0][1:]), languages.index(row[2])]
                if rng.random() > 0.15:
                    right = row[4] if fixed == 0.5 else fixed * row[5]
                    rows.append((*row[:4], right, row[5], row[6]))
    return study_of(rows)


@settings(max_examples=30, deadline=None)
@given(study=studies())
@pytest.mark.slow
def test_every_interval_contains_its_estimate(study: Study) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        try:
            table = measures(study, n_draws=40, rng=1)
            drawn = measure_draws(study, method=_plain(study), n_draws=40, rng=1)
        except NotIdentifiedError:
            return
        check_rows(table)
        check_rows(drawn.tidy())
        ranking = drawn.agreement()
        if len(ranking):
            check_rows(ranking)
    # One statistic behind one name, wherever it is asked for.
    both = drawn.tidy().merge(table, on=["model", "term"], suffixes=("", "_table"))
    assert {"gap", "ratio", "parity_gap"} <= set(both["term"])
    np.testing.assert_allclose(both["estimate"], both["estimate_table"], atol=1e-12)


def _plain(study: Study) -> str:
    return "observed" if study.data_kind == "item" else "aggregate"


def test_draws_of_a_table_recompute_the_reported_scores() -> None:
    """Also where a cell is missing: the first draw, without any error, is the score itself."""
    rows = panel_rows([-0.6, -0.1, 0.2, 0.8, 1.1, 1.7], ["sw", "yo", "zu"],
                      rng=np.random.default_rng(1))  # fmt: skip
    rows = [row for row in rows if (row[0], row[2]) not in {("model-01", "yo"), ("model-04", "sw")}]
    study = study_of(rows, chance=0.25)
    profile = fit_aggregate(study)
    for reference in ("pooled", "uniform", "own"):
        found = measure_draws(study, reference=reference, n_draws=10, rng=1)
        np.testing.assert_allclose(found.estimate["HAT"], profile.hat(reference).estimates)
    np.testing.assert_allclose(
        found.estimate["gap"], profile.hat("own").source - profile.hat("own").estimates
    )


def naive_draw(study: Study, chosen: dict[str, np.ndarray], model: str) -> dict[str, float]:
    """Measures of one model from rows of items drawn with replacement, by loops."""
    sides = []
    for benchmark, items in chosen.items():
        rows = study.counts[
            (study.counts["benchmark"] == benchmark) & (study.counts["model"] == model)
        ]
        share = (rows["n_correct"] / rows["n_trials"]).to_numpy()
        cell = dict(zip(zip(rows["language"], rows["item"], strict=True), share, strict=True))
        source = [cell["en", i] for i in items if ("en", i) in cell]
        target = {}
        for language in ("sw", "yo"):
            both = [i for i in items if ("en", i) in cell and (language, i) in cell]
            target[language] = np.mean([cell[language, i] for i in both])
        sides.append((np.mean(source), np.mean(list(target.values())), list(target.values())))
    s, t = (np.mean([side[k] for side in sides]) for k in (0, 1))
    logits = [np.mean([np.log(side[k] / (1 - side[k])) for side in sides]) for k in (1, 0)]
    return {
        "gap": s - t,
        "ratio": t / s,
        "gamma": logits[0] / logits[1],
        "parity_gap": np.mean([np.ptp([side[0], *side[2]]) for side in sides]),
    }


def test_draws_with_missing_answers_and_two_benchmarks_against_naive() -> None:
    rng = np.random.default_rng(4)
    rows = [
        row
        for name, size in (("one", 40), ("two", 25))
        for row in item_rows(["a", "b", "c"], ["en", "sw", "yo"], size, rng=rng, benchmark=name)
        if rng.random() > 0.1
    ]
    study = study_of(rows)
    with pytest.warns(DegenerateDataWarning, match="no source row"):
        found = measure_draws(study, method="observed", n_draws=3, rng=7)
    again = np.random.default_rng(7)
    weights = {}
    for name in study.benchmark_names:
        items = np.sort(study.counts.loc[study.counts["benchmark"] == name, "item"].unique())
        drawn = again.integers(items.size, size=(3, items.size), dtype=np.int32)
        weights[name] = items, drawn
    for draw in range(3):
        chosen = {name: items[drawn[draw]] for name, (items, drawn) in weights.items()}
        for m, model in enumerate(found.models):
            for term, value in naive_draw(study, chosen, model).items():
                if term != "gamma" or np.isfinite(found.estimate["gamma"][m]):
                    assert found.draws[term][draw, m] == pytest.approx(value), (term, model)


def test_a_ratio_of_logits_near_zero_is_blank() -> None:
    """Source accuracy one half: logit 0, so that gamma can be anything."""
    study = simulate_study((0.0, 2.0), shape=Shape(300, 2, 5), rng=3)
    table = measures(study, n_draws=200, rng=1).set_index(["term", "model"])
    near = table.loc[("gamma", "model-01")]
    assert near[["estimate", "std_error", "conf_low", "conf_high"]].isna().all()
    assert near["method"].startswith("not identified: a source accuracy near one half")
    assert np.isfinite(table.loc[("gamma", "model-02"), "conf_low"])


@pytest.mark.slow
def test_parity_of_equal_languages_may_be_zero() -> None:
    """The best less the worst of equal accuracies is never 0, but its interval begins there."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        seen = 0.5 + 0.02 * rng.standard_normal(9)
        values = np.concatenate([seen[None], seen + 0.02 * rng.standard_normal((1000, 9))])
        limits, _ = parity_limits((values[:, None],), 0.95)
        covered += limits[0, 0] < 1e-12
    assert covered / 300 > 0.92


@pytest.mark.slow
def test_measures_coverage() -> None:
    """Known truth: the same models with very many items."""
    shape, eta = Shape(n_items=120, n_languages=3, n_trials=5), (-1.0, 1.0)
    truth = _truth(eta, shape)
    hits: dict[str, list[bool]] = {term: [] for term in truth}
    for seed in range(60):
        study = simulate_study(eta, shape=shape, rng=1000 + seed)
        rows = measure_draws(study, method="observed", n_draws=100, rng=1).tidy()
        for term, model, low, high in rows[["term", "model", "conf_low", "conf_high"]].values:
            value = truth.get(term, {}).get(model, np.nan)
            if np.isfinite(value) and np.isfinite(low):
                hits[term].append(bool(low <= value <= high))
    for term, found in hits.items():
        assert len(found) >= 110
        # Of 120 intervals at .95 fewer than .88 hold the truth once in a thousand.
        assert np.mean(found) >= 0.88, (term, np.mean(found))
        assert term == "parity_gap" or np.mean(found) < 0.995, term


def _truth(eta: tuple[float, ...], shape: Shape) -> dict[str, dict[str, float]]:
    large = Shape(n_items=40_000, n_languages=shape.n_languages, n_trials=shape.n_trials)
    found: MeasureDraws = measure_draws(
        simulate_study(eta, shape=large, rng=1), method="observed", n_draws=2, rng=1
    )
    terms = ("gap", "ratio", "overall", "conditional", "conditional_with_source", "gamma",
             "agreement", "parity_gap", "odds_ratio")  # fmt: skip
    return {term: dict(zip(found.models, found.estimate[term], strict=True)) for term in terms}
