"""A plain PyMC model with a latent source logit for every item: small data, no approximations.

It is the authority for the model of cells, which has the same priors on the same logits, but takes
estimates as normal in place of the counts. A slow test compares them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from hatstats.bayes.options import Priors, own_random_state
from hatstats.errors import DataError
from hatstats.scores.counts import benchmark_is_item_level, item_counts
from hatstats.study import Study, as_study

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


def item_model(study: Study, *, priors: Priors | None = None) -> Any:
    """PyMC model of the counts of one item-level benchmark.

    As in the model of cells, `source` (model) is the logit of mean source accuracy and `transfer`
    (model, language) that of HAT under the reference ``pooled``, here both above the chance level;
    `hat` (model) is the mean over languages. Items have normal source logits in each model, and
    target logits on a line with normal residuals; answers are binomial. Models are independent
    given their parameters, so that contrasts gain nothing from common items. With models x items x
    (1 + languages) latent variables it is for small data, of several trials per item.

    Parameters
    ----------
    study : Study
        With one benchmark, item by item.
    priors : Priors, optional

    Returns
    -------
    pymc.Model

    Raises
    ------
    DataError
        If the study has several benchmarks, or accuracies only.

    Examples
    --------
    >>> import hatstats as hs
    >>> list(hs.item_model(hs.simulate_study([0.0, 0.5], rng=1)).coords)
    ['model', 'language', 'item']
    """
    study = as_study(study, "item_model")
    names = study.benchmark_names
    if len(names) != 1 or not benchmark_is_item_level(study, names[0]):
        raise DataError(
            "the item model takes one benchmark with items",
            column="benchmark",
            value=", ".join(names),
            hint="choose one with study.select(benchmarks=[...]), or use fit_hierarchical.",
        )
    chosen, counts = priors or Priors(), item_counts(study, names[0])
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
            spread = pm.LogNormal("spread", np.log(1.5), chosen.ability_spread, dims="model")
            level = pm.Uniform("level", -20.0, 20.0, default_transform=None, dims=cells)
            slope = pm.Normal("slope", 1.0, chosen.line, dims=cells)
            residual = pm.HalfNormal("residual", chosen.residual, dims=cells)
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
