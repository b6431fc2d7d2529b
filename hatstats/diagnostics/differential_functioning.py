r"""Differential functioning of items between the source language and each target language.

The persons are models, twice: a model in the source and the same model in the target language, each
with its score there over all items. An item functions differently if models of one score get it
right more often in one of the languages.

* Mantel-Haenszel over classes k of the score, a and b right and wrong in the target, c and d in the
  source, ``log alpha = log sum_k a d / n - log sum_k b c / n`` with the variance of Robins, Breslow
  and Greenland (1986, Biometrics 42:311-323), and the classes of the Educational Testing Service by
  ``delta = 2.35 log alpha`` (Dorans and Holland 1993, in Holland and Wainer, Differential Item
  Functioning): A where ``|delta| < 1`` or 0 is not excluded, C where ``|delta| >= 1.5`` and values
  up to 1 are excluded, B between.
* Logistic regression on score, language and both (Swaminathan and Rogers 1990, J Educ Meas
  27:361-370): likelihood ratio tests of uniform and of non-uniform functioning, and what both add
  to Nagelkerke's R^2.

A model's trials of an item count as one answer, with the share that was right: they say how the
model answers, and not how models do. That makes the tests conservative.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats
from statsmodels.stats.multitest import multipletests

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.scores.counts import ItemCounts, benchmark_is_item_level, item_counts
from hatstats.study import Study, as_study

Floats = NDArray[np.float64]

#: Points of the delta scale for one unit of the log odds ratio.
DELTA = 2.35
#: Models below which a class of the score has no two of them.
LEAST_MODELS = 4
#: Classes and directions, from much harder to much easier in the target, then unknown.
CLASSES = (
    ("C", "harder"),
    ("B", "harder"),
    ("A", ""),
    ("B", "easier"),
    ("C", "easier"),
    ("", ""),
)
_SMALL, _LARGE = 1.0, 1.5
_STEPS, _TOLERANCE = 60, 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class _Persons:
    """Answers of P persons, the models in the source and then in the target, to N items.

    Attributes
    ----------
    right : ndarray, shape (P, N)
        Share of right answers; 0 where not asked.
    asked : ndarray, shape (P, N)
        1 where a model was asked the item in both languages, else 0.
    target : ndarray, shape (P,)
        1 in the target language.
    score : ndarray, shape (P,)
        Mean over the items asked.
    """

    right: Floats
    asked: Floats
    target: Floats
    score: Floats


def _persons(counts: ItemCounts, place: int) -> _Persons:
    s, t = counts.source_accuracy(), counts.target_accuracy()[:, :, place]
    both = ~np.isnan(s) & ~np.isnan(t)
    kept = both.any(axis=1)
    asked = np.tile(both[kept].astype(float), (2, 1))
    right = np.where(asked > 0, np.concatenate([s[kept], t[kept]]), 0.0)
    target = np.repeat([0.0, 1.0], kept.sum())
    return _Persons(right, asked, target, right.sum(axis=1) / asked.sum(axis=1))


def _classes(score: Floats, n_classes: int) -> NDArray[np.intp]:
    """Classes of the score with about as many persons each; equal scores stay together."""
    edges = np.quantile(score, np.arange(1, n_classes) / n_classes)
    return np.searchsorted(edges, score, side="left").astype(np.intp)


def mantel_haenszel(persons: _Persons, n_classes: int) -> tuple[Floats, Floats, Floats]:
    """Log odds ratio of right in the target against the source, its error, and the p value.

    Returns
    -------
    log_odds, std_error, p_value : ndarray, each (N,)
        NaN where no class has right and wrong answers; infinite log odds, without an error, where
        the languages are separated.
    """
    code = _classes(persons.score, n_classes)
    tables = np.zeros((4, code.max() + 1, persons.right.shape[1]))
    wrong = persons.asked - persons.right
    for row, (values, language) in enumerate(
        ((persons.right, 1.0), (wrong, 1.0), (persons.right, 0.0), (wrong, 0.0))
    ):
        np.add.at(tables[row], code, values * (persons.target == language)[:, None])
    a, b, c, d = tables
    n = a + b + c + d
    size = np.where(n > 0, n, 1.0)
    up, down = a * d / size, b * c / size
    p, q = (a + d) / size, (b + c) / size
    over, under = up.sum(axis=0), down.sum(axis=0)
    expected = (a + b) * (a + c) / size
    spread = (a + b) * (c + d) * (a + c) * (b + d) / (size**2 * np.where(n > 1, n - 1.0, np.inf))
    total = spread.sum(axis=0)
    known = total > 0
    moved = (a - expected).sum(axis=0) ** 2 / np.where(known, total, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_odds = np.log(over) - np.log(under)
        variance = (p * up).sum(axis=0) / (2.0 * over**2)
        variance += (p * down + q * up).sum(axis=0) / (2.0 * over * under)
        variance += (q * down).sum(axis=0) / (2.0 * under**2)
    finite = known & (over > 0) & (under > 0)
    return (
        np.where(known, log_odds, np.nan),
        np.sqrt(np.where(finite, variance, np.nan)),
        np.where(known, stats.chi2.sf(moved, 1), np.nan),
    )


def ets_class(log_odds: Floats, std_error: Floats, p_value: Floats) -> NDArray[np.str_]:
    """Classes A, B and C of the Educational Testing Service; empty where nothing is known."""
    delta, error = DELTA * log_odds, DELTA * std_error
    size = np.abs(delta)
    # Separated languages have no error: the test against 0 has to do.
    sure = np.where(np.isinf(size), p_value <= 0.05, size - stats.norm.ppf(0.95) * error > _SMALL)
    large = (size >= _LARGE) & sure
    small = (size < _SMALL) | (p_value > 0.05)
    found = np.where(large, "C", np.where(small, "A", "B"))
    return np.where(np.isnan(delta), "", found)


def _log_likelihoods(X: Floats, right: Floats, asked: Floats) -> Floats:
    """Largest log-likelihoods (N,) of logistic regressions of each item on the same columns.

    Thousands of small regressions take Newton steps together. Where answers are separated the
    coefficients run away and the likelihood still has its limit.
    """
    b = np.zeros((right.shape[1], X.shape[1]))

    def height(b: Floats) -> Floats:
        eta = X @ b.T
        return (right * eta + asked * special.log_expit(-eta)).sum(axis=0)

    value = height(b)
    for _ in range(_STEPS):
        share = special.expit(X @ b.T)
        slope = (right - asked * share).T @ X
        weight = asked * share * (1.0 - share)
        bend = np.einsum("pi,pn,pj->nij", X, weight, X, optimize=True)
        bend += 1e-9 * np.eye(X.shape[1])
        step = np.linalg.solve(bend, slope[..., None])[..., 0]
        # In a separated item a step may be huge: a few units of logit at a time get there too.
        reach = np.abs(X @ step.T).max(axis=0)
        step *= np.minimum(1.0, 8.0 / np.maximum(reach, 1e-300))[:, None]
        new = height(b + step)
        for _ in range(30):
            worse = new < value
            if not worse.any():
                break
            step[worse] *= 0.5
            new = height(b + step)
        b, gained, value = b + step, new - value, np.maximum(new, value)
        if gained.max() < _TOLERANCE:
            break
    return value


def logistic(persons: _Persons) -> tuple[Floats, Floats, Floats]:
    """Tests of uniform and of non-uniform functioning, and the R^2 that both add.

    Returns
    -------
    uniform_p, nonuniform_p, r2_change : ndarray, each (N,)
        NaN for items that all persons, or none, get right.
    """
    score = (persons.score - persons.score.mean()) / max(float(persons.score.std()), 1e-12)
    columns = [np.ones(score.size), score, persons.target, score * persons.target]
    fits = [
        _log_likelihoods(np.column_stack(columns[:width]), persons.right, persons.asked)
        for width in (1, 2, 3, 4)
    ]
    n, total = persons.asked.sum(axis=0), persons.right.sum(axis=0)
    known = (total > 0) & (total < n)
    n = np.where(known, n, 1.0)
    top = np.where(known, -np.expm1(2.0 * fits[0] / n), 1.0)
    r2 = [-np.expm1(2.0 * (fits[0] - fit) / n) / top for fit in fits]

    def p_value(small: int, large: int) -> Floats:
        ratio = np.maximum(2.0 * (fits[large] - fits[small]), 0.0)
        return np.where(known, stats.chi2.sf(ratio, large - small), np.nan)

    return p_value(1, 2), p_value(2, 3), np.where(known, r2[3] - r2[1], np.nan)


def item_functioning(study: Study, *, n_classes: int = 5) -> pd.DataFrame:
    """Differential functioning of every item in every target language.

    Parameters
    ----------
    study : Study
        Benchmarks with items; others are left out.
    n_classes : int
        Classes of the score for Mantel-Haenszel, at most half as many as there are models.

    Returns
    -------
    DataFrame
        `benchmark, language, item, n_models, log_odds, std_error, p_value, p_adjusted, delta, ets,
        uniform_p, nonuniform_p, r2_change`. `log_odds` below 0: harder in the target language than
        models of that score should find it. `p_adjusted` controls false discoveries over all rows
        (Benjamini and Hochberg 1995); NaN where the answers do not vary.

    Raises
    ------
    NotIdentifiedError
        Without items, or with fewer than four models: a model is a person here.

    Warns
    -----
    DegenerateDataWarning
        Says how many items and languages have answers that do not vary.
    """
    study = as_study(study, "item_functioning")
    by_item = [name for name in study.benchmark_names if benchmark_is_item_level(study, name)]
    frames = []
    for name in by_item:
        counts = item_counts(study, name)
        for place, language in enumerate(counts.languages):
            persons = _persons(counts, place)
            models = persons.target.size // 2
            if models < LEAST_MODELS:
                raise NotIdentifiedError(
                    f"benchmark {name!r}: {models} models answered in {language!r}, and "
                    "functioning of items compares models of one score; "
                    f"{LEAST_MODELS} or more are needed"
                )
            odds, error, p = mantel_haenszel(persons, max(2, min(n_classes, models // 2)))
            uniform, nonuniform, change = logistic(persons)
            frames.append(
                pd.DataFrame(
                    {
                        "benchmark": name,
                        "language": language,
                        "item": [str(item) for item in counts.items],
                        "n_models": (persons.asked.sum(axis=0) / 2).astype(int),
                        "log_odds": odds,
                        "std_error": error,
                        "p_value": p,
                        "p_adjusted": np.nan,
                        "delta": DELTA * odds,
                        "ets": ets_class(odds, error, p),
                        "uniform_p": uniform,
                        "nonuniform_p": nonuniform,
                        "r2_change": change,
                    }
                )
            )
    if not frames:
        raise NotIdentifiedError(
            "differential functioning needs counts per item: this study has means of benchmarks"
        )
    table = pd.concat(frames, ignore_index=True)
    table = table[table["n_models"] > 0].reset_index(drop=True)
    known = table["p_value"].notna().to_numpy()
    if known.any():
        table.loc[known, "p_adjusted"] = multipletests(
            table.loc[known, "p_value"], method="fdr_bh"
        )[1]
    if not known.all():
        warnings.warn(
            DegenerateDataWarning(
                f"{int((~known).sum())} of {len(table)} items and languages have answers that do "
                "not vary within any class of models: nothing is said of how they function"
            ),
            stacklevel=2,
        )
    return table


def functioning_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Items of each language by class and direction.

    Parameters
    ----------
    table : DataFrame
        See `item_functioning`.

    Returns
    -------
    DataFrame
        `benchmark, language, ets, direction, items, discoveries`, for every language all of C and B
        ``harder``, A, B and C ``easier``, and ``""`` where nothing is known; `discoveries` are
        those at a false discovery rate of 5 %.
    """
    side = np.where(table["log_odds"] < 0, "harder", "easier")
    marked = table.assign(
        direction=np.where(table["ets"].isin(["B", "C"]), side, ""),
        discovered=table["p_adjusted"] < 0.05,
    )
    rows = []
    for (benchmark, language), part in marked.groupby(["benchmark", "language"], sort=False):
        for ets, direction in CLASSES:
            held = (part["ets"] == ets) & (part["direction"] == direction)
            rows.append(
                {
                    "benchmark": benchmark,
                    "language": language,
                    "ets": ets,
                    "direction": direction,
                    "items": int(held.sum()),
                    "discoveries": int((held & part["discovered"]).sum()),
                }
            )
    return pd.DataFrame(rows)
