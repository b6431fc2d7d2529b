"""From scores to scores by language, or by a fact about languages: the same cells, averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.error_rows import ErrorRows, joint_covariance, known_of
from hatstats.inference.error_rows import Weights as SumWeights
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.validation import fits_in_memory, member
from hatstats.scores.cell_weights import common_languages, names_of
from hatstats.scores.languages.estimates import shares
from hatstats.scores.languages.result import LanguageScores
from hatstats.scores.ranks import RankedScores

#: A `hatstats.scores.scores.HatScores`, whose module imports this one.
HatScores = Any

#: Average over languages: equal, by a column of the table of languages, or by numbers of one's own.
Weights = str | Mapping[str, float] | None


class AveragedByLanguage(RankedScores):
    """Scores whose cells can be averaged by language instead of by model."""

    __slots__ = ()

    if TYPE_CHECKING:
        cells: pd.DataFrame
        cell_errors: tuple[ErrorRows, ...]

    @property
    def cell_influence(self) -> tuple[Floats, ...] | None:
        """Influence of each item cluster on the cells of its benchmark, (G_b, C_b), or None."""
        return known_of(each.influence for each in self.cell_errors)

    @property
    def cell_wordings(self) -> tuple[Floats, ...] | None:
        """Moves of the cells of each benchmark without each wording, (W_b, C_b), or None."""
        return known_of(each.moves for each in self.cell_errors)

    @property
    def cells_cov(self) -> Floats:
        """Covariance of the cells, shape (C, C).

        Raises
        ------
        DataError
            If it would take more than 8 GB with what it is made of (some 18,000 cells).
        """
        fits_in_memory(
            f"the covariance of {len(self.cells)} cells",
            24.0 * len(self.cells) ** 2,
            "ask scores.contrast(a, b, languages=...) or scores.by(...) for what is needed, or "
            "scores.covariance_of_cells(weights).",
        )
        return self.covariance_of_cells(sparse.eye_array(len(self.cells), format="csr"))

    def errors_of_cells(self, weights: SumWeights) -> tuple[ErrorRows, ...]:
        """Errors of sums of the cells with weights (K, C), by benchmark."""
        by, found, end = sparse.csr_array(weights), [], 0
        for errors in self.cell_errors:
            start, end = end, end + errors.size
            found.append(errors.of_sums(by[:, start:end]))
        return tuple(found)

    def covariance_of_cells(self, weights: SumWeights) -> Floats:
        """Covariance (K, K) of sums of the cells with weights (K, C), dense or sparse."""
        if not self.cell_errors:
            return np.zeros((weights.shape[0],) * 2)
        return joint_covariance(self.errors_of_cells(weights))

    def by(
        self,
        column: str = "language",
        *,
        models: str | Sequence[str] | None = None,
        each_model: bool = False,
        weights: Weights = None,
    ) -> LanguageScores:
        """HAT by language, or by script, family, resource class or any fact about languages.

        The same cells as in the scores of the models, with their full covariance and the same
        reference, averaged otherwise: over models, and over the languages of a group.

        Parameters
        ----------
        column : str
            ``language``, a text column of the study's ``languages.csv`` (``script``, ``resource``,
            ``family``, ...), or ``model`` for scores of models with other `weights`.
        models : str or sequence of str, optional
            A model, or several whose mean is taken; all that are ranked if not given.
        each_model : bool
            Whether each model has scores of its own instead (model x language).
        weights : str or mapping of str to float, optional
            Weights of the languages within groups: a column of ``languages.csv`` (``speakers``), or
            language to number; equal if not given.

        Returns
        -------
        LanguageScores
            With `against_mean`, `contrast` and `pairs`, all intervals of each at once.

        Raises
        ------
        DataError
            For an unknown model or column, weights that are not positive numbers, and means of so
            many cells that their covariance would take more than 8 GB.

        Examples
        --------
        >>> import hatstats as hs
        >>> study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(200, 3), rng=1)
        >>> scores = hs.fit_profile(study, method="observed").hat()
        >>> print(scores.by("language").contrast("t01", "t03"))
        t01 - t03: -0.032, 95% interval [-0.067, 0.004], p = 0.079
          observed, reference pooled, these wordings; standard error 0.0180, 179.7 df
        """
        return language_scores(self, column, models, each_model, weights)


def language_scores(
    scores: HatScores,
    column: str,
    models: str | Sequence[str] | None,
    each_model: bool,
    weights: Weights,
) -> LanguageScores:
    """Average the cells of scores by language or a column of their table of languages."""
    if scores.cells.empty:
        hint = "make them by fit_profile(study).hat()."
        raise DataError("these scores have no values per language", hint=hint)
    chosen = _chosen_models(scores, models)
    each = each_model or column == "model"
    group_of = _groups(scores, column)
    cells = scores.cells[scores.cells["model"].isin(chosen)]
    if each and column == "language":
        used = cells
    else:  # averages are of the same languages for all
        shared = {(b, name) for b, names in common_languages(cells).items() for name in names}
        pairs = zip(cells["benchmark"], cells["language"], strict=True)
        used = cells[[pair in shared for pair in pairs]]
    known = used["language"].map(group_of).notna().to_numpy()
    unknown = sorted(set(used.loc[~known, "language"]))
    used = used[known]
    if used.empty:
        raise NotIdentifiedError(
            f"no language that all of these models were asked has a value of {column!r}. What is "
            "missing: cells of every model, or fewer models (models=); and facts about their "
            "languages: hatstats languages fill STUDY, or fill_languages(study) in Python."
        )
    units = used.assign(model=used["model"] if each else "")
    units = units[["model", "benchmark", "language"]].drop_duplicates(ignore_index=True)
    units["weight"] = units["language"].map(_language_weights(scores, weights, units["language"]))
    _check_memory(units, group_of, column, each)
    projection = _projection(scores, used.index.to_numpy(), units, each)
    errors = scores.errors_of_cells(projection)
    influence = known_of(each.influence for each in errors)
    groups, parts = _parts(units, group_of, column, each)
    notes = [
        note for note in scores.overlap.loc[scores.overlap["model"].isin(chosen), "note"] if note
    ]
    if models is None and (weak := scores.weakly_identified) and len(weak) < len(scores.models):
        notes.insert(0, f"Weakly identified, not in these means: {', '.join(weak)}.")
    if missing := sorted(set(cells["language"]) - set(units["language"]) - set(unknown)):
        notes.append(f"Not asked of every model, left out: {', '.join(missing)}.")
    if unknown:
        notes.append(f"Without a known {column}, left out: {', '.join(unknown)}.")
    if parts.shape[1] > 1 and not parts.any(axis=2).all():
        notes.append(
            "Not all are on the same benchmarks (column benchmarks of groups): their own averages "
            "are of those that they have, differences of those that both sides have."
        )
    if weights is not None:
        by = weights if isinstance(weights, str) else "given numbers"
        notes.append(f"Languages are weighted by {by}.")
    values = scores.cells["estimate"].to_numpy(dtype=float)
    return LanguageScores(
        column=column,
        groups=groups,
        models=tuple(chosen),
        units=units,
        unit_values=projection @ values,
        unit_cov=joint_covariance(errors),
        parts=parts,
        influence=None if influence is None else np.concatenate(influence),
        wordings=known_of(each.moves for each in errors),
        method=scores.method,
        reference=scores.reference,
        scope=scores.scope,
        notes=tuple(notes),
        bounded=scores.bounded,
    )


def _check_memory(units: pd.DataFrame, group_of: dict[str, str], column: str, each: bool) -> None:
    """Refuse U units and K groups whose covariance (U, U) and weights (K, B, U) are too large."""
    groups = units.assign(group=units["language"].map(group_of))[["model", "group"]]
    known = len(groups.drop_duplicates()) * units["benchmark"].nunique()
    what = "scores of each model" if each else "means over models"
    what += "" if column == "model" else f" by {column}"
    fits_in_memory(
        f"{what}, made of {len(units)} values by language,",
        8.0 * len(units) * (3.0 * len(units) + 2.0 * known),
        "name fewer models (models=), or compare two by scores.contrast(a, b, languages=...).",
    )


def _chosen_models(scores: HatScores, models: str | Sequence[str] | None) -> list[str]:
    """The named models, or all that are ranked."""
    named: list[str] = scores._ranked() if models is None else names_of(models)
    for name in named:
        member("models", name, scores.models, "no such model in these scores")
    return list(dict.fromkeys(named))


def _groups(scores: HatScores, column: str) -> dict[str, str]:
    """Group of each language; languages whose group is unknown are missing."""
    languages = sorted(set(scores.cells["language"]))
    if column in ("language", "model"):
        return {name: name if column == "language" else "all" for name in languages}
    values = _facts(scores, column).dropna()
    if len(values) and pd.api.types.is_numeric_dtype(values):
        text = "groups are named by text, and this column holds numbers"
        hint = "fit_language_trend(profile, formula) takes numbers."
        raise DataError(text, column=column, hint=hint)
    labels = values.astype("str")
    found = {str(k): v for k, v in labels.items() if v and k in set(languages)}
    if not found:
        hint = "fill it in: hatstats languages fill STUDY, or fill_languages(study)."
        raise DataError("no language has a value here", column=column, hint=hint)
    return found


def _facts(scores: HatScores, column: str) -> pd.Series[Any]:
    """A column of the table of languages, by language."""
    table = scores.language_table
    if column not in table or column == "language":
        known = ", ".join(map(str, table.columns)) if len(table) else "no table languages.csv"
        raise DataError(
            "no such fact about languages is known in this study",
            column=column,
            hint=f"give language, model or a column of languages.csv ({known}); "
            "fill_languages(study) makes one.",
        )
    facts: pd.Series[Any] = table.set_index("language")[column]
    return facts


def _language_weights(
    scores: HatScores, weights: Weights, used: pd.Series[str]
) -> dict[str, float]:
    """Weight of each language in averages over languages."""
    names = sorted(set(used))
    if weights is None:
        return dict.fromkeys(names, 1.0)
    given = _facts(scores, weights).to_dict() if isinstance(weights, str) else dict(weights)
    for name in names:
        value = pd.to_numeric(given.get(name, np.nan), errors="coerce")
        if not (np.isfinite(value) and value > 0):
            raise DataError(
                f"languages are weighted by positive numbers, and that of {name!r} is none",
                column=weights if isinstance(weights, str) else "weights",
                value=given.get(name),
                hint="write it into languages.csv, or give weights={language: number}.",
            )
    return {name: float(given[name]) for name in names}


def _projection(
    scores: HatScores, rows: np.ndarray, units: pd.DataFrame, each: bool
) -> sparse.csr_array:
    """Weights (U, C) of the units on all cells: a cell, or the mean over the models of a cell."""
    keys = ["model", "benchmark", "language"]
    cells = scores.cells.loc[rows, keys]
    cells = cells if each else cells.assign(model="")
    unit = pd.MultiIndex.from_frame(units[keys]).get_indexer(pd.MultiIndex.from_frame(cells))
    share = 1.0 / np.bincount(unit, minlength=len(units))
    return sparse.csr_array((share[unit], (unit, rows)), (len(units), len(scores.cells)))


def _parts(
    units: pd.DataFrame, group_of: dict[str, str], column: str, each: bool
) -> tuple[pd.DataFrame, Floats]:
    """Groups as rows, and the weights (K, B, U) of each on the units of each benchmark."""
    keys = units.assign(group=units["language"].map(group_of))
    named = keys[["model", "group"]].drop_duplicates()
    named = named.assign(order=pd.factorize(named["model"])[0]).sort_values(["order", "group"])
    names = np.array(units["benchmark"].unique())
    mine = (named["model"].to_numpy()[:, None] == keys["model"].to_numpy()) & (
        named["group"].to_numpy()[:, None] == keys["group"].to_numpy()
    )
    on = names[:, None] == units["benchmark"].to_numpy()
    parts = shares((mine[:, None] & on) * units["weight"].to_numpy(dtype=float))
    groups = ResultFrame({"model": named["model"]} if each else {}, index=named.index)
    if column != "model":
        groups[column] = named["group"]
    groups["n_languages"] = [keys.loc[own, "language"].nunique() for own in mine]
    groups["benchmarks"] = [", ".join(map(str, names[own])) for own in parts.any(axis=2)]
    return groups.reset_index(drop=True), parts
