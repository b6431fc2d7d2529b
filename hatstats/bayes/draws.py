"""From posterior draws to tidy rows with their convergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.errors import DataError
from hatstats.inference.intervals import check_level
from hatstats.inference.tidy import tidy_frame

Floats = NDArray[np.float64]


def limits(draws: Floats, conf_level: float, interval: str = "eti") -> Floats:
    """Limits of K quantities (chains, draws, K): equal tails, or the shortest interval; (K, 2).

    Raises
    ------
    DataError
        For an unknown kind of interval.
    """
    check_level(conf_level)
    flat = draws.reshape(-1, draws.shape[-1])
    if interval == "eti":
        tail = 0.5 * (1.0 - conf_level)
        return np.asarray(np.quantile(flat, [tail, 1.0 - tail], axis=0).T)
    if interval != "hdi":
        raise DataError(
            "unknown kind of interval",
            column="interval",
            value=interval,
            hint="use eti (equal tails) or hdi (highest density).",
        )
    ordered = np.sort(flat, axis=0)
    inside = int(np.floor(conf_level * flat.shape[0]))
    width = ordered[inside:] - ordered[: flat.shape[0] - inside]
    start = width.argmin(axis=0)
    columns = np.arange(flat.shape[1])
    return np.column_stack([ordered[start, columns], ordered[start + inside, columns]])


def convergence(draws: Floats) -> pd.DataFrame:
    """R-hat, effective sample sizes and Monte-Carlo error of K quantities (chains, draws, K)."""
    from arviz_stats.base.array import array_stats as stats

    moved = np.moveaxis(draws, -1, 0)
    # A quantity that never moves (a reference model against itself) has converged trivially.
    still = np.ptp(moved, axis=(1, 2)) == 0.0
    table = pd.DataFrame(
        {
            "r_hat": stats.rhat(moved),
            "ess_bulk": stats.ess(moved, method="bulk"),
            "ess_tail": stats.ess(moved, method="tail", prob=(0.05, 0.95)),
            "mcse": stats.mcse(moved, method="mean"),
        },
        index=range(moved.shape[0]),
    )
    table.loc[still, ["r_hat", "ess_bulk", "ess_tail"]] = np.nan
    return table


def posterior_frame(
    term: str | Sequence[str],
    draws: Floats,
    *,
    conf_level: float = 0.95,
    interval: str = "eti",
    method: str = "",
    identifiers: Mapping[str, Sequence[str] | str] | None = None,
) -> pd.DataFrame:
    """Rows of the tidy schema from draws (chains, draws, K).

    `estimate` and `std_error` are posterior mean and standard deviation, the limits those of the
    posterior. A posterior has no test statistic, degrees of freedom or p value.

    Returns
    -------
    DataFrame
        The tidy schema, then `r_hat, ess_bulk, ess_tail, mcse, interval`.
    """
    mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1), ddof=1)
    table = tidy_frame(
        term, mean, sd, conf_level=conf_level, method=method, identifiers=identifiers
    )
    ends = limits(draws, conf_level, interval)
    table["conf_low"], table["conf_high"] = ends[:, 0], ends[:, 1]
    table[["statistic", "df", "p_value"]] = np.nan
    for name, values in convergence(draws).items():
        table[str(name)] = values.to_numpy()
    return table.assign(interval=interval)
