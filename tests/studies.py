"""Small studies made by hand, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hatstats.study import Study

#: One row of counts: model, benchmark, language, item, n_correct, n_trials, cluster.
Row = tuple[str, str, str, str, float, float, str]


def cases(few: int, many: int) -> pytest.MarkDecorator:
    """Seeds of random cases: ``make test`` runs a few of them, ``make test-slow`` the others."""
    others = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(few, many)]
    return pytest.mark.parametrize("seed", [*range(few), *others])


def study_of(
    rows: Sequence[Row],
    *,
    chance: float = 0.0,
    source: str = "en",
    items: pd.DataFrame | None = None,
    families: Sequence[str] | None = None,
) -> Study:
    """A study of these rows; models and benchmarks in the order of their first row."""
    columns = ["model", "benchmark", "language", "item", "n_correct", "n_trials", "cluster"]
    counts = pd.DataFrame(rows, columns=columns)
    models = list(dict.fromkeys(counts["model"]))
    benchmarks = list(dict.fromkeys(counts["benchmark"]))
    more = {} if items is None else {"items": items}
    return Study(
        counts=counts,
        models=pd.DataFrame(
            {
                "model": models,
                "family": models if families is None else list(families),
                "release_date": pd.NaT,
                "params_total": np.nan,
                "params_active": np.nan,
            }
        ),
        benchmarks=pd.DataFrame(
            {"benchmark": benchmarks, "source_language": source, "chance": chance}
        ),
        **more,
    )


def item_rows(
    models: Sequence[str],
    languages: Sequence[str],
    n_items: int,
    *,
    rng: np.random.Generator,
    trials: int | None = 5,
    benchmark: str = "quiz",
) -> list[Row]:
    """Random item-level rows; the chance of a right answer differs by item, model and language.

    Without `trials`, the number of trials differs from cell to cell (1 to 6).
    """
    hardness = rng.beta(1.5, 1.5, n_items)
    rows: list[Row] = []
    for m, model in enumerate(models):
        for place, language in enumerate(languages):
            for i in range(n_items):
                n = int(rng.integers(1, 7)) if trials is None else trials
                p = float(np.clip(hardness[i] + 0.1 * m - 0.1 * place, 0.02, 0.98))
                rows.append(
                    (model, benchmark, language, f"item-{i}", float(rng.binomial(n, p)), n, "")
                )
    return rows


def panel_rows(
    eta: Sequence[float],
    languages: Sequence[str],
    *,
    rng: np.random.Generator,
    slope: float = 0.8,
    effects: Sequence[float] | None = None,
    trials: Sequence[float] | float = 400,
    chance: float = 0.25,
    benchmark: str = "quiz",
) -> list[Row]:
    """Aggregate rows whose true logits lie on a line: target = effect - 0.2 l + slope * source."""
    n = np.broadcast_to(np.asarray(trials, dtype=float), (len(eta),))
    shift = np.zeros(len(eta)) if effects is None else np.asarray(effects, dtype=float)
    rows: list[Row] = []
    for m, level in enumerate(eta):
        for place, language in enumerate(["en", *languages]):
            z = level if place == 0 else shift[m] - 0.2 * place + slope * level
            p = chance + (1.0 - chance) / (1.0 + np.exp(-z))
            right = float(rng.binomial(int(n[m]), p))
            rows.append((f"model-{m:02d}", benchmark, language, "", right, float(n[m]), ""))
    return rows


def repeated(study: Study, items: np.ndarray, clusters: np.ndarray, weights: np.ndarray) -> Study:
    """One benchmark whose clusters of items (N,) are repeated by whole weights (G,).

    Copies of an item are items, and copies of a cluster are clusters.
    """
    rows = study.counts
    code = pd.Series(clusters, index=items)[rows["item"]].to_numpy()
    copied = rows.assign(cluster=code).loc[rows.index.repeat(weights[code].astype(int))]
    number = "#" + copied.groupby(copied.index).cumcount().astype(str)
    names = {name: copied[name].astype(str) + number for name in ("item", "cluster")}
    return replace(study, counts=copied.assign(**names))
