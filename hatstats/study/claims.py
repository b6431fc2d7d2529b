"""``study.toml``: the description of a study and its registered claims."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from hatstats.errors import DataError, DegenerateDataWarning
from hatstats.study.losses import Loss, read_losses
from hatstats.study.schema import near
from hatstats.study.validate import SMALLEST_SIZE


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """What a study is and where its numbers come from; all but the short `name` is optional.

    `source` says where the numbers come from, with version or commit; `synthetic` whether the
    counts were simulated; `notes` anything a reader should know, including what was assumed when
    the study was read; `losses` how many answers of a model and language could not be used;
    `common` a window of source accuracies, low and high, in which all models have items, over which
    scores are averaged by default. It is a choice to be declared before scores are seen: one that
    is estimated from the data moves with them.

    Examples
    --------
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> table = pd.DataFrame({"model": "m", "language": ["en", "sw"], "n_correct": [31, 24],
    ...                       "n_trials": 40, "benchmark": "quiz", "source_language": "en"})
    >>> hs.Study(table, info=hs.StudyInfo("quiz", licence="CC0")).info.licence
    'CC0'
    """

    name: str
    title: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""
    synthetic: bool = False
    notes: str = ""
    losses: tuple[Loss, ...] = ()
    common: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check the window."""
        object.__setattr__(self, "common", _window(self.common))


#: Keys that a claim of each kind must have beside name and kind, and keys that it may have.
_KEYS = {
    "non_inferiority": ("small large margin", "statement formula level variable scope"),
    "transfer_share": ("threshold", "term statement formula level direction scope"),
    "gap_slope": ("threshold", "term statement formula level direction scope"),
    "expected_slope": ("expected", "term statement formula level direction scope"),
    "slope": ("term threshold", "statement formula level direction scope"),
    "slope_difference": ("term threshold", "statement formula level direction scope"),
    "contrast": ("model other threshold", "statement level direction"),
}
_NUMBERS = ("small", "large", "margin", "threshold", "expected", "level")
#: What claims about slopes are about unless they say otherwise.
DEFAULT_TERM = "log10(params_total)"
#: What a claim says of its number: that it lies above the threshold, or below it.
_DIRECTIONS = ("greater", "less")
#: Over what a claim about a trend generalises: see `hatstats.fit_trend`.
_SCOPES = ("models like these", "these models")
_KIND_NAMES: dict[type, str] = {
    str: "text in double quotes",
    bool: "true or false",
    float: "a number",
    dict: "a table [trials] of benchmarks",
    list: "a list",
}


def read_head(
    head: Mapping[str, Any], *, file: str, name: str
) -> tuple[StudyInfo, tuple[dict[str, Any], ...], dict[str, Any]]:
    """Split a parsed ``study.toml`` into description, checked claims and constants of the study.

    The constants are `chance`, `source_language` and `trials`, of each benchmark, where given.
    """
    description: dict[str, type] = {field.name: str for field in fields(StudyInfo)}
    description |= {"synthetic": bool, "losses": list, "common": list}
    kinds = {**description, "chance": float, "source_language": str, "trials": dict, "claims": list}
    for key, value in head.items():
        if key not in kinds:
            hint = f"the keys are {', '.join(kinds)}.{near(key, kinds)}"
            raise DataError("the key is not known.", file=file, column=key, value=value, hint=hint)
        kind = kinds[key]
        fits = _is_number(value) if kind is float else isinstance(value, kind)
        if not fits:
            text = f"the value should be {_KIND_NAMES[kind]}."
            hint = f"write {_KIND_NAMES[kind]} after {key} =."
            raise DataError(text, file=file, column=key, value=value, hint=hint)
    given = {"name": name, **{key: head[key] for key in description if key in head}}
    given |= {
        "losses": read_losses(head.get("losses", []), file=file),
        "common": _window(head.get("common", ()), file=file),
    }
    info = StudyInfo(**given)
    claims = check_claims(head.get("claims", []), file=file)
    constants = ("chance", "source_language", "trials")
    return info, claims, {key: head[key] for key in constants if key in head}


