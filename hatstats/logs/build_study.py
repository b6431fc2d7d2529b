"""From the counts of a pool to a study: sources, chance levels, wordings, and notes on them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hatstats.errors import DataError
from hatstats.logs.backends import quoted
from hatstats.logs.pairing import as_totals, by_id, by_number
from hatstats.logs.pool import Pool
from hatstats.logs.readers.schema import Choices
from hatstats.logs.task_names import Family, family_of
from hatstats.study.claims import StudyInfo
from hatstats.study.frames.rows import settle_prompts
from hatstats.study.languages.tags import is_english, standard_tag
from hatstats.study.losses import loss_note
from hatstats.study.plain_table import split_plain
from hatstats.study.schema import Sheet
from hatstats.study.study import Study, study_of_sheets
from hatstats.study.trials import without_copies


def study_of_counts(
    pool: Pool, choices: Choices, name: str, files: tuple[Path, ...] = ()
) -> tuple[Study, list[str]]:
    """Make a study of the table ``counts`` of a pool, with notes.

    Benchmarks without a known source language are set aside in the pool, with the reason.
    """
    query = "SELECT * FROM counts ORDER BY benchmark, model, language, item, prompt, repeat"
    frame = pool.duck.connection.con.sql(query).to_arrow_table().to_pandas()
    notes: list[str] = []
    frames = []
    if (frame["repeat"] != "").any():  # trials stay apart until copies are found
        frame = without_copies(frame, notes)
    frame = _by_wording(frame, notes)
    for benchmark, cells in frame.groupby("benchmark", sort=False):
        cells = settle_prompts(_one_level(cells, str(benchmark), pool), notes)
        before = cells["source_language"]
        cells = cells.assign(source_language=_sources(cells, choices))
        family = family_of(str(benchmark))
        cells = _paired(cells, str(benchmark), family, pool, notes)
        if (cells["source_language"] == "").all():
            languages = ", ".join(sorted(cells["language"].unique())[:12])
            wanted = choices.of("source_language", str(benchmark)) or "English"
            pool.set_aside(
                f"benchmark = {quoted(str(benchmark))}",
                f"{benchmark}: {wanted} is not among its languages ({languages}); name the source "
                "(settings={'source_language': 'CODE'})",
            )
            continue
        if not choices.of("source_language", str(benchmark)) and (before == "").any():
            english = cells["source_language"].iloc[0]
            notes.append(f"{benchmark}: source language not given: taken as English ({english}).")
        given = choices.of("chance", str(benchmark))
        chance = float(given or (family.chance if family else 0.0))
        if family is None and not given:
            notes.append(
                f"{benchmark}: chance level taken as 0 (4 options: settings={{'chance': '0.25'}})."
            )
        frames.append(cells.assign(chance=chance))
    if not frames:
        reasons = dict.fromkeys(each.reason for _, each in pool.left_out if not each.by_rule)
        raise DataError(
            f"no benchmark is left. {'. '.join(list(reasons)[-3:])}.",
            hint="name source languages, or read more files.",
        )
    counts = pd.concat(frames, ignore_index=True).fillna({"prompt": ""})
    sheets, _ = split_plain(Sheet.from_frame("counts", counts))
    here = set(counts[["model", "benchmark"]].itertuples(index=False, name=None))
    losses = tuple(each for each in pool.losses if (each.model, each.benchmark) in here)
    said = " ".join(loss_note(losses))
    source = "converted from a table or logs of evaluations"
    info = StudyInfo(name, title=name, source=source, notes=said, losses=losses)
    return study_of_sheets(sheets, info, files=files), notes + _trial_notes(counts)


def _by_wording(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Add up the trials of each wording of a cell, or of the cell where not all are named."""
    cell = ["benchmark", "model", "language", "item"]
    named = frame["prompt"] != ""
    if named.any() and not named.all():
        keys = [frame[name] for name in cell]
        partly = named & ~named.groupby(keys, sort=False).transform("all")
        if partly.any():
            notes.append(
                f"{int(partly.sum())} named wordings stand beside trials without a name in the "
                "same cell: not used as wordings."
            )
            frame = frame.assign(prompt=frame["prompt"].mask(partly, ""))
    frame = frame.drop(columns="repeat")
    if not frame.duplicated([*cell, "prompt"]).any():
        return frame
    sums = {"n_correct": "sum", "n_trials": "sum", "source_language": "max", "named": "max"}
    return frame.groupby([*cell, "prompt"], sort=False, as_index=False).agg(sums)


