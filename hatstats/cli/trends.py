"""Verbs about many models: `trend`, `claims`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from hatstats.cli.front import Choice, verb
from hatstats.cli.inputs import StudyPath, read, trend_source
from hatstats.cli.terminal import WIDTH, print_json, say

Vcov = Literal["CR2", "CR3", "CR1", "CR0"]


@verb("conf_level", "reference", "method", "with_flagged")
def trend(
    study: StudyPath,
    *,
    formula: Annotated[
        str, typer.Option(help="Covariates of the models.")
    ] = "log10(params_total) + release_year",
    cluster: Annotated[str, typer.Option(help="Column of the clusters.")] = "family",
    vcov: Annotated[Vcov, typer.Option(help="Cluster-robust covariance.")] = "CR2",
    choice: Choice,
) -> None:
    """Print the trend of transfer over model size, release date or other covariates."""
    _, used = read(study, choice)
    from hatstats.trends.regression import fit_trend

    fit = fit_trend(trend_source(used, choice), formula, cluster=cluster, vcov=vcov)
    if choice.json:
        print_json(
            {
                "formula": fit.formula,
                "scale": fit.scale,
                "terms": fit.tidy(choice.conf_level),
                "accuracy_slopes": fit.accuracy_slopes(choice.conf_level),
                "comparison": fit.comparison(choice.conf_level),
                "left_out": fit.left_out,
            }
        )
        return
    say(fit.summary(choice.conf_level))
    if fit.left_out:
        say(f"Left out for want of a covariate: {', '.join(fit.left_out)}.")


@verb("reference", "method", "with_flagged")
def claims(
    study: StudyPath,
    *,
    lock: Annotated[
        bool, typer.Option("--lock", help="Lock the claims as they are (claims.lock), and stop.")
    ] = False,
    margins: Annotated[
        bool, typer.Option("--margins", help="Show verdicts of non-inferiority for other margins.")
    ] = False,
    choice: Choice,
) -> None:
    """Print the verdict on every claim that the study registers."""
    data, used = read(study, choice)
    from hatstats.study.claim_lock import lock_claims, registration

    if lock:
        print(f"Locked: {lock_claims(data)}")
        return
    if not data.claims:
        print("No claims are registered: study.toml has no [[claims]].")
        return
    from hatstats.trends.claims.non_inferiority import margin_curves
    from hatstats.trends.claims.verdicts import claims_frame, evaluate_claims

    known = registration(data)
    verdicts = evaluate_claims(trend_source(used, choice), data.claims, registration=known)
    if choice.json:
        print_json(
            {
                "hash": known.hash,
                "locked_hash": known.locked_hash,
                "locked_on": known.locked_on,
                "deviations": known.deviations,
                "claims": claims_frame(verdicts),
                "margins": margin_curves(verdicts),
            }
        )
        return
    for verdict in verdicts:
        say(verdict.summary())
    if margins:
        from hatstats.report.tables.run_tables import margins_table
        from hatstats.report.tables.text_table import to_text

        print(to_text(margins_table(margin_curves(verdicts)), width=WIDTH), end="")
    say(f"Rule: {verdicts[0].rule}.")
    for line in known.lines():
        say(line)
