"""Everything that a report shows, as tidy frames: the only thing that drawing and writing read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """The results of one analysis as plain values and frames.

    Attributes
    ----------
    info : mapping of str to str
        `name, title, source, licence, citation, notes` of the study.
    facts : mapping of str to str, int or float
        What the analysis was: `method, reference, estimand, seed, conf_level` and counts
        (`models, families, languages, benchmarks, cells, flagged_cells`).
    key_results : tuple of str
        The key results in at most ten plain lines.
    scores : DataFrame
        Tidy scores, best first, with `family, release_date, release_year, params_total,
        params_active, shape_error, informed, note`.
    cov : DataFrame
        Covariance of the scores, rows and columns named by model.
    trends : DataFrame
        Tidy terms of every trend, with `trend, formula, vcov, n_models, n_clusters`.
    comparison : DataFrame
        The same terms under OLS, HC, CR1, CR2 and CR3, with `trend`.
    claims : DataFrame
        One row per claim, see `hatstats.trends.Verdict`.
    specification : DataFrame
        Estimate of each claim under each choice: `choice, claim` and tidy columns.
    points, curve : DataFrame
        What :func:`hatstats.report.figures.panels.target_against_source` draws.
    profiles : DataFrame
        What :func:`hatstats.report.figures.panels.transfer_profiles` draws; empty for aggregates.
    lines : mapping of str to DataFrame
        Fitted trend by covariate (``size``, ``date``): `x, estimate, conf_low, conf_high`.
    chance : mapping of str to float
        Accuracy of blind guessing by benchmark.
    flagged : DataFrame
        Cells under suspicion: `model, benchmark, language, accuracy, flag, evidence`.
    left_out : DataFrame
        Models that an analysis had to leave out: `analysis, model, reason`.
    files : tuple of Path
        Files that the study was read from.
    checks : DataFrame
        Tidy rows of the checks of an item-level profile, and of HAT by other conditionings.
    check_words : tuple of str
        What each check says.
    thinning : DataFrame
        What :func:`hatstats.report.figures.thinning_plot.thinning` draws.
    items : DataFrame
        Items that transfer far worse or better than their profile says.
    shares : DataFrame
        Share of specifications by verdict, see
        `hatstats.trends.claims.specifications.verdict_shares`.
    measures, margins, leverage, influence, decompositions : DataFrame
        See `hatstats.report.results.analysis.Analysis`, as for `registration`.
    registration : tuple of str
    bayes : mapping of str to DataFrame
        Frames of `hatstats.report.results.bayes.BayesPart` by name; empty without that model.
    bayes_words : tuple of str
        What its checks say; shown on the first screen.
    bayes_facts : mapping of str to str
        `method, trend, draws`.
    """

    info: Mapping[str, str]
    facts: Mapping[str, str | int | float]
    key_results: tuple[str, ...]
    scores: pd.DataFrame
    cov: pd.DataFrame
    trends: pd.DataFrame
    comparison: pd.DataFrame
    claims: pd.DataFrame
    measures: pd.DataFrame
    specification: pd.DataFrame
    points: pd.DataFrame
    curve: pd.DataFrame
    profiles: pd.DataFrame
    lines: Mapping[str, pd.DataFrame]
    chance: Mapping[str, float]
    flagged: pd.DataFrame
    left_out: pd.DataFrame
    files: tuple[Path, ...] = ()
    checks: pd.DataFrame = field(default_factory=pd.DataFrame)
    check_words: tuple[str, ...] = ()
    thinning: pd.DataFrame = field(default_factory=pd.DataFrame)
    items: pd.DataFrame = field(default_factory=pd.DataFrame)
    registration: tuple[str, ...] = ()
    margins: pd.DataFrame = field(default_factory=pd.DataFrame)
    shares: pd.DataFrame = field(default_factory=pd.DataFrame)
    leverage: pd.DataFrame = field(default_factory=pd.DataFrame)
    influence: pd.DataFrame = field(default_factory=pd.DataFrame)
    decompositions: pd.DataFrame = field(default_factory=pd.DataFrame)
    bayes: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    bayes_words: tuple[str, ...] = ()
    bayes_facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """Name of the reference distribution."""
        return str(self.facts["reference"])

    @property
    def conf_level(self) -> float:
        """Level of all intervals."""
        return float(self.facts["conf_level"])


def stacked(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Frames of several trends under one another, with the name of each in the column `trend`."""
    named = [frame.copy() for frame in parts.values()]
    for name, frame in zip(parts, named, strict=True):
        frame.insert(0, "trend", name)
    return pd.concat(named, ignore_index=True) if named else pd.DataFrame()
