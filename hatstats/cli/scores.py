"""Verbs about how strong transfer is: `score`, `measures`."""

from __future__ import annotations

from hatstats.cli.front import Choice, verb
from hatstats.cli.inputs import StudyPath, read
from hatstats.cli.terminal import WIDTH, print_json, say


@verb("conf_level", "reference", "method", "with_flagged")
def score(study: StudyPath, *, choice: Choice) -> None:
    """Print the HAT score of every model, best first."""
    _, used = read(study, choice)
    from hatstats.hat import fit_profile

    scores = fit_profile(used, method=choice.method).hat(choice.reference)
    if choice.json:
        facts = {"method": scores.method, "reference": scores.reference}
        print_json({**facts, "estimand": scores.estimand, "scores": scores.tidy(choice.conf_level)})
    else:
        say(scores.summary(choice.conf_level))


@verb("conf_level", "with_flagged")
def measures(study: StudyPath, *, choice: Choice) -> None:
    """Print gap, ratio and excess over the line, the measures that HAT argues with."""
    _, used = read(study, choice)
    from hatstats.hat import measures as measure

    rows = measure(used, conf_level=choice.conf_level)
    if choice.json:
        print_json(rows)
        return
    from hatstats.report.layouts import measures_table
    from hatstats.report.tables import to_text

    print(to_text(measures_table(rows, intervals=False), width=WIDTH), end="")
