"""Errors of scores of a line against the whole covariance, by the formula written out in arrays."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, special

from hatstats.errors import DataError
from hatstats.estimators.aggregate.line_adjustment import line_scores, reference_nodes
from hatstats.estimators.aggregate.profile import AggregateProfile, fit_aggregate
from tests.studies import panel_rows, study_of

LANGUAGES = ["de", "sw", "yo"]
REFERENCES = ["pooled", "own", "uniform", "model:model-02", [0.4, 0.7]]


def dense(
    profile: AggregateProfile, reference: object, correlation: float
) -> tuple[np.ndarray, np.ndarray]:
    """HAT (M, L) and the covariance of cells and source accuracies with all matrices whole."""
    logits, panel = profile.parts[0], profile.panel
    chance, (count, languages) = logits.counts.chance, logits.target.shape
    size = count * languages
    intercepts = panel.intercepts(0, languages)
    scatter = list(panel.components.values())[-1]
    target, extra = logits.target.copy(), np.zeros((count, languages))
    fill = np.zeros((count, languages, languages))
    for m in range(count):
        seen = ~np.isnan(logits.target[m])
        fill[m, seen, seen] = 1.0
        fill[m][np.ix_(~seen, seen)] = 1.0 / seen.sum()
        mean = np.mean(logits.target[m, seen] - intercepts[seen])
        target[m, ~seen] = intercepts[~seen] + mean
        extra[m, ~seen] = scatter * (1.0 + 1.0 / seen.sum())
    nodes, mixing, estimated = reference_nodes(reference, logits.counts, logits.source)
    distance = panel.path_basis(0, nodes) - panel.path_basis(0, logits.source)[:, None]
    gain = panel.path(0, nodes) - panel.path(0, logits.source)[:, None]
    q = special.expit(target[:, :, None] + gain[:, None, :])
    weights = mixing[:, None, :]
    estimate = chance + (1.0 - chance) * (weights * q).sum(axis=2)
    if reference == "own":
        asked = logits.counts.target_trials > 0
        estimate[asked] = logits.counts.target_accuracy[asked]
    slope = (1.0 - chance) * weights * q * (1.0 - q)
    by_target = slope.sum(axis=2)
    own = panel.path(0, logits.source, slopes=True)
    gradient = np.zeros((size + count, count + size + distance.shape[-1]))
    rows = np.arange(size)
    gradient[rows, np.repeat(np.arange(count), languages)] = -(own[:, None] * by_target).ravel()
    if estimated:
        gradient[:size, :count] += own * slope.reshape(size, count)
    for m in range(count):
        cells = slice(m * languages, (m + 1) * languages)
        observed = slice(count + m * languages, count + (m + 1) * languages)
        gradient[cells, observed] = by_target[m][:, None] * fill[m]
    by_path = np.einsum("mlr,mrk->mlk", slope, distance)
    gradient[:size, count + size :] = by_path.reshape(size, -1)
    accuracy, trials = logits.counts.source_accuracy, logits.counts.source_trials
    gradient[size + np.arange(count), np.arange(count)] = np.sqrt(
        accuracy * (1.0 - accuracy) / trials / logits.source_var
    )
    sd = np.sqrt(np.r_[logits.source_var, np.nan_to_num(logits.target_var).ravel()])
    group = np.r_[np.full(count, -1), np.tile(np.arange(languages), count)]
    link = np.where(group[:, None] == group, correlation, 0.0)
    np.fill_diagonal(link, 1.0)
    path = panel.path_columns(0)
    errors = linalg.block_diag(link * np.outer(sd, sd), panel.fit.cov[np.ix_(path, path)])
    cov = gradient @ errors @ gradient.T
    cov[rows, rows] += (by_target**2 * extra).ravel()
    return estimate, cov


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(REFERENCES),
    st.sampled_from([0.0, 0.5]),
    st.booleans(),
    st.sampled_from([None, ["sw"], ["de", "yo"]]),
)
def test_errors_equal_the_whole_covariance(
    seed: int, reference: object, correlation: float, missing: bool, chosen: list[str] | None
) -> None:
    rng = np.random.default_rng(seed)
    rows = panel_rows(rng.normal(0.6, 0.9, 6), LANGUAGES, rng=rng, trials=400)
    if missing:
        gone = {("model-01", "sw"), ("model-04", "yo"), ("model-04", "de")}
        rows = [row for row in rows if (row[0], row[2]) not in gone]
    profile = fit_aggregate(study_of(rows, chance=0.25), slope=0.9, correlation=correlation)
    estimate, cov = dense(profile, reference, correlation)
    found, errors = line_scores(profile.parts[0], profile.panel, 0, reference, correlation)
    np.testing.assert_allclose(found, estimate, rtol=1e-12)
    scale = np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    assert np.abs(errors.matrix() - cov).max() <= 1e-12 * scale.max()
    scores = profile.hat(reference, languages=chosen)
    used = np.flatnonzero(np.isin(np.tile(LANGUAGES, 6), chosen or LANGUAGES))
    cells = cov[np.ix_(used, used)]
    np.testing.assert_allclose(scores.cells["std_error"] ** 2, np.diag(cells), rtol=1e-10)
    mean = np.kron(np.eye(6), np.full((1, used.size // 6), 6 / used.size))
    whole = linalg.block_diag(mean, np.eye(6))
    keep = np.r_[used, 18 + np.arange(6)]
    joint = whole @ cov[np.ix_(keep, keep)] @ whole.T
    np.testing.assert_allclose(scores.joint_cov, joint, rtol=1e-9, atol=1e-12 * scale.max())


# Scores of 300 models in 30 languages along the line of twelve of them.
WIDE = """
from dataclasses import replace
import numpy as np
import hatstats as hs
from hatstats.estimators.aggregate.panel_regression import to_logits
from hatstats.estimators.aggregate.profile import fit_aggregate
from hatstats.scores.counts import aggregate_counts
from tests.studies import panel_rows, study_of

