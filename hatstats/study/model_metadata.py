"""`fill_models`: family, release date and size of models, from an open table with its sources."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from hatstats.study.expect import as_study
from hatstats.study.study import Study

#: Columns that are filled, and where the source of each is kept.
FILLED = {
    "family": "",
    "release_date": "date_source",
    "params_total": "size_source",
    "params_active": "size_source",
}
#: How a model was tuned, packed or asked: none of it changes size, family or release.
_TUNING = re.compile(
    r"(?:[-_ ](?:it|instruct|chat|hf|thinking|no-?thinking|fp8|fp16|bf16|awq|gptq|gguf|int[48])"
    r"|\s*\(.*\)|[@#].*)$"
)
#: The day of a version at the end of its name; four digits alone may mean anything.
_DAY = re.compile(r"[-@](20\d\d)-?([01]\d)-?([0-3]\d)$")


@dataclass(frozen=True, slots=True, eq=False)
class FilledModels:
    """A study whose models are completed, and how each was found.

    Attributes
    ----------
    study : Study
    matches : DataFrame
        One row for each model: `model, known_as, how, filled`. `known_as` is the name in the table
        (empty where there is none), `how` says by what likeness it was found, `filled` which
        columns were empty and are not any more.
    """

    study: Study
    matches: pd.DataFrame

    def summary(self) -> str:
        """Every match in plain text, at most 80 columns wide."""
        found = self.matches[(self.matches["known_as"] != "").to_numpy()]
        lines = [f"{len(found)} of {len(self.matches)} models found in the table of hatstats."]
        for row in self.matches.to_dict("records"):
            name, known, how, filled = (str(row[k]) for k in self.matches.columns)
            what = f"filled {filled}" if filled else "nothing to fill"
            line = f"- {name} = {known} ({how}): {what}" if known else f"- {name}: {how}"
            lines += textwrap.wrap(line, 80, subsequent_indent="  ", break_on_hyphens=False)
        return "\n".join(lines)


def fill_models(study: Study) -> FilledModels:
    """Complete family, release date and size of the models of a study where they are empty.

    What a study says itself is never changed. Names are compared without case, organisation and
    separators, then without what only says how a model was tuned or asked (``-it``,
    ``#no-thinking``), then without the day of a version, which is taken for its release. A name
    that fits rows which disagree is not filled.

    Parameters
    ----------
    study : Study

    Returns
    -------
    FilledModels
        Sources stand in the columns `size_source` and `date_source` of the models.

    Notes
    -----
    The table holds the models of the project's own studies, each value with its source, and those
    of llm-stats (CC BY 4.0). Undisclosed sizes stay unknown.
    """
    study = as_study(study, "fill_models")
    models = study.models.copy()
    for column in ("size_source", "date_source"):
        if column not in models:
            models[column] = ""
    rows = []
    for at, name in zip(models.index, models["model"], strict=True):
        facts, how = look_up(str(name))
        filled = []
        for column, source in FILLED.items():
            value = facts.get(column, "")
            if not value or not _empty(models.loc[at, column]):
                continue
            if column == "params_active" and float(value) > float(models.loc[at, "params_total"]):
                continue  # the study counts its parameters in another way
            models.loc[at, column] = _typed(column, value)  # type: ignore[call-overload]
            filled.append(column)
            if source and _empty(models.loc[at, source]):
                models.loc[at, source] = facts[source]
        rows.append((str(name), facts.get("name", ""), how, ", ".join(filled)))
    matches = pd.DataFrame(rows, columns=["model", "known_as", "how", "filled"]).astype("str")
    done = Study(
        study.counts, models, study.benchmarks, study.items, study.info, study.claims, study.files
    )
    return FilledModels(done, matches)


def look_up(name: str) -> tuple[Mapping[str, str], str]:
    """Facts on a model, and by what likeness of names they were found.

    Returns
    -------
    facts : mapping
        A row of the table; empty where none fits or several disagree.
    how : str
    """
    # Vendors' counts differ by some per cent: what the project's own studies say comes first.
    for own in (True, False):
        for how, shorten in _LIKENESSES:
            rows = _index(how, own).get(shorten(name), ())
            facts = {(row["family"], row["release_date"], row["params_total"]) for row in rows}
            if len(facts) > 1:
                names = ", ".join(sorted(row["name"] for row in rows)[:4])
                return {}, f"fits several models that differ: {names}"
            if rows:
                return rows[0], how
    if day := _DAY.search(name.lower()):
        facts_of, how = look_up(name[: day.start()])
        if facts_of:
            date = f"{day[1]}-{day[2]}-{day[3]}"
            dated = {"release_date": date, "date_source": "the version's own name"}
            return {**facts_of, **dated}, f"{how}, version of its own day"
    return {}, "not in the table"


def _plain(name: str) -> str:
    """Without organisation, case and kind of separators; a version stands apart from its word."""
    short = name.strip().lower().rsplit("/", 1)[-1]
    short = re.sub(r"[\s_.:]+", "-", short)
    return re.sub(r"-+", "-", re.sub(r"([a-z]{2,})(\d)", r"\1-\2", short)).strip("-")


def _untuned(name: str) -> str:
    short = name.strip().lower().rsplit("/", 1)[-1] if "#" not in name else name.lower()
    short = short.split("#")[0].rsplit("/", 1)[-1]
    while (shorter := _TUNING.sub("", short)) and shorter != short:
        short = shorter
    return _plain(short)


_LIKENESSES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("same name", lambda name: name.strip().lower()),
    ("same but for organisation and separators", _plain),
    ("same but for how it is tuned or asked", _untuned),
)


@cache
def known_models() -> tuple[dict[str, str], ...]:
    """The table: `name, family, release_date, params_total, params_active` and their sources."""
    text = resources.files("hatstats.study").joinpath("known_models.csv")
    with text.open("r", encoding="utf-8") as file:
        frame = pd.read_csv(file, dtype=str).fillna("")
    return tuple({str(k): str(v) for k, v in row.items()} for row in frame.to_dict("records"))


@cache
def _index(how: str, own: bool) -> dict[str, tuple[dict[str, str], ...]]:
    shorten = dict(_LIKENESSES)[how]
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in known_models():
        if _from_stats(row) == own:
            continue
        found[shorten(row["name"])].append(row)
    return {key: tuple(rows) for key, rows in found.items()}


def _from_stats(row: Mapping[str, str]) -> bool:
    return row["size_source"].startswith("llm-stats 24a9ccf7 (CC") or row["date_source"].endswith(
        "(CC BY 4.0)"
    )


def _empty(value: Any) -> bool:
    return bool(pd.isna(value)) or value == ""


def _typed(column: str, value: str) -> object:
    if column == "release_date":
        return pd.Timestamp(value)
    return float(value) if column.startswith("params") else value
