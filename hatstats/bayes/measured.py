"""Measures of raw tables of accuracies, of the data and of replicated data alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MEASURES = (
    "source accuracy",
    "target accuracy",
    "gap",
    "ratio",
    "spread over models",
    "spread over cells",
    "lowest cell",
    "highest cell",
)


def raw_measures(source: Floats, target: Floats) -> Floats:
    """Measures of source accuracies (D, M, B) and target accuracies (D, M, B, L): (D, 8).

    NaN stands where there is no cell.
    """
    flat = target.reshape(len(target), int(np.prod(target.shape[1:])))
    seen = np.isfinite(target).any(axis=(2, 3)).all(axis=0)
    mean_source = np.nanmean(source, axis=(1, 2))
    mean_target = np.nanmean(flat, axis=1)
    return np.column_stack(
        [
            mean_source,
            mean_target,
            mean_source - mean_target,
            mean_target / mean_source,
            np.std(np.nanmean(target[:, seen], axis=(2, 3)), axis=1),
            np.nanstd(flat, axis=1),
            np.nanmin(flat, axis=1),
            np.nanmax(flat, axis=1),
        ]
    )
