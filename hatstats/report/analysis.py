"""The main job: from a study to scores, trends, verdicts, measures, and an answer in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from hatstats.errors import FitError, HatstatsError, NotIdentifiedError
from hatstats.hat.aggregate import AggregateProfile
from hatstats.hat.fitting import Method, default_method, fit_profile
from hatstats.hat.measures import measures
from hatstats.hat.profile import TransferProfile
from hatstats.hat.scores import HatScores
from hatstats.report.answer import plain_answer
from hatstats.report.bayes import BayesPart, run_bayes
from hatstats.report.item_checks import ItemChecks, run_item_checks
from hatstats.study import Study
from hatstats.trends.claims import Verdict, claims_frame, evaluate_claims
from hatstats.trends.regression import fit_trend
from hatstats.trends.trend import TrendFit

#: Trends that every report tries: name and formula.
TRENDS = {
    "size": "log10(params_total)",
    "date": "release_year",
    "size and date": "log10(params_total) + release_year",
}

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
        Leave out what only shows how results change with other choices.
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
    measures : DataFrame
        Gap, ratio, excess in the tidy schema.
    sensitivity : DataFrame
        `choice, claim`, then the estimate, interval, threshold and verdict of each claim under
        each choice; the default analysis first.
    checks : ItemChecks or None
        Checks that need no model, where scores were learnt from items and their noise undone.
    bayes : BayesPart or None
        The hierarchical model, where it was asked for.
    answer : tuple of str
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
    measures: pd.DataFrame
    sensitivity: pd.DataFrame
    checks: ItemChecks | None
    bayes: BayesPart | None
    answer: tuple[str, ...]

    @property
    def seed(self) -> int:
        """Seed of the rank intervals."""
        return self.options.seed

    @property
    def conf_level(self) -> float:
        """Level of all intervals but those that decide claims."""
        return self.options.conf_level


def _trend_input(profile: TransferProfile, reference: str) -> HatScores | TransferProfile:
    """What trends are fitted to: the aggregate profile itself, or item-level scores."""
    return profile if isinstance(profile, AggregateProfile) else profile.hat(reference)


def _trends(
    source: HatScores | TransferProfile,
) -> tuple[dict[str, TrendFit], dict[str, str]]:
    fitted, reasons = {}, {}
    for name, formula in TRENDS.items():
        try:
            fitted[name] = fit_trend(source, formula)
        except HatstatsError as error:
            # A study without sizes or dates still has scores; the report says what is missing.
            reasons[name] = str(error)
    return fitted, reasons


TrendInput = HatScores | TransferProfile


def _choices(study: Study, used: Study, options: Options) -> dict[str, Callable[[], TrendInput]]:
    """Other defensible choices, as calls that give what trends are fitted to."""
    choices: dict[str, Callable[[], TrendInput]] = {}
    method, reference = fit_method(used, options), options.reference

    def scores(other: Method, at: str, correlation: float = 0.0) -> Callable[[], TrendInput]:
        return lambda: fit_profile(used, method=other, correlation=correlation).hat(at)

    if len(study.flagged) and not options.with_flagged:
        choices["flagged cells included"] = lambda: _trend_input(
            fit_profile(study, method=method), reference
        )
    if method == "aggregate":
        choices["slope of source accuracy held at 1"] = lambda: fit_profile(
            used, method="aggregate", slope=1.0
        )
        choices["two stages: scores regressed afterwards"] = scores("aggregate", reference)
        for correlation in (0.3, 0.6):
            name = f"two stages, correlation of items {correlation:g}"
            choices[name] = scores("aggregate", reference, correlation)
        return choices
    for other in ("pooled", "uniform"):
        if other != reference:
            choices[f"reference {other}"] = scores(method, other)
    conditioning: Method = "observed" if method == "latent" else "latent"
    choices[f"conditioning {conditioning}"] = scores(conditioning, reference)
    return choices


def fit_method(study: Study, options: Options) -> Method:
    """The estimator that an analysis uses."""
    return options.method or default_method(study)


def _sensitivity(
    study: Study,
    used: Study,
    options: Options,
    source: TrendInput,
    default: tuple[Verdict, ...],
    step: Callable[[str], None],
) -> pd.DataFrame:
    tables = [claims_frame(default).assign(choice="as reported")]
    if default and not options.quick:
        for name, make in _choices(study, used, options).items():
            step(name)
            try:
                verdicts = evaluate_claims(make(), study.claims)
            except (NotIdentifiedError, FitError) as error:
                verdicts = tuple(_untestable(verdict, str(error)) for verdict in default)
            tables.append(claims_frame(verdicts).assign(choice=name))
        # CR3 keeps its level with few families, as CR2 does; CR1 does not, and is no choice.
        step("CR3")
        verdicts = evaluate_claims(source, study.claims, vcov="CR3")
        tables.append(claims_frame(verdicts).assign(choice="standard errors CR3"))
    table = pd.concat(tables, ignore_index=True).rename(columns={"name": "claim"})
    first = ["choice", "claim"]
    kept = [
        "estimate",
        "std_error",
        "df",
        "p_value",
        "conf_low",
        "conf_high",
        "conf_level",
        "threshold",
        "verdict",
        "method",
        "n_models",
        "n_clusters",
        "reason",
    ]
    return table[[*first, *kept]]


def _untestable(verdict: Verdict, reason: str) -> Verdict:
    nan = float("nan")
    return replace(
        verdict,
        estimate=nan,
        std_error=nan,
        df=nan,
        conf_low=nan,
        conf_high=nan,
        p_value=nan,
        verdict="not testable",
        reason=reason,
    )


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
    choices = 0 if options.quick or not study.claims else 6
    learnt_from_items = fit_method(study, options) in ("latent", "joint")
    total, done = 5 + choices + learnt_from_items + 8 * options.bayes, 0

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
    claims = evaluate_claims(source, study.claims)
    step("measures")
    rivals = measures(used, conf_level=options.conf_level)
    sensitivity = _sensitivity(study, used, options, source, claims, step)
    checks = None
    if learnt_from_items:
        step("checks")
        checks = run_item_checks(profile, options.reference, options.conf_level)
    bayes = None
    if options.bayes:
        began = done

        def told(words: str, share: float) -> None:
            if progress is not None:
                progress(f"Bayes: {words}", (began + 8 * share) / total)

        bayes = run_bayes(used, scores, claims, ("cells", options.conf_level, options.seed), told)
    answer = plain_answer(
        study,
        scores,
        ranks,
        claims,
        sensitivity,
        conf_level=options.conf_level,
        with_flagged=options.with_flagged,
    )
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
        measures=rivals,
        sensitivity=sensitivity,
        checks=checks,
        bayes=bayes,
        answer=answer,
    )
