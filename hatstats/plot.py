"""Figures of finished results: one call each, axes in and out, in the style of a kind of page.

``hs.plot.forest(scores)`` makes a figure of one column and returns its axes; ``ax=`` draws into
axes of yours. `caption` and `alt_text` say what was drawn, in words made from the result, `save`
writes PDF, SVG and PNG, and ``with hs.plot.style("nature"):`` draws for another kind of page. The
figures of a report are drawn by these very functions. Nothing is estimated here.
"""

from hatstats.report.figures.bar_charts import decomposition, functioning, leakage
from hatstats.report.figures.check_plots import checks, prior_predictive, shrinkage
from hatstats.report.figures.claim_plots import claims, margins
from hatstats.report.figures.forest_plot import forest
from hatstats.report.figures.language_plots import languages, raw_to_hat
from hatstats.report.figures.layout import alt_text, caption
from hatstats.report.figures.profile_plots import profiles, scatter
from hatstats.report.figures.score_matrices import heatmap, ranks
from hatstats.report.figures.specification_curve import specification
from hatstats.report.figures.style import save, style
from hatstats.report.figures.trend_plot import trend

__all__ = [
    "alt_text", "caption", "checks", "claims", "decomposition", "forest", "functioning", "heatmap",
    "languages", "leakage", "margins", "prior_predictive", "profiles", "ranks", "raw_to_hat",
    "save", "scatter", "shrinkage", "specification", "style", "trend",
]  # fmt: skip
