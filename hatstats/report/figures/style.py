"""The look of every figure: sizes, fonts, colours, marks, and files whose bytes do not change.

The colours of families are taken from Okabe & Ito (2008) and Tol (2021), both made for
colour-blind readers, and each family has a marker of its own besides, so that print in grey
loses nothing.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from hatstats.errors import DataError

#: Ink colours.
INK, MUTED, RULE, PAPER = "#1f2428", "#626a73", "#dfe3e8", "#ffffff"
#: Trend lines and bands; distinct from every family colour.
TREND, BAND = "#3b4148", "#d3d8de"
#: What a fitted profile or model implies, beside observations in ink.
IMPLIED = "#0072b2"
#: Dashes of lines.
DOTTED, DASHED = (0.0, (1.0, 1.5)), (0.0, (2.0, 1.2))
#: Colours of ordered values, low to high.
RAMP = LinearSegmentedColormap.from_list("hatstats", ["#f4f7fa", "#7fb2d6", "#0a4f86"], 64)
#: Sans fonts of one width and look, best first; the last comes with matplotlib.
FONTS = ("Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")
#: File formats of every figure.
FORMATS = ("pdf", "svg", "png")
#: Sizes of type beside that of axis labels: ticks and names, and what is written in small.
SMALL, TINY = 0.875, 0.75


@dataclass(frozen=True, slots=True)
class Preset:
    """Widths of one column and of the page in inches, and the size of type in points."""

    column: float
    page: float
    points: float


PRESETS = {
    "acl": Preset(3.03, 6.3, 8.0),
    "nature": Preset(89.0 / 25.4, 183.0 / 25.4, 7.0),
    "talk": Preset(6.0, 12.0, 16.0),
}
_PRESET: ContextVar[Preset] = ContextVar("_PRESET", default=PRESETS["acl"])


@contextmanager
def style(name: str) -> Iterator[None]:
    """Draw everything inside for one kind of page.

    Parameters
    ----------
    name : {"acl", "nature", "talk"}
        Columns of 3.03 in and pages of 6.3 in with 8 pt type; 89 and 183 mm with 7 pt; slides.

    Yields
    ------
    None
        Outside any of them figures are drawn for "acl".

    Raises
    ------
    DataError
        For another name.

    Examples
    --------
    >>> import hatstats as hs
    >>> scores = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed").hat()
    >>> with hs.plot.style("nature"):
    ...     ax = hs.plot.forest(scores)
    >>> round(float(ax.figure.get_size_inches()[0]) * 25.4)
    89
    """
    if name not in PRESETS:
        hint = f"use one of {', '.join(PRESETS)}."
        raise DataError("unknown style of figures", column="style", value=name, hint=hint)
    token = _PRESET.set(PRESETS[name])
    try:
        yield
    finally:
        _PRESET.reset(token)


def preset() -> Preset:
    """The sizes that are drawn for now."""
    return _PRESET.get()


def points(share: float = 1.0) -> float:
    """A share of the size of type, in points."""
    return share * preset().points


@cache
def fonts() -> list[str]:
    """Those of `FONTS` that this machine has."""
    known = set(font_manager.get_font_names())
    return [name for name in FONTS if name in known]


def _settings() -> dict[str, Any]:
    """Matplotlib's settings for the preset."""
    size = points()
    ticks = {"color": MUTED, "labelcolor": INK, "labelsize": SMALL * size,
             "major.size": 0.3 * size, "major.width": 0.08 * size}  # fmt: skip
    return {
        "axes.axisbelow": True,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.labelsize": size,
        "axes.linewidth": 0.08 * size,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": size,
        "axes.titlelocation": "left",
        "axes.titlepad": 0.4 * size,
        "figure.constrained_layout.h_pad": 0.0025 * size,
        "figure.constrained_layout.w_pad": 0.0025 * size,
        "figure.dpi": 200,
        "figure.facecolor": PAPER,
        "font.family": fonts(),
        "font.size": size,
        "grid.color": RULE,
        "grid.linewidth": 0.06 * size,
        "legend.fontsize": SMALL * size,
        "legend.frameon": False,
        "pdf.fonttype": 42,
        "savefig.dpi": 300,
        "svg.fonttype": "path",
        "svg.hashsalt": "hatstats",
        "text.color": INK,
        # As wide at every resolution: all files of a figure have one layout.
        "text.hinting": "none",
        "text.parse_math": False,
        "xtick.minor.size": 0.2 * size,
        **{f"{axis}tick.{name}": value for axis in "xy" for name, value in ticks.items()},
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
            "markeredgewidth": points(0.09),
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
    shown = matplotlib.is_interactive()
    try:
        with matplotlib.style.context(["default", _settings()]):
            try:
                yield
            finally:
                shown = matplotlib.is_interactive()
    finally:
        # A notebook's backend says with its first figure that figures are shown, which leaving
        # the style would undo, so that no second one was.
        matplotlib.interactive(shown)


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


def save(drawn: Axes | list[Axes] | Figure, stem: str | Path) -> dict[str, Path]:
    """Write a figure as PDF, SVG and PNG; the same figure, the same bytes.

    Parameters
    ----------
    drawn : Axes, list of Axes or Figure
        What a function of this module returned.
    stem : str or path
        Path without an ending.

    Returns
    -------
    dict of str to path
        The files by kind.

    Examples
    --------
    >>> import tempfile
    >>> import hatstats as hs
    >>> scores = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed").hat()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(hs.plot.save(hs.plot.forest(scores), f"{folder}/forest"))
    ['pdf', 'png', 'svg']
    """
    first = drawn[0] if isinstance(drawn, list) else drawn
    figure = first if isinstance(first, Figure) else first.get_figure(root=True)
    if figure is None:
        raise ValueError("these axes were taken out of their figure")
    stem = Path(stem)
    paths = {kind: stem.with_name(f"{stem.name}.{kind}") for kind in FORMATS}
    engine = figure.get_layout_engine()
    for kind, path in paths.items():
        path.write_bytes(figure_bytes(figure, kind))
        # All files have the layout of the first, found once.
        figure.set_layout_engine("none")
    figure.set_layout_engine(engine)
    return paths
