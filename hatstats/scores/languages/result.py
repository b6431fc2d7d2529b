"""HAT of languages or groups of languages: estimates, differences, and who is left behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hatstats.inference.arrays import Floats
from hatstats.inference.influence import degrees_of_freedom
from hatstats.inference.intervals import check_level, logit_interval, wald_interval
from hatstats.inference.random_numbers import RandomSource
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.tidy import tidy_frame
from hatstats.scores.languages.differences import ComparedLanguages
from hatstats.scores.score_text import language_text


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LanguageScores(ComparedLanguages):
    """HAT of K languages or groups of languages, for the mean of several models or for each model.

    Intervals generalise over items (and wordings, by `scope`), for these languages and models.

    Attributes
    ----------
    column : str
        What the groups are: ``language``, a column of the table of languages, or ``model``.
    groups : DataFrame
        One row per estimate: `model` (where each has its own), the group, its `n_languages` and
        its `benchmarks`.
    models : tuple of str
        The models averaged over.
    units : DataFrame
        `model` (empty for the mean), `benchmark, language, weight`: what is averaged, U rows.
    unit_values, unit_cov : ndarray, (U,) and (U, U)
        HAT of the units, and its covariance.
    parts : ndarray, shape (K, B, U)
        Weights of each estimate on the units of each benchmark, 0 where it has none.
    influence, wordings : ndarray (G, U) and tuple of ndarray (W_b, U), optional
        As in `HatScores`, on the units.
    method, reference, scope, notes, bounded
        As in `HatScores`.
    params, bse, cov : Series, Series, DataFrame
        Estimates, standard errors and covariance by group.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(200, 3), rng=1)
    >>> found = hs.fit_profile(study, method="observed").hat().by("language")
    >>> found.params.round(2).to_dict()
    {'t01': 0.41, 't02': 0.44, 't03': 0.44}
    """

    column: str
    groups: pd.DataFrame
    models: tuple[str, ...]
    units: pd.DataFrame
    unit_values: Floats
    unit_cov: Floats
    parts: Floats
    influence: Floats | None
    wordings: tuple[Floats, ...] | None
    method: str
    reference: str
    scope: str
    notes: tuple[str, ...]
    bounded: bool = True

    @property
    def labels(self) -> pd.Index:
        """Groups, or models and groups."""
        names = [name for name in dict.fromkeys(("model", self.column)) if name in self.groups]
        found = self.groups.set_index(names).index
        assert isinstance(found, pd.Index)
        return found

    @property
    def _has(self) -> np.ndarray:
        """Which estimates have which benchmarks, (K, B)."""
        return np.asarray(self.parts.any(axis=2))

    @property
    def _rows(self) -> Floats:
        """Weights (K, U) of the estimates on the units: the mean over the benchmarks they have."""
        return np.asarray(self.parts.sum(axis=1) / self._has.sum(axis=1)[:, None])

    @property
    def estimates(self) -> Floats:
        """HAT of the groups, shape (K,)."""
        return np.asarray(self._rows @ self.unit_values)

    @property
    def covariance(self) -> Floats:
        """Covariance of the estimates, shape (K, K)."""
        rows = self._rows
        return np.asarray(rows @ self.unit_cov @ rows.T)

    def _df(self, rows: Floats) -> Floats:
        """Degrees of freedom of sums of the units with weights (R, U)."""
        if self.influence is None:
            return np.full(len(rows), np.inf)
        variance = np.einsum("ku,uv,kv->k", rows, self.unit_cov, rows)
        moves = [each @ rows.T for each in self.wordings or ()]
        return degrees_of_freedom(self.influence @ rows.T, moves, variance)

    def limits(self, conf_level: float = 0.95) -> Floats:
        """Limits of each group alone as an array, (K, 2); `tidy` has simultaneous ones, too."""
        interval = logit_interval if self.bounded else wald_interval
        return interval(self.estimates, self.std_errors, self._df(self._rows), conf_level)

    def tidy(
        self, conf_level: float = 0.95, *, simultaneous: bool = False, rng: RandomSource = None
    ) -> pd.DataFrame:
        """One row per group in the tidy schema.

        Parameters
        ----------
        conf_level : float
        simultaneous : bool
            Whether all intervals are to hold at once, by the largest t statistic.
        rng : Generator, int or None
            Source of its draws; the seed used stands in ``table.attrs["seed"]``.
        """
        rows, level, seed = self._rows, check_level(conf_level), None
        if simultaneous:
            level, _, seed = self._at_once(rows, conf_level, rng)
        table = tidy_frame(
            "HAT",
            self.estimates,
            self.std_errors,
            df=self._df(rows),
            conf_level=level,
            method=self.method,
            scale="logit" if self.bounded else "identity",
            identifiers={"reference": self.reference},
        ).assign(conf_level=conf_level)
        table.attrs |= {"scope": self.scope, "seed": seed}
        return self._labelled(table)

    def _labelled(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with the columns that identify its K rows in front."""
        for position, name in enumerate(self.labels.names):
            table.insert(position, str(name), self.labels.get_level_values(position))
        return table

    @property
    def names(self) -> list[str]:
        """Each estimate in words: its group, or model and group."""
        parts = [self.labels.get_level_values(k) for k in range(self.labels.nlevels)]
        return [" in ".join(map(str, each)) for each in zip(*parts, strict=True)]

    @property
    def _models(self) -> list[str]:
        """Model of each estimate, empty for the mean of several."""
        return list(self.groups.get("model", [""] * len(self.groups)))

    def table(self) -> pd.DataFrame:
        """Estimates as models by groups, where each model has its own; else one column."""
        if self.labels.nlevels == 2:
            return ResultFrame(self.params.unstack().reset_index())
        return ResultFrame(self.params.rename("HAT").reset_index())

    def summary(self, conf_level: float = 0.95) -> str:
        """Groups from highest to lowest, with those surely below or above the mean, as text."""
        return language_text(self, conf_level)

    def _html_rows(self) -> pd.DataFrame:
        return self.tidy().iloc[np.argsort(-self.estimates, kind="stable")]
