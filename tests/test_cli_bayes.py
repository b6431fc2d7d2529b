"""The verb of the hierarchical model: what it prints, and its exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hatstats.bayes.fit import fit_hierarchical
from hatstats.cli import app
from hatstats.study import Study
from tests.bayes.cases import panel_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return panel_study().write(tmp_path_factory.mktemp("study") / "panel")


@pytest.fixture(autouse=True, scope="module")
def each_fit_once() -> Iterator[None]:
    """Compiling takes longer than drawing: every call asks for 60 draws."""
    stored: dict[str, object] = {}

    def fit_once(study: Study, **options: object) -> object:
        key = str(options["formula"])
        if key not in stored:
            stored[key] = fit_hierarchical(study, **options)  # type: ignore[arg-type]
        return stored[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hatstats.bayes.fit.fit_hierarchical", fit_once)
        yield


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_few_draws_fail_checks_and_the_exit_status_says_so(study: Path, tmp_path: Path) -> None:
    given = ("--formula", "release_year", "--draws", "60", "--json")
    done = run("bayes", study, *given, "--save", tmp_path / "fit.nc")
    assert done.exit_code == 1, done.output
    content = json.loads(done.stdout)
    failed = [row["check"] for row in content["checks"] if not row["passed"]]
    assert "ess_bulk" in failed
    known = [row for row in content["claims"] if row["p_claim"] is not None]
    assert [row["name"] for row in known] == ["progress_over_time"]
    reasons = {row["reason"] for row in content["claims"] if row["p_claim"] is None}
    assert len(reasons) == 1
    assert "without --formula every claim is fitted" in reasons.pop()
    assert len(content["scores"]) == len(panel_study().model_names)
    assert (tmp_path / "fit.nc").is_file()


def test_text_with_too_few_draws_has_fewer_decimals_and_the_number_needed(study: Path) -> None:
    done = run("bayes", study, "--formula", "release_year", "--draws", "60")
    assert done.exit_code == 1, "a check of the fit failed"
    assert "Too few draws for three decimals" in done.stdout
    assert "without --formula every claim is fitted" in " ".join(done.stdout.split())
    assert "fit_claims" not in done.stdout
    assert "Traceback" not in done.stderr


def test_wrong_arguments_are_one_message(study: Path) -> None:
    done = run("bayes", study, "--formula", "height")
    assert done.exit_code == 2
    assert "height" in done.stderr
    assert "Traceback" not in done.stderr
