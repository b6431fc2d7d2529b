"""Labels beside points that cover neither points, bars nor one another."""

from __future__ import annotations

from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

#: Distances from the point that are tried in turn, in points of type.
_DISTANCES = (3.5, 6.5, 10.0)
#: Directions tried at each distance: right, left, the four corners, above, below.
_DIRECTIONS = ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))


def mark_boxes(
    axes: Axes,
    x: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    *,
    half_width: float = 2.0,
) -> list[Bbox]:
    """Rectangles in pixels around vertical bars from `low` to `high` at `x`, all of shape (n,).

    `half_width` is in points of type, about that of a marker.
    """
    margin = axes.figure.dpi / 72.0 * half_width
    bottom = axes.transData.transform(np.column_stack([x, low])) - margin
    top = axes.transData.transform(np.column_stack([x, high])) + margin
    return [Bbox([lower, upper]) for lower, upper in zip(bottom, top, strict=True)]


def label_points(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    names: list[str],
    *,
    obstacles: list[Bbox],
    size: float = 5.5,
    most: int = 30,
) -> list[Text]:
    """Write as many names beside their points as fit without touching anything, at most `most`.

    `x` and `y`, shape (n,), are data coordinates in axes whose limits are final, `obstacles` are
    in pixels. The outermost points (by distance from the mean of `y`) are served first. A name
    for which there is no room is left out: the caller knows from the number of texts.
    """
    taken, written = list(obstacles), list[Text]()
    frame = axes.get_window_extent()
    distance = np.abs(y - np.mean(y)) if len(y) else y
    for index in np.argsort(-distance, kind="stable")[:most]:
        for away, (right, up) in product(_DISTANCES, _DIRECTIONS):
            text = axes.annotate(
                names[index],
                (float(x[index]), float(y[index])),
                xytext=(away * right, away * up * 0.8),
                textcoords="offset points",
                fontsize=size,
                ha={1: "left", 0: "center", -1: "right"}[right],
                va={1: "bottom", 0: "center", -1: "top"}[up],
            )
            box = text.get_window_extent()
            inside = np.all(box.min >= frame.min) and np.all(box.max <= frame.max)
            if inside and not box.count_overlaps(taken):
                taken.append(box)
                written.append(text)
                break
            text.remove()
    return written
