"""HAT of languages or groups of languages, as weighted sums of cells, and differences of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.influence import degrees_of_freedom
from hatstats.inference.intervals import check_level, logit_interval, wald_interval
from hatstats.inference.labelled import LabelledEstimates
from hatstats.inference.random_numbers import RandomSource, seeded
from hatstats.inference.simultaneous import joint_inference, normal_errors
from hatstats.inference.tidy import tidy_frame, with_adjusted
from hatstats.inference.validation import member
from hatstats.scores.cell_weights import group_name, names_of
from hatstats.scores.ranks import DRAWS


def shares(weight: Floats) -> Floats:
    """Weights (K, B, U) as shares of their sum over units, 0 where all are."""
    total = weight.sum(axis=2, keepdims=True)
    return np.divide(weight, total, out=np.zeros(weight.shape), where=total > 0.0)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LanguageEstimates(LabelledEstimates):
    """K estimates that are weighted sums of U units; the fields are those of `LanguageScores`."""

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

    def _at_once(
        self, rows: Floats, conf_level: float, rng: RandomSource
    ) -> tuple[float, Floats, int | None]:
        """Level that makes all intervals of sums (R, U) hold, adjusted p values (R,), the seed."""
        generator, seed = seeded(rng)
        # Drawn where the units are few and the differences many.
        errors = normal_errors(self.unit_cov, DRAWS, generator)
        values, cov = rows @ self.unit_values, self.unit_cov
        return *joint_inference(values, cov, self._df(rows), errors, conf_level, rows), seed

    def _differences(
        self, terms: Sequence[str], rows: Floats, conf_level: float, rng: RandomSource
    ) -> pd.DataFrame:
        """Tidy rows of differences (R, U), adjusted p values and simultaneous limits."""
        level, adjusted, seed = self._at_once(rows, check_level(conf_level), rng)
        table = tidy_frame(
            terms,
            rows @ self.unit_values,
            np.sqrt(np.maximum(np.einsum("ku,uv,kv->k", rows, self.unit_cov, rows), 0.0)),
            df=self._df(rows),
            conf_level=level,
            method=self.method,
            identifiers={"reference": self.reference},
        ).assign(conf_level=conf_level)
        table = with_adjusted(table, adjusted)
        table.attrs |= {"scope": self.scope, "seed": seed}
        return table

    def _benchmark_means(self) -> Floats:
        """Weights (K, B, U) of the mean over all languages, of the model of each estimate."""
        same = np.array(self._models)[:, None] == self.units["model"].to_numpy()
        names = self.units["benchmark"]
        on = np.array(names.unique())[:, None] == names.to_numpy()
        return shares((same[:, None] & on) * self.units["weight"].to_numpy(dtype=float))

    def _positions(self, group: str | Sequence[str]) -> list[int]:
        """Positions of the named groups."""
        known = [str(name) for name in self.labels]
        if len(set(names_of(group))) < len(names_of(group)):
            hint, value = "name each once.", group_name(group)
            raise DataError("a mean has a name twice", column=self.column, value=value, hint=hint)
        for name in names_of(group):
            member(self.column, name, known, f"no such {self.column} in these scores")
        return [known.index(name) for name in names_of(group)]

    def _sides(self, a: Sequence[int], b: Sequence[int]) -> Floats:
        """Weights (2, U) of the means of some estimates and others, on the benchmarks of all."""
        shared = self._has[[*a, *b]].all(axis=0)
        if not shared.any():
            names = self.names
            text = f"no benchmark has all of {', '.join(names[k] for k in (*a, *b))}"
            raise DataError(text, column=self.column, hint="compare those of one benchmark.")
        return np.array([self.parts[list(side)][:, shared].mean(axis=(0, 1)) for side in (a, b)])

    def _difference(self, a: Sequence[int], b: Sequence[int]) -> Floats:
        """Weights (U,) of the first mean of `_sides` less the second."""
        first, second = self._sides(a, b)
        return np.asarray(first - second)
