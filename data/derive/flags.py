"""Cells that are not what they seem: flagged with the evidence, and kept.

Two kinds. *extraction-failure*: a cell far under what the model's other languages and the other
models in that language predict (`hatstats.study.screening.failed_extraction`), and at or under
chance besides: a model that was hardly trained on a language is far under its other languages too,
but above chance. *constant-answer*: the very same score and interval as other models'. EuroEval
draws the same resamples for every model, so that a model whose answers cannot be read, and which is
given the same letter throughout, gets the same ten scores as any other such model.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from data.derive.folder import Tables
from hatstats.study import Study
from hatstats.study.screening.failed_extraction import suspicious_cells

_CELL = ["model", "benchmark", "language"]
CONSTANT = "constant-answer"
#: An entry must share this many languages with one other entry, or a cell this many entries.
SHARED_LANGUAGES, SHARED_ENTRIES = 3, 3


def constant_answers(wanted: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Find the cells of `wanted` whose score and interval do not depend on the model.

    A pair of score and half-width that one entry has in common with another is taken for a
    constant answer if the two are different models (their numbers of parameters are known and
    differ) and share such pairs in at least `SHARED_LANGUAGES` languages, or if at least
    `SHARED_ENTRIES` entries of two or more organisations share that pair.

    Parameters
    ----------
    wanted : DataFrame
        The rows to judge.
    rows : DataFrame
        All rows of the family, from `euroeval_rows.read_rows`: whom they are compared with.

    Returns
    -------
    DataFrame
        ``entry, language, flag, evidence``, one row per such cell.
    """
    cell = ["language", "split", "accuracy_percent", "halfwidth_percent"]
    small = rows[[*cell, "entry", "params"]].assign(maker=rows["entry"].str.split("/").str[0])
    pairs = small.merge(small, on=cell, suffixes=("", "_other"))
    pairs = pairs[pairs["entry"] != pairs["entry_other"]]
    # NaN compares as different; an undisclosed size says nothing about who is who.
    known = pairs[["params", "params_other"]].notna().all(axis=1)
    two = pairs[known & (pairs["params"] != pairs["params_other"])]
    shared = two.groupby(["entry", "entry_other"])["language"].transform("size")
    often = two[shared >= SHARED_LANGUAGES]
    groups = small.groupby(cell)
    many = (groups["entry"].transform("size") >= SHARED_ENTRIES) & (
        groups["maker"].transform("nunique") >= 2
    )
    alike = pd.concat([often[["entry", "language"]], small.loc[many, ["entry", "language"]]])
    alike = alike.merge(wanted[["entry", "language"]]).drop_duplicates()
    found = small.merge(alike, on=["entry", "language"])
    others = pairs.groupby(["entry", "language"])["entry_other"].agg(sorted)
    return pd.DataFrame(
        {
            "entry": found["entry"],
            "language": found["language"],
            "flag": CONSTANT,
            "evidence": [
                f"{row['accuracy_percent']:.2f} ± {row['halfwidth_percent']:.2f} % is to the last "
                f"digit what {_listed(others[row['entry'], row['language']])} got: the answer "
                "counted does not depend on the model."
                for row in found.to_dict("records")
            ],
        }
    )


@dataclass(frozen=True, slots=True, eq=False)
class Flagged:
    """What the search for odd cells found.

    Parameters
    ----------
    counts : DataFrame
        The counts with the columns ``flag`` and ``evidence``.
    spared : DataFrame
        The cells that were looked at and not flagged: ``model, language, evidence``.
    """

    counts: pd.DataFrame
    spared: pd.DataFrame


def flag_cells(
    tables: Tables, more: pd.DataFrame | None = None, *, z: float = 4.0, drop: float = 0.15
) -> Flagged:
    """Write flags and their evidence beside the cells they concern.

    Parameters
    ----------
    tables : Tables
        The tables of a study with aggregate counts.
    more : DataFrame, optional
        ``model, language, flag, evidence`` of cells known from elsewhere. Where such a cell is
        suspicious as well, the evidence of both is given.
    z, drop : float
        How suspicious a cell must be to be looked at: the arguments ``threshold`` and
        ``min_drop`` of `suspicious_cells`. Flagged is what meets that function's own thresholds
        and lies at or under chance, within two standard errors; the others are `spared`.
    """
    study = Study(tables.counts, tables.models, tables.benchmarks)
    seen = suspicious_cells(study, threshold=z, min_drop=drop)
    strict = suspicious_cells(study)[_CELL].assign(strict=True)
    seen = seen.merge(tables.counts[[*_CELL, "n_trials"]], on=_CELL).merge(
        tables.benchmarks[["benchmark", "chance"]], on="benchmark"
    )
    seen = seen.merge(strict, how="left", on=_CELL)
    error = (seen["chance"] * (1 - seen["chance"]) / seen["n_trials"]) ** 0.5
    failed = (seen["accuracy"] <= seen["chance"] + 2 * error) & seen["strict"].notna()
    found = seen[failed]
    if more is not None:
        benchmark = tables.benchmarks["benchmark"].iloc[0]
        found = pd.concat([found, more.assign(benchmark=benchmark)])
    one = found.groupby(_CELL, sort=False).agg(
        flag=("flag", "first"), evidence=("evidence", " ".join)
    )
    counts = tables.counts.merge(one, how="left", on=_CELL, indicator=True)
    if counts["_merge"].eq("both").sum() < len(one):
        raise ValueError("a flagged cell is not among the counts")
    text = counts[["flag", "evidence"]].fillna("").astype("str")
    return Flagged(
        tables.counts.assign(flag=text["flag"].to_numpy(), evidence=text["evidence"].to_numpy()),
        seen.loc[~failed, ["model", "language", "evidence"]].reset_index(drop=True),
    )


def _listed(names: list[str]) -> str:
    shown = names[:3]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (", ".join(shown[:-1]) + " and " if len(shown) > 1 and not more else "") + (
        ", ".join(shown) + more if more else shown[-1]
    )
