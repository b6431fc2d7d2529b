"""From values per model, benchmark and language to scores per model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.error_rows import ErrorRows, joint_covariance, joint_freedom, known_of
from hatstats.inference.influence import covariance_of_sums
from hatstats.inference.intervals import NO_SPREAD
from hatstats.scores.cell_weights import cell_weights, models_on_every, partial_languages
from hatstats.scores.reference import reference_name
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.scores.wordings import THESE, Scope


@dataclass(frozen=True, slots=True, eq=False)
class ScoreBlock:
    """HAT cells and source accuracies of one benchmark with their joint errors.

    `cells` has `model, benchmark, language, estimate` (C rows), `source` has `model, estimate` (S
    rows); `errors` are theirs, then those of the raw accuracies `target` (C,) where items are
    known.
    """

    cells: pd.DataFrame
    source: pd.DataFrame
    errors: ErrorRows
    overlap: pd.DataFrame
    target: Floats | None = None

    @property
    def values(self) -> Floats:
        """Cells, source accuracies and, where known, raw target accuracies: those of `errors`."""
        known = [self.cells["estimate"], self.source["estimate"]]
        return np.concatenate(known if self.target is None else [*known, self.target])

    @property
    def df(self) -> Floats:
        """Degrees of freedom of the cells (C,), infinite where items are not known."""
        return joint_freedom([self.errors.some(slice(len(self.cells)))])


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
        same = sparse.eye_array(len(block.source), format="csr")
        same = same[pd.Index(block.source["model"]).get_indexer(list(models))] / len(blocks)
        parts = [own, same, own] if with_target else [own, same]
        maps.append(sparse.block_diag(parts, format="csr"))
    values = np.sum([A @ block.values for A, block in zip(maps, blocks, strict=True)], axis=0)
    sums = [block.errors.of_sums(A) for A, block in zip(maps, blocks, strict=True)]
    joint = joint_covariance(sums)
    of_cells = [block.errors.some(slice(len(block.cells))) for block in blocks]
    cells = pd.concat([block.cells for block in blocks], ignore_index=True).assign(
        std_error=np.sqrt(np.concatenate([each.variance for each in of_cells])),
        df=np.concatenate([block.df for block in blocks]),
    )
    _warn_of_no_spread(cells)
    facts = profile.study.models.set_index("model", drop=False).loc[list(models)]
    # Of scores, source and raw target accuracies side by side, benchmarks below one another.
    influence = known_of(each.influence for each in sums)
    whole = None if influence is None else np.concatenate(influence)
    moves = [each.moves for each in sums if each.moves is not None]
    only = "" if chosen is None else f" Languages: {', '.join(chosen)} only."
    if partial := partial_languages(cells):
        only += f" Not asked of every model, left out: {', '.join(partial)}."
    flagged = profile.study.flagged
    out = set() if chosen is None else set(profile.target_languages) - set(chosen)
    used = flagged[~flagged["language"].isin(out)]
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
        cell_errors=tuple(of_cells),
        overlap=_with_flags(pd.concat([b.overlap for b in blocks], ignore_index=True), used),
        influence=None if whole is None else whole[:, :count],
        scope=scope,
        wordings=tuple(each[:, :count] for each in moves) or None,
        beside_influence=None if whole is None else whole[:, count:],
        beside_wordings=tuple(each[:, count:] for each in moves) or None,
        language_table=profile.study.language_table,
    )
