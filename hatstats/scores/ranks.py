"""Which model is surely better than which: all pairs, ranks and ties with the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import check_level
from hatstats.inference.labelled import LabelledEstimates
from hatstats.inference.random_numbers import RandomSource, seeded
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.simultaneous import PairTests, normal_errors, ranks_left, tiers
from hatstats.inference.tidy import tidy_frame, with_adjusted
from hatstats.scores.cell_weights import group_name, group_weights, names_of

#: Draws from which simultaneous tests take their critical values.
DRAWS = 10_000
#: Most models or groups of which all differences are listed: half a million rows.
MOST_COMPARED = 1_000


def rank_table(
    models: Sequence[str], estimates: Floats, tests: PairTests, conf_level: float
) -> pd.DataFrame:
    """Ranks of K models with their confidence sets; see `RankedScores.ranks` for the columns."""
    above = tests.above(check_level(conf_level))
    joint = ranks_left(above)
    alone = tests.rank_limits(conf_level, jointly=False)
    return ResultFrame(
        {
            "model": list(models),
            "rank": (-estimates).argsort(kind="stable").argsort() + 1,
            "rank_low": joint[:, 0],
            "rank_high": joint[:, 1],
            "marginal_low": alone[:, 0],
            "marginal_high": alone[:, 1],
            "tied_with_best": tests.best_p() > 1.0 - conf_level,
            "tier": tiers(above),
            "conf_level": conf_level,
            "n_draws": tests.errors.shape[1],
        }
    )


def leader_words(tied: Sequence[str], n_models: int) -> str:
    """Whether one of so many ranked models leads, from those that are tied with the best."""
    if n_models == 1:
        return f"Only {tied[0]} is ranked"
    if len(tied) == 1:
        return f"Clear leader: {tied[0]}"
    return f"No clear leader: {len(tied)} of {n_models} models tied"


class RankedScores(LabelledEstimates):
    """Comparisons of scores of M models with a `covariance` (M, M) and `degrees_of_freedom`."""

    __slots__ = ()

    if TYPE_CHECKING:
        models: tuple[str, ...]
        method: str
        reference: str
        scope: str
        influence: Floats | None
        given_df: Floats | None

        @property
        def weakly_identified(self) -> tuple[str, ...]: ...  # noqa: D102
        def degrees_of_freedom(self, weights: Floats | None = None) -> Floats: ...  # noqa: D102

    def ranks(
        self,
        *,
        rng: RandomSource = None,
        n_draws: int | None = None,
        conf_level: float = 0.95,
    ) -> pd.DataFrame:
        """Ranks of the models with confidence sets, from simultaneous tests of all pairs.

        A model's rank is 1 plus the number of models whose true score is higher. Limits are those
        of Mogstad, Romano, Shaikh and Wilhelm (2024, Rev. Econ. Stud. 91:476-518): 1 plus the
        number of models surely above it, and the number of models less those surely below it, by
        the largest t statistic over all pairs with the full covariance, and step-down.

        Parameters
        ----------
        rng : Generator, int or None
            Source of random numbers; the seed used stands in ``table.attrs["seed"]``.
        n_draws : int, optional
            Draws of the largest statistic; 10,000 if not given, fewer with more than 1,000 models
            (1,111 with 3,000), since time grows with the square of their number.
        conf_level : float

        Returns
        -------
        DataFrame
            One row per model: `model, rank` (1 the highest score), `rank_low, rank_high` (these
            sets hold for all models at once), `marginal_low, marginal_high` (each holds alone),
            `tied_with_best` (see `ties`), `tier` (1 if no model is surely above it, 2 if one of
            tier 1 is, and so on), `conf_level, n_draws`. Weakly identified models are not ranked
            (``table.attrs["not_ranked"]``), unless all are weakly identified.

        Examples
        --------
        >>> import hatstats as hs
        >>> study = hs.simulate_study([0.0, 0.0, 0.0], transfer=[0.0, 0.1, 1.0], rng=1)
        >>> scores = hs.fit_profile(study, method="observed").hat()
        >>> scores.ranks(rng=1)[["model", "rank", "rank_low", "rank_high", "tier"]]
              model  rank  rank_low  rank_high  tier
        0  model-01     3         2          3     2
        1  model-02     2         2          3     2
        2  model-03     1         1          1     1
        """
        names = self._ranked()
        tests, (estimates, _), seed = self._pairs([[name] for name in names], n_draws, rng)
        table = rank_table(names, estimates, tests, conf_level)
        unranked = tuple(name for name in self.models if name not in names)
        table.attrs |= {"seed": seed, "not_ranked": unranked}
        return table

    def ties(
        self,
        *,
        rng: RandomSource = None,
        n_draws: int | None = None,
        conf_level: float = 0.95,
    ) -> pd.DataFrame:
        """Models that may be the best: a confidence set for the model of rank 1.

        A model is left out if some other is surely above it, by the largest t statistic over the
        others: the truly best model is among them with probability `conf_level`. They are fewer
        than those whose joint set of ranks begins with 1, which answers for all models at once.

        Parameters
        ----------
        rng, n_draws, conf_level
            As in `ranks`.

        Returns
        -------
        DataFrame
            `model, estimate, p_value` (of "no other model is above it"), best first.

        Examples
        --------
        >>> import hatstats as hs
        >>> study = hs.simulate_study([0.0, 0.0, 0.0], transfer=[0.0, 1.0, 1.0], rng=1)
        >>> scores = hs.fit_profile(study, method="observed").hat()
        >>> list(scores.ties(rng=1)["model"])
        ['model-03', 'model-02']
        """
        alpha, names = 1.0 - check_level(conf_level), self._ranked()
        tests, (estimates, _), seed = self._pairs([[name] for name in names], n_draws, rng)
        table = ResultFrame({"model": names, "estimate": estimates, "p_value": tests.best_p()})
        table = table[table["p_value"] > alpha].sort_values(
            "estimate", ascending=False, kind="stable", ignore_index=True
        )
        table.attrs |= {"seed": seed, "n_models": len(names)}
        return table

    def pairs(
        self,
        groups: Mapping[str, Sequence[str]] | Sequence[str | Sequence[str]] | None = None,
        *,
        rng: RandomSource = None,
        n_draws: int | None = None,
        conf_level: float = 0.95,
    ) -> pd.DataFrame:
        """All differences between models, or between means of groups, with adjusted p values.

        Parameters
        ----------
        groups : mapping of str to sequence of str, or sequence, optional
            What to compare: models, or groups of models, by name or as they are; all models if not
            given.
        rng, n_draws
            As in `ranks`.
        conf_level : float
            Probability that all intervals hold at once.

        Returns
        -------
        DataFrame
            Tidy rows, the higher score of each pair first, with `a, b`, the p value of `contrast`
            (`p_value`), `p_adjusted` for the largest of all these differences, and simultaneous
            limits, which exclude 0 where `p_adjusted` is below 1 - `conf_level`.

        Raises
        ------
        DataError
            For a name that is not among the models, and fewer than two groups or more than 1,000.

        Examples
        --------
        >>> import hatstats as hs
        >>> study = hs.simulate_study([0.0, 0.0, 0.0], transfer=[0.0, 0.1, 1.0], rng=1)
        >>> scores = hs.fit_profile(study, method="observed").hat()
        >>> scores.pairs(rng=1)[["term", "estimate", "p_adjusted"]].round(3)
                          term  estimate  p_adjusted
        0  model-03 - model-02     0.171       0.000
        1  model-03 - model-01     0.184       0.000
        2  model-02 - model-01     0.012       0.524
        >>> groups = {"new": ["model-02", "model-03"], "old": ["model-01"]}
        >>> scores.pairs(groups, rng=1)["term"].tolist()
        ['new - old']
        """
        if groups is None:
            groups = list(self.models)
        if not isinstance(groups, Mapping):
            groups = {group_name(each): names_of(each) for each in groups}
        named = {str(name): names_of(each) for name, each in groups.items()}
        if len(named) < 2:
            hint = "give two or more models or groups."
            raise DataError("one group has nothing to be compared with", column="groups", hint=hint)
        if len(named) > MOST_COMPARED:
            raise DataError(
                f"{len(named)} models or groups have {len(named) * (len(named) - 1) // 2} "
                "differences, more than a table holds",
                column="groups",
                hint=f"name {MOST_COMPARED} at most, or ask contrast(a, b) or ranks().",
            )
        mean = {
            name: group_weights(self.models, each) @ self.estimates for name, each in named.items()
        }
        labels = sorted(named, key=lambda name: -mean[name])
        members = [named[name] for name in labels]
        tests, (estimates, df), seed = self._pairs(members, n_draws, rng)
        first, second = np.triu_indices(len(labels), 1)
        rows = tidy_frame(
            [f"{labels[j]} - {labels[k]}" for j, k in zip(first, second, strict=True)],
            (estimates[:, None] - estimates)[first, second],
            tests.std_errors[first, second],
            df=df,
            conf_level=tests.simultaneous_level(check_level(conf_level)),
            method=self.method,
            identifiers={"reference": self.reference},
        )
        rows["conf_level"] = conf_level
        rows.insert(0, "a", [labels[j] for j in first])
        rows.insert(1, "b", [labels[k] for k in second])
        rows = with_adjusted(rows, tests.adjusted_p()[first, second])
        rows.attrs |= {"seed": seed, "scope": self.scope}
        return rows

    def _ranked(self) -> list[str]:
        """Models that are ranked: all but weakly identified ones, or all if there are no others."""
        weak = set(self.weakly_identified)
        return [name for name in self.models if name not in weak] or list(self.models)

    def _pairs(
        self, groups: Sequence[Sequence[str]], n_draws: int | None, rng: RandomSource
    ) -> tuple[PairTests, tuple[Floats, Floats], int | None]:
        """Tests of all differences of K groups, their means (K,), df of pairs, and the seed."""
        generator, seed = seeded(rng)
        weights = np.array([group_weights(self.models, each) for each in groups])
        means, cov = weights @ self.estimates, weights @ self.covariance @ weights.T
        number = len(groups)
        if n_draws is None:
            n_draws = min(DRAWS, DRAWS * MOST_COMPARED**2 // number**2)
        df = np.full(number * (number - 1) // 2, np.inf)
        if self.influence is not None or self.given_df is not None:
            # Weights of all pairs at once would fill the memory where models are many.
            parts = [self.degrees_of_freedom(a - weights[k + 1 :]) for k, a in enumerate(weights)]
            df = np.concatenate(parts)
        errors = normal_errors(cov, n_draws, generator)
        return PairTests.of(means, cov, errors, df), (means, df), seed
