"""Effects that the cells of a study share: benchmark, language, family, model and trend.

Two logits are described alike: the *source* logit of a model on a benchmark, and the *transfer*
logit of a cell (model, benchmark, language), which is the target logit at a source accuracy that
is the same for all models. Each is a sum of effects, so that it is one row of a matrix times the
vector of all effects. Rows come in units that share every effect:

    source row   (b, m):  mean_b + x_m' gamma + family + model + model x benchmark
    model row    (b, m):  mean_b + x_m' delta + family + model + model x benchmark
    language row (b, l):  language + language x benchmark

and the transfer logit of a cell is the sum of its model row, its language row and a residual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hatstats.bayes.options import Priors
from hatstats.bayes.trend_design import TrendDesign
from hatstats.estimators.aggregate.panel_regression import family_labels

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

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
    # (q, n) unit by unit: source rows, model rows, language rows. Unknown covariates are 0
    matrix: Floats
    starts: tuple[int, ...]  # first row of each unit, and q
    unknown: Ints  # (u, 2) model and term of each covariate that is a parameter
    unknown_entries: tuple[tuple[Ints, Ints], ...]  # rows and columns of `matrix` that hold it

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

    def with_unknown(self, values: Floats) -> Floats:
        """The matrix with unknown covariates at these standardised values (u,)."""
        if not len(self.unknown):
            return self.matrix
        out = self.matrix.copy()
        for (rows, columns), value in zip(self.unknown_entries, values, strict=True):
            out[rows, columns] = value
        return out


class _Builder:
    """Collects groups of effects and their entries (rows, columns, values) in the matrix."""

    def __init__(self, n_rows: int) -> None:
        self.n_rows, self.width = n_rows, 0
        self.groups = list[Group]()
        self.entries: list[tuple[Ints, Ints, Floats]] = []

    def add(
        self, name: str, levels: Sequence[str], entries: tuple[Ints, Ints, Floats], prior: Prior
    ) -> None:
        """Add a group; `entries` holds rows, levels and values."""
        columns = slice(self.width, self.width + len(levels))
        self.groups.append(Group(name, tuple(levels), columns, *prior))
        self.entries.append((entries[0], entries[1] + self.width, entries[2]))
        self.width += len(levels)

    def add_indicators(self, name: str, rows: Ints, labels: Sequence[str], prior: Prior) -> None:
        """Add a group with one level per distinct label; one label per row."""
        levels = list(dict.fromkeys(labels))
        position = {level: column for column, level in enumerate(levels)}
        columns = np.array([position[label] for label in labels], dtype=np.intp)
        self.add(name, levels, (rows, columns, np.ones(rows.size)), prior)

    def matrix(self) -> Floats:
        out = np.zeros((self.n_rows, self.width))
        for rows, columns, values in self.entries:
            out[rows, columns] = values
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
    starts, rows = [0], list[tuple[str, str, str]]()
    for unit in units:
        rows += [("source", unit.benchmark, name) for name in unit.models]
        rows += [("model", unit.benchmark, name) for name in unit.models]
        rows += [("language", unit.benchmark, name) for name in unit.languages]
        starts.append(len(rows))
    kind = np.array([row[0] for row in rows])
    builder = _Builder(len(rows))
    several = len(units) > 1
    unknown = np.argwhere(design.unknown) if priors.unknown is not None else np.zeros((0, 2), int)
    unknown_entries: list[list[tuple[Ints, Ints]]] = [[] for _ in unknown]
    for side, wanted in (("source", "source"), ("transfer", "model")):
        selected = np.flatnonzero(kind == wanted)
        benchmarks = [rows[row][1] for row in selected]
        names = [rows[row][2] for row in selected]
        builder.add_indicators(f"{side}_mean", selected, benchmarks, (priors.mean, True))
        index = np.array([position[name] for name in names], dtype=np.intp)
        for group, table, terms, scale in (
            ("trend", design.matrix, design.terms, priors.trend),
            ("undisclosed", design.offsets, design.offset_names, priors.family),
        ):
            if not terms:
                continue
            if group == "trend":
                for entries, (m, term) in zip(unknown_entries, unknown, strict=True):
                    own = selected[index == m]
                    entries.append((own, np.full(own.size, builder.width + term)))
            grid = np.repeat(selected, len(terms)), np.tile(np.arange(len(terms)), selected.size)
            builder.add(f"{side}_{group}", terms, (*grid, table[index].ravel()), (scale, True))
        source = side == "source"
        if has_families:
            labels = [family[name] for name in names]
            scale = priors.source if source else priors.family
            builder.add_indicators(f"{side}_family", selected, labels, (scale, False))
        scale = priors.source if source else priors.model
        builder.add_indicators(f"{side}_model", selected, names, (scale, False))
        if several:
            labels = [f"{name}{BY}{b}" for name, b in zip(names, benchmarks, strict=True)]
            builder.add_indicators(f"{side}_benchmark", selected, labels, (priors.benchmark, False))
    selected = np.flatnonzero(kind == "language")
    names = [rows[row][2] for row in selected]
    builder.add_indicators("transfer_language", selected, names, (priors.language, False))
    if several and len(set(names)) < len(names):
        labels = [f"{rows[row][2]}{BY}{rows[row][1]}" for row in selected]
        prior = priors.benchmark, False
        builder.add_indicators("transfer_language_benchmark", selected, labels, prior)
    return Effects(
        units=tuple(units),
        families=family_names if has_families else (),
        groups=tuple(builder.groups),
        matrix=builder.matrix(),
        starts=tuple(starts),
        unknown=unknown.astype(np.intp),
        unknown_entries=tuple(
            (np.concatenate([e[0] for e in entries]), np.concatenate([e[1] for e in entries]))
            for entries in unknown_entries
        ),
    )
