"""Figures show what the frames say: points, intervals, lines, names and notes are counted."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import matplotlib
import matplotlib.dates
import numpy as np
import pandas as pd
import pytest
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

import hatstats as hs
from hatstats.plot import (
    alt_text,
    caption,
    forest,
    heatmap,
    profiles,
    ranks,
    save,
    scatter,
    specification,
    trend,
)
from hatstats.report.figures.forest_plot import END_ROWS
from hatstats.report.figures.layout import name_some, short_names, shorten
from hatstats.report.figures.profile_plots import MOST_BARS, ONE_PANEL
from hatstats.report.figures.run_figures import _wanted, figures_of
from hatstats.report.figures.style import (
    COLOURS,
    FAMILY_LOOK,
    FORMATS,
    OTHER,
    PAPER,
    family_looks,
    figure_bytes,
)
from hatstats.report.figures.trend_plot import year_text
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


def figure_of(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def boxes(texts: Iterable[Text]) -> list[Bbox]:
    found = [text.get_window_extent() for text in texts if text.get_visible() and text.get_text()]
    assert len(found) > 3
    return found


def test_forest_has_one_interval_per_model_best_on_top() -> None:
    scores = score_frame(20)
    axes = forest(scores.assign(reference="model:X"))
    assert len(marked(axes, "interval")) == 20
    assert len(marked(axes, "estimate")) == 19
    names = [label.get_text() for label in axes.get_yticklabels()]
    # The last model of the frame is weakly identified: it stands at the foot, under a line.
    expected = scores[:-1].sort_values("estimate", ascending=False)["model"].tolist()
    assert names == [*expected, scores["model"].iloc[-1]]
    (divide,) = marked(axes, "divide")
    assert set(y_of(divide)) == {18.5}
    assert "reference: model:X" in caption(axes)


def test_forest_draws_the_numbers_of_the_frame() -> None:
    scores = score_frame(20).sort_values(["informed", "estimate"], ascending=False)
    axes = forest(scores)
    drawn = [x_of(line) for line in axes.lines if line.get_label() == "_interval"]
    np.testing.assert_array_equal(np.array(drawn), scores[["conf_low", "conf_high"]].to_numpy())
    best, last = scores.iloc[0], scores.iloc[18]
    assert f"Highest: {best['model']}, {best['estimate']:.3f}" in alt_text(axes)
    assert f"lowest: {last['model']}, {last['estimate']:.3f}" in alt_text(axes)


def test_a_weakly_identified_model_is_wide_hollow_and_explained() -> None:
    axes = forest(score_frame(20))
    (mark,) = marked(axes, "estimate-weakly-identified")
    assert isinstance(mark, Line2D)
    assert mark.get_markerfacecolor() == PAPER
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 1
    low, high = x_of(dashed[0])
    assert high - low == pytest.approx(0.6)
    assert "1 weakly identified" in caption(axes)


def test_forest_of_190_models_has_both_ends_and_every_model_on_a_strip() -> None:
    scores = score_frame(190, 14)
    axes = forest(scores)
    assert figure_of(axes).get_size_inches()[1] < 9.0
    assert len(marked(axes, "interval")) == 2 * END_ROWS
    members = [x for line in marked(axes, "member") for x in x_of(line)]
    np.testing.assert_array_equal(np.sort(members), np.sort(scores["estimate"]))
    names = [label.get_text() for label in axes.get_yticklabels()]
    ranked = scores[:-1].sort_values("estimate", ascending=False)["model"].tolist()
    assert names[:END_ROWS] == ranked[:END_ROWS]
    assert names[END_ROWS : 2 * END_ROWS] == ranked[-END_ROWS:]
    counts = [int(name.rpartition("(")[2].rstrip(")")) for name in names[2 * END_ROWS :]]
    assert len(counts) == 14
    assert sum(counts) == 190
    figure_of(axes).draw_without_rendering()
    texts = sorted(boxes(axes.get_yticklabels()), key=lambda box: box.y0)
    for one, other in itertools.pairwise(texts):
        assert one.y1 <= other.y0 + 1.0
    assert "first and last 12" in caption(axes)
    # Strips stand by the models that the data inform: what is hardly known leads no list.
    weak = scores.assign(informed=scores["family"] != scores["family"].iloc[0])
    weak.loc[~weak["informed"], "estimate"] = 0.99
    strips = [label.get_text() for label in forest(weak).get_yticklabels()][2 * END_ROWS :]
    assert [name.startswith(scores["family"].iloc[0]) for name in strips].index(True) == 13


@pytest.mark.parametrize(("count", "families"), [(20, 6), (190, 14)])
@pytest.mark.parametrize("column", ["params_total", "release_year"])
@pytest.mark.slow
def test_scores_against_a_covariate(column: str, count: int, families: int) -> None:
    scores = score_frame(count, families)
    size = column == "params_total"
    curve = trend_curve(1e9, 2e11, log=True) if size else trend_curve(2024.5, 2026.2)
    axes = trend(scores, column, curve=curve)
    unknown = int(scores["params_total"].isna().sum()) if size else 0
    assert models_in(axes) == count - unknown
    (line,) = marked(axes, "trend")
    np.testing.assert_array_equal(y_of(line), curve["estimate"])
    assert len(marked(axes, "band")) == 1
    assert axes.get_xscale() == ("log" if size else "linear")
    assert models_in(axes, "_unknown-model") == unknown
    if unknown:
        assert f"size undisclosed ({unknown})" in caption(axes)
        (edge,) = marked(axes, "edge")
        spots = [x for bar in bars_of(axes, "_unknown-model") for x in x_of(marker_of(bar))]
        assert min(spots) > x_of(edge)[0] > scores["params_total"].max()
    touching = [
        (one, other)
        for one, other in itertools.combinations(boxes(axes.texts), 2)
        if one.count_overlaps([other])
    ]
    assert touching == []


def models_in(axes: Axes, name: str = "_model") -> int:
    """Number of marks of models: points on the data lines of the error bars."""
    return sum(len(x_of(marker_of(bar))) for bar in bars_of(axes, name))


def test_models_of_unknown_size_are_named_not_dropped() -> None:
    scores = score_frame(20)
    text = caption(trend(scores, "params_total", curve=trend_curve(1e9, 2e11, log=True)))
    missing = scores.loc[scores["params_total"].isna(), "model"]
    assert len(missing) == 5
    for name in missing:
        assert name in text


def test_models_of_one_date_stand_side_by_side() -> None:
    scores = score_frame(6).assign(release_year=2025.5, estimate=0.5, conf_low=0.4, conf_high=0.6)
    scores.loc[0, "release_year"] = 2024.0
    axes = trend(scores, "release_year")
    spots = np.sort([x for bar in bars_of(axes, "_model") for x in x_of(marker_of(bar))])
    assert len(spots) == 6
    assert np.diff(spots).min() > 0.0
    assert spots[1:].mean() == pytest.approx(2025.5, abs=0.02)
    assert "side by side" in caption(axes)
    apart = scores.assign(release_year=np.linspace(2020, 2026, 6))
    assert "side by side" not in caption(trend(apart, "release_year"))


def test_names_cover_neither_points_nor_the_trend() -> None:
    scores = score_frame(20)
    curve = trend_curve(2024.5, 2026.2)
    axes = trend(scores, "release_year", curve=curve)
    marks = [marker_of(bar) for bar in bars_of(axes, "_model")]
    spots = np.concatenate([np.column_stack([x_of(one), y_of(one)]) for one in marks])
    points = axes.transData.transform(spots)
    line = axes.transData.transform(curve[["x", "estimate"]].to_numpy())
    named = dict(zip(scores["model"], range(len(scores)), strict=True))
    places = axes.transData.transform(scores[["release_year", "estimate"]].to_numpy())
    for text, box in zip(axes.texts, boxes(axes.texts), strict=True):
        for x, y in (*points, *line):
            assert not (box.x0 < x < box.x1 and box.y0 < y < box.y1)
        # A name is nearer to its own point than to any other (points that moved aside excepted).
        away = np.hypot(*np.maximum(np.maximum(box.min - places, places - box.max), 0.0).T)
        assert away[named[text.get_text()]] <= away.min() + 0.5 * figure_of(axes).dpi / 72.0 * 4.0


def test_without_a_fit_the_figure_says_so() -> None:
    axes = trend(score_frame(5), "release_year")
    assert marked(axes, "trend") == []
    assert "No trend could be fitted" in caption(axes)


def test_panels_one_per_language_with_line_chance_and_hollow_flags() -> None:
    points = point_frame(20, 10)
    panels = scatter(points, curve=curve_frame(points), chance={"bench0": 0.25})
    assert [axes.get_title(loc="left") for axes in panels] == [f"l{k}" for k in range(10)]
    for axes in panels:
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
    hollow = [bar for axes in panels for bar in bars_of(axes, "_flagged")]
    assert [marker_of(bar).get_markerfacecolor() for bar in hollow] == [PAPER, PAPER]
    text = caption(panels)
    assert "flagged and left out of the fit: Gemma-4-1B (l0), GPT-OSS-5B (l0)" in text


def test_panels_of_many_models_drop_the_bars_and_say_so() -> None:
    points = point_frame(MOST_BARS + 1, 3)
    panels = scatter(points, curve=curve_frame(points))
    marks = [bar for axes in panels for bar in bars_of(axes, "_model", "_flagged")]
    assert len(marks) >= 3
    assert all(not bar.has_yerr for bar in marks)
    assert marked(figure_of(panels[0]), "chance") == []
    assert "Too many models for error bars" in caption(panels)


def test_panels_of_unequal_benchmarks_name_both() -> None:
    points = point_frame(6, 2, benchmarks=2)
    panels = scatter(points, curve=curve_frame(points), chance={"bench1": 0.5})
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == ["bench0\nl0", "bench0\nl1", "bench1\nl0", "bench1\nl1"]
    assert [len(marked(axes, "chance")) for axes in panels] == [0, 0, 1, 1]


def test_a_specification_curve_is_sorted_and_its_matrix_has_the_choices() -> None:
    frame = specification_frame()
    claim = "slower_than_expected"
    own = frame[frame["claim"] == claim].assign(
        reference=["pooled", "uniform", "pooled", "pooled", "pooled"],
        without=["", "", "", "family:Gemini", ""],
    )
    curve, matrix = specification(own)
    known = own.dropna(subset="estimate").sort_values("estimate")
    drawn = [line for line in curve.lines if line.get_label() == "_estimate"]
    points = sorted((x, y) for line in drawn for x, y in zip(x_of(line), y_of(line), strict=True))
    assert [x for x, _ in points] == list(range(len(known)))
    np.testing.assert_array_equal([y for _, y in points], known["estimate"])
    (threshold,) = marked(curve, "threshold")
    assert set(y_of(threshold)) == {own["threshold"].iloc[0]}
    rows = [label.get_text() for label in matrix.get_yticklabels()]
    # The options of the default analysis come first.
    assert rows == ["reference: pooled", "reference: uniform", "left out: nothing",
                    "left out: family Gemini"]  # fmt: skip
    chosen = [
        np.asarray(artist.get_offsets()).tolist()  # type: ignore[attr-defined]
        for artist in marked(matrix, "chosen")
    ]
    taken = [known["reference"] == name for name in ("pooled", "uniform")]
    taken += [known["without"] == name for name in ("", "family:Gemini")]
    assert [[x for x, _ in each] for each in chosen] == [
        np.flatnonzero(each).tolist() for each in taken
    ]
    assert "1 more gives no estimate" in caption(curve)
    assert "leaves the frame" not in caption(curve)
    said = own.assign(statement="It rises.", quantity="change of HAT per year (in all)")
    wide = said.copy()
    wide.loc[wide.index[-1], ["estimate", "conf_low", "conf_high"]] = [0.0, -50.0, 50.0]
    named, _ = specification(said)
    assert (named.get_title(loc="left"), named.get_ylabel()) == (
        "It rises",
        "Change of HAT per year",
    )
    framed, _ = specification(wide)
    assert framed.get_ylim()[1] < 1.0
    assert "Far wider intervals are cut at the frame." in caption(framed)


def test_a_specification_curve_is_that_of_one_claim() -> None:
    frame = specification_frame()
    with pytest.raises(hs.DataError, match="name one of small_models_not_broken"):
        specification(frame)
    with pytest.raises(hs.DataError, match="no such claim"):
        specification(frame, "other")
    curve, matrix = specification(frame, "progress_over_time")
    assert len(matrix.get_yticklabels()) == 5
    assert "Progress over time" in caption(curve)


def test_profiles_of_few_models_share_a_panel_with_bands_and_reference() -> None:
    frame = profile_frame(4).drop(columns="benchmark")
    frame = frame.assign(conf_low=frame["target"] - 0.02, conf_high=frame["target"] + 0.02)
    density = pd.DataFrame({"source": [0.25, 0.75], "density": [0.5, 1.5], "reference": "pooled"})
    (axes,) = profiles(frame, reference=density)
    curves = [line for line in axes.lines if line.get_gid() == "profile"]
    assert len(curves) == 4
    first = frame[frame["model"] == frame["model"].iloc[0]]
    np.testing.assert_array_equal(y_of(curves[0]), first["target"])
    assert len(marked(axes, "band")) == 4
    assert len(marked(axes, "reference")) == 1
    assert "density of the reference, pooled" in caption(axes)
    (legend,) = figure_of(axes).legends
    assert len(legend.get_texts()) == 4


def test_profiles_of_many_models_have_a_panel_for_each_family() -> None:
    frame = profile_frame(ONE_PANEL + 6).drop(columns="benchmark")
    panels = profiles(frame)
    families = list(dict.fromkeys(frame["family"]))
    assert [axes.get_title(loc="left") for axes in panels] == families
    drawn = [len([one for one in axes.lines if one.get_gid() == "profile"]) for axes in panels]
    assert sum(drawn) == ONE_PANEL + 6
    others = [len(marked(axes, "others")) for axes in panels]
    assert [a + b for a, b in zip(drawn, others, strict=True)] == [ONE_PANEL + 6] * len(panels)


def test_a_heatmap_has_a_cell_for_each_model_and_language() -> None:
    names = ["a", "b", "c"]
    cells = pd.DataFrame(
        [(m, lang, 0.1 * i + 0.2 * j) for i, m in enumerate(names) for j, lang in enumerate("xy")],
        columns=["model", "language", "estimate"],
    )
    axes = heatmap(cells)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c", "b", "a"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["y", "x"]
    written = [text.get_text() for text in axes.texts]
    assert written == ["0.40", "0.20", "0.30", "0.10", "0.20", "0.00"]
    weak = heatmap(cells.assign(informed=cells["model"] != "c"))
    assert [label.get_text() for label in weak.get_yticklabels()] == ["b", "a", "c"]
    assert "weakly identified" in caption(weak)
    # Languages stand by the mean of the models that the data inform, and so the description says.
    turned = cells.assign(informed=cells["model"] != "c")
    turned.loc[turned["model"] == "c", "estimate"] = [0.9, 0.0]
    assert [label.get_text() for label in heatmap(turned).get_xticklabels()] == ["y", "x"]
    assert "highest mean of 2 models in y (0.25), lowest in x (0.05)" in alt_text(heatmap(turned))
    assert len(figure_of(axes).axes) == 1
    tall = pd.concat([cells.assign(model=cells["model"] + str(k)) for k in range(4)])
    assert [one.get_ylabel() for one in figure_of(heatmap(tall)).axes[1:]] == ["HAT score"]
    missing = heatmap(cells[~((cells["model"] == "c") & (cells["language"] == "x"))])
    assert len(missing.texts) == 5
    # A page in dark colours exchanges those of `COLOURS`: not in cells, which stay as they are.
    assert not {to_hex(str(text.get_color())) for text in axes.texts} & set(COLOURS)


def test_a_matrix_of_ranks_colours_the_pairs_that_surely_differ() -> None:
    pairs = pd.DataFrame(
        {"a": ["x", "x", "y"], "b": ["y", "z", "z"], "estimate": [0.1, 0.3, 0.2],
         "p_adjusted": [0.2, 0.01, 0.04]}
    )  # fmt: skip
    sets = pd.DataFrame({"model": list("xyz"), "rank_low": [1, 1, 3], "rank_high": [2, 2, 3]})
    axes = ranks(pairs, sets=sets)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x (1–2)", "y (1–2)", "z (3)"]
    (mesh,) = marked(axes, "sure")
    values = np.ma.filled(mesh.get_array(), np.nan)  # type: ignore[attr-defined]
    expected = [[np.nan, np.nan, 0.3], [np.nan, np.nan, 0.2], [-0.3, -0.2, np.nan]]
    np.testing.assert_array_equal(values, expected)
    assert "2 of 3 pairs surely differ" in alt_text(axes)
    stricter = ranks(pairs, sets=sets, conf_level=0.98)
    assert "1 of 3 pairs" in alt_text(stricter)
    # The scale of colours says what it is of; where nothing differs there is none.
    assert [one.get_ylabel() for one in figure_of(axes).axes[1:]] == ["Difference in HAT"]
    assert len(figure_of(ranks(pairs.assign(p_adjusted=0.5), sets=sets)).axes) == 1


def test_axes_of_ones_own_are_drawn_in_and_given_back() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert forest(score_frame(3), ax=left) is left
    assert trend(score_frame(3), "release_year", ax=right) is right
    assert figure.axes == [left, right]
    with pytest.raises(hs.DataError, match="3 panels, and 1 axes"):
        scatter(point_frame(3, 3), ax=left)
    with pytest.raises(hs.DataError, match="nothing of hatstats"):
        caption(figure.add_subplot())


@pytest.mark.parametrize(("name", "width", "points"), [("acl", 3.03, 8), ("nature", 89 / 25.4, 7),
                                                       ("talk", 6.0, 16)])  # fmt: skip
def test_a_style_sets_width_and_type(name: str, width: float, points: float) -> None:
    with hs.plot.style(name):
        axes = forest(score_frame(3))
    assert figure_of(axes).get_size_inches()[0] == pytest.approx(width)
    assert axes.xaxis.label.get_size() == points
    # Lines are as heavy as the type.
    with hs.plot.style(name):
        axes = heatmap(pd.DataFrame({"model": ["a", "b"], "language": "x", "estimate": [0.5, 0.4],
                                     "informed": [True, False]}))  # fmt: skip
    (line,) = marked(axes, "divide")
    assert line.get_linewidth() == pytest.approx(points / 8.0)  # type: ignore[attr-defined]


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(hs.DataError, match="acl, nature, talk"), hs.plot.style("poster"):
        pass


def test_families_differ_in_colour_and_marker_and_the_rest_is_grey() -> None:
    looks = family_looks([f"f{k}" for k in range(12) for _ in range(20 - k)] + ["", None, np.nan])
    assert len({(look.colour, look.marker) for look in looks.values()}) == len(FAMILY_LOOK) + 1
    assert looks["f0"].colour == FAMILY_LOOK[0][0]
    assert [looks[f"f{k}"] for k in range(8, 12)] == [OTHER] * 4
    assert len({marker for _, marker in FAMILY_LOOK}) == len(FAMILY_LOOK)


def test_same_frame_same_bytes_in_every_format(tmp_path: Path) -> None:
    paths = save(forest(score_frame(2)), tmp_path / "f.v2")
    again, other = (save(forest(score_frame(count)), tmp_path / f"{count}") for count in (2, 3))
    for kind in FORMATS:
        assert again[kind].read_bytes() == paths[kind].read_bytes()
        assert other[kind].read_bytes() != paths[kind].read_bytes()
    assert sorted(path.name for path in paths.values()) == ["f.v2.pdf", "f.v2.png", "f.v2.svg"]
    assert b"<dc:date>" not in paths["svg"].read_bytes()
    assert b"CreationDate" not in paths["pdf"].read_bytes()


def test_the_users_settings_neither_matter_nor_change() -> None:
    plain = figure_bytes(figure_of(forest(score_frame(2))), "svg")
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 30.0, "text.usetex": True}):
        before = dict(matplotlib.rcParams)
        assert figure_bytes(figure_of(forest(score_frame(2))), "svg") == plain
        assert dict(matplotlib.rcParams) == before


@pytest.mark.slow
def test_drawing_leaves_pyplot_alone() -> None:
    code = (
        "import sys; from tests.report.frames import results; "
        "from hatstats.report.figures.run_figures import figures_of; "
        "assert len(list(figures_of(results(2)))) > 5; "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)


@pytest.mark.slow
def test_a_run_draws_what_it_can() -> None:
    names = [drawn.name for drawn in figures_of(results(6))]
    assert names == [
        "forest",
        "target_against_source",
        "ranks",
        "claims",
        "hat_against_size",
        "hat_against_date",
        "specification_small_models_not_broken",
        "specification_slower_than_expected",
        "specification_progress_over_time",
    ]


def test_signs_of_mathematics_in_a_name_are_plain_text() -> None:
    scores = score_frame(4).assign(model=["a$b$", "c_d^2", r"e\f", "名"[:0] + "g%h"])
    axes = forest(scores)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert sorted(names) == sorted(scores["model"])
    assert figure_bytes(figure_of(axes), "pdf")


@pytest.mark.parametrize(
    ("year", "text"), [(2024.0, "2024-01"), (2024.5, "2024-07"), (2025 + 11 / 12, "2025-12")]
)
def test_decimal_years_are_written_as_months(year: float, text: str) -> None:
    assert year_text(year) == text


def test_long_names_keep_both_ends() -> None:
    assert shorten("short") == "short"
    # The organisation says least; then both ends of the name stay.
    assert shorten("google/gemma-3-27b-it", 20) == "gemma-3-27b-it"
    cut = shorten("google/gemma-3-27b-it (zero-shot, val)", 20)
    assert len(cut) == 20
    assert cut.startswith("gemma-")
    assert cut.endswith("val)")
    # Twins differ in size before a bracket, and in the last word in it.
    twins = [f"Granite-3.2-{size}B (reasoning {what})" for size in (2, 8) for what in ("on", "off")]
    assert len({shorten(name, 24) for name in twins}) == 4
    assert shorten(twins[1], 24) == "Granite-3.2-2B (…ng off)"
    # Where brackets say the same, what is before them tells names apart.
    alike = [f"gemini-3-flash-preview#{how} (zero-shot, val)" for how in ("minimal", "none")]
    assert len({shorten(name, 26) for name in alike}) == 1
    assert len(set(short_names(alike, 26))) == 2
    # All names of a figure have their organisation, or none.
    orgs = ["google/gemma-3-4b-pt", "CohereLabs/tiny-aya-global-and-more"]
    assert short_names(orgs, 26) == ["gemma-3-4b-pt", "tiny-aya-global-and-more"]
    assert short_names(orgs, 40) == orgs
    assert short_names(["a/x-4b", "b/x-4b", "b/twenty-seven-signs-are-it"], 26)[:2] == [
        "a/x-4b", "b/x-4b"]  # fmt: skip
    assert name_some(["a", "b", "c"], 2) == "a, b and 1 more"


def test_models_without_families_have_looks_of_their_own() -> None:
    rows = pd.DataFrame({"model": list("abcde"), "family": ""})
    rows = pd.concat([rows.assign(source=x, target=x) for x in (0.0, 1.0)])
    (axes,) = profiles(rows.sort_values("model"))
    drawn = [line for line in axes.lines if line.get_gid() == "profile"]
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn}) == 5


def test_one_model_and_missing_families_degenerate() -> None:
    scores = score_frame(1).assign(family=pd.Series([""], dtype="str"), informed=True)
    assert len(marked(forest(scores), "interval")) == 1
    assert models_in(trend(scores, "release_year")) == 1


def test_scores_without_intervals_are_drawn_degenerate() -> None:
    scores = score_frame(3).assign(conf_low=np.nan, conf_high=np.nan)
    low, high = forest(scores).get_xlim()
    assert low < scores["estimate"].min() < scores["estimate"].max() < high


@pytest.mark.parametrize("informed", [True, False])
def test_raw_accuracies_of_models_without_information_have_no_figure(informed: bool) -> None:
    run = results(6)
    scores = run.scores.assign(target=0.5, informed=informed)
    assert ("raw_to_hat" in _wanted(replace(run, scores=scores))) == informed
