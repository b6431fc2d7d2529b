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
    MissingPackageError,
    NotIdentifiedError,
    explained_imports,
)

if TYPE_CHECKING:
    from hatstats.bayes.fit import fit_claims, fit_hierarchical, read_hierarchical
    from hatstats.bayes.item_latents import item_model
    from hatstats.bayes.options import CellOptions, Priors, Sampling
    from hatstats.bayes.result import HierarchicalFit
    from hatstats.bootstrap.items import bootstrap_hat
    from hatstats.bootstrap.trials import resample_trials
    from hatstats.calibration.stress import StressDesign, stress_test
    from hatstats.diagnostics.differential_functioning import functioning_classes, item_functioning
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
    from hatstats.other_measures.draws import measure_draws
    from hatstats.other_measures.table import measures
    from hatstats.report.results.results import ReportOptions
    from hatstats.report.run_folder import write_report
    from hatstats.scores.scores import HatScores
    from hatstats.scores.transfer_profile import TransferProfile
    from hatstats.simulation.paper_design import PaperDesign
    from hatstats.simulation.simulate import Shape, simulate_study
    from hatstats.simulation.worlds import true_hat
    from hatstats.study.claim_lock import Registration, lock_claims, registration
    from hatstats.study.model_metadata import fill_models
    from hatstats.study.read import read_study
    from hatstats.study.screening.failed_extraction import suspicious_cells
    from hatstats.study.study import Study
    from hatstats.trends.claims.multiverse import Specification, list_specifications
    from hatstats.trends.claims.non_inferiority import margin_curves
    from hatstats.trends.claims.specifications import specification_table, verdict_shares
    from hatstats.trends.claims.verdicts import Verdict, claims_frame, evaluate_claims
    from hatstats.trends.decomposition import Decomposition, decompose
    from hatstats.trends.diagnostics import (
        collinearity,
        influence_measures,
        leave_one_out,
        leverage_by_cluster,
        within_between,
    )
    from hatstats.trends.planning.assumptions import PlanAssumptions
    from hatstats.trends.planning.designs import Plan, PlanEffects, PlanSizes, plan
    from hatstats.trends.planning.power import PlanPanel, detectable_slopes
    from hatstats.trends.regression import fit_trend
    from hatstats.trends.trend import TrendFit

__version__ = "0.1.0"

__all__ = [
    "CellOptions",
    "ConvergenceWarning",
    "Conversion",
    "DataError",
    "Decomposition",
    "DegenerateDataWarning",
    "FitError",
    "HatScores",
    "HatstatsError",
    "HierarchicalFit",
    "JointOptions",
    "LatentOptions",
    "MissingPackageError",
    "NotIdentifiedError",
    "PaperDesign",
    "Plan",
    "PlanAssumptions",
    "PlanEffects",
    "PlanPanel",
    "PlanSizes",
    "Priors",
    "Registration",
    "ReportOptions",
    "Sampling",
    "Shape",
    "Specification",
    "StressDesign",
    "Study",
    "TransferProfile",
    "TrendFit",
    "Verdict",
    "bootstrap_hat",
    "claims_frame",
    "collinearity",
    "compare_joint",
    "convert_logs",
    "count_table",
    "decompose",
    "detectable_slopes",
    "evaluate_claims",
    "fill_models",
    "fit_claims",
    "fit_hierarchical",
    "fit_profile",
    "fit_trend",
    "functioning_classes",
    "influence_measures",
    "item_functioning",
    "item_model",
    "item_report",
    "leave_one_out",
    "leverage_by_cluster",
    "list_specifications",
    "lock_claims",
    "margin_curves",
    "measure_draws",
    "measures",
    "misspecification_test",
    "plan",
    "read_hierarchical",
    "read_study",
    "registration",
    "resample_trials",
    "simulate_study",
    "specification_table",
    "split_half",
    "stress_test",
    "suspicious_cells",
    "thin_trials",
    "true_hat",
    "verdict_shares",
    "within_between",
    "write_report",
]

# The module of each name; the imports for type checkers above say the same, and a test compares
# them.
_MODULES = {
    "hatstats.bayes.fit": ("fit_claims", "fit_hierarchical", "read_hierarchical"),
    "hatstats.bayes.item_latents": ("item_model",),
    "hatstats.bayes.options": ("CellOptions", "Priors", "Sampling"),
    "hatstats.bayes.result": ("HierarchicalFit",),
    "hatstats.bootstrap.items": ("bootstrap_hat",),
    "hatstats.bootstrap.trials": ("resample_trials",),
    "hatstats.calibration.stress": ("StressDesign", "stress_test"),
    "hatstats.diagnostics.differential_functioning": ("functioning_classes", "item_functioning"),
    "hatstats.diagnostics.goodness_of_fit": ("count_table",),
    "hatstats.diagnostics.half_samples": ("split_half",),
    "hatstats.diagnostics.hausman": ("misspecification_test",),
    "hatstats.diagnostics.item_misfit": ("item_report",),
    "hatstats.diagnostics.thinning": ("thin_trials",),
    "hatstats.estimators.joint.compare": ("compare_joint",),
    "hatstats.estimators.joint.options": ("JointOptions",),
    "hatstats.estimators.latent.fit": ("LatentOptions",),
    "hatstats.estimators.methods": ("fit_profile",),
    "hatstats.logs.convert": ("Conversion", "convert_logs"),
    "hatstats.other_measures.draws": ("measure_draws",),
    "hatstats.other_measures.table": ("measures",),
    "hatstats.report.results.results": ("ReportOptions",),
    "hatstats.report.run_folder": ("write_report",),
    "hatstats.scores.scores": ("HatScores",),
    "hatstats.scores.transfer_profile": ("TransferProfile",),
    "hatstats.simulation.paper_design": ("PaperDesign",),
    "hatstats.simulation.simulate": (
        "Shape",
        "simulate_study",
    ),
    "hatstats.simulation.worlds": ("true_hat",),
    "hatstats.study.claim_lock": ("Registration", "lock_claims", "registration"),
    "hatstats.study.model_metadata": ("fill_models",),
    "hatstats.study.read": ("read_study",),
    "hatstats.study.screening.failed_extraction": ("suspicious_cells",),
    "hatstats.study.study": ("Study",),
    "hatstats.trends.claims.multiverse": ("Specification", "list_specifications"),
    "hatstats.trends.claims.non_inferiority": ("margin_curves",),
    "hatstats.trends.claims.specifications": ("specification_table", "verdict_shares"),
    "hatstats.trends.claims.verdicts": ("Verdict", "claims_frame", "evaluate_claims"),
    "hatstats.trends.decomposition": ("Decomposition", "decompose"),
    "hatstats.trends.diagnostics": (
        "collinearity",
        "influence_measures",
        "leave_one_out",
        "leverage_by_cluster",
        "within_between",
    ),
    "hatstats.trends.planning.assumptions": ("PlanAssumptions",),
    "hatstats.trends.planning.designs": ("Plan", "PlanEffects", "PlanSizes", "plan"),
    "hatstats.trends.planning.power": ("PlanPanel", "detectable_slopes"),
    "hatstats.trends.regression": ("fit_trend",),
    "hatstats.trends.trend": ("TrendFit",),
}


def __getattr__(name: str) -> object:
    """Import a public name from its module when it is first used."""
    for module, names in _MODULES.items():
        if name in names:
            with explained_imports():
                value: object = getattr(importlib.import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
