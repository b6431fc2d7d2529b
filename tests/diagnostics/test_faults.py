"""Items that fail in one language: planted ones are found, others are not, and left out by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hatstats as hs

pytestmark = pytest.mark.filterwarnings("ignore:.*do not vary within any class")

CELL = ["benchmark", "language", "item"]
PLANTED = {("t01", "easy-1"), ("t03", "easy-2")}


def broken(seed: int) -> hs.Study:
    """Forty models, sixty items, three languages; two easy items wrong for all in one of them."""
    shape = hs.Shape(n_items=60, n_languages=3, n_trials=10, spread=0.8)
    study = hs.simulate_study(np.linspace(0.5, 2.0, 40), shape=shape, rng=seed)
    counts = study.counts.copy()
    easy = counts[counts["language"] == "src"].groupby("item")["n_correct"].mean().nlargest(2).index
    names = {easy[0]: "easy-1", easy[1]: "easy-2"}
    counts["item"] = counts["item"].map(lambda name: names.get(name, name)).astype("str")
    for language, item in PLANTED:
        rows = (counts["language"] == language) & (counts["item"] == item)
        counts.loc[rows, "n_correct"] = 0.0
    return replace(study, counts=counts)


def test_planted_faults_are_found_and_no_others() -> None:
    found = hs.item_faults(broken(1))
    assert set(zip(found["language"], found["item"], strict=True)) == PLANTED
    assert (found["target"] == 0.0).all()
    assert (found["source"] >= 0.6).all()
    assert (found["p_adjusted"] < 0.05).all()


def test_means_are_those_of_a_loop() -> None:
    study = broken(1)
    row = hs.item_faults(study, most=1.0).iloc[0]
    rows = study.counts[study.counts["item"] == row["item"]]
    for side, language in (("source", "src"), ("target", row["language"])):
        part = rows[rows["language"] == language]
        assert row[side] == pytest.approx((part["n_correct"] / part["n_trials"]).mean())


def test_items_are_left_out_in_that_language_alone() -> None:
    study = broken(1)
    faults = hs.item_faults(study)
    less = hs.without_items(study, faults)
    gone = study.counts.merge(less.counts[[*CELL, "model"]], how="left", indicator=True)
    gone = gone[gone["_merge"] == "left_only"]
    assert set(zip(gone["language"], gone["item"], strict=True)) == PLANTED
    assert len(gone) == 2 * 40
    assert "2 items in single languages" in less.info.notes
    assert hs.without_items(study, faults.head(0)) is study


def test_bad_input() -> None:
    study = broken(1)
    with pytest.raises(hs.DataError, match=r"'most', value 2"):
        hs.item_faults(study, most=2)
    cells = pd.DataFrame({"benchmark": ["x"], "language": ["t01"], "item": ["none"]})
    with pytest.raises(hs.DataError, match="the study has no such item"):
        hs.without_items(study, cells)
    with pytest.raises(hs.DataError, match="item_faults takes a study"):
        hs.item_faults("data")  # type: ignore[arg-type]
