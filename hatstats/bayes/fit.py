"""`fit_hierarchical`: one joint posterior over models, benchmarks and languages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.bayes.blocked import draw_blocked, serves
from hatstats.bayes.cell_model import GROUP_DIMS, CellModel, Names, kind_of
from hatstats.bayes.count_blocks import BinomialBlock, Blocks, joint_blocks
from hatstats.bayes.count_draws import log_likelihoods
from hatstats.bayes.count_model import CountModel
from hatstats.bayes.count_parts import block_estimates
from hatstats.bayes.datatree import Labelled, made_by, make_tree, read_tree
from hatstats.bayes.effects import Unit, build_effects
from hatstats.bayes.estimates import (
    CellOptions,
    StudyCells,
    accuracy_cells,
    check_targets,
    study_cells,
)
from hatstats.bayes.independence import MOST, draw_independence
from hatstats.bayes.marginal_likelihood import CellEstimates
from hatstats.bayes.priors import Priors
from hatstats.bayes.result import HierarchicalFit
from hatstats.bayes.sampling import Chains, Drawer, own_random_state, sample
from hatstats.bayes.settings import Sampler, Sampling, Told
from hatstats.bayes.trend_design import TrendDesign, trend_design
from hatstats.errors import DataError
from hatstats.estimators.aggregate.panel_regression import Logits, to_logits
from hatstats.estimators.joint.options import JointOptions
from hatstats.scores.counts import (
    ItemCounts,
    aggregate_counts,
    benchmark_is_item_level,
    item_counts,
)
from hatstats.study import Study, as_study

Floats = NDArray[np.float64]
#: Arrays by name, each with the names of its dimensions.
Arrays = dict[str, tuple[tuple[str, ...], Any]]
Model = CellModel | CountModel
Level = Literal["cells", "counts", "items"]

#: Draws from the prior that are kept.
_PRIOR_DRAWS = 500
#: Dimensions of what a model, or a cell, has; those of the arrays that have others.
_CELL_DIMS = ("model", "benchmark", "language")
_DIMS = {
    "line": ("benchmark",),
    "measures": ("measure",),
}


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What was asked for: all that decides a posterior, apart from the study."""

    level: Level
    trend: str | None
    priors: Priors
    cells: CellOptions
    joint: JointOptions

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "level": self.level,
            "trend": self.trend,
            "priors": asdict(self.priors),
            "cells": asdict(self.cells),
            "joint": asdict(self.joint),
        }


def fingerprint(study: Study) -> str:
    """What a study's tables hold, as a short text."""
    digest = sha256()
    for table in (study.counts, study.models, study.benchmarks, study.items):
        digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:16]


def prepare(study: Study, request: Request) -> tuple[Model, TrendDesign]:
    """The posterior's density and what belongs to it, before anything is drawn."""
    by_item = {name: benchmark_is_item_level(study, name) for name in study.benchmark_names}
    robust = request.level == "cells" and request.cells.method != "joint"
    if robust:
        cells = study_cells(study, request.cells)
    else:
        blocks, counts, cells = count_blocks(study, by_item, request)
    present = {name for unit in cells.units for name in unit.models}
    table = study.models[study.models["model"].isin(present).to_numpy()].reset_index(drop=True)
    design = trend_design(table, request.trend, offsets=request.priors.unknown is None)
    families = dict(zip(table["model"], table["family"], strict=True))
    effects = build_effects(cells.units, families, design, request.priors)
    names = Names.of(effects, [str(name) for name in table["model"]], design.terms)
    common = (cells, effects, names, families, request.priors, request.cells)
    if robust:
        return CellModel(*common), design
    model = CountModel(*common, request.joint, blocks, counts, rung=request.level)
    return model, design


def _serving(model: Model, level: Level) -> Sampler:
    """The sampler that draws this density fastest."""
    if level == "counts" and isinstance(model, CountModel) and serves(model):
        return "blocked"
    if isinstance(model, CellModel) and model.density.size <= MOST:
        return "independence"
    return "nutpie"


def _drawer(model: Model, level: Level, how: Sampling) -> tuple[Sampling, Drawer | None]:
    """The sampler that serves, and how chains are drawn that are not those of a density."""
    if how.sampler == "auto":
        how = replace(how, sampler=_serving(model, level))
    if how.sampler == "independence":
        return how, partial(draw_independence, model.density)
    if how.sampler == "blocked":
        if level != "counts" or not isinstance(model, CountModel):
            raise DataError(
                "the blocked sampler draws the count rung alone",
                column="sampler",
                value="blocked",
                hint="leave the sampler at auto, or ask for level='counts'.",
            )
        return how, partial(draw_blocked, model)
    if level != "items":
        return how, None
    assert isinstance(model, CountModel)

    def draw(how: Sampling, seeds: list[int], _: Told) -> list[dict[str, Floats]]:
        with own_random_state():
            from hatstats.bayes.item_model import sample_explicit

            return sample_explicit(model, how, seeds)

    return how, draw


