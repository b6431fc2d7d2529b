"""Gap, ratio and excess over the line, by hand and by differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.profile import AggregateProfile, fit_aggregate
from hatstats.inference.tidy import TIDY_COLUMNS
from hatstats.other_measures.formulas import local_effects
from hatstats.other_measures.table import measures
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from tests.studies import item_rows, panel_rows, study_of

ETA = [-0.6, -0.1, 0.2, 0.8, 1.1, 1.7]


def table_of(study: Study, **options: float) -> pd.DataFrame:
    return measures(study, rng=1, **options).set_index(["term", "model"])


def test_columns_and_rows_against_theory() -> None:
    study = study_of(panel_rows(ETA, ["sw", "yo"], rng=np.random.default_rng(1)), chance=0.25)
    table = measures(study, conf_level=0.8, rng=1)
    assert list(table.columns) == ["model", *TIDY_COLUMNS]
    terms = [name for name in ("gap", "ratio", "excess", "gamma", "parity_gap") for _ in range(6)]
    assert table["term"].tolist() == terms
    table = table[:18]
    assert set(table["conf_level"]) == {0.8}
    # 0 would be no transfer at all: no null of interest for a ratio.
    ratio = table["term"] == "ratio"
    assert table.loc[ratio, ["statistic", "p_value"]].isna().all(axis=None)
    assert table.loc[~ratio, ["statistic", "p_value"]].notna().all(axis=None)
    wider = measures(study, conf_level=0.95, rng=1)[:18]
    assert ((wider["conf_high"] - wider["conf_low"]) > table["conf_high"] - table["conf_low"]).all()


@pytest.mark.parametrize("twins", [False, True])
def test_gap_and_ratio_of_items_against_theory(twins: bool) -> None:
    """Means over the same items: the error of a difference is that of the items' differences."""
    rng = np.random.default_rng(2)
    rows = item_rows(["a", "b"], ["en", "sw", "yo"], 80, rng=rng)
    if twins:
        rows = [(*row[:6], f"pair-{int(row[3][5:]) // 2}") for row in rows]
    table = table_of(study_of(rows))
    for model in ("a", "b"):
        wide = (
            pd.DataFrame([row for row in rows if row[0] == model]).pivot(
                index=3, columns=2, values=4
            )
            / 5
        )
        target, source = wide[["sw", "yo"]].mean(axis=1), wide["en"]
        ratio = target.mean() / source.mean()
        per_item = {
            "gap": source - target,
            "ratio": (target - ratio * source) / source.mean(),
        }
        assert table.loc[("gap", model), "estimate"] == pytest.approx(per_item["gap"].mean())
        assert table.loc[("ratio", model), "estimate"] == pytest.approx(ratio)
        for term, values in per_item.items():
            pair = values.index.str.slice(5).astype(int) // 2 if twins else values.index
            sums = (values - values.mean()).groupby(pair).sum() / 80
            groups = len(sums)
            error = np.sqrt((sums**2).sum() * groups / (groups - 1))
            assert table.loc[(term, model), "std_error"] == pytest.approx(error, rel=1e-9)


def test_gap_and_ratio_of_a_table_against_theory() -> None:
    rows = panel_rows(ETA, ["sw", "yo"], rng=np.random.default_rng(3), trials=500)
    table = table_of(study_of(rows, chance=0.25))
    cells = {(row[0], row[2]): row[4] / row[5] for row in rows}
    for m in range(6):
        model = f"model-{m:02d}"
        s, t = cells[model, "en"], np.array([cells[model, name] for name in ("sw", "yo")])
        # Sampling errors are those of counts shrunk by half a trial.
        held = (t * 500 + 0.5) / 501
        of_t = (held * (1 - held) / 500).sum() / 4
        of_s = s * (1 - s) / 500
        gap, ratio = table.loc[("gap", model)], table.loc[("ratio", model)]
        assert gap["estimate"] == pytest.approx(s - t.mean())
        assert gap["std_error"] == pytest.approx(np.sqrt(of_s + of_t), rel=1e-9)
        assert ratio["estimate"] == pytest.approx(t.mean() / s)
        variance = of_t / s**2 + of_s * t.mean() ** 2 / s**4
        assert ratio["std_error"] == pytest.approx(np.sqrt(variance), rel=1e-9)


def naive_excess(
    profile: AggregateProfile, model: str, params: np.ndarray, shift: np.ndarray | None = None
) -> tuple[float, float]:
    """Excess of one model, mean over benchmarks, and the binomial variance of its targets.

    `shift` moves its source logit on each benchmark.
    """
    total, noise = 0.0, 0.0
    names = list(profile.panel.terms)
    for b, part in enumerate(profile.parts):
        counts, c = part.counts, part.counts.chance
        m = counts.models.index(model)
        beta = params[names.index(f"source_logit[{counts.benchmark}]")]
        values = []
        for place, language in enumerate(counts.languages):
            n, p = counts.target_trials[m, place], counts.target_accuracy[m, place]
            if n > 0:
                level = params[names.index(f"intercept[{counts.benchmark}, {language}]")]
                z = level + beta * (part.source[m] + (0.0 if shift is None else shift[b]))
                values.append(p - c - (1 - c) / (1 + np.exp(-z)))
        present = counts.target_trials[m] > 0
        p, n = counts.target_accuracy[m][present], counts.target_trials[m][present]
        noise += float((p * (1 - p) / n).sum() / present.sum() ** 2)
        total += float(np.mean(values))
    return total / len(profile.parts), noise / len(profile.parts) ** 2


