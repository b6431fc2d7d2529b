"""The head of a study: ``study.toml`` with its description and its registered claims."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from hatstats.errors import DataError, DegenerateDataWarning
from hatstats.study.count_checks import SMALLEST_SIZE
from hatstats.study.schema import near


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """What a study is and where its numbers come from.

    Parameters
    ----------
    name : str
        Short name, as of a folder.
    title, source, licence, citation : str
        Free text; `source` says where the numbers come from, with version or commit.
    synthetic : bool
        Whether the counts were simulated.
    notes : str
        Anything a reader should know, including what was assumed when the study was read.
    """

    name: str
    title: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""
    synthetic: bool = False
    notes: str = ""


@dataclass(frozen=True, slots=True)
class ClaimKind:
    """What a registered claim of one kind says: keys it needs and keys it may have."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ("statement", "formula", "level")


_DIRECTED = ("statement", "formula", "level", "direction")
CLAIM_KINDS = {
    "non_inferiority": ClaimKind(
        ("name", "kind", "small", "large", "margin"), ("statement", "formula", "level", "variable")
    ),
    "slope_difference": ClaimKind(("name", "kind", "term", "threshold"), _DIRECTED),
    "slope": ClaimKind(("name", "kind", "term", "threshold"), _DIRECTED),
    "contrast": ClaimKind(
        ("name", "kind", "model", "other", "threshold"), ("statement", "level", "direction")
    ),
}
_NUMBERS = ("small", "large", "margin", "threshold", "level")
#: What a claim says of its number: that it lies above the threshold, or below it.
DIRECTIONS = ("greater", "less")
_CONSTANTS = {"chance": (int, float), "source_language": (str,)}


def read_head(
    head: Mapping[str, Any], *, file: str, name: str
) -> tuple[StudyInfo, tuple[dict[str, Any], ...], dict[str, Any]]:
    """Split a parsed ``study.toml`` into description, claims and constants.

    Parameters
    ----------
    head : mapping
        The parsed file.
    file : str
        Its name for messages.
    name : str
        Name of the study where the file gives none.

    Returns
    -------
    info : StudyInfo
        The description.
    claims : tuple of dict
        The tables ``[[claims]]`` as they stand, checked.
    constants : dict
        `chance` and `source_language`, where given for the whole study.

    Raises
    ------
    DataError
        For an unknown key or a value of the wrong kind.
    """
    texts = {
        field.name: (bool,) if field.name == "synthetic" else (str,) for field in fields(StudyInfo)
    }
    known = {**texts, **_CONSTANTS, "claims": (list,)}
    for key, value in head.items():
        if key not in known:
            raise DataError(
                "the key is not known.",
                file=file,
                column=key,
                value=value,
                hint=f"the keys are {', '.join(known)}.{near(key, known)}",
            )
        if not isinstance(value, known[key]) or (key == "chance" and isinstance(value, bool)):
            kinds = " or ".join(_KIND_NAMES[kind] for kind in known[key][:1])
            raise DataError(
                f"the value should be {kinds}.",
                file=file,
                column=key,
                value=value,
                hint=f"write {kinds} after {key} =.",
            )
    info = StudyInfo(**{"name": name, **{k: head[k] for k in texts if k in head}})
    claims = check_claims(head.get("claims", []), file=file)
    return info, claims, {key: head[key] for key in _CONSTANTS if key in head}


_KIND_NAMES = {
    str: "text in double quotes",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list of tables [[claims]]",
}


def check_claims(claims: Sequence[Any], *, file: str = "claims") -> tuple[dict[str, Any], ...]:
    """Check registered claims key by key and return copies of them.

    Raises
    ------
    DataError
        For an unknown kind or key, a missing key, a value of the wrong kind or a repeated name.
    """
    seen: set[str] = set()
    for number, claim in enumerate(claims, start=1):
        if not isinstance(claim, Mapping):
            raise DataError(
                "a claim is a table.",
                file=file,
                value=claim,
                hint="head each claim with [[claims]].",
            )
        _check_claim(claim, f"claim {number}", file)
        name = str(claim["name"])
        if name in seen:
            raise DataError(
                "two claims have the same name.",
                file=file,
                column="name",
                value=name,
                hint="give each claim its own name.",
            )
        seen.add(name)
    return tuple(dict(claim) for claim in claims)