def _window(common: Sequence[object], *, file: str | None = None) -> tuple[float, ...]:
    """A window of source accuracies as numbers, checked; empty for none."""
    if not common:
        return ()
    numbers = [float(each) for each in common if isinstance(each, int | float)]
    if len(numbers) != len(common) or len(numbers) != 2 or not 0 <= numbers[0] < numbers[1] <= 1:
        text = "a window has a low and a high source accuracy, 0 <= low < high <= 1"
        hint = "write common = [0.2, 0.95]."
        raise DataError(text, file=file, column="common", value=list(common), hint=hint)
    return tuple(numbers)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_claims(claims: Sequence[Any], *, file: str = "claims") -> tuple[dict[str, Any], ...]:
    """Check registered claims key by key and return copies of them."""
    names: set[str] = set()
    given = [claims] if isinstance(claims, str) else claims
    for number, claim in enumerate(given, start=1):
        if not isinstance(claim, Mapping):
            hint = "head each claim with [[claims]]."
            if file == "claims":  # in Python, not in a file
                hint = "give study.claims, some of them, or a list of dicts with name, kind, ..."
            raise DataError("a claim is a table.", file=file, value=claim, hint=hint)
        _check_claim(claim, f"claim {number}", file)
        name = str(claim["name"])
        if name in names:
            text = "two claims have the same name."
            hint = "give each claim its own name."
            raise DataError(text, file=file, column="name", value=name, hint=hint)
        names.add(name)
    return tuple(dict(claim) for claim in claims)


def _check_claim(claim: Mapping[str, Any], label: str, file: str) -> None:
    """Check kind, keys, values and ranges of one claim; `label` names it in messages."""

    def error(message: str, key: str, hint: str) -> DataError:
        return DataError(
            f"{label}{message}", file=file, column=key, value=claim.get(key), hint=hint
        )

    kind = claim.get("kind")
    if not isinstance(kind, str) or kind not in _KEYS:
        hint = f"write one of {', '.join(_KEYS)}.{near(str(kind), _KEYS)}"
        raise error(" has no known kind.", "kind", hint)
    label = f"{label} ({claim.get('name', 'without a name')}, {kind})"
    required, optional = ((*keys.split(),) for keys in _KEYS[kind])
    known = ("name", "kind", *required, *optional)
    if unknown := [key for key in claim if key not in known]:
        plural = "s" if len(unknown) > 1 else ""
        raise error(
            f" has the unknown key{plural} {', '.join(map(repr, unknown))}.",
            unknown[0],
            f"its keys are {', '.join(known)}.{near(unknown[0], known)}",
        )
    for key in ("name", *required):
        if key not in claim:
            hint = f"add the key {key!r} with its value: claims are registered in full."
            raise error(f" lacks the key {key!r}.", key, hint)
    for key, value in claim.items():
        if key in ("small", "large") and "variable" in claim and isinstance(value, str):
            continue  # labels of groups
        if not (_is_number(value) if key in _NUMBERS else isinstance(value, str)):
            what = _KIND_NAMES[float if key in _NUMBERS else str]
            raise error(f": the value of {key} should be {what}.", key, f"write {key} = {what}.")
    for holds, key, message, hint in _ranges(claim):
        if not holds:
            raise error(f": {message}", key, hint)
    numbers = kind == "non_inferiority" and not isinstance(claim["small"], str)
    if numbers and "params" in claim.get("formula", "params") and claim["small"] < SMALLEST_SIZE:
        warnings.warn(
            f"{label}: small = {claim['small']:g} is no plausible number of parameters. "
            f"Billions? Then write {claim['small']:g}e9.",
            DegenerateDataWarning,
            stacklevel=3,
        )


def _ranges(claim: Mapping[str, Any]) -> list[tuple[bool, str, str, str]]:
    """Rules on the values of a claim: whether each holds, its key, message and hint."""
    rules = [
        (0 < claim.get("level", 0.05) < 0.5, "level",
         "the level of a one-sided test lies between 0 and 0.5.", "write level = 0.05 for 5 %."),
        (claim.get("direction", "greater") in _DIRECTIONS, "direction",
         "a claim says that its number is greater or less than the threshold.",
         f"write one of {', '.join(_DIRECTIONS)}."),
        (claim.get("scope", _SCOPES[0]) in _SCOPES, "scope",
         "a claim is about these models, or about models like these.",
         f"write one of {', '.join(_SCOPES)}."),
    ]  # fmt: skip
    if claim["kind"] == "transfer_share":
        rules.append(
            (0 < claim["threshold"] < 1, "threshold",
             "a share lies between 0 and 1.", "write threshold = 0.5 for half.")
        )  # fmt: skip
    if claim["kind"] == "non_inferiority":
        small, large = claim["small"], claim["large"]
        labels = [isinstance(group, str) for group in (small, large)]
        rules += [
            (0 < claim["margin"] < 1, "margin",
             "margin is a difference of accuracies, between 0 and 1.",
             "write margin = 0.05 for five points."),
            (labels[0] == labels[1], "large",
             "small and large are two numbers, or two labels.", "give both in the same way."),
            (any(labels) or small < large, "small",
             "small is not below large.", "exchange small and large."),
        ]  # fmt: skip
    return rules


