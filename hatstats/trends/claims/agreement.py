"""Where methods that keep their level agree with the registered one, and no family stands alone.

A verdict about *models like these* needs the registered test, and is withheld where

- the other of CR2 with Satterthwaite's degrees of freedom and CR3 with Student's t over families
  does not reach it at the registered level;
- the random-effects mean within series of models lies on the other side of the threshold;
- without some family the estimate lies on the other side of the threshold, or beyond it by less
  than half of its own standard error: that family alone says it.

Each is a limit up to which a threshold may lie for the number to be called greater, so that a
change of the data or of the threshold moves a verdict by no jump in what is tested. How often
such verdicts are false is simulated in `hatstats.calibration.verdict_rates`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import wald_interval
from hatstats.inference.reml.group_slopes import GroupSlopes
from hatstats.trends.claims.estimands import Number
from hatstats.trends.standard_errors import Vcov, robust_covariance

# Standard errors beyond the threshold at which the other families say the same.
_CLEARLY = 0.5


def agreement(
    number: Number, found: GroupSlopes | None, conf_level: float
) -> tuple[tuple[float, str], tuple[float, str]]:
    """Thresholds up to which all agree that a number is greater, and from which on that it is less.

    Each with what sets it, in words; on the scale of `number.value`. `found` is the number inside
    series of models.
    """
    limits = [*_without_each_family(number), _other_errors(number, conf_level)]
    what = "it"
    if number.split is not None:
        what = f"transfer's slope less {number.threshold:g} of the whole"
    if found is not None:
        mean = found.mean + number.shift
        limits.append((mean, mean, f"within series {{}} is on average {mean:.3f}"))
    low, low_by = min((low, words) for low, _, words in limits)
    high, high_by = max((high, words) for _, high, words in limits)
    return (low, low_by.format(what)), (high, high_by.format(what))


def _other_errors(number: Number, conf_level: float) -> tuple[float, float, str]:
    """The interval of a number by CR3, or by CR2 where CR3 is registered."""
    kind: Vcov = "CR2" if number.robust.kind == "CR3" else "CR3"
    other = robust_covariance(number.fit, number.clusters, kind)
    error, df = other.std_errors(number.gradient)[0], other.df(number.gradient)[0]
    low, high = map(float, wald_interval(number.value, error, df, conf_level))
    words = f"by other standard errors ({kind}) the interval of {{}} is [{low:.3f}, {high:.3f}]"
    return low, high, words


def _without_each_family(number: Number) -> Iterator[tuple[float, float, str]]:
    """The number without each family, less and plus half a standard error, at the same weights.

    The standard error is that of the model of variances.
    """
    fit, codes = number.fit, number.robust.codes
    scale = np.linalg.norm(fit.X, axis=0)
    X, gradient = fit.X / scale, number.gradient / scale
    WX, Wy = fit.weights @ X, fit.weights @ fit.y
    whole, moment, params = X.T @ WX, X.T @ Wy, fit.params * scale
    for code, label in enumerate(number.robust.labels):
        rows = np.flatnonzero(codes == code)
        own, block = X[rows], fit.weights[np.ix_(rows, rows)]
        cross = own.T @ WX[rows]
        rest = whole - cross - cross.T + own.T @ block @ own
        sums = moment - own.T @ Wy[rows] - WX[rows].T @ fit.y[rows] + own.T @ block @ fit.y[rows]
        inverse: Floats = np.linalg.pinv(rest, rcond=1e-13, hermitian=True)
        value = number.value + float(gradient @ (inverse @ sums - params))
        error = float(np.sqrt(np.maximum(gradient @ inverse @ gradient, 0.0)))
        words = f"without {_plain(label)} {{}} is {value:.3f} (SE {error:.3f})"
        yield value - _CLEARLY * error, value + _CLEARLY * error, words


def _plain(label: object) -> str:
    """A family's name for a text that is formatted later."""
    return str(label).replace("{", "{{").replace("}", "}}")
