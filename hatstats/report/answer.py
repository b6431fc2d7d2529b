"""The results of an analysis in at most ten plain lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hatstats.hat.scores import HatScores
from hatstats.study import Study
from hatstats.trends.claims import Verdict

_WIDTH = 80


def _fit(line: str) -> str:
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"


def _count(number: int, word: str) -> str:
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def _short(value: float, places: int = 3) -> str:
    """A number without the zero before its decimal point."""
    return f"{value:.{places}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{places}f}"


def _score(scores: HatScores, place: int, conf_level: float, width: int = 34) -> str:
    low, high = scores.conf_int(conf_level)[place]
    name = scores.models[place]
    name = name if len(name) <= width else name[: width - 1] + "…"
    return f"{name} {_short(scores.params[place])} [{_short(low)}, {_short(high)}]"


def _claim_line(verdict: Verdict) -> str:
    if verdict.verdict == "not testable":
        return _fit(f"{verdict.name}: not testable, {verdict.reason}")
    return _fit(
        f"{verdict.name}: {verdict.verdict} ({_short(verdict.estimate)} "
        f"[{_short(verdict.conf_low)}, {_short(verdict.conf_high)}], df {verdict.df:.1f}, "
        f"p {_short(verdict.p_value)})"
    )


def _changes(sensitivity: pd.DataFrame, choice: str | None = None) -> int:
    """Number of claims whose verdict differs from the reported one (under one choice, or any)."""
    reported = sensitivity[sensitivity["choice"] == "as reported"].set_index("claim")["verdict"]
    others = sensitivity[sensitivity["choice"] != "as reported"]
    if choice is not None:
        others = others[others["choice"] == choice]
    differs = others["verdict"].to_numpy() != others["claim"].map(reported).to_numpy()
    return int(others.loc[differs, "claim"].nunique())


def plain_answer(
    study: Study,
    scores: HatScores,
    ranks: pd.DataFrame,
    claims: Sequence[Verdict],
    sensitivity: pd.DataFrame,
    *,
    conf_level: float,
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
        See `hatstats.report.analysis.Analysis`.
    conf_level : float

    Returns
    -------
    tuple of str
        At most ten lines of at most 80 characters.
    """
    families = scores.covariates["family"]
    noted = scores.overlap.loc[scores.overlap["note"] != "", "model"]
    weak = [name for name in scores.models if name in set(noted)]
    # A score that the data hardly inform is no candidate for best or worst.
    order = [int(place) for place in np.argsort(-scores.params, kind="stable")]
    order = [place for place in order if scores.models[place] not in weak] or order
    languages = scores.cells["language"].nunique()
    lines = [
        f"{_count(scores.nobs, 'model')}, {_count(families.nunique(), 'family')}, "
        f"{_count(len(study.benchmarks), 'benchmark')}, {_count(languages, 'language')} "
        f"({scores.method}, {scores.reference} reference)."
    ]
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
        more = f" and {len(weak) - 2} more" if len(weak) > 2 else ""
        lines.append(f"Barely informed, set aside here: {', '.join(weak[:2])}{more}.")
    flagged = len(study.flagged)
    changed = _changes(sensitivity)
    room = 10 - len(lines) - (1 if flagged or len(sensitivity) > len(claims) else 0)
    shown = list(claims)[:room] if len(claims) <= room else list(claims)[: room - 1]
    lines.extend(_claim_line(verdict) for verdict in shown)
    if len(shown) < len(claims):
        lines.append(f"{len(claims) - len(shown)} more claims stand in the report.")
    if flagged:
        lines.append(
            f"{_count(flagged, 'suspicious cell')} left out; other choices change "
            f"{changed} of {len(claims)} verdicts."
        )
    elif len(sensitivity) > len(claims):
        lines.append(f"Other defensible choices change {changed} of {len(claims)} verdicts.")
    return tuple(_fit(line) for line in lines[:10])
