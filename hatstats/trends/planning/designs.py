"""Planning: standard error of HAT and power of claims by items, trials, languages and models."""

from __future__ import annotations

import itertools
import textwrap
from dataclasses import dataclass, replace

import joblib
import numpy as np
import pandas as pd
from scipy import special

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.linalg import one_thread
from hatstats.inference.progress import Progress, shown_if_slow
from hatstats.inference.random_numbers import RandomSource, seeded
from hatstats.inference.result_frame import Printed, ResultFrame
from hatstats.inference.validation import one_of
from hatstats.simulation.simulate import Shape
from hatstats.study import Study, as_study
from hatstats.trends.planning.assumptions import PlanAssumptions
from hatstats.trends.planning.power import PlanPanel, SlopeTests
from hatstats.trends.planning.precision import N_STUDIES, Precision, score_precision

#: Columns of a plan in its summary: heading and format.
_SHOWN = {
    "items": ("items", "{}"),
    "trials": ("trials", "{}"),
    "languages": ("lang.", "{}"),
    "n_models": ("models", "{}"),
    "answers": ("answers", "{}"),
    "std_error": ("SE", "{:.4f}"),
    "power_slope": ("slope", "{:.2f}"),
    "power_slope_these": ("these", "{:.2f}"),
    "power_margin": ("margin", "{:.2f}"),
    "power_slower": ("slower", "{:.2f}"),
    "power_contrast": ("two", "{:.2f}"),
    "detectable_slope": ("detect.", "{:.3f}"),
}

#: Simulated panels of models for each simulated study.
_PANELS = 4


@dataclass(frozen=True, slots=True)
class PlanSizes:
    """Sizes of a study, each a few values; every combination is a design.

    Attributes
    ----------
    items, trials, languages : tuple of int
    families : tuple of tuple of int
        Number of models in each family.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.PlanSizes(items=(200, 400), trials=(5,), languages=(3,)).items
    (200, 400)
    """

    items: tuple[int, ...] = (250, 500, 1000)
    trials: tuple[int, ...] = (5, 10)
    languages: tuple[int, ...] = (5, 10)
    families: tuple[tuple[int, ...], ...] = ((6, 5, 3, 3, 2, 1),)

    def __post_init__(self) -> None:
        """Refuse sizes that are too small."""
        for name, least in (("items", 20), ("trials", 2), ("languages", 1)):
            if min(values := getattr(self, name), default=0) < least:
                hint = f"give one or more whole numbers from {least} upwards."
                text = f"a design needs {least} or more"
                raise DataError(text, column=name, value=values, hint=hint)


