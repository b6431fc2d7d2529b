"""The count rung: its density, and what follows from draws of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hatstats.bayes import count_draws
from hatstats.bayes.cell_model import Values
from hatstats.bayes.count_density import CountDensity
from hatstats.bayes.partial import coordinate_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CountModel(CountDensity):
    """Posterior of the count rung, and of the item rung, with the interface of `CellModel`.

    Attributes
    ----------
    rung : {"counts", "items"}
    """

    rung: str = field(default="counts", kw_only=True)

    @property
    def method(self) -> str:
        """How the posterior was made, for tables."""
        kinds = {
            f"joint ({self.joint.label})" if unit.by_item else "binomial"
            for unit in self.effects.units
        }
        return f"Bayes, {self.rung} by {' and '.join(sorted(kinds))}"

    def complete(self, natural: Floats, rng: np.random.Generator, *, prior: bool = False) -> Values:
        """Draws of everything, given draws of all coordinates (D, P)."""
        if prior:
            natural = self.prior_coordinates(natural, rng)
        return count_draws.complete(self, natural, rng)

    def prior_coordinates(self, natural: Floats, rng: np.random.Generator) -> Floats:
        """Coordinates z of draws from the prior (D, P), whose scales and means are given."""
        out, at = natural.copy(), self.places_of
        hat, precision, cell_hat, cell_precision = self.pseudo_data
        for row in out:
            deviations = self.effects.deviations(row[: len(self.effects.scaled)])[self.kept]
            mean = self.effects.prior_mean()[self.kept]
            value = mean + deviations * rng.standard_normal(mean.size)
            row[at["z_effects"]] = coordinate_of(
                value, mean, deviations, hat[self.kept], precision[self.kept]
            )
            cells = self.parse(row).cells
            value = cells.mu + cells.sd * rng.standard_normal(cells.mu.size)
            row[at["z_cells"]] = coordinate_of(value, cells.mu, cells.sd, cell_hat, cell_precision)
        return out

    def hat_cells(self, values: Values, reference: str | ArrayLike) -> Floats:
        """HAT per model, benchmark and language of each draw."""
        return count_draws.hat_cells(self, values, reference)

    def typical(self, values: Values, b: int, eta: Floats, level: Floats) -> tuple[Floats, Floats]:
        """Source accuracy and HAT of a typical model: source (D,) and transfer logits (D, L)."""
        return count_draws.typical(self, values, b, eta, level)

    def log_likelihood(self, natural: Floats) -> dict[str, tuple[tuple[str, ...], Floats]]:
        """Log density of each item over all models, and of each accuracy."""
        return count_draws.log_likelihood(self, natural)

    def observed(self) -> Values:
        """Maxima of the likelihoods, and the measures of the tables seen."""
        return count_draws.observed(self)

    def predictive(self, natural: Floats, values: Values, rng: np.random.Generator) -> Values:
        """Measures of replicated tables."""
        return {"measures": count_draws.table_draws(self, natural, values, rng)[1]}

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures that replicated data are judged by."""
        return count_draws.measure_names(self)

    @property
    def few(self) -> int:
        """Draws for which tables and densities of items are made."""
        return 400
