"""The command line: exit statuses, one clear message, nothing written when something is wrong."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import hatstats
import hatstats as hs
from hatstats import cli
from hatstats.cli.terminal import print_tables
from hatstats.errors import DegenerateDataWarning, FitError
from hatstats.report.results import analysis as analysis_module
from hatstats.report.results.results import ReportOptions
from hatstats.report.tables.text_table import Column, make_table
from hatstats.trends.planning import designs
from tests.report.frames import score_frame
from tests.report.runs import small_study
from tests.report.studies import aggregate_study, item_study

ROOT = Path(__file__).parents[1]
VERBS = ("report", "score", "trend", "claims", "measures", "check")


@pytest.fixture(autouse=True)
def _rich_may_number_its_links() -> Iterator[None]:
    """The library that prints usage errors draws ids of links from Python's global generator."""
    state = random.getstate()
    yield
    random.setstate(state)


@pytest.fixture(scope="module", autouse=True)
def _figures_as_svg_only() -> Iterator[None]:
    """The page needs SVG; that all formats are written is shown with the run folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hatstats.report.figures.style.FORMATS", ("svg",))
        yield


@pytest.fixture(scope="module")
def small() -> Path:
    return small_study()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(each) for each in arguments])


def fails(done: Result, code: int) -> str:
    """The one message of a run that must have failed; it stands on stderr, and is no traceback."""
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert lines
    assert len([line for line in lines if line.startswith("Error: ")]) == 1
    return done.stderr


@pytest.fixture(scope="module")
def reported(small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("run") / "out"
    return out, run("report", small, "--out", out, "--seed", "3", "--quick")


def test_report_writes_the_folder_and_prints_key_results(
    reported: tuple[Path, Result],
) -> None:
    out, done = reported
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    content = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert lines[: len(content["key_results"])] == content["key_results"]
    assert 4 <= len(content["key_results"]) <= 17
    assert lines[-1] == f"Report: {out / 'report.html'}"
    assert done.stderr == ""
    for claim in ("Transfer in small models is not broken: ", "HAT rises over time: "):
        place = next(index for index, line in enumerate(lines) if line.startswith(claim))
        assert "; these " in lines[place + 1]


def test_report_records_what_was_asked_for(reported: tuple[Path, Result]) -> None:
    out, _ = reported
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == 3
    assert manifest["arguments"] == {
        "study": "small",
        "seed": 3,
        "conf_level": 0.95,
        "reference": None,
        "method": None,
        "scope": "these wordings",
        "with_flagged": False,
        "quick": True,
        "bayes": False,
    }


def test_report_as_json_is_the_results_file(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("report", small, "--out", out, "--quick", "--json", "--conf-level", "0.8")
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert done.stdout == (out / "results.json").read_text(encoding="utf-8")
    assert {row["conf_level"] for row in content["scores"]} == {0.8}
    assert {row["choice"] for row in content["specification"]} == {"as reported"}


def test_the_options_reach_the_analysis(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def stop(_: object, options: object, **__: object) -> None:
        seen.append(options)
        raise FitError("stopped here")

    monkeypatch.setattr(analysis_module, "analyse", stop)
    given = ("--reference", "uniform", "--method", "aggregate", "--with-flagged", "--quick")
    fails(run("report", small, "--out", small.parent / "x", *given, "--seed", "9"), 1)
    (options,) = seen
    assert options == ReportOptions(
        method="aggregate", reference="uniform", seed=9, with_flagged=True, quick=True
    )


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("score",), "m_7"),
        (("score", "--reference", "uniform", "--method", "aggregate"), "uniform"),
        (("score", "--by", "language"), "Left behind"),
        (("score", "--by", "language", "--models", "m_1, m_7", "--each"), "m_7"),
        (("compare", "m_1", "m_7"), "source accuracy"),
        (("trend",), "log10(params_total)"),
        (("trend", "--formula", "release_year", "--vcov", "CR3"), "CR3"),
        (("claims",), "progress_over_time: "),
        (("claims", "--margins"), "Holm"),
        (("measures",), "Gap"),
        (("measures", "--agreement"), "Rank agreement"),
        (("specification", "--quick"), "Specifications"),
        (("decompose", "m_1", "m_7"), "source ability"),
        (("check",), "finding"),
    ],
)
def test_every_verb_prints_at_most_80_columns(
    small: Path, arguments: tuple[str, ...], shown: str
) -> None:
    done = run(arguments[0], small, *arguments[1:])
    assert done.exit_code == 0, done.output
    assert shown in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("width", [80, 120, 160])
def test_tables_take_the_width_there_is_and_cut_nothing(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    rows = score_frame(8).assign(rank_low=1, rank_high=8, shape_error=0.01, source=0.8)
    rows["model"] = "[bold]acme/" + rows["model"] + "-instruct (reasoning on)"
    print_tables(ranking=rows)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "\x1b" not in text
    words = text.replace("\n", " ").split()
    assert words.count("weakly") == 1
    lines = [line for line in text.splitlines() if line]
    size = lines[0].index("  HAT") - 2
    named = "".join("".join(line[:size].split()) for line in lines[1:])
    assert named == "".join(rows["model"]).replace(" ", "")
    assert "1–8" in text
    headings = ("HAT", "CI", "Rank", "Note", "Source", "SE", "Family", "Parameters")
    shown = [name for name in headings if name in words]
    assert shown == list(headings[: {80: 4, 120: 5, 160: 8}[width]])
    assert (len(lines) == 9) == (width > 80)


def test_columns_without_room_go_on_below_beside_the_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"language-{number:02d}" for number in range(14)]
    rows = pd.DataFrame({"model": ["first", "second"], **{name: [0.5, 0.25] for name in names}})
    columns = [Column("model", "Model"), *(Column(name, name, "value") for name in names)]
    print_tables(make_table(rows, columns))
    blocks = [block.splitlines() for block in capsys.readouterr().out.strip().split("\n\n")]
    assert len(blocks) > 1
    assert [name for head, *_ in blocks for name in head.split()[1:]] == names
    for head, *others in blocks:
        assert max(map(len, [head, *others])) <= 80
        cells = [line.split() for line in others]
        assert [name for name, *_ in cells] == ["first", "second"]
        assert {tuple(values) for _, *values in cells} == {
            (number,) * (len(head.split()) - 1) for number in ("0.500", "0.250")
        }


def test_a_value_that_is_none_of_the_choices_is_named_in_plain_words() -> None:
    done = run("score", "nowhere", "--method", "foo")
    assert done.exit_code == 2
    assert "'--method': 'foo' is not one of 'latent'" in " ".join(done.stderr.split())
    assert "Value error" not in done.output


def test_scores_by_language_are_the_librarys(small: Path) -> None:
    study = hs.read_study(small).without_flagged()
    language = next(name for name in study.languages if name != "en")
    scores = hs.fit_profile(study).hat()
    done = run("score", small, "--by", "language", "--json", "--seed", "3")
    printed = json.loads(done.stdout)
    found = scores.by("language")
    assert [row["estimate"] for row in printed["scores"]] == pytest.approx(list(found.estimates))
    apart = found.against_mean(rng=3)["p_adjusted"]
    assert [row["p_adjusted"] for row in printed["against_mean"]] == pytest.approx(list(apart))
    one = json.loads(run("compare", small, "m_1", "m_7", "--language", language, "--json").stdout)
    assert [row["language"] for row in one["rows"]] == ["", language, language]
    assert scores.contrast("m_1", "m_7", languages=language).term.endswith(language)
    assert "go with --by" in fails(run("score", small, "--each"), 2)
    assert "no such target language" in fails(run("score", small, "--languages", "zz"), 2)
    assert "no such model" in fails(run("compare", small, "m_1", "nobody"), 2)


def test_accuracies_in_per_cent_need_their_trials_and_that_is_said(tmp_path: Path) -> None:
    table = tmp_path / "wide.csv"
    table.write_text("model,en,de,sw\na,80.1,70.2,40\nb,75,66,35\nc,60.5,55,31\n", "utf-8")
    said = " ".join(fails(run("score", table, "--source", "en"), 2).split())
    assert "accuracies in per cent, a column n_trials" in said
    table.write_text("model,en,de,n_trials\na,80.1,70.2,500\nb,75,66,500\nc,60,55,500\n", "utf-8")
    assert run("score", table, "--source", "en").exit_code == 0


def test_flagged_rows_are_never_left_out_without_a_word(small: Path) -> None:
    assert "Note: flagged and left out: 1 cell (" in run("score", small).stderr
    used = run("score", small, "--with-flagged")
    assert "left out;" not in used.stderr
    assert "without_flagged() leaves them out" in " ".join(used.stdout.split())
    check = run("check", small).stdout
    assert "Flagged, and left out of every analysis: 1 cell (" in check
    assert "none of them" not in check


def test_the_report_prints_at_most_80_columns(reported: tuple[Path, Result]) -> None:
    lines = [line for line in reported[1].stdout.splitlines() if not line.startswith("Report: ")]
    assert len(lines) >= 5
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "report"])
def test_every_verb_prints_json(small: Path, verb: str) -> None:
    done = run(verb, small, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)


def test_the_verbs_agree_with_the_library(small: Path) -> None:
    study = hatstats.read_study(small).without_flagged()
    profile = hatstats.fit_profile(study)
    scores = json.loads(run("score", small, "--json").stdout)["scores"]
    expected = dict(zip(profile.hat().models, profile.hat().estimates, strict=True))
    assert {row["model"]: row["estimate"] for row in scores} == pytest.approx(expected, rel=1e-9)
    claims = json.loads(run("claims", small, "--json").stdout)
    verdicts = hatstats.evaluate_claims(profile, study.claims)
    assert [row["verdict"] for row in claims["claims"]] == [verdict.verdict for verdict in verdicts]
    flagged = json.loads(run("score", small, "--json", "--with-flagged").stdout)["scores"]
    assert flagged != scores


def test_item_level_studies_go_through_every_verb(tmp_path: Path) -> None:
    item_study().write(tmp_path / "items")
    for verb in ("score", "measures", "check"):
        assert run(verb, tmp_path / "items").exit_code == 0
    assert "latent" in run("score", tmp_path / "items").stdout
    done = run("claims", tmp_path / "items")
    assert done.exit_code == 0
    assert "No claims are registered" in done.stdout


@pytest.mark.filterwarnings("ignore:.*wordings say little")
@pytest.mark.slow
def test_the_scope_of_wordings_goes_through_every_verb(tmp_path: Path) -> None:
    shape = hatstats.Shape(60, 2, 3, wording_sd=0.5)
    study = hatstats.simulate_study([-0.5, 0.0, 0.3, 0.6, 0.9, 1.2, 1.5], shape=shape, rng=2)
    claim = {"name": "better", "kind": "contrast", "model": "model-02", "other": "model-01"}
    folder = replace(study, claims=({**claim, "threshold": 0.0},)).write(tmp_path / "study")
    asked = ("--method", "observed", "--scope", "wordings like these")
    assert "95% intervals, wordings like these)" in run("score", folder, *asked).stdout
    scored = json.loads(run("score", folder, *asked, "--json").stdout)
    assert scored["scope"] == "wordings like these"
    wider = hatstats.fit_profile(study, method="observed").hat(scope="wordings like these")
    found = [row["std_error"] for row in scored["scores"]]
    assert found == pytest.approx(list(wider.std_errors), rel=1e-6)
    assert "effective_trials" in scored["scores"][0]
    trend = ("--formula", "log10(params_total)", "--json")
    terms = json.loads(run("trend", folder, *asked, *trend).stdout)["terms"]
    assert "wordings like these" in terms[0]["method"]
    (verdict,) = json.loads(run("claims", folder, *asked, "--json").stdout)["claims"]
    assert "sampling of items and of wordings like these" in verdict["method"]
    contrast = wider.contrast("model-02", "model-01")
    assert verdict["std_error"] == pytest.approx(contrast.std_error, rel=1e-6)
    table = json.loads(run("specification", folder, *asked, "--quick", "--json").stdout)
    assert {row["scope"] for row in table["specifications"]} == {"wordings like these"}
    assert run("report", folder, "--out", tmp_path / "out", *asked, "--quick").exit_code == 0
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert set(scores["scope"]) == {"wordings like these"}
    assert (scores["effective_trials"] == 3.0).all()
    tables = (tmp_path / "out" / "tables" / "scores.tex").read_text(encoding="utf-8")
    for text in (tables, (tmp_path / "out" / "report.html").read_text(encoding="utf-8")):
        assert "wordings like these" in text
        assert "Trials" in text
    numbers = (tmp_path / "out" / "numbers.tex").read_text(encoding="utf-8")
    assert "\\newcommand{\\HatScope}{wordings like these}" in numbers
    refused = run("score", ROOT / "data" / "euroeval", "--scope", "wordings like these")
    assert "What is missing: counts per item" in fails(refused, 2)


def broken(small: Path, folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """Copy a study with its counts changed."""
    folder.mkdir()
    for file in small.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    change(pd.read_csv(folder / "counts.csv")).to_csv(folder / "counts.csv", index=False)
    return folder


def too_many(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(n_correct=rows["n_correct"].where(rows.index != 4, 5000.0))


def twice(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows.iloc[[2]]])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("change", [too_many, twice])
def test_wrong_data_exit_2_with_one_message_bad_input(
    small: Path, tmp_path: Path, verb: str, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    folder = broken(small, tmp_path / "broken", change)
    out = tmp_path / "out"
    message = fails(run(verb, folder, *(("--out", out) if verb == "report" else ())), 2)
    assert "counts.csv" in message
    assert "row " in message
    assert "Hint: " in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken"]


def test_a_study_that_is_not_there_bad_input(tmp_path: Path) -> None:
    message = fails(run("report", tmp_path / "nowhere", "--out", tmp_path / "out"), 2)
    assert "nowhere" in message
    assert list(tmp_path.iterdir()) == []


def test_an_analysis_that_fails_exits_1(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_to_fit(*_: object, **__: object) -> None:
        raise FitError("no maximum was found")

    monkeypatch.setattr("hatstats.estimators.methods.fit_profile", fails_to_fit)
    assert "no maximum was found" in fails(run("score", small), 1)


def test_one_family_has_no_trend_bad_input(tmp_path: Path) -> None:
    aggregate_study(count=9, families=1).write(tmp_path / "study")
    message = fails(run("trend", tmp_path / "study"), 2)
    assert "models are of one family" in message
    assert "families are needed" in message


@pytest.mark.parametrize("verb", ["report", "score", "trend"])
def test_one_model_only_bad_input(tmp_path: Path, verb: str) -> None:
    aggregate_study(count=1, families=1).write(tmp_path / "study")
    out = ("--out", tmp_path / "out") if verb == "report" else ()
    message = fails(run(verb, tmp_path / "study", *out), 2)
    assert "1 model" in message
    assert not (tmp_path / "out").exists()


def test_one_family_still_has_a_report_with_the_reason(tmp_path: Path) -> None:
    aggregate_study(count=9, families=1).write(tmp_path / "study")
    done = run("report", tmp_path / "study", "--out", tmp_path / "out", "--quick")
    assert done.exit_code == 0, done.output
    claims = pd.read_csv(tmp_path / "out" / "claims.csv")
    assert set(claims["verdict"]) == {"not testable"}
    assert claims["reason"].str.contains("family").all()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "not testable" in page


@pytest.mark.parametrize("kind", ["file", "under a file", "other folder"])
def test_an_out_that_cannot_be_written_stops_before_the_work_bad_input(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the analysis was started")

    monkeypatch.setattr(analysis_module, "analyse", never)
    file = tmp_path / "thesis.tex"
    file.write_text("years of work")
    out = {"file": file, "under a file": file / "run", "other folder": tmp_path}[kind]
    message = fails(run("report", small, "--out", out), 2)
    assert "--out" in message
    assert file.read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("report",),
        ("score",),
        ("score", "{small}", "--conf-level", "95"),
        ("score", "{small}", "--method", "magic"),
        ("report", "{small}", "--out", "x", "--seed", "-1"),
        ("trend", "{small}", "--vcov", "HC9"),
        ("dance", "{small}"),
        ("score", "{small}", "--no-such-option"),
    ],
)
def test_wrong_arguments_exit_2_bad_input(small: Path, arguments: tuple[str, ...]) -> None:
    done = run(*(each.format(small=small) for each in arguments))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr) > 20


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "{small}", "--reference", "model:nobody"),
        ("score", "{small}", "--reference", "nonsense"),
        ("trend", "{small}", "--formula", "no_such_column"),
        ("trend", "{small}", "--formula", "log10("),
        ("trend", "{small}", "--cluster", "no_such_column"),
    ],
)
def test_wrong_values_exit_2_with_a_hint_bad_input(small: Path, arguments: tuple[str, ...]) -> None:
    message = fails(run(*(each.format(small=small) for each in arguments)), 2)
    assert "Hint: " in message


def test_debug_shows_the_traceback_and_keeps_the_status(tmp_path: Path) -> None:
    done = run("score", tmp_path / "nowhere", "--debug")
    assert done.exit_code == 2
    assert "Traceback" in done.stderr
    assert done.stderr.rstrip().splitlines()[-1].startswith("Error: ")


def test_a_fault_of_ours_is_one_message_too(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("hatstats.estimators.methods.fit_profile", fault)
    message = fails(run("score", small), 1)
    assert "ZeroDivisionError: oops" in message
    assert "--debug" in message


def test_warnings_are_one_line_each_and_said_once(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = hatstats.fit_profile

    def warning(*given: object, **options: object) -> object:
        for _ in range(3):
            warnings.warn("few\n  items", DegenerateDataWarning, stacklevel=1)
        warnings.warn("noise of a library", RuntimeWarning, stacklevel=1)
        return fit(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("hatstats.estimators.methods.fit_profile", warning)
    before = warnings.filters[:]
    done = run("score", small)
    assert done.exit_code == 0
    note, *warned = done.stderr.splitlines()
    assert note.startswith("Note: flagged and left out: 1 cell (")
    assert warned == ["Warning: few items"]
    assert warnings.filters == before


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from hatstats.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_is_light() -> None:
    code = (
        "import sys\nfrom hatstats.cli import main\ntry:\n    main()\nfinally:\n"
        "    heavy = {'numpy', 'pandas', 'scipy', 'matplotlib', 'statsmodels', 'pymc', 'jinja2'}\n"
        "    assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for verb in VERBS:
        assert verb in done.stdout


def test_version_and_threads() -> None:
    done = command("--version")
    assert done.stdout == f"hatstats {hatstats.__version__}\n"
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    environment.pop("OPENBLAS_NUM_THREADS", None)
    code = (
        "import os\nfrom hatstats.cli import main\ntry:\n    main()\nfinally:\n"
        "    print(os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert done.stdout.splitlines()[-1] == "2 1"


def test_a_pipe_that_closes_is_no_fault_of_ours(small: Path) -> None:
    code = "from hatstats.cli import main; main()"
    done = subprocess.run(
        f'"{sys.executable}" -c "{code}" check "{small}" | head -n 1',
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "small is valid. Every finding is flagged already.\n"
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_verb_the_help_is_shown() -> None:
    done = run()
    assert done.exit_code == 2
    assert "report" in done.output


@pytest.mark.slow
def test_plan_and_stress_need_no_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, made = designs.plan, []

    def made_once(*arguments: Any, **options: Any) -> Any:
        if not made:
            made.append(make(*arguments, **options))
        return made[0]

    monkeypatch.setattr(designs, "plan", made_once)
    few = ("--items", "40", "--trials", "4", "--languages", "1")
    done = run("plan", *few, "--families", "2,2,2", "--precision", "0.5")
    assert done.exit_code == 0, done.output
    assert "Cheapest with a standard error of 0.5: 40 items" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    none = run("plan", *few, "--families", "2,2,2", "--precision", "1e-9", "--json")
    assert json.loads(none.stdout)["cheapest"] == []
    assert "whole numbers" in fails(run("plan", *few, "--families", "2;2"), 2)
    out = tmp_path / "stress"
    done = run("stress", "--items", "150", "--studies", "1", "--out", out)
    assert done.exit_code == 0, done.output
    assert "HAT, latent, pooled" in done.stdout
    assert {path.name for path in out.iterdir()} >= {"stress.csv", "stress.svg"}
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_claims_can_be_locked_once(tmp_path: Path) -> None:
    aggregate_study().write(tmp_path / "s")
    assert "not locked" in run("claims", tmp_path / "s").stdout
    assert "claims.lock" in run("claims", tmp_path / "s", "--lock").stdout
    assert "as locked on" in run("claims", tmp_path / "s").stdout
    assert "locked already" in fails(run("claims", tmp_path / "s", "--lock"), 2)


def test_a_table_gives_a_report_without_another_flag_than_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = hs.simulate_study([-0.5, 0.0, 0.5], shape=hs.Shape(n_items=40, n_languages=1), rng=1)
    monkeypatch.chdir(tmp_path)
    study.counts.drop(columns="flag").to_csv("people.csv", index=False)
    (source,) = set(study.counts.loc[study.is_source, "language"])
    done = run("report", "people.csv", "--source", source, "--method", "observed", "--quick")
    assert done.exit_code == 0
    assert Path("results/people/report.html").is_file()
