"""Changes in raw target accuracy that a report splits: between years, and between sizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pandas as pd

from hatstats.report.tables.rounding import parameters_text
from hatstats.scores.averages import ModelScores
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.trends.decomposition import Decomposition, decompose_profile

#: Models that a third of the sizes has at least, to be set against another third.
_LEAST = 2


def changes(profile: TransferProfile, scores: HatScores, conf_level: float) -> pd.DataFrame:
    """Tidy parts of each change, with its `comparison` in words and its `group`.

    From the first year to the last over all models, from each year to the next where there are
    more, within families, and from the smallest third of the sizes to the largest.
    """
    parts = []
    for group, found in _decomposed(profile, scores.covariates):
        rows = found.tidy(conf_level)
        rows.insert(0, "group", group)
        rows.insert(0, "comparison", f"{found.descriptions[0]}, to {found.descriptions[1]}")
        parts.append(rows)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _decomposed(
    profile: TransferProfile, table: pd.DataFrame
) -> Iterator[tuple[str, Decomposition]]:
    """Name and decomposition of each change that the facts about the models allow."""
    known: dict[tuple[str, ...], ModelScores] = {}
    years = _years(table)
    if len(years) > 1:
        yield "All", decompose_profile(profile, years[0], years[-1], known=known)
    if len(years) > 2:
        for before, after in pairwise(years):
            found = decompose_profile(profile, before, after, known=known)
            yield f"Years {before} to {after}", found
    families = list(dict.fromkeys(table["family"].dropna()))
    # The only family is all models.
    for family in families if len(families) > 1 else []:
        own = _years(table[table["family"] == family])
        if len(own) > 1:
            found = decompose_profile(profile, own[0], own[-1], family=family, known=known)
            yield str(family), found
    size = table.set_index("model")["params_total"].dropna().astype(float)
    if size.nunique() > 1:
        low, high = size.quantile([1 / 3, 2 / 3])
        small, large = size[size <= low], size[size >= high]
        if low < high and min(len(small), len(large)) >= _LEAST:
            words = (
                f"{len(small)} models of up to {parameters_text(float(small.max()))}",
                f"{len(large)} of {parameters_text(float(large.min()))} or more",
            )
            sides = list(small.index), list(large.index)
            yield "Size", decompose_profile(profile, *sides, descriptions=words, known=known)


def _years(table: pd.DataFrame) -> list[int]:
    """Years of release in order."""
    return sorted({int(year) for year in table["release_date"].dt.year.dropna()})
