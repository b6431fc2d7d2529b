"""From fits to the frames that a report shows; joins and names, no statistics."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from hatstats.estimators.aggregate.profile import FLAT, AggregateProfile
from hatstats.report.results.key_results import guessing_names, leader, rejected, scored_languages
from hatstats.report.results.plotted import (
    cell_rows,
    fitted_lines,
    point_rows,
    profile_rows,
    raw_targets,
    reference_rows,
    score_rows,
)
from hatstats.report.results.results import Fits, stacked
from hatstats.scores.item_profile import ItemProfile
from hatstats.scores.score_text import plain_words
from hatstats.study import Study
from hatstats.study.formula import with_release_year
from hatstats.study.screening.failed_extraction import cell_accuracies, unflagged_cells
from hatstats.trends.claims.verdict import Verdicts
from hatstats.trends.standard_errors import THESE_MODELS
from hatstats.trends.trend import TrendFit

_CELL = ["model", "benchmark", "language"]
_INFO = ("name", "title", "source", "licence", "citation", "notes")
_RANKS = ("rank", "rank_low", "rank_high", "marginal_low", "marginal_high", "tier")
#: Covariate drawn on the axis of each trend figure.
_AXES = {"size": "params_total", "date": "release_year"}


def _source_languages(study: Study) -> str:
    """Source languages of the benchmarks, by name where languages.csv has it, else by tag."""
    table = study.language_table
    names = dict(zip(table["language"], table["name"], strict=True)) if "name" in table else {}
    tags = dict.fromkeys(study.benchmarks["source_language"].astype(str))
    return ", ".join(str(names.get(tag) or tag) for tag in tags)


def frames_of(fits: Fits) -> dict[str, Any]:
    """The fields of `Results` that say what the study is and what was fitted to it."""
    study, scores, options = fits.study, fits.scores, fits.options
    table, points = scores_frame(fits), points_frame(fits)
    level, by_items = options.conf_level, isinstance(fits.profile, ItemProfile)
    info, trends = study.info, fits.trends
    return {
        "info": {name: getattr(info, name) for name in _INFO}
        | {"synthetic": "yes" if info.synthetic else ""},
        "facts": {
            "method": scores.method,
            "reference": scores.reference,
            "method_words": plain_words(scores.method, scores.reference)[0],
            "reference_words": plain_words(scores.method, scores.reference)[1],
            "scope": scores.scope,
            "estimand": scores.estimand,
            "reason": fits.profile.reason if isinstance(fits.profile, ItemProfile) else "",
            "assumption": fits.profile.assumption if isinstance(fits.profile, ItemProfile) else "",
            "leader": leader(fits),
            "seed": options.seed,
            "draws": int(fits.ranks["n_draws"].iloc[0]),
            "conf_level": level,
            "models": len(scores.models),
            "families": int(table["family"].replace("", np.nan).nunique()),
            "languages": int(points["language"].nunique()),
            "scored_languages": scored_languages(fits),
            "source_language": _source_languages(study),
            "benchmarks": len(fits.used.benchmark_names),
            "cells": len(study.counts[_CELL].drop_duplicates()),
            "flagged_cells": len(study.flagged[_CELL].drop_duplicates()),
            "flagged_cells_used": "yes" if len(fits.used.flagged) else "no",
            "suspicious_used": suspicious_used(study),
        },
        "scores": table,
        "pairs": fits.pairs,
        "cov": scores.cov,
        "trends": stacked(
            {name: trend_rows(fit, level) for name, fit in trends.items()}
            | {name: _slopes(fit, level) for name, fit in fits.held.items()}
        ),
        "comparison": stacked(
            {name: fit.comparison(level, rng=options.seed) for name, fit in trends.items()}
        ),
        "claims": Verdicts(fits.claims)
        .tidy()
        .assign(
            other_scope=[one.other_scope for one in fits.claims],
            series=[one.series_words() for one in fits.claims],
        ),
        "points": points,
        "curve": fitted_lines(fits.profile),
        "profiles": profile_rows(fits.profile, level) if by_items else pd.DataFrame(),
        "density": (
            reference_rows(fits.profile, options.reference) if by_items else pd.DataFrame()
        ),
        "cells": cell_rows(scores),
        "lines": trend_lines(fits),
        "chance": dict(zip(study.benchmarks["benchmark"], study.benchmarks["chance"], strict=True)),
        "flagged": flagged_frame(study),
        "left_out": left_out_frame(fits),
        "files": study.files,
    }


def scores_frame(fits: Fits) -> pd.DataFrame:
    """Tidy scores with covariates and what weakens each: best first, weakly identified last."""
    scores = fits.scores
    rows = score_rows(scores, fits.options.conf_level)
    if scores.target is None:
        rows["target"] = raw_targets(fits.profile).reindex(rows["model"]).to_numpy()
    ranks = fits.ranks.set_index("model").reindex(rows["model"])
    # Weakly identified models are not ranked.
    for name in _RANKS:
        rows[name] = ranks[name].astype("Int64").array
    rows["tied_with_best"] = ranks["tied_with_best"].astype("boolean").array
    notes = scores.overlap.groupby("model")["note"].agg(lambda texts: " ".join(filter(None, texts)))
    rows["note"] = notes.reindex(rows["model"]).fillna("").to_numpy()
    rows["rejected"] = rejected(fits)
    rows["shape_error"] = scores.shape_error
    rows["effective_trials"] = scores.effective_trials
    rows["scope"] = scores.scope
    rows["estimand"] = scores.estimand
    return rows.sort_values(
        ["informed", "estimate"], ascending=False, kind="stable", ignore_index=True
    )


def points_frame(fits: Fits) -> pd.DataFrame:
    """Accuracies with limits, as the analysis used them, and the flagged cells beside them."""
    points = point_rows(fits.profile, fits.options.conf_level)
    missing = _flagged_points(fits.study) if not len(fits.used.flagged) else points[:0]
    both = pd.concat([points, missing], ignore_index=True) if len(missing) else points
    # Panels in the order in which the study names its languages.
    rank = {name: number for number, name in enumerate(fits.study.languages)}
    return both.assign(conf_level=fits.options.conf_level).sort_values(
        ["benchmark", "language"],
        key=lambda column: column.map(rank) if column.name == "language" else column,
        kind="stable",
        ignore_index=True,
    )


def _flagged_points(study: Study) -> pd.DataFrame:
    """Points of cells that are flagged, or whose source cell is, with what was observed there."""
    flagged = study.flagged[_CELL].drop_duplicates().assign(flagged=True)
    cells = cell_accuracies(study).merge(flagged, how="left", on=_CELL)
    is_source, key = cells["is_source"].astype(bool), ["model", "benchmark"]
    source = cells[is_source].drop_duplicates(key)[[*key, "accuracy", "flagged"]]
    target = cells[~is_source].merge(source, how="left", on=key, suffixes=("", "_source"))
    suspicious = target["flagged"].eq(True) | target["flagged_source"].eq(True)
    chosen = target[suspicious & target["accuracy_source"].notna()]
    families = study.models.set_index("model")["family"]
    return chosen[_CELL].assign(
        family=families.reindex(chosen["model"]).to_numpy(),
        source=chosen["accuracy_source"],
        target=chosen["accuracy"],
        flagged=True,
        source_flagged=chosen["flagged_source"].eq(True),
    )


def trend_rows(fit: TrendFit, conf_level: float) -> pd.DataFrame:
    """Coefficients of one trend, on the accuracy scale too; then its slopes over these models."""
    parts = [_said(fit, fit.tidy(conf_level), fit.scale)]
    if fit.scale != "accuracy":
        parts.append(_slopes(fit, conf_level))
    return pd.concat([*parts, _slopes(fit.over(THESE_MODELS), conf_level)], ignore_index=True)


def _slopes(fit: TrendFit, conf_level: float) -> pd.DataFrame:
    """Slopes of one trend on the accuracy scale, in its scope."""
    return _said(fit, fit.accuracy_slopes(conf_level), "accuracy")


def _said(fit: TrendFit, rows: pd.DataFrame, scale: str) -> pd.DataFrame:
    """Tidy rows of a trend with what else is to be said of them."""
    return rows.assign(
        scale=scale, scope=fit.scope, reason=fit.weaknesses(rows), formula=fit.formula,
        vcov=fit.robust.kind, n_models=fit.nobs, n_clusters=fit.n_clusters,
    )  # fmt: skip


def trend_lines(fits: Fits) -> dict[str, pd.DataFrame]:
    """Fitted trend on each figure's axis, from the first trend on that covariate alone."""
    lines: dict[str, pd.DataFrame] = {}
    for fit in fits.trends.values():
        for axis, covariate in _AXES.items():
            if axis not in lines and _variables(fit.formula) == [covariate]:
                lines[axis] = fit.curve(covariate, fits.options.conf_level)
    return lines


