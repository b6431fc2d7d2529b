"""Figures of margins and of leakage show the numbers of their frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from hatstats.plot import alt_text, caption, claims, decomposition, functioning, leakage, margins
from hatstats.report.tables.run_tables import table_of
from tests.report.frames import claim_frame, margin_frame

HARDER = to_rgba("#d55e00")


def lines(axes: Axes | Figure, label: str) -> list[Line2D]:
    found = axes.findobj(lambda artist: artist.get_label() == label)
    return [artist for artist in found if isinstance(artist, Line2D)]


def test_margin_curve_draws_every_margin_and_the_registered_one() -> None:
    frame = margin_frame()
    (axes,) = margins(frame)
    (curve,) = lines(axes, "_curve")
    np.testing.assert_allclose(curve.get_xdata(), frame["margin"])
    np.testing.assert_allclose(curve.get_ydata(), frame["p_holm"])
    (registered,) = lines(axes, "_registered")
    assert abs(float(registered.get_xdata()[0]) - 0.05) < 1e-9
    verdicts = {line.get_label() for line in axes.get_lines()}
    assert {"_supported", "_inconclusive"} <= verdicts
    # Marks are hollow where those of the legend are, and none is cut at the end of an axis.
    fills = {line.get_label(): line.get_markerfacecolor() for line in axes.get_lines()}
    legend = axes.figure.legends[0].legend_handles
    for handle in legend:
        assert fills[f"_{handle.get_label()}"] == handle.get_markerfacecolor()
    assert axes.get_xlim()[1] > frame["margin"].max()
    assert axes.get_ylim()[1] > 1.0
    two = pd.concat([frame, frame.assign(claim="another")])
    assert len(margins(two)) == 2


def test_a_cut_bar_and_an_unknown_measure_are_said() -> None:
    table = pd.DataFrame({"measure": ["HAT", "gap", "ratio"], "leakage": [0.02, 3.4, np.nan]})
    assert caption(leakage(table)).endswith("Bars end at 120 %. Unknown: ratio.")
    assert caption(leakage(table[:1])).endswith("how far transfer does.")


def test_claims_have_a_strip_each_with_interval_and_threshold() -> None:
    frame = claim_frame()
    frame.loc[1, ["conf_low", "conf_high"]] = np.nan
    frame.loc[2, ["estimate", "conf_low", "conf_high"]] = np.nan
    panels = claims(frame)
    assert [axes.get_title(loc="left") for axes in panels] == [
        "Transfer in small models is not broken", "Slower than expected", "Progress over time",
    ]  # fmt: skip
    for axes, row in zip(panels, frame.to_dict("records"), strict=True):
        (threshold,) = lines(axes, "_threshold")
        assert threshold.get_xdata()[0] == row["threshold"]
    (interval,) = lines(panels[0], "_interval")
    np.testing.assert_array_equal(interval.get_xdata(), frame.loc[0, ["conf_low", "conf_high"]])
    said = [[text.get_text() for text in axes.texts] for axes in panels]
    assert said == [[], ["no interval"], ["not testable"]]
    assert "2 without an interval" in caption(panels)
    assert "Slower than expected: inconclusive" in alt_text(panels)


def test_a_strip_shades_the_side_that_is_claimed() -> None:
    rows = claim_frame().head(2).assign(direction=["greater", "less"], threshold=0.0)
    for axes, side in zip(claims(rows), (1.0, -1.0), strict=True):
        (shade,) = [patch for patch in axes.patches if patch.get_label() == "_claimed"]
        edges = shade.get_extents().transformed(axes.transData.inverted()).intervalx
        assert np.sort(side * edges)[0] == pytest.approx(0.0, abs=1e-9)
        assert np.sort(side * edges)[1] > 0.0
    assert "Shaded" in caption(axes)
    assert "Shaded" not in caption(claims(rows.drop(columns="direction")))


def test_a_claim_over_studies_has_a_line_for_each_in_both_scopes() -> None:
    rows = pd.DataFrame(
        {"claim": ["size", "size", "time"], "study": ["a", "b", "a"],
         "estimate": [0.2, np.nan, 0.1],
         "conf_low": [0.1, np.nan, -0.1], "conf_high": [0.3, np.nan, 0.3], "threshold": 0.0,
         "verdict": ["supported", "not testable", "inconclusive"],
         "other_low": [0.15, np.nan, 0.05], "other_high": [0.25, np.nan, 0.15],
         "other_verdict": ["supported", "", "supported"]}
    )  # fmt: skip
    size, time = claims(rows)
    assert [axes.get_title(loc="left") or axes.get_title() for axes in (size, time)] == [
        "Size", "Time"]  # fmt: skip
    assert [text.get_text() for text in size.get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in size.texts] == ["not testable"]
    thick, thin = (
        [line for line in time.lines if line.get_label() == label] for label in ("_conf", "_other")
    )
    assert list(thick[0].get_xdata()) == [-0.1, 0.3]
    assert list(thin[0].get_xdata()) == [0.05, 0.15]
    assert "size not testable in 1; size supported in 1; time inconclusive in 1" in alt_text(size)


def test_a_decomposition_has_both_parts_and_their_sum() -> None:
    parts = ["source ability", "transfer", "change"]
    frame = pd.DataFrame(
        {"comparison": "2024, 2 models, to 2025, 3 models", "term": parts,
         "estimate": [0.1, -0.02, 0.08], "conf_low": [0.08, -0.05, 0.06],
         "conf_high": [0.12, 0.01, 0.1], "conf_level": 0.95}
    )  # fmt: skip
    axes = decomposition(pd.concat([frame, frame.assign(comparison="a → b")]))
    drawn = lines(axes, "_estimate")
    assert [float(line.get_xdata()[0]) for line in drawn] == [0.1, -0.02, 0.08]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["2024, 2 models\nto 2025, 3 models", "a\n→ b"]
    assert "transfer -0.020" in alt_text(axes)


def leakage_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "measure": ["ratio", "HAT, latent, pooled", "overall", "gamma"],
            "by_ability": [0.05, 0.005, 0.13, np.nan],
            "by_transfer": [0.29, 0.13, 0.08, np.nan],
            "leakage": [0.19, 0.04, 1.6, np.nan],
            "mc_error": [0.01, 0.01, 0.02, np.nan],
        }
    )


def test_leakage_has_a_bar_per_measure_and_writes_its_value() -> None:
    axes = leakage(leakage_frame())
    bars = lines(axes, "_bar")
    assert [round(float(bar.get_xdata()[1]), 2) for bar in bars] == [0.04, 0.19, 1.2]
    written = [text.get_text() for text in axes.findobj(lambda a: a.get_label() == "_value")]
    assert written == ["4 %", "19 %", "160 %"]
    assert bars[0].get_color() != bars[1].get_color()


def test_tables_of_claims() -> None:
    margins = str(table_of("margins", margin_frame()).rows)
    assert "claimed" in margins
    assert "small models not" in margins
    shares = pd.DataFrame(
        {"claim": ["a"], "verdict": ["supported"], "count": [3], "share": [0.75],
         "specifications": [4]}
    )  # fmt: skip
    assert "75 %" in str(table_of("shares", shares).rows)
    assert "160 %" in str(table_of("stress", leakage_frame()).rows)
    for name in ("margins", "shares", "influence"):
        assert table_of(name, pd.DataFrame()).rows == ()


def test_influence_shows_the_models_that_move_each_trend_most() -> None:
    rows = pd.DataFrame(
        [
            {"trend": trend, "without": name, "n_models": 9.0, "cooks_distance": far,
             "term": "x", "dfbetas": -far}
            for trend in ("size", "date")
            for name, far in (("a", 0.1), ("b", 2.0), ("c", float("nan")), ("d", 0.4), ("e", 0.2))
        ]
    )  # fmt: skip
    shown = table_of("influence", rows).rows
    assert [(row[0], row[1]) for row in shown] == [
        (trend, name) for trend in ("size", "date") for name in ("b", "d", "e")
    ]
    assert shown[0][3:] == ("−2.00", "2.00")


def test_functioning_has_a_bar_per_language_split_by_class() -> None:
    classes = [("C", "harder"), ("B", "harder"), ("A", ""), ("B", "easier"), ("C", "easier")]
    frame = pd.DataFrame(
        [
            {"benchmark": "b", "language": language, "ets": ets, "direction": side, "items": n}
            for language, numbers in (("ca", [5, 5, 80, 0, 10]), ("eu", [20, 0, 20, 0, 0]))
            for (ets, side), n in zip(classes, numbers, strict=True)
        ]
    )
    axes = functioning(frame)
    figure = axes.figure
    harder = figure.findobj(
        lambda artist: isinstance(artist, Rectangle) and artist.get_facecolor() == HARDER
    )
    assert [round(bar.get_width(), 3) for bar in harder if 0.6 < bar.get_height() < 0.7] == [
        0.05,
        0.5,
    ]
    written = [text.get_text() for text in figure.findobj(lambda a: a.get_label() == "_value")]
    assert written == ["5", "10", "20"]
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "unknown" not in shown
    assert "B, easier" not in shown
