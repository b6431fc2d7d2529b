"""Every headline number of a run as a LaTeX macro, so that no paper copies one by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from hatstats.report.results.results import Results
from hatstats.report.tables import rounding
from hatstats.report.tables.latex import escape_latex, one_line

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_HEADER = """\
% Numbers of study {study}, written by hatstats; do not edit, run the report again.
%
%   \\input{{numbers.tex}} in the preamble, then \\HatBestModel{{}} in the text.
%
% Names have letters only: words are run together, a digit is spelt (3 is Three), other signs are
% dropped; a name that would come twice ends in X, XX, ... Digits follow from standard errors.
% Minus signs are in math mode. For each claim, trend and model these endings exist:
%   \\HatClaim<Name>   Verdict Estimate StdError Low High Df PValue PAdjusted Threshold Models
%                      Families
%   \\HatTrend<Name><Term>  Estimate StdError Low High Df PValue; with These before the ending for
%                           these models, otherwise for models like these
%   \\HatScore<Model>  (the score), and the same with StdError, Low, High, RankLow, RankHigh
"""


def letters(text: str) -> str:
    """Turn any text into letters: words are capitalised and run together, digits are spelt."""
    parts = re.findall(r"[A-Za-z]+|[0-9]", text)
    return "".join(
        _DIGITS[int(part)] if part.isdigit() else part[0].upper() + part[1:] for part in parts
    )


def macros(results: Results) -> dict[str, str]:
    """Names (unique, of letters, without backslash) and plain text of every macro, in order."""
    found: dict[str, str] = {}

    def add(stem: str, texts: Mapping[str, str]) -> None:
        for ending, text in texts.items():
            name = f"Hat{stem}{ending}"
            while name in found:
                name += "X"
            found[name] = text

    facts = {
        key: str(value) for key, value in results.facts.items() if not isinstance(value, float)
    }
    add("", {letters(key): text for key, text in facts.items()})
    add("ConfLevel", {"": f"{100.0 * results.conf_level:g}"})
    for stem, index in (("Best", 0), ("Last", -1)):
        row = results.ranked.iloc[index]
        add(stem, {"Model": str(row["model"]), **_score(row, "Score")})
    for _, row in results.claims.iterrows():
        counts = {"Models": "n_models", "Families": "n_clusters"}
        add(
            f"Claim{letters(str(row['name']))}",
            {"Verdict": str(row["verdict"]), **_numbers(row)}
            | {"PAdjusted": rounding.p_text(float(row["p_holm"]))}
            | {"Threshold": rounding.plain_text(float(row["threshold"]))}
            | {ending: rounding.count_text(float(row[name])) for ending, name in counts.items()},
        )
    for _, row in results.trends.iterrows():
        these = "These" if row.get("scope") == "these models" else ""
        add(f"Trend{letters(str(row['trend']))}{letters(str(row['term']))}{these}", _numbers(row))
    for _, row in results.scores.iterrows():
        ranks = {f"Rank{end}": "–" if pd.isna(row[name]) else str(row[name])
                 for end, name in (("Low", "rank_low"), ("High", "rank_high"))}  # fmt: skip
        add(f"Score{letters(str(row['model']))}", {**_score(row, ""), **ranks})
    return found


def _numbers(row: pd.Series) -> dict[str, str]:
    """Numbers of one tidy row, rounded by its standard error, by the ending of their macros."""
    n_decimals = rounding.decimals(float(row["std_error"]))
    rounded = {"Estimate": "estimate", "StdError": "std_error", "Low": "conf_low",
               "High": "conf_high"}  # fmt: skip
    texts = {
        ending: rounding.number_text(float(row[name]), n_decimals)
        for ending, name in rounded.items()
    }
    return texts | {
        "Df": rounding.df_text(float(row["df"])),
        "PValue": rounding.p_text(float(row["p_value"])),
    }


def _score(row: pd.Series, ending: str) -> dict[str, str]:
    """Score with that ending, its standard error and limits."""
    texts = _numbers(row)
    return {ending: texts["Estimate"]} | {name: texts[name] for name in ("StdError", "Low", "High")}


def numbers_tex(named: Mapping[str, str], *, study: str) -> str:
    r"""Write macros, name to plain text, which is escaped, as a file of ``\newcommand`` lines.

    A name with other signs than letters raises a ValueError. `study` stands in the head.
    """
    for name in named:
        if not re.fullmatch(r"[A-Za-z]+", name):
            raise ValueError(f"a LaTeX macro has a name of letters only, not {name!r}")
    lines = [rf"\newcommand{{\{name}}}{{{escape_latex(text)}}}" for name, text in named.items()]
    head = _HEADER.format(study=one_line(study))
    return head + "\n".join(lines) + "\n"
