"""Whether items of different languages are the same questions: what names and answers say.

Transfer compares an item with itself. Names of items decide what is paired, and where they are mere
row numbers nothing but the answers can tell whether rows are translations of one another.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.study.study import Study

#: Fewest common items on which agreement is tested, and its one-sided standard normal bound.
_FEWEST, _BOUND = 20, 2.33
_CELL = ["benchmark", "model", "language"]
_ROW_NUMBER = re.compile(r"(?:.*[/#])?\d+")
_NUMBER = re.compile(r"(\d+)\D*$")


def by_number(cells: pd.DataFrame, benchmark: str) -> pd.DataFrame:
    """Items named by the last number in their names; an error where two would be one."""
    numbers = cells["item"].str.extract(_NUMBER, expand=False)
    key = cells[["model", "language", "item"]].drop_duplicates()
    short = numbers.loc[key.index]
    if numbers.isna().any() or key.assign(item=short).duplicated().any():
        raise DataError(
            "names of items without a number of their own cannot be paired by it.",
            file=benchmark,
            column="item",
            value=str(cells["item"].iloc[0]),
            hint="give translations of an item one name.",
        )
    return cells.assign(item=numbers)


def as_totals(cells: pd.DataFrame) -> pd.DataFrame:
    """Items (rows) of each model and language as one total: the sum of their accuracies."""
    sums = {"n_correct": "sum", "n_trials": "sum", "source_language": "max"}
    items = cells.groupby([*_CELL, "item"], sort=False, as_index=False).agg(sums)
    items = items.assign(n_correct=items["n_correct"] / items["n_trials"], n_trials=1.0)
    return items.groupby(_CELL, sort=False, as_index=False).agg(sums).assign(item="", prompt="")


def pairing_notes(study: Study) -> list[str]:
    """Say which languages lack items of the source or have others, and whether rows pair at all."""
    notes = []
    counts = study.counts.assign(is_source=study.is_source)
    by_item = counts[(counts["item"] != "").to_numpy()]
    for benchmark, cells in by_item.groupby("benchmark", sort=False):
        names = cells[["language", "item", "is_source"]].drop_duplicates()
        source = set(names.loc[names["is_source"].to_numpy(), "item"])
        lacking, extra, apart = [], [], []
        for language, rows in names.groupby("language", sort=False):
            items = set(rows["item"])
            if rows["is_source"].any():
                if items - source:
                    extra.append(f"{language} ({len(items - source)} of {len(items)})")
                continue
            if not items & source:
                apart.append(str(language))
                continue
            if source - items:
                lacking.append(f"{language} ({len(source - items)} of {len(source)})")
            if items - source:
                extra.append(f"{language} ({len(items - source)} of {len(items)})")
        if apart:
            notes.append(_apart(str(benchmark), names, apart))
        if lacking:
            notes.append(f"{benchmark}: items missing in {', '.join(lacking)}.")
        if extra:
            notes.append(f"{benchmark}: items without a source row in {', '.join(extra)}.")
        if not apart and all(map(_ROW_NUMBER.fullmatch, names["item"].unique())):
            notes += _agreement(str(benchmark), cells)
    return notes


def _apart(benchmark: str, names: pd.DataFrame, languages: list[str]) -> str:
    """Say that languages share no item with the source, and whether numbers in names would pair.

    `names` has each item of each language once: `language, item, is_source`.
    """
    first = names.drop_duplicates("language").set_index("language")["item"]
    shown = ", ".join(f"{name!r} in {language}" for language, name in first.iloc[:3].items())
    said = f"{benchmark}: no item of the source stands in {', '.join(languages)} ({shown})"
    names = names.assign(number=names["item"].str.extract(_NUMBER, expand=False))
    source = set(names.loc[names["is_source"].to_numpy(), "number"])
    others = names[names["language"].isin(languages).to_numpy()]
    unique = not names.duplicated(["language", "number"]).any() and names["number"].notna().all()
    if unique and others["number"].isin(source).mean() > 0.5:
        number = names["number"].iloc[0]
        return (
            f"{said}: nothing pairs. Are equal numbers ({first.iloc[0]!r} as {number!r}) one "
            f"question? Then settings={{'pair@{benchmark}': 'number'}}."
        )
    return f"{said}: nothing pairs. Give translations of an item one name."


def _agreement(benchmark: str, cells: pd.DataFrame) -> list[str]:
    """Test whether rows with one number are right or wrong together across languages.

    Each item's accuracy in a language, less the model's mean there, is averaged over models; under
    no pairing the correlation r of source and target over n items has standard deviation
    1 / sqrt(n - 1), as under permutations of the items.
    """
    source = cells.loc[cells["is_source"].to_numpy(), "language"].unique()
    if len(source) != 1:
        return []
    cells = cells.groupby(["model", "language", "item"], sort=False, as_index=False)[
        ["n_correct", "n_trials"]
    ].sum()
    share = cells["n_correct"] / cells["n_trials"]
    groups = [cells["model"], cells["language"]]
    cells = cells.assign(easy=share - share.groupby(groups).transform("mean"))
    easy = cells.pivot_table("easy", "item", "language", aggfunc="mean")
    found = {}
    for language in easy.columns.drop(source[0]):
        both = easy[[source[0], language]].dropna().to_numpy()
        if len(both) >= _FEWEST and (both.std(axis=0) > 0).all():
            r = float(np.corrcoef(both.T)[0, 1])
            found[str(language)] = (r, r * np.sqrt(len(both) - 1))
    doubtful = {name: r for name, (r, z) in found.items() if z < _BOUND}
    if doubtful:
        shown = ", ".join(f"{name} (r {r:.2f})" for name, r in doubtful.items())
        return [
            f"{benchmark}: items are paired by row number, and in {shown} right answers agree with "
            f"those of {source[0]} no better than by chance: are rows translations of one another? "
            f"If not, settings={{'pair@{benchmark}': 'no'}} compares accuracies only."
        ]
    if not found:
        return []
    low, high = min(r for r, _ in found.values()), max(r for r, _ in found.values())
    return [
        f"{benchmark}: items are paired by row number; right answers agree with those of "
        f"{source[0]} better than by chance in every language (r {low:.2f} to {high:.2f})."
    ]
