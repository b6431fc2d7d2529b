"""Distinct patterns of an item's counts, and the probability of a count given an item's logit."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import special

from hatstats.errors import NotIdentifiedError
from hatstats.inference.arrays import Bools, Floats, Ints
from hatstats.inference.beta_binomial import beta_binomial_terms, log_choose
from hatstats.scores.counts import ItemCounts, distinct_counts


def empty() -> Floats:
    """Derivatives that were not asked for."""
    return np.zeros(0)


@dataclass(frozen=True, slots=True)
class TrialTerms:
    """Log-probabilities of count rows (K) at logits (..., M), each (..., K, M).

    Beside them first and second derivative with respect to the logit, and derivatives by name with
    respect to the ``chance`` level and the overdispersion, ``spread``; only those that are wanted.
    """

    log_pmf: Floats
    by_logit: Floats = field(default_factory=empty)
    curvature: Floats = field(default_factory=empty)
    by_trials: dict[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CountRows:
    """Pairs (k, n) whose probability is asked for, and log binomial coefficients, each (K,)."""

    correct: Floats
    trials: Floats
    log_choose: Floats = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "log_choose", log_choose(self.correct, self.trials))

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.correct.size)

    def binomial(
        self, logit: Floats, chance: float, *, by_chance: bool, order: int = 1
    ) -> TrialTerms:
        """``k ~ Bin(n, c + (1 - c) expit(logit))`` at logits (..., M), with c in [0, 1).

        Derivatives with respect to the logit go up to `order`: 0 for none, 1 or 2.
        """
        # One exponential serves for p, 1 - p and their logarithms, at either end.
        small = np.exp(-np.abs(logit))
        log_wrong = -np.log1p(small) - np.maximum(logit, 0.0)
        over, under = 1.0 / (1.0 + small), small / (1.0 + small)
        right, wrong = np.where(logit >= 0.0, (over, under), (under, over))
        if chance == 0.0 and not by_chance:
            share, log_share, slope = right, log_wrong + logit, wrong
        else:
            share = chance + (1.0 - chance) * right
            log_share, slope = np.log(share), (1.0 - chance) * right * wrong / share
            log_wrong = log_wrong + np.log1p(-chance)
        successes = np.column_stack([self.correct, self.trials - self.correct])
        log_pmf = successes @ np.stack([log_share, log_wrong], axis=-2)
        log_pmf += self.log_choose[:, None]
        by_logit = curvature = empty()
        by_trials = {}
        if order:
            by_logit = successes @ np.stack([slope, -right], axis=-2)
        if order > 1:
            second = slope * (1.0 - 2.0 * right - slope)
            curvature = successes @ np.stack([second, -right * wrong], axis=-2)
        if by_chance:
            lift = wrong[..., None, :] / share[..., None, :]
            by_c = self.correct[:, None] * lift - (successes[:, 1] / (1.0 - chance))[:, None]
            by_trials["chance"] = by_c
        return TrialTerms(log_pmf, by_logit, curvature, by_trials)

    def beta_binomial(
        self, logit: Floats, chance: float, omega: float, *, order: int = 1
    ) -> TrialTerms:
        """Trials of one item vary: ``k ~ BetaBin(n, p / omega, (1 - p) / omega)``.

        ``omega / (1 + omega)`` is the correlation of two trials of one item. Logits (..., M) and
        `order` as for `binomial`.
        """
        right, wrong = special.expit(logit), special.expit(-logit)
        share, rest = chance + (1.0 - chance) * right, (1.0 - chance) * wrong
        found = beta_binomial_terms(
            self.correct, self.trials, share, rest, omega, order=int(order > 0)
        )
        if not order:
            return TrialTerms(found.log_pmf)
        lift, bend = (right * rest)[..., None, :], (wrong - right)[..., None, :]
        by_logit = found.by_share * lift
        return TrialTerms(
            found.log_pmf,
            by_logit,
            by_logit * bend + found.curvature * lift**2 if order > 1 else empty(),
            {"chance": found.by_share * wrong[..., None, :], "spread": found.by_omega},
        )


@dataclass(frozen=True, slots=True)
class Patterns:
    """Distinct patterns of one model's counts, in the source and in the target languages asked."""

    # source_rows, target_rows: distinct pairs (k, n), J in the source and K in the targets
    source_rows: CountRows
    target_rows: CountRows
    source: Ints  # (I,) row of each pattern's source count
    target: Ints  # (I, L) row of each pattern's target counts, -1 where it was not asked
    weight: Floats  # (I,) number of items with each pattern
    index: Ints  # (N,) pattern of each item; -1 for an item without source trials
    asked: Ints  # (L,) which of the benchmark's target languages these are

    @property
    def n_languages(self) -> int:
        """Number of target languages."""
        return int(self.target.shape[1])

    @property
    def single_source_trial(self) -> bool:
        """Whether no item has two source trials."""
        return bool(self.source_rows.trials.max() < 2)

    @property
    def linked_languages(self) -> bool:
        """Whether some item was asked in two or more target languages."""
        return bool(((self.target >= 0).sum(axis=1) >= 2).any())

    def target_trials(self) -> Floats:
        """Trials of each pattern in each target language, shape (I, L)."""
        return np.append(self.target_rows.trials, 0.0)[self.target]

    def most_trials(self) -> Floats:
        """Largest number of trials of an item in each target language, shape (L,)."""
        return np.asarray(self.target_trials().max(axis=0))

    @property
    def needs_other_models(self) -> bool:
        """Whether there is one trial per item, in one target language only."""
        return self.single_source_trial and not self.linked_languages


