"""Binomial thinning: the observed score with fewer trials, and with infinitely many.

Trials of the source language are dropped at random, from n to n - 1, n - 2, ..., and the
observed HAT is computed anew. Its bias falls with n, so that a quadratic through the thinned
scores, read where 1/n = 0, undoes most of it without a model of ability or transfer
(simulation-extrapolation; Cook & Stefanski 1994, JASA 89:1314-1328). Dropping needs no random
numbers: of an item with k of n right, j of n' kept ones are right with hypergeometric probability.

The quadratic is one in 1/(n + 1), which is 0 where 1/n is: were abilities beta distributed, the
bias would go with 1/(n + a + b), whose pole below n = 0 no polynomial in 1/n can follow. In exact
calculations over twelve worlds (ten trials) that cuts what is left of the bias to a half.

The fitted profile implies a path too. Observed and implied limits are the same functional of
observed and implied paths, so that their comparison is free of what extrapolation leaves.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hatstats.diagnostics.agreement import agreement_frame, agreement_words
from hatstats.diagnostics.thinned import thinnable, thinned_scores
from hatstats.errors import NotIdentifiedError
from hatstats.inference.tidy import standard_errors
from hatstats.scores.averages import ModelScores
from hatstats.scores.benchmark_fit import BenchmarkFit, CellScores
from hatstats.scores.item_profile import ItemProfile, average_cells, require_items, score_influence
from hatstats.scores.reference import reference_name
from hatstats.scores.transfer_profile import TransferProfile, as_profile

Floats = NDArray[np.float64]

# Fewest trials through whose thinned scores a quadratic can be drawn.
_FEWEST = 3


@dataclass(frozen=True, slots=True, eq=False)
class Thinning:
    """Observed HAT at fewer and fewer trials, its limit, and what the profile implies.

    Attributes
    ----------
    path : DataFrame
        `model, benchmark, trials, observed, std_error, implied, used`: the observed HAT with
        so many trials in the source language, what the profile implies for it, and whether
        the extrapolation uses it. In the rows of infinitely many trials `observed` is the
        quadratic's limit and `implied` the profile's own HAT.
    limit, implied : ModelScores
        Quadratic extrapolation of the observed and of the implied path to 1/n = 0.
    score : ModelScores
        HAT of the profile itself.
    method, reference : str
    left_out : int
        Model-item pairs with too few trials to be thinned with the others.
    """

    path: pd.DataFrame
    limit: ModelScores
    implied: ModelScores
    score: ModelScores
    method: str
    reference: str
    left_out: int

    @property
    def models(self) -> tuple[str, ...]:
        """Models that have every benchmark."""
        return self.limit.models

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Per model: the limit, what the profile implies for it, their difference, and HAT.

        The p value of ``difference`` tests that the profile implies the limit seen, model by
        model; `summary` adjusts for their number (Holm).
        """
        terms = {
            "limit": self.limit,
            "implied limit": self.implied,
            "difference": self.limit.less(self.implied),
            "HAT": self.score,
        }
        method = f"thinning, {self.method}"
        return agreement_frame(terms, self.reference, method, conf_level=conf_level)

    def glance(self) -> pd.DataFrame:
        """One row: trials, largest drift of the observed score, largest difference."""
        path = self.path[np.isfinite(self.path["trials"])]
        top = path.groupby(["model", "benchmark"], sort=False)["trials"].transform("max")
        full = path[path["trials"] == top]
        raw = full.groupby("model")["observed"].mean().loc[list(self.models)].to_numpy(dtype=float)
        return pd.DataFrame(
            {
                "method": [self.method],
                "reference": [self.reference],
                "trials": [int(path["trials"].max())],
                "largest_drift": [float(np.abs(raw - self.limit.params).max())],
                "largest_difference": [float(np.abs(self.limit.less(self.implied).params).max())],
                "left_out": [self.left_out],
            }
        )

    def summary(self) -> str:
        """Whether the profile is compatible with thinning, in lines of at most 80 columns."""
        facts = self.glance().iloc[0]
        text = (
            f"Observed scores at {facts['trials']} trials are up to "
            f"{facts['largest_drift']:.3f} from their limit at infinitely many. "
            + agreement_words(self.limit.less(self.implied), self.method, "thinning")
        )
        if self.left_out:
            text += f" {self.left_out} model-item pairs with fewer trials were left out."
        head = f"Binomial thinning, reference {self.reference}"
        lines = [head]
        for place, model in enumerate(self.models):
            lines.append(
                f"  {model[:40]:<40}  limit {self.limit.params[place]:.3f}"
                f" (SE {standard_errors(self.limit.cov)[place]:.3f}),"
                f" {self.method} {self.score.params[place]:.3f}"
            )
        return "\n".join([*lines, *textwrap.wrap(text, 78)])


