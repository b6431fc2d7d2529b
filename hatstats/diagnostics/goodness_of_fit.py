"""Goodness of fit: how many items have k of n right in the source, and their target accuracy.

Both are compared with what the profile implies by `cumulative_test`; the item sandwich of the
differences accounts for fitting the profile to the same items. The profile models means only, so
that the spread of target counts about them is not tested. Every `latent` fit makes the same tests
of itself, for the mean over languages.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hatstats.diagnostics.agreement import verdict
from hatstats.diagnostics.dependent_trials import (
    dependence_words,
    source_probabilities,
    trial_correlation,
)
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.goodness import cumulative_test
from hatstats.inference.influence import influence_covariance
from hatstats.inference.intervals import holm
from hatstats.inference.result_frame import Printed, ResultFrame
from hatstats.inference.tidy import TIDY_COLUMNS
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.item_profile import require_items
from hatstats.scores.transfer_profile import TransferProfile, as_profile


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CountTable(Printed):
    """Items and target accuracy by source count, observed and expected, with tests.

    `table` has, by model, benchmark and `right` of `trials`, `items` and their mean accuracy over
    target languages, `target`, each beside its expectation; NaN for counts that no item has.
    `tests` has chi-square tests of two terms: ``source counts``, whose `distance` is the share of
    items that would have to move to another count, and ``target means``, whose `distance` sums the
    absolute differences of target accuracy, weighted by shares of items.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study((0.0, 1.0), shape=hs.Shape(n_items=200, n_languages=1), rng=1)
    >>> hs.count_table(hs.fit_profile(study)).tests["term"].unique().tolist()
    ['source counts', 'target means']
    """

    table: pd.DataFrame
    tests: pd.DataFrame
    method: str
    note: str = ""

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """One row per model, benchmark and test in the tidy schema; the estimate is the distance.

        Standard errors and limits of a distance are NaN.
        """
        unknown = {"std_error": np.nan, "conf_low": np.nan, "conf_high": np.nan}
        rows = self.tests.rename(columns={"distance": "estimate"}).assign(
            **unknown, conf_level=conf_level, method=f"count table, {self.method}"
        )
        return rows[["model", "benchmark", *TIDY_COLUMNS]]

    def summary(self) -> str:
        """Whether the profile is compatible with the counts, in lines of at most 80 columns."""
        lines = ["Observed against expected counts"]
        for term, what in (
            ("source counts", "numbers of items by source count"),
            ("target means", "target accuracy by source count"),
        ):
            rows = self.tests[self.tests["term"] == term]
            words = _words(rows, self.method, what)
            lines += textwrap.wrap(words, 78, initial_indent="  ", subsequent_indent="  ")
        lines += textwrap.wrap(self.note, 78, initial_indent="  ", subsequent_indent="  ")
        return "\n".join(lines)


def _words(rows: pd.DataFrame, method: str, what: str) -> str:
    """One sentence: is the profile compatible with these counts, and where does it differ most."""
    adjusted = holm(rows["p_value"])
    if np.isnan(adjusted).all():
        return (
            f"{what.capitalize()} cannot test the {method} profile: with so few trials it has "
            "as many free parameters as there are counts."
        )
    worst = rows.iloc[int(np.nanargmin(adjusted))]
    facts = (
        f"{worst['model']} on {worst['benchmark']} differs most, chi2 {worst['statistic']:.1f} on "
        f"{worst['df']:.1f} df, p = {np.nanmin(adjusted):.2g} adjusted, "
        f"distance {worst['distance']:.3f}"
    )
    return verdict(method, what, adjusted, rows["distance"].to_numpy(dtype=float), facts)


@dataclass(frozen=True, slots=True, eq=False)
class _Misfit:
    """Observed and expected values of J counts, their difference, and items' influence on it.

    `observed, expected, difference, shares` (J,): the difference is weighted by the expected or
    observed `shares` of items. `influence` (N, J) accounts for fitting the profile to these items;
    `unfitted` (N, J) would be the influence if the profile were known.
    """

    observed: Floats
    expected: Floats
    difference: Floats
    shares: Floats
    influence: Floats
    unfitted: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Patterns:
    """Distinct (k, n) of one model, ordered by n, then k, whether or not an item has them.

    `right, trials` (J,); `member` (N, J) says which item has which; `likelihood` (J, Q), its
    derivative `by_correlation` (J, Q) by the correlation of trials, and the items' influence on
    that, `of_correlation` (N,).
    """

    right: Floats
    trials: Floats
    member: Floats
    likelihood: Floats
    by_correlation: Floats
    of_correlation: Floats


def _patterns(fit: BenchmarkFit, m: int) -> _Patterns:
    """Patterns of model m."""
    right, trials = fit.counts.source_correct[m], fit.counts.source_trials[m]
    sizes = np.unique(trials[trials > 0])
    k, n = np.array([(k, n) for n in sizes for k in np.arange(n + 1.0)]).T
    member = ((right[:, None] == k) & (trials[:, None] == n)).astype(float)
    found, _ = trial_correlation(fit, m)
    influence = np.zeros(right.size) if found is None else found.influence
    return _Patterns(k, n, member, *source_probabilities(fit, m, k, n), influence)


def _source(fit: BenchmarkFit, m: int, patterns: _Patterns) -> _Misfit:
    """Misfit of the shares of items."""
    model, trials = fit.models[m], fit.counts.source_trials[m]
    asked = trials > 0
    number = asked.sum()
    same = (trials[:, None] == patterns.trials).astype(float)
    probability = patterns.likelihood @ model.distribution
    residual = patterns.member - same * probability
    difference = residual.sum(axis=0) / number
    unfitted = np.where(asked[:, None], residual - difference, 0.0) / number
    share = same.sum(axis=0) / number
    fitted = model.distribution_influence(patterns.likelihood.T) * share
    moved = (patterns.by_correlation @ model.distribution) * share
    fitted += np.outer(patterns.of_correlation, moved)
    return _Misfit(
        observed=patterns.member.sum(axis=0) / number,
        expected=probability * share,
        difference=difference,
        shares=probability * share,
        influence=unfitted - fitted,
        unfitted=unfitted,
    )


def _target(fit: BenchmarkFit, m: int, patterns: _Patterns) -> _Misfit:
    """Misfit of target means by pattern; the difference is theirs times the share of items."""
    model, y = fit.models[m], fit.counts.target_accuracy()[m]
    seen = ~np.isnan(y) & (fit.counts.source_trials[m] > 0)[:, None]
    languages = np.flatnonzero(seen.any(axis=0))
    y, seen = np.nan_to_num(y[:, languages]), seen[:, languages]
    profile = model.profile[languages]
    number = seen.sum(axis=0)
    joint = patterns.likelihood * model.distribution
    total = joint.sum(axis=1)
    # Patterns that the fit all but rules out: 0 / 0, and ratios of numbers near the smallest.
    total = np.maximum(total, np.finfo(float).tiny)
    posterior = joint / total[:, None]
    expected = posterior @ profile.T
    items = patterns.member.T @ seen
    sums = patterns.member.T @ (y * seen)
    difference = ((sums - items * expected) / number).mean(axis=1)
    residual = np.where(seen, y - patterns.member @ expected, 0.0) / number
    unfitted = patterns.member * residual.mean(axis=1)[:, None]
    unfitted -= np.outer((seen / number).mean(axis=1), difference)
    shares = items / number
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = patterns.likelihood[:, :, None] * (profile.T[None] - expected[:, None, :])
        slope = slope / total[:, None, None]
        # NaN for counts that no item has.
        observed = np.nansum(sums / items, axis=1) / (items > 0).sum(axis=1)
    influence = unfitted - model.distribution_influence(
        np.einsum("jql,jl->qj", slope, shares) / languages.size
    )
    shift = patterns.by_correlation * model.distribution
    moved = shift @ profile.T - expected * shift.sum(axis=1, keepdims=True)
    moved = np.divide(moved, total[:, None], out=np.zeros_like(moved), where=total[:, None] > 0)
    influence -= np.outer(patterns.of_correlation, (shares * moved).mean(axis=1))
    for j in np.flatnonzero(shares.any(axis=1)):
        fitted = model.profile_influence(posterior[j])[:, languages]
        influence[:, j] -= (fitted * shares[j]).mean(axis=1)
    return _Misfit(
        observed=observed,
        expected=expected.mean(axis=1),
        difference=difference,
        shares=shares.mean(axis=1),
        influence=influence,
        unfitted=unfitted,
    )


def _test(misfit: _Misfit, order: Ints, clusters: Ints) -> dict[str, float]:
    """Statistic, df and p value of one misfit, counts in an order (J,)."""
    cov, unfitted = (
        influence_covariance(influence[:, order], clusters)
        for influence in (misfit.influence, misfit.unfitted)
    )
    shares = misfit.shares[order]
    found = cumulative_test(misfit.difference[order], cov, shares, np.diag(unfitted))
    return {"statistic": found.statistic, "df": found.df, "p_value": found.p_value}


def count_table(profile: TransferProfile) -> CountTable:
    """Compare observed source counts, and target means by source count, with the profile.

    Parameters
    ----------
    profile : TransferProfile
        Fitted to items.

    Returns
    -------
    CountTable

    Raises
    ------
    NotIdentifiedError
        If the profile was not fitted to items.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study((0.0, 1.0), shape=hs.Shape(n_items=200, n_languages=1), rng=1)
    >>> hs.count_table(hs.fit_profile(study))
    Observed against expected counts
      The latent profile is compatible with numbers of items by source count
      (model-01 on simulated differs most, chi2 2.0 on 3.4 df, p = 1 adjusted,
      distance 0.057).
      The latent profile is compatible with target accuracy by source count
      (model-01 on simulated differs most, chi2 10.1 on 3.8 df, p = 0.068
      adjusted, distance 0.041).
    """
    profile = as_profile(profile, "count_table")
    items = require_items(profile, "the count table")
    tables, tests = [], []
    for fit in items.fits:
        for m, name in enumerate(fit.counts.models):
            patterns = _patterns(fit, m)
            number = (fit.counts.source_trials[m] > 0).sum()
            source, target = _source(fit, m, patterns), _target(fit, m, patterns)
            names = {"model": name, "benchmark": fit.counts.benchmark}
            order = np.lexsort((patterns.trials, patterns.right / patterns.trials))
            columns = {
                "right": patterns.right,
                "trials": patterns.trials,
                "items": source.observed * number,
                "items_expected": source.expected * number,
                "target": target.observed,
                "target_expected": target.expected,
            }
            tables.append(ResultFrame({**names, **columns}))
            for term, misfit, distance in (
                ("source counts", source, 0.5 * np.abs(source.observed - source.expected).sum()),
                ("target means", target, np.abs(target.difference).sum()),
            ):
                row = _test(misfit, order, fit.counts.clusters)
                tests.append({**names, "term": term, **row, "distance": float(distance)})
    table, note = pd.concat(tables, ignore_index=True), dependence_words(items)
    return CountTable(table, ResultFrame(tests), items.method, note)
