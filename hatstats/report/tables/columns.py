"""Which columns each table shows, under which headings."""

from __future__ import annotations

from hatstats.report.tables.text_table import Column, Kind

#: Kind of the columns that are not plain text.
_KINDS: dict[Kind, str] = {
    "value": "source estimate std_error se shape_error margin p_in_margin dfbetas cooks_distance "
    "by_ability by_transfer source_shrunken expected target elsewhere accuracy p_claim p_in_rope "
    "plain p_best less log_odds with_all without_these change a b detectable_slope",
    "interval": "conf less_conf other",
    "df": "df",
    "p": "p_value p_holm p_opposite_holm p_adjusted p_floor p_equivalence q_value",
    "share": "share conf_level decisive_share leakage mc_error power_slope power_slope_these "
    "power_margin power_slower power_contrast",
    "plain": "threshold effective_trials",
    "count": "n_models n_clusters count n_languages items trials languages answers",
    "params": "params_total",
    "date": "release_date",
    "note": "mark",
    "prose": "evidence reason models quantity words",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}
#: Columns of three decimals, whatever the standard error beside them.
_NO_ERROR = ("shape_error", "p_claim", "p_in_rope", "p_best", "with_all", "without_these", "change",
             "a", "b", "detectable_slope")  # fmt: skip
#: Tables of scores, and of their differences, have three decimals, as every other place has them.
_OF_SCORES = ("main", "scores", "ranking", "pairs", "language_groups", "parts", "by_language",
              "by_group")  # fmt: skip
#: Headings that are not the column's name as words.
_HEADINGS = {
    "params_total": "Parameters", "release_date": "Released", "source": "Source accuracy",
    "std_error": "SE", "se": "SE", "conf": "CI", "df": "df", "p_value": "p", "p_holm": "p (Holm)",
    "p_opposite_holm": "Opposite p (Holm)", "p_adjusted": "p (all)",
    "conf_level": "Level", "shape_error": "Smoothing", "effective_trials": "Trials",
    "ranks": "Rank", "mark": "Note",
    "n_models": "Models", "n_clusters": "Families", "cluster": "Family", "decisive": "Most weight",
    "decisive_share": "Its share", "p_floor": "Floor", "p_equivalence": "p (TOST)",
    "p_in_margin": "P(within)", "dfbetas": "DFBETAS", "cooks_distance": "Cook's distance",
    "comparison": "From, to", "mc_error": "MC error", "source_shrunken": "Source", "q_value": "q",
    "p_claim": "P(claim)", "p_in_rope": "P(in ROPE)", "plain": "Without the model",
    "p_best": "P(best)", "words": "Result", "less": "Less mean", "less_conf": "Its CI",
    "n_languages": "Languages", "power_slope_these": "These", "detectable_slope": "Detect.",
    "log_odds": "log OR", "with_all": "With all",
}  # fmt: skip
#: Columns of each table; a heading of this table alone follows "=", with "_" for a space. Behind
#: "|" stand those that a terminal without room leaves out.
_LAYOUTS = {
    "ranking": "model estimate=HAT conf shape_error=Bias effective_trials ranks mark | source "
    "std_error family params_total release_date",
    "comparison_of_two": "measure language a=A b=B estimate=A_−_B conf p_adjusted | std_error df",
    "terms": "term estimate std_error df p_value conf",
    "main": "model source=Source estimate=HAT conf ranks",
    "scores": "model family params_total release_date source estimate=HAT std_error conf "
    "shape_error effective_trials ranks mark",
    "pairs": "term=Difference estimate std_error df p_value p_adjusted conf",
    "languages": "name=Language resource script family estimate=HAT std_error conf less less_conf "
    "p_adjusted",
    "language_groups": "term=Difference scope=For n_languages estimate std_error df p_value conf",
    "by_language": "model name=Language estimate=HAT conf | less less_conf p_adjusted std_error",
    "by_group": "model name=Group estimate=HAT conf | less less_conf p_adjusted std_error",
    "faults": "benchmark name=Language item source=Source target log_odds p_adjusted n_models",
    "without_faults": "name=Language with_all without_these change",
    "trends": "trend term scale scope=For_models estimate std_error df p_value conf n_models "
    "n_clusters mark",
    "comparison": "trend term method=Standard_error estimate se df p_value conf",
    "claims": "claim verdict scope=For_models estimate conf threshold p_holm p_opposite_holm "
    "other_verdict=Other_scope other=Its_CI std_error df conf_level n_models n_clusters "
    "decisive decisive_share status reason=What_weakens_it",
    "specification": "choice claim estimate conf df p_value verdict",
    "margins": "claim margin mark=Registered verdict p_holm=p p_equivalence p_in_margin",
    "shares": "claim verdict count=Specifications share",
    "leverage": "trend cluster n_models term share",
    "influence": "trend without term dfbetas cooks_distance",
    "decompositions": "comparison term=Part estimate=Accuracy std_error conf",
    "parts": "term=Part estimate=Accuracy conf std_error",
    "plan": "items trials languages n_models answers std_error power_slope=Slope "
    "power_margin=Margin power_slower=Slower power_contrast=Two | power_slope_these "
    "detectable_slope",
    "stress": "measure by_ability by_transfer leakage mc_error",
    "agreement": "term=Measure estimate=Tau conf",
    "checks": "method term=Quantity model estimate std_error p_value conf",
    "items": "benchmark item language source_shrunken expected target elsewhere q_value verdict",
    "flagged": "model benchmark language accuracy flag evidence",
    "left_out": "analysis reason count=Number models",
    "bayes_claims": "claim quantity estimate=Mean conf threshold p_claim p_in_rope "
    "verdict=Regression",
    "bayes_scores": "model estimate=Mean conf plain p_best",
    "bayes_terms": "term=Term_(logits) estimate=Mean std_error=SD conf",
    "bayes_checks": "trend check words outcome",
}
#: Tables whose rows are different quantities, each with digits of its own.
BY_ROW = ("trends", "terms", "bayes_terms", "comparison", "claims", "specification")
#: Headings of measures; others are headed by their names.
MEASURES = {
    "gap": "Gap", "ratio": "Ratio", "excess": "Excess", "overall": "Both", "conditional": "Cond.",
    "conditional_with_source": "Cond.+s", "gamma": "γ", "agreement": "κ", "parity_gap": "Parity",
    "odds_ratio": "log OR", "mother_tongue": "Mother", "locality": "Local",
}  # fmt: skip


def columns_of(table: str) -> list[Column]:
    """Columns of the table of that name."""
    columns: list[Column] = []
    first, _, more = _LAYOUTS[table].partition(" | ")
    entries = [*first.split(), *more.split()]
    for name, _, own in (entry.partition("=") for entry in entries):
        heading = _HEADINGS.get(name, name.capitalize())
        error = "" if name in _NO_ERROR or table in _OF_SCORES else "std_error"
        kind = _KIND_OF.get(name, "text")
        optional = len(columns) >= len(first.split())
        columns.append(Column(name, (own or heading).replace("_", " "), kind, error, optional))
    return columns
