"""The main job: from a study to scores, trends, verdicts, measures, and key results in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from hatstats.errors import HatstatsError
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.estimators.methods import Method, default_method, fit_profile
from hatstats.other_measures.table import measures
from hatstats.report.results.bayes import BayesPart, run_bayes
from hatstats.report.results.item_checks import ItemChecks, run_item_checks
from hatstats.report.results.key_results import key_result_lines
from hatstats.report.results.results import stacked
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.study import Study
from hatstats.study.claim_lock import registration
from hatstats.trends.claims.multiverse import (
    Specification,
    default_specification,
    list_specifications,
)
from hatstats.trends.claims.non_inferiority import margin_curves
from hatstats.trends.claims.specifications import specification_table
from hatstats.trends.claims.verdicts import Verdict, evaluate_claims
from hatstats.trends.decomposition import decompose_profile
from hatstats.trends.diagnostics import influence_measures, leverage_by_cluster
from hatstats.trends.regression import fit_trend
from hatstats.trends.trend import TrendFit

#: Trends that every report tries: name and formula.
TRENDS = {
    "size": "log10(params_total)",
    "date": "release_year",
    "size and date": "log10(params_total) + release_year",
}

#: Most families that the report drops one after the other.
MOST_FAMILIES = 12
#: Most models that it leaves out of a trend one after the other: refits of more take minutes.
MOST_REFITS = 40

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Options:
    """Choices of one analysis.

    Attributes
    ----------
    method : {"latent", "observed", "aggregate"} or None
        Estimator; by what the study offers if None.
    reference : str
        Reference distribution of source accuracy.
    conf_level : float
    seed : int
        Seed of the rank intervals.
    with_flagged : bool
        Use the flagged cells too.
    quick : bool
        Skip the analyses under other choices.
    bayes : bool
        Fit the hierarchical model too.
    """

    method: Method | None = None
    reference: str = "pooled"
    conf_level: float = 0.95
    seed: int = 1
    with_flagged: bool = False
    quick: bool = False
    bayes: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Everything that a report shows.

    Attributes
    ----------
    study, used : Study
        As read, and without the flagged cells (unless they were asked for).
    options : Options
    profile : TransferProfile
    scores : HatScores
    ranks : DataFrame
        Ranks with intervals, see `HatScores.ranks`.
    trends : dict of TrendFit
        By name; a trend that the study cannot test is absent.
    not_fitted : dict of str
        Why, by name, for the absent trends.
    claims : tuple of Verdict
    registration : tuple of str
        When the claims were locked, and what was changed since, in plain lines.
    margins : DataFrame
        Verdicts of non-inferiority for every margin, see `hatstats.trends.claims.non_inferiority`.
    leverage : DataFrame
        Share of each family in the information on each trend: `trend, cluster, n_models, term,
        share`.
    influence : DataFrame
        What each trend would be without each model: `trend, without, n_models, cooks_distance,
        term, dfbetas`; of trends over at most `MOST_REFITS` models.
    decompositions : DataFrame
        Change in raw target accuracy from the first year to the last, over all models and within
        each family, as source ability plus transfer.
    measures : DataFrame
        Gap, ratio, excess in the tidy schema.
    sensitivity : DataFrame
        `choice, claim`, then the estimate, interval, threshold and verdict of each claim under
        each choice; the default analysis first.
    checks : ItemChecks or None
        Checks of the profile, where scores are estimated item by item.
    bayes : BayesPart or None
        The hierarchical model, where it was asked for.
    key_results : tuple of str
        The results in at most ten plain lines.
    """

    study: Study
    used: Study
    options: Options
    profile: TransferProfile
    scores: HatScores
    ranks: pd.DataFrame
    trends: dict[str, TrendFit]
    not_fitted: dict[str, str]
    claims: tuple[Verdict, ...]
    registration: tuple[str, ...]
    margins: pd.DataFrame
    leverage: pd.DataFrame
    influence: pd.DataFrame
    decompositions: pd.DataFrame
    measures: pd.DataFrame
    sensitivity: pd.DataFrame
    checks: ItemChecks | None
    bayes: BayesPart | None
    key_results: tuple[str, ...]

    @property
    def seed(self) -> int:
        """Seed of the rank intervals."""
        return self.options.seed

    @property
    def conf_level(self) -> float:
        """Level of all intervals but those that decide claims."""
        return self.options.conf_level


def _trends(source: HatScores | TransferProfile) -> tuple[dict[str, TrendFit], dict[str, str]]:
    """Trends that could be fitted by name, and the reasons of the others."""
    fitted, reasons = {}, {}
    for name, formula in TRENDS.items():
        try:
            fitted[name] = fit_trend(source, formula)
        except HatstatsError as error:
            # A study without sizes or dates still has scores; the report says what is missing.
            reasons[name] = str(error)
    return fitted, reasons