@dataclass(frozen=True, slots=True)
class PlanEffects:
    """True effects for which power is computed, in accuracy.

    Attributes
    ----------
    slope : float
        Per unit of the covariate (tenfold parameters, or year).
    margin : float
        Of non-inferiority over two units of the covariate, with a true slope of 0.
    difference : float
        Between two models.
    slower : float
        Slope of source accuracy less slope of HAT, per unit of the covariate.
    source_family_sd, source_model_sd : float
        Standard deviations of source accuracies around their own slope, over families and models,
        independent of those of HAT. Their standard error is assumed to be that of a score.
    level : float
        One-sided level of the tests.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.PlanEffects(slope=0.03).level
    0.05
    """

    slope: float = 0.05
    margin: float = 0.10
    difference: float = 0.05
    slower: float = 0.10
    source_family_sd: float = 0.05
    source_model_sd: float = 0.06
    level: float = 0.05


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plan(Printed):
    """Designs with their precision and power.

    Attributes
    ----------
    table : DataFrame
        `items, trials, languages, n_models, n_families, answers, std_error, std_error_wordings,
        simulated, correlation, contrast_error, power_slope, power_slope_these, power_margin,
        power_slower, power_contrast, detectable_slope, detectable_slower, df`. Standard errors are
        those of a score for these wordings, and for wordings like these (`PlanAssumptions`), in
        closed form, or `simulated` where that fails (see `hatstats.trends.planning.precision`).
        Power is for models like these, `power_slope_these` for these models.
    assumptions : PlanAssumptions
    effects : PlanEffects
    seed : int or None
        As `rng` it gives the same numbers; None where a generator was given.

    Examples
    --------
    >>> import hatstats as hs
    >>> sizes = hs.PlanSizes(items=(40, 80), trials=(4,), languages=(1,))
    >>> made = hs.plan(hs.PlanAssumptions((0.5,)), sizes, n_studies=1, rng=1)
    >>> made.cheapest(power=0.1, claim="contrast")[["items", "trials", "answers"]]
       items  trials  answers
    0     40       4     6400
    """

    table: pd.DataFrame
    assumptions: PlanAssumptions
    effects: PlanEffects
    seed: int | None = None

    def cheapest(
        self, *, std_error: float | None = None, power: float | None = None, claim: str = "slope"
    ) -> pd.DataFrame:
        """Design with the fewest answers that meets requirements.

        Parameters
        ----------
        std_error : float, optional
            Largest standard error of a HAT score.
        power : float, optional
            Smallest power of `claim`.
        claim : {"slope", "margin", "slower", "contrast"}

        Returns
        -------
        DataFrame
            One row of `table`, or none where no design meets them.
        """
        one_of("claim", claim, ("slope", "margin", "slower", "contrast"))
        table = self.table
        if std_error is not None:
            table = table[table["std_error"] <= std_error]
        if power is not None:
            table = table[table[f"power_{claim}"] >= power]
        return table.nsmallest(1, "answers").reset_index(drop=True)

    @property
    def words(self) -> tuple[str, ...]:
        """What the columns of a design are, in sentences."""
        e = self.effects
        return (
            "Each row is a design of a new study: SE is the standard error of a HAT score, the "
            f"next columns are the power of one-sided tests at level {e.level:g}.",
            f"slope: HAT rises, by {e.slope:g} per unit of the covariate (tenfold parameters, or a "
            "year), among models like these.",
            f"margin: HAT is not inferior by {e.margin:g} over two units, where the slope is 0.",
            f"slower: HAT rises more slowly than source accuracy, by {e.slower:g} per unit.",
            f"two: two models differ in HAT, by {e.difference:g}.",
            "Where there is room, these: the same slope among these models alone; detect.: the "
            "slope that is found with a power of 80 %.",
        )

    def summary(self) -> str:
        """The designs in plain text of at most 80 columns."""
        shown = self.table[list(_SHOWN)].set_axis([name for name, _ in _SHOWN.values()], axis=1)
        formats = {name: digits.format for name, digits in _SHOWN.values()}
        text = shown.to_string(index=False, formatters=formats)
        head = [line for each in self.words for line in textwrap.wrap(each, 80)]
        return "\n".join([*head, text])

    def _html_rows(self) -> pd.DataFrame:
        return self.table


def plan(
    assumptions: PlanAssumptions | Study | None = None,
    sizes: PlanSizes | None = None,
    *,
    panel: PlanPanel | None = None,
    effects: PlanEffects | None = None,
    n_studies: int = N_STUDIES,
    n_jobs: int = 1,
    rng: RandomSource = None,
    progress: Progress | None = None,
) -> Plan:
    """Precision and power of every combination of sizes.

    Parameters
    ----------
    assumptions : PlanAssumptions or Study, optional
        A study is used as a pilot, see `PlanAssumptions.from_pilot`.
    sizes : PlanSizes, optional
    panel : PlanPanel, optional
        Effects of family and model, and the covariate; its families and sampling errors are
        replaced by those of each design.
    effects : PlanEffects, optional
    n_studies : int
        4 times as many panels of models are simulated for each design: with 24, the Monte-Carlo
        error of a power is at most .03, and mostly common to all designs. Also the simulated
        studies of items behind a standard error without a closed form.
    n_jobs : int
        Processes, through joblib.
    rng : Generator, int or None
        None is fresh entropy; ``Plan.seed`` gives the same numbers again.
    progress : callable, optional
        Called as ``progress(what, share)``. By default a line on standard error where someone
        waits at a terminal or notebook for more than two seconds.

    Returns
    -------
    Plan

    Raises
    ------
    DataError
        For sizes that are too small.
    NotIdentifiedError
        For a pilot study without counts per item.

    Examples
    --------
    >>> import hatstats as hs
    >>> sizes = hs.PlanSizes(items=(40,), trials=(4,), languages=(1,))
    >>> hs.plan(hs.PlanAssumptions((0.5,)), sizes, n_studies=1, rng=1)
    Each row is a design of a new study: SE is the standard error of a HAT score,
    the next columns are the power of one-sided tests at level 0.05.
    slope: HAT rises, by 0.05 per unit of the covariate (tenfold parameters, or a
    year), among models like these.
    margin: HAT is not inferior by 0.1 over two units, where the slope is 0.
    slower: HAT rises more slowly than source accuracy, by 0.1 per unit.
    two: two models differ in HAT, by 0.05.
    Where there is room, these: the same slope among these models alone; detect.:
    the slope that is found with a power of 80 %.
    items trials lang. models answers     SE slope these margin slower  two detect.
       40      4     1     20    6400 0.0601  0.63  0.84   0.63   0.83 0.15   0.064
    """
    if not isinstance(assumptions, PlanAssumptions | None):
        assumptions = as_study(assumptions, "plan")
        if assumptions.data_kind != "item":
            raise NotIdentifiedError(
                "a pilot study needs counts per item: means do not show how items differ. Give "
                "assumptions instead"
            )
        assumptions = PlanAssumptions.from_pilot(assumptions)
    assumed, sizes = assumptions or PlanAssumptions(), sizes or PlanSizes()
    panel, effects = panel or PlanPanel(), effects or PlanEffects()
    generator, recorded = seeded(rng)
    shapes = [
        Shape(n_items=items, n_languages=languages, n_trials=trials)
        for items, trials, languages in itertools.product(
            sizes.items, sizes.trials, sizes.languages
        )
    ]
    show = progress or shown_if_slow("plan")
    seed = int(generator.integers(2**31))
    jobs = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
        joblib.delayed(_designs)(
            shape, assumed, panel, effects, sizes.families, n_studies=n_studies, seeds=(child, seed)
        )
        for shape, child in zip(shapes, generator.spawn(len(shapes)), strict=True)
    )
    rows = []
    for done, (shape, designs) in enumerate(zip(shapes, jobs, strict=True)):
        show(f"{shape.n_items} items, {shape.n_languages} languages", (done + 1) / len(shapes))
        rows += designs
    return Plan(ResultFrame(rows), assumed, effects, recorded)


