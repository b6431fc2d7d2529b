"""Whether the count rung's posteriors are what they say: ranks of truths drawn from the prior."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.bayes.blocked import draw_blocked
from hatstats.bayes.count_blocks import BinomialBlock, joint_blocks
from hatstats.bayes.count_model import CountModel
from hatstats.bayes.count_parts import block_estimates
from hatstats.bayes.count_tables import draw_counts
from hatstats.bayes.estimates import CellOptions
from hatstats.bayes.fit import Request, prepare
from hatstats.bayes.priors import Priors
from hatstats.bayes.sampling import sample
from hatstats.bayes.settings import Sampling
from hatstats.errors import ConvergenceWarning, DegenerateDataWarning
from hatstats.estimators.joint.options import JointOptions
from hatstats.scores.counts import ItemCounts
from hatstats.simulation.simulate import Shape, simulate_study

Floats = NDArray[np.float64]

#: Priors narrow enough that few drawn studies have answers that are all alike.
CALIBRATED = Priors(mean=0.7, source=0.5, language=0.3, model=0.3, cell=0.2, residual=0.4)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back what is said of single fits, of which there are hundreds."""
    with warnings.catch_warnings():
        for category in (ConvergenceWarning, DegenerateDataWarning):
            warnings.simplefilter("ignore", category)
        yield


@dataclass(frozen=True, slots=True)
class RankDesign:
    """Size of the studies drawn for simulation-based calibration.

    Attributes
    ----------
    n_models, n_items, n_languages, n_trials : int
    sampling : Sampling
    thin : int
        Draws between those whose ranks count, so that they are nearly independent.
    """

    n_models: int = 4
    n_items: int = 80
    n_languages: int = 2
    n_trials: int = 5
    sampling: Sampling = field(
        default_factory=lambda: Sampling(draws=600, tune=60, chains=2, cores=1)
    )
    thin: int = 6


def _template(design: RankDesign) -> CountModel:
    study = simulate_study(
        tuple(np.linspace(-0.5, 0.5, design.n_models)),
        shape=Shape(
            n_items=design.n_items,
            n_languages=design.n_languages,
            n_trials=design.n_trials,
        ),
        rng=0,
    )
    request = Request("counts", None, CALIBRATED, CellOptions(), JointOptions())
    model, _ = prepare(study, request)
    assert isinstance(model, CountModel)
    return model


def redrawn(model: CountModel, natural: Floats, rng: np.random.Generator) -> CountModel:
    """The same model of counts that are drawn from it at natural coordinates (P,)."""
    phi = model.parse(natural).cells.value
    blocks, tables, units = [], list[ItemCounts | None](), []
    for b, block in enumerate(model.blocks):
        counts = model.counts[b]
        assert not isinstance(block, BinomialBlock)
        assert counts is not None
        source, target = counts.source_correct.copy(), counts.target_correct.copy()
        for m, one in enumerate(block):
            theta = one.theta(model.coordinates(phi, model.takes[b][m]))
            trials = counts.source_trials[m], counts.target_trials[m][:, one.asked]
            setting = (one.fit.layout, model.joint, counts.chance)
            source[m], target[m][:, one.asked] = draw_counts(theta, setting, trials, rng)
        table = replace(counts, source_correct=source, target_correct=target)
        unit, fresh = joint_blocks(table, model.joint, centre=block[0].centre)
        blocks.append(fresh)
        tables.append(table)
        units.append(unit)
    parts = block_estimates(blocks, [None] * len(blocks))
    return CountModel(
        replace(model.cells, units=tuple(units), parts=parts),
        model.effects,
        model.names,
        model.families,
        model.priors,
        model.options,
        model.joint,
        tuple(blocks),
        tuple(tables),
    )


def _quantities(model: CountModel, natural: Floats, rng: np.random.Generator) -> pd.DataFrame:
    """Hyperparameters and the HAT of each model, one row per draw."""
    found = {}
    for parameter, at in zip(model.density.parameters, model.places_of.values(), strict=True):
        if not parameter.name.startswith("z_"):
            for place in range(parameter.size):
                found[f"{parameter.name}[{place}]"] = natural[:, at][:, place]
    values = model.complete(natural, rng)
    hat = np.nanmean(model.hat_cells(values, "uniform"), axis=(2, 3))
    found |= {f"HAT[{name}]": hat[:, m] for m, name in enumerate(model.names.models)}
    return pd.DataFrame(found)


