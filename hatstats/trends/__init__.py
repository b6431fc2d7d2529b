"""Does transfer change: trends over models, and claims about them."""

from hatstats.trends.claims import Verdict, evaluate_claims
from hatstats.trends.regression import fit_trend
from hatstats.trends.trend import TrendFit

__all__ = ["TrendFit", "Verdict", "evaluate_claims", "fit_trend"]
