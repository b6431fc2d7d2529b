"""The hierarchical model of cells in PyMC, and its samplers.

Only standard deviations and slopes of lines are parameters. All effects are integrated out by one
operation, `CellLikelihood`, and drawn exactly afterwards.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from numba import njit
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_default_op_cache_key

from hatstats.bayes.kernel import Stacked, solve
from hatstats.bayes.marginal_likelihood import LogPosterior, MarginalCells
from hatstats.bayes.options import Priors, Sampling, own_random_state
from hatstats.errors import FitError
from hatstats.inference.arrays import Floats

#: Arrays (chains, draws, ...) by name.
Draws = dict[str, Floats]

#: Statistics of each draw of NUTS that are kept, with the name that PyMC gives them.
_STATISTICS = {
    "diverging": "diverging",
    "energy": "energy",
    "n_steps": "n_steps",
    "step_size": "step_size",
    "maxdepth_reached": "reached_max_treedepth",
}


class CellLikelihood(Op):  # type: ignore[misc]
    """Log marginal likelihood of cell estimates; derivatives are its further outputs.

    Inputs: deviations (n,), cell (), slopes (B,), matrix (q, n), then the arrays of `Stacked`.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        """Node whose outputs are the value and its derivatives by the first three inputs."""
        variables = [pt.as_tensor_variable(value) for value in inputs]
        types = [pt.dscalar, pt.dvector, pt.dscalar, pt.dvector]
        return Apply(self, variables, [make() for make in types])

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        """Evaluate in Python."""
        deviations, cell, slopes, matrix, *data = inputs
        try:
            found = tuple(solve(Stacked(*data), matrix, deviations, float(cell), slopes))
        except np.linalg.LinAlgError:
            found = (-np.inf, *(np.zeros_like(value) for value in inputs[:3]))
        for output, value in zip(outputs, found, strict=True):
            output[0] = np.asarray(value, dtype=float)

    def pullback(self, inputs: list[Any], outputs: list[Any], cotangents: list[Any]) -> list[Any]:
        """Gradient of a function of the value; the data have none."""
        gradient = [cotangents[0] * derivative for derivative in outputs[1:]]
        return gradient + [disconnected_type() for _ in inputs[3:]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Which outputs depend differentiably on which inputs."""
        return [[position < 3, *[False] * 3] for position in range(len(node.inputs))]


@register_funcify_default_op_cache_key(CellLikelihood)  # type: ignore[untyped-decorator]
def _compiled(op: CellLikelihood, **_: object) -> Any:
    """The operation in code compiled by numba."""

    @njit  # type: ignore[untyped-decorator]
    def likelihood(deviations: Any, cell: Any, slopes: Any, matrix: Any, *data: Any) -> Any:
        found = solve(Stacked(*data), matrix, deviations, cell.item(), slopes)
        by_cell = np.asarray(found.by_cell)
        return np.asarray(found.value), found.by_deviation, by_cell, found.by_slope

    return likelihood


def build_model(marginal: MarginalCells, priors: Priors) -> pm.Model:
    """PyMC model of the cells of a study, given their estimates and the effects they share.

    Free variables: `sd_...` of each group of effects and of the cells' residuals, and `line`, the
    slopes of target on source logits, for benchmarks with accuracies only.
    """
    effects = marginal.effects
    benchmarks = [unit.benchmark for unit in effects.units]
    lines = [b for b, part in enumerate(marginal.parts) if part.by_line]
    coords = {"line_benchmark": [benchmarks[b] for b in lines]} if lines else None
    with pm.Model(coords=coords) as model:
        free = [pm.HalfNormal(f"sd_{group.name}", sigma=group.scale) for group in effects.scaled]
        # Whatever depends on the study is a shared variable, which other data can replace.
        fixed = [group for group in effects.groups if group.fixed]
        given = pytensor.shared(np.array([group.scale for group in fixed]), name="given")
        scale_of = {group.name: index for index, group in enumerate([*effects.scaled, *fixed])}
        of_effect = np.repeat(
            [scale_of[group.name] for group in effects.groups],
            [len(group.levels) for group in effects.groups],
        )
        scales = pt.concatenate([pt.stack(free), given])
        deviations = scales[pytensor.shared(of_effect, name="group")]
        sd_cell = pm.HalfNormal("sd_cell", sigma=priors.cell)
        slopes = pt.zeros(len(benchmarks))
        if lines:
            line = pm.Normal("line", mu=1.0, sigma=priors.line, dims="line_benchmark")
            slopes = slopes[lines].set(line)
        matrix = pytensor.shared(effects.matrix, name="matrix")
        data = [
            pytensor.shared(np.asarray(value), name=name)
            for name, value in marginal.stacked._asdict().items()
        ]
        value = CellLikelihood()(deviations, sd_cell, slopes, matrix, *data)[0]
        pm.Potential("log_likelihood", value)
    return model


def draw_prior(model: pm.Model, draws: int, seed: int) -> Draws:
    """Draws of the free variables from their priors, each (1, draws, ...)."""
    with own_random_state():
        values = pm.draw(model.free_RVs, draws=draws, random_seed=seed, mode="FAST_COMPILE")
        return {
            # All variables are scalars or vectors; a single draw has no dimension of its own.
            str(variable.name): np.reshape(value, (1, draws, -1)[: 2 + variable.ndim])
            for variable, value in zip(model.free_RVs, values, strict=True)
        }


def log_prior(model: pm.Model, values: Draws) -> Floats:
    """Log prior density of the free variables at draws (chains, draws, ...): (chains, draws)."""
    with own_random_state():
        total: Any = 0.0
        for variable in model.free_RVs:
            drawn = values[str(variable.name)]
            density = pm.logp(variable, pt.as_tensor(drawn))
            found = np.asarray(density.eval(mode="FAST_COMPILE"))
            total = total + found.reshape(*found.shape[:2], -1).sum(axis=-1)
    return np.asarray(total, dtype=float)


def sample(
    marginal: MarginalCells, priors: Priors, model: pm.Model, how: Sampling, seed: int
) -> tuple[Draws, Draws, float]:
    """Draw from the model of `build_model`: PyMC from `model`, nutpie from its density in NumPy.

    Returns `posterior` (chains, draws, ...); `statistics` (chains, draws); seconds. Raises FitError
    if the sampler fails or is interrupted.
    """
    began = time.monotonic()
    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with own_random_state(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if how.sampler == "nutpie":
                tree = _nutpie(LogPosterior.of(marginal, priors), how, seed)
            else:
                tree = pm.sample(
                    model=model,
                    draws=how.draws,
                    tune=how.tune,
                    chains=how.chains,
                    cores=1,
                    random_seed=seed,
                    nuts_sampler="pymc",
                    target_accept=how.target_accept,
                    progressbar=False,
                    compute_convergence_checks=False,
                )
    except (Exception, KeyboardInterrupt) as error:
        reason = (str(error).splitlines() or ["interrupted"])[0][:160]
        raise FitError(
            f"the sampler {how.sampler} failed ({type(error).__name__}: {reason})"
        ) from error
    finally:
        logger.setLevel(level)
    if tree["posterior"].sizes["draw"] < how.draws:
        raise FitError(f"the sampler {how.sampler} was interrupted")
    found = tree["sample_stats"]
    statistics = {
        name: np.asarray(found[other if other in found else name].values, dtype=float)
        for name, other in _STATISTICS.items()
    }
    names = [str(variable.name) for variable in model.free_RVs]
    posterior = {name: np.asarray(tree["posterior"][name].values, dtype=float) for name in names}
    return posterior, statistics, time.monotonic() - began


def _nutpie(density: LogPosterior, how: Sampling, seed: int) -> Any:
    """Tree of all chains by nutpie.

    A compiled PyMC model would take 15 seconds to compile, for each structure anew, and draw no
    faster: the likelihood is compiled once and for all, and the priors are a few numbers.
    """
    import nutpie

    start = density.start()
    named = density.named(start)
    compiled = nutpie.compiled_pyfunc.from_pyfunc(
        start.size,
        lambda: density,
        lambda *_: density.named,
        [np.dtype(float)] * len(named),
        [np.shape(value) for value in named.values()],
        list(named),
        make_initial_point_fn=lambda s: start + np.random.default_rng(s).uniform(-1, 1, start.size),
    )
    return nutpie.sample(
        compiled,
        draws=how.draws,
        tune=how.tune,
        chains=how.chains,
        cores=min(how.cores, how.chains),
        seed=seed,
        save_warmup=False,
        progress_bar=False,
        target_accept=how.target_accept,
        progress_callback=_reporter(how) if how.progress is not None else None,
        progress_rate=500,
    )


def _reporter(how: Sampling) -> Callable[[Any], None]:
    """Callback of nutpie that reports the progress of all chains together."""
    total = how.chains * (how.draws + how.tune)

    def report(states: Any) -> None:
        done = sum(state.finished_draws for state in states)
        divergences = sum(state.divergences for state in states)
        if how.progress is not None:
            how.progress(f"{done} draws, {divergences} divergences", min(done / total, 1.0))

    return report
