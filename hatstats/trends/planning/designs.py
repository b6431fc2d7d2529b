"""Plans: standard error of HAT and power of claims by items, trials, languages and models."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace

import joblib
import numpy as np
import pandas as pd
from scipy import special

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.simulation.simulate import Shape
from hatstats.study import Study, as_study
from hatstats.trends.planning.assumptions import N_STUDIES, Assumptions, score_precision
from hatstats.trends.planning.power import Panel, SlopeTests

Progress = Callable[[str, float], None]

#: Simulated panels of models for each simulated study.
_PANELS = 4


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers to plan with, each a few values; every combination is a design.

    Attributes
    ----------
    items, trials, languages : tuple of int
    families : tuple of tuple of int
        Number of models in each family.
    """

    items: tuple[int, ...] = (250, 500, 1000)
    trials: tuple[int, ...] = (5, 10)
    languages: tuple[int, ...] = (5, 10)
    families: tuple[tuple[int, ...], ...] = ((6, 5, 3, 3, 2, 1),)

    def __post_init__(self) -> None:
        """Refuse designs that cannot be."""
        for name, least in (("items", 20), ("trials", 2), ("languages", 1)):
            values = getattr(self, name)
            if not values or min(values) < least:
                raise DataError(
                    f"a design needs {least} or more",
                    column=name,
                    value=values,
                    hint=f"give one or more whole numbers from {least} upwards.",
                )


@dataclass(frozen=True, slots=True)
class Effects:
    """True effects that claims are to find, in accuracy.

    Attributes
    ----------
    slope : float
        Per unit of the covariate (tenfold parameters, or year).
    margin : float
        Of non-inferiority over two units of the covariate, when there is no slope at all.
    difference : float
        Between two models.
    slower : float
        Slope of source accuracy less slope of HAT, per unit of the covariate.
    source_family_sd, source_model_sd : float
        Scatter of source accuracies about their own slope, over families and models; independent
        of that of HAT. Their standard error is taken to be that of a score.
    level : float
        One-sided.
    """

    slope: float = 0.05
    margin: float = 0.10
    difference: float = 0.05
    slower: float = 0.10
    source_family_sd: float = 0.05
    source_model_sd: float = 0.06
    level: float = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Designs with the precision and the power that they buy.

    Attributes
    ----------
    table : DataFrame
        `items, trials, languages, n_models, n_families, answers, std_error, correlation,
        contrast_error, power_slope, power_margin, power_slower, power_contrast, detectable_slope,
        detectable_slower, df`.
    assumptions : Assumptions
    effects : Effects
    """

    table: pd.DataFrame
    assumptions: Assumptions
    effects: Effects

    def cheapest(
        self, *, std_error: float | None = None, power: float | None = None, claim: str = "slope"
    ) -> pd.DataFrame:
        """Design with the fewest answers that is as good as wanted.

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
            One row of `table`, or none where no design is good enough.
        """
        if claim not in ("slope", "margin", "slower", "contrast"):
            raise DataError("unknown claim", column="claim", value=claim,
                            hint="use slope, margin, slower or contrast.")  # fmt: skip
        good = pd.Series(True, index=self.table.index)
        if std_error is not None:
            good &= self.table["std_error"] <= std_error
        if power is not None:
            good &= self.table[f"power_{claim}"] >= power
        return self.table[good].nsmallest(1, "answers").reset_index(drop=True)

    def summary(self) -> str:
        """The designs in plain text of at most 80 columns."""
        e = self.effects
        head = (
            f"One-sided level {e.level:g}; slope {e.slope:g} per unit, margin {e.margin:g} over "
            f"two units without a slope, source slope less slope {e.slower:g}, difference "
            f"{e.difference:g} of two models; detectable slope at a power of .8."
        )
        lines = [
            *textwrap.wrap(head, 80),
            f"{'items':>6}{'prompt.':>8}{'lang.':>6}{'models':>7}{'answers':>10}{'SE':>7}"
            f"{'slope':>6}{'margin':>7}{'slower':>7}{'two':>5}{'detect.':>8}",
        ]
        for row in self.table.itertuples():
            lines.append(
                f"{row.items:>6}{row.trials:>8}{row.languages:>6}{row.n_models:>7}"
                f"{row.answers:>10}{row.std_error:>7.4f}{row.power_slope:>6.2f}"
                f"{row.power_margin:>7.2f}{row.power_slower:>7.2f}{row.power_contrast:>5.2f}"
                f"{row.detectable_slope:>8.3f}"
            )
        return "\n".join(lines)


def plan(
    assumptions: Assumptions | Study | None = None,
    sizes: Sizes | None = None,
    *,
    panel: Panel | None = None,
    effects: Effects | None = None,
    n_studies: int = N_STUDIES,
    n_jobs: int = 1,
    rng: np.random.Generator | int | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Precision and power of every combination of sizes.

    Parameters
    ----------
    assumptions : Assumptions or Study, optional
        A study is taken for a pilot, see `Assumptions.from_pilot`.
    sizes : Sizes, optional
    panel : Panel, optional
        Effects of family and model, and the covariate; its families and sampling errors are those
        of each design.
    effects : Effects, optional
    n_studies : int
        Simulated studies per design of the items, and 4 times as many panels of models: with 24,
        the Monte-Carlo error of a power is at most .03, and most of it common to all designs.
    n_jobs : int
        Processes, through joblib.
    rng : Generator, int or None
    progress : callable, optional
        Called as ``progress(what, share)``.

    Returns
    -------
    Plan

    Raises
    ------
    DataError
        For sizes that cannot be.
    NotIdentifiedError
        For a pilot that tells nothing of items.
    """
    if not isinstance(assumptions, Assumptions | None):
        assumptions = as_study(assumptions, "plan")
        if assumptions.level != "item":
            raise NotIdentifiedError(
                "a pilot study needs counts per item: a table of means says nothing of how items "
                "differ. Give assumptions instead"
            )
        assumptions = Assumptions.from_pilot(assumptions)
    assumed, chosen = assumptions or Assumptions(), sizes or Sizes()
    base, wanted = panel or Panel(), effects or Effects()
    generator = np.random.default_rng(rng)
    shapes = [
        Shape(n_items=items, n_languages=languages, n_trials=trials)
        for items, trials, languages in itertools.product(
            chosen.items, chosen.trials, chosen.languages
        )
    ]
    seed = int(generator.integers(2**31))
    jobs = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
        joblib.delayed(_designs)((shape, assumed, n_studies, child), base, chosen, (wanted, seed))
        for shape, child in zip(shapes, generator.spawn(len(shapes)), strict=True)
    )
    rows = []
    for done, (shape, designs) in enumerate(zip(shapes, jobs, strict=True)):
        if progress is not None:
            progress(f"{shape.n_items} items", (done + 1) / len(shapes))
        rows += designs
    return Plan(pd.DataFrame(rows), assumed, wanted)


