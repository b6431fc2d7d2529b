"""Tables of the hierarchical model: which columns, under which captions."""

from __future__ import annotations

from hatstats.report.results.results import Results
from hatstats.report.tables.rounding import words
from hatstats.report.tables.text_table import Column, Table, make_table

BAYES_CLAIMS = (
    Column("name", "Claim"),
    Column("quantity", "Quantity", "prose"),
    Column("estimate", "Mean", "value"),
    Column("conf", "CI", "interval"),
    Column("threshold", "Threshold", "plain"),
    Column("p_claim", "P(claim)", "value", error=""),
    Column("p_in_rope", "P(in ROPE)", "value", error=""),
    Column("verdict", "Regression"),
)
BAYES_SCORES = (
    Column("model", "Model"),
    Column("estimate", "Mean", "value"),
    Column("conf", "CI", "interval"),
    Column("plain", "Without the model", "value"),
    Column("p_best", "P(best)", "value", error=""),
)
BAYES_CHECKS = (
    Column("trend", "Trend"),
    Column("check", "Check"),
    Column("words", "Result", "prose"),
    Column("outcome", "Outcome"),
)


def bayes_tables(results: Results, level: str, study: str) -> list[tuple[str, str, Table]]:
    """Tables of the hierarchical model."""
    part = results.bayes
    if part is None:
        return []
    claims = part.claims
    named = claims.assign(name=[words(name) for name in claims["name"]]) if len(claims) else claims
    checks = part.checks
    outcome = ["passed" if passed else "FAILED" for passed in checks["passed"]]
    return [
        (
            "bayes_claims",
            f"Registered claims as posterior probabilities, {study}. ROPE: the region of practical "
            "equivalence of the quantity; for non-inferiority the margin on both sides. "
            "Regression: the verdict of the table of claims.",
            make_table(named, BAYES_CLAIMS if len(named) else ()),
        ),
        (
            "bayes_scores",
            f"HAT scores by the hierarchical model, {study}. Posterior mean and {level} interval; "
            "beside them the score without the model.",
            make_table(part.scores, BAYES_SCORES),
        ),
        (
            "bayes_checks",
            f"Checks of the hierarchical model, {study}.",
            make_table(checks.assign(outcome=outcome), BAYES_CHECKS),
        ),
    ]
