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
    from hatstats.check import stress_test
    from hatstats.hat import (
        HatScores,
        JointOptions,
        LatentOptions,
        TransferProfile,
        bootstrap_hat,
        compare_joint,
        count_table,
        fit_profile,
        item_functioning,
        item_report,
        measures,
        misspecification_test,
        resample_promptings,
        split_half,
        thin_promptings,
    )
    from hatstats.hat.hierarchical import (
        HierarchicalFit,
        Priors,
        Sampling,
        fit_hierarchical,
        read_hierarchical,
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
    from hatstats.trends import (
        TrendFit,
        Verdict,
        decompose,
        evaluate_claims,
        fit_trend,
        plan,
        specification_table,
    )

__version__ = "0.1.0"

__all__ = [
    "ConvergenceWarning",
    "Conversion",
    "DataError",
    "DegenerateDataWarning",
    "FitError",
    "HatScores",
    "HatstatsError",
    "HierarchicalFit",
    "JointOptions",
    "LatentOptions",
    "NotIdentifiedError",
    "Priors",
    "Sampling",
    "Study",
    "TransferProfile",
    "TrendFit",
    "Verdict",
    "bootstrap_hat",
    "compare_joint",
    "convert_logs",
    "count_table",
    "decompose",
    "evaluate_claims",
    "fill_models",
    "fit_hierarchical",
    "fit_profile",
    "fit_trend",
    "item_functioning",
    "item_report",
    "measures",
    "misspecification_test",
    "plan",
    "read_hierarchical",
    "read_study",
    "resample_promptings",
    "simulate_study",
    "specification_table",
    "split_half",
    "stress_test",
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
        "JointOptions",
        "LatentOptions",
        "TransferProfile",
        "bootstrap_hat",
        "compare_joint",
        "count_table",
        "fit_profile",
        "item_functioning",
        "item_report",
        "measures",
        "misspecification_test",
        "resample_promptings",
        "split_half",
        "thin_promptings",
    ),
    "hatstats.hat.hierarchical": (
        "HierarchicalFit",
        "Priors",
        "Sampling",
        "fit_hierarchical",
        "read_hierarchical",
    ),
    "hatstats.trends": (
        "TrendFit",
        "Verdict",
        "decompose",
        "evaluate_claims",
        "fit_trend",
        "plan",
        "specification_table",
    ),
    "hatstats.check": ("stress_test",),
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
