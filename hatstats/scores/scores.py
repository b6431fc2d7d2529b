"""HAT scores: one number per model, with the covariance over all models and cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.inference.arrays import Floats
from hatstats.inference.error_rows import ErrorRows, joint_covariance, joint_freedom
from hatstats.inference.influence import degrees_of_freedom
from hatstats.inference.intervals import logit_interval, wald_interval
from hatstats.inference.labelled import Contrast
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.tidy import IDENTIFIERS, tidy_frame
from hatstats.scores import saved
from hatstats.scores.cell_weights import difference, difference_in_languages, names_of
from hatstats.scores.given import given_fields
from hatstats.scores.languages.average import AveragedByLanguage
from hatstats.scores.score_text import score_rows, score_text


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HatScores(AveragedByLanguage):
    """Hardness Adjusted Transfer scores of several models.

    Attributes
    ----------
    models : tuple of str, length M
    estimates : ndarray, shape (M,)
        HAT of each model: expected target accuracy (a proportion) at the reference distribution
        of source accuracy, averaged over languages, then over benchmarks.
    covariance : ndarray, shape (M, M)
        Full covariance: models share items, so their scores are correlated.
    params, bse, cov : Series, Series, DataFrame
        The same by model.
    reference, method : str
        Reference distribution and estimator.
    estimand : str
        What the number is, in one sentence.
    covariates : DataFrame
        The study's model table, one row per model in the order of `models`.
    source : ndarray, shape (M,)
        Mean source accuracy of each model, NaN if unknown.
    target : ndarray, shape (M,), optional
        Raw target accuracy of each model, averaged as its score is; None where items are not known.
    joint_cov : ndarray, shape (2M, 2M) or (3M, 3M)
        Covariance of (estimates, source), and of target accuracies where they are known.
    cells : DataFrame
        HAT per model, benchmark and language: `model, benchmark, language, estimate, std_error,
        df`.
    cell_errors : tuple of ErrorRows
        Errors of the cells of each benchmark, whose products are their covariance `cells_cov`.
    overlap : DataFrame
        Per model and benchmark: `outside`, the share of the reference outside the central 98 % of
        the model's own distribution; `effective_size`, the number of items that carry the
        reweighted average; `effective_trials`, the independent trials that an item's trials in the
        source language are worth; `trimmed`, HAT over the inner part only; `shape_error`, the
        standard deviation of the possible smoothing bias of a latent profile; `informed`, False
        where the score is weakly identified; `note`, a warning in words.
    influence : ndarray (G, M), optional
        Influence of each item (or item cluster) on each score, benchmarks below one another; None
        where items are not known one by one. That on cells is in `cell_errors`.
    bounded : bool
        Whether scores are proportions, so that intervals stay inside (0, 1).
    given_df : ndarray, shape (M,), optional
        Degrees of freedom of scores made elsewhere.
    scope : str
        Over what intervals generalise beside items: ``these wordings``, or ``wordings like these``.
    wordings : tuple of ndarray, (W_b, M), optional
        Moves of scores without each wording, where wordings are sampled, by benchmark.
    language_table : DataFrame
        The study's table of languages: `language` and what is known of it; empty if there is none.
    beside_influence, beside_wordings : ndarray (G, 2M), tuple of ndarray (W_b, 2M), optional
        The same for source and target accuracies.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], rng=1)
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> scores.params.round(2).to_dict()
    {'model-01': 0.4, 'model-02': 0.44}
    """

    models: tuple[str, ...]
    estimates: Floats
    covariance: Floats
    reference: str
    method: str
    estimand: str
    covariates: pd.DataFrame
    source: Floats
    joint_cov: Floats
    cells: pd.DataFrame
    overlap: pd.DataFrame
    influence: Floats | None = None
    bounded: bool = True
    cell_errors: tuple[ErrorRows, ...] = ()
    given_df: Floats | None = None
    scope: str = ""
    wordings: tuple[Floats, ...] | None = None
    language_table: pd.DataFrame = field(default_factory=pd.DataFrame)
    target: Floats | None = None
    beside_influence: Floats | None = None
    beside_wordings: tuple[Floats, ...] | None = None

    @property
    def labels(self) -> pd.Index:
        """Names of the models."""
        return pd.Index(self.models, name="model")

    @property
    def df(self) -> pd.Series:
        """Degrees of freedom of the standard errors, by model.

        Few where few items carry a score, as with a weak model under a reference of easy items
        (`hatstats.inference.influence.degrees_of_freedom`); infinite where items are not known
        one by one.
        """
        return pd.Series(self.degrees_of_freedom(), index=self.labels, name="df")

    def degrees_of_freedom(self, weights: Floats | None = None) -> Floats:
        """Degrees of freedom of the scores, or of sums of them with weights (K, M).

        Weights (K, 3M) are of sums over (estimates, source, target). Of scores made elsewhere a sum
        has the fewest degrees of freedom of its parts.
        """
        count = len(self.models)
        rows = np.eye(count) if weights is None else weights
        own, beside = rows[:, :count], rows[:, count:]
        with_beside = bool(beside.any())
        if self.influence is not None and not (with_beside and self.beside_influence is None):
            sums = self.influence @ own.T
            moves = [each @ own.T for each in self.wordings or ()]
            if with_beside:
                assert self.beside_influence is not None
                sums = sums + self.beside_influence @ beside.T
                parts = zip(moves, self.beside_wordings or (), strict=True)
                moves = [one + each @ beside.T for one, each in parts]
            width = rows.shape[1]
            variance = np.einsum("km,mn,kn->k", rows, self.joint_cov[:width, :width], rows)
            return degrees_of_freedom(sums, moves, variance)
        given = np.inf if self.given_df is None else self.given_df
        return np.asarray(np.where(own != 0.0, given, np.inf).min(axis=1))

    @property
    def shape_error(self) -> Floats:
        """Standard deviation of the possible smoothing bias of each score, shape (M,).

        Not in the standard error: it does not shrink with the number of items, only with that of
        trials. Benchmarks err independently. NaN where the method assumes no smoothness.
        """
        errors = self.overlap.groupby("model")["shape_error"]
        total = errors.agg(lambda each: float(np.sqrt((each**2).sum(skipna=False)) / len(each)))
        return np.asarray(total.reindex(list(self.models)), dtype=float)

    @property
    def effective_trials(self) -> Floats:
        """Independent trials that an item's source trials are worth, mean over benchmarks, (M,)."""
        mean = self.overlap.astype({"effective_trials": float}).groupby("model")["effective_trials"]
        return np.asarray(mean.mean().reindex(list(self.models)), dtype=float)

    @property
    def weakly_identified(self) -> tuple[str, ...]:
        """Models whose score is weakly identified on some benchmark."""
        weak = self.overlap.loc[~self.overlap["informed"].astype(bool), "model"]
        return tuple(name for name in self.models if name in set(weak))

    @property
    def nobs(self) -> int:
        """Number of models."""
        return len(self.models)

    def limits(self, conf_level: float = 0.95) -> Floats:
        """Confidence limits as an array, shape (M, 2); on the logit scale for proportions.

        Student's t with the degrees of freedom `df`.
        """
        interval = logit_interval if self.bounded else wald_interval
        return interval(self.estimates, self.std_errors, self.degrees_of_freedom(), conf_level)

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """One row per model in the tidy schema, with `effective_trials` where items are known."""
        facts = pd.DataFrame({"model": self.models, "estimate": self.estimates})
        facts = facts.assign(std_error=self.std_errors, df=self.degrees_of_freedom())
        rows = self._tidy(facts, conf_level)
        trials = self.effective_trials
        return rows if np.isnan(trials).all() else rows.assign(effective_trials=trials)

    def tidy_cells(self, conf_level: float = 0.95) -> pd.DataFrame:
        """One row per model, benchmark and language in the tidy schema."""
        return self._tidy(self.cells, conf_level)

    def _tidy(self, facts: pd.DataFrame, conf_level: float) -> pd.DataFrame:
        """Tidy rows of scores or cells (`estimate, std_error, df` and identifying columns)."""
        identifiers = {name: list(facts[name]) for name in IDENTIFIERS if name in facts}
        rows = tidy_frame(
            "HAT",
            facts["estimate"],
            facts["std_error"],
            df=facts["df"],
            conf_level=conf_level,
            method=self.method,
            scale="logit" if self.bounded else "identity",
            identifiers={**identifiers, "reference": self.reference},
        )
        rows.attrs["scope"] = self.scope
        return rows

    def contrast(
        self,
        a: str | Sequence[str],
        b: str | Sequence[str],
        conf_level: float = 0.95,
        *,
        languages: str | Sequence[str] | None = None,
        other_languages: str | Sequence[str] | None = None,
    ) -> Contrast:
        """Difference of two models' scores, or of the means of two groups of models.

        Parameters
        ----------
        a, b : str or sequence of str
            A model, or several whose mean is taken.
        conf_level : float
            Level of the interval.
        languages, other_languages : str or sequence of str, optional
            Average over these languages only, on both sides, or on the side of `b` if
            `other_languages` are given; all shared languages if not given.

        Returns
        -------
        Contrast
            With the full covariance of models, languages and benchmarks taken into account.

        Raises
        ------
        DataError
            If a name is not among the models or languages.

        Examples
        --------
        >>> import hatstats as hs
        >>> study = hs.simulate_study([0.0, 0.5, 1.0], rng=1)
        >>> scores = hs.fit_profile(study, method="observed").hat()
        >>> scores.contrast("model-03", ["model-01", "model-02"]).term
        'model-03 - mean(model-01, model-02)'
        """
        if languages is None and other_languages is None:
            term, weights = difference(self.models, a, b)
            value, variance = weights @ self.estimates, weights @ self.covariance @ weights
            df = float(self.degrees_of_freedom(weights[None])[0])
        else:
            other = languages if other_languages is None else other_languages
            sides = (a, languages), (b, other)
            term, weights = difference_in_languages(self.models, self.cells, *sides)
            value = weights @ self.cells["estimate"].to_numpy(dtype=float)
            errors = self.errors_of_cells(weights[None])
            variance = joint_covariance(errors)[0, 0]
            df = float(joint_freedom(errors)[0])
        row = tidy_frame(
            term,
            value,
            # Of two equal models the variance of the difference may round to below 0.
            float(np.sqrt(np.maximum(variance, 0.0))),
            df=df,
            conf_level=conf_level,
            method=self.method,
            identifiers={"reference": self.reference},
        )
        involved = self.overlap["model"].isin([*names_of(a), *names_of(b)])
        notes = tuple(filter(None, self.overlap.loc[involved, "note"]))
        return Contrast.from_row(row, notes, self.scope)

    def glance(self) -> pd.DataFrame:
        """One row of facts about the scores as a whole."""
        return ResultFrame(
            {
                "method": [self.method],
                "reference": [self.reference],
                "scope": [self.scope],
                "n_models": [len(self.models)],
                "n_cells": [len(self.cells)],
                "mean": [float(np.mean(self.estimates))],
                "sd_over_models": [float(pd.Series(self.estimates).std())],
                "median_std_error": [float(np.median(self.std_errors))],
            }
        )

    def summary(self, conf_level: float = 0.95) -> str:
        """Scores from best to worst as plain text of at most 80 columns."""
        return score_text(self, conf_level)

    def _html_rows(self) -> pd.DataFrame:
        return score_rows(self)

    def save(self, path: str | Path) -> None:
        """Write the scores to a JSON file, from which `load` makes equal ones.

        Parameters
        ----------
        path : str or path
            A file that exists is replaced.
        """
        saved.write(path, self)

    @classmethod
    def load(cls, path: str | Path) -> HatScores:
        """Read scores that `save` has written; nothing in the file is executed.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        HatScores

        Raises
        ------
        DataError
            If the file is missing, or holds no scores of this schema.
        """
        return cls(**saved.read(path))

    @classmethod
    def from_frame(
        cls,
        scores: pd.DataFrame,
        cov: pd.DataFrame | pd.Series | ArrayLike,
        *,
        bounded: bool | None = None,
    ) -> HatScores:
        """Scores made elsewhere, so that trends and claims serve any measure.

        ``HatScores.from_frame(scores.tidy(), scores.cov)`` gives the same estimates, standard
        errors and degrees of freedom. Not in a tidy table, and so lost: cells, source accuracies,
        warnings, and the table of models: for trends give
        ``scores.tidy().merge(study.models, on="model")``.

        Parameters
        ----------
        scores : DataFrame
            Columns `model`, `estimate`, optionally `df`, and any covariates (`family`, ...). Of a
            tidy table the rows of term ``HAT`` are used.
        cov : DataFrame, Series or array_like
            Covariance of the estimates, rows and columns named by model, or an array in the order
            of the rows; a Series or one row of numbers holds variances of independent estimates.
        bounded : bool, optional
            Whether scores are proportions, whose intervals stay inside (0, 1). By default if the
            table has a column `term`, as tidy tables have.

        Returns
        -------
        HatScores

        Raises
        ------
        DataError
            If a column is missing, a model is named twice or missing from `cov`, something is not
            a finite number, or `cov` is not symmetric and positive semi-definite.

        Examples
        --------
        >>> import hatstats as hs
        >>> import pandas as pd
        >>> table = pd.DataFrame({"model": ["a", "b"], "estimate": [0.4, 0.5]})
        >>> scores = hs.HatScores.from_frame(table, [1e-4, 1e-4])
        >>> print(scores.contrast("b", "a"))
        b - a: 0.100, 95% interval [0.072, 0.128], p < 0.001
          given, reference given; standard error 0.0141
        """
        return cls(**given_fields(scores, cov, bounded))
