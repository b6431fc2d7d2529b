"""What weakens a panel: models that know nothing, profiles that are no lines, the residual."""

from __future__ import annotations

import numpy as np
from scipy import special

from hatstats.estimators.panel.bend import bent_curves, common_bend
from hatstats.estimators.panel.profile import END, PanelModel
from hatstats.estimators.panel.stages import Panel
from hatstats.inference.arrays import Bools, Floats
from hatstats.inference.influence import cluster_sums, covariance_of_sums
from hatstats.inference.tidy import standard_errors
from hatstats.scores.benchmark_fit import BenchmarkFit

# z of a slope on the panel's hardness below which a model may know nothing, where the slope is
# also that far below the panel's: with few items any slope may be none.
_NO_SLOPE, _BELOW_PANEL = 2.7, -1.645
# A model knows nothing if its slope is also not above 0 (one-sided test at .05), and this share of
# the pooled source accuracies lies outside those at which the panel locates its items: of random
# models .64 to .99, of real ones in `gsm_symbolic` up to .77, nearly all with a slope.
_UNKNOWING, _OUTSIDE, _TAIL = 1.645, 0.6, 0.01
#: Differences of a score with and without a common bend that are named, in errors and absolute.
_ERRORS, _MOST = 2.0, 0.05


def panel_of(fit: BenchmarkFit) -> Panel:
    """The stages that all models of a fit by `panel` share."""
    model = fit.models[0]
    assert isinstance(model, PanelModel)
    return model.panel


def slopes_near_zero(panel: Panel) -> tuple[Bools, Floats]:
    """Which models' source answers hardly go with the panel's hardness (M,), and z of all."""
    slopes = panel.sources.slopes
    z = slopes.values / np.sqrt(slopes.errors)
    below = (slopes.values - slopes.mean) / np.sqrt(slopes.errors + slopes.variance)
    return (z < _NO_SLOPE) & (below < _BELOW_PANEL), z


def knowing_nothing(fit: BenchmarkFit) -> Bools:
    """Which models (M,) answer as if they knew nothing: without a slope, and all items alike."""
    panel = panel_of(fit)
    chance = panel.sources.data.chance
    pooled = fit.distributions.mean(axis=0)
    outside = np.empty(len(fit.models))
    for m, (eta, weight) in enumerate(
        zip(panel.sources.eta, panel.sources.data.weights, strict=True)
    ):
        low, high = np.quantile(eta[weight > 0], [_TAIL, 1.0 - _TAIL])
        x = chance + (1.0 - chance) * special.expit([low, high])
        outside[m] = pooled[(fit.support < x[0]) | (fit.support > x[1])].sum()
    near_zero, z = slopes_near_zero(panel)
    return near_zero & (z < _UNKNOWING) & (outside > _OUTSIDE)


def bent_profiles(fit: BenchmarkFit) -> Floats:
    """Profiles of the models' means over languages (M, Q) with a bend in common."""
    panel = panel_of(fit)
    data = panel.conditional(np.arange(len(fit.models)))
    theta, bends = common_bend(data, panel.lines, panel.slopes)
    chance = data.chance
    share = (fit.support - chance) / (1.0 - chance)
    z = special.logit(np.clip(share, special.expit(-END), special.expit(END)))
    return bent_curves(theta, bends, z, chance)


def line_and_bend(fit: BenchmarkFit, reference: str, bent: Floats) -> tuple[Floats, Floats, Floats]:
    """HAT by lines, its standard error, and HAT by the profiles `bent` (M, Q), (M,) each."""
    scores = fit.scores(reference)
    asked = ~np.isnan(scores.estimate)
    share = asked / np.maximum(asked.sum(axis=1, keepdims=True), 1)
    estimate = (np.nan_to_num(scores.estimate) * share).sum(axis=1)
    influence = (np.nan_to_num(scores.influence) * share).sum(axis=2)
    errors = standard_errors(covariance_of_sums(cluster_sums(influence, fit.counts.clusters)))
    return estimate, errors, (bent * fit.reference_weights(reference)).sum(axis=1)


def panel_words(fit: BenchmarkFit) -> str:
    """What a reader of a panel's scores has to know of its residual and its shape."""
    panel = panel_of(fit)
    where = f"Items of {fit.counts.benchmark} vary about the panel's hardness by "
    origin = {
        "trials": "by their trials",
        "targets": "by the target languages",
        "declared": "which is assumed",
        "given": "as given",
    }[panel.sigma_origin]
    words = f"{where}{panel.sources.sigma:.2f} logits, {origin}."
    found, profiles = [], bent_profiles(fit)
    for reference in ("pooled", "uniform"):
        line, error, bent = line_and_bend(fit, reference, profiles)
        moved = np.abs(bent - line)
        far = (moved > _MOST) | (moved > _ERRORS * error)
        if far.any():
            m = int(np.where(far, moved, -1.0).argmax())
            found.append(
                f"{far.sum()} of {far.size} scores under {reference}, most "
                f"{fit.counts.models[m]} ({line[m]:.3f}, {bent[m]:.3f} with the bend)"
            )
    if found:
        words += (
            " Profiles may be no lines: a bend in common would move by more than two standard "
            f"errors or {_MOST:g} {' and '.join(found)}."
        )
    return words
