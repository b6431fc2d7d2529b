"""Every headline number of a run as a LaTeX macro, so that no paper copies one by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from hatstats.report.results.results import LanguagePart, Results
from hatstats.report.tables import rounding
from hatstats.report.tables.latex import escape_latex, one_line

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_HEADER = """\
% Numbers of study {study}, written by hatstats; do not edit, run the report again.
%
%   \\input{{numbers.tex}} in the preamble, then \\HatBestModel{{}} in the text.
%
% Names have letters only: words are run together, a digit is spelt (3 is Three), other signs are
% dropped; a name that would come twice ends in X, XX, ... Digits follow from standard errors, as
% in the tables.
% Minus signs are in math mode. For each claim, trend and model these endings exist:
%   \\HatClaim<Name>   the verdict with the adjusted p that decides it; and the same with Verdict
%                      Estimate StdError Low High ConfLevel Df PValue PAdjusted POppositeAdjusted
%                      Threshold Models Families
%   \\HatTrend<Name><Term>  (\\HatTrendSizeLogParameters..., \\HatTrendDateReleaseYear...), with
%                      Estimate StdError Low High Df PValue: on the accuracy scale, with Logit
%                      before the ending on that of logits; with These for these models, otherwise
%                      for models like these; <Name>SlopeOne: the slope of target on source logits
%                      held at 1
%   \\HatScore<Model>  (the score), and the same with StdError, Low, High, RankLow, RankHigh
%   \\HatRank<Model>   ranks that the data leave it; \\HatSource<Model>, its source accuracy
%   \\HatContrast<Model>Vs<Model>  the first one's score less the second's, which is lower; Low,
%                      High, PValue and PAdjusted for all pairs; of more than {most} models only the
%                      best model's differences
%   \\HatDecomposition<Group><Part>  parts of a change, Source Transfer Total, with StdError, Low,
%                      High; Group: a family, All models, Size, or Years one to the next
%   \\HatLanguage<Name>  HAT of a language with StdError, Low, High (all languages at once), and
%                      Less, it less the mean of all, with LessLow, LessHigh, LessPAdjusted;
%                      \\HatHighestLanguage, \\HatLowestLanguage: the same, and Name
%   \\HatGroups<Difference>  for these languages, with Like before the ending for languages like
%                      these: Estimate StdError Low High Df PValue; \\HatFaults, their number
%   \\HatMeasure<Name><Model>  (\\HatMeasureGap..., Ratio, Excess, ...), with Low and High
"""
_CAPTIONS_HEADER = """\
% Captions of the figures, written by hatstats; do not edit, run the report again.
% \\input{captions.tex} in the preamble, then, without width= (figures are drawn at print size):
%   \\begin{figure}\\includegraphics{figures/forest}\\caption{\\HatCaptionForest}\\end{figure}
% The alternative text of a tagged PDF: \\includegraphics[alt={\\HatAltForest}]{figures/forest}
"""
#: Figures of less than so many inches stand in one column.
_COLUMN = 4.0
#: Up to this number of ranked models every pair has its macros.
_MOST_PAIRED = 20
_PARTS = {"source ability": "Source", "transfer": "Transfer", "change": "Total"}


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
    # The name of the study stands in the labels of its tables.
    add("Study", {"": results.info["name"].replace("_", "-")})
    add("", {letters(key): text for key, text in facts.items()})
    add("ConfLevel", {"": f"{100.0 * results.conf_level:g}"})
    digits = rounding.PLAIN_DECIMALS  # as in the table of scores
    for stem, index in (("Best", 0), ("Last", -1)):
        row = results.ranked.iloc[index]
        add(stem, {"Model": str(row["model"]), **_score(row, "Score", digits)})
    for _, row in results.claims.iterrows():
        counts = {"Models": "n_models", "Families": "n_clusters"}
        p, opposite = (rounding.p_text(float(row[name])) for name in ("p_holm", "p_opposite_holm"))
        which, decides = ("opposite", opposite) if row["verdict"] == "refuted" else ("adjusted", p)
        with_p = f"{which} p {decides if decides[0] == '<' else f'= {decides}'}"
        with_p = "no p" if p == rounding.UNKNOWN else with_p
        add(
            f"Claim{letters(str(row['name']))}",
            {"": f"{row['verdict']} ({with_p})", "Verdict": str(row["verdict"]), **_numbers(row)}
            | {"PAdjusted": p, "POppositeAdjusted": opposite}
            | {"ConfLevel": f"{100.0 * float(row['conf_level']):g}"}
            | {"Threshold": rounding.plain_text(float(row["threshold"]))}
            | {ending: rounding.count_text(float(row[name])) for ending, name in counts.items()},
        )
    for _, row in results.trends.iterrows():
        kind = "These" if row.get("scope") == "these models" else ""
        kind += "Logit" if row.get("scale") == "logit" else ""
        term = rounding.term_words(str(row["term"])).replace("log10", "log")
        add(f"Trend{letters(str(row['trend']))}{letters(term)}{kind}", _numbers(row))
    for _, row in results.scores.iterrows():
        ranks = {f"Rank{end}": "–" if pd.isna(row[name]) else str(row[name])
                 for end, name in (("Low", "rank_low"), ("High", "rank_high"))}  # fmt: skip
        name = letters(str(row["model"]))
        add(f"Score{name}", {**_score(row, "", digits), **ranks})
        low, high = ranks["RankLow"], ranks["RankHigh"]
        add("Rank", {name: low if low == high else f"{low}–{high}"})
        add("Source", {name: rounding.number_text(float(row["source"]))})
    for stem, texts in _beside(results):
        add(stem, texts)
    return found


def _beside(results: Results) -> Iterator[tuple[str, dict[str, str]]]:
    """Stems and texts of differences between models, parts of changes, and measures."""
    pairs = results.pairs
    if len(pairs) > _MOST_PAIRED * (_MOST_PAIRED - 1) // 2:
        pairs = pairs[pairs["a"] == pairs["a"].iloc[0]]
    for _, row in pairs.iterrows():
        texts = _numbers(row)
        p = {"PAdjusted": rounding.p_text(float(row["p_adjusted"]))}
        kept = {"": texts["Estimate"]} | {name: texts[name] for name in ("Low", "High", "PValue")}
        yield f"Contrast{letters(str(row['a']))}Vs{letters(str(row['b']))}", kept | p
    for _, row in results.decompositions.iterrows():
        yield (
            f"Decomposition{letters(str(row['group']))}{_PARTS[str(row['term'])]}",
            _score(row, ""),
        )
    if results.languages:
        yield from _of_languages(results.languages)
    for _, row in results.measures.iterrows():
        texts = _score(row, "")
        del texts["StdError"]
        yield f"Measure{letters(str(row['term']))}{letters(str(row['model']))}", texts


def _of_languages(part: LanguagePart) -> Iterator[tuple[str, dict[str, str]]]:
    """Stems and texts of languages, of differences between groups of them, and of faults."""
    table = part.table
    named = {"HighestLanguage": 0, "LowestLanguage": len(table) - 1}
    named |= {f"Language{letters(str(name))}": index for index, name in enumerate(table["name"])}
    for stem, index in named.items():
        row = table.iloc[index]
        less = row.rename({"estimate": "HAT", "conf_low": "low", "conf_high": "high"}).rename(
            {"less": "estimate", "less_conf_low": "conf_low", "less_conf_high": "conf_high"}
        )
        texts = {
            f"Less{'' if name == 'Estimate' else name}": text
            for name, text in _numbers(less).items()
            if name in ("Estimate", "Low", "High")
        }
        p = {"LessPAdjusted": rounding.p_text(float(row["p_adjusted"]))}
        name = {"Name": str(row["name"])} if stem.endswith("estLanguage") else {}
        yield stem, name | _score(row, "") | texts | p
    for _, row in part.groups.iterrows():
        like = "" if row["scope"] == "these languages" else "Like"
        yield f"Groups{letters(str(row['term']))}{like}", _numbers(row)
    yield "Faults", {"": str(len(part.faults))}


def _numbers(row: pd.Series, n_decimals: int | None = None) -> dict[str, str]:
    """Numbers of one tidy row by the ending of their macros; digits by its error if not given."""
    if n_decimals is None:
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


def _score(row: pd.Series, ending: str, n_decimals: int | None = None) -> dict[str, str]:
    """Score with that ending, its standard error and limits."""
    texts = _numbers(row, n_decimals)
    return {ending: texts["Estimate"]} | {name: texts[name] for name in ("StdError", "Low", "High")}


def numbers_tex(named: Mapping[str, str], *, study: str) -> str:
    r"""Write macros, name to plain text, which is escaped, as a file of ``\newcommand`` lines.

    A name with other signs than letters raises a ValueError. `study` stands in the head.
    """
    for name in named:
        if not re.fullmatch(r"[A-Za-z]+", name):
            raise ValueError(f"a LaTeX macro has a name of letters only, not {name!r}")
    head = _HEADER.format(study=one_line(study), most=_MOST_PAIRED)
    return head + _defined(named)


def captions_tex(figures: Iterable[tuple[str, float, str, str]]) -> str:
    """Captions and alternative texts as macros, of figures: file, width in inches, both texts."""
    parts = []
    for name, width, caption, alt in figures:
        where = "figure: one column" if width < _COLUMN else "figure*: both columns"
        stem = letters(name)
        named = {f"HatCaption{stem}": caption, f"HatAlt{stem}": alt}
        parts.append(f"% figures/{name}.pdf, {width:.3g} in wide ({where})\n{_defined(named)}")
    return _CAPTIONS_HEADER + "".join(parts)


def _defined(named: Mapping[str, str]) -> str:
    """Lines that define macros."""
    return "".join(
        rf"\newcommand{{\{name}}}{{{escape_latex(text)}}}" + "\n" for name, text in named.items()
    )
