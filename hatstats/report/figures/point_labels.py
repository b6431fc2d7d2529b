"""Place names beside points so that they cover neither points, bars nor one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from numpy.typing import NDArray

#: Directions tried in turn: right, left, the four corners, above, below.
_DIRECTIONS = ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))
#: Distances from the point, in points of type.
_REACHES = (3.5, 6.5, 10.0)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in display coordinates (pixels)."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Area shared with `other`, in square pixels."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.top, other.top) - max(self.bottom, other.bottom)
        return wide * high if wide > 0.0 and high > 0.0 else 0.0

    def inside(self, other: Box) -> bool:
        """Whether this box lies wholly in `other`."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.bottom >= other.bottom
            and self.top <= other.top
        )


def text_box(text: Text) -> Box:
    """Rectangle that a text covers when drawn."""
    extent = text.get_window_extent()
    return Box(extent.x0, extent.y0, extent.x1, extent.y1)


def mark_boxes(
    axes: Axes,
    x: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    *,
    half_width: float = 2.0,
) -> list[Box]:
    """Rectangles around vertical error bars from `low` to `high` at `x`, all of shape (n,).

    `half_width` is in points of type, about that of a marker.
    """
    pixels = axes.figure.dpi / 72.0 * half_width
    bottom = axes.transData.transform(np.column_stack([x, low]))
    top = axes.transData.transform(np.column_stack([x, high]))
    return [
        Box(a - pixels, b - pixels, a + pixels, d + pixels)
        for (a, b), (_, d) in zip(bottom, top, strict=True)
    ]


def place_labels(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    names: list[str],
    *,
    obstacles: list[Box],
    size: float = 5.5,
    most: int = 30,
) -> list[Text]:
    """Write as many names beside their points as fit without touching anything.

    The outermost points (by distance from the mean of `y`) are served first. A name for which no
    free place is found is left out: the caller knows from the number of texts.

    Parameters
    ----------
    axes : Axes
        Limits must be final, since places are measured in pixels.
    x, y : ndarray, shape (n,)
        Points in data coordinates.
    names : list of str, length n
    obstacles : list of Box
        What must not be covered (markers, error bars).
    size : float
        Type size in points.
    most : int
        Try no more than this many names.

    Returns
    -------
    list of Text
        The names written, at most `most`.
    """
    frame = axes.get_window_extent()
    bounds = Box(frame.x0, frame.y0, frame.x1, frame.y1)
    taken = list(obstacles)
    written: list[Text] = []
    far = np.abs(y - np.mean(y)) if len(y) else y
    for index in np.argsort(-far, kind="stable")[:most]:
        text = _place_one(
            axes, (float(x[index]), float(y[index])), names[index], size, bounds, taken
        )
        if text is not None:
            taken.append(text_box(text))
            written.append(text)
    return written


def _place_one(
    axes: Axes,
    point: tuple[float, float],
    name: str,
    size: float,
    bounds: Box,
    taken: list[Box],
) -> Text | None:
    """Write one name at the first free place around its point, or not at all."""
    for reach in _REACHES:
        for right, up in _DIRECTIONS:
            text = axes.annotate(
                name,
                point,
                xytext=(reach * right, reach * up * 0.8),
                textcoords="offset points",
                fontsize=size,
                ha={1: "left", 0: "center", -1: "right"}[right],
                va={1: "bottom", 0: "center", -1: "top"}[up],
            )
            box = text_box(text)
            if box.inside(bounds) and not any(box.overlap(other) for other in taken):
                return text
            text.remove()
    return None
