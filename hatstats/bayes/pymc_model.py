"""A density as a PyMC model, for PyMC's own sampler and for numpyro."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from hatstats.bayes.settings import STATISTICS, Sampling
from hatstats.bayes.target import Density, Likelihood
from hatstats.errors import DataError, FitError

Floats = NDArray[np.float64]

#: Names of the statistics of a draw that samplers call otherwise.
_OTHER_NAMES = {"maxdepth_reached": ("reached_max_treedepth", "maxdepth_reached")}


class LikelihoodOp(Op):  # type: ignore[misc]
    """A log-likelihood with its own gradient: value and gradient are its two outputs."""

    __props__ = ()

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    def make_node(self, natural: Any) -> Apply:
        """Node with the parameters' natural values (P,) as input."""
        vector = pt.as_tensor_variable(natural)
        return Apply(self, [vector], [pt.dscalar(), pt.dvector()])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """Evaluate both."""
        with np.errstate(all="ignore"):
            try:
                value, gradient = self.likelihood(np.asarray(inputs[0], dtype=float))
            except np.linalg.LinAlgError:
                value, gradient = -np.inf, np.zeros(inputs[0].size)
        outputs[0][0] = np.asarray(value, dtype=float)
        outputs[1][0] = np.asarray(gradient, dtype=float)

    def pullback(self, inputs: list[Any], outputs: list[Any], cotangents: list[Any]) -> list[Any]:
        """Gradient of a function of the value."""
        return [cotangents[0] * outputs[1]]


def build_model(density: Density) -> pm.Model:
    """PyMC model with the density's priors and, as a potential, its likelihood.

    Parameters
    ----------
    density : Density

    Returns
    -------
    pymc.Model
    """
    with pm.Model() as model:
        parts = []
        for parameter in density.parameters:
            shape = (parameter.size,)
            if parameter.kind == "normal":
                value = pm.Normal(parameter.name, parameter.mean, parameter.scale, shape=shape)
            else:
                value = pm.HalfNormal(parameter.name, parameter.scale, shape=shape)
            parts.append(value)
        natural = pt.concatenate(parts)
        pm.Potential("likelihood", LikelihoodOp(density.likelihood)(natural)[0])
    return model


@contextmanager
def guarded(sampler: str) -> Iterator[None]:
    """Keep a sampler from talking to the terminal, and say in one sentence what it fails of.

    Raises
    ------
    DataError
        If numpyro is asked for and not installed.
    FitError
        If the sampler fails.
    """
    if sampler == "numpyro" and importlib.util.find_spec("numpyro") is None:
        raise DataError(
            "the sampler numpyro is not installed",
            column="sampler",
            value="numpyro",
            hint="install hatstats[jax], or use nutpie or pymc.",
        )
    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    except Exception as error:
        # Whatever a graph compiler says, the user is told which sampler it was.
        raise FitError(
            f"the sampler {sampler} failed ({type(error).__name__}: "
            f"{(str(error).splitlines() or [''])[0][:160]})"
        ) from error
    finally:
        logger.setLevel(level)


def pymc_chains(how: Sampling, chains: int, seed: int | list[int], **more: Any) -> Any:
    """The tree of some chains of the model in whose context this is called."""
    return pm.sample(
        draws=how.draws,
        tune=how.tune,
        chains=chains,
        cores=1,
        random_seed=seed,
        nuts_sampler=how.sampler,
        target_accept=how.target_accept,
        progressbar=False,
        compute_convergence_checks=False,
        **more,
    )


def _with_jax() -> None:
    """Teach JAX the likelihood: it calls back into Python."""
    import jax
    from pytensor.link.jax.dispatch import jax_funcify

    @jax_funcify.register(LikelihoodOp)  # type: ignore[untyped-decorator]
    def convert(op: LikelihoodOp, **_: object) -> Any:
        def both(natural: Any) -> tuple[Any, Any]:
            value, gradient = op.likelihood(np.asarray(natural, dtype=float))
            return np.asarray(value), np.asarray(gradient)

        def evaluate(natural: Any) -> tuple[Any, Any]:
            shapes = (
                jax.ShapeDtypeStruct((), natural.dtype),
                jax.ShapeDtypeStruct(natural.shape, natural.dtype),
            )
            return tuple(jax.pure_callback(both, shapes, natural, vmap_method="sequential"))

        @jax.custom_vjp  # type: ignore[untyped-decorator]
        def call(natural: Any) -> tuple[Any, Any]:
            return evaluate(natural)

        def forward(natural: Any) -> tuple[tuple[Any, Any], Any]:
            found = evaluate(natural)
            return found, found[1]

        def backward(gradient: Any, cotangents: Any) -> tuple[Any]:
            return (cotangents[0] * gradient,)

        call.defvjp(forward, backward)
        return call


def sample_model(density: Density, how: Sampling, seeds: list[int]) -> list[dict[str, Floats]]:
    """Draw chains by PyMC or numpyro.

    Returns
    -------
    list of dict
        Per chain: coordinates `x` (draws, P) of the density, and statistics of each draw.

    Raises
    ------
    DataError, FitError
        As `guarded` does.
    """
    # The likelihood is compiled already, by itself.
    with guarded(how.sampler), warnings.catch_warnings(), build_model(density):
        warnings.filterwarnings("ignore", message="Numba will use object mode")
        if how.sampler == "numpyro":
            _with_jax()
        tree = pymc_chains(how, len(seeds), seeds if how.sampler == "pymc" else seeds[0])
    return [drawn(tree, chain, density) for chain in range(len(seeds))]


def drawn(tree: Any, chain: int, density: Density) -> dict[str, Floats]:
    """Coordinates `x` (draws, P) of a chain of PyMC's, and statistics of each draw."""
    posterior, stats = tree["posterior"], tree["sample_stats"]
    natural = np.concatenate(
        [np.asarray(posterior[p.name].values[chain], dtype=float) for p in density.parameters],
        axis=-1,
    )
    arrays = {"x": density.unconstrained(natural)}
    for name in STATISTICS:
        known = [key for key in _OTHER_NAMES.get(name, (name,)) if key in stats]
        arrays[name] = (
            np.asarray(stats[known[0]].values[chain], dtype=float)
            if known
            else np.full(len(natural), 0.0 if name == "maxdepth_reached" else np.nan)
        )
    return arrays