def _designs(
    scored: tuple[Shape, Assumptions, int, np.random.Generator],
    panel: Panel,
    sizes: Sizes,
    claims: tuple[Effects, int],
) -> list[dict[str, float]]:
    """Rows of a plan that differ by their models alone."""
    shape, assumed, n_studies, rng = scored
    error, correlation = score_precision(assumed, shape, n_studies=n_studies, rng=rng)
    return [
        _design(
            shape,
            replace(panel, families=families, sampling_sd=error, correlation=correlation),
            *claims,
            n_panels=_PANELS * n_studies,
        )
        for families in sizes.families
    ]


def _design(
    shape: Shape, panel: Panel, effects: Effects, seed: int, *, n_panels: int
) -> dict[str, float]:
    """One row of a plan."""
    # The same random numbers for every design, so that designs differ by nothing else.
    tests = SlopeTests.of(panel, n_panels, seed)
    source = replace(panel, family_sd=effects.source_family_sd, model_sd=effects.source_model_sd)
    slower = SlopeTests.of(source, n_panels, seed, less=panel)
    two = panel.sampling_sd * np.sqrt(2.0 * (1.0 - panel.correlation))
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
        "correlation": panel.correlation,
        "contrast_error": float(two),
        "power_slope": tests.power(effects.slope, effects.level),
        # Without a slope the difference over two units is 0, and the margin is the distance.
        "power_margin": tests.power(effects.margin / 2.0, effects.level),
        "power_slower": slower.power(effects.slower, effects.level),
        "power_contrast": float(special.ndtr(effects.difference / two - critical)),
        "detectable_slope": tests.detectable(effects.level),
        "detectable_slower": slower.detectable(effects.level),
        "df": float(np.nanmean(tests.df)),
    }


def parse_families(text: str) -> tuple[int, ...]:
    """Read ``6,5,3,3,2,1``.

    Raises
    ------
    DataError
        For anything but whole numbers.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise DataError(
            "families are whole numbers of models", column="families", value=text,
            hint="write them like 6,5,3,3,2,1.",
        ) from error  # fmt: skip
