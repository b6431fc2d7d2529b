"""Pooled counts to a study: source languages, chance levels, items, and what cannot be placed."""

from __future__ import annotations

import pandas as pd

from hatstats.errors import DataError
from hatstats.logs.backends import quoted
from hatstats.logs.language_codes import is_english
from hatstats.logs.pool import Pool
from hatstats.logs.readers.reader import Choices
from hatstats.logs.task_names import FAMILIES, Family
from hatstats.study.claims import StudyInfo
from hatstats.study.study import Study

_KEYS = ["model", "benchmark", "language", "item"]


def study_of_counts(pool: Pool, choices: Choices, name: str) -> tuple[Study, list[str]]:
    """Make a study of the table ``counts`` of a pool.

    Returns
    -------
    study : Study
    notes : list of str
        Benchmarks that cannot be placed are set aside in the pool, with the reason.

    Raises
    ------
    DataError
        When no benchmark is left.
    """
    query = "SELECT * FROM counts ORDER BY benchmark, model, language, item"
    frame = pool.duck.connection.con.sql(query).to_arrow_table().to_pandas()
    notes: list[str] = []
    frames, benchmarks, items = [], [], []
    for benchmark, cells in frame.groupby("benchmark", sort=False):
        cells = _one_level(cells, str(benchmark), pool)
        family = family_of(str(benchmark))
        own, source = _sources(cells, family, choices)
        if source is None:
            languages = ", ".join(sorted(cells["language"].unique())[:12])
            wanted = choices.values.get("source_language", "English")
            pool.set_aside(
                f"benchmark = {quoted(str(benchmark))}",
                f"{benchmark}: {wanted} is not among its languages ({languages}); name the source "
                "(--set source_language=CODE)",
            )
            continue
        chance = float(choices.values.get("chance") or (family.chance if family else 0.0))
        if family is None and "chance" not in choices.values:
            notes.append(f"{benchmark}: chance level taken as 0 (--set chance=0.25 for 4 options).")
        if family is not None and not family.parallel:
            notes.append(
                f"{benchmark}: its languages have items of their own, so that no item pairs: "
                "compare accuracies only."
            )
        benchmarks.append({"benchmark": benchmark, "source_language": source, "chance": chance})
        frames.append(cells)
        items.append(own)
    if not frames:
        reasons = dict.fromkeys(each.reason for _, each in pool.left_out if not each.by_rule)
        raise DataError(
            f"no benchmark is left. {'. '.join(list(reasons)[-3:])}.",
            hint="name source languages, or read more of the logs.",
        )
    counts = pd.concat(frames, ignore_index=True)
    study = Study(
        counts=counts[[*_KEYS, "n_correct", "n_trials"]],
        models=pd.DataFrame({"model": counts["model"].drop_duplicates()}).reset_index(drop=True),
        benchmarks=pd.DataFrame(benchmarks),
        items=pd.concat(items, ignore_index=True),
        info=StudyInfo(name, title=name, source="converted from logs of evaluations"),
    )
    notes += _prompting_notes(counts)
    return study, notes


def family_of(benchmark: str) -> Family | None:
    """Declared family of a benchmark, variants of its protocol included."""
    found = [
        family for family in FAMILIES
        if benchmark == family.benchmark or benchmark.startswith(f"{family.benchmark}_")
    ]  # fmt: skip
    return max(found, key=lambda family: len(family.benchmark)) if found else None


def _one_level(cells: pd.DataFrame, benchmark: str, pool: Pool) -> pd.DataFrame:
    """Leave totals out where the same benchmark has items too: they cannot stand in one study."""
    totals = (cells["item"] == "").to_numpy()
    if not totals.any() or totals.all():
        return cells
    where = f"benchmark = {quoted(benchmark)} AND item = ''"
    pool.set_aside(where, f"{benchmark}: totals beside items of the same benchmark")
    return cells[~totals]


def _sources(
    cells: pd.DataFrame, family: Family | None, choices: Choices
) -> tuple[pd.DataFrame, str | None]:
    """Items with a source of their own, and the source language of the benchmark.

    The second is empty where all items have their own, and None where nobody can say it.
    """
    none = pd.DataFrame({"benchmark": [], "item": [], "source_language": []}, dtype="str")
    languages = [str(name) for name in cells["language"].unique()]
    if wanted := choices.values.get("source_language"):
        return none, wanted if wanted in languages else None
    said = cells[(cells["source_language"] != "").to_numpy()]
    if len(said):
        own = said[["benchmark", "item", "source_language"]].drop_duplicates()
        if own["source_language"].nunique() == 1 and len(said) == len(cells):
            only = str(own["source_language"].iloc[0])
            return none, only if only in languages else None
        if (again := own.duplicated(["benchmark", "item"]).to_numpy()).any():
            first = own[again].iloc[0]
            raise DataError(
                "an item has two source languages.",
                file=str(first["benchmark"]),
                column="source_language",
                value=str(first["item"]),
                hint="give each item one, or name one for all (--set source_language=CODE).",
            )
        if len(said) == len(cells):
            return own, ""
    english = [name for name in languages if is_english(name)]
    if len(english) == 1:
        return none, english[0]
    return none, None


def _prompting_notes(counts: pd.DataFrame) -> list[str]:
    notes = []
    for benchmark, cells in counts[(counts["item"] != "").to_numpy()].groupby(
        "benchmark", sort=False
    ):
        values = cells["n_trials"].astype(int).value_counts()
        if len(values) == 1:
            n = int(values.index[0])
            notes.append(f"{benchmark}: {n} trial{'s' if n > 1 else ''} of every item.")
        else:
            low, high = int(values.index.min()), int(values.index.max())
            few = int(values[values.index < values.index[0]].sum())
            notes.append(
                f"{benchmark}: {low} to {high} trials of an item; {few} of {len(cells)} cells "
                f"have fewer than the usual {int(values.index[0])}."
            )
    return notes
