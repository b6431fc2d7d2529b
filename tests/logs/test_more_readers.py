"""OpenCompass, NeMo-Skills, promptfoo, lmms-eval, readers of other packages, and grading anew."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hatstats
from hatstats.errors import DataError
from hatstats.logs.readers.schema import is_right
from tests.logs.cases import answers, cells, quiz, samples, truth
from tests.logs.writers import write_lines

FRAME = quiz()
PAGE = Path(__file__).parents[2] / "docs" / "readers.md"


def test_opencompass_details(tmp_path: Path) -> None:
    for (model, language), rows in FRAME.groupby(["model", "language"]):
        details: dict[str, object] = {
            str(i): {"prompt": "?", "predictions": "x", "references": "y", "correct": bool(x)}
            for i, x in enumerate(rows["correct"])
        }
        record = {"accuracy": 100 * rows["correct"].mean(), "details": {"type": "GEN", **details}}
        path = tmp_path / "outputs" / "results" / str(model) / f"quiz_{language}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1))
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert cells(done.study) == truth(FRAME)
    assert set(done.files["format"]) == {"opencompass"}
    assert done.study.benchmark_names == ["quiz"]


@pytest.mark.parametrize("verdict", ["symbolic_correct", "judgement"])
def test_nemo_skills_samples(verdict: str, tmp_path: Path) -> None:
    runs = [quiz(seed) for seed in (1, 2, 3)]
    for number, frame in enumerate(runs):
        for (model, language), rows in frame.groupby(["model", "language"]):
            folder = tmp_path / str(model) / "eval-results" / f"quiz-{language}"
            folder.mkdir(parents=True, exist_ok=True)
            said = {1: "Judgement: Yes", 0: "Judgement: No"} if verdict == "judgement" else None
            lines = [{"problem": "?", "generation": "x", "expected_answer": "7",
                      verdict: said[x] if said else bool(x)} for x in rows["correct"]]  # fmt: skip
            write_lines(folder / f"output-rs{number}.jsonl", lines)
    study = hatstats.convert_logs(tmp_path, strict=True).study
    three = {key: (3 * right, 180.0) for key, (right, _) in truth(FRAME).items()}
    assert cells(study) == three
    assert study.benchmark_names == ["quiz"]


def test_promptfoo_results(tmp_path: Path) -> None:
    rows = [
        {"provider": {"id": row["model"], "label": ""}, "promptIdx": 0, "testIdx": i,
         "vars": {"language": row["language"], "question_id": row["item"]},
         "success": bool(row["correct"]), "failureReason": 0 if row["correct"] else 1}
        for i, row in enumerate(FRAME.to_dict("records"))
    ]  # fmt: skip
    rows[0] |= {"success": False, "failureReason": 2, "error": "rate limit"}
    log = {"evalId": "eval-1", "results": {"version": 3, "results": rows},
           "config": {"description": "quiz"}}  # fmt: skip
    (tmp_path / "out.json").write_text(json.dumps(log, indent=1))
    done = hatstats.convert_logs(tmp_path)
    expected = truth(FRAME.iloc[1:])
    assert cells(done.study) == expected
    assert [loss.missing for loss in done.study.info.losses] == [1]


def test_lmms_eval_names(tmp_path: Path) -> None:
    for language, right in (("en", 31), ("sw", 20)):
        path = tmp_path / "org__a" / f"20260102_030405_samples_quiz_{language}.jsonl"
        samples(path, answers(right))
    results = {"results": {"quiz_en": {"acc,none": 0.5}}, "config": {}, "model_name": "org/vision"}
    (tmp_path / "org__a" / "20260102_030405_results.json").write_text(json.dumps(results, indent=1))
    study = hatstats.convert_logs(tmp_path, strict=True).study
    assert cells(study) == {("org/vision", "en"): (31.0, 60.0), ("org/vision", "sw"): (20.0, 60.0)}


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


def test_what_grading_anew_takes_for_right() -> None:
    assert is_right(" 7\n", "7", "exact")
    assert not is_right("7.", "7", "exact")
    assert is_right("so 3 + 4 = 7.", "#### 7", "numeric")
    assert not is_right("none", "none", "numeric")
