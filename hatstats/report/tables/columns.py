"""Which columns each table shows, under which headings."""

from __future__ import annotations

from hatstats.report.tables.text_table import Column

# Columns that several tables have.
MODEL = Column("model", "Model")
BENCHMARK = Column("benchmark", "Benchmark")
LANGUAGE = Column("language", "Language")
CLAIM = Column("claim", "Claim")
TREND = Column("trend", "Trend")
TERM = Column("term", "Term")
ESTIMATE = Column("estimate", "Estimate", "value")
SE = Column("std_error", "SE", "value")
CI = Column("conf", "CI", "interval")
DF = Column("df", "df", "df")
P = Column("p_value", "p", "p")
SHARE = Column("share", "Share", "share")
N_MODELS = Column("n_models", "Models", "count")
N_FAMILIES = Column("n_clusters", "Families", "count")
VERDICT = Column("verdict", "Verdict")

SCORES = (
    MODEL,
    Column("family", "Family"),
    Column("params_total", "Parameters", "params"),
    Column("release_date", "Released", "date"),
    Column("source", "Source accuracy", "value"),
    Column("estimate", "HAT", "value"),
    SE,
    CI,
    Column("shape_error", "Smoothing", "value", error=""),
    Column("ranks", "Rank"),
    Column("mark", "Note", "note"),
)
TRENDS = (TREND, TERM, Column("scale", "Scale"), ESTIMATE, SE, DF, P, CI, N_MODELS, N_FAMILIES)
COMPARISON = (
    TREND,
    TERM,
    Column("method", "Standard error"),
    Column("estimate", "Estimate", "value", error="typical"),
    Column("std_error", "SE", "value", error="typical"),
    DF,
    P,
    Column("conf", "CI", "interval", error="typical"),
)
CLAIMS = (
    CLAIM,
    VERDICT,
    ESTIMATE,
    Column("threshold", "Threshold", "plain"),
    SE,
    DF,
    P,
    Column("p_holm", "p (Holm)", "p"),
    CI,
    Column("conf_level", "Level", "share"),
    N_MODELS,
    N_FAMILIES,
    Column("decisive", "Most weight"),
    Column("decisive_share", "Its share", "share"),
    Column("p_floor", "Floor", "p"),
    Column("status", "Status"),
)
SPECIFICATION = (Column("choice", "Choice"), CLAIM, ESTIMATE, CI, DF, P, VERDICT)
MARGINS = (
    CLAIM,
    Column("margin", "Margin", "value", error="step"),
    Column("mark", "Registered", "note"),
    VERDICT,
    P,
    Column("p_equivalence", "p (TOST)", "p"),
    Column("p_in_margin", "P(within)", "value", error="step"),
)
SHARES = (CLAIM, VERDICT, Column("count", "Specifications", "count"), SHARE)
LEVERAGE = (TREND, Column("cluster", "Family"), N_MODELS, TERM, SHARE)
INFLUENCE = (
    TREND,
    Column("without", "Without"),
    TERM,
    Column("dfbetas", "DFBETAS", "value", error="step"),
    Column("cooks_distance", "Cook's distance", "value", error="step"),
)
DECOMPOSITIONS = (
    Column("comparison", "From, to"),
    Column("term", "Part"),
    Column("estimate", "Accuracy", "value"),
    SE,
    CI,
)
STRESS = (
    Column("measure", "Measure"),
    Column("by_ability", "By ability", "value", error="step"),
    Column("by_transfer", "By transfer", "value", error="step"),
    Column("leakage", "Leakage", "share"),
    Column("mc_error", "MC error", "share"),
)
AGREEMENT = (
    Column("term", "Measure"),
    Column("estimate", "Tau", "value", error="step"),
    Column("conf", "CI", "interval", error="step"),
)
CHECKS = (Column("method", "Method"), Column("term", "Quantity"), MODEL, ESTIMATE, SE, P, CI)
ITEMS = (
    BENCHMARK,
    Column("item", "Item"),
    LANGUAGE,
    Column("source_shrunken", "Source", "value", error=""),
    Column("expected", "Expected", "value", error=""),
    Column("target", "Target", "value", error=""),
    Column("elsewhere", "Elsewhere", "value", error=""),
    Column("q_value", "q", "p"),
    VERDICT,
)
FLAGGED = (
    MODEL,
    BENCHMARK,
    LANGUAGE,
    Column("accuracy", "Accuracy", "value", error=""),
    Column("flag", "Flag"),
    Column("evidence", "Evidence", "prose"),
)
LEFT_OUT = (
    Column("analysis", "Analysis"),
    Column("reason", "Reason", "prose"),
    Column("count", "Number", "count"),
    Column("models", "Models", "prose"),
)
BAYES_CLAIMS = (
    Column("name", "Claim"),
    Column("quantity", "Quantity", "prose"),
    Column("estimate", "Mean", "value"),
    CI,
    Column("threshold", "Threshold", "plain"),
    Column("p_claim", "P(claim)", "value", error=""),
    Column("p_in_rope", "P(in ROPE)", "value", error=""),
    Column("verdict", "Regression"),
)
BAYES_SCORES = (
    MODEL,
    Column("estimate", "Mean", "value"),
    CI,
    Column("plain", "Without the model", "value"),
    Column("p_best", "P(best)", "value", error=""),
)
BAYES_CHECKS = (
    TREND,
    Column("check", "Check"),
    Column("words", "Result", "prose"),
    Column("outcome", "Outcome"),
)
#: Headings of measures; others are headed by their names.
MEASURES = {
    "gap": "Gap",
    "ratio": "Ratio",
    "excess": "Excess",
    "overall": "Both",
    "conditional": "Cond.",
    "conditional_with_source": "Cond.+s",
    "gamma": "γ",
    "agreement": "κ",
    "parity_gap": "Parity",
    "odds_ratio": "log OR",
    "mother_tongue": "Mother",
    "locality": "Local",
}
