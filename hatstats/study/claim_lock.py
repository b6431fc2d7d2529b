"""Claims written down before looking: their hash, their lock, and what was changed since.

``claims.lock`` in the study folder holds a copy of the claims, their hash and the day of the lock.
A claim that stands there as it stands now is *confirmatory*. One that was changed, or added later,
is *exploratory*, and the change is reported as a deviation; it is evaluated all the same. Without a
lock nothing shows what was known when the claims were written: all are exploratory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from hatstats.errors import DataError
from hatstats.inference.result_frame import Printed
from hatstats.study.claims import check_claims
from hatstats.study.files import read_toml, toml_text
from hatstats.study.outputs import whole_output
from hatstats.study.read import as_study
from hatstats.study.study import Study

Status = Literal["confirmatory", "exploratory"]
LOCK = "claims.lock"

Claims = Sequence[Mapping[str, Any]]


def claims_hash(claims: Claims) -> str:
    """SHA-256 of the claims' content: order of keys, spacing and comments do not matter."""
    plain = [{key: _plain(value) for key, value in claim.items()} for claim in claims]
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _plain(value: Any) -> Any:
    """Turn numbers into floats, so that 1 and 1.0 are one value."""
    return float(value) if isinstance(value, int | float) else value


@dataclass(frozen=True, slots=True, repr=False)
class Registration(Printed):
    """When claims were registered, and whether they have changed since.

    `hash` is that of the current claims; `locked_hash` and `locked_on` (the day) are empty without
    a lock. `status` says for each claim by name whether it is confirmatory or exploratory, and
    `deviations` has a sentence on each claim changed, added or dropped since.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.registration(hs.simulate_study([0.0], rng=1)).deviations
    ()
    """

    hash: str
    locked_hash: str
    locked_on: str
    status: Mapping[str, Status]
    deviations: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """Say it in plain sentences, one a line."""
        head = f"Claims (fingerprint {self.hash[:12]})"
        if not self.locked_on:
            return (f"{head}, not locked: exploratory.",)
        kept = "as locked" if not self.deviations else f"locked as {self.locked_hash[:12]}"
        return (
            f"{head}, {kept} on {self.locked_on}.",
            *(f"Deviation: {text}" for text in self.deviations),
        )

    def summary(self) -> str:
        """The same, and the status of each claim."""
        claims = [f"- {name}: {status}" for name, status in self.status.items()]
        return "\n".join([*self.lines(), *claims])


def register(claims: Claims, lock: Mapping[str, Any] | None = None) -> Registration:
    """Compare claims with what was locked (see `read_lock`); without a lock all are exploratory."""
    current = {str(claim["name"]): claim for claim in claims}
    status: dict[str, Status] = dict.fromkeys(current, "exploratory")
    if lock is None:
        return Registration(claims_hash(claims), "", "", status, ())
    locked = {str(claim["name"]): claim for claim in lock["claims"]}
    deviations = []
    for name, claim in current.items():
        if name not in locked:
            deviations.append(f"{name} was added after the lock.")
        elif changes := _changes(locked[name], claim):
            deviations.append(f"{name}: {'; '.join(changes)}.")
        else:
            status[name] = "confirmatory"
    deviations += [
        f"{name} was locked and is no longer asked." for name in locked if name not in current
    ]
    return Registration(
        claims_hash(claims), str(lock["hash"]), str(lock["locked_on"]), status, tuple(deviations)
    )


def _changes(locked: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Keys of a claim that differ, with old and new value; the wording of a statement too."""
    found = []
    for key in dict.fromkeys([*locked, *current]):
        old, new = locked.get(key), current.get(key)
        if _plain(old) != _plain(new):
            words = [repr(value) if value is not None else "nothing" for value in (old, new)]
            found.append(f"{key} was {words[0]} and is {words[1]}")
    return found


def read_lock(file: Path) -> dict[str, Any]:
    """Read a lock file; an error if it lacks a key or its hash is not that of its claims."""
    content = read_toml(file)
    for key in ("hash", "locked_on", "claims"):
        if key not in content:
            raise DataError(
                "the lock lacks a key.", file=file, column=key, hint="lock the claims again."
            )
    claims = check_claims(content["claims"], file=str(file))
    if claims_hash(claims) != content["hash"]:
        text = "the lock was edited by hand: its hash is not that of its claims."
        hint = "bring back the lock as it was written, or lock the claims again and say so."
        raise DataError(text, file=file, column="hash", value=content["hash"], hint=hint)
    return {**content, "claims": claims}


def registration(study: Study) -> Registration:
    """Registration of a study's claims, with the lock in its folder if there is one.

    Parameters
    ----------
    study : Study

    Returns
    -------
    Registration
        For `evaluate_claims`; without a lock all claims are exploratory.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.registration(hs.simulate_study([0.0], rng=1)).lines()
    ('Claims (fingerprint 4f53cda18c2b), not locked: exploratory.',)
    """
    study = as_study(study, "registration")
    file = study.files[0].parent / LOCK if study.files else None
    if file is None or not file.exists():
        return register(study.claims)
    return register(study.claims, read_lock(file))


def lock_claims(study: Study, *, today: date | None = None) -> Path:
    """Write ``claims.lock`` into the study's folder, before the data are looked at.

    Parameters
    ----------
    study : Study
        Read from a folder, with claims.
    today : date, optional
        Day of the lock.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        Without a folder or claims, or if they are locked already.

    Examples
    --------
    >>> import tempfile
    >>> import hatstats as hs
    >>> made = hs.simulate_study([0.0, 1.0], rng=1)
    >>> claim = {"name": "two", "kind": "contrast", "model": "model-02", "other": "model-01"}
    >>> claims = ({**claim, "threshold": 0.0},)
    >>> study = hs.Study(made.counts, made.models, made.benchmarks, info=made.info, claims=claims)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = study.write(folder)
    ...     saved = hs.read_study(folder)
    ...     print(hs.lock_claims(saved).name, dict(hs.registration(saved).status))
    claims.lock {'two': 'confirmatory'}
    """
    study = as_study(study, "lock_claims")
    if not study.files or not (study.files[0].parent / "models.csv").exists():
        raise DataError(
            "only claims of a study folder can be locked.",
            hint="write the study as a folder first: study.write(folder).",
        )
    file = study.files[0].parent / LOCK
    if not study.claims:
        raise DataError(
            "there are no claims to lock.", file=file, hint="write [[claims]] in study.toml."
        )
    if file.exists():
        hint = "leave the lock as it is: changes since are reported as deviations."
        raise DataError("the claims are locked already.", file=file, hint=hint)
    day = (today or date.today()).isoformat()
    head = {"hash": claims_hash(study.claims), "locked_on": day}
    text = toml_text(head, {"claims": study.claims})
    with whole_output(file, lambda _: None, name="the lock", folder=False) as new:
        new.write_text(text, encoding="utf-8", newline="\n")
    return file
