"""What is true in a study of the preset ``paper``: accuracies, HAT, and trends, by quadrature.

A model knows the answer to an item in its source language with probability ``expit(eta)``,
``eta ~ N(ability, spread^2)``, and answers correctly with probability ``c + (1 - c) expit(eta)``,
c the chance of guessing correctly. A world transfers knowledge to the other languages, shifted by
the model's and the language's shift; guessing is added in each language.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import interpolate, special, stats

from hatstats.errors import DataError
from hatstats.simulation import paper_design as paper
from hatstats.simulation.worlds import (
    PILED,
    WORLDS,
    Floats,
    WorldName,
    check_values,
    check_world,
)

# Quadrature nodes: logits of ordinary items, quantiles of piled-up ones, and midpoints in [0, 1].
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(81)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_PILED_NODES = stats.beta.ppf((np.arange(200) + 0.5) / 200, *PILED)
_UNIFORM = (np.arange(400) + 0.5) / 400
# Logits at which a profile is computed; a cubic spline between them is exact to a millionth.
_LOGITS = np.linspace(-20.0, 20.0, 401)
_BENCHMARKS = {benchmark.name: benchmark for benchmark in paper.BENCHMARKS}


@dataclass(frozen=True, slots=True)
class PaperDesign:
    """What can be changed about the preset ``paper``.

    Attributes
    ----------
    n_trials : int
    spread : float
        Standard deviation of an item's logit for one model.
    piled : float
        Share of items that a model answers almost never or almost always, in [0, 1].
    family_sd, model_sd : float
        Spread of families and of models about the trend of transfer, in logits. The deviations are
        fixed normal scores times these, the same in every draw; with 0 the models lie on the trend.
    item_factor : float
        Number of items over that of the real benchmarks; below 1 for quick tests.
    """

    n_trials: int = 10
    spread: float = 1.5
    piled: float = 0.0
    family_sd: float = 0.1
    model_sd: float = 0.1
    item_factor: float = 1.0

    def __post_init__(self) -> None:
        """Refuse invalid numbers."""
        checks = (
            ("n_trials", self.n_trials >= 1, "ask each item at least once."),
            ("spread", self.spread > 0, "give a standard deviation above 0."),
            ("piled", 0 <= self.piled <= 1, "give a share between 0 and 1."),
            ("family_sd", self.family_sd >= 0, "give a standard deviation, 0 for none."),
            ("model_sd", self.model_sd >= 0, "give a standard deviation, 0 for none."),
            ("item_factor", self.item_factor > 0, "give a factor above 0, 1 for real sizes."),
        )
        check_values(self, checks, "invalid design of a simulation")

    def items_of(self, benchmark: paper.Benchmark) -> int:
        """Return the number of items of a benchmark; at least one for each source language."""
        fewest = 1 if benchmark.source else len(benchmark.languages)
        return max(round(benchmark.n_items * self.item_factor / fewest), 1) * fewest


@dataclass(frozen=True, slots=True, eq=False)
class PaperTruth:
    """What is true in a study of the preset ``paper``, in the population its items come from.

    Attributes
    ----------
    design : PaperDesign
    world : str
    models : DataFrame (one row per model)
        ``model, family, release_date, params_total, params_active`` as in the study; ``log_size``
        and ``years`` as the simulation has them, undisclosed sizes with their stand-in; ``shift``,
        the model's true shift of the target logit.
    levels : DataFrame (one row per benchmark and model)
        ``benchmark, model, ability, shift``: mean source logit, and shift of the target logit
        (the model's plus the benchmark's).
    """

    design: PaperDesign
    world: WorldName
    models: pd.DataFrame
    levels: pd.DataFrame

    def accuracy(self) -> pd.DataFrame:
        """Return expected accuracies.

        Returns
        -------
        DataFrame (one row per benchmark and model)
            ``benchmark, model, source, target, both``: accuracy in the source, in the target
            languages (equal weights), and in both at once (ECLeKTic's overall success).
        """
        rows = []
        for benchmark, model, ability, shift in self.levels.itertuples(index=False, name=None):
            shape = _BENCHMARKS[benchmark]
            known, weights = _distribution(ability, self.design)
            source = shape.chance + (1.0 - shape.chance) * known
            target = self._profile(shape, shift)(known)
            rows.append(
                (benchmark, model, weights @ source, weights @ target, weights @ (source * target))
            )
        return pd.DataFrame(rows, columns=["benchmark", "model", "source", "target", "both"])

    def hat(self, reference: str | ArrayLike = "pooled") -> pd.DataFrame:
        """Return the true HAT of each model on each benchmark.

        Parameters
        ----------
        reference : str or array_like
            ``pooled``, ``uniform``, ``own``, ``model:NAME``, or source accuracies in [0, 1], as
            for a fitted profile. Below chance the profile equals its value at chance.

        Returns
        -------
        DataFrame (one row per benchmark and model)
            ``benchmark, model, hat``.

        Raises
        ------
        DataError
            For an unknown reference or model.
        """
        rows = []
        for benchmark, levels in self.levels.groupby("benchmark", sort=False):
            shape = _BENCHMARKS[str(benchmark)]
            own = [_distribution(ability, self.design) for ability in levels["ability"]]
            for m, (model, shift) in enumerate(zip(levels["model"], levels["shift"], strict=True)):
                known, weights = self._reference(reference, shape, own, m)
                rows.append((benchmark, model, weights @ self._profile(shape, shift)(known)))
        return pd.DataFrame(rows, columns=["benchmark", "model", "hat"])

    def model_hat(self, reference: str | ArrayLike = "pooled") -> pd.Series:
        """Return the true HAT per model, with equal weights for benchmarks."""
        by_model = self.hat(reference).groupby("model", sort=False)["hat"].mean()
        return by_model.loc[self.models["model"]]

    def _profile(self, shape: paper.Benchmark, shift: float) -> Callable[[Floats], Floats]:
        """Expected target accuracy by chance of knowing an item in the source, over languages."""
        is_target = np.array([language != shape.source for language in shape.languages])
        shifts = shift + shape.language_shifts()[is_target]
        mean = WORLDS[self.world].profile(special.expit(_LOGITS)[:, None], shifts).mean(axis=1)
        spline = interpolate.CubicSpline(_LOGITS, shape.chance + (1.0 - shape.chance) * mean)

        def profile(known: Floats) -> Floats:
            ends = special.expit(_LOGITS[[0, -1]])
            return np.asarray(spline(special.logit(np.clip(known, *ends))), dtype=float)

        return profile

    def _reference(
        self,
        reference: str | ArrayLike,
        shape: paper.Benchmark,
        own: list[tuple[Floats, Floats]],
        m: int,
    ) -> tuple[Floats, Floats]:
        """Chances of knowing an item, and their weights, in the reference of model `m`; (K,)."""
        names = list(self.models["model"])
        if isinstance(reference, str) and reference != "uniform":
            if reference == "own":
                return own[m]
            if reference == "pooled":
                weights = np.concatenate([weights for _, weights in own]) / len(own)
                return np.concatenate([known for known, _ in own]), weights
            chosen = reference.removeprefix("model:")
            if reference == chosen or chosen not in names:
                raise DataError(
                    "unknown reference",
                    column="reference",
                    value=reference,
                    hint="use pooled, uniform, own, model:NAME, or source accuracies.",
                )
            return own[names.index(chosen)]
        p = _UNIFORM if isinstance(reference, str) else np.asarray(reference, dtype=float).ravel()
        if p.size == 0 or not ((p >= 0) & (p <= 1)).all():
            raise DataError(
                "a reference distribution holds source accuracies between 0 and 1",
                column="reference",
                hint="give proportions, not per cent, without NaN.",
            )
        known = np.clip((p - shape.chance) / (1.0 - shape.chance), 0.0, 1.0)
        return known, np.full(p.size, 1.0 / p.size)


def _distribution(ability: float, design: PaperDesign) -> tuple[Floats, Floats]:
    """A model's chances of knowing an item in its source language, and their weights; (K,)."""
    known = np.asarray(special.expit(ability + design.spread * _NODES), dtype=float)
    if design.piled == 0:
        return known, _WEIGHTS
    high = float(special.expit(ability))
    weight = np.full(_PILED_NODES.size, design.piled / _PILED_NODES.size)
    return (
        np.concatenate([known, _PILED_NODES, 1.0 - _PILED_NODES]),
        np.concatenate([(1.0 - design.piled) * _WEIGHTS, (1.0 - high) * weight, high * weight]),
    )


def _normal_scores(count: int, step: int) -> Floats:
    """Standardised normal scores (count,), permuted by steps of `step`."""
    scores = stats.norm.ppf(((np.arange(count) * step) % count + 0.5) / count)
    return np.asarray(scores / scores.std(), dtype=float)


def paper_truth(
    design: PaperDesign | None = None, *, world: WorldName = "logit_normal"
) -> PaperTruth:
    """Return what is true in ``simulate_study(preset="paper")``; it is the same for every seed.

    Parameters
    ----------
    design : PaperDesign, optional
    world : {"logit_normal", "mixture", "cubic", "shared_factor"}

    Returns
    -------
    PaperTruth

    Raises
    ------
    DataError
        For an unknown world.
    """
    check_world(world)
    chosen = design or PaperDesign()
    models = paper.models().merge(paper.covariates(), on="model", validate="one_to_one")
    x = models[["log_size", "years"]].to_numpy(dtype=float)
    family, families = pd.factorize(models["family"])
    models["shift"] = (
        x @ paper.TRANSFER_SLOPES
        + chosen.family_sd * _normal_scores(len(families), 2)[family]
        + chosen.model_sd * _normal_scores(len(models), 7)
    )
    levels = []
    for benchmark in paper.BENCHMARKS:
        ability = benchmark.ability + x @ benchmark.ability_slopes
        if benchmark.name == "eclektic":
            published = models["model"].map(paper.ECLEKTIC_ABILITY).to_numpy(dtype=float)
            ability = np.where(np.isnan(published), ability, published)
        levels.append(
            pd.DataFrame(
                {
                    "benchmark": benchmark.name,
                    "model": models["model"],
                    "ability": ability,
                    "shift": benchmark.transfer + models["shift"],
                }
            )
        )
    return PaperTruth(chosen, world, models, pd.concat(levels, ignore_index=True))
