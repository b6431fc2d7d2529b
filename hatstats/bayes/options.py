"""Options of the hierarchical model: priors, each with its reason; cells; sampling."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

import numpy as np

from hatstats.errors import DataError
from hatstats.inference.validation import count_at_least, in_range, one_of

Sampler = Literal["nutpie", "pymc"]
#: Called with a text and the share done, from 0 to 1.
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Priors:
    """Scales of the priors, in logits.

    All are weak on the scale of accuracies: around one half, .5 logit is about 12 points of
    accuracy. The `prior` group of a fit shows what they imply together. Standard deviations have
    half-normal priors, which allow zero, as half-Cauchy ones do, but not the absurd (Gelman 2006,
    Bayesian Anal 1:515-534).

    Attributes
    ----------
    mean : float
        Standard deviation of the mean source logit, and of the mean transfer logit, of each
        benchmark: with 1.5, accuracies of .05 and .95 are both within two of it.
    trend : float
        Standard deviation of the change of a logit for one standard deviation of a covariate over
        the models. With .5, covariates move accuracies by some 12 points each, in either direction.
    source : float
        Scale of the variation of models around their mean source logit: models of a leaderboard
        differ by a few logits at most.
    language : float
        Scale of the variation of languages: low-resource languages may lie a logit lower.
    family, model : float
        Scales of what the models of a family, and the cells of a model, have in common.
    benchmark : float
        Scale of the interactions of model and benchmark, and of language and benchmark.
    cell : float
        Scale of the residual of a cell (model, benchmark and language) beside sampling error.
    line : float
        Standard deviation, around 1, of the slope of target on source logits. 1 is a plain shift
        of logits; slopes below .4 or above 1.6 have not been seen.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.Priors(trend=0.25).trend
    0.25
    """

    mean: float = 1.5
    trend: float = 0.5
    source: float = 1.0
    language: float = 0.7
    family: float = 0.5
    model: float = 0.5
    benchmark: float = 0.3
    cell: float = 0.3
    line: float = 0.3

    def __post_init__(self) -> None:
        """Refuse scales that are not positive."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not (isinstance(value, int | float) and np.isfinite(value) and value > 0):
                raise DataError(
                    "the scale of a prior must be a positive number",
                    column=f"priors.{entry.name}",
                    value=value,
                    hint=f"give a number of logits, such as {entry.default:g}.",
                )


@dataclass(frozen=True, slots=True)
class CellOptions:
    """How cells are estimated before they are modelled together.

    Attributes
    ----------
    method : {"latent", "joint", "panel", "observed"}, optional
        Estimator of the profiles of item-level benchmarks; by default the one that their trials
        allow, see `hatstats.fit_profile`.
    reference : str, optional
        Reference distribution of item-level benchmarks: it is part of what a cell estimates; by
        default that of `TransferProfile.hat`.
    correlation : float
        Stated correlation of two models' accuracies on the same items, for benchmarks with
        accuracies only; in [0, 1).
    window : tuple of float
        Window of the reference ``common``, from the study.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.CellOptions(method="joint")
    CellOptions(method='joint', reference=None, correlation=0.0, window=())
    """

    method: Literal["latent", "joint", "panel", "observed"] | None = None
    reference: str | None = None
    correlation: float = 0.0
    window: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse unknown methods and impossible correlations."""
        if self.method is not None:
            one_of("method", self.method, ("latent", "joint", "panel", "observed"))
        hint = "0 is the default, 0.3 and 0.6 show how much it matters."
        in_range("correlation", self.correlation, "[0, 1)", hint)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw from the posterior.

    Attributes
    ----------
    draws, tune, chains : int
        Draws kept and draws spent on tuning, in each chain.
    sampler : {"nutpie", "pymc"}
        NUTS of nutpie, compiled, or of PyMC.
    cores : int
        Chains that nutpie draws at once; PyMC draws them one after another.
    target_accept : float
        Mean acceptance rate that step sizes are tuned to.
    progress : callable, optional
        ``progress(text, share)``: draws and divergences so far, share done from 0 to 1. Where no
        `Sampling` is given, a line on a terminal or in a notebook after two seconds.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.Sampling(draws=2_000).chains
    4
    """

    draws: int = 1000
    tune: int = 500
    chains: int = 4
    sampler: Sampler = "nutpie"
    cores: int = 2
    target_accept: float = 0.95
    progress: Progress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        # Printed digits need some hundred draws; convergence is judged by chains that agree.
        for name, least in (("draws", 50), ("tune", 50), ("chains", 2), ("cores", 1)):
            count_at_least(name, getattr(self, name), least)
        one_of("sampler", self.sampler, get_args(Sampler))
        hint = "0.95 is the default; 0.99 takes smaller steps."
        in_range("target_accept", self.target_accept, "[0.5, 1)", hint)


@contextmanager
def own_random_state() -> Iterator[None]:
    """Leave Python's global random state untouched.

    PyTensor uses it when it is imported and when it names variables.
    """
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