def _variables(formula: str) -> list[str]:
    """Names in a formula that are not functions."""
    return sorted(set(re.findall(r"[A-Za-z_]\w*(?!\w*\()", formula)))


def flagged_frame(study: Study) -> pd.DataFrame:
    """One row per suspicious cell."""
    rows = study.flagged.drop_duplicates(_CELL)
    cells = cell_accuracies(study)[[*_CELL, "accuracy"]]
    return rows[[*_CELL, "flag", "evidence"]].merge(cells, how="left", on=_CELL)


def suspicious_used(study: Study) -> str:
    """Model, benchmark and evidence of the cells that `check` names and no flag leaves out."""
    rows = unflagged_cells(study).to_dict("records")
    return " ".join(f"{row['model']} on {row['benchmark']}: {row['evidence']}" for row in rows)


def _unscored(fits: Fits, model: str) -> str:
    """Why a model has no score."""
    study = fits.study
    if model in guessing_names(fits):
        return "no better than guessing in the source language"
    source = study.is_source & study.counts["model"].eq(model).to_numpy()
    if not len(fits.used.flagged) and study.counts.loc[source, "flag"].ne("").any():
        return "results in the source language are suspicious and left out"
    several = len(study.benchmarks) > 1
    return f"no usable accuracy in the source language{', or not on every benchmark' * several}"


def left_out_frame(fits: Fits) -> pd.DataFrame:
    """Models that the scores or a trend could not use, with the reason."""
    rows = [
        ("scores", model, _unscored(fits, model))
        for model in fits.study.model_names
        if model not in fits.scores.models
    ]
    unknown = with_release_year(fits.study.models).set_index("model").isna()
    for name, fit in fits.trends.items():
        for model in fit.left_out:
            missing = [
                column
                for column in _variables(fit.formula)
                if column in unknown and bool(unknown.loc[model, column])
            ]
            rows.append((name, model, f"unknown: {', '.join(missing)}"))
    rows += [(name, "all", reason) for name, reason in fits.not_fitted.items()]
    if isinstance(fits.profile, AggregateProfile):
        rows += [(f"benchmark {name}", "all", FLAT) for name in fits.profile.left_out]
    return pd.DataFrame(rows, columns=["analysis", "model", "reason"], dtype="str")
