"""Verbs about what changes: `decompose`, `specification`."""

from __future__ import annotations

from typing import Annotated

import typer

from hatstats.cli.front import Choice, verb
from hatstats.cli.inputs import StudyPath, read
from hatstats.cli.terminal import WIDTH, print_json, progress_bar, say


@verb("conf_level", "method", "with_flagged")
def decompose(
    study: StudyPath,
    before: Annotated[str, typer.Argument(help="A model, a year, or models joined by commas.")],
    after: Annotated[str, typer.Argument(help="The same, to compare with.")],
    *,
    family: Annotated[
        str | None, typer.Option(help="With years: only models of this family.")
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
    """A model's name as it stands, a year, or several names."""
    if text in models:
        return text
    if text.isdigit() and len(text) == 4:
        return int(text)
    return [part.strip() for part in text.split(",")] if "," in text else text


@verb("reference", "method", "with_flagged", "quick")
def specification(study: StudyPath, *, choice: Choice) -> None:
    """Judge every claim under every defensible choice (--quick: one choice at a time)."""
    data, _ = read(study, choice)
    if not data.claims:
        print("No claims are registered: study.toml has no [[claims]].")
        return
    from hatstats.study.claim_lock import registration
    from hatstats.trends.claims.multiverse import all_specifications, default_specification
    from hatstats.trends.claims.specifications import specification_table, verdict_shares

    base = default_specification(
        data, method=choice.method, reference=choice.reference, flagged=choice.with_flagged
    )
    with progress_bar() as progress:
        table = specification_table(
            data,
            specifications=all_specifications(data, base, cross=not choice.quick),
            registration=registration(data),
            progress=progress,
        )
    shares = verdict_shares(table)
    if choice.json:
        print_json({"specifications": table, "shares": shares})
        return
    from hatstats.report.tables.run_tables import shares_table
    from hatstats.report.tables.run_tables import specification_table as layout
    from hatstats.report.tables.text_table import to_text

    print(to_text(layout(table), width=WIDTH))
    print(to_text(shares_table(shares), width=WIDTH), end="")
    say("Shares are of each claim alone. Analyses are not independent: a share is no probability.")
