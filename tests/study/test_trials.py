"""Copies of one answer count once, whatever they are called; independent trials stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.errors import DataError
from hatstats.estimators.methods import default_method

ONE = hs.Shape(n_items=60, n_trials=1)


def one_run(**changes: object) -> hs.Study:
    return hs.simulate_study([0.0, 1.0], shape=ONE, rng=1)


def remade(study: hs.Study, counts: pd.DataFrame) -> hs.Study:
    return hs.Study(counts, study.models, study.benchmarks)


@pytest.mark.parametrize("copies", [2, 3, 10])
def test_copies_without_labels_are_one_answer(copies: int) -> None:
    run = one_run()
    counts = run.counts.assign(
        n_correct=run.counts["n_correct"] * copies, n_trials=run.counts["n_trials"] * copies
    )
    study = remade(run, counts)
    pd.testing.assert_frame_equal(study.counts, run.counts)
    assert f"Trials of which {copies} agree in every item" in study.info.notes
    assert "counted once" in study.info.notes


@pytest.mark.parametrize("label", ["repeat", "prompt"])
def test_repeats_or_wordings_that_agree_in_every_answer_are_one(label: str) -> None:
    run = one_run()
    named = pd.concat([run.counts.assign(**{label: name}) for name in "abc"], ignore_index=True)
    study = remade(run, named)
    assert study.counts[label].unique().tolist() == ["a"]
    assert study.counts["n_correct"].tolist() == run.counts["n_correct"].tolist()
    assert "agree in every answer" in study.info.notes


def test_a_copy_that_lacks_rows_is_one_still() -> None:
    """By labels and by counts; answers that only one copy has stay."""
    run, rng = one_run(), np.random.default_rng(1)
    lost = rng.integers(0, 3, len(run.counts))  # one copy, or none, lacks each row
    lost[rng.random(lost.size) < 0.5] = 3
    labelled = [run.counts[lost != i].assign(repeat=f"run {i}") for i in range(3)]
    trials = 3.0 - (lost < 3)
    added = run.counts.assign(n_correct=run.counts["n_correct"] * trials, n_trials=trials)
    key = ["model", "language", "item"]
    expected = run.counts.set_index(key)["n_correct"].sort_index()
    for counts in (pd.concat(labelled, ignore_index=True), added):
        study = remade(run, counts)
        assert (study.counts["n_trials"] == 1).all()
        found = study.counts.set_index(key)["n_correct"].sort_index()
        pd.testing.assert_series_equal(found, expected)
        assert "counted once" in study.info.notes


def test_trials_with_names_of_their_own_are_no_copies() -> None:
    """Two answers to one item that happen to agree say nothing of the others."""
    shape = hs.Shape(n_items=60, n_trials=3)
    study = hs.simulate_study([0.0, 1.0], shape=shape, rng=1)
    counts = study.counts.loc[study.counts.index.repeat(3)].reset_index(drop=True)
    number = counts.groupby(["model", "language", "item"]).cumcount()
    single = counts.assign(
        n_correct=(number < counts["n_correct"]).astype(float),
        n_trials=1.0,
        repeat=[f"sample {i}" for i in range(len(counts))],
    ).sample(frac=1.0, random_state=1)
    # The order of answers to an item is that of chance.
    assert len(remade(study, single.reset_index(drop=True)).counts) == len(single)


def test_a_repeat_that_differs_stays() -> None:
    run, other = one_run(), hs.simulate_study([0.0, 1.0], shape=ONE, rng=2)
    labelled = [run.counts.assign(repeat=name) for name in "ab"]
    study = remade(run, pd.concat([*labelled, other.counts.assign(repeat="c")], ignore_index=True))
    assert sorted(study.counts["repeat"].unique()) == ["a", "c"]


def test_copies_of_two_wordings_leave_two_trials() -> None:
    study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(n_items=60, n_trials=2), rng=1)
    counts = study.counts.assign(
        n_correct=study.counts["n_correct"] * 5, n_trials=study.counts["n_trials"] * 5
    )
    pd.testing.assert_frame_equal(remade(study, counts).counts, study.counts)


@pytest.mark.parametrize("trials", [2, 3, 10])
@pytest.mark.slow
def test_independent_trials_stay(trials: int) -> None:
    for seed in range(20):
        shape = hs.Shape(n_items=40, n_trials=trials)
        study = hs.simulate_study([-1.5, 0.0, 3.0], shape=shape, rng=seed)
        assert "copies" not in study.info.notes
        assert (study.counts["n_trials"] == trials).all()


def test_a_model_that_is_always_right_proves_no_copies() -> None:
    study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(n_items=40, n_trials=3), rng=1)
    sure = (study.counts["model"] == "model-02").to_numpy()
    counts = study.counts.assign(n_correct=study.counts["n_correct"].mask(sure, 3.0))
    assert (remade(study, counts).counts["n_trials"] == 3).all()


def test_constant_answers_that_differ_by_language_prove_no_copies() -> None:
    study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(n_items=40, n_trials=3), rng=1)
    sure = (study.counts["model"] == "model-02").to_numpy()
    constant = study.counts["n_trials"].where(study.is_source, 0.0)
    counts = study.counts.assign(n_correct=study.counts["n_correct"].mask(sure, constant))
    assert (remade(study, counts).counts["n_trials"] == 3).all()


def test_a_language_with_few_rows_follows_its_model() -> None:
    run = one_run()
    language = run.languages[-1]
    few = run.counts["item"].isin(run.counts["item"].unique()[:4])
    counts = run.counts[few | (run.counts["language"] != language)]
    counts = counts.assign(n_correct=counts["n_correct"] * 3, n_trials=counts["n_trials"] * 3)
    assert (remade(run, counts).counts["n_trials"] == 1).all()


def test_averages_over_items_are_left_alone() -> None:
    frame = pd.DataFrame(
        {"model": "m", "benchmark": "q", "language": ["en", "sw"], "n_correct": [200, 100],
         "n_trials": 400, "source_language": "en"}
    )  # fmt: skip
    assert hs.Study(frame).counts["n_trials"].tolist() == [400, 400]


@pytest.mark.parametrize("verb", ["latent", "joint", "observed"])
def test_three_copies_of_a_greedy_run_give_the_answer_of_one(verb: str) -> None:
    run = one_run()
    counts = run.counts.assign(
        n_correct=run.counts["n_correct"] * 3, n_trials=run.counts["n_trials"] * 3
    )
    studies = run, remade(run, counts)
    if verb == "latent":
        for study in studies:
            with pytest.raises(hs.NotIdentifiedError, match="one trial per item"):
                hs.fit_profile(study, method="latent")
        return
    one, three = (hs.fit_profile(study, method=verb).hat() for study in studies)  # type: ignore[arg-type]
    np.testing.assert_allclose(three.estimates, one.estimates, rtol=1e-12)
    np.testing.assert_allclose(three.covariance, one.covariance, rtol=1e-10)


def test_a_greedy_log_needs_no_flag() -> None:
    profile = hs.fit_profile(one_run())
    assert profile.method == "joint"
    assert "Method joint: items of benchmark" in profile.hat().summary()


def test_repeats_of_a_frame_are_trials_but_for_copies() -> None:
    run, other = one_run(), hs.simulate_study([0.0, 1.0], shape=ONE, rng=2)
    source = str(run.source_language.iloc[0])
    frame = pd.concat(
        [each.counts.assign(run=name) for name, each in (("1", run), ("2", run), ("3", other))]
    )
    frame = frame[["model", "benchmark", "language", "item", "run", "n_correct", "n_trials"]]
    study = hs.Study.from_frame(frame, source=source, chance=0)
    both = run.counts["n_correct"] + other.counts["n_correct"]
    assert study.counts["n_correct"].sum() == both.sum()
    assert (study.counts["n_trials"] == 2).all()
    assert study.benchmarks["trials"].tolist() == ["repeats"]
    assert "counted once" in study.info.notes


def test_study_toml_says_what_trials_are(tmp_path: Path) -> None:
    study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(n_items=40, n_trials=3), rng=1)
    folder = study.write(tmp_path / "quiz")
    text = (folder / "study.toml").read_text(encoding="utf-8")
    name = study.benchmark_names[0]
    (folder / "study.toml").write_text(f'{text}\n[trials]\n{name} = "repeats"\n', encoding="utf-8")
    read = hs.read_study(folder)
    assert read.benchmarks["trials"].tolist() == ["repeats"]
    again = hs.read_study(read.write(tmp_path / "again"))
    pd.testing.assert_frame_equal(again.benchmarks, read.benchmarks)
    profile = hs.fit_profile(read)
    assert profile.method == ("joint" if read.benchmarks["chance"].iloc[0] > 0 else "latent")
    assert "of one wording" in profile.estimand


def test_repeated_guesses_are_worth_one_trial() -> None:
    study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(n_items=40, n_trials=3), rng=1)
    chosen = [
        default_method(
            hs.Study(study.counts, study.models, study.benchmarks.assign(trials=kind, chance=c))
        )[0]
        for kind, c in (("repeats", 0.5), ("repeats", 0.0), ("wordings", 0.5), ("unknown", 0.5))
    ]
    assert chosen == ["joint", "latent", "latent", "latent"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('quizz = "repeats"', "trials.quizz"),
        ('simulated = "often"', "what the trials of an item are"),
        ("simulated = 3", "trials.simulated"),
    ],
)
def test_trials_bad_input(tmp_path: Path, line: str, said: str) -> None:
    study = hs.simulate_study([0.0], shape=hs.Shape(n_items=10, n_trials=2), rng=1)
    folder = study.write(tmp_path / "quiz")
    path = folder / "study.toml"
    line = line.replace("simulated", study.benchmark_names[0])
    path.write_text(f"{path.read_text(encoding='utf-8')}\n[trials]\n{line}\n", encoding="utf-8")
    said = said.replace("simulated", study.benchmark_names[0])
    with pytest.raises(DataError) as caught:
        hs.read_study(folder)
    assert said in str(caught.value)
