"""What must hold on the studies that come with the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hatstats as hs
from hatstats.estimators.aggregate.profile import AggregateProfile

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def twenty() -> hs.Study:
    return hs.read_study(DATA / "euroeval")


def test_gemma_3_1b_sits_at_chance_and_is_weakly_identified(twenty: hs.Study) -> None:
    profile = hs.fit_profile(twenty.without_flagged())
    assert isinstance(profile, AggregateProfile)
    assert "Gemma-3-1B" in profile.weakly_identified
    scores = profile.hat("pooled")
    width = dict(zip(scores.models, np.diff(scores.limits(), axis=1)[:, 0], strict=True))
    # The other Gemma-3 models were run on as many items.
    peers = [width[name] for name in ("Gemma-3-4B", "Gemma-3-12B", "Gemma-3-27B")]
    assert width["Gemma-3-1B"] > 3 * max(peers)
    note = scores.overlap.set_index("model").loc["Gemma-3-1B", "note"]
    assert "near chance (0.25)" in str(note)


def test_a_guessing_model_hardly_moves_the_line(twenty: hs.Study) -> None:
    used = twenty.without_flagged()
    others = used.select(models=[name for name in used.model_names if name != "Gemma-3-1B"])
    with_it, without = hs.fit_profile(used), hs.fit_profile(others)
    assert isinstance(with_it, AggregateProfile)
    assert isinstance(without, AggregateProfile)
    error = abs(without.panel.path_errors()[0][0, 0])
    assert abs(with_it.panel.slopes() - without.panel.slopes()) < error


def test_flagged_cells_change_their_model_most(twenty: hs.Study) -> None:
    clean = hs.fit_profile(twenty.without_flagged()).hat("pooled")
    raw = hs.fit_profile(twenty).hat("pooled")
    moved = np.abs(clean.estimates - raw.estimates)
    assert clean.models[int(moved.argmax())] == "Gemini-2.5-Flash (thinking off)"


@pytest.mark.parametrize("name", ["euroeval", "mmlu_prox", "winogrande_african"])
@pytest.mark.slow
def test_own_reference_is_the_raw_target_accuracy(name: str) -> None:
    study = hs.read_study(DATA / name)
    method = "observed" if study.data_kind == "item" else "aggregate"
    cells = hs.fit_profile(study, method=method).hat("own").cells
    rows = study.counts[~study.is_source]
    raw = rows.groupby(["model", "language"])[["n_correct", "n_trials"]].sum()
    accuracy = raw["n_correct"] / raw["n_trials"]
    seen = cells.set_index(["model", "language"])["estimate"].reindex(accuracy.index)
    assert len(seen) > 30
    assert np.abs(seen - accuracy).max() < 1e-10


def test_ratio_and_gap_disagree_on_mmlu_prox_as_published() -> None:
    """The ratio puts o4-mini above GPT-4.1, the plain average the other way round."""
    study = hs.read_study(DATA / "mmlu_prox")
    table = hs.measures(study).set_index(["term", "model"])["estimate"]
    assert table["ratio", "o4-mini"] > table["ratio", "GPT-4.1"]
    raw = hs.fit_profile(study).hat("own")
    average = dict(zip(raw.models, raw.estimates, strict=True))
    assert average["o4-mini"] < average["GPT-4.1"]
