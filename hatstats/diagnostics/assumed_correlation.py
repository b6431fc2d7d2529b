"""HAT where nothing says how far the trials of an item depend on one another."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.errors import DataError, DegenerateDataWarning, NotIdentifiedError
from hatstats.inference.result_frame import ResultFrame
from hatstats.scores.item_profile import require_items
from hatstats.scores.transfer_profile import TransferProfile, as_profile
from hatstats.scores.wordings import LEAST_TRIALS

#: Correlations that are assumed by default.
CORRELATIONS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


def hat_by_correlation(
    profile: TransferProfile,
    reference: str | ArrayLike | None = None,
    *,
    correlations: Sequence[float] = CORRELATIONS,
    conf_level: float = 0.95,
) -> pd.DataFrame:
    """HAT scores as a function of an assumed correlation of any two trials of an item.

    Where trials are not labelled, their correlation rho is not identified by counts: items that
    differ in hardness, and trials that agree, look alike. `latent` takes rho = 0. Here its profile
    is fitted again with the beta-binomial kernel whose variance is ``Var(k / n | x) = x (1 - x) /
    n * (1 + (n - 1) rho)``. Benchmarks with labelled trials stay as they are.

    Parameters
    ----------
    profile : TransferProfile
        By method ``latent``.
    reference : str or array_like, optional
        As in `TransferProfile.hat`.
    correlations : sequence of float
        Assumed correlations, each in [0, 1]; 1 if all trials of an item are one answer.
    conf_level : float
        Level of the intervals.

    Returns
    -------
    DataFrame
        `correlation` and the tidy scores of each model, with `effective_trials` ``n / (1 + (n - 1)
        rho)``. Scores are NaN where these are fewer than two for some model: as with one trial,
        `latent` is not identified then.

    Raises
    ------
    DataError
        For correlations outside [0, 1].
    NotIdentifiedError
        If the profile is of another method, or no benchmark has several unlabelled trials.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], rng=1)
    >>> table = hs.hat_by_correlation(hs.fit_profile(study), correlations=[0.0, 0.3, 1.0])
    >>> table[["model", "correlation", "effective_trials", "estimate"]].round(2)
          model  correlation  effective_trials  estimate
    0  model-01          0.0              10.0      0.42
    1  model-02          0.0              10.0      0.43
    2  model-01          0.3               2.7      0.63
    3  model-02          0.3               2.7      0.26
    4  model-01          1.0               1.0       NaN
    5  model-02          1.0               1.0       NaN
    """
    items = require_items(as_profile(profile, "hat_by_correlation"), "an assumed correlation")
    unlabelled = [part.unlabelled for part in items.counts]
    if items.method != "latent" or items.refit is None or not any(unlabelled):
        raise NotIdentifiedError(
            "a correlation is assumed where latent profiles take several unlabelled trials as "
            "independent, and this profile is "
            + (
                f"by method {items.method!r}"
                if items.method != "latent"
                else "of trials whose kind is known"
            )
        )
    tables = []
    for value in correlations:
        if not 0.0 <= value <= 1.0:
            hint = "0 if trials are independent, 1 if all are one answer."
            text = "a correlation of trials lies between 0 and 1"
            raise DataError(text, column="correlations", value=value, hint=hint)
        counts = [
            replace(part, correlation=float(value)) if assumed else part
            for part, assumed in zip(items.counts, unlabelled, strict=True)
        ]
        few = any(part.effective_trials.min() < LEAST_TRIALS for part in counts)
        fits = items.fits
        if not few:
            with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
                refitted = [
                    items.refit(part) if assumed else fit
                    for part, assumed, fit in zip(counts, unlabelled, items.fits, strict=True)
                ]
            fits = tuple(refitted)
        scores = replace(items, fits=fits).hat(reference)
        rows = scores.tidy(conf_level)
        if few:
            worth = [dict(zip(p.models, p.effective_trials, strict=True)) for p in counts]
            rows["effective_trials"] = [np.mean([w[m] for w in worth]) for m in rows["model"]]
            unknown = ["estimate", "std_error", "df", "conf_low", "conf_high"]
            rows[unknown] = np.nan
        rows.insert(1, "correlation", float(value))
        tables.append(rows)
    return ResultFrame(pd.concat(tables, ignore_index=True))


def correlation_words(table: pd.DataFrame) -> str:
    """What an assumed correlation does to the scores of `hat_by_correlation`, in words."""
    text = (
        "Unlabelled trials: nothing says how far the trials of an item depend on one another, and "
        "they are taken as independent."
    )
    known = table[table["estimate"].notna()]
    wide = known.pivot(index="model", columns="correlation", values="estimate")
    if wide.shape[1] > 1:
        first, last = wide.columns[0], wide.columns[-1]
        moved = wide[last] - wide[first]
        model = str(moved.abs().idxmax())
        before, after = wide.loc[model, [first, last]].to_numpy(dtype=float)
        worth = known.loc[known["correlation"] == last, "effective_trials"].min()
        text += (
            f" Were any two of them correlated by {last:g}, they would be worth {worth:.2g} "
            f"trials, and HAT would move by up to {moved.abs().max():.3f} ({model}: {before:.3f} "
            f"to {after:.3f})."
        )
    beyond = table.loc[table["estimate"].isna(), "correlation"]
    if len(beyond):
        text += (
            f" With a correlation of {beyond.min():g} or more they are worth fewer than two "
            "trials, and no latent profile is identified."
        )
    return text
