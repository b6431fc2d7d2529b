r"""Differential functioning of items between the source language and each target language.

The persons are models, twice: in the source and in the target language, each with its score in that
language over all items. An item functions differently if models with the same score have different
accuracy on it in the two languages: by Mantel-Haenszel over classes of the score, with the classes
of the Educational Testing Service, and by logistic regression on score, language and both. A
model's trials of an item count as one answer, equal to the share that was right: they are repeats
of one model, not a sample of models. That makes the tests conservative.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.intervals import false_discovery_adjusted
from hatstats.inference.result_frame import ResultFrame
from hatstats.scores.counts import ItemCounts, benchmark_is_item_level, item_counts
from hatstats.study import Study, as_study

#: Points of the delta scale for one unit of the log odds ratio.
DELTA = 2.35
#: Fewest models with which two classes of the score have two models each.
LEAST_MODELS = 4
#: Classes and directions, from much harder to much easier in the target, then unknown.
CLASSES = (("C", "harder"), ("B", "harder"), ("A", ""), ("B", "easier"), ("C", "easier"), ("", ""))
_SMALL, _LARGE = 1.0, 1.5
_STEPS, _TOLERANCE = 60, 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Persons:
    """Answers of P persons, the models in the source and then in the target, to N items.

    `right` (P, N) are shares of right answers, 0 where not asked; `asked` (P, N) is 1 where a model
    was asked the item in both languages, else 0; `target` (P,) is 1 in the target language; `score`
    (P,) is the mean over the items asked.
    """

    right: Floats
    asked: Floats
    target: Floats
    score: Floats


def _persons(counts: ItemCounts, language: int) -> Persons:
    """Persons of the source and one target language: models asked some item in both."""
    source, target = counts.source_accuracy(), counts.target_accuracy()[:, :, language]
    both = ~np.isnan(source) & ~np.isnan(target)
    models = both.any(axis=1)
    asked = np.tile(both[models].astype(float), (2, 1))
    right = np.where(asked > 0, np.concatenate([source[models], target[models]]), 0.0)
    target = np.repeat([0.0, 1.0], models.sum())
    return Persons(right, asked, target, right.sum(axis=1) / asked.sum(axis=1))


def _classes(score: Floats, n_classes: int) -> Ints:
    """Classes of the score with about as many persons each; equal scores stay together."""
    edges = np.quantile(score, np.arange(1, n_classes) / n_classes)
    return np.searchsorted(edges, score, side="left").astype(np.intp)


def mantel_haenszel(persons: Persons, n_classes: int) -> tuple[Floats, Floats, Floats]:
    """Log odds ratio of a right answer in the target against the source, its error and p value.

    ``log sum_k a d / n - log sum_k b c / n`` over classes k, a and b right and wrong in the target,
    c and d in the source, with the variance of Robins, Breslow and Greenland (1986, Biometrics
    42:311-323); each (N,). NaN where no class has right and wrong answers; infinite, without an
    error, where the languages are separated.
    """
    code = _classes(persons.score, n_classes)
    member = (code == np.arange(code.max() + 1)[:, None]).astype(float)
    wrong = persons.asked - persons.right
    a, c = (member * (persons.target == side) @ persons.right for side in (1.0, 0.0))
    b, d = (member * (persons.target == side) @ wrong for side in (1.0, 0.0))
    n = a + b + c + d
    size = np.where(n > 0, n, 1.0)
    agree, disagree = a * d / size, b * c / size
    p, q = (a + d) / size, (b + c) / size
    total_agree, total_disagree = agree.sum(axis=0), disagree.sum(axis=0)
    expected = (a + b) * (a + c) / size
    variance_a = (a + b) * (c + d) * (a + c) * (b + d)
    variance_a /= size**2 * np.where(n > 1, n - 1.0, np.inf)
    total = variance_a.sum(axis=0)
    varies = total > 0
    chi_square = (a - expected).sum(axis=0) ** 2 / np.where(varies, total, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_odds = np.log(total_agree) - np.log(total_disagree)
        variance = (p * agree).sum(axis=0) / (2.0 * total_agree**2)
        variance += (p * disagree + q * agree).sum(axis=0) / (2.0 * total_agree * total_disagree)
        variance += (q * disagree).sum(axis=0) / (2.0 * total_disagree**2)
    finite = varies & (total_agree > 0) & (total_disagree > 0)
    return (
        np.where(varies, log_odds, np.nan),
        np.sqrt(np.where(finite, variance, np.nan)),
        np.where(varies, stats.chi2.sf(chi_square, 1), np.nan),
    )


def ets_class(log_odds: Floats, std_error: Floats, p_value: Floats) -> NDArray[np.str_]:
    """Classes of the Educational Testing Service; empty where the odds are unknown.

    A where ``|delta| < 1`` or 0 is not excluded, C where ``|delta| >= 1.5`` and values up to 1 are
    excluded, B between (Dorans and Holland 1993, in Holland and Wainer).
    """
    delta, error = DELTA * log_odds, DELTA * std_error
    size = np.abs(delta)
    # Separated languages have no error, so that the test against 0 stands in for that against 1.
    above_one = np.where(
        np.isinf(size), p_value <= 0.05, size - stats.norm.ppf(0.95) * error > _SMALL
    )
    large = (size >= _LARGE) & above_one
    small = (size < _SMALL) | (p_value > 0.05)
    return np.where(np.isnan(delta), "", np.where(large, "C", np.where(small, "A", "B")))


def _log_likelihoods(X: Floats, right: Floats, asked: Floats) -> Floats:
    """Largest log-likelihoods (N,) of logistic regressions of each item on the columns X (P, k).

    Newton steps for all items at once. Where answers are separated the coefficients diverge, and
    the likelihood still converges to its limit.
    """
    b = np.zeros((right.shape[1], X.shape[1]))

    def log_likelihood(b: Floats) -> Floats:
        eta = X @ b.T
        return (right * eta + asked * special.log_expit(-eta)).sum(axis=0)

    value = log_likelihood(b)
    for _ in range(_STEPS):
        share = special.expit(X @ b.T)
        gradient = (right - asked * share).T @ X
        weight = asked * share * (1.0 - share)
        information = np.einsum("pi,pn,pj->nij", X, weight, X, optimize=True)
        information += 1e-9 * np.eye(X.shape[1])
        step = np.linalg.solve(information, gradient[..., None])[..., 0]
        # The step of a separated item may be huge: at most 8 logits at a time are enough.
        largest = np.abs(X @ step.T).max(axis=0)
        step *= np.minimum(1.0, 8.0 / np.maximum(largest, 1e-300))[:, None]
        new = log_likelihood(b + step)
        for _ in range(30):
            # A fit that has converged moves by rounding alone.
            worse = new < value - 1e-13 * np.abs(value)
            if not worse.any():
                break
            step[worse] *= 0.5
            new = log_likelihood(b + step)
        b, gained, value = b + step, new - value, np.maximum(new, value)
        if gained.max() < _TOLERANCE:
            break
    return value


def logistic(persons: Persons) -> tuple[Floats, Floats, Floats]:
    """P values of uniform and of non-uniform functioning, and the R^2 that both add; each (N,).

    Likelihood ratio tests (Swaminathan and Rogers 1990, J Educ Meas 27:361-370), Nagelkerke's R^2;
    NaN for items that all persons, or none, get right.
    """
    score = (persons.score - persons.score.mean()) / max(float(persons.score.std()), 1e-12)
    columns = [np.ones(score.size), score, persons.target, score * persons.target]
    fits = [
        _log_likelihoods(np.column_stack(columns[:width]), persons.right, persons.asked)
        for width in (1, 2, 3, 4)
    ]
    n, total = persons.asked.sum(axis=0), persons.right.sum(axis=0)
    varies = (total > 0) & (total < n)
    n = np.where(varies, n, 1.0)
    largest_r2 = np.where(varies, -np.expm1(2.0 * fits[0] / n), 1.0)
    r2 = [-np.expm1(2.0 * (fits[0] - fit) / n) / largest_r2 for fit in fits]
    uniform, nonuniform = (
        np.where(varies, stats.chi2.sf(np.maximum(2.0 * (large - small), 0.0), 1), np.nan)
        for small, large in ((fits[1], fits[2]), (fits[2], fits[3]))
    )
    return uniform, nonuniform, np.where(varies, r2[3] - r2[1], np.nan)


def item_functioning(study: Study, *, n_classes: int = 5) -> pd.DataFrame:
    """Differential functioning of every item in every target language.

    Parameters
    ----------
    study : Study
        Benchmarks with items; others are ignored.
    n_classes : int
        Classes of the score for Mantel-Haenszel, at most half as many as there are models.

    Returns
    -------
    DataFrame
        `benchmark, language, item, n_models, log_odds, std_error, p_value, p_adjusted, delta, ets,
        uniform_p, nonuniform_p, r2_change`. `log_odds` below 0: harder in the target language than
        for models with the same score in the source. `p_adjusted` controls the false discovery
        rate over all rows (Benjamini and Hochberg 1995); NaN where the answers do not vary.

    Raises
    ------
    NotIdentifiedError
        Without items, or with fewer than four models, which are the persons.

    Warns
    -----
    DegenerateDataWarning
        With the number of items and languages whose answers do not vary.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study(shape=hs.Shape(n_items=40, n_languages=1), rng=1)
    >>> table = hs.item_functioning(study)
    >>> table["ets"].value_counts().to_dict()
    {'A': 40}
    """
    study = as_study(study, "item_functioning")
    by_item = [name for name in study.benchmark_names if benchmark_is_item_level(study, name)]
    frames = []
    for name in by_item:
        counts = item_counts(study, name)
        for index, language in enumerate(counts.languages):
            persons = _persons(counts, index)
            models = persons.target.size // 2
            if models < LEAST_MODELS:
                raise NotIdentifiedError(
                    f"benchmark {name!r}: {models} models answered in {language!r}, and "
                    f"comparing models with the same score needs {LEAST_MODELS} or more"
                )
            odds, error, p = mantel_haenszel(persons, max(2, min(n_classes, models // 2)))
            uniform, nonuniform, change = logistic(persons)
            columns = {
                "benchmark": name,
                "language": language,
                "item": [str(item) for item in counts.items],
                "n_models": (persons.asked.sum(axis=0) / 2).astype(int),
                "log_odds": odds,
                "std_error": error,
                "p_value": p,
                "p_adjusted": np.nan,  # over all rows, below
                "delta": DELTA * odds,
                "ets": ets_class(odds, error, p),
                "uniform_p": uniform,
                "nonuniform_p": nonuniform,
                "r2_change": change,
            }
            frames.append(ResultFrame(columns))
    if not frames:
        raise NotIdentifiedError(
            "differential functioning needs counts per item: this study has means of benchmarks"
        )
    table = pd.concat(frames, ignore_index=True)
    table = table[table["n_models"] > 0].reset_index(drop=True)
    table["p_adjusted"] = false_discovery_adjusted(table["p_value"].to_numpy(dtype=float))
    unknown = int(table["p_value"].isna().sum())
    if unknown:
        warnings.warn(
            f"{unknown} of {len(table)} items and languages have answers that do not vary within "
            "any class of models: how they function is unknown",
            DegenerateDataWarning,
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
        ``harder``, A, B and C ``easier``, and ``""`` where the class is unknown; `discoveries` are
        those at a false discovery rate of 5 %.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study(shape=hs.Shape(n_items=40, n_languages=1), rng=1)
    >>> classes = hs.functioning_classes(hs.item_functioning(study))
    >>> int(classes["items"].sum())
    40
    """
    side = np.where(table["log_odds"] < 0, "harder", "easier")
    direction = np.where(table["ets"].isin(["B", "C"]), side, "")
    marked = table.assign(direction=direction, discovered=table["p_adjusted"] < 0.05)
    columns = ["benchmark", "language", "ets", "direction"]
    found = marked.groupby(columns)["discovered"].agg(items="size", discoveries="sum")
    languages = table[["benchmark", "language"]].drop_duplicates().itertuples(index=False)
    rows = [(*language, *way) for language in languages for way in CLASSES]
    every = pd.MultiIndex.from_tuples(rows, names=columns)
    return found.reindex(every, fill_value=0).reset_index()
