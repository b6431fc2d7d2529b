"""Pooled counts to a study: source languages, chance levels, items."""

from __future__ import annotations

import pandas as pd

from hatstats.errors import DataError
from hatstats.logs.backends import quoted
from hatstats.logs.pool import Pool
from hatstats.logs.readers.reader import Choices
from hatstats.logs.task_names import FAMILIES, Family, is_english
from hatstats.study.claims import StudyInfo
from hatstats.study.study import Study


def study_of_counts(pool: Pool, choices: Choices, name: str) -> tuple[Study, list[str]]:
    """Make a study of the table ``counts`` of a pool, with notes.

    Benchmarks without a known source language are set aside in the pool, with the reason.
    """
    query = "SELECT * FROM counts ORDER BY benchmark, model, language, item"
    frame = pool.duck.connection.con.sql(query).to_arrow_table().to_pandas()
    notes: list[str] = []
    frames, benchmarks, items = [], [], []
    for benchmark, cells in frame.groupby("benchmark", sort=False):
        cells = _one_level(cells, str(benchmark), pool)
        family = _family_of(str(benchmark))
        own, source = _sources(cells, family, choices)
        if source is None:
            languages = ", ".join(sorted(cells["language"].unique())[:12])
            wanted = choices.settings.get("source_language", "English")
            pool.set_aside(
                f"benchmark = {quoted(str(benchmark))}",
                f"{benchmark}: {wanted} is not among its languages ({languages}); name the source "
                "(--set source_language=CODE)",
            )
            continue
        chance = float(choices.settings.get("chance") or (family.chance if family else 0.0))
        if family is None and "chance" not in choices.settings:
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
        counts=counts[["model", "benchmark", "language", "item", "n_correct", "n_trials"]],
        models=pd.DataFrame({"model": counts["model"].drop_duplicates()}).reset_index(drop=True),
        benchmarks=pd.DataFrame(benchmarks),
        items=pd.concat(items, ignore_index=True),
        info=StudyInfo(name, title=name, source="converted from logs of evaluations"),
    )
    return study, notes + _trial_notes(counts)


def _family_of(benchmark: str) -> Family | None:
    """Declared family of a benchmark, variants of its protocol included."""
    found = [family for family in FAMILIES if f"{benchmark}_".startswith(f"{family.benchmark}_")]
    return max(found, key=lambda family: len(family.benchmark), default=None)


def _one_level(cells: pd.DataFrame, benchmark: str, pool: Pool) -> pd.DataFrame:
    """Leave totals out where the same benchmark has items too: they cannot stand in one study."""
    totals = (cells["item"] == "").to_numpy()
    if not totals.any() or totals.all():
        return cells
    condition = f"benchmark = {quoted(benchmark)} AND item = ''"
    pool.set_aside(condition, f"{benchmark}: totals beside items of the same benchmark")
    return cells[~totals]


def _sources(
    cells: pd.DataFrame, family: Family | None, choices: Choices
) -> tuple[pd.DataFrame, str | None]:
    """Items with a source of their own, and the source language of the benchmark.

    The second is empty where all items have their own, and None where it is unknown.
    """
    none = pd.DataFrame({"benchmark": [], "item": [], "source_language": []}, dtype="str")
    languages = [str(name) for name in cells["language"].unique()]
    if wanted := choices.settings.get("source_language"):
        return none, wanted if wanted in languages else None
    given = cells[(cells["source_language"] != "").to_numpy()]
    own = given[["benchmark", "item", "source_language"]].drop_duplicates()
    complete = len(given) == len(cells)
    if complete and own["source_language"].nunique() == 1:
        only = str(own["source_language"].iloc[0])
        return none, only if only in languages else None
    if (repeated := own.duplicated(["benchmark", "item"]).to_numpy()).any():
        first = own[repeated].iloc[0]
        raise DataError(
            "an item has two source languages.",
            file=str(first["benchmark"]),
            column="source_language",
            value=str(first["item"]),
            hint="give each item one, or name one for all (--set source_language=CODE).",
        )
    if complete:
        return own, ""
    english = [name for name in languages if is_english(name)]
    return none, english[0] if len(english) == 1 else None


def _trial_notes(counts: pd.DataFrame) -> list[str]:
    """Say for each benchmark how many trials its items have."""
    notes = []
    by_item = counts[(counts["item"] != "").to_numpy()]
    for benchmark, cells in by_item.groupby("benchmark", sort=False):
        sizes = cells["n_trials"].astype(int).value_counts()
        usual = int(sizes.index[0])
        if len(sizes) == 1:
            notes.append(f"{benchmark}: {usual} trial{'s' if usual > 1 else ''} of every item.")
        else:
            fewer = int(sizes[sizes.index < usual].sum())
            notes.append(
                f"{benchmark}: {sizes.index.min()} to {sizes.index.max()} trials of an item; "
                f"{fewer} of {len(cells)} cells have fewer than the usual {usual}."
            )
    return notes
