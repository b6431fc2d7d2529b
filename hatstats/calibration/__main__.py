"""Run the slow proofs, print their tables and, with ``--out``, write them as CSV.

Numbers are simulated, so that the truth is known, but for those of real items in `data`. Without
names all proofs run, for hours; ``--quick`` runs them with few replicates, to see that they work.
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from hatstats.calibration.borrowing import DESIGNS, hidden_in_short, hidden_items, panel_coverage
from hatstats.calibration.coverage import (
    INSIDE,
    REFERENCES,
    CoverageDesign,
    Reference,
    coverage,
    tally,
)
from hatstats.calibration.curved_panels import panel_coverage_of_means
from hatstats.calibration.drift import drift
from hatstats.calibration.languages import contrast_coverage, language_coverage
from hatstats.calibration.plans import (
    PLANNED,
    power_against_simulation,
    precision_against_simulation,
)
from hatstats.calibration.rank_sets import rank_coverage
from hatstats.calibration.rejection_rates import Covariate, RejectionDesign, rejections
from hatstats.calibration.sbc import RankDesign, calibration_table, rank_statistics
from hatstats.calibration.stress import StressDesign, stress_test
from hatstats.calibration.thinned import thinned_scores
from hatstats.calibration.verdict_rates import verdict_rates
from hatstats.calibration.worlds import WorldDesign, wrong_worlds
from hatstats.errors import DegenerateDataWarning
from hatstats.estimators.methods import Method, fit_profile
from hatstats.scores.scores import HatScores
from hatstats.scores.wordings import SCOPES
from hatstats.simulation.simulate import Shape
from hatstats.simulation.worlds import WorldName
from hatstats.study.read import read_study
from hatstats.trends.planning.power import PlanPanel

# Worlds in which intervals should hold, and the drift of HAT should be small.
_WORLDS: tuple[WorldName, ...] = ("logit_normal", "mixture", "cubic", "shared_factor")
_PILED = (0.0, 0.35)

#: File name, title and rows of a table.
Table = tuple[str, str, pd.DataFrame]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is simulated."""

    # Drift: studies per design, items, numbers of trials, estimators.
    studies: int = 24
    items: int = 20_000
    trials: tuple[int, ...] = (10, 5, 3)
    methods: tuple[Method, ...] = ("latent", "joint", "observed")
    replicates: int = 500  # of each coverage
    # Studies per world of the stress test, and their items.
    stress_studies: int = 3
    stress_items: int = 12_000
    panels: int = 2_000  # replicates of tests and plans of trends
    fits: int = 200  # posterior fits


FULL = Effort()
QUICK = Effort(2, 500, (5,), ("latent", "observed"), 4, 1, 500, 20, 4)


def _markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown, aligned for a terminal."""
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
    return "\n".join(lines)


def prove_drift(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
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
        title = f"Drift ({column}) over source ability; {size}"
        yield f"drift_{column}", title, wide.reset_index()
    hat = table[table["reference"] != ""]
    for column, title in (
        ("bias", "Bias of HAT by source ability, mean over seeds"),
        ("noted", "Share of outputs that carry a warning, by source ability"),
    ):
        wide = hat.pivot_table(column, [*case, "measure", "reference"], "ability", sort=False)
        yield f"drift_{column}", title, wide.reset_index()


def _coverages(
    designs: Sequence[CoverageDesign],
    references: Sequence[Reference],
    effort: Effort,
    seed: int,
    jobs: int,
) -> list[pd.DataFrame]:
    """Coverage of each design, on studies of its own: one unlucky draw does not affect them all."""
    return [
        coverage(
            design,
            references,
            n_replicates=effort.replicates,
            n_jobs=jobs,
            rng=np.random.default_rng([seed, number]),
        )
        for number, design in enumerate(designs)
    ]


def _in_short(groups: dict[str, list[pd.DataFrame]], name: str) -> pd.DataFrame:
    """One row of `tally` for each group of designs, which the first column `name` names."""
    rows = pd.DataFrame([tally(tables).rename(group) for group, tables in groups.items()])
    return rows.rename_axis(name).reset_index()


def prove_coverage(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
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
    tables = _coverages([*designs, *elsewhere], REFERENCES, effort, seed, jobs)
    yield "coverage", "Coverage of 95 % intervals", pd.concat(tables, ignore_index=True)
    n = len(designs)
    groups = {"normal, -1 to 1": tables[:n], "elsewhere": tables[n:]}
    yield "coverage_in_short", "Coverage in short", _in_short(groups, "abilities")


def prove_dispersion(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Drift and coverage where ten trials are repeats of a few named wordings."""
    cases = tuple(itertools.product((2, 5), (0.1, 0.3, 1.0)))
    designs = [
        CoverageDesign(
            shape=Shape(500, 3, 10, repeats=repeats, wording_correlation=rho),
            abilities=(-1.5, 0.0, 1.5, 3.0),
        )
        for repeats, rho in cases
    ]
    tables = _coverages(designs, ("pooled",), effort, seed, jobs)
    yield "dispersion", "HAT from wordings that repeat", pd.concat(tables, ignore_index=True)
    groups = {f"{10 // repeats} x {repeats}, rho {rho:g}": [table] for (repeats, rho), table in
              zip(cases, tables, strict=True)}  # fmt: skip
    short = _in_short(groups, "wordings x repeats")
    hat = [table[table["quantity"] == "HAT"] for table in tables]
    short.insert(1, "drift", [np.ptp(table["bias"]) for table in hat])
    yield "dispersion_in_short", "HAT from wordings that repeat, in short", short


