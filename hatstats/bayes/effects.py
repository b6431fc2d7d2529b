"""What the cells of a study have in common: effects of benchmark, language, family, model, trend.

Two sides are described alike: the *source* logit of a model on a benchmark, and the *transfer*
logit of a cell (model, benchmark, language), which is the target logit at a source accuracy that
is the same for all models. Each is a sum of effects, so that it is one row of a matrix times the
vector of all effects. Rows come in units that share every effect:

    source row   (b, m):  mean_b + x_m' gamma + family + model + model x benchmark
    model row    (b, m):  mean_b + x_m' delta + family + model + model x benchmark
    language row (b, l):  language + language x benchmark
    pair row     (b, f, l): family x language, if it is wanted

and the transfer logit of a cell is the sum of its model, language and pair rows and of what is
left in the cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hatstats.bayes.priors import Priors
from hatstats.bayes.trend_design import TrendDesign
from hatstats.estimators.aggregate.panel_regression import family_labels

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Joins the two names of an interaction's level.
BY = "\x1f"


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One benchmark: who was asked what.

    Attributes
    ----------
    benchmark : str
    by_item : bool
        Whether its items are known (else only accuracies).
    chance : float
    models, languages : tuple of str
        M_b and L_b names.
    cell_model, cell_language : ndarray of int, shape (C_b,)
        Positions of the cells that were seen.
    """

    benchmark: str
    by_item: bool
    chance: float
    models: tuple[str, ...]
    languages: tuple[str, ...]
    cell_model: Ints
    cell_language: Ints


@dataclass(frozen=True, slots=True)
class Group:
    """Effects of one kind.

    Attributes
    ----------
    name : str
        ``transfer_family`` and so on.
    levels : tuple of str
    columns : slice
        Where they stand in the vector of all effects.
    mean, scale : float
        Prior mean, and standard deviation if fixed, else scale of its half-normal prior.
    fixed : bool
        Whether the standard deviation is given, as it is for means and trend terms.
    """

    name: str
    levels: tuple[str, ...]
    columns: slice
    mean: float
    scale: float
    fixed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """All effects and the rows that they make up.

    Attributes
    ----------
    units : tuple of Unit
    families : tuple of str
        Names of the families that have an effect.
    groups : tuple of Group
    matrix : ndarray, shape (q, n)
        Rows as described at the top of this module, unit by unit: source rows, model rows,
        language rows, pair rows. Unknown covariates are 0 here.
    starts : tuple of int
        First row of each unit, and q.
    pairs : tuple of ndarray of int, each (C_b,)
        Pair row of each cell, counted from the unit's first pair row; empty without pairs.
    unknown : ndarray of int, shape (u, 2)
        Model and term of each covariate that is a parameter.
    unknown_at : tuple of (ndarray, ndarray), length u
        Rows and columns of `matrix` that hold it.
    """

    units: tuple[Unit, ...]
    families: tuple[str, ...]
    groups: tuple[Group, ...]
    matrix: Floats
    starts: tuple[int, ...]
    pairs: tuple[Ints, ...]
    unknown: Ints
    unknown_at: tuple[tuple[Ints, Ints], ...]

    def group(self, name: str) -> Group | None:
        """The group of this name, if the study has one."""
        return next((group for group in self.groups if group.name == name), None)

    def rows(self, b: int, kind: str) -> slice:
        """Rows of unit `b`: ``source``, ``model``, ``language`` or ``pair``."""
        unit, start = self.units[b], self.starts[b]
        models, languages = len(unit.models), len(unit.languages)
        ends = np.cumsum([start, models, models, languages])
        if kind == "pair":
            return slice(int(ends[3]), self.starts[b + 1])
        place = ("source", "model", "language").index(kind)
        return slice(int(ends[place]), int(ends[place + 1]))

    @property
    def scaled(self) -> tuple[Group, ...]:
        """Groups whose standard deviation is a parameter."""
        return tuple(group for group in self.groups if not group.fixed)

    @property
    def fixed(self) -> Ints:
        """Columns of the effects whose standard deviation is given."""
        return np.concatenate(
            [np.arange(g.columns.start, g.columns.stop) for g in self.groups if g.fixed]
        ).astype(np.intp)

    def prior_mean(self) -> Floats:
        """Prior means of the effects, shape (n,)."""
        mean = np.zeros(self.matrix.shape[1])
        for group in self.groups:
            mean[group.columns] = group.mean
        return mean

    def deviations(self, values: Floats) -> Floats:
        """Standard deviation of each effect (n,), given those of the scaled groups."""
        out = np.empty(self.matrix.shape[1])
        free = iter(values)
        for group in self.groups:
            out[group.columns] = group.scale if group.fixed else next(free)
        return out

    def per_group(self, values: Floats) -> Floats:
        """Sums over each scaled group of something known per effect (n,)."""
        return np.array([values[group.columns].sum() for group in self.scaled])

    def with_unknown(self, values: Floats) -> Floats:
        """The matrix with unknown covariates at these standardised values (u,)."""
        if not len(self.unknown):
            return self.matrix
        out = self.matrix.copy()
        for (rows, columns), value in zip(self.unknown_at, values, strict=True):
            out[rows, columns] = value
        return out


