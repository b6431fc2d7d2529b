"""Paired bootstrap of all HAT scores: ours beside `scipy.stats.bootstrap` on the same statistic.

Run by ``make bench``. The statistic is the observed HAT of every model under the pooled reference;
scipy computes it anew in each draw from matrix products over items, ours takes one Newton step.
Both make the same number of draws from the same study, and their standard errors are compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

import hatstats
from hatstats.scores.counts import ItemCounts, item_counts
from hatstats.simulation.simulate import Shape
from hatstats.study import Study

Floats = NDArray[np.float64]
DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class Race:
    """Seconds and standard errors of both, for one study.

    Attributes
    ----------
    ours, scipy : float
        Seconds.
    our_errors, scipy_errors : ndarray, shape (M,)
    """

    ours: float
    scipy: float
    our_errors: Floats
    scipy_errors: Floats

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.scipy / self.ours

    @property
    def disagreement(self) -> float:
        """Largest relative difference of standard errors."""
        return float(np.abs(self.our_errors / self.scipy_errors - 1.0).max())


def observed_hat(counts: ItemCounts) -> Callable[[NDArray[np.intp]], Floats]:
    """A function from item numbers, some of them repeated, to the models' observed HAT (M,).

    Needs every item asked of every model in its source language.
    """
    source, target = counts.source_accuracy(), counts.target_accuracy()
    support = np.unique(source)
    member = (source[:, None, :] == support[None, :, None]).astype(float)
    asked = ~np.isnan(target)
    both = np.concatenate([np.where(asked, target, 0.0), asked], axis=2)

    def statistic(items: NDArray[np.intp]) -> Floats:
        weight = np.bincount(items, minlength=counts.items.size).astype(float)
        weighted = member * weight
        pooled = weighted.sum(axis=2).mean(axis=0) / weight.sum()
        total, mass = np.split(weighted @ both, 2, axis=2)
        means = np.divide(total, mass, out=np.zeros_like(total), where=mass > 0)
        for m, column in np.argwhere((mass == 0).any(axis=1)):
            filled = mass[m, :, column] > 0
            means[m, :, column] = np.interp(support, support[filled], means[m, filled, column])
        return np.asarray((pooled @ means).mean(axis=1), dtype=float)

    return statistic


def paired_bootstrap(study: Study, *, draws: int = DRAWS, seed: int = 20_26) -> Race:
    """Draw all observed HAT scores `draws` times in both ways.

    Parameters
    ----------
    study : Study
        Every item asked of every model in its source language.
    draws, seed : int

    Returns
    -------
    Race
    """
    counts = [item_counts(study, name) for name in study.benchmark_names]
    parts = [observed_hat(one) for one in counts]

    def statistic(*samples: NDArray[np.intp]) -> Floats:
        scores: Sequence[Floats] = [part(s) for part, s in zip(parts, samples, strict=True)]
        return np.mean(scores, axis=0)

    data = tuple(np.arange(one.items.size) for one in counts)
    profile = hatstats.fit_profile(study, method="observed")
    start = time.perf_counter()
    ours = hatstats.bootstrap_hat(profile, "pooled", n_draws=draws, rng=seed)
    middle = time.perf_counter()
    theirs = stats.bootstrap(
        data,
        statistic,
        n_resamples=draws,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    end = time.perf_counter()
    return Race(middle - start, end - middle, ours.std_errors, np.asarray(theirs.standard_error))


def main() -> None:
    """Print the ratio on a study as large as the paper's: 20 models, 1,292 items, 20 languages.

    Its items are one benchmark of models that all reach every level of k/n: where a model reaches
    a level with a handful of items only, a draw may lose the level, the statistic has a kink
    there, and no Newton step follows it.
    """
    shape = Shape(n_items=1292, n_languages=20, n_trials=5)
    ability = np.linspace(-1.0, 1.5, 20).tolist()
    race = paired_bootstrap(hatstats.simulate_study(ability, shape=shape, rng=1))
    print(
        f"{DRAWS:,} paired bootstrap draws of all HAT scores: {race.ours:.2f} s; "
        f"scipy.stats.bootstrap {race.scipy:.1f} s, {race.ratio:.0f} times as long; standard "
        f"errors of {race.our_errors.size} models within {race.disagreement:.1%}"
    )


if __name__ == "__main__":
    main()
