"""The cell rung: cell estimates with their full covariance as likelihood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from hatstats.bayes.effects import BY, Effects, Unit
from hatstats.bayes.estimates import CellOptions, StudyCells
from hatstats.bayes.leave_out import leave_out
from hatstats.bayes.marginal_likelihood import MarginalCells, Scales
from hatstats.bayes.measured import MEASURES, raw_measures
from hatstats.bayes.priors import Priors
from hatstats.bayes.standardise import line_hat
from hatstats.bayes.target import Density, Parameter
from hatstats.errors import DataError

Floats = NDArray[np.float64]
Values = dict[str, Floats]

#: Work (draws times estimates cubed) spent on leave-one-out terms.
_LEAVE_OUT_WORK = 3e10
#: Names of dimensions of the effects of each group, without the side.
GROUP_DIMS: dict[str, tuple[str, ...]] = {
    "mean": ("benchmark",),
    "trend": ("term",),
    "undisclosed": ("undisclosed",),
    "family": ("family",),
    "model": ("model",),
    "benchmark": ("model", "benchmark"),
    "language": ("language",),
    "language_benchmark": ("language", "benchmark"),
    "family_language": ("family", "language"),
}


def kind_of(group: str) -> str:
    """Name of a group without its side: ``family`` of ``transfer_family``."""
    return group.partition("_")[2]


@dataclass(frozen=True, slots=True)
class Names:
    """Coordinates that all results share.

    Attributes
    ----------
    models, benchmarks, languages, families, terms, undisclosed : tuple of str
    """

    models: tuple[str, ...]
    benchmarks: tuple[str, ...]
    languages: tuple[str, ...]
    families: tuple[str, ...]
    terms: tuple[str, ...]
    undisclosed: tuple[str, ...]

    def coords(self) -> dict[str, list[str]]:
        """Coordinates by dimension."""
        return {
            "model": list(self.models),
            "benchmark": list(self.benchmarks),
            "language": list(self.languages),
            "family": list(self.families),
            "term": list(self.terms),
            "undisclosed": list(self.undisclosed),
        }

    def places(self, unit: Unit) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Positions of the models and languages of a benchmark among all."""
        return (
            np.array([self.models.index(name) for name in unit.models], dtype=np.intp),
            np.array([self.languages.index(name) for name in unit.languages], dtype=np.intp),
        )

    @classmethod
    def of(cls, effects: Effects, models: list[str], terms: tuple[str, ...]) -> Names:
        """Names of the models, benchmarks and languages that have cells."""
        units = effects.units
        group = effects.group("transfer_undisclosed")
        return cls(
            tuple(name for name in models if any(name in unit.models for unit in units)),
            tuple(unit.benchmark for unit in units),
            tuple(dict.fromkeys(name for unit in units for name in unit.languages)),
            effects.families,
            terms,
            group.levels if group else (),
        )


def group_array(effects: Floats, group: str, levels: tuple[str, ...], names: Names) -> Floats:
    """Effects of one group (D, n) as an array over its dimensions; NaN where there is none."""
    dims = GROUP_DIMS[kind_of(group)]
    coords = names.coords()
    place = {dim: {name: at for at, name in enumerate(coords[dim])} for dim in dims}
    out = np.full((len(effects), *(len(coords[dim]) for dim in dims)), np.nan)
    for column, level in enumerate(levels):
        parts = level.split(BY) if len(dims) > 1 else [level]
        at: Any = tuple(place[dim][part] for dim, part in zip(dims, parts, strict=True))
        out[(slice(None), *at)] = effects[:, column]
    return out


