"""Cells far below a model's other languages: answers that were not read, or a language not known.

A harness that cannot read the answers of one model in one language reports an accuracy near zero or
near chance there. Averaged in, such a cell looks like missing transfer. The cell is judged against
what the model's other languages and the other models in that language predict:

- **Scale.** The chance-corrected logit eta = logit((accuracy - chance) / (1 - chance)). A model
  that guesses is predicted at chance in every language and cannot fall far below; accuracies nearer
  to chance than one standard error are moved to that distance.
- **Fit.** eta = model + language by median polish (Tukey 1977): a failed cell does not lower its
  own prediction. Models within four standard errors of chance shape no language effects.
- **z** = (accuracy - expected) / scale, on the accuracy scale: sampling error joined with the
  largest robust spread (1.4826 MAD) of residuals over all cells, the language, and the model: a
  language that many models know only partly, or a model of few languages, is a pattern and no
  outlier. A source cell is judged without the model's spread, which a failed source scatters.
- **Thresholds.** z <= -4, and, since real residuals have heavy tails (of 2,068 cells on HellaSwag 5
  lie above +4, where nothing can have failed), a drop of ten points: smaller ones matter little to
  an average, and excluding them would make transfer look too good.

**Which of the two.** A low cell is ``extraction-failure`` where something speaks for it: accuracy
below chance, answers lost more often than in other languages, an ordinary accuracy in the language
on another benchmark, the source language, or such a failure in the row. Else ``unknown-language``
where it is as low on another benchmark, or two other languages of the row or models of the
language are low. Where nothing speaks for either it is called a failure, to be looked at.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.validation import in_range
from hatstats.study.losses import unequal_losses
from hatstats.study.read import as_study
from hatstats.study.study import Study

FLAG = "extraction-failure"
UNKNOWN_LANGUAGE = "unknown-language"
#: Low cells beside this one, of the model or of the language, that speak for an unknown language.
MIN_OTHERS = 2
#: Robust z above which a cell is ordinary.
_ORDINARY = -2.0
#: A prediction needs this many models of the language and languages of the model.
MIN_MODELS = 3
MIN_LANGUAGES = 3

_COLUMNS = ("model", "benchmark", "language", "accuracy", "expected", "z", "flag", "evidence")
_MAD_TO_SD = 1.4826  # a normal distribution's SD over its median absolute deviation

Array = npt.NDArray[np.float64]


def suspicious_cells(
    study: Study, *, threshold: float = 4.0, min_drop: float = 0.10
) -> pd.DataFrame:
    """Find cells far below what the model's other languages predict.

    Cells that are flagged already are judged like all others, so the answer does not depend on
    flags. Benchmarks with fewer than three models or languages are not judged: there a hard
    language and a failed one look the same.

    Parameters
    ----------
    study : Study
        Items or aggregate accuracies; items are averaged per model, benchmark and language.
    threshold : float
        Least robust z (absolute value) of a suspicious cell.
    min_drop : float
        Least difference between expected and observed accuracy, as a proportion.

    Returns
    -------
    DataFrame
        `model, benchmark, language, accuracy, expected, z, flag, evidence`: one row per suspicious
        cell, the most striking first; no rows where nothing is suspicious. `flag` is
        ``"extraction-failure"``, or ``"unknown-language"`` where the evidence is for a language
        that the model does not know; `evidence` has the numbers in one sentence, and then what
        speaks for either.

    Raises
    ------
    DataError
        When `threshold` or `min_drop` is not positive.

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> table = pd.DataFrame({
    ...     "model": ["a", "b", "c", "d"], "en": [0.92, 0.85, 0.81, 0.74],
    ...     "de": [0.88, 0.81, 0.77, 0.70], "fr": [0.89, 0.82, 0.04, 0.72],
    ...     "sw": [0.66, 0.57, 0.52, 0.43],
    ... })
    >>> study = hs.Study.from_frame(table, source="en", n_trials=250)
    >>> hs.suspicious_cells(study)[["model", "language", "accuracy"]]
      model language  accuracy
    0     c       fr      0.04
    """
    study = as_study(study, "suspicious_cells")
    for name, value in (("threshold", threshold), ("min_drop", min_drop)):
        in_range(name, value, "(0, inf)", "the defaults are threshold=4.0 and min_drop=0.1.")
    chances = study.benchmarks.set_index("benchmark")["chance"]
    parts = [
        _judge(cells, float(chances[benchmark]))
        for benchmark, cells in cell_accuracies(study).groupby("benchmark", sort=False)
    ]
    cells = pd.concat(parts, ignore_index=True)
    drop = cells["expected"] - cells["accuracy"]
    found = cells[((cells["z"] <= -threshold) & (drop >= min_drop)).to_numpy()]
    found = found.sort_values("z", kind="stable").reset_index(drop=True)
    unequal = unequal_losses(study.info.losses, study.counts)
    lost = {(each.model, each.benchmark, each.language): each.words for each, _ in unequal}
    failed = [_failure(row, cells, lost, min_drop) for row in found.to_dict("records")]
    reasons = [
        _reason(row, why, found, [*zip(found["model"], found["benchmark"], failed, strict=True)])
        for row, why in zip(found.to_dict("records"), failed, strict=True)
    ]
    evidence = [f"{_sentence(found.iloc[i])} {reasons[i][1]}" for i in range(len(found))]
    found = found.assign(
        flag=pd.Series([kind for kind, _ in reasons], index=found.index, dtype="str"),
        evidence=pd.Series(evidence, dtype="str"),
    )
    return ResultFrame(found[list(_COLUMNS)])


def unflagged_cells(study: Study) -> pd.DataFrame:
    """`suspicious_cells` without those whose rows are all flagged, for whatever reason."""
    key = ["model", "benchmark", "language"]
    found = suspicious_cells(study)
    used = study.counts.loc[(study.counts["flag"] == "").to_numpy(), key].drop_duplicates()
    kept = found.merge(used.astype("str"), how="inner", on=key)
    return ResultFrame(kept[list(_COLUMNS)])


def _failure(
    row: dict[Hashable, Any],
    cells: pd.DataFrame,
    lost: dict[tuple[str, str, str], str],
    min_drop: float,
) -> str:
    """What shows that a suspicious cell, a row of `cells`, is a failure; empty if nothing does."""
    if row["accuracy"] < row["chance"] - 2 * _error(row):
        return "Guessing would give more, so that answers were hardly read."
    if words := lost.get((str(row["model"]), str(row["benchmark"]), str(row["language"]))):
        return f"Answers were not usable: {words}."
    if row["is_source"]:
        return "It is the source language, which the others build on."
    same = (cells["model"] == row["model"]) & (cells["language"] == row["language"])
    elsewhere = cells[(same & (cells["benchmark"] != row["benchmark"])).to_numpy()]
    low = elsewhere["expected"] - elsewhere["accuracy"] >= min_drop
    ordinary = elsewhere[((elsewhere["z"] > _ORDINARY) & ~low).to_numpy()]
    # Near chance nothing shows that a language is known.
    known = ordinary[(ordinary["accuracy"] > ordinary["chance"] + min_drop).to_numpy()]
    return f"On {known['benchmark'].iloc[0]} the model knows the language." if len(known) else ""


def _reason(
    row: dict[Hashable, Any], why: str, found: pd.DataFrame, failed: list[tuple[str, str, str]]
) -> tuple[str, str]:
    """Kind of a suspicious cell and the sentence that says why.

    `why` is what shows that it is a failure; `failed` has model, benchmark and that sentence for
    each of the suspicious cells `found`.
    """
    if why:
        return FLAG, why
    model, benchmark, language = row["model"], row["benchmark"], row["language"]
    if any(sentence for *of, sentence in failed if of == [model, benchmark]):
        return FLAG, "Another language of the model failed for certain."
    own, here = found["model"] == model, found["benchmark"] == benchmark
    spoken = found["language"] == language
    if (own & spoken & ~here).any():
        name = found.loc[own & spoken & ~here, "benchmark"].iloc[0]
        return UNKNOWN_LANGUAGE, f"It is as low on {name}: the model does not know the language."
    others = [str(name) for name in found.loc[own & here & ~spoken, "language"]]
    if len(others) >= MIN_OTHERS:
        return UNKNOWN_LANGUAGE, f"So it is in {', '.join(others)}: languages not known, it seems."
    models = int((spoken & here & ~own).sum())
    if models >= MIN_OTHERS:
        return UNKNOWN_LANGUAGE, f"So are {models} other models: a language not known, it seems."
    return FLAG, "Nothing in the study says whether it was read wrongly or is not known."


def cell_accuracies(study: Study) -> pd.DataFrame:
    """Average the counts: `model, benchmark, language, trials, is_source, accuracy, n`.

    `n` is the number of independent trials that would give the accuracy its sampling error: for
    items, accuracy (1 - accuracy) over the variance of the mean over items (trials of one item
    belong together), at most the number of trials; for aggregate rows, their trials.
    """
    key = ["model", "benchmark", "language"]
    counts = study.counts.assign(is_source=study.is_source)
    items = counts.groupby([*key, "item"], sort=False, as_index=False).agg(
        correct=("n_correct", "sum"), trials=("n_trials", "sum"), source=("is_source", "all")
    )
    total = items.groupby(key, sort=False)[["correct", "trials"]].transform("sum")
    accuracy = total["correct"] / total["trials"]
    # Ratio estimator: variance of sum(k) / sum(n) from the items' deviations k - p n.
    items["square"] = (items["correct"] - accuracy * items["trials"]) ** 2
    cells = items.groupby(key, sort=False, as_index=False).agg(
        correct=("correct", "sum"),
        trials=("trials", "sum"),
        square=("square", "sum"),
        size=("item", "size"),
        is_source=("source", "all"),
    )
    p, n = cells["correct"] / cells["trials"], cells["trials"].to_numpy()
    size, square = cells["size"].to_numpy(), cells["square"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        by_items = (p * (1 - p)).to_numpy() * n**2 * (size - 1) / (size * square)
    # All right or all wrong: the items show no spread, and only their number is known.
    effective = np.where(size == 1, n, np.where(square > 0, np.minimum(by_items, n), size))
    return cells[[*key, "trials", "is_source"]].assign(accuracy=p, n=effective)


def _judge(cells: pd.DataFrame, chance: float) -> pd.DataFrame:
    """Add `expected` and `z` to the cells of one benchmark; NaN where they cannot be judged."""
    tables = cells.pivot(index="model", columns="language", values=["accuracy", "n", "is_source"])
    accuracy, n, source = (
        tables[name].to_numpy(np.float64) for name in ("accuracy", "n", "is_source")
    )
    position = (
        tables.index.get_indexer(pd.Index(cells["model"])),
        tables["n"].columns.get_indexer(pd.Index(cells["language"])),
    )
    # Models and languages with too few cells go first: the fit must rest on the others alone.
    judged = _dense(np.isfinite(accuracy))
    if not judged.any():
        return cells.assign(expected=np.nan, z=np.nan, chance=chance)
    accuracy = np.where(judged, accuracy, np.nan)
    error = np.sqrt(np.maximum(chance * (1 - chance), 1 / n) / n)  # of a guesser's accuracy
    share = (accuracy - chance) / (1 - chance)
    floor = np.minimum(error / (1 - chance), 0.5)
    eta = logit(np.clip(share, floor, 1 - 0.5 / np.maximum(n, 1.0)))
    not_guessing = _median(accuracy - chance - 4 * error, axis=1) > 0
    fitted = _additive(eta, not_guessing)
    above = expit(fitted)
    expected = np.where(judged, chance + (1 - chance) * above, np.nan)
    residuals = np.where(expected > chance + 4 * error, eta - fitted, np.nan)
    spread = np.fmax(_spread(residuals), _spread(residuals, axis=0))
    spread = np.fmax(spread, np.where(source == 1, 0.0, _spread(residuals, axis=1)))
    # From logits to accuracies: by the slope at the prediction, or by the chord to the cell where
    # that is steeper (below a prediction near the ceiling).
    slope = (1 - chance) * above * (1 - above)
    below = fitted - eta > 0.01
    chord = (1 - chance) * (above - expit(eta)) / np.where(below, fitted - eta, 1.0)
    slope = np.where(below, np.fmax(slope, chord), slope)
    sampling = np.maximum(expected * (1 - expected), 1 / n) / n
    z = (accuracy - expected) / np.sqrt(sampling + (slope * np.nan_to_num(spread)) ** 2)
    return cells.assign(expected=expected[position], z=z[position], chance=chance)


def median_polish(values: Array) -> tuple[Array, Array]:
    """Row (n,) and column (m,) effects by alternating medians (Tukey 1977, chapter 11).

    The overall level is in the row effects. `values` (n, m) is NaN where a cell is absent; an empty
    row or column has the effect NaN. Stops when no median is larger than 1e-8.
    """
    rows, columns = np.zeros(values.shape[0]), np.zeros(values.shape[1])
    for _ in range(100):
        row_step = _median(values - rows[:, None] - columns, axis=1)
        rows = rows + row_step
        column_step = _median(values - rows[:, None] - columns, axis=0)
        columns = columns + column_step
        steps = np.abs(np.concatenate([row_step, column_step]))
        if not np.nanmax(steps, initial=0.0) >= 1e-8:
            break
    return rows, columns


def _additive(eta: Array, not_guessing: npt.NDArray[np.bool_]) -> Array:
    """Predict each cell (models, languages) from its model and language.

    Guessers show no language effects, whatever these are: they would pull them to zero.
    """
    columns = np.zeros(eta.shape[1])
    if not_guessing.any():
        columns = np.nan_to_num(median_polish(eta[not_guessing])[1])
    return _median(eta - columns, axis=1)[:, None] + columns


def _dense(observed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Keep cells whose model has enough languages and whose language has enough models."""
    while True:
        enough = observed.sum(axis=1)[:, None] >= MIN_LANGUAGES
        kept = observed & enough & (observed.sum(axis=0) >= MIN_MODELS)
        if (kept == observed).all():
            return kept
        observed = kept


