"""Differential functioning: R, statsmodels as the slow twin, known truth, bad input."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import StratifiedTable

from hatstats.diagnostics import differential_functioning as functioning
from hatstats.diagnostics.differential_functioning import (
    CLASSES,
    Persons,
    ets_class,
    functioning_classes,
    item_functioning,
    logistic,
)
from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from tests.bayes.cases import panel_study
from tests.reference import stored


@pytest.mark.parametrize("name", ["none", "harder", "crossing", "few_models"])
def test_single_items_against_r(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = stored.cases("functioning")[name]
    given_ = {key: np.asarray(value, dtype=float) for key, value in case["input"].items()}
    right = given_["right"][:, None]
    persons = Persons(right, np.ones_like(right), given_["target"], given_["score"])
    monkeypatch.setattr(functioning, "_classes", lambda *_: given_["class"].astype(np.intp) - 1)
    odds, error, p = functioning.mantel_haenszel(persons, 3)
    uniform, nonuniform, change = logistic(persons)
    expected = case["output"]
    for found, key, tolerance in (
        (odds, "log_odds", 1e-10),
        (error, "std_error", 1e-10),
        (p, "p_value", 1e-9),
        (uniform, "uniform_p", 1e-6),
        (nonuniform, "nonuniform_p", 1e-6),
        (change, "r2_change", 1e-6),
    ):
        np.testing.assert_allclose(found[0], expected[key], rtol=tolerance)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_shares_of_right_answers_against_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    models, items = 14, 2
    target = np.repeat([0.0, 1.0], models)
    score = rng.uniform(0.2, 0.8, 2 * models)
    share = 1.0 / (1.0 + np.exp(-5.0 * (score - 0.5)))
    right = rng.binomial(10, np.tile(share[:, None], (1, items))) / 10.0
    asked = (rng.random(right.shape) < 0.9).astype(float)
    persons = Persons(right * asked, asked, target, score)
    odds, error, p = functioning.mantel_haenszel(persons, 3)
    uniform, nonuniform, _ = logistic(persons)
    code = functioning._classes(score, 3)
    for item in range(items):
        tables = []
        for k in range(code.max() + 1):
            rows = [
                [
                    (right * asked)[(code == k) & (target == side), item].sum(),
                    ((1 - right) * asked)[(code == k) & (target == side), item].sum(),
                ]
                for side in (1.0, 0.0)
            ]
            if np.sum(rows) > 0:
                tables.append(np.array(rows))
        twin = StratifiedTable(tables)
        assert odds[item] == pytest.approx(twin.logodds_pooled, rel=1e-9, abs=1e-9)
        assert error[item] == pytest.approx(twin.logodds_pooled_se, rel=1e-9)
        assert p[item] == pytest.approx(twin.test_null_odds().pvalue, rel=1e-7)
        answered = asked[:, item] > 0
        columns = np.column_stack([np.ones(score.size), score, target, score * target])[answered]
        fits = [
            sm.GLM(right[answered, item], columns[:, :width], family=sm.families.Binomial())
            .fit(tol=1e-12)
            .deviance
            for width in (2, 3, 4)
        ]
        for index, value in enumerate((uniform, nonuniform)):
            ratio = max(fits[index] - fits[index + 1], 0.0)
            twin_p = float(sm.stats.stattools.stats.chi2.sf(ratio, 1))
            assert value[item] == pytest.approx(twin_p, rel=1e-4, abs=1e-6)


#: Items that most models get right.
BROKEN = ["item-000002", "item-000015", "item-000048"]


def study_with_broken_items(n_broken: int = 3) -> Study:
    """Twenty models; the first items of one language are answered like much harder ones."""
    shape = Shape(n_items=60, n_languages=2, n_trials=10)
    study = simulate_study(tuple(np.linspace(-1.0, 2.0, 20)), shape=shape, rng=4)
    counts = study.counts.copy()
    names = BROKEN[:n_broken]
    broken = counts["item"].isin(names) & (counts["language"] == "t01")
    counts.loc[broken, "n_correct"] = np.floor(0.2 * counts.loc[broken, "n_correct"])
    return replace(study, counts=counts)


def test_items_broken_in_one_language_are_of_class_c_there() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        table = item_functioning(study_with_broken_items())
    broken = table["item"].isin(BROKEN) & (table["language"] == "t01")
    assert (table.loc[broken, "ets"] == "C").all()
    assert (table.loc[broken, "delta"] < 0).all()
    assert (table.loc[broken, "p_adjusted"] < 0.05).all()
    assert (table.loc[~broken, "ets"] == "C").mean() < 0.1
    assert (table.loc[broken, "uniform_p"] < 0.05).all()
    assert len(table) == 120
    classes = functioning_classes(table)
    assert classes.groupby("language")["items"].sum().tolist() == [60, 60]
    for language, part in classes.groupby("language"):
        assert list(zip(part["ets"], part["direction"], strict=True)) == list(CLASSES)
        own = table[table["language"] == language]
        much_harder = (own["ets"] == "C") & (own["delta"] < 0)
        assert part["items"].iloc[0] == much_harder.sum()
        assert part["discoveries"].sum() == (own["p_adjusted"] < 0.05).sum()


def test_items_that_function_equally_are_found_no_more_often_than_the_level() -> None:
    """Residuals of an item are independent between languages: rejections at the level."""
    rng = np.random.default_rng(5)
    target = np.repeat([0.0, 1.0], 20)
    ability = np.tile(rng.normal(0.0, 1.0, 20), 2)
    eta = ability[:, None] + rng.normal(0.0, 1.0, 200)
    right = rng.binomial(1, 1.0 / (1.0 + np.exp(-eta))).astype(float)
    persons = Persons(right, np.ones_like(right), target, right.mean(axis=1))
    _, _, p = functioning.mantel_haenszel(persons, 5)
    uniform, nonuniform, _ = logistic(persons)
    for value in (p, uniform, nonuniform):
        share = np.nanmean(value < 0.05)
        assert share < 0.05 + 3.0 * np.sqrt(0.05 * 0.95 / 200) + 0.02


def test_classes_by_size_and_certainty() -> None:
    odds = np.array([0.1, 0.5, 0.5, 1.0, -2.0, np.nan, -np.inf, np.inf])
    error = np.array([0.1, 0.1, 0.6, 0.1, 0.2, np.nan, np.nan, np.nan])
    p = np.array([0.3, 1e-6, 0.4, 1e-9, 1e-9, np.nan, 0.01, 0.2])
    assert ets_class(odds, error, p).tolist() == ["A", "B", "A", "C", "C", "", "C", "A"]


def test_separated_items_have_the_likelihood_of_their_limit() -> None:
    target = np.repeat([0.0, 1.0], 6)
    score = np.tile(np.linspace(0.2, 0.8, 6), 2)
    right = target[:, None].copy()
    persons = Persons(right, np.ones_like(right), target, score)
    uniform, nonuniform, change = logistic(persons)
    assert uniform[0] < 1e-3
    assert nonuniform[0] == pytest.approx(1.0, abs=1e-2)
    assert change[0] == pytest.approx(1.0, abs=1e-3)


def test_items_without_variation_are_unknown_and_counted_in_a_warning() -> None:
    study = study_with_broken_items()
    counts = study.counts.copy()
    always = counts["item"] == sorted(counts["item"].unique())[-1]
    counts.loc[always, "n_correct"] = counts.loc[always, "n_trials"]
    with pytest.warns(DegenerateDataWarning, match=r"\d+ of 120 items and languages"):
        table = item_functioning(replace(study, counts=counts))
    last = table[table["item"] == sorted(table["item"].unique())[-1]]
    assert last[["log_odds", "p_value", "p_adjusted", "uniform_p", "r2_change"]].isna().all().all()
    assert (last["ets"] == "").all()


def test_too_few_models_and_studies_of_means_are_refused() -> None:
    study = study_with_broken_items()
    with pytest.raises(NotIdentifiedError, match="3 models answered in 't01'"):
        item_functioning(study.select(models=study.model_names[:3]))
    with pytest.raises(NotIdentifiedError, match="needs counts per item"):
        item_functioning(panel_study())
