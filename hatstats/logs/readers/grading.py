"""Which of several scores counts, and what a score says: right, wrong or neither."""

from __future__ import annotations

from collections.abc import Iterable

from hatstats.logs.readers.reader import Choices

#: Scores that say right or wrong of one answer, the one that counts first. Names of all harnesses.
PREFERRED = (
    "exact_match",
    "acc",
    "accuracy",
    "em",
    "correct",
    "is_correct",
    "extractive_match",
    "quasi_exact_match",
    "final_number_exact_match",
    "math_equiv",
    "prefix_exact_match",
    "quasi_prefix_exact_match",
    "pass@1",
    "acc_norm",
    "mc1",
)
#: Filters of lm-evaluation-harness: those which read more answers come first, because an answer
#: that is not read looks like one that is wrong.
FILTERS = ("custom-extract", "flexible-extract", "get_response", "strict-match",
           "remove_whitespace", "none")  # fmt: skip
RIGHT = frozenset({"1", "1.0", "true", "c", "correct", "right", "yes"})
WRONG = frozenset({"0", "0.0", "false", "i", "n", "incorrect", "wrong", "no"})


def pick_score(offered: Iterable[str], choices: Choices) -> str:
    """Name of the score that counts: the user's, else the first preferred, else the only one.

    Returns
    -------
    str
        Empty where the rules decide nothing.
    """
    names = list(offered)
    if wanted := choices.values.get("metric"):
        return wanted if wanted in names else ""
    ranked = [name for name in PREFERRED if name in names]
    if ranked:
        return ranked[0]
    return names[0] if len(names) == 1 else ""


def pick_filter(offered: Iterable[str], choices: Choices) -> str:
    """Name of the filter that counts: the user's, else the first declared, else by the alphabet."""
    names = sorted(offered)
    if wanted := choices.values.get("filter"):
        return wanted if wanted in names else ""
    ranked = [name for name in FILTERS if name in names]
    return ranked[0] if ranked else names[0]


def grade(value: object) -> float | None:
    """1 for right, 0 for wrong, NaN for anything else, None for no score."""
    if value is None or value == "":
        return None
    text = str(value).strip().lower()
    if text in RIGHT:
        return 1.0
    if text in WRONG:
        return 0.0
    try:
        number = float(text)
    except ValueError:
        return float("nan")
    return number if number in (0.0, 1.0) else float("nan")


def near_whole(value: float) -> float:
    """A count computed from a proportion: whole where only rounding keeps it from that."""
    whole = round(value)
    return float(whole) if abs(value - whole) < 1e-6 * max(1.0, abs(value)) else value
