"""Observed against expected counts: how many items have k of n right, and how they do elsewhere.

A profile says how many items should have k of n trials right in the source language, and what
mean accuracy those items should have in the target languages. Both are compared with what was
seen. The distance is a chi-square sum; its null distribution is that of ``sum lambda_j chi2_1``
with the eigenvalues of the item sandwich of the differences, which knows that the profile was
fitted to these very items; two moments give statistic and df (Rao & Scott 1981, JASA 76:221-230).
The profile models means only, so nothing is said of how target counts spread about theirs.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from hatstats.diagnostics.agreement import LEVEL, NEGLIGIBLE
from hatstats.inference.influence import influence_covariance
from hatstats.inference.intervals import holm
from hatstats.inference.tidy import TIDY_COLUMNS
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.item_profile import require_items
from hatstats.scores.transfer_profile import TransferProfile, as_profile

Floats = NDArray[np.float64]

# Neighbouring counts are taken together for the test until so many items are expected.
_FEWEST_EXPECTED = 5.0
# Where fitting leaves less than this share of the variance of the differences, the profile has as
# many free numbers as there are counts, and nothing is left to test.
_SATURATED = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class CountTable:
    """Items and target accuracy by source count, observed and expected, with tests.

    Attributes
    ----------
    table : DataFrame
        `model, benchmark, right, trials, items, items_expected, target, target_expected`;
        target accuracies are means over languages, NaN for counts that no item has.
    tests : DataFrame
        `model, benchmark, term, statistic, df, p_value, distance`. Term ``source counts``:
        distance is the share of items that would have to move to another count; term ``target
        means``: the mean absolute difference of target accuracy.
    method : str
    """

    table: pd.DataFrame
    tests: pd.DataFrame
    method: str

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """One row per model, benchmark and test in the tidy schema; the estimate is the distance.

        A distance has no standard error or limits here: they are NaN.
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
            lines += textwrap.wrap(
                _verdict(rows, self.method, what), 78, initial_indent="  ", subsequent_indent="  "
            )
        return "\n".join(lines)


