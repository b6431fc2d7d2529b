"""Figures of the checks show what they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hatstats.report.figures import thinning_plot as checks
from hatstats.report.figures.style import figure_bytes


def path_of(models: int) -> pd.DataFrame:
    rows = []
    for m in range(models):
        for kept in (1.0, 2.0, 3.0, np.inf):
            rows.append((f"model {m}", "quiz", kept, 0.5 + 0.1 / kept, 0.02, 0.5, kept > 1))
    names = ["model", "benchmark", "trials", "observed", "std_error", "implied", "used"]
    return pd.DataFrame(rows, columns=names)


def marked(figure: Figure, gid: str) -> list[object]:
    return [
        artist for axes in figure.axes for artist in axes.get_children() if gid_of(artist) == gid
    ]


def gid_of(artist: object) -> object:
    return artist.get_gid()  # type: ignore[attr-defined]


def text_of(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def test_thinning_shows_path_limit_and_what_is_implied() -> None:
    figure = checks.thinning(path_of(3), reference="pooled")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["model 0", "model 1", "model 2"]
    assert len(marked(figure, "implied")) == 3
    for axes in figure.axes:
        lines = {tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 1}
        assert {(0.0,), (1.0 / 3.0,), (0.5,), (1.0,)} <= lines
        assert axes.get_ylim() == figure.axes[0].get_ylim()
    assert "Benchmark quiz" in text_of(figure)
    assert "reference: pooled" in text_of(figure)


def test_many_models_are_thinned_out_and_it_is_said() -> None:
    figure = checks.thinning(path_of(30), reference="pooled")
    assert len(figure.axes) == checks.MOST_MODELS
    assert "12 of 30 models are shown" in text_of(figure)


def test_a_benchmark_can_be_chosen() -> None:
    both = pd.concat([path_of(2), path_of(1).assign(benchmark="test")], ignore_index=True)
    assert len(checks.thinning(both, reference="pooled").axes) == 2
    assert len(checks.thinning(both, reference="pooled", benchmark="test").axes) == 1


def test_split_half_and_counts_show_every_row() -> None:
    points = pd.DataFrame(
        {
            "model": "model 0",
            "benchmark": "quiz",
            "right": [0, 1, 2],
            "half": 2,
            "items": [10.0, 20.0, 70.0],
            "source": [0.2, 0.5, 0.9],
            "target": [0.1, 0.4, 0.8],
            "source_implied": [0.21, 0.5, 0.9],
            "target_implied": [0.1, 0.41, 0.8],
        }
    )
    figure = checks.split_half(points)
    (discs,) = marked(figure, "observed")
    found = discs.get_offsets()  # type: ignore[attr-defined]
    np.testing.assert_allclose(found, points[["source", "target"]].to_numpy())
    table = points.assign(trials=2, items_expected=[11.0, 19.0, 70.0]).rename(
        columns={"target_implied": "target_expected"}
    )
    for draw in (checks.source_counts, checks.target_means):
        figure = draw(table)
        assert len(marked(figure, "observed")) == len(marked(figure, "implied")) == 1
    (line,) = marked(checks.target_means(table), "implied")
    np.testing.assert_allclose(line.get_ydata(), table["target_expected"])  # type: ignore[attr-defined]


def test_same_figure_same_bytes() -> None:
    first, second = (checks.thinning(path_of(2), reference="pooled") for _ in range(2))
    for kind in ("png", "svg"):
        assert figure_bytes(first, kind) == figure_bytes(second, kind)
