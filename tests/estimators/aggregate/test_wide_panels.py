"""Panels without full matrices: against the regression with them, and the memory they take."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.panel_regression import fit_panel, to_logits
from hatstats.estimators.methods import fit_profile
from hatstats.inference.reml.meta_regression import fit_reml
from hatstats.scores.counts import aggregate_counts
from tests.studies import panel_rows, study_of


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    benchmarks=st.integers(1, 2),
    missing=st.booleans(),
    families=st.booleans(),
    slope=st.sampled_from([None, 1.0]),
    bent=st.booleans(),
)
def test_panel_against_naive(
    seed: int, benchmarks: int, missing: bool, families: bool, slope: float | None, bent: bool
) -> None:
    rng = np.random.default_rng(seed)
    rows = []
    for name in ["quiz", "test"][:benchmarks]:
        eta = rng.normal(0.5, 1.0, 12).tolist()
        effects = rng.normal(0.0, 0.4, 12).tolist()
        each = panel_rows(eta, ["cs", "da", "fi"], rng=rng, effects=effects, benchmark=name)
        rows += [row for row in each if row[2] == "en" or not missing or rng.random() < 0.8]
    study = study_of(rows, chance=0.25)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # models without any cell are left out
        parts = [to_logits(aggregate_counts(study, name)) for name in study.benchmark_names]
    family_of = {name: f"family {int(name[-2:]) // 3}" for name in study.model_names}
    try:
        panel = fit_panel(parts, family_of=family_of if families else {}, slope=slope, bent=bent)
    except NotIdentifiedError:  # by chance, source accuracies hardly differ
        return
    found, dense = panel.fit, panel.fit.dense
    naive = fit_reml(dense.y, dense.X, dense.V, dense.codes)
    for name in ("params", "cov", "variance_components", "loglik"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(naive, name), rtol=1e-7, atol=1e-7, err_msg=name
        )
    np.testing.assert_allclose(np.diag(dense.V) - found.shared, panel.target_var, rtol=1e-12)
    same = (panel.model[:, None] == panel.model) & (panel.benchmark[:, None] == panel.benchmark)
    steep = np.array(
        [
            panel.path(b, np.array([x]), slopes=True)[0]
            for b, x in zip(panel.benchmark, panel.source, strict=True)
        ]
    )
    # What is left of the error of a source logit, by the slope that was settled.
    for fit, (b, models) in zip(panel.source_fit, enumerate(panel.source_models), strict=True):
        spread = float(fit.variance_components[0]) if slope is None else np.inf
        left = fit.variances / (1.0 + fit.variances / spread)
        of = dict(zip(models, left, strict=True))
        own = panel.benchmark == b
        expected = steep[own] ** 2 * np.array([of[name] for name in panel.model[own]])
        if not bent:
            np.testing.assert_allclose(found.shared[own], expected, rtol=0.11, atol=1e-9)
    assert not (dense.V - np.diag(np.diag(dense.V)))[~same].any()


def test_progress_rises_to_the_end_of_the_fit() -> None:
    rng = np.random.default_rng(8)
    study = study_of(panel_rows(rng.normal(size=12).tolist(), ["cs", "da"], rng=rng), chance=0.25)
    said: list[tuple[str, float]] = []
    fit_profile(study, method="aggregate", progress=lambda *given: said.append(given))
    shares = [share for _, share in said]
    assert shares == sorted(shares)
    assert (shares[0] > 0.0, shares[-1]) == (True, 1.0)
    assert said[0][0] == "a line between models, round 1"
    assert "a smooth path between models, round 1" in [what for what, _ in said]
    one: list[float] = []
    fit_profile(study, method="aggregate", slope=1.0, progress=lambda _, share: one.append(share))
    assert one == [0.5, 1.0]


WIDE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
import numpy as np, pandas as pd
import hatstats as hs
study = hs.Study.from_frame(pd.read_csv(sys.argv[2]), source="en", chance=0.25)
profile = hs.fit_profile(study, method="aggregate")
print(int(profile.glance()["n_cells"].iloc[0]), float(profile.glance()["slope"].iloc[0]))
"""


@pytest.mark.slow
def test_300_models_in_30_languages_take_little_memory(tmp_path: object) -> None:
    """Libraries alone have 1.5 GB of addresses; the matrices of 9,000 rows took 6 GB."""
    rng = np.random.default_rng(3)
    source = rng.normal(0.8, 1.0, 300)
    logits = 0.9 * source[:, None] + rng.normal(0.0, 0.5, 30) + rng.normal(0.0, 0.2, (300, 1))
    shares = 0.25 + 0.75 / (1.0 + np.exp(-np.column_stack([source, logits])))
    languages = ["en", *(f"q{a}{b}" for a in "abc" for b in "abcdefghij")]
    rows = pd.DataFrame(
        {
            "model": np.repeat([f"model {m:03d}" for m in range(300)], 31),
            "benchmark": "quiz",
            "language": np.tile(languages, 300),
            "n_correct": rng.binomial(1000, shares).ravel(),
            "n_trials": 1000,
        }
    )
    file = os.path.join(str(tmp_path), "rows.csv")
    rows.to_csv(file, index=False)
    run = subprocess.run(
        [sys.executable, "-c", WIDE, str(3_000_000_000), file],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    out = run.stdout.split()
    assert out[0] == "9000"
    assert float(out[1]) == pytest.approx(0.9, abs=0.03)
