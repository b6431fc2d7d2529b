"""``python -m hatstats.check``: run the slow proofs and print their tables."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from typing import get_args

import pandas as pd

from hatstats.check.coverage import INSIDE, CoverageDesign, coverage
from hatstats.check.invariance import Drift, drift
from hatstats.check.posterior import (
    RankDesign,
    calibration_table,
    rank_statistics,
    rung_agreement,
    wrong_worlds,
)
from hatstats.hat.fitting import Method
from hatstats.hat.hierarchical import Sampling
from hatstats.study import simulate_study
from hatstats.study.simulate import Shape, WorldName

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


def show_posteriors(fits: int, replicates: int, seed: int) -> None:
    """Print calibration and agreement of the hierarchical model's rungs, and wrong worlds."""
    ranks = rank_statistics(RankDesign(), n_fits=fits, rng=seed)
    _show(f"Simulation-based calibration of the count rung, {fits} fits", calibration_table(ranks))
    study = simulate_study(shape=Shape(n_items=150, n_languages=2), rng=seed)
    how = Sampling(draws=1500, tune=500)
    _show("Rungs less the count rung, six models", rung_agreement(study, how, seed))
    table = wrong_worlds(_WORLDS, n_replicates=replicates, rng=seed)
    _show(f"Hierarchical model in worlds of known truth, {replicates} replicates", table)


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
    parser.add_argument("--fits", type=int, default=200, help="posteriors; 0 leaves them out")
    given = parser.parse_args(arguments)
    if given.seeds > 0:
        designs = [
            Drift(world, piled, n, n_items=given.items)
            for n, piled, world in itertools.product(given.promptings, _PILED, _WORLDS)
        ]
        show_drift(designs, given.methods, given.seeds, given.seed)
    if given.replicates > 0:
        show_coverage(given.replicates, given.seed)
    if given.fits > 0:
        show_posteriors(given.fits, max(given.fits // 2, 1), given.seed)


if __name__ == "__main__":
    main()