def _verdict(rows: pd.DataFrame, method: str, what: str) -> str:
    adjusted = holm(rows["p_value"])
    if np.isnan(adjusted).all():
        return (
            f"{what.capitalize()} cannot test the {method} profile: with so few trials it has "
            "as many free numbers as there are counts."
        )
    worst = rows.iloc[int(np.nanargmin(adjusted))]
    facts = (
        f"{worst['model']} on {worst['benchmark']} is worst, chi2 {worst['statistic']:.1f} on "
        f"{worst['df']:.1f} df, p = {np.nanmin(adjusted):.2g} adjusted, "
        f"distance {worst['distance']:.3f}"
    )
    beyond = adjusted < LEVEL
    if not beyond.any():
        return f"The {method} profile is compatible with {what} ({facts})."
    if rows["distance"].to_numpy(dtype=float)[beyond].max() < NEGLIGIBLE:
        return (
            f"The {method} profile differs from {what} by more than chance, but by less than "
            f"{NEGLIGIBLE:g} ({facts})."
        )
    return (
        f"The {method} profile is NOT compatible with {what} for {int(beyond.sum())} of "
        f"{int((~np.isnan(adjusted)).sum())} cells ({facts})."
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Misfit:
    """Differences observed less expected of J counts, and the items' influence on them.

    `influence` (N, J) knows that the profile was fitted to these items; `unfitted` (N, J) is what
    it would be had the profile been known beforehand.
    """

    difference: Floats
    influence: Floats
    unfitted: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Patterns:
    """Distinct (k, n) of one model, ordered by n, then k.

    `right, trials` (J,); `member` (N, J) says which item has which; `likelihood` (J, Q).
    """

    right: Floats
    trials: Floats
    member: Floats
    likelihood: Floats


def _patterns(fit: BenchmarkFit, m: int) -> _Patterns:
    right, trials = fit.counts.source_correct[m], fit.counts.source_trials[m]
    sizes = np.unique(trials[trials > 0])
    # Counts that no item has are expected too.
    pairs = np.array([(k, n) for n in sizes for k in np.arange(n + 1.0)])
    member = (right[:, None] == pairs[:, 0]) & (trials[:, None] == pairs[:, 1])
    likelihood = stats.binom.pmf(pairs[:, :1], pairs[:, 1:], fit.support)
    return _Patterns(
        pairs[:, 0], pairs[:, 1], member.astype(float), np.asarray(likelihood, dtype=float)
    )


def _source(fit: BenchmarkFit, m: int, part: _Patterns) -> tuple[_Misfit, Floats, Floats]:
    """Misfit of the shares of items, and shares observed and expected."""
    model, trials = fit.models[m], fit.counts.source_trials[m]
    asked = trials > 0
    number = asked.sum()
    same = (trials[:, None] == part.trials).astype(float)
    expected = part.likelihood @ model.distribution
    gap = part.member - same * expected
    difference = gap.sum(axis=0) / number
    unfitted = np.where(asked[:, None], gap - difference, 0.0) / number
    moved = model.distribution_influence(part.likelihood.T) * (same.sum(axis=0) / number)
    shares = part.member.sum(axis=0) / number
    return (
        _Misfit(difference, unfitted - moved, unfitted),
        shares,
        expected * same.sum(axis=0) / number,
    )


def _target(fit: BenchmarkFit, m: int, part: _Patterns) -> tuple[_Misfit, Floats, Floats, Floats]:
    """Misfit of target means times shares of items; means observed and expected; shares."""
    model, y = fit.models[m], fit.counts.target_accuracy()[m]
    seen = ~np.isnan(y) & (fit.counts.source_trials[m] > 0)[:, None]
    places = np.flatnonzero(seen.any(axis=0))
    y, seen = np.nan_to_num(y[:, places]), seen[:, places]
    profile = model.profile[places]
    number = seen.sum(axis=0)
    below = part.likelihood * model.distribution
    total = below.sum(axis=1)
    posterior = np.divide(below, total[:, None], out=np.zeros_like(below), where=total[:, None] > 0)
    expected = posterior @ profile.T
    items = part.member.T @ seen
    sums = part.member.T @ (y * seen)
    difference = ((sums - items * expected) / number).mean(axis=1)
    # Own residual of each item, at the count that it has.
    own = part.member @ expected
    residual = np.where(seen, y - own, 0.0) / number
    unfitted = part.member * residual.mean(axis=1)[:, None]
    unfitted -= np.outer((seen / number).mean(axis=1), difference)
    shares = items / number
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = part.likelihood[:, :, None] * (profile.T[None] - expected[:, None, :])
        lift = np.nan_to_num(lift / total[:, None, None])
        # NaN for counts that no item has.
        observed = np.nansum(sums / items, axis=1) / (items > 0).sum(axis=1)
    influence = unfitted - model.distribution_influence(
        np.einsum("jql,jl->qj", lift, shares) / places.size
    )
    for j in np.flatnonzero(shares.any(axis=1)):
        moved = model.profile_influence(posterior[j])[:, places]
        influence[:, j] -= (moved * shares[j]).mean(axis=1)
    return (
        _Misfit(difference, influence, unfitted),
        observed,
        expected.mean(axis=1),
        shares.mean(axis=1),
    )


def _groups(expected_items: Floats, trials: Floats) -> Floats:
    """Matrix (J', J) that takes neighbouring counts together until enough items are expected."""
    label, held = np.zeros(expected_items.size, dtype=int), 0.0
    for j in range(1, label.size):
        held += expected_items[j - 1]
        full = held >= _FEWEST_EXPECTED or trials[j] != trials[j - 1]
        label[j] = label[j - 1] + full
        held = 0.0 if full else held
    groups = np.asarray(label[None, :] == np.arange(label[-1] + 1)[:, None], dtype=float)
    # A last group that stayed small joins its neighbour, if that has the same number of trials.
    if len(groups) > 1 and groups[-1] @ expected_items < _FEWEST_EXPECTED:
        first = int(np.argmax(groups[-1]))
        if trials[first] == trials[first - 1]:
            groups[-2] += groups[-1]
            groups = groups[:-1]
    return groups


def scaled_chi_square(difference: Floats, cov: Floats, scale: Floats) -> tuple[float, float, float]:
    """Chi-square sum ``sum d_j^2 / scale_j`` with its null distribution matched in two moments.

    Parameters
    ----------
    difference : ndarray, shape (J,)
    cov : ndarray, shape (J, J)
        Covariance of the differences, of any rank.
    scale : ndarray, shape (J,)
        Positive weights; their unit cancels.

    Returns
    -------
    statistic, df, p_value : float
        NaN if the differences cannot vary.
    """
    root = 1.0 / np.sqrt(scale)
    eigenvalues = np.linalg.eigvalsh(cov * np.outer(root, root))
    total, square = eigenvalues.sum(), (eigenvalues**2).sum()
    if not np.isfinite(total) or total <= 0.0:
        return np.nan, np.nan, np.nan
    statistic = float((difference**2 / scale).sum() * total / square)
    df = float(total**2 / square)
    return statistic, df, float(stats.chi2.sf(statistic, df))


def _test(
    term: str, misfit: _Misfit, groups: Floats, shares: Floats, clusters: NDArray[np.intp]
) -> dict[str, object]:
    cov, free = (
        groups @ influence_covariance(influence, clusters) @ groups.T
        for influence in (misfit.influence, misfit.unfitted)
    )
    scale = groups @ shares
    kept = scale > 0
    if np.trace(cov) < _SATURATED * np.trace(free):
        return {"term": term, "statistic": np.nan, "df": 0.0, "p_value": np.nan}
    statistic, df, p_value = scaled_chi_square(
        (groups @ misfit.difference)[kept], cov[np.ix_(kept, kept)], scale[kept]
    )
    return {"term": term, "statistic": statistic, "df": df, "p_value": p_value}


def count_table(profile: TransferProfile) -> CountTable:
    """Compare observed source counts, and target means by source count, with the profile.

    Parameters
    ----------
    profile : TransferProfile
        Learnt from items.

    Returns
    -------
    CountTable

    Raises
    ------
    NotIdentifiedError
        If the profile was not learnt from items.
    """
    profile = as_profile(profile, "count_table")
    items = require_items(profile, "the count table")
    tables, tests = [], []
    for fit in items.fits:
        clusters = fit.counts.clusters
        for m, name in enumerate(fit.counts.models):
            part = _patterns(fit, m)
            number = (fit.counts.source_trials[m] > 0).sum()
            source, seen, expected = _source(fit, m, part)
            target, mean, mean_expected, shares = _target(fit, m, part)
            groups = _groups(expected * number, part.trials)
            names = {"model": name, "benchmark": fit.counts.benchmark}
            tables.append(
                pd.DataFrame(
                    {
                        **names,
                        "right": part.right,
                        "trials": part.trials,
                        "items": seen * number,
                        "items_expected": expected * number,
                        "target": mean,
                        "target_expected": mean_expected,
                    }
                )
            )
            distances = 0.5 * np.abs(seen - expected).sum(), np.abs(target.difference).sum()
            for term, misfit, scale, distance in zip(
                ("source counts", "target means"),
                (source, target),
                (expected, shares),
                distances,
                strict=True,
            ):
                row = _test(term, misfit, groups, scale, clusters)
                tests.append({**names, **row, "distance": float(distance)})
    return CountTable(pd.concat(tables, ignore_index=True), pd.DataFrame(tests), items.method)
