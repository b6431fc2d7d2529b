"""How far scores by `panel` depend on what one answer per item cannot show."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import pandas as pd
from numpy.typing import ArrayLike

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.methods import fit_profile
from hatstats.estimators.panel.options import PanelOptions
from hatstats.inference.result_frame import ResultFrame
from hatstats.scores.item_profile import require_items
from hatstats.scores.transfer_profile import TransferProfile, as_profile

#: Residual standard deviations that are assumed by default, in logits.
RESIDUALS = (0.6, 1.2, 1.8)


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
    for value in residuals:
        with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
            options = PanelOptions(sigma=float(value))
            scores = fit_profile(items.study, method="panel", options=options).hat(reference)
        rows = scores.tidy(conf_level)
        rows.insert(1, "residual", float(value))
        tables.append(rows)
    return ResultFrame(pd.concat(tables, ignore_index=True))


def residual_words(table: pd.DataFrame) -> str:
    """What an assumed residual does to the scores of `hat_by_residual`, in words."""
    wide = table.pivot(index="model", columns="residual", values="estimate")
    low, high = wide.columns[0], wide.columns[-1]
    moved = wide[high] - wide[low]
    model = str(moved.abs().idxmax())
    before, after = wide.loc[model, [low, high]].to_numpy(dtype=float)
    return (
        "Residual of items: one answer per item does not show it. With standard deviations from "
        f"{low:g} to {high:g} logits HAT would move by up to {moved.abs().max():.3f} ({model}: "
        f"{before:.3f} to {after:.3f})."
    )
