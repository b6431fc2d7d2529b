"""Figures that a script may draw are public: named in one place, with examples that run."""

from __future__ import annotations

import ast
import doctest
import inspect
from pathlib import Path

import pytest

import hatstats
from hatstats.report import figures

ANALYSES = Path(__file__).parents[2] / "analyses"


@pytest.mark.parametrize("name", sorted(figures.__all__))
def test_the_example_of_a_figure_runs(name: str) -> None:
    text = inspect.getdoc(getattr(figures, name)) or ""
    assert {"Parameters", "Returns", "Examples"} <= set(text.splitlines())
    (example,) = doctest.DocTestFinder().find(getattr(figures, name), name, globs={})
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def test_analyses_import_public_names_only() -> None:
    places = {"hatstats": set(hatstats.__all__), "hatstats.report.figures": set(figures.__all__)}
    imported = {
        (path.name, node.module, alias.name)
        for path in ANALYSES.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hatstats")
        for alias in node.names
    }
    assert len(imported) > 10
    private = {one for one in imported if one[2] not in places.get(str(one[1]), set())}
    assert private == set()
