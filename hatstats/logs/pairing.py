"""Whether items of different languages are the same questions: what names and answers say.

Transfer compares an item with itself. Names of items decide what is paired, and where they are mere
row numbers nothing but the answers can tell whether rows are translations of one another.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.logs.task_names import family_of
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


def by_id(cells: pd.DataFrame, benchmark: str) -> tuple[pd.DataFrame, list[str]]:
    """Items called by the ids that their documents have (`named`), if answers agree better so.

    Rows keep their numbers where ids say the same, recur, or are of one language; else the notes
    say how far right answers agree with those of the source by ids and by row numbers.
    """
    pairs = cells[["language", "item", "named", "source_language"]].drop_duplicates()
    source = pairs["language"] == pairs["source_language"]
    shared = pairs.loc[~source, "named"].isin(pairs.loc[source, "named"])
    once = [len(pairs.drop_duplicates(["language", name])) for name in ("item", "named")]
    same = pairs.drop_duplicates(["item", "named"])
    same_order = not same["item"].duplicated().any() and not same["named"].duplicated().any()
    if same_order or once[0] != len(pairs) or once[1] != len(pairs) or shared.mean() < 0.5:
        return cells, []
    named = cells.assign(item=cells["named"])
    found = [_agreement(each) for each in (named, cells)]
    ids, rows = (float(np.mean([z for _, z in each.values()])) if each else 0.0 for each in found)
    shown = [f"r {np.mean([r for r, _ in each.values()]):.2f}" if each else "not tested"
             for each in found]  # fmt: skip
    better = rows > ids + _BOUND
    return cells if better else named, [
        f"{benchmark}: ids in the documents give rows another order by language: items are paired "
        f"by {'row number' if better else 'id'}, for so right answers agree better or as well "
        f"with those of the source (by id {shown[0]}, by row number {shown[1]}; "
        "fields={'item': 'doc_id'} pairs by row number)."
    ]


def as_totals(cells: pd.DataFrame) -> pd.DataFrame:
    """Items (rows) of each model and language as one total: the sum of their accuracies."""
    sums = {"n_correct": "sum", "n_trials": "sum", "source_language": "max"}
    items = cells.groupby([*_CELL, "item"], sort=False, as_index=False).agg(sums)
    items = items.assign(n_correct=items["n_correct"] / items["n_trials"], n_trials=1.0)
    return items.groupby(_CELL, sort=False, as_index=False).agg(sums).assign(item="", prompt="")


def pairing_notes(study: Study, said: Collection[str] = ()) -> list[str]:
    """Say which languages lack items of the source or have others, and whether rows pair at all.

    Of the benchmarks `said` the last is said already.
    """
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
        numbers = all(map(_ROW_NUMBER.fullmatch, names["item"].unique()))
        sources = cells.loc[cells["is_source"].to_numpy(), "language"].unique()
        known = family_of(str(benchmark)) is not None and not numbers
        if not (apart or known or benchmark in said or len(sources) != 1):
            cells = cells.assign(source_language=sources[0])
            notes += _agreement_note(str(benchmark), cells, "row number" if numbers else "name")
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


def _agreement(cells: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Test whether items of one name are right or wrong together across languages.

    Each item's accuracy in a language, less the model's mean there, is averaged over models; under
    no pairing the correlation r of source and target over n items has standard deviation
    1 / sqrt(n - 1), as under permutations of the items. Returns r and r sqrt(n - 1) by language.
    """
    source = cells["source_language"].iloc[0]
    cells = cells.groupby(["model", "language", "item"], sort=False, as_index=False)[
        ["n_correct", "n_trials"]
    ].sum()
    share = cells["n_correct"] / cells["n_trials"]
    groups = [cells["model"], cells["language"]]
    cells = cells.assign(easy=share - share.groupby(groups).transform("mean"))
    easy = cells.pivot_table("easy", "item", "language", aggfunc="mean")
    found = {}
    for language in easy.columns.drop(source):
        both = easy[[source, language]].dropna().to_numpy()
        if len(both) >= _FEWEST and (both.std(axis=0) > 0).all():
            r = float(np.corrcoef(both.T)[0, 1])
            found[str(language)] = (r, r * np.sqrt(len(both) - 1))
    return found


def _agreement_note(benchmark: str, cells: pd.DataFrame, key: str) -> list[str]:
    """Say how far right answers agree where nothing but their numbers, or names, pairs items."""
    found, source = _agreement(cells), cells["source_language"].iloc[0]
    doubtful = {name: r for name, (r, z) in found.items() if z < _BOUND}
    if doubtful:
        shown = ", ".join(f"{name} (r {r:.2f})" for name, r in doubtful.items())
        what = "rows" if key == "row number" else "items of one name"
        return [
            f"{benchmark}: items are paired by {key}, and in {shown} right answers agree with "
            f"those of {source} no better than by chance: are {what} translations of one another? "
            f"If not, settings={{'pair@{benchmark}': 'no'}} compares accuracies only."
        ]
    if not found:
        return []
    low, high = min(r for r, _ in found.values()), max(r for r, _ in found.values())
    return [
        f"{benchmark}: items are paired by {key}; right answers agree with those of "
        f"{source} better than by chance in every language (r {low:.2f} to {high:.2f})."
    ]
