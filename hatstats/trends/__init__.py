"""Does transfer change: trends over models, and claims about them."""

from hatstats.trends.claims import Verdict, evaluate_claims
from hatstats.trends.decompose import Decomposition, decompose
from hatstats.trends.planning import Plan, plan
from hatstats.trends.regression import fit_trend
from hatstats.trends.specification import specification_table
from hatstats.trends.trend import TrendFit

__all__ = [
    "Decomposition",
    "Plan",
    "TrendFit",
    "Verdict",
    "decompose",
    "evaluate_claims",
    "fit_trend",
    "plan",
    "specification_table",
]
