"""HAT scores: one number per model, with the covariance over all models and cells."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hatstats.errors import DataError
from hatstats.inference.influence import Tails
from hatstats.inference.intervals import logit_interval, wald_interval
from hatstats.inference.tidy import standard_errors, tidy_frame
from hatstats.scores.ranks import model_position, normal_draws, rank_table

Floats = NDArray[np.float64]

_CELL_COLUMNS = ["model", "benchmark", "language", "estimate", "std_error", "df", "skewness"]
_OVERLAP_COLUMNS = ["model", "benchmark", "outside", "effective_size", "trimmed"]
_OVERLAP_COLUMNS += ["shape_error", "informed", "note"]
_BIAS_WORDS = (
    "bias: possible smoothing bias (one standard deviation), not in the interval; more trials make "
    "it smaller, more items do not."
)


@dataclass(frozen=True, slots=True, eq=False)
class HatScores:
    """Hardness Adjusted Transfer scores of several models.

    Attributes
    ----------
    models : tuple of str, length M
    params : ndarray, shape (M,)
        HAT of each model: expected target accuracy (a proportion) at the reference distribution
        of source accuracy, averaged over languages, then over benchmarks.
    cov : ndarray, shape (M, M)
        Full covariance: models share items, so their scores are correlated.
    reference, method : str
        Reference distribution and estimator.
    estimand : str
        What the number is, in one sentence.
    covariates : DataFrame
        The study's model table, one row per model in the order of `models`.
    source : ndarray, shape (M,)
        Mean source accuracy of each model, NaN if unknown.
    joint_cov : ndarray, shape (2M, 2M)
        Covariance of (params, source).
    cells : DataFrame
        HAT per model, benchmark and language: `model, benchmark, language, estimate, std_error,
        df, skewness`.
    cells_cov : ndarray, shape (C, C)
        Covariance of the cells.
    overlap : DataFrame
        Per model and benchmark: `outside`, the share of the reference outside the central 98 % of
        the model's own distribution; `effective_size`, the number of items that carry the
        reweighted average; `trimmed`, HAT over the inner part only; `shape_error`, the standard
        deviation of the possible smoothing bias of a latent profile; `informed`, False where the
        score is weakly identified; `note`, a warning in words.
    influence : ndarray, shape (G, M), optional
        Influence of each item (or item cluster) on each score, benchmarks below one another; None
        where items are not known one by one.
    bounded : bool
        Whether scores are proportions, so that intervals stay inside (0, 1).
    """

    models: tuple[str, ...]
    params: Floats
    cov: Floats
    reference: str
    method: str
    estimand: str
    covariates: pd.DataFrame
    source: Floats
    joint_cov: Floats
    cells: pd.DataFrame
    cells_cov: Floats
    overlap: pd.DataFrame
    influence: Floats | None = None
    bounded: bool = True

    @property
    def bse(self) -> Floats:
        """Standard errors, shape (M,)."""
        return standard_errors(self.cov)

    @property
    def df(self) -> Floats:
        """Degrees of freedom of the standard errors, shape (M,).

        How well items tell the spread of a score: few where few items carry it, as with a weak
        model under a reference of easy items (`hatstats.inference.influence.Tails`).
        Infinite where items are not known one by one.
        """
        return self._tails().df

    def _tails(self, weights: Floats | None = None) -> Tails:
        """Tails of the scores, or of sums of them with weights (K, M)."""
        if self.influence is None:
            return Tails.unknown(len(self.models if weights is None else weights))
        return Tails.from_sums(self.influence if weights is None else self.influence @ weights.T)

    @property
    def shape_error(self) -> Floats:
        """Standard deviation of the possible smoothing bias of each score, shape (M,).

        Not in the standard error: it does not shrink with the number of items, only with that of
        trials. Benchmarks err independently. NaN where the method assumes no smoothness.
        """
        errors = self.overlap.groupby("model")["shape_error"]
        total = errors.agg(lambda each: float(np.sqrt((each**2).sum(skipna=False)) / len(each)))
        found = total.reindex(list(self.models)).to_numpy(dtype=float)
        return np.asarray(found, dtype=float)

    @property
    def weakly_identified(self) -> tuple[str, ...]:
        """Models whose score is weakly identified on some benchmark."""
        weak = set(self.overlap.loc[~self.overlap["informed"].astype(bool), "model"])
        return tuple(name for name in self.models if name in weak)

    @property
    def nobs(self) -> int:
        """Number of models."""
        return len(self.models)

    def conf_int(self, conf_level: float = 0.95) -> Floats:
        """Confidence limits, shape (M, 2); on the logit scale for proportions.

        Student's t with the degrees of freedom `df`, and skewed as the influence of items is.
        """
        limits = logit_interval if self.bounded else wald_interval
        tails = self._tails()
        return limits(self.params, self.bse, tails.df, conf_level, tails.skewness)

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """One row per model in the tidy schema."""
        identifiers = {"model": list(self.models)}
        return self._tidy(self.params, self.bse, self._tails(), conf_level, identifiers)

    def tidy_cells(self, conf_level: float = 0.95) -> pd.DataFrame:
        """One row per model, benchmark and language in the tidy schema."""
        tails = Tails(*self.cells[["df", "skewness"]].to_numpy(dtype=float).T)
        identifiers = {name: list(self.cells[name]) for name in ("model", "benchmark", "language")}
        estimate, error = self.cells["estimate"], self.cells["std_error"]
        return self._tidy(estimate, error, tails, conf_level, identifiers)

    def _tidy(
        self,
        estimate: ArrayLike,
        std_error: ArrayLike,
        tails: Tails,
        conf_level: float,
        identifiers: Mapping[str, Sequence[str]],
    ) -> pd.DataFrame:
        """Tidy rows of k scores or cells."""
        return tidy_frame(
            "HAT",
            estimate,
            std_error,
            df=tails,
            conf_level=conf_level,
            method=self.method,
            scale="logit" if self.bounded else "identity",
            identifiers={**identifiers, "reference": self.reference},
        )

    def contrast(self, a: str, b: str, conf_level: float = 0.95) -> pd.DataFrame:
        """Difference of two models' scores, with their covariance taken into account.

        Parameters
        ----------
        a, b : str
            Names of two models.
        conf_level : float

        Returns
        -------
        DataFrame
            One tidy row, term ``a - b``.

        Raises
        ------
        DataError
            If a name is not among the models.
        """
        weights = np.zeros(len(self.models))
        for name, sign in ((a, 1.0), (b, -1.0)):
            weights[model_position(self.models, name)] += sign
        return tidy_frame(
            f"{a} - {b}",
            weights @ self.params,
            # Of two equal models the variance of the difference may round to below 0.
            float(np.sqrt(np.maximum(weights @ self.cov @ weights, 0.0))),
            df=self._tails(weights[None]),
            conf_level=conf_level,
            method=self.method,
            identifiers={"reference": self.reference},
        )

    def ranks(
        self,
        *,
        rng: np.random.Generator | int | None = None,
        n_draws: int = 10_000,
        conf_level: float = 0.95,
    ) -> pd.DataFrame:
        """Ranks with intervals, by drawing all scores together from N(params, cov).

        Parameters
        ----------
        rng : Generator, int or None
            Source of random numbers, normalised by ``numpy.random.default_rng``.
        n_draws : int
            Number of parametric bootstrap draws.
        conf_level : float

        Returns
        -------
        DataFrame
            `model, rank, rank_low, rank_high, p_best, conf_level, n_draws`; rank 1 is the
            highest score. Limits are NaN where the covariance is unknown.
        """
        draws = normal_draws(self.params, self.cov, n_draws, rng)
        table = rank_table(self.models, self.params, draws, conf_level)
        if not np.isfinite(self.cov).all():
            table[["rank_low", "rank_high", "p_best"]] = np.nan
        return table

    def glance(self) -> pd.DataFrame:
        """One row of facts about the scores as a whole."""
        return pd.DataFrame(
            {
                "method": [self.method],
                "reference": [self.reference],
                "n_models": [len(self.models)],
                "n_cells": [len(self.cells)],
                "mean": [float(np.mean(self.params))],
                "sd_over_models": [float(np.std(self.params, ddof=1)) if self.nobs > 1 else np.nan],
                "median_std_error": [float(np.median(self.bse))],
            }
        )

    def summary(self, conf_level: float = 0.95) -> str:
        """Scores from best to worst as plain text of at most 80 columns."""
        limits = self.conf_int(conf_level)
        lines = [
            f"HAT scores ({self.method}, reference {self.reference}, {conf_level:.0%} intervals)",
            *_wrap(self.estimand),
        ]
        bias = self.shape_error
        width = min(max((len(name) for name in self.models), default=5), 40)
        for m in np.argsort(-self.params, kind="stable"):
            name = self.models[m]
            name = name if len(name) <= width else name[: width - 1] + "…"
            interval = f"[{limits[m, 0]:.3f}, {limits[m, 1]:.3f}]"
            shown = "" if np.isnan(bias[m]) else f"  bias {bias[m]:.3f}"
            lines.append(f"  {name:<{width}}  {self.params[m]:.3f}  {interval}{shown}")
        notes = [] if np.isnan(bias).all() else [_BIAS_WORDS]
        for note in (*notes, *filter(None, self.overlap["note"])):
            lines.extend(_wrap(note))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<HatScores: {self.nobs} models, {self.method}, reference {self.reference}>"

    def _repr_html_(self) -> str:
        return str(self.tidy().to_html(index=False, float_format="{:.3f}".format))

    @classmethod
    def from_frame(cls, scores: pd.DataFrame, cov: pd.DataFrame) -> HatScores:
        """Scores made elsewhere, so that trends and claims serve any measure.

        Parameters
        ----------
        scores : DataFrame
            Columns `model`, `estimate` and any covariates (`family`, `release_date`,
            `params_total`, ...).
        cov : DataFrame
            Covariance of the estimates, rows and columns named by model.

        Returns
        -------
        HatScores

        Raises
        ------
        DataError
            If a column is missing, a model is named twice or missing from `cov`, something is not
            a finite number, or `cov` is not symmetric and positive semi-definite.
        """
        for column in ("model", "estimate"):
            if column not in scores.columns:
                raise DataError("the table of scores lacks a column", column=column, hint="add it.")
        names = [str(name) for name in scores["model"]]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(
                "a model has two scores", column="model", value=twice[0], hint="keep one row each."
            )
        estimate = pd.to_numeric(scores["estimate"], errors="coerce").to_numpy(dtype=float)
        matrix = _given_covariance(names, estimate, cov)
        count = len(names)
        joint = np.full((2 * count, 2 * count), np.nan)
        joint[:count, :count] = matrix
        return cls(
            models=tuple(names),
            params=estimate,
            cov=matrix,
            reference="given",
            method="given",
            estimand="Scores given by the user.",
            covariates=scores.drop(columns="estimate").reset_index(drop=True),
            source=np.full(count, np.nan),
            joint_cov=joint,
            cells=pd.DataFrame(columns=_CELL_COLUMNS),
            cells_cov=np.zeros((0, 0)),
            overlap=pd.DataFrame(columns=_OVERLAP_COLUMNS),
            bounded=False,
        )


def _given_covariance(names: list[str], estimate: Floats, cov: pd.DataFrame) -> Floats:
    """The covariance of given scores, rows and columns in the order of the names, checked."""
    for labels in (cov.index, cov.columns):
        if absent := [name for name in names if name not in labels]:
            raise DataError(
                "the covariance lacks a model",
                column="model",
                value=absent[0],
                hint="index its rows and columns by model name.",
            )
        if (double := labels[labels.duplicated()].intersection(names)).size:
            raise DataError(
                "the covariance names a model twice",
                column="model",
                value=double[0],
                hint="keep one row and one column each.",
            )
    numbers = cov.loc[names, names].apply(pd.to_numeric, errors="coerce")
    matrix = np.asarray(numbers, dtype=float)
    odd = np.flatnonzero(~(np.isfinite(estimate) & np.isfinite(matrix).all(axis=1)))
    if odd.size:
        raise DataError(
            "a score or its covariance is not a finite number",
            row=int(odd[0]) + 2,
            column="estimate",
            value=names[odd[0]],
            hint="leave that model out, or give its numbers.",
        )
    scale = np.abs(matrix).max(initial=0.0)
    if not np.allclose(matrix, matrix.T, atol=1e-9 * scale):
        raise DataError("the covariance is not symmetric", hint="check rows against columns.")
    values, vectors = np.linalg.eigh(matrix)
    if values.min(initial=0.0) < -1e-9 * scale:
        weight = np.abs(vectors[:, 0])
        guilty = [name for name, w in zip(names, weight, strict=True) if w > 0.1 * weight.max()]
        raise DataError(
            "the covariance has a negative eigenvalue: some combination of these models would "
            "have a negative variance",
            column="model",
            value=", ".join(guilty),
            hint="estimate it from the same items for all models.",
        )
    return matrix


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="  ")
