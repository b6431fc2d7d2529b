"""Every headline number of a run as a LaTeX macro, so that no paper copies one by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from hatstats.report.results.results import Results
from hatstats.report.tables.latex import escape_latex
from hatstats.report.tables.rounding import (
    count_text,
    decimals,
    df_text,
    number_text,
    p_text,
    plain_text,
)

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_PREFIX = "Hat"
_HEADER = """\
% Numbers of study {study}, written by hatstats; do not edit, run the report again.
%
%   \\input{{numbers.tex}} in the preamble, then \\HatBestModel{{}} in the text.
%
% Names have letters only: words are run together, a digit is spelt (3 is Three), other signs are
% dropped; a name that would come twice ends in X, XX, ... Digits follow from standard errors.
% Minus signs are in math mode. For each claim, trend and model these endings exist:
%   \\HatClaim<Name>   Verdict Estimate StdError Low High Df PValue Threshold Models Families
%   \\HatTrend<Name><Term>  Estimate StdError Low High Df PValue
%   \\HatScore<Model>  (the score), and the same with StdError, Low, High
"""


def letters(text: str) -> str:
    """Turn any text into letters: words are capitalised and run together, digits are spelt."""
    parts = re.findall(r"[A-Za-z]+|[0-9]", text)
    return "".join(
        _DIGITS[int(part)] if part.isdigit() else part[0].upper() + part[1:] for part in parts
    )


def macros(results: Results) -> dict[str, str]:
    """Names (without backslash) and plain text of every macro.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to str
        In the order of the file. Names are unique and consist of letters.
    """
    found: dict[str, str] = {}

    def add(name: str, text: str) -> None:
        while name in found:
            name += "X"
        found[name] = text

    for key, value in results.facts.items():
        if not isinstance(value, float):
            add(f"{_PREFIX}{letters(key)}", str(value))
    add(f"{_PREFIX}ConfLevel", f"{100.0 * results.conf_level:g}")
    _add_ends(results.scores, add)
    for _, row in results.claims.iterrows():
        stem = f"{_PREFIX}Claim{letters(str(row['name']))}"
        add(f"{stem}Verdict", str(row["verdict"]))
        for ending, text in _numbers(row).items():
            add(stem + ending, text)
        add(f"{stem}Threshold", plain_text(float(row["threshold"])))
        add(f"{stem}Models", count_text(float(row["n_models"])))
        add(f"{stem}Families", count_text(float(row["n_clusters"])))
    for _, row in results.trends.iterrows():
        stem = f"{_PREFIX}Trend{letters(str(row['trend']))}{letters(str(row['term']))}"
        for ending, text in _numbers(row).items():
            add(stem + ending, text)
    for _, row in results.scores.iterrows():
        stem = f"{_PREFIX}Score{letters(str(row['model']))}"
        texts = _numbers(row)
        add(stem, texts["Estimate"])
        for ending in ("StdError", "Low", "High"):
            add(stem + ending, texts[ending])
    return found


def _add_ends(scores: pd.DataFrame, add: object) -> None:
    """Add best and last model among those that the data inform."""
    assert callable(add)
    clear = scores[scores["informed"].astype(bool)]
    ranked = (clear if len(clear) else scores).sort_values(
        "estimate", ascending=False, kind="stable"
    )
    for label, index in (("Best", 0), ("Last", -1)):
        row = ranked.iloc[index]
        texts = _numbers(row)
        add(f"{_PREFIX}{label}Model", str(row["model"]))
        add(f"{_PREFIX}{label}Score", texts["Estimate"])
        for ending in ("StdError", "Low", "High"):
            add(f"{_PREFIX}{label}{ending}", texts[ending])


def _numbers(row: pd.Series) -> dict[str, str]:
    """Numbers of one tidy row, rounded by its standard error."""
    n_decimals = decimals(float(row["std_error"]))
    return {
        "Estimate": number_text(float(row["estimate"]), n_decimals),
        "StdError": number_text(float(row["std_error"]), n_decimals),
        "Low": number_text(float(row["conf_low"]), n_decimals),
        "High": number_text(float(row["conf_high"]), n_decimals),
        "Df": df_text(float(row["df"])),
        "PValue": p_text(float(row["p_value"])),
    }


def numbers_tex(named: Mapping[str, str], *, study: str) -> str:
    r"""Write macros as a file of ``\newcommand`` lines.

    Parameters
    ----------
    named : mapping of str to str
        Name without backslash (letters only) to plain text, which is escaped here.
    study : str
        Name of the study, for the head of the file.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a name has other signs than letters.
    """
    for name in named:
        if not re.fullmatch(r"[A-Za-z]+", name):
            raise ValueError(f"a LaTeX macro has a name of letters only, not {name!r}")
    lines = [rf"\newcommand{{\{name}}}{{{escape_latex(text)}}}" for name, text in named.items()]
    head = _HEADER.format(study=re.sub(r"\s+", " ", study))
    return head + "\n".join(lines) + "\n"
