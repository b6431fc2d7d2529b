"""Everything that a report shows, as tidy frames: the only thing that drawing and writing read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from hatstats.estimators.methods import Method
    from hatstats.report.results.item_checks import ItemChecks
    from hatstats.scores.scores import HatScores
    from hatstats.scores.transfer_profile import TransferProfile
    from hatstats.scores.wordings import Scope
    from hatstats.study import Study
    from hatstats.trends.claims.verdict import Verdict
    from hatstats.trends.trend import TrendFit


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Choices of one report.

    Parameters
    ----------
    seed : int
        Seed of everything that is drawn: critical values of ranks and pairs, the posterior.
    conf_level : float
        Level of all intervals but those that decide claims.
    reference : str, optional
        Reference distribution of source accuracy: ``common`` (the default where the study declares
        a window), ``pooled`` (the default otherwise), ``uniform``, ``own`` or ``model:NAME``.
    method : {"latent", "joint", "panel", "observed", "aggregate"}, optional
        Estimator; by what the study offers if None.
    scope : {"these wordings", "wordings like these"}
        Over what scores, trends and claims generalise, beside items.
    with_flagged : bool
        Use the flagged cells too.
    quick : bool
        Skip the analyses under other choices.
    bayes : bool
        Fit the hierarchical model too.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.ReportOptions(quick=True, reference="uniform").reference
    'uniform'
    """

    seed: int = 1
    conf_level: float = 0.95
    reference: str | None = None
    method: Method | None = None
    scope: Scope = "these wordings"
    with_flagged: bool = False
    quick: bool = False
    bayes: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """What was fitted for a report; `Results` has the frames that are made of it.

    `used` is the study without its flagged cells (unless they were asked for), `ranks` and `pairs`
    those of `HatScores`, for the models that are ranked, `not_fitted` the reason for each trend
    that the study cannot test, `held` the trends of accuracies alone with the slope of target on
    source logits held at 1, by name.
    """

    study: Study
    used: Study
    options: ReportOptions
    profile: TransferProfile
    scores: HatScores
    ranks: pd.DataFrame
    pairs: pd.DataFrame
    trends: dict[str, TrendFit]
    not_fitted: dict[str, str]
    claims: tuple[Verdict, ...]
    held: dict[str, TrendFit] = field(default_factory=dict)


#: Probability from which the posterior of a claim counts as sure.
SURE = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class BayesPart:
    """What a report shows of the hierarchical model."""

    #: Probabilities `p_claim` of the claims, with `verdict` of the regression beside them.
    claims: pd.DataFrame
    #: `model`, posterior `estimate, std_error, conf_low, conf_high, p_best`, and `plain`, the
    #: score without the model.
    scores: pd.DataFrame
    #: See `HierarchicalFit.shrinkage`.
    shrinkage: pd.DataFrame
    #: `low, high, prior, posterior`: shares of HAT cells in bins of accuracy.
    prior: pd.DataFrame
    #: Checks of every fit.
    checks: pd.DataFrame
    #: `method, trend, draws`.
    facts: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether every check of every fit passed."""
        return bool(self.checks["passed"].all())

    @property
    def words(self) -> tuple[str, ...]:
        """One line for each check that failed, or one that says that none did."""
        failed = self.checks[~self.checks["passed"].astype(bool)]
        if failed.empty:
            count = len(self.checks)
            return (f"All {count} checks of the hierarchical model passed.",)
        return tuple(
            f"A check of the hierarchical model FAILED ({row['trend'] or 'no trend'}): "
            f"{row['words']}."
            for row in failed.to_dict("records")
        )

    @property
    def reconciled(self) -> tuple[str, ...]:
        """Why a claim's probability and its verdict differ, one sentence for each that do."""
        known = self.claims.dropna(subset=["p_claim", "verdict"]).to_dict("records")
        lines = (_reconciled(str(row["verdict"]), float(row["p_claim"])) for row in known)
        return tuple(
            f"{row['name']}: probability {row['p_claim']:.2f}, verdict {row['verdict']}. {line}"
            for row, line in zip(known, lines, strict=True)
            if line
        )


def _reconciled(verdict: str, probability: float) -> str:
    """Why a verdict and the probability of its claim differ; empty where they agree."""
    sure = "supported" if probability >= SURE else "refuted" if probability <= 1.0 - SURE else ""
    decided = verdict if verdict in ("supported", "refuted") else ""
    if sure == decided:
        return ""
    if not decided:
        return (
            "The posterior takes family effects as normal, of a spread that its prior bounds; the "
            "verdict assumes neither, has as many degrees of freedom as there are families, and is "
            "adjusted for all claims. It stands; the probability is worth what the model is."
        )
    if not sure:
        return (
            "The posterior keeps models of undisclosed size or date, and shrinks cells and trends "
            "towards one another; what it leaves open the regression decides by itself."
        )
    return (
        "They contradict each other: the models in the two, the shrinkage of cells or the prior "
        "must make the difference. Neither is to be quoted alone."
    )


