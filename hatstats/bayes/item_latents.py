"""A plain PyMC model with a latent ability for every item: small data, no approximations.

It is the authority for the model of cells: with cells estimated by ``joint`` both describe the same
counts, so that their posteriors of HAT should agree. How nearly they do is tested, not assumed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from hatstats.bayes.options import Priors, own_random_state
from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.scores.counts import ItemCounts, benchmark_is_item_level, item_counts
from hatstats.study import Study, as_study

_NODES, _WEIGHTS = special.roots_hermitenorm(31)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def _centre(counts: ItemCounts) -> float:
    """Logit of mean source accuracy above chance: the source logit at which lines are centred."""
    share = counts.source_correct.sum() / counts.source_trials.sum()
    return float(special.logit(np.clip((share - counts.chance) / (1 - counts.chance), 0.01, 0.99)))


def item_model(study: Study, *, priors: Priors | None = None) -> Any:
    """PyMC model of the counts of one item-level benchmark.

    Source logits of items are normal in each model; target logits are a line in the source logit
    with normal residuals; answers are binomial above the chance level. Models are independent given
    their parameters: where they share items, the error of a reference averaged over models comes
    out too small, and contrasts have no gain from common items. The number of latent variables is
    models x items x (1 + languages): for small data.

    Parameters
    ----------
    study : Study
        With one benchmark, item by item.
    priors : Priors, optional

    Returns
    -------
    pymc.Model
        Sample it with ``pymc.sample(model=...)`` or nutpie; `item_model_hat` turns draws into HAT.

    Raises
    ------
    DataError
        If the study has several benchmarks, or accuracies only.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 0.5], shape=hs.Shape(n_items=30, n_languages=2), rng=1)
    >>> list(hs.item_model(study).coords)
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
    with own_random_state():
        import pymc as pm

    chosen, counts = priors or Priors(), item_counts(study, names[0])
    chance, centre = counts.chance, _centre(counts)
    trials = counts.source_trials.astype(int), counts.target_trials.astype(int)
    asked = np.nonzero(trials[0]), np.nonzero(trials[1].transpose(0, 2, 1))
    coords = {
        "model": list(counts.models),
        "language": list(counts.languages),
        "item": np.arange(trials[0].shape[1]),
    }
    with own_random_state(), pm.Model(coords=coords) as model:
        source_mean = pm.Normal("source_mean", 0.0, chosen.mean)
        sd_source = pm.HalfNormal("sd_source_model", chosen.source)
        source = pm.Normal("source", source_mean, sd_source, dims="model")
        spread = pm.LogNormal("ability_sd", np.log(1.5), chosen.ability_spread, dims="model")
        transfer_mean = pm.Normal("transfer_mean", 0.0, chosen.mean)
        sd_model = pm.HalfNormal("sd_transfer_model", chosen.model)
        by_model = pm.Normal("transfer_model", 0.0, 1.0, dims="model") * sd_model
        sd_language = pm.HalfNormal("sd_transfer_language", chosen.language)
        by_language = pm.Normal("transfer_language", 0.0, 1.0, dims="language") * sd_language
        sd_cell = pm.HalfNormal("sd_cell", chosen.cell)
        residual_of_cell = pm.Normal("cell", 0.0, 1.0, dims=("model", "language")) * sd_cell
        level = transfer_mean + by_model[:, None] + by_language + residual_of_cell
        transfer = pm.Deterministic("transfer", level, dims=("model", "language"))
        slope = pm.Normal("slope", 1.0, chosen.line, dims=("model", "language"))
        residual = pm.HalfNormal("residual", chosen.residual, dims=("model", "language"))
        z = pm.Normal("ability", 0.0, 1.0, dims=("model", "item"))
        e = pm.Normal("item_residual", 0.0, 1.0, dims=("model", "language", "item"))
        eta = source[:, None] + spread[:, None] * z
        xi = (
            transfer[..., None]
            + slope[..., None] * (eta - centre)[:, None]
            + residual[..., None] * e
        )
        correct = counts.source_correct, counts.target_correct.transpose(0, 2, 1)
        number = trials[0], trials[1].transpose(0, 2, 1)
        for side, logit, n, k, index in zip(
            ("source", "target"), (eta, xi), number, correct, asked, strict=True
        ):
            p = chance + (1.0 - chance) * pm.math.sigmoid(logit[index])
            pm.Binomial(f"{side}_correct", n=n[index], p=p, observed=k[index].astype(int))
    return model


def item_model_hat(tree: Any, study: Study, reference: str = "pooled") -> Floats:
    """HAT of each model from draws of `item_model`: mean over languages.

    `tree`: with the group `posterior`; `study`: the study that was fitted; `reference`: {"pooled",
    "uniform"}. Returns (chains, draws, M).
    """
    counts = item_counts(study, study.benchmark_names[0])
    chance, centre = counts.chance, _centre(counts)
    draws = {str(name): value.values for name, value in tree["posterior"].data_vars.items()}
    lead = draws["source"].shape[:2]
    if reference == "uniform":
        nodes = np.broadcast_to(special.logit((np.arange(100) + 0.5) / 100), (*lead, 100))
        weights = np.full(100, 0.01)
    else:
        by_model = draws["source"][..., None] + draws["ability_sd"][..., None] * _NODES
        nodes = by_model.reshape(*lead, -1)
        weights = np.tile(_WEIGHTS / by_model.shape[2], by_model.shape[2])
    hat = np.zeros(draws["source"].shape)
    for m in range(hat.shape[2]):
        level, slope, residual = (
            draws[name][:, :, m, :, None] for name in ("transfer", "slope", "residual")
        )
        line = level + slope * (nodes - centre)[:, :, None]
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            right = special.expit(line + residual * node)
            hat[:, :, m] += weight * (right * weights).sum(axis=-1).mean(axis=-1)
    return np.asarray(chance + (1.0 - chance) * hat)
