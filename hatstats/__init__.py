"""Hardness-adjusted transfer scores, and trends with honest uncertainty.

Everything that users need is a name of this module. Names are imported when they are first asked
for, so that ``import hatstats`` costs nothing and brings in no sampler, plotting or database.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from hatstats.errors import (
    ConvergenceWarning,
    DataError,
    DegenerateDataWarning,
    FitError,
    HatstatsError,
    NotIdentifiedError,
)

if TYPE_CHECKING:
    from hatstats.hat import (
        HatScores,
        TransferProfile,
        bootstrap_hat,
        count_table,
        fit_profile,
        item_report,
        measures,
        resample_promptings,
        split_half,
        thin_promptings,
    )
    from hatstats.study import (
        Conversion,
        Study,
        convert_logs,
        fill_models,
        read_study,
        simulate_study,
        suspicious_cells,
    )
    from hatstats.trends import TrendFit, Verdict, evaluate_claims, fit_trend

__version__ = "0.1.0"

__all__ = [
    "ConvergenceWarning",
    "Conversion",
    "DataError",
    "DegenerateDataWarning",
    "FitError",
    "HatScores",
    "HatstatsError",
    "NotIdentifiedError",
    "Study",
    "TransferProfile",
    "TrendFit",
    "Verdict",
    "bootstrap_hat",
    "convert_logs",
    "count_table",
    "evaluate_claims",
    "fill_models",
    "fit_profile",
    "fit_trend",
    "item_report",
    "measures",
    "read_study",
    "resample_promptings",
    "simulate_study",
    "split_half",
    "suspicious_cells",
    "thin_promptings",
]

# The room of each name; the imports for type checkers above say the same, and a test compares them.
_ROOMS = {
    "hatstats.study": (
        "Conversion",
        "Study",
        "convert_logs",
        "fill_models",
        "read_study",
        "simulate_study",
        "suspicious_cells",
    ),
    "hatstats.hat": (
        "HatScores",
        "TransferProfile",
        "bootstrap_hat",
        "count_table",
        "fit_profile",
        "item_report",
        "measures",
        "resample_promptings",
        "split_half",
        "thin_promptings",
    ),
    "hatstats.trends": ("TrendFit", "Verdict", "evaluate_claims", "fit_trend"),
}


def __getattr__(name: str) -> object:
    """Import a public name from its room when it is first used."""
    for room, names in _ROOMS.items():
        if name in names:
            value: object = getattr(importlib.import_module(room), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
