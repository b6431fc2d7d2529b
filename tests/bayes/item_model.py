"""A plain PyMC model with a latent source logit for every item: small data, no approximations.

It is the authority for the model of cells, which has the same priors on the same logits, but takes
estimates as normal in place of the counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from hatstats.bayes.options import Priors, own_random_state
from hatstats.scores.counts import item_counts
from hatstats.study import Study

_NODES, _WEIGHTS = special.roots_hermitenorm(31)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def _log_odds(mean: Any, sd: Any, prior: Any) -> tuple[Any, Any]:
    """Log odds (...) if logits are an equal mixture of normals (..., K); log density of a shift."""
    import pymc as pm

    right = pm.math.sigmoid(mean[..., None] + sd[..., None] * _NODES)
    each = right, right * (1.0 - right)
    p, slope = ((value * _WEIGHTS).sum(axis=-1).mean(axis=-1) for value in each)
    odds = pm.math.logit(p)
    return odds, pm.logp(prior, odds) + pm.math.log(slope / (p * (1.0 - p)))


def item_model(
    study: Study,
    priors: Priors | None = None,
    *,
    residual_scale: float = 0.7,
    spread_sd: float = 0.5,
) -> Any:
    """PyMC model of the counts of a study of one benchmark.

    As in the model of cells, `source` (model) is the logit of mean source accuracy and `transfer`
    (model, language) that of HAT under the reference ``pooled``, here both above the chance level;
    `hat` (model) is the mean over languages. Items have normal source logits in each model, and
    target logits on a line with normal residuals; answers are binomial. Models are independent
    given their parameters. `residual_scale` is that of the spread of target logits about the line,
    `spread_sd` the standard deviation of the log spread of source logits about log 1.5.
    """
    chosen, counts = priors or Priors(), item_counts(study, study.benchmark_names[0])
    coords = dict(model=counts.models, language=counts.languages, item=counts.items)
    cells = ("model", "language")
    right, asked = counts.source_correct.sum(axis=1), counts.source_trials.sum(axis=1)
    centre = special.logit((right + 0.5) / (asked + 1.0))  # `level` holds at this source logit
    with own_random_state():
        import pymc as pm

        with pm.Model(coords=coords) as model:
            source_mean = pm.Normal("source_mean", 0.0, chosen.mean)
            sd_source = pm.HalfNormal("sd_source_model", chosen.source)
            transfer_mean = pm.Normal("transfer_mean", 0.0, chosen.mean)
            sd_model = pm.HalfNormal("sd_transfer_model", chosen.model)
            by_model = sd_model * pm.Normal("transfer_model", 0.0, 1.0, dims="model")
            sd_language = pm.HalfNormal("sd_transfer_language", chosen.language)
            by_language = sd_language * pm.Normal("transfer_language", 0.0, 1.0, dims="language")
            sd_cell = pm.HalfNormal("sd_cell", chosen.cell)
            # Means of logits are sampled, since data leave them nearly independent; the priors are
            # those of source and transfer, with the slopes of the change of variables.
            ability = pm.Uniform("ability", -20.0, 20.0, default_transform=None, dims="model")
            spread = pm.LogNormal("spread", np.log(1.5), spread_sd, dims="model")
            level = pm.Uniform("level", -20.0, 20.0, default_transform=None, dims=cells)
            slope = pm.Normal("slope", 1.0, chosen.line, dims=cells)
            residual = pm.HalfNormal("residual", residual_scale, dims=cells)
            prior = pm.Normal.dist(source_mean, sd_source)
            source, density = _log_odds(ability[:, None], spread[:, None], prior)
            pm.Potential("prior_of_source", density, dims="model")
            distance = slope[..., None] * (ability - centre[:, None])[:, None]
            sd = ((slope[..., None] * spread) ** 2 + residual[..., None] ** 2) ** 0.5
            prior = pm.Normal.dist(transfer_mean + by_model[:, None] + by_language, sd_cell)
            transfer, density = _log_odds(level[..., None] + distance, sd, prior)
            pm.Potential("prior_of_transfer", density, dims=cells)
            hat = counts.chance + (1.0 - counts.chance) * pm.math.sigmoid(transfer).mean(axis=1)
            pm.Deterministic("source", source, dims="model")
            pm.Deterministic("transfer", transfer, dims=cells)
            pm.Deterministic("hat", hat, dims="model")
            eta = pm.Normal("eta", ability[:, None], spread[:, None], dims=("model", "item"))
            line = level[..., None] + slope[..., None] * (eta - centre[:, None])[:, None]
            xi = pm.Normal("xi", line, residual[..., None], dims=(*cells, "item"))
            for side, logits, k, n in (
                ("source", eta, counts.source_correct, counts.source_trials),
                ("target", xi.transpose(0, 2, 1), counts.target_correct, counts.target_trials),
            ):
                at = np.nonzero(n)
                p = counts.chance + (1.0 - counts.chance) * pm.math.sigmoid(logits[at])
                pm.Binomial(f"{side}_correct", n[at].astype(int), p, observed=k[at])
    return model
