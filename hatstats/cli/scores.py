"""Verbs about how strong transfer is: `score`, `measures`."""

from __future__ import annotations

from typing import Annotated

import typer

from hatstats.cli.front import Choice, verb
from hatstats.cli.inputs import StudyPath, read
from hatstats.cli.terminal import WIDTH, print_json, say


@verb("conf_level", "reference", "method", "with_flagged")
def score(study: StudyPath, *, choice: Choice) -> None:
    """Print the HAT score of every model, best first."""
    _, used = read(study, choice)
    from hatstats.estimators.methods import fit_profile

    scores = fit_profile(used, method=choice.method).hat(choice.reference)
    if choice.json:
        facts = {"method": scores.method, "reference": scores.reference}
        print_json({**facts, "estimand": scores.estimand, "scores": scores.tidy(choice.conf_level)})
    else:
        say(scores.summary(choice.conf_level))


@verb("seed", "conf_level", "reference", "method", "with_flagged")
def measures(
    study: StudyPath,
    *,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Show how far HAT and the measures rank alike.")
    ] = False,
    choice: Choice,
) -> None:
    """Print every measure that HAT argues with, as far as the study allows."""
    _, used = read(study, choice)
    from hatstats.measures.draws import measure_draws
    from hatstats.measures.table import measures as measure

    rows = measure(used, conf_level=choice.conf_level, rng=choice.seed)
    alike = None
    if agreement:
        draws = measure_draws(
            used, method=choice.method, reference=choice.reference, rng=choice.seed
        )
        alike = draws.agreement(choice.conf_level)
    if choice.json:
        print_json(rows if alike is None else {"measures": rows, "agreement": alike})
        return
    from hatstats.report.tables.run_tables import (
        agreement_table,
        measures_table,
        other_measures_table,
    )
    from hatstats.report.tables.text_table import to_text

    print(to_text(measures_table(rows, intervals=False), width=WIDTH))
    print(to_text(other_measures_table(rows), width=WIDTH), end="")
    if alike is not None:
        print(
            f"\nRank agreement with HAT (Kendall's tau)\n{to_text(agreement_table(alike))}", end=""
        )
