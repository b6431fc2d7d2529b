"""Cells that look like failed answer extraction: a hole in a model's row of languages.

A harness that cannot read the answers of one model in one language reports an accuracy near zero or
near chance there. Averaged in, such a cell looks like missing transfer. The cell is judged against
what the model's other languages and the other models in that language predict:

- **Scale.** The chance-corrected logit eta = logit((accuracy - chance) / (1 - chance)). On it a
  model that guesses has a very low eta in every language, so that its predictions sit at chance and
  it cannot fall below them by much; on the accuracy scale, an additive fit would expect it to gain
  from an easy language as strong models do, and would accuse it. Accuracies nearer to chance than
  one standard error are moved to there, since a logit would magnify their noise without end.
- **Fit.** eta = model + language by median polish (Tukey 1977), once per benchmark. Medians keep a
  failed cell from lowering its own prediction, until half of a row or column has failed. Models
  whose median cell is within four standard errors of chance do not shape the language effects.
- **z.** The prediction goes back to the accuracy scale, where z = (accuracy - expected) / scale.
  The scale joins the sampling error of the accuracy with the robust spread (1.4826 MAD) of the
  residuals: the largest of the spread over all cells, over the language, and over the model. The
  language's spread keeps a language that many models half know (Finnish in EuroEval) from yielding
  flags; the model's spread does the same for a model that was trained on few languages, whose low
  cells are no hole but a landscape. A source cell is judged without the model's spread: failing
  extraction in the source scatters the whole row, and no model should be far worse there.
- **Thresholds.** Both must be met. z <= -4: one accidental flag in 30,000 normal cells, but real
  residuals have heavier tails (of the 2,068 cells of 188 models on HellaSwag, 5 lie above +4, where
  nothing can have failed, and 4 below -4). So also a drop of ten points: smaller dips are commonly
  real or luck, matter little to an average, and leaving them out would make transfer look too good.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from hatstats.errors import DataError
from hatstats.study.expect import as_study
from hatstats.study.study import Study

FLAG = "extraction-failure"
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
        ``"extraction-failure"`` and `evidence` one sentence.

    Raises
    ------
    DataError
        When `threshold` or `min_drop` is not positive.
    """
    study = as_study(study, "suspicious_cells")
    for name, value in (("threshold", threshold), ("min_drop", min_drop)):
        if not value > 0:
            raise DataError(f"{name} is a positive number.", column=name, value=value,
                            hint="the defaults are threshold=4.0 and min_drop=0.1.")  # fmt: skip
    parts = [
        _judge(cells, float(study.benchmarks.set_index("benchmark")["chance"][benchmark]))
        for benchmark, cells in cell_accuracies(study).groupby("benchmark", sort=False)
    ]
    cells = pd.concat(parts, ignore_index=True)
    drop = cells["expected"] - cells["accuracy"]
    found = cells[((cells["z"] <= -threshold) & (drop >= min_drop)).to_numpy()]
    found = found.sort_values("z", kind="stable").reset_index(drop=True)
    evidence = [_sentence(found.iloc[i]) for i in range(len(found))]
    found = found.assign(flag=FLAG, evidence=pd.Series(evidence, dtype="str"))
    return found[list(_COLUMNS)].astype({"flag": "str"})


def flag_cells(study: Study, cells: pd.DataFrame) -> Study:
    """Write flags and their evidence into a study; nothing is removed.

    Parameters
    ----------
    study : Study
        The study.
    cells : DataFrame
        `model, benchmark, language, flag, evidence`, as `suspicious_cells` returns them.

    Returns
    -------
    Study
        The same study with `flag` and `evidence` set in every row of these cells; other flags stay.

    Raises
    ------
    DataError
        For a cell that the study does not have.
    """
    key = ["model", "benchmark", "language"]
    wanted = cells[[*key, "flag", "evidence"]].drop_duplicates(key)
    rows = study.counts[key].merge(wanted, how="left", on=key, indicator=True)
    there = wanted.merge(study.counts[key].drop_duplicates(), on=key)
    if len(there) < len(wanted):
        lost = wanted.merge(there[key], how="left", on=key, indicator="found")
        first = lost[(lost["found"] == "left_only").to_numpy()].iloc[0]
        raise DataError(
            f"the study {study.name!r} has no such cell.",
            column=", ".join(key),
            value=" / ".join(str(first[name]) for name in key),
            hint="flag cells that occur in its counts.",
        )
    hit = (rows["_merge"] == "both").to_numpy()
    counts = study.counts.copy()
    for column in ("flag", "evidence"):
        counts[column] = counts[column].mask(hit, rows[column])
    return Study(
        counts, study.models, study.benchmarks, study.items, study.info, study.claims, study.files
    )


