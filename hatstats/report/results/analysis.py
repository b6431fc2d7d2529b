"""The main job: from a study to scores, trends, verdicts, measures, and key results in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pandas as pd

from hatstats.errors import HatstatsError
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.estimators.methods import Method, fit_profile
from hatstats.inference.arrays import Floats
from hatstats.other_measures.table import measures
from hatstats.report.results.changes import changes
from hatstats.report.results.collect import frames_of
from hatstats.report.results.item_checks import run_item_checks
from hatstats.report.results.key_results import key_result_lines
from hatstats.report.results.languages import language_part
from hatstats.report.results.results import BayesPart, Fits, ReportOptions, Results, stacked
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.study import Study
from hatstats.study.claim_lock import registration
from hatstats.trends.claims.estimands import gap_scores
from hatstats.trends.claims.multiverse import (
    Specification,
    default_specification,
    list_specifications,
)
from hatstats.trends.claims.non_inferiority import margin_curves
from hatstats.trends.claims.specifications import specification_table, verdict_shares
from hatstats.trends.claims.verdict import Verdicts
from hatstats.trends.claims.verdicts import evaluate_claims
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
#: Edges of the bins in which prior and posterior are shown.
_EDGES = np.linspace(0.0, 1.0, 41)

Progress = Callable[[str, float], None]


def _trends(source: HatScores | TransferProfile) -> tuple[dict[str, TrendFit], dict[str, str]]:
    """Trends that could be fitted by name, and the reasons of the others."""
    fitted, reasons = {}, {}
    for name, formula in TRENDS.items():
        try:
            fitted[name] = fit_trend(source, formula)
        except HatstatsError as error:
            # A study without sizes or dates still has scores; the report says what is missing.
            reasons[name] = error.reason
    return fitted, reasons


def _held(source: HatScores | TransferProfile, trends: dict[str, TrendFit]) -> dict[str, TrendFit]:
    """Trends of accuracies alone with the slope of source logits held at 1, by name.

    An estimated slope takes up what part of transfer grows with source ability; 1 takes up nothing.
    """
    if not isinstance(source, AggregateProfile) or source.panel.slope is not None:
        return {}
    fixed = gap_scores(source)
    return {f"{name}, slope 1": fit_trend(fixed, fit.formula) for name, fit in trends.items()}


def _influence(trend: TrendFit) -> pd.DataFrame:
    """How far one trend moves when a model is left out, one row per model and term."""
    whole = ["without", "n_models", "cooks_distance"]
    rows = influence_measures(trend).melt(whole, var_name="term", value_name="dfbetas")
    return rows.assign(term=rows["term"].str.removeprefix("dfbetas[").str.removesuffix("]"))


def _specifications(
    study: Study, options: ReportOptions, method: Method
) -> dict[str, Specification]:
    """The reported analysis first, then the other choices that the report tries."""
    base = default_specification(
        study,
        method=method,
        reference=options.reference,
        flagged=options.with_flagged,
        scope=options.scope,
    )
    if options.quick:
        return {"as reported": base}
    few = study.models["family"].nunique() <= MOST_FAMILIES
    return list_specifications(study, base, drop=("family",) if few else (), cross=False)


def binned_shares(prior: Floats, posterior: Floats) -> pd.DataFrame:
    """Shares of draws of HAT in bins of accuracy: `low, high, prior, posterior`."""
    shares: dict[str, Any] = {"low": _EDGES[:-1], "high": _EDGES[1:]}
    for name, draws in (("prior", prior), ("posterior", posterior)):
        known = draws[np.isfinite(draws)]
        shares[name] = np.histogram(known, bins=_EDGES)[0] / known.size
    return pd.DataFrame(shares)


def run_bayes(fits: Fits, progress: Progress | None = None) -> BayesPart:
    """Fit the hierarchical model to what a report is about."""
    from hatstats.bayes.fit import fit_claims  # needs packages that a report does without
    from hatstats.bayes.options import Sampling

    options, scores = fits.options, fits.scores
    found = fit_claims(fits.used, sampling=Sampling(progress=progress), rng=options.seed)
    main = found.main
    hat = main.hat()
    table = hat.tidy(options.conf_level).merge(
        hat.ranks(options.conf_level)[["model", "p_best"]], on="model"
    )
    plain = dict(zip(scores.models, scores.estimates, strict=True))
    table["plain"] = [plain.get(name, np.nan) for name in table["model"]]
    claims = found.claims
    if len(claims):
        decided = Verdicts(fits.claims).tidy().set_index("name")["verdict"]
        claims = claims.assign(verdict=decided.reindex(claims["name"]).to_numpy())
    return BayesPart(
        claims=claims,
        scores=table.sort_values("estimate", ascending=False, ignore_index=True),
        shrinkage=main.shrinkage(),
        prior=binned_shares(main.draws("hat", "prior"), main.draws("hat")),
        checks=found.checks(),
        facts={
            "method": main.method,
            "trend": main.design.formula or "none",
            "draws": str(hat.draws.shape[0] * hat.draws.shape[1]),
        },
    )


def analyse(
    study: Study, options: ReportOptions | None = None, *, progress: Progress | None = None
) -> Results:
    """Run the main job on a study, flagged cells left out unless ``options.with_flagged``.

    `progress` is called as ``progress(what, share)`` while working, share from 0 to 1. A study
    that cannot give scores raises; trends and claims that it cannot test are part of the result,
    with reasons.
    """
    options = options or ReportOptions()
    if options.bayes:
        # What is not installed stops the job at once, not after minutes.
        from hatstats.bayes import fit  # noqa: F401
    done, total = 0, 0  # the number of steps is known after the fit

    def tell(what: str) -> None:
        if progress is not None:
            progress(what, min(done / total, 1.0) if total else 0.0)

    def step(what: str) -> None:
        nonlocal done
        tell(what)
        done += 1

    used = study if options.with_flagged else study.without_flagged()
    step("transfer profiles")
    profile = fit_profile(used, method=options.method, progress=lambda what, _: tell(what))
    method = cast("Method", profile.method)
    specifications = _specifications(study, options, method) if study.claims else {}
    from_items = method in ("latent", "joint", "panel")
    total = 6 + len(specifications) + from_items + 8 * options.bayes
    step("HAT scores")
    scores = profile.hat(
        options.reference, scope=options.scope, progress=lambda what, _: tell(what)
    )
    drawn: dict[str, Any] = {"rng": options.seed, "conf_level": options.conf_level}
    ranks = scores.ranks(**drawn)
    pairs = scores.pairs(list(ranks["model"]), **drawn) if len(ranks) > 1 else pd.DataFrame()
    step("trends")
    source = profile if isinstance(profile, AggregateProfile) else scores
    trends, not_fitted = _trends(source)
    step("claims")
    registered = registration(study)
    by_formula = {trend.formula: trend for trend in trends.values()}
    claims = evaluate_claims(source, study.claims, registration=registered, fits=by_formula)
    fits = Fits(study, used, options, profile, scores, ranks, pairs, trends, not_fitted, claims,
                _held(source, trends))  # fmt: skip
    step("measures")
    others = measures(used, conf_level=options.conf_level, rng=options.seed)
    specification = specification_table(
        study,
        specifications=specifications,
        registration=registered,
        evaluated={"as reported": claims},
        progress=lambda what, _: step(what),
    )
    step("languages")
    languages = language_part(fits)
    checks = bayes = None
    if from_items:
        step("checks")
        checks = run_item_checks(profile, options.reference, options.conf_level)
    if options.bayes:
        began = done

        def bayes_progress(words: str, share: float) -> None:
            if progress is not None:
                progress(f"Bayes: {words}", (began + 8 * share) / total)

        bayes = run_bayes(fits, bayes_progress)
    influences = {
        name: _influence(trend) for name, trend in trends.items() if trend.nobs <= MOST_REFITS
    }
    frames = frames_of(fits)
    results = Results(
        **frames,
        key_results=key_result_lines(fits, frames["scores"], specification),
        measures=others,
        specification=specification,
        registration=registered.lines() if study.claims else (),
        margins=margin_curves(claims),
        shares=verdict_shares(specification) if len(specification) else pd.DataFrame(),
        leverage=stacked({name: leverage_by_cluster(trend) for name, trend in trends.items()}),
        influence=stacked(influences),
        decompositions=changes(profile, scores, options.conf_level),
        checks=checks,
        languages=languages,
        bayes=bayes,
        fits=fits,
    )
    if progress is not None:
        progress("done", 1.0)
    return results