def distinct_rows(codes: Ints, used: Bools) -> tuple[Ints, Ints, Floats]:
    """Distinct rows of codes of -1 and more, in order, which of them each row is, and their sizes.

    Rows that are not `used` are left out: they are -1.
    """
    codes = codes[used]
    index = np.zeros(codes.shape[0], dtype=np.intp)
    # One column after another as one number each: sorting rows as such is many times slower.
    for column in codes.T:
        _, index = np.unique(index * (column.max(initial=0) + 2) + column, return_inverse=True)
    _, first, index, size = np.unique(
        index, return_index=True, return_inverse=True, return_counts=True
    )
    full = np.full(used.shape, -1, dtype=np.intp)
    full[used] = index
    return codes[first], full, size.astype(float)


def distinct_patterns(
    source: tuple[Floats, Floats], target: tuple[Floats, Floats], asked: Ints | None = None
) -> Patterns:
    """Group items by their pattern of counts, given as pairs of right answers and trials.

    Source counts are (N,), target counts (N, L) of the languages `asked` (all if not given), with
    0 trials where an item was not asked; items without source trials are not grouped.
    """
    *source_rows, source_index = distinct_counts(*source)
    *target_rows, target_index = distinct_counts(*target)
    codes = np.column_stack([source_index, target_index])
    rows, index, weight = distinct_rows(codes, source_index >= 0)
    every = np.arange(target_index.shape[1])
    return Patterns(
        CountRows(*source_rows),
        CountRows(*target_rows),
        source=rows[:, 0],
        target=rows[:, 1:],
        weight=weight,
        index=index,
        asked=every if asked is None else asked,
    )


def group_items(counts: ItemCounts) -> list[Patterns]:
    """Patterns of every model, in the languages that it was asked in.

    Raises NotIdentifiedError if a model has no item with both source and target trials.
    """
    patterns = []
    for m, model in enumerate(counts.models):
        in_source, in_target = counts.source_trials[m] > 0, counts.target_trials[m] > 0
        asked = np.flatnonzero((in_source[:, None] & in_target).any(axis=0))
        if asked.size == 0:
            raise NotIdentifiedError(
                f"benchmark {counts.benchmark!r}, model {model!r}: no item has trials both in its "
                "source language and in a target language"
            )
        source = counts.source_correct[m], counts.source_trials[m]
        target = counts.target_correct[m][:, asked], counts.target_trials[m][:, asked]
        patterns.append(distinct_patterns(source, target, asked))
    return patterns
