"""HAT of languages or groups of languages: who is left behind, and all differences at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.inference.intervals import check_level
from hatstats.inference.labelled import Contrast
from hatstats.inference.random_numbers import RandomSource
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.tidy import tidy_frame
from hatstats.inference.validation import fits_in_memory, member
from hatstats.scores.cell_weights import group_name, names_of
from hatstats.scores.languages.estimates import LanguageEstimates
from hatstats.scores.score_text import language_text


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LanguageScores(LanguageEstimates):
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
            member("models", name, self.models, "no such model")
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

        Raises
        ------
        DataError
            If no pair shares a benchmark, or all pairs would take more than 8 GB.

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
        sizes = pd.Series(models if by_model else "").value_counts().to_numpy(dtype=float)
        number = float((sizes * (sizes - 1.0)).sum()) / 2.0
        fits_in_memory(
            f"{number:.0f} differences by {self.column}",
            32.0 * number * len(self.units),
            "ask contrast(a, b), between(a, b) or against_mean().",
        )
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
