"""Effects that the cells of a study share: benchmark, language, family, model and trend.

Two logits are described alike: the *source* logit of a model on a benchmark, and the *transfer*
logit of a cell (model, benchmark, language), which is the target logit at a source accuracy that
is the same for all models. Each is a sum of effects, so that it is one row of a matrix times the
vector of all effects. Rows come in units that share every effect:

    source row   (b, m):  mean_b + x_m' gamma + family + model + model x benchmark
    model row    (b, m):  mean_b + x_m' delta + family + model + model x benchmark
    language row (b, l):  z_l' zeta + language + language x benchmark

and the transfer logit of a cell is the sum of its model row, its language row and a residual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from hatstats.bayes.options import Priors
from hatstats.bayes.trend_design import TrendDesign
from hatstats.estimators.aggregate.panel_regression import family_labels
from hatstats.inference.arrays import Floats, Ints

#: Joins the two names of an interaction's level.
BY = "\x1f"
#: Scale of a group's prior, and whether it is the standard deviation itself.
Prior = tuple[float, bool]


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One benchmark: which model was asked in which language."""

    benchmark: str
    by_item: bool  # whether its items are known (else only accuracies)
    chance: float
    models: tuple[str, ...]  # models, languages: M_b and L_b names
    languages: tuple[str, ...]
    cell_model: Ints  # cell_model, cell_language: (C_b,) positions of the observed cells
    cell_language: Ints


@dataclass(frozen=True, slots=True)
class Group:
    """Effects of one kind, with prior mean 0."""

    name: str  # ``transfer_family`` and so on
    levels: tuple[str, ...]
    columns: slice  # positions in the vector of all effects
    scale: float  # prior standard deviation if fixed, else scale of its half-normal prior
    fixed: bool  # whether the standard deviation is given, as it is for means and trend terms


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """All effects and the rows that are sums of them."""

    units: tuple[Unit, ...]
    families: tuple[str, ...]  # names of the families that have an effect
    groups: tuple[Group, ...]
    matrix: Floats  # (q, n) unit by unit: source rows, model rows, language rows
    starts: tuple[int, ...]  # first row of each unit, and q

    def rows(self, b: int, kind: Literal["source", "model", "language"]) -> slice:
        """Rows of unit `b`."""
        models = len(self.units[b].models)
        first = self.starts[b]
        if kind == "source":
            return slice(first, first + models)
        if kind == "model":
            return slice(first + models, first + 2 * models)
        return slice(first + 2 * models, self.starts[b + 1])

    def cell_rows(self, rows: Floats, b: int) -> Floats:
        """Transfer logits of the observed cells without residuals, from rows (q, ...): (C_b, ...).

        Linear, so that it also sums rows of the matrix.
        """
        unit = self.units[b]
        level = rows[self.rows(b, "model")][unit.cell_model]
        return np.asarray(level + rows[self.rows(b, "language")][unit.cell_language])

    @property
    def scaled(self) -> tuple[Group, ...]:
        """Groups whose standard deviation is a parameter."""
        return tuple(group for group in self.groups if not group.fixed)

    @property
    def fixed_columns(self) -> Ints:
        """Columns of the effects whose standard deviation is given."""
        columns = np.arange(self.matrix.shape[1])
        return np.concatenate([columns[group.columns] for group in self.groups if group.fixed])

    def deviations(self, values: Floats) -> Floats:
        """Standard deviation of each effect (n,), given those of the scaled groups."""
        out = np.empty(self.matrix.shape[1])
        parameters = iter(values)
        for group in self.groups:
            out[group.columns] = group.scale if group.fixed else next(parameters)
        return out


def build_effects(
    units: Sequence[Unit], families: dict[str, str], design: TrendDesign, priors: Priors
) -> Effects:
    """Effects of a study; an effect that would repeat another one is left out.

    `families`: family by model name; `design`: rows in the order of the study's models.
    """
    position = {str(name): m for m, name in enumerate(design.frame["model"])}
    models = [name for name in position if any(name in unit.models for unit in units)]
    family = dict(zip(models, family_labels(models, families).tolist(), strict=True))
    family_names = tuple(dict.fromkeys(family.values()))
    has_families = 1 < len(family_names) < len(models)
    starts, listed = [0], list[tuple[str, str, str]]()
    for unit in units:
        listed += [("source", unit.benchmark, name) for name in unit.models]
        listed += [("model", unit.benchmark, name) for name in unit.models]
        listed += [("language", unit.benchmark, name) for name in unit.languages]
        starts.append(len(listed))
    rows = pd.DataFrame(listed, columns=["kind", "benchmark", "name"])
    groups, blocks = list[Group](), list[Floats]()

    def add(name: str, levels: Sequence[str], values: Floats, prior: Prior) -> None:
        """Add a group of effects on the rows of `part`; `values` (rows, levels)."""
        first = groups[-1].columns.stop if groups else 0
        groups.append(Group(name, tuple(levels), slice(first, first + len(levels)), *prior))
        blocks.append(np.zeros((len(rows), len(levels))))
        blocks[-1][part.index] = values

    def add_indicators(name: str, labels: pd.Series, prior: Prior) -> None:
        """Add a group with one level per distinct label; one label per row of `part`."""
        codes, levels = pd.factorize(labels)
        add(name, levels.tolist(), np.eye(len(levels))[codes], prior)

    several = len(units) > 1
    for side, kind in (("source", "source"), ("transfer", "model")):
        part = rows[rows["kind"] == kind]
        add_indicators(f"{side}_mean", part["benchmark"], (priors.mean, True))
        index = part["name"].map(position).to_numpy(dtype=np.intp)
        if design.terms:
            add(f"{side}_trend", design.terms, design.matrix[index], (priors.trend, True))
        if design.offset_names:
            offsets = design.offsets[index]
            add(f"{side}_undisclosed", design.offset_names, offsets, (priors.family, True))
        source = side == "source"
        if has_families:
            scale = priors.source if source else priors.family
            add_indicators(f"{side}_family", part["name"].map(family), (scale, False))
        scale = priors.source if source else priors.model
        add_indicators(f"{side}_model", part["name"], (scale, False))
        if several:
            labels = part["name"] + BY + part["benchmark"]
            add_indicators(f"{side}_benchmark", labels, (priors.benchmark, False))
    part = rows[rows["kind"] == "language"]
    add_indicators("transfer_language", part["name"], (priors.language, False))
    if len(design.facts):
        facts = design.facts.loc[part["name"]].to_numpy(dtype=float)
        add("transfer_fact", list(design.facts.columns), facts, (priors.trend, True))
    if several and part["name"].duplicated().any():
        labels = part["name"] + BY + part["benchmark"]
        add_indicators("transfer_language_benchmark", labels, (priors.benchmark, False))
    return Effects(
        units=tuple(units),
        families=family_names if has_families else (),
        groups=tuple(groups),
        matrix=np.column_stack(blocks),
        starts=tuple(starts),
    )
