"""What the checks of a profile make of trials that depend on each other.

Trials of one wording share its luck. Checks that drop, split or redraw trials do so by whole
wordings, and the probability of k of n right answers is a sum of beta-binomials, as in the fit.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from hatstats.estimators.joint.profile import JointModel
from hatstats.inference.arrays import Floats
from hatstats.inference.beta_binomial import wording_sums
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import MOST_TRIALS
from hatstats.scores.item_profile import ItemProfile
from hatstats.scores.wordings import WordingCorrelation
from hatstats.study import Study


def trial_correlation(fit: BenchmarkFit, m: int) -> tuple[WordingCorrelation | None, Floats]:
    """Correlation of model m's source trials in the fit, and the share (N,) of pairs that have it.

    None where the fit takes trials as independent.
    """
    model = fit.models[m]
    if isinstance(model, JointModel):
        return model.trial_correlation, np.ones(fit.counts.items.size)
    return fit.counts.source_wordings(m)


def source_probabilities(
    fit: BenchmarkFit, m: int, right: Floats, trials: Floats, repeats: int | None = None
) -> tuple[Floats, Floats]:
    """P(k | n, x) of counts (J,) on the fit's support, and its derivative by the correlation.

    Both (J, Q). With `repeats` given, trials are of wordings of so many each; without, items with
    equally many trials have their mean share of pairs of one wording.
    """
    found, share = trial_correlation(fit, m)
    if found is None:
        return wording_sums(right, trials, fit.support, np.zeros(right.size), 0.0, slope=False)
    if isinstance(fit.models[m], JointModel):
        pairs = np.ones(right.size)
    elif repeats is not None:
        pairs = (repeats - 1.0) / np.maximum(trials - 1.0, 1.0)
    else:
        asked = fit.counts.source_trials[m]
        pairs = np.array([share[asked == n].mean() if (asked == n).any() else 0.0 for n in trials])
    pmf, slope = wording_sums(right, trials, fit.support, pairs, found.value)
    return pmf, pmf * slope


def by_wording(study: Study, fit: BenchmarkFit) -> tuple[Floats, Floats] | None:
    """Right answers and trials of each wording in the source language, both (M, N, W).

    None where trials do not share wordings, all are of one, or some are of no named one. Shares of
    right answers are kept where an item has more than `MOST_TRIALS`.
    """
    counts = fit.counts
    chosen = (study.counts["benchmark"] == counts.benchmark).to_numpy() & study.is_source
    rows = study.counts[chosen & study.counts["model"].isin(counts.models).to_numpy()]
    one = counts.source_pairs is None or counts.trials == "repeats"
    if one or (rows["prompt"] == "").any():
        return None
    cell = ["model", "item", "prompt"]
    sums = rows.groupby(cell, sort=True)[["n_correct", "n_trials"]].sum().reset_index()
    model = pd.Index(counts.models).get_indexer(pd.Index(sums["model"]))
    item = pd.Index(counts.items).get_indexer(pd.Index(sums["item"]))
    place = sums.groupby(["model", "item"]).cumcount().to_numpy()
    found = np.zeros((2, *counts.source_trials.shape, int(place.max()) + 1))
    found[:, model, item, place] = sums[["n_correct", "n_trials"]].to_numpy(dtype=float).T
    right, number = found
    # All wordings of an item together count as no more trials than the fit has of it.
    kept = np.minimum(number, max(MOST_TRIALS // found.shape[-1], 1.0))
    return np.rint(right * kept / np.maximum(number, 1.0)), kept


def dependence_words(profile: ItemProfile) -> str:
    """A sentence where a check cannot know how its trials depend on each other, else empty."""
    found = []
    for part in profile.counts:
        if part.source_trials.max() < 2:
            continue
        if part.trials == "repeats":
            found.append(
                f"All trials of an item of {part.benchmark} are of one wording: this check takes "
                "them as independent given that wording, and says nothing of others."
            )
        elif part.source_pairs is not None and any(
            part.source_wordings(m)[0] is None for m in range(len(part.models))
        ):
            found.append(
                f"How trials of one wording of {part.benchmark} depend on each other is not known "
                "for every model: this check takes them as independent there."
            )
    return " ".join(found)
