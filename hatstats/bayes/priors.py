"""Prior distributions of the hierarchical model, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from hatstats.errors import DataError

_POSITIVE = "give a positive number of logits, such as the default {default:g}."


@dataclass(frozen=True, slots=True)
class Priors:
    """Scales of the priors, in logits.

    All are weak on the scale of accuracies: around one half, a logit is a quarter of an accuracy
    point in a unit of 1, so that .5 logit is about 12 points of accuracy. `prior_predictive` of a
    fit shows what they say together. Standard deviations have half-normal priors, which allow
    none at all, as half-Cauchy ones do, but not the absurd (Gelman 2006, Bayesian Anal 1:515-534).

    Attributes
    ----------
    mean : float
        Standard deviation of the mean source logit, and of the mean transfer logit, of each
        benchmark: with 1.5, accuracies of .05 and .95 are both within two of it.
    trend : float
        Standard deviation of the change of a logit for one standard deviation of a covariate over
        the models. With .5, covariates move accuracies by some 12 points each, as often down as
        up; no direction is favoured.
    source : float
        Scale of the scatter of models around their mean source logit: models of a leaderboard
        differ by a few logits at most.
    language : float
        Scale of the scatter of languages: low-resource languages may lie a logit lower.
    family, model : float
        Scales of what the models of a family, and a model in all its cells, have in common.
    benchmark : float
        Scale of the interactions of model and benchmark, and of language and benchmark.
    cell : float
        Scale of what is left in a cell (model, benchmark and language) beside sampling error.
    family_language : float or None
        Scale of the interaction of family and language; None leaves it out. Slow where there are
        many of both.
    line : float
        Standard deviation, around 1, of the slope of target on source logits. 1 is a plain shift
        of logits; slopes below .4 or above 1.6 have not been seen.
    line_spread : float
        Scale of the scatter of slopes over cells.
    residual : float
        Standard deviation, around 1, of the mean spread of an item's target logit around its line
        (of the signed spread, whose sign means nothing).
    residual_spread : float
        Scale of its scatter over cells.
    ability_spread : float
        Standard deviation of the mean log spread of items' source logits around log 1.5.
    option : float
        Standard deviation of the mean, and scale of the scatter, of each parameter that an option
        of the joint likelihood adds, around the value its search starts from.
    unknown : float or None
        None: the models of a family whose covariate is unknown have an offset of their own in
        place of its effect, so that what dates tell *within* the family is kept. A number makes
        each unknown value a parameter, normal around the mean of the known ones with this
        standard deviation, in their standard deviations.
    """

    mean: float = 1.5
    trend: float = 0.5
    source: float = 1.0
    language: float = 0.7
    family: float = 0.5
    model: float = 0.5
    benchmark: float = 0.3
    cell: float = 0.3
    family_language: float | None = None
    line: float = 0.3
    line_spread: float = 0.2
    residual: float = 0.7
    residual_spread: float = 0.3
    ability_spread: float = 0.5
    option: float = 1.0
    unknown: float | None = None

    def __post_init__(self) -> None:
        """Refuse scales that are none."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            if not (isinstance(value, int | float) and np.isfinite(value) and value > 0):
                raise DataError(
                    "the scale of a prior must be a positive number",
                    column=f"priors.{field.name}",
                    value=value,
                    hint=_POSITIVE.format(default=field.default or 0.3),
                )

    def scaled(self, name: str, factor: float = 2.0) -> Priors:
        """The same priors with one scale multiplied."""
        return replace(self, **{name: factor * getattr(self, name)})
