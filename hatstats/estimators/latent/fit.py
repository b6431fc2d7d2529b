"""The `latent` profile: T(x) = E[p_target | p_source = x] without the noise of k/n.

Steps, none with a model of residuals or of dependence between languages:

1. g, the distribution of an item's source probability x, by deconvolution of the source counts;
2. the profile of an item's mean over languages, from the conditional means that the data identify:
   ``E[k_t / n_t | k_s] = sum_x T(x) P_g(x | k_s)``. The models of a benchmark are fitted together
   and borrow their shape from one another (`borrowing`); a model alone by penalised least squares
   (`penalised_fit`), in a family of increasing functions;
3. the profile T of each language in the same way, its prior centred on the shared one. An average
   over languages is known better than each of them, and must not keep the bias of a penalty that
   suits one language: in a panel, languages keep the mean curve as their mean.

T belongs to a smooth family (`curve_families`) in which no constraint can bind, so that all steps
are smooth estimating equations: the influence of an item on any functional of T or g is a look-up
by its source count, and includes the uncertainty of the earlier steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import special

from hatstats.errors import DataError, DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.latent.borrowing import COLUMNS, Member, ShapeSpread, fit_together
from hatstats.estimators.latent.count_fit import check_fits
from hatstats.estimators.latent.cross_validation import choose_family
from hatstats.estimators.latent.curve_families import (
    Family,
    increasing_family,
    unrestricted_family,
)
from hatstats.estimators.latent.deconvolution import GRID, Deconvolution, deconvolve
from hatstats.estimators.latent.model import InPanel, LanguageFits, LatentModel
from hatstats.estimators.latent.patterns import GroupedItems, group_items
from hatstats.estimators.latent.penalised_fit import CurveFit, Prior, fit_curves
from hatstats.inference.arrays import Floats
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import ItemCounts

#: Multiples of the cost of roughness among which cross-validation chooses. With 10 and 100 it would
#: choose these for weak models, and their bias is not small beside the standard error: coverage of
#: .95 fell to .924 in the mixture world.
ROUGHNESS_CANDIDATES = (1.0, 0.1)


@dataclass(frozen=True, slots=True)
class LatentOptions:
    """What the latent profile assumes.

    Attributes
    ----------
    borrow : bool
        Whether the models of a benchmark borrow the shape of their profiles from one another, as
        far as these differ little where all have items. True by default; a model that is alone has
        nobody to borrow from.
    monotone : bool or None
        Of profiles fitted alone: whether items that a model answers more surely in the source
        language are answered no worse in the target language, on average. None, the default, takes
        this to be so for each model unless cross-validation over item clusters says otherwise by
        more than two standard errors (or unless `roughness` is given).
    roughness : float or None
        Of profiles fitted alone: multiple of a cost of roughness. None, the default, chooses one of
        `ROUGHNESS_CANDIDATES` for each model in the same way, the highest unless a lower one is
        clearly better; intervals do not include the choice. A number is used for all models, so
        that the prior shape adds the same to the n + 1 functionals of T that n trials identify.

    Raises
    ------
    DataError
        For a cost of roughness that is not positive, or an option of profiles fitted alone without
        ``borrow=False``.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.LatentOptions(borrow=False, monotone=False, roughness=1.0).monotone
    False
    """

    borrow: bool = True
    monotone: bool | None = None
    roughness: float | None = None

    def __post_init__(self) -> None:
        """Check that the cost is positive."""
        if self.borrow and (self.roughness is not None or self.monotone is not None):
            name = "monotone" if self.roughness is None else "roughness"
            text = f"{name} is of profiles that are fitted alone"
            raise DataError(text, column=name, value=getattr(self, name), hint="add borrow=False.")
        if self.roughness is not None and not 0.0 < self.roughness < np.inf:
            text = "the cost of roughness must be positive"
            hint = "give a number above 0, or None to choose one by cross-validation."
            raise DataError(text, column="roughness", value=self.roughness, hint=hint)

    def families(self, grid: Floats) -> dict[tuple[bool, float], Family]:
        """Candidate families of curves by `(monotone, roughness)`, the most restricted first."""
        make = unrestricted_family if self.monotone is False else increasing_family
        costs = ROUGHNESS_CANDIDATES if self.roughness is None else (self.roughness,)
        found: dict[tuple[bool, float], Family] = {
            (self.monotone is not False, cost): make(grid, cost) for cost in costs
        }
        if self.monotone is None and self.roughness is None:
            found[False, costs[0]] = unrestricted_family(grid, costs[0])
        return found


def fit_latent(
    counts: ItemCounts, options: LatentOptions | None = None, *, weights: Floats | None = None
) -> BenchmarkFit:
    """Latent profiles of every model of a benchmark, on the grid of source accuracy.

    Items have non-negative weights (N,), 1 each if not given, for bootstraps of full refits.
    Raises NotIdentifiedError if a model has one trial per item: the spread of x is not identified
    then. Warns where all trials are of one wording and may repeat a lucky guess.
    """
    if counts.trials == "repeats" and counts.chance > 0 and counts.source_trials.max() >= 2:
        warnings.warn(
            f"benchmark {counts.benchmark!r}: all trials of an item are of one wording and answers "
            "can be guessed, so that repeated lucky guesses pass for knowledge in the latent "
            "profile",
            DegenerateDataWarning,
            stacklevel=3,
        )
    for m, model in enumerate(counts.models):
        if counts.source_trials[m].max() < 2:
            raise NotIdentifiedError(
                f"benchmark {counts.benchmark!r}, model {model!r}: one trial per item cannot "
                "tell hard items from bad luck, so the latent profile is not identified. What is "
                "missing: two or more trials per item in the source language. With two or "
                "more target languages use method='joint'; the observed profile "
                "(method='observed') can be computed too, with its bias."
            )
    chosen = options or LatentOptions()
    items = [group_items(counts, m, weights) for m in range(len(counts.models))]
    if chosen.borrow and len(items) > 1:
        models = fit_borrowing(items)
    else:
        families = chosen.families(GRID)
        models = tuple(fit_grouped(each, families) for each in items)
    # Refits with weights only serve to see how estimates vary.
    checks = check_fits(counts.models, models, items) if weights is None else ()
    return BenchmarkFit(counts, GRID, models, checks=checks)


@dataclass(frozen=True, slots=True)
class _Sources:
    """Distributions of x of one model: of all its items, of each group's, of the average's."""

    whole: Deconvolution
    groups: tuple[Deconvolution, ...]
    average: Deconvolution

    @classmethod
    def of(cls, items: GroupedItems) -> _Sources:
        """Deconvolve the source counts of a model's items."""
        rho = 0.0 if items.correlation is None else items.correlation.value
        whole = deconvolve(items.patterns, correlation=rho)
        groups = tuple(
            whole
            if group.patterns is items.patterns
            else deconvolve(group.patterns, correlation=rho)
            for group in items.groups
        )
        return cls(whole, groups, groups[0] if len(groups) == 1 else whole)


