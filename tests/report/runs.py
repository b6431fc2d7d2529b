"""One analysis and one run folder of the small study, shared by all tests that look at them."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from hatstats.report.results.analysis import analyse
from hatstats.report.results.results import ReportOptions, Results
from hatstats.report.run_folder import write_run
from hatstats.study.read import read_study
from tests.report.studies import aggregate_study, item_study

DATA = Path(__file__).parents[2] / "data"
ARGUMENTS = {"study": "data/small", "seed": 1, "quick": False}
_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _folder() -> Path:
    """A folder that stays until the tests end."""
    _KEPT.append(tempfile.TemporaryDirectory())
    return Path(_KEPT[-1].name)


@cache
def small_study() -> Path:
    """Folder of the small study of accuracies."""
    aggregate_study().write(_folder() / "small")
    return Path(_KEPT[-1].name) / "small"


@cache
def small_job(*, quick: bool = False) -> tuple[Results, list[tuple[str, float]]]:
    """The analysis of the small study, and the progress that it reported."""
    steps: list[tuple[str, float]] = []
    study, options = read_study(small_study()), ReportOptions(quick=quick)
    done = analyse(study, options, progress=lambda what, share: steps.append((what, share)))
    return done, steps


def small_analysis(*, quick: bool = False) -> Results:
    """The analysis of the small study."""
    return small_job(quick=quick)[0]


@cache
def small_run() -> Path:
    """Run folder of the small study."""
    return write_run(small_analysis(), _folder() / "out", arguments=ARGUMENTS)


@cache
def real_analysis(name: str) -> Results:
    """The analysis of a study of this repository; only that of euroeval has the other choices."""
    return analyse(read_study(DATA / name), ReportOptions(quick=name != "euroeval"))


@cache
def item_analysis() -> Results:
    """The analysis of the small study of items."""
    return analyse(item_study(), ReportOptions(quick=True))