@dataclass(frozen=True, slots=True, eq=False)
class LanguagePart:
    """What a report shows of languages; each frame may be empty."""

    #: Of each language, highest HAT first: see `hatstats.report.results.languages`.
    table: pd.DataFrame
    #: Differences between groups of languages in the tidy schema, with their `scope`.
    groups: pd.DataFrame
    #: Items that fail in one language, see `hatstats.item_faults`, with the `name` of the language.
    faults: pd.DataFrame
    #: HAT of each model and language with and without those items: `kind, name, with_all,
    #: without_these, change`.
    without: pd.DataFrame = field(default_factory=pd.DataFrame)
    #: Why something of this is missing, and what the items change, in sentences.
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """The results of one analysis as plain values and frames; a frame may be empty."""

    #: `name, title, source, licence, citation, notes, synthetic` of the study.
    info: Mapping[str, str]
    #: `method, reference` and both in words, `scope, estimand, reason` (why this method),
    #: `assumption` (what few trials cannot show), `leader` (whether one model leads),
    #: `source_language` in words, `seed, conf_level` and counts of models, cells and so on.
    facts: Mapping[str, str | int | float]
    #: The key results in at most ten plain lines.
    key_results: tuple[str, ...]
    #: Tidy scores, best first, with covariates, ranks, `source, effective_trials, shape_error,
    #: scope, informed, note`.
    scores: pd.DataFrame
    #: All differences between ranked models, see `HatScores.pairs`.
    pairs: pd.DataFrame
    #: Covariance of the scores, rows and columns named by model.
    cov: pd.DataFrame
    #: Tidy terms of every trend, with `trend, scale, scope, formula, vcov, n_models, n_clusters`,
    #: and the `reason` why a term has no error, or what that of few df is worth; in the scope of
    #: these models the slopes on the accuracy scale.
    trends: pd.DataFrame
    #: The same terms under every kind of standard error and test, with `trend`.
    comparison: pd.DataFrame
    #: One row for each claim, see `hatstats.Verdict`.
    claims: pd.DataFrame
    #: Measures beside HAT in the tidy schema.
    measures: pd.DataFrame
    #: Each claim under each choice, the default analysis first: `choice, claim`, tidy columns.
    specification: pd.DataFrame
    #: Accuracies and the fitted relation between them, see `hatstats.plot.scatter`.
    points: pd.DataFrame
    curve: pd.DataFrame
    #: The models' own profiles with bands, see `hatstats.plot.profiles`; may be empty.
    profiles: pd.DataFrame
    #: Fitted trend by covariate (``size``, ``date``): `x, estimate, conf_low, conf_high`.
    lines: Mapping[str, pd.DataFrame]
    #: Accuracy of blind guessing by benchmark.
    chance: Mapping[str, float]
    #: Suspicious cells: `model, benchmark, language, accuracy, flag, evidence`.
    flagged: pd.DataFrame
    #: Models that an analysis had to leave out: `analysis, model, reason`.
    left_out: pd.DataFrame
    #: Files that the study was read from.
    files: tuple[Path, ...] = ()
    #: When the claims were locked, and what was changed since, in plain lines.
    registration: tuple[str, ...] = ()
    #: Verdicts of non-inferiority for every margin.
    margins: pd.DataFrame = field(default_factory=pd.DataFrame)
    #: Share of specifications by verdict.
    shares: pd.DataFrame = field(default_factory=pd.DataFrame)
    #: Share of each family in the information on each term of each trend.
    leverage: pd.DataFrame = field(default_factory=pd.DataFrame)
    #: What each trend would be without each model: `trend, without, term, dfbetas` and so on.
    influence: pd.DataFrame = field(default_factory=pd.DataFrame)
    #: Change in raw target accuracy from the first year to the last, overall and by family.
    decompositions: pd.DataFrame = field(default_factory=pd.DataFrame)
    #: Checks of the profile, where scores are estimated item by item.
    checks: ItemChecks | None = None
    #: The hierarchical model, where it was asked for.
    bayes: BayesPart | None = None
    #: The fitted objects; frames made by hand have none.
    fits: Fits | None = None
    #: HAT by language, where there are several.
    languages: LanguagePart | None = None
    #: HAT by model, benchmark and language in the tidy schema.
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)
    #: Density of the reference over source accuracy: `source, density, reference`; may be empty.
    density: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def ranked(self) -> pd.DataFrame:
        """Rows of `scores`, best first: models that the data inform, or all if there are none."""
        informed = self.scores["informed"].astype(bool)
        rows = self.scores[informed] if informed.any() else self.scores
        return rows.sort_values("estimate", ascending=False, kind="stable")

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
    named = pd.concat(parts, names=["trend"]).reset_index("trend") if parts else pd.DataFrame()
    return named.reset_index(drop=True)
