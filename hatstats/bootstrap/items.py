"""Paired bootstrap of all HAT scores over items.

Items (or clusters of items) are drawn once for all models and languages, so that draws of two
models are paired as their data are. Each draw is one Newton step from the estimate, which is one
row of a matrix product; no draw can fail. A few full refits on drawn items show how far the step is
from a refit.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from hatstats.bootstrap.refits import check_steps
from hatstats.bootstrap.result import BootstrapScores
from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.inference.random_numbers import seeded
from hatstats.inference.resampling.bootstrap import WEIGHT_KINDS, WeightKind, linear_draws
from hatstats.inference.validation import count_at_least, one_of
from hatstats.scores.item_profile import require_items, score_influence
from hatstats.scores.reference import reference_name
from hatstats.scores.transfer_profile import TransferProfile, as_profile


def bootstrap_hat(
    profile: TransferProfile,
    reference: str | ArrayLike = "pooled",
    *,
    kind: WeightKind = "multinomial",
    n_draws: int = 10_000,
    check_refits: int = 0,
    rng: np.random.Generator | int | None = None,
) -> BootstrapScores:
    """Paired item bootstrap of all HAT scores.

    Weights of item clusters are drawn once for all models and languages, independently by
    benchmark; each draw is ``estimates + (w - 1) @ psi`` with psi the clusters' influence values,
    which carry the estimation of the reference distribution.

    Parameters
    ----------
    profile : TransferProfile
        Learnt from items (method ``latent`` or ``observed``).
    reference : str or array_like
        See `TransferProfile.hat`.
    kind : {"multinomial", "poisson", "exponential"}
    n_draws : int
        100 or more.
    check_refits : int
        Number of draws of item clusters (multinomial) that are also fitted in full and compared
        with their Newton steps.
    rng : Generator, int or None
        Without one a fresh seed is drawn, and stands in the result.

    Returns
    -------
    BootstrapScores

    Raises
    ------
    NotIdentifiedError
        If the profile was not learnt from items, or a benchmark has one item cluster only.
    DataError
        For an unknown kind, too few draws or a negative number of refits.

    Warns
    -----
    DegenerateDataWarning
        If no item moves a model's score (all its answers are the same): its interval is NaN.

    Examples
    --------
    >>> import hatstats as hs
    >>> profile = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed")
    >>> drawn = hs.bootstrap_hat(profile, n_draws=200)
    >>> again = hs.bootstrap_hat(profile, n_draws=200, rng=drawn.seed)
    >>> bool((drawn.draws == again.draws).all())
    True
    """
    profile = as_profile(profile, "bootstrap_hat")
    generator, seed = seeded(rng)
    one_of("kind", kind, WEIGHT_KINDS)
    count_at_least("n_draws", n_draws, 100)
    count_at_least("check_refits", check_refits, 0)
    items = require_items(profile, "the item bootstrap")
    scores = score_influence(items, reference)
    for fit, psi in zip(items.fits, scores.influence, strict=True):
        if psi.shape[0] < 2:
            raise NotIdentifiedError(
                f"benchmark {fit.counts.benchmark!r} has one item cluster: spread over items "
                "cannot be estimated from one. What is missing: more items, or smaller clusters."
            )
    constant = np.all([np.abs(psi).max(axis=0) <= 1e-14 for psi in scores.influence], axis=0)
    if constant.any():
        names = ", ".join(np.array(scores.models)[constant])
        warnings.warn(
            f"no item moves the score of {names} (all answers are the same): every bootstrap draw "
            "has the same value, so the interval is NaN and not of length 0",
            DegenerateDataWarning,
            stacklevel=2,
        )
    influence = tuple(np.where(constant, 0.0, psi) for psi in scores.influence)
    scores = replace(scores, influence=influence)
    draws_rng, refit_rng = generator.spawn(2)
    draws = linear_draws(scores.estimates, influence, n_draws, kind=kind, rng=draws_rng)
    refits, failed = check_steps(items, reference, scores, check_refits, refit_rng)
    return BootstrapScores(
        models=scores.models,
        estimates=scores.estimates,
        draws=draws,
        scale=1.0,
        influence=influence,
        unit="items",
        kind=kind,
        reference=reference_name(reference),
        method=items.method,
        n_clusters=sum(psi.shape[0] for psi in influence),
        refits=refits,
        n_failed=failed,
        seed=seed,
    )