@dataclass(frozen=True, slots=True, eq=False)
class CellModel:
    """Posterior of the cell rung.

    Attributes
    ----------
    cells : StudyCells
    effects : Effects
    names : Names
    families : dict
        Family by model name.
    priors : Priors
    options : CellOptions
    marginal : MarginalCells
    density : Density
    """

    cells: StudyCells
    effects: Effects
    names: Names
    families: dict[str, str]
    priors: Priors
    options: CellOptions
    marginal: MarginalCells = field(init=False)
    density: Density = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "marginal", MarginalCells.of(self.effects, self.cells.parts))
        density = Density(self._parameters(), self._likelihood, self._log_likelihood)
        object.__setattr__(self, "density", density)

    @property
    def method(self) -> str:
        """How the posterior was made, for tables."""
        kinds = {
            self.options.method if unit.by_item else "aggregate" for unit in self.effects.units
        }
        return f"Bayes, cells by {' and '.join(sorted(kinds))}"

    @property
    def _lines(self) -> list[int]:
        return [b for b, part in enumerate(self.cells.parts) if part.by_line]

    def _parameters(self) -> tuple[Parameter, ...]:
        priors, units = self.priors, self.effects.units
        found = [
            Parameter(f"sd_{group.name}", (), "half_normal", 0.0, group.scale)
            for group in self.effects.scaled
        ]
        found.append(Parameter("sd_cell", (), "half_normal", 0.0, priors.cell))
        if lines := tuple(units[b].benchmark for b in self._lines):
            found.append(Parameter("line", lines, "normal", 1.0, priors.line))
        if len(self.effects.unknown):
            levels = tuple(
                f"{self.names.models[m]}{BY}{self.names.terms[term]}"
                for m, term in self.effects.unknown
            )
            found.append(Parameter("unknown", levels, "normal", 0.0, float(priors.unknown or 1.0)))
        return tuple(found)

    def scales(self, natural: Floats) -> Scales:
        """The parameters by meaning."""
        groups, lines = len(self.effects.scaled), self._lines
        slopes = np.zeros(len(self.effects.units))
        at = groups + 1 + len(lines)
        slopes[lines] = natural[groups + 1 : at]
        return Scales(natural[:groups], float(natural[groups]), slopes, natural[at:])

    def _likelihood(self, natural: Floats) -> tuple[float, Floats]:
        value, slope = self.marginal.value_and_gradient(self.scales(natural))
        return value, np.concatenate(
            [slope.deviations, [slope.cell], slope.slopes[self._lines], slope.unknown]
        )

    def _log_likelihood(self, natural: Floats) -> float:
        return float(self.marginal.factor(self.scales(natural)).value)

    def complete(self, natural: Floats, rng: np.random.Generator, *, prior: bool = False) -> Values:
        """Draws of everything, given draws of the scales (D, P).

        Parameters
        ----------
        natural : ndarray, shape (D, P)
        rng : Generator
        prior : bool
            Draw from the prior instead of the posterior.

        Returns
        -------
        dict of ndarray
            Effects by group, `source` (D, models, benchmarks), `transfer` (D, models, benchmarks,
            languages), `line` (D, benchmarks); `log_prior` and `log_likelihood` (D,), the priors
            that `Priors` sets and the likelihood given all that they are about.
        """
        names, units = self.names, self.effects.units
        shape = (len(natural), len(names.models), len(names.benchmarks))
        source = np.full(shape, np.nan)
        transfer = np.full((*shape, len(names.languages)), np.nan)
        effects = np.empty((len(natural), self.effects.matrix.shape[1]))
        slopes = np.full((len(natural), len(units)), np.nan)
        parts = np.empty((len(natural), 2))
        where = [self.places(b) for b in range(len(units))]
        for draw, row in enumerate(natural):
            scales = self.scales(row)
            found = (
                self.marginal.draw_prior(scales, rng) if prior else self.marginal.draw(scales, rng)
            )
            effects[draw], parts[draw] = found.effects, (found.log_prior, found.log_likelihood)
            for b, (models, languages) in enumerate(where):
                source[draw, models, b] = found.source[b]
                transfer[draw, models[:, None], b, languages] = found.transfer[b]
            slopes[draw, self._lines] = scales.slopes[self._lines]
        values = {
            group.name: group_array(effects[:, group.columns], group.name, group.levels, names)
            for group in self.effects.groups
        }
        values |= {"source": source, "transfer": transfer}
        values |= {"line": slopes} if self._lines else {}
        values["log_prior"] = parts[:, 0] + self.density.log_prior(natural).sum(axis=1)
        values["log_likelihood"] = parts[:, 1]
        return values

    def places(self, b: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Positions of the models and languages of benchmark `b` among all."""
        return self.names.places(self.effects.units[b])

    def hat_cells(self, values: Values, reference: str | ArrayLike) -> Floats:
        """HAT per model, benchmark and language of each draw, (D, models, benchmarks, languages).

        Raises
        ------
        DataError
            For another reference than the item-level cells were estimated with.
        """
        out = np.full(values["transfer"].shape, np.nan)
        for b, unit in enumerate(self.effects.units):
            models, languages = self.places(b)
            at = (slice(None), models[:, None], b, languages)
            transfer = values["transfer"][at]
            if unit.by_item:
                if not (isinstance(reference, str) and reference == self.options.reference):
                    raise DataError(
                        "the cells of this fit were estimated with another reference",
                        column="reference",
                        value=reference if isinstance(reference, str) else "given",
                        hint=f"use {self.options.reference!r}, or fit again with "
                        "cells=CellOptions(reference=...).",
                    )
                out[at] = special.expit(transfer)
                continue
            out[at] = line_hat(
                values["source"][:, models, b],
                transfer,
                values["line"][:, b],
                self.cells.parts[b].centre,
                (unit.chance, unit.models, reference),
            )
        return out

    def log_likelihood(self, natural: Floats) -> dict[str, tuple[tuple[str, ...], Floats]]:
        """Log density of each cell, and of each family, given all the others; see `leave_out`."""
        scales = [self.scales(row) for row in natural]
        return leave_out(self.effects, self.cells.parts, self.families, scales)

    def observed(self) -> Values:
        """Estimates on the logit scale, NaN where a cell was not seen."""
        names = self.names
        source = np.full((len(names.models), len(names.benchmarks)), np.nan)
        transfer = np.full((*source.shape, len(names.languages)), np.nan)
        errors = {"source_se": source.copy(), "transfer_se": transfer.copy()}
        for b, (unit, part) in enumerate(zip(self.effects.units, self.cells.parts, strict=True)):
            models, languages = self.places(b)
            error = np.sqrt(np.diag(part.cov))
            source[models, b] = part.source
            errors["source_se"][models, b] = error[: models.size]
            at = models[unit.cell_model], b, languages[unit.cell_language]
            transfer[at] = part.transfer
            errors["transfer_se"][at] = error[models.size :]
        seen = {"source_logit": source, "transfer_logit": transfer, **errors}
        return seen | {"measures": self._measures(source[None], transfer[None])[0]}

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures that replicated data are judged by."""
        return MEASURES

    @property
    def few(self) -> int:
        """Draws for which densities of what is left out are computed."""
        size = sum(part.source.size + part.transfer.size for part in self.cells.parts)
        return int(np.clip(_LEAVE_OUT_WORK / float(size) ** 3, 100, 2000))

    def _measures(self, source: Floats, transfer: Floats) -> Floats:
        units = self.effects.units
        chance = np.array([0.0 if unit.by_item else unit.chance for unit in units])
        return raw_measures(
            chance + (1.0 - chance) * special.expit(source),
            chance[:, None] + (1.0 - chance[:, None]) * special.expit(transfer),
        )

    def predictive(self, natural: Floats, values: Values, rng: np.random.Generator) -> Values:
        """Estimates from new items for the same cells, on the logit scale, and their measures."""
        source = np.full(values["source"].shape, np.nan)
        transfer = np.full(values["transfer"].shape, np.nan)
        for b, (unit, part) in enumerate(zip(self.effects.units, self.cells.parts, strict=True)):
            models, languages = self.places(b)
            value, vector = np.linalg.eigh(part.cov)
            root = vector * np.sqrt(np.maximum(value, 0.0))
            noise = rng.standard_normal((len(source), value.size)) @ root.T
            true = values["source"][:, models, b]
            source[:, models, b] = true + noise[:, : models.size]
            at = (slice(None), models[unit.cell_model], b, languages[unit.cell_language])
            transfer[at] = values["transfer"][at] + noise[:, models.size :]
            if part.by_line:
                moved = values["line"][:, b, None] * (true - part.centre)
                transfer[at] += moved[:, unit.cell_model]
        return {
            "source_logit": source,
            "transfer_logit": transfer,
            "measures": self._measures(source, transfer),
        }

    def typical(self, values: Values, b: int, eta: Floats, level: Floats) -> tuple[Floats, Floats]:
        """Source accuracy and HAT of a typical model: source (D,) and transfer logits (D, L).

        Source accuracy is plain where items are known, above chance where only accuracies are.
        """
        unit, part = self.effects.units[b], self.cells.parts[b]
        if unit.by_item:
            return special.expit(eta), special.expit(level).mean(axis=1)
        models, _ = self.places(b)
        moved = values["line"][:, b, None] * (values["source"][:, models, b] - part.centre)
        share = special.expit(level[:, :, None] + moved[:, None, :]).mean(axis=(1, 2))
        chance = unit.chance
        return chance + (1 - chance) * special.expit(eta), chance + (1 - chance) * share
