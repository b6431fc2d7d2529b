"""The verb of the hierarchical model: `bayes`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hatstats.cli.front import FAILED, Choice, verb
from hatstats.cli.inputs import StudyPath, read
from hatstats.cli.terminal import print_json, progress_bar, say

Level = Literal["cells", "counts", "items"]
Sampler = Literal["auto", "nutpie", "pymc", "numpyro", "blocked", "independence"]


@verb("seed", "conf_level", "with_flagged", "quick")
def bayes(
    study: StudyPath,
    *,
    trend: Annotated[
        str | None, typer.Option(help="Covariates; those of the registered claims if not given.")
    ] = None,
    level: Annotated[Level, typer.Option(help="Rung: cells, counts or items.")] = "cells",
    draws: Annotated[int, typer.Option(help="Draws kept in each of four chains.")] = 500,
    sampler: Annotated[
        Sampler, typer.Option(help="auto, nutpie, pymc, numpyro, blocked (counts), independence.")
    ] = "auto",
    keep: Annotated[
        Path | None, typer.Option(help="Folder of finished chains: a stopped run goes on there.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Where to save the posterior: NAME.zarr or NAME.nc.")
    ] = None,
    choice: Choice,
) -> None:
    """Sample one posterior over all models, benchmarks and languages; print scores and claims.

    --quick uses the cell rung. The exit status is 1 where a check of the fit failed.
    """
    _, used = read(study, choice)
    from hatstats.bayes.claim_fits import ClaimFits, fit_claims
    from hatstats.bayes.fit import fit_hierarchical
    from hatstats.bayes.settings import Sampling

    rung: Level = "cells" if choice.quick else level
    with progress_bar() as progress:
        how = Sampling(draws=draws, sampler=sampler, keep=keep, progress=progress)
        if trend is None:
            found = fit_claims(used, level=rung, sampling=how, rng=choice.seed)
        else:
            fit = fit_hierarchical(used, trend=trend, level=rung, sampling=how, rng=choice.seed)
            found = ClaimFits({trend: fit}, fit.claims())
        progress("checks", 1.0)
        checks = found.checks()
    main = found.main
    if save is not None:
        main.save(save)
    if choice.json:
        print_json(
            {
                "method": main.method,
                "trend": main.design.formula,
                "scores": main.hat().tidy(choice.conf_level),
                "ranks": main.hat().ranks(choice.conf_level),
                "terms": main.tidy(choice.conf_level),
                "claims": found.claims,
                "checks": checks,
            }
        )
    else:
        say(main.summary(choice.conf_level))
        for row in found.claims.to_dict("records"):
            known = row["p_claim"] == row["p_claim"]
            say(
                f"{row['name']}: P = {row['p_claim']:.3f}; {row['quantity']} "
                f"{row['estimate']:.3f} [{row['conf_low']:.3f}, {row['conf_high']:.3f}], "
                f"threshold {row['threshold']:g}, P(in ROPE) {row['p_in_rope']:.3f}"
                if known
                else f"{row['name']}: {row['reason']}"
            )
    if not checks["passed"].all():
        raise typer.Exit(FAILED)
