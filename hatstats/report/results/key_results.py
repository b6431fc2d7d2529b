"""The results of an analysis in at most ten plain lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hatstats.scores.scores import HatScores
from hatstats.study import Study
from hatstats.trends.claims.verdicts import Verdict

_WIDTH = 80


def _cut(line: str) -> str:
    """The line, cut to the width of a terminal."""
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"


def _count(number: int, word: str) -> str:
    """A number with its noun, plural where needed."""
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def _short(value: float) -> str:
    """A number with three decimals, without the zero before its decimal point."""
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def _p(value: float) -> str:
    """A p value, never zero."""
    return "< .001" if value < 0.001 else _short(value)


def _score(scores: HatScores, index: int, conf_level: float, width: int = 34) -> str:
    """Name, score and interval of one model; the name is cut to `width` characters."""
    low, high = scores.limits(conf_level)[index]
    name = scores.models[index]
    name = name if len(name) <= width else name[: width - 1] + "…"
    return f"{name} {_short(scores.estimates[index])} [{_short(low)}, {_short(high)}]"


def _claim_line(verdict: Verdict) -> str:
    """Verdict of one claim with its numbers, or the reason for none."""
    if verdict.verdict == "not testable":
        return _cut(f"{verdict.name}: not testable, {verdict.reason}")
    return _cut(
        f"{verdict.name}: {verdict.verdict} ({_short(verdict.estimate)} "
        f"[{_short(verdict.conf_low)}, {_short(verdict.conf_high)}], df {verdict.df:.1f}, "
        f"Holm p {_p(verdict.p_holm)})"
    )


def _changes(sensitivity: pd.DataFrame) -> int:
    """Number of claims whose verdict differs from the reported one under some other choice.

    Where a choice leaves a claim untestable (the family that had the sizes is gone) it changes no
    verdict.
    """
    reported = sensitivity[sensitivity["choice"] == "as reported"].set_index("claim")["verdict"]
    others = sensitivity[
        (sensitivity["choice"] != "as reported") & (sensitivity["verdict"] != "not testable")
    ]
    differs = others["verdict"].to_numpy() != others["claim"].map(reported).to_numpy()
    return int(others.loc[differs, "claim"].nunique())


def _head(study: Study, scores: HatScores) -> str:
    """Size of the study, estimator and reference."""
    families = scores.covariates["family"]
    languages = scores.cells["language"].nunique()
    counts = (
        f"{_count(scores.nobs, 'model')}, "
        f"{_count(families[families.fillna('') != ''].nunique(), 'family')}, "
        f"{_count(len(study.benchmarks), 'benchmark')}, {_count(languages, 'language')}"
    )
    line = f"{counts} ({scores.method}, {scores.reference} reference)."
    return line if len(line) <= _WIDTH else f"{counts} ({scores.method}, {scores.reference})."


def _weak(names: Sequence[str]) -> str:
    """Names or number of the weakly identified models."""
    line = f"Weakly identified, set aside here: {', '.join(names)}."
    if len(line) <= _WIDTH:
        return line
    return f"Weakly identified, set aside here: {len(names)} models, such as {names[0]}."


def _caveats(study: Study, sensitivity: pd.DataFrame, claims: int, with_flagged: bool) -> str:
    """Flagged cells, and verdicts that other choices change; empty where there is neither."""
    parts = []
    if len(study.flagged):
        what = "used" if with_flagged else "left out"
        parts.append(f"{_count(len(study.flagged), 'suspicious cell')} {what}")
    if len(sensitivity) > claims:
        parts.append(f"other choices change {_changes(sensitivity)} of {claims} verdicts")
    line = "; ".join(parts)
    return f"{line[0].upper()}{line[1:]}." if line else ""


def key_result_lines(
    study: Study,
    scores: HatScores,
    ranks: pd.DataFrame,
    claims: Sequence[Verdict],
    sensitivity: pd.DataFrame,
    *,
    conf_level: float,
    with_flagged: bool = False,
) -> tuple[str, ...]:
    """Say who transfers best and what became of each claim.

    Parameters
    ----------
    study : Study
        With its flagged cells.
    scores : HatScores
    ranks : DataFrame
        See `HatScores.ranks`.
    claims : sequence of Verdict
    sensitivity : DataFrame
        See `hatstats.report.results.analysis.Analysis`.
    conf_level : float
    with_flagged : bool
        Whether the flagged cells were used.

    Returns
    -------
    tuple of str
        At most ten lines of at most 80 characters.
    """
    weak = scores.weakly_identified
    # A score that the data hardly inform is no candidate for best or worst.
    order = [int(index) for index in np.argsort(-scores.estimates, kind="stable")]
    order = [index for index in order if scores.models[index] not in weak] or order
    lines = [_head(study, scores)]
    row = ranks.iloc[order[0]]
    lines.append(
        f"Highest HAT: {_score(scores, order[0], conf_level)}, "
        f"rank {row['rank_low']:.0f} to {row['rank_high']:.0f}."
    )
    if len(order) > 2:
        lines.append(f"Next: {_score(scores, order[1], conf_level)}.")
    if len(order) > 1:
        lines.append(f"Lowest: {_score(scores, order[-1], conf_level)}.")
    if weak:
        lines.append(_weak(weak))
    caveats = _caveats(study, sensitivity, len(claims), with_flagged)
    room = 10 - len(lines) - (1 if caveats else 0)
    shown = list(claims)[:room] if len(claims) <= room else list(claims)[: room - 1]
    lines.extend(_claim_line(verdict) for verdict in shown)
    if len(shown) < len(claims):
        lines.append(f"{len(claims) - len(shown)} more claims are in the report.")
    if caveats:
        lines.append(caveats)
    return tuple(_cut(line) for line in lines[:10])