def claimed_direction(claim: Mapping[str, Any]) -> str:
    """Side of its threshold on which a claim says that its number lies."""
    below = claim["kind"] in ("transfer_share", "expected_slope")
    return str(claim.get("direction", "less" if below else "greater"))


def compared_groups(claim: Mapping[str, Any], joined: str = "minus") -> str:
    """What a claim of non-inferiority is about: ``HAT at 1B minus HAT at 30B parameters``."""
    variable, small, large = claim.get("variable", "params_total"), claim["small"], claim["large"]
    if isinstance(small, str):
        return f"HAT of {variable} {small} {joined} HAT of {large}"
    if variable == "params_total":
        return f"HAT at {small / 1e9:.3g}B {joined} HAT at {large / 1e9:.3g}B parameters"
    return f"HAT at {small:.3g} {joined} HAT at {large:.3g} {variable}"


#: Terms that readers have a name for: what a slope on them is over, and per what.
_NAMED = {
    "log10(params_total)": ("size", "tenfold size"),
    "log10(params_active)": ("active size", "tenfold active size"),
    "release_year": ("release year", "year"),
}


def per_unit(term: str) -> str:
    """The unit of a slope on a term: ``per tenfold size``."""
    return f"per {_NAMED[term][1] if term in _NAMED else f'unit of {term}'}"


def claim_sentence(claim: Mapping[str, Any]) -> str:
    """What a checked claim says, in one plain sentence with the unit of its number.

    A claim that was registered with a statement of its own says it in these words.
    """
    if claim.get("statement"):
        return str(claim["statement"])
    kind, below = claim["kind"], claimed_direction(claim) == "less"
    limit = float(claim.get("threshold", claim.get("expected", 0.0)))
    limit = -float(claim["margin"]) if kind == "non_inferiority" else limit
    above, amount = limit > 0.0, f"{abs(limit):g}"
    if limit == 0.0:
        above, amount = not below, ""
    elif kind != "transfer_share":
        amount = f"{'less' if below == above else 'more'} than {amount}"
    if kind in ("non_inferiority", "contrast"):
        side = f"is {amount} {'above' if above else 'below'}".replace("  ", " ")
        if kind == "contrast":
            return f"HAT of {claim['model']} {side} HAT of {claim['other']}."
        return f"{compared_groups(claim, side)}."
    term = str(claim.get("term", DEFAULT_TERM))
    over = "over time" if term == "release_year" else f"with {_NAMED.get(term, (term,))[0]}"
    if kind == "transfer_share":
        part = f"{'Less' if below else 'More'} than {100.0 * limit:g} %"
        said = f"{part} of target accuracy's rise {over} is transfer"
    else:
        subject, up, down = _MOVES[kind]
        unit = " logits" if kind == "gap_slope" else ""
        by = f" by {amount}{unit} {per_unit(term)}" if amount else f" {over}"
        said = f"{subject} {up if above else down}{by}"
    formula = [part.strip() for part in str(claim.get("formula", term)).split("+")]
    held = [_NAMED.get(part, (part,))[0] for part in formula if part not in (term, "")]
    return f"{said}{f' among models of equal {" and ".join(held)}' if held else ''}."


#: Of claims about slopes: what rises or falls, and the words for it.
_MOVES = {
    "slope": ("HAT", "rises", "falls"),
    "expected_slope": ("HAT", "rises", "falls"),
    "gap_slope": ("The accuracy gap", "grows", "shrinks"),
    "slope_difference": ("The lead of source accuracy over HAT", "grows", "shrinks"),
}
