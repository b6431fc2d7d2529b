"""Sphinx: the reference made from the docstrings, and the pages beside it."""

from __future__ import annotations

from pathlib import Path

import hatstats
from hatstats import plot

project = "hatstats"
author = "the hatstats authors"
release = version = hatstats.__version__

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
# Notebooks are run anew each time, so that no page shows what the package no longer prints.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_output_stderr = "remove"  # warnings of these pages are said in their text
nb_execution_show_tb = True
html_theme = "pydata_sphinx_theme"
html_title = "hatstats"
html_static_path = ["static"]
html_css_files = ["site.css"]
exclude_patterns = ["_build"]
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

# Every public name has a page: the list is the package's own, so that none can be forgotten.
PAGE = Path(__file__).parent / "reference.rst"
HEAD = """\
Reference
=========

Everything is imported from the package itself: ``import hatstats as hs``.

.. currentmodule:: hatstats

.. autosummary::
   :toctree: _reference
   :nosignatures:

"""
FIGURES = """
Figures
-------

.. currentmodule:: hatstats.plot

.. autosummary::
   :toctree: _reference
   :nosignatures:

"""
NAMES = {HEAD: hatstats.__all__, FIGURES: plot.__all__}
PAGE.write_text(
    "".join(head + "".join(f"   {name}\n" for name in names) for head, names in NAMES.items()),
    encoding="utf-8",
)

# The scripts of analyses/, with the pictures that `make analyses` has drawn.
ROOT = Path(__file__).parents[1]
INDEX = (ROOT / "analyses" / "README.md").read_text(encoding="utf-8")
DRAWN = sorted((ROOT / "results" / "analyses").glob("*/*.png"))
PICTURES = [
    f"## {one.parent.name}: {one.stem}\n\n![{one.stem}](../{one.relative_to(ROOT)})\n"
    for one in DRAWN
]
NONE = "`make analyses` draws the figures, which a site that is built afterwards shows here.\n"
(ROOT / "docs" / "analyses.md").write_text(
    "\n".join([INDEX, *(PICTURES or [NONE])]), encoding="utf-8"
)
