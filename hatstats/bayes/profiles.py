"""Transfer profiles and source distributions of drawn `joint` parameters, on a grid of logits."""

from __future__ import annotations

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray
from scipy import special

from hatstats.estimators.joint.options import JointOptions, profile_basis

Floats = NDArray[np.float64]
#: Arrays of parameters by their name in the layout of `joint`, with leading dimensions alike.
Drawn = dict[str, Floats]

#: Source logits of the grid; the two ends of source accuracy stand beside them.
GRID = np.linspace(-8.0, 8.0, 97)
_EDGES = np.concatenate([[-np.inf], 0.5 * (GRID[1:] + GRID[:-1]), [np.inf]])
_NODES, _WEIGHTS = hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def chance_level(drawn: Drawn, chance: float) -> Floats | float:
    """Chance level: drawn if it is estimated, else the benchmark's."""
    return special.expit(drawn["chance"]) if "chance" in drawn else chance


def source_shares(drawn: Drawn, options: JointOptions) -> Floats:
    """Probability of each grid point, the two ends included: (..., Q + 2)."""
    z = (_EDGES - drawn["mu"][..., None]) / drawn["sigma"][..., None]
    cdf = special.ndtr(z) if options.t_df is None else special.stdtr(options.t_df, z)
    inner = np.diff(cdf, axis=-1)
    ends = np.zeros((*inner.shape[:-1], 2))
    if options.point_masses:
        logits = np.stack([np.zeros_like(drawn["mu"]), drawn["never"], drawn["always"]], axis=-1)
        mass = special.softmax(logits, axis=-1)
        inner = inner * mass[..., :1]
        ends = mass[..., 1:]
    return np.concatenate([ends[..., :1], inner, ends[..., 1:]], axis=-1)


def grid_accuracy(chance: float) -> Floats:
    """Source accuracy of the grid points, the two ends included, (Q + 2,)."""
    inner = chance + (1.0 - chance) * special.expit(GRID)
    return np.concatenate([[chance], inner, [1.0]])


def target_curve(drawn: Drawn, options: JointOptions, chance: float) -> Floats:
    """E[target accuracy] at each grid point, the two ends included: (..., L, Q + 2).

    Residuals are integrated over, as in `hatstats.estimators.joint.profile`.

    Parameters
    ----------
    drawn : dict of ndarray
        Local parameters (..., L); global ones (..., ).
    options : JointOptions
    chance : float
    """
    ends = np.concatenate([[-12.0], GRID, [12.0]])
    basis, _ = profile_basis(options.profile, ends)
    names = ["alpha", "beta", *(name for name in drawn if name.startswith("bend"))]
    middle = sum(drawn[name][..., None] * column for name, column in zip(names, basis, strict=True))
    middle = np.asarray(middle)
    if options.point_masses:
        middle = middle.copy()
        middle[..., 0], middle[..., -1] = drawn["at_never"], drawn["at_always"]
    spread = np.abs(drawn["tau"])
    if "rho" in drawn:
        spread = np.hypot(spread, drawn["rho"][..., None])
    mean = np.zeros_like(middle)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        mean += weight * special.expit(middle + node * spread[..., None])
    if "transfers" in drawn:
        mean *= special.expit(drawn["transfers"])[..., None]
    level = chance_level(drawn, chance)
    if isinstance(level, np.ndarray):
        level = level[..., None, None]
    return np.asarray(level + (1.0 - level) * mean)