@pytest.mark.parametrize("benchmarks", [1, 2])
def test_excess_against_naive(benchmarks: int) -> None:
    """Estimate by loops; its error from differences in each coefficient and the source logits."""
    rng = np.random.default_rng(4)
    effects = [0.3, 0.0, 0.0, -0.6, 0.0, 0.0]
    rows = panel_rows(ETA, ["sw", "yo"], rng=rng, benchmark="one", effects=effects)
    rows = [row for row in rows if (row[0], row[2]) != ("model-01", "yo")]
    if benchmarks == 2:
        rows += panel_rows(ETA, ["zu", "yo"], rng=rng, benchmark="two", effects=effects)
    study = study_of(rows, chance=0.25)
    table = table_of(study)
    profile = fit_aggregate(study)
    step = 1e-5
    for m in range(6):
        model = f"model-{m:02d}"
        value, variance = naive_excess(profile, model, profile.estimates)
        row = table.loc[("excess", model)]
        assert row["estimate"] == pytest.approx(value, abs=1e-12)
        slopes = []
        for place in range(profile.estimates.size):
            move = np.zeros(profile.estimates.size)
            move[place] = step
            up, down = (
                naive_excess(profile, model, profile.estimates + sign * move)[0] for sign in (1, -1)
            )
            slopes.append((up - down) / (2 * step))
        variance += np.array(slopes) @ profile.covariance @ np.array(slopes)
        for b in range(benchmarks):
            shift = np.eye(benchmarks)[b] * step
            up, down = (
                naive_excess(profile, model, profile.estimates, sign * shift)[0] for sign in (1, -1)
            )
            variance += ((up - down) / (2 * step)) ** 2 * profile.parts[b].source_var[m]
        assert row["std_error"] == pytest.approx(np.sqrt(variance), rel=1e-6)
    assert table.loc["excess", "estimate"].idxmin() == "model-03"


def test_the_measures_move_with_source_ability_alone_against_theory() -> None:
    """What HAT argues with: equal transfer, unequal ability, and the measures disagree."""
    study = simulate_study((-1.0, 2.0), shape=Shape(4000, 2, 10), world="cubic", rng=6)
    table = table_of(study)
    for term in ("gap", "ratio"):
        weak, strong = table.loc[term].loc["model-01"], table.loc[term].loc["model-02"]
        error = np.hypot(weak["std_error"], strong["std_error"])
        assert abs(weak["estimate"] - strong["estimate"]) > 5 * error


def test_no_right_source_answer_degenerate() -> None:
    rng = np.random.default_rng(7)
    rows = item_rows(["a", "b", "c", "d"], ["en", "sw"], 40, rng=rng)
    rows = [(*row[:4], 0.0, *row[5:]) if row[0] == "a" and row[2] == "en" else row for row in rows]
    table = table_of(study_of(rows))
    row = table.loc[("ratio", "a")]
    assert row[["estimate", "std_error", "conf_low", "conf_high"]].isna().all()
    assert row["method"] == "not defined: no right answer in the source language"
    assert table.loc[("ratio", "b"), "method"] == "delta method"
    assert np.isfinite(table.loc[("gap", "a"), "std_error"])


def test_items_of_too_few_models_have_no_line_degenerate() -> None:
    table = table_of(
        study_of(item_rows(["a", "b"], ["en", "sw"], 40, rng=np.random.default_rng(8)))
    )
    assert table.loc["excess", ["estimate", "std_error"]].isna().all(axis=None)
    assert set(table.loc["excess", "method"]) == {"not identified: no line over these models"}
    assert table.loc[["gap", "ratio"], "std_error"].notna().all()


def test_a_table_of_too_few_models_bad_input() -> None:
    study = study_of(panel_rows(ETA[:2], ["sw", "yo"], rng=np.random.default_rng(9)), chance=0.25)
    with pytest.raises(NotIdentifiedError, match="at least 3 are needed"):
        measures(study)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_level_bad_input(level: float) -> None:
    study = study_of(panel_rows(ETA, ["sw", "yo"], rng=np.random.default_rng(1)), chance=0.25)
    with pytest.raises(ValueError, match="95 % is"):
        measures(study, conf_level=level)


def test_local_effects_without_an_item_in_every_model_are_unknown_degenerate() -> None:
    """A language that no model was asked items of its own in: no mean of nothing, no warning."""
    found = local_effects(np.zeros((2, 3, 4, 6)))
    for name in ("mother_tongue", "locality"):
        assert found[name].shape == (2, 3)
        assert np.isnan(found[name]).all()
