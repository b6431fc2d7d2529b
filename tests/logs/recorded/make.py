"""Make the logs in this folder by running the harnesses themselves, each in its own interpreter.

    python -m venv V && V/bin/pip install lm_eval inspect_ai     # or lighteval, crfm-helm, euroeval
    V/bin/python tests/logs/recorded/make.py lm_eval

writes the folder of that harness again. Nothing here is imported by the tests, and no harness is a
requirement of the project; README.md in this folder says which version made what, and when.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from items import LANGUAGES, OPTIONS, SUMS  # noqa: E402


def fresh(name: str) -> Path:
    """An empty folder of this name beside the script."""
    shutil.rmtree(HERE / name, ignore_errors=True)
    (HERE / name).mkdir()
    return HERE / name


def lm_eval() -> None:
    """Two families of local JSON tasks, open answers and options, by the model `dummy`."""
    out = fresh("lm_eval")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for language in LANGUAGES:
            rows = [
                {"question": q, "answer": a, "choices": [*OPTIONS, a], "gold": 3}
                for q, a in SUMS[language]
            ]
            data = folder / f"{language}.jsonl"
            data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            head = {
                "dataset_path": "json",
                "dataset_kwargs": {"data_files": {"test": str(data)}},
                "test_split": "test",
                "doc_to_text": "{{question}}",
            }
            answers = {
                **head,
                "task": f"mgsm_direct_tiny_{language}",
                "output_type": "generate_until",
                "doc_to_target": "{{answer}}",
                "generation_kwargs": {"until": ["\n"], "do_sample": False},
                "filter_list": [
                    {"name": "strict-match", "filter": [{"function": "take_first"}]},
                    {
                        "name": "flexible-extract",
                        "filter": [
                            {"function": "regex", "regex_pattern": "([a-z]+|[0-9]+)"},
                            {"function": "take_first"},
                        ],
                    },
                ],
                "metric_list": [
                    {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
                ],
            }
            options = {
                **head,
                "task": f"tiny_sums_{language}",
                "output_type": "multiple_choice",
                "doc_to_choice": "{{choices}}",
                "doc_to_target": "{{gold}}",
                "metric_list": [
                    {"metric": name, "aggregation": "mean", "higher_is_better": True}
                    for name in ("acc", "acc_norm")
                ],
            }
            for task in (answers, options):
                # YAML holds JSON.
                (folder / f"{task['task']}.yaml").write_text(json.dumps(task), encoding="utf-8")
        names = [
            f"{task}_{lang}" for task in ("mgsm_direct_tiny", "tiny_sums") for lang in LANGUAGES
        ]
        program = str(Path(sys.executable).with_name("lm_eval"))
        call = [program, "--model", "dummy", "--include_path", place, "--tasks", ",".join(names)]
        for model in ("acme/tiny-1b", "acme/tiny-2b"):
            more = ["--model_args", f"pretrained={model}", "--output_path", str(out)]
            subprocess.run([*call, *more, "--log_samples"], check=True)
        _without_machine(out, place)


def inspect_ai() -> None:
    """One task, asked in three languages and two epochs, as .eval and as .json, by `mockllm`."""
    from inspect_ai import Task, eval, task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import match

    @task
    def mgsm_tiny(language: str) -> Task:
        rows = enumerate(SUMS[language], start=1)
        samples = [
            Sample(input=q, target=a, id=f"{language}_{at}", metadata={"language": language})
            for at, (q, a) in rows
        ]
        return Task(dataset=MemoryDataset(samples), scorer=match(), epochs=2)

    def said(text: str) -> ModelOutput:
        output = ModelOutput.from_content("mockllm/model", text)
        output.usage = ModelUsage(input_tokens=9, output_tokens=1, total_tokens=10)
        return output

    out = fresh("inspect_ai")
    for kind in ("eval", "json"):
        for language in LANGUAGES:
            # Right in English the first time, elsewhere for every second item the first time.
            answers = iter(
                answer if epoch == 0 and (language == "en" or at % 2 == 0) else "42"
                for epoch in range(2)
                for at, (_, answer) in enumerate(SUMS[language][: 2 if kind == "json" else 5])
            )
            model = get_model(
                "mockllm/model",
                custom_outputs=lambda *_, answers=answers: said(next(answers)),
            )
            eval(
                mgsm_tiny(language),
                model=model,
                log_dir=str(out / kind),
                log_format=kind,
                limit=2 if kind == "json" else None,  # a .json is large: it holds every event
                max_samples=1,
                max_tasks=1,
                display="none",
            )


def helm() -> None:
    """One run folder for each language of a scenario of our own by the model `simple/model1`."""
    from helm.benchmark import run

    plugin = HERE / "helm_scenario.py"
    out = fresh("helm")
    with tempfile.TemporaryDirectory() as place:
        sys.argv = [
            "helm-run", "--plugins", str(plugin), "--suite", "v1", "--output-path", place,
            "--local-path", f"{place}/local", "--max-eval-instances", "5", "--num-threads", "1",
            "--models-to-run", "simple/model1",
            "--run-entries", *(f"tiny_sums:language={lang}" for lang in LANGUAGES),
        ]  # fmt: skip
        run.main()
        for folder in sorted(Path(place, "runs", "v1").iterdir()):
            if folder.is_dir() and folder.name.startswith("tiny_sums"):
                # Not every file system has the colons of HELM's own folder names.
                kept = out / folder.name.replace(":", "-").replace("=", "-")
                kept.mkdir()
                for name in ("run_spec.json", "scenario.json", "scenario_state.json",
                             "per_instance_stats.json", "stats.json"):  # fmt: skip
                    shutil.copy(folder / name, kept / name)
    _without_machine(out, place)


def lighteval() -> None:
    """Details and results of three tasks with options by the model `dummy`."""
    out = fresh("lighteval")
    with tempfile.TemporaryDirectory() as place:
        for language in LANGUAGES:
            Path(place, language).mkdir()
            rows = [{"question": q, "choices": [*OPTIONS, a], "gold": 3} for q, a in SUMS[language]]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            Path(place, language, "test.jsonl").write_text(text, encoding="utf-8")
        os.environ["TINY_SUMS"] = place
        import lighteval as harness
        from huggingface_hub import HfApi

        HfApi.list_models = lambda *_, **__: iter(
            ()
        )  # it asks the hub for the judges of other tasks
        # Its registry fetches this table of another benchmark unless there is a file of the name.
        (Path(harness.__file__).parent / "tasks" / "tasks" / "tinyBenchmarks.pkl").touch()
        from lighteval.logging.evaluation_tracker import EvaluationTracker
        from lighteval.models.dummy.dummy_model import DummyModelConfig
        from lighteval.pipeline import ParallelismManager, Pipeline, PipelineParameters

        # `lighteval accelerate dummy`, which the command line of today no longer knows.
        pipeline = Pipeline(
            tasks=",".join(f"mgsm_tiny_{language}|0" for language in LANGUAGES),
            pipeline_parameters=PipelineParameters(
                launcher_type=ParallelismManager.NONE,
                custom_tasks_directory=str(HERE / "lighteval_tasks.py"),
            ),
            evaluation_tracker=EvaluationTracker(output_dir=str(out), save_details=True),
            model_config=DummyModelConfig(model_name="acme/tiny-1b", seed=1),
        )
        pipeline.evaluate()
        pipeline.save_and_push_results()
        for path in out.rglob("*.parquet"):  # not every file system has the bar of its names
            path.rename(path.with_name(path.name.replace("|", "-")))
        _without_machine(out, place)


def euroeval() -> None:
    """Records written by the result class of the harness itself: its data sets need a network."""
    from euroeval.data_models import BenchmarkResult

    out = fresh("euroeval")
    for language, accuracy in zip(LANGUAGES, (0.70, 0.62, 0.41), strict=True):
        raw = [{"test_accuracy": accuracy + 0.01 * (at % 3 - 1)} for at in range(10)]
        BenchmarkResult(
            dataset="hellaswag" if language == "en" else f"hellaswag-{language}",
            task="common-sense-reasoning",
            languages=[language],
            model="acme/tiny-1b",
            results={
                "raw": raw,
                "total": {"test_accuracy": 100 * accuracy, "test_accuracy_se": 1.5},
            },
            num_model_parameters=1_000_000_000,
            max_sequence_length=4096,
            vocabulary_size=32_000,
            merge=False,
            generative=True,
            generative_type="instruction_tuned",
            few_shot=True,
            validation_split=False,
        ).append_to_results(out / "euroeval_benchmark_results.jsonl")


def _without_machine(out: Path, place: str) -> None:
    """Take the places of the machine out of what was logged: they differ from run to run."""
    for path in sorted(out.rglob("*.json*")):
        text = path.read_text(encoding="utf-8").replace(place, "tasks")
        text = re.sub(r'(?<=": ")[^"]*(?=/tests/logs/)', "project", text)
        if path.suffix == ".json":
            record = json.loads(text)
            if isinstance(record, dict):
                for key in ("pretty_env_info", "cpu_info", "upper_git_hash", "git_hash"):
                    record.pop(key, None)
            text = json.dumps(record, indent=2, ensure_ascii=False)
        path.write_text(text + "\n" * (not text.endswith("\n")), encoding="utf-8")


if __name__ == "__main__":
    makers = (lm_eval, inspect_ai, helm, lighteval, euroeval)
    {maker.__name__: maker for maker in makers}[sys.argv[1]]()
