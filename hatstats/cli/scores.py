"""Verbs about how strong transfer is: `score`, `measures`, `decompose`."""

from __future__ import annotations

from typing import Annotated

import typer

from hatstats.cli.front import Choice, StudyPath, read, verb
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
        bool, typer.Option("--agreement", help="Show the rank agreement of HAT with each measure.")
    ] = False,
    choice: Choice,
) -> None:
    """Print every other measure of transfer that the study allows."""
    _, used = read(study, choice)
    from hatstats.other_measures.draws import measure_draws
    from hatstats.other_measures.table import measures as measure

    rows = measure(used, conf_level=choice.conf_level, rng=choice.seed)
    ranking = None
    if agreement:
        draws = measure_draws(
            used, method=choice.method, reference=choice.reference, rng=choice.seed
        )
        ranking = draws.agreement(choice.conf_level)
    if choice.json:
        print_json(rows if ranking is None else {"measures": rows, "agreement": ranking})
        return
    from hatstats.report.tables.run_tables import measures_table, other_measures_table, table_of
    from hatstats.report.tables.text_table import to_text

    print(to_text(measures_table(rows, intervals=False), width=WIDTH))
    print(to_text(other_measures_table(rows), width=WIDTH), end="")
    if ranking is not None:
        text = to_text(table_of("agreement", ranking))
        print(f"\nRank agreement with HAT (Kendall's tau)\n{text}", end="")


@verb("conf_level", "method", "with_flagged")
def decompose(
    study: StudyPath,
    before: Annotated[str, typer.Argument(help="A model, a year, or models joined by commas.")],
    after: Annotated[str, typer.Argument(help="What to compare with, in the same form.")],
    *,
    family: Annotated[
        str | None, typer.Option(help="With years: only the models of this family.")
    ] = None,
    choice: Choice,
) -> None:
    """Split a change in raw target accuracy into source ability and transfer."""
    _, used = read(study, choice)
    from hatstats.trends.decomposition import decompose as split

    sides = [_side(text, used.model_names) for text in (before, after)]
    found = split(used, sides[0], sides[1], family=family, method=choice.method)
    if choice.json:
        facts = {"before": found.before, "after": found.after, "raw": found.raw}
        print_json({**facts, "parts": found.tidy(choice.conf_level)})
    else:
        print(found.summary(choice.conf_level))


def _side(text: str, models: list[str]) -> str | int | list[str]:
    """The name of a model, a year, or several names."""
    if text in models:
        return text
    if text.isdigit() and len(text) == 4:
        return int(text)
    return [part.strip() for part in text.split(",")] if "," in text else text
