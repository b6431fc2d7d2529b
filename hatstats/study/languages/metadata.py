"""`fill_languages`: script, family, resources and speakers of languages, with their sources."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

import pandas as pd

from hatstats.inference.result_frame import Printed, ResultFrame, html_table
from hatstats.study.files import read_table, replace_table, write_table
from hatstats.study.languages.tags import standard_tag
from hatstats.study.model_metadata import Columns, fill_empty, with_filled_cells
from hatstats.study.read import as_study
from hatstats.study.study import Study

#: Columns that are filled, how their values are read, and where the source of each is kept.
FILLED: Columns = {
    "name": (str, "name_source"),
    "script": (str, "name_source"),
    "family": (str, "family_source"),
    "branch": (str, "family_source"),
    "resource": (str, "resource_source"),
    "resource_class": (float, "resource_source"),
    "speakers": (float, "speakers_source"),
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FilledLanguages(Printed):
    """A study whose table of languages is completed, and how each language was found.

    `matches` has one row for each language: `language, tag` (of the table, or empty) and `filled`,
    the columns that were empty and now have a value.

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> table = pd.DataFrame({"model": ["a", "b"], "en": [.8, .7], "swh_Latn": [.6, .3]})
    >>> done = hs.fill_languages(hs.Study.from_frame(table, source="en", n_trials=250))
    >>> done.matches["tag"].tolist()
    ['en', 'sw']
    """

    study: Study
    matches: pd.DataFrame

    def summary(self) -> str:
        """Every match and the sources in plain text, at most 80 columns wide."""
        found = int((self.matches["tag"] != "").sum())
        lines = [f"{found} of {len(self.matches)} languages found in the table of hatstats."]
        for row in self.matches.to_dict("records"):
            what = f"filled {row['filled']}" if row["filled"] else "nothing to fill"
            text = f"- {row['language']} = {row['tag']}: {what}"
            if not row["tag"]:
                text = f"- {row['language']}: not in the table"
            lines += textwrap.wrap(text, 80, subsequent_indent="  ", break_on_hyphens=False)
        for text in self._sources():
            lines += textwrap.wrap(text, 80, subsequent_indent="  ")
        return "\n".join(lines)

    def _sources(self) -> list[str]:
        """Where the values come from, a sentence for each kind."""
        table, said = self.study.language_table, []
        for column in dict.fromkeys(source for _, source in FILLED.values()):
            kinds = sorted(
                {re.sub(r": class.*", "", text) for text in table[column].dropna() if text}
            )
            if kinds:
                said.append(f"Source of {column.removesuffix('_source')}: {'; '.join(kinds)}.")
        return said

    def _repr_html_(self) -> str:
        table = html_table(self.matches, self._sources())
        return f"<p><b>{self.summary().splitlines()[0]}</b></p>{table}"


def fill_languages(study: Study) -> FilledLanguages:
    """Complete what a study knows of its languages, where it is empty: for some 200 languages.

    Values that a study has are never changed. A language is found by its standard tag
    (``swh_Latn``, ``Swahili`` and ``sw`` are one); a script in the tag itself comes first.

    Parameters
    ----------
    study : Study

    Returns
    -------
    FilledLanguages
        Sources stand in the columns `name_source, family_source, resource_source,
        speakers_source` of ``study.language_table``.

    Notes
    -----
    Names, scripts and numbers of users are those of CLDR, families and branches those of Glottolog
    (CC BY 4.0), `resource_class` that of Joshi et al. (2020; blank for their classes 0 and 1), of
    which `resource` makes ``high`` (4, 5), ``mid`` (3) and ``low``. These classes count the data
    sets of 2020: Norwegian and Telugu are ``low``. Values from general knowledge are marked so.

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> table = pd.DataFrame({"model": ["a", "b"], "en": [.8, .7], "swh_Latn": [.6, .3]})
    >>> done = hs.fill_languages(hs.Study.from_frame(table, source="en", n_trials=250))
    >>> done.study.language_table[["language", "name", "family", "resource"]]
       language     name          family resource
    0        en  English   Indo-European     high
    1  swh_Latn  Swahili  Atlantic-Congo      low
    """
    study = as_study(study, "fill_languages")
    table = study.language_table
    if table.empty:
        table = pd.DataFrame({"language": pd.Series(study.languages, dtype="str")})
    table = table.copy()
    found = [look_up(str(name)) for name in table["language"]]
    filled = fill_empty(table, found, FILLED)
    tags = [facts.get("tag", "") for facts in found]
    matches = ResultFrame({"language": table["language"], "tag": tags, "filled": filled})
    return FilledLanguages(replace(study, language_table=table), matches.astype("str"))


def write_languages(folder: Path, table: pd.DataFrame) -> None:
    """Write a completed table into ``languages.csv``; its own rows and columns stay."""
    path = folder / "languages.csv"
    if not path.exists():
        write_table(table, path)
        return
    frame = read_table(path).frame
    names = {standard_tag(name) or name: name for name in table["language"]}
    own = frame["language"].astype("str").str.strip()
    known = set(table["language"])
    rows = own.map(lambda name: name if name in known else names.get(standard_tag(name), name))
    more = pd.Series([name for name in table["language"] if name not in set(rows)], dtype="str")
    frame = pd.concat([frame, more.to_frame("language")], ignore_index=True)
    rows = pd.concat([rows, more], ignore_index=True)
    replace_table(path, with_filled_cells(frame, table.set_index("language"), rows))


def look_up(name: str) -> Mapping[str, str]:
    """Row of the table on a language (empty where it is not there), with the script of its tag."""
    tag = standard_tag(name)
    plain = name.strip().casefold()
    facts = known_languages().get(plain) or known_languages().get(tag.split("-")[0])
    if facts is None:
        return {}
    script = re.search(r"[_-]([A-Za-z]{4})(?:[_-]|$)", name.strip())
    return {**facts, "script": script[1].title()} if script else facts


@cache
def english_name(name: str) -> str:
    """Write a language by its English name, with a script or region that is not its usual one.

    It is written as it is called where no name is known.
    """
    base, *parts = re.split("[-_]", name)
    usual = standard_tag(base).split("-")
    rest = ", ".join(part for part in parts if part not in usual)
    plain = look_up(name).get("name")
    return f"{plain} ({rest})" if plain and rest else plain or name


#: English names of scripts that known languages are written in.
_SCRIPTS = {
    "Arab": "Arabic", "Armn": "Armenian", "Beng": "Bengali", "Cyrl": "Cyrillic",
    "Deva": "Devanagari", "Ethi": "Ethiopic", "Geor": "Georgian", "Grek": "Greek",
    "Gujr": "Gujarati", "Guru": "Gurmukhi", "Hans": "simplified Chinese",
    "Hant": "traditional Chinese", "Hebr": "Hebrew", "Jpan": "Japanese", "Khmr": "Khmer",
    "Knda": "Kannada", "Kore": "Korean", "Laoo": "Lao", "Latn": "Latin", "Mlym": "Malayalam",
    "Mymr": "Myanmar", "Olck": "Ol Chiki", "Orya": "Odia", "Sinh": "Sinhala",
    "Taml": "Tamil", "Telu": "Telugu", "Thai": "Thai", "Tibt": "Tibetan",
}  # fmt: skip


def group_words(column: str, name: str) -> str:
    """A language or script by its English name; other groups as they are called."""
    if column == "script":
        return _SCRIPTS.get(name, name)
    return english_name(name) if column == "language" else name


@cache
def known_languages() -> dict[str, dict[str, str]]:
    """The table by tag: facts as text, empty where unknown, and their sources."""
    text = resources.files("hatstats.study.languages").joinpath("known_languages.csv")
    with text.open("r", encoding="utf-8") as file:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    return {
        str(row["tag"]): {str(k): str(v) for k, v in row.items()}
        for row in frame.to_dict("records")
    }
