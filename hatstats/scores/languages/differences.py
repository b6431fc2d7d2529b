"""Differences between languages, groups of languages, and models in each language, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import check_level
from hatstats.inference.labelled import Contrast, LabelledEstimates
from hatstats.inference.random_numbers import RandomSource, seeded
from hatstats.inference.simultaneous import joint_inference, normal_errors
from hatstats.inference.tidy import tidy_frame, with_adjusted
from hatstats.scores.cell_weights import group_name, names_of
from hatstats.scores.ranks import DRAWS


def shares(weight: Floats) -> Floats:
    """Weights (K, B, U) as shares of their sum over units, 0 where all are."""
    total = weight.sum(axis=2, keepdims=True)
    return np.divide(weight, total, out=np.zeros(weight.shape), where=total > 0.0)


class ComparedLanguages(LabelledEstimates):
    """Comparisons of K estimates that are weighted sums of U units: see `LanguageScores`."""

    __slots__ = ()

    if TYPE_CHECKING:
        column: str
        groups: pd.DataFrame
        models: tuple[str, ...]
        units: pd.DataFrame
        unit_values: Floats
        unit_cov: Floats
        parts: Floats
        method: str
        reference: str
        scope: str
        notes: tuple[str, ...]

        @property
        def names(self) -> list[str]: ...  # noqa: D102
        @property
        def _models(self) -> list[str]: ...
        @property
        def _has(self) -> np.ndarray: ...
        def _df(self, rows: Floats) -> Floats: ...
        def _labelled(self, table: pd.DataFrame) -> pd.DataFrame: ...

    def _at_once(
        self, rows: Floats, conf_level: float, rng: RandomSource
    ) -> tuple[float, Floats, int | None]:
        """Level that makes all intervals of sums (R, U) hold, adjusted p values (R,), the seed."""
        generator, seed = seeded(rng)
        # Drawn where the units are few and the differences many.
        errors = rows @ normal_errors(self.unit_cov, DRAWS, generator)
        cov = rows @ self.unit_cov @ rows.T
        values = rows @ self.unit_values
        return *joint_inference(values, cov, self._df(rows), errors, conf_level), seed

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

    def against_mean(self, conf_level: float = 0.95, *, rng: RandomSource = None) -> pd.DataFrame:
        """Each group less the mean of all languages: which are left behind, and which ahead.

        The mean is that of the languages of the same benchmarks (and of the same model, where each
        has its own scores), the group's own among them. Benchmarks that have this group alone say
        nothing of it and do not count.

        Parameters
        ----------
        conf_level : float
            Probability that all intervals hold at once.
        rng : Generator, int or None
            As in `tidy`.

        Returns
        -------
        DataFrame
            Tidy rows with `p_adjusted` for the number of groups and simultaneous limits.

        Examples
        --------
        >>> import hatstats as hs
        >>> study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(200, 3), rng=1)
        >>> found = hs.fit_profile(study, method="observed").hat().by("language")
        >>> found.against_mean(rng=1)[["term", "estimate", "p_adjusted"]].round(3)
                 term  estimate  p_adjusted
        0  t01 - mean    -0.019       0.129
        1  t02 - mean     0.006       0.771
        2  t03 - mean     0.013       0.430
        """
        means, names = self._benchmark_means(), self.names
        # Alone on a benchmark a group is the mean, and no others are there to be compared with.
        apart = self._has & (np.abs(self.parts - means) > 1e-12).any(axis=2)
        has = np.where(apart.any(axis=1, keepdims=True), apart, self._has)[:, :, None]
        rows = np.where(has, self.parts - means, 0.0).sum(axis=1) / has.sum(axis=1)
        table = self._differences([f"{name} - mean" for name in names], rows, conf_level, rng)
        return self._labelled(table)

    def _benchmark_means(self) -> Floats:
        """Weights (K, B, U) of the mean over all languages, of the model of each estimate."""
        same = np.array(self._models)[:, None] == self.units["model"].to_numpy()
        names = self.units["benchmark"]
        on = np.array(names.unique())[:, None] == names.to_numpy()
        return shares((same[:, None] & on) * self.units["weight"].to_numpy(dtype=float))

    def contrast(
        self, a: str | Sequence[str], b: str | Sequence[str], conf_level: float = 0.95
    ) -> Contrast:
        """Difference of two groups, or of the means of several, on the benchmarks that all have.

        Parameters
        ----------
        a, b : str or sequence of str
            A language (or script, ...), or several whose mean is taken.
        conf_level : float

        Returns
        -------
        Contrast

        Raises
        ------
        DataError
            For a name that is not among the groups, for scores of each model, which
            ``HatScores.contrast(a, b, languages=...)`` compares, and where no benchmark has both.

        Examples
        --------
        >>> import hatstats as hs
        >>> study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(200, 3), rng=1)
        >>> found = hs.fit_profile(study, method="observed").hat().by("language")
        >>> found.contrast("t01", ["t02", "t03"]).term
        't01 - mean(t02, t03)'
        """
        if "model" in self.groups and self.column != "model":
            raise DataError(
                "these are scores of each model by language",
                hint="compare two models by scores.contrast(a, b, languages=...), languages by "
                "scores.by(..., models=...).",
            )
        row = self._difference(*(self._positions(each) for each in (a, b)))
        table = tidy_frame(
            f"{group_name(a)} - {group_name(b)}",
            float(row @ self.unit_values),
            float(np.sqrt(np.maximum(row @ self.unit_cov @ row, 0.0))),
            df=self._df(row[None]),
            conf_level=conf_level,
            method=self.method,
            identifiers={"reference": self.reference},
        )
        return Contrast.from_row(table, self.notes, self.scope)

    def _positions(self, group: str | Sequence[str]) -> list[int]:
        """Positions of the named groups."""
        known = [str(name) for name in self.labels]
        if len(set(names_of(group))) < len(names_of(group)):
            hint, value = "name each once.", group_name(group)
            raise DataError("a mean has a name twice", column=self.column, value=value, hint=hint)
        for name in names_of(group):
            if name not in known:
                hint = f"choose among {', '.join(known)}."
                text = f"no such {self.column} in these scores"
                raise DataError(text, column=self.column, value=name, hint=hint)
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

    def between(
        self,
        a: str | Sequence[str],
        b: str | Sequence[str],
        conf_level: float = 0.95,
        *,
        rng: RandomSource = None,
    ) -> pd.DataFrame:
        """Difference of two models, or of the means of two groups of models, in each language.

        Parameters
        ----------
        a, b : str or sequence of str
            Models among those that have scores of their own (``each_model=True``).
        conf_level : float
            Probability that the intervals of all languages (or groups of languages) hold at once.
        rng : Generator, int or None
            As in `tidy`.

        Returns
        -------
        DataFrame
            Tidy rows by language with the values `a` and `b` and `p_adjusted`, for the languages
            that all these models have, on the benchmarks where they have them.

        Raises
        ------
        DataError
            For a model that has no scores of its own, or where no language is shared.

        Examples
        --------
        >>> import hatstats as hs
        >>> study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(200, 3), rng=1)
        >>> found = hs.fit_profile(study, method="observed").hat().by("language", each_model=True)
        >>> found.between("model-02", "model-01", rng=1)["estimate"].round(2).tolist()
        [0.1, 0.07, 0.02]
        """
        if "model" not in self.groups or self.column == "model":
            hint = "make them by scores.by(..., each_model=True)."
            raise DataError("these scores are means over models", column="models", hint=hint)
        place = {name: k for k, name in enumerate(self.labels)}
        sides = [names_of(a), names_of(b)]
        for name in (*sides[0], *sides[1]):
            if name not in self.models:
                hint = f"choose among {', '.join(self.models)}."
                raise DataError("no such model", column="models", value=name, hint=hint)
        rows, found = [], []
        for group in dict.fromkeys(self.groups[self.column]):
            keys = [[(name, group) for name in side] for side in sides]
            if all(key in place for side in keys for key in side):
                rows.append(self._sides(*([place[key] for key in side] for side in keys)))
                found.append(group)
        if not rows:
            raise DataError("these models share no language", column="models", hint="name others.")
        terms = [f"{group_name(a)} - {group_name(b)} in {group}" for group in found]
        both = np.array(rows)
        table = self._differences(terms, both[:, 0] - both[:, 1], conf_level, rng)
        table.insert(0, self.column, found)
        table.insert(1, "a", both[:, 0] @ self.unit_values)
        table.insert(2, "b", both[:, 1] @ self.unit_values)
        return table

    def pairs(self, conf_level: float = 0.95, *, rng: RandomSource = None) -> pd.DataFrame:
        """All differences between groups, of one model or mean, with adjusted p values.

        Two groups are compared on the benchmarks that both have; pairs without one are left out.

        Parameters
        ----------
        conf_level : float
            Probability that all intervals hold at once.
        rng : Generator, int or None
            As in `tidy`.

        Returns
        -------
        DataFrame
            Tidy rows, the higher of each pair first, with `a, b` and `p_adjusted`.

        Examples
        --------
        >>> import hatstats as hs
        >>> study = hs.simulate_study([0.0, 1.0], shape=hs.Shape(200, 3), rng=1)
        >>> found = hs.fit_profile(study, method="observed").hat().by("language")
        >>> found.pairs(rng=1)["term"].tolist()
        ['t03 - t02', 't03 - t01', 't02 - t01']
        """
        names, models = self.names, self._models
        order = sorted(range(len(names)), key=lambda k: -self.estimates[k])
        by_model = self.column != "model"
        rows, terms, sides = [], [], []
        for j, k in combinations(order, 2):
            comparable = (self._has[j] & self._has[k]).any()
            if not comparable or (by_model and models[j] != models[k]):
                continue
            rows.append(self._difference([j], [k]))
            terms.append(f"{names[j]} - {names[k]}")
            sides.append((names[j], names[k]))
        if not rows:
            hint = "compare two or more that share a benchmark."
            raise DataError("there is no pair to compare", column=self.column, hint=hint)
        table = self._differences(terms, np.array(rows), conf_level, rng)
        table.insert(0, "a", [a for a, _ in sides])
        table.insert(1, "b", [b for _, b in sides])
        return table
