"""Item-level fits of one benchmark: HAT per model and language, and the influence of every item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.inference.arrays import Bools, Floats
from hatstats.inference.error_rows import Weights, covariance_root
from hatstats.inference.result_frame import ResultFrame
from hatstats.scores.counts import ItemCounts, ratio
from hatstats.scores.reference import Mixture, reference_mixture

_TAIL = 0.01
# Share of the reference outside a model's own accuracies beyond which its score is called mostly
# extrapolation, and that beyond which a warning says how much of it is.
_MOSTLY, _PARTLY = 0.5, 0.2
# The same of the shape error in the standard error: an interval 2 SE wide on either side that is
# off by half an SE holds the truth in 92 % of cases instead of 95 %.
_SHAPE_SHARE = 0.5
# A source accuracy that lies below the target accuracy by more than this, and by more than so many
# standard errors, is no measure of what a model knows: answers in a format that was not read, say.
_SOURCE_BELOW, _SOURCE_ERRORS = 0.05, 3.0


class ModelFit(Protocol):
    """What one model's item-level fit offers, whatever the estimator."""

    @property
    def distribution(self) -> Floats:
        """Own distribution of source accuracy on the support, shape (Q,)."""

    @property
    def profile(self) -> Floats:
        """Profile on the support, shape (L, Q)."""

    def profile_influence(self, weights: Floats) -> Floats:
        """Influence of items on ``sum_q weights_q T_l(q)``, shape (N, L)."""

    def distribution_influence(self, values: Floats) -> Floats:
        """Influence of items on ``sum_q g(q) values_qr``, shape (N, R)."""


@runtime_checkable
class SmoothFit(Protocol):
    """A fit whose shape is partly a prior's."""

    def shape_covariance(self, weights: Floats) -> Floats:
        """Covariance of the possible smoothing bias of ``sum_q weights_q T_l(q)``, (L, L)."""


@runtime_checkable
class BorrowingFit(Protocol):
    """A fit whose curves may differ from those of other models by an estimated spread."""

    @property
    def borrows(self) -> bool:
        """Whether the model was fitted together with others."""

    def spread_rows(self, weights: Floats) -> tuple[Floats, Floats] | None:
        """Error by that spread of ``sum_q weights_q T_l(q)``.

        Rows (L, R), whose products, also with those of the other models, are covariances; and the
        covariance (L, L) of the languages' own curves. None if nothing was borrowed.
        """

    def alone(self) -> ModelFit:
        """The fit to the model's own items."""


def shape_error(fit: ModelFit, weights: Floats, columns: Bools) -> float:
    """SD of the possible smoothing bias of the mean over some languages (L,); NaN for none."""
    if not isinstance(fit, SmoothFit):
        return np.nan
    fitted = columns & ~np.isnan(fit.profile).any(axis=1)
    return float(np.sqrt(fit.shape_covariance(weights)[np.ix_(fitted, fitted)].mean()))


@dataclass(frozen=True, slots=True, eq=False)
class CellScores:
    """Values of one benchmark per model and language (M, L), with the items' influence (N, M, L).

    NaN for languages that a model was never asked in. Where profiles borrow from one another, their
    spread adds an error that no item shows: `spread` (R, M, L) by what the models have in common,
    as rows of products like those of items, and `own_spread` (M, L, L), covariance within a model.
    """

    estimate: Floats
    influence: Floats
    spread: Floats | None = None
    own_spread: Floats | None = None

    def widened(self, factors: Sequence[float]) -> CellScores:
        """The same values with the errors of each model multiplied by a factor."""
        by = np.array(factors)[:, None]
        spread = None if self.spread is None else self.spread * by
        own = None if self.own_spread is None else self.own_spread * by[:, :, None] ** 2
        return CellScores(self.estimate, self.influence * by, spread, own)

    def weighted_spread(self, asked: Bools, weights: Weights) -> Floats:
        """Rows (R', K) of that error of K sums of the cells asked (M, L), weights (K, C)."""
        if self.spread is None or self.own_spread is None:
            return np.zeros((0, weights.shape[0]))
        model = np.nonzero(asked)[0]
        rows = [self.spread[:, asked] @ weights.T]
        for m, own in enumerate(self.own_spread):
            of_model = weights[:, model == m]
            kept = asked[m]
            rows.append(covariance_root(own[np.ix_(kept, kept)]) @ of_model.T)
        return np.concatenate(rows)


