"""Scores as people read them, in a terminal and in a notebook."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from hatstats.inference.intervals import percent
from hatstats.inference.labelled import indented
from hatstats.inference.result_frame import html_table
from hatstats.scores.ranks import leader_words

_BIAS_WORDS = (
    "bias: possible smoothing bias (one standard deviation), not in the interval; more trials make "
    "it smaller, more items do not."
)
_TRIAL_WORDS = (
    "trials: effective trials, the independent ones that an item's trials in the source language "
    "are worth."
)


def score_text(scores: Any, conf_level: float) -> str:
    """Scores from best to worst as plain text of at most 80 columns."""
    limits, bias, trials = scores.limits(conf_level), scores.shape_error, scores.effective_trials
    facts = [scores.method, f"reference {scores.reference}", f"{percent(conf_level)} intervals"]
    facts += [scores.scope] if scores.scope else []
    lines = [*indented(f"HAT scores ({', '.join(facts)})"), *indented(scores.estimand)]
    lines[0] = lines[0].strip()
    lines += indented(_leader(scores, conf_level)) if len(scores.models) > 1 else []
    numbers = []
    for m in range(len(scores.models)):
        shown = f"  {scores.estimates[m]:.3f}  [{limits[m, 0]:.3f}, {limits[m, 1]:.3f}]"
        shown += "" if np.isnan(bias[m]) else f"  bias {bias[m]:.3f}"
        numbers.append(shown + ("" if np.isnan(trials[m]) else f"  trials {trials[m]:.3g}"))
    width = min(max(map(len, scores.models), default=5), 78 - max(map(len, numbers), default=0))
    for m in _order(scores):
        name = scores.models[m]
        name = name if len(name) <= width else name[: width - 1] + "…"
        lines.append(f"  {name:<{width}}{numbers[m]}")
    return "\n".join([*lines, *(line for note in _notes(scores) for line in indented(note))])


def score_html(scores: Any) -> str:
    """Scores from best to worst as a table for notebooks."""
    table = scores.tidy().assign(bias=scores.shape_error).iloc[_order(scores)]
    table = table.rename(columns={"effective_trials": "trials"})
    scope = f" Intervals: {scores.scope}." if scores.scope else ""
    notes = [_leader(scores, 0.95), *_notes(scores)] if len(scores.models) > 1 else _notes(scores)
    return f"<p>{html.escape(scores.estimand + scope)}</p>" + html_table(table, notes)


def _leader(scores: Any, conf_level: float) -> str:
    """Whether one model leads, at a level; the same words whenever they are printed."""
    ties = scores.ties(rng=1, conf_level=conf_level)
    words = leader_words(list(ties["model"]), ties.attrs["n_models"])
    return f"{words} ({percent(conf_level)})."


def _order(scores: Any) -> Any:
    """Positions of the models from best to worst, those that are weakly identified last."""
    return np.lexsort([-scores.estimates, np.isin(scores.models, scores.weakly_identified)])


def _notes(scores: Any) -> list[str]:
    """What columns are, and what weakens the scores, in words."""
    weak = ", ".join(scores.weakly_identified)
    notes = [f"Weakly identified, below the others: {weak}."] if weak else []
    notes += [] if np.isnan(scores.shape_error).all() else [_BIAS_WORDS]
    notes += [] if np.isnan(scores.effective_trials).all() else [_TRIAL_WORDS]
    return [*notes, *filter(None, scores.overlap["note"])]
