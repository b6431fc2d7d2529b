"""``python -m hatstats.check``: run the slow proofs and print their tables."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from typing import get_args

import pandas as pd

from hatstats.check.coverage import INSIDE, CoverageDesign, coverage
from hatstats.check.invariance import Drift, drift
from hatstats.check.plans import power_against_simulation, precision_against_simulation
from hatstats.check.size import Covariate, SizeDesign, rejections
from hatstats.check.stress import StressDesign, simulated
from hatstats.hat.fitting import Method
from hatstats.study.simulate import Shape, WorldName
from hatstats.trends.planning import Assumptions
from hatstats.trends.power import Panel

_WORLDS: tuple[WorldName, ...] = get_args(WorldName)
_PILED = (0.0, 0.35)


def _show(title: str, table: pd.DataFrame) -> None:
    print(f"\n{title}\n")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4f}"), flush=True)


def show_drift(designs: Sequence[Drift], methods: Sequence[Method], seeds: int, seed: int) -> None:
    """Print drift and bias of the measures in some designs."""
    parts = [drift(design, methods=methods, n_seeds=seeds, rng=seed) for design in designs]
    table = pd.concat(parts, ignore_index=True)
    case = ["n_promptings", "piled", "world"]
    for column in ("spread", "spread_of_means"):
        wide = table.pivot_table(column, case, ["measure", "reference"], sort=False)
        wide.columns = [" ".join(names).strip() for names in wide.columns]
        _show(
            f"Drift ({column}) over source ability; {designs[0].n_items} items, "
            f"{designs[0].n_languages} languages, {seeds} seeds",
            wide.reset_index(),
        )
    hat = table[table["reference"] != ""]
    wide = hat.pivot_table("bias", [*case, "measure", "reference"], "ability", sort=False)
    _show("Bias of HAT by source ability, mean over seeds", wide.reset_index())


def show_coverage(replicates: int, seed: int) -> None:
    """Print coverage in the worlds with normal abilities."""
    designs = [
        CoverageDesign(world, items, languages, n)
        for world in _WORLDS
        for items, languages, n in ((250, 1, 10), (660, 1, 10), (250, 10, 10), (250, 1, 5))
    ]
    designs.append(CoverageDesign("shared_factor", 660, 10, 5))
    designs.append(CoverageDesign("logit_normal", 250, 1, 10, twins=True))
    designs += [CoverageDesign(world, 660, abilities=(-2.0, 3.0)) for world in _WORLDS]
    for design in designs:
        parts = [
            coverage(design, reference, n_replicates=replicates, rng=seed)
            for reference in ("uniform", "pooled", INSIDE)
        ]
        title = (
            f"Coverage: {design.world}, {design.n_items} items, {design.n_languages} languages, "
            f"{design.n_promptings} promptings{', twins' if design.twins else ''}; "
            f"{replicates} replicates"
        )
        columns = ["quantity", "reference", "ability", "bias", "sd", "mean_se", "coverage"]
        columns += ["mean_se_shape", "coverage_shape", "mc_error"]
        _show(title, pd.concat(parts, ignore_index=True)[columns])


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
        f"Leakage of source ability, 10 promptings, {items} items, {seeds} seeds",
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the proofs.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process if not given.
    """
    parser = argparse.ArgumentParser(prog="python -m hatstats.check", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=4, help="studies drawn per world")
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--promptings", type=int, nargs="+", default=[10, 5, 3])
    parser.add_argument("--methods", nargs="+", default=["latent", "joint", "observed"])
    parser.add_argument("--replicates", type=int, default=500, help="0 leaves coverage out")
    parser.add_argument("--trends", type=int, default=2_000, help="replicates; 0 leaves it out")
    parser.add_argument("--stress", type=int, default=2, help="studies per world; 0: none")
    parser.add_argument("--stress-items", type=int, default=4_000)
    parser.add_argument("--jobs", type=int, default=-1, help="processes, all cores by default")
    given = parser.parse_args(arguments)
    if given.seeds > 0:
        designs = [
            Drift(world, piled, n, n_items=given.items)
            for n, piled, world in itertools.product(given.promptings, _PILED, _WORLDS)
        ]
        show_drift(designs, given.methods, given.seeds, given.seed)
    if given.replicates > 0:
        show_coverage(given.replicates, given.seed)
    if given.stress > 0:
        show_stress(given.stress, given.stress_items, given.seed)
    if given.trends > 0:
        show_size(given.trends, given.seed, given.jobs)
        show_plans(given.trends, given.seed, given.jobs)


if __name__ == "__main__":
    main()
