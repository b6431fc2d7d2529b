"""Facts about languages in the hierarchical model: the posterior twin of the regression."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hatstats.bayes.fit import fit_hierarchical, read_hierarchical
from hatstats.bayes.options import Sampling
from hatstats.bayes.result import HierarchicalFit
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.reml.mixed import Effect, fit_mixed
from hatstats.study import Study
from tests.bayes.cases import QUICK

SLOPE, N_LANGUAGES, N_MODELS = 0.4, 14, 12
TERM = "transfer over languages: articles"


@cache
def _study(seed: int = 5) -> Study:
    """Accuracies of twelve models in fourteen languages; transfer depends on articles in logits."""
    rng = np.random.default_rng(seed)
    articles = rng.normal(2.0, 1.5, N_LANGUAGES)
    source = rng.normal(0.8, 0.5, N_MODELS)
    of_language = SLOPE * (articles - 2.0) + rng.normal(0, 0.25, N_LANGUAGES)
    of_model = source[:, None] - 0.5 + rng.normal(0, 0.2, (N_MODELS, 1))
    target = of_model + of_language + rng.normal(0, 0.1, (N_MODELS, N_LANGUAGES))
    logits = np.column_stack([source, target])
    right = rng.binomial(2000, 1.0 / (1.0 + np.exp(-logits)))
    names = ["en", *(f"l{number:02d}" for number in range(N_LANGUAGES))]
    table = pd.DataFrame(right / 2000, columns=names)
    table.insert(0, "model", [f"model-{number:02d}" for number in range(N_MODELS)])
    study = Study.from_frame(table, source="en", n_trials=2000, languages=names)
    facts = pd.DataFrame({"language": names, "articles": [np.nan, *articles]})
    return replace(study, language_table=facts)


@cache
def _fit() -> HierarchicalFit:
    sampling = Sampling(draws=300, tune=200, chains=2, cores=1)
    return fit_hierarchical(_study(), languages="articles", sampling=sampling, rng=1)


def test_a_fact_about_languages_agrees_with_restricted_likelihood() -> None:
    fit = _fit()
    row = fit.tidy().set_index("term").loc[TERM]
    cells = fit.shrinkage()
    articles = _study().language_table.set_index("language")["articles"]
    x = articles.loc[cells["language"]].to_numpy()
    X = np.column_stack([np.ones(len(x)), x - x.mean()])
    one = np.ones(len(x))
    effects = [Effect(name, cells[name].to_numpy(), one) for name in ("language", "model")]
    twin = fit_mixed(cells["raw"].to_numpy(), X, effects)
    error = float(np.sqrt(twin.cov[1, 1]))
    # The prior pulls by less than a twentieth, and 600 draws leave a tenth of a deviation.
    assert abs(row["estimate"] - twin.params[1]) < 0.3 * error
    assert row["std_error"] == pytest.approx(error, rel=0.25)
    assert row["conf_low"] < SLOPE < row["conf_high"]


def test_the_effect_of_languages_is_what_facts_leave() -> None:
    without = fit_hierarchical(_study(), sampling=QUICK, rng=1).tidy().set_index("term")["estimate"]
    found = _fit().tidy().set_index("term")["estimate"]
    assert found["sd_transfer_language"] < 0.7 * without["sd_transfer_language"]
    assert TERM not in without.index


def test_a_saved_fit_keeps_its_facts(tmp_path: Path) -> None:
    fit = fit_hierarchical(_study(), languages="articles", sampling=QUICK, rng=2)
    again = read_hierarchical(fit.save(tmp_path / "fit.nc"), _study())
    pd.testing.assert_frame_equal(again.tidy(), fit.tidy())
    table = _study().language_table
    other = replace(_study(), language_table=table.assign(articles=2 * table["articles"]))
    with pytest.raises(DataError, match="another study"):
        read_hierarchical(tmp_path / "fit.nc", other)


def test_facts_that_are_missing_or_too_few_languages_bad_input() -> None:
    study = _study()
    table = study.language_table.copy()
    table.loc[3, "articles"] = np.nan
    with pytest.raises(DataError, match="missing for l02"):
        fit_hierarchical(replace(study, language_table=table), languages="articles")
    with pytest.raises(DataError):
        fit_hierarchical(study, languages="speakers")
    few = study.select(languages=["en", "l00", "l01"])
    with pytest.raises(NotIdentifiedError, match="2 languages have articles"):
        fit_hierarchical(few, languages="articles")
