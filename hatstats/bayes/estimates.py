"""From a study to cell estimates: transfer and source logits with their joint covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from hatstats.bayes.effects import Unit
from hatstats.bayes.marginal_likelihood import CellEstimates
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.estimators.aggregate.panel_regression import Logits, to_logits
from hatstats.estimators.methods import fit_profile
from hatstats.inference.influence import Tails, cluster_sums
from hatstats.inference.resampling.shrinkage import shrunk_covariance, shrunk_logarithms
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import aggregate_counts, benchmark_is_item_level
from hatstats.scores.item_profile import ItemProfile
from hatstats.study import Study

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class CellOptions:
    """How cells are estimated before they are modelled together.

    Attributes
    ----------
    method : {"latent", "joint", "observed"}
        Estimator of the profiles of item-level benchmarks. ``latent`` and ``observed`` give one
        transfer logit for each cell, with the full covariance over models that share items.
        ``joint`` gives all parameters of its likelihood, normal around their maximum, models
        independent: what the count rung has without that approximation.
    reference : str
        Reference distribution of item-level benchmarks: it is part of what a cell estimates.
    correlation : float
        Stated correlation of two models' accuracies on the same items, for benchmarks of which
        only accuracies are known; in [0, 1).
    """

    method: Literal["latent", "joint", "observed"] = "latent"
    reference: str = "pooled"
    correlation: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is none of these."""
        if self.method not in ("latent", "joint", "observed"):
            raise DataError(
                "unknown estimator of cells",
                column="method",
                value=self.method,
                hint="use latent, joint or observed.",
            )
        if not 0.0 <= self.correlation < 1.0:
            raise DataError(
                "the correlation of two models on the same items must lie in [0, 1)",
                column="correlation",
                value=self.correlation,
                hint="0 is the default, 0.3 and 0.6 show how much it matters.",
            )


def _logit(share: Floats, least: Floats) -> tuple[Floats, Floats]:
    """Logit of proportions, held `least` inside (0, 1), and its slope."""
    inside = np.clip(share, least, 1.0 - least)
    return special.logit(inside), 1.0 / (inside * (1.0 - inside))


def _kinds(models: int, model: Ints, language: Ints) -> Ints:
    """Kind of each pair of estimates: source or target, one model or two, one language or two."""
    side = np.repeat([0, 1], [models, model.size])
    of_model = np.concatenate([np.arange(models), model])
    # A source accuracy has no language of its own.
    of_language = np.concatenate([np.full(models, -1), language])
    same = [(of[:, None] == of).astype(np.intp) for of in (of_model, of_language)]
    return np.asarray(4 * (side[:, None] + side) + 2 * same[0] + same[1])


def _as_t(df: Floats) -> Floats:
    """How much wider the central 95 % of a t distribution are than those of a normal one."""
    return np.asarray(stats.t.ppf(0.975, df) / stats.norm.ppf(0.975))


def _steadied(variance: Floats, df: Floats, design: Floats) -> Floats:
    """Factors of standard errors whose variances are known with `df` degrees of freedom, (C,).

    An estimate that came out low by the luck of few items comes with a variance that did too, and
    would weigh more than one that came out high. Most of what a variance owes to its cell its
    language and the model's source accuracy tell, so it is drawn there (`shrunk_logarithms`).
    """
    noise = 2.0 / df
    smooth, share = shrunk_logarithms(np.log(variance), noise, design)
    # A variance that is drawn from all cells is known better than by its own items.
    known = df / np.maximum(1.0 - share, 1e-3) ** 2
    return np.asarray(np.exp(0.5 * smooth) / np.sqrt(variance) * _as_t(known))


