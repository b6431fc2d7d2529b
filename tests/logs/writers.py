"""One study of responses, written the way each harness writes its logs."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

MODELS = ("acme/small-1b", "acme/large-9b")
LANGUAGES = ("en", "de", "sw")
N_ITEMS, N_PROMPTS = 12, 3
BENCHMARK = "mgsm_direct"


def responses(seed: int = 3) -> pd.DataFrame:
    """One row for each answer: `model, benchmark, language, item, prompt, correct`."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product(
        [MODELS, [BENCHMARK], LANGUAGES, range(N_ITEMS), range(N_PROMPTS)],
        names=["model", "benchmark", "language", "item", "prompt"],
    )
    frame = index.to_frame(index=False)
    chance = {"en": 0.8, "de": 0.6, "sw": 0.3}
    frame["correct"] = (rng.random(len(frame)) < frame["language"].map(chance)).astype(int)
    return frame


def expected(frame: pd.DataFrame) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Counts by a loop: (model, language, item) to right answers and trials."""
    counts: dict[tuple[str, str, str], tuple[float, float]] = {}
    for row in frame.itertuples(index=False):
        key = (str(row.model), str(row.language), str(row.item))
        right, trials = counts.get(key, (0.0, 0.0))
        counts[key] = (right + row.correct, trials + 1)
    return counts


def totals(frame: pd.DataFrame) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Counts over all items of one trial."""
    first = frame[frame["prompt"] == 0]
    summed = first.groupby(["model", "language"])["correct"].agg(["sum", "count"])
    return {(m, lang, ""): (float(k), float(n)) for (m, lang), (k, n) in summed.iterrows()}


def runs(frame: pd.DataFrame) -> Iterator[tuple[str, str, int, pd.DataFrame]]:
    for (model, language, prompt), part in frame.groupby(["model", "language", "prompt"]):
        yield str(model), str(language), int(prompt), part


def lm_eval(frame: pd.DataFrame, folder: Path) -> None:
    for model, language, prompt, part in runs(frame):
        run_folder = folder / model.replace("/", "__")
        run_folder.mkdir(exist_ok=True)
        date = f"2026-01-0{prompt + 1}T00-00-00.000000"
        lines = [
            {"doc_id": row.item, "doc": {"question": "?"}, "resps": [["x"]], "filter": name,
             "metrics": ["exact_match"],
             "exact_match": float(row.correct if name == "flexible-extract" else 0)}
            for name in ("strict-match", "flexible-extract")
            for row in part.itertuples(index=False)
        ]  # fmt: skip
        write_lines(run_folder / f"samples_{BENCHMARK}_{language}_{date}.jsonl", lines)
        results = {"model_name": model, "results": {}}
        (run_folder / f"results_{date}.json").write_text(json.dumps(results))


def lm_eval_results(frame: pd.DataFrame, folder: Path) -> None:
    for model, part in frame[frame["prompt"] == 0].groupby("model"):
        results, sizes = {}, {}
        for language, rows in part.groupby("language"):
            task = f"{BENCHMARK}_{language}"
            results[task] = {
                "alias": task,
                "exact_match,flexible-extract": rows["correct"].mean(),
                "exact_match_stderr,flexible-extract": 0.1,
            }
            sizes[task] = {"original": len(rows), "effective": len(rows)}
        record = {"results": results, "group_subtasks": {}, "configs": {}, "n-samples": sizes,
                  "model_name": model}  # fmt: skip
        run_folder = folder / str(model).replace("/", "__")
        run_folder.mkdir()
        text = json.dumps(record, indent=2)
        (run_folder / "results_2026-01-01T00-00-00.000000.json").write_text(text)


def inspect_parts(frame: pd.DataFrame) -> Iterator[tuple[str, dict[str, object], list[object]]]:
    for (model, language), part in frame.groupby(["model", "language"]):
        head = {"version": 2, "status": "success", "eval": {
            "task": BENCHMARK, "model": model, "created": "2026-01-01T00:00:00+00:00",
            "task_args": {"language": language}, "scorers": [{"name": "match"}]}}  # fmt: skip
        samples = [
            {"id": f"{language}_{row.item}", "epoch": row.prompt + 1, "metadata": {},
             "scores": {"match": {"value": "C" if row.correct else "I"}},
             "uuid": f"{model}{language}{row.item}-{row.prompt}"}
            for row in part.itertuples(index=False)
        ]  # fmt: skip
        yield f"{str(model).replace('/', '-')}_{language}", head, samples


