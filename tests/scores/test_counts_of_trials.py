"""What the trials of an item are, how many count, and what a wording left out leaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.errors import DegenerateDataWarning
from hatstats.scores.counts import (
    distinct_counts,
    item_counts,
    with_most_trials,
    without_each_wording,
    without_models,
)
from hatstats.scores.wordings import SameWording
from tests.studies import cases

#: Model, item, prompt, repeat, trials.
Trial = tuple[str, str, str, str, int]


def study_of_trials(rows: list[Trial], said: str = "") -> hs.Study:
    """These trials in the source language, and one of each model and item in the target."""
    source = [("q", m, "en", item, prompt, repeat, 1, n) for m, item, prompt, repeat, n in rows]
    cells = dict.fromkeys((row[0], row[1]) for row in rows)
    target = [("q", m, "sw", item, "", "", 1, 1) for m, item in cells]
    names = ["benchmark", "model", "language", "item", "prompt", "repeat", "n_correct", "n_trials"]
    frame = pd.DataFrame([*source, *target], columns=names)
    study = hs.Study(frame.assign(source_language="en"))
    return replace(study, benchmarks=study.benchmarks.assign(trials=said))


@pytest.mark.parametrize(
    ("rows", "said", "kind"),
    [
        # Names of all prompts say it, whatever was said.
        ([("m", "a", "v", "", 1), ("m", "a", "w", "", 1)], "", "wordings"),
        ([("m", "a", "v", "", 1), ("m", "a", "w", "", 1)], "repeats", "wordings"),
        ([("m", "a", "v", "1", 1), ("m", "a", "w", "1", 1)], "", "wordings"),
        ([("m", "a", "v", "", 3)], "wordings", "repeats"),
        ([("m", "a", "v", "1", 1), ("m", "a", "v", "2", 1)], "wordings", "repeats"),
        # One wording of each item, or of each model, is no second wording of any.
        ([("m", "a", "v", "", 2), ("m", "b", "w", "", 2)], "wordings", "repeats"),
        ([("m", "a", "v", "", 2), ("n", "a", "w", "", 2)], "wordings", "repeats"),
        # A single trial needs no name; several without one are what was said.
        ([("m", "a", "v", "", 2), ("m", "b", "", "", 1)], "wordings", "repeats"),
        ([("m", "a", "v", "", 2), ("m", "b", "", "", 2)], "wordings", "wordings"),
        ([("m", "a", "v", "", 2), ("m", "b", "", "", 2)], "", "unknown"),
        ([("m", "a", "", "", 4)], "wordings", "wordings"),
        ([("m", "a", "", "", 4)], "repeats", "repeats"),
        ([("m", "a", "", "", 4)], "", "unknown"),
        # Repeats that are numbered are repeats, if only those of one item.
        ([("m", "a", "", "1", 1), ("m", "a", "", "2", 1)], "wordings", "repeats"),
        ([("m", "a", "", "1", 1), ("m", "b", "", "", 2)], "", "repeats"),
    ],
)
def test_what_several_trials_of_an_item_are(rows: list[Trial], said: str, kind: str) -> None:
    counts = item_counts(study_of_trials(rows, said), "q")
    assert counts.trials == kind
    many = any(row[4] > 1 for row in rows)
    named_pairs = any(row[2] and row[4] > 1 for row in rows)
    assert counts.unlabelled is (kind == "unknown" and many and not named_pairs)


def test_repeats_where_answers_can_be_guessed_are_worth_one() -> None:
    study = study_of_trials([("m", "a", "", "1", 2), ("m", "b", "", "", 6), ("n", "a", "", "", 2)])
    for chance, worth in ((0.0, [4.0, 2.0]), (0.1, [1.0, 1.0])):
        whole = replace(study, benchmarks=study.benchmarks.assign(chance=chance))
        np.testing.assert_array_equal(item_counts(whole, "q").effective_trials, worth)
    unknown = study_of_trials([("m", "a", "", "", 2), ("m", "b", "", "", 6)])
    whole = replace(unknown, benchmarks=unknown.benchmarks.assign(chance=0.1))
    np.testing.assert_array_equal(item_counts(whole, "q").effective_trials, [4.0])
    # Where it is assumed that they agree, n trials are worth n / (1 + (n - 1) rho).
    assumed = replace(item_counts(whole, "q"), correlation=0.5)
    np.testing.assert_allclose(assumed.effective_trials, [(2 / 1.5 + 6 / 3.5) / 2])
    found, share = assumed.source_wordings(0)
    assert found is not None
    assert (found.value, found.influence.tolist(), share.tolist()) == (0.5, [0, 0], [1, 1])


def random_counts(seed: int) -> hs.Study:
    """Named wordings with repeats of their own, up to 60 trials in a cell, some cells empty."""
    rng = np.random.default_rng(seed)
    rows = []
    for model in ("m", "n"):
        for item in ("a", "b", "c", "d"):
            for language in ("en", "sw", "yo"):
                for prompt in ("u", "v", "w"):
                    n = int(rng.integers(0, 21))
                    if n and (rng.uniform() < 0.8 or (item, prompt) == ("a", "u")):
                        k = int(rng.integers(0, n + 1))
                        rows.append(("q", model, language, item, prompt, k, n))
    names = ["benchmark", "model", "language", "item", "prompt", "n_correct", "n_trials"]
    return hs.Study(pd.DataFrame(rows, columns=names).assign(source_language="en"))


@cases(3, 30)
@pytest.mark.filterwarnings("ignore::hatstats.errors.DegenerateDataWarning")
def test_fewer_trials_against_naive(seed: int) -> None:
    """Shares of right answers and of pairs of one wording stay, up to a whole answer."""
    whole = item_counts(random_counts(seed), "q")
    most = 25.0
    fewer = with_most_trials(whole, most)
    sides = [
        (whole.source_correct, whole.source_trials, whole.source_pairs,
         fewer.source_correct, fewer.source_trials, fewer.source_pairs),
        (whole.target_correct, whole.target_trials, whole.target_pairs,
         fewer.target_correct, fewer.target_trials, fewer.target_pairs),
    ]  # fmt: skip
    seen: Counter[bool] = Counter()
    for k, n, pairs, less_k, less_n, less_pairs in sides:
        assert isinstance(pairs, SameWording)
        assert isinstance(less_pairs, SameWording)
        for cell in np.ndindex(n.shape):
            seen[bool(n[cell] > most)] += 1
            if n[cell] <= most:
                assert (less_k[cell], less_n[cell]) == (k[cell], n[cell])
                assert less_pairs.right[cell] == pairs.right[cell]
                assert less_pairs.number[cell] == pairs.number[cell]
            else:
                assert less_n[cell] == most
                assert less_k[cell] == round(k[cell] * most / n[cell])
                share = most * (most - 1) / n[cell] / (n[cell] - 1)
                assert less_pairs.right[cell] == pytest.approx(pairs.right[cell] * share)
                assert less_pairs.number[cell] == pytest.approx(pairs.number[cell] * share)
    assert min(seen.values()) > 5
    assert (fewer.models, fewer.chance, fewer.trials) == (whole.models, 0.0, whole.trials)
    assert with_most_trials(whole, whole.target_trials.max() + 60.0) is whole
    # One side alone may have too many.
    short = replace(
        whole,
        source_correct=np.minimum(whole.source_correct, 1.0),
        source_trials=np.minimum(whole.source_trials, 1.0),
    )
    one = with_most_trials(short, most)
    assert one.source_trials is short.source_trials
    np.testing.assert_array_equal(one.target_trials, fewer.target_trials)
    bare = with_most_trials(replace(whole, source_pairs=None, target_pairs=None), most)
    assert bare.source_pairs is bare.target_pairs is None


@cases(3, 30)
@pytest.mark.filterwarnings("ignore::hatstats.errors.DegenerateDataWarning")
def test_a_wording_left_out_leaves_the_others_against_naive(seed: int) -> None:
    study = random_counts(seed)
    whole = item_counts(study, "q")
    parts = dict(without_each_wording(study, whole))
    assert list(parts) == ["u", "v", "w"]
    for name, part in parts.items():
        assert (part.models, part.languages) == (whole.models, whole.languages)
        assert part.items.tolist() == whole.items.tolist()
        rows = study.counts[study.counts["prompt"] != name]
        sums = rows.groupby(["model", "item", "language"])[["n_correct", "n_trials"]].sum()
        pairs = rows.assign(
            right=rows["n_correct"] * (rows["n_correct"] - 1),
            number=rows["n_trials"] * (rows["n_trials"] - 1),
        )
        pairs = pairs.groupby(["model", "item", "language"])[["right", "number"]].sum()
        for m, model in enumerate(part.models):
            for i, item in enumerate(part.items):
                for place, language in enumerate(("en", *part.languages)):
                    cell = (m, i) if language == "en" else (m, i, place - 1)
                    side = "source" if language == "en" else "target"
                    key = (model, item, language)
                    k, n = sums.loc[key] if key in sums.index else (0, 0)
                    assert getattr(part, f"{side}_correct")[cell] == k
                    assert getattr(part, f"{side}_trials")[cell] == n
                    same = getattr(part, f"{side}_pairs")
                    k, n = pairs.loc[key] if key in pairs.index else (0, 0)
                    assert (same.right[cell], same.number[cell]) == (k, n)


def test_what_is_known_of_trials_after_a_wording_left_out() -> None:
    rows = [("m", item, prompt, "", 2) for item in "ab" for prompt in "vw"]
    study = study_of_trials(rows)
    prompts = study.counts["prompt"].mask(study.counts["language"] == "sw", "v")
    study = replace(study, counts=study.counts.assign(prompt=prompts))
    counts = item_counts(study, "q")
    kinds = {name: part.trials for name, part in without_each_wording(study, counts)}
    assert counts.trials == "wordings"
    assert kinds == {"v": "repeats", "w": "repeats"}


@pytest.mark.filterwarnings("ignore::hatstats.errors.DegenerateDataWarning")
def test_counts_without_a_model() -> None:
    counts = item_counts(random_counts(1), "q")
    kept = without_models(counts, np.array([True, False]))
    assert kept.models == ("n",)
    for name in ("source_correct", "source_trials", "target_correct", "target_trials"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(counts, name)[1:])
    for name in ("source_pairs", "target_pairs"):
        mine, all_of = getattr(kept, name), getattr(counts, name)
        np.testing.assert_array_equal(mine.right, all_of.right[1:])
        np.testing.assert_array_equal(mine.number, all_of.number[1:])
    bare = replace(counts, source_pairs=None, target_pairs=None)
    assert without_models(bare, np.array([False, True])).source_pairs is None


@cases(5, 40)
def test_distinct_counts_against_naive(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = rng.integers(0, 5, (3, 20)).astype(float)
    k = rng.binomial(n.astype(int), 0.5).astype(float)
    share = rng.choice([0.0, 0.25, 1.0], n.shape)
    for shares in (None, np.zeros(n.shape), share):
        right, trials, place = distinct_counts(k, n, shares)
        keys = {}
        for cell in np.ndindex(n.shape):
            if n[cell] == 0:
                assert place[cell] == -1
                continue
            assert (right[place[cell]], trials[place[cell]]) == (k[cell], n[cell])
            level = 0.0 if shares is None else shares[cell]
            key = (k[cell], n[cell], level)
            assert keys.setdefault(key, place[cell]) == place[cell]
        assert sorted(keys.values()) == list(range(len(right)))
    nothing = distinct_counts(np.zeros(3), np.zeros(3))
    assert [part.tolist() for part in nothing] == [[], [], [-1, -1, -1]]


def test_models_that_are_left_out_take_their_pairs_along() -> None:
    """The first of three models has no target answers."""
    rows = [(m, item, "v", "", 2 + k) for k, m in enumerate("lmn") for item in "ab"]
    study = study_of_trials(rows)
    gone = (study.counts["model"] == "l") & (study.counts["language"] == "sw")
    with pytest.warns(DegenerateDataWarning, match="for l; left out"):
        counts = item_counts(replace(study, counts=study.counts[~gone]), "q")
    assert counts.models == ("m", "n")
    assert counts.source_pairs is not None
    assert counts.source_pairs.number.tolist() == [[6.0, 6.0], [12.0, 12.0]]
