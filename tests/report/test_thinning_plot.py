"""The thinning figure shows what it is given."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hatstats.report.figures.panels import MOST_THINNED, thinning
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
    figure = thinning(path_of(3), reference="pooled")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["model 0", "model 1", "model 2"]
    assert len(marked(figure, "implied")) == 3
    for axes in figure.axes:
        points = [x for line in axes.lines if line.get_marker() in "oD" for x in line.get_xdata()]
        assert sorted(points) == [0.0, 1.0 / 3.0, 0.5, 1.0]
        assert axes.get_ylim() == figure.axes[0].get_ylim()
    assert "Benchmark quiz" in text_of(figure)
    assert "reference: pooled" in text_of(figure)


def test_of_many_models_some_are_shown_and_the_note_says_so() -> None:
    figure = thinning(path_of(30), reference="pooled")
    assert len(figure.axes) == MOST_THINNED
    assert "12 of 30 models are shown" in text_of(figure)


def test_the_first_benchmark_is_drawn() -> None:
    both = pd.concat([path_of(2), path_of(3).assign(benchmark="test")], ignore_index=True)
    assert len(thinning(both, reference="pooled").axes) == 2


def test_same_figure_same_bytes() -> None:
    first, second = (thinning(path_of(1), reference="pooled") for _ in range(2))
    assert figure_bytes(first, "svg") == figure_bytes(second, "svg")
