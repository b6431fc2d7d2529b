"""What a paper says of a run: a paragraph of methods, its results in sentences, and references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hatstats.report.results.results import Results
from hatstats.report.tables import rounding
from hatstats.report.tables.latex import escape_latex

#: Key of a work: how a text names it, the entry of a list, and type and fields of BibTeX.
_WORKS = {
    "bajpai2026improving": (
        "Bajpai et al., 2026",
        "Bajpai, Briakou, Cherry, Jyothi and Piratla (2026). Are Multilingual Models Actually "
        "Improving? Isolating True Cross-Lingual Transfer. arXiv:2606.21954.",
        "article author = {Bajpai and Briakou and Cherry and Jyothi and Piratla}, title = {Are "
        "Multilingual Models Actually Improving? {I}solating True Cross-Lingual Transfer}, journal "
        "= {arXiv preprint arXiv:2606.21954}, year = {2026}, eprint = {2606.21954}, archiveprefix "
        "= {arXiv}, url = {https://arxiv.org/abs/2606.21954}",
    ),
    "hatstats": (
        "hatstats {version}",
        "The hatstats authors (2026). hatstats: hardness-adjusted transfer scores and trends for "
        "multilingual language models, version {version}.",
        "manual author = {{The hatstats authors}}, title = {hatstats: hardness-adjusted transfer "
        "scores and trends for multilingual language models}, year = {2026}, note = {Software, "
        "version {version}}",
    ),
    "pustejovsky2018": (
        "Pustejovsky and Tipton, 2018",
        "Pustejovsky, J. E. and Tipton, E. (2018). Small-Sample Methods for Cluster-Robust "
        "Variance Estimation and Hypothesis Testing in Fixed Effects Models. Journal of Business "
        "and Economic Statistics 36, 672-683. doi:10.1080/07350015.2016.1247004.",
        "article author = {Pustejovsky, James E. and Tipton, Elizabeth}, title = {Small-Sample "
        "Methods for Cluster-Robust Variance Estimation and Hypothesis Testing in Fixed Effects "
        "Models}, journal = {Journal of Business and Economic Statistics}, year = {2018}, volume = "
        "{36}, number = {4}, pages = {672--683}, doi = {10.1080/07350015.2016.1247004}",
    ),
    "hothorn2008": (
        "Hothorn et al., 2008",
        "Hothorn, T., Bretz, F. and Westfall, P. (2008). Simultaneous Inference in General "
        "Parametric Models. Biometrical Journal 50, 346-363. doi:10.1002/bimj.200810425.",
        "article author = {Hothorn, Torsten and Bretz, Frank and Westfall, Peter}, title = "
        "{Simultaneous Inference in General Parametric Models}, journal = {Biometrical Journal}, "
        "year = {2008}, volume = {50}, number = {3}, pages = {346--363}, doi = "
        "{10.1002/bimj.200810425}",
    ),
    "holm1979": (
        "Holm, 1979",
        "Holm, S. (1979). A Simple Sequentially Rejective Multiple Test Procedure. Scandinavian "
        "Journal of Statistics 6, 65-70.",
        "article author = {Holm, Sture}, title = {A Simple Sequentially Rejective Multiple Test "
        "Procedure}, journal = {Scandinavian Journal of Statistics}, year = {1979}, volume = {6}, "
        "number = {2}, pages = {65--70}, url = {https://www.jstor.org/stable/4615733}",
    ),
}
_CITED = re.compile(rf"\[@({'|'.join([*_WORKS, 'data'])})\]")
#: Languages and models that a paragraph names; of more it has the number.
_MOST_NAMED = 15


@dataclass(frozen=True, slots=True)
class MethodsText:
    """Paragraphs in which ``[@key]`` cites a work, and the reference of the data, ``[@data]``."""

    methods: str
    results: tuple[str, ...]
    version: str
    data: str

    @property
    def cited(self) -> list[str]:
        """Keys of the works that the paragraphs cite, in their order."""
        return list(dict.fromkeys(_CITED.findall(" ".join([self.methods, *self.results]))))

    def plain(self, text: str) -> str:
        """A paragraph with works by their authors and years."""
        return _CITED.sub(lambda key: f"({self._work(key[1])[0]})", text)

    def references(self) -> list[str]:
        """The works that are cited as a list for people."""
        return [self._work(key)[1] for key in self.cited]

    def markdown(self) -> str:
        """Methods, results and references, ready to be pasted."""
        parts = ["## Methods", self.plain(self.methods), "## Results"]
        parts += [self.plain(text) for text in self.results]
        works = "\n".join(f"- {work}" for work in self.references())
        # A name that looks like HTML stays a name.
        return (
            re.sub(r"<(?=[A-Za-z/!?])", r"\\<", "\n\n".join([*parts, "## References", works]))
            + "\n"
        )

    def latex(self) -> dict[str, str]:
        r"""The files `methods.tex` and `results.tex`, with ``\citep``, and `methods.bib`."""
        texts = {"methods.tex": [self.methods], "results.tex": self.results}
        return {name: self._latex(parts) for name, parts in texts.items()} | {
            "methods.bib": "\n".join(map(self._bibtex, self.cited))
        }

    def _latex(self, paragraphs: Sequence[str]) -> str:
        lines = ["% Written by hatstats: the run again changes it."]
        if any(map(_CITED.search, paragraphs)):
            lines = [f"{lines[0]} Works: methods.bib.", r"\providecommand{\citep}{\cite}"]
        for text in paragraphs:
            parts = _CITED.split(text)
            keys = [rf"\citep{{{key}}}" for key in parts[1::2]]
            texts = [_together(escape_latex(part)) for part in parts[::2]]
            lines += ["", "".join(a + b for a, b in zip(texts, [*keys, ""], strict=True))]
        return "\n".join(lines) + "\n"

    def _bibtex(self, key: str) -> str:
        kind, _, fields = self._work(key)[2].partition(" ")
        return f"@{kind}{{{key},\n  " + fields.replace("}, ", "},\n  ") + "\n}\n"

    def _work(self, key: str) -> list[str]:
        if key == "data":
            # BibTeX counts braces, also those that LaTeX would print.
            note = escape_latex(self.data.replace("{", "(").replace("}", ")").rstrip("."))
            fields = f"title = {{{{{note}}}}}, author = {{{{Data of this study}}}}, year = {{n.d.}}"
            return ["see the references", self.data, f"misc {fields}"]
        return [text.replace("{version}", self.version) for text in _WORKS[key]]


def _together(text: str) -> str:
    """LaTeX whose numbers stay on one line with their signs."""
    return re.sub(r" (?=[=<] \d)|(?<=[=<]) (?=\d)", "~", text)


def methods_text(results: Results, version: str) -> MethodsText:
    """What was really run, in sentences; `version` is that of hatstats."""
    methods = " ".join(_methods(results))
    found = (_scores(results), *map(_claim, results.claims.to_dict("records")))
    citation = str(results.info.get("citation") or "")
    return MethodsText(methods, found, version, citation)


def _count(number: object, word: str) -> str:
    """A number with its noun, plural where needed."""
    return f"{number} {word if str(number) == '1' else f'{word}s'.replace('ys', 'ies')}"


def _methods(results: Results) -> Iterator[str]:
    facts, info = results.facts, results.info
    level = f"{100.0 * results.conf_level:g} %"
    estimand = str(facts["estimand"]).removeprefix("HAT: ")
    yield (
        "Cross-lingual transfer is measured by hardness-adjusted transfer (HAT) scores "
        f"[@bajpai2026improving] as hatstats defines and estimates them [@hatstats]: {estimand}"
    )
    spoken = sorted({rounding.english_name(str(tag)) for tag in results.points["language"]})
    named = f" ({', '.join(spoken)})" if len(spoken) <= _MOST_NAMED else ""
    families = f" of {_count(facts['families'], 'family')}" if facts.get("families") else ""
    tags = [tag for tag in str(facts.get("source_language") or "").split(", ") if tag]
    source = f", source language {', '.join(map(rounding.english_name, tags))}" if tags else ""
    yield (
        f"Data: {info.get('title') or info['name']}{' [@data]' if info.get('citation') else ''}, "
        f"{_count(facts['models'], 'model')}{families}, "
        f"{_count(facts['benchmarks'], 'benchmark')}{source} and "
        f"{_count(facts['languages'], 'target language')}{named}."
    )
    if flagged := facts.get("flagged_cells"):
        kept = "used" if facts.get("flagged_cells_used") == "yes" else "left out"
        cells = _count(facts["cells"], "cell")
        were = "was" if int(flagged) == 1 else "were"
        yield f"Of {cells}, {flagged} {were} flagged as suspicious and {kept}."
    missing = results.left_out[results.left_out["analysis"] == "scores"]
    if len(missing):
        names = ", ".join(missing["model"]) if len(missing) <= _MOST_NAMED else str(len(missing))
        why = "; ".join(dict.fromkeys(missing["reason"]))
        yield f"Without a score: {names} ({why})."
    reason = str(facts.get("reason") or "").partition(": ")[2].rstrip(".")
    reason = "" if reason in estimand else reason
    yield (
        f"Scores are estimated {facts['method_words']} (method {facts['method']}) and averaged "
        f"{facts['reference_words']} (reference {facts['reference']})"
        f"{f'; {reason}' if reason else ''}; intervals are of {level} and for "
        f"{facts['scope']}."
    )
    yield (
        "Ranks are those that simultaneous tests of all differences, by the largest t statistic "
        f"[@hothorn2008], leave each model ({level}; {facts.get('draws', '–')} draws, seed "
        f"{facts['seed']})."
    )
    weak = results.scores.loc[~results.scores["informed"].astype(bool), "model"]
    if len(weak):
        names = ", ".join(weak) if len(weak) <= _MOST_NAMED else _count(len(weak), "model")
        yield f"Weakly identified by the data, and not ranked: {names}."
    if len(results.trends):
        formulas = dict.fromkeys(map(rounding.term_words, results.trends["formula"]))
        errors = ", ".join(dict.fromkeys(results.trends["vcov"]))
        yield (
            f"Trends of HAT over models ({'; '.join(formulas)}) have {errors} standard errors with "
            "families as clusters and Satterthwaite degrees of freedom [@pustejovsky2018]."
        )
    if len(results.claims):
        status = " and ".join(dict.fromkeys(results.claims["status"]))
        alpha = f"{0.5 - 0.5 * results.claims['conf_level'].iloc[0]:.3g}"
        withheld = (
            "; a verdict for models like these is withheld where other standard errors disagree or "
            "one family alone would decide"
            if "models like these"
            in {*results.claims["scope"], *results.claims.get("other_scope", ())}
            else ""
        )
        yield (
            f"Claims with thresholds ({len(results.claims)}, {status}) were tested on either side "
            f"of the threshold at {alpha}, adjusted by Holm's method [@holm1979]{withheld}."
        )
    choices = results.specification
    if len(choices) and (others := choices["choice"].nunique() - 1):
        yield f"Claims were judged under {_count(others, 'other choice')} of the analysis, too."
    if results.bayes:
        part = results.bayes.facts
        trend = rounding.term_words(part["trend"])
        yield (
            "Beside it stands the posterior of a hierarchical model of all cells "
            f"({part['method']}; trend {trend}; {part['draws']} draws)."
        )


def _scores(results: Results) -> str:
    """Who has the highest score, and whether that is a lead."""
    best = results.ranked.iloc[0]
    digits = rounding.PLAIN_DECIMALS  # as in the table of scores
    limits = _limits(dict(best), "conf", digits)
    text = (
        f"{best['model']} has the highest score, {rounding.number_text(best['estimate'], digits)} "
        f"({100.0 * results.conf_level:g} % interval {limits})"
    )
    leader = str(results.facts["leader"])
    return f"{text}; {leader[:1].lower()}{leader[1:]}." if len(results.ranked) > 1 else f"{text}."


def _claim(row: Mapping[Any, Any]) -> str:
    """What became of one claim, with its numbers in both scopes."""
    what = f"“{row['statement'].rstrip('.')}”" if row["statement"] else rounding.words(row["name"])
    other = "models like these" if row["scope"] == "these models" else "these models"
    text = f"The claim {what} is {row['verdict']} for {row['scope']}"
    digits = rounding.decimals(float(row["std_error"]))
    if pd.notna(row["estimate"]):
        side = "below" if row.get("direction") == "less" else "above"
        beside = [f"claimed {side} {rounding.plain_text(row['threshold'])}"]
        if pd.notna(row["conf_low"]):
            level = f"{100.0 * row['conf_level']:g} % interval"
            beside.insert(0, f"{level} {_limits(row, 'conf', digits)}")
        if pd.notna(row["p_holm"]):
            refuted = row["verdict"] == "refuted"
            p = rounding.p_text(row["p_opposite_holm" if refuted else "p_holm"]).replace("<", "< ")
            of = " of the opposite" if refuted else ""
            beside.append(f"adjusted one-sided p{of} {p if p[0] == '<' else f'= {p}'}")
        quantity = rounding.prose(row["quantity"] or "estimate")
        value = rounding.number_text(float(row["estimate"]), digits)
        count = _count(row["n_models"], "model")
        text += f": the {quantity} is {value} ({', '.join(beside)}; {count})"
    if row.get("other_verdict"):
        text += f"; for {other} it is {row['other_verdict']}"
        if pd.notna(row["other_low"]):
            text += f" ({_limits(row, 'other', digits)})"
    reason = rounding.prose(str(row["reason"] or "")).rstrip(".")
    return f"{text}; {reason}." if reason else f"{text}."


def _limits(row: Mapping[Any, Any], name: str, digits: int) -> str:
    """An interval in words."""
    return " to ".join(
        rounding.number_text(float(row[f"{name}_{end}"]), digits) for end in ("low", "high")
    )
