"""The look of every figure: sizes, colours, marks, and files whose bytes do not change.

Figures are made through the object interface on an Agg canvas, so no global state of pyplot is
touched. The colours of families are taken from Okabe & Ito (2008) and Tol (2021), both made for
colour-blind readers, and each family has a marker of its own besides, so that print in grey
loses nothing.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

#: Widths in inches: one column and the full width of a two-column page.
COLUMN, PAGE = 3.4, 6.9
#: Ink colours. The HTML page swaps them (and the family colours) in dark mode by these values.
INK, MUTED, RULE, PAPER = "#1f2428", "#626a73", "#dfe3e8", "#ffffff"
#: Trend lines and bands; distinct from every family colour.
TREND, BAND = "#3b4148", "#d3d8de"
#: What a fitted profile or model implies, beside observations in ink.
IMPLIED = "#0072b2"
#: Colour and marker of the families with most models, in order.
FAMILY_LOOK = (
    ("#0072b2", "o"),
    ("#d55e00", "s"),
    ("#009e73", "^"),
    ("#cc79a7", "D"),
    ("#56b4e9", "v"),
    ("#e69f00", "P"),
    ("#882255", "X"),
    ("#332288", "p"),
)
OTHER, OTHER_LOOK = "other families", ("#8a9199", "o")
#: File formats of every figure.
FORMATS = ("pdf", "svg", "png")

_RC: dict[str, object] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 200,
    "figure.facecolor": PAPER,
    "font.family": "DejaVu Sans",
    "font.size": 7.0,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "svg.hashsalt": "hatstats",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 6.5,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "xtick.minor.size": 1.5,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 6.5,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
}
_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"CreationDate": None, "Creator": "hatstats", "Producer": None},
    "svg": {"Date": None, "Creator": "hatstats"},
    "png": {"Software": None},
}


@dataclass(frozen=True, slots=True)
class Look:
    """Colour and marker of one family."""

    label: str
    colour: str
    marker: str


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's own defaults plus the house style, whatever the user's settings are."""
    with matplotlib.style.context(["default", _RC]):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches, with an Agg canvas for measuring text."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def axes_box(
    figure: Figure, left: float, top: float, width: float, height: float
) -> tuple[float, float, float, float]:
    """Position of axes given in inches from the left and from the *top* of the figure."""
    wide, high = figure.get_size_inches()
    return left / wide, 1.0 - (top + height) / high, width / wide, height / high


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes by the distance in inches from the left and from the *top* of the figure."""
    return figure.add_axes(axes_box(figure, left, top, width, height))


def name_rows(axes: Axes, names: list[str], size: float, rows: Iterable[float] = ()) -> None:
    """Write names at the vertical positions `rows` (0, 1, ... by default), without tick marks."""
    axes.set_yticks(list(rows) or [float(row) for row in range(len(names))], names)
    axes.tick_params(axis="y", length=0, labelsize=size)


def percent_ticks(axes: Axes, shares: Iterable[float]) -> None:
    """Write shares on the horizontal axis in per cent."""
    axes.set_xticks(list(shares), [f"{100 * share:.0f} %" for share in shares])


def family_looks(families: Iterable[object]) -> dict[str, Look]:
    """Give each family a colour and a marker; the largest families come first.

    Parameters
    ----------
    families : iterable
        The family of each model; missing or empty counts among the others.

    Returns
    -------
    dict of str to Look
        Key is the family. Families past the eighth share the grey of "other families".
    """
    counts = Counter(str(name) for name in families if name == name and name not in (None, ""))
    ranked = sorted(counts, key=lambda name: (-counts[name], name.casefold()))
    looks = {name: Look(name, *look) for name, look in zip(ranked, FAMILY_LOOK, strict=False)}
    for name in ranked[len(FAMILY_LOOK) :]:
        looks[name] = Look(OTHER, *OTHER_LOOK)
    return looks


def look_of(looks: dict[str, Look], family: object) -> Look:
    """Return the look of `family`, or that of the others if it has none."""
    return looks.get(str(family), Look(OTHER, *OTHER_LOOK))


def text_width(figure: Figure, text: str, size: float) -> float:
    """Width of one line of `text` in inches at `size` points."""
    with house_style():
        artist = figure.text(0, 0, text, fontsize=size)
        width = artist.get_window_extent().width / figure.dpi
        artist.remove()
    return float(width)


def widest(names: Iterable[str], size: float) -> float:
    """Width of the widest of some one-line texts in inches at `size` points."""
    figure = new_figure(1.0, 1.0)
    return max((text_width(figure, name, size) for name in names), default=0.5)


def shorten(text: str, limit: int = 30) -> str:
    """Cut the middle out of a name longer than `limit` characters, so that both ends stay."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def name_some(names: list[str], limit: int) -> str:
    """Join at most `limit` names and say how many more there are."""
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Return the figure as a file of `kind` (pdf, svg, png); the same figure, the same bytes."""
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format=kind, metadata=_METADATA[kind])
    return buffer.getvalue()


def save_figure(figure: Figure, stem: Path) -> dict[str, Path]:
    """Write `stem`.pdf, .svg and .png and return their paths by kind."""
    paths = {}
    for kind in FORMATS:
        path = stem.with_name(f"{stem.name}.{kind}")
        path.write_bytes(figure_bytes(figure, kind))
        paths[kind] = path
    return paths