def count_blocks(
    study: Study, by_item: dict[str, bool], request: Request
) -> tuple[tuple[Blocks, ...], tuple[ItemCounts | None, ...], StudyCells]:
    """Likelihoods of every benchmark, counts of those with items, and cells at their maxima."""
    check_targets(study)
    units, blocks = list[Unit](), list[Blocks]()
    counts, known = list[ItemCounts | None](), list[CellEstimates | None]()
    logits: dict[str, Logits] = {}
    for name, has_items in by_item.items():
        if has_items:
            table = item_counts(study, name)
            unit, block = joint_blocks(table, request.joint, normal=request.level == "cells")
            counts.append(table)
            known.append(None)
            blocks.append(block)
        else:
            logits[name] = to_logits(aggregate_counts(study, name))
            unit, part = accuracy_cells(logits[name], 0.0)
            block_at = unit.cell_model, unit.cell_language, part.centre
            counts.append(None)
            known.append(part)
            blocks.append(BinomialBlock(logits[name], *block_at))
        units.append(unit)
    parts = block_estimates(blocks, known)
    return tuple(blocks), tuple(counts), StudyCells(tuple(units), parts, {}, logits)


def _labelled(values: dict[str, Floats], lead: tuple[int, ...], groups: set[str]) -> Arrays:
    """Arrays (D, ...) with chains and draws unfolded, and names of all dimensions."""
    out: Arrays = {}
    for name, value in values.items():
        if name in ("log_prior", "log_likelihood"):
            continue
        own = _DIMS.get(name) or (GROUP_DIMS[kind_of(name)] if name in groups else _CELL_DIMS)
        dims = ("chain", "draw", *own[: value.ndim - 1])
        out[name] = (dims, value.reshape(*lead, *value.shape[1:]))
    return out


def _parameters(model: Model, natural: Floats, lead: tuple[int, ...]) -> Arrays:
    """The scales; slopes of the line are among the other values."""
    out: Arrays = {}
    for parameter, at in zip(
        model.density.parameters, model.density.places().values(), strict=True
    ):
        value = natural[:, at].reshape(*lead, -1)
        # The line stands by benchmark among the values; coordinates z mean nothing by themselves.
        if parameter.name == "line" or parameter.name.startswith("z_"):
            continue
        if parameter.levels:
            out[parameter.name] = (("chain", "draw", f"{parameter.name}_level"), value)
        else:
            out[parameter.name] = (("chain", "draw"), value[..., 0])
    return out


def _hat_reference(model: Model) -> str:
    return model.options.reference


