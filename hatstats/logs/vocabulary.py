"""What scores say: right, wrong, not read, or nothing; and when that has to be asked.

Words and numbers that are known are counted in one pass. Only where some were not known are the
values looked at: two that stand for right and wrong beyond doubt are taken as such, an answer that
was not read is wrong, one that a failed run lacks is missing, and anything else that is frequent
is refused with the values and what to say about them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hatstats.errors import DataError
from hatstats.logs.readers.schema import RIGHT, WRONG, Choices
from hatstats.study.schema import MISSING_WORDS

#: Scores that say that an answer could not be read, and that there is none to read.
UNREAD = frozenset(
    {"invalid", "[invalid]", "unparsed", "unparsable", "unparseable", "no answer", "no_answer",
     "noanswer", "no match", "no_match", "parse error", "parse_error", "parse failed", "unknown",
     "parse_failed", "parsing error", "refused", "refusal", "abstain", "abstained", "?"}
)  # fmt: skip
FAILED = frozenset(
    {"error", "err", "errored", "timeout", "timed out", "timed_out", "time out", "exception", "oom",
     "crash", "crashed", "skipped", "not run", "not_run", "cancelled", "canceled", "rate limit",
     "api error", "api_error", "connection error", "interrupted"}
)  # fmt: skip
#: Numbers that stand for right and for wrong where a column holds no others.
_PAIRS = (("100", "0"), ("1", "-1"))
#: What is rarer than this among scores, or in fewer rows, is left out and counted.
_RARE, _FEW = 0.01, 3
_COMMA = re.compile(r"-?\d+,\d+ ?%?")
#: Distinct values that a refusal shows.
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Marks:
    """How scores are read beside the words and numbers that are known.

    `right` and `wrong` are further values; `right_from` the number from which on a score is right;
    each score is the mean of `repeats`; proportions are of `scale`, with a decimal
    `comma`. `unread` and `absent` say whether answers that were not read, or are missing, count as
    ``wrong`` or ``missing``.
    """

    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    right_from: float | None = None
    repeats: int = 1
    scale: float = 1.0
    unread: str = "wrong"
    absent: str = "missing"
    comma: bool = False

    @property
    def plain(self) -> bool:
        """Whether known words and numbers are all that is read, as in a first pass."""
        return not (self.right or self.wrong or self.right_from is not None or self.repeats > 1)

    @property
    def note(self) -> str:
        """What was taken for right and wrong beside the words that are known, if anything."""
        said = [f"{v!r} as {name}" for name in ("right", "wrong") for v in getattr(self, name)]
        said += [f"means of {self.repeats} answers as counts"] if self.repeats > 1 else []
        said += [f"right from {self.right_from:g} on"] if self.right_from is not None else []
        said += ["proportions as per cent"] if self.scale != 1 else []
        said += ["commas as decimal points"] if self.comma else []
        return f"read {', '.join(said)}" if said else ""


def marks_of(choices: Choices, repeats: int = 1) -> Marks:
    """What a user said of scores; an error for a word that says nothing."""
    given = choices.settings
    unusable = given.get("unusable", "")
    if unusable not in ("", "wrong", "missing"):
        raise DataError(
            "answers that cannot be used are wrong or missing.",
            column="unusable",
            value=unusable,
            hint="say settings={'unusable': 'wrong'} or settings={'unusable': 'missing'}.",
        )
    listed = {
        name: tuple(part.strip().casefold() for part in given.get(name, "").split(",") if part)
        for name in ("right", "wrong")
    }
    start = float(given["right_from"]) if "right_from" in given else None
    both = {"unread": unusable or "wrong", "absent": unusable or "missing"}
    return Marks(**listed, right_from=start, repeats=repeats, **both)  # type: ignore[arg-type]


def with_commas(
    values: Sequence[tuple[str, int]], marks: Marks
) -> tuple[Sequence[tuple[str, int]], Marks]:
    """Values with decimal points, and marks that read commas so if all commas are decimal ones."""
    commas = [value for value, _ in values if "," in value]
    if not commas or not all(_COMMA.fullmatch(value.strip()) for value in commas):
        return values, marks
    return [(value.replace(",", "."), n) for value, n in values], replace(marks, comma=True)


def slack(trials: int) -> float:
    """How far from a whole number the mean of an item times its trials is: three digits of it."""
    return min(5e-4 * trials, 0.01) + 1e-6


def read_values(
    values: Sequence[tuple[str, int]], marks: Marks, where: Callable[[], str], column: str
) -> Marks:
    """Marks that read the values (text, rows) of a column of scores; an error where none would.

    `where` finds the file of a score that is not known.
    """
    sizes: dict[str, int] = {}
    for text, rows in values:
        plain = _plain(text)
        sizes[plain] = sizes.get(plain, 0) + rows
    scores = {v: n for v, n in sizes.items() if v not in MISSING_WORDS | UNREAD | FAILED}
    unknown = {v: n for v, n in scores.items() if not _known(v, marks)}
    total, n_unknown = sum(scores.values()), sum(unknown.values())
    if n_unknown < _FEW or n_unknown <= _RARE * total:
        return marks
    if marks.plain:
        for right, wrong in _PAIRS:
            if set(scores) <= {right, wrong}:
                return replace(marks, right=(right,), wrong=(wrong,))
    raise _refusal(scores, unknown, marks, where(), column)


def read_shares(
    values: Sequence[tuple[str, int]], marks: Marks, where: Callable[[], str], column: str
) -> Marks:
    """Marks for proportions (text, rows), which may be per cent; an error for other numbers."""
    numbers = [number for value, _ in values if (number := _number(value.rstrip("%"))) is not None]
    whole = all(number % 1 == 0 for number in numbers)
    if numbers and max(numbers) > 1:
        if whole and not {"acc", "accuracy"} & {column.casefold()} and "%" not in values[0][0]:
            raise DataError(
                f"these whole numbers (up to {max(numbers):g}) may be counts or per cent.",
                file=where(),
                column=column,
                hint="write per cent as proportions from 0 to 1, or with the sign %; counts of "
                "right answers stand in a column n_correct, with a row for each language.",
            )
        if max(numbers) > 100 or any(0 < number < 1 for number in numbers) or min(numbers) < 0:
            raise DataError(
                "these are neither proportions nor per cent "
                f"(from {min(numbers):g} to {max(numbers):g}).",
                file=where(),
                column=column,
                hint="write proportions from 0 to 1, or all of them in per cent.",
            )
        return replace(marks, scale=100.0)
    return marks


def refuse_parts(
    shown: Sequence[Mapping[str, object]],
    odd: int,
    total: int,
    where: Callable[[], str],
    column: str,
) -> None:
    """An error where shares of the trials of an item are often no whole number of answers.

    `shown` has the `score` and the `trials` of one of the `odd` rows among `total`.
    """
    if odd < _FEW or odd <= _RARE * total:
        return
    first = shown[0]
    raise DataError(
        f"{odd} of {total} shares are no whole number of right answers, as {first['score']} of "
        f"{first['trials']:g} trials.",
        file=where(),
        column=column,
        hint="write right answers as n_correct, or shares with all their digits.",
    )


def _known(value: str, marks: Marks) -> bool:
    if value in {*marks.right, *marks.wrong}:
        return True
    number = _number(value)
    if marks.right_from is not None:
        return number is not None
    if marks.repeats > 1:
        count = (-1.0 if number is None else number) * marks.repeats
        return 0 <= count <= marks.repeats and abs(count - round(count)) < slack(marks.repeats)
    return value in RIGHT | WRONG or number in (0.0, 1.0)


def _refusal(
    scores: dict[str, int], unknown: dict[str, int], marks: Marks, file: str, column: str
) -> DataError:
    """The error about values that are neither right nor wrong, with what would help."""
    common = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = ", ".join(f"{value!r} ({number})" for value, number in common[:_SHOWN])
    more = f" and {len(common) - _SHOWN} more" if len(common) > _SHOWN else ""
    first = max(unknown, key=lambda value: unknown[value])
    numbers = [number for value in unknown if (number := _number(value)) is not None]
    hint = f"say what they are, as in settings={{'right': {first!r}}} or settings={{'wrong': "
    hint += f"{first!r}}}."
    if len(numbers) == len(unknown) and all(0 < number < 1 for number in numbers):
        hint = (
            "where this is partial credit, say from which score on an answer is right, as in "
            "settings={'right_from': '0.5'}; where it is a mean of several answers or an "
            "accuracy, a column n_trials with their number is needed, or, in a table without "
            "items, settings={'n_trials': 'N'}; or choose another score, "
            "settings={'metric': 'NAME'} or fields={'correct': 'COLUMN'}."
        )
        if marks.repeats > 1:
            hint = f"times {marks.repeats} repeats these are no whole numbers. " + hint
    elif numbers:
        hint += " Counts of right answers need their trials beside them: fields={'n_correct': "
        hint += f"{column!r}, 'n_trials': 'COLUMN'}}."
        hint += " Or say from which number on an answer is right: settings={'right_from': 'N'}."
        if all(0 <= number <= 100 for number in numbers) and any(n % 1 for n in numbers):
            needed = "a column n_trials with the number of answers behind each is needed"
            hint = f"where these are accuracies in per cent, {needed}. Otherwise {hint}"
    return DataError(
        f"{sum(unknown.values())} of {sum(scores.values())} scores are neither right nor wrong; "
        "the values are "
        f"{shown}{more}.",
        file=file,
        column=column,
        hint=hint,
    )


def _plain(text: str) -> str:
    """A value in small letters; numbers in their shortest form."""
    value = text.strip().casefold()
    number = _number(value)
    return value if number is None else f"{number:.12g}"


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None
