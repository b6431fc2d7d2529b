"""From values per model, benchmark and language to scores per model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import linalg

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.influence import covariance_of_sums, degrees_of_freedom
from hatstats.inference.intervals import NO_SPREAD
from hatstats.inference.tidy import standard_errors
from hatstats.scores.cell_weights import cell_weights, models_on_every
from hatstats.scores.reference import reference_name
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.scores.wordings import THESE, Scope


@dataclass(frozen=True, slots=True, eq=False)
class ScoreBlock:
    """HAT cells and source accuracies of one benchmark with their joint covariance.

    `cells` has `model, benchmark, language, estimate` (C rows), `source` has `model, estimate` (S
    rows); `cov` is theirs, then that of the raw accuracies `target` (C,) where items are known;
    `influence` (G, K) of items or clusters and `wordings` (W, K), moves, are on its K rows.
    """

    cells: pd.DataFrame
    source: pd.DataFrame
    cov: Floats
    overlap: pd.DataFrame
    influence: Floats | None = None
    wordings: Floats | None = None
    target: Floats | None = None

    @property
    def values(self) -> Floats:
        """Cells, source accuracies and, where known, raw target accuracies: the rows of `cov`."""
        known = [self.cells["estimate"], self.source["estimate"]]
        return np.concatenate(known if self.target is None else [*known, self.target])

    @property
    def df(self) -> Floats:
        """Degrees of freedom of the cells (C,), infinite where items are not known."""
        count = len(self.cells)
        if self.influence is None:
            return np.full(count, np.inf)
        moves = () if self.wordings is None else (self.wordings[:, :count],)
        return degrees_of_freedom(self.influence[:, :count], moves, np.diag(self.cov)[:count])


@dataclass(frozen=True, slots=True, eq=False)
class ModelScores:
    """Scores of M models with the influence (G_b, M) of each benchmark's item clusters.

    Benchmarks share no items. Rows (R, M) of `spread` add errors that no item shows, of profiles
    that borrow from one another.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study((0.0, 1.0), shape=hs.Shape(n_items=200, n_languages=1), rng=1)
    >>> hs.split_half(hs.fit_profile(study)).line.models
    ('model-01', 'model-02')
    """

    models: tuple[str, ...]
    estimates: Floats
    influence: tuple[Floats, ...]
    spread: Floats | None = None

    @property
    def covariance(self) -> Floats:
        """Covariance over models, shape (M, M): sum over benchmarks of G/(G-1) psi' psi."""
        cov = reduce(np.add, [covariance_of_sums(psi) for psi in self.influence])
        return cov if self.spread is None else cov + self.spread.T @ self.spread

    def spread_errors(self, n_draws: int, rng: np.random.Generator) -> Floats:
        """Draws (B, M) of the errors that borrowing adds; 0 where nothing is borrowed."""
        if self.spread is None:
            return np.zeros((n_draws, len(self.models)))
        # A root with M rows instead of R: the same covariance from fewer random numbers.
        root = np.linalg.qr(self.spread, mode="r")
        return np.asarray(rng.standard_normal((n_draws, len(root))) @ root)

    def less(self, other: ModelScores) -> ModelScores:
        """Difference of two sets of scores of the same models on the same items."""
        influence = tuple(a - b for a, b in zip(self.influence, other.influence, strict=True))
        rows = [each.spread for each in (self, other) if each.spread is not None]
        spread = np.concatenate(rows) if rows else None
        return ModelScores(self.models, self.estimates - other.estimates, influence, spread)


def _warn_of_no_spread(cells: pd.DataFrame) -> None:
    """Say why a cell has no interval: its items do not differ, or there is one item only."""
    error = cells["std_error"].to_numpy(dtype=float)
    for found, reason in (
        (error <= NO_SPREAD, "their answers are all the same, so that no item moves them"),
        (np.isnan(error), "one item or item cluster tells nothing of spread over items"),
    ):
        if found.any():
            names = cells.loc[found, ["model", "benchmark", "language"]].agg(", ".join, axis=1)
            more = f" and {found.sum() - 3} more" if found.sum() > 3 else ""
            text = f"no interval for {'; '.join(names[:3])}{more}: {reason}"
            warnings.warn(text, DegenerateDataWarning, stacklevel=5)


