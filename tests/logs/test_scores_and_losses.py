"""Scores that are half known are asked about, and answers that are missing are never forgotten."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import hatstats
from hatstats import cli
from hatstats.errors import DataError
from hatstats.logs.readers.schema import Choices
from hatstats.logs.vocabulary import FAILED, UNREAD, Marks, marks_of, read_shares, read_values
from hatstats.study.losses import Loss, unequal_losses
from hatstats.study.screening.findings import findings
from tests.logs import writers
from tests.logs.cases import RIGHT, cells, quiz, samples, truth


def read(values: dict[str, int], **given: str) -> Marks:
    marks = marks_of(Choices(settings=given))
    return read_values(list(values.items()), marks, lambda: "f.csv", "correct")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("Y", "N"), ("ok", "wrong"), ("100", "0"), ("100%", "0%"), ("T", "F"), ("TRUE", "FALSE"),
     ("1", "-1"), ("C", "I"), ("pass", "fail"), ("1.0", "0.0"), ("100.0", "0.0")],
)  # fmt: skip
def test_both_poles_of_a_vocabulary_are_read(right: str, wrong: str, tmp_path: Path) -> None:
    frame = quiz()
    said = frame.assign(correct=frame["correct"].map({1: right, 0: wrong}))
    said.to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert cells(done.study) == truth(frame)
    surprising = {right, wrong} & {"100", "-1", "100.0"}
    assert any("Scores read" in note for note in done.notes) == bool(surprising)


@pytest.mark.parametrize("other", ["0.5", "P", "2", "maybe", "-0.5", "A"])
def test_values_that_are_not_known_are_refused_with_their_numbers(
    other: str, tmp_path: Path
) -> None:
    frame = quiz().astype({"correct": "str"})
    frame.loc[::7, "correct"] = other
    frame.to_csv(tmp_path / "quiz.csv", index=False)
    with pytest.raises(DataError, match=r"52 of 360 scores are neither") as error:
        hatstats.convert_logs(tmp_path)
    number = other.lower() if other.isalpha() else other
    assert f"{number!r} (52)" in str(error.value)
    assert "quiz.csv" in str(error.value)
    for name, value in (("right", 1.0), ("wrong", 0.0)):
        study = hatstats.convert_logs(tmp_path, settings={name: other}).study
        frame["graded"] = frame["correct"].map({"1": 1.0, "0": 0.0}).fillna(value)
        assert cells(study) == truth(frame, "graded")


def test_partial_credit_needs_a_threshold(tmp_path: Path) -> None:
    frame = (
        quiz()
        .assign(correct=lambda t: t["correct"] * 0.6 + 0.1)
        .rename(columns={"correct": "score"})
    )
    frame.to_csv(tmp_path / "quiz.csv", index=False)
    with pytest.raises(DataError, match=r"settings=\{'right_from': '0.5'\}"):
        hatstats.convert_logs(tmp_path)
    done = hatstats.convert_logs(tmp_path, settings={"right_from": "0.5"}, strict=True)
    assert cells(done.study) == truth(quiz())
    assert "Scores read right from 0.5 on." in done.notes
    shown = CliRunner().invoke(cli.app, ["convert", str(tmp_path), "--out", str(tmp_path / "s")])
    assert "--set right_from=0.5" in shown.stderr


@pytest.mark.parametrize("repeats", [3, 7, 10])
def test_means_of_repeats_are_counts(repeats: int, tmp_path: Path) -> None:
    means = [number / repeats for number in range(repeats + 1)]
    for language in ("en", "sw"):
        path = tmp_path / "org__a" / f"samples_mgsm_direct_{language}_2026-01-01T00-00-00.jsonl"
        samples(path, means, metric="exact_match", responses=repeats, graded=repeats)
    study = hatstats.convert_logs(tmp_path, strict=True).study
    assert sorted(study.counts["n_correct"]) == sorted([*range(repeats + 1)] * 2)
    assert set(study.counts["n_trials"]) == {float(repeats)}
    samples(path, [0.123, *means[1:], *[0.456] * 3], metric="exact_match", responses=repeats,
            graded=repeats)  # fmt: skip
    with pytest.raises(DataError, match=f"times {repeats} repeats these are no whole numbers"):
        hatstats.convert_logs(tmp_path)


def test_responses_that_were_not_graded_are_said(tmp_path: Path) -> None:
    for language in ("en", "sw"):
        path = tmp_path / "org__a" / f"samples_mgsm_direct_{language}_2026-01-01T00-00-00.jsonl"
        samples(path, [0.0, 1.0, 1.0], metric="exact_match", responses=10)
    done = hatstats.convert_logs(tmp_path)
    assert set(done.study.counts["n_trials"]) == {1.0}
    assert any("10 responses" in note and "other 9 are not used" in note for note in done.notes)


def test_each_model_is_read_by_the_best_filter_of_its_own(tmp_path: Path) -> None:
    for language, right in (("en", 21), ("sw", 17)):
        for model, filters in (
            ("a", ("flexible-extract", "strict-match")),
            ("b", ("strict-match",)),
        ):
            path = tmp_path / f"org__{model}"
            path /= f"samples_mgsm_direct_{language}_2026-01-01T00-00-00.jsonl"
            samples(path, [1.0] * right + [0.0] * (40 - right), filters=filters)
    done = hatstats.convert_logs(tmp_path)
    (note,) = [note for note in done.notes if "not compared like for like" in note]
    assert "'flexible-extract' (org/a), 'strict-match' (org/b)" in note


def test_a_language_asked_in_part_is_said_and_a_failed_extraction_is_found(tmp_path: Path) -> None:
    for language, n, right in (("en", 10, 8), ("de", 40, 16), ("sw", 40, 0), ("yo", 40, 17)):
        path = tmp_path / "org__a" / f"samples_mgsm_direct_{language}_2026-01-01T00-00-00.jsonl"
        samples(path, [1.0] * right + [0.0] * (n - right))
    done = hatstats.convert_logs(tmp_path)
    (note,) = [note for note in done.notes if "without a source row" in note]
    assert "de (30 of 40), sw (30 of 40), yo (30 of 40)" in note
    names = {each.name for each in findings(done.study)}
    assert "zero-accuracy:org/a:mgsm_direct:sw" in names
    assert "unequal-n:org/a:mgsm_direct:en" in names


def test_lost_answers_are_not_taken_for_unequal_questions_and_a_mistyped_code_is_found() -> None:
    languages = ("en", "de", "sw", "is")
    rows = [("a", each, f"q{k}", float((k + n) % 3 > 0)) for n, each in enumerate(languages)
            for k in range(40)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["model", "language", "item", "correct"])
    lost = frame.drop(index=[41, 85, 130])  # one answer in each language but English
    losses = tuple(Loss("a", "quiz", each, asked=40, missing=1, wrong=0) for each in languages[1:])

    def unequal(table: pd.DataFrame) -> list[str]:
        study = hatstats.Study.from_frame(table.assign(benchmark="quiz"), source="en", chance=0.0)
        study = replace(study, info=replace(study.info, losses=losses))
        return [each.evidence for each in findings(study) if each.kind == "unequal-n"]

    assert not unequal(lost)
    lost.loc[50, "language"] = "dee"
    assert unequal(lost) == ["de 39, dee 1 trials, where the other languages have 40."]


@pytest.mark.parametrize("share", [1.0, 100.0])
@pytest.mark.parametrize("by_item", [True, False])
def test_proportions_with_their_numbers_are_counts(
    share: float, by_item: bool, tmp_path: Path
) -> None:
    key = ["model", "language", "item"] if by_item else ["model", "language"]
    frame = writers.responses()
    table = frame.groupby(key, as_index=False)["correct"].agg(["sum", "count"])
    table = table.assign(accuracy=table["sum"] / table["count"] * share, n_trials=table["count"])
    table.drop(columns=["sum", "count"]).to_csv(tmp_path / "shares.csv", index=False)
    study = hatstats.convert_logs(tmp_path, strict=True).study
    found, expected = cells(study), truth(frame)
    assert {key: pytest.approx(value) for key, value in expected.items()} == found
    assert study.data_kind == ("item" if by_item else "aggregate")


@pytest.mark.parametrize("given", ["n_trials", "n_samples"])
def test_means_of_repeats_are_counts_or_refused(given: str, tmp_path: Path) -> None:
    """A share of three trials that was rounded says no count, so that no row is dropped for it."""
    frame = quiz()
    table = frame.assign(score=frame["correct"] / 4, **{given: 4}).drop(columns="correct")
    table.to_csv(tmp_path / "exact.csv", index=False)
    study = hatstats.convert_logs(tmp_path / "exact.csv", fields={"n_trials": given}).study
    assert cells(study) == {key: (n, 4 * m) for key, (n, m) in truth(frame).items()}
    table.assign(score=table["score"].map({0: 0, 0.25: 0.33})).to_csv(
        tmp_path / "rounded.csv", index=False
    )
    with pytest.raises(DataError, match=r"no whole number of right answers, as 0\.33 of 4"):
        hatstats.convert_logs(tmp_path / "rounded.csv", fields={"n_trials": given})


def test_numbers_of_items_that_are_said_never_replace_recorded_ones(tmp_path: Path) -> None:
    table = quiz().groupby(["model", "language", "benchmark"], as_index=False)["correct"].mean()
    table = table.rename(columns={"correct": "accuracy"})
    table.to_csv(tmp_path / "bare.csv", index=False)
    table.assign(n_trials=60).to_csv(tmp_path / "whole.csv", index=False)
    given = {"n_trials": "600", "n_trials@quiz/de": "120", "n_trials@yo": "300"}
    wanted = {"en": 10, "de": 2, "yo": 5}
    expected = {key: (wanted[key[1]] * n, wanted[key[1]] * m)
                for key, (n, m) in truth(quiz()).items()}  # fmt: skip
    assert cells(hatstats.convert_logs(tmp_path / "bare.csv", settings=given).study) == expected
    done = hatstats.convert_logs(tmp_path / "whole.csv", settings={"n_trials": "600"})
    assert cells(done.study) == truth(quiz())
    assert any("'600' (not used: the table has its own)" in note for note in done.notes)


def test_numbers_that_are_no_proportions_are_refused() -> None:
    with pytest.raises(DataError, match="neither proportions nor per cent"):
        read_shares([("0.5", 3), ("40", 3)], Marks(), lambda: "f.csv", "acc")
    assert read_shares([("50", 3), ("40", 3)], Marks(), lambda: "f.csv", "acc").scale == 100
    assert read({"1": 50, "0": 50, "0.5": 1}).plain
    assert read({"100": 5, "0": 5}).right == ("100",)
    with pytest.raises(DataError):
        read({"100": 5, "0": 5, "1": 5})
    assert not UNREAD & FAILED


def lossy(folder: Path) -> pd.DataFrame:
    """The quiz with 20 timeouts, 10 answers that were not read, and 10 blanks."""
    frame = quiz().astype({"correct": "str"})
    for model, language, number, word in (
        ("A", "yo", 20, "timeout"), ("A", "de", 10, "[invalid]"), ("B", "de", 10, "")
    ):  # fmt: skip
        rows = frame.index[(frame["model"] == model) & (frame["language"] == language)][:number]
        frame.loc[rows, "correct"] = word
    frame.to_csv(folder / "quiz.csv", index=False)
    return frame


@pytest.mark.parametrize("unusable", ["", "wrong", "missing"])
def test_losses_are_counted_and_reach_study_and_check(unusable: str, tmp_path: Path) -> None:
    frame = lossy(tmp_path)
    settings = {"unusable": unusable} if unusable else {}
    done = hatstats.convert_logs(tmp_path / "quiz.csv", settings=settings)
    as_wrong = {"": {"[invalid]"}, "wrong": {"[invalid]", "timeout", ""}, "missing": set()}[
        unusable
    ]
    kept = frame[frame["correct"].isin(["0", "1", *as_wrong])]
    graded = kept.assign(correct=(kept["correct"] == "1").astype(int))
    assert cells(done.study) == truth(graded)
    by_cell = {(each.model, each.language): (each.asked, each.missing, each.wrong)
               for each in done.study.info.losses}  # fmt: skip
    expected = {}
    for model, language, number, word in (
        ("A", "yo", 20, "timeout"), ("A", "de", 10, "[invalid]"), ("B", "de", 10, "")
    ):  # fmt: skip
        wrong = number if word in as_wrong else 0
        expected[model, language] = (60, number - wrong, wrong)
    assert by_cell == expected
    assert "A: " in done.study.info.notes
    assert "Answers that could not be used" in done.summary()
    again = hatstats.read_study(done.study.write(tmp_path / "study"))
    assert again.info == done.study.info
    found = [each.name for each in findings(again) if each.kind == "missing-answers"]
    assert found == [f"missing-answers:{m}:quiz:{c}" for m, c in sorted(expected)]
    shown = CliRunner().invoke(cli.app, ["check", str(tmp_path / "study")])
    assert "not missing at random" in " ".join(shown.stdout.split())


@pytest.mark.parametrize("unusable", ["", "wrong", "missing"])
@pytest.mark.parametrize(("failed", "fine"), [("timeout", "ok"), ("TimeoutError: 60 s", "")])
@pytest.mark.parametrize("column", ["status", "Error"])
@pytest.mark.slow
def test_a_status_beside_a_score_of_0_says_that_no_answer_was_graded(
    column: str, failed: str, fine: str, unusable: str, tmp_path: Path
) -> None:
    """The same answers and losses as where the word stands in place of the score."""
    frame = lossy(tmp_path)
    settings = {"unusable": unusable} if unusable else {}
    expected = hatstats.convert_logs(tmp_path / "quiz.csv", settings=settings).study
    status = frame["correct"].map({"timeout": failed, "[invalid]": "parse_error"}).fillna(fine)
    scores = frame["correct"].replace(["timeout", "[invalid]"], "0")
    path = tmp_path / "beside.csv"
    frame.assign(**{"correct": scores, column: status}).to_csv(path, index=False)
    done = hatstats.convert_logs(path, settings=settings)
    assert cells(done.study) == cells(expected)
    assert done.study.info.losses == expected.info.losses
    assert any(f"{column!r} as status" in n or ", status" in n for n in done.notes)


def test_losses_of_a_table_that_names_no_benchmark_are_counted(tmp_path: Path) -> None:
    lossy(tmp_path).drop(columns="benchmark").to_csv(tmp_path / "quiz.csv", index=False)
    losses = hatstats.convert_logs(tmp_path / "quiz.csv").study.info.losses
    said = {(loss.benchmark, loss.model, loss.language): (loss.missing, loss.wrong)
            for loss in losses}  # fmt: skip
    assert said == {("benchmark", "A", "yo"): (20, 0), ("benchmark", "A", "de"): (0, 10),
                    ("benchmark", "B", "de"): (10, 0)}  # fmt: skip


def test_a_language_that_was_not_run_is_missing_and_not_wrong(tmp_path: Path) -> None:
    frame = quiz().astype({"correct": "str"})
    frame.loc[frame["language"] == "yo", "correct"] = ""
    frame.to_csv(tmp_path / "quiz.csv", index=False)
    assert set(hatstats.convert_logs(tmp_path).study.languages) == {"en", "de"}


def test_samples_that_ended_in_an_error_are_losses_of_their_language(tmp_path: Path) -> None:
    writers.inspect_json(writers.responses(), tmp_path)
    path = sorted(tmp_path.glob("*_sw.json"))[0]
    log = json.loads(path.read_text())
    for sample in log["samples"][:10]:
        sample["scores"], sample["error"] = {}, {"message": "boom"}
    path.write_text(json.dumps(log))
    (loss,) = hatstats.convert_logs(tmp_path).study.info.losses
    assert (loss.language, loss.asked, loss.missing) == ("sw", 36, 10)


def test_equal_losses_are_no_finding() -> None:
    losses = [Loss("m", "b", language, 100, 10, 0) for language in ("en", "sw")]
    counts = pd.DataFrame({"model": "m", "benchmark": "b", "language": ["en", "sw", "de"]})
    assert not list(unequal_losses(losses, counts[:2]))
    (found,) = unequal_losses(losses, counts[counts["language"] != "sw"])
    assert found[0].language == "en"


def test_tables_of_losses_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    lossy(tmp_path)
    folder = hatstats.convert_logs(tmp_path / "quiz.csv").study.write(tmp_path / "study")
    path = folder / "study.toml"
    path.write_text(path.read_text().replace("asked = 60", 'asked = "many"', 1))
    with pytest.raises(DataError, match="a table of losses is not whole"):
        hatstats.read_study(folder)
    with pytest.raises(DataError, match="wrong or missing"):
        hatstats.convert_logs(tmp_path / "quiz.csv", settings={"unusable": "x"})
    assert sum(RIGHT["A"].values()) == 85


@pytest.mark.parametrize("responses", [1, 4])
@pytest.mark.parametrize("unusable", ["", "wrong", "missing"])
@pytest.mark.slow
def test_answers_that_a_filter_could_not_read_are_losses(
    responses: int, unusable: str, tmp_path: Path
) -> None:
    """lm-eval scores what it could not extract as 0, and writes [invalid] in its place."""
    lost = {"en": 0, "de": 5, "sw": 25}
    for language, number in lost.items():
        path = tmp_path / "org__a" / f"samples_mgsm_direct_{language}_2026-01-01T00-00-00.jsonl"
        rows = []
        for i in range(40):
            gone = responses if i < number // 2 else (number % 2 if i == number // 2 else 0)
            gone = gone if responses > 1 else int(i < number)
            read = ["[invalid]"] * gone + ["7"] * (responses - gone)
            rows.append({"doc_id": i, "doc": {}, "resps": [["x"] * responses],
                         "filtered_resps": [read] if responses > 1 else read, "filter": "strict",
                         "metrics": ["exact_match"],
                         "exact_match": max(0, responses - gone - (i == 34 and responses > 1))
                         / responses if i < 35 else 0.0})  # fmt: skip
        path.parent.mkdir(exist_ok=True)
        writers.write_lines(path, rows)
    gone = {c: (n // 2) * responses + n % 2 if responses > 1 else n for c, n in lost.items()}
    settings = {"unusable": unusable} if unusable else {}
    done = hatstats.convert_logs(tmp_path, settings=settings)
    asked = 40 * responses
    found = {(c, n.asked, n.missing, n.wrong) for n in done.study.info.losses for c in [n.language]}
    as_missing = unusable == "missing"
    assert found == {
        (c, asked, n, 0) if as_missing else (c, asked, 0, n) for c, n in gone.items() if n
    }
    kept = {c: asked - n * as_missing for c, n in gone.items()}
    assert {c: n for (_, c), (_, n) in cells(done.study).items()} == kept
    right = {c: 35 * responses - n - (responses > 1) for c, n in gone.items()}
    assert {c: k for (_, c), (k, _) in cells(done.study).items()} == right
    name = "missing-answers:org/a:mgsm_direct:sw"
    (finding,) = [each for each in findings(done.study) if each.name == name]
    assert "not missing at random" in finding.evidence


def test_a_column_of_extracted_answers_says_what_was_not_read(tmp_path: Path) -> None:
    frame = quiz()
    wrong = frame.index[(frame["correct"] == 0) & (frame["language"] == "yo")][:12]
    frame["extracted_answer"] = "42"
    frame.loc[wrong, "extracted_answer"] = "[invalid]"
    frame.to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path)
    assert cells(done.study) == truth(frame)
    assert sum(each.wrong for each in done.study.info.losses) == 12
    assert {each.language for each in done.study.info.losses} == {"yo"}
    fewer = hatstats.convert_logs(tmp_path, settings={"unusable": "missing"})
    assert cells(fewer.study) == truth(frame.drop(wrong))


def test_a_response_without_an_answer_is_unread_in_inspect(tmp_path: Path) -> None:
    writers.inspect_json(writers.responses(), tmp_path)
    path = sorted(tmp_path.glob("*_sw.json"))[0]
    log = json.loads(path.read_text())
    for sample in log["samples"][:9]:
        sample["scores"]["match"]["value"] = "N"
    path.write_text(json.dumps(log))
    (loss,) = hatstats.convert_logs(tmp_path).study.info.losses
    assert (loss.language, loss.asked, loss.missing, loss.wrong) == ("sw", 36, 0, 9)


def test_the_metric_that_counts_is_said_by_every_reader(tmp_path: Path) -> None:
    rows = [{"doc_id": i, "doc": {}, "filtered_resps": [["-1", "True"]], "filter": "none",
             "metrics": ["acc_norm", "acc"], "acc": i % 2, "acc_norm": 1.0}
            for i in range(4)]  # fmt: skip
    said = "the metric is acc; also there: acc_norm (settings={'metric': 'NAME'})."
    for language in ("en", "de"):
        folder = tmp_path / "samples" / "org__a"
        folder.mkdir(parents=True, exist_ok=True)
        writers.write_lines(folder / f"samples_xnli_{language}_2026-01-01T00-00-00.jsonl", rows)
    done = hatstats.convert_logs(tmp_path / "samples")
    assert f"xnli: {said}" in done.notes
    assert cells(done.study)["org/a", "de"] == (2, 4)
    other = hatstats.convert_logs(tmp_path / "samples", settings={"metric": "acc_norm"})
    assert cells(other.study)["org/a", "de"] == (4, 4)
    log = json.dumps({"results": {f"xnli_{c}": {"acc,none": 0.5, "acc_norm,none": 0.25}
                                  for c in ("en", "de")},
                      "versions": {}, "model_name": "m"})  # fmt: skip
    (tmp_path / "results.json").write_text(log)
    totals = hatstats.convert_logs(tmp_path / "results.json", settings={"n_trials": "100"})
    assert f"xnli: {said}" in totals.notes
    (tmp_path / "inspect").mkdir()
    writers.inspect_json(writers.responses(), tmp_path / "inspect")
    for path in (tmp_path / "inspect").glob("*.json"):
        log = json.loads(path.read_text())
        for sample in log["samples"]:
            value = sample["scores"]["match"]["value"]
            sample["scores"]["match"]["value"] = {"acc": value, "f1": 0.5}
            sample["scores"]["judge"] = {"value": "I"}
        path.write_text(json.dumps(log))
    notes = hatstats.convert_logs(tmp_path / "inspect").notes
    assert f"mgsm_direct: {said.replace('acc_norm', 'f1')}" in notes
    assert (
        "mgsm_direct: the scorer is match; also there: judge (settings={'scorer': 'NAME'})."
        in notes
    )


@pytest.mark.parametrize("share", [1, 100])
@pytest.mark.slow
def test_decimal_commas_are_read_and_said(share: int, tmp_path: Path) -> None:
    """A point is no decimal one there: 1.000 trials are not one."""
    table = quiz().groupby(["model", "language"], as_index=False)["correct"].mean()
    table = table.rename(columns={"correct": "accuracy"}).assign(n=60)
    table["accuracy"] = (table["accuracy"] * share).map(repr).str.replace(".", ",")
    table.to_csv(tmp_path / "quiz.csv", sep=";", index=False)
    done = hatstats.convert_logs(tmp_path / "quiz.csv")
    assert cells(done.study) == {
        key: (pytest.approx(k), n) for key, (k, n) in truth(quiz()).items()
    }
    assert any("commas as decimal points" in note for note in done.notes)
    table.assign(n="1.000").to_csv(tmp_path / "large.csv", sep=";", index=False)
    with pytest.raises(DataError, match="nothing in these logs can be counted"):
        hatstats.convert_logs(tmp_path / "large.csv")


def test_means_of_a_number_of_trials_that_is_said_are_counts(tmp_path: Path) -> None:
    frame = pd.concat([quiz(seed) for seed in (1, 2, 3)])
    table = frame.groupby(["model", "language", "item"], as_index=False)["correct"].mean()
    table["correct"] = table["correct"].round(3)
    path = tmp_path / "quiz.csv"
    table.rename(columns={"correct": "acc"}).to_csv(path, index=False)
    done = hatstats.convert_logs(path, settings={"n_trials": "3"}, strict=True)
    assert cells(done.study) == truth(frame)
    assert any("means of 3 answers as counts" in note for note in done.notes)
    table.loc[7, "correct"] = 0.5
    table.rename(columns={"correct": "acc"}).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"row 9.*0\.5 of 3 trials is no whole number"):
        hatstats.convert_logs(path, settings={"n_trials": "3"})


def test_a_verb_that_reads_a_table_says_which_rows_it_did_not_count(tmp_path: Path) -> None:
    cells_of = [(model, language, f"q{k}", (k * n + len(model)) % 3 > 0)
                for model in ("a", "bb") for n, language in enumerate(("en", "de"), 1)
                for k in range(30)]  # fmt: skip
    frame = pd.DataFrame(cells_of, columns=["model", "language", "item", "correct"])
    path = tmp_path / "people.csv"
    pd.concat([frame.astype({"correct": int})] * 2).iloc[:123].to_csv(path, index=False)
    said = CliRunner().invoke(cli.app, ["check", str(path), "--source", "en"])
    assert said.exit_code == 0
    words = "it repeats a trial that is counted already, with the same result"
    assert f"Note: Rows not counted: 3 ({words})." in said.stderr.splitlines()