def fit_borrowing(
    items: Sequence[GroupedItems], spread: ShapeSpread | None = None
) -> tuple[LatentModel, ...]:
    """Profiles of two models or more, which borrow their shape from one another.

    The curves of the means over languages are fitted together. Those of languages differ from
    their model's as models differ from one another, and share its mean curve where they were asked
    of the same items.
    """
    sources = [_Sources.of(each) for each in items]
    members = [Member.of_items(own.average, each) for own, each in zip(sources, items, strict=True)]
    panel = fit_together(members, spread)
    family = panel.spread.family
    models = []
    for m, (own, each) in enumerate(zip(sources, items, strict=True)):
        mean = panel.curves[m]
        prior = Prior.about(family, mean.theta[0])
        parts = tuple(
            LanguageFits(group.columns, fit_curves(prior, source, group.target, group.means))
            for group, source in zip(each.groups, own.groups, strict=True)
        )
        shift = None
        if len(parts) == 1:
            logits = parts[0].curves.theta @ COLUMNS.T
            shift = common_shift(logits[~np.isnan(logits).any(axis=1)], mean.curve[0])
        in_panel = InPanel(panel, m, shift, partial(_fit_alone, each))
        models.append(
            LatentModel(own.whole, parts, mean, own.average, np.nan, each.correlation, in_panel)
        )
    return tuple(models)


def common_shift(logits: Floats, mean: Floats) -> Floats:
    """Shift (Q,) of curves with logits (C, Q) after which their mean is `mean` (Q,)."""
    shift = np.zeros(mean.size)
    wanted = special.logit(mean)
    for _ in range(100):
        curves = special.expit(logits + shift)
        # Curves that are 0 or 1 to the last digit have no slope of their own.
        now = np.clip(curves.mean(axis=0), 1e-300, 1.0 - 1e-16)
        slope = np.maximum((curves * (1.0 - curves)).mean(axis=0) / (now * (1.0 - now)), 1e-300)
        step = np.clip((wanted - special.logit(now)) / slope, -2.0, 2.0)
        shift += step
        if np.abs(step).max() < 1e-10:
            break
    return shift


def _fit_alone(items: GroupedItems) -> LatentModel:
    """One model's profiles without those of others, by the default choice of families."""
    return fit_grouped(items, LatentOptions(borrow=False).families(GRID))


def fit_grouped(items: GroupedItems, families: dict[tuple[bool, float], Family]) -> LatentModel:
    """Profiles of one model in all languages, in the best of some families."""
    own = _Sources.of(items)
    sources, of_shared = own.groups, own.average
    fits: dict[tuple[bool, float], CurveFit] = {}
    starts: dict[bool, Floats] = {}
    for key, family in families.items():
        prior, start = Prior.of_family(family), starts.get(key[0])
        fits[key] = fit_curves(prior, of_shared, items.average, items.average_means, start)
        starts[key[0]] = fits[key].theta
    best = choose_family(fits, of_shared, items)
    shared, prior = fits[best], fits[best].prior
    asked = sum(int((group.means.size.sum(axis=1) > 0).sum()) for group in items.groups)
    languages = sum(group.columns.size for group in items.groups)
    if asked > 1:
        prior = Prior.about(families[best], shared.theta[0])
    parts = tuple(
        LanguageFits(
            group.columns,
            # The mean over one language is that language.
            shared if languages == 1 else fit_curves(prior, source, group.target, group.means),
        )
        for group, source in zip(items.groups, sources, strict=True)
    )
    average = shared if asked > 1 else None
    return LatentModel(own.whole, parts, average, of_shared, best[1], items.correlation)
