"""OpenCompass, NeMo-Skills, promptfoo, lmms-eval, readers of other packages, and grading anew."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hatstats
from hatstats.errors import DataError
from hatstats.logs.readers.schema import is_right
from tests.logs.cases import answers, cells, quiz, truth
from tests.logs.writers import write_lines

FRAME = quiz()
PAGE = Path(__file__).parents[2] / "docs" / "readers.md"


def opencompass(folder: Path, details: dict[tuple[str, str], object], **more: object) -> None:
    """Results as `OpenICLEvalTask._score` dumps them (opencompass/tasks/openicl_eval.py)."""
    for (model, language), entries in details.items():
        path = folder / "20260102_030405" / "results" / model / f"quiz_{language}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"accuracy": 50.0, "details": entries, **more}, indent=4))


def test_opencompass_details(tmp_path: Path) -> None:
    """Lists of one value for each time the data set was asked, items named by data set and number.

    As `BaseEvaluator.evaluate` flattens them (opencompass/openicl/icl_evaluator/
    icl_base_evaluator.py) over the replicas and names of opencompass/datasets/base.py.
    """
    details = {
        (str(model), str(language)): [
            {"example_abbr": f"quiz_{language}_{i}", "pred": ["7", "7"], "answer": ["7", "8"],
             "correct": [bool(x), False]}
            for i, x in enumerate(rows["correct"])
        ]
        for (model, language), rows in FRAME.groupby(["model", "language"])
    }  # fmt: skip
    opencompass(tmp_path, details, type="GEN")
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert cells(done.study) == {key: (k, 2 * n) for key, (k, n) in truth(FRAME).items()}
    assert set(done.files["format"]) == {"opencompass"}
    assert done.study.benchmark_names == ["quiz"]
    assert set(done.study.counts["item"]) == {str(i) for i in range(60)}
    anew = hatstats.convert_logs(tmp_path, settings={"regrade": "exact"}, strict=True).study
    assert cells(anew) == {key: (n, 2 * n) for key, (_, n) in truth(FRAME).items()}


def test_opencompass_of_older_versions_and_without_verdicts(tmp_path: Path) -> None:
    """A table of entries by number, which `format_details` of openicl_eval.py writes.

    Where the evaluator of a data set gives no details, entries of answers have no verdict; PPL has.
    """
    for kind in ("PPL", "GEN"):
        details = {}
        for language, right in (("en", 31), ("sw", 20)):
            entries: dict[str, object] = {
                str(i): {"predictions": "7" if x else "8", "references": "7",
                         **({"correct": bool(x)} if kind == "PPL" else {"prompt": "?"})}
                for i, x in enumerate(answers(right))
            }  # fmt: skip
            details["a", language] = {"type": kind, **entries}
        opencompass(tmp_path / kind, details)
    expected = {("a", "en"): (31.0, 60.0), ("a", "sw"): (20.0, 60.0)}
    assert cells(hatstats.convert_logs(tmp_path / "PPL", strict=True).study) == expected
    with pytest.raises(DataError, match=r"no verdicts .*regrade"):
        hatstats.convert_logs(tmp_path / "GEN")
    anew = hatstats.convert_logs(tmp_path / "GEN", settings={"regrade": "exact"}, strict=True)
    assert cells(anew.study) == expected


def test_opencompass_without_details_gives_totals(tmp_path: Path) -> None:
    """`dump_details` is off as a rule, which leaves an accuracy in per cent."""
    for language, share in (("en", 80.4), ("sw", 40.0)):
        path = tmp_path / "run" / "results" / "a" / f"mgsm_{language}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"accuracy": share}, indent=4))
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert cells(done.study) == {("a", "en"): (201.0, 250.0), ("a", "sw"): (100.0, 250.0)}
    assert any("taken as those of the benchmark, 250" in note for note in done.notes)


@pytest.mark.parametrize("verdict", ["symbolic_correct", "judgement"])
@pytest.mark.slow
def test_nemo_skills_samples(verdict: str, tmp_path: Path) -> None:
    """All languages one after another in one file, named by what metrics are kept apart by.

    Keys of nemo_skills/evaluation/evaluator/mcq.py, which writes `symbolic_correct`, and of
    metrics/math_metrics.py and metrics/utils.py, which read a judge: what is neither yes nor no
    counts as wrong there.
    """
    runs = [quiz(seed) for seed in (1, 2, 3)]
    for number, frame in enumerate(runs):
        for model, rows in frame.groupby("model"):
            folder = tmp_path / str(model) / "eval-results" / "quiz"
            folder.mkdir(parents=True, exist_ok=True)
            judged = {1: "Reasoning: the same.\nJudgement: Yes", 0: "Judgement: No"}
            lines = [{"question": "?", "expected_answer": "7", "subset_for_metrics": language,
                      "target_language": language, "generation": "The final answer is 7",
                      "num_generated_tokens": 6, "predicted_answer": "7" if x else None,
                      verdict: judged[x] if verdict == "judgement" else bool(x)}
                     for language, x in zip(rows["language"], rows["correct"], strict=True)
                     ]  # fmt: skip
            if verdict == "judgement":
                first = next(line for line in lines if line[verdict] == judged[0])
                first[verdict] = "I cannot say."
            write_lines(folder / f"output-rs{number}.jsonl", lines)
    study = hatstats.convert_logs(tmp_path, strict=True).study
    three = {key: (3 * right, 180.0) for key, (right, _) in truth(FRAME).items()}
    assert cells(study) == three
    assert study.benchmark_names == ["quiz"]
    assert set(study.counts["item"]) == {str(i) for i in range(60)}
    wrong = sum(loss.wrong for loss in study.info.losses)
    assert wrong == (6 if verdict == "judgement" else 0)
    anew = hatstats.convert_logs(tmp_path, settings={"regrade": "numeric"}, strict=True).study
    assert set(anew.counts["n_correct"] / anew.counts["n_trials"]) == {1.0}


def promptfoo(frame: pd.DataFrame, prompts: int = 1, repeats: int = 1) -> list[dict[str, Any]]:
    """Rows as promptfoo keeps them (`EvalResult.toEvaluateResult`, src/models/evalResult.ts).

    A test has a number of its own in each repeat, and `promptIdx` counts providers and prompts; the
    provider is its name and label alone (src/evaluator.ts).
    """
    rows = []
    models = sorted(frame["model"].unique())
    questions = frame.drop_duplicates(["language", "item"])[["language", "item"]].to_numpy()
    right = frame.set_index(["model", "language", "item"])["correct"]
    rng = np.random.default_rng(1)
    for test, (_, (language, item)) in enumerate(
        (repeat, question) for repeat in range(repeats) for question in questions
    ):
        for column, (model, prompt) in enumerate(
            (model, prompt) for model in models for prompt in range(prompts)
        ):
            x = bool(right[model, language, item]) != (repeats > 1 and rng.random() < 0.3)
            given = {"language": language, "question_id": item, "expected": "7"}
            rows.append({
                "id": f"{test}-{column}", "promptIdx": column, "testIdx": test,
                "provider": {"id": f"api:{model}", "label": model}, "vars": given,
                "prompt": {"raw": f"{prompt} {language} {item}", "label": f"wording {prompt}"},
                "promptId": f"{prompt}", "testCase": {"vars": given, "assert": []},
                "response": {"output": "7" if x else "8"}, "success": x, "score": float(x),
                "failureReason": 0 if x else 1, "gradingResult": {"pass": x, "score": float(x)},
                "namedScores": {}, "metadata": {}, "latencyMs": 1, "cost": 0,
            })  # fmt: skip
    return rows


def write_promptfoo(path: Path, rows: list[dict[str, Any]], **config: object) -> Path:
    """The file of one evaluation."""
    log = {"evalId": "eval-1", "results": {"version": 3, "results": rows, "stats": {}},
           "config": {"description": "quiz", **config}, "shareableUrl": None}  # fmt: skip
    path.write_text(json.dumps(log, indent=2))
    return path


@pytest.mark.slow
def test_promptfoo_results(tmp_path: Path) -> None:
    rows = promptfoo(FRAME)
    lost = next(row for row in rows if row["provider"]["label"] == "A")
    lost |= {"success": False, "failureReason": 2, "error": "rate limit", "response": None}
    done = hatstats.convert_logs(write_promptfoo(tmp_path / "out.json", rows))
    kept = FRAME[(FRAME["model"] != "A") | (FRAME["language"] != "en") | (FRAME["item"] != "q0")]
    assert cells(done.study) == truth(kept)
    assert [loss.missing for loss in done.study.info.losses] == [1]
    write_lines(tmp_path / "out.jsonl", rows)
    (tmp_path / "out.json").unlink()
    assert cells(hatstats.convert_logs(tmp_path).study) == truth(kept)


def test_promptfoo_repeats_wordings_and_settings(tmp_path: Path) -> None:
    rows = promptfoo(FRAME, prompts=2, repeats=3)
    path = write_promptfoo(tmp_path / "out.json", rows)
    done = hatstats.convert_logs(path, strict=True)
    assert not any("settings are not in the logs" in note for note in done.notes)
    study = done.study
    assert set(study.counts["prompt"]) == {"0", "1"}
    assert set(study.counts["n_trials"]) == {3.0}
    assert study.counts["n_correct"].sum() == sum(row["success"] for row in rows)
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    path.unlink()
    for number, each in enumerate((one, two)):
        config = {"temperature": number, "apiKey": "x"}
        providers = [{"id": f"api:{m}", "label": m, "config": config} for m in "AB"]
        write_promptfoo(each, promptfoo(quiz(number)), providers=providers)
    names = hatstats.convert_logs(tmp_path).study.model_names
    assert names == [f"{m} (temperature={t})" for m in "AB" for t in (0, 1)]


@pytest.mark.parametrize("inner", [False, True])
def test_lmms_eval_samples(inner: bool, tmp_path: Path) -> None:
    """Samples lose their documents, list no metrics, and keep some metrics as tables.

    `save_results_samples` of lmms_eval/loggers/evaluation_tracker.py; the metrics are what a task's
    `process_results` gives (lmms_eval/evaluator.py).
    """
    for language, right in (("en", 31), ("sw", 20)):
        path = tmp_path / "org__a" / f"20260102_030405_samples_quiz_{language}.jsonl"
        path.parent.mkdir(exist_ok=True)
        rows = [
            {"doc_id": i, "target": "7", "filtered_resps": ["7" if x else "8"], "doc_hash": "a",
             "prompt_hash": f"p{i}", "target_hash": "c", "input": "What is it?",
             "quiz_score": {"question_id": i, "score": x} if inner else x,
             **({} if inner else {"submission": {"id": i, "answer": "7"}})}
            for i, x in enumerate(answers(right))
        ]  # fmt: skip
        write_lines(path, rows)
    results = {"results": {"quiz_en": {"alias": "quiz_en", "quiz_score,none": 0.5}},
               "config": {"model": "llava", "model_args": "pretrained=org/vision"},
               "model_name": "org/vision", "n-samples": {}}  # fmt: skip
    (tmp_path / "org__a" / "20260102_030405_results.json").write_text(json.dumps(results, indent=1))
    expected = {("org/vision", "en"): (31.0, 60.0), ("org/vision", "sw"): (20.0, 60.0)}
    assert cells(hatstats.convert_logs(tmp_path, strict=True).study) == expected
    anew = hatstats.convert_logs(tmp_path, settings={"regrade": "exact"}, strict=True).study
    assert cells(anew) == expected


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package of the how-to, installed as an installer leaves it."""
    code, toml = re.findall(r"```(?:python|toml)\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    site = tmp_path / "site"
    information = site / "acme_logs-1.dist-info"
    information.mkdir(parents=True)
    (site / "acme_logs.py").write_text(code)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme_logs\nVersion: 1\n")
    point = toml.splitlines()[-1].replace('"', "")
    (information / "entry_points.txt").write_text(f"[hatstats.readers]\n{point}\n")
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("acme_logs", None)


def test_the_reader_of_the_how_to_is_found_and_reads(plug_in: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for (model, language), rows in FRAME.groupby(["model", "language"]):
        run = {"model": model, "task": f"quiz_{language}", "started": "1", "options": {"t": 0},
               "answers": [{"question": item, "verdict": "yes" if x else "no"}
                           for item, x in zip(rows["item"], rows["correct"], strict=True)],
               }  # fmt: skip
        text = json.dumps({"acme_run": run}, indent=1)
        (logs / f"{model}-{language}.json").write_text(text)
    for given in ({}, {"format": "acme"}):
        done = hatstats.convert_logs(logs, strict=True, **given)  # type: ignore[arg-type]
        assert cells(done.study) == truth(FRAME)
        assert set(done.files["format"]) == {"acme"}


@pytest.mark.parametrize(
    ("code", "message"),
    [("import nowhere_at_all", "cannot be loaded"), ("ACME = 3", "is no Reader")],
)
def test_a_broken_reader_of_a_package_is_named(
    code: str, message: str, plug_in: Path, tmp_path: Path
) -> None:
    (plug_in / "acme_logs.py").write_text(code)
    FRAME.to_csv(tmp_path / "quiz.csv", index=False)
    with pytest.raises(DataError, match=message) as error:
        hatstats.convert_logs(tmp_path / "quiz.csv")
    assert "acme" in str(error.value)


@pytest.mark.parametrize(("how", "right"), [("exact", 1), ("numeric", 3)])
def test_responses_are_graded_anew(how: str, right: int, tmp_path: Path) -> None:
    """Of four responses one is the target, two more end in its number, and one was graded."""
    for language in ("en", "sw"):
        path = tmp_path / "org__a" / f"samples_quiz_{language}_2026-01-01T00-00-00.jsonl"
        rows = [
            {"doc_id": i, "doc": {"q": "?"}, "target": "1,007", "filter": name, "metrics": ["acc"],
             "resps": [["1,007", " The answer is 1007.", "7 and 1007.0", "1008"]],
             "filtered_resps": ["1007"], "acc": 0.0}
            for name in ("none", "strict") for i in range(6)
        ]  # fmt: skip
        path.parent.mkdir(exist_ok=True)
        write_lines(path, rows)
    done = hatstats.convert_logs(tmp_path, settings={"regrade": how}, strict=True)
    assert cells(done.study) == {("org/a", c): (6.0 * right, 24.0) for c in ("en", "sw")}
    assert any("graded anew" in note for note in done.notes)
    assert hatstats.convert_logs(tmp_path).study.counts["n_correct"].sum() == 0


def text_of_answer(row: dict[str, Any]) -> str:
    return "so it is 7." if row["correct"] else "it is 8"


def inspect_logs(folder: Path) -> None:
    for model, language, rows in parts():
        samples = [{"id": row["item"], "epoch": 1, "target": "7", "uuid": f"{model}{i}{language}",
                    "output": {"completion": text_of_answer(row)}, "metadata": {},
                    "scores": {"match": {"value": "I"}}} for i, row in enumerate(rows)]  # fmt: skip
        head = {"eval": {"task": "quiz", "model": model, "task_args": {"language": language}}}
        text = json.dumps({"version": 2, **head, "samples": samples}, indent=1)
        (folder / f"{model}{language}.json").write_text(text)


def helm_logs(folder: Path) -> None:
    for model, language, rows in parts():
        run = folder / f"quiz:language={language},model={model}".replace(":", "-")
        run.mkdir()
        spec = {"name": f"quiz:language={language}", "adapter_spec": {"model": model},
                "scenario_spec": {"args": {"language": language}}}  # fmt: skip
        right = [{"output": {"text": "7"}, "tags": ["correct"]}]
        states = [
            {
                "instance": {"id": row["item"], "references": right},
                "result": {"completions": [{"text": text_of_answer(row)}]},
            }
            for row in rows
        ]
        stats = [{"instance_id": row["item"], "train_trial_index": 0, "stats": [
            {"name": {"name": "exact_match"}, "count": 1, "sum": 0}]} for row in rows]  # fmt: skip
        for name, record in (("run_spec", spec), ("scenario_state", {"request_states": states}),
                             ("per_instance_stats", stats)):  # fmt: skip
            (run / f"{name}.json").write_text(json.dumps(record, indent=1))


def lighteval_logs(folder: Path) -> None:
    for model, language, rows in parts():
        run = folder / "details" / model / "2026-01-01T00-00-00"
        run.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(
            {"doc": {"id": row["item"], "task_name": f"quiz_{language}|0", "gold_index": 1,
                     "choices": ["8", "7"]}, "metric": {"em": 0},
             "model_response": {"text": [text_of_answer(row)]}} for row in rows
        )  # fmt: skip
        table.to_parquet(run / f"details_quiz_{language}.parquet")


def every_eval_logs(folder: Path) -> None:
    write_lines(
        folder / "items.jsonl",
        [{"evaluation_id": "1", "model_id": row["model"], "sample_id": row["item"],
          "evaluation_name": f"quiz_{row['language']}", "input": {"reference": ["7"]},
          "output": {"raw": [text_of_answer(row)]}, "evaluation": {"is_correct": False}}
         for row in FRAME.to_dict("records")],
    )  # fmt: skip


def tables(folder: Path) -> None:
    """One model as CSV, the other as Parquet."""
    rows = [{**row, "prediction": text_of_answer(row), "target": 7, "correct": 0}
            for row in FRAME.to_dict("records")]  # fmt: skip
    frame = pd.DataFrame(rows)
    first = (frame["model"] == "A").to_numpy()
    frame[first].to_csv(folder / "a.csv", index=False)
    frame[~first].to_parquet(folder / "b.parquet", index=False)


def parts() -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    for (model, language), rows in FRAME.groupby(["model", "language"]):
        yield str(model), str(language), rows.to_dict("records")


@pytest.mark.parametrize(
    "write", [inspect_logs, helm_logs, lighteval_logs, every_eval_logs, tables],
    ids=lambda write: write.__name__,
)  # fmt: skip
@pytest.mark.slow
def test_every_format_with_responses_and_targets_is_graded_anew(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    """Their own scores say that everything is wrong."""
    write(tmp_path)
    wrong = hatstats.convert_logs(tmp_path, strict=True).study
    assert wrong.counts["n_correct"].sum() == 0
    done = hatstats.convert_logs(tmp_path, settings={"regrade": "numeric"}, strict=True)
    assert cells(done.study) == truth(FRAME)
    exact = hatstats.convert_logs(tmp_path, settings={"regrade": "exact"}, strict=True)
    assert exact.study.counts["n_correct"].sum() == 0


def test_a_mapped_field_of_documents_is_used_or_said(tmp_path: Path) -> None:
    inspect_logs(tmp_path)
    fields = {"item": "uuid", "wording": "nowhere"}
    done = hatstats.convert_logs(tmp_path, fields=fields)
    plain = hatstats.convert_logs(tmp_path)
    assert set(done.study.counts["item"]) != set(plain.study.counts["item"])
    assert cells(done.study) == cells(plain.study)
    assert any("'nowhere' as wording is in no answer" in note for note in done.notes)


def test_a_format_without_responses_is_not_graded_anew(tmp_path: Path) -> None:
    record = {"en": 0.9, "en:std": 0.3, "sw": 0.5, "sw:std": 0.5, "score:std": 0.4, "score": 0.6}
    (tmp_path / "mgsm_a.json").write_text(json.dumps(record, indent=1))
    with pytest.raises(DataError, match="no responses with their targets"):
        hatstats.convert_logs(tmp_path, settings={"regrade": "exact"})


def test_a_broken_line_is_counted_when_responses_are_graded_anew(tmp_path: Path) -> None:
    every_eval_logs(tmp_path)
    path = tmp_path / "items.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0][:40] + "\n", *lines[1:]]))
    done = hatstats.convert_logs(tmp_path, settings={"regrade": "numeric"})
    assert cells(done.study) == truth(FRAME.iloc[1:])
    assert done.left_out["rows"].tolist() == [1]
    assert "not a whole JSON object" in done.left_out["reason"].iloc[0]


def test_what_grading_anew_takes_for_right() -> None:
    assert is_right(" 7\n", "7", "exact")
    assert not is_right("7.", "7", "exact")
    assert is_right("so 3 + 4 = 7.", "#### 7", "numeric")
    assert not is_right("none", "none", "numeric")
