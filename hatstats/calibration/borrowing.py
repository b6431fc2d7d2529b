"""Whether profiles that borrow from a panel are right: against known truth and hidden answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special

from hatstats.calibration.drift import source_quantiles
from hatstats.estimators.latent.fit import LatentOptions, fit_borrowing, fit_latent
from hatstats.estimators.latent.model import LatentModel
from hatstats.estimators.latent.patterns import GroupedItems, group_items, pattern_means
from hatstats.inference.arrays import Bools, Floats
from hatstats.inference.influence import covariance_of_sums, degrees_of_freedom
from hatstats.inference.intervals import logit_interval
from hatstats.inference.random_numbers import RandomSource
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import ItemCounts, item_counts
from hatstats.simulation.simulate import Shape, item_probabilities
from hatstats.study import Study

#: Mean source logits of a panel whose source accuracies run from .45 to .97.
ABILITIES = (-0.3, 0.4, 1.1, 1.8, 2.5, 3.3, 4.3)
#: Size of such a panel: 100 items, 14 languages, 20 trials.
SHAPE = Shape(100, 14, 20)
_SLOPES = (0.9, 0.6, 1.2, 0.5, 1.0, 0.7, 1.3)
_PLATEAUS = (1.0, 0.7, 1.0, 0.7, 1.0, 0.7, 1.0)
_HIDDEN = 0.35
_HIDDEN_COLUMNS = ["model", "side", "profiles", "seen", "predicted", "noise", "z"]


@dataclass(frozen=True, slots=True)
class PanelDesign:
    """A panel of models, each with a true profile ``top expit(-.8 + slope logit x)``."""

    name: str
    slopes: tuple[float, ...] = (0.9,) * len(ABILITIES)
    tops: tuple[float, ...] = (1.0,) * len(ABILITIES)
    abilities: tuple[float, ...] = ABILITIES
    shape: Shape = SHAPE

    def profile(self, m: int, x: Floats) -> Floats:
        """True target accuracy of model m for items with source probabilities x."""
        logit = special.logit(np.clip(x, 1e-9, 1.0 - 1e-9))
        return np.asarray(self.tops[m] * special.expit(-0.8 + self.slopes[m] * logit))

    def truth(self) -> Floats:
        """True HAT of each model under `pooled`, shape (M,)."""
        pooled = np.concatenate([source_quantiles(level, self.shape) for level in self.abilities])
        return np.array([self.profile(m, pooled).mean() for m in range(len(self.abilities))])

    def draw(self, rng: np.random.Generator) -> ItemCounts:
        """Counts of one study."""
        size, n = (len(self.abilities), self.shape.n_items), self.shape.n_trials
        hardness = rng.standard_normal(size[1])
        source = [item_probabilities(level, hardness, self.shape, rng) for level in self.abilities]
        target = [self.profile(m, x) for m, x in enumerate(source)]
        names = tuple(f"t{number:02d}" for number in range(self.shape.n_languages))
        chances = np.repeat(np.array(target)[:, :, None], len(names), axis=2)
        return ItemCounts(
            benchmark="simulated",
            chance=0.0,
            models=tuple(f"model-{m + 1:02d}" for m in range(size[0])),
            languages=names,
            items=np.array([f"item-{i:04d}" for i in range(size[1])]),
            clusters=np.arange(size[1]),
            source_correct=rng.binomial(n, np.array(source)).astype(float),
            source_trials=np.full(size, float(n)),
            target_correct=rng.binomial(n, chances).astype(float),
            target_trials=np.full(chances.shape, float(n)),
        )


#: Panels of one shape, and of shapes that differ.
DESIGNS = (
    PanelDesign("one shape"),
    PanelDesign("slopes from .5 to 1.3", slopes=_SLOPES),
    PanelDesign("every other model ends at .7", tops=_PLATEAUS),
    PanelDesign("the weakest model ends at .5", tops=(0.5, *(1.0,) * 6)),
)


def model_intervals(fit: BenchmarkFit) -> Floats:
    """Mean HAT over languages under `pooled`, its standard error and limits, (M, 4)."""
    scores = fit.scores("pooled")
    asked = ~np.isnan(scores.estimate)
    share = asked / asked.sum(axis=1, keepdims=True)
    weights = (np.arange(len(share))[:, None] == np.nonzero(asked)[0]) * share[asked]
    psi = scores.influence[:, asked] @ weights.T
    extra = scores.weighted_spread(asked, weights)
    error = np.sqrt(np.diag(covariance_of_sums(psi) + extra.T @ extra))
    value = (scores.estimate * share).sum(axis=1)
    limits = logit_interval(value, error, degrees_of_freedom(psi), 0.95)
    return np.column_stack([value, error, limits])


def _replicate(design: PanelDesign, rng: np.random.Generator) -> Floats:
    """Intervals of one study borrowed and alone, (2, M, 5), the last whether it is marked."""
    counts = design.draw(rng)
    found = []
    for borrow in (True, False):
        fit = fit_latent(counts, LatentOptions(borrow=borrow))
        rows = model_intervals(fit)
        columns = np.full(design.shape.n_languages, True)
        marks = fit.overlap(fit.reference_weights("pooled"), rows[:, 1], columns)["note"] != ""
        found.append(np.column_stack([rows, marks]))
    return np.array(found)


def panel_coverage(
    design: PanelDesign, *, n_replicates: int = 300, n_jobs: int = 1, rng: RandomSource = None
) -> pd.DataFrame:
    """Bias, error, coverage and longest arms of every model's score, borrowed and alone.

    Columns `panel, profiles` (borrowed or alone), `ability, truth, bias, rmse, coverage, long_arms`
    (share of intervals with an arm beyond four standard errors), `marked` (share of scores with a
    warning in words), `n_replicates`.
    """
    children = np.random.default_rng(rng).spawn(n_replicates)
    drawn = np.array(Parallel(n_jobs=n_jobs)(delayed(_replicate)(design, c) for c in children))
    truth, frames = design.truth(), []
    for place, name in enumerate(("borrowed", "alone")):
        value, error, low, high, marked = np.moveaxis(drawn[:, place], 2, 0)
        arms = np.maximum(high - value, value - low) / error
        frames.append(
            pd.DataFrame(
                {
                    "panel": design.name,
                    "profiles": name,
                    "ability": design.abilities,
                    "truth": truth,
                    "bias": value.mean(axis=0) - truth,
                    "rmse": np.sqrt(((value - truth) ** 2).mean(axis=0)),
                    "coverage": ((low <= truth) & (truth <= high)).mean(axis=0),
                    "long_arms": (arms > 4.0).mean(axis=0),
                    "marked": marked.mean(axis=0),
                    "n_replicates": n_replicates,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def hidden_items(study: Study, models: Sequence[str] | None = None) -> pd.DataFrame:
    """How well profiles predict targets of items that were hidden: each model's easy and hard end.

    Of one model at a time, the target answers to the 35 % of its items that it finds easiest, or
    hardest, in the source language are hidden, and their mean is predicted by its profile, borrowed
    or alone. One row per model, side and kind of profile: `model, side, profiles, seen, predicted,
    noise, z`: the standard error of the hidden items' mean about its prediction, and the distance
    in standard errors of both.
    """
    counts = item_counts(study, study.benchmark_names[0])
    chosen = counts.models if models is None else models
    items = [group_items(counts, m) for m in range(len(counts.models))]
    rows: list[tuple[object, ...]] = []
    for name in chosen:
        m = counts.models.index(name)
        order = np.argsort(counts.source_accuracy()[m], kind="stable")
        size = round(_HIDDEN * order.size)
        for side, places in (("hardest", order[:size]), ("easiest", order[-size:])):
            hidden = np.isin(np.arange(order.size), places)
            less = without_targets(items[m], hidden)
            panel = fit_borrowing([*items[:m], less, *items[m + 1 :]])
            seen = np.nanmean(counts.target_accuracy()[m, hidden], axis=1)
            for kind, fit in (("borrowed", panel[m]), ("alone", panel[m].alone())):
                rows.append((name, side, kind, *_prediction(fit, hidden, seen)))
    return pd.DataFrame(rows, columns=_HIDDEN_COLUMNS)


def without_targets(items: GroupedItems, hidden: Bools) -> GroupedItems:
    """One model's items without the target answers to some of them (N,).

    Of items that are chosen by their source counts, the others say nothing more of x than these.
    """
    one = np.ones(hidden.size)

    def shown(target: Floats) -> Floats:
        return np.where(hidden[:, None], np.nan, target)

    groups = []
    for group in items.groups:
        target = shown(group.target)
        means = pattern_means(target, group.patterns, one)
        groups.append(replace(group, target=target, means=means))
    average = shown(items.average)
    means = pattern_means(average, items.of_average, one)
    return replace(items, groups=tuple(groups), average=average, average_means=means)


def _prediction(fit: LatentModel, hidden: Bools, seen: Floats) -> tuple[float, float, float, float]:
    """Mean of the hidden items' accuracies (H,), its prediction, its noise, and their distance."""
    source, profile = fit.deconvolution, fit.profile.mean(axis=0)
    posterior = source.posterior[source.patterns.index[hidden]]
    weights = posterior.mean(axis=0)
    psi = fit.profile_influence(weights).mean(axis=1)
    noise = float((seen - posterior @ profile).var(ddof=1)) / seen.size
    variance = float(psi @ psi) + noise
    extra = fit.spread_rows(weights)
    if extra is not None:
        rows, own = extra
        variance += float((rows.mean(axis=0) ** 2).sum() + own.mean())
    away = float(profile @ weights) - seen.mean()
    return seen.mean(), float(profile @ weights), np.sqrt(noise), away / np.sqrt(variance)


def hidden_in_short(table: pd.DataFrame) -> pd.DataFrame:
    """Root mean squared error, that of the hidden items' noise, and share of ``|z| < 1.96``."""
    found = []
    for kind, rows in table.groupby("profiles", sort=False):
        error = float(np.sqrt(((rows["predicted"] - rows["seen"]) ** 2).mean()))
        within = float((rows["z"].abs() < 1.96).mean())
        noise = float(np.sqrt((rows["noise"] ** 2).mean()))
        row = {"profiles": kind, "rmse": error, "noise": noise, "within_1.96": within}
        found.append(row | {"n": len(rows)})
    return pd.DataFrame(found)
