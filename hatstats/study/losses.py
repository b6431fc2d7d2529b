"""Answers that were asked for and could not be used: how many, of which model and language."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from hatstats.errors import DataError

#: A language has lost more than the others of its model from these shares and standard errors on.
_SHARE, _ERRORS = 0.02, 3.0
_MOST_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Loss:
    """Answers of one model, benchmark and language that could not be used.

    Of `asked` ones `missing` are left out, and `wrong` count as wrong because there was no answer
    to grade.

    Examples
    --------
    >>> import hatstats as hs
    >>> loss = hs.Loss("acme-1", "quiz", "sw", asked=160, missing=57, wrong=0)
    >>> loss.words, round(loss.share, 3)
    ('57 missing of 160 in sw', 0.356)
    """

    model: str
    benchmark: str
    language: str
    asked: int
    missing: int
    wrong: int

    @property
    def share(self) -> float:
        """Share of the answers that could not be used."""
        return (self.missing + self.wrong) / self.asked

    @property
    def words(self) -> str:
        """The numbers as a phrase: ``57 missing of 160 in sw``."""
        kinds = ((self.missing, "missing"), (self.wrong, "unread and wrong"))
        said = " and ".join(f"{number} {kind}" for number, kind in kinds if number)
        return f"{said} of {self.asked} in {self.language}"


def read_losses(rows: Sequence[object], *, file: str) -> tuple[Loss, ...]:
    """Losses of the tables ``[[losses]]`` of a study; an error for anything else."""
    names = [each.name for each in fields(Loss)]
    found = []
    for row in rows:
        given: Mapping[str, Any] = row if isinstance(row, Mapping) else {}
        whole = all(isinstance(given.get(n), int) and given[n] >= 0 for n in names[3:])
        if set(given) != set(names) or not whole or not given["asked"] > 0:
            text = "a table of losses is not whole."
            hint = f"it has {', '.join(names)}, the last three whole numbers."
            raise DataError(text, file=file, column="losses", value=given, hint=hint)
        found.append(Loss(**given))
    return tuple(found)


def loss_note(losses: Sequence[Loss]) -> list[str]:
    """One sentence on all losses, the largest shares first; none without losses."""
    if not losses:
        return []
    first = sorted(losses, key=lambda loss: -loss.share)
    shown = "; ".join(f"{each.model}: {each.words}" for each in first[:_MOST_SHOWN])
    more = len(first) - _MOST_SHOWN
    others = f"; and {more} more models and languages" if more > 0 else ""
    return [f"Answers that could not be used: {shown}{others}."]


def unequal_losses(losses: Sequence[Loss], counts: pd.DataFrame) -> Iterator[tuple[Loss, str]]:
    """Losses clearly larger than in the model's other languages, with the evidence."""
    if not losses:
        return
    asked = counts.groupby(["model", "benchmark"], sort=False)["language"].unique()
    groups: dict[tuple[str, str], dict[str, Loss]] = defaultdict(dict)
    for loss in losses:
        groups[loss.model, loss.benchmark][loss.language] = loss
    for pair, by_language in groups.items():
        for language, loss in by_language.items():
            languages = list(asked.get(pair, []))
            others = [name for name in languages if name != language]
            shares = [by_language[name].share if name in by_language else 0.0 for name in others]
            if not shares or language not in languages:
                continue
            least, most = min(shares), max(shares)
            error = math.sqrt(max(loss.share * (1 - loss.share), 1 / loss.asked) / loss.asked)
            if loss.share - least > max(_SHARE, _ERRORS * error):
                between = f"{least:.2f}" if least == most else f"{least:.2f} to {most:.2f}"
                yield (
                    loss,
                    f"{loss.words} (share {loss.share:.2f}), where the model's other languages "
                    f"lost a share of {between}: not missing at random.",
                )
