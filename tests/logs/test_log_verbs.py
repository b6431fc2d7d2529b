"""From logs to a checked study at the command line: convert, models fill, check, exclude."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import hatstats
from hatstats import cli
from hatstats.cli.terminal import in_flags
from tests.logs import writers

FRAME = writers.responses()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(each) for each in arguments])


@pytest.mark.slow
def test_logs_become_a_study_that_is_checked_and_cleaned(tmp_path: Path) -> None:
    frame = FRAME.replace({"acme/small-1b": "google/gemma-3-4b-it", "acme/large-9b": "mine"})
    frame.loc[(frame["model"] == "mine") & (frame["language"] == "de"), "correct"] = 0
    logs, out = tmp_path / "logs", tmp_path / "study"
    logs.mkdir()
    writers.lm_eval(frame, logs)
    done = run("convert", logs, "--out", out)
    assert done.exit_code == 0, done.output
    assert "set aside by a rule" in done.stdout
    assert "another filter than flexible-extract" in done.stdout
    assert "--set filter=NAME" in done.stdout
    text = done.stdout.splitlines()
    assert max(len(line) for line in text if not line.startswith("Study: ")) <= 80
    done = run("models", "fill", out)
    assert done.exit_code == 0, done.output
    assert "google/gemma-3-4b-it = " in done.stdout
    assert "mine: not in the table" in done.stdout
    assert hatstats.read_study(out).models["params_total"].notna().tolist() == [True, False]
    done = run("check", out)
    assert done.exit_code == 0
    assert "zero-accuracy:mine:mgsm_direct:de" in done.stdout
    table = json.loads(run("check", out, "--json").stdout)["findings"]
    (command,) = [row["command"] for row in table if row["kind"] == "zero-accuracy"]
    assert command == f"hatstats exclude {out} zero-accuracy:mine:mgsm_direct:de"
    done = run(*command.split()[1:])
    assert done.exit_code == 0, done.output
    assert f"{writers.N_ITEMS} rows flagged" in done.stdout
    assert len(hatstats.read_study(out).flagged) == writers.N_ITEMS


def test_maps_settings_and_strict_reach_the_conversion(tmp_path: Path) -> None:
    table = FRAME.rename(columns={"model": "who", "item": "number"}).drop(columns="benchmark")
    table.to_csv(tmp_path / "mine.csv", index=False)
    given = ("--map", "model=who", "--map", "item=number", "--set", "benchmark=quiz",
             "--set", "model:acme/large-9b=x=y", "--strict", "--json")  # fmt: skip
    done = run("convert", tmp_path / "mine.csv", "--out", tmp_path / "s", *given)
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content["files"][0]["kept"] == len(FRAME)
    assert content["left_out"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--map", "item"), "needs a name, an equals sign and a value"),
        (("--map", "item=a", "--map", "item=b"), "given twice for 'item'"),
        (("--set", "colour=red"), "no such setting"),
        (("--format", "nothing"), "format is not known"),
    ],
)
def test_wrong_options_are_one_message_and_write_nothing(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    writers.csv(FRAME, tmp_path)
    done = run("convert", tmp_path / "all.csv", "--out", tmp_path / "s", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "s").exists()


def test_a_failed_conversion_leaves_an_older_study_whole(tmp_path: Path) -> None:
    writers.csv(FRAME, tmp_path)
    assert run("convert", tmp_path / "all.csv", "--out", tmp_path / "s").exit_code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "s").iterdir()}
    (tmp_path / "all.csv").write_text("model\n1\n")
    assert run("convert", tmp_path / "all.csv", "--out", tmp_path / "s").exit_code == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "s").iterdir()} == before


def test_errors_of_the_command_line_speak_of_its_options() -> None:
    assert in_flags("use method='joint', scope='wordings like these'.") == (
        "use --method joint, --scope 'wordings like these'."
    )
    assert in_flags("settings={'n_trials@xnli': 'N'}") == "--set n_trials@xnli=N"
    assert in_flags("settings={'source_language': 'CODE'}") == "--source CODE"
    assert in_flags("as in Study.from_frame(df, source='en'), or") == "as in --source en, or"
    assert in_flags("settings={'task': 'q_{language}'}.") == "--set 'task=q_{language}'."


def test_a_dry_run_says_all_and_writes_nothing(tmp_path: Path) -> None:
    writers.csv(FRAME, tmp_path)
    done = run("convert", tmp_path / "all.csv", "--dry-run", "--out", tmp_path / "s")
    assert done.exit_code == 0, done.output
    assert "216 rows read, 216 kept" in done.stdout
    assert "Nothing was written" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["all.csv"]
    assert run("convert", tmp_path / "all.csv", "--dry-run").exit_code == 0
    refused = run("convert", tmp_path / "all.csv")
    assert refused.exit_code == 2
    assert "--dry-run" in refused.stderr


@pytest.mark.slow
def test_a_pipeline_fails_on_the_findings_that_it_names(tmp_path: Path) -> None:
    frame, out = FRAME.copy(), tmp_path / "s"
    frame.loc[(frame["model"] == "acme/large-9b") & (frame["language"] == "de"), "correct"] = 0
    writers.csv(frame, tmp_path)
    assert run("convert", tmp_path / "all.csv", "--out", out).exit_code == 0
    assert run("check", out).exit_code == 0
    assert run("check", out, "--fail-on", "model-twins").exit_code == 0
    for kind in ("zero-accuracy", "any"):
        failed = run("check", out, "--fail-on", kind, "--json")
        assert failed.exit_code == 1
        assert "zero-accuracy:acme/large-9b:mgsm_direct:de" in failed.stderr
        json.loads(failed.stdout)
    unknown = run("check", out, "--fail-on", "nonsense")
    assert unknown.exit_code == 2
    assert "missing-answers" in unknown.stderr
    assert run("exclude", out, "zero-accuracy:acme/large-9b:mgsm_direct:de").exit_code == 0
    assert run("check", out, "--fail-on", "zero-accuracy").exit_code == 0


def test_only_folders_are_filled_or_flagged(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("model,benchmark,language,n_correct,n_trials\na,q,en,8,10\na,q,sw,6,10\n")
    done = run("models", "fill", table)
    assert done.exit_code == 2
    assert "no study folder" in done.stderr


def test_names_that_differ_by_a_suffix_are_suggested_and_not_merged(tmp_path: Path) -> None:
    frame = FRAME.replace({"acme/small-1b": "gemma-3-4b-it", "acme/large-9b": "google/gemma-3-4b"})
    writers.csv(frame, tmp_path)
    done = hatstats.convert_logs(tmp_path)
    assert len(done.study.models) == 2
    assert any(
        "Are 'gemma-3-4b-it' and 'google/gemma-3-4b' one model?" in note
        and "settings={'model:google/gemma-3-4b': 'gemma-3-4b-it'}" in note
        for note in done.notes
    )
    done = run("convert", tmp_path, "--out", tmp_path / "study")
    assert "--set model:google/gemma-3-4b=gemma-3-4b-it" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_each_door_speaks_its_own_words(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    FRAME.drop(columns="benchmark").to_csv(table, index=False)
    done = hatstats.convert_logs(table)
    assert done.study.benchmark_names == ["benchmark"]
    assert "Benchmark not named: called 'benchmark' (settings={'benchmark': 'NAME'})." in done.notes
    assert "benchmark: source language not given: taken as English (en)." in done.notes
    for arguments in ((), ("--json",)):
        text = " ".join(run("convert", table, "--out", tmp_path / "s", *arguments).stdout.split())
        assert "settings=" not in text
        assert "called 'benchmark' (--set benchmark=NAME)." in text
        assert "(4 options: --chance 0.25)." in text
    said = run("convert", table, "--out", tmp_path / "s", "--source", "de", "--chance", "0.25")
    assert "source language not given" not in said.stdout
    made = hatstats.read_study(tmp_path / "s").benchmarks
    assert made["source_language"].tolist() == ["de"]
    assert made["chance"].tolist() == [0.25]
    named = hatstats.convert_logs(table, settings={"benchmark": "quiz", "source_language": "de"})
    assert not any("not given" in note or "not named" in note for note in named.notes)
    FRAME.rename(columns={"model": "who", "correct": "ok"}).to_csv(table, index=False)
    with pytest.raises(hatstats.DataError, match=r"fields={'model': 'COLUMN'}") as error:
        hatstats.convert_logs(table)
    assert "--" not in str(error.value)
    assert "as in --map model=COLUMN, or what it is, as in --set model=VALUE." in (
        run("convert", table, "--out", tmp_path / "s").stderr
    )
    FRAME.rename(columns={"correct": "ok"}).to_csv(table, index=False)
    with pytest.raises(hatstats.DataError, match=r"as in fields={'correct': 'COLUMN'}\.$"):
        hatstats.convert_logs(table)  # no answer is the same in all rows
    FRAME.rename(columns={"correct": "passed"}).to_csv(table, index=False)
    assert len(hatstats.convert_logs(table).study.counts) == len(done.study.counts)
    FRAME.assign(correct=7).to_csv(table, index=False)
    failed = run("convert", table, "--out", tmp_path / "s")
    assert "as in --set right=7 or --set wrong=7." in failed.stderr


def test_languages_that_lack_items_are_named(tmp_path: Path) -> None:
    lacking = FRAME[~((FRAME["language"] == "sw") & (FRAME["item"] < 3))]
    extra = FRAME[(FRAME["language"] == "de") & (FRAME["item"] == 0)].assign(item=99)
    import pandas as pd

    writers.csv(pd.concat([lacking, extra]), tmp_path)
    notes = " ".join(hatstats.convert_logs(tmp_path).notes)
    assert "items missing in sw (3 of 12)" in notes
    assert "items without a source row in de (1 of 13)" in notes
