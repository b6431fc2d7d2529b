"""How much the scores of a panel depend on one model's being in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.latent.borrowing import fit_together
from hatstats.estimators.latent.model import LatentModel
from hatstats.estimators.latent.penalised_fit import CurveFit
from hatstats.inference.result_frame import ResultFrame
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.item_profile import require_items
from hatstats.scores.reference import reference_mixture, settled
from hatstats.scores.transfer_profile import TransferProfile, as_profile


def leave_out_models(
    profile: TransferProfile, reference: str | ArrayLike | None = None
) -> pd.DataFrame:
    """Change of every score when one other model is left out of the panel.

    Profiles by method ``latent`` borrow their shape from the other models of a benchmark, and the
    reference ``pooled`` is made of all of them. Each model is left out in turn, and the profiles of
    the others, as means over languages, are fitted again with the same spread over models.

    Parameters
    ----------
    profile : TransferProfile
        By method ``latent``, of three models or more.
    reference : str or array_like, optional
        As for `TransferProfile.hat`, but not one of the models.

    Returns
    -------
    DataFrame
        One row per benchmark and pair of models: `benchmark, model, without, estimate, change` (the
        score without that model, and less the score with it).

    Raises
    ------
    NotIdentifiedError
        If profiles were not fitted together, or there are fewer than three.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study((-1.0, 0.0, 1.0), shape=hs.Shape(100, 2), rng=1)
    >>> moves = hs.leave_out_models(hs.fit_profile(study))
    >>> sorted(set(moves["without"]))
    ['model-01', 'model-02', 'model-03']
    """
    profile = as_profile(profile, "leave_out_models")
    items = require_items(profile, "leaving models out")
    chosen = settled(reference, items.study)
    tables = [_of_benchmark(fit, chosen) for fit in items.fits]
    return ResultFrame(pd.concat(tables, ignore_index=True))


def _of_benchmark(fit: BenchmarkFit, reference: str | ArrayLike) -> pd.DataFrame:
    """Rows of one benchmark."""
    placed = [model.in_panel for model in fit.models if isinstance(model, LatentModel)]
    panels = [each.panel for each in placed if each is not None]
    if len(panels) < max(3, len(fit.models)):
        raise NotIdentifiedError(
            f"benchmark {fit.counts.benchmark!r}: no three models were fitted together, so that "
            "none can be left out. What is missing: method 'latent' with three models or more."
        )
    panel, names = panels[0], np.array(fit.counts.models)

    def scores(curves: Sequence[CurveFit], kept: np.ndarray) -> np.ndarray:
        """Means of curves (M', Q) over the reference of the models that are kept, (M',)."""
        mixture = reference_mixture(reference, names[kept].tolist(), fit.support)
        weights = mixture.weights(fit.distributions[kept])
        return np.asarray((weights * np.array([each.curve[0] for each in curves])).sum(axis=1))

    whole = scores(panel.curves, np.full(names.size, True))
    tables = []
    for left_out in range(len(names)):
        kept = np.arange(len(names)) != left_out
        again = fit_together([panel.members[m] for m in np.flatnonzero(kept)], panel.spread)
        found = scores(again.curves, kept)
        row = {"benchmark": fit.counts.benchmark, "model": names[kept], "without": names[left_out]}
        tables.append(pd.DataFrame({**row, "estimate": found, "change": found - whole[kept]}))
    return pd.concat(tables, ignore_index=True)


def left_out_words(moves: pd.DataFrame, errors: pd.Series) -> str:
    """The largest change, in words; `errors` are the standard errors of the scores, by model."""
    change = moves["change"].to_numpy(dtype=float)
    size = np.abs(change) / moves["model"].map(errors).to_numpy(dtype=float)
    if np.isnan(size).all():
        return ""
    most = moves.iloc[int(np.nanargmax(size))]
    return (
        "Leaving one model out of the panel changes the scores of the others by at most "
        f"{np.abs(change).max():.3f}; most, beside its standard error, that of "
        f"{most['model']} without {most['without']}: by {most['change']:+.3f} or "
        f"{np.nanmax(size):.1f} SE."
    )
