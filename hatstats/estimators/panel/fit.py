"""The `panel` profile: how hard an item is, by the other models of the panel.

One answer per item tells little of an item; the answers of many models tell how hard it is.

1. the ease h of an item for a model, by the source answers of models with other weights
   (`hardness`);
2. the distribution of the model's source logit given h (`source`), with slopes shrunk over models;
3. lines of transfer (`transfer`): target logit on source logit, fitted to the means of target
   answers given h, and given the source count too where items have two effective trials or more.
   Slopes of a model's mean over languages are shrunk over models, those of its languages towards
   its own; levels are free, so that ability does not leak into transfer.

The residual sigma of step 2 is common to the panel. It is never carried to another.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from hatstats.errors import ConvergenceWarning, DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.panel.checks import slopes_near_zero
from hatstats.estimators.panel.hardness import Answers, fit_hardness
from hatstats.estimators.panel.options import DECLARED_SIGMA, PanelOptions
from hatstats.estimators.panel.profile import PanelModel, source_grid
from hatstats.estimators.panel.shrinkage import Shrinkage
from hatstats.estimators.panel.source import SourceData, SourceFit, fit_sources
from hatstats.estimators.panel.stages import Panel, Targets, line_data
from hatstats.estimators.panel.transfer import LineData, Lines, first_lines, fit_lines
from hatstats.inference.arrays import Bools, Floats, Ints
from hatstats.scores.benchmark_fit import BenchmarkFit, FitCheck
from hatstats.scores.counts import ItemCounts, ratio
from hatstats.scores.wordings import LEAST_TRIALS, effective_trials

#: Fewest different weights of which a panel is made.
LEAST_MODELS = 8
# Correlation of a model's trials of one item given its ease, by which trials of a rater count less.
_RATER_CORRELATION = 0.25
# Residual standard deviations at which the deviance of the targets is compared.
_SIGMAS = 0.4 * 1.5 ** np.arange(6)
_TOLERANCE, _ROUGH = 1e-8, 1e-5


def fit_panel(
    counts: ItemCounts,
    options: PanelOptions | None = None,
    *,
    twins: Mapping[str, str] | None = None,
    weights: Floats | None = None,
) -> BenchmarkFit:
    """Profiles of all models of a benchmark on the hardness of items for the panel.

    `twins` names the weights of each model, which is its own name if not given: models with the
    same weights say nothing of one another's items. Items have non-negative weights (N,), 1 each if
    not given, for bootstraps of full refits. Raises NotIdentifiedError for fewer than eight
    different weights. Warns of models whose answers do not go with the hardness of items.
    """
    options = options or PanelOptions()
    group = weights_of(counts.models, twins or {})
    check_panel(counts, group)
    panel = fit_stages(counts, group, options, weights)
    if not panel.sources.converged:
        warnings.warn(
            f"benchmark {counts.benchmark!r}: the source parameters of the panel stopped short of "
            "their maximum",
            ConvergenceWarning,
            stacklevel=2,
        )
    support = source_grid(counts.chance)
    models = tuple(PanelModel(panel, m, support) for m in range(len(counts.models)))
    return BenchmarkFit(counts, support, models, together=True, checks=_slope_checks(counts, panel))


def weights_of(models: Sequence[str], twins: Mapping[str, str]) -> Ints:
    """Code of the weights of each model (M,), which are its own unless `twins` names them."""
    names = [twins.get(name) or name for name in models]
    return np.unique(names, return_inverse=True)[1].astype(np.intp)


def check_panel(counts: ItemCounts, group: Ints) -> None:
    """Refuse a panel of few models, and models whose items no other weights were asked."""
    subject = f"benchmark {counts.benchmark!r}"
    number = np.unique(group).size
    if number < LEAST_MODELS:
        raise NotIdentifiedError(
            f"{subject}: {number} models of different weights do not tell how hard an item is. "
            f"What is missing: {LEAST_MODELS} or more for method 'panel'; with fewer use "
            "method='joint'."
        )
    asked = counts.source_trials > 0
    for m, model in enumerate(counts.models):
        others = asked[group != group[m]].any(axis=0)
        if not (asked[m] & others).any():
            raise NotIdentifiedError(
                f"{subject}, model {model!r}: no model of other weights was asked the same items "
                "in the source language. What is missing: items in common; without the model "
                "(study.select) the others can be fitted, or use method='joint'."
            )


def _slope_checks(counts: ItemCounts, panel: Panel) -> tuple[FitCheck, ...]:
    """What models may know nothing, warned of and said of their scores; nothing if none."""
    near_zero, z = slopes_near_zero(panel)
    if not near_zero.any():
        return ()
    doubt = "source answers hardly go with the hardness of items for the other models"
    weak = np.flatnonzero(near_zero)
    found = ", ".join(f"{counts.models[m]} (z {z[m]:.1f})" for m in weak)
    warnings.warn(
        f"benchmark {counts.benchmark!r}: {doubt}, as those of a model that knows nothing would "
        f"not: {found}; look at their answers before their scores",
        DegenerateDataWarning,
        stacklevel=3,
    )
    words = [f"its {doubt} (z {each:.1f}); look at them before its score" for each in z]
    return tuple(
        FitCheck(text if near else "") for text, near in zip(words, near_zero, strict=True)
    )


def fit_stages(
    counts: ItemCounts, group: Ints, options: PanelOptions, weights: Floats | None
) -> Panel:
    """Fit all stages, with the groups (M,) of models of the same weights."""
    items = np.ones(counts.items.size) if weights is None else np.asarray(weights, dtype=float)
    worth = np.stack([_worth(counts, m, items) for m in range(len(counts.models))])
    right, trials = counts.source_correct * worth, counts.source_trials * worth
    share = 1.0 / (1.0 + np.maximum(trials - 1.0, 0.0) * _RATER_CORRELATION)
    answers = Answers(right * share, (trials - right) * share, items, counts.chance)
    hardness = fit_hardness(answers, group)
    asked = counts.source_trials > 0
    data = SourceData(right, trials - right, hardness.ease[group], asked * items, counts.chance)
    targets = _targets(counts, items)
    several = counts.effective_trials >= LEAST_TRIALS
    moves: Floats | None = np.zeros(items.size)
    origin = "given"
    if options.sigma is not None:
        sources = fit_sources(data, options.sigma)
    elif several.any():
        sources = fit_sources(data, DECLARED_SIGMA, several)
        moves, origin = None, "trials"
    else:
        sigma, moves, start = _sigma_from_targets(data, targets, items)
        origin = "declared" if sigma is None else "targets"
        sources = fit_sources(data, sigma or DECLARED_SIGMA, start=start)
    _, lines, slopes = fit_mean_lines(sources, several, targets)
    languages, deviations = fit_languages(sources, several, targets, lines.theta)
    return Panel(
        hardness=hardness,
        sources=sources,
        several=several,
        targets=targets,
        lines=lines,
        slopes=slopes,
        languages=languages,
        deviations=deviations,
        asked=targets.weights.any(axis=1),
        sigma_moves=moves,
        sigma_origin=origin,
    )


def _worth(counts: ItemCounts, m: int, items: Floats) -> Floats:
    """What a source trial of model m is worth, (N,): less than 1 where wordings repeat."""
    trials = counts.source_trials[m]
    if counts.trials == "repeats" and counts.chance > 0.0:
        return np.asarray(1.0 / np.maximum(trials, 1.0))
    correlation, share = counts.source_wordings(m, items)
    rho = 0.0 if correlation is None else correlation.value
    worth = effective_trials(trials, share, rho)
    return np.where(trials > 0, ratio(worth, trials), 1.0)


def _targets(counts: ItemCounts, items: Floats) -> Targets:
    """Target accuracies of the items that were asked in the source language."""
    accuracy = counts.target_accuracy()
    asked = ~np.isnan(accuracy) & (counts.source_trials > 0)[:, :, None]
    known = np.where(asked, accuracy, 0.0)
    number = asked.sum(axis=2)
    average = known.sum(axis=2) / np.maximum(number, 1)
    return Targets(
        known,
        asked * items[:, None],
        average.T,
        ((number > 0) * items).T,
    )


def fit_mean_lines(
    sources: SourceFit,
    several: Bools,
    targets: Targets,
    start: Lines | None = None,
    tolerance: float = _TOLERANCE,
) -> tuple[LineData, Lines, Shrinkage]:
    """Lines of each model's mean over languages, their slopes shrunk over models."""
    every = np.arange(several.size)
    data = line_data(sources, several, targets.average, targets.average_weights, every)
    first = first_lines(data) if start is None else start
    centres, asked = [np.zeros(every.size)], np.ones((1, every.size), dtype=bool)
    (lines,), shrunk = fit_lines([data], [first], centres, asked, tolerance)
    return data, lines, shrunk


