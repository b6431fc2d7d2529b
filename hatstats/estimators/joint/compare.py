"""Which parametric model fits: AIC, and the log score of items held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.estimators.joint.fit import JointFit, fit_likelihood, fit_patterns
from hatstats.estimators.joint.fit_models import check_identified
from hatstats.estimators.joint.likelihood import join_models
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.patterns import Patterns, group_items
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.influence import influence_covariance
from hatstats.inference.random_numbers import RandomSource, seeded
from hatstats.inference.result_frame import ResultFrame
from hatstats.scores.counts import benchmark_is_item_level, item_counts
from hatstats.study import Study, as_study

#: Options that are compared unless others are named; the others are set against the first.
CANDIDATES = (
    JointOptions(),
    JointOptions(shared_factor=True),
    JointOptions(beta_binomial=True),
    JointOptions(chance="estimated"),
)


def held_out_scores(fit: JointFit, fold: Ints) -> Floats:
    """Log-likelihood of each item under the fit to the other folds, from the folds (N,): (N,).

    Searches start from `fit`, that to all items. NaN for an item without source trials.
    """
    likelihood = join_models(fit.likelihood)
    index = likelihood.index
    scores = np.full(index.size, np.nan)
    for out in np.unique(fold):
        train = (index >= 0) & (fold != out)
        test = (index >= 0) & (fold == out)
        size = np.bincount(index[train], minlength=likelihood.weight.size).astype(float)
        if not (train.any() and test.any()):
            continue
        (found,) = fit_likelihood(replace(likelihood, weight=size), start=fit.theta)
        finest = replace(likelihood, models=(found.likelihood,))
        scores[test] = finest.by_kind(found.theta)[index[test]]
    return scores


def _gain(scores: Floats, base: Floats, clusters: Ints) -> tuple[float, float]:
    """Mean gain per item over the first model, and its standard error over clusters."""
    both = ~np.isnan(scores) & ~np.isnan(base)
    difference = (scores - base)[both]
    mean = float(difference.mean())
    codes = np.unique(clusters[both], return_inverse=True)[1]
    psi = ((difference - mean) / difference.size)[:, None]
    return mean, float(np.sqrt(influence_covariance(psi, codes)[0, 0]))


def compare_joint(
    study: Study,
    options: Sequence[JointOptions] = CANDIDATES,
    *,
    folds: int = 5,
    rng: RandomSource = None,
) -> pd.DataFrame:
    """Compare parametric models on every model and item-level benchmark of a study.

    Parameters
    ----------
    study : Study
    options : sequence of JointOptions
        The others are set against the first.
    folds : int
        Parts into which items (item clusters) are split for cross-validation.
    rng : Generator, int or None
        How items are split. None is fresh entropy; ``table.attrs["seed"]`` splits them again.

    Returns
    -------
    DataFrame
        One row per benchmark, model and options: `benchmark, model, options, n_parameters,
        log_likelihood, aic, delta_aic` (to the smallest AIC), `log_score` (mean log-likelihood
        of a held-out item, in nats), `gain, gain_se` (of the log score over the first options,
        paired by item), `converged, note`. Options that the data cannot identify have NaN and a
        note.

    Raises
    ------
    DataError
        If there are no options, fewer than 2 folds, or fewer item clusters than folds.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0], rng=1)
    >>> table = hs.compare_joint(study, [hs.JointOptions()], folds=2, rng=1)
    >>> table[["options", "n_parameters"]].to_dict("records")
    [{'options': 'logit-normal', 'n_parameters': 14.0}]
    """
    study = as_study(study, "compare_joint")
    if not options:
        raise DataError("nothing to compare", column="options", hint="name one or more.")
    generator, seed = seeded(rng)
    rows: list[dict[str, object]] = []
    for name in study.benchmark_names:
        if not benchmark_is_item_level(study, name):
            continue
        counts = item_counts(study, name)
        n_clusters = int(counts.clusters.max()) + 1
        if not 2 <= folds <= n_clusters:
            text = f"benchmark {name!r} has {n_clusters} independent items"
            hint = "choose between 2 and that number."
            raise DataError(text, column="folds", value=folds, hint=hint)
        # The items of one cluster are held out together.
        fold = generator.permutation(np.arange(n_clusters) % folds)[counts.clusters]
        for model, patterns in zip(counts.models, group_items(counts), strict=True):
            rows += [
                {"benchmark": name, "model": model, **row}
                for row in _compared(patterns, options, counts.chance, fold, counts.clusters)
            ]
    if not rows:
        raise NotIdentifiedError(
            "no benchmark of this study has item-level counts, which the joint likelihood needs"
        )
    table = ResultFrame(rows)
    best = table.groupby(["benchmark", "model"])["aic"].transform("min")
    table.insert(list(table.columns).index("aic") + 1, "delta_aic", table["aic"] - best)
    table.attrs["seed"] = seed
    return table


def _compared(
    patterns: Patterns, options: Sequence[JointOptions], chance: float, fold: Ints, clusters: Ints
) -> list[dict[str, object]]:
    """Rows of one model of one benchmark."""
    numbers = ("n_parameters", "log_likelihood", "aic", "log_score", "gain", "gain_se")
    rows: list[dict[str, object]] = []
    base: Floats | None = None
    for chosen in options:
        row: dict[str, object] = {"options": chosen.label, **dict.fromkeys(numbers, np.nan)}
        row |= {"converged": False, "note": ""}
        rows.append(row)
        if chosen.hardness == "common":
            row["note"] = "fitted to all models together; this table has one model at a time"
            continue
        try:
            check_identified(patterns, chosen, chosen.label)
        except NotIdentifiedError as reason:
            row["note"] = str(reason)
            continue
        (fit,) = fit_patterns([patterns], chosen, chance)
        scores = held_out_scores(fit, fold)
        base = scores if base is None else base
        gain, gain_se = _gain(scores, base, clusters)
        row.update(
            n_parameters=float(fit.n_parameters),
            log_likelihood=fit.log_likelihood,
            aic=fit.aic,
            log_score=float(np.nanmean(scores)),
            gain=gain,
            gain_se=gain_se,
            converged=fit.converged,
        )
    return rows
