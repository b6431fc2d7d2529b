"""A model that always gives one option knows nothing, however alike its answers are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import hatstats as hs


@pytest.fixture(scope="module")
def scores() -> hs.HatScores:
    rng, items, rows = np.random.default_rng(0), 300, []
    names = [f"i{i}" for i in range(items)]
    hardness, option = rng.normal(size=items), rng.integers(0, 2, items)
    for m, ability in enumerate((0.5, 1.5, 2.5)):
        eta = ability + hardness
        for place, language in enumerate(("en", "aa", "bb", "cc")):
            logit = -0.5 + 0.8 * eta + 0.7 * rng.normal(size=items) if place else eta
            right = (rng.random(items) < expit(logit)) | (rng.random(items) < 0.5)
            rows.append(pd.DataFrame({"item": names, "n_correct": right.astype(float)}))
            rows[-1] = rows[-1].assign(model=f"real-{m}", language=language)
    for language in ("en", "aa", "bb", "cc"):
        rows.append(pd.DataFrame({"item": names, "n_correct": (option == 0).astype(float)}))
        rows[-1] = rows[-1].assign(model="always-one", language=language)
    frame = pd.concat(rows, ignore_index=True)
    study = hs.Study(frame.assign(benchmark="q", n_trials=1, source_language="en", chance=0.5))
    with pytest.warns(hs.DegenerateDataWarning):
        return hs.fit_profile(study).hat()


def test_it_is_named_and_set_aside(scores: hs.HatScores) -> None:
    assert "always-one" in scores.weakly_identified
    assert "always-one on q: its source accuracy" in scores.summary().replace("\n  ", " ")
    contrast = str(scores.contrast("always-one", "real-1")).replace("\n  ", " ")
    assert "shows no knowledge" in contrast


def test_a_model_above_chance_is_not_named(scores: hs.HatScores) -> None:
    notes = scores.overlap.set_index("model")["note"]
    assert not notes.drop("always-one").str.contains("guessing").any()