def fit_languages(
    sources: SourceFit, several: Bools, targets: Targets, means: Floats
) -> tuple[tuple[Lines, ...], Shrinkage]:
    """Lines of the languages, slopes shrunk towards those of their models, up to a common shift.

    `means` (2, M) are the lines of the models' means over languages.
    """
    asked = targets.weights.any(axis=1)
    data = [
        line_data(sources, several, targets.accuracy[m], targets.weights[m], np.array([m]))
        for m in range(several.size)
    ]
    centres = [np.full(asked.shape[1], slope) for slope in means[1]]
    start = [first_lines(part, mean) for part, mean in zip(data, means.T, strict=True)]
    return fit_lines(data, start, centres, asked, _TOLERANCE)


def _sigma_from_targets(
    data: SourceData, targets: Targets, items: Floats
) -> tuple[float | None, Floats, SourceFit]:
    """Sigma where the targets' deviance is least, given single source trials too, if within bounds.

    The minimum is that of a parabola in log sigma through the least deviance and its neighbours.
    With the influence of items (N,) on it, and a fit to start from.
    """
    fits: list[SourceFit] = []
    lines: Lines | None = None
    deviances = []
    every = np.ones(data.right.shape[0], dtype=bool)
    for sigma in _SIGMAS:
        start = fits[-1] if fits else None
        fits.append(fit_sources(data, sigma, start=start, tolerance=_ROUGH))
        part, lines, _ = fit_mean_lines(fits[-1], every, targets, lines, _ROUGH)
        deviances.append(part.deviance(lines.theta))
    each = np.array(deviances)
    totals = each @ items
    place = int(totals.argmin())
    if place in (0, _SIGMAS.size - 1):
        return None, np.zeros(items.size), fits[place]
    low, middle, high = totals[place - 1 : place + 2]
    slope, bend = 0.5 * (high - low), high - 2.0 * middle + low
    step = np.log(_SIGMAS[1] / _SIGMAS[0])
    sigma = float(_SIGMAS[place] * np.exp(-step * slope / bend))
    by_slope = 0.5 * (each[place + 1] - each[place - 1])
    by_bend = each[place + 1] - 2.0 * each[place] + each[place - 1]
    moves = -sigma * step * (by_slope - slope / bend * by_bend) / bend
    return sigma, moves, fits[place]
