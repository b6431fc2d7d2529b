"""`fill_models`: family, release date and size of models, from an open table with its sources."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hatstats.inference.result_frame import Printed, ResultFrame, html_table
from hatstats.study.files import read_table, replace_table, study_table, table_cells
from hatstats.study.read import as_study
from hatstats.study.study import Study

#: Columns that are filled, how their values are read, and where the source of each is kept.
Columns = Mapping[str, tuple[Callable[[str], Any], str]]
FILLED: Columns = {
    "family": (str, ""),
    "release_date": (pd.Timestamp, "date_source"),
    "params_total": (float, "size_source"),
    "params_active": (float, "size_source"),
}
#: How a model was tuned, packed or prompted: none of it changes size, family or release.
_TUNING = re.compile(
    r"(?:[-_ ](?:it|instruct|chat|hf|thinking|no-?thinking|fp8|fp16|bf16|awq|gptq|gguf|int[48])"
    r"|\s*\(.*\)|[@#].*)$"
)
#: The date of a version at the end of its name; four digits alone may mean anything.
_DAY = re.compile(r"[-@](20\d\d)-?([01]\d)-?([0-3]\d)$")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FilledModels(Printed):
    """A study whose models are completed, and how each was found.

    `matches` has one row for each model: `model, known_as` (the name in the table, or empty), `how`
    the names were matched, and `filled`, the columns that were empty and now have a value.

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> table = pd.DataFrame({"model": ["gemma-3-27b-it", "ours"], "en": [.8, .7], "sw": [.6, .3]})
    >>> done = hs.fill_models(hs.Study.from_frame(table, source="en", n_trials=250))
    >>> done.matches[["model", "known_as"]]
                model               known_as
    0  gemma-3-27b-it  google/gemma-3-27b-it
    1            ours
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

    def _repr_html_(self) -> str:
        return f"<p><b>{self.summary().splitlines()[0]}</b></p>{html_table(self.matches)}"


def fill_models(study: Study) -> FilledModels:
    """Complete family, release date and size of the models of a study where they are empty.

    Values that a study has are never changed. Names are compared without case, organisation and
    separators, then without suffixes that only say how a model was tuned or prompted (``-it``,
    ``#no-thinking``), then without the date of a version, which is taken as its release date. A
    name that matches rows which disagree is not filled.

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

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> table = pd.DataFrame({"model": ["gemma-3-27b-it", "ours"], "en": [.8, .7], "sw": [.6, .3]})
    >>> done = hs.fill_models(hs.Study.from_frame(table, source="en", n_trials=250))
    >>> print(done.summary())
    1 of 2 models found in the table of hatstats.
    - gemma-3-27b-it = google/gemma-3-27b-it (same but for organisation and
      separators): filled family, release_date, params_total, params_active
    - ours: not in the table
    """
    study = as_study(study, "fill_models")
    models = study.models.copy()
    found, how = zip(*map(look_up, models["model"].astype("str")), strict=True)
    for facts, size in zip(found, models["params_total"], strict=True):
        if float(facts.get("params_active") or 0.0) > size:
            facts["params_active"] = ""  # the study counts its parameters in another way
    filled = fill_empty(models, found, FILLED)
    known = [facts.get("name", "") for facts in found]
    columns = {"model": models["model"], "known_as": known, "how": how, "filled": filled}
    return FilledModels(replace(study, models=models), ResultFrame(columns).astype("str"))


def fill_empty(
    table: pd.DataFrame, found: Sequence[Mapping[str, str]], columns: Columns
) -> list[str]:
    """Fill empty cells of a table, in place, from facts on each row; what was filled."""
    for column, (read, source) in columns.items():
        if column not in table:
            table[column] = np.nan if read is float else ""
        if source and source not in table:
            table[source] = ""
    said = []
    for index, facts in zip(table.index, found, strict=True):
        filled = [name for name in columns if facts.get(name) and _empty(table.loc[index, name])]
        for name in filled:
            read, source = columns[name]
            table.loc[index, name] = read(facts[name])
            if source and _empty(table.loc[index, source]):
                table.loc[index, source] = facts[source]
        said.append(", ".join(filled))
    return said


def write_models(folder: Path, models: pd.DataFrame) -> None:
    """Write columns of completed models into ``models.csv``; its own rows and columns stay."""
    path = study_table(folder, "models.csv")
    frame = read_table(path).frame
    names = frame["model"].astype("str").str.strip()
    replace_table(path, with_filled_cells(frame, models.set_index("model"), names))


