"""Sphinx: the reference made from the docstrings, and the pages beside it."""

from __future__ import annotations

from pathlib import Path

import hatstats
from hatstats import plot

project = "hatstats"
author = "the hatstats authors"
release = version = hatstats.__version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
html_theme = "pydata_sphinx_theme"
html_title = "hatstats"
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
