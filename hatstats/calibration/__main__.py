"""Run the slow proofs and print their tables as Markdown.

Every number is simulated, so that the truth is known. Without names all proofs run, for hours;
``--quick`` runs them with few replicates, to see that they work.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd

from hatstats.calibration.coverage import CoverageDesign, coverage, tally
from hatstats.calibration.drift import drift
from hatstats.calibration.plans import power_against_simulation, precision_against_simulation
from hatstats.calibration.rejection_rates import Covariate, RejectionDesign, rejections
from hatstats.calibration.sbc import RankDesign, calibration_table, rank_statistics
from hatstats.calibration.stress import StressDesign, stress_test
from hatstats.calibration.worlds import WorldDesign, wrong_worlds
from hatstats.estimators.methods import Method
from hatstats.simulation.simulate import Shape, WorldName
from hatstats.trends.planning.assumptions import PlanAssumptions
from hatstats.trends.planning.power import PlanPanel

_WORLDS: tuple[WorldName, ...] = get_args(WorldName)
_PILED = (0.0, 0.35)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is simulated."""

    # Drift: studies per design, items, numbers of trials, estimators.
    studies: int = 24
    items: int = 20_000
    trials: tuple[int, ...] = (10, 5, 3)
    methods: tuple[Method, ...] = ("latent", "joint", "observed")
    # Replicates of each coverage.
    replicates: int = 500
    # Studies per world of the stress test, and their items.
    stress_studies: int = 3
    stress_items: int = 12_000
    # Replicates of tests and plans of trends, and posterior fits.
    panels: int = 2_000
    fits: int = 200


FULL = Effort()
QUICK = Effort(2, 500, (5,), ("latent", "observed"), 4, 1, 500, 20, 4)


def _show(title: str, table: pd.DataFrame) -> None:
    """Print a table as Markdown, aligned for a terminal."""
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


def show_drift(effort: Effort, seed: int, jobs: int) -> None:
    """Drift and bias of the measures over source ability (one process)."""
    parts = []
    for n_trials, piled, world in itertools.product(effort.trials, _PILED, _WORLDS):
        design = StressDesign(world, Shape(effort.items, 2, n_trials, piled=piled))
        parts.append(drift(design, methods=effort.methods, n_seeds=effort.studies, rng=seed))
    table = pd.concat(parts, ignore_index=True)
    case = ["n_trials", "piled", "world"]
    for column in ("spread", "spread_of_means"):
        wide = table.pivot_table(column, case, ["measure", "reference"], sort=False)
        wide.columns = [" ".join(names).strip() for names in wide.columns]
        size = f"{effort.items} items, 2 languages, {effort.studies} seeds"
        _show(f"Drift ({column}) over source ability; {size}", wide.reset_index())
    hat = table[table["reference"] != ""]
    for column, title in (
        ("bias", "Bias of HAT by source ability, mean over seeds"),
        ("noted", "Share of outputs that carry a warning, by source ability"),
    ):
        wide = hat.pivot_table(column, [*case, "measure", "reference"], "ability", sort=False)
        _show(title, wide.reset_index())


def show_coverage(effort: Effort, seed: int, jobs: int) -> None:
    """Coverage in worlds with normal abilities, then where it is not guaranteed."""
    sizes = ((250, 1, 10), (660, 1, 10), (250, 10, 10), (250, 1, 5))
    designs = [CoverageDesign(world, Shape(*size)) for world in _WORLDS for size in sizes]
    designs += [
        CoverageDesign("shared_factor", Shape(660, 10, 5)),
        CoverageDesign("mixture", Shape(660, 10, 5)),
        CoverageDesign("logit_normal", Shape(250, 1, 10, twins=True)),
    ]
    elsewhere = [CoverageDesign(world, Shape(660, 1), (-2.0, 3.0)) for world in _WORLDS]
    elsewhere += [CoverageDesign(world, Shape(660, 1, piled=0.35)) for world in _WORLDS]
    columns = ["quantity", "reference", "ability", "bias", "sd", "mean_se", "coverage"]
    tables = []
    for number, design in enumerate([*designs, *elsewhere]):
        # Each design has its own studies, so that one unlucky draw does not affect all of them.
        rng = np.random.default_rng([seed, number])
        table = coverage(design, n_replicates=effort.replicates, n_jobs=jobs, rng=rng)
        tables.append(table)
        facts = [
            design.world,
            f"{design.shape.n_items} items",
            f"{design.shape.n_languages} languages",
            f"{design.shape.n_trials} trials",
            f"abilities {', '.join(f'{ability:g}' for ability in design.abilities)}",
            *(["twins"] if design.shape.twins else []),
            *([f"{design.shape.piled:.0%} piled up at 0 and 1"] if design.shape.piled else []),
        ]
        title = f"Coverage: {', '.join(facts)}; {effort.replicates} replicates"
        _show(title, table[[*columns, "coverage_shape", "noted", "mc_error"]])
    groups = {"normal, -1 to 1": tables[: len(designs)], "elsewhere": tables[len(designs) :]}
    summary = pd.DataFrame([tally(group).rename(name) for name, group in groups.items()])
    _show("Coverage in short", summary.rename_axis("abilities").reset_index())


