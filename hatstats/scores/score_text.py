"""Scores as people read them, in a terminal and in a notebook."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd

from hatstats.inference.intervals import percent
from hatstats.inference.labelled import indented
from hatstats.inference.result_frame import frame_text
from hatstats.scores.ranks import leader_words
from hatstats.study.languages.metadata import group_words

#: What each method estimates scores from, and over what each reference averages them.
_METHODS = {
    "latent": "from the answers to each item, for the chance behind its trials",
    "observed": "from the answers to each item, for its share of right ones",
    "joint": "from the answers to each item, by one model of all languages",
    "panel": "from the answers to each item, for its hardness to the other models",
    "aggregate": "from accuracies alone, by the line of target on source accuracy over models",
}
_REFERENCES = {
    "common": "evenly over source accuracies that the models share",
    "pooled": "over the source accuracies of all models",
    "own": "over the model's own source accuracies",
    "uniform": "evenly over all source accuracies",
}
#: Languages that are named as left behind or ahead; the table of differences has all.
_MOST = 12
_BIAS_WORDS = (
    "bias: possible smoothing bias (one standard deviation), not in the interval; more trials make "
    "it smaller, more items do not."
)
_TRIAL_WORDS = (
    "trials: effective trials, the independent ones that an item's trials in the source language "
    "are worth."
)


def plain_words(method: str, reference: str) -> tuple[str, str]:
    """What a method estimates scores from, and over what a reference averages them."""
    of_one = f"over the source accuracies of {reference.removeprefix('model:')}"
    other = of_one if reference.startswith("model:") else "over source accuracies that were given"
    source = "as one posterior over all models, benchmarks and languages"
    source = source if method.startswith("Bayes") else _METHODS.get(method, "elsewhere")
    return source, _REFERENCES.get(reference, other)


def how_scored(method: str, reference: str = "") -> str:
    """How scores are computed, in a sentence for people who know neither name.

    Without a `reference`, how what they are made of is estimated.
    """
    source, average = plain_words(method, reference)
    if not reference:
        return f"Estimated {source} (method {method})."
    return (
        f"Scores are estimated {source} (method {method}) and averaged {average} (reference "
        f"{reference})."
    )


def score_text(scores: Any, conf_level: float) -> str:
    """Scores from best to worst as plain text of at most 80 columns."""
    limits, bias, trials = scores.limits(conf_level), scores.shape_error, scores.effective_trials
    first, *others = score_head(scores, conf_level)
    lines = [*textwrap.wrap(first, 78), *(line for text in others for line in indented(text))]
    numbers = []
    for m in range(len(scores.models)):
        shown = f"  {scores.estimates[m]:.3f}  [{limits[m, 0]:.3f}, {limits[m, 1]:.3f}]"
        shown += "" if np.isnan(bias[m]) else f"  bias {bias[m]:.3f}"
        numbers.append(shown + ("" if np.isnan(trials[m]) else f"  trials {trials[m]:.3g}"))
    width = min(max(map(len, scores.models)), 78 - max(map(len, numbers)))
    for m in _order(scores):
        name = scores.models[m]
        name = name if len(name) <= width else name[: width - 1] + "…"
        lines.append(f"  {name:<{width}}{numbers[m]}")
    return "\n".join([*lines, *(line for note in score_notes(scores) for line in indented(note))])


def score_head(scores: Any, conf_level: float) -> list[str]:
    """What the scores are, and whether one model leads, in sentences."""
    facts = [scores.method, f"reference {scores.reference}", f"{percent(conf_level)} intervals"]
    facts += [scores.scope] if scores.scope else []
    lines = [f"HAT scores ({', '.join(facts)})", scores.estimand]
    return [*lines, _leader(scores, conf_level)] if len(scores.models) > 1 else lines


def ranking(scores: Any, conf_level: float, rng: int) -> pd.DataFrame:
    """Scores from best to worst with ranks and facts of the models, for a table in a terminal."""
    rows = scores.tidy(conf_level).assign(
        source=scores.source,
        shape_error=scores.shape_error,
        effective_trials=scores.effective_trials,
        informed=~np.isin(scores.models, scores.weakly_identified),
    )
    names = scores._ranked()
    tests, *_ = scores._pairs([[name] for name in names], None, rng)
    # Ranks of each model alone, which `ranks` has, take most of its time where models are many.
    low, high = tests.rank_limits(conf_level).T
    ranks = pd.DataFrame({"model": names, "rank_low": low, "rank_high": high})
    facts = scores.covariates[["model", "family", "params_total", "release_date"]]
    found: pd.DataFrame = rows.merge(ranks, "left", "model").merge(facts, "left", "model")
    return found.take(_order(scores))


def score_rows(scores: Any) -> pd.DataFrame:
    """Scores from best to worst as rows for notebooks."""
    table: pd.DataFrame = scores.tidy().rename(columns={"effective_trials": "trials"})
    table = table.drop(columns=["reference", "method"]).assign(bias=scores.shape_error)
    return table.take(_order(scores))


def _leader(scores: Any, conf_level: float) -> str:
    """Whether one model leads, at a level; the same words whenever they are printed."""
    ties = scores.ties(rng=1, conf_level=conf_level)
    words = leader_words(list(ties["model"]), ties.attrs["n_models"])
    return f"{words} ({percent(conf_level)})."


def _order(scores: Any) -> Any:
    """Positions of the models from best to worst, those that are weakly identified last."""
    return np.lexsort([-scores.estimates, np.isin(scores.models, scores.weakly_identified)])


def score_notes(scores: Any) -> list[str]:
    """What columns are, and what weakens the scores, in words."""
    weak = ", ".join(scores.weakly_identified)
    notes = [f"Weakly identified, below the others: {weak}."] if weak else []
    notes += [] if np.isnan(scores.shape_error).all() else [_BIAS_WORDS]
    notes += [] if np.isnan(scores.effective_trials).all() else [_TRIAL_WORDS]
    return [*notes, *filter(None, scores.overlap["note"])]


def language_text(scores: Any, conf_level: float) -> str:
    """Scores by language from highest to lowest as plain text of at most 80 columns."""
    lines = [line for text in language_head(scores, conf_level) for line in indented(text)]
    rows = language_rows(scores, conf_level, 1)
    if scores.labels.nlevels == 2:
        lines.append(frame_text(rows.round(3)))
    else:
        width = rows["name"].str.len().max()
        for row in rows.to_dict("records"):
            known = np.isfinite([row["conf_low"], row["conf_high"]]).all()
            interval = f"[{row['conf_low']:.3f}, {row['conf_high']:.3f}]" if known else "–"
            lines.append(f"  {row['name']:<{width}}  {row['estimate']:.3f}  {interval}")
    return "\n".join([*lines, *(line for note in scores.notes for line in indented(note))])


def language_rows(scores: Any, conf_level: float, rng: int) -> pd.DataFrame:
    """Scores of groups from highest to lowest, with `name` in words and the distance from the mean.

    Where each model has its own: models by groups, highest mean first.
    """
    if scores.labels.nlevels == 2:
        wide: pd.DataFrame = scores.table().set_index("model")
        order = wide.mean(axis=1).sort_values(ascending=False, kind="stable").index
        return wide.loc[order].reset_index()
    rows: pd.DataFrame = scores.tidy(conf_level)
    known_as = [group_words(scores.column, name) for name in scores.names]
    rows["name"] = [name if name == said else f"{said} ({name})"
                    for name, said in zip(scores.names, known_as, strict=True)]  # fmt: skip
    if scores.column != "model" and len(rows) > 1:
        less = scores.against_mean(conf_level, rng=rng)
        names = {"estimate": "less", "conf_low": "less_conf_low", "conf_high": "less_conf_high"}
        rows = rows.assign(**{new: less[old].to_numpy() for old, new in names.items()})
        rows["p_adjusted"] = less["p_adjusted"].to_numpy()
    return rows.sort_values("estimate", ascending=False, kind="stable")


def language_head(scores: Any, conf_level: float) -> list[str]:
    """What the numbers are, and who is surely below or above the mean, in sentences."""
    who = f"the mean of {len(scores.models)} models"
    if len(scores.models) == 1:
        who = scores.models[0]
    elif "model" in scores.groups:
        who = "each model"
    facts = [scores.method, f"reference {scores.reference}", f"{percent(conf_level)} intervals"]
    facts += [scores.scope] if scores.scope else []
    what = "" if scores.column == "model" else f" by {scores.column}"
    title = f"HAT{what} of {who} ({', '.join(facts)}; these languages and models)"
    return [title, *_apart(scores, conf_level)]


def _apart(scores: Any, conf_level: float) -> list[str]:
    """Sentences on the groups that are surely below or above the mean, all at once."""
    if scores.column == "model" or len(scores.groups) < 2:
        return []
    table = scores.against_mean(conf_level, rng=1)
    sure = table[(table["p_adjusted"] < 1.0 - conf_level).to_numpy()].sort_values("estimate")
    found = []
    for words, rows in (
        ("Left behind, below the mean of the languages", sure[sure["estimate"] < 0.0]),
        ("Above it", sure[sure["estimate"] > 0.0].iloc[::-1]),
    ):
        each = [
            f"{group_words(scores.column, row['term'].removesuffix(' - mean'))} "
            f"{row['estimate']:+.3f} "
            f"[{row['conf_low']:.3f}, {row['conf_high']:.3f}]"
            for row in rows.head(_MOST).to_dict("records")
        ]
        more = f"; and {len(rows) - _MOST} more" if len(rows) > _MOST else ""
        found.append(f"{words}: {'; '.join(each) or 'none'}{more}.")
    return [*found, f"All these intervals hold at once ({percent(conf_level)})."]
