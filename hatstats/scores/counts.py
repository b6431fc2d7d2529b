"""From a study's rows to the arrays that the estimators read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.inference.arrays import Bools, Floats, Ints
from hatstats.scores.wordings import (
    LIKE_THESE,
    THESE,
    SameWording,
    WordingCorrelation,
    effective_trials,
    share_of_pairs,
    wording_correlation,
)
from hatstats.study import Study

#: So many trials of an item place its chance of a right answer within .016, a quarter of the step
#: between the chances that fits tell apart: more tell them nothing, and cost time and memory.
MOST_TRIALS = 1000.0


@dataclass(frozen=True)
class ItemCounts:
    """Counts of one item-level benchmark, aligned over M models, N items and L target languages.

    `chance` is the accuracy of blind guessing; `clusters` (N,) codes independent groups of items,
    an item without a cluster is its own. Right answers and trials in the item's source language are
    (M, N), in the target languages (M, N, L), with 0 trials where there are none; an item's own
    source language has 0 trials among the targets. Pairs of trials of one wording, arrays of the
    same shapes, are None where no wording was asked twice. `trials` says what several source
    trials of an item are: ``wordings``, ``repeats`` of one wording, or ``unknown``. A
    `correlation` of any two trials of an item may be assumed.
    """

    benchmark: str
    chance: float
    models: tuple[str, ...]
    languages: tuple[str, ...]
    items: NDArray[np.str_]
    clusters: Ints
    source_correct: Floats
    source_trials: Floats
    target_correct: Floats
    target_trials: Floats
    source_pairs: SameWording | None = None
    target_pairs: SameWording | None = None
    trials: str = "unknown"
    correlation: float | None = None

    def source_accuracy(self) -> Floats:
        """k/n in the source language, shape (M, N); NaN without trials."""
        return ratio(self.source_correct, self.source_trials)

    def target_accuracy(self) -> Floats:
        """k/n in each target language, shape (M, N, L); NaN without trials."""
        return ratio(self.target_correct, self.target_trials)

    @property
    def unlabelled(self) -> bool:
        """Whether nothing says how far the several source trials of an item agree, of any model."""
        named = self.source_pairs is not None and self.source_pairs.number.any()
        return self.trials == "unknown" and not named and bool((self.source_trials > 1).any())

    def source_wordings(
        self, m: int, weights: Floats | None = None
    ) -> tuple[WordingCorrelation | None, Floats]:
        """Correlation of model m's source trials of one wording, and share of such pairs, (N,).

        None where it is not known; items have weights (N,), 1 each if not given.
        """
        trials = self.source_trials[m]
        if self.correlation is not None:
            assumed = WordingCorrelation(self.correlation, np.zeros(trials.shape))
            return assumed, (trials > 1.0).astype(float)
        if self.source_pairs is None:
            return None, np.zeros(trials.shape)
        same = SameWording(self.source_pairs.right[m], self.source_pairs.number[m])
        correlation = wording_correlation(self.source_correct[m], trials, same, weights)
        return correlation, share_of_pairs(trials, same)

    @cached_property
    def effective_trials(self) -> Floats:
        """Independent trials that a model's source trials of one item are worth, mean over items.

        Shape (M,). How much a wording matters is not known where all trials are of one; where
        answers can be guessed they are worth one, since a lucky guess is repeated.
        """
        found = np.zeros(len(self.models))
        for m, trials in enumerate(self.source_trials):
            asked = trials > 0
            correlation, share = self.source_wordings(m)
            rho = 0.0 if correlation is None else correlation.value
            worth = effective_trials(trials, share, rho)
            guessed = self.trials == "repeats" and self.chance > 0
            found[m] = 1.0 if guessed else worth[asked].mean()
        return found


@dataclass(frozen=True, slots=True)
class AggregateCounts:
    """Accuracies of one benchmark by model (M) and target language (L), NaN where there is none."""

    benchmark: str
    chance: float
    models: tuple[str, ...]
    languages: tuple[str, ...]
    source_accuracy: Floats
    source_trials: Floats
    target_accuracy: Floats
    target_trials: Floats


def ratio(part: Floats, whole: Floats | Ints) -> Floats:
    """Quotient of arrays of one shape, NaN where the denominator is not above zero."""
    quotient: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return quotient


def distinct_counts(
    correct: Floats, trials: Floats, share: Floats | None = None
) -> tuple[Floats, Floats, Ints]:
    """Distinct counts (k, n, share of one wording): k, n (J,), and which each element is, or -1."""
    asked = trials > 0
    k, n = correct[asked], trials[asked]
    # Each pair is coded as one number; sorting pairs as rows is many times slower.
    codes = n * (k.max(initial=0.0) + 1.0) + k
    if share is not None and share.any():
        level, of_level = np.unique(share[asked], return_inverse=True)
        codes = codes * level.size + of_level
    _, first, index = np.unique(codes, return_index=True, return_inverse=True)
    full = np.full(trials.shape, -1, dtype=np.intp)
    full[asked] = index
    return k[first], n[first], full


def _benchmark_rows(study: Study, benchmark: str) -> tuple[pd.DataFrame, str, float, str]:
    """Rows, source language, chance level and kind of trials of a benchmark."""
    rows = study.counts[study.counts["benchmark"] == benchmark]
    facts = study.benchmarks[study.benchmarks["benchmark"] == benchmark].iloc[0]
    return rows, str(facts["source_language"]), float(facts["chance"]), str(facts["trials"])


def benchmark_is_item_level(study: Study, benchmark: str) -> bool:
    """Whether the rows of `benchmark` name items (else they are aggregate accuracies)."""
    rows = study.counts.loc[study.counts["benchmark"] == benchmark, "item"]
    return bool((rows != "").any())


def item_counts(study: Study, benchmark: str) -> ItemCounts:
    """Aligned arrays of one item-level benchmark; trials of one cell are added up.

    Target rows of items that a model was never asked in the source language cannot enter its
    profile: a warning says how many there are. A model without any item in both is left out.
    """
    rows, _, chance, trials = _benchmark_rows(study, benchmark)
    models = [name for name in study.model_names if (rows["model"] == name).any()]
    item_code, items = pd.factorize(rows["item"], sort=True)
    is_source = study.is_source[(study.counts["benchmark"] == benchmark).to_numpy()]
    languages = sorted(rows["language"][~is_source].unique())
    if not languages:
        raise NotIdentifiedError(
            f"benchmark {benchmark!r} has rows in the source language only: "
            "transfer needs at least one target language"
        )
    language_code = _codes(rows["language"], languages)
    codes = np.stack([_codes(rows["model"], models), item_code, language_code])
    counts = ItemCounts(
        benchmark=benchmark,
        chance=chance,
        models=tuple(models),
        languages=tuple(languages),
        items=np.asarray(items, dtype=str),
        clusters=_clusters(study, rows, item_code, items),
        trials=_kind_of_trials(rows[is_source], trials),
        **_sums(rows, codes, is_source, (len(models), len(items), len(languages))),
    )
    in_source, in_target = counts.source_trials > 0, counts.target_trials.sum(axis=2) > 0
    linked = (in_source & in_target).any(axis=1)
    if not linked.any():
        raise NotIdentifiedError(
            f"benchmark {benchmark!r}: no model was asked any item both in the source language and "
            "in a target language, so that nothing links the two"
        )
    if not linked.all():
        warnings.warn(
            f"benchmark {benchmark!r}: no item has rows both in the source language and in a "
            f"target language for {', '.join(np.array(models)[~linked])}; left out (rows that were "
            "flagged and left out do not count)",
            DegenerateDataWarning,
            stacklevel=2,
        )
        counts = without_models(counts, ~linked)
    orphans = (~in_source & in_target)[linked]
    if orphans.any():
        worst = counts.models[int(orphans.sum(axis=1).argmax())]
        warnings.warn(
            f"benchmark {benchmark!r}: {int(orphans.sum())} model-item pairs have target rows "
            f"but no source row (most for {worst!r}); they cannot enter a transfer profile",
            DegenerateDataWarning,
            stacklevel=2,
        )
    return counts


def without_models(counts: ItemCounts, out: Bools) -> ItemCounts:
    """The counts without some of the models (M,)."""
    kept = ~out

    def chosen(same: SameWording | None) -> SameWording | None:
        return None if same is None else SameWording(same.right[kept], same.number[kept])

    return replace(
        counts,
        models=tuple(np.array(counts.models)[kept].tolist()),
        source_correct=counts.source_correct[kept],
        source_trials=counts.source_trials[kept],
        target_correct=counts.target_correct[kept],
        target_trials=counts.target_trials[kept],
        source_pairs=chosen(counts.source_pairs),
        target_pairs=chosen(counts.target_pairs),
    )


def with_most_trials(counts: ItemCounts, most: float = MOST_TRIALS) -> ItemCounts:
    """The counts with at most so many trials of an item in a language, their shares kept."""
    fewer: dict[str, Any] = {}
    for side in ("source", "target"):
        names = [f"{side}_{name}" for name in ("correct", "trials", "pairs")]
        correct, trials, same = (getattr(counts, name) for name in names)
        if trials.max() <= most:
            continue
        kept = np.minimum(trials, most)
        right = np.rint(correct * kept / np.maximum(trials, 1.0))
        fewer |= {names[0]: right, names[1]: kept}
        if same is not None:
            share = kept * (kept - 1.0) / np.maximum(trials * (trials - 1.0), 1.0)
            share[kept == trials] = 1.0
            fewer[names[2]] = SameWording(same.right * share, same.number * share)
    return replace(counts, **fewer) if fewer else counts


def without_each_wording(study: Study, counts: ItemCounts) -> Iterator[tuple[str, ItemCounts]]:
    """The counts of a benchmark without the trials of each wording, by its name.

    Models, items and languages stay, with 0 trials where none are left. NotIdentifiedError where
    some trials are of no named wording, or all of one.
    """
    rows, _, _, said = _benchmark_rows(study, counts.benchmark)
    names = sorted(rows["prompt"].unique())
    if "" in names or len(names) < 2:
        found = f"one ({names[0]})"
        if "" in names:
            found = "trials without a named wording" if len(names) > 1 else "no named wordings"
        raise NotIdentifiedError(
            f"scope {LIKE_THESE!r} compares wordings, and benchmark {counts.benchmark!r} has "
            f"{found}. What is missing: the wording of every trial, named in the column prompt, "
            "with at least 2 different names (5 or more, for more than a few degrees of "
            f"freedom); or take scope {THESE!r}."
        )
    is_source = study.is_source[(study.counts["benchmark"] == counts.benchmark).to_numpy()]
    axes = (("model", counts.models), ("item", counts.items), ("language", counts.languages))
    codes = np.stack([_codes(rows[name], axis) for name, axis in axes])
    for name in names:
        kept = (rows["prompt"] != name).to_numpy() & (codes[0] >= 0)
        part = _sums(rows[kept], codes[:, kept], is_source[kept], counts.target_trials.shape)
        yield name, replace(counts, **part, trials=_kind_of_trials(rows[kept & is_source], said))


def _codes(column: pd.Series, names: Sequence[str] | NDArray[np.str_]) -> Ints:
    """Place of each value of a column among names, -1 if it is none of them."""
    # Names are looked up once each, not in every row.
    code, distinct = pd.factorize(column)
    return np.asarray(pd.Index(names).get_indexer(distinct)[code])


def _sums(
    rows: pd.DataFrame, codes: Ints, is_source: Bools, shape: tuple[int, ...]
) -> dict[str, Any]:
    """Right answers, trials and pairs of trials of one wording, as fields of `ItemCounts`.

    `codes` (3, rows) are those of model, item and target language, `shape` is (M, N, L).
    """
    values = rows[["n_correct", "n_trials"]].to_numpy(dtype=float).T
    source, target = _added(values, codes, is_source, shape)
    pairs = _same_wording(rows, codes, is_source, shape)
    return {
        "source_correct": source[0],
        "source_trials": source[1],
        "target_correct": target[0],
        "target_trials": target[1],
        "source_pairs": pairs and SameWording(*pairs[0]),
        "target_pairs": pairs and SameWording(*pairs[1]),
    }


def _added(
    values: Floats, codes: Ints, is_source: Bools, shape: tuple[int, ...]
) -> tuple[Floats, Floats]:
    """Sums of values (2, rows) in the source (2, M, N) and the target languages (2, M, N, L)."""
    source, target = np.zeros((2, *shape[:2])), np.zeros((2, *shape))
    for row, value in enumerate(values):
        np.add.at(source[row], tuple(codes[:2, is_source]), value[is_source])
        np.add.at(target[row], tuple(codes[:, ~is_source]), value[~is_source])
    return source, target


def _kind_of_trials(rows: pd.DataFrame, said: str) -> str:
    """What the trials of an item are: by the names of all prompts and repeats, else as `said`."""
    named = (rows["prompt"] != "").to_numpy()
    if named.any() and not (rows["n_trials"].to_numpy()[~named] > 1).any():
        cell = ["model", "item", "language"]
        wordings = rows[[*cell, "prompt"]].drop_duplicates().duplicated(cell)
        return "wordings" if wordings.any() else "repeats"
    return "repeats" if (rows["repeat"] != "").any() else said or "unknown"


def _same_wording(
    rows: pd.DataFrame, codes: Ints, is_source: Bools, shape: tuple[int, ...]
) -> tuple[Floats, Floats] | None:
    """Pairs of trials of one wording, both right and all, as `_added`; None if there are none."""
    named = (rows["prompt"] != "").to_numpy()
    keys = [*codes[:, named], rows.loc[named, "prompt"].to_numpy()]
    # Repeats of a wording stand in rows of their own.
    both = rows.loc[named, ["n_correct", "n_trials"]].assign(source=is_source[named])
    sums = both.groupby(["source", *keys], sort=False).sum().reset_index()
    counts = sums[["n_correct", "n_trials"]].to_numpy(dtype=float).T
    pairs = counts * (counts - 1.0)
    if not pairs[1].any():
        return None
    of_sums = sums.iloc[:, 1:4].to_numpy(dtype=np.intp).T
    return _added(pairs, of_sums, sums["source"].to_numpy(dtype=bool), shape)


def _clusters(study: Study, rows: pd.DataFrame, item_code: Ints, items: pd.Index) -> Ints:
    """Cluster codes of items: from the items table or the rows, else each item its own."""
    # A cluster may bear the name of an item that is not in it.
    label = ("item " + items.astype(str)).to_numpy(dtype=object, copy=True)
    listed = study.items[study.items["benchmark"] == rows["benchmark"].iloc[0]]
    listed_code = items.get_indexer(pd.Index(listed["item"]))
    for table, code in ((listed, listed_code), (rows, np.asarray(item_code))):
        given = (code >= 0) & (table["cluster"] != "").to_numpy(dtype=bool)
        label[code[given]] = ("cluster " + table.loc[given, "cluster"]).to_numpy(dtype=object)
    return pd.factorize(label)[0].astype(np.intp)


def aggregate_counts(study: Study, benchmark: str) -> AggregateCounts:
    """Accuracies and numbers of trials per model and language of one benchmark.

    Items are added up. Models without a source or any target accuracy are left out with a warning.
    """
    rows, source_language, chance, _ = _benchmark_rows(study, benchmark)
    cells = rows.groupby(["model", "language"], sort=False)[["n_correct", "n_trials"]].sum()
    right = cells["n_correct"].unstack("language")
    trials = cells["n_trials"].unstack("language").fillna(0.0)
    models = [name for name in study.model_names if name in right.index]
    if source_language not in right.columns:
        raise NotIdentifiedError(
            f"benchmark {benchmark!r} has no accuracy in its source language {source_language!r}"
        )
    targets = right.columns.difference([source_language])
    if targets.empty:
        raise NotIdentifiedError(f"benchmark {benchmark!r} has no target language")
    for what, asked in (
        ("source", trials[source_language] > 0),
        ("target", (trials[targets] > 0).any(axis=1)),
    ):
        lost = [model for model in models if not asked[model]]
        if lost:
            text = f"benchmark {benchmark!r}: no {what} accuracy for {', '.join(lost)}; left out"
            warnings.warn(text, DegenerateDataWarning, stacklevel=2)
        models = [model for model in models if asked[model]]
    if not models:
        raise NotIdentifiedError(
            f"benchmark {benchmark!r}: no model has both a source and a target accuracy"
        )
    accuracy = (right / trials.where(trials > 0)).loc[models]
    trials = trials.loc[models]
    # A language that only models left out were asked in says nothing of the others.
    languages = [str(name) for name in targets if (trials[name] > 0).any()]
    return AggregateCounts(
        benchmark=benchmark,
        chance=chance,
        models=tuple(models),
        languages=tuple(languages),
        source_accuracy=accuracy[source_language].to_numpy(dtype=float),
        source_trials=trials[source_language].to_numpy(dtype=float),
        target_accuracy=accuracy[languages].to_numpy(dtype=float),
        target_trials=trials[languages].to_numpy(dtype=float),
    )
