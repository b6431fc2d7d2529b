"""One model's items grouped by their source counts: all that the latent fit reads of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from hatstats.inference.arrays import Floats, Ints
from hatstats.scores.counts import ItemCounts, distinct_counts, ratio
from hatstats.scores.wordings import WordingCorrelation


@dataclass(frozen=True, slots=True)
class Patterns:
    """The distinct pairs (k, n) of a set of items, (J,) each in order of k / n, and their sizes.

    A size (J,) is the number of items with a pair, or the sum of their weights; the index (N,) is
    the pair of each item, -1 for an item without trials. `same_wording` (J,) is the share of pairs
    of trials that are of one wording; items that differ in it have patterns of their own.
    """

    correct: Floats
    trials: Floats
    size: Floats
    index: Ints
    same_wording: Floats


@dataclass(frozen=True, slots=True)
class Means:
    """Target means by source-count pattern, each (L, J): weight of items, mean, variance."""

    size: Floats
    mean: Floats
    variance: Floats

    def rows(self, keep: Ints) -> Means:
        """The means of some languages."""
        return Means(self.size[keep], self.mean[keep], self.variance[keep])


@dataclass(frozen=True, slots=True)
class ClusterPairs:
    """Pairs of two items of one cluster, added up by their patterns; K kinds of pairs, each (K,).

    Patterns of the two items, in both orders; number of pairs, or sum of the products of their
    weights; sums of each item's target accuracy, and of the products of both.
    """

    one: Ints
    other: Ints
    number: Floats
    first: Floats
    second: Floats
    both: Floats

    def products(self, fitted: Floats) -> Floats:
        """Sums over pairs of the products of their residuals, shape (K,), for fitted means (J,)."""
        a, b = fitted[self.one], fitted[self.other]
        return self.both - self.first * b - a * self.second + self.number * a * b


@dataclass(frozen=True, slots=True)
class LanguageGroup:
    """Target languages that were asked of the same items, and those items by source counts.

    What a source count says of an item's x may depend on the item being asked in a language: items
    are perhaps left out because they are hard. `columns` (C,) of the benchmark's languages, target
    accuracies (N, C), and their means by pattern.
    """

    columns: Ints
    patterns: Patterns
    target: Floats
    means: Means


@dataclass(frozen=True, slots=True)
class GroupedItems:
    """One model's items, grouped by their source counts: the data of the fit.

    All items asked in the source language, and the target languages in groups; the average target
    accuracy over each item's languages (N, 1), its means by the patterns `of_average`, and pairs of
    items of one cluster; the correlation of source trials of one wording, None where it is not
    known.
    """

    patterns: Patterns
    groups: tuple[LanguageGroup, ...]
    average: Floats
    of_average: Patterns
    average_means: Means
    pairs: ClusterPairs
    correlation: WordingCorrelation | None = None


def group_items(counts: ItemCounts, m: int, weights: Floats | None = None) -> GroupedItems:
    """Group the items of model `m`, by weights (N,), 1 each if not given.

    The cost of the fit does not depend on their number.
    """
    items = np.ones(counts.items.size) if weights is None else np.asarray(weights, dtype=float)
    correlation, share = counts.source_wordings(m, weights)
    correct, trials = counts.source_correct[m], counts.source_trials[m]
    patterns = count_patterns(correct, trials, items, share)
    target = ratio(counts.target_correct[m], counts.target_trials[m])
    asked = ~np.isnan(target) & (trials > 0)[:, None]
    # A language that the model was never asked in stands with one that it was asked in.
    ever = asked.any(axis=0)
    asked[:, ~ever] = asked[:, [int(ever.argmax())]]
    sets, of_set = np.unique(asked, axis=1, return_inverse=True)
    groups = []
    for number, inside in enumerate(sets.T):
        columns = np.flatnonzero(of_set.ravel() == number)
        own = patterns
        if not inside[trials > 0].all():
            own = count_patterns(correct, np.where(inside, trials, 0.0), items, share)
        means = pattern_means(target[:, columns], own, items)
        groups.append(LanguageGroup(columns, own, target[:, columns], means))
    average = ratio(np.nansum(target, axis=1), (~np.isnan(target)).sum(axis=1))[:, None]
    of_average = groups[0].patterns if len(groups) == 1 else patterns
    return GroupedItems(
        patterns,
        tuple(groups),
        average,
        of_average,
        pattern_means(average, of_average, items),
        _cluster_pairs(average[:, 0], of_average, items, counts.clusters),
        correlation,
    )


def count_patterns(
    correct: Floats,
    trials: Floats,
    weights: Floats | None = None,
    same_wording: Floats | None = None,
) -> Patterns:
    """Group items by their right answers and trials, (N,) each; without trials they have no group.

    Sizes add up the items' weights (N,), 1 each if not given; `same_wording` (N,) is 0 if not.
    """
    share = np.zeros(trials.shape) if same_wording is None else same_wording
    k, n, pair = distinct_counts(correct, trials, share)
    order = np.lexsort((n, k / n))
    asked = pair >= 0
    index = np.where(asked, np.argsort(order)[pair], -1)
    items = np.ones(correct.shape) if weights is None else weights
    size = np.bincount(index[asked], weights=items[asked])
    shares = np.zeros(k.size)
    shares[index[asked]] = share[asked]
    return Patterns(k[order], n[order], size, index, shares)


def pattern_means(target: Floats, patterns: Patterns, items: Floats) -> Means:
    """Means of target accuracies (N, L), NaN where not asked, over the items of each pattern."""
    index, number = patterns.index, patterns.size.size
    rows = []
    for y in target.T:
        used = (index >= 0) & ~np.isnan(y)
        pattern, weight, value = index[used], items[used], y[used]
        size = np.bincount(pattern, weights=weight, minlength=number)
        divisor = np.where(size > 0, size, 1.0)
        mean = np.bincount(pattern, weights=weight * value, minlength=number) / divisor
        total = np.bincount(pattern, weight * (value - mean[pattern]) ** 2, minlength=number)
        rows.append((size, mean, total / divisor))
    size, mean, variance = (np.array(values) for values in zip(*rows, strict=True))
    return Means(size, mean, variance)


def _cluster_pairs(y: Floats, patterns: Patterns, items: Floats, clusters: Ints) -> ClusterPairs:
    """Pairs of items of one cluster, from target accuracies, weights and clusters, (N,) each."""
    index, size = patterns.index, patterns.size.size
    used = (index >= 0) & ~np.isnan(y)
    pattern, weight, value = index[used], items[used], (items * y)[used]
    codes, shape = (clusters[used], pattern), (int(clusters.max()) + 1, size)
    number, total = (
        sparse.coo_array((each, codes), shape=shape).tocsr() for each in (weight, value)
    )

    one, other = (side.astype(np.intp) for side in (number.T @ number).tocoo().coords)

    def pair_sums(a: sparse.csr_array, b: sparse.csr_array, same_item: Floats) -> Floats:
        products = (a.T @ b).tocsr()[one, other]
        own = np.bincount(pattern, same_item, size)[one]
        return np.asarray(products - np.where(one == other, own, 0.0), dtype=float)

    return ClusterPairs(
        one,
        other,
        pair_sums(number, number, weight**2),
        pair_sums(total, number, value * weight),
        pair_sums(number, total, value * weight),
        pair_sums(total, total, value**2),
    )
