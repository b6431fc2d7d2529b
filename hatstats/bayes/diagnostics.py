"""Diagnostics of a fit as values that can fail."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.bayes.cell_model import CellModel
from hatstats.bayes.count_tables import BENT
from hatstats.bayes.draws import convergence
from hatstats.bayes.posterior import Posterior

Floats = NDArray[np.float64]

#: Bars: Vehtari et al. 2021 (Bayesian Anal 16:667-718) for R-hat and effective sizes; Betancourt
#: 2016 (arXiv 1604.00695) for BFMI; Vehtari et al. 2024 (JMLR 25:72) for Pareto k.
R_HAT, ESS, BFMI, PARETO_K = 1.01, 400.0, 0.3, 0.7
#: Share of proposals taken under which a chain without trajectories may look settled and is not.
MOVES = 0.05
#: Monte-Carlo error that three printed decimals bear.
MCSE = 1e-3
#: Share of replicated data beyond the observed ones, on either side, under which a check fails.
TAIL = 0.005
#: Share of observations left out whose weights may fail.
_FEW = 0.02


@dataclass(frozen=True, slots=True)
class Check:
    """One diagnostic.

    Attributes
    ----------
    check : str
    value, bar : float
    passed : bool
    words : str
        What it says, in a sentence.
    """

    check: str
    value: float
    bar: float
    passed: bool
    words: str


def bfmi(energy: Floats) -> Floats:
    """Bayesian fraction of missing information of each chain; `energy` (chains, draws)."""
    steps = np.diff(energy, axis=1)
    return np.asarray((steps**2).mean(axis=1) / energy.var(axis=1))


def sampler_checks(fit: Posterior) -> list[Check]:
    """R-hat, effective sizes, divergences, tree depth, BFMI, Monte-Carlo error."""
    scores = fit.hat()
    reported = [convergence(scores.draws), convergence(scores.cell_draws)]
    reported.append(fit.tidy()[["r_hat", "ess_bulk", "ess_tail", "mcse"]])
    table = pd.concat(reported, ignore_index=True)
    stats = fit.idata["sample_stats"]
    worst = float(table["r_hat"].max())
    bulk, tail = float(table["ess_bulk"].min()), float(table["ess_tail"].min())
    mcse = float(reported[0]["mcse"].max())
    return [
        Check("r_hat", worst, R_HAT, worst <= R_HAT, f"largest R-hat {worst:.3f}"),
        Check("ess_bulk", bulk, ESS, bulk >= ESS, f"smallest bulk effective sample {bulk:.0f}"),
        Check("ess_tail", tail, ESS, tail >= ESS, f"smallest tail effective sample {tail:.0f}"),
        *(_trajectory_checks(stats) if "diverging" in stats else [_moves_check(stats)]),
        Check("mcse", mcse, MCSE, mcse <= MCSE, f"largest Monte-Carlo error of a score {mcse:.5f}"),
    ]


def _trajectory_checks(stats: Any) -> list[Check]:
    """What can go wrong with the trajectories of NUTS."""
    divergences = float(stats["diverging"].values.sum())
    deep = float(stats["maxdepth_reached"].values.mean())
    energy = float(bfmi(np.asarray(stats["energy"].values, dtype=float)).min())
    return [
        Check("divergences", divergences, 0.0, divergences == 0, f"{divergences:.0f} divergences"),
        Check("tree_depth", deep, 0.01, deep <= 0.01, f"{deep:.1%} of trajectories cut short"),
        Check("bfmi", energy, BFMI, energy >= BFMI, f"smallest BFMI {energy:.2f}"),
    ]


def _moves_check(stats: Any) -> Check:
    """Whether proposals are taken often enough in every chain, where none follow trajectories."""
    kinds = {"moved": "independent", "moved_cells": "cells'", "moved_scales": "scales'"}
    shares = {
        words: float(stats[name].values.mean(axis=1).min())
        for name, words in kinds.items()
        if name in stats
    }
    least = min(shares.values())
    taken = ", ".join(f"{share:.0%} of {words}" for words, share in shares.items())
    return Check("moves", least, MOVES, least >= MOVES, f"proposals taken: {taken} (worst chain)")


def leave_one_out(fit: Posterior, name: str = "cell") -> Any:
    """PSIS-LOO of ArviZ by ``item``, ``cell`` or ``family``."""
    import arviz as az

    with warnings.catch_warnings():
        # Weights that fail are a value of the result.
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto")
        warnings.filterwarnings("ignore", message="The point-wise LOO is the same")
        return az.loo(fit.idata, var_name=name, pointwise=True)


def loo_checks(fit: Posterior) -> list[Check]:
    """Whether the weights that leave out an item, or a cell, can be trusted."""
    found = []
    for name, words in (("item", "items"), ("cell", "cells")):
        # A parameter of its own to each accuracy leaves nothing to leave out.
        if name not in fit.idata["log_likelihood"] or (
            name == "cell" and not isinstance(fit.model, CellModel)
        ):
            continue
        k = np.asarray(leave_one_out(fit, name).pareto_k.values, dtype=float).ravel()
        bad = float((k > PARETO_K).mean())
        found.append(
            Check(
                f"loo_{name}",
                bad,
                _FEW,
                bad <= _FEW,
                f"PSIS-LOO: Pareto k above {PARETO_K} for {int((k > PARETO_K).sum())} of {k.size} "
                f"{words} (largest {k.max():.2f})",
            )
        )
    return found


def predictive_table(fit: Posterior) -> pd.DataFrame:
    """Measures of the data, and of data that the fit would give: `p_value` far out is bad."""
    replicated = np.asarray(fit.idata["posterior_predictive"]["measures"].values, dtype=float)
    observed = np.asarray(fit.idata["observed_data"]["measures"].values, dtype=float)
    flat = replicated.reshape(-1, observed.size)
    known = np.isfinite(observed)
    names = [name for name, fine in zip(fit.model.measures, known, strict=True) if fine]
    seen = dict(zip(names, observed[known].tolist(), strict=True))
    drawn = dict(zip(names, flat[:, known].T, strict=True))
    return predictive_p_values(*_with_bend(seen, drawn))


def _with_bend(
    seen: dict[str, float], drawn: dict[str, Floats]
) -> tuple[dict[str, float], dict[str, Floats]]:
    """Add the sum of what a bend of profiles moves alike, in standard deviations of replicates.

    Together they see bends that each alone takes for chance.
    """
    alike = [name for name in BENT if name in seen and drawn[name].std() > 0]
    if len(alike) < 2:
        return seen, drawn
    name = f"bend of profiles: {len(alike)} measures together, standard scores"
    centre = {one: (drawn[one].mean(), drawn[one].std()) for one in alike}
    total = float(sum((seen[one] - mean) / sd for one, (mean, sd) in centre.items()))
    replicated = np.sum([(drawn[one] - mean) / sd for one, (mean, sd) in centre.items()], axis=0)
    return {**seen, name: total}, {**drawn, name: replicated}


def predictive_p_values(seen: dict[str, float], drawn: dict[str, Floats]) -> pd.DataFrame:
    """Where observed measures lie among replicated ones, ties counted half."""
    rows = []
    for name, value in seen.items():
        above = float((drawn[name] > value).mean() + 0.5 * (drawn[name] == value).mean())
        rows.append(
            {
                "measure": name,
                "observed": value,
                "replicated": float(drawn[name].mean()),
                "p_value": above,
            }
        )
    return pd.DataFrame(rows)


def predictive_checks(fit: Posterior) -> list[Check]:
    """Whether data like the observed ones would surprise the fit."""
    table = predictive_table(fit)
    share = table["p_value"].to_numpy(dtype=float)
    odd = np.minimum(share, 1.0 - share)
    least = float(odd.min())
    names = table.loc[odd < TAIL, "measure"]
    words = (
        f"replicated data differ from the observed in {', '.join(names)}"
        if len(names)
        else f"replicated data are like the observed in all {len(table)} measures"
    )
    return [Check("predictive", least, TAIL, least >= TAIL, words)]


def fit_checks(fit: Posterior) -> pd.DataFrame:
    """Every check of a fit: `check, value, bar, passed, words`."""
    found = [*sampler_checks(fit), *predictive_checks(fit), *loo_checks(fit)]
    return pd.DataFrame([asdict(check) for check in found])