def _paired(
    cells: pd.DataFrame, benchmark: str, family: Family | None, pool: Pool, notes: list[str]
) -> pd.DataFrame:
    """Cells whose items pair across languages, or totals where they are other questions."""
    wanted = pool.choices.of("pair", benchmark)
    if (cells["item"] == "").all():
        return cells
    if (cells["named"] != "").all() and wanted != "no":
        cells, said = by_id(cells, benchmark)
        notes += said
        pool.by_id |= {benchmark} if said else set()
    if wanted == "number":
        return by_number(cells, benchmark)
    if wanted == "no" or (family is not None and not family.parallel and wanted != "yes"):
        notes.append(
            f"{benchmark}: its languages have items of their own, so that no item pairs: "
            f"accuracies only are kept (settings={{'pair@{benchmark}': 'yes'}} pairs by names)."
        )
        return as_totals(cells)
    return cells


def _one_level(cells: pd.DataFrame, benchmark: str, pool: Pool) -> pd.DataFrame:
    """Leave totals out where the same benchmark has items too: they cannot stand in one study."""
    totals = (cells["item"] == "").to_numpy()
    if not totals.any() or totals.all():
        return cells
    condition = f"benchmark = {quoted(benchmark)} AND item = ''"
    pool.set_aside(condition, f"{benchmark}: totals beside items of the same benchmark")
    return cells[~totals]


def _sources(cells: pd.DataFrame, choices: Choices) -> pd.Series:
    """Source language of each cell (n,) of a benchmark; empty where it is unknown."""

    def same(name: str) -> pd.Series:
        return pd.Series(name, index=cells.index, dtype="str")

    languages = [str(name) for name in cells["language"].unique()]
    given = cells["source_language"]
    if wanted := choices.of("source_language", str(cells["benchmark"].iloc[0])):
        alike = [name for name in languages if standard_tag(name) == (standard_tag(wanted) or "-")]
        return same(wanted if wanted in languages else alike[0] if len(alike) == 1 else "")
    own = cells.loc[given != "", ["benchmark", "item", "source_language"]].drop_duplicates()
    complete = (given != "").all()
    if complete and own["source_language"].nunique() == 1:
        return given if given.iloc[0] in languages else same("")
    if (repeated := own.duplicated(["benchmark", "item"]).to_numpy()).any():
        first = own[repeated].iloc[0]
        raise DataError(
            "an item has two source languages.",
            file=str(first["benchmark"]),
            column="source_language",
            value=str(first["item"]),
            hint="give each item one, or name one for all (settings={'source_language': 'CODE'}).",
        )
    if complete:
        return given
    english = [name for name in languages if is_english(name)]
    return same(english[0] if len(english) == 1 else "")


def _trial_notes(counts: pd.DataFrame) -> list[str]:
    """Say for each benchmark how many trials its items have."""
    notes = []
    by_item = counts[(counts["item"] != "").to_numpy()]
    cell = ["benchmark", "model", "language", "item"]
    items = by_item.groupby(cell, sort=False)["n_trials"].sum().reset_index()
    for benchmark, cells in items.groupby("benchmark", sort=False):
        sizes = cells["n_trials"].astype(int).value_counts()
        usual = int(sizes.index[0])
        if len(sizes) == 1:
            notes.append(f"{benchmark}: {usual} trial{'s' if usual > 1 else ''} of every item.")
        else:
            odd = cells[cells["n_trials"].astype(int) != usual]
            where = list(dict.fromkeys(odd["model"] + " in " + odd["language"]))
            more = f" and {len(where) - 3} more" if len(where) > 3 else ""
            notes.append(
                f"{benchmark}: {sizes.index.min()} to {sizes.index.max()} trials of an item, "
                f"usually {usual}: {len(odd)} of {len(cells)} cells have another number "
                f"({', '.join(where[:3])}{more})."
            )
    return notes
