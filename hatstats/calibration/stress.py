"""How far each measure of transfer moves when only source ability does.

A measure's *leakage* is how far it moves per logit of source ability while transfer stays, over
how far it moves per logit of transfer while source ability stays. A measure of transfer alone has
0; one that cannot tell the two apart has 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.methods import Method, fit_profile
from hatstats.measures.draws import item_measures
from hatstats.scores.item_profile import ItemProfile
from hatstats.simulation.simulate import Shape, WorldName, simulate_study
from hatstats.study import Study, as_study

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]
_COLUMNS = [
    "measure", "world", "piled", "n_trials", "by_ability", "by_transfer", "leakage",
    "mc_error", "n_seeds",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class StressDesign:
    """What is simulated: every ability with every shift of transfer.

    Attributes
    ----------
    world : str
    piled : float
        Share of items that a model answers almost never or almost always.
    n_trials, n_items, n_languages : int
    abilities, shifts : tuple of float
        Mean source logits, and shifts of the target logit.
    """

    world: WorldName = "logit_normal"
    piled: float = 0.0
    n_trials: int = 10
    n_items: int = 4_000
    n_languages: int = 2
    abilities: tuple[float, ...] = (-2.0, 0.0, 1.0, 3.0)
    shifts: tuple[float, ...] = (-1.0, 0.0, 1.0)


def _values(study: Study, methods: tuple[Method, ...]) -> tuple[tuple[str, ...], dict[str, Floats]]:
    """Models, and HAT and every other measure of each."""
    found: dict[str, Floats] = {}
    models: tuple[str, ...] = ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        for method in methods:
            profile = fit_profile(study, method=method)
            for reference in ("pooled", "uniform"):
                scores = profile.hat(reference)
                found[f"HAT, {method}, {reference}"] = scores.params
        assert isinstance(profile, ItemProfile)
        models = profile.complete_models
        found |= item_measures(profile)
    return models, found


def stress_test(
    study: Study | None = None,
    design: StressDesign | None = None,
    *,
    methods: tuple[Method, ...] = ("latent", "observed"),
    n_seeds: int = 2,
    rng: np.random.Generator | int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """How far HAT and every other measure are moved by source ability alone.

    Parameters
    ----------
    study : Study, optional
        Real items to thin, see `thinned`; simulated if not given, see `simulated`.
    design : StressDesign, optional
        What to simulate.
    methods, n_seeds, rng, progress
        As in `simulated`.

    Returns
    -------
    DataFrame
        `measure, world, piled, n_trials, by_ability, by_transfer, leakage, mc_error, n_seeds`.
    """
    if study is not None:
        return thinned(as_study(study, "stress_test"), methods=methods, rng=rng)
    return simulated(design, methods=methods, n_seeds=n_seeds, rng=rng, progress=progress)


def simulated(
    design: StressDesign | None = None,
    *,
    methods: tuple[Method, ...] = ("latent", "observed"),
    n_seeds: int = 2,
    rng: np.random.Generator | int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Leakage of HAT and of every other measure in a simulated world.

    Parameters
    ----------
    design : StressDesign, optional
    methods : tuple of str
        Estimators of HAT.
    n_seeds : int
        Number of studies drawn.
    rng : Generator, int or None
    progress : callable, optional

    Returns
    -------
    DataFrame
        `measure, world, piled, n_trials, by_ability, by_transfer, leakage, mc_error, n_seeds`:
        range of the mean values over abilities (mean over shifts) per logit, range over shifts
        (mean over abilities) per logit, and their quotient with its Monte-Carlo error over seeds.
    """
    chosen = design or StressDesign()
    grid = [(a, b) for b in chosen.shifts for a in chosen.abilities]
    tables: dict[str, list[Floats]] = {}
    for number, child in enumerate(np.random.default_rng(rng).spawn(n_seeds)):
        if progress is not None:
            progress(f"{chosen.world}, study {number + 1}", number / n_seeds)
        study = simulate_study(
            [a for a, _ in grid],
            transfer=[b for _, b in grid],
            shape=Shape(
                n_items=chosen.n_items,
                n_languages=chosen.n_languages,
                n_trials=chosen.n_trials,
                piled=chosen.piled,
            ),
            world=chosen.world,
            rng=child,
        )
        for name, values in _values(study, methods)[1].items():
            tables.setdefault(name, []).append(
                values.reshape(len(chosen.shifts), len(chosen.abilities))
            )
    rows = []
    for name, drawn in tables.items():
        ability, transfer = _moves(np.mean(drawn, axis=0), chosen)
        single = np.array([np.divide(*_moves(one, chosen)) for one in drawn])
        error = single.std(ddof=1) / np.sqrt(n_seeds) if n_seeds > 1 else np.nan
        leakage = ability / transfer if transfer > 0 else np.nan
        case = (chosen.world, chosen.piled, chosen.n_trials)
        rows.append((name, *case, ability, transfer, leakage, float(error), n_seeds))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _moves(table: Floats, design: StressDesign) -> tuple[float, float]:
    """How far a measure moves per logit of ability and per logit of transfer."""
    ability = float(np.mean(np.ptp(table, axis=1)) / np.ptp(design.abilities))
    transfer = float(np.mean(np.ptp(table, axis=0)) / np.ptp(design.shifts))
    return ability, transfer


