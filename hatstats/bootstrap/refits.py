"""Full refits of drawn studies, against which a Newton step is checked."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.errors import DegenerateDataWarning, FitError, NotIdentifiedError
from hatstats.estimators.methods import fit_profile
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.resampling.bootstrap import bootstrap_weights
from hatstats.inference.tidy import standard_errors
from hatstats.scores.averages import ModelScores
from hatstats.scores.counts import ItemCounts
from hatstats.scores.item_profile import ItemProfile
from hatstats.study import Study

if TYPE_CHECKING:
    from hatstats.estimators.methods import ItemOptions, Method

#: Columns of a table of refits.
REFIT_COLUMNS = ["draw", "model", "refit", "step", "difference"]


def refit_scores(profile: ItemProfile, study: Study, reference: str | ArrayLike) -> Floats | None:
    """Scores of a study by the profile's method, shape (M,); None if the fit failed."""
    method, options = cast("Method", profile.method), cast("ItemOptions", profile.options)
    with warnings.catch_warnings():
        # A drawn study may be at a boundary; only the score matters.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        try:
            fitted = fit_profile(study, method=method, options=options).hat(reference)
        except (FitError, NotIdentifiedError):
            return None
    return fitted.estimates


def check_steps(
    profile: ItemProfile,
    reference: str | ArrayLike,
    scores: ModelScores,
    n_refits: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, int]:
    """Refit drawn studies in full beside the Newton steps of the same draws.

    `scores` are estimate and influence under the reference. A table `draw, model, refit, step,
    difference`, the last in standard errors, and the number of refits that failed or lost a model.
    """
    bse = standard_errors(scores.covariance)
    rows, failed = [], 0
    for draw in range(n_refits):
        weights = [
            bootstrap_weights(psi.shape[0], 1, kind="multinomial", rng=rng)[0]
            for psi in scores.influence
        ]
        moves = [(w - 1.0) @ psi for w, psi in zip(weights, scores.influence, strict=True)]
        step = scores.estimates + np.sum(moves, axis=0)
        refit = refit_scores(profile, repeat_clusters(profile, weights), reference)
        if refit is None or refit.size != step.size:
            failed += 1
            continue
        difference = np.divide(refit - step, bse, out=np.full(bse.size, np.nan), where=bse > 0)
        columns = [draw, list(scores.models), refit, step, difference]
        rows.append(pd.DataFrame(dict(zip(REFIT_COLUMNS, columns, strict=True))))
    if rows:
        return pd.concat(rows, ignore_index=True), failed
    return pd.DataFrame(columns=REFIT_COLUMNS), failed


def repeat_clusters(profile: ItemProfile, weights: list[Floats]) -> Study:
    """The profile's study with each item cluster repeated by its weight.

    One array (G_b,) of whole numbers per benchmark in order. Copies of an item are items, and
    copies of a cluster are clusters.
    """
    study = profile.study
    counts, tables = [], []
    for fit, weight in zip(profile.fits, weights, strict=True):
        name = fit.counts.benchmark
        times = weight[fit.counts.clusters].astype(int)
        rows = study.counts[(study.counts["benchmark"] == name).to_numpy()]
        counts.append(_copies(rows, fit.counts, times))
        listed = study.items[(study.items["benchmark"] == name).to_numpy()]
        if len(listed):
            tables.append(_copies(listed, fit.counts, times))
    return replace(
        study,
        counts=pd.concat(counts, ignore_index=True),
        items=pd.concat(tables, ignore_index=True) if tables else study.items,
        claims=(),
        files=(),
    )


def _copies(rows: pd.DataFrame, counts: ItemCounts, times: Ints) -> pd.DataFrame:
    """Rows repeated by the number of times (N,) of their items; copies have new names."""
    item = pd.Index(counts.items).get_indexer(pd.Index(rows["item"]))
    repeats = np.where(item >= 0, times[item], 0)
    copied = rows.loc[rows.index.repeat(repeats)].reset_index(drop=True)
    number = np.concatenate([np.arange(count) for count in repeats]).astype(str)
    codes = counts.clusters[np.repeat(item, repeats)].astype(str)
    suffix = pd.Series(number, dtype=str)
    return copied.assign(
        item=copied["item"].astype(str) + "#" + suffix,
        cluster=pd.Series(codes, dtype=str) + "#" + suffix,
    )