def _check_claim(claim: Mapping[str, Any], place: str, file: str) -> None:
    kind = claim.get("kind")
    if not isinstance(kind, str) or kind not in CLAIM_KINDS:
        raise DataError(
            f"{place} has no known kind.",
            file=file,
            column="kind",
            value=kind,
            hint=f"write one of {', '.join(CLAIM_KINDS)}.{near(str(kind), CLAIM_KINDS)}",
        )
    place = f"{place} ({claim.get('name', 'without a name')}, {kind})"
    spec = CLAIM_KINDS[kind]
    known = (*spec.required, *spec.optional)
    unknown = [key for key in claim if key not in known]
    if unknown:
        raise DataError(
            f"{place} has the unknown key{'s' if len(unknown) > 1 else ''} "
            f"{', '.join(map(repr, unknown))}.",
            file=file,
            column=unknown[0],
            value=claim[unknown[0]],
            hint=f"its keys are {', '.join(known)}.{near(unknown[0], known)}",
        )
    for key in spec.required:
        if key not in claim:
            raise DataError(
                f"{place} lacks the key {key!r}.",
                file=file,
                column=key,
                hint=f"write {key} = ... in it: claims are registered in full.",
            )
    for key, value in claim.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if key in ("small", "large") and "variable" in claim and isinstance(value, str):
            continue  # labels of groups
        if not (number if key in _NUMBERS else isinstance(value, str)):
            what = "a number" if key in _NUMBERS else "text in double quotes"
            raise DataError(
                f"{place}: the value of {key} should be {what}.",
                file=file,
                column=key,
                value=value,
                hint=f"write {key} = {what}.",
            )
    _check_ranges(claim, place, file)


def _check_ranges(claim: Mapping[str, Any], place: str, file: str) -> None:
    if not 0 < claim.get("level", 0.05) < 0.5:
        raise DataError(
            f"{place}: the level of a one-sided test lies between 0 and 0.5.",
            file=file,
            column="level",
            value=claim["level"],
            hint="write level = 0.05 for 5 %.",
        )
    if claim.get("direction", "greater") not in DIRECTIONS:
        raise DataError(
            f"{place}: a claim says that its number is greater or less than the threshold.",
            file=file,
            column="direction",
            value=claim["direction"],
            hint=f"write one of {', '.join(DIRECTIONS)}.",
        )
    if claim["kind"] != "non_inferiority":
        return
    if not 0 < claim["margin"] < 1:
        raise DataError(
            f"{place}: margin is a difference of accuracies, between 0 and 1.",
            file=file,
            column="margin",
            value=claim["margin"],
            hint="write margin = 0.05 for five points.",
        )
    if isinstance(claim["small"], str) != isinstance(claim["large"], str):
        raise DataError(
            f"{place}: small and large are two numbers, or two labels.",
            file=file,
            column="large",
            value=claim["large"],
            hint="give both in the same way.",
        )
    if isinstance(claim["small"], str):
        return
    if not claim["small"] < claim["large"]:
        raise DataError(
            f"{place}: small is not below large.",
            file=file,
            column="small",
            value=claim["small"],
            hint="exchange small and large.",
        )
    if "params" in claim.get("formula", "params") and claim["small"] < SMALLEST_SIZE:
        warnings.warn(
            f"{place}: small = {claim['small']:g} is no plausible number of parameters. "
            f"Billions? Then write {claim['small']:g}e9.",
            DegenerateDataWarning,
            stacklevel=4,
        )