def extrapolation_weights(trials: NDArray[np.intp]) -> Floats:
    """Weights of scores at so many trials in the quadratic's value at 1/n = 0."""
    x = 1.0 / (trials + 1.0)
    return np.asarray(np.linalg.pinv(np.vander(x, 3, increasing=True))[0], dtype=float)


def _top(fit: BenchmarkFit) -> int:
    """Most trials that at least nine in ten asked items of every model have."""
    asked = [trials[trials > 0] for trials in fit.counts.source_trials]
    top = min(int(np.quantile(trials, 0.1, method="lower")) for trials in asked)
    if top < _FEWEST:
        raise NotIdentifiedError(
            f"benchmark {fit.counts.benchmark!r}: thinning from {top} trial(s) leaves fewer "
            "than three points, and the bend of the path cannot be seen. What is missing: "
            f"{_FEWEST} or "
            "more trials per item in the source language."
        )
    return top


def _added(end: CellScores | None, part: CellScores, weight: float) -> CellScores:
    if end is None:
        return CellScores(weight * part.estimate, weight * part.influence)
    return CellScores(
        end.estimate + weight * part.estimate, end.influence + weight * part.influence
    )


def _path_rows(
    profile: ItemProfile,
    fit: BenchmarkFit,
    kept: float,
    found: tuple[CellScores, CellScores],
    used: bool,
) -> pd.DataFrame:
    observed, implied = (average_cells(profile, [part], fits=[fit]) for part in found)
    return pd.DataFrame(
        {
            "model": list(observed.models),
            "benchmark": fit.counts.benchmark,
            "trials": float(kept),
            "observed": observed.params,
            "std_error": standard_errors(observed.cov),
            "implied": implied.params,
            "used": used,
        }
    )


def thin_trials(profile: TransferProfile, reference: str | ArrayLike = "pooled") -> Thinning:
    """Observed HAT at fewer trials, extrapolated to infinitely many, beside the profile.

    Parameters
    ----------
    profile : TransferProfile
        Learnt from items, with three or more trials in the source language.
    reference : str or array_like
        See `hatstats.scores.reference.reference_mixture`. Where it depends on the data it is
        thinned with them.

    Returns
    -------
    Thinning

    Raises
    ------
    NotIdentifiedError
        If the profile was not learnt from items, or trials are fewer than three.
    """
    profile = as_profile(profile, "thin_trials")
    items = require_items(profile, "binomial thinning")
    limits, implied, rows, left_out = [], [], [], 0
    for fit in items.fits:
        top = _top(fit)
        data, few = thinnable(fit, top)
        left_out += few
        steps = np.arange(1, top + 1)
        used = steps >= max(1, min(top // 2, top - 2))
        shares = extrapolation_weights(steps[used])
        weights = dict(zip(steps[used].tolist(), shares.tolist(), strict=True))
        ends: list[CellScores | None] = [None, None]
        for kept in steps.tolist():
            found = thinned_scores(fit, reference, kept, data, kept in weights)
            rows.append(_path_rows(items, fit, kept, found, kept in weights))
            if kept in weights:
                ends = [
                    _added(end, part, weights[kept]) for end, part in zip(ends, found, strict=True)
                ]
        assert ends[0] is not None
        assert ends[1] is not None
        limits.append(ends[0])
        implied.append(ends[1])
        score = fit.scores(reference)
        rows.append(_path_rows(items, fit, np.inf, (ends[0], score), False))
    return Thinning(
        path=pd.concat(rows, ignore_index=True),
        limit=average_cells(items, limits),
        implied=average_cells(items, implied),
        score=score_influence(items, reference),
        method=items.method,
        reference=reference_name(reference),
        left_out=left_out,
    )
