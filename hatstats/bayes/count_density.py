"""The count rung: the marginalised likelihood of the counts themselves.

No item has a latent variable of its own: the likelihood of `joint` has integrated them out. Each
model's parameters on a benchmark are drawn around what they have in common, source and transfer
logits through the effects of `hatstats.bayes.effects`, every other one around a mean
of its benchmark. Benchmarks of which only accuracies are known are binomial on both sides. All
variables are partially centred by what the maximum of the likelihood says of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse, special

from hatstats.bayes.cell_model import CellModel, Names
from hatstats.bayes.count_blocks import BinomialBlock, Blocks
from hatstats.bayes.count_parts import Part, State, cell_hats, lay_out
from hatstats.bayes.effects import BY, Effects, Group
from hatstats.bayes.estimates import CellOptions, StudyCells
from hatstats.bayes.marginal_likelihood import back_substituted
from hatstats.bayes.partial import partially_centred
from hatstats.bayes.priors import Priors
from hatstats.bayes.target import Density, Parameter
from hatstats.estimators.joint.options import JointOptions
from hatstats.scores.counts import ItemCounts

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Where the means of the parameters beside source and transfer are centred.
_CENTRES = {
    "log_sigma": float(np.log(1.5)),
    "beta": 1.0,
    "tau": 1.0,
    "rho": 0.5,
    "spread": 0.2,
    "never": -3.0,
    "always": -3.0,
    "transfers": 2.0,
    "at_never": -2.0,
    "at_always": 1.0,
}


@dataclass(frozen=True, slots=True, eq=False)
class CountDensity:
    """Density of the count rung.

    Attributes
    ----------
    cells : StudyCells
        Source and transfer logits at the maxima, which the sampler starts from.
    effects : Effects
    names : Names
    families : dict
    priors : Priors
    options : CellOptions
    joint : JointOptions
    blocks : tuple
        Per benchmark: the joint blocks of its models, or its binomial accuracies.
    counts : tuple of ItemCounts or None
        Per benchmark with items.
    parts : tuple of Part
    takes : list of list of ndarray of int
        For each joint block, the place of its coordinates among the cells' parameters; -1 where
        one is held at 0.
    finest : Group
        The group of source effects that is the scatter of a model on a benchmark.
    kept : ndarray of int
        Columns of all other effects.
    incidence : sparse matrix, shape (K, q)
        Rows of effects that each source and transfer logit is the sum of.
    pseudo_data : tuple of ndarray
        What the data say of the effects, and of each cell's parameters: hats and precisions.
    density : Density
    places_of : dict of str to slice
        Where each parameter of the density stands.
    """

    cells: StudyCells
    effects: Effects
    names: Names
    families: dict[str, str]
    priors: Priors
    options: CellOptions
    joint: JointOptions
    blocks: tuple[Blocks, ...]
    counts: tuple[ItemCounts | None, ...]
    parts: tuple[Part, ...] = field(init=False)
    density: Density = field(init=False)
    takes: list[list[Ints]] = field(init=False)
    finest: Group = field(init=False)
    kept: Ints = field(init=False)
    incidence: sparse.csr_array = field(init=False)
    pseudo_data: tuple[Floats, Floats, Floats, Floats] = field(init=False)
    places_of: dict[str, slice] = field(init=False)

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        parts, takes = lay_out(self.effects.units, self.blocks)
        put("parts", parts)
        put("takes", takes)
        name = "source_benchmark" if len(self.effects.units) > 1 else "source_model"
        finest = next(group for group in self.effects.groups if group.name == name)
        put("finest", finest)
        put("kept", np.delete(np.arange(self.effects.matrix.shape[1]), finest.columns))
        put("incidence", self._levels())
        put("pseudo_data", self._find_pseudo_data())
        parameters = self._parameters()
        density = Density(parameters, self._likelihood)
        put("density", density)
        put("places_of", density.places())

    @property
    def others(self) -> tuple[Part, ...]:
        """Parts beside source and transfer."""
        return self.parts[2:]

    @property
    def lines(self) -> list[int]:
        """Benchmarks whose slope is a parameter."""
        return [b for b, block in enumerate(self.blocks) if isinstance(block, BinomialBlock)]

    def _levels(self) -> sparse.csr_array:
        """Rows of effects that each source and transfer logit is the sum of, (K, q)."""
        effects, source, transfer = self.effects, *self.parts[:2]
        row, column = [], []
        for k, (b, m) in enumerate(zip(source.unit, source.model, strict=True)):
            row.append(k)
            column.append(effects.rows(b, "source").start + m)
        seen = dict.fromkeys(range(len(effects.units)), 0)
        for k, (b, m, language) in enumerate(
            zip(transfer.unit, transfer.model, transfer.language, strict=True)
        ):
            here = [effects.rows(b, "model").start + m]
            here.append(effects.rows(b, "language").start + language)
            if effects.pairs[b].size:
                here.append(effects.rows(b, "pair").start + effects.pairs[b][seen[b]])
            seen[b] += 1
            row += [transfer.at.start + k] * len(here)
            column += here
        shape = (transfer.at.stop, effects.matrix.shape[0])
        return sparse.csr_array((np.ones(len(row)), (row, column)), shape=shape)

    def _find_pseudo_data(self) -> tuple[Floats, Floats, Floats, Floats]:
        """What the data say of the effects, and of each cell's parameters: hats, precisions."""
        rough = CellModel(
            self.cells, self.effects, self.names, self.families, self.priors, self.options
        )
        density = rough.density

        def downhill(x: Floats) -> tuple[float, Floats]:
            value, gradient = density.value_and_gradient(x)
            return -value, -gradient

        found = optimize.minimize(
            downhill,
            density.first(),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-3.0, 3.5)] * density.size,
        )
        scales = rough.scales(density.natural(found.x))
        given = rough.marginal.factor(scales)
        deviation = self.effects.deviations(scales.deviations)
        inverse = back_substituted(given.root, np.eye(deviation.size))
        variance = (inverse**2).sum(axis=1) * deviation**2
        precision = np.maximum(1.0 / variance - 1.0 / deviation**2, 1e-3)
        prior = self.effects.prior_mean()
        mean = prior + inverse @ given.pulled * deviation
        hat = (mean * (precision + 1.0 / deviation**2) - prior / deviation**2) / precision
        return (
            hat,
            precision,
            *cell_hats(self.blocks, self.cells.parts, self.parts, self.takes, scales.slopes),
        )

    def _parameters(self) -> tuple[Parameter, ...]:
        priors, units = self.priors, self.effects.units
        found = [
            Parameter(f"sd_{group.name}", (), "half_normal", 0.0, group.scale)
            for group in self.effects.scaled
        ]
        found.append(Parameter("sd_cell", (), "half_normal", 0.0, priors.cell))
        by_item = tuple(units[b].benchmark for b in range(len(units)) if b not in self.lines)
        for part in self.others:
            _, _, scatter = self._scales_of(part.name)
            found.append(Parameter(f"sd_{part.name}", (), "half_normal", 0.0, scatter))
        if self.lines:
            names = tuple(units[b].benchmark for b in self.lines)
            found.append(Parameter("line", names, "normal", 1.0, priors.line))
        if len(self.effects.unknown):
            levels = tuple(
                f"{self.names.models[m]}{BY}{self.names.terms[term]}"
                for m, term in self.effects.unknown
            )
            found.append(Parameter("unknown", levels, "normal", 0.0, float(priors.unknown or 1.0)))
        for part in self.others:
            centre, scale, _ = self._scales_of(part.name)
            found.append(Parameter(f"mean_{part.name}", by_item, "normal", centre, scale))
        for name, size in (("z_effects", self.kept.size), ("z_cells", self.parts[-1].at.stop)):
            levels = tuple(str(place) for place in range(size))
            found.append(Parameter(name, levels, "normal", 0.0, 1.0))
        return tuple(found)

    def _scales_of(self, name: str) -> tuple[float, float, float]:
        """Centre and scale of a part's mean, and scale of its scatter."""
        priors = self.priors
        if name == "chance":
            level = np.mean([unit.chance for unit in self.effects.units if unit.by_item])
            centre = float(special.logit(max(float(level), 0.05)))
            return centre, priors.option, priors.option
        mean, scatter = {
            "log_sigma": (priors.ability_spread, priors.residual_spread),
            "beta": (priors.line, priors.line_spread),
            "tau": (priors.residual, priors.residual_spread),
        }.get(name, (priors.option, priors.option))
        return _CENTRES.get(name, 0.0), mean, scatter

    def parse(self, natural: Floats) -> State:
        """Effects and cells' parameters at the natural values of all coordinates (P,)."""
        at, groups = self.places_of, len(self.effects.scaled)
        deviations = self.effects.deviations(natural[:groups])
        hat, precision, cell_hat, cell_precision = self.pseudo_data
        keep = self.kept
        effects = partially_centred(
            natural[at["z_effects"]],
            self.effects.prior_mean()[keep],
            deviations[keep],
            hat[keep],
            precision[keep],
        )
        unknown = natural[at["unknown"]] if "unknown" in at else np.zeros(0)
        matrix = self.effects.with_unknown(unknown)[:, keep]
        level = self.incidence @ (matrix @ effects.value)
        mean, sd = np.empty(cell_hat.size), np.empty(cell_hat.size)
        source, transfer = self.parts[:2]
        mean[: transfer.at.stop] = level
        sd[source.at] = deviations[self.finest.columns.start]
        sd[transfer.at] = self.cell_deviation(natural)
        for place, part in enumerate(self.others):
            mean[part.at] = natural[at[f"mean_{part.name}"]][self.of_unit[part.unit]]
            sd[part.at] = natural[groups + 1 + place]
        cells = partially_centred(natural[at["z_cells"]], mean, sd, cell_hat, cell_precision)
        slopes = np.zeros(len(self.blocks))
        if self.lines:
            slopes[self.lines] = natural[at["line"]]
        return State(effects, cells, matrix, level, slopes)

    def cell_deviation(self, natural: Floats) -> float:
        """Standard deviation of what is left in a cell."""
        return float(natural[len(self.effects.scaled)])

    def all_effects(self, state: State) -> Floats:
        """Every effect (n,), those that source logits carry themselves included."""
        out = np.empty(self.effects.matrix.shape[1])
        out[self.kept] = state.effects.value
        source = self.parts[0].at
        # Levels of the finest group stand in the order of the source rows.
        out[self.finest.columns] = state.cells.value[source] - state.level[source]
        return out

    def log_prior(self, natural: Floats, effects: Floats) -> float:
        """Log density of the priors that `Priors` sets, at all parameters and effects (n,)."""
        known = self.density.log_prior(natural)
        first = self.places_of["z_effects"].start
        groups = [group for group in self.effects.groups if group.fixed]
        own = sum(
            float(-0.5 * (((effects[g.columns] - g.mean) / g.scale) ** 2).sum()) for g in groups
        )
        return float(known[:first].sum()) + own

    @property
    def of_unit(self) -> Ints:
        """Position of each benchmark among those with items."""
        by_item = [b not in self.lines for b in range(len(self.blocks))]
        return np.cumsum(by_item).astype(np.intp) - 1

    def blocks_at(self, phi: Floats, slopes: Floats) -> tuple[float, Floats, Floats]:
        """Log-likelihood of the cells' parameters (K,), gradients in them and in the slopes."""
        value, gradient, by_slope = 0.0, np.zeros(phi.size), np.zeros(len(self.blocks))
        source, transfer = self.parts[:2]
        for b, block in enumerate(self.blocks):
            if isinstance(block, BinomialBlock):
                own = np.flatnonzero(source.unit == b)
                at = transfer.at.start + np.flatnonzero(transfer.unit == b)
                part, by_source, by_cell, by_slope[b] = block.value_and_gradient(
                    phi[own], phi[at], float(slopes[b])
                )
                gradient[own] += by_source
                gradient[at] += by_cell
                value += part
                continue
            for one, take in zip(block, self.takes[b], strict=True):
                part, slope = one.value_and_gradient(self.coordinates(phi, take))
                free = take >= 0
                gradient[take[free]] += slope[free]
                value += part
        return value, gradient, by_slope

    @staticmethod
    def coordinates(phi: Floats, take: Ints) -> Floats:
        """Coordinates of a joint block (..., P) among the cells' parameters (..., K)."""
        return np.where(take >= 0, phi[..., np.maximum(take, 0)], 0.0)

    def _likelihood(self, natural: Floats) -> tuple[float, Floats]:
        state = self.parse(natural)
        effects, cells = state.effects, state.cells
        at, groups = self.places_of, len(self.effects.scaled)
        value, by_cell, by_slope = self.blocks_at(cells.value, state.slopes)
        by_z, by_mean, by_sd = cells.pull_back(by_cell)
        source, transfer = self.parts[:2]
        by_row = self.incidence.T @ by_mean[: transfer.at.stop]
        by_effect_z, _, by_deviation = effects.pull_back(state.matrix.T @ by_row)
        gradient = np.zeros(natural.size)
        full = np.zeros(self.effects.matrix.shape[1])
        full[self.kept] = by_deviation
        gradient[:groups] = self.effects.per_group(full)
        finest = self.effects.scaled.index(self.finest)
        gradient[finest] = by_sd[source.at].sum()
        gradient[groups] = by_sd[transfer.at].sum()
        for place, part in enumerate(self.others):
            gradient[groups + 1 + place] = by_sd[part.at].sum()
            gradient[at[f"mean_{part.name}"]] = np.bincount(
                self.of_unit[part.unit],
                weights=by_mean[part.at],
                minlength=len(self.blocks) - len(self.lines),
            )
        if self.lines:
            gradient[at["line"]] = by_slope[self.lines]
        if "unknown" in at:
            wide = np.zeros(full.size)
            wide[self.kept] = effects.value
            gradient[at["unknown"]] = [
                float(by_row[rows] @ wide[columns]) for rows, columns in self.effects.unknown_at
            ]
        gradient[at["z_effects"]] = by_effect_z
        gradient[at["z_cells"]] = by_z
        return value + cells.log_ratio + effects.log_ratio, gradient

    def places(self, b: int) -> tuple[Ints, Ints]:
        """Positions of the models and languages of benchmark `b` among all."""
        return self.names.places(self.effects.units[b])
