"""Figures show what the frames say: points, intervals, lines, names and notes are counted."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib
import matplotlib.dates
import numpy as np
import pandas as pd
import pytest
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from hatstats.report.figures.claim_plots import what_changes
from hatstats.report.figures.forest_plot import SOME_ROWS, forest
from hatstats.report.figures.layout import name_some, panel_grid, shorten, write_under
from hatstats.report.figures.panels import MOST_BARS, target_against_source, transfer_profiles
from hatstats.report.figures.run_figures import figures_of
from hatstats.report.figures.scatter import hat_against_date, hat_against_size, year_text
from hatstats.report.figures.style import (
    FAMILY_LOOK,
    FORMATS,
    OTHER,
    PAPER,
    family_looks,
    figure_bytes,
    save_figure,
)
from tests.report.frames import (
    curve_frame,
    point_frame,
    profile_frame,
    results,
    score_frame,
    specification_frame,
    trend_curve,
)


def marked(axes: Axes | Figure, name: str) -> list[Artist]:
    """Artists that were labelled with a name when drawn (an underscore keeps it off legends)."""
    return axes.findobj(lambda artist: artist.get_label() == f"_{name}")


def x_of(artist: Artist) -> np.ndarray:
    assert isinstance(artist, Line2D)
    return np.asarray(artist.get_xdata(), dtype=float)


def y_of(artist: Artist) -> np.ndarray:
    assert isinstance(artist, Line2D)
    return np.asarray(artist.get_ydata(), dtype=float)


def bars_of(axes: Axes, *names: str) -> list[ErrorbarContainer]:
    """Error bars with their markers, by the names that they were drawn under."""
    return [
        bar
        for bar in axes.containers
        if isinstance(bar, ErrorbarContainer) and bar.get_label() in names
    ]


def marker_of(bar: ErrorbarContainer) -> Line2D:
    assert bar.lines[0] is not None
    return bar.lines[0]


def note(figure: Figure) -> str:
    (text,) = marked(figure, "note")
    assert isinstance(text, Text)
    return " ".join(text.get_text().split())


def boxes(texts: Iterable[Text]) -> list[Bbox]:
    found = [text.get_window_extent() for text in texts if text.get_visible() and text.get_text()]
    assert len(found) > 3
    return found


def test_forest_has_one_interval_per_model_best_on_top() -> None:
    scores = score_frame(20)
    (axes,) = forest(scores, reference="model:X").axes
    assert len(marked(axes, "interval")) == 20
    assert len(marked(axes, "estimate")) == 19
    names = [label.get_text() for label in axes.get_yticklabels()]
    # The last model of the frame is weakly identified: it stands at the foot, under a line.
    expected = scores[:-1].sort_values("estimate")["model"].tolist()
    assert names == [scores["model"].iloc[-1], *expected]
    (divide,) = marked(axes, "divide")
    assert set(y_of(divide)) == {0.5}
    assert "model:X" in axes.get_xlabel()


def test_forest_draws_the_numbers_of_the_frame() -> None:
    scores = score_frame(20).sort_values(["informed", "estimate"], ignore_index=True)
    (axes,) = forest(scores, reference="pooled").axes
    drawn = [x_of(line) for line in axes.lines if line.get_label() == "_interval"]
    np.testing.assert_array_equal(np.array(drawn), scores[["conf_low", "conf_high"]].to_numpy())
    texts = [text.get_text() for text in axes.texts]
    row = scores.iloc[3]
    assert f"{row['estimate']:.3f} [{row['conf_low']:.3f}, {row['conf_high']:.3f}]" in texts


def test_a_weakly_identified_model_is_wide_hollow_and_explained() -> None:
    figure = forest(score_frame(20), reference="pooled")
    (axes,) = figure.axes
    (mark,) = marked(axes, "estimate-weakly-identified")
    assert isinstance(mark, Line2D)
    assert mark.get_markerfacecolor() == PAPER
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 1
    low, high = x_of(dashed[0])
    assert high - low == pytest.approx(0.6)
    assert "weakly identified" in note(figure)


def test_forest_of_190_models_stays_on_a_page_and_names_do_not_touch() -> None:
    figure = forest(score_frame(190, 14), reference="pooled")
    (axes,) = figure.axes
    assert figure.get_size_inches()[1] < 9.0
    assert len(marked(axes, "interval")) == 190
    assert len(axes.texts) == SOME_ROWS == len(marked(axes, "leader"))
    named = {text.get_text() for text in axes.texts}
    scores = score_frame(190, 14)
    ranked = scores.sort_values(["informed", "estimate"])["model"].tolist()
    assert {*ranked[:3], *ranked[-3:]} <= named
    for one, other in itertools.pairwise(sorted(boxes(axes.texts), key=lambda box: box.y0)):
        assert one.y1 <= other.y0
    assert "44 of 190" in note(figure)


@pytest.mark.parametrize(("count", "families"), [(20, 6), (190, 14)])
@pytest.mark.parametrize("draw", [hat_against_size, hat_against_date])
def test_scores_against_a_covariate(draw: Callable[..., Figure], count: int, families: int) -> None:
    scores = score_frame(count, families)
    size = draw is hat_against_size
    curve = trend_curve(1e9, 2e11, log=True) if size else trend_curve(2024.5, 2026.2)
    figure = draw(scores, curve)
    axes, *margin = figure.axes
    unknown = int(scores["params_total"].isna().sum()) if size else 0
    assert models_in(axes) == count - unknown
    (line,) = marked(axes, "trend")
    np.testing.assert_array_equal(y_of(line), curve["estimate"])
    assert len(marked(axes, "band")) == 1
    assert axes.get_xscale() == ("log" if size else "linear")
    assert sum(models_in(strip) for strip in margin) == unknown
    if unknown:
        assert f"size undisclosed ({unknown})" in note(figure)
    touching = [
        (one, other)
        for one, other in itertools.combinations(boxes(axes.texts), 2)
        if one.count_overlaps([other])
    ]
    assert touching == []


def models_in(axes: Axes) -> int:
    """Number of marks of models: points on the data lines of the error bars."""
    return sum(len(x_of(marker_of(bar))) for bar in bars_of(axes, "_model"))


def test_models_of_unknown_size_are_named_not_dropped() -> None:
    scores = score_frame(20)
    text = note(hat_against_size(scores, trend_curve(1e9, 2e11, log=True)))
    missing = scores.loc[scores["params_total"].isna(), "model"]
    assert len(missing) == 5
    for name in missing:
        assert name in text


def test_names_cover_neither_points_nor_the_trend() -> None:
    scores = score_frame(20)
    curve = trend_curve(2024.5, 2026.2)
    axes = hat_against_date(scores, curve).axes[0]
    points = axes.transData.transform(scores[["release_year", "estimate"]].to_numpy())
    line = axes.transData.transform(curve[["x", "estimate"]].to_numpy())
    for box in boxes(axes.texts):
        for x, y in (*points, *line):
            assert not (box.x0 < x < box.x1 and box.y0 < y < box.y1)


def test_without_a_fit_the_figure_says_so() -> None:
    figure = hat_against_date(score_frame(5), None)
    assert marked(figure.axes[0], "trend") == []
    assert "No trend could be fitted" in note(figure)


def test_panels_one_per_language_with_line_chance_and_hollow_flags() -> None:
    points = point_frame(20, 10)
    figure = target_against_source(points, curve_frame(points), chance={"bench0": 0.25})
    assert len(figure.axes) == 10
    assert [axes.get_title(loc="left") for axes in figure.axes] == [f"l{k}" for k in range(10)]
    for axes in figure.axes:
        (chance,) = marked(axes, "chance")
        assert set(y_of(chance)) == {0.25}
        (fit,) = marked(axes, "fit")
        np.testing.assert_allclose(
            y_of(fit),
            x_of(fit) ** 1.3,
        )
        marks = bars_of(axes, "_model", "_flagged")
        assert sum(len(x_of(marker_of(bar))) for bar in marks) == 20
        assert all(bar.has_yerr and bar.has_xerr for bar in marks)
    hollow = [bar for axes in figure.axes for bar in bars_of(axes, "_flagged")]
    assert [marker_of(bar).get_markerfacecolor() for bar in hollow] == [PAPER, PAPER]
    assert "flagged and left out of the fit: Gemma-4-1B (l0), GPT-OSS-5B (l0)" in note(figure)


def test_panels_of_many_models_drop_the_bars_and_say_so() -> None:
    points = point_frame(MOST_BARS + 1, 3)
    figure = target_against_source(points, curve_frame(points), chance={})
    marks = [bar for axes in figure.axes for bar in bars_of(axes, "_model", "_flagged")]
    assert len(marks) >= 3
    assert all(not bar.has_yerr for bar in marks)
    assert marked(figure, "chance") == []
    assert "Too many models for error bars" in note(figure)


def test_panels_of_unequal_benchmarks_name_both() -> None:
    points = point_frame(6, 2, benchmarks=2)
    figure = target_against_source(points, curve_frame(points), chance={"bench1": 0.5})
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["bench0 · l0", "bench0 · l1", "bench1 · l0", "bench1 · l1"]
    assert [len(marked(axes, "chance")) for axes in figure.axes] == [0, 0, 1, 1]


def test_what_changes_shows_every_claim_under_every_choice() -> None:
    frame = specification_frame()
    figure = what_changes(frame)
    assert len(figure.axes) == 3
    for axes, (_, rows) in zip(figure.axes, frame.groupby("claim", sort=False), strict=True):
        drawn = [line for line in axes.lines if line.get_label() == "_estimate"]
        known = rows.dropna(subset="estimate")
        points = sorted(
            (y, x) for line in drawn for x, y in zip(x_of(line), y_of(line), strict=True)
        )
        np.testing.assert_array_equal([x for _, x in points], known["estimate"])
        assert [y for y, _ in points] == [
            row for row, value in enumerate(rows["estimate"]) if np.isfinite(value)
        ]
        (threshold,) = marked(axes, "threshold")
        assert set(x_of(threshold)) == {rows["threshold"].iloc[0]}
        assert len(marked(axes, "not testable")) == int(rows["estimate"].isna().sum())
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == frame["choice"].drop_duplicates().tolist()


def test_profiles_one_curve_per_model_and_benchmark() -> None:
    frame = profile_frame(4, benchmarks=2)
    figure = transfer_profiles(frame, chance={"bench0": 0.1})
    assert len(figure.axes) == 2
    for axes, (_, rows) in zip(figure.axes, frame.groupby("benchmark"), strict=True):
        curves = marked(axes, "profile")
        assert len(curves) == 4
        first = rows[rows["model"] == frame["model"].iloc[0]]
        np.testing.assert_array_equal(y_of(curves[0]), first["target"])
    assert [len(marked(axes, "chance")) for axes in figure.axes] == [1, 0]
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 4


def test_families_differ_in_colour_and_marker_and_the_rest_is_grey() -> None:
    looks = family_looks([f"f{k}" for k in range(12) for _ in range(20 - k)] + ["", None, np.nan])
    assert len({(look.colour, look.marker) for look in looks.values()}) == len(FAMILY_LOOK) + 1
    assert looks["f0"].colour == FAMILY_LOOK[0][0]
    assert [looks[f"f{k}"] for k in range(8, 12)] == [OTHER] * 4
    assert len({marker for _, marker in FAMILY_LOOK}) == len(FAMILY_LOOK)


def test_same_frame_same_bytes_in_every_format(tmp_path: Path) -> None:
    paths = save_figure(forest(score_frame(2), reference="r"), tmp_path / "f.v2")
    again, other = forest(score_frame(2), reference="r"), forest(score_frame(3), reference="r")
    for kind in FORMATS:
        assert figure_bytes(again, kind) == paths[kind].read_bytes()
        assert figure_bytes(other, kind) != paths[kind].read_bytes()
    assert sorted(path.name for path in paths.values()) == ["f.v2.pdf", "f.v2.png", "f.v2.svg"]
    assert b"<dc:date>" not in paths["svg"].read_bytes()
    assert b"CreationDate" not in paths["pdf"].read_bytes()


def test_the_users_settings_neither_matter_nor_change() -> None:
    plain = figure_bytes(forest(score_frame(2), reference="r"), "svg")
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 30.0, "text.usetex": True}):
        before = dict(matplotlib.rcParams)
        assert figure_bytes(forest(score_frame(2), reference="r"), "svg") == plain
        assert dict(matplotlib.rcParams) == before


def test_drawing_leaves_pyplot_alone() -> None:
    code = (
        "import sys; from tests.report.frames import results; "
        "from hatstats.report.figures.run_figures import figures_of; "
        "assert len(list(figures_of(results(2)))) == 5; "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)


def test_a_run_draws_what_it_can() -> None:
    names = [drawn.name for drawn in figures_of(results(6))]
    assert names == [
        "forest",
        "target_against_source",
        "hat_against_size",
        "hat_against_date",
        "what_changes",
    ]


def test_signs_of_mathematics_in_a_name_are_plain_text() -> None:
    scores = score_frame(4).assign(model=["a$b$", "c_d^2", r"e\f", "名"[:0] + "g%h"])
    names = [label.get_text() for label in forest(scores, reference="r").axes[0].get_yticklabels()]
    assert sorted(names) == sorted(scores["model"])
    assert figure_bytes(forest(scores, reference="r"), "pdf")


@pytest.mark.parametrize(
    ("year", "text"), [(2024.0, "2024-01"), (2024.5, "2024-07"), (2025 + 11 / 12, "2025-12")]
)
def test_decimal_years_are_written_as_months(year: float, text: str) -> None:
    assert year_text(year) == text


def test_long_names_keep_both_ends() -> None:
    assert shorten("short") == "short"
    cut = shorten("google/gemma-3-27b-it (zero-shot, val)", 20)
    assert len(cut) == 20
    assert cut.startswith("google/")
    assert cut.endswith("val)")
    # Twins differ in size before a bracket, and in the last word in it.
    twins = [f"Granite-3.2-{size}B (reasoning {what})" for size in (2, 8) for what in ("on", "off")]
    assert len({shorten(name, 24) for name in twins}) == 4
    assert shorten(twins[1], 24) == "Granite-3.2-2B (…ng off)"
    assert name_some(["a", "b", "c"], 2) == "a, b and 1 more"


def test_a_label_longer_than_a_row_of_panels_is_inside_the_figure() -> None:
    label = "Accuracy in the target language"
    figure, _ = panel_grid(["de", "sw", "yo"], labels=("x", label), width=3.3, columns=3)
    write_under(figure, (), "note")
    (text,) = [text for text in figure.texts if text.get_text() == label]
    box = text.get_window_extent()
    assert box.y0 >= 0.0
    assert box.y1 <= figure.bbox.y1


def test_models_without_families_have_looks_of_their_own() -> None:
    rows = pd.DataFrame({"model": list("abcde"), "family": "", "benchmark": "b"})
    rows = pd.concat([rows.assign(source=x, target=x) for x in (0.0, 1.0)])
    (axes,) = transfer_profiles(rows.sort_values("model"), chance={}).axes
    drawn = [line for line in axes.lines if line.get_label() == "_profile"]
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn}) == 5


def test_one_model_and_missing_families_degenerate() -> None:
    scores = score_frame(1).assign(family=pd.Series([""], dtype="str"), informed=True)
    assert len(marked(forest(scores, reference="r"), "interval")) == 1
    assert models_in(hat_against_date(scores, None).axes[0]) == 1
