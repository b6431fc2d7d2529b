"""The item rung: the count rung's model with a latent variable for every item, as the authority.

The prior is that of the count rung, in the same coordinates, written as a PyTensor graph; only
the likelihood differs: abilities and residuals stand in the model instead of being integrated
out. A posterior of the one therefore has the meaning of a posterior of the other.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray

from hatstats.bayes.count_blocks import BinomialBlock, JointBlock
from hatstats.bayes.count_density import CountDensity
from hatstats.bayes.pymc_model import drawn, guarded, pymc_chains
from hatstats.bayes.sampling import nutpie_chain
from hatstats.bayes.settings import Sampling
from hatstats.errors import DataError
from hatstats.estimators.joint.options import JointOptions

Floats = NDArray[np.float64]


def check_options(options: JointOptions) -> None:
    """Refuse what has no smooth density once items have latent variables.

    Raises
    ------
    DataError
    """
    plain = JointOptions(
        profile=options.profile, shared_factor=options.shared_factor, accuracy=options.accuracy
    )
    if options != plain or options.profile != "linear":
        raise DataError(
            "the item rung knows the logit-normal model and the shared factor",
            column="joint",
            value=options.label,
            hint="use level='counts' for the other options.",
        )


def _centred(z: Any, mu: Any, sd: Any, hat: Floats, precision: Floats) -> tuple[Any, Any]:
    """`partially_centred` as a graph: values, and log density relative to a standard normal."""
    a = 1.0 / sd**2
    variance = 1.0 / (precision + a)
    value = variance * (precision * hat + a * mu) + pt.sqrt(variance) * z
    ratio = 0.5 * pt.log(a) - 0.5 * a * (value - mu) ** 2 + 0.5 * pt.log(variance) + 0.5 * z**2
    return value, ratio.sum()


def explicit_model(density: CountDensity) -> pm.Model:
    """PyMC model with explicit abilities and residuals.

    Parameters
    ----------
    density : CountDensity

    Returns
    -------
    pymc.Model
        Its variables are the parameters of ``density.density``, and the latent ones.
    """
    check_options(density.joint)
    hats = density.pseudo_data
    keep = density.kept
    effects, groups = density.effects, len(density.effects.scaled)
    with pm.Model() as model:
        values: dict[str, Any] = {}
        for parameter in density.density.parameters:
            shape = (parameter.size,)
            if parameter.kind == "normal":
                values[parameter.name] = pm.Normal(
                    parameter.name, parameter.mean, parameter.scale, shape=shape
                )
            else:
                values[parameter.name] = pm.HalfNormal(parameter.name, parameter.scale, shape=shape)
        scales = [values[parameter.name][0] for parameter in density.density.parameters[:groups]]
        deviation: list[Any] = [None] * effects.matrix.shape[1]
        free = iter(scales)
        for group in effects.groups:
            scale = pt.as_tensor(group.scale) if group.fixed else next(free)
            for column in range(group.columns.start, group.columns.stop):
                deviation[column] = scale
        mean = effects.prior_mean()[keep]
        effect, first = _centred(
            values["z_effects"],
            mean,
            pt.stack([deviation[column] for column in keep]),
            hats[0][keep],
            hats[1][keep],
        )
        matrix = pt.as_tensor(effects.matrix[:, keep])
        for place, (rows, columns) in enumerate(effects.unknown_at):
            at = np.searchsorted(keep, columns)
            matrix = matrix[rows, at].set(values["unknown"][place])
        level = pt.as_tensor(density.incidence.toarray()) @ (matrix @ effect)
        source, transfer = density.parts[:2]
        centre, sd = [level], []
        sd.append(pt.repeat(deviation[density.finest.columns.start], source.unit.size))
        sd.append(pt.repeat(values["sd_cell"][0], transfer.unit.size))
        for part in density.others:
            centre.append(values[f"mean_{part.name}"][density.of_unit[part.unit]])
            sd.append(pt.repeat(values[f"sd_{part.name}"][0], part.unit.size))
        phi, second = _centred(
            values["z_cells"], pt.concatenate(centre), pt.concatenate(sd), hats[2], hats[3]
        )
        pm.Potential("prior_of_effects_and_cells", first + second)
        for b, block in enumerate(density.blocks):
            if isinstance(block, BinomialBlock):
                _accuracies(density, block, b, phi, values["line"])
                continue
            for m, one in enumerate(block):
                _items(density, one, (b, m), phi)
    return model


def _accuracies(density: CountDensity, block: BinomialBlock, b: int, phi: Any, line: Any) -> None:
    """Binomial accuracies; a potential, since effective numbers need not be whole."""
    source, transfer = density.parts[:2]
    counts = block.part.counts
    eta = phi[np.flatnonzero(source.unit == b)]
    slope = line[density.lines.index(b)]
    away = eta[block.model] - block.centre
    target = phi[transfer.at.start + np.flatnonzero(transfer.unit == b)] + slope * away
    at = block.model, block.language
    for name, logit, share, trials in (
        ("source", eta, counts.source_accuracy, counts.source_trials),
        ("target", target, counts.target_accuracy[at], counts.target_trials[at]),
    ):
        p = counts.chance + (1.0 - counts.chance) * pm.math.sigmoid(logit)
        rest = (1.0 - counts.chance) * pm.math.sigmoid(-logit)
        value = (share * trials * pt.log(p) + (1.0 - share) * trials * pt.log(rest)).sum()
        pm.Potential(f"{name}_{b}", value)


def _items(density: CountDensity, one: JointBlock, where: tuple[int, int], phi: Any) -> None:
    """One model's items on one benchmark, each with its latent variables."""
    b, m = where
    counts, layout = density.counts[b], one.fit.layout
    assert counts is not None
    take = density.takes[b][m]
    coordinates = pt.where(take >= 0, phi[np.maximum(take, 0)], 0.0)
    used = counts.source_trials[m] > 0
    items, languages = int(used.sum()), one.asked.size
    ability = pm.Normal(f"ability_{b}_{m}", 0.0, 1.0, shape=items)
    residual = pm.Normal(f"residual_{b}_{m}", 0.0, 1.0, shape=(items, languages))
    mu, log_sigma = coordinates[layout.place("mu")], coordinates[layout.place("sigma")]
    eta = mu + pt.exp(log_sigma) * ability
    alpha, beta, tau = (coordinates[layout.place(name)] for name in ("alpha", "beta", "tau"))
    logit = alpha + beta * (eta - one.centre)[:, None] + tau * residual
    if layout.has("rho"):
        factor = pm.Normal(f"factor_{b}_{m}", 0.0, 1.0, shape=items)
        logit = logit + coordinates[layout.place("rho")] * factor[:, None]
    chance = counts.chance

    def right(value: Any) -> Any:
        return chance + (1.0 - chance) * pm.math.sigmoid(value)

    pm.Binomial(
        f"source_{b}_{m}",
        n=counts.source_trials[m][used].astype(int),
        p=right(eta),
        observed=counts.source_correct[m][used].astype(int),
    )
    trials = counts.target_trials[m][used][:, one.asked]
    asked = trials > 0
    pm.Binomial(
        f"target_{b}_{m}",
        n=trials[asked].astype(int),
        p=right(logit[asked.nonzero()]),
        observed=counts.target_correct[m][used][:, one.asked][asked].astype(int),
    )


def sample_explicit(
    density: CountDensity, how: Sampling, seeds: list[int]
) -> list[dict[str, Floats]]:
    """Draw chains of the item rung: coordinates of ``density.density``, statistics of each draw.

    Raises
    ------
    FitError
        If the sampler fails.
    """
    model = explicit_model(density)
    with guarded(how.sampler), warnings.catch_warnings(), model:
        warnings.simplefilter("ignore")
        if how.sampler == "nutpie":
            import nutpie

            compiled = nutpie.compile_pymc_model(model)
            trees = [nutpie_chain(compiled, how, seed) for seed in seeds]
        else:
            names = [parameter.name for parameter in density.density.parameters]
            trees = [pymc_chains(how, 1, seed, var_names=names) for seed in seeds]
    return [drawn(tree, 0, density.density) for tree in trees]
