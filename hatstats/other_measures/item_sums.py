"""Weighted sums over items from which the measures of transfer are computed.

Every measure is a function of sums over item clusters, so that a draw of cluster weights gives all
of them exactly: `ItemSums.totals` is one matrix product for all draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hatstats.inference.arrays import Bools, Floats, Ints
from hatstats.inference.influence import cluster_sums
from hatstats.scores.counts import ItemCounts, ratio
from hatstats.study import Study

#: Classes of items by how easy the other models find them in the source language.
STRATA = 5


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of one benchmark under B draws of weights.

    `n`, `s`, `t`, `both` (B, M, L): items asked in source and target, sums of their source
    accuracy, of their target accuracy, and of the product. `strata` (B, M, K, 3), per class of
    easiness: items, right in the source, right in the targets (mean over languages). `local` (B, M,
    L, 6): items whose own source is the language, right answers to them in it, the same in English,
    then items from other sources and right answers to them in the language.
    """

    n: Floats
    s: Floats
    t: Floats
    both: Floats
    strata: Floats
    local: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ItemSums:
    """Sums per item cluster of one benchmark, all side by side in `flat` (C, K).

    `has_local` says whether items have source languages of their own, English among the languages.
    """

    flat: Floats
    n_models: int
    n_languages: int
    has_local: bool

    def totals(self, weights: Floats) -> Totals:
        """Sums under weights of the clusters, shape (B, C)."""
        M, L = self.n_models, self.n_languages
        all_sums = weights @ self.flat
        size = M * L
        n, s, t, both = (all_sums[:, k * size : (k + 1) * size].reshape(-1, M, L) for k in range(4))
        _, strata, local = np.split(all_sums, [4 * size, 4 * size + M * STRATA * 3], axis=1)
        strata, local = strata.reshape(-1, M, STRATA, 3), local.reshape(-1, M, L, 6)
        return Totals(n, s, t, both, strata, local)


def item_sums(study: Study, counts: ItemCounts, models: tuple[str, ...]) -> ItemSums:
    """Sums per item cluster for some models, over the languages in which all were asked."""
    rows = [counts.models.index(name) for name in models]
    s, t = counts.source_accuracy()[rows], counts.target_accuracy()[rows]
    asked = ~np.isnan(t) & ~np.isnan(s)[:, :, None]
    shared = np.flatnonzero(asked.any(axis=1).all(axis=0))
    t, asked = t[:, :, shared], asked[:, :, shared]
    source, target = np.nan_to_num(s), np.where(asked, np.nan_to_num(t), 0.0)
    pairs = [asked.astype(float), source[:, :, None] * asked, target, source[:, :, None] * target]
    local, has_local = _local(study, counts, source, target, asked, shared)
    blocks = [_per_item(part) for part in pairs]
    blocks += [_per_item(_strata(source, target, asked)), _per_item(local)]
    flat = cluster_sums(np.concatenate(blocks, axis=1), counts.clusters)
    return ItemSums(flat, len(rows), shared.size, has_local)


def _per_item(values: Floats) -> Floats:
    """From (M, N, ...) to one row per item."""
    moved = np.moveaxis(values, 1, 0)
    return moved.reshape(moved.shape[0], -1)


def _strata(source: Floats, target: Floats, asked: Bools) -> Floats:
    """Items by class of easiness, shape (M, N, K, 3)."""
    count, items = source.shape
    languages = asked.sum(axis=2)
    mean = np.nan_to_num(ratio(target.sum(axis=2), languages))
    out = np.zeros((count, items, STRATA, 3))
    for m in range(count):
        others = np.delete(source, m, axis=0)
        if not len(others):
            continue
        easy = others.mean(axis=0)
        rank = easy.argsort(kind="stable").argsort(kind="stable")
        stratum = rank * STRATA // items
        # Items that are equally easy share the stratum of the first of them.
        _, first, tie = np.unique(easy, return_index=True, return_inverse=True)
        stratum = stratum[first][tie]
        used = np.flatnonzero(languages[m])
        values = np.stack([np.ones(used.size), source[m, used], mean[m, used]], axis=1)
        out[m, used, stratum[used]] = values
    return out


def _local(
    study: Study,
    counts: ItemCounts,
    source: Floats,
    target: Floats,
    asked: Bools,
    shared: Ints,
) -> tuple[Floats, bool]:
    """Local and translated items by language, shape (M, N, L, 6)."""
    names = [counts.languages[column] for column in shared]
    out = np.zeros((*source.shape, len(names), 6))
    rows = (study.counts["benchmark"] == counts.benchmark).to_numpy()
    items = study.counts.loc[rows, "item"].astype(str)
    language_of = dict(zip(items, study.source_language[rows].astype(str), strict=True))
    own = np.array([language_of[str(item)] for item in counts.items])
    if len(set(own)) < 2 or "en" not in names:
        return out, False
    english = names.index("en")
    for column, language in enumerate(names):
        if language != "en":
            paired = (own == language) & asked[:, :, english]
            pair = [paired, paired * source, paired, paired * target[:, :, english]]
            out[:, :, column, :4] = np.stack(pair, axis=2)
        translated = (own != language) & asked[:, :, column]
        out[:, :, column, 4] = translated
        out[:, :, column, 5] = translated * target[:, :, column]
    return out, True
