"""Figures that a script may draw are public: named in one place, with examples that run."""

from __future__ import annotations

import doctest
import inspect

import matplotlib
import pytest

import hatstats as hs
from hatstats import plot
from hatstats.errors import DataError
from hatstats.report.figures import run_figures
from hatstats.report.figures.style import house_style


@pytest.mark.parametrize("name", sorted(plot.__all__))
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


def test_a_second_figure_of_a_notebook_is_shown_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook's backend turns figures on with the first; leaving the style turned them off."""
    monkeypatch.setitem(matplotlib.rcParams, "interactive", False)
    with house_style():
        matplotlib.interactive(True)
    assert matplotlib.is_interactive()
    with house_style():
        pass
    assert matplotlib.is_interactive()
