"""A model that guesses knows nothing, however alike its answers are in every language."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from typer.testing import CliRunner

import hatstats as hs
from hatstats import cli
from hatstats.report.results.analysis import analyse
from hatstats.report.results.results import ReportOptions
from hatstats.scores.counts import item_counts
from hatstats.scores.guessing import guessing_models

LANGUAGES = ("en", "aa", "bb", "cc", "dd", "ee", "ff", "gg")
KINDS = ("one", "copies", "independent")
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*answers look all or nothing"),
    pytest.mark.filterwarnings("ignore:.*hardly go with the hardness"),
]


def panel(kind: str, *, items: int = 500, real: int = 14, first: float = 0.5) -> hs.Study:
    """Real models, one that always gives option 1 (right in a share `first`), and a coin."""
    rng, rows = np.random.default_rng(0), []
    names = [f"i{i}" for i in range(items)]
    hardness, key = rng.normal(size=items), rng.permutation(items) < first * items
    trials = 1 if kind == "one" else 10
    drawn = trials if kind == "independent" else 1
    for m, ability in enumerate(np.linspace(-0.3, 3.0, real)):
        eta = ability + hardness
        for place, language in enumerate(LANGUAGES):
            logit = -0.5 + 0.8 * eta + 0.7 * rng.normal(size=items) if place else eta
            right = 0.5 + 0.5 * expit(logit)
            rows.append((f"real-{m:02d}", language, rng.binomial(drawn, right)))
    for language in LANGUAGES:
        rows.append(("always-one", language, drawn * key))
        rows.append(("coin", language, rng.binomial(drawn, 0.5, items)))
    parts = [
        pd.DataFrame({"item": names, "n_correct": right * trials / drawn}).assign(
            model=model, language=language
        )
        for model, language, right in rows
    ]
    frame = pd.concat(parts, ignore_index=True)
    given = frame.assign(benchmark="q", n_trials=trials, source_language="en", chance=0.5)
    return hs.Study(given.astype({"n_correct": float}))


@pytest.fixture(scope="module", params=KINDS)
def study(request: pytest.FixtureRequest) -> hs.Study:
    return panel(request.param)


@pytest.fixture(scope="module")
def scores(study: hs.Study) -> hs.HatScores:
    with pytest.warns(hs.DegenerateDataWarning, match="no better than guessing"):
        return hs.fit_profile(study).hat()


def test_guesses_have_no_score_and_no_rank(scores: hs.HatScores) -> None:
    assert scores.models == tuple(f"real-{m:02d}" for m in range(14))
    ranks = scores.ranks(rng=1)
    assert {*ranks["model"], *ranks.attrs["not_ranked"]} == set(scores.models)
    assert ranks.attrs["not_ranked"] == scores.weakly_identified
    head = " ".join(scores.summary().split())[:900]
    assert "Not scored, since no better than guessing (50%)" in head
    assert "always-one (50%), coin (" in head
    with pytest.raises(hs.DataError):
        scores.contrast("always-one", "real-01")


@pytest.mark.slow
def test_scores_are_those_without_the_guesses(study: hs.Study, scores: hs.HatScores) -> None:
    """They enter neither the reference nor the hardness of items."""
    alone = hs.fit_profile(study.select(models=list(scores.models))).hat()
    np.testing.assert_allclose(alone.estimates, scores.estimates, rtol=1e-9)
    np.testing.assert_allclose(alone.covariance, scores.covariance, rtol=1e-9)


@pytest.mark.slow
def test_measures_of_guesses_are_blank(study: hs.Study) -> None:
    table = hs.measures(study, n_draws=20, rng=1)
    own = table[table["model"] == "always-one"]
    assert len(own) == table["term"].nunique()
    assert own[["estimate", "std_error", "conf_low", "conf_high"]].isna().all(axis=None)
    assert own["method"].str.contains("no better than guessing").all()


def test_an_unequal_key_does_not_make_a_guess_knowledge() -> None:
    """Option 1 is right in 56 % of items: above chance, but not on items that are easy."""
    counts = item_counts(panel("one", first=0.56), "q")
    found = dict(zip(counts.models, guessing_models(counts).tolist(), strict=True))
    assert found.pop("always-one")
    assert found.pop("coin")
    assert not any(found.values())


def test_random_guesses_are_found() -> None:
    """With one answer each, of 300 coins at most two or three in a hundred pass both tests."""
    counts = item_counts(panel("one", items=300), "q")
    rng, passed = np.random.default_rng(2), 0
    row = counts.models.index("coin")
    for _ in range(300):
        counts.source_correct[row] = rng.integers(0, 2, 300)
        passed += not guessing_models(counts)[row]
    assert passed <= 9


@pytest.mark.slow
def test_a_weak_model_is_seldom_taken_for_a_guess() -> None:
    """One that knows 15 % of 500 items, by one answer with two options: at most 1 of 20 studies."""
    dropped = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        hardness, rows = rng.normal(size=500), []
        for name, ability in (("weak", -2.2), ("a", -0.5), ("b", 0.5), ("c", 1.5), ("d", 2.5)):
            for language in LANGUAGES:
                shift = 0.5 * (language != "en")
                right = 0.5 + 0.5 * expit(ability - shift + 1.5 * hardness)
                rows.append(
                    pd.DataFrame(
                        {"model": name, "language": language, "n_correct": rng.binomial(1, right)}
                    ).rename_axis("item")
                )
        frame = pd.concat(rows).reset_index().astype({"item": str, "n_correct": float})
        given = frame.assign(benchmark="q", n_trials=1.0, source_language="en", chance=0.5)
        counts = item_counts(hs.Study(given), "q")
        dropped += int(guessing_models(counts)[counts.models.index("weak")])
    assert dropped <= 1


def test_nobody_knows_anything() -> None:
    guesses = panel("one").select(models=["always-one", "coin"])
    with pytest.raises(hs.NotIdentifiedError, match="no knowledge that could transfer"):
        hs.fit_profile(guesses)
    # Where nothing can be guessed, half right is knowledge.
    open_answers = guesses.benchmarks.assign(chance=0.0)
    counts = item_counts(hs.Study(guesses.counts, guesses.models, open_answers), "q")
    assert not guessing_models(counts).any()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::hatstats.DegenerateDataWarning")
def test_command_line_and_report(tmp_path: Path) -> None:
    """Said in the first lines, absent from scores, ranks, figures' rows and headlines."""
    study = panel("one", items=120, real=5)
    study.write(tmp_path / "s")
    shown = CliRunner().invoke(cli.app, ["score", str(tmp_path / "s")]).stdout
    assert "always-one (50%)" in " ".join(shown.split("\n  real-")[0].split())
    assert "\n  always-one" not in shown
    results = analyse(study, ReportOptions(quick=True))
    assert not results.scores["model"].isin(["always-one", "coin"]).any()
    assert "always-one" in results.facts["estimand"]
    assert results.facts["reason"].startswith("Method joint: items of benchmark")
    out = results.left_out[results.left_out["analysis"] == "scores"]
    assert set(out["model"]) == {"always-one", "coin"}
    assert out["reason"].str.contains("guessing").all()
    assert results.key_results[1] == "No better than guessing, not scored: always-one, coin."
