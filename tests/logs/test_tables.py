"""Tables as people have them: columns are said, layouts are read, and doubles count once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import hatstats
from hatstats import cli
from hatstats.errors import DataError
from hatstats.logs.configuration import CONDITIONS
from hatstats.study.frames.columns import is_sure_tag
from hatstats.study.languages.tags import standard_tag
from hatstats.study.schema import OTHER_NAMES
from tests.logs.cases import N_ITEMS, cells, quiz, truth


def repeated(seed: int = 2) -> pd.DataFrame:
    """The quiz asked three times, with answers of their own."""
    frame = pd.concat([quiz(seed + run).assign(run=run) for run in range(3)], ignore_index=True)
    return frame.sort_values(["model", "language", "item"], kind="stable").reset_index(drop=True)


@pytest.mark.parametrize("extra", ["epoch", "none", "run"])
def test_a_prompt_that_is_the_question_is_no_trial(extra: str, tmp_path: Path) -> None:
    frame = repeated()
    text = "What is " + frame["item"] + " in " + frame["language"] + "?"
    table = frame.assign(prompt=text).rename(columns={"run": extra})
    if extra == "none":
        table = table.drop(columns="none")
    table.to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert cells(done.study) == truth(frame)
    assert (done.study.counts["prompt"] == "").all()
    assert any("prompt is another for each item" in note for note in done.notes)


def test_every_column_is_said(tmp_path: Path) -> None:
    table = quiz().rename(columns={"item": "id", "model": "Model Name"}).assign(latency=1.5)
    table.drop(columns="benchmark").to_csv(tmp_path / "quiz.csv", index=False)
    notes = hatstats.convert_logs(tmp_path, settings={"benchmark": "quiz"}).notes
    assert (
        "Columns: 'Model Name' as model, language, 'id' as item, 'correct' as score, benchmark is "
        "'quiz'. Not used: 'latency'."
    ) in notes


@pytest.mark.parametrize("fraction", [0.05, 0.3])
def test_doubles_of_single_answers_count_once(fraction: float, tmp_path: Path) -> None:
    frame = quiz()
    again = frame.sample(frac=fraction, random_state=1)
    pd.concat([frame, again]).to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path)
    assert cells(done.study) == truth(frame)
    assert done.left_out["rows"].sum() == len(again)
    frame.loc[frame.index.repeat(2)].to_csv(tmp_path / "quiz.csv", index=False)
    assert cells(hatstats.convert_logs(tmp_path).study) == truth(frame)


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "parquet", "txt"])
@pytest.mark.parametrize("wide", [False, True])
def test_layouts_and_separators(wide: bool, ending: str, tmp_path: Path) -> None:
    table = frame = quiz()
    if wide:
        key = ["model", "benchmark", "item"]
        table = frame.pivot_table("correct", key, "language", aggfunc="first").reset_index()
    path = tmp_path / f"quiz.{ending}"
    if ending == "parquet":
        table.to_parquet(path)
    elif ending.startswith("json"):
        table.to_json(path, orient="records", lines=ending == "jsonl")
    else:
        table.to_csv(path, index=False, sep={"csv": ";", "tsv": "\t", "txt": "|"}[ending])
    done = hatstats.convert_logs(path, strict=True)
    assert cells(done.study) == truth(frame)
    assert done.files["kept"].sum() == len(frame)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(each) for each in arguments])


@pytest.mark.parametrize("layout", ["answers", "counts", "shares", "wide"])
def test_a_table_reaches_scores_in_one_command(layout: str, tmp_path: Path) -> None:
    frame, path = quiz().drop(columns="benchmark"), tmp_path / "people.csv"
    frame = pd.concat(
        [frame, frame.assign(model=frame["model"] + "2", correct=1 - frame["correct"])]
    )
    key = ["model", "language"]
    sums = frame.groupby(key, as_index=False)["correct"].agg(["sum", "count"])
    table = frame.rename(columns={"language": "lang", "item": "question_id"})
    if layout == "counts":
        table = sums.rename(columns={"sum": "n_correct", "count": "n_total"})
    elif layout == "shares":
        table = sums.assign(accuracy=sums["sum"] / N_ITEMS, n=N_ITEMS)[[*key, "accuracy", "n"]]
    elif layout == "wide":
        table = frame.pivot_table("correct", ["model", "item"], "language").reset_index()
    table.to_csv(path, index=False)
    done = run("score", path, "--source", "English", "--json")
    assert done.exit_code == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert "source_language is 'English'" in said
    assert "--set benchmark=NAME" in said
    assert f"--set: options of hatstats convert {path} --out STUDY" in said.replace("- ", "-")
    scores = json.loads(done.stdout)["scores"]
    assert {row["model"] for row in scores} == {"A", "B", "A2", "B2"}
    failed = run("score", path, "--source", "fr")
    assert failed.exit_code == 2
    assert "--source CODE" in failed.stderr
    assert "settings=" not in failed.stderr
    table.rename(columns={"model": "who"}).to_csv(path, index=False)
    refused = " ".join(run("score", path).stderr.split())
    assert "--map model=COLUMN" in refused
    assert "options of hatstats convert" in refused


@pytest.mark.slow
def test_a_report_of_a_table_says_how_it_was_read(tmp_path: Path) -> None:
    study = hatstats.simulate_study([0.0, 1.0], shape=hatstats.Shape(40, 2, 6), rng=1)
    study.counts.drop(columns="prompt", errors="ignore").to_csv(tmp_path / "t.csv", index=False)
    source = str(study.benchmarks["source_language"].iloc[0])
    given = ("--source", source, "--chance", "0", "--quick")
    done = run("report", tmp_path / "t.csv", "--out", tmp_path / "run", *given)
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert f"hatstats report t.csv --out DIR --source {source} --chance 0.0 " in page


def test_options_of_tables_are_refused_for_folders(tmp_path: Path) -> None:
    quiz().to_csv(tmp_path / "quiz.csv", index=False)
    folder = hatstats.convert_logs(tmp_path / "quiz.csv").study.write(tmp_path / "study")
    assert "are for a table" in run("score", folder, "--chance", "0.25").stderr
    nowhere = run("score", tmp_path / "nowhere.csv", "--source", "en").stderr
    assert "no such file or folder" in " ".join(nowhere.split())
    assert np.isclose(truth(quiz())["A", "en"][0], 31)


TEXT = "How much is "


@pytest.mark.parametrize("column", ["question", "prompt", "prompt_id", "problem", "Query"])
@pytest.mark.parametrize("extra", ["none", "repeat", "runs"])
def test_questions_are_items_where_no_column_names_them(
    column: str, extra: str, tmp_path: Path
) -> None:
    frame = quiz() if extra == "none" else repeated()
    table = frame.rename(columns={"item": column, "run": "repeat"})
    if extra == "runs":
        table = table.drop(columns="repeat")
    if column in ("question", "prompt", "problem"):
        table[column] = TEXT + table[column] + " plus one and all the rest?"
    if extra != "none" and column == "prompt_id":  # sixty short names may be wordings
        table[column] = TEXT + table[column] + " plus one?"
    table.to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert cells(done.study) == truth(frame)
    assert done.study.data_kind == "item"
    assert done.study.counts["item"].nunique() == N_ITEMS
    assert (done.study.counts["prompt"] == "").all()
    assert f"{column!r} is another for each question: taken as the item." in done.notes


@pytest.mark.parametrize("column", ["question", "prompt"])
def test_questions_in_each_language_pair_no_items(column: str, tmp_path: Path) -> None:
    frame = quiz()
    table = frame.assign(**{column: TEXT + frame["item"] + " in " + frame["language"]})
    table.drop(columns="item").to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert cells(done.study) == truth(frame)
    assert done.study.data_kind == "aggregate"
    assert len(done.study.counts) == 6
    assert any("pair no items" in note for note in done.notes)


def test_few_prompts_stay_wordings(tmp_path: Path) -> None:
    frame = quiz()
    frame["prompt"] = "please answer as shortly as you can, " + (frame.index % 3).astype(str)
    frame.drop(columns="item").to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path)
    assert cells(done.study) == truth(frame)
    assert not any("taken as the item" in note for note in done.notes)


@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize("column", [True, False])
def test_wide_accuracies_with_numbers_of_items_are_counts(
    column: bool, scale: int, tmp_path: Path
) -> None:
    table = quiz().pivot_table("correct", "model", "language", aggfunc="mean") * scale
    table = table.assign(n_trials=N_ITEMS) if column else table
    table.to_csv(tmp_path / "quiz.csv")
    settings = {"benchmark": "quiz"} | ({} if column else {"n_trials": str(N_ITEMS)})
    done = hatstats.convert_logs(tmp_path, settings=settings)
    assert cells(done.study) == {
        key: (pytest.approx(k), n) for key, (k, n) in truth(quiz()).items()
    }
    assert any("de, en, yo as accuracies of one language each" in note for note in done.notes)


def test_wide_tables_are_refused_in_their_own_words(tmp_path: Path) -> None:
    table = quiz().pivot_table("correct", "model", "language", aggfunc="mean")
    table.to_csv(tmp_path / "quiz.csv")
    with pytest.raises(DataError, match=r"column 'de, en, yo'.*settings=\{'n_trials': 'N'\}"):
        hatstats.convert_logs(tmp_path)
    (table * N_ITEMS).round().astype(int).to_csv(tmp_path / "quiz.csv")
    with pytest.raises(DataError, match="may be counts or per cent"):
        hatstats.convert_logs(tmp_path, settings={"n_trials": "60"})


def test_accuracies_with_per_cent_signs_are_read(tmp_path: Path) -> None:
    shares = quiz().groupby(["model", "language"], as_index=False)["correct"].mean()
    shares["accuracy"] = (shares["correct"] * 100).map(repr) + "%"
    shares.drop(columns="correct").assign(n=60).to_csv(tmp_path / "quiz.csv", index=False)
    study = hatstats.convert_logs(tmp_path, strict=True).study
    assert cells(study) == {key: (pytest.approx(k), n) for key, (k, n) in truth(quiz()).items()}


def test_columns_of_a_database_are_said_too(tmp_path: Path) -> None:
    import duckdb

    frame = quiz().rename(columns={"item": "id"})
    with duckdb.connect(str(tmp_path / "quiz.duckdb")) as connection:
        connection.register("given", frame)
        connection.execute("CREATE TABLE quiz AS SELECT * FROM given")
    done = hatstats.convert_logs(tmp_path / "quiz.duckdb")
    assert cells(done.study) == truth(frame)
    assert any("'id' as item" in note for note in done.notes)


def test_no_name_of_a_column_is_a_language(tmp_path: Path) -> None:
    """LLM is the tag of a language too, and a wide table has the model under that name."""
    known = {name for role, names in OTHER_NAMES.items() for name in (role, *names[0], *names[1])}
    assert [name for name in sorted(known | CONDITIONS) if is_sure_tag(name)] == []
    table = quiz().pivot_table("correct", ["model", "item"], "language").reset_index()
    table.rename(columns={"model": "LLM"}).to_csv(tmp_path / "quiz.csv", index=False)
    assert cells(hatstats.convert_logs(tmp_path).study) == truth(quiz())


def test_columns_without_a_name_or_with_one_twice_are_unused(tmp_path: Path) -> None:
    path = tmp_path / "quiz.csv"
    quiz().assign(Correct=7).to_csv(path)  # with the index of the frame, as by default
    done = hatstats.convert_logs(path)
    assert cells(done.study) == truth(quiz())
    assert any("Not used: 'column 1', 'Correct 7'." in note for note in done.notes)


@pytest.mark.parametrize("name", ["random_seed", "trial_number", "run_number"])
def test_numbers_of_runs_are_trials(name: str, tmp_path: Path) -> None:
    repeated().rename(columns={"run": name}).to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path)
    assert cells(done.study) == truth(repeated())
    assert any(f"'{name}' as trial" in note for note in done.notes)


def test_templates_are_wordings(tmp_path: Path) -> None:
    table = repeated().rename(columns={"run": "prompt_template"})
    table.to_csv(tmp_path / "quiz.csv", index=False)
    study = hatstats.convert_logs(tmp_path).study
    assert cells(study) == truth(repeated())
    assert set(study.counts["prompt"]) == {"0", "1", "2"}


def test_cells_with_another_number_of_trials_are_named(tmp_path: Path) -> None:
    frame = quiz()
    again = frame[:40].assign(correct=1 - frame["correct"][:40])
    pd.concat([frame, again]).to_csv(tmp_path / "quiz.csv", index=False)
    assert (
        "quiz: 1 to 2 trials of an item, usually 1: 40 of 360 cells have another number (A in en)."
    ) in hatstats.convert_logs(tmp_path).notes


@pytest.mark.parametrize("column", ["model", "language"])
def test_a_setting_never_replaces_a_column_of_models_or_languages(
    column: str, tmp_path: Path
) -> None:
    quiz().to_csv(tmp_path / "quiz.csv", index=False)
    with pytest.raises(DataError, match=f"has a column '{column}'.*fields=") as error:
        hatstats.convert_logs(tmp_path, settings={column: "en"})
    assert "quiz.csv" in str(error.value)


@pytest.mark.parametrize(
    ("other", "said", "kept"),
    [("chrf", "", "Accuracy"), ("chrf", "Accuracy", "Accuracy"), ("acc_norm", "acc_norm", "other")],
)
def test_rows_of_one_metric_count_and_others_are_set_aside(
    other: str, said: str, kept: str, tmp_path: Path
) -> None:
    """The others may hold fractions and lack answers: neither is a fault or a loss."""
    frame, second = quiz(1), quiz(2)
    rest = second.assign(metric=other)
    if kept == "Accuracy":
        rest = rest.assign(correct=np.linspace(0.1, 0.9, len(rest)).round(3))
        rest.loc[:50, "correct"] = np.nan
    pd.concat([frame.assign(metric="Accuracy"), rest]).to_csv(tmp_path / "quiz.csv", index=False)
    settings = {"metric": said} if said else {}
    done = hatstats.convert_logs(tmp_path, settings=settings, strict=True)
    assert cells(done.study) == truth(frame if kept == "Accuracy" else second)
    assert done.study.info.losses == ()
    assert done.files[["read", "kept"]].to_numpy().tolist() == [[720, 360]]
    assert done.left_out[["reason", "rows", "by_rule"]].to_numpy().tolist() == [
        ["it is of another metric", 360, True]
    ]
    left = {"Accuracy": "acc_norm", "other": "Accuracy"}[kept] if other == "acc_norm" else other
    name = said or "Accuracy"
    assert any(f"quiz: the metric is {name}; also there: {left}" in note for note in done.notes)


@pytest.mark.parametrize("said", ["", "bleu"])
def test_metrics_of_which_no_rule_chooses_are_asked_about(said: str, tmp_path: Path) -> None:
    both = [quiz(seed).assign(metric=name) for seed, name in enumerate(("chrf", "ter"))]
    pd.concat(both).to_csv(tmp_path / "quiz.csv", index=False)
    settings = {"metric": said} if said else {}
    with pytest.raises(DataError, match="which metric counts\\? The rows are of chrf, ter"):
        hatstats.convert_logs(tmp_path, settings=settings)


@pytest.mark.parametrize(
    ("right", "trials", "hint"),
    [
        ("n_correct", "", "'n_correct': 'n_correct', 'n_trials': 'COLUMN'}, or how many"),
        ("right", "total", "'n_correct': 'right', 'n_trials': 'total'}."),
        ("correct", "total", "'n_correct': 'correct', 'n_trials': 'COLUMN'}"),
    ],
)
def test_counts_whose_trials_or_answers_are_not_known_are_asked_about(
    right: str, trials: str, hint: str, tmp_path: Path
) -> None:
    frame = quiz()
    table = frame.groupby(["model", "language"], as_index=False)["correct"].sum()
    table = table.rename(columns={"correct": right})
    table = table.assign(**{trials: N_ITEMS}) if trials else table
    table.to_csv(tmp_path / "quiz.csv", index=False)
    with pytest.raises(DataError) as error:
        hatstats.convert_logs(tmp_path)
    assert f"fields={{{hint}" in str(error.value)
    fields = {"n_correct": right} | ({"n_trials": trials} if trials else {})
    settings = {} if trials else {"n_trials": str(N_ITEMS)}
    done = hatstats.convert_logs(tmp_path, fields=fields, settings=settings)
    assert cells(done.study) == truth(frame)


def test_columns_called_as_languages_call_themselves_are_languages(tmp_path: Path) -> None:
    names = {"en": "English", "de": "Deutsch", "yo": "Èdè Yorùbá"}
    table = quiz().pivot_table("correct", ["model", "item"], "language").reset_index()
    table.rename(columns=names).to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path)
    found = {(model, names[code]): n for (model, code), n in truth(quiz()).items()}
    assert cells(done.study) == found
    assert standard_tag("Deutsch") == standard_tag("de")


@pytest.mark.parametrize(("written", "read"), [("38,0", 38.0), ("20,5", 20.5), ("38,000", None)])
def test_decimal_commas_of_counts(written: str, read: float | None, tmp_path: Path) -> None:
    """A comma before three digits may stand for thousands: such a cell is no number."""
    lines = ["model;benchmark;language;n_correct;n_trials", f"a;quiz;en;{written};50,0"]
    (tmp_path / "t.csv").write_text("\n".join([*lines, "a;quiz;sw;7;50", "a;quiz;de;9;50"]))
    done = hatstats.convert_logs(tmp_path / "t.csv", settings={"source_language": "sw"})
    counts = done.study.counts.set_index("language")["n_correct"]
    assert counts.get("en") == read
    assert len(done.left_out) == (read is None)