@one_thread
def _designs(
    shape: Shape,
    assumed: PlanAssumptions,
    panel: PlanPanel,
    effects: PlanEffects,
    families: tuple[tuple[int, ...], ...],
    *,
    n_studies: int,
    seeds: tuple[np.random.Generator, int],
) -> list[dict[str, float]]:
    """Rows of a plan that differ by their families alone; seeds of studies and of panels."""
    found = score_precision(assumed, shape, n_studies=n_studies, rng=seeds[0])
    sampled = replace(panel, sampling_sd=found.std_error, correlation=found.correlation)
    panels = [replace(sampled, families=sizes) for sizes in families]
    count = _PANELS * n_studies
    return [_design(shape, found, each, effects, seeds[1], n_panels=count) for each in panels]


def _design(
    shape: Shape,
    precision: Precision,
    panel: PlanPanel,
    effects: PlanEffects,
    seed: int,
    *,
    n_panels: int,
) -> dict[str, float]:
    """One row of a plan, with the same random numbers for every design."""
    tests = SlopeTests.simulate(panel, n_panels, seed)
    source = replace(panel, family_sd=effects.source_family_sd, model_sd=effects.source_model_sd)
    slower = SlopeTests.simulate(source, n_panels, seed, less=panel)
    contrast_error = panel.sampling_sd * np.sqrt(2.0 * (1.0 - panel.correlation))
    critical = -special.ndtri(effects.level)
    models = sum(panel.families)
    return {
        "items": shape.n_items,
        "trials": shape.n_trials,
        "languages": shape.n_languages,
        "n_models": models,
        "n_families": len(panel.families),
        "answers": shape.n_items * shape.n_trials * (1 + shape.n_languages) * models,
        "std_error": panel.sampling_sd,
        "std_error_wordings": precision.std_error_wordings,
        "simulated": precision.simulated,
        "correlation": panel.correlation,
        "contrast_error": float(contrast_error),
        "power_slope": tests.power(effects.slope, effects.level),
        "power_slope_these": tests.power_these(effects.slope, effects.level),
        # Without a slope the difference over two units is 0, at a distance of the margin.
        "power_margin": tests.power(effects.margin / 2.0, effects.level),
        "power_slower": slower.power(effects.slower, effects.level),
        "power_contrast": float(special.ndtr(effects.difference / contrast_error - critical)),
        "detectable_slope": tests.detectable(effects.level),
        "detectable_slower": slower.detectable(effects.level),
        "df": float(np.nanmean(tests.df)),
    }


def parse_families(text: str) -> tuple[int, ...]:
    """Numbers of models in families from text like ``6,5,3,3,2,1``; else a DataError."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise DataError(
            "families are whole numbers of models", column="families", value=text,
            hint="write them like 6,5,3,3,2,1.",
        ) from error  # fmt: skip
