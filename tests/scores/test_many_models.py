"""Ranks and differences where models are many: fewer draws, and no table of all pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.errors import DataError


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> hs.HatScores:
    monkeypatch.setattr("hatstats.scores.ranks.MOST_COMPARED", 3)
    names = [f"m{k}" for k in range(6)]
    table = pd.DataFrame({"model": names, "estimate": np.linspace(0.2, 0.7, 6)})
    return hs.HatScores.from_frame(table, np.full(6, 4e-4))


def test_draws_fall_with_the_square_of_models(scores: hs.HatScores) -> None:
    table = scores.ranks(rng=1)
    assert (table["n_draws"] == 10_000 * 9 // 36).all()
    np.testing.assert_array_equal(table["rank"], np.arange(6, 0, -1))
    pd.testing.assert_frame_equal(table, scores.ranks(rng=1, n_draws=2_500))
    assert len(scores.ties(rng=1)) < 6


def test_a_table_of_too_many_differences_is_refused(scores: hs.HatScores) -> None:
    with pytest.raises(DataError, match=r"6 models or groups have 15 differences.*name 3 at most"):
        scores.pairs(rng=1)
    assert len(scores.pairs(["m0", "m1", "m2"], rng=1)) == 3
