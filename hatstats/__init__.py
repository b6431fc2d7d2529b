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
    from hatstats.bayes.fit import fit_hierarchical, read_hierarchical
    from hatstats.bayes.item_latents import item_model
    from hatstats.bayes.options import CellOptions, Priors, Sampling
    from hatstats.bayes.result import HierarchicalFit
    from hatstats.bootstrap.items import bootstrap_hat
    from hatstats.bootstrap.trials import resample_trials
    from hatstats.calibration.stress import StressDesign, stress_test
    from hatstats.diagnostics.differential_functioning import (
        functioning_classes,
        item_functioning,
    )
    from hatstats.diagnostics.goodness_of_fit import count_table
    from hatstats.diagnostics.half_samples import split_half
    from hatstats.diagnostics.hausman import misspecification_test
    from hatstats.diagnostics.item_misfit import item_report
    from hatstats.diagnostics.thinning import thin_trials
    from hatstats.estimators.joint.compare import compare_joint
    from hatstats.estimators.joint.options import JointOptions
    from hatstats.estimators.latent.fit import LatentOptions
    from hatstats.estimators.methods import fit_profile
    from hatstats.logs.convert import Conversion, convert_logs
    from hatstats.other_measures.table import measures
    from hatstats.scores.scores import HatScores
    from hatstats.scores.transfer_profile import TransferProfile
    from hatstats.simulation.paper_design import PaperDesign
    from hatstats.simulation.simulate import Shape, simulate_study
    from hatstats.simulation.worlds import true_hat
    from hatstats.study.model_metadata import fill_models
    from hatstats.study.read import read_study
    from hatstats.study.screening.failed_extraction import suspicious_cells
    from hatstats.study.study import Study
    from hatstats.trends.claims.specifications import specification_table
    from hatstats.trends.claims.verdicts import Verdict, evaluate_claims
    from hatstats.trends.decomposition import decompose
    from hatstats.trends.planning.designs import plan
    from hatstats.trends.regression import fit_trend
    from hatstats.trends.trend import TrendFit

__version__ = "0.1.0"

__all__ = [
    "CellOptions",
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
    "PaperDesign",
    "Priors",
    "Sampling",
    "Shape",
    "StressDesign",
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
    "functioning_classes",
    "item_functioning",
    "item_model",
    "item_report",
    "measures",
    "misspecification_test",
    "plan",
    "read_hierarchical",
    "read_study",
    "resample_trials",
    "simulate_study",
    "specification_table",
    "split_half",
    "stress_test",
    "suspicious_cells",
    "thin_trials",
    "true_hat",
]

# The module of each name; the imports for type checkers above say the same, and a test compares
# them.
_MODULES = {
    "hatstats.bayes.fit": (
        "fit_hierarchical",
        "read_hierarchical",
    ),
    "hatstats.bayes.item_latents": ("item_model",),
    "hatstats.bayes.options": (
        "CellOptions",
        "Priors",
        "Sampling",
    ),
    "hatstats.bayes.result": ("HierarchicalFit",),
    "hatstats.bootstrap.items": ("bootstrap_hat",),
    "hatstats.bootstrap.trials": ("resample_trials",),
    "hatstats.calibration.stress": (
        "StressDesign",
        "stress_test",
    ),
    "hatstats.diagnostics.differential_functioning": (
        "functioning_classes",
        "item_functioning",
    ),
    "hatstats.diagnostics.goodness_of_fit": ("count_table",),
    "hatstats.diagnostics.half_samples": ("split_half",),
    "hatstats.diagnostics.hausman": ("misspecification_test",),
    "hatstats.diagnostics.item_misfit": ("item_report",),
    "hatstats.diagnostics.thinning": ("thin_trials",),
    "hatstats.estimators.joint.compare": ("compare_joint",),
    "hatstats.estimators.joint.options": ("JointOptions",),
    "hatstats.estimators.latent.fit": ("LatentOptions",),
    "hatstats.estimators.methods": ("fit_profile",),
    "hatstats.logs.convert": (
        "Conversion",
        "convert_logs",
    ),
    "hatstats.other_measures.table": ("measures",),
    "hatstats.scores.scores": ("HatScores",),
    "hatstats.scores.transfer_profile": ("TransferProfile",),
    "hatstats.simulation.paper_design": ("PaperDesign",),
    "hatstats.simulation.simulate": (
        "Shape",
        "simulate_study",
    ),
    "hatstats.simulation.worlds": ("true_hat",),
    "hatstats.study.model_metadata": ("fill_models",),
    "hatstats.study.read": ("read_study",),
    "hatstats.study.screening.failed_extraction": ("suspicious_cells",),
    "hatstats.study.study": ("Study",),
    "hatstats.trends.claims.specifications": ("specification_table",),
    "hatstats.trends.claims.verdicts": (
        "Verdict",
        "evaluate_claims",
    ),
    "hatstats.trends.decomposition": ("decompose",),
    "hatstats.trends.planning.designs": ("plan",),
    "hatstats.trends.regression": ("fit_trend",),
    "hatstats.trends.trend": ("TrendFit",),
}


def __getattr__(name: str) -> object:
    """Import a public name from its module when it is first used."""
    for module, names in _MODULES.items():
        if name in names:
            value: object = getattr(importlib.import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
