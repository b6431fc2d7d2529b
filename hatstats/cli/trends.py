"""Verbs about many models: `trend`, `claims`, `specification`, `bayes`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hatstats.cli.front import FAILED, Choice, StudyPath, read, trend_source, verb
from hatstats.cli.terminal import print_json, print_tables, progress_bar, say

if TYPE_CHECKING:
    import pandas as pd

    from hatstats.bayes.result import HierarchicalFit

Cells = Literal["latent", "joint", "panel", "observed"]
Sampler = Literal["nutpie", "pymc"]
Vcov = Literal["CR2", "CR3", "CR1", "CR0"]


@verb("conf_level", "reference", "method", "scope", "with_flagged")
def trend(
    study: StudyPath,
    *,
    formula: Annotated[
        str, typer.Option(help="Covariates of the models, as a formula.")
    ] = "log10(params_total) + release_year",
    cluster: Annotated[str, typer.Option(help="Column of the clusters.")] = "family",
    vcov: Annotated[Vcov, typer.Option(help="Cluster-robust covariance estimator.")] = "CR2",
    choice: Choice,
) -> None:
    """Print the trend of transfer over model size, release date or other covariates."""
    _, used = read(study, choice)
    from hatstats.trends.regression import fit_trend

    source = trend_source(used, choice)
    fit = fit_trend(source, formula, cluster=cluster, vcov=vcov)
    if choice.json:
        print_json(
            {
                "formula": fit.formula,
                "scale": fit.scale,
                "terms": fit.tidy(choice.conf_level),
                "accuracy_slopes": fit.accuracy_slopes(choice.conf_level),
                "comparison": fit.comparison(choice.conf_level, rng=choice.seed),
                "left_out": fit.left_out,
            }
        )
        return
    from hatstats.inference.intervals import percent
    from hatstats.scores.score_text import how_scored
    from hatstats.study.model_metadata import term_words
    from hatstats.trends.trend_text import trend_facts, trend_notes

    *head, variances = trend_facts(fit)
    say("\n".join(head) + f"; {percent(choice.conf_level)} intervals")
    say(how_scored(source.method, getattr(source, "reference", "")))
    print_tables(terms=fit.tidy(choice.conf_level))
    say(term_words("\n".join([variances, *trend_notes(fit)])))
    if len(fit.design.terms) == 1:
        from hatstats.errors import NotIdentifiedError
        from hatstats.trends.within_series import family_slopes

        try:
            slopes = family_slopes(fit.scores, formula, cluster=cluster, vcov=vcov)
            say(slopes.summary(choice.conf_level))
        except NotIdentifiedError as error:
            say(f"No slopes within series: {error.reason}.")


@verb("reference", "method", "scope", "with_flagged")
def claims(
    study: StudyPath,
    *,
    lock: Annotated[
        bool, typer.Option("--lock", help="Write the claims as they are to claims.lock, and stop.")
    ] = False,
    template: Annotated[
        bool, typer.Option("--template", help="Print claims of every kind to edit, as TOML; stop.")
    ] = False,
    margins: Annotated[
        bool,
        typer.Option("--margins", help="Show verdicts of non-inferiority for other margins."),
    ] = False,
    choice: Choice,
) -> None:
    """Print the verdict on every claim that the study registers."""
    data, used = read(study, choice)
    from hatstats.study.claim_lock import lock_claims, registration

    if lock:
        print(f"Locked: {lock_claims(data)}")
        return
    if template:
        from hatstats.trends.claims.template import claim_template

        print(claim_template(data), end="")
        return
    if not data.claims:
        say(_no_claims(study))
        return
    from hatstats.report.tables.rounding import term_words
    from hatstats.scores.score_text import how_scored
    from hatstats.trends.claims.non_inferiority import margin_curves
    from hatstats.trends.claims.verdicts import evaluate_claims

    registered = registration(data)
    source = trend_source(used, choice)
    verdicts = evaluate_claims(source, data.claims, registration=registered)
    if choice.json:
        print_json(
            {
                "hash": registered.hash,
                "locked_hash": registered.locked_hash,
                "locked_on": registered.locked_on,
                "deviations": registered.deviations,
                "claims": verdicts.tidy(),
                "margins": margin_curves(verdicts),
            }
        )
        return
    for verdict in verdicts:
        say(term_words(verdict.summary()))
    if margins:
        print_tables(margins=margin_curves(verdicts))
    say(f"Rule: {verdicts[0].rule}.")
    for line in registered.lines():
        say(line)
    say(how_scored(source.method, getattr(source, "reference", "")))


def _no_claims(study: Path) -> str:
    """What to do about a study without claims."""
    template = f"hatstats claims {study} --template prints claims to edit"
    if not study.is_file():
        return f"No claims are registered: {study / 'study.toml'} has no [[claims]]. {template}."
    return (
        f"A table registers no claims. hatstats convert {study} --out STUDY makes a study of it; "
        f"claims stand in its study.toml, and {template}."
    )


@verb("reference", "method", "scope", "with_flagged", "quick")
def specification(study: StudyPath, *, choice: Choice) -> None:
    """Judge every claim under all combinations of choices (--quick: one at a time)."""
    from hatstats.study.read import read_study

    data = read_study(study)
    if not data.claims:
        say(_no_claims(study))
        return
    from hatstats.study.claim_lock import registration
    from hatstats.trends.claims.multiverse import default_specification, list_specifications
    from hatstats.trends.claims.specifications import specification_table, verdict_shares

    base = default_specification(
        data,
        method=choice.method,
        reference=choice.reference,
        flagged=choice.with_flagged,
        scope=choice.scope,
    )
    with progress_bar() as progress:
        table = specification_table(
            data,
            specifications=list_specifications(data, base, cross=not choice.quick),
            registration=registration(data),
            progress=progress,
        )
    shares = verdict_shares(table)
    if choice.json:
        print_json({"specifications": table, "shares": shares})
        return
    say(
        "How many of the analyses give each verdict, then each analysis. Shares are of each claim "
        "alone. Analyses are not independent: shares are no probabilities."
    )
    print_tables(shares=shares, specification=table)


def _print_posterior(
    main: HierarchicalFit, claims: pd.DataFrame, checks: pd.DataFrame, choice: Choice
) -> None:
    """Scores, claims and terms of a posterior: sentences, tables, and what to beware of."""
    from hatstats.bayes.scores import precision
    from hatstats.inference.intervals import percent
    from hatstats.report.tables.rounding import term_words, words
    from hatstats.scores.score_text import how_scored

    hat, level = main.hat(), choice.conf_level
    say(f"{hat.estimand} {how_scored(hat.method, hat.reference)} {percent(level)} intervals.")
    for row in claims.to_dict("records"):
        known = row["p_claim"] == row["p_claim"]
        say(
            f"{words(row['name'])}: probability {row['p_claim']:.3f}; "
            f"{term_words(row['quantity'])} {row['estimate']:.3f} [{row['conf_low']:.3f}, "
            f"{row['conf_high']:.3f}], threshold {row['threshold']:g}, probability of practical "
            f"equivalence {row['p_in_rope']:.3f}"
            if known
            else f"{words(row['name'])}: {row['reason']}"
        )
    rows = hat.best_first(level)
    digits, notes = precision(rows)
    # As many decimals as the draws allow.
    print_tables(
        bayes_scores=rows.assign(std_error=5.0 * 10.0**-digits), bayes_terms=main.tidy(level)
    )
    say("\n".join(notes))
    failed = checks[~checks["passed"].astype(bool)]
    for trend, text in zip(failed["trend"].map(term_words), failed["words"], strict=True):
        say(f"FAILED{f', trend {trend}' if trend else ''}: {text}.")
    passed = "" if len(failed) else " All checks of the sampler and of the model passed."
    say(f"Drawn with seed {choice.seed}.{passed}")


_OTHER_TREND = "about another trend than this formula; without --formula every claim is fitted."


@verb("seed", "conf_level", "with_flagged")
def bayes(
    study: StudyPath,
    *,
    formula: Annotated[
        str | None, typer.Option(help="Covariates; by default those of the registered claims.")
    ] = None,
    cells: Annotated[
        Cells | None,
        typer.Option(help="Estimator of item-level cells; by default what their trials allow."),
    ] = None,
    draws: Annotated[int, typer.Option(help="Draws kept in each of four chains.")] = 1000,
    sampler: Annotated[Sampler, typer.Option(help="nutpie or pymc.")] = "nutpie",
    save: Annotated[
        Path | None, typer.Option(help="File for the posterior, as NetCDF: NAME.nc.")
    ] = None,
    choice: Choice,
) -> None:
    """Sample one posterior over all models, benchmarks and languages; print scores and claims.

    The exit status is 1 where a check of the fit failed.
    """
    _, used = read(study, choice)
    from hatstats.bayes.fit import fit_claims, fit_hierarchical
    from hatstats.bayes.options import CellOptions, Sampling
    from hatstats.bayes.result import ClaimFits, posterior_written
    from hatstats.study.outputs import check_output

    if save is not None:
        check_output(save, posterior_written, name="--save")
    options = CellOptions(method=cells)
    with progress_bar() as progress:
        how = Sampling(draws=draws, sampler=sampler, progress=progress)
        if formula is None:
            found = fit_claims(used, cells=options, sampling=how, rng=choice.seed)
        else:
            fit = fit_hierarchical(
                used, formula=formula, cells=options, sampling=how, rng=choice.seed
            )
            found = ClaimFits({formula: fit}, fit.claims(), choice.seed)
        progress("checks", 1.0)
        checks = found.checks()
    main, claims = found.main, found.claims
    if formula is not None:
        claims["reason"] = claims["reason"].where(claims["reason"] == "", _OTHER_TREND)
    if save is not None:
        main.save(save)
    if choice.json:
        print_json(
            {
                "method": main.method,
                "formula": main.design.formula,
                "scores": main.hat().tidy(choice.conf_level),
                "ranks": main.hat().ranks(choice.conf_level),
                "terms": main.tidy(choice.conf_level),
                "claims": claims,
                "checks": checks,
            }
        )
    else:
        _print_posterior(main, claims, checks, choice)
    if not checks["passed"].all():
        raise typer.Exit(FAILED)
