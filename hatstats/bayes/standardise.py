"""From drawn parameters to HAT: each draw's profile averaged over the reference of that draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hatstats.scores.reference import reference_mixture

Floats = NDArray[np.float64]

_UNIFORM = (np.arange(50) + 0.5) / 50
#: Numbers held at once.
_BLOCK = 4_000_000


def line_hat(
    source: Floats,
    transfer: Floats,
    slope: Floats,
    centre: float,
    setting: tuple[float, Sequence[str], str | ArrayLike],
) -> Floats:
    """HAT along lines on the chance-corrected logit scale.

    ``H_ml = mean_G [c + (1 - c) expit(t_ml + beta (eta_G - r))]``, the reference logits eta_G
    those of the same draw.

    Parameters
    ----------
    source : ndarray, shape (D, M)
    transfer : ndarray, shape (D, M, L)
    slope : ndarray, shape (D,)
    centre : float
        r.
    setting : tuple
        Chance level, names of the models, reference.

    Returns
    -------
    ndarray, shape (D, M, L)
    """
    chance, models, reference = setting
    count = len(models)
    if isinstance(reference, str) and reference == "uniform":
        nodes = np.broadcast_to(special.logit(_UNIFORM), (len(source), _UNIFORM.size))
        mixing = np.full((count, _UNIFORM.size), 1.0 / _UNIFORM.size)
    elif isinstance(reference, str):
        nodes, mixing = source, reference_mixture(reference, models, np.zeros(count)).mixing
    else:
        reference_mixture(reference, models, np.array([0.0, 1.0]))
        share = (np.asarray(reference, dtype=float).ravel() - chance) / (1.0 - chance)
        values = special.logit(np.clip(share, 1e-3, 1.0 - 1e-3))
        nodes = np.broadcast_to(values, (len(source), values.size))
        mixing = np.full((count, values.size), 1.0 / values.size)
    out = np.empty_like(transfer)
    moved = slope[:, None] * (nodes - centre)
    step = max(1, _BLOCK // max(transfer[0].size * nodes.shape[1], 1))
    for start in range(0, len(source), step):
        part = slice(start, start + step)
        right = special.expit(transfer[part][..., None] + moved[part][:, None, None, :])
        out[part] = np.einsum("dmlr,mr->dml", right, mixing)
    return np.asarray(chance + (1.0 - chance) * out)
