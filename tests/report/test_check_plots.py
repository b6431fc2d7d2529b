"""Figures of checks show what they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import hatstats as hs
from hatstats.plot import caption, checks
from hatstats.report.figures.check_plots import MOST_MODELS
from hatstats.report.figures.style import figure_bytes


def path_of(models: int) -> pd.DataFrame:
    rows = []
    for m in range(models):
        for kept in (1.0, 2.0, 3.0, np.inf):
            rows.append((f"model {m}", "quiz", kept, 0.5 + 0.1 / kept, 0.02, 0.5, kept > 1))
    names = ["model", "benchmark", "trials", "observed", "std_error", "implied", "used"]
    return pd.DataFrame(rows, columns=names)


def marked(panels: list[Axes], gid: str) -> list[object]:
    return [artist for axes in panels for artist in axes.get_children() if gid_of(artist) == gid]


def gid_of(artist: object) -> object:
    return artist.get_gid()  # type: ignore[attr-defined]


def test_thinning_shows_path_limit_and_what_is_implied() -> None:
    panels = checks(path_of(3).assign(reference="pooled"))
    assert [axes.get_title(loc="left") for axes in panels] == ["model 0", "model 1", "model 2"]
    assert len(marked(panels, "implied")) == 3
    for axes in panels:
        points = [x for line in axes.lines if line.get_marker() in "oD" for x in line.get_xdata()]
        assert sorted(points) == [0.0, 1.0 / 3.0, 0.5, 1.0]
        assert axes.get_ylim() == panels[0].get_ylim()
    assert "benchmark quiz, reference: pooled" in caption(panels)
    assert "outside" not in caption(panels)


def test_a_limit_outside_the_frame_is_counted() -> None:
    path = path_of(3)
    path.loc[3, "observed"] = 1.7
    panels = checks(path)
    assert panels[0].get_ylim()[1] < 1.0
    assert "limit of 1 of 3 models lies outside the frame" in caption(panels)


def test_of_many_models_some_are_shown_and_the_caption_says_so() -> None:
    panels = checks(path_of(30))
    assert len(panels) == MOST_MODELS
    assert "12 of 30 models are shown" in caption(panels)


def test_the_first_benchmark_is_drawn() -> None:
    both = pd.concat([path_of(2), path_of(3).assign(benchmark="test")], ignore_index=True)
    assert len(checks(both)) == 2


def test_same_figure_same_bytes() -> None:
    first, second = (checks(path_of(1))[0].figure for _ in range(2))
    assert isinstance(first, Figure)
    assert isinstance(second, Figure)
    assert figure_bytes(first, "svg") == figure_bytes(second, "svg")


def test_every_check_of_a_fitted_profile_can_be_drawn() -> None:
    study = hs.simulate_study((0.0, 1.0), shape=hs.Shape(n_items=120, n_languages=1), rng=1)
    profile = hs.fit_profile(study, method="latent")
    assert len(checks(hs.thin_trials(profile))) == 2
    counts = hs.count_table(profile)
    panels = checks(counts)
    observed = [bar.get_height() for bar in panels[0].patches]
    own = counts.table[counts.table["model"] == "model-01"]
    np.testing.assert_allclose(observed, own["items"])
    halves = hs.split_half(profile)
    (axes,) = checks(halves)
    drawn = [x for line in axes.lines if line.get_label() == "_score" for x in line.get_xdata()]
    np.testing.assert_allclose(drawn, [*halves.line.estimates, *halves.implied.estimates])
    with pytest.raises(hs.DataError, match="no check of a profile"):
        checks(pd.DataFrame({"a": [1]}))
