"""Diagnostics of a fit as values that can fail."""

from __future__ import annotations

import logging
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from hatstats.bayes.cell_model import MEASURES
from hatstats.bayes.posterior import Posterior
from hatstats.bayes.scores import MCSE, convergence
from hatstats.inference.result_frame import ResultFrame

#: Bars: Vehtari et al. 2021 (Bayesian Anal 16:667-718) for R-hat and effective sizes; Betancourt
#: 2016 (arXiv 1604.00695) for BFMI; Vehtari et al. 2024 (JMLR 25:72) for Pareto k.
R_HAT, ESS, BFMI, PARETO_K = 1.01, 400.0, 0.3, 0.7
#: Share of replicated data beyond the observed ones, on either side, under which a check fails.
TAIL = 0.005
#: Share of cells whose weights may be unreliable.
_FEW = 0.02


@dataclass(frozen=True, slots=True)
class Check:
    """One diagnostic."""

    check: str
    value: float
    bar: float
    passed: bool
    words: str  # the result in a sentence


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
    divergences = float(stats["diverging"].values.sum())
    deep = float(stats["maxdepth_reached"].values.mean())
    # Bayesian fraction of missing information of the worst chain.
    energies = np.asarray(stats["energy"].values, dtype=float)
    steps = np.diff(energies, axis=1)
    energy = float(((steps**2).mean(axis=1) / energies.var(axis=1)).min())
    return [
        Check("r_hat", worst, R_HAT, worst <= R_HAT, f"largest R-hat {worst:.3f}"),
        Check("ess_bulk", bulk, ESS, bulk >= ESS, f"smallest bulk effective sample {bulk:.0f}"),
        Check("ess_tail", tail, ESS, tail >= ESS, f"smallest tail effective sample {tail:.0f}"),
        Check("divergences", divergences, 0.0, divergences == 0, f"{divergences:.0f} divergences"),
        Check("tree_depth", deep, 0.01, deep <= 0.01, f"{deep:.1%} of trajectories cut short"),
        Check("bfmi", energy, BFMI, energy >= BFMI, f"smallest BFMI {energy:.2f}"),
        Check("mcse", mcse, MCSE, mcse <= MCSE, f"largest Monte-Carlo error of a score {mcse:.5f}"),
    ]


def leave_one_out(fit: Posterior) -> Any:
    """PSIS-LOO of ArviZ by cell."""
    import arviz as az

    with warnings.catch_warnings():
        # Unreliable weights are a value of the result.
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto")
        warnings.filterwarnings("ignore", message="The point-wise LOO is the same")
        return az.loo(fit.idata, var_name="cell", pointwise=True)


def loo_check(fit: Posterior) -> Check:
    """Whether the importance weights that leave out a cell can be trusted."""
    k = np.asarray(leave_one_out(fit).pareto_k.values, dtype=float).ravel()
    bad = k > PARETO_K
    text = (
        f"PSIS-LOO: Pareto k above {PARETO_K} for {int(bad.sum())} of {k.size} cells "
        f"(largest {k.max():.2f})"
    )
    return Check("loo_cell", float(bad.mean()), _FEW, bool(bad.mean() <= _FEW), text)


def predictive_table(fit: Posterior) -> pd.DataFrame:
    """Measures of the data and of data replicated from the fit; extreme `p_value` are bad.

    `p_value` is the share of replicates above the observed value, ties counted half.
    """
    replicated = np.asarray(fit.idata["posterior_predictive"]["measures"].values, dtype=float)
    observed = np.asarray(fit.idata["observed_data"]["measures"].values, dtype=float)
    drawn = replicated.reshape(-1, observed.size)
    above = (drawn > observed).mean(axis=0) + 0.5 * (drawn == observed).mean(axis=0)
    table = ResultFrame(
        {
            "measure": list(MEASURES),
            "observed": observed,
            "replicated": drawn.mean(axis=0),
            "p_value": above,
        }
    )
    return table[np.isfinite(observed)].reset_index(drop=True)


def predictive_check(fit: Posterior) -> Check:
    """Whether the observed data are plausible under the fit."""
    table = predictive_table(fit)
    share = table["p_value"].to_numpy(dtype=float)
    tail = np.minimum(share, 1.0 - share)
    least = float(tail.min())
    names = table.loc[tail < TAIL, "measure"]
    text = (
        f"replicated data differ from the observed in {', '.join(names)}"
        if len(names)
        else f"replicated data are like the observed in all {len(table)} measures"
    )
    return Check("predictive", least, TAIL, least >= TAIL, text)


def fit_checks(fit: Posterior) -> pd.DataFrame:
    """Every check of a fit: `check, value, bar, passed, words`."""
    found = [*sampler_checks(fit), predictive_check(fit), loo_check(fit)]
    return ResultFrame([asdict(check) for check in found])


def power_scaling(fit: Posterior) -> pd.DataFrame:
    """Power-scaling sensitivity (Kallioinen et al. 2023, Stat Comput 34:57), through ArviZ.

    Returns `quantity, prior, likelihood, diagnosis`: cumulative Jensen-Shannon distance of the
    posterior's marginal when prior, or likelihood, is raised to powers near 1.
    """
    import arviz as az
    import xarray as xr

    scores = fit.hat()
    sampled = ["chain", "draw"]
    variables = {"HAT": ([*sampled, "model"], scores.draws)}
    coords: dict[str, list[str]] = {"model": list(scores.models)}
    for side, values in fit.trend_draws().items():
        variables[f"{side}_trend"] = ([*sampled, "term"], values)
        coords["term"] = list(fit.design.terms)
    stats = fit.idata["sample_stats"]
    data = {"posterior": xr.Dataset(variables, coords=coords)}
    for name in ("log_prior", "log_likelihood"):
        data[name] = xr.Dataset({"all": (sampled, np.asarray(stats[name].values))})
    for part in data.values():
        part.attrs["sample_dims"] = sampled
    # The diagnosis is a column of the result; do not also print ArviZ's advice. Filters of a
    # logger do not hold for those below it.
    logger, quiet = logging.getLogger("arviz_stats.psense"), lambda _: False
    logger.addFilter(quiet)
    try:
        table = az.psense_summary(xr.DataTree.from_dict(data), round_to=6)
    finally:
        logger.removeFilter(quiet)
    found: pd.DataFrame = table.rename_axis("quantity").reset_index()
    kinds = {"quantity": str, "prior": float, "likelihood": float, "diagnosis": str}
    return found[list(kinds)].astype(kinds)