def thinned(
    study: Study,
    *,
    methods: tuple[Method, ...] = ("latent", "observed"),
    kept: float = 0.8,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Leakage on real items: easier against harder halves, and target answers thinned.

    *Only source ability*: each model on the half of the items that the other models find easier in
    the source language, against itself on the other half. Another model's answers choose the
    items, so that no luck of the model's own is selected. *Only transfer*: each model against
    itself with a share ``1 - kept`` of its right target answers, drawn at random, made wrong. Both
    moves are measured in logits of mean accuracy, and leakage is per logit.

    Parameters
    ----------
    study : Study
        With items, one benchmark, and at least two models.
    methods : tuple of str
        Estimators of HAT.
    kept : float
        Share of right target answers that stay, inside (0, 1).
    rng : Generator, int or None

    Returns
    -------
    DataFrame
        As `simulated`; `world` is ``real items``, means over models, without Monte-Carlo error.

    Raises
    ------
    NotIdentifiedError
        Without items, or with one model.
    """
    if study.level != "item" or len(study.model_names) < 2:
        raise NotIdentifiedError(
            "thinning real items needs counts per item of at least two models; without a study the "
            "stress test is simulated"
        )
    generator = np.random.default_rng(rng)
    halves = _halves(study)
    fewer = _fewer_right(study, kept, generator)
    rows = []
    by_ability = _paired(halves, methods, "easy", "hard", "source")
    by_transfer = _paired(fewer, methods, "all", "thinned", "target")
    for name, ability in by_ability.items():
        transfer = by_transfer[name]
        leakage = ability / transfer if transfer > 0 else np.nan
        trials = float(study.counts["n_trials"].median())
        rows.append((name, "real items", np.nan, trials, ability, transfer, leakage, np.nan, 1))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _renamed(study: Study, parts: list[tuple[pd.DataFrame, str]]) -> Study:
    """A study in which every model stands once for each part, its name marked."""
    counts, models = [], []
    for rows, mark in parts:
        counts.append(rows.assign(model=rows["model"] + f" ({mark})"))
        models.append(study.models.assign(model=study.models["model"] + f" ({mark})"))
    return Study(
        pd.concat(counts, ignore_index=True),
        pd.concat(models, ignore_index=True),
        study.benchmarks,
        study.items,
        study.info,
    )


def _halves(study: Study) -> Study:
    """Every model on the easier and on the harder half of the items, as the others find them."""
    rows = study.counts
    source = rows[study.is_source]
    share = (
        source.assign(share=source["n_correct"] / source["n_trials"])
        .groupby(["model", "benchmark", "item"], sort=False)["share"]
        .mean()
        .unstack("model")
    )
    easy, hard = [], []
    for model in study.model_names:
        others = share.drop(columns=model).mean(axis=1)
        # Ties are split by the order of the items, which says nothing of this model.
        upper = others.rank(method="first") > len(others) / 2
        own = rows[rows["model"] == model]
        keys = pd.MultiIndex.from_frame(own[["benchmark", "item"]])
        chosen = upper.reindex(keys).fillna(False).to_numpy(dtype=bool)
        easy.append(own[chosen])
        hard.append(own[~chosen])
    return _renamed(study, [(pd.concat(easy), "easy"), (pd.concat(hard), "hard")])


def _fewer_right(study: Study, kept: float, rng: np.random.Generator) -> Study:
    """Every model as it is, and with some of its right target answers made wrong."""
    rows = study.counts
    right = rows["n_correct"].to_numpy(dtype=float)
    left = rng.binomial(np.round(right).astype(int), kept).astype(float)
    thinner = rows.assign(n_correct=np.where(study.is_source, right, left))
    return _renamed(study, [(rows, "all"), (thinner, "thinned")])


def _paired(
    study: Study, methods: tuple[Method, ...], first: str, second: str, moved: str
) -> dict[str, float]:
    """How far each measure moves per logit between two versions of each model, mean of models."""
    models, values = _values(study, methods)
    scores = fit_profile(study, method="observed").hat("own")
    level = dict(
        zip(scores.models, scores.source if moved == "source" else scores.params, strict=True)
    )
    names = [name.removesuffix(f" ({first})") for name in models if name.endswith(f" ({first})")]
    out: dict[str, float] = {}
    for measure, value in values.items():
        of = dict(zip(models, value, strict=True))
        steps = []
        for name in names:
            a, b = f"{name} ({first})", f"{name} ({second})"
            logits = special.logit(level[a]) - special.logit(level[b])
            steps.append(abs(of[a] - of[b]) / abs(logits))
        out[measure] = float(np.mean(steps))
    return out