class _Builder:
    """Collects groups as lists of (row, column, value)."""

    def __init__(self, n_rows: int) -> None:
        self.n_rows, self.groups = n_rows, list[Group]()
        self.entries: list[tuple[Ints, Ints, Floats]] = []
        self.width = 0

    def add(
        self,
        name: str,
        levels: Sequence[str],
        at: tuple[Ints, Ints, Floats],
        scale: float,
        *,
        fixed: bool = False,
    ) -> None:
        """Add a group; `at` holds rows, levels and values of its entries."""
        columns = slice(self.width, self.width + len(levels))
        self.groups.append(Group(name, tuple(levels), columns, 0.0, scale, fixed))
        self.entries.append((at[0], at[1] + self.width, at[2]))
        self.width += len(levels)

    def matrix(self) -> Floats:
        out = np.zeros((self.n_rows, self.width))
        for rows, columns, values in self.entries:
            out[rows, columns] = values
        return out


def _coded(labels: Sequence[str]) -> tuple[list[str], Ints]:
    levels = list(dict.fromkeys(labels))
    of = {name: place for place, name in enumerate(levels)}
    return levels, np.array([of[name] for name in labels], dtype=np.intp)


def build_effects(
    units: Sequence[Unit], families: dict[str, str], design: TrendDesign, priors: Priors
) -> Effects:
    """Effects of a study; an effect that repeats another one is left out.

    Parameters
    ----------
    units : sequence of Unit
    families : dict
        Family by model name.
    design : TrendDesign
        Rows in the order of the study's models.
    priors : Priors

    Returns
    -------
    Effects
    """
    place = {str(name): m for m, name in enumerate(design.frame["model"])}
    models = [name for name in place if any(name in unit.models for unit in units)]
    label = dict(zip(models, family_labels(models, families).tolist(), strict=True))
    family_names = list(dict.fromkeys(label.values()))
    has_families = 1 < len(family_names) < len(models)
    starts, rows, pairs = [0], list[tuple[str, int, str]](), list[Ints]()
    for b, unit in enumerate(units):
        rows += [("source", b, name) for name in unit.models]
        rows += [("model", b, name) for name in unit.models]
        rows += [("language", b, name) for name in unit.languages]
        if has_families and priors.family_language is not None:
            own = [
                f"{label[unit.models[m]]}{BY}{unit.languages[at]}"
                for m, at in zip(unit.cell_model, unit.cell_language, strict=True)
            ]
            levels, codes = _coded(own)
            rows += [("pair", b, name) for name in levels]
            pairs.append(codes)
        else:
            pairs.append(np.zeros(0, dtype=np.intp))
        starts.append(len(rows))
    kind = np.array([row[0] for row in rows])
    benchmark = np.array([row[1] for row in rows])
    name = np.array([row[2] for row in rows], dtype=object)
    builder = _Builder(len(rows))
    benchmarks = [unit.benchmark for unit in units]

    def spread(group: str, where: str, labels: Sequence[str], scale: float, fixed: bool) -> None:
        levels, codes = _coded(labels)
        at = np.flatnonzero(kind == where)
        builder.add(group, levels, (at, codes, np.ones(at.size)), scale, fixed=fixed)

    several = len(units) > 1
    unknown_at: list[list[tuple[Ints, Ints]]] = []
    unknown = np.argwhere(design.unknown) if priors.unknown is not None else np.zeros((0, 2))
    for side, where in (("source", "source"), ("transfer", "model")):
        at = np.flatnonzero(kind == where)
        who = [str(name[row]) for row in at]
        what = [benchmarks[benchmark[row]] for row in at]
        spread(f"{side}_mean", where, what, priors.mean, True)
        index = np.array([place[model] for model in who], dtype=np.intp)
        for group, table, terms, scale in (
            ("trend", design.matrix, design.terms, priors.trend),
            ("undisclosed", design.offsets, design.offset_names, priors.family),
        ):
            if not terms:
                continue
            first = builder.width
            grid = np.repeat(at, len(terms)), np.tile(np.arange(len(terms)), at.size)
            builder.add(f"{side}_{group}", terms, (*grid, table[index].ravel()), scale, fixed=True)
            if group == "trend":
                unknown_at.append(
                    [
                        (at[index == m], np.full((index == m).sum(), first + term))
                        for m, term in unknown.astype(int)
                    ]
                )
        scatter = priors.source if side == "source" else priors.model
        if has_families:
            wide = priors.source if side == "source" else priors.family
            spread(f"{side}_family", where, [label[model] for model in who], wide, False)
        spread(f"{side}_model", where, who, scatter, False)
        if several:
            both = [f"{model}{BY}{bench}" for model, bench in zip(who, what, strict=True)]
            spread(f"{side}_benchmark", where, both, priors.benchmark, False)
    at = np.flatnonzero(kind == "language")
    spread("transfer_language", "language", [str(name[row]) for row in at], priors.language, False)
    shared = len(set(name[at].tolist())) < at.size
    if several and shared:
        both = [f"{name[row]}{BY}{benchmarks[benchmark[row]]}" for row in at]
        spread("transfer_language_benchmark", "language", both, priors.benchmark, False)
    if (kind == "pair").any() and priors.family_language is not None:
        own_pairs = [str(name[row]) for row in np.flatnonzero(kind == "pair")]
        spread("transfer_family_language", "pair", own_pairs, priors.family_language, False)
    both_sides = [
        (np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))
        for parts in zip(*unknown_at, strict=True)
    ]
    return Effects(
        units=tuple(units),
        families=tuple(family_names) if has_families else (),
        groups=tuple(builder.groups),
        matrix=builder.matrix(),
        starts=tuple(starts),
        pairs=tuple(pairs),
        unknown=unknown.astype(np.intp),
        unknown_at=tuple(both_sides),
    )
