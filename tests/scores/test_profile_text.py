"""Profiles as text, line by line, and what is said of scores that rest on little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hatstats as hs
from hatstats.scores.benchmark_fit import BenchmarkFit, mean_influence
from hatstats.scores.counts import ItemCounts
from hatstats.scores.item_profile import ItemProfile
from hatstats.scores.transfer_profile import TransferProfile, as_profile, as_scores
from tests.refusals import refusal
from tests.studies import item_rows, panel_rows, study_of


def item_profile(method: str = "observed") -> ItemProfile:
    rows = item_rows(["b", "a"], ["en", "sw", "yo"], 30, rng=np.random.default_rng(1))
    found = hs.fit_profile(study_of(rows), method=method)  # type: ignore[arg-type]
    assert isinstance(found, ItemProfile)
    return found


def shown_rows(text: str) -> list[list[str]]:
    """Cells of the table at the end, by its rows without their number."""
    return [line.split()[1:] for line in text.splitlines() if line[:1].isdigit()]


def test_every_line_of_a_profile_of_items() -> None:
    profile = item_profile()
    text = profile.summary()
    facts = {"method": "observed", "n models": 2, "n benchmarks": 1, "n languages": 2}
    facts |= {"n items": 30, "n clusters": 30, "median trials": 5}
    head = ["Transfer profile of study 'study'"]
    head += [f"  {name:<13}  {value}" for name, value in facts.items()]
    assert text.splitlines()[: len(head)] == head
    assert " ".join(profile.estimand.split()) in " ".join(text.split())
    # Models in the order of the study, source accuracies from left to right.
    table = profile.tidy().round(3)
    rows = [
        [name, *(f"{value:.3f}" for value in table.loc[table["model"] == name, "estimate"])]
        for name in ("b", "a")
    ]
    assert shown_rows(text) == rows
    levels = "  ".join(f"T({level})" for level in (0.1, 0.3, 0.5, 0.7, 0.9))
    assert f"  model  {levels}" in text.splitlines()
    assert max(map(len, text.splitlines())) <= 80


def test_every_line_of_a_profile_of_accuracies() -> None:
    rows = panel_rows([-0.5, 0.2, 0.9, 1.5], ["sw", "yo"], rng=np.random.default_rng(1))
    profile = hs.fit_profile(study_of(rows, chance=0.25))
    text, table = profile.summary(), profile.tidy()
    for name, value in profile.glance().iloc[0].items():
        shown = f"{value:.4g}" if isinstance(value, float) else value
        assert f"  {str(name).replace('_', ' '):<19}  {shown}" in text.splitlines()
    columns = ["term", "estimate", "std_error", "conf_low", "conf_high"]
    assert columns in [line.split() for line in text.splitlines()]
    numbers = [" ".join(row).rsplit(" ", 4) for row in shown_rows(text)]
    wanted = [
        [term, *(f"{value:.3f}" for value in values)]
        for term, *values in table[columns].itertuples(index=False)
    ]
    assert numbers == wanted


def test_what_is_no_profile_is_refused_with_the_call_that_makes_one() -> None:
    profile = item_profile()
    assert as_profile(profile, "f") is as_scores(profile, "f") is profile
    scores = profile.hat()
    assert as_scores(scores, "f") is scores
    for call in (as_profile, as_scores):
        kind = "a profile" if call is as_profile else "HAT scores or a profile"
        words = refusal(lambda call=call: call(profile.study, "f"))  # type: ignore[misc]
        assert f"f takes {kind}" in words
        assert "fit_profile(study)" in words
    assert isinstance(profile, TransferProfile)


def test_families_and_points_are_those_of_the_study() -> None:
    rows = item_rows(["a", "b"], ["en", "sw"], 5, rng=np.random.default_rng(1), trials=None)
    rows += item_rows(["a", "b"], ["en", "yo"], 3, rng=np.random.default_rng(2), benchmark="two")
    # An item without an answer in Swahili counts on neither axis there.
    rows = [row for row in rows if row[:4] != ("a", "quiz", "sw", "item-2")]
    profile = hs.fit_profile(study_of(rows, families=["f", "g"]), method="observed")
    assert profile.families == {"a": "f", "b": "g"}
    points = profile.points()
    assert len(points) == 4
    for row in points.itertuples():
        share = {(r[2], r[3]): r[4] / r[5] for r in rows if r[:2] == (row.model, row.benchmark)}
        pairs = [
            (share["en", item], value)
            for (language, item), value in share.items()
            if language == row.language
        ]
        lost = (row.model, row.benchmark) == ("a", "quiz")
        assert len(pairs) == (5 if row.benchmark == "quiz" else 3) - lost
        for (value, error), seen in zip(
            ((row.source, row.source_se), (row.target, row.target_se)),
            zip(*pairs, strict=True),
            strict=True,
        ):
            assert value == pytest.approx(np.mean(seen))
            assert error == pytest.approx(np.std(seen, ddof=1) / np.sqrt(len(seen)))
        assert row.family == {"a": "f", "b": "g"}[row.model]


def test_the_curve_of_a_profile_is_that_of_its_fits() -> None:
    rng = np.random.default_rng(4)
    rows = item_rows(["b", "a"], ["en", "sw", "yo"], 25, rng=rng)
    rows += item_rows(["b", "a"], ["en", "ha"], 15, rng=rng, benchmark="two", trials=3)
    profile = hs.fit_profile(study_of(rows), method="observed")
    assert isinstance(profile, ItemProfile)
    curve = profile.curve()
    wanted = [
        (model, part.benchmark, language, x, fit.profiles[m, place, q], fit.distributions[m, q])
        for fit in profile.fits
        for part in (fit.counts,)
        for m, model in enumerate(part.models)
        for place, language in enumerate(part.languages)
        for q, x in enumerate(fit.support)
    ]
    assert list(curve.itertuples(index=False, name=None)) == wanted
    names = ["model", "benchmark", "language", "source", "target", "share"]
    assert list(curve) == names
    terms = ["T(0.1)", "T(0.3)", "T(0.5)", "T(0.7)", "T(0.9)"]
    assert profile.labels.tolist() == [(term, name) for term in terms for name in ("b", "a")]
    assert profile.labels.names == ["term", "model"]
    for (term, name), value in profile.params.items():
        at = profile.hat([float(term[2:-1])])
        assert value == pytest.approx(at.params[name])


def test_means_and_influence_of_accuracies_against_naive() -> None:
    rng = np.random.default_rng(3)
    values = rng.uniform(size=(3, 8, 2))
    values[rng.uniform(size=values.shape) < 0.3] = np.nan
    values[1, :, 1] = np.nan
    mean, influence = mean_influence(values)
    assert influence.shape == (8, 3, 2)
    for m in range(3):
        for language in range(2):
            asked = [i for i in range(8) if not np.isnan(values[m, i, language])]
            if not asked:
                assert np.isnan(mean[m, language])
                assert (influence[:, m, language] == 0.0).all()
                continue
            assert mean[m, language] == pytest.approx(values[m, asked, language].mean())
            for i in range(8):
                shift = values[m, i, language] - mean[m, language] if i in asked else 0.0
                assert influence[i, m, language] == pytest.approx(shift / len(asked))


def counts_of(source: np.ndarray, target: np.ndarray) -> ItemCounts:
    """Answers (N,) of one model to items asked once; a target of -1 was not asked."""
    asked = (target >= 0).astype(float)
    return ItemCounts(
        benchmark="q",
        chance=0.0,
        models=("m",),
        languages=("sw", "yo"),
        items=np.array([f"i{k}" for k in range(source.size)]),
        clusters=np.arange(source.size),
        source_correct=source[None],
        source_trials=np.ones((1, source.size)),
        target_correct=(target * asked)[None],
        target_trials=asked[None],
    )


def fault(source: list[float], target: list[list[float]]) -> str:
    fit = BenchmarkFit(counts_of(np.array(source), np.array(target)), np.linspace(0, 1, 3), ())
    return fit._source_fault(0)


def test_source_answers_below_targets_are_a_fault() -> None:
    """By more than .05, and by more than three standard errors of the items asked in both."""
    words = "lies below its accuracy in the target languages"
    # An excess of .5 on each item but two: 0 and 1, whose error over 10 items is small.
    both = [[1.0, 0.0]] * 8 + [[0.0, 0.0], [1.0, 1.0]]
    found = fault([0.0] * 10, both)
    assert found == (
        "set aside, since its source accuracy (0.000) lies below its accuracy in the target "
        "languages (0.500): its source answers are no measure of what it knows"
    )
    # Of 30 items 7 have three standard errors that reach 0, 8 have not.
    assert fault([0.0] * 30, [[1.0, -1.0]] * 7 + [[0.0, -1.0]] * 23) == ""
    assert words in fault([0.0] * 30, [[1.0, -1.0]] * 8 + [[0.0, -1.0]] * 22)
    # Where all items agree .04 is too little, .06 is not.
    assert fault([0.5] * 4, [[0.54, 0.54]] * 4) == ""
    assert words in fault([0.5] * 4, [[0.56, 0.56]] * 4)
    # One item says nothing, and an item asked nowhere else does not count.
    assert fault([0.0], [[1.0, 1.0]]) == ""
    assert fault([0.0, 0.0], [[1.0, 1.0], [-1.0, -1.0]]) == ""
    assert words in fault([0.0, 0.0], [[1.0, 1.0], [1.0, 1.0]])
    # Answers that are above, or equal, are none.
    assert fault([1.0] * 4, [[1.0, 1.0]] * 4) == fault([1.0] * 4, [[0.0, 0.0]] * 4) == ""


@pytest.mark.parametrize("reference", ["own", "uniform"])
def test_a_fault_of_the_source_is_no_fault_of_raw_accuracies(reference: str) -> None:
    profile = item_profile()
    counts = replace(profile.counts[0], source_correct=0 * profile.counts[0].source_correct)
    (fit,) = profile.fits
    dark = replace(fit, counts=counts)
    found = dark.overlap(
        dark.reference_weights(reference),
        np.full(2, 0.05),
        np.full(2, True),
        smooth=reference != "own",
    )
    assert found["informed"].tolist() == [reference == "own"] * 2
    assert found["note"].str.contains("set aside").tolist() == [reference != "own"] * 2
    starts = found["note"].str.startswith(("b on quiz: set", "a on quiz: set"))
    assert starts.tolist() == [reference != "own"] * 2