def rank_statistics(
    design: RankDesign,
    *,
    n_fits: int = 200,
    n_jobs: int = 1,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Rank of the truth among posterior draws, and whether 95 % intervals hold it.

    Truths are drawn from the prior and data from them, so that ranks are uniform if the posterior
    is right (Talts et al. 2018, arXiv 1804.06788).

    Parameters
    ----------
    design : RankDesign
    n_fits : int
    n_jobs : int
        Processes, through joblib.
    rng : Generator, int or None

    Returns
    -------
    DataFrame
        `fit, quantity, rank, n_draws, covered`; ranks among every `thin`-th draw, intervals from
        all of them.
    """
    template = _template(design)
    tables: Sequence[pd.DataFrame] = joblib.Parallel(n_jobs=n_jobs)(
        joblib.delayed(_one_rank)(design, template, child)
        for child in np.random.default_rng(rng).spawn(n_fits)
    )
    return pd.concat([table.assign(fit=fit) for fit, table in enumerate(tables)], ignore_index=True)


def _one_rank(design: RankDesign, template: CountModel, rng: np.random.Generator) -> pd.DataFrame:
    with quiet():
        drawn = template.density.draw_prior(rng)[None]
        truth = template.prior_coordinates(drawn, rng)
        model = redrawn(template, truth[0], rng)
    seeds = rng.integers(2**31, size=design.sampling.chains).tolist()
    draw = partial(draw_blocked, model)
    chains = sample(model.density, design.sampling, seeds, "calibration", draw)
    flat = chains.x.reshape(-1, model.density.size)
    posterior = _quantities(model, model.density.natural(flat), rng)
    # The truth stands in the template's coordinates.
    true = _quantities(template, truth, rng).iloc[0]
    rows = []
    for name, value in true.items():
        draws = posterior[name].to_numpy(dtype=float)
        low, high = np.quantile(draws, [0.025, 0.975])
        kept = draws[:: design.thin]
        rows.append(
            {
                "quantity": str(name),
                "rank": int((kept < value).sum()),
                "n_draws": kept.size,
                "covered": bool(low <= value <= high),
            }
        )
    return pd.DataFrame(rows)


def ecdf_envelope(
    n_fits: int, n_draws: int, level: float = 0.95, n_simulated: int = 2000
) -> tuple[Floats, Floats]:
    """Simultaneous band of the ECDF of uniform ranks, at each rank from 0 to `n_draws`.

    The pointwise level is widened until so many whole ECDFs of uniform ranks stay inside
    (Säilynoja, Bürkner and Vehtari 2022, Stat Comput 32:32).
    """
    rng = np.random.default_rng(20_260_620)
    ranks = rng.integers(n_draws + 1, size=(n_simulated, n_fits))
    grid = np.arange(n_draws + 1)
    ecdf = np.array([np.searchsorted(np.sort(row), grid, side="right") / n_fits for row in ranks])
    low, high = 0.0, 0.5
    for _ in range(40):
        tail = 0.5 * (low + high)
        band = np.quantile(ecdf, [tail, 1.0 - tail], axis=0)
        inside = ((ecdf >= band[0]) & (ecdf <= band[1])).all(axis=1).mean()
        low, high = (tail, high) if inside > level else (low, tail)
    band = np.quantile(ecdf, [low, 1.0 - low], axis=0)
    return np.asarray(band[0]), np.asarray(band[1])


def calibration_table(ranks: pd.DataFrame) -> pd.DataFrame:
    """Whether each quantity's ranks stay inside the 95 % envelope, and its coverage."""
    rows = []
    for name, part in ranks.groupby("quantity", sort=False):
        draws, fits = int(part["n_draws"].iloc[0]), len(part)
        low, high = ecdf_envelope(fits, draws)
        ordered = np.sort(part["rank"].to_numpy())
        ecdf = np.searchsorted(ordered, np.arange(draws + 1), side="right") / fits
        rows.append(
            {
                "quantity": name,
                "n_fits": fits,
                "mean_rank": float(part["rank"].mean() / draws),
                "outside": float(np.maximum(low - ecdf, ecdf - high).max()),
                "inside": bool(((ecdf >= low) & (ecdf <= high)).all()),
                "coverage": float(part["covered"].mean()),
            }
        )
    return pd.DataFrame(rows)
