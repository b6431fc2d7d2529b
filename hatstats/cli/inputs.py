"""What verbs work on: a study with and without its flagged cells, and what trends are fitted to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hatstats.cli.front import Choice

if TYPE_CHECKING:
    from hatstats.scores.scores import HatScores
    from hatstats.scores.transfer_profile import TransferProfile
    from hatstats.study import Study

StudyPath = Annotated[Path, typer.Argument(help="A study folder, or one CSV or Parquet table.")]


def read(path: Path, choice: Choice) -> tuple[Study, Study]:
    """Read a study; return it whole, and without flagged cells unless they were asked for."""
    from hatstats.study.read import read_study

    study = read_study(path)
    return study, study if choice.with_flagged else study.without_flagged()


def trend_source(study: Study, choice: Choice) -> TransferProfile | HatScores:
    """What trends are fitted to: an aggregate profile, or item-level scores."""
    from hatstats.estimators.methods import fit_profile

    profile = fit_profile(study, method=choice.method)
    return profile if profile.method == "aggregate" else profile.hat(choice.reference)