def _tree(
    study: Study, model: Model, chains: Chains, request: Request, rng: np.random.Generator
) -> Any:
    """All groups of the DataTree."""
    density, sampled = model.density, ("chain", "draw")
    kinds = {group.name for group in model.effects.groups}
    lead = chains.x.shape[:2]
    natural = density.natural(chains.x.reshape(-1, density.size))
    values = model.complete(natural, rng)
    if "log_likelihood" not in values:
        assert isinstance(model, CountModel)
        known = chains.statistics.get("log_likelihood")
        values["log_likelihood"] = (
            log_likelihoods(model, natural) if known is None else known.ravel()
        )
    hat = model.hat_cells(values, _hat_reference(model))
    posterior = _labelled(values, lead, kinds) | _parameters(model, natural, lead)
    posterior["hat"] = (
        (*sampled, "model", "benchmark", "language"),
        hat.reshape(*lead, *hat.shape[1:]),
    )
    prior_natural = np.array([density.draw_prior(rng) for _ in range(_PRIOR_DRAWS)])
    prior_values = model.complete(prior_natural, rng, prior=True)
    prior_hat = model.hat_cells(prior_values, _hat_reference(model))
    prior = _labelled(prior_values, (1, _PRIOR_DRAWS), kinds)
    prior |= _parameters(model, prior_natural, (1, _PRIOR_DRAWS))
    prior["hat"] = (
        (*sampled, "model", "benchmark", "language"),
        prior_hat.reshape(1, _PRIOR_DRAWS, *prior_hat.shape[1:]),
    )
    coords = model.names.coords()
    coords["measure"] = list(model.measures)
    every = max(1, lead[0] * lead[1] // model.few)
    thin = natural.reshape(*lead, -1)[:, ::every]
    few = thin.reshape(-1, natural.shape[1])
    likelihood: Arrays = {}
    for name, (levels, value) in model.log_likelihood(few).items():
        coords[f"{name}_left_out"] = list(levels)
        likelihood[name] = (
            (*sampled, f"{name}_left_out"),
            value.reshape(*thin.shape[:2], len(levels)),
        )
    of_few = {
        name: value.reshape(*lead, *value.shape[1:])[:, ::every].reshape(-1, *value.shape[1:])
        for name, value in values.items()
    }
    replicated = _labelled(model.predictive(few, of_few, rng), thin.shape[:2], kinds)
    for parameter in density.parameters:
        if parameter.levels and not parameter.name.startswith(("line", "z_")):
            coords[f"{parameter.name}_level"] = [
                level.replace("\x1f", ", ") for level in parameter.levels
            ]
    statistics = {
        name: (sampled, value.astype(bool) if name in ("diverging", "maxdepth_reached") else value)
        for name, value in chains.statistics.items()
    }
    statistics |= {
        name: (sampled, values[name].reshape(lead)) for name in ("log_prior", "log_likelihood")
    }
    observed = {
        name: ((_DIMS.get(name) or _CELL_DIMS)[: value.ndim], value)
        for name, value in model.observed().items()
    }
    units = model.effects.units
    groups: dict[str, Labelled] = {
        "posterior": posterior,
        "prior": prior,
        "posterior_predictive": replicated,
        "log_likelihood": likelihood,
        "sample_stats": statistics,
        "observed_data": {k: v for k, v in observed.items() if not k.endswith("_se")},
        "constant_data": {
            **{k: v for k, v in observed.items() if k.endswith("_se")},
            "chance": (("benchmark",), np.array([unit.chance for unit in units])),
            "centre": (("benchmark",), np.array([part.centre for part in model.cells.parts])),
            "by_item": (("benchmark",), np.array([unit.by_item for unit in units])),
        },
    }
    made = request.record() | {"study": study.name, "fingerprint": fingerprint(study)}
    made |= {"seconds": round(chains.seconds, 3), "reused_chains": chains.reused}
    return make_tree(groups, coords, made)


def fit_hierarchical(
    study: Study,
    *,
    trend: str | None = None,
    priors: Priors | None = None,
    level: Level = "cells",
    cells: CellOptions | None = None,
    joint: JointOptions | None = None,
    sampling: Sampling | None = None,
    rng: np.random.Generator | int | None = None,
) -> HierarchicalFit:
    """Fit one joint model to all models, benchmarks and languages of a study.

    Parameters
    ----------
    study : Study
        Item-level and aggregate benchmarks may be mixed. Flagged cells are used if they are in
        it: call ``study.without_flagged()`` first to leave them out.
    trend : str, optional
        Covariates of the models, for source ability and for transfer alike, such as
        ``"log10(params_total) + release_year"``. Models of undisclosed size stay in.
    priors : Priors, optional
    level : {"cells", "counts", "items"}
        ``cells`` takes the estimates of every model, benchmark and language with their full
        covariance as likelihood, so that it inherits their robustness; ``counts`` the counts
        themselves through the `joint` likelihood, binomial on both sides where only accuracies
        are known; ``items`` the same with a latent variable for every item, for small data. Both
        take models as independent given their parameters: models that share items get the right
        interval each, and contrasts between them one that is too wide.
    cells : CellOptions, optional
        How the cells are estimated.
    joint : JointOptions, optional
        For ``counts``, ``items`` and cells by ``joint``: which parametric model of items.
    sampling : Sampling, optional
        Sampler, numbers of draws and chains, where finished chains are kept.
    rng : Generator, int or None
        Source of random numbers: the same seed gives the same draws.

    Returns
    -------
    HierarchicalFit

    Raises
    ------
    DataError
        For priors, covariates, options or saved chains that cannot be.
    NotIdentifiedError
        If a model has no target rows, or the study lacks what the model needs.
    FitError
        If the sampler stopped; the message says what is kept.
    """
    if level not in ("cells", "counts", "items"):
        raise DataError(
            "unknown level", column="level", value=level, hint="use cells, counts or items."
        )
    request = Request(
        level, trend, priors or Priors(), cells or CellOptions(), joint or JointOptions()
    )
    how = sampling or Sampling()
    generator = np.random.default_rng(rng)
    seeds: Sequence[int] = generator.integers(2**31, size=how.chains).tolist()
    model, design = prepare(as_study(study, "fit_hierarchical"), request)
    key = json.dumps(request.record() | {"study": fingerprint(study)}, sort_keys=True)
    how, draw = _drawer(model, level, how)
    chains = sample(model.density, how, list(seeds), key, draw)
    return HierarchicalFit(study, model, design, _tree(study, model, chains, request, generator))


def read_hierarchical(path: str | Path, study: Study) -> HierarchicalFit:
    """Read a fit that `HierarchicalFit.save` wrote; nothing is sampled, no pickle is involved.

    Parameters
    ----------
    path : str or path
    study : Study
        The study that was fitted.

    Returns
    -------
    HierarchicalFit

    Raises
    ------
    DataError
        If the file cannot be read, is not a fit of hatstats, or is one of another study.
    """
    study = as_study(study, "read_hierarchical")
    tree = read_tree(path)
    made = made_by(tree)
    if made["fingerprint"] != fingerprint(study):
        raise DataError(
            f"the saved fit is of another study ({made['study']!r}), or of other data of it",
            file=Path(path).name,
            value=study.name,
            hint="give the study that was fitted, flagged cells left out as they were then.",
        )
    request = Request(
        made["level"],
        made["trend"],
        Priors(**made["priors"]),
        CellOptions(**made["cells"]),
        JointOptions(**made["joint"]),
    )
    model, design = prepare(as_study(study, "fit_hierarchical"), request)
    return HierarchicalFit(study, model, design, tree)