rng = np.random.default_rng(1)
names = [f"l{k:02d}" for k in range(30)]
rows = panel_rows(rng.normal(0.6, 0.9, 300), names, rng=rng, effects=rng.normal(0, 0.3, 300))
few = {f"model-{m:02d}" for m in range(12)}
profile = fit_aggregate(study_of([row for row in rows if row[0] in few], chance=0.25), slope=0.8)
study = study_of(rows, chance=0.25)
wide = replace(profile, study=study, parts=(to_logits(aggregate_counts(study, "quiz")),))
scores = wide.hat()
assert len(scores.cells) == 9000 and scores.tidy_cells()["std_error"].gt(0).all()
assert scores.contrast("model-03", "model-05", languages=["l03", "l07"]).std_error > 0
assert len(scores.by("language").against_mean(rng=1)) == 30
scores.save("scores.json")
again = hs.HatScores.load("scores.json")
assert (again.joint_cov == scores.joint_cov).all()
assert np.allclose(again.cell_errors[0].variance, scores.cell_errors[0].variance, rtol=1e-14)
# The largest since this program began; that of getrusage counts the process that started it, too.
status = open("/proc/self/status").read()
print(status.split("VmHWM:")[1].split()[0])
"""


@pytest.mark.slow
def test_scores_of_many_cells_need_less_than_a_gigabyte(tmp_path: Path) -> None:
    """With their whole covariance, and the errors that it is made from, they took 6 GB."""
    found = subprocess.run(
        [sys.executable, "-c", WIDE],
        capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert float(found.stdout) < 1e6  # kB


def test_the_whole_covariance_of_too_many_cells_is_refused() -> None:
    rng = np.random.default_rng(1)
    rows = panel_rows(rng.normal(0.6, 0.9, 4), LANGUAGES, rng=rng)
    scores = fit_aggregate(study_of(rows, chance=0.25), slope=1.0).hat()
    assert scores.cells_cov.shape == (12, 12)
    many = replace(scores, cells=pd.concat([scores.cells] * 2000, ignore_index=True))
    with pytest.raises(DataError, match=r"24000 cells would take 14 GB.*languages"):
        many.cells_cov  # noqa: B018
