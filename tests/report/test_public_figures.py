"""Figures that a script may draw are public: named in one place, with examples that run."""

from __future__ import annotations

import doctest
import inspect
import io

import matplotlib
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

import hatstats as hs
from hatstats import plot
from hatstats.errors import DataError
from hatstats.report.figures import run_figures
from hatstats.report.figures.style import house_style
from tests.report.frames import results


@pytest.mark.parametrize("name", sorted(plot.__all__))
@pytest.mark.slow
def test_the_example_of_a_figure_runs(name: str) -> None:
    text = inspect.getdoc(getattr(plot, name)) or ""
    assert {"Parameters", "Yields" if name == "style" else "Returns", "Examples"} <= set(
        text.splitlines()
    )
    (example,) = doctest.DocTestFinder().find(getattr(plot, name), name, globs={})
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def test_scores_of_languages_are_no_rows_of_models_bad_input() -> None:
    study = hs.simulate_study([0.0, 1.0], rng=1)
    by_language = hs.fit_profile(study, method="observed").hat().by("language")
    with pytest.raises(DataError, match="a figure of scores has nothing to draw") as caught:
        plot.forest(by_language)  # type: ignore[arg-type]
    assert caught.value.column == "model"


def test_figures_of_a_report_are_the_public_ones() -> None:
    drawn = {name for name in plot.__all__ if hasattr(run_figures, name)}
    assert drawn >= {"forest", "profiles", "scatter", "heatmap", "ranks", "claims", "margins",
                     "decomposition", "trend", "checks", "specification"}  # fmt: skip
    assert all(getattr(run_figures, name) is getattr(plot, name) for name in drawn)


@pytest.mark.parametrize("name", ["acl", "talk"])
def test_no_text_leaves_a_figure(name: str) -> None:
    """As its PNG is drawn, with the layout that was found for its PDF."""
    shown = results(12)
    leaks = pd.DataFrame({"measure": ["HAT, latent, uniform", "conditional with source"],
                          "leakage": [0.02, 1.6]})  # fmt: skip
    bins = {"low": [0.0, 0.5], "high": [0.5, 1.0], "prior": [0.5, 0.5], "posterior": [0.2, 0.8]}
    with plot.style(name):
        drawn = [plot.forest(shown.scores), plot.claims(shown.claims)[0], plot.leakage(leaks),
                 plot.trend(shown.scores, "params_total"),
                 plot.prior_predictive(pd.DataFrame(bins))]  # fmt: skip
        for axes in drawn:
            figure = axes.get_figure(root=True)
            assert figure is not None
            figure.savefig(io.BytesIO(), format="pdf")
            figure.set_layout_engine("none")
            figure.dpi = 300
            canvas = FigureCanvasAgg(figure)
            with house_style():
                canvas.draw()
            for text in figure.findobj(Text):
                box = text.get_window_extent(canvas.get_renderer())
                named = text in axes.get_yticklabels() or text.get_text() == axes.get_xlabel()
                if named and text.get_text():
                    assert box.x0 >= -1.0, text.get_text()
                    assert box.x1 <= figure.bbox.width + 1.0, text.get_text()
        legend = drawn[-1].get_figure(root=True).legends[0]  # type: ignore[union-attr]
        assert [text.get_text() for text in legend.get_texts()] == ["prior", "posterior"]


def test_a_second_figure_of_a_notebook_is_shown_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook's backend turns figures on with the first; leaving the style turned them off."""
    monkeypatch.setitem(matplotlib.rcParams, "interactive", False)
    with house_style():
        matplotlib.interactive(True)
    assert matplotlib.is_interactive()
    with house_style():
        pass
    assert matplotlib.is_interactive()
