"""Real items from one of their twenty answers: what `make calibrate` prints for ten draws each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hatstats as hs
from hatstats.calibration.thinned import thinned_scores, thinned_study

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.filterwarnings("ignore::hatstats.errors.DegenerateDataWarning")
@pytest.mark.slow
def test_one_answer_per_item_says_what_twenty_say() -> None:
    """One draw of 44 models on 100 items; `joint` has a correlation of .73 over draws."""
    study = hs.read_study(DATA / "gsm_symbolic").without_flagged()
    (row,) = thinned_scores(study, trials=[1], methods=["panel"], n_draws=1, rng=1).itertuples()
    assert row.correlation > 0.85
    assert row.rmse < 0.08
    # One draw's slope on source accuracy varies by .1; over ten draws its mean is within .08.
    assert abs(row.slope) < 0.2
    assert row.covered > 0.9


def test_thinning_draws_without_replacement() -> None:
    study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(200, 2, 10), rng=1)
    rng = np.random.default_rng(2)
    drawn = thinned_study(study, 4, rng)
    right, trials = (drawn.counts[name].to_numpy() for name in ("n_correct", "n_trials"))
    assert (trials == 4).all()
    whole = study.counts["n_correct"].to_numpy()
    assert (right <= whole).all()
    assert (4 - right <= 10 - whole).all()
    assert right.mean() / 4 == pytest.approx(whole.mean() / 10, abs=0.02)
    np.testing.assert_array_equal(thinned_study(study, 99, rng).counts["n_correct"], whole)