def prove_missing(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Coverage where a language was asked of hard items more often than of easy ones."""
    cases = tuple(itertools.product(((250, 1), (660, 2), (1000, 1)), (0.5, 0.8)))
    designs = [CoverageDesign(shape=Shape(*size, 10), missing=missing) for size, missing in cases]
    tables = _coverages(designs, ("pooled", INSIDE), effort, seed, jobs)
    yield "missing", "HAT with answers missing by hardness", pd.concat(tables, ignore_index=True)
    names = (
        f"{size[0]} items, {size[1]} languages, missing {missing:g}" for size, missing in cases
    )
    groups = {name: [table] for name, table in zip(names, tables, strict=True)}
    title = "HAT with answers missing by hardness, in short"
    yield "missing_in_short", title, _in_short(groups, "items x languages")


def prove_latent(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Coverage of `latent`, and what its test of fit finds, where it is wrong and where right."""
    shapes: dict[str, CoverageDesign] = {
        "right: normal hardness": CoverageDesign(),
        "right: transfer or not": CoverageDesign("mixture"),
        "transfer falls at the top": CoverageDesign("falling_top"),
        "four levels of hardness": CoverageDesign(shape=Shape(distribution="four_levels")),
        "two humps of hardness": CoverageDesign(shape=Shape(distribution="bimodal")),
        "hardness t with 2 df": CoverageDesign(shape=Shape(distribution="t2")),
    }
    groups: dict[str, CoverageDesign] = {}
    for name, design in shapes.items():
        for items, trials in ((250, 10), (660, 10), (250, 3)):
            shape = replace(design.shape, n_items=items, n_languages=2, n_trials=trials)
            groups[f"{name}, {items} items, {trials} trials"] = replace(design, shape=shape)
    tables = _coverages(tuple(groups.values()), ("pooled", INSIDE), effort, seed, jobs)
    yield "latent", "HAT by latent in hard worlds", pd.concat(tables, ignore_index=True)
    named = {name: [table] for name, table in zip(groups, tables, strict=True)}
    yield "latent_in_short", "HAT by latent in hard worlds, in short", _in_short(named, "world")


def prove_borrowing(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Profiles that borrow from a panel: coverage, and hidden answers of data/gsm_symbolic."""
    tables = [
        panel_coverage(
            design,
            n_replicates=max(3 * effort.replicates // 5, 2),
            n_jobs=jobs,
            rng=np.random.default_rng([seed, number]),
        )
        for number, design in enumerate(DESIGNS)
    ]
    title = "Scores of seven models, profiles borrowed and alone"
    yield "borrowing", title, pd.concat(tables, ignore_index=True)
    study = read_study("data/gsm_symbolic").without_flagged()
    models = None if effort is FULL else study.model_names[:3]
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        table = hidden_items(study, models)
    yield "hidden_items", "Targets of hidden items, data/gsm_symbolic", hidden_in_short(table)


def prove_wordings(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Coverage of contrasts where five wordings have main effects, by scope of wordings."""
    designs = [
        CoverageDesign(shape=Shape(250, 2, 5, wording_sd=sd), abilities=(0.0, 0.0), scope=scope)
        for sd, scope in itertools.product((0.25, 0.5), SCOPES)
    ]
    tables = _coverages(designs, ("pooled",), effort, seed, jobs)
    table = pd.concat(tables, ignore_index=True)
    # The true score of a model is not that of its items without the effects of wordings.
    table = table[table["quantity"] == "contrast"].drop(columns="ability")
    yield "wordings", "Contrasts of two equal models, five wordings with main effects", table


def prove_thinned(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Scores of real items from 1, 2, 3 and 5 of 20 trials against those from all (one process)."""
    study = read_study("data/gsm_symbolic").without_flagged()
    draws = 10 if effort is FULL else 1
    table = thinned_scores(study, n_draws=draws, rng=seed)
    yield "thinned", f"gsm_symbolic thinned, against latent from all trials, {draws} draws", table


def prove_stress(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
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
    yield "stress", title, wide.reset_index()


def prove_rejections(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Size at 5 % of every test of a trend, also by df, and power."""
    covariates: tuple[Covariate, ...] = ("log10(params_total)", "release_year")
    sizes, classes = [], []
    for covariate, family_sd, slope in itertools.product(covariates, (0.05, 0.0), (0.0, 0.05)):
        design = RejectionDesign(covariate, slope=slope, family_sd=family_sd)
        by_method, by_df = rejections(design, n_replicates=effort.panels, n_jobs=jobs, rng=seed)
        sizes.append(by_method)
        classes.append(by_df)
    table = pd.concat(sizes, ignore_index=True)
    yield "rejections", "Rejections at 5 %, families of 6, 5, 3, 3, 2, 1 (slope 0: size)", table
    by_df = pd.concat(classes, ignore_index=True)
    yield "rejections_by_df", "The same for CR2 by its degrees of freedom", by_df


def prove_verdicts(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """How often verdicts on claims are false where the truth is at the threshold, and power."""
    table = verdict_rates(n_replicates=effort.replicates // 2, n_jobs=jobs, rng=seed)
    yield "verdicts", "Verdicts on claims by the whole rule, level .05 in each direction", table


def prove_languages(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Facts about languages, 14 in 6 families, and contrasts of languages (one process)."""
    table = language_coverage(n_replicates=effort.replicates * 2 // 5, rng=seed)
    yield "languages", "Regression over 14 languages in 6 families, 20 models", table
    table = contrast_coverage(n_replicates=effort.replicates * 2 // 5, rng=seed)
    yield "language_contrasts", "Contrasts of 14 languages that are equally hard", table


def prove_ranks(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Coverage of sets of ranks: equal errors, and those of a study in data/ (one process)."""
    names = [f"model-{number}" for number in range(20)]
    table = pd.DataFrame({"model": names, "estimate": 0.5})
    study = read_study("data/gsm_symbolic").without_flagged()
    worlds = {
        "independent, equal": HatScores.from_frame(table, np.full(20, 1e-4)),
        study.name: fit_profile(study.select(models=study.model_names[4::2])).hat(),
    }
    parts = {
        name: rank_coverage(scores, n_replicates=2 * effort.replicates, rng=seed)
        for name, scores in worlds.items()
    }
    title = "Sets of ranks of models at equal distances (in standard errors)"
    yield "ranks", title, pd.concat(parts, names=["errors"]).reset_index("errors")


def prove_aggregate(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Scores, contrasts and trends from accuracies alone: straight, curved, near the ceiling."""
    title, count = "Coverage of aggregate HAT, contrasts, a trend of 0", effort.replicates // 5 or 2
    yield "curved_panels", title, panel_coverage_of_means(n_replicates=count, n_jobs=jobs, rng=seed)


def prove_plans(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Predicted and simulated power and standard errors."""
    panels = (PlanPanel(), PlanPanel(between_sd=0.7, within_sd=0.2, family_sd=0.05))
    power = [
        power_against_simulation(*both, n_replicates=effort.panels, n_jobs=jobs, rng=seed)
        for both in itertools.product(panels, (0.0, 0.02, 0.04, 0.08))
    ]
    yield "power", "Power of a slope, predicted and simulated", pd.concat(power, ignore_index=True)
    n_studies = max(effort.panels // 5, 2)
    predict = partial(precision_against_simulation, n_replicates=n_studies, n_jobs=jobs, rng=seed)
    errors = [predict(*design) for design in PLANNED]
    title = "Standard error of HAT, predicted and simulated"
    yield "standard_errors", title, pd.concat(errors, ignore_index=True)


def prove_posteriors(effort: Effort, seed: int, jobs: int) -> Iterator[Table]:
    """Calibration of the hierarchical model, and its coverage in all worlds."""
    ranks = rank_statistics(RankDesign(), n_fits=effort.fits, n_jobs=jobs, rng=seed)
    title = f"Simulation-based calibration of the hierarchical model, {effort.fits} fits"
    yield "posteriors", title, calibration_table(ranks)
    designs, count = [WorldDesign(world) for world in _WORLDS], max(effort.fits // 2, 1)
    table = wrong_worlds(designs, n_replicates=count, n_jobs=jobs, rng=seed)
    title = "Hierarchical model in worlds of known truth, eight models, 250 items"
    yield "posteriors_in_worlds", title, table


PROOFS = {
    "drift": prove_drift,
    "coverage": prove_coverage,
    "dispersion": prove_dispersion,
    "missing": prove_missing,
    "latent": prove_latent,
    "borrowing": prove_borrowing,
    "wordings": prove_wordings,
    "thinned": prove_thinned,
    "stress": prove_stress,
    "rejections": prove_rejections,
    "verdicts": prove_verdicts,
    "languages": prove_languages,
    "ranks": prove_ranks,
    "aggregate": prove_aggregate,
    "plans": prove_plans,
    "posteriors": prove_posteriors,
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
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the tables as CSV")
    parser.add_argument("--jobs", type=int, default=-1, help="processes, all cores by default")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.proofs if name not in PROOFS]
    if unknown:
        parser.error(f"unknown proof {unknown[0]!r}; use {', '.join(PROOFS)}")
    effort = QUICK if given.quick else FULL
    for name in given.proofs or PROOFS:
        for file, title, table in PROOFS[name](effort, given.seed, given.jobs):
            print(f"\n### {title}\n\n{_markdown(table)}", flush=True)
            if given.out is not None:
                given.out.mkdir(parents=True, exist_ok=True)
                table.round(5).to_csv(given.out / f"{file}.csv", index=False)


if __name__ == "__main__":
    main()
