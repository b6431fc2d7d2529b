"""What a panel says of its residual and of profiles that are no lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hatstats.estimators.panel import checks
from hatstats.estimators.panel.fit import fit_panel
from hatstats.estimators.panel.options import PanelOptions
from hatstats.scores.benchmark_fit import BenchmarkFit
from tests.estimators.panel.panels import panel_counts

pytestmark = pytest.mark.filterwarnings("ignore:.*hardly go with the hardness")


def fitted(trials: int, sigma: float | None = None, *, shuffle: bool = False) -> BenchmarkFit:
    counts = panel_counts(300 if shuffle else 100, trials, seed=4, n_languages=4 if shuffle else 2)
    if shuffle:
        correct = np.random.default_rng(1).permuted(counts.source_correct, axis=1)
        counts = replace(counts, source_correct=correct)
    return fit_panel(counts, PanelOptions(sigma))


@pytest.mark.parametrize(
    ("trials", "sigma", "shuffle", "origin"),
    [
        (3, 0.9, False, "as given"),
        (3, None, False, "by their trials"),
        (1, None, False, "by the target languages"),
        pytest.param(1, None, True, "which is assumed", marks=pytest.mark.slow),
    ],
)
def test_where_the_residual_comes_from_is_said(
    trials: int, sigma: float | None, shuffle: bool, origin: str
) -> None:
    fit = fitted(trials, sigma, shuffle=shuffle)
    sigma = checks.panel_of(fit).sources.sigma
    start = f"Items of simulated vary about the panel's hardness by {sigma:.2f} logits, {origin}."
    assert checks.panel_words(fit).startswith(start)


def test_scores_that_a_bend_would_move_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fitted(3, 0.9)
    monkeypatch.setattr(checks, "_MOST", 1.0)
    monkeypatch.setattr(checks, "_ERRORS", np.inf)
    assert "bend" not in checks.panel_words(fit)
    bent = checks.bent_profiles(fit)
    found, moves = [], []
    for reference in ("pooled", "uniform"):
        line, _, with_bend = checks.line_and_bend(fit, reference, bent)
        moves.append(np.abs(line - with_bend))
        m = int(moves[-1].argmax())
        found.append(
            f"{{}} of 8 scores under {reference}, most {fit.counts.models[m]} "
            f"({line[m]:.3f}, {with_bend[m]:.3f} with the bend)"
        )
    least = float(np.sort(np.concatenate(moves))[8])
    monkeypatch.setattr(checks, "_MOST", least)
    said = " and ".join(
        words.format((moved > least).sum()) for words, moved in zip(found, moves, strict=True)
    )
    assert min((moved > least).sum() for moved in moves) >= 1
    assert checks.panel_words(fit).endswith(
        " Profiles may be no lines: a bend in common would move by more than two standard errors "
        f"or {least:g} {said}."
    )


def test_lines_are_scored_as_the_fit_scores_them() -> None:
    """Means over languages and their standard errors, against those of the fit's cells."""
    fit = fitted(3, 0.9)
    cells = fit.scores("uniform")
    line, error, _ = checks.line_and_bend(fit, "uniform", checks.bent_profiles(fit))
    np.testing.assert_allclose(line, cells.estimate.mean(axis=1))
    items = cells.influence.mean(axis=2)
    np.testing.assert_allclose(error, np.sqrt((items**2).sum(axis=0) * 100 / 99))
