"""HAT as a function of what data cannot say: how trials depend, how far items scatter."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.methods import fit_profile
from hatstats.estimators.panel.options import PanelOptions
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.validation import in_range
from hatstats.scores.item_profile import ItemProfile, require_items
from hatstats.scores.transfer_profile import TransferProfile, as_profile
from hatstats.scores.wordings import LEAST_TRIALS

#: Correlations of trials, and residual standard deviations in logits, that are assumed by default.
CORRELATIONS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
RESIDUALS = (0.6, 1.2, 1.8)


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
    tables = [
        _under_correlation(items, value, reference, conf_level).assign(correlation=float(value))
        for value in correlations
    ]
    return _in_order(tables, "correlation")


def _under_correlation(
    items: ItemProfile, value: float, reference: str | ArrayLike | None, conf_level: float
) -> pd.DataFrame:
    """Tidy scores where unlabelled trials have a correlation."""
    hint = "0 if trials are independent, 1 if all are one answer."
    in_range("correlations", value, "[0, 1]", hint)
    assumed = [
        replace(part, correlation=float(value)) if part.unlabelled else part
        for part in items.counts
    ]
    if min(part.effective_trials.min() for part in assumed) < LEAST_TRIALS:
        rows = items.hat(reference).tidy(conf_level)
        worth = [dict(zip(part.models, part.effective_trials, strict=True)) for part in assumed]
        rows["effective_trials"] = [np.mean([w[m] for w in worth]) for m in rows["model"]]
        rows[["estimate", "std_error", "df", "conf_low", "conf_high"]] = np.nan
        return rows
    assert items.refit is not None
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        refitted = [
            items.refit(part) if fit.counts.unlabelled else fit
            for part, fit in zip(assumed, items.fits, strict=True)
        ]
    return replace(items, fits=tuple(refitted)).hat(reference).tidy(conf_level)


def _in_order(tables: Sequence[pd.DataFrame], column: str) -> pd.DataFrame:
    """Tables under one another, the assumed `column` after the model."""
    table = pd.concat(tables, ignore_index=True)
    table.insert(1, column, table.pop(column))
    return ResultFrame(table)


def _largest_move(table: pd.DataFrame, column: str) -> str:
    """How far HAT moves between the ends of what is assumed, and whose moves most, in words."""
    wide = table.pivot(index="model", columns=column, values="estimate").iloc[:, [0, -1]]
    moved = wide.iloc[:, 1] - wide.iloc[:, 0]
    if moved.isna().all():
        return "no model has a score at both ends of what is assumed."
    model = str(moved.abs().idxmax())
    before, after = wide.loc[model].to_numpy(dtype=float)
    return (
        f"HAT would move by up to {moved.abs().max():.3f} ({model}: {before:.3f} to {after:.3f})."
    )


def correlation_words(table: pd.DataFrame) -> str:
    """What an assumed correlation does to the scores of `hat_by_correlation`, in words."""
    text = (
        "Unlabelled trials: nothing says how far the trials of an item depend on one another, and "
        "they are taken as independent."
    )
    known = table[table["estimate"].notna()]
    if known["correlation"].nunique() > 1:
        last = known["correlation"].max()
        worth = known.loc[known["correlation"] == last, "effective_trials"].min()
        text += (
            f" Were any two of them correlated by {last:g}, they would be worth {worth:.2g} "
            f"trials, and {_largest_move(known, 'correlation')}"
        )
    beyond = table.loc[table["estimate"].isna(), "correlation"]
    if len(beyond):
        text += (
            f" With a correlation of {beyond.min():g} or more they are worth fewer than two "
            "trials, and no latent profile is identified."
        )
    return text


def hat_by_residual(
    profile: TransferProfile,
    reference: str | ArrayLike | None = None,
    *,
    residuals: Sequence[float] = RESIDUALS,
    conf_level: float = 0.95,
) -> pd.DataFrame:
    """HAT scores by `panel` as a function of an assumed residual of items.

    What an item's difficulty for one model has beyond its hardness for the panel, a normal residual
    of standard deviation sigma on the logit scale, is not seen in one answer per item: it is
    estimated from the target languages, which may err where answers are repeated over languages.

    Parameters
    ----------
    profile : TransferProfile
        By method ``panel``.
    reference : str or array_like, optional
        As in `TransferProfile.hat`.
    residuals : sequence of float
        Assumed standard deviations, in logits.
    conf_level : float
        Level of the intervals.

    Returns
    -------
    DataFrame
        `residual` and the tidy scores of each model.

    Raises
    ------
    DataError
        For standard deviations out of bounds.
    NotIdentifiedError
        If the profile is of another method.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0] * 4 + [1.0] * 4, shape=hs.Shape(60, 2, 1), rng=1)
    >>> table = hs.hat_by_residual(hs.fit_profile(study, method="panel"), residuals=[0.6, 1.8])
    >>> table.groupby("residual")["estimate"].mean().round(2).tolist()
    [0.44, 0.44]
    """
    items = require_items(as_profile(profile, "hat_by_residual"), "an assumed residual")
    if items.method != "panel":
        raise NotIdentifiedError(
            "a residual of items is assumed by method 'panel' only, and this profile is by method "
            f"{items.method!r}; fit_profile(study, method='panel') makes one"
        )
    tables = []
    for value in map(float, residuals):
        with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
            again = fit_profile(items.study, method="panel", options=PanelOptions(sigma=value))
            scores = again.hat(reference)
        tables.append(scores.tidy(conf_level).assign(residual=value))
    return _in_order(tables, "residual")


def residual_words(table: pd.DataFrame) -> str:
    """What an assumed residual does to the scores of `hat_by_residual`, in words."""
    low, high = table["residual"].min(), table["residual"].max()
    return (
        "Residual of items: one answer per item does not show it. With standard deviations from "
        f"{low:g} to {high:g} logits {_largest_move(table, 'residual')}"
    )
