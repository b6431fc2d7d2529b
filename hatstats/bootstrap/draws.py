"""HAT under resampled items, and under redrawn trials of the same items.

Items (or clusters of items) are drawn once for all models and languages, so that draws of two
models are paired as their data are. Each draw is one Newton step from the estimate, which is one
row of a matrix product; no draw can fail. Redrawn trials say how HAT would vary if the same items
were asked again, by full refits.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.bootstrap.result import BootstrapScores
from hatstats.errors import DegenerateDataWarning, FitError, NotIdentifiedError
from hatstats.estimators.methods import fit_profile
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.random_numbers import seeded
from hatstats.inference.resampling.bootstrap import linear_draws
from hatstats.inference.validation import count_at_least
from hatstats.scores.counts import ratio
from hatstats.scores.item_profile import ItemProfile, require_items, score_influence
from hatstats.scores.reference import reference_name, settled
from hatstats.scores.transfer_profile import TransferProfile, as_profile
from hatstats.study import Study

if TYPE_CHECKING:
    from hatstats.estimators.joint.options import JointOptions
    from hatstats.estimators.latent.fit import LatentOptions
    from hatstats.estimators.methods import Method


def bootstrap_hat(
    profile: TransferProfile,
    reference: str | ArrayLike | None = None,
    *,
    n_draws: int = 10_000,
    rng: np.random.Generator | int | None = None,
) -> BootstrapScores:
    """Paired item bootstrap of all HAT scores.

    Weights of item clusters are drawn once for all models and languages, independently by
    benchmark; each draw is ``estimates + (w - 1) @ psi`` with psi the clusters' influence values,
    which carry the estimation of the reference distribution. Where profiles borrow from one
    another, a normal error by their spread over models is added, which no item shows.

    Parameters
    ----------
    profile : TransferProfile
        Learnt from items (method ``latent`` or ``observed``).
    reference : str or array_like, optional
        See `TransferProfile.hat`.
    n_draws : int
        100 or more.
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
        For too few draws.

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
    count_at_least("n_draws", n_draws, 100)
    items = require_items(profile, "the item bootstrap")
    reference = settled(reference, items.study)
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
    draws_rng, _, spread_rng = generator.spawn(3)
    draws = linear_draws(scores.estimates, influence, n_draws, draws_rng)
    draws += scores.spread_errors(n_draws, spread_rng)
    return BootstrapScores(
        models=scores.models,
        estimates=scores.estimates,
        draws=draws,
        scale=1.0,
        influence=influence,
        unit="items",
        kind="multinomial",
        reference=reference_name(reference),
        method=items.method,
        n_clusters=sum(psi.shape[0] for psi in influence),
        seed=seed,
    )