def cell_accuracies(study: Study) -> pd.DataFrame:
    """Average the counts per model, benchmark and language.

    Parameters
    ----------
    study : Study
        Items or aggregate accuracies.

    Returns
    -------
    DataFrame
        `model, benchmark, language, accuracy, n, is_source`. `n` is the number of independent
        trials that would give the accuracy its sampling error: for items, accuracy (1 - accuracy)
        over the variance of the mean over items (trials of one item belong together), at most
        the number of trials; for aggregate rows, their trials.
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
    # All right or all wrong: the items show no spread, and only their number is sure.
    effective = np.where(size == 1, n, np.where(square > 0, np.minimum(by_items, n), size))
    return cells[key].assign(accuracy=p, n=effective, is_source=cells["is_source"])


def _judge(cells: pd.DataFrame, chance: float) -> pd.DataFrame:
    """Add `expected` and `z` to the cells of one benchmark; NaN where they cannot be judged."""
    models, languages = pd.Index(cells["model"].unique()), pd.Index(cells["language"].unique())
    at = (models.get_indexer(pd.Index(cells["model"])),
          languages.get_indexer(pd.Index(cells["language"])))  # fmt: skip
    accuracy, n, source = np.full((3, len(models), len(languages)), np.nan)
    for table, name in ((accuracy, "accuracy"), (n, "n"), (source, "is_source")):
        table[at] = cells[name]
    # Models and languages with too few cells go first: the fit must rest on the others alone.
    judged = _dense(np.isfinite(accuracy))
    if not judged.any():
        return cells.assign(expected=np.nan, z=np.nan, chance=chance)
    accuracy = np.where(judged, accuracy, np.nan)
    error = np.sqrt(np.maximum(chance * (1 - chance), 1 / n) / n)  # of a guesser's accuracy
    link = _to_link(accuracy, n, error, chance)
    knows = _median(accuracy - chance - 4 * error, axis=1) > 0
    fitted = _additive(link, knows)
    above = expit(fitted)
    expected = np.where(judged, chance + (1 - chance) * above, np.nan)
    residuals = np.where(expected > chance + 4 * error, link - fitted, np.nan)
    spread = np.fmax(_spread(residuals), _spread(residuals, axis=0))
    spread = np.fmax(spread, np.where(source == 1, 0.0, _spread(residuals, axis=1)))
    # From logits to accuracies: by the slope at the prediction, or by the chord to the cell where
    # that is steeper (below a prediction near the ceiling).
    slope = (1 - chance) * above * (1 - above)
    below = fitted - link > 0.01
    chord = (1 - chance) * (above - expit(link)) / np.where(below, fitted - link, 1.0)
    slope = np.where(below, np.fmax(slope, chord), slope)
    sampling = np.maximum(expected * (1 - expected), 1 / n) / n
    z = (accuracy - expected) / np.sqrt(sampling + (slope * np.nan_to_num(spread)) ** 2)
    return cells.assign(expected=expected[at], z=z[at], chance=chance)


def median_polish(
    values: Array, *, n_iter: int = 100, tolerance: float = 1e-8
) -> tuple[Array, Array]:
    """Fit row + column effects by alternating medians.

    Parameters
    ----------
    values : ndarray (n, m)
        A table, NaN where a cell is absent; rows and columns may be empty.
    n_iter : int
        Most sweeps over rows and columns.
    tolerance : float
        Stop when no median is larger than this.

    Returns
    -------
    rows : ndarray (n,)
        Row effects, overall level included; NaN for an empty row.
    columns : ndarray (m,)
        Column effects; NaN for an empty column.

    Notes
    -----
    Tukey, J. W. (1977), Exploratory Data Analysis, chapter 11.
    """
    rows, columns = np.zeros(values.shape[0]), np.zeros(values.shape[1])
    for _ in range(n_iter):
        step = _median(values - rows[:, None] - columns, axis=1)
        rows = rows + step
        move = _median(values - rows[:, None] - columns, axis=0)
        columns = columns + move
        steps = np.abs(np.concatenate([step, move]))
        if not np.nanmax(steps, initial=0.0) >= tolerance:
            break
    return rows, columns


def _additive(link: Array, knows: npt.NDArray[np.bool_]) -> Array:
    """Predict each cell from its model and language; guessers do not shape the languages."""
    columns = np.zeros(link.shape[1])
    if knows.any():
        # Guessers show no language effects, whatever these are: they would pull them to zero.
        _, found = median_polish(link[knows])
        columns = np.nan_to_num(found)
    return _median(link - columns, axis=1)[:, None] + columns


def _to_link(accuracy: Array, n: Array, error: Array, chance: float) -> Array:
    share = (accuracy - chance) / (1 - chance)
    floor = np.minimum(error / (1 - chance), 0.5)
    return np.asarray(logit(np.clip(share, floor, 1 - 0.5 / np.maximum(n, 1.0))))


def _dense(there: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Keep cells whose model has enough languages and whose language has enough models."""
    while True:
        enough = there.sum(axis=1)[:, None] >= MIN_LANGUAGES
        kept = there & enough & (there.sum(axis=0) >= MIN_MODELS)
        if (kept == there).all():
            return kept
        there = kept


def _spread(residuals: Array, axis: int | None = None) -> Array:
    """Robust standard deviation: 1.4826 times the median absolute deviation from the median."""
    middle = _median(residuals, axis=axis, keepdims=True)
    return _MAD_TO_SD * _median(np.abs(residuals - middle), axis=axis, keepdims=True)


def _median(values: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Median without the absent cells; NaN, and no warning, for an empty row or column."""
    present = np.isfinite(values)
    empty = ~present.any(axis=axis, keepdims=True)
    filled = np.where(empty, 0.0, values)
    medians = np.nanmedian(filled, axis=axis, keepdims=True)
    medians = np.where(empty, np.nan, medians)
    return medians if keepdims else np.squeeze(medians, axis=axis)


def _sentence(row: pd.Series) -> str:
    accuracy, chance, n = float(row["accuracy"]), float(row["chance"]), float(row["n"])
    error = np.sqrt(max(chance * (1 - chance), 1 / n) / n)
    where = "the source language " if row["is_source"] else ""
    level = ""
    if accuracy < chance - 2 * error:
        level = f", below the chance level of {chance:.3g}"
    elif chance > 0 and accuracy <= chance + 2 * error:
        level = f", at the chance level of {chance:.3g}"
    elif accuracy == 0:
        level = ", nothing right at all"
    return (
        f"Accuracy in {where}{row['language']} is {accuracy:.3f}{level}, where the model's other "
        f"languages predict {row['expected']:.3f} (robust z = {row['z']:.1f})."
    )
