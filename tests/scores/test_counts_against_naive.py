"""Aligned arrays against a dictionary and a loop."""

from __future__ import annotations

import warnings
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from hatstats.errors import DegenerateDataWarning
from hatstats.scores.counts import aggregate_counts, benchmark_is_item_level, item_counts
from hatstats.study import Study
from tests.studies import cases

LANGUAGES = ("en", "sw", "yo")


def random_study(seed: int, *, own_source: bool, prompts: int, aggregate: bool = False) -> Study:
    """Cells missing at random, one cell always present; clusters in the rows or in the items."""
    rng = np.random.default_rng(seed)
    items = [""] if aggregate else [f"item-{column}" for column in rng.permutation(7)]
    cluster = {item: rng.choice(["", "pair", "item-1"]) for item in items}
    source = {item: str(rng.choice(LANGUAGES)) if own_source else "" for item in items}
    models = [f"model-{column}" for column in rng.permutation(4)]
    rows = []
    for model in models:
        for item in items:
            for language in LANGUAGES:
                keep = rng.random() < 0.75 or (model == models[0] and item == items[0])
                for prompt in range(prompts):
                    n = int(rng.integers(1, 5))
                    k = float(rng.integers(0, n + 1))
                    if keep:
                        rows.append(("quiz", model, language, item, k, n, f"p{prompt}"))
    columns = ["benchmark", "model", "language", "item", "n_correct", "n_trials", "prompt"]
    counts = pd.DataFrame(rows, columns=columns).sample(frac=1.0, random_state=seed)
    present = [model for model in models if (counts["model"] == model).any()]
    if aggregate:
        counts["prompt"] = ""
        counts = counts.groupby([*columns[:4], "prompt"], as_index=False, sort=False).sum()
    elif rng.random() < 0.5:
        counts["cluster"] = counts["item"].map(cluster)
        cluster = dict.fromkeys(items, "")
    table = pd.DataFrame(
        {
            "benchmark": "quiz",
            "item": items,
            "source_language": [source[item] for item in items],
            "cluster": [cluster[item] for item in items],
        }
    )
    study = Study(
        counts=counts,
        models=pd.DataFrame({"model": present, "family": "f", "release_date": pd.NaT})
        .assign(params_total=np.nan, params_active=np.nan)
        .sample(frac=1.0, random_state=seed + 1),
        benchmarks=pd.DataFrame(
            {"benchmark": ["quiz"], "source_language": ["en"], "chance": [0.2]}
        ),
        **({} if aggregate else {"items": table}),
    )
    return study


@cases(2, 60)
def test_item_counts_equal_a_loop_over_rows(seed: int) -> None:
    study = random_study(seed, own_source=seed % 2 == 0, prompts=1 + seed % 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        counts = item_counts(study, "quiz")

    right: dict[tuple[str, str, str], float] = defaultdict(float)
    trials: dict[tuple[str, str, str], float] = defaultdict(float)
    cluster: dict[str, str] = {}
    for row in study.counts.itertuples():
        key = (row.model, row.item, row.language)
        right[key] += row.n_correct
        trials[key] += row.n_trials
        cluster[row.item] = f"cluster {row.cluster}" if row.cluster else row.item
    own = dict(zip(study.items["item"], study.items["source_language"], strict=True))
    linked = [
        model
        for model in study.model_names
        if any(
            trials[model, item, own[item] or "en"] > 0
            and any(
                trials[model, item, language] > 0
                for language in LANGUAGES
                if language != (own[item] or "en")
            )
            for item in cluster
        )
    ]
    assert list(counts.models) == linked
    assert sorted(counts.items) == sorted(cluster)
    assert counts.chance == 0.2
    seen_target = False
    accuracies = counts.target_accuracy()
    for m, model in enumerate(counts.models):
        for i, item in enumerate(counts.items):
            source = own[item] or "en"
            assert counts.source_correct[m, i] == right[model, item, source]
            assert counts.source_trials[m, i] == trials[model, item, source]
            for column, language in enumerate(counts.languages):
                given_right = 0.0 if language == source else right[model, item, language]
                given_trials = 0.0 if language == source else trials[model, item, language]
                seen_target |= given_trials > 0
                assert counts.target_correct[m, i, column] == given_right
                assert counts.target_trials[m, i, column] == given_trials
                accuracy = accuracies[m, i, column]
                if given_trials:
                    assert accuracy == given_right / given_trials
                else:
                    assert np.isnan(accuracy)
    assert seen_target
    for i, one in enumerate(counts.items):
        for j, other in enumerate(counts.items):
            together = bool(counts.clusters[i] == counts.clusters[j])
            assert together == (cluster[one] == cluster[other])
    assert set(counts.clusters) == set(range(counts.clusters.max() + 1))


@cases(2, 40)
def test_aggregate_counts_equal_a_loop_over_rows(seed: int) -> None:
    aggregate = seed % 2 == 0
    study = random_study(seed, own_source=False, prompts=1, aggregate=aggregate)
    assert benchmark_is_item_level(study, "quiz") is not aggregate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        counts = aggregate_counts(study, "quiz")
    right: dict[tuple[str, str], float] = defaultdict(float)
    trials: dict[tuple[str, str], float] = defaultdict(float)
    for row in study.counts.itertuples():
        right[row.model, row.language] += row.n_correct
        trials[row.model, row.language] += row.n_trials
    usable = [
        model
        for model in study.model_names
        if trials[model, "en"] > 0 and trials[model, "sw"] + trials[model, "yo"] > 0
    ]
    assert list(counts.models) == usable
    assert usable
    for m, model in enumerate(counts.models):
        assert counts.source_trials[m] == trials[model, "en"]
        assert counts.source_accuracy[m] == pytest.approx(right[model, "en"] / trials[model, "en"])
        for column, language in enumerate(counts.languages):
            n = trials[model, language]
            assert counts.target_trials[m, column] == n
            if n:
                expected = right[model, language] / n
                assert counts.target_accuracy[m, column] == pytest.approx(expected)
            else:
                assert np.isnan(counts.target_accuracy[m, column])
