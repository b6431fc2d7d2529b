"""Regression of transfer on facts about languages, with languages as the sampling unit.

A row is the HAT of a model in a language (and benchmark). Languages and models are crossed: a
language is hard for all models, and twins, one set of weights asked with reasoning on and off, are
nearly one model. Without an effect of the language, standard errors of its covariates are several
times too small, as if every model had met languages of its own. Whether size closes the gap of
languages with few resources, a cross-level interaction, needs slopes that differ by language and by
model (Barr, Levy, Scheepers and Tily 2013, Journal of Memory and Language 68:255-278).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.reml.mixed import fit_mixed, shared_by_pairs
from hatstats.inference.validation import fits_in_memory
from hatstats.scores.cell_weights import names_of
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import as_scores
from hatstats.trends.design import Design, build_design
from hatstats.trends.language_trend import LanguageTrend, centred, random_effects

#: Bytes that the covariance of scores by language and its factors take for each pair of them.
_PAIR = 92.0
#: Groups beyond the coefficients of their covariates that a variance over them needs at least.
_SPARE = 3


def fit_language_trend(
    scores: HatScores, formula: str, *, models: str | Sequence[str] | None = None
) -> LanguageTrend:
    """Regress HAT by model and language on facts about both, languages being sampled.

    ``H_ml = b0 + b'x_ml + u_l + w_weights(m) + v_m + t_weights(m),l + slopes + e_ml``, by REML:
    effects of languages (and of their families, where two or more have several languages here),
    weights, models (where weights have several: reasoning on and off), and weights x language; a
    slope over weights of each fact about languages, and over languages of each fact about models.
    Standard errors are Kenward and Roger's, who count that variances are estimated from few
    languages. Sampling errors enter by what all cells have in common through their items, ``X B
    X'`` fitted to the covariance of cells that share neither language nor weights, and otherwise as
    part of the scatter of languages, models and cells; the full covariance gives no weights, since
    with some hundred items behind many cells it is nearly singular.

    Parameters
    ----------
    scores : HatScores
        With cells, from ``profile.hat()`` of a study whose `language_table` has the facts.
    formula : str
        Columns of ``languages.csv`` and ``models.csv``: ``"log10(wikipedia_articles) *
        log10(params_total)"``. Columns that both have are ``language_NAME`` for languages
        (``language_family``); `script` gives `latin_script`, 1 or 0.
    models : str or sequence of str, optional
        These models only; all that are ranked if not given.

    Returns
    -------
    LanguageTrend
        With `tidy`, `comparison` (CR2 by language, and naive rows), `components`, `forecast` for a
        new language, and `leave_one_out`.

    Raises
    ------
    DataError
        For a formula that cannot be read, an unknown fact or model, scores without cells, and cells
        whose covariance would take more than 8 GB (some 9,000).
    NotIdentifiedError
        If languages or models are too few for the coefficients.

    Notes
    -----
    A new language is one like these: drawn from the same population, by the same benchmarks.

    Examples
    --------
    >>> import dataclasses
    >>> import numpy as np
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> study = hs.simulate_study(np.linspace(-1, 1, 5), shape=hs.Shape(80, 8), rng=1)
    >>> facts = pd.DataFrame({"language": study.languages, "resource_class": range(9)})
    >>> study = dataclasses.replace(study, language_table=facts)
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> trend = hs.fit_language_trend(scores, "resource_class")
    >>> trend.forecast({"resource_class": 3})["estimate"].round(2).tolist()
    [0.36]
    """
    given = as_scores(scores, "fit_language_trend")
    if not isinstance(given, HatScores):
        given = given.hat()
    frame, rows, language_columns = _cells(given, formula, models)
    several = frame["row_benchmark"].nunique() > 1
    whole = f"{formula} + row_benchmark" if several else formula
    design = build_design(frame, whole, frame["row_language"].tolist())
    used = frame["model"].isin(design.models).to_numpy()
    rows, frame = rows[used], frame[used].reset_index(drop=True)
    fits_in_memory(
        f"a trend of {len(rows)} scores by language",
        _PAIR * len(rows) ** 2,
        "name fewer models (models=), or average over languages: fit_trend(scores, formula).",
    )
    terms = design.terms
    level = [
        "",
        *(_level(frame, column, name) for column, name in zip(design.matrix.T, terms, strict=True)),
    ]
    _check(frame, terms, level, formula)
    centres = design.matrix.mean(axis=0)
    X, names = centred(design.matrix, terms, centres), ("Intercept", *terms)
    y = given.cells["estimate"].to_numpy(dtype=float)[rows]
    fit = fit_mixed(y, X, random_effects(frame, X, names, _kinds(frame, names, level)))
    naive = fit_mixed(y, X, random_effects(frame, X, names, ["model"]))
    shared, notes = _shared(given, rows, frame, X)
    return LanguageTrend(
        formula=formula,
        terms=names,
        level=tuple(level),
        fit=fit,
        adjusted=fit.kenward_roger(),
        freedom=fit.satterthwaite(np.eye(len(names))),
        shared=shared,
        naive=naive,
        design=design,
        language_columns=language_columns,
        centres=centres,
        left_out=design.left_out,
        notes=tuple([*notes, *_left_out_note(design)]),
    )


def _cells(
    scores: HatScores, formula: str, models: str | Sequence[str] | None
) -> tuple[pd.DataFrame, np.ndarray, frozenset[str]]:
    """Cells (n rows) with all facts, their positions, and which columns are about languages.

    `model` names the cell; `row_model`, `row_weights`, `row_language`, `row_family` (of the
    language, empty if unknown) and `row_benchmark` say what it is.
    """
    if scores.cells.empty:
        hint = "make them by fit_profile(study).hat()."
        raise DataError("these scores have no values per language", hint=hint)
    if scores.language_table.empty:
        raise DataError(
            "nothing is known of the languages of this study",
            file="languages.csv",
            hint="hatstats languages fill STUDY, or fill_languages(study), makes the table.",
        )
    weak = set(scores.weakly_identified)
    chosen = [m for m in scores.models if m not in weak] if models is None else names_of(models)
    for name in chosen:
        if name not in scores.models:
            hint = f"choose among {', '.join(scores.models)}."
            raise DataError("no such model in these scores", column="models", value=name, hint=hint)
    cells = scores.cells
    rows = np.flatnonzero(cells["model"].isin(chosen) & np.isfinite(cells["estimate"]))
    cells = cells.iloc[rows].reset_index(drop=True)
    facts = scores.language_table.set_index("language")
    if "script" in facts and "latin_script" not in facts:
        latin = (facts["script"] == "Latn").astype(float)
        facts["latin_script"] = latin.mask(facts["script"] == "")
    facts = facts.rename(columns={c: f"language_{c}" for c in facts if c in scores.covariates})
    by_model = scores.covariates.set_index("model", drop=False)
    about = by_model.loc[cells["model"]].reset_index(drop=True)
    of_language = facts.reindex(cells["language"]).reset_index(drop=True)
    frame = pd.concat([about, of_language], axis=1)
    weights = about.get("weights", about["model"]).fillna("").astype("str")
    families = scores.language_table.set_index("language").get("family", pd.Series(dtype="str"))
    # A blank label is no value of a covariate.
    text = frame.columns[frame.dtypes == "str"]
    frame[text] = frame[text].mask(frame[text] == "")
    frame["row_model"], frame["row_language"] = cells["model"], cells["language"]
    frame["row_benchmark"] = cells["benchmark"]
    frame["row_family"] = cells["language"].map(families).fillna("").astype("str")
    frame["row_weights"] = weights.mask(weights == "", cells["model"])
    frame["model"] = cells["model"] + " in " + cells["language"] + " on " + cells["benchmark"]
    return frame, rows, frozenset(map(str, facts.columns))


def _level(frame: pd.DataFrame, column: Floats, name: str) -> str:
    """Whether a column (n,) is a fact about languages, models, both, or benchmarks alone."""
    if name.startswith("row_benchmark"):
        return ""
    values = pd.Series(column)
    width = 1e-9 * max(float(np.ptp(column)), 1e-300)
    for level in ("language", "model"):
        spread = values.groupby(frame[f"row_{level}"].to_numpy()).agg(np.ptp)
        if (spread <= width).all():
            return level
    return "both"


def _check(frame: pd.DataFrame, terms: Sequence[str], level: Sequence[str], formula: str) -> None:
    """Refuse too few languages or models, and interactions without their main terms."""
    for name, kind in zip(terms, level[1:], strict=True):
        if kind == "both" and not (":" in name and set(name.split(":")) <= set(terms)):
            raise DataError(
                "a term that varies over languages and models is a product of two that are in the "
                "formula",
                column="formula",
                value=name,
                hint="write resource * log10(params_total), for instance.",
            )
    for unit, group in (("language", "row_language"), ("model", "row_weights")):
        count, needed = frame[group].nunique(), 1 + list(level).count(unit) + _SPARE
        if count < needed:
            what = "languages" if unit == "language" else "models of different weights"
            raise NotIdentifiedError(
                f"{count} {what} are too few for {formula!r}: their covariates need {needed}"
            )


def _kinds(frame: pd.DataFrame, names: Sequence[str], level: Sequence[str]) -> list[str]:
    """Random effects that these rows can show: see `random_effects`."""
    kinds = ["language", "weights"]
    family = frame.drop_duplicates("row_language")["row_family"]
    if (family != "").all() and (family.value_counts() > 1).sum() > 1:
        kinds.insert(1, "family")
    if frame["row_model"].nunique() > frame["row_weights"].nunique():
        kinds.append("model")
    if frame.duplicated(["row_weights", "row_language"]).any():
        kinds.append("weights x language")
    if frame["row_benchmark"].nunique() > 1:
        kinds += ["benchmark x language", "benchmark x weights"]
    for name, kind in zip(names, level, strict=True):
        if kind in ("language", "model"):
            kinds.append(f"{name} by {'weights' if kind == 'language' else 'language'}")
    return kinds


def _shared(
    scores: HatScores, rows: np.ndarray, frame: pd.DataFrame, X: Floats
) -> tuple[Floats, list[str]]:
    """Covariance (k, k) that the coefficients have from common items, and a note if unknown."""
    V = scores.covariance_of_cells(sparse.eye_array(len(scores.cells), format="csr")[rows])
    if not np.isfinite(V).all():
        note = "Some sampling errors are unknown: what items have in common is not in the errors."
        return np.zeros((X.shape[1],) * 2), [note]
    language, weights = (frame[f"row_{name}"].to_numpy() for name in ("language", "weights"))
    apart = (language[:, None] != language) & (weights[:, None] != weights)
    return shared_by_pairs(X, V, apart), []


def _left_out_note(design: Design) -> list[str]:
    """Which cells lack a covariate, in words."""
    if not design.left_out:
        return []
    some = "; ".join(design.left_out[:3]) + ("; ..." if len(design.left_out) > 3 else "")
    return [f"Cells without all covariates, left out: {len(design.left_out)} ({some})."]
