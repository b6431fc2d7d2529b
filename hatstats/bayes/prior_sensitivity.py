"""How far conclusions hang on the priors."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from hatstats.bayes.posterior import Posterior

#: Distance of the power-scaled posterior from which ArviZ speaks of sensitivity.
BAR = 0.05
#: Filters of a logger do not hold for those below it.
_LOGGER = "arviz_stats.psense"


def _quiet(_: logging.LogRecord) -> bool:
    return False


def power_scaling(fit: Posterior) -> pd.DataFrame:
    """Power-scaling sensitivity (Kallioinen et al. 2023, Stat Comput 34:57), through ArviZ.

    Returns
    -------
    DataFrame
        `quantity, prior, likelihood, diagnosis`: cumulative Jensen-Shannon distance of the
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
    # The diagnosis is a column of the result; ArviZ would print advice beside it.
    logging.getLogger(_LOGGER).addFilter(_quiet)
    try:
        table = az.psense_summary(xr.DataTree.from_dict(data), round_to=6)
    finally:
        logging.getLogger(_LOGGER).removeFilter(_quiet)
    return pd.DataFrame(
        {
            "quantity": table.index.astype(str),
            "prior": table["prior"].to_numpy(dtype=float),
            "likelihood": table["likelihood"].to_numpy(dtype=float),
            "diagnosis": table["diagnosis"].astype(str).to_numpy(),
        }
    )