def _with_flags(overlap: pd.DataFrame, flagged: pd.DataFrame) -> pd.DataFrame:
    """Overlap whose notes also name the flagged cells that each model's score uses."""
    for (model, benchmark), rows in flagged.groupby(["model", "benchmark"], sort=False):
        row = (overlap["model"] == model) & (overlap["benchmark"] == benchmark)
        names = sorted(set(rows["language"]))
        text = (
            f"{model} is scored with {len(names)} flagged cell{'s' if len(names) > 1 else ''} of "
            f"{benchmark} ({', '.join(names)}): without_flagged() leaves them out."
        )
        overlap.loc[row, "note"] = (overlap.loc[row, "note"] + " " + text).str.strip()
    return overlap


def _first(blocks: Sequence[Floats], widths: Sequence[int]) -> tuple[Floats, ...]:
    """The first columns of arrays, as many as `widths` has for each."""
    return tuple(each[:, :width] for each, width in zip(blocks, widths, strict=bool(blocks)))


def assemble(
    profile: TransferProfile,
    reference: str | ArrayLike,
    blocks: Sequence[ScoreBlock],
    chosen: Sequence[str] | None = None,
    scope: Scope = THESE,
) -> HatScores:
    """Average cells over shared languages, then benchmarks, with the full covariance.

    Models without a cell on some benchmark keep their cells and get no score; `chosen` languages
    are named in the estimand, and cells without an interval in a warning.
    """
    for block in blocks:
        if block.cells.empty:
            raise NotIdentifiedError(
                f"benchmark {block.overlap['benchmark'].iloc[0]!r} has none of the languages "
                f"{', '.join(chosen or ())}; select the benchmarks that have them"
            )
    models = models_on_every(
        profile.complete_models, [block.cells["model"].unique().tolist() for block in blocks]
    )
    count = len(models)
    weights = cell_weights([block.cells for block in blocks], models)
    with_target = all(block.target is not None for block in blocks)
    maps = []
    for block, own in zip(blocks, weights, strict=True):
        same = np.array(models)[:, None] == block.source["model"].to_numpy()[None, :]
        parts = [own, same / len(blocks), own] if with_target else [own, same / len(blocks)]
        maps.append(linalg.block_diag(*parts))
    values = np.sum([A @ block.values for A, block in zip(maps, blocks, strict=True)], axis=0)
    joint = np.sum([A @ block.cov @ A.T for A, block in zip(maps, blocks, strict=True)], axis=0)
    cells_cov = linalg.block_diag(
        *(block.cov[: len(block.cells), : len(block.cells)] for block in blocks)
    )
    cells = pd.concat([block.cells for block in blocks], ignore_index=True).assign(
        std_error=standard_errors(cells_cov),
        df=np.concatenate([block.df for block in blocks]),
    )
    _warn_of_no_spread(cells)
    facts = profile.study.models.set_index("model", drop=False).loc[list(models)]
    known = [block.influence for block in blocks if block.influence is not None]
    moves = [block.wordings for block in blocks if block.wordings is not None]
    widths = [len(block.cells) for block in blocks]
    only = "" if chosen is None else f" Languages: {', '.join(chosen)} only."
    flagged = profile.study.flagged
    out = set() if chosen is None else set(profile.target_languages) - set(chosen)
    used = flagged[~flagged["language"].isin(out)]
    by_item = len(known) == len(blocks)
    # Of scores, source and raw target accuracies side by side, benchmarks below one another.
    influence = [psi @ A.T for psi, A in zip(known, maps, strict=by_item)]
    of_models = [each @ A.T for each, A in zip(moves, maps, strict=bool(moves))]
    whole = np.concatenate(influence) if by_item else None
    return HatScores(
        models=models,
        estimates=values[:count],
        covariance=joint[:count, :count],
        reference=reference_name(reference),
        method=profile.method,
        estimand=profile.estimand + only,
        covariates=facts.reset_index(drop=True),
        source=values[count : 2 * count],
        target=values[2 * count :] if with_target else None,
        joint_cov=joint,
        cells=cells,
        cells_cov=cells_cov,
        overlap=_with_flags(pd.concat([b.overlap for b in blocks], ignore_index=True), used),
        cell_influence=_first(known, widths) if by_item else None,
        influence=None if whole is None else whole[:, :count],
        scope=scope,
        wordings=_first(of_models, [count] * len(moves)) or None,
        cell_wordings=_first(moves, widths) or None,
        beside_influence=None if whole is None else whole[:, count:],
        beside_wordings=tuple(each[:, count:] for each in of_models) or None,
        language_table=profile.study.language_table,
    )
