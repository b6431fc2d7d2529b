"""Items that fail in one language for nearly all models: translations or answers to look at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from hatstats.diagnostics.differential_functioning import item_functioning
from hatstats.errors import DataError
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.validation import in_range
from hatstats.study import Study
from hatstats.study.read import as_study

_CELL = ["benchmark", "language", "item"]


def item_faults(
    study: Study, *, most: float = 0.2, least: float = 0.6, level: float = 0.05
) -> pd.DataFrame:
    """Items that models answer in the source language, and hardly any in one target language.

    An item is listed for a language if it functions differently there (`item_functioning`, class C,
    harder, with a false discovery rate of `level` over all items and languages), and the mean
    accuracy of the models on it is at least `least` in the source and at most `most` in the target.
    That is what a wrong translation or a wrong answer in the key looks like; a word that no model
    knows in a language looks the same, so that the list is one to read.

    Parameters
    ----------
    study : Study
        With items, and four models or more.
    most, least : float
        Mean accuracies, at most in the target and at least in the source.
    level : float
        False discovery rate.

    Returns
    -------
    DataFrame
        `benchmark, language, item, source, target` (mean accuracies), `log_odds, p_adjusted,
        n_models`, the least `target` first.

    Raises
    ------
    DataError
        If an accuracy or level does not lie between 0 and 1.
    NotIdentifiedError
        Without items, or with fewer than four models.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 0.5, 1.0, 1.5], shape=hs.Shape(40, 2), rng=1)
    >>> hs.item_faults(study)["item"].tolist()
    []
    """
    study = as_study(study, "item_faults")
    for name, value in (("most", most), ("least", least), ("level", level)):
        in_range(name, value, "[0, 1]", "give a proportion.")
    counts = study.counts[(study.counts["item"] != "").to_numpy()]
    share = (counts["n_correct"] / counts["n_trials"]).rename("share")
    rows = counts[[*_CELL, "model"]].assign(share=share, is_source=study.is_source[counts.index])
    cells = rows.groupby([*_CELL, "is_source", "model"])["share"].mean().reset_index()
    mean = cells.groupby([*_CELL, "is_source"])["share"].mean().reset_index()
    source = mean[mean["is_source"]].groupby(["benchmark", "item"])["share"].mean()
    target = mean[~mean["is_source"]].set_index(_CELL)["share"]
    table = item_functioning(study)
    table = table[((table["ets"] == "C") & (table["log_odds"] < 0)).to_numpy()]
    table = table[(table["p_adjusted"] < level).to_numpy()]
    keys = [tuple(row) for row in table[_CELL].itertuples(index=False)]
    found = table.assign(
        source=[source.get((benchmark, item), np.nan) for benchmark, _, item in keys],
        target=[target.get(key, np.nan) for key in keys],
    )
    found = found[((found["source"] >= least) & (found["target"] <= most)).to_numpy()]
    columns = [*_CELL, "source", "target", "log_odds", "p_adjusted", "n_models"]
    return ResultFrame(found[columns].sort_values("target", kind="stable", ignore_index=True))


def without_items(study: Study, cells: pd.DataFrame) -> Study:
    """The study without some items in some languages, to see what changes.

    Parameters
    ----------
    study : Study
    cells : DataFrame
        Columns `benchmark, language, item`, as `item_faults` gives them.

    Returns
    -------
    Study
        The notes say how many were left out.

    Raises
    ------
    DataError
        For a cell that the study does not have.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(40, 2), rng=1)
    >>> one = study.counts.query("language == 't01'").head(1)
    >>> len(study.counts) - len(hs.without_items(study, one).counts)
    2
    """
    study = as_study(study, "without_items")
    wanted = pd.MultiIndex.from_frame(cells[_CELL].astype("str"))
    have = pd.MultiIndex.from_frame(study.counts[_CELL].astype("str"))
    if not wanted.isin(have).all():
        first = ", ".join(map(str, wanted[~wanted.isin(have)][0]))
        hint = "take the cells from item_faults(study)."
        raise DataError("the study has no such item", column="item", value=first, hint=hint)
    out = have.isin(wanted)
    if not out.any():
        return study
    note = f"Left out by name: {len(wanted.unique())} items in single languages."
    info = replace(study.info, notes=f"{study.info.notes} {note}".strip())
    return replace(study, counts=study.counts[~out], info=info)
