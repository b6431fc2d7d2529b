"""How HAT would vary if the same items were asked again: trials redrawn, items kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.bootstrap.refits import REFIT_COLUMNS, refit_scores
from hatstats.bootstrap.result import BootstrapScores
from hatstats.errors import FitError, NotIdentifiedError
from hatstats.inference.random_numbers import seeded
from hatstats.inference.validation import count_at_least
from hatstats.scores.counts import ratio
from hatstats.scores.item_profile import require_items, score_influence
from hatstats.scores.reference import reference_name
from hatstats.scores.transfer_profile import TransferProfile, as_profile


def resample_trials(
    profile: TransferProfile,
    reference: str | ArrayLike = "pooled",
    *,
    n_draws: int = 100,
    rng: np.random.Generator | int | None = None,
) -> BootstrapScores:
    """Spread of HAT over repeated trials of the same items, by full refits.

    Each cell's right answers are redrawn as Bin(n, k/n) and everything is fitted anew. This is
    *not* the sampling error of a benchmark, whose items represent others: for that, use
    `bootstrap_hat`. Redrawing trials within drawn items would count their noise twice and
    inflate the standard error.

    ``k/n (1 - k/n)`` underestimates the variance of one trial by (n - 1)/n; standard errors
    are corrected by the square root of the average of n/(n - 1), weighted by that variance.

    Parameters
    ----------
    profile : TransferProfile
        Learnt from items.
    reference : str or array_like
    n_draws : int
        Full refits, 10 or more.
    rng : Generator, int or None
        Without one a fresh seed is drawn, and stands in the result.

    Returns
    -------
    BootstrapScores
        With `unit` ``trials``; failed refits are counted in `n_failed` and left out.

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
    rows = items.study.counts
    correct, trials = (rows[name].to_numpy(dtype=float) for name in ("n_correct", "n_trials"))
    if (trials < 2).all():
        raise NotIdentifiedError(
            "every cell has one trial, so that redrawing it gives the same answer. "
            "What is missing: two or more trials per item and language."
        )
    share = np.nan_to_num(ratio(correct, trials))
    noise = np.where(trials > 1, share * (1.0 - share), 0.0)
    inflation = np.divide(trials, trials - 1.0, out=np.ones_like(trials), where=trials > 1)
    scale = float(np.sqrt((noise @ inflation) / noise.sum())) if noise.sum() > 0 else 1.0
    generator, seed = seeded(rng)
    scores = score_influence(items, reference)
    draws, failed = [], 0
    for _ in range(n_draws):
        redrawn = generator.binomial(trials.astype(int), share).astype(float)
        study = replace(items.study, counts=rows.assign(n_correct=redrawn), claims=(), files=())
        refit = refit_scores(items, study, reference)
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
        unit="trials",
        kind="binomial",
        reference=reference_name(reference),
        method=items.method,
        n_clusters=sum(psi.shape[0] for psi in scores.influence),
        refits=pd.DataFrame(columns=REFIT_COLUMNS),
        n_failed=failed,
        seed=seed,
    )
