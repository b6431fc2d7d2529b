"""Answers that were asked for under different settings are never added up without a word."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import hatstats
from hatstats.logs.configuration import UNKNOWN, arguments, runs_apart, settings_text
from tests.logs import writers
from tests.logs.cases import answers, cells, quiz, results, samples, truth

DAYS = [f"2026-03-0{day}T10-00-00.000001" for day in (1, 2, 3)]
LANGUAGES = ("en", "de", "sw")


def run(folder: Path, day: str, right: dict[str, int], *, seed: int = 1, **given: object) -> None:
    """Samples of three languages and their results, as one run writes them."""
    for language, number in right.items():
        samples(folder / f"samples_xnli_{language}_{day}.jsonl", answers(number, seed=seed))
    results(folder / f"results_{day}.json", {f"xnli_{lang}": 0.5 for lang in right}, n=60, **given)  # type: ignore[arg-type]


FIRST, SECOND = {"en": 31, "de": 29, "sw": 25}, {"en": 47, "de": 42, "sw": 39}


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ({"shots": 0}, {"shots": 5}, ["org/a (num_fewshot=0)", "org/a (num_fewshot=5)"]),
        ({}, {"model_args": "pretrained=org/a,revision=step1"},
         ["org/a", "org/a (revision=step1)"]),
        ({"chat_template_sha": "aa"}, {"chat_template_sha": "bb"},
         ["org/a (chat_template=aa)", "org/a (chat_template=bb)"]),
        ({"versions": {"xnli_en": 1, "xnli_de": 1, "xnli_sw": 1}},
         {"versions": {"xnli_en": 2, "xnli_de": 2, "xnli_sw": 2}},
         ["org/a (task_version=1)", "org/a (task_version=2)"]),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_runs_that_differ_in_more_than_a_seed_are_kept_apart(
    one: dict[str, object], other: dict[str, object], names: list[str], tmp_path: Path
) -> None:
    run(tmp_path / "org__a", DAYS[0], FIRST, **one)
    run(tmp_path / "org__a", DAYS[1], SECOND, seed=2, **other)
    done = hatstats.convert_logs(tmp_path)
    expected = {(name, lang): (float(right[lang]), 60.0)
                for name, right in zip(names, (FIRST, SECOND), strict=True)
                for lang in LANGUAGES}  # fmt: skip
    assert cells(done.study) == expected
    (note,) = [note for note in done.notes if "kept apart" in note]
    assert names[1].split("(")[1].split("=")[0] in note
    assert not any("one model?" in note for note in done.notes)
    merged = hatstats.convert_logs(
        tmp_path, settings={f"model:{name}": "org/a" for name in names if name != "org/a"}
    )
    assert merged.study.model_names == ["org/a"]


def test_runs_that_differ_in_a_seed_are_repeats(tmp_path: Path) -> None:
    for number, day in enumerate(DAYS):
        run(tmp_path / "org__a", day, FIRST, seed=number,
            config={"model_args": "pretrained=org/a", "random_seed": number,
                    "batch_size": number})  # fmt: skip
    done = hatstats.convert_logs(tmp_path)
    expected = {("org/a", lang): (3.0 * FIRST[lang], 180.0) for lang in LANGUAGES}
    assert cells(done.study) == expected
    assert not any("kept apart" in note or "settings" in note for note in done.notes)


def test_draws_of_examples_are_wordings(tmp_path: Path) -> None:
    for number, day in enumerate(DAYS):
        run(tmp_path / "org__a", day, FIRST, seed=number,
            config={"model_args": "pretrained=org/a", "fewshot_seed": number})  # fmt: skip
    counts = hatstats.convert_logs(tmp_path).study.counts
    assert sorted(counts["prompt"].unique()) == ["0", "1", "2"]


def test_a_greedy_run_made_three_times_is_one(tmp_path: Path) -> None:
    for number, day in enumerate(DAYS):
        run(tmp_path / "org__a", day, FIRST)
        for path in (tmp_path / "org__a").glob(f"samples_*_{day}.jsonl"):
            path.write_text(path.read_text() + "\n" * number)  # equal answers, other bytes
    done = hatstats.convert_logs(tmp_path)
    assert cells(done.study) == {("org/a", lang): (float(FIRST[lang]), 60.0) for lang in LANGUAGES}
    assert any("counted once" in note for note in done.notes)


def test_files_of_one_task_with_equal_bytes_count_once(tmp_path: Path) -> None:
    """Twelve items are too few to tell copies by their answers; bytes tell them."""
    for day in DAYS:
        for language in LANGUAGES:
            path = tmp_path / "org__a" / f"samples_xnli_{language}_{day}.jsonl"
            samples(path, answers(7, 12))
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert cells(done.study) == {("org/a", language): (7.0, 12.0) for language in LANGUAGES}
    assert done.left_out["reason"].str.contains("the same bytes as").sum() == 6


def test_equal_bytes_under_two_recorded_settings_are_said(tmp_path: Path) -> None:
    run(tmp_path / "org__a", DAYS[0], FIRST, shots=0)
    run(tmp_path / "org__a", DAYS[1], FIRST, shots=5)
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert cells(done.study) == {("org/a", lang): (float(FIRST[lang]), 60.0) for lang in LANGUAGES}
    said = [note for note in done.notes if "the same bytes" in note]
    assert len(said) == 3
    assert all("another num_fewshot (0 and 5): counted once" in note for note in said)
    for path in (tmp_path / "org__a").glob("results_*.json"):
        path.write_text(path.read_text().replace('": 5', '": 0'))
    same = hatstats.convert_logs(tmp_path, strict=True)
    assert not any("the same bytes" in note for note in same.notes)


def test_runs_without_settings_say_so(tmp_path: Path) -> None:
    for number, day in enumerate(DAYS[:2]):
        for language in LANGUAGES:
            path = tmp_path / "org__a" / f"samples_xnli_{language}_{day}.jsonl"
            samples(path, answers(30, seed=number))
    done = hatstats.convert_logs(tmp_path)
    assert any("whose settings are not in the logs" in note for note in done.notes)


def test_a_model_called_after_a_folder_is_said(tmp_path: Path) -> None:
    for language in LANGUAGES:
        samples(tmp_path / "out" / f"samples_xnli_{language}_{DAYS[0]}.jsonl", answers(30))
    done = hatstats.convert_logs(tmp_path)
    assert done.study.model_names == ["out"]
    assert any("'out' is the name of their folder" in note for note in done.notes)


def test_files_scored_by_another_metric_are_said(tmp_path: Path) -> None:
    for language, metric in (("en", "acc"), ("de", "acc_norm")):
        path = tmp_path / "org__a" / f"samples_xnli_{language}_{DAYS[0]}.jsonl"
        samples(path, answers(30), metric=metric)
    notes = hatstats.convert_logs(tmp_path).notes
    assert any("xnli: files are scored by acc and acc_norm" in note for note in notes)


def test_prompts_that_differ_are_wordings_where_nothing_else_is_known(tmp_path: Path) -> None:
    for number, day in enumerate(DAYS[:2]):
        for language in LANGUAGES:
            path = tmp_path / "org__a" / f"samples_xnli_{language}_{day}.jsonl"
            samples(path, answers(30, seed=number), prompt_hash=f"hash-{number}")
    done = hatstats.convert_logs(tmp_path)
    assert sorted(done.study.counts["prompt"].unique()) == ["hash-0", "hash-1"]
    assert any("differ in prompt_hash: taken as wordings" in note for note in done.notes)


def test_runs_of_equal_prompts_may_be_other_settings(tmp_path: Path) -> None:
    """Samples without results show their prompts alone: two runs may differ in anything else."""
    for number, day in enumerate(DAYS[:2]):
        for language in LANGUAGES:
            path = tmp_path / "bag" / f"samples_xnli_{language}_{day}.jsonl"
            samples(path, answers(30, seed=number), prompt_hash="hash")
    (note,) = [n for n in hatstats.convert_logs(tmp_path).notes if "runs of bag" in n]
    assert "may differ in shots or revision: lay the results file" in note


def test_models_in_one_folder_keep_their_names(tmp_path: Path) -> None:
    """Totals of 2023 say the model among its arguments; their folder is no model."""
    for name, share in (("bl-1b", 0.4), ("bl-7b", 0.5), ("xg-2b", 0.55)):
        record = {
            "results": {f"xnli_{lang}": {"acc": share - gap, "acc_stderr": 0.007}
                        for lang, gap in (("en", 0.0), ("de", 0.03), ("sw", 0.06))},
            "versions": {}, "config": {"model": "hf-causal", "num_fewshot": 0, "limit": None,
                                       "model_args": f"pretrained=org/{name}"},
        }  # fmt: skip
        (tmp_path / f"{name}_xnli_0-shot.json").write_text(json.dumps(record, indent=1))
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert done.study.model_names == ["org/bl-1b", "org/bl-7b", "org/xg-2b"]
    # The standard errors leave 4,267 to 5,680 items, among them those of the benchmark.
    assert set(done.study.counts["n_trials"]) == {5010.0}
    assert any("5010, which the standard errors agree with" in note for note in done.notes)
    asked = hatstats.convert_logs(tmp_path, settings={"n_trials": "2000"})
    assert any("n_trials=2000 does not fit the standard errors" in note for note in asked.notes)


def test_samples_beside_results_of_several_models_are_refused(tmp_path: Path) -> None:
    samples(tmp_path / "mix" / "samples_xnli_en_2026-01-01T00-00-00.jsonl", answers(9))
    for number, day in enumerate(DAYS[:2]):
        given = f"pretrained=org/{number}"
        results(tmp_path / "mix" / f"results_{day}.json", {"xnli_en": 0.5}, model_args=given)
    with pytest.raises(hatstats.DataError, match=r"beside results of org/0 and org/1"):
        hatstats.convert_logs(tmp_path)


@pytest.mark.parametrize("form", ["lines", "array"])
def test_samples_named_by_the_arguments_of_the_model(form: str, tmp_path: Path) -> None:
    expected = {}
    for model, right in (("a", FIRST), ("b", SECOND)):
        for language, number in right.items():
            path = tmp_path / f"pretrained__org__{model}_xnli_{language}.jsonl"
            samples(path, answers(number))
            if form == "array":
                records = [json.loads(line) for line in path.read_text().splitlines()]
                path.write_text(json.dumps(records, indent=2))
            expected[f"org/{model}", language] = (float(number), 60.0)
    study = hatstats.convert_logs(tmp_path, strict=True).study
    assert cells(study) == expected
    assert study.benchmarks["benchmark"].tolist() == ["xnli"]
    assert study.benchmarks["chance"].tolist() == [pytest.approx(1 / 3)]


def test_recorded_numbers_of_items_win_over_options(tmp_path: Path) -> None:
    for model, shift in (("a", 0.0), ("b", 0.15)):
        scores = {"belebele_eng_Latn": 0.6 + shift, "belebele_deu_Latn": 0.55 + shift}
        folder, given = tmp_path / f"org__{model}", f"pretrained=org/{model}"
        results(folder / f"results_{DAYS[0]}.json", scores, n=900, model_args=given)
        scores = {"paws_en": 0.6 + shift, "paws_de": 0.5 + shift}
        results(folder / f"results_{DAYS[1]}.json", scores, model_args=given)
    for name in ("n_trials", "n_trials@paws"):
        done = hatstats.convert_logs(tmp_path, settings={name: "2000"}, strict=True)
        numbers = done.study.counts.groupby("benchmark")["n_trials"].unique()
        assert {name: list(each) for name, each in numbers.items()} == {
            "belebele": [900.0], "paws": [2000.0]}  # fmt: skip
        said = [note for note in done.notes if "record 900 items" in note]
        assert len(said) == (name == "n_trials")
    alone = hatstats.convert_logs(tmp_path)
    assert "settings={'n_trials@paws': 'N'}" in alone.left_out["reason"].iloc[0]
    with pytest.raises(hatstats.DataError, match="one for all benchmarks"):
        hatstats.convert_logs(tmp_path, settings={"filter@paws": "none"})


def test_settings_of_inspect_and_helm_keep_runs_apart(tmp_path: Path) -> None:
    frame = writers.responses()[lambda rows: rows["model"] == writers.MODELS[0]]
    for number in (0, 1):
        for name, head, parts in writers.inspect_parts(frame):
            head["eval"]["model_generate_config"] = {"temperature": number, "seed": number}  # type: ignore[index]
            for part in parts:
                part["uuid"] += str(number)  # type: ignore[index]
            with zipfile.ZipFile(tmp_path / f"{name}-{number}.eval", "w") as archive:
                archive.writestr("header.json", json.dumps(head))
                archive.writestr("summaries.json", json.dumps(parts))
    names = hatstats.convert_logs(tmp_path).study.model_names
    assert names == [f"acme/small-1b (temperature={number})" for number in (0, 1)]
    (tmp_path / "helm").mkdir()
    for number in (0, 5):
        folder = tmp_path / "helm" / str(number)
        folder.mkdir()
        writers.helm(frame, folder)
        for path in folder.glob("*/run_spec.json"):
            record = json.loads(path.read_text())
            record["adapter_spec"]["max_train_instances"] = number
            path.write_text(json.dumps(record))
    names = hatstats.convert_logs(tmp_path / "helm").study.model_names
    assert names == [f"acme/small-1b (num_fewshot={number})" for number in (0, 5)]


@pytest.mark.parametrize(
    "column", ["revision", "n_shot", "Temperature", "judge", "decoding_temperature"]
)
def test_columns_that_are_settings_keep_rows_apart(column: str, tmp_path: Path) -> None:
    one, two = quiz(1), quiz(2)
    pd.concat([one.assign(**{column: "0"}), two.assign(**{column: "1"})]).to_csv(
        tmp_path / "runs.csv", index=False
    )
    done = hatstats.convert_logs(tmp_path)
    expected = {(f"{model} ({column}={number})", language): value
                for number in (0, 1)
                for (model, language), value in truth(one).items()}  # fmt: skip
    assert cells(done.study) == expected


def test_settings_that_differ_by_language_or_model_are_said() -> None:
    zero, five = (settings_text({"num_fewshot": n, "until": f"stop {n}"}) for n in (0, 5))
    runs = [("m", "b", "en", five, 1), ("m", "b", "sw", zero, 1)]
    names, notes = runs_apart(runs)
    assert not names
    assert notes == ["b: m was asked with another num_fewshot by language: 5 (en), 0 (sw)."]
    _, notes = runs_apart([("m", "b", "en", five, 1), ("n", "b", "en", zero, 1)])
    assert notes == ["b: models were asked with another num_fewshot: 5 (m), 0 (n)."]
    many = [("m", "b", "en", settings_text({"version": n}), 1) for n in range(40)]
    names, notes = runs_apart(many)
    assert not names
    assert "more than 12 values" in notes[0]


def test_settings_are_read_from_texts_and_tables() -> None:
    assert arguments("pretrained=a,stop=x,y,revision=b") == {
        "pretrained": "a", "stop": "x,y", "revision": "b"}  # fmt: skip
    assert settings_text({"a": None, "batch_size": 4}, {}) == UNKNOWN
    assert settings_text({"gen": {"temperature": 1}}) == settings_text({"temperature": 1})
