"""What is known before sampling, and what draws of the parameters imply: effects, cells, HAT."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from hatstats.bayes.effects import BY, Effects, Group, Unit
from hatstats.bayes.marginal_likelihood import CellEstimates, MarginalCells, Scales
from hatstats.bayes.options import CellOptions, Priors
from hatstats.inference.arrays import Floats, Ints
from hatstats.scores.reference import CommonReference, reference_mixture

#: Arrays by name; draws (D) are the first dimension.
Values = dict[str, Floats]

#: Work (draws times estimates cubed) spent on leave-one-out terms.
_LEAVE_OUT_WORK = 3e10
#: Numbers held at once.
_BLOCK = 4_000_000
_UNIFORM = (np.arange(50) + 0.5) / 50

CELL_DIMS = ("model", "benchmark", "language")
#: Dimensions of the effects of each group, without the side.
_GROUP_DIMS: dict[str, tuple[str, ...]] = {
    "mean": ("benchmark",),
    "trend": ("term",),
    "undisclosed": ("undisclosed",),
    "fact": ("fact",),
    "family": ("family",),
    "model": ("model",),
    "benchmark": ("model", "benchmark"),
    "language": ("language",),
    "language_benchmark": ("language", "benchmark"),
}
#: Measures of tables of accuracies that replicated data are compared by.
MEASURES = (
    "source accuracy",
    "target accuracy",
    "gap",
    "ratio",
    "spread over models",
    "spread over cells",
    "lowest cell",
    "highest cell",
)


def group_dims(group: str) -> tuple[str, ...]:
    """Dimensions of a group's effects: of ``transfer_family`` those of ``family``."""
    return _GROUP_DIMS[group.partition("_")[2]]


