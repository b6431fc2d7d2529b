r"""Precision of a planned HAT score: in closed form, and by simulated studies where that fails.

To first order an item with source probability x and mean target probability t over languages moves
the score of model m, over the pooled reference of M models, by

.. math:: \psi_m = w_m(x_m) (t - T(x_m)) + \frac1M \sum_k T(x_k) - H,

with ``w`` the density of the reference over that of the model's own items, T its profile. Trials
add errors to both accuracies, of which there are n effective ones,

.. math:: \operatorname{Var} H_m = \frac1N \Bigl\{ \operatorname{Var}(\psi_m)
          + \frac{E[w_m^2 t(1-t)]}{L n}
          + \sum_k \frac{E[(\tfrac1M - w_m 1_{k=m})^2\, T'(x_k)^2 x_k (1 - x_k)]}{n} \Bigr\}.

With a reference of the model's own items (w = 1, M = 1) this is ``(var of item means + E[t(1 - t)]
/ (L n)) / N``. Wordings like these add their effects, which all items share. Expectations are means
over a large draw of items. The formula fails for fewer than five effective trials, whose profiles
are more uncertain than a straight line through them, and where the models' own items say little of
the reference: there scores of simulated studies take its place.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from hatstats.errors import DegenerateDataWarning
from hatstats.estimators.methods import fit_profile
from hatstats.inference.arrays import Floats
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import Shape, item_probabilities, simulate_study
from hatstats.simulation.worlds import WORLDS
from hatstats.trends.planning.assumptions import PlanAssumptions

#: Simulated studies behind a standard error without a closed form, whose own error is 1 or 2 %.
N_STUDIES = 24
# Items in the draw over which expectations are taken.
_ITEMS = 40_000
# Effective trials, and share of a model's items that the reference is worth, for the closed form.
_LEAST_TRIALS, _LEAST_SHARE = 5.0, 0.25
_STEP = 1e-3


@dataclass(frozen=True, slots=True)
class Precision:
    """Standard errors of a score for these wordings and for wordings like these.

    And the correlation of the errors of two scores; `simulated` where there is no closed form.
    """

    std_error: float
    std_error_wordings: float
    correlation: float
    simulated: bool


def score_precision(
    assumptions: PlanAssumptions,
    shape: Shape,
    *,
    n_studies: int = N_STUDIES,
    rng: np.random.Generator | int | None = None,
) -> Precision:
    """Precision of a latent HAT score of the typical models under `pooled`."""
    generator = np.random.default_rng(rng)
    cov, wordings, valid = closed_form(assumptions, shape, generator)
    if not valid:
        drawn = [
            simulated_scores(assumptions, shape, child).covariance
            for child in generator.spawn(n_studies)
        ]
        cov = np.mean(drawn, axis=0)
    variances = np.diag(cov)
    off = ~np.eye(len(cov), dtype=bool)
    correlations = (cov / np.sqrt(np.outer(variances, variances)))[off]
    correlation = float(np.clip(correlations.mean(), 0.0, 0.99)) if off.any() else 0.0
    here, like = (float(np.sqrt(each.mean())) for each in (variances, variances + wordings))
    return Precision(here, like, correlation, not valid)


def closed_form(
    assumptions: PlanAssumptions, shape: Shape, rng: np.random.Generator
) -> tuple[Floats, Floats, bool]:
    """Covariance (M, M) of the scores, what wordings add to variances (M,), and whether it holds.

    As at the top of this module.
    """
    shape, world = _assumed(assumptions, shape), WORLDS[assumptions.world]
    ability, count = np.array(assumptions.abilities), len(assumptions.abilities)
    hardness = rng.standard_normal(_ITEMS)
    x = np.stack([item_probabilities(level, hardness, shape, rng) for level in ability])
    logits = special.logit(x)
    around = [world.profile(special.expit(logits + side), assumptions.transfer)
              for side in (-_STEP, 0.0, _STEP)]  # fmt: skip
    profile, steep = around[1], (around[2] - around[0]) / (2.0 * _STEP)  # per logit
    # Exponents of normal densities: of every model at the items of each, (own, of, item).
    heights = np.exp(-0.5 * ((logits[:, None] - ability[:, None]) / shape.spread) ** 2)
    weight = heights.mean(axis=1) / heights[np.arange(count), np.arange(count)]
    trials = shape.n_trials / (1.0 + (shape.repeats - 1) * shape.wording_correlation)
    target = np.stack([
        world.draw(each, shape.n_languages, assumptions.transfer, rng) for each in x
    ])  # fmt: skip
    binomial = target * (1.0 - target)
    psi = weight * (target.mean(axis=2) - profile) + profile.mean(axis=0)
    cov = np.cov(psi).reshape(count, count)
    asked = shape.n_languages * trials
    cov += np.diag((weight**2 * binomial.mean(axis=2)).mean(axis=1) / asked)
    # What an error of one source logit of model k does to the score of m: (m, k, item).
    moved = (1.0 / count - np.eye(count)[:, :, None] * weight) * steep
    cov += np.einsum("mki,lki,ki->ml", moved, moved, 1.0 / (x * (1.0 - x))) / (_ITEMS * trials)
    effects = (weight * binomial.mean(axis=2)).mean(axis=1) ** 2 / shape.n_languages
    effects += (moved.mean(axis=2) ** 2).sum(axis=1)
    share = 1.0 / (weight**2).mean(axis=1)
    valid = trials >= _LEAST_TRIALS and bool(share.min() >= _LEAST_SHARE)
    wordings = shape.n_trials // shape.repeats
    return cov / shape.n_items, assumptions.wording_sd**2 * effects / wordings, valid


def _assumed(assumptions: PlanAssumptions, shape: Shape) -> Shape:
    """The shape with spread and wordings as they are assumed."""
    return replace(
        shape,
        spread=assumptions.spread,
        repeats=assumptions.repeats,
        wording_correlation=assumptions.wording_correlation,
        wording_sd=assumptions.wording_sd,
    )


def simulated_scores(
    assumptions: PlanAssumptions, shape: Shape, rng: np.random.Generator
) -> HatScores:
    """Pooled HAT of the typical models in one simulated study."""
    study = simulate_study(
        assumptions.abilities,
        transfer=[assumptions.transfer] * len(assumptions.abilities),
        shape=_assumed(assumptions, shape),
        world=assumptions.world,
        rng=rng,
    )
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        return fit_profile(study, method="latent").hat("pooled")
