"""``python -m hatstats.calibration``: run the slow proofs and print their tables."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from typing import get_args

import numpy as np
import pandas as pd

from hatstats.bayes.fit import Level
from hatstats.bayes.settings import Sampling
from hatstats.calibration.coverage import CoverageDesign, coverage, tally
from hatstats.calibration.drift import Drift, drift
from hatstats.calibration.plans import power_against_simulation, precision_against_simulation
from hatstats.calibration.rungs import WorldDesign, rung_agreement, wrong_worlds
from hatstats.calibration.sbc import RankDesign, calibration_table, rank_statistics
from hatstats.calibration.stress import StressDesign, simulated
from hatstats.calibration.test_size import Covariate, SizeDesign, rejections
from hatstats.estimators.methods import Method
from hatstats.simulation.simulate import Shape, WorldName, simulate_study
from hatstats.trends.planning.assumptions import Assumptions
from hatstats.trends.planning.power import Panel

_WORLDS: tuple[WorldName, ...] = get_args(WorldName)
_PILED = (0.0, 0.35)


def _show(title: str, table: pd.DataFrame) -> None:
    """Print a table as Markdown, which a terminal shows as well as a page."""
    cells = [[str(name) for name in table.columns]]
    cells += [
        [f"{value:.4f}" if isinstance(value, float) else str(value) for value in row]
        for row in table.itertuples(index=False)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    print(f"\n### {title}\n", *lines, sep="\n", flush=True)


def show_drift(designs: Sequence[Drift], methods: Sequence[Method], seeds: int, seed: int) -> None:
    """Print drift and bias of the measures in some designs."""
    parts = [drift(design, methods=methods, n_seeds=seeds, rng=seed) for design in designs]
    table = pd.concat(parts, ignore_index=True)
    case = ["n_trials", "piled", "world"]
    for column in ("spread", "spread_of_means"):
        wide = table.pivot_table(column, case, ["measure", "reference"], sort=False)
        wide.columns = [" ".join(names).strip() for names in wide.columns]
        _show(
            f"Drift ({column}) over source ability; {designs[0].n_items} items, "
            f"{designs[0].n_languages} languages, {seeds} seeds",
            wide.reset_index(),
        )
    hat = table[table["reference"] != ""]
    for column, title in (
        ("bias", "Bias of HAT by source ability, mean over seeds"),
        ("noted", "Share of outputs that carry a warning, by source ability"),
    ):
        wide = hat.pivot_table(column, [*case, "measure", "reference"], "ability", sort=False)
        _show(title, wide.reset_index())


def show_coverage(replicates: int, seed: int, jobs: int) -> None:
    """Print coverage in the worlds with normal abilities, then where it cannot be promised."""
    sizes = ((250, 1, 10), (660, 1, 10), (250, 10, 10), (250, 1, 5))
    designs = [CoverageDesign(world, *size) for world in _WORLDS for size in sizes]
    designs += [
        CoverageDesign("shared_factor", 660, 10, 5),
        CoverageDesign("mixture", 660, 10, 5),
        CoverageDesign("logit_normal", 250, 1, 10, twins=True),
    ]
    elsewhere = [CoverageDesign(world, 660, abilities=(-2.0, 3.0)) for world in _WORLDS]
    elsewhere += [CoverageDesign(world, 660, piled=0.35) for world in _WORLDS]
    columns = ["quantity", "reference", "ability", "bias", "sd", "mean_se", "coverage"]
    tables = []
    for place, design in enumerate([*designs, *elsewhere]):
        # Each design has studies of its own, so that one unlucky draw is not seen in all of them.
        rng = np.random.default_rng([seed, place])
        table = coverage(design, n_replicates=replicates, n_jobs=jobs, rng=rng)
        tables.append(table)
        facts = [
            design.world,
            f"{design.n_items} items",
            f"{design.n_languages} languages",
            f"{design.n_trials} trials",
            f"abilities {', '.join(f'{ability:g}' for ability in design.abilities)}",
            *(["twins"] if design.twins else []),
            *([f"{design.piled:.0%} piled up at 0 and 1"] if design.piled else []),
        ]
        title = f"Coverage: {', '.join(facts)}; {replicates} replicates"
        _show(title, table[[*columns, "coverage_shape", "noted", "mc_error"]])
    inside = len(designs)
    groups = {"normal, -1 to 1": tables[:inside], "elsewhere": tables[inside:]}
    summary = pd.DataFrame([tally(group).rename(name) for name, group in groups.items()])
    _show("Coverage in short", summary.rename_axis("abilities").reset_index())


def show_stress(seeds: int, items: int, seed: int) -> None:
    """Print how far each measure leaks source ability, in all worlds, plain and piled up."""
    parts = [
        simulated(StressDesign(world, piled, n_items=items), n_seeds=seeds, rng=seed)
        for piled, world in itertools.product(_PILED, _WORLDS)
    ]
    table = pd.concat(parts, ignore_index=True)
    wide = table.pivot_table("leakage", "measure", ["piled", "world"], sort=False)
    wide.columns = [", ".join(map(str, names)) for names in wide.columns]
    _show(
        f"Leakage of source ability, 10 trials, {items} items, {seeds} seeds",
        wide.reset_index(),
    )


def show_size(replicates: int, seed: int, jobs: int) -> None:
    """Print size at 5 % of every test of a trend, by df too, and power beside it."""
    covariates: tuple[Covariate, ...] = ("log10(params_total)", "release_year")
    sizes, classes = [], []
    for covariate, family_sd, slope in itertools.product(covariates, (0.05, 0.0), (0.0, 0.05)):
        design = SizeDesign(covariate, slope=slope, family_sd=family_sd)
        by_method, by_df = rejections(design, n_replicates=replicates, n_jobs=jobs, rng=seed)
        sizes.append(by_method)
        classes.append(by_df)
    table = pd.concat(sizes, ignore_index=True)
    _show("Rejections at 5 %, families of 6, 5, 3, 3, 2, 1 (slope 0: size)", table)
    _show("The same for CR2 by its degrees of freedom", pd.concat(classes, ignore_index=True))


def show_plans(replicates: int, seed: int, jobs: int) -> None:
    """Print predicted against simulated power and standard error."""
    panels = (Panel(), Panel(between_sd=0.7, within_sd=0.2, family_sd=0.05))
    power = [
        power_against_simulation(panel, slope, n_replicates=replicates, n_jobs=jobs, rng=seed)
        for panel, slope in itertools.product(panels, (0.0, 0.02, 0.04, 0.08))
    ]
    _show("Power of a slope, predicted and simulated", pd.concat(power, ignore_index=True))
    errors = [
        precision_against_simulation(
            Assumptions(), shape, n_replicates=max(replicates // 2, 2), n_jobs=jobs, rng=seed
        )
        for shape in (Shape(250, 4, 10), Shape(250, 1, 5), Shape(660, 10, 10))
    ]
    _show("Standard error of HAT, predicted and simulated", pd.concat(errors, ignore_index=True))


def show_posteriors(fits: int, replicates: int, seed: int, jobs: int) -> None:
    """Print calibration and agreement of the hierarchical model's rungs, and wrong worlds."""
    ranks = rank_statistics(RankDesign(), n_fits=fits, n_jobs=jobs, rng=seed)
    _show(f"Simulation-based calibration of the count rung, {fits} fits", calibration_table(ranks))
    study = simulate_study(shape=Shape(n_items=600, n_languages=2), rng=seed)
    long, slow = Sampling(draws=4_000), Sampling(draws=4_000, tune=1_000)
    how: dict[Level, Sampling] = {"cells": long, "counts": long, "items": slow}
    _show("Rungs less the count rung, six models", rung_agreement(study, how, seed))
    levels: tuple[Level, ...] = ("cells", "counts")
    designs = [WorldDesign(world, level) for world, level in itertools.product(_WORLDS, levels)]
    table = wrong_worlds(designs, n_replicates=replicates, n_jobs=jobs, rng=seed)
    _show("Hierarchical model in worlds of known truth, eight models, 250 items", table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the proofs.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process if not given.
    """
    parser = argparse.ArgumentParser(prog="python -m hatstats.calibration", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=24, help="studies drawn per world")
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--trials", type=int, nargs="+", default=[10, 5, 3])
    parser.add_argument("--methods", nargs="+", default=["latent", "joint", "observed"])
    parser.add_argument("--replicates", type=int, default=500, help="0 leaves coverage out")
    parser.add_argument("--trends", type=int, default=2_000, help="replicates; 0 leaves it out")
    parser.add_argument("--stress", type=int, default=3, help="studies per world; 0: none")
    parser.add_argument("--stress-items", type=int, default=12_000)
    parser.add_argument("--fits", type=int, default=200, help="posteriors; 0 leaves them out")
    parser.add_argument("--jobs", type=int, default=-1, help="processes, all cores by default")
    given = parser.parse_args(arguments)
    if given.seeds > 0:
        designs = [
            Drift(world, piled, n, n_items=given.items)
            for n, piled, world in itertools.product(given.trials, _PILED, _WORLDS)
        ]
        show_drift(designs, given.methods, given.seeds, given.seed)
    if given.replicates > 0:
        show_coverage(given.replicates, given.seed, given.jobs)
    if given.stress > 0:
        show_stress(given.stress, given.stress_items, given.seed)
    if given.trends > 0:
        show_size(given.trends, given.seed, given.jobs)
        show_plans(given.trends, given.seed, given.jobs)
    if given.fits > 0:
        show_posteriors(given.fits, max(given.fits // 2, 1), given.seed, given.jobs)


if __name__ == "__main__":
    main()