@dataclass(frozen=True, slots=True, eq=False)
class CellModel:
    """Cells of a study and the effects they share."""

    effects: Effects
    parts: tuple[CellEstimates, ...]  # one for each unit of the effects
    models: tuple[str, ...]  # models, terms: names of the models with cells, and of the trend terms
    terms: tuple[str, ...]
    families: dict[str, str]  # family by model name; empty where there is none
    priors: Priors
    options: CellOptions
    marginal: MarginalCells = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "marginal", MarginalCells.of(self.effects, self.parts))

    @property
    def method(self) -> str:
        """How the posterior was made, for tables."""
        kinds = {
            str(self.options.method) if unit.by_item else "aggregate" for unit in self.effects.units
        }
        return f"Bayes, cells by {' and '.join(sorted(kinds))}"

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Names of the benchmarks."""
        return tuple(unit.benchmark for unit in self.effects.units)

    @property
    def languages(self) -> tuple[str, ...]:
        """Names of all target languages."""
        return tuple(dict.fromkeys(n for unit in self.effects.units for n in unit.languages))

    def coords(self) -> dict[str, list[str]]:
        """Coordinates by dimension."""
        levels = {group.name: list(group.levels) for group in self.effects.groups}
        return {
            "model": list(self.models),
            "benchmark": list(self.benchmarks),
            "language": list(self.languages),
            "family": list(self.effects.families),
            "term": list(self.terms),
            "undisclosed": levels.get("transfer_undisclosed", []),
            "fact": levels.get("transfer_fact", []),
            "measure": list(MEASURES),
        }

    def positions(self, unit: Unit) -> tuple[Ints, Ints]:
        """Positions of a benchmark's models and languages among all."""
        languages = self.languages
        return (
            np.array([self.models.index(name) for name in unit.models], dtype=np.intp),
            np.array([languages.index(name) for name in unit.languages], dtype=np.intp),
        )

    def scales(self, values: Values) -> list[Scales]:
        """Arguments of the marginal likelihood for each of D draws of the parameters."""
        deviations = np.column_stack([values[f"sd_{g.name}"] for g in self.effects.scaled])
        lines = [b for b, part in enumerate(self.parts) if part.by_line]
        slopes = np.zeros((len(deviations), len(self.effects.units)))
        if lines:
            slopes[:, lines] = values["line"]
        each = zip(deviations, values["sd_cell"], slopes, strict=True)
        return [Scales(deviation, float(cell), slope) for deviation, cell, slope in each]

    def _group_array(self, effects: Floats, group: Group) -> Floats:
        """Effects (D, n) of one group as an array over its dimensions; NaN where there is none."""
        dims, coords = group_dims(group.name), self.coords()
        index = {dim: {name: i for i, name in enumerate(coords[dim])} for dim in dims}
        out = np.full((len(effects), *(len(coords[dim]) for dim in dims)), np.nan)
        for column, level in zip(effects[:, group.columns].T, group.levels, strict=True):
            names = level.split(BY) if len(dims) > 1 else [level]
            where: Any = tuple(index[dim][name] for dim, name in zip(dims, names, strict=True))
            out[(slice(None), *where)] = column
        return out

    def complete(
        self, parameters: Values, rng: np.random.Generator, *, prior: bool = False
    ) -> Values:
        """Draws of everything, given draws of the parameters.

        `parameters` (D, ...); `prior`: draw from the prior instead of the posterior. Returns
        effects by group, `source` (D, models, benchmarks), `transfer` (D, models, benchmarks,
        languages), its `level` by the effects alone and `hat` of the same shape, `line` (D,
        benchmarks), the standard deviations; `log_prior` of the effects with fixed scales and
        `log_likelihood` given them, (D,).
        """
        scales, units = self.scales(parameters), self.effects.units
        marginal = self.marginal
        shape = (len(scales), len(self.models), len(units))
        source = np.full(shape, np.nan)
        transfer = np.full((*shape, len(self.languages)), np.nan)
        level = transfer.copy()
        effects = np.empty((len(scales), self.effects.matrix.shape[1]))
        densities = np.empty((len(scales), 2))
        positions = [self.positions(unit) for unit in units]
        for draw, one in enumerate(scales):
            found = marginal.draw_prior(one, rng) if prior else marginal.draw(one, rng)
            effects[draw], densities[draw] = found.effects, (found.log_prior, found.log_likelihood)
            for b, (models, languages) in enumerate(positions):
                source[draw, models, b] = found.source[b]
                level[draw, models[:, None], b, languages] = found.level[b]
                transfer[draw, models[:, None], b, languages] = found.transfer[b]
        values = {g.name: self._group_array(effects, g) for g in self.effects.groups}
        values |= parameters | {"source": source, "level": level, "transfer": transfer}
        if "line" in parameters:
            by_line = np.array([part.by_line for part in self.parts])
            slopes = np.array([one.slopes for one in scales])
            values["line"] = np.where(by_line, slopes, np.nan)
        values["log_prior"], values["log_likelihood"] = densities.T
        values["hat"] = self.hat_cells(values)
        return values

    def hat_cells(self, values: Values) -> Floats:
        """HAT per model, benchmark and language of each draw, (D, models, benchmarks, languages).

        Where only accuracies are known, along lines on the chance-corrected logit scale,
        ``H_ml = mean_G [c + (1 - c) expit(t_ml + beta (eta_G - r))]``, the reference logits eta_G
        those of the same draw.
        """
        out = np.full(values["transfer"].shape, np.nan)
        for b, (unit, part) in enumerate(zip(self.effects.units, self.parts, strict=True)):
            models, languages = self.positions(unit)
            index = (slice(None), models[:, None], b, languages)
            transfer = values["transfer"][index]
            if unit.by_item:
                out[index] = special.expit(transfer)
                continue
            nodes, mixing = self._reference(values["source"][:, models, b], unit)
            shift = values["line"][:, b, None] * (nodes - part.centre)
            share = np.empty_like(transfer)
            step = max(1, _BLOCK // max(transfer[0].size * nodes.shape[1], 1))
            for start in range(0, len(shift), step):
                rows = slice(start, start + step)
                right = special.expit(transfer[rows][..., None] + shift[rows][:, None, None, :])
                share[rows] = np.einsum("dmlr,mr->dml", right, mixing)
            out[index] = unit.chance + (1.0 - unit.chance) * share
        return out

    def _reference(self, source: Floats, unit: Unit) -> tuple[Floats, Floats]:
        """Reference logits of each draw (D, R), from source logits (D, M), and weights (M, R)."""
        name, count = self.options.reference or "pooled", len(unit.models)
        if name == "common":
            share = (np.asarray(CommonReference(*self.options.window)) - unit.chance) / (
                1.0 - unit.chance
            )
            even = special.logit(np.clip(share, 1e-3, 1.0 - 1e-3))
        elif name == "uniform":
            even = special.logit(_UNIFORM)
        else:
            return source, reference_mixture(name, unit.models, np.zeros(count)).mixing
        nodes = np.broadcast_to(even, (len(source), even.size))
        return nodes, np.full((count, even.size), 1.0 / even.size)

    def observed(self) -> Values:
        """Estimates and standard errors on the logit scale, NaN where a cell was not observed."""
        source = np.full((len(self.models), len(self.benchmarks)), np.nan)
        transfer = np.full((*source.shape, len(self.languages)), np.nan)
        errors = {"source_se": source.copy(), "transfer_se": transfer.copy()}
        for b, (unit, part) in enumerate(zip(self.effects.units, self.parts, strict=True)):
            models, languages = self.positions(unit)
            error = np.sqrt(np.diag(part.cov))
            source[models, b] = part.source
            errors["source_se"][models, b] = error[: models.size]
            index = models[unit.cell_model], b, languages[unit.cell_language]
            transfer[index] = part.transfer
            errors["transfer_se"][index] = error[models.size :]
        shares = [part.shares(np.concatenate([part.source, part.transfer])) for part in self.parts]
        measures = self._measures([share[None] for share in shares])[0]
        return {"source_logit": source, "transfer_logit": transfer, **errors, "measures": measures}

    @property
    def n_leave_out(self) -> int:
        """Number of draws for which leave-one-out densities are computed."""
        size = sum(part.source.size + part.transfer.size for part in self.parts)
        return int(np.clip(_LEAVE_OUT_WORK / float(size) ** 3, 100, 2000))

    def _measures(self, shares: list[Floats]) -> Floats:
        """`MEASURES` of accuracies above chance of each benchmark (D, M_b + C_b): (D, 8)."""
        shape = (len(shares[0]), len(self.models), len(self.benchmarks))
        source, total, number = np.full(shape, np.nan), np.zeros(shape), np.zeros(shape[1:])
        cells = []
        for b, (unit, share) in enumerate(zip(self.effects.units, shares, strict=True)):
            chance = 0.0 if unit.by_item else unit.chance
            right = chance + (1.0 - chance) * share
            models, _ = self.positions(unit)
            source[:, models, b] = right[:, : models.size]
            cells.append(right[:, models.size :])
            which = models[unit.cell_model]
            np.add.at(total[:, :, b].T, which, cells[-1].T)
            np.add.at(number[:, b], which, 1)
        every = np.concatenate(cells, axis=1)
        by_model = total.sum(axis=2) / number.sum(axis=1)
        mean_source, mean_target = np.nanmean(source, axis=(1, 2)), every.mean(axis=1)
        return np.column_stack(
            [
                mean_source,
                mean_target,
                mean_source - mean_target,
                mean_target / mean_source,
                np.std(by_model, axis=1),
                np.std(every, axis=1),
                every.min(axis=1),
                every.max(axis=1),
            ]
        )

    def predictive(self, values: Values, rng: np.random.Generator) -> Values:
        """Estimates from new items for the same cells, on the logit scale, and their measures.

        Accuracies are replicated as the proportions that they are, which sampling error can bring
        below chance, then linearised as the observed ones were.
        """
        source = np.full(values["source"].shape, np.nan)
        transfer = np.full(values["transfer"].shape, np.nan)
        shares = []
        for b, (unit, part) in enumerate(zip(self.effects.units, self.parts, strict=True)):
            models, languages = self.positions(unit)
            value, vector = np.linalg.eigh(part.cov)
            root = vector * np.sqrt(np.maximum(value, 0.0))
            noise = rng.standard_normal((len(source), value.size)) @ root.T
            true = values["source"][:, models, b]
            index = (slice(None), models[unit.cell_model], b, languages[unit.cell_language])
            target = values["transfer"][index]
            if part.by_line:
                shift = values["line"][:, b, None] * (true - part.centre)
                target = target + shift[:, unit.cell_model]
            found = part.replicated(np.concatenate([true, target], axis=1), noise)
            source[:, models, b] = found[:, : models.size]
            transfer[index] = found[:, models.size :]
            shares.append(part.shares(found))
        measures = self._measures(shares)
        return {"source_logit": source, "transfer_logit": transfer, "measures": measures}

    def typical(self, values: Values, b: int, eta: Floats, level: Floats) -> tuple[Floats, Floats]:
        """Source accuracy and HAT of a typical model: source (D,) and transfer logits (D, L).

        Source accuracy is plain where items are known, above chance where only accuracies are.
        """
        unit, part = self.effects.units[b], self.parts[b]
        if unit.by_item:
            return special.expit(eta), special.expit(level).mean(axis=1)
        models, _ = self.positions(unit)
        shift = values["line"][:, b, None] * (values["source"][:, models, b] - part.centre)
        share = special.expit(level[:, :, None] + shift[:, None, :]).mean(axis=(1, 2))
        chance = unit.chance
        return chance + (1 - chance) * special.expit(eta), chance + (1 - chance) * share
