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
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure

#: Widths in inches: one column and the full width of a two-column page.
COLUMN, PAGE = 3.4, 6.9
#: Ink colours.
INK, MUTED, RULE, PAPER = "#1f2428", "#626a73", "#dfe3e8", "#ffffff"
#: Trend lines and bands; distinct from every family colour.
TREND, BAND = "#3b4148", "#d3d8de"
#: What a fitted profile or model implies, beside observations in ink.
IMPLIED = "#0072b2"
#: Dashes of lines.
DOTTED, DASHED = (0.0, (1.0, 1.5)), (0.0, (2.0, 1.2))
FONT = "DejaVu Sans"
#: File formats of every figure.
FORMATS = ("pdf", "svg", "png")

_TICKS = {"color": MUTED, "labelcolor": INK, "labelsize": 6.5, "major.size": 2.5,
          "major.width": 0.6}  # fmt: skip
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
    "font.family": FONT,
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
    "xtick.minor.size": 1.5,
    **{f"{axis}tick.{name}": value for axis in "xy" for name, value in _TICKS.items()},
}
_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"CreationDate": None, "Creator": "hatstats", "Producer": None},
    "svg": {"Date": None, "Creator": "hatstats"},
    "png": {"Software": None},
}


@dataclass(frozen=True, slots=True)
class Look:
    """Name in the legend, colour and marker of one family or verdict."""

    label: str
    colour: str
    marker: str

    def marks(self, size: float, *, filled: bool = True) -> dict[str, Any]:
        """Arguments for `plot`, `errorbar` and `Line2D` that draw markers of `size` points."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "markersize": size,
            "markerfacecolor": self.colour if filled else PAPER,
            "markeredgewidth": 0.7,
            "linestyle": "",
        }


#: Colours and markers of the families with most models, in order, and the look of all others.
FAMILY_LOOK = (("#0072b2", "o"), ("#d55e00", "s"), ("#009e73", "^"), ("#cc79a7", "D"),
               ("#56b4e9", "v"), ("#e69f00", "P"), ("#882255", "X"), ("#332288", "p"))  # fmt: skip
OTHER = Look("other families", "#8a9199", "o")
#: Colour in a figure -> name of the CSS variable that the HTML page puts in its place.
COLOURS = {
    **{INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper", TREND: "trend", BAND: "band"},
    **{colour: f"family-{number}" for number, (colour, _) in enumerate(FAMILY_LOOK)},
    OTHER.colour: "family-other",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's own defaults plus the house style, whatever the user's settings are."""
    with matplotlib.style.context(["default", _RC]):
        yield


def family_looks(families: Iterable[object]) -> dict[str, Look]:
    """Look of each family, most frequent first, from the family of each model.

    Families past the eighth share the look of the others; missing and empty names have no entry.
    """
    counts = Counter(str(name) for name in families if name == name and name not in (None, ""))
    ranked = sorted(counts, key=lambda name: (-counts[name], name.casefold()))
    looks = {name: Look(name, *look) for name, look in zip(ranked, FAMILY_LOOK, strict=False)}
    return looks | dict.fromkeys(ranked[len(FAMILY_LOOK) :], OTHER)


def look_of(looks: dict[str, Look], family: object) -> Look:
    """Return the look of `family`, or that of the others if it has none."""
    return looks.get(str(family), OTHER)


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Return the figure as a file of `kind` (pdf, svg, png); the same figure, the same bytes."""
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format=kind, metadata=_METADATA[kind])
    return buffer.getvalue()


def save_figure(figure: Figure, stem: Path) -> dict[str, Path]:
    """Write a figure as PDF, SVG and PNG.

    Parameters
    ----------
    figure : Figure
    stem : path
        Path without an ending.

    Returns
    -------
    dict of str to path
        The files by kind.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from hatstats.report import figures
    >>> table = pd.DataFrame({"measure": ["HAT", "gap"], "leakage": [0.02, 0.9]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(figures.save_figure(figures.leakage(table), Path(folder) / "leakage"))
    ['pdf', 'png', 'svg']
    """
    paths = {kind: stem.with_name(f"{stem.name}.{kind}") for kind in FORMATS}
    for kind, path in paths.items():
        path.write_bytes(figure_bytes(figure, kind))
    return paths
