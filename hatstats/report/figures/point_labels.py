"""Labels beside points that cover neither points, bars nor one another."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

#: Directions tried in turn: right, left, the four corners, above, below.
_DIRECTIONS = ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))
#: Distances from the point, in points of type.
_DISTANCES = (3.5, 6.5, 10.0)


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
    """Write as many names beside their points as fit without touching anything.

    The outermost points (by distance from the mean of `y`) are served first. A name for which
    there is no room is left out: the caller knows from the number of texts.

    Parameters
    ----------
    axes : Axes
        Limits must be final, since room is measured in pixels.
    x, y : ndarray, shape (n,)
        Points in data coordinates.
    names : list of str, length n
    obstacles : list of Bbox
        What must not be covered (markers, error bars), in pixels.
    size : float
        Type size in points.
    most : int
        Try no more than this many names.

    Returns
    -------
    list of Text
        The names written, at most `most`.
    """
    taken = list(obstacles)
    written: list[Text] = []
    distance = np.abs(y - np.mean(y)) if len(y) else y
    for index in np.argsort(-distance, kind="stable")[:most]:
        text = _label(axes, (float(x[index]), float(y[index])), names[index], size, taken)
        if text is not None:
            taken.append(text.get_window_extent())
            written.append(text)
    return written


def _label(
    axes: Axes, point: tuple[float, float], name: str, size: float, taken: list[Bbox]
) -> Text | None:
    """Write one name where there is room around its point, or not at all."""
    frame = axes.get_window_extent()
    for distance in _DISTANCES:
        for right, up in _DIRECTIONS:
            text = axes.annotate(
                name,
                point,
                xytext=(distance * right, distance * up * 0.8),
                textcoords="offset points",
                fontsize=size,
                ha={1: "left", 0: "center", -1: "right"}[right],
                va={1: "bottom", 0: "center", -1: "top"}[up],
            )
            box = text.get_window_extent()
            inside = np.all(box.min >= frame.min) and np.all(box.max <= frame.max)
            if inside and not box.count_overlaps(taken):
                return text
            text.remove()
    return None
