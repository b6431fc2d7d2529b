"""How figures are laid out: panels in new or given axes, legends, names, and words beside them."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path

from hatstats.errors import DataError
from hatstats.report.figures import style

#: Where axes may come from: none to make them, one, or one for each panel.
Given = Axes | Sequence[Axes] | None

_OFFSCREEN: ContextVar[bool] = ContextVar("_OFFSCREEN", default=False)


@dataclass(frozen=True, slots=True)
class Words:
    """What a figure shows, in a caption and for those who cannot see it."""

    caption: str
    alt: str


#: Axes -> what is drawn in them.
_WORDS: WeakKeyDictionary[Axes, Words] = WeakKeyDictionary()
#: What is drawn -> what a page says of each of its marks where the pointer rests on it.
_TIPS: WeakKeyDictionary[Artist, tuple[str, ...]] = WeakKeyDictionary()


@contextmanager
def offscreen() -> Iterator[None]:
    """Make figures that no notebook shows."""
    token = _OFFSCREEN.set(True)
    try:
        yield
    finally:
        _OFFSCREEN.reset(token)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches; in a notebook one of pyplot, which shows it."""
    if hasattr(builtins, "__IPYTHON__") and not _OFFSCREEN.get():
        from matplotlib import pyplot

        return pyplot.figure(figsize=(width, height), layout="constrained")
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@dataclass(frozen=True, slots=True)
class Sheet:
    """Panels to draw in, and whether their figure is ours to grow and to put a legend under."""

    axes: list[Axes]
    own: bool

    def legend(self, handles: Sequence[Line2D | Patch]) -> None:
        """Write a legend: beside the panels of a figure of ours, below the first of given axes."""
        if not handles:
            return
        if not self.own:
            # Below the name of the axis: inside it would cover what is drawn.
            self.axes[0].legend(handles=handles, handletextpad=0.4, ncols=min(len(handles), 3),
                                loc="upper center", bbox_to_anchor=(0.5, -0.2))  # fmt: skip
            return
        figure = _figure(self.axes[0])
        width, height = figure.get_size_inches()
        labels = [str(handle.get_label()) for handle in handles]
        entry = widest(labels, style.points(style.SMALL)) + style.points(3.0) / 72.0
        columns = max(1, min(len(handles), int(width / entry)))
        rows = int(np.ceil(len(handles) / columns))
        # As many in each row, so that none stands alone.
        columns = int(np.ceil(len(handles) / rows))
        figure.set_size_inches(width, height + (1.3 * rows + 0.8) * style.points() / 72.0)
        # Below several panels stands the name of their common axis.
        figure.legend(handles=handles, ncols=columns, borderpad=0.4, handletextpad=0.4,
                      loc="outside upper center" if figure.get_supxlabel() else
                      "outside lower center", columnspacing=1.0, labelspacing=0.35,
                      handlelength=1.4)  # fmt: skip

    def describe(self, caption: str, alt: str) -> None:
        """Keep caption and alternative text with the panels."""
        for axes in self.axes:
            _WORDS[axes] = Words(caption, alt)


def sheet(
    given: Given,
    titles: Sequence[str] = ("",),
    *,
    height: float,
    wide: bool = False,
    columns: int = 1,
    labels: tuple[str, str] = ("", ""),
    shared: bool = False,
) -> Sheet:
    """One panel for each title, in given axes or in a figure that is made.

    `height` is that of a panel in inches at the size of "acl"; `wide` takes the width of a page.
    `labels` of the two axes are written once; `shared` panels have one scale, so that only the
    outer ones have tick labels.
    """
    count, sizes = len(titles), style.preset()
    if given is not None:
        axes = [given] if isinstance(given, Axes) else list(given)
        if len(axes) != count:
            raise DataError(
                f"this figure has {count} panels, and {len(axes)} axes were given",
                column="ax",
                hint="give one axes for each panel, none to have them made, or choose fewer.",
            )
    else:
        rows = int(np.ceil(count / columns))
        scale = sizes.column / style.PRESETS["acl"].column
        width = sizes.page if wide else sizes.column
        # The name of the vertical axis is written once, and must have room beside few panels.
        least = text_width(labels[1], style.points()) + 0.2 if count > 1 else 0.0
        figure = new_figure(width, max(rows * height * scale, least))
        grid = figure.subplots(rows, columns, sharex=shared, sharey=shared, squeeze=False).ravel()
        axes = list(grid[:count])
        for place in range(count, len(grid)):
            grid[place].remove()
            # The panel above the gap is the last one of its column.
            grid[place - columns].tick_params(labelbottom=True)
        if count > 1:
            figure.supxlabel(labels[0], fontsize=style.points())
            figure.supylabel(labels[1], fontsize=style.points())
    for one, title in zip(axes, titles, strict=True):
        one.set_title(title, fontsize=style.points(style.SMALL if count > 1 else 1.0))
        # Ticks are made when they are first drawn, which may be outside the style.
        one.tick_params(labelsize=style.points(style.SMALL), labelfontfamily=style.fonts(),
                        grid_color=style.RULE, grid_linewidth=0.06 * style.points())  # fmt: skip
        one.spines[["top", "right"]].set_visible(False)
        if count == 1 or given is not None:
            one.set(xlabel=labels[0], ylabel=labels[1])
    return Sheet(axes, given is None)


