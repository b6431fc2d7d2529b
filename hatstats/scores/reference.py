"""Reference distributions of source accuracy, over which transfer profiles are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.study import Study

#: References by name; ``model:NAME`` and an array of source accuracies serve as well.
NAMED_REFERENCES = ("pooled", "uniform", "own", "common")
_POINTS = 200


@dataclass(frozen=True, slots=True)
class CommonReference:
    """Uniform over a window of source accuracies that the study declares: an array with a name."""

    low: float
    high: float

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Floats:
        """Evenly spaced source accuracies that stand for the window."""
        share = (np.arange(_POINTS) + 0.5) / _POINTS
        return np.asarray(self.low + (self.high - self.low) * share, dtype=dtype)


def settled(reference: str | ArrayLike | None, study: Study) -> str | ArrayLike:
    """The reference of a study, by default its window (``common``) or else ``pooled``."""
    window = study.info.common
    if reference is None:
        reference = "common" if window else "pooled"
    if not (isinstance(reference, str) and reference == "common"):
        return reference
    if not window:
        raise DataError(
            "the study declares no window of source accuracies",
            column="reference",
            value=reference,
            hint="declare one, before looking at scores: common = [0.2, 0.95] in study.toml, or "
            "StudyInfo(..., common=(0.2, 0.95)), about where all models have items.",
        )
    return cast("ArrayLike", CommonReference(*window))


@dataclass(frozen=True, slots=True)
class Mixture:
    """A reference as a mixture of the models' own distributions plus a fixed part.

    Model m is averaged over ``G_m = mixing[m] @ g + fixed``, g the (M, Q) matrix of the models' own
    distributions, so that one rule carries their uncertainty into the score.
    """

    mixing: Floats
    fixed: Floats

    @classmethod
    def of_models(cls, chosen: Sequence[str], models: Sequence[str], n_support: int) -> Mixture:
        """The mean of the own distributions of some of M models, for all of them."""
        own = np.isin(np.array(models), np.array(chosen)) / len(chosen)
        return cls(np.tile(own, (len(models), 1)), np.zeros(n_support))

    def weights(self, distributions: Floats) -> Floats:
        """G on the support, shape (M, Q), from the models' distributions (M, Q)."""
        return self.mixing @ distributions + self.fixed


def reference_name(reference: str | ArrayLike) -> str:
    """Name of a reference for tables: the string itself, or ``given`` for an array."""
    if isinstance(reference, CommonReference):
        return "common"
    return reference if isinstance(reference, str) else "given"


def _interpolation_weights(values: Floats, support: Floats) -> Floats:
    """Weights on `support` whose sum with T is the mean of T, interpolated, over `values`."""
    if support.size == 1:
        return np.ones(1)
    upper = np.clip(np.searchsorted(support, values), 1, support.size - 1)
    low, high = support[upper - 1], support[upper]
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    weights = np.zeros(support.size)
    np.add.at(weights, upper - 1, (1.0 - share) / values.size)
    np.add.at(weights, upper, share / values.size)
    return weights


def _area_weights(support: Floats) -> Floats:
    """Weights of the integral over [0, 1] of the linear interpolant, constant beyond the ends."""
    edges = np.concatenate([[0.0], 0.5 * (support[1:] + support[:-1]), [1.0]])
    return np.diff(edges)


def reference_mixture(
    reference: str | ArrayLike | Mixture, models: Sequence[str], support: Floats
) -> Mixture:
    """Read a reference, see `TransferProfile.hat`, for M models and a support (Q,)."""
    if isinstance(reference, Mixture):
        return reference
    count = len(models)
    nothing, zeros = np.zeros((count, count)), np.zeros(support.size)
    if not isinstance(reference, str):
        odd: object = "nothing"
        try:
            values = np.asarray(reference, dtype=float).ravel()
        except (TypeError, ValueError):
            values, odd = np.zeros(0), reference
        wrong = ~((values >= 0.0) & (values <= 1.0))
        if values.size == 0 or wrong.any():
            raise DataError(
                "a reference distribution holds source accuracies between 0 and 1",
                column="reference",
                value=float(values[wrong][0]) if wrong.any() else odd,
                hint="give proportions, not per cent, without NaN.",
            )
        return Mixture(nothing, _interpolation_weights(values, support))
    if reference == "pooled":
        return Mixture(np.full((count, count), 1.0 / count), zeros)
    if reference == "own":
        return Mixture(np.eye(count), zeros)
    if reference == "uniform":
        return Mixture(nothing, _area_weights(support))
    if reference.startswith("model:"):
        chosen = reference.removeprefix("model:")
        if chosen in models:
            nothing[:, list(models).index(chosen)] = 1.0
            return Mixture(nothing, zeros)
        text = "the reference names a model that the benchmark does not have; it has "
        text, hint = text + ", ".join(models), "name one of those models."
        raise DataError(text, column="reference", value=chosen, hint=hint)
    hint = f"use {', '.join(NAMED_REFERENCES)}, model:NAME, or an array of source accuracies."
    raise DataError("unknown reference", column="reference", value=reference, hint=hint)