def with_filled_cells(frame: pd.DataFrame, facts: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """A raw table (n rows), its blank cells and new columns filled from facts by name."""
    for column in facts.columns:
        cells = pd.Series(table_cells(facts[column]), index=facts.index, dtype="str")
        if column not in frame:
            if (cells == "").all():
                continue
            frame[column] = ""
        blank = frame[column].fillna("").astype("str").str.strip() == ""
        new = names.map(cells).fillna("")
        frame[column] = frame[column].fillna("").astype("str").mask(blank, new)
    return frame


def look_up(name: str) -> tuple[dict[str, str], str]:
    """Row of the table on a model (empty where none matches or several disagree), and the rule."""
    # Vendors' counts differ by some per cent: what the project's own studies say comes first.
    for own in (True, False):
        for how, shorten in _RULES.items():
            rows = _index(how, own).get(shorten(name), ())
            facts = {(row["family"], row["release_date"], row["params_total"]) for row in rows}
            if len(facts) > 1:
                names = ", ".join(sorted(row["name"] for row in rows)[:4])
                return {}, f"fits several models that differ: {names}"
            if rows:
                return dict(rows[0]), how
    if day := _DAY.search(name.lower()):
        facts_of, how = look_up(name[: day.start()])
        if facts_of:
            date = f"{day[1]}-{day[2]}-{day[3]}"
            dated = {"release_date": date, "date_source": "the version's own name"}
            return {**facts_of, **dated}, f"{how}, version of its own day"
    return {}, "not in the table"


def _plain(name: str) -> str:
    """Name in lower case, without organisation, all separators hyphens, ``qwen3`` as ``qwen-3``."""
    short = name.strip().lower().rsplit("/", 1)[-1]
    short = re.sub(r"[\s_.:]+", "-", short)
    return re.sub(r"-+", "-", re.sub(r"([a-z]{2,})(\d)", r"\1-\2", short)).strip("-")


def _untuned(name: str) -> str:
    """The plain name without suffixes that say how the model was tuned or prompted."""
    short = name.strip().lower().split("#")[0].rsplit("/", 1)[-1]
    while (shorter := _TUNING.sub("", short)) and shorter != short:
        short = shorter
    return _plain(short)


#: Rules by which two names match, the strictest first: what of a name is compared.
_RULES: dict[str, Callable[[str], str]] = {
    "same name": lambda name: name.strip().lower(),
    "same but for organisation and separators": _plain,
    "same but for how it is tuned or asked": _untuned,
}


@cache
def known_models() -> tuple[dict[str, str], ...]:
    """The table: `name, family, release_date, params_total, params_active` and their sources."""
    text = resources.files("hatstats.study").joinpath("known_models.csv")
    with text.open("r", encoding="utf-8") as file:
        frame = pd.read_csv(file, dtype=str).fillna("")
    return tuple({str(k): str(v) for k, v in row.items()} for row in frame.to_dict("records"))


@cache
def _index(how: str, own: bool) -> dict[str, list[dict[str, str]]]:
    """Rows of the table by what one rule compares: the project's own, or those of llm-stats."""
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in known_models():
        llm_stats = row["size_source"].startswith("llm-stats 24a9ccf7 (CC")
        if own != (llm_stats or row["date_source"].endswith("(CC BY 4.0)")):
            found[_RULES[how](row["name"])].append(row)
    return dict(found)


def _empty(value: Any) -> bool:
    return bool(pd.isna(value)) or value == ""


#: What a formula calls the covariates of models and its own terms, and what a reader does.
_TERMS = (
    (r"\bsource_logit\[([^\]]*)\]", r"source accuracy (logit), \1"),
    (r"\b(log\d*)\(params_(total|active)\)", r"\1 params_\2"),
    (r"\bparams_total\b", "parameters"),
    (r"\bparams_active\b", "active parameters"),
    (r"\brelease_(year|date)\b", r"release \1"),
    (r"\bIntercept\b", "intercept"),
)


def term_words(text: str) -> str:
    """Write the covariates that a text names, such as `log10(params_total)`, as words."""
    for pattern, plain in _TERMS:
        text = re.sub(pattern, plain, text)
    return text
