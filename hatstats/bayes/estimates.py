"""From a study to cell estimates: transfer and source logits with their joint covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from hatstats.bayes.effects import Effects, Unit
from hatstats.bayes.marginal_likelihood import CellEstimates, LogPosterior, MarginalCells
from hatstats.bayes.options import CellOptions, Priors
from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.panel_regression import Logits, to_logits
from hatstats.estimators.methods import default_method, fit_profile
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.influence import (
    cluster_sums,
    degrees_of_freedom,
    shrunk_covariance,
    shrunk_logarithms,
)
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import AggregateCounts, aggregate_counts, benchmark_is_item_level
from hatstats.scores.item_profile import ItemProfile
from hatstats.scores.reference import reference_name, settled
from hatstats.study import Study

#: Rounds of linearisation at most, and the step, in standard errors, at which they end.
_ROUNDS, _SETTLED = 20, 0.02
#: Logit beyond which few studies can tell an accuracy from chance, or from certainty.
_FARTHEST = 4.0


def _logit(share: Floats, least: Floats) -> tuple[Floats, Floats]:
    """Logit of proportions, held `least` inside (0, 1), and its slope."""
    inside = np.clip(share, least, 1.0 - least)
    return special.logit(inside), 1.0 / (inside * (1.0 - inside))


def _kinds(models: int, model: Ints, language: Ints) -> Ints:
    """Kind of each pair of estimates (N, N): side, same model, same language; N = models + C."""
    side = np.repeat([0, 1], [models, model.size])
    model_codes = np.concatenate([np.arange(models), model])
    # A source accuracy has no language of its own.
    language_codes = np.concatenate([np.full(models, -1), language])
    same = [(codes[:, None] == codes).astype(np.intp) for codes in (model_codes, language_codes)]
    return np.asarray(4 * (side[:, None] + side) + 2 * same[0] + same[1])


def _as_t(df: Floats) -> Floats:
    """Ratio of the 97.5 % points of t distributions to that of the normal one."""
    return np.asarray(special.stdtrit(df, 0.975) / special.ndtri(0.975))


def _shrunk_errors(variance: Floats, df: Floats, design: Floats) -> Floats:
    """Factors of standard errors whose variances have `df` degrees of freedom, (C,).

    An estimate that is low by chance, with few items, comes with too small a variance and would
    weigh more than one that is high. Variances are shrunk towards what language and source
    accuracy predict, the columns of `design` (`shrunk_logarithms`).
    """
    smooth, share = shrunk_logarithms(np.log(variance), 2.0 / df, design)
    # Shrinkage adds the information of the other cells to the degrees of freedom.
    effective = df / np.maximum(1.0 - share, 1e-3) ** 2
    return np.asarray(np.exp(0.5 * smooth) / np.sqrt(variance) * _as_t(effective))


def item_cells(fit: BenchmarkFit, reference: str | ArrayLike) -> tuple[Unit, CellEstimates]:
    """Logits of HAT and of mean source accuracy with the covariance over models and languages.

    A normal likelihood with an estimated covariance ignores two things, which are corrected for:
    correlations are shrunk to the mean of their kind, since there may be more pairs of cells than
    items; and where few items determine an estimate, its variance is shrunk to that of similar
    cells and widened to the central 95 % of Student's t.
    """
    counts = fit.counts
    scores = fit.scores(reference)
    estimate, influence = scores.estimate, scores.influence
    model, language = np.nonzero(~np.isnan(estimate))
    mean, source_influence = fit.source_influence()
    both = np.concatenate([source_influence, influence[:, model, language]], axis=1)
    sums = cluster_sums(both, counts.clusters)
    cov = shrunk_covariance(sums, _kinds(len(counts.models), model, language))[0]
    spread = scores.weighted_spread(~np.isnan(estimate), np.eye(model.size))
    cov[mean.size :, mean.size :] += spread.T @ spread
    if not np.isfinite(cov).all():
        raise NotIdentifiedError(
            f"benchmark {counts.benchmark!r}: sampling error cannot be estimated from one item or "
            "item cluster; a hierarchical model needs more"
        )
    # Half an answer: closer to an end, accuracies cannot be distinguished from it.
    trials = np.array([counts.source_trials[m].sum() for m in range(len(counts.models))])
    asked = counts.target_trials.sum(axis=1)[model, language]
    share = np.concatenate([mean, estimate[model, language]])
    least = 0.5 / (np.concatenate([trials, asked]) + 1.0)
    logit, slope = _logit(share, least)
    cov = cov * np.outer(slope, slope)
    # Identical answers have no influence; their error is that of half an answer.
    floor = (least * slope) ** 2
    cov[np.diag_indices_from(cov)] += np.maximum(floor - np.diag(cov), 1e-9 * floor)
    size, df = mean.size, degrees_of_freedom(sums)
    cell_logit = logit[:size][model]
    design = np.column_stack([np.eye(len(counts.languages))[language], cell_logit, cell_logit**2])
    width, varies = _as_t(df), np.isfinite(df[size:])
    target_variance = np.diag(cov)[size:][varies]
    width[size:][varies] = _shrunk_errors(target_variance, df[size:][varies], design[varies])
    cov = cov * np.outer(width, width)
    unit = Unit(
        counts.benchmark, True, counts.chance, counts.models, counts.languages, model, language
    )
    return unit, CellEstimates(logit[:size], logit[size:], cov, False, 0.0)


def accuracy_cells(part: Logits, correlation: float) -> tuple[Unit, CellEstimates]:
    """Cells of a benchmark with accuracies only, on the chance-corrected logit scale.

    Two models' accuracies in one language have the stated correlation.
    """
    counts = part.counts
    model, language = np.nonzero(~np.isnan(part.target))
    error = np.sqrt(np.concatenate([part.source_var, part.target_var[model, language]]))
    group = np.concatenate([np.full(part.source.size, -1), language])
    link = np.where(group[:, None] == group, correlation, 0.0)
    np.fill_diagonal(link, 1.0)
    unit = Unit(
        counts.benchmark, False, counts.chance, counts.models, counts.languages, model, language
    )
    missing = sorted(set(range(len(counts.models))) - set(model.tolist()))
    if missing:
        raise NotIdentifiedError(
            f"benchmark {counts.benchmark!r}: model {counts.models[missing[0]]!r} has no accuracy "
            "in any target language"
        )
    centre = float(np.median(part.source))
    cov = link * np.outer(error, error)
    return unit, CellEstimates(part.source, part.target[model, language], cov, True, centre)


def linearised(
    unit: Unit, part: CellEstimates, counts: AggregateCounts, at: Floats
) -> CellEstimates:
    """Accuracies of a benchmark linearised at logits (M + C,), sources first.

    For a proportion y of n trials with mean ``p(t) = c + (1 - c) expit(t)``, the estimate
    ``t_0 + (y - p(t_0)) / p'(t_0)`` of t is normal with variance ``p (1 - p) / (n p'^2)`` near t_0
    (McCullagh and Nelder 1989, section 2.5). With the observed accuracy as its own t_0, one that is
    high by luck would weigh more than one that is low, most of all near the chance level.
    """
    cells = unit.cell_model, unit.cell_language
    y = np.concatenate([counts.source_accuracy, counts.target_accuracy[cells]])
    n = np.concatenate([counts.source_trials, counts.target_trials[cells]])
    share = special.expit(at)
    p = counts.chance + (1.0 - counts.chance) * share
    slope = (1.0 - counts.chance) * share * (1.0 - share)
    logit, error = at + (y - p) / slope, np.sqrt(p * (1.0 - p) / n) / slope
    ratio = error / np.sqrt(np.diag(part.cov))
    source, transfer = np.split(logit, [part.source.size])
    cov = part.cov * np.outer(ratio, ratio)
    return replace(part, source=source, transfer=transfer, cov=cov, point=at)


def linearise(
    effects: Effects,
    parts: Sequence[CellEstimates],
    counts: Sequence[AggregateCounts | None],
    priors: Priors,
) -> tuple[CellEstimates, ...]:
    """Linearise accuracies where the model puts them, at the mode of its scales, in rounds.

    `counts`: of each benchmark with accuracies only, None where items are known.
    """
    found = tuple(parts)
    if all(one is None for one in counts):
        return found
    for _ in range(_ROUNDS):
        marginal = MarginalCells.of(effects, found)
        fitted = marginal.fitted(LogPosterior.of(marginal, priors).mode())
        moved = 0.0
        for b, (unit, one, at) in enumerate(zip(effects.units, counts, fitted, strict=True)):
            if one is not None:
                before = found[b].point
                # Near the chance level whole steps can alternate between two points.
                point = at if before is None else 0.5 * (at + before)
                point = np.clip(point, -_FARTHEST, _FARTHEST)
                new = linearised(unit, found[b], one, point)
                error = np.sqrt(np.diag(new.cov))
                step = np.inf if before is None else np.max(np.abs(point - before) / error)
                moved = max(moved, float(step))
                found = (*found[:b], new, *found[b + 1 :])
        if moved < _SETTLED:
            break
    return found


def require_target_rows(study: Study) -> None:
    """Refuse a model without rows in a target language."""
    asked = pd.Series(~study.is_source).groupby(study.counts["model"].to_numpy()).any()
    without = [name for name in study.model_names if not asked.get(name, False)]
    if without:
        raise NotIdentifiedError(
            f"model {without[0]!r} has no rows in a target language"
            f"{f' (nor have {len(without) - 1} others)' if without[1:] else ''}, so that its "
            "transfer is unknown; leave it out (study.select) or add the rows"
        )


def with_method(options: CellOptions, study: Study) -> CellOptions:
    """Options that name an estimator: where none is named, the one that the items' trials allow."""
    require_target_rows(study)
    reference = reference_name(settled(options.reference, study))
    options = replace(options, reference=reference, window=study.info.common)
    items = [name for name in study.benchmark_names if benchmark_is_item_level(study, name)]
    if options.method is not None or not items:
        return replace(options, method=options.method or "latent")
    method, _ = default_method(study.select(benchmarks=items))
    return replace(options, method="latent" if method == "aggregate" else method)


def study_cells(
    study: Study, options: CellOptions
) -> tuple[tuple[Unit, ...], tuple[CellEstimates, ...]]:
    """Estimate the cells of each benchmark of a study, item-level or aggregate."""
    by_item = {name: benchmark_is_item_level(study, name) for name in study.benchmark_names}
    fits: dict[str, BenchmarkFit] = {}
    items = [name for name, has in by_item.items() if has]
    if items:
        part = study if len(items) == len(by_item) else study.select(benchmarks=items)
        profile = fit_profile(part, method=options.method)
        assert isinstance(profile, ItemProfile)
        fits = {fit.counts.benchmark: fit for fit in profile.fits}
    found = [
        item_cells(fits[name], settled(options.reference, study))
        if has
        else accuracy_cells(to_logits(aggregate_counts(study, name)), options.correlation)
        for name, has in by_item.items()
    ]
    return tuple(unit for unit, _ in found), tuple(part for _, part in found)
