"""The verb of the hierarchical model: `bayes`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hatstats.cli.front import FAILED, Choice, StudyPath, read, verb
from hatstats.cli.terminal import print_json, progress_bar, say

Method = Literal["latent", "joint", "observed"]
Sampler = Literal["nutpie", "pymc"]


@verb("seed", "conf_level", "with_flagged")
def bayes(
    study: StudyPath,
    *,
    formula: Annotated[
        str | None, typer.Option(help="Covariates; by default those of the registered claims.")
    ] = None,
    cells: Annotated[
        Method, typer.Option(help="Estimator of item-level cells; joint for one trial per item.")
    ] = "latent",
    draws: Annotated[int, typer.Option(help="Draws kept in each of four chains.")] = 1000,
    sampler: Annotated[Sampler, typer.Option(help="nutpie or pymc.")] = "nutpie",
    save: Annotated[
        Path | None, typer.Option(help="Where to save the posterior: NAME.zarr or NAME.nc.")
    ] = None,
    choice: Choice,
) -> None:
    """Sample one posterior over all models, benchmarks and languages; print scores and claims.

    The exit status is 1 where a check of the fit failed.
    """
    _, used = read(study, choice)
    from hatstats.bayes.fit import ClaimFits, fit_claims, fit_hierarchical
    from hatstats.bayes.options import CellOptions, Sampling

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
    main = found.main
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