@dataclass(frozen=True, slots=True)
class FitCheck:
    """What speaks against a model's fit, in words, and the factor that widens its intervals.

    `rejected` says that the fits of the benchmark do not agree with their counts.
    """

    words: str
    factor: float = 1.0
    rejected: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkFit:
    """Item-level fits of all models of one benchmark on a common support.

    `together` says that the models were fitted together, with an item hardness in common;
    `checks` what speaks against the fit of each model, none if nothing.
    """

    counts: ItemCounts
    support: Floats
    models: tuple[ModelFit, ...]
    together: bool = False
    checks: tuple[FitCheck, ...] = ()

    @property
    def distributions(self) -> Floats:
        """Own distributions of the models, shape (M, Q)."""
        return np.array([fit.distribution for fit in self.models])

    @property
    def profiles(self) -> Floats:
        """Profiles, shape (M, L, Q)."""
        return np.array([fit.profile for fit in self.models])

    def reference_weights(self, reference: str | ArrayLike | Mixture) -> Floats:
        """The reference distribution of each model on the support, shape (M, Q)."""
        mixture = reference_mixture(reference, self.counts.models, self.support)
        return mixture.weights(self.distributions)

    def scores(self, reference: str | ArrayLike) -> CellScores:
        """HAT per model and language under `reference`, and the items' influence on it."""
        if isinstance(reference, str) and reference == "own":
            return self._target_accuracy()
        return self.averaged(reference)

    def averaged(
        self, reference: str | ArrayLike | Mixture, *, with_influence: bool = True
    ) -> CellScores:
        """Profiles averaged over `reference`, also over `own`; influence is 0 unless wanted."""
        mixing = reference_mixture(reference, self.counts.models, self.support).mixing
        weights = self.reference_weights(reference)
        profiles = self.profiles
        estimate = np.einsum("mq,mlq->ml", weights, profiles)
        if not with_influence:
            return CellScores(estimate, np.zeros((self.counts.items.size, *estimate.shape)))
        influence = np.stack(
            [fit.profile_influence(weights[m]) for m, fit in enumerate(self.models)], axis=1
        )
        # The reference is estimated too: its items move every model that is averaged over it.
        for other, fit in enumerate(self.models):
            moved = np.flatnonzero(mixing[:, other])
            if moved.size == 0:
                continue
            values = profiles[moved].reshape(-1, self.support.size).T
            shift = fit.distribution_influence(np.nan_to_num(values))
            shift = shift.reshape(-1, moved.size, profiles.shape[1])
            influence[:, moved] += mixing[moved, other][:, None] * shift
        found = CellScores(estimate, influence, *self._spread(weights))
        return found.widened([check.factor for check in self.checks]) if self.checks else found

    def _spread(self, weights: Floats) -> tuple[Floats, Floats] | tuple[()]:
        """Errors that borrowing adds, see `CellScores`; nothing where nothing is borrowed."""
        found = [
            fit.spread_rows(weights[m]) if isinstance(fit, BorrowingFit) else None
            for m, fit in enumerate(self.models)
        ]
        known = [each for each in found if each is not None]
        if len(known) < len(found):
            return ()
        rows, own = zip(*known, strict=True)
        return np.stack(rows).transpose(2, 0, 1), np.stack(own)

    def source_influence(self) -> tuple[Floats, Floats]:
        """Mean source accuracy (M,) and the items' influence on it (N, M)."""
        return mean_influence(self.counts.source_accuracy())

    def _target_accuracy(self) -> CellScores:
        """Mean target accuracy and the items' influence on it: HAT under the reference `own`.

        Any profile that fits, averaged over the items it was learnt from, is their mean.
        """
        asked_in_source = (self.counts.source_trials > 0)[:, :, None]
        return CellScores(
            *mean_influence(np.where(asked_in_source, self.counts.target_accuracy(), np.nan))
        )

    def cells(self, estimate: Floats) -> pd.DataFrame:
        """Estimates (M, L) as rows, without the languages that a model was never asked in."""
        m, column = np.nonzero(~np.isnan(estimate))
        return pd.DataFrame(
            {
                "model": np.array(self.counts.models)[m],
                "benchmark": self.counts.benchmark,
                "language": np.array(self.counts.languages)[column],
                "estimate": estimate[m, column],
            }
        )

    def overlap(
        self, weights: Floats, errors: Floats, columns: Bools, *, smooth: bool = True
    ) -> pd.DataFrame:
        """How far the reference lies inside each model's own distribution, and the shape error.

        Of references `weights` (M, Q), scores with standard `errors` (M,) and languages `columns`
        (L,); raw accuracies do not rest on the fitted shape, and are not `smooth`.
        """
        rows = []
        items = (self.counts.source_trials > 0).sum(axis=1)
        for m, (model, fit) in enumerate(zip(self.counts.models, self.models, strict=True)):
            own = fit.distribution
            cumulative = np.cumsum(own)
            inner = (cumulative > _TAIL) & (cumulative - own < 1.0 - _TAIL)
            outside = float(weights[m][~inner].sum())
            spread = np.divide(weights[m] ** 2, own, out=np.zeros_like(own), where=own > 0)
            covered = bool((own[weights[m] > 0] > 0).all())
            kept = np.where(inner, weights[m], 0.0)
            mean = _mean_profile(fit.profile[columns])
            shape = shape_error(fit, weights[m], columns) if smooth else 0.0
            fault = self._source_fault(m) if smooth else ""
            misfit = self.checks[m].words if smooth and self.checks else ""
            found = [fault, misfit, *self._weaknesses(m, outside, weights[m], columns)]
            if shape > _SHAPE_SHARE * errors[m] and outside <= _MOSTLY:
                found.append(
                    f"possible smoothing bias of {shape:.3f} either way, beside a standard error "
                    f"of {errors[m]:.3f}, so that its interval may be too short"
                )
            words = "; ".join(filter(None, found))
            rows.append(
                {
                    "model": model,
                    "benchmark": self.counts.benchmark,
                    "outside": outside,
                    "effective_size": float(items[m] / spread.sum()) if covered else 0.0,
                    "effective_trials": self.counts.effective_trials[m],
                    "trimmed": float(kept @ mean / kept.sum()) if kept.sum() > 0 else np.nan,
                    "shape_error": shape,
                    "informed": outside <= _MOSTLY and not fault,
                    "note": f"{model} on {self.counts.benchmark}: {words}." if words else "",
                }
            )
        return ResultFrame(rows)

    def _source_fault(self, m: int) -> str:
        """Whether source answers are no measure of what a model knows, in words."""
        counts = self.counts
        source = ratio(counts.source_correct[m], counts.source_trials[m])
        target = ratio(counts.target_correct[m], counts.target_trials[m])
        asked = ~np.isnan(target)
        average = ratio(np.where(asked, target, 0.0).sum(axis=1), asked.sum(axis=1))
        excess = (average - source)[~np.isnan(average - source)]
        if excess.size < 2:
            return ""
        error = excess.std(ddof=1) / np.sqrt(excess.size)
        if excess.mean() <= max(_SOURCE_BELOW, _SOURCE_ERRORS * error):
            return ""
        return (
            f"set aside, since its source accuracy ({np.nanmean(source):.3f}) lies below its "
            f"accuracy in the target languages ({np.nanmean(average):.3f}): its source answers are "
            "no measure of what it knows"
        )

    def _weaknesses(self, m: int, outside: float, weights: Floats, columns: Bools) -> Iterator[str]:
        """How far a score rests on the model's own items, in words."""
        if outside <= _PARTLY:
            return
        text = f"{outside:.0%} of the reference lies outside the model's own source accuracies"
        fit = self.models[m]
        panel = fit if isinstance(fit, BorrowingFit) and fit.borrows else None
        if outside <= _MOSTLY:
            yield text + (
                ", where its profile is borrowed from the other models"
                if panel is not None
                else ", where its profile is extrapolated, so that its interval may be too short"
            )
        elif panel is not None:
            own = float(weights @ _mean_profile(panel.alone().profile[columns]))
            yield text
            yield (
                "its score is mostly extrapolation by the shape of the other models' profiles, "
                f"and is {own:.3f} if fitted alone"
            )
        else:
            yield text
            yield "its score is mostly extrapolation"


def _mean_profile(profile: Floats) -> Floats:
    """Mean over the languages of a profile (L, Q) that were asked; NaN if none was."""
    asked = ~np.isnan(profile).any(axis=1)
    return profile[asked].mean(axis=0) if asked.any() else np.full(profile.shape[1], np.nan)


def mean_influence(accuracy: Floats) -> tuple[Floats, Floats]:
    """Means (M, ...) over items of accuracies (M, N, ...), without NaN; influence (N, M, ...)."""
    asked = ~np.isnan(accuracy)
    size = asked.sum(axis=1).astype(float)
    total = np.where(asked, accuracy, 0.0).sum(axis=1)
    mean = np.divide(total, size, out=np.full(size.shape, np.nan), where=size > 0)
    centred = np.where(asked, accuracy - np.expand_dims(mean, 1), 0.0)
    return mean, (centred / np.expand_dims(np.maximum(size, 1.0), 1)).swapaxes(0, 1)