def _figure(axes: Axes) -> Figure:
    """The whole figure of some axes."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def _words(drawn: Axes | Sequence[Axes]) -> Words:
    axes = drawn if isinstance(drawn, Axes) else drawn[0]
    if axes not in _WORDS:
        raise DataError(
            "nothing of hatstats is drawn in these axes", column="ax",
            hint="give what a function of hatstats.plot returned.",
        )  # fmt: skip
    return _WORDS[axes]


def caption(ax: Axes | Sequence[Axes]) -> str:
    """Caption of a figure, made from what is drawn in it.

    Parameters
    ----------
    ax : Axes or list of Axes
        What a function of this module returned.

    Returns
    -------
    str
        What marks and lines mean, the level of intervals, and what is not shown.

    Examples
    --------
    >>> import hatstats as hs
    >>> scores = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed").hat()
    >>> hs.plot.caption(hs.plot.forest(scores)).partition(". ")[2]
    'Bars: 95 % intervals. The axis starts at 0.36.'
    """
    return _words(ax).caption


def alt_text(ax: Axes | Sequence[Axes]) -> str:
    """Describe a figure for those who cannot see it, from what is drawn in it.

    Parameters
    ----------
    ax : Axes or list of Axes
        What a function of this module returned.

    Returns
    -------
    str

    Examples
    --------
    >>> import hatstats as hs
    >>> scores = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed").hat()
    >>> hs.plot.alt_text(hs.plot.forest(scores))[:51]
    'Scores of 2 models with intervals, best first. High'
    """
    return _words(ax).alt


def tip(artist: Artist, texts: Iterable[str]) -> None:
    """Keep what is said of each mark of an artist, in the order of the marks."""
    _TIPS[artist] = tuple(texts)


def score_tips(rows: pd.DataFrame) -> list[str]:
    """What is said of marks for some scores: model, score and interval."""
    return [score_tip(row) for row in rows.to_dict("records")]


def score_tip(row: Mapping[Any, Any]) -> str:
    """Model, score and interval in words."""
    return f"{row['model']}: {row['estimate']:.3f} [{row['conf_low']:.3f}, {row['conf_high']:.3f}]"


def tips_of(figure: Figure) -> dict[str, tuple[str, ...]]:
    """What is said of marks, by the id that their group will have in an SVG of the figure."""
    found = {}
    for number, artist in enumerate(figure.findobj(lambda one: one in _TIPS)):
        artist.set_gid(f"tip-{number}")
        found[f"tip-{number}"] = _TIPS[artist]
    return found


def family_handles(looks: Iterable[style.Look]) -> list[Line2D]:
    """One legend handle per distinct look, in order, other families last."""
    distinct = sorted(dict.fromkeys(looks), key=lambda look: look == style.OTHER)
    return [Line2D([], [], label=look.label, **look.marks(style.points(0.55))) for look in distinct]


def name_rows(axes: Axes, names: Sequence[str], *, share: float = style.SMALL) -> None:
    """Write names at the vertical positions 0, 1, ..., without tick marks or axis line."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0, labelsize=style.points(share))
    axes.spines["left"].set_visible(False)


def text_width(text: str, size: float) -> float:
    """Width of one line of `text` in inches at `size` points."""
    font = FontProperties(family=style.fonts(), size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72.0


def widest(names: Iterable[str], size: float) -> float:
    """Width of the widest of some one-line texts in inches at `size` points."""
    return max((text_width(name, size) for name in names), default=0.5)


def shorten(text: str, limit: int = 30) -> str:
    """Cut the middle out of a name longer than `limit` characters, so that both ends stay.

    An organisation before a slash goes first. Of a name with a word in brackets at its end
    ("(reasoning off)") the word is cut.
    """
    if len(text) > limit:
        text = text.partition("/")[2] or text
    if len(text) <= limit:
        return text
    head = text.rfind("(") + 1 if text.endswith(")") else 0
    tail = limit - 1 - head if 0 < head < limit - 6 else (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def short_names(names: Sequence[object] | pd.Series | pd.Index, limit: int) -> list[str]:
    """Shorten names so that those which differ still do, where what is in brackets is the same.

    Where one name has no room for its organisation, no other has it either.
    """
    whole = [str(name) for name in names]
    bare = [name.partition("/")[2] or name for name in whole]
    if max(map(len, whole), default=0) > limit and len(set(bare)) == len(set(whole)):
        whole = bare
    texts = [shorten(name, limit) for name in whole]
    return [
        text if texts.count(text) == 1 else shorten(name.partition(" (")[0], limit)
        for name, text in zip(whole, texts, strict=True)
    ]


def name_some(names: Sequence[str], limit: int) -> str:
    """Join at most `limit` names and say how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def ends(count: int, most: int) -> tuple[list[int], list[int]]:
    """Numbers of the first and last rows that stand for `count` of them; all first if they fit."""
    if count <= most:
        return list(range(count)), []
    return list(range(most // 2)), list(range(count - most // 2, count))


def capital(text: str) -> str:
    """A text with a capital first, for titles and names of axes."""
    return f"{text[:1].upper()}{text[1:]}"


def percent(level: float) -> str:
    """A level of confidence in words."""
    return f"{100.0 * level:g} %"
