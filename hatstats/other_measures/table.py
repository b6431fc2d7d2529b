"""The measures that HAT competes with, in one tidy table with intervals."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import special

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.aggregate.profile import AggregateProfile, fit_aggregate
from hatstats.estimators.methods import Method, fit_profile
from hatstats.inference.arrays import Floats
from hatstats.inference.random_numbers import seeded
from hatstats.other_measures.draws import measure_draws
from hatstats.other_measures.limits import rows_of_measure
from hatstats.scores.counts import ratio
from hatstats.scores.item_profile import ItemProfile
from hatstats.study import Study, as_study

_GUESSES = "not defined: no better than guessing in the source language"
_LIMITS = ["conf_low", "conf_high"]


def _plain_method(study: Study) -> Method:
    """The method whose scores under the reference `own` are raw accuracies."""
    return "observed" if study.data_kind == "item" else "aggregate"


def _excess(profile: AggregateProfile, models: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Target accuracy less the line's prediction at the model's source accuracy, and its SE.

    The line is logit-linear over models with errors in both
    (`hatstats.estimators.aggregate.panel_regression`); means over languages with a cell, then
    benchmarks. The delta method takes in the model's own sampling errors and the line's
    coefficients.
    """
    count = len(models)
    total, variance = np.zeros(count), np.zeros(count)
    # Benchmarks share models, so that their coefficients err together.
    gradient = np.zeros((count, profile.estimates.size))
    for b, part in enumerate(profile.parts):
        chance = part.counts.chance
        panel = profile.panel
        line, steepness = (panel.path(b, part.source, slopes=which) for which in (False, True))
        columns = profile.panel.intercept_columns(b, len(part.counts.languages))
        intercepts = profile.panel.intercepts(b, len(part.counts.languages))
        for row, model in enumerate(models):
            m = part.counts.models.index(model)
            p, n = part.counts.target_accuracy[m], part.counts.target_trials[m]
            used = np.flatnonzero(n > 0)
            q = special.expit(intercepts[used] + line[m])
            slope = (1.0 - chance) * q * (1.0 - q) / used.size
            gradient[row, columns[used]] = slope
            gradient[row, panel.path_columns(b)] = slope.sum() * panel.path_basis(b, part.source[m])
            noise = (p[used] * (1.0 - p[used]) / n[used]).sum() / used.size**2
            own = (steepness[m] * slope.sum()) ** 2 * part.source_var[m]
            total[row] += np.mean(p[used] - chance - (1.0 - chance) * q)
            variance[row] += noise + own
    variance += np.einsum("mp,pq,mq->m", gradient, profile.covariance, gradient)
    return total / len(profile.parts), np.sqrt(variance) / len(profile.parts)