def show_stress(effort: Effort, seed: int, jobs: int) -> None:
    """Leakage of source ability into every measure, in all worlds (one process)."""
    n_items, n_seeds = effort.stress_items, effort.stress_studies
    parts = []
    for piled, world in itertools.product(_PILED, _WORLDS):
        design = StressDesign(world, Shape(n_items, 2, piled=piled))
        parts.append(stress_test(design=design, n_seeds=n_seeds, rng=seed))
    table = pd.concat(parts, ignore_index=True)
    wide = table.pivot_table("leakage", "measure", ["piled", "world"], sort=False)
    wide.columns = [", ".join(map(str, names)) for names in wide.columns]
    title = f"Leakage of source ability, 10 trials, {n_items} items, {n_seeds} seeds"
    _show(title, wide.reset_index())


def show_rejections(effort: Effort, seed: int, jobs: int) -> None:
    """Size at 5 % of every test of a trend, also by df, and power."""
    covariates: tuple[Covariate, ...] = ("log10(params_total)", "release_year")
    sizes, classes = [], []
    for covariate, family_sd, slope in itertools.product(covariates, (0.05, 0.0), (0.0, 0.05)):
        design = RejectionDesign(covariate, slope=slope, family_sd=family_sd)
        by_method, by_df = rejections(design, n_replicates=effort.panels, n_jobs=jobs, rng=seed)
        sizes.append(by_method)
        classes.append(by_df)
    table = pd.concat(sizes, ignore_index=True)
    _show("Rejections at 5 %, families of 6, 5, 3, 3, 2, 1 (slope 0: size)", table)
    _show("The same for CR2 by its degrees of freedom", pd.concat(classes, ignore_index=True))


def show_plans(effort: Effort, seed: int, jobs: int) -> None:
    """Predicted and simulated power and standard errors."""
    panels = (PlanPanel(), PlanPanel(between_sd=0.7, within_sd=0.2, family_sd=0.05))
    power = [
        power_against_simulation(panel, slope, n_replicates=effort.panels, n_jobs=jobs, rng=seed)
        for panel, slope in itertools.product(panels, (0.0, 0.02, 0.04, 0.08))
    ]
    _show("Power of a slope, predicted and simulated", pd.concat(power, ignore_index=True))
    n_studies = max(effort.panels // 2, 2)
    errors = [
        precision_against_simulation(
            PlanAssumptions(), shape, n_replicates=n_studies, n_jobs=jobs, rng=seed
        )
        for shape in (Shape(250, 4, 10), Shape(250, 1, 5), Shape(660, 10, 10))
    ]
    _show("Standard error of HAT, predicted and simulated", pd.concat(errors, ignore_index=True))


def show_posteriors(effort: Effort, seed: int, jobs: int) -> None:
    """Calibration of the hierarchical model, and its coverage in all worlds."""
    ranks = rank_statistics(RankDesign(), n_fits=effort.fits, n_jobs=jobs, rng=seed)
    title = f"Simulation-based calibration of the hierarchical model, {effort.fits} fits"
    _show(title, calibration_table(ranks))
    designs = [WorldDesign(world) for world in _WORLDS]
    table = wrong_worlds(designs, n_replicates=max(effort.fits // 2, 1), n_jobs=jobs, rng=seed)
    _show("Hierarchical model in worlds of known truth, eight models, 250 items", table)


PROOFS = {
    "drift": show_drift,
    "coverage": show_coverage,
    "stress": show_stress,
    "rejections": show_rejections,
    "plans": show_plans,
    "posteriors": show_posteriors,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the proofs that a command line names; that of the process by default."""
    parser = argparse.ArgumentParser(
        prog="python -m hatstats.calibration",
        description=__doc__,
        epilog="\n".join(["proofs:", *(f"  {name:<12}{f.__doc__}" for name, f in PROOFS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("proofs", nargs="*", metavar="PROOF", help="names, all by default")
    parser.add_argument("--quick", action="store_true", help="few replicates, small studies")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=-1, help="processes, all cores by default")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.proofs if name not in PROOFS]
    if unknown:
        parser.error(f"unknown proof {unknown[0]!r}; use {', '.join(PROOFS)}")
    for name in given.proofs or PROOFS:
        PROOFS[name](QUICK if given.quick else FULL, given.seed, given.jobs)


if __name__ == "__main__":
    main()
