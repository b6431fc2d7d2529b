"""How far each measure of transfer changes if only source ability does.

A measure's *leakage* is its change per logit of source ability at constant transfer, relative to
its change per logit of transfer at constant source ability. A measure of transfer alone has 0; one
that cannot tell the two apart has 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.methods import Method, fit_profile
from hatstats.inference.arrays import Floats
from hatstats.inference.random_numbers import RandomSource, seeded
from hatstats.inference.result_frame import ResultFrame
from hatstats.other_measures.draws import item_measures
from hatstats.scores.item_profile import ItemProfile
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.simulation.worlds import WorldName
from hatstats.study import Study, as_study

if TYPE_CHECKING:
    from hatstats.estimators.latent.fit import LatentOptions

Progress = Callable[[str, float], None]
# Models of a study, and values of every measure.
_Values = Callable[[Study], tuple[tuple[str, ...], dict[str, Floats]]]
#: Size of the simulated study by default.
SHAPE = Shape(4_000, 2)
_COLUMNS = [
    "measure", "world", "piled", "n_trials", "by_ability", "by_transfer", "leakage",
    "mc_error", "n_seeds",
]  # fmt: skip
# On real items: share of right target answers that remain.
_KEPT = 0.8


@dataclass(frozen=True, slots=True)
class StressDesign:
    """What is simulated: every ability with every shift of transfer.

    Attributes
    ----------
    world : str
    shape : Shape
    abilities, shifts : tuple of float
        Mean source logits, and shifts of the target logit.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.StressDesign(world="cubic", shape=hs.Shape(n_items=500, n_languages=1)).abilities
    (-2.0, 0.0, 1.0, 3.0)
    """

    world: WorldName = "logit_normal"
    shape: Shape = SHAPE
    abilities: tuple[float, ...] = (-2.0, 0.0, 1.0, 3.0)
    shifts: tuple[float, ...] = (-1.0, 0.0, 1.0)


def stress_test(
    study: Study | None = None,
    design: StressDesign | None = None,
    *,
    methods: tuple[Method, ...] = ("latent", "observed"),
    options: LatentOptions | None = None,
    n_seeds: int = 2,
    rng: RandomSource = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """How far HAT and every other measure change with source ability alone.

    By default in a simulated world: the range of the mean values over abilities (mean over shifts)
    per logit is compared with the range over shifts (mean over abilities) per logit.

    On a real study, *only source ability*: each model on the half of the items that the other
    models find easier in the source language, against itself on the other half. Another model's
    answers choose the items, so that the model's own luck is not selected. *Only transfer*: each
    model against itself with one in five of its right target answers, drawn at random, made wrong.
    Both changes are measured in logits of mean accuracy, and leakage is per logit.

    Parameters
    ----------
    study : Study, optional
        With items, one benchmark, and at least two models; simulated if not given.
    design : StressDesign, optional
        What to simulate.
    methods : tuple of str
        Estimators of HAT, under `pooled` and `uniform`, and `common` where the study declares it.
    options : LatentOptions, optional
        Of `latent`: ``LatentOptions(borrow=False)`` for profiles fitted alone.
    n_seeds : int
        Number of simulated studies.
    rng : Generator, int or None
        None draws a fresh seed, which ``attrs["seed"]`` of the result records.
    progress : callable, optional
        Called with a description and the share done of the simulation.

    Returns
    -------
    DataFrame
        `measure, world, piled, n_trials, by_ability, by_transfer, leakage, mc_error, n_seeds`;
        `leakage` is the quotient of the two changes, `mc_error` its Monte-Carlo error over seeds.
        On a real study `world` is ``real items``, and changes are means over models, without
        Monte-Carlo error.

    Raises
    ------
    NotIdentifiedError
        For a study without items, or with one model.

    Examples
    --------
    Raw target accuracy (`overall`) takes ability for transfer; HAT hardly does:

    >>> import hatstats as hs
    >>> small = hs.StressDesign(shape=hs.Shape(n_items=400, n_languages=1), abilities=(0.0, 2.0))
    >>> table = hs.stress_test(design=small, n_seeds=1, rng=1).set_index("measure")
    >>> table.loc[["HAT, latent, uniform", "overall"], "leakage"].round(1).to_dict()
    {'HAT, latent, uniform': 0.0, 'overall': 1.6}
    """
    generator, seed = seeded(rng)
    values = partial(_values, methods=methods, options=options)
    if study is not None:
        rows = _real_items(as_study(study, "stress_test"), values, generator)
    else:
        rows = _simulated(design or StressDesign(), values, n_seeds, generator, progress)
    table = ResultFrame(rows, columns=_COLUMNS)
    table.attrs["seed"] = seed
    return table


def _values(
    study: Study, methods: tuple[Method, ...], options: LatentOptions | None
) -> tuple[tuple[str, ...], dict[str, Floats]]:
    """Models, and HAT and every other measure of each, (M,)."""
    found: dict[str, Floats] = {}
    references = ("pooled", "uniform", *(("common",) if study.info.common else ()))
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        for method in methods:
            of_method = options if method == "latent" else None
            profile = fit_profile(study, method=method, options=of_method)
            for reference in references:
                scores = profile.hat(reference)
                found[f"HAT, {method}, {reference}"] = scores.estimates
        assert isinstance(profile, ItemProfile)
        return profile.complete_models, found | item_measures(profile)


def _simulated(
    design: StressDesign,
    values: _Values,
    n_seeds: int,
    rng: np.random.Generator,
    progress: Progress | None,
) -> list[tuple[object, ...]]:
    """Rows of all measures in a simulated world."""
    grid = [(ability, shift) for shift in design.shifts for ability in design.abilities]
    abilities, shifts = zip(*grid, strict=True)
    tables: dict[str, list[Floats]] = {}
    for number, child in enumerate(rng.spawn(n_seeds)):
        if progress is not None:
            progress(f"{design.world}, study {number + 1}", number / n_seeds)
        study = simulate_study(
            abilities, transfer=shifts, shape=design.shape, world=design.world, rng=child
        )
        for name, found in values(study)[1].items():
            table = found.reshape(len(design.shifts), len(design.abilities))
            tables.setdefault(name, []).append(table)
    rows: list[tuple[object, ...]] = []
    for name, drawn in tables.items():
        by_ability, by_transfer = _changes(np.mean(drawn, axis=0), design)
        each = np.array([np.divide(*_changes(one, design)) for one in drawn])
        error = float(each.std(ddof=1) / np.sqrt(n_seeds)) if n_seeds > 1 else np.nan
        case = (name, design.world, design.shape.piled, design.shape.n_trials)
        rows.append((*case, *_leakage(by_ability, by_transfer), error, n_seeds))
    return rows


def _changes(table: Floats, design: StressDesign) -> tuple[float, float]:
    """Change of a measure (shifts, abilities) per logit of ability and per logit of transfer."""
    by_ability = float(np.mean(np.ptp(table, axis=1)) / np.ptp(design.abilities))
    by_transfer = float(np.mean(np.ptp(table, axis=0)) / np.ptp(design.shifts))
    return by_ability, by_transfer


def _leakage(by_ability: float, by_transfer: float) -> tuple[float, float, float]:
    """Both changes and their quotient; NaN for a measure that does not change with transfer."""
    return by_ability, by_transfer, by_ability / by_transfer if by_transfer > 0 else np.nan


def _real_items(
    study: Study, values: _Values, rng: np.random.Generator
) -> list[tuple[object, ...]]:
    """Rows on real items: easier against harder halves, and thinned right target answers."""
    if study.data_kind != "item" or len(study.model_names) < 2:
        raise NotIdentifiedError(
            "the stress test of a real study needs counts per item of at least two models; without "
            "a study it is simulated"
        )
    by_ability = _paired_changes(_easy_and_hard(study), values, ("easy", "hard"), "source")
    fewer = _with_fewer_right(study, rng)
    by_transfer = _paired_changes(fewer, values, ("all", "thinned"), "target")
    trials = float(study.counts["n_trials"].median())
    return [
        (name, "real items", np.nan, trials, *_leakage(change, by_transfer[name]), np.nan, 1)
        for name, change in by_ability.items()
    ]


def _versions(study: Study, parts: dict[str, pd.DataFrame]) -> Study:
    """A study with one version of every model for each part of the counts, marked in its name."""
    counts = [rows.assign(model=rows["model"] + f" ({mark})") for mark, rows in parts.items()]
    models = [study.models.assign(model=study.models["model"] + f" ({mark})") for mark in parts]
    return Study(
        pd.concat(counts, ignore_index=True),
        pd.concat(models, ignore_index=True),
        study.benchmarks,
        study.items,
        study.info,
    )


def _easy_and_hard(study: Study) -> Study:
    """Every model on the easier and on the harder half of the items, by the other models."""
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
        # Ties are broken by the order of the items, which does not depend on the model.
        easier = others.rank(method="first") > len(others) / 2
        own = rows[rows["model"] == model]
        keys = pd.MultiIndex.from_frame(own[["benchmark", "item"]])
        chosen = easier.reindex(keys).fillna(False).to_numpy(dtype=bool)
        easy.append(own[chosen])
        hard.append(own[~chosen])
    return _versions(study, {"easy": pd.concat(easy), "hard": pd.concat(hard)})


def _with_fewer_right(study: Study, rng: np.random.Generator) -> Study:
    """Every model as it is, and with some of its right target answers made wrong."""
    rows = study.counts
    right = rows["n_correct"].to_numpy(dtype=float)
    remaining = rng.binomial(np.round(right).astype(int), _KEPT).astype(float)
    thinned = rows.assign(n_correct=np.where(study.is_source, right, remaining))
    return _versions(study, {"all": rows, "thinned": thinned})


def _paired_changes(
    study: Study, values: _Values, marks: tuple[str, str], changed: str
) -> dict[str, float]:
    """Change of each measure per logit between two versions of each model, mean over models.

    The logits are those of mean accuracy in the language that is `changed`: source or target.
    """
    models, found = values(study)
    scores = fit_profile(study, method="observed").hat("own")
    accuracy = pd.Series(scores.source if changed == "source" else scores.estimates, scores.models)
    table = pd.DataFrame(found, index=list(models))
    first = [name for name in models if name.endswith(f" ({marks[0]})")]
    second = [name.removesuffix(f" ({marks[0]})") + f" ({marks[1]})" for name in first]
    logits = special.logit(accuracy[first].to_numpy()) - special.logit(accuracy[second].to_numpy())
    steps = np.abs(table.loc[first].to_numpy() - table.loc[second].to_numpy())
    return dict(zip(found, (steps / np.abs(logits)[:, None]).mean(axis=0).tolist(), strict=True))
