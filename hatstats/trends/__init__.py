"""Does transfer change: trends over models, and claims about them."""

from hatstats.trends.claims import Verdict, evaluate_claims
from hatstats.trends.trend import TrendFit, fit_trend

__all__ = ["TrendFit", "Verdict", "evaluate_claims", "fit_trend"]
