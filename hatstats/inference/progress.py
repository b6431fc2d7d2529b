"""How far a long computation is: one line on standard error where someone waits for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

#: Called as ``progress(what, share)``, share from 0 to 1.
Progress = Callable[[str, float], None]
# Seconds after which progress is shown.
_PATIENCE = 2.0


def shown_if_slow(name: str) -> Progress:
    """Progress of what is called `name`, shown in an interactive session after two seconds."""
    begun, waits = time.monotonic(), sys.stderr.isatty() or hasattr(sys, "ps1")

    def show(what: str, share: float) -> None:
        if waits and time.monotonic() - begun > _PATIENCE:
            end = "\n" if share >= 1.0 else ""
            print(f"\r{name}: {what}, {share:.0%} ", end=end, file=sys.stderr, flush=True)

    return show
