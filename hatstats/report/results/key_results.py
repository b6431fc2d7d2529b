"""The results of an analysis in a few plain lines: the first screen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from hatstats.inference.result_frame import p_words
from hatstats.report.results.results import Fits
from hatstats.scores.cell_weights import common_languages, partial_languages
from hatstats.scores.item_profile import ItemProfile
from hatstats.scores.ranks import leader_words
from hatstats.study.describe import flagged_counts
from hatstats.study.screening.failed_extraction import unflagged_cells
from hatstats.trends.claims.verdict import Verdict

_WIDTH = 80
_LINES = 17


def _cut(line: str) -> str:
    """The line, cut to the width of a terminal."""
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"


def _count(number: int, word: str) -> str:
    """A number with its noun, plural where needed."""
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def _short(value: float) -> str:
    """A number with three decimals, and no minus sign before a zero."""
    return f"{value:z.3f}"


def _score(row: pd.Series, width: int = 34, *, limits: bool = True) -> str:
    """Name, score and interval of one model; the name is cut to `width` characters."""
    name = row["model"] if len(row["model"]) <= width else row["model"][: width - 1] + "…"
    low, high = _short(row["conf_low"]), _short(row["conf_high"])
    return f"{name} {_short(row['estimate'])}{f' [{low}, {high}]' if limits else ''}"


def _claim_lines(verdict: Verdict) -> list[str]:
    """What a claim says and what became of it, in both scopes with their intervals, or why not.

    The registered scope comes first: see `_levels`.
    """
    found = f": {verdict.verdict}"
    said = (verdict.statement or verdict.name.replace("_", " ")).rstrip(".")
    room = _WIDTH - len(found)  # a long sentence is cut, not what was found
    said = said if len(said) <= room else f"{said[: room - 1]}…"
    lines = [f"{said[:1].upper()}{said[1:]}{found}"]
    if verdict.verdict == "not testable":
        numbers = verdict.reason
    else:
        numbers = _short(verdict.estimate)
        limits = f" [{_short(verdict.conf_low)}, {_short(verdict.conf_high)}]"
        numbers += ", no interval" if np.isnan(verdict.conf_low) else limits
        if not verdict.other_verdict:
            numbers += f", df {verdict.df:.1f}, adjusted {p_words(verdict.p_holm)}"
    if verdict.other_verdict:
        over = verdict.other_scope
        if verdict.n_models:
            over = over.replace("these models", f"these {verdict.n_models} models")
        beside = f"{over}: {verdict.other_verdict}"
        if not np.isnan(verdict.other_low):
            beside += f" [{_short(verdict.other_low)}, {_short(verdict.other_high)}]"
        if len(numbers) + len(beside) + 4 > _WIDTH:  # a long reason takes a line of its own
            lines.append(_cut(f"  {numbers}"))
            numbers = beside
        else:
            numbers += f"; {beside}"
    lines.append(_cut(f"  {numbers}"))
    if verdict.warning:
        lines.append("  this claim is true almost by construction: see the report")
    return lines


def _levels(fits: Fits) -> str:
    """At which levels the intervals of the lines are."""
    levels = sorted({claim.conf_level for claim in fits.claims})
    scores = f"Intervals: scores {100.0 * fits.options.conf_level:g} %"
    claims = " and ".join(f"{100.0 * level:g} %" for level in levels)
    scopes = {claim.scope for claim in fits.claims if claim.other_verdict}
    first = f" Verdicts: first for {scopes.pop()}." if len(scopes) == 1 else ""
    return f"{scores}, claims {claims}.{first}" if levels else f"{scores}."


def _changes(specification: pd.DataFrame) -> int:
    """Number of claims whose verdict differs from the reported one under some other choice.

    Where a choice leaves a claim untestable (the family that had the sizes is gone) it changes no
    verdict.
    """
    reported = specification[specification["choice"] == "as reported"].set_index("claim")["verdict"]
    others = specification[
        (specification["choice"] != "as reported") & (specification["verdict"] != "not testable")
    ]
    differs = others["verdict"].to_numpy() != others["claim"].map(reported).to_numpy()
    return int(others.loc[differs, "claim"].nunique())


def _head(fits: Fits) -> str:
    """Size of the study, estimator and reference."""
    scores = fits.scores
    families = scores.covariates["family"]
    n_families = families[families.fillna("") != ""].nunique()
    counts = (
        f"{_count(scores.nobs, 'model')}, "
        f"{_count(n_families, 'family') if n_families else 'families unknown'}, "
        f"{_count(scores.cells['benchmark'].nunique(), 'benchmark')}, "
        f"{_count(scored_languages(fits), 'language')}"
    )
    line = f"{counts} ({scores.method}, {scores.reference} reference)."
    return line if len(line) <= _WIDTH else f"{counts} ({scores.method}, {scores.reference})."


def _named(what: str, names: Sequence[str]) -> str:
    """What some models are, with their names or their number."""
    line = f"{what}: {', '.join(names)}."
    if len(line) <= _WIDTH:
        return line
    return f"{what}: {len(names)} models, such as {names[0]}."


def _caveats(fits: Fits, specification: pd.DataFrame) -> str:
    """What was left out, verdicts that other choices change, rejected fits; empty where none is."""
    parts, claims = [], len(fits.claims)
    if len(fits.study.flagged):
        what = "used" if fits.options.with_flagged else "left out"
        parts.append(f"{flagged_counts(fits.study, 'suspicious cell')} {what}")
    if unflagged := len(unflagged_cells(fits.study)):
        parts.append(f"{unflagged} suspicious cell{'s' * (unflagged > 1)} used: see check")
    if partial := len(partial_languages(fits.scores.cells)):
        parts.append(f"{_count(partial, 'language')} not asked of every model left out")
    if len(specification) > claims:
        parts.append(f"other choices change {_changes(specification)} of {claims} verdicts")
    if rejected(fits):
        parts.append("fits do not agree with their counts, intervals are wider")
    line = "; ".join(parts)
    return f"{line[0].upper()}{line[1:]}." if line else ""


def scored_languages(fits: Fits) -> int:
    """Number of languages that scores are averaged over, those that every model was asked in."""
    return len(set().union(*common_languages(fits.scores.cells).values()))


def guessing_names(fits: Fits) -> tuple[str, ...]:
    """Models without a score, since they do no better than guessing."""
    return fits.profile.guessing if isinstance(fits.profile, ItemProfile) else ()


def rejected(fits: Fits) -> bool:
    """Whether scores rest on fits that do not agree with their counts."""
    profile = fits.profile
    return isinstance(profile, ItemProfile) and profile.rejected and fits.scores.reference != "own"


def leader(fits: Fits) -> str:
    """Whether one model leads, in words."""
    ranks = fits.ranks
    return leader_words(list(ranks.loc[ranks["tied_with_best"], "model"]), len(ranks))


def key_result_lines(
    fits: Fits, scores: pd.DataFrame, specification: pd.DataFrame
) -> tuple[str, ...]:
    """Say who transfers best and what became of each claim: 17 lines of 80 characters at most.

    `scores` and `specification` are those of `Results`: scores best first, those that the data
    hardly inform last.
    """
    informed = scores["informed"].astype(bool)
    weak = list(scores.loc[~informed, "model"])
    # A score that the data hardly inform is no candidate for best or worst.
    ranked = scores[informed] if informed.any() else scores
    best = ranked.iloc[0]
    ranks = " to ".join(dict.fromkeys(str(best[f"rank_{end}"]) for end in ("low", "high")))
    # One of many is not the highest.
    alone = len(ranked) == 1 < len(scores)
    first = "Only well identified" if alone else "Highest HAT"
    lines = [_head(fits), f"{first}: {_score(best)}{'' if alone else f', rank {ranks}'}."]
    if guessing := guessing_names(fits):
        lines.insert(1, _named("No better than guessing, not scored", guessing))
    if len(ranked) > 1:
        # Two models are named by the lines of the highest and the lowest.
        second = f"; next: {_score(ranked.iloc[1], 28, limits=False)}" if len(ranked) > 2 else ""
        lines.append(f"{leader(fits)}{second}.")
        lines.append(f"Lowest: {_score(ranked.iloc[-1])}.")
    if informed.any() and 2 * len(weak) >= len(scores):
        text = f"{len(weak)} of {len(scores)} models are weakly identified, set aside here."
        lines.insert(1, text)
    elif weak:
        names = [name for name in fits.scores.models if name in weak]
        lines.append(_named("Weakly identified, set aside here", names))
    caveats = _caveats(fits, specification)
    claims = [_claim_lines(verdict) for verdict in fits.claims]
    room = _LINES - len(lines) - (2 if caveats else 1)
    shown = len(claims)
    while sum(map(len, claims[:shown])) + (shown < len(claims)) > room:
        shown -= 1
    lines.extend(itertools.chain(*claims[:shown]))
    if shown < len(claims):
        lines.append(f"{len(claims) - shown} more claims are in the report.")
    lines.append(_levels(fits))
    if caveats:
        lines.append(caveats)
    return tuple(_cut(line) for line in lines)