def _spread(residuals: Array, axis: int | None = None) -> Array:
    """Robust standard deviation: 1.4826 times the median absolute deviation from the median."""
    middle = _median(residuals, axis=axis, keepdims=True)
    return _MAD_TO_SD * _median(np.abs(residuals - middle), axis=axis, keepdims=True)


def _median(values: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Median without the absent cells; NaN, and no warning, for an empty row or column."""
    if np.isfinite(values).all():
        return np.asarray(np.median(values, axis=axis, keepdims=keepdims))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=axis, keepdims=keepdims))


def _error(row: dict[Hashable, Any] | pd.Series) -> float:
    """Standard error of the accuracy of a model that guesses."""
    chance, n = float(row["chance"]), float(row["n"])
    return float(np.sqrt(max(chance * (1 - chance), 1 / n) / n))


def _sentence(row: pd.Series) -> str:
    """Evidence on one suspicious cell."""
    accuracy, chance, error = float(row["accuracy"]), float(row["chance"]), _error(row)
    source = "the source language " if row["is_source"] else ""
    level = ""
    if accuracy < chance - 2 * error:
        level = f", below the chance level of {chance:.3g}"
    elif chance > 0 and accuracy <= chance + 2 * error:
        level = f", at the chance level of {chance:.3g}"
    elif accuracy == 0:
        level = ", nothing right at all"
    return (
        f"Accuracy in {source}{row['language']} is {accuracy:.3f}{level}, where the model's other "
        f"languages predict {row['expected']:.3f} (robust z = {row['z']:.1f})."
    )
