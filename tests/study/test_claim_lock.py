"""Hash, lock and deviations of registered claims."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hatstats.errors import DataError
from hatstats.study.claim_lock import claims_hash, lock_claims, register, registration
from hatstats.study.read import read_study
from hatstats.study.study import Study

CLAIM = {"name": "up", "kind": "slope", "term": "release_year", "threshold": 0, "statement": "Up."}
OTHER = {"name": "big", "kind": "slope", "term": "params_total", "threshold": 0.1}


def study_folder(folder: Path, *claims: dict[str, Any]) -> Study:
    counts = pd.DataFrame(
        {
            "model": ["a", "a"],
            "benchmark": "b",
            "language": ["en", "de"],
            "item": "",
            "n_correct": [5.0, 4.0],
            "n_trials": 10.0,
        }
    )
    models = pd.DataFrame({"model": ["a"], "family": ["f"]}).assign(
        release_date=pd.NaT, params_total=float("nan"), params_active=float("nan")
    )
    benchmarks = pd.DataFrame({"benchmark": ["b"], "source_language": "en", "chance": 0.0})
    Study(counts, models, benchmarks, claims=claims).write(folder)
    return read_study(folder)


def test_hash_is_of_the_content() -> None:
    reordered = dict(reversed(CLAIM.items()))
    assert (
        claims_hash([CLAIM])
        == claims_hash([reordered])
        == claims_hash([{**CLAIM, "threshold": 0.0}])
    )
    assert len(claims_hash([])) == 64
    others = [
        [{**CLAIM, "threshold": 0.01}],
        [CLAIM, OTHER],
        [{**CLAIM, "statement": "Upwards."}],
        [OTHER, CLAIM],
    ]
    assert len({claims_hash(claims) for claims in [[CLAIM], *others]}) == 5


def test_a_lock_makes_claims_confirmatory_and_reports_changes(tmp_path: Path) -> None:
    study = study_folder(tmp_path / "s", CLAIM, OTHER)
    before = registration(study)
    assert set(before.status.values()) == {"exploratory"}
    assert "not locked: exploratory" in before.lines()[0]
    file = lock_claims(study, today=date(2026, 1, 2))
    assert file == tmp_path / "s" / "claims.lock"
    kept = registration(read_study(tmp_path / "s"))
    assert kept.status == {"up": "confirmatory", "big": "confirmatory"}
    shown = f"Claims (fingerprint {claims_hash(study.claims)[:12]}), as locked on 2026-01-02."
    assert kept.lines() == (shown,)

    new = {**CLAIM, "name": "new"}
    changed = study_folder(tmp_path / "s", {**CLAIM, "threshold": 0.02, "level": 0.1}, new)
    found = registration(changed)
    assert found.status == {"up": "exploratory", "new": "exploratory"}
    assert found.deviations == (
        "up: threshold was 0 and is 0.02; level was nothing and is 0.1.",
        "new was added after the lock.",
        "big was locked and is no longer asked.",
    )
    assert found.hash != found.locked_hash == kept.hash
    assert repr(found).splitlines() == [*found.lines(), "- up: exploratory", "- new: exploratory"]


def test_locks_bad_input(tmp_path: Path) -> None:
    study = study_folder(tmp_path / "s", CLAIM)
    file = lock_claims(study)
    with pytest.raises(DataError, match=r"claims\.lock.*locked already"):
        lock_claims(study)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("threshold = 0", "threshold = 1"), encoding="utf-8")
    with pytest.raises(DataError, match="edited by hand"):
        registration(study)
    file.write_text(text.replace("locked_on", "locked"), encoding="utf-8")
    with pytest.raises(DataError, match=r"lacks a key"):
        registration(study)
    with pytest.raises(DataError, match="no claims to lock"):
        lock_claims(study_folder(tmp_path / "none"))
    with pytest.raises(DataError, match="only claims of a study folder"):
        lock_claims(Study(study.counts, study.models, study.benchmarks, claims=(CLAIM,)))


def test_without_a_lock_every_claim_is_exploratory() -> None:
    found = register([CLAIM, OTHER])
    assert found.status == {"up": "exploratory", "big": "exploratory"}
    assert found.deviations == ()