def measures(
    study: Study,
    *,
    conf_level: float = 0.95,
    n_draws: int = 1_000,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Every other measure of transfer that the data allow, per model.

    * ``gap`` = acc(source) - acc(target), a difference of proportions;
    * ``ratio`` = acc(target) / acc(source);
    * ``excess`` = acc(target) less the accuracy that a logit line fitted over the study's models
      predicts from acc(source) (effective robustness; Taori et al. 2020, Miller et al. 2021);
    * ``gamma`` = logit acc(target) / logit acc(source), logits averaged over benchmarks
      (arXiv 2510.15551);
    * ``parity_gap`` = accuracy in the best language less that in the worst (MultiLoKo);

    and where there are items

    * ``overall`` = mean over items of right in source and in target (ECLeKTic overall);
    * ``conditional`` = right in both / right in the source (ECLeKTic transfer), and
      ``conditional_with_source``, what it becomes when the source row is kept among the targets,
      (1 + L t) / (L + 1), as in public implementations;
    * ``agreement`` = kappa of right and wrong between source and target: RankC and CAPA compare
      answers, which counts do not hold;
    * ``odds_ratio`` = log odds ratio of right in target against source over strata of items
      (Mantel-Haenszel), the differential functioning of the languages for that model (for that of
      an item over models, with ETS classes, see `item_functioning`);
    * ``mother_tongue`` = local questions in their language less the same in English, and
      ``locality`` = local less translated questions in one language (MultiLoKo), where items have
      source languages of their own.

    Accuracies are means over languages that every model has, then over benchmarks; in a table of
    means, a missing cell is predicted from the model's other languages (``excess`` uses observed
    cells only). All three change when only source ability changes; they complement HAT and do not
    replace it.

    Parameters
    ----------
    study : Study
    conf_level : float
        Level of the intervals, inside (0, 1).
    n_draws : int
        Draws of items (or of the sampling errors of means) for the measures after the first three.
    rng : Generator, int or None
        Without one a fresh seed is drawn; the seed stands in ``table.attrs["seed"]``, None where
        a Generator was given, which may have been used before.

    Returns
    -------
    DataFrame
        Tidy rows, `model` in front. Standard errors of the first three by the delta method from
        item clusters where there are items, else from binomial sampling; of the others by
        resampling the same items. `measure_draws` has all of them, and HAT, from the same draws.
        Every interval contains its estimate (see `MeasureDraws.tidy`). What the data do not
        identify is NaN, and `method` says why: ``excess`` where the models give no line (too few,
        or equal sources), ``ratio`` where no source answer is right, ``gamma`` where the source
        logit is fewer than three standard errors from 0.

    Raises
    ------
    NotIdentifiedError
        For a table of means whose models identify no line, or without a target language.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], rng=1)
    >>> table = hs.measures(study, n_draws=100, rng=1)
    >>> table["term"].unique()[:3].tolist()
    ['gap', 'ratio', 'excess']
    """
    study = as_study(study, "measures")
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        # One-sided profiles matter for HAT, not for plain means.
        profile = fit_profile(study, method=_plain_method(study))
        raw = profile.hat("own")
    count = len(raw.models)
    target, source = raw.estimates, raw.source
    cov = raw.joint_cov[: 2 * count, : 2 * count]
    var_target, var_source = np.diag(cov)[:count], np.diag(cov)[count:]
    covariance = np.diag(cov[:count, count:])
    gap_se = np.sqrt(np.maximum(var_target + var_source - 2.0 * covariance, 0.0))
    quotient = ratio(target, source)
    relative = var_target - 2.0 * quotient * covariance + quotient**2 * var_source
    quotient_se = ratio(np.sqrt(np.maximum(relative, 0.0)), source)
    try:
        excess, excess_se = _excess(fit_aggregate(study), raw.models)
    except NotIdentifiedError:
        excess = excess_se = np.full(count, np.nan)
    line = "delta method, errors-in-variables line over models"
    first = {
        "gap": (source - target, gap_se, "delta method"),
        "ratio": (quotient, quotient_se, "delta method"),
        "excess": (excess, excess_se, line),
    }
    parts = [
        rows_of_measure(term, raw.models, value, error, conf_level=conf_level, method=[how] * count)
        for term, (value, error, how) in first.items()
    ]
    generator, seed = seeded(rng)
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        drawn = measure_draws(study, method=_plain_method(study), n_draws=n_draws, rng=generator)
    rows = drawn.tidy(conf_level)
    others = ~rows["term"].isin(["HAT", "moment_excess", *first]) & rows["model"].isin(raw.models)
    parts.append(rows[others])
    if isinstance(profile, ItemProfile):
        # Right by luck in every language: measures of that are none of transfer.
        for name in profile.guessing:
            blank = pd.concat(parts).drop_duplicates("term").assign(model=name, method=_GUESSES)
            blank[["estimate", "std_error", "statistic", "p_value", *_LIMITS]] = np.nan
            parts.append(blank)
    table = pd.concat(parts, ignore_index=True)
    table.attrs["seed"] = seed
    return table
