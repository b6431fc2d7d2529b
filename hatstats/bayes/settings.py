"""How to draw from a posterior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from hatstats.errors import DataError

Sampler = Literal["auto", "nutpie", "pymc", "numpyro", "blocked", "independence"]
#: Told (words, share done from 0 to 1).
Progress = Callable[[str, float], None]
#: Told (chain, share done).
Told = Callable[[int, float], None]

#: Statistics of each draw of NUTS that are kept.
STATISTICS = ("diverging", "energy", "n_steps", "step_size", "maxdepth_reached")
#: Draws below which quantiles of the posterior are noise.
LEAST_DRAWS = 50


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw from the posterior.

    Attributes
    ----------
    draws, tune, chains : int
        Draws kept and draws spent on tuning, in each chain; `independence` adapts beforehand and
        drops 50 at most.
    sampler : {"auto", "nutpie", "pymc", "numpyro", "blocked", "independence"}
        ``blocked`` draws the count rung of studies with items in tens to a hundred times less
        time than NUTS does, by proposals from a normal model that the counts accept or refuse;
        ``independence`` draws the few scales of the cell rung by proposals from a fitted t
        distribution. ``auto`` takes them where they serve and nutpie elsewhere. numpyro comes
        with the extra ``hatstats[jax]``.
    cores : int
        Chains run at once; nutpie draws the chains of the cell and count rungs one by one.
    target_accept : float
        Of NUTS.
    keep : path, optional
        Folder in which each chain is saved when it is finished. A later run with the same data,
        model and seed reads the chains that it finds there, and draws the others.
    progress : callable, optional
        ``progress(words, share)``: draws, divergences and time left.
    """

    draws: int = 500
    tune: int = 300
    chains: int = 4
    sampler: Sampler = "auto"
    cores: int = 2
    target_accept: float = 0.9
    keep: str | Path | None = None
    progress: Progress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse numbers that cannot serve."""
        for name, least, hint in (
            ("draws", LEAST_DRAWS, "500 is the default; printed digits need some hundred."),
            ("tune", 50, "300 is the default."),
            ("chains", 2, "convergence is judged by chains that agree; 4 is the default."),
            ("cores", 1, "give the number of chains to run at once."),
        ):
            value = getattr(self, name)
            if not (isinstance(value, int | np.integer) and value >= least):
                raise DataError(
                    f"fewer than {least} cannot serve", column=name, value=value, hint=hint
                )
        if self.sampler not in get_args(Sampler):
            raise DataError(
                "unknown sampler",
                column="sampler",
                value=self.sampler,
                hint=f"use {', '.join(get_args(Sampler))}.",
            )
        if not 0.5 <= self.target_accept < 1.0:
            raise DataError(
                "the acceptance rate that is aimed at lies between 0.5 and 1",
                column="target_accept",
                value=self.target_accept,
                hint="0.9 is the default; 0.99 takes smaller steps.",
            )