def item_cells(fit: BenchmarkFit, reference: str) -> tuple[Unit, CellEstimates]:
    """Cells of an item-level benchmark by the delta method on the logit scale.

    ``y = logit(HAT)`` under the reference, ``y_s = logit`` of mean source accuracy, with the
    covariance that the items' influence values give over all models and languages. Two things that
    a normal likelihood with an estimated covariance leaves out are allowed for: correlations are
    drawn to the mean of their kind (`shrunk_covariance`), since there may be more pairs of cells
    than items; and where few items carry an estimate, its variance is drawn to that of like cells,
    and the normal density is as wide as the central 95 % of Student's t (`Tails`).

    Raises
    ------
    NotIdentifiedError
        With a single item or item cluster, which says nothing of sampling error.
    """
    counts = fit.counts
    scores = fit.scores(reference)
    estimate, influence = scores.estimate, scores.influence
    model, language = np.nonzero(~np.isnan(estimate))
    mean, source_influence = fit.source_influence()
    both = np.concatenate([source_influence, influence[:, model, language]], axis=1)
    sums = cluster_sums(both, counts.clusters)
    cov = shrunk_covariance(sums, _kinds(len(counts.models), model, language))[0]
    if not np.isfinite(cov).all():
        raise NotIdentifiedError(
            f"benchmark {counts.benchmark!r}: one item or item cluster tells nothing of sampling "
            "error; a hierarchical model needs more"
        )
    # Half an answer: what lies nearer to an end cannot be told from it.
    trials = np.array([counts.source_trials[m].sum() for m in range(len(counts.models))])
    asked = counts.target_trials.sum(axis=1)[model, language]
    share = np.concatenate([mean, estimate[model, language]])
    least = 0.5 / (np.concatenate([trials, asked]) + 1.0)
    logit, slope = _logit(share, least)
    cov = cov * np.outer(slope, slope)
    # Answers that are all alike move nothing; their error is that of half an answer.
    floor = (least * slope) ** 2
    cov[np.diag_indices_from(cov)] += np.maximum(floor - np.diag(cov), 1e-9 * floor)
    size, df = mean.size, Tails.from_sums(sums).df
    of_cell = logit[:size][model]
    design = np.column_stack([np.eye(len(counts.languages))[language], of_cell, of_cell**2])
    width, moved = _as_t(df), np.isfinite(df[size:])
    width[size:][moved] = _steadied(np.diag(cov)[size:][moved], df[size:][moved], design[moved])
    cov = cov * np.outer(width, width)
    unit = Unit(
        counts.benchmark, True, counts.chance, counts.models, counts.languages, model, language
    )
    return unit, CellEstimates(logit[:size], logit[size:], cov, False, 0.0)


def accuracy_cells(part: Logits, correlation: float) -> tuple[Unit, CellEstimates]:
    """Cells of a benchmark of which only accuracies are known, on the chance-corrected logit scale.

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
    cells = CellEstimates(
        part.source,
        part.target[model, language],
        link * np.outer(error, error),
        True,
        centre,
    )
    return unit, cells


@dataclass(frozen=True, slots=True, eq=False)
class StudyCells:
    """Cells of every benchmark of a study, and the fits they come from.

    Attributes
    ----------
    units : tuple of Unit
    parts : tuple of CellEstimates
    fits : dict of str to BenchmarkFit
        Of the item-level benchmarks.
    logits : dict of str to Logits
        Of the others.
    """

    units: tuple[Unit, ...]
    parts: tuple[CellEstimates, ...]
    fits: dict[str, BenchmarkFit]
    logits: dict[str, Logits]


def check_targets(study: Study) -> None:
    """Refuse models that were never asked in a target language, and name them.

    Raises
    ------
    NotIdentifiedError
    """
    asked = pd.Series(~study.is_source).groupby(study.counts["model"].to_numpy()).any()
    without = [name for name in study.model_names if not asked.get(name, False)]
    if without:
        raise NotIdentifiedError(
            f"model {without[0]!r} has no rows in a target language"
            f"{f' (nor have {len(without) - 1} others)' if without[1:] else ''}, so that nothing "
            "is known of its transfer; leave it out (study.select) or add the rows"
        )


def study_cells(study: Study, options: CellOptions) -> StudyCells:
    """Estimate the cells of a study; item-level and aggregate benchmarks may be mixed.

    Parameters
    ----------
    study : Study
    options : CellOptions

    Returns
    -------
    StudyCells

    Raises
    ------
    NotIdentifiedError
        If a model has no target rows, or an estimator lacks what it needs.
    """
    check_targets(study)
    by_item = {name: benchmark_is_item_level(study, name) for name in study.benchmark_names}
    fits: dict[str, BenchmarkFit] = {}
    items = [name for name, has in by_item.items() if has]
    if items:
        part = study if len(items) == len(by_item) else study.select(benchmarks=items)
        profile = fit_profile(part, method=options.method)
        assert isinstance(profile, ItemProfile)
        fits = {fit.counts.benchmark: fit for fit in profile.fits}
    logits = {
        name: to_logits(aggregate_counts(study, name)) for name, has in by_item.items() if not has
    }
    found = [
        item_cells(fits[name], options.reference)
        if has
        else accuracy_cells(logits[name], options.correlation)
        for name, has in by_item.items()
    ]
    return StudyCells(
        tuple(unit for unit, _ in found), tuple(part for _, part in found), fits, logits
    )
