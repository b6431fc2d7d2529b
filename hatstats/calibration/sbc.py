"""Simulation-based calibration of the hierarchical model: ranks of truths drawn from the prior."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from hatstats.bayes.cell_model import CellModel, Values
from hatstats.bayes.fit import Request, prepare
from hatstats.bayes.options import CellOptions, Priors, Sampling, own_random_state
from hatstats.inference.arrays import Floats
from hatstats.simulation.simulate import Shape, simulate_study


@dataclass(frozen=True, slots=True)
class RankDesign:
    """Size of the studies drawn for simulation-based calibration."""

    n_models: int = 6
    n_items: int = 100
    n_languages: int = 3
    sampling: Sampling = field(
        default_factory=lambda: Sampling(draws=500, tune=500, chains=2, cores=1)
    )
    thin: int = 5  # draws between those that are ranked, so that they are nearly independent


def template(design: RankDesign) -> CellModel:
    """Cells whose covariance, but not estimates, every drawn study shares."""
    study = simulate_study(
        tuple(np.linspace(-0.5, 0.5, design.n_models)),
        shape=Shape(n_items=design.n_items, n_languages=design.n_languages),
        rng=0,
    )
    return prepare(study, Request(None, Priors(), CellOptions()))[0]


def redrawn(cells: CellModel, truth: Values, rng: np.random.Generator) -> CellModel:
    """The same cells with estimates drawn from true logits, the first draw of `truth`."""
    predicted = cells.predictive(truth, rng)
    parts = []
    for b, (unit, part) in enumerate(zip(cells.effects.units, cells.parts, strict=True)):
        models, languages = cells.positions(unit)
        index = models[unit.cell_model], b, languages[unit.cell_language]
        source = predicted["source_logit"][0, models, b]
        transfer = predicted["transfer_logit"][0][index]
        parts.append(replace(part, source=source, transfer=transfer))
    return replace(cells, parts=tuple(parts))


def _quantities(values: Values) -> dict[str, Floats]:
    """Standard deviations and the HAT of each model, (D,) each."""
    hat = np.nanmean(values["hat"], axis=(2, 3))
    found = {name: value for name, value in values.items() if name.startswith("sd_")}
    return found | {f"HAT[{m}]": column for m, column in enumerate(hat.T)}


def rank_statistics(
    design: RankDesign,
    *,
    n_fits: int = 200,
    n_jobs: int = 1,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Rank of the truth among posterior draws, and whether 95 % intervals hold it.

    Truths are drawn from the prior and data from them, so that ranks are uniform if the posterior
    is right (Talts et al. 2018, arXiv 1804.06788): among every `thin`-th draw, intervals from all.
    """
    children = np.random.default_rng(rng).spawn(n_fits)
    tables = Parallel(n_jobs=n_jobs)(delayed(_ranks)(design, child) for child in children)
    found: list[pd.DataFrame] = [table.assign(fit=fit) for fit, table in enumerate(tables)]
    return pd.concat(found, ignore_index=True)


@cache
def _prepared(design: RankDesign) -> tuple[CellModel, Any]:
    """Cells and their PyMC model, once in each process."""
    cells = template(design)
    with own_random_state():
        from hatstats.bayes.model import build_model

        return cells, build_model(cells.marginal, cells.priors)


def _ranks(design: RankDesign, rng: np.random.Generator) -> pd.DataFrame:
    """Ranks of one drawn study."""
    cells, model = _prepared(design)
    from hatstats.bayes.model import draw_prior, sample

    drawn = draw_prior(model, 1, int(rng.integers(2**31)))
    truth = cells.complete({name: value[0] for name, value in drawn.items()}, rng, prior=True)
    found = redrawn(cells, truth, rng)
    seed = int(rng.integers(2**31))
    draws, _, _ = sample(found.marginal, cells.priors, model, design.sampling, seed)
    flat = {name: value.reshape(-1, *value.shape[2:]) for name, value in draws.items()}
    posterior, true = _quantities(found.complete(flat, rng)), _quantities(truth)
    rows = []
    for name, value in true.items():
        low, high = np.quantile(posterior[name], [0.025, 0.975])
        kept = posterior[name][:: design.thin]
        covered = bool(low <= value[0] <= high)
        rows.append((name, int((kept < value[0]).sum()), kept.size, covered))
    return pd.DataFrame(rows, columns=["quantity", "rank", "n_draws", "covered"])


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
