"""Finished results as the frames that figures draw: rows of models, points, curves, claims."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import pandas as pd

from hatstats.bayes.scores import PosteriorScores
from hatstats.bootstrap.result import BootstrapScores
from hatstats.diagnostics.agreement import ModelComparison
from hatstats.diagnostics.goodness_of_fit import CountTable
from hatstats.diagnostics.half_samples import SplitHalf
from hatstats.diagnostics.hausman import MisspecificationTest
from hatstats.diagnostics.thinning import Thinning
from hatstats.errors import DataError
from hatstats.inference.intervals import wald_interval
from hatstats.report.results.languages import facts_of
from hatstats.scores.item_profile import ItemProfile, require_items
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.study.formula import with_release_year
from hatstats.trends.claims.verdict import Verdict, Verdicts
from hatstats.trends.decomposition import Decomposition
from hatstats.trends.trend import TrendFit

# What the figures take: a result, or a frame with the columns that its function names.
type Scores = HatScores | PosteriorScores | BootstrapScores | pd.DataFrame
type Ranked = HatScores | pd.DataFrame
type Trend = TrendFit | HatScores | pd.DataFrame
type Profile = TransferProfile
type Claims = Verdicts | Verdict | pd.DataFrame
type Change = Decomposition | Iterable[Decomposition] | pd.DataFrame
type Check = Thinning | SplitHalf | MisspecificationTest | CountTable | pd.DataFrame

COVARIATES = ("family", "release_date", "release_year", "params_total", "params_active")


def score_rows(scores: Scores, conf_level: float = 0.95) -> pd.DataFrame:
    """One row per model: tidy columns, covariates, source accuracy, and whether data inform it."""
    if isinstance(scores, pd.DataFrame):
        rows = scores.copy()
    else:
        rows = pd.DataFrame(scores.tidy(conf_level))
    needed(rows, ("model", "estimate", "conf_low", "conf_high"), "scores")
    if isinstance(scores, HatScores):
        facts = with_release_year(scores.covariates).set_index("model")
        for name in COVARIATES:
            rows[name] = facts[name].reindex(rows["model"]).to_numpy() if name in facts else np.nan
        rows["series"] = facts.get("series", facts["family"]).reindex(rows["model"]).to_numpy()
        rows["source"] = scores.source
        rows["target"] = np.nan if scores.target is None else scores.target
        rows["informed"] = ~rows["model"].isin(scores.weakly_identified)
    unknown: dict[str, Any] = {"informed": True, "reference": "", "conf_level": conf_level}
    for name, value in (dict.fromkeys(COVARIATES, np.nan) | unknown).items():
        if name not in rows:
            rows[name] = value
    return rows


def within_rows(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean score at each value of a covariate within groups: `group, family, x, estimate`.

    Groups are series, where they are known, along sizes, and families along dates, since a series
    mostly has one; groups with one value are left out.
    """
    by_size = column.startswith("params") and "series" in rows
    series = rows["series"].replace("", np.nan) if by_size else rows["family"]
    group = series.fillna(rows["family"]).fillna("").astype("str")
    known = rows.assign(group=group, x=rows[column], family=rows["family"].fillna(""))
    known = known[known["x"].notna() & (known["group"] != "") & known["informed"].astype(bool)]
    means = known.groupby(["group", "family", "x"], sort=False)["estimate"].mean().reset_index()
    several = means.groupby("group")["x"].transform("size") > 1
    return means[several].sort_values(["group", "x"], ignore_index=True)


def needed(frame: pd.DataFrame, columns: Collection[str], what: str) -> None:
    """Raise DataError, naming the column, where a frame lacks what a figure draws."""
    for name in columns:
        if name not in frame:
            hint = f"it takes a finished result, or a frame with {', '.join(columns)}."
            raise DataError(f"a figure of {what} has nothing to draw", column=name, hint=hint)


def chosen_rows(rows: pd.DataFrame, column: str, names: Collection[str] | None) -> pd.DataFrame:
    """Rows of some models or languages, all if None; DataError for one that is not there."""
    if names is None:
        return rows
    known = list(dict.fromkeys(rows[column]))
    for name in names:
        if name not in known:
            hint = f"there are {', '.join(map(str, known[:12]))}."
            raise DataError(f"a figure has no such {column}", column=column, value=name, hint=hint)
    return rows[rows[column].isin(list(names))]


def cell_rows(scores: Ranked) -> pd.DataFrame:
    """HAT of each model in each language: `model, benchmark, language, estimate, informed`.

    And `name, resource` of the language.
    """
    if isinstance(scores, pd.DataFrame):
        needed(scores, ("model", "language", "estimate"), "scores by language")
        return scores if "informed" in scores else scores.assign(informed=True)
    cells = pd.DataFrame(scores.tidy_cells())
    facts = facts_of(scores, cells["language"])[["name", "resource"]].set_axis(cells.index)
    known = cells.assign(name=facts["name"], resource=facts["resource"])
    return known.assign(informed=~cells["model"].isin(scores.weakly_identified))


def pair_rows(scores: Ranked, seed: int = 1) -> pd.DataFrame:
    """Every difference between two ranked models with its adjusted p."""
    if isinstance(scores, pd.DataFrame):
        return scores
    return pd.DataFrame(scores.pairs(rng=seed))


