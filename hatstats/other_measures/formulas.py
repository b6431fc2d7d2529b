"""The measures that HAT competes with, as functions of sums over items or of mean accuracies.

Every measure is a function of sums over item clusters, so that a draw of cluster weights gives all
of them exactly, by matrix products for all draws. Measures take arrays with draws first, (B, M,
...), and return (B, M); S and T are mean source and target accuracy over items.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from hatstats.inference.arrays import Bools, Floats, Ints
from hatstats.inference.influence import cluster_sums
from hatstats.scores.counts import ItemCounts, ratio
from hatstats.study import Study

#: Classes of items by how easy the other models find them in the source language.
STRATA = 5


def item_sums(study: Study, counts: ItemCounts, models: tuple[str, ...]) -> dict[str, Floats]:
    """Sums per item cluster for some models, over the languages in which all were asked.

    `source` (C, M, 2): items asked in the source language, and their accuracy. `n`, `s`, `t`,
    `both` (C, M, L): items asked in source and target, sums of their source accuracy, of their
    target accuracy, and of the product. `strata` (C, M, K, 3): see `_strata`; `local` (C, M, L, 6),
    where items have source languages of their own, English among the languages: see `_local`.
    """
    rows = [counts.models.index(name) for name in models]
    s, t = counts.source_accuracy()[rows], counts.target_accuracy()[rows]
    asked = ~np.isnan(t) & ~np.isnan(s)[:, :, None]
    shared = np.flatnonzero(asked.any(axis=1).all(axis=0))
    t, asked = t[:, :, shared], asked[:, :, shared]
    source, target = np.nan_to_num(s), np.where(asked, np.nan_to_num(t), 0.0)
    by_item = {
        "source": np.stack([~np.isnan(s), source], axis=2),
        "n": asked,
        "s": source[:, :, None] * asked,
        "t": target,
        "both": source[:, :, None] * target,
        "strata": _strata(source, target, asked),
    }
    local = _local(study, counts, source, target, asked, shared)
    if local is not None:
        by_item["local"] = local
    sums = {}
    for name, values in by_item.items():
        flat = np.moveaxis(values, 1, 0).reshape(len(counts.items), -1)
        shape = (len(rows), *values.shape[2:])
        sums[name] = cluster_sums(flat.astype(float), counts.clusters).reshape(-1, *shape)
    return sums


def _strata(source: Floats, target: Floats, asked: Bools) -> Floats:
    """By class of easiness: items, right in the source, right in the targets, (M, N, K, 3)."""
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
) -> Floats | None:
    """Local and translated items by language, shape (M, N, L, 6); None where there are none.

    Items whose own source is the language, right answers to them in it, the same in English, then
    items from other sources and right answers to them in the language.
    """
    names = [counts.languages[column] for column in shared]
    out = np.zeros((*source.shape, len(names), 6))
    rows = (study.counts["benchmark"] == counts.benchmark).to_numpy()
    items = study.counts.loc[rows, "item"].astype(str)
    language_of = dict(zip(items, study.source_language[rows].astype(str), strict=True))
    own = np.array([language_of[str(item)] for item in counts.items])
    if len(set(own)) < 2 or "en" not in names:
        return None
    english = names.index("en")
    for column, language in enumerate(names):
        if language != "en":
            paired = (own == language) & asked[:, :, english]
            pair = [paired, paired * source, paired, paired * target[:, :, english]]
            out[:, :, column, :4] = np.stack(pair, axis=2)
        translated = (own != language) & asked[:, :, column]
        out[:, :, column, 4] = translated
        out[:, :, column, 5] = translated * target[:, :, column]
    return out


#: Measures in the order of tables: what each is, and whether higher values mean more transfer.
MEANING: dict[str, tuple[str, bool]] = {
    "gap": ("acc(source) - acc(target)", False),
    "ratio": ("acc(target) / acc(source)", True),
    "excess": ("acc(target) less a logit line's prediction from acc(source)", True),
    "moment_excess": ("the same, with the line by moments of the models' accuracies", True),
    "overall": ("mean of right in source and in target (ECLeKTic overall)", True),
    "conditional": ("right in both / right in source (ECLeKTic transfer)", True),
    "conditional_with_source": ("the same with the source row kept among the targets", True),
    "gamma": ("logit acc(target) / logit acc(source)", True),
    "agreement": ("kappa of right and wrong between source and target", True),
    "parity_gap": ("best less worst language", False),
    "odds_ratio": ("log odds of right in target against source, Mantel-Haenszel", True),
    "mother_tongue": ("local questions: local language less English", True),
    "locality": ("in one language: local less translated questions", True),
}
#: Numerator and denominator of gamma, drawn beside the measures.
LOGITS = ("target_logit", "source_logit")


def logit(accuracy: Floats) -> Floats:
    """Logit of an accuracy; NaN where it is infinite."""
    inside = (accuracy > 0.0) & (accuracy < 1.0)
    return np.where(inside, special.logit(np.where(inside, accuracy, 0.5)), np.nan)


def moment_excess(source: Floats, target: Floats, noise: Floats) -> Floats:
    """Target accuracy over a logit line fitted over models, with the noise in x taken out.

    Slope ``cov(x, y) / (var(x) - mean noise)``, x and y logits of source and target accuracy (B,
    M), `noise` (M,) the sampling variances of x. NaN with fewer than three models, or where noise
    explains all variance of x.
    """
    if source.shape[1] < 3:
        return np.full(source.shape, np.nan)
    edge = 1e-3
    x = special.logit(np.clip(source, edge, 1.0 - edge))
    y = special.logit(np.clip(target, edge, 1.0 - edge))
    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    variance = (dx**2).mean(axis=1) - noise.mean()
    slope = ratio((dx * dy).mean(axis=1), variance)
    line = y.mean(axis=1, keepdims=True) + slope[:, None] * dx
    return np.asarray(target - special.expit(line), dtype=float)


def of_accuracies(source: Floats, target: Floats, noise: Floats) -> dict[str, Floats]:
    """What depends on mean accuracies alone: source (B, M), targets (B, M, L), each (B, M).

    `noise` (M,) are the sampling variances of the source logits. Accuracies and logits are no
    measures yet, but the parts of some (`over_benchmarks`); `languages` (B, M, L + 1) are all.
    """
    mean = target.mean(axis=2)
    languages = np.concatenate([target, source[..., None]], axis=2)
    return {
        "source": source,
        "target": mean,
        "source_logit": logit(source),
        "target_logit": logit(mean),
        "moment_excess": moment_excess(source, mean, noise),
        "parity_gap": np.ptp(languages, axis=2),
        "languages": languages,
    }


def over_benchmarks(parts: list[dict[str, Floats]]) -> dict[str, Floats]:
    """Measures from means over benchmarks of the values that all of them have, each (B, M).

    Ratios are of means, so that no benchmark with a denominator near 0 decides the mean of several.
    """
    names = [name for name in parts[0] if all(name in part for part in parts)]
    names.remove("languages")
    means = {name: np.mean([part[name] for part in parts], axis=0) for name in names}
    source, target = means.pop("source"), means.pop("target")
    gap, below = source - target, means["source_logit"]
    gamma = np.divide(
        means["target_logit"], below, out=np.full(below.shape, np.nan), where=below != 0.0
    )
    found = {"gap": gap, "ratio": ratio(target, source), "gamma": gamma, **means}
    return {name: found[name] for name in ("HAT", *MEANING, *LOGITS) if name in found}


def item_level_measures(
    sums: dict[str, Floats], weights: Floats, noise: Floats
) -> dict[str, Floats]:
    """All values of one benchmark, each (B, M), from `item_sums` under cluster weights (B, C)."""
    flat = weights @ np.concatenate([each.reshape(len(each), -1) for each in sums.values()], axis=1)
    parts = np.split(flat, np.cumsum([each[0].size for each in sums.values()])[:-1], axis=1)
    totals = {
        name: part.reshape(-1, *each.shape[1:])
        for (name, each), part in zip(sums.items(), parts, strict=True)
    }
    n, source = totals["n"], totals["source"]
    S, T, both = (ratio(totals[name], n) for name in ("s", "t", "both"))
    languages = T.shape[2]
    conditional = ratio(totals["both"].sum(axis=2), totals["s"].sum(axis=2))
    observed = 1.0 - S - T + 2.0 * both
    chance = S * T + (1.0 - S) * (1.0 - T)
    found = of_accuracies(ratio(source[..., 1], source[..., 0]), T, noise) | {
        "overall": both.mean(axis=2),
        "conditional": conditional,
        "conditional_with_source": (1.0 + languages * conditional) / (languages + 1.0),
        "agreement": ratio(observed - chance, 1.0 - chance).mean(axis=2),
        "odds_ratio": mantel_haenszel(totals["strata"]),
    }
    if "local" in totals:
        found |= local_effects(totals["local"])
    return found


def mantel_haenszel(strata: Floats) -> Floats:
    """Log odds ratio of right answers in the targets against the source over strata of items.

    ``log(sum_k a_k d_k / n_k) - log(sum_k b_k c_k / n_k)``, a and b right and wrong in the targets,
    c and d in the source (Mantel and Haenszel 1959), for strata (B, M, K, 3): items, right in the
    source, right in the targets. Negative where targets are answered worse; NaN without another
    model to form strata from.
    """
    n, source, target = strata[..., 0], strata[..., 1], strata[..., 2]
    size = np.where(n > 0, n, 1.0)
    above = (target * (n - source) / size).sum(axis=2)
    below = ((n - target) * source / size).sum(axis=2)
    defined = (above > 0) & (below > 0)
    above, below = (np.where(defined, total, np.nan) for total in (above, below))
    return np.asarray(np.log(above) - np.log(below), dtype=float)


def local_effects(local: Floats) -> dict[str, Floats]:
    """Mother-tongue and locality effects, means over languages but English (MultiLoKo)."""
    own, english, translated = (ratio(local[..., k + 1], local[..., k]) for k in (0, 2, 4))
    with_items = ~np.isnan(own[0]).all(axis=0)
    if not with_items.any():
        unknown = np.full(own.shape[:2], np.nan)
        return {"mother_tongue": unknown, "locality": unknown}
    return {
        "mother_tongue": (own - english)[:, :, with_items].mean(axis=2),
        "locality": (own - translated)[:, :, with_items].mean(axis=2),
    }
