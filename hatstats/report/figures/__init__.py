"""Finished results drawn with matplotlib: one public function for each figure, and one to save it.

The names stand in ``__init__.pyi`` and are imported when they are first asked for.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