def inspect_eval(frame: pd.DataFrame, folder: Path) -> None:
    for name, head, samples in inspect_parts(frame):
        with zipfile.ZipFile(folder / f"{name}.eval", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("header.json", json.dumps(head))
            archive.writestr("summaries.json", json.dumps(samples))


def inspect_json(frame: pd.DataFrame, folder: Path) -> None:
    for name, head, samples in inspect_parts(frame):
        text = json.dumps({**head, "samples": samples}, indent=1)
        (folder / f"{name}.json").write_text(text)


def helm(frame: pd.DataFrame, folder: Path) -> None:
    for (model, language), part in frame.groupby(["model", "language"]):
        name = f"{BENCHMARK}:language={language},model={str(model).replace('/', '_')}"
        run_folder = folder / name.replace(":", "-")
        run_folder.mkdir()
        spec = {"name": name, "adapter_spec": {"model": model},
                "scenario_spec": {"class_name": "x", "args": {"language": language}}}  # fmt: skip
        (run_folder / "run_spec.json").write_text(json.dumps(spec))
        stats = [
            {"instance_id": str(row.item), "train_trial_index": row.prompt, "stats": [
                {"name": {"name": "exact_match", "split": "test"}, "count": 1,
                 "sum": row.correct}]}
            for row in part.itertuples(index=False)
        ]  # fmt: skip
        (run_folder / "per_instance_stats.json").write_text(json.dumps(stats, indent=1))


def helm_state(frame: pd.DataFrame, folder: Path) -> None:
    helm(frame, folder)
    for (model, language), part in frame.groupby(["model", "language"]):
        name = f"{BENCHMARK}-language={language},model={str(model).replace('/', '_')}"
        (folder / name / "per_instance_stats.json").unlink()
        states = [
            {"instance": {"id": str(row.item), "references": [
                {"output": {"text": "7"}, "tags": ["correct"]}]},
             "train_trial_index": row.prompt, "output_mapping": {"A": "7", "B": "8"},
             "result": {"completions": [{"text": " A" if row.correct else " B"}]}}
            for row in part.itertuples(index=False)
        ]  # fmt: skip
        record = {"adapter_spec": {"model": model}, "request_states": states}
        (folder / name / "scenario_state.json").write_text(json.dumps(record))


def lighteval(frame: pd.DataFrame, folder: Path) -> None:
    for model, language, prompt, part in runs(frame):
        date = f"2026-01-0{prompt + 1}T00-00-00.000000"
        run_folder = folder / "details" / model / date
        run_folder.mkdir(parents=True, exist_ok=True)
        rows = [
            {"doc": {"id": str(row.item), "task_name": f"{BENCHMARK}_{language}|0"},
             "metric": {"extractive_match": row.correct, "length": 3}}
            for row in part.sample(frac=1, random_state=1).itertuples(index=False)
        ]  # fmt: skip
        table = pd.DataFrame(rows)
        table.to_parquet(run_folder / f"details_{BENCHMARK}_{language}-0_{date}.parquet")


def every_eval_items(frame: pd.DataFrame, folder: Path) -> None:
    lines = [
        {"schema_version": "0.2.1", "evaluation_id": f"run-{row.prompt}", "model_id": row.model,
         "evaluation_name": f"{BENCHMARK}_{row.language}", "sample_id": str(row.item),
         "interaction_type": "single_turn",
         "evaluation": {"score": float(row.correct), "is_correct": bool(row.correct)}}
        for row in frame.itertuples(index=False)
    ]  # fmt: skip
    write_lines(folder / "instances.jsonl", lines)


def every_eval(frame: pd.DataFrame, folder: Path) -> None:
    for model, part in frame[frame["prompt"] == 0].groupby("model"):
        results = [
            {"evaluation_name": f"{BENCHMARK}_{language}", "source_data": {"dataset_name": "mgsm"},
             "metric_config": {"max_score": 1.0},
             "score_details": {"score": rows["correct"].mean(),
                               "uncertainty": {"num_samples": len(rows)}}}
            for language, rows in part.groupby("language")
        ]  # fmt: skip
        record = {"schema_version": "0.2.1", "model_info": {"name": model, "id": model},
                  "eval_library": {"name": "other"}, "evaluation_results": results}  # fmt: skip
        path = folder / f"{str(model).replace('/', '-')}.json"
        path.write_text(json.dumps(record, indent=1))


def csv(frame: pd.DataFrame, folder: Path) -> None:
    frame.to_csv(folder / "all.csv", index=False)


def tsv(frame: pd.DataFrame, folder: Path) -> None:
    frame.to_csv(folder / "all.tsv", index=False, sep="\t")


def jsonl(frame: pd.DataFrame, folder: Path) -> None:
    middle = len(frame) // 2
    for name, part in (("a", frame[:middle]), ("b", frame[middle:])):
        write_lines(folder / f"{name}.jsonl", part.to_dict("records"))


def jsonl_gz(frame: pd.DataFrame, folder: Path) -> None:
    frame.to_json(folder / "all.jsonl.gz", orient="records", lines=True, compression="gzip")


def parquet(frame: pd.DataFrame, folder: Path) -> None:
    frame.assign(correct=frame["correct"].astype(bool)).to_parquet(folder / "all.parquet")


def partitioned(frame: pd.DataFrame, folder: Path) -> None:
    for (model, language), part in frame.groupby(["model", "language"]):
        run_folder = folder / f"model={str(model).replace('/', '%2F')}" / f"language={language}"
        run_folder.mkdir(parents=True)
        part.drop(columns=["model", "language"]).to_parquet(run_folder / "part-0.parquet")


def arrow(frame: pd.DataFrame, folder: Path) -> None:
    frame.to_feather(folder / "all.arrow", compression="uncompressed")


def duckdb(frame: pd.DataFrame, folder: Path) -> None:
    import duckdb as database

    with database.connect(str(folder / "all.duckdb")) as connection:
        connection.register("given", frame)
        connection.execute("CREATE TABLE responses AS SELECT * FROM given")


#: Item by item, and in total, since some formats have nothing else.
ITEMWISE: tuple[Callable[[pd.DataFrame, Path], None], ...] = (
    lm_eval, inspect_eval, inspect_json, helm, helm_state, lighteval, every_eval_items,
    csv, tsv, jsonl, jsonl_gz, parquet, partitioned, arrow, duckdb,
)  # fmt: skip
TOTAL: tuple[Callable[[pd.DataFrame, Path], None], ...] = (lm_eval_results, every_eval)


def write_lines(path: Path, records: object) -> None:
    text = "".join(json.dumps(record) + "\n" for record in records)  # type: ignore[attr-defined]
    path.write_text(text, encoding="utf-8")
