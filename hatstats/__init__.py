"""Hardness-adjusted transfer scores, and trends with honest uncertainty.

Everything that users need is a name of this module. The names stand in ``__init__.pyi`` and are
imported when they are first asked for (`lazy_loader`, Scientific Python's SPEC 1), so that
``import hatstats`` costs nothing and brings in no sampler, plotting or database.
"""

from __future__ import annotations

import lazy_loader

from hatstats.errors import explained_imports

__version__ = "0.1.0"

_import_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """Import a public name from its module when it is first used."""
    with explained_imports():
        return _import_name(name)