def rank_rows(scores: Ranked, seed: int = 1) -> pd.DataFrame:
    """Ranks of the models with those that the data leave them."""
    if isinstance(scores, pd.DataFrame):
        return pd.DataFrame(columns=["model", "rank_low", "rank_high"])
    return pd.DataFrame(scores.ranks(rng=seed))


def point_rows(profile: TransferProfile, conf_level: float = 0.95) -> pd.DataFrame:
    """Accuracies in source and target language with limits, as the profile used them."""
    points = pd.DataFrame(profile.points()).assign(flagged=False, source_flagged=False)
    for side in ("source", "target"):
        limits = wald_interval(points[side], points[f"{side}_se"], np.inf, conf_level)
        points[f"{side}_low"], points[f"{side}_high"] = limits[:, 0], limits[:, 1]
    return points.assign(conf_level=conf_level)


def fitted_lines(profile: TransferProfile) -> pd.DataFrame:
    """The relation fitted between models by language; empty where each has its own profile."""
    return pd.DataFrame() if isinstance(profile, ItemProfile) else pd.DataFrame(profile.curve())


def profile_rows(profile: TransferProfile, conf_level: float = 0.95) -> pd.DataFrame:
    """Each model's own profile with its band, and its family; best known where items are."""
    bands = require_items(profile, "a figure of profiles").bands(conf_level)
    families = pd.Series(profile.families, dtype="object")
    return pd.DataFrame(bands).assign(family=families.reindex(bands["model"]).to_numpy())


def reference_rows(profile: TransferProfile, reference: str | None = None) -> pd.DataFrame:
    """Density of the reference distribution over source accuracy."""
    return pd.DataFrame(require_items(profile, "a reference distribution").density(reference))


def raw_targets(profile: TransferProfile) -> pd.Series[float]:
    """Raw target accuracy of the models that were asked in every language, by model."""
    points = pd.DataFrame(profile.points())
    whole = points.groupby(["benchmark"])["language"].nunique().sum()
    asked = points.groupby("model").size()
    by_benchmark = points.groupby(["model", "benchmark"])["target"].mean()
    means: pd.Series[float] = by_benchmark.groupby("model").mean()
    return means.where(asked == whole)


def chance_levels(profile: TransferProfile) -> dict[str, float]:
    """Accuracy of blind guessing by benchmark."""
    known = profile.study.benchmarks
    return dict(zip(known["benchmark"], known["chance"].astype(float), strict=True))


def trend_rows(
    trend: Trend, covariate: str | None, conf_level: float
) -> tuple[pd.DataFrame, pd.DataFrame | None, str]:
    """Scores, the fitted line (None without a fit), and the covariate it is drawn along."""
    if not isinstance(trend, TrendFit):
        return score_rows(trend, conf_level), None, covariate or "params_total"
    own = [name for name in COVARIATES[2:] if name in trend.formula]
    chosen = covariate or (own[0] if own else "")
    if chosen not in trend.design.frame:
        raise DataError(
            "the trend has no such numeric covariate", column="covariate", value=chosen,
            hint=f"its formula is {trend.formula}; name one of its variables.",
        )  # fmt: skip
    scores = trend.scores if isinstance(trend.scores, HatScores) else trend.scores.hat()
    rows = score_rows(scores, conf_level)
    if chosen not in COVARIATES:
        facts = scores.covariates.set_index("model")
        rows[chosen] = facts[chosen].reindex(rows["model"]).to_numpy()
    return rows, pd.DataFrame(trend.curve(chosen, conf_level)), chosen


def claim_rows(claims: Claims) -> pd.DataFrame:
    """One row for each claim, named in the column `claim`."""
    frame = claims if isinstance(claims, pd.DataFrame) else pd.DataFrame(claims.tidy())
    rows = frame if "claim" in frame else frame.rename(columns={"name": "claim"})
    needed(rows, ("claim", "estimate", "conf_low", "conf_high", "threshold", "verdict"), "claims")
    return rows


def change_rows(change: Change, conf_level: float = 0.95) -> pd.DataFrame:
    """Parts of each change: `comparison, term` and tidy columns."""
    if isinstance(change, pd.DataFrame):
        needed(change, ("comparison", "term", "estimate", "conf_low", "conf_high"), "a change")
        return change
    several = [change] if isinstance(change, Decomposition) else list(change)
    parts = [
        pd.DataFrame(one.tidy(conf_level)).assign(comparison=" → ".join(one.descriptions))
        for one in several
    ]
    return pd.concat(parts, ignore_index=True)


def check_rows(check: Check, conf_level: float = 0.95) -> tuple[str, pd.DataFrame]:
    """Kind of a check (``path``, ``counts``, ``correlation``, ``terms``) and its frame."""
    if isinstance(check, Thinning):
        return "path", check.path.assign(reference=check.reference)
    if isinstance(check, CountTable):
        return "counts", check.table
    if isinstance(check, ModelComparison):
        return "terms", pd.DataFrame(check.tidy(conf_level))
    for kind, sign in (("correlation", "correlation"), ("path", "implied"),
                       ("counts", "items_expected"), ("terms", "term")):  # fmt: skip
        if sign in check:
            return kind, check
    raise DataError(
        "no check of a profile is known that has these columns", column="result",
        hint="give what thin_trials, split_half, count_table, misspecification_test or "
        "hat_by_correlation returned.",
    )  # fmt: skip
