"""Files of scores of earlier versions, which held more, and damaged files of this one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hatstats as hs
from hatstats.errors import DataError
from tests.studies import panel_rows, study_of


def of_version_1(scores: hs.HatScores, path: Path) -> dict[str, object]:
    """The file as version 1 wrote it."""
    scores.save(path)
    facts: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    errors = facts.pop("cell_errors")
    assert isinstance(errors, list)
    for name, old in (("influence", "cell_influence"), ("moves", "cell_wordings")):
        parts = [each[name] for each in errors]
        facts[old] = None if None in parts else parts
    cov = np.where(np.isnan(scores.cells_cov), None, scores.cells_cov)
    return {**facts, "schema_version": 1, "cells_cov": cov.tolist()}


def studies() -> dict[str, hs.HatScores]:
    rng = np.random.default_rng(1)
    items = hs.simulate_study([0.0, 0.5, 1.0], shape=hs.Shape(40, 2, n_trials=3), rng=1)
    means = study_of(panel_rows([-0.5, 0.2, 0.9, 1.5], ["de", "sw", "yo"], rng=rng), chance=0.25)
    return {
        "items": hs.fit_profile(items, method="observed").hat(),
        "joint": hs.fit_profile(items, method="joint").hat("uniform"),
        "means": hs.fit_profile(means, method="aggregate").hat(),
    }


def test_files_of_version_1_are_read_as_before(tmp_path: Path) -> None:
    for name, scores in studies().items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(of_version_1(scores, path)), encoding="utf-8")
        again = hs.HatScores.load(path)
        scale = np.abs(scores.cells_cov).max()
        assert np.abs(again.cells_cov - scores.cells_cov).max() <= 1e-12 * scale
        first, second = (s.by("language").tidy() for s in (scores, again))
        np.testing.assert_allclose(first["std_error"], second["std_error"], rtol=1e-9)
        np.testing.assert_allclose(first["df"], second["df"], rtol=1e-9)
        # What items account for is not counted twice.
        if name == "items":
            assert again.cell_errors[0].rows is None


def test_files_of_version_2_are_read_as_before(tmp_path: Path) -> None:
    """They held `covariance` beside the covariance that it is a block of, whole."""
    for name, scores in studies().items():
        path = tmp_path / f"{name}.json"
        scores.save(path)
        facts = json.loads(path.read_text(encoding="utf-8"))
        assert "covariance" not in facts
        facts |= {"schema_version": 2, "covariance": scores.covariance.tolist()}
        path.write_text(json.dumps(facts), encoding="utf-8")
        again = hs.HatScores.load(path)
        np.testing.assert_array_equal(again.covariance, scores.covariance)
        np.testing.assert_array_equal(again.cells_cov, scores.cells_cov)


def test_a_covariance_that_is_no_block_of_another_is_kept(tmp_path: Path) -> None:
    scores = studies()["means"]
    scores = replace(scores, covariance=2.0 * scores.covariance)
    scores.save(tmp_path / "scores.json")
    again = hs.HatScores.load(tmp_path / "scores.json")
    np.testing.assert_array_equal(again.covariance, scores.covariance)


def test_long_arrays_are_bytes_and_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hatstats.scores.saved._PACKED", 3)
    for name, scores in studies().items():
        path = tmp_path / f"{name}.json"
        scores.save(path)
        text = path.read_text(encoding="utf-8")
        assert '"float64": "' in text
        assert '"upper": "' in text.partition('"joint_cov"')[2].partition("}")[0]
        again = hs.HatScores.load(path)
        np.testing.assert_array_equal(again.joint_cov, scores.joint_cov)
        np.testing.assert_array_equal(again.covariance, scores.covariance)
        np.testing.assert_array_equal(again.cells_cov, scores.cells_cov)
        np.testing.assert_array_equal(again.source, scores.source)
        for odd in ('"shape": [1, 1], ', '"shape": [-1], '):
            start = text.index('"shape": ')
            end = text.index('"float64"', start)
            path.write_text(text[:start] + odd + text[end:], encoding="utf-8")
            with pytest.raises(DataError, match="not a whole file of scores"):
                hs.HatScores.load(path)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("indices", [10**6] * 4),
        ("indptr", [0, 1]),
        ("shape", [-4, 12]),
        ("data", ["x"]),
    ],
)
def test_errors_that_were_damaged(part: str, value: list[object], tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    studies()["means"].save(path)
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts["cell_errors"][0]["rows"][part] = value
    path.write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(DataError, match="not a whole file of scores"):
        hs.HatScores.load(path)
