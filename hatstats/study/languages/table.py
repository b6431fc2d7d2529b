"""The table of languages of a study: its columns, and how its rows find their language."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from hatstats.study.languages.tags import standard_tag
from hatstats.study.schema import Column, Sheet, conform

#: Columns of text that are declared, and those of numbers; all others are covariates.
FACTS = ("name", "script", "family", "branch", "resource")
LANGUAGES = (
    Column("language", aliases=("lang", "language_code", "lang_code", "code", "tag")),
    *(Column(name, required=False, blank=True) for name in FACTS),
    Column("speakers", "number", required=False, blank=True, hint="write their number in units."),
    Column("distance", "number", required=False, blank=True, hint="write a plain number."),
)


def read_language_table(sheet: Sheet | None, counts: pd.Series[str]) -> pd.DataFrame:
    """What is known of the languages of the counts, one row each, found by standard tag."""
    if sheet is None or not len(sheet.frame):
        return pd.DataFrame({"language": pd.Series(dtype="str")})
    names = list(dict.fromkeys(counts))
    spelled = {standard_tag(name) or name: name for name in reversed(names)}
    sheet = conform(sheet, LANGUAGES, keep_others=True)
    here = [
        name if name in names else spelled.get(standard_tag(name) or name, name)
        for name in sheet.frame["language"]
    ]
    sheet = replace(sheet, frame=sheet.frame.assign(language=pd.Series(here, dtype="str")))
    text = "this language has a row already (spellings of one language are one)"
    sheet.refuse(
        sheet.frame.duplicated("language").to_numpy(), "language", text, hint="keep one row."
    )
    hint = "correct the number, or leave the cell empty."
    low = {"speakers": sheet.frame["speakers"] <= 0, "distance": sheet.frame["distance"] < 0}
    for column, faulty in low.items():
        sheet.refuse(faulty, column, f"this is no plausible number ({column})", hint=hint)
    known = sheet.keep(sheet.frame["language"].isin(names).to_numpy())
    facts = conform(known, LANGUAGES, keep_others=True).frame
    table = pd.DataFrame({"language": pd.Series(names, dtype="str")})
    table = table.merge(facts, how="left", on="language")
    for name in table.columns[table.dtypes == "str"]:
        table[name] = table[name].fillna("").astype("str")
    return table
