"""HAT by an assumed correlation of trials: theory, simulation, figure, report, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.diagnostics.assumptions import correlation_words, residual_words
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.report.results.item_checks import run_item_checks

SHAPE = hs.Shape(300, 2, 10, repeats=5, wording_correlation=0.3)
ABILITIES = (-1.0, 1.0)


def unlabelled(study: hs.Study) -> hs.Study:
    """The same counts without the names of wordings."""
    cell = ["model", "benchmark", "language", "item"]
    rows = study.counts.groupby(cell, as_index=False)[["n_correct", "n_trials"]].sum()
    return hs.Study(rows, study.models, study.benchmarks)


@pytest.fixture(scope="module")
def studies() -> tuple[hs.Study, hs.Study]:
    named = hs.simulate_study(ABILITIES, shape=SHAPE, rng=3)
    return named, unlabelled(named)


@pytest.fixture(scope="module")
def table(studies: tuple[hs.Study, hs.Study]) -> pd.DataFrame:
    profile = hs.fit_profile(studies[1], method="latent")
    return hs.hat_by_correlation(profile, correlations=(0.0, 0.3 * 4 / 9, 0.3, 1.0))


def test_no_correlation_is_the_profile_as_it_is(
    studies: tuple[hs.Study, hs.Study], table: pd.DataFrame
) -> None:
    plain = hs.fit_profile(studies[1], method="latent").hat().tidy()
    rows = table[table["correlation"] == 0.0].drop(columns="correlation")
    pd.testing.assert_frame_equal(
        pd.DataFrame(rows).reset_index(drop=True), pd.DataFrame(plain), rtol=1e-9
    )


def test_the_true_correlation_gives_back_what_labels_would(
    studies: tuple[hs.Study, hs.Study], table: pd.DataFrame
) -> None:
    """Two wordings of five with rho .3: any two trials have .3 times the share 4 / 9 of pairs.

    Two models of equal transfer then have nearly equal scores, and independence tears them apart.
    """
    labelled = hs.fit_profile(studies[0], method="latent").hat().estimates
    assumed = table[np.isclose(table["correlation"], 0.3 * 4 / 9)]
    np.testing.assert_allclose(assumed["estimate"], labelled, atol=0.03)
    np.testing.assert_allclose(assumed["effective_trials"], 10 / (1 + 9 * 0.3 * 4 / 9))
    spread = table.groupby("correlation")["estimate"].agg(np.ptp)
    assert spread.iloc[1] < 0.6 * spread.iloc[0]


def test_fewer_than_two_effective_trials_have_no_score(table: pd.DataFrame) -> None:
    few = table["effective_trials"] < 2.0
    assert few.any()
    assert table.loc[few, ["estimate", "std_error", "conf_low"]].isna().all(axis=None)
    assert table.loc[~few, ["estimate", "conf_low"]].notna().all(axis=None)
    words = correlation_words(table)
    assert "they would be worth 2.7 trials" in words
    assert "With a correlation of 1 or more they are worth fewer than two trials" in words


def test_two_trials_are_identified_only_if_independent() -> None:
    study = hs.simulate_study(ABILITIES, shape=hs.Shape(100, 2, 2), rng=1)
    table = hs.hat_by_correlation(hs.fit_profile(study, method="latent"))
    assert set(table.loc[table["estimate"].notna(), "correlation"]) == {0.0}
    words = correlation_words(table)
    assert "would move" not in words
    assert "With a correlation of 0.1 or more they are worth fewer than two trials" in words
    unknown = correlation_words(table.assign(estimate=np.nan))
    assert "With a correlation of 0 or more" in unknown


@pytest.mark.slow
def test_the_report_shows_it_where_trials_are_not_labelled(
    studies: tuple[hs.Study, hs.Study], table: pd.DataFrame
) -> None:
    named, plain = (
        run_item_checks(hs.fit_profile(study, method="latent"), "pooled", 0.95) for study in studies
    )
    assert named.by_correlation.empty
    assert not any("Unlabelled trials" in text for text in named.words)
    assert set(plain.by_correlation["correlation"]) >= {0.0, 0.1, 0.3, 0.5, 1.0}
    assert any("Unlabelled trials" in text for text in plain.words)
    (axes,) = hs.plot.checks(table)
    lines = {str(line.get_label()): line for line in axes.lines}
    for model, rows in table.groupby("model"):
        drawn = np.asarray(lines[str(model)].get_ydata(), dtype=float)
        np.testing.assert_array_equal(drawn, rows["estimate"])
    many = pd.concat([table.assign(model=table["model"] + str(n)) for n in range(8)])
    assert "12 of 16 models are shown" in hs.plot.caption(hs.plot.checks(many))


def test_labelled_trials_and_other_methods_bad_input(studies: tuple[hs.Study, hs.Study]) -> None:
    named, plain = studies
    with pytest.raises(NotIdentifiedError, match="of trials whose kind is known"):
        hs.hat_by_correlation(hs.fit_profile(named, method="latent"))
    with pytest.raises(NotIdentifiedError, match="by method 'observed'"):
        hs.hat_by_correlation(hs.fit_profile(plain, method="observed"))
    with pytest.raises(DataError, match=r"column 'correlations', value 1\.5"):
        hs.hat_by_correlation(hs.fit_profile(plain, method="latent"), correlations=[1.5])


def test_words_where_no_model_has_a_score_at_both_ends() -> None:
    table = pd.DataFrame({"model": ["a", "a"], "residual": [0.0, 1.0], "estimate": [0.4, np.nan]})
    assert "no model has a score at both ends" in residual_words(table)