def fit_method(study: Study, options: Options) -> Method:
    """The estimator that an analysis uses."""
    return options.method or default_method(study)


def _influence(trend: TrendFit) -> pd.DataFrame:
    """How far one trend moves when a model is left out, one row per model and term."""
    rows = influence_measures(trend)
    parts = [
        rows[["without", "n_models", "cooks_distance"]].assign(
            term=term, dfbetas=rows[f"dfbetas[{term}]"]
        )
        for term in trend.design.terms
    ]
    return pd.concat(parts, ignore_index=True)


def _decompositions(profile: TransferProfile, scores: HatScores, conf_level: float) -> pd.DataFrame:
    """Changes from the first year to the last, over all models and within families."""
    table = scores.covariates
    parts = []
    groups: list[str | None] = [None, *dict.fromkeys(table["family"].dropna())]
    for family in groups:
        dates = (table if family is None else table[table["family"] == family])["release_date"]
        years = sorted({int(year) for year in dates.dt.year.dropna()})
        if len(years) > 1:
            found = decompose_profile(profile, years[0], years[-1], family=family)
            rows = found.tidy(conf_level)
            rows.insert(0, "comparison", f"{found.descriptions[0]}, to {found.descriptions[1]}")
            parts.append(rows)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _specifications(study: Study, options: Options) -> dict[str, Specification]:
    """The reported analysis first, then the other choices that the report tries."""
    base = default_specification(
        study,
        method=fit_method(study, options),
        reference=options.reference,
        flagged=options.with_flagged,
    )
    if options.quick:
        return {"as reported": base}
    few = study.models["family"].nunique() <= MOST_FAMILIES
    return list_specifications(study, base, drop=("family",) if few else (), cross=False)


def analyse(
    study: Study, options: Options | None = None, *, progress: Progress | None = None
) -> Analysis:
    """Run the main job on a study.

    Parameters
    ----------
    study : Study
        With its flagged cells; they are left out unless ``options.with_flagged``.
    options : Options, optional
    progress : callable, optional
        Called as ``progress(what, share)`` while working, share from 0 to 1.

    Returns
    -------
    Analysis

    Raises
    ------
    DataError, NotIdentifiedError, FitError
        If the study cannot give scores at all. Trends and claims that it cannot test are part of
        the result, with reasons.
    """
    options = options or Options()
    specifications = _specifications(study, options) if study.claims else {}
    from_items = fit_method(study, options) in ("latent", "joint")
    total = 5 + len(specifications) + from_items + 8 * options.bayes
    done = 0

    def step(what: str) -> None:
        nonlocal done
        if progress is not None:
            progress(what, min(done / total, 1.0))
        done += 1

    used = study if options.with_flagged else study.without_flagged()
    step("transfer profiles")
    profile = fit_profile(used, method=options.method)
    step("HAT scores")
    scores = profile.hat(options.reference)
    ranks = scores.ranks(rng=options.seed, conf_level=options.conf_level)
    step("trends")
    source = profile if isinstance(profile, AggregateProfile) else scores
    trends, not_fitted = _trends(source)
    step("claims")
    registered = registration(study)
    fits = {trend.formula: trend for trend in trends.values()}
    claims = evaluate_claims(source, study.claims, registration=registered, fits=fits)
    step("measures")
    others = measures(used, conf_level=options.conf_level, rng=1)
    sensitivity = specification_table(
        study,
        specifications=specifications,
        registration=registered,
        evaluated={"as reported": claims},
        progress=lambda what, _: step(what),
    )
    checks = None
    if from_items:
        step("checks")
        checks = run_item_checks(profile, options.reference, options.conf_level)
    bayes = None
    if options.bayes:
        began = done

        def bayes_progress(words: str, share: float) -> None:
            if progress is not None:
                progress(f"Bayes: {words}", (began + 8 * share) / total)

        bayes = run_bayes(used, scores, claims, options.conf_level, options.seed, bayes_progress)
    lines = key_result_lines(
        study,
        scores,
        ranks,
        claims,
        sensitivity,
        conf_level=options.conf_level,
        with_flagged=options.with_flagged,
    )
    influences = {
        name: _influence(trend) for name, trend in trends.items() if trend.nobs <= MOST_REFITS
    }
    if progress is not None:
        progress("done", 1.0)
    return Analysis(
        study=study,
        used=used,
        options=options,
        profile=profile,
        scores=scores,
        ranks=ranks,
        trends=trends,
        not_fitted=not_fitted,
        claims=claims,
        registration=registered.lines() if study.claims else (),
        margins=margin_curves(claims),
        leverage=stacked({name: leverage_by_cluster(trend) for name, trend in trends.items()}),
        influence=stacked(influences),
        decompositions=_decompositions(profile, scores, options.conf_level),
        measures=others,
        sensitivity=sensitivity,
        checks=checks,
        bayes=bayes,
        key_results=lines,
    )
