"""Coverage of confidence sets of ranks, and of the models that are tied with the best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.influence import covariance_of_sums
from hatstats.inference.random_numbers import RandomSource
from hatstats.scores.scores import HatScores

#: Distances of neighbours in standard errors, from hardly different to clearly so.
SPACINGS = (0.02, 0.1, 0.3)
_DRAWS = 1_999


def redrawn(scores: HatScores, truth: Floats, rng: np.random.Generator) -> HatScores:
    """The scores of another sample from a study whose true scores are `truth` (M,).

    Items are drawn with replacement, with their influence on all scores, and the covariance is
    estimated from those drawn; without items the errors are normal with the covariance as it is.
    """
    if scores.influence is None:
        error = rng.multivariate_normal(np.zeros(len(truth)), scores.covariance)
        return replace(scores, estimates=truth + error)
    items = scores.influence[rng.integers(len(scores.influence), size=len(scores.influence))]
    error = items.sum(axis=0)
    items = items - items.mean(axis=0)
    cov = covariance_of_sums(items)
    return replace(scores, estimates=truth + error, covariance=cov, influence=items)


def rank_coverage(
    scores: HatScores,
    spacings: Iterable[float] = SPACINGS,
    *,
    n_replicates: int = 1_000,
    rng: RandomSource = None,
) -> pd.DataFrame:
    """Coverage of rank sets of models whose true scores are equally spaced, in random order.

    A spacing of 1 is the median standard error of the `scores`, whose errors are taken as they are
    (see `redrawn`). `joint`: share of studies in which all joint sets hold; `marginal`: share of
    marginal sets that hold; `best`: share of studies whose best model is among the tied;
    `mean_ranks_exact`: by the critical value of independent equal errors, in one step.
    """
    if len(set(scores.overlap["benchmark"])) > 1:
        raise DataError("items of several benchmarks", hint="select one benchmark.")
    # All models are ranked, however wide their intervals.
    scores = replace(scores, overlap=scores.overlap.assign(informed=True))
    generator, size = np.random.default_rng(rng), len(scores.models)
    exact = float(stats.studentized_range.ppf(0.95, size, np.inf)) / np.sqrt(2.0)
    rows = []
    for spacing in spacings:
        found = []
        for _ in range(n_replicates):
            place = generator.permutation(size)
            step = spacing * float(np.median(scores.std_errors))
            truth = np.asarray(0.5 - step * place, dtype=float)
            drawn = redrawn(scores, truth, generator)
            table = drawn.ranks(rng=generator, n_draws=_DRAWS)
            rank = place + 1
            joint, alone = (
                (table[f"{kind}_low"] <= rank) & (rank <= table[f"{kind}_high"])
                for kind in ("rank", "marginal")
            )
            cov, estimates = drawn.covariance, drawn.estimates
            variance = np.diag(cov)[:, None] + np.diag(cov) - 2.0 * cov + np.eye(size)
            decided = np.abs(estimates[:, None] - estimates) > exact * np.sqrt(variance)
            found.append((
                joint.all(), alone.mean(), table["tied_with_best"].to_numpy()[place == 0][0],
                (table["rank_high"] - table["rank_low"] + 1).mean(),
                table["tied_with_best"].sum(), size - decided.sum(axis=1).mean(),
            ))  # fmt: skip
        names = ("joint", "marginal", "best", "mean_ranks", "mean_tied", "mean_ranks_exact")
        means = dict(zip(names, np.array(found, dtype=float).mean(axis=0), strict=True))
        rows.append({"spacing": spacing, "models": size, **means, "replicates": n_replicates})
    return pd.DataFrame(rows)