def resample_trials(
    profile: TransferProfile,
    reference: str | ArrayLike | None = None,
    *,
    n_draws: int = 100,
    rng: np.random.Generator | int | None = None,
) -> BootstrapScores:
    """Spread of HAT over repeated trials of the same items, by full refits.

    Each cell's right answers are redrawn as Bin(n, k/n) and everything is fitted anew. Where trials
    share wordings, which are not independent, whole wordings are redrawn instead: each cell has as
    many of its own wordings, drawn with replacement. This is
    *not* the sampling error of a benchmark, whose items represent others: for that, use
    `bootstrap_hat`. Redrawing trials within drawn items would count their noise twice and
    inflate the standard error.

    ``k/n (1 - k/n)`` underestimates the variance of one trial by (n - 1)/n; standard errors
    are corrected by the square root of the average of n/(n - 1), weighted by that variance; with
    wordings n is their number.

    Parameters
    ----------
    profile : TransferProfile
        Learnt from items.
    reference : str or array_like, optional
    n_draws : int
        Full refits, 10 or more.
    rng : Generator, int or None
        Without one a fresh seed is drawn, and stands in the result.

    Returns
    -------
    BootstrapScores
        With `unit` ``trials`` or ``wordings``; failed refits are counted in `n_failed` and left
        out.

    Raises
    ------
    NotIdentifiedError
        If the profile was not learnt from items, or every cell has one trial: the noise of
        trials cannot be estimated then.
    DataError
        For too few draws.

    Examples
    --------
    >>> import hatstats as hs
    >>> profile = hs.fit_profile(hs.simulate_study([0.0], rng=1), method="observed")
    >>> hs.resample_trials(profile, n_draws=10, rng=1).unit
    'trials'
    """
    profile = as_profile(profile, "resample_trials")
    count_at_least("n_draws", n_draws, 10)
    items = require_items(profile, "resampling trials")
    reference = settled(reference, items.study)
    rows, codes = _redrawn_units(items)
    correct, trials = (rows[name].to_numpy(dtype=float) for name in ("n_correct", "n_trials"))
    if (trials < 2).all():
        raise NotIdentifiedError(
            "every cell has one trial, so that redrawing it gives the same answer. "
            "What is missing: two or more trials per item and language."
        )
    share = np.nan_to_num(ratio(correct, trials))
    if codes is None:
        size, noise = trials, share * (1.0 - share)
    else:
        mean, square = (
            (np.bincount(codes, x) / np.bincount(codes))[codes] for x in (share, share**2)
        )
        size, noise = np.bincount(codes)[codes].astype(float), square - mean**2
    noise = np.where(size > 1, noise, 0.0)
    inflation = np.divide(size, size - 1.0, out=np.ones_like(size), where=size > 1)
    scale = float(np.sqrt((noise @ inflation) / noise.sum())) if noise.sum() > 0 else 1.0
    generator, seed = seeded(rng)
    scores = score_influence(items, reference)
    draws, failed = [], 0
    for _ in range(n_draws):
        if codes is None:
            redrawn = rows.assign(n_correct=generator.binomial(trials.astype(int), share))
        else:
            chosen = _within(codes, generator)
            redrawn = rows.assign(n_correct=correct[chosen], n_trials=trials[chosen])
        redrawn = redrawn.astype({"n_correct": float})
        study = replace(items.study, counts=redrawn, claims=(), files=())
        refit = _refitted(items, study, reference)
        if refit is None:
            failed += 1
        else:
            draws.append(refit)
    if len(draws) < 2:
        raise FitError(f"{failed} of {n_draws} refits failed: no spread over trials is left")
    return BootstrapScores(
        models=scores.models,
        estimates=scores.estimates,
        draws=np.array(draws),
        scale=scale,
        influence=(),
        unit="trials" if codes is None else "wordings",
        kind="binomial" if codes is None else "multinomial",
        reference=reference_name(reference),
        method=items.method,
        n_clusters=sum(psi.shape[0] for psi in scores.influence),
        n_failed=failed,
        seed=seed,
    )


def _redrawn_units(profile: ItemProfile) -> tuple[pd.DataFrame, Ints | None]:
    """Rows of counts, and the cell of each row if they are wordings to be redrawn within cells."""
    rows = profile.study.counts
    shared = any(
        part.trials != "repeats" and (part.source_pairs or part.target_pairs)
        for part in profile.counts
    )
    if not shared:
        return rows, None
    # Repeats of a wording stand in rows of their own.
    sizes = ["n_correct", "n_trials"]
    keys = [name for name in rows.columns if name not in (*sizes, "repeat")]
    summed = rows.groupby(keys, sort=False, dropna=False)[sizes].sum().reset_index()
    cell = ["model", "benchmark", "language", "item"]
    codes = np.asarray(summed.groupby(cell, sort=False).ngroup(), dtype=np.intp)
    return summed.assign(repeat="")[list(rows.columns)], codes


def _within(codes: Ints, rng: np.random.Generator) -> Ints:
    """For each row one row of the same code (n,), drawn with replacement."""
    order = np.argsort(codes, kind="stable")
    size = np.bincount(codes)
    start = np.cumsum(size) - size
    chosen = start[codes] + (rng.random(codes.size) * size[codes]).astype(np.intp)
    return np.asarray(order[chosen], dtype=np.intp)


def _refitted(profile: ItemProfile, study: Study, reference: str | ArrayLike) -> Floats | None:
    """Scores of a study by the profile's method, shape (M,); None if the fit failed."""
    method = cast("Method", profile.method)
    options = cast("LatentOptions | JointOptions | None", profile.options)
    with warnings.catch_warnings():
        # A drawn study may be at a boundary; only the score matters.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        try:
            fitted = fit_profile(study, method=method, options=options).hat(reference)
        except (FitError, NotIdentifiedError):
            return None
    return fitted.estimates
