"""Bootstrap draws of all HAT scores: standard errors, limits, contrasts and ranks from them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from hatstats.inference.arrays import Floats
from hatstats.inference.labelled import Contrast, LabelledEstimates, indented
from hatstats.inference.resampling.bootstrap import bca_limits, percentile_limits
from hatstats.inference.simultaneous import PairTests
from hatstats.inference.tidy import tidy_frame
from hatstats.inference.validation import one_of
from hatstats.scores.cell_weights import difference
from hatstats.scores.ranks import rank_table

IntervalKind = Literal["percentile", "bca"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BootstrapScores(LabelledEstimates):
    """Draws (B, M) of the HAT scores of M models, paired over models.

    `estimates` are from all data, `params`, `bse` and `cov` by model; standard errors are those of
    the draws times `scale`, which is 1 except for draws of trials. `unit` says what was drawn
    (``items``, ``trials`` or ``wordings``), `kind` the weights (``binomial`` for trials).
    `influence` (G_b, M) is that of the item clusters of each benchmark, empty for draws of trials;
    `n_clusters` counts them. `n_failed` counts refits of redrawn trials that failed; Newton steps
    cannot. `seed` gives the same draws again; it is None where a generator was given.

    Examples
    --------
    >>> import hatstats as hs
    >>> profile = hs.fit_profile(hs.simulate_study([0.0, 1.0], rng=1), method="observed")
    >>> hs.bootstrap_hat(profile, n_draws=200, rng=1).draws.shape
    (200, 2)
    """

    models: tuple[str, ...]
    estimates: Floats
    draws: Floats
    scale: float
    influence: tuple[Floats, ...]
    unit: str
    kind: str
    reference: str
    method: str
    n_clusters: int
    n_failed: int = 0
    seed: int | None = None

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return int(self.draws.shape[0])

    @property
    def labels(self) -> pd.Index:
        """Names of the models."""
        return pd.Index(self.models, name="model")

    @property
    def covariance(self) -> Floats:
        """Covariance of the scores over draws, shape (M, M)."""
        return np.atleast_2d(np.cov(self.draws, rowvar=False)) * self.scale**2

    def conf_int(self, conf_level: float = 0.95, *, interval: IntervalKind = "bca") -> pd.DataFrame:
        """Confidence limits by model, as `limits` gives them."""
        limits = self.limits(conf_level, interval=interval)
        return pd.DataFrame(limits, index=self.labels, columns=["conf_low", "conf_high"])

    def limits(self, conf_level: float = 0.95, *, interval: IntervalKind = "bca") -> Floats:
        """Confidence limits as an array, shape (M, 2), cut to [0, 1]; NaN where draws do not vary.

        By `interval` ``bca`` or ``percentile``; draws of trials have no influence values and give
        percentiles.
        """
        one_of("interval", interval, ("bca", "percentile"))
        if interval == "bca" and self.influence:
            limits = bca_limits(self.draws, self.estimates, self.influence, conf_level)
        else:
            rescaled = self.estimates + self.scale * (self.draws - self.draws.mean(axis=0))
            draws = self.draws if self.scale == 1.0 else rescaled
            limits = percentile_limits(draws, conf_level)
            limits[np.ptp(self.draws, axis=0) == 0] = np.nan
        return np.clip(limits, 0.0, 1.0)

    def tidy(self, conf_level: float = 0.95, *, interval: IntervalKind = "bca") -> pd.DataFrame:
        """One row per model in the tidy schema; limits from the draws."""
        limits = self.limits(conf_level, interval=interval)
        used = interval if self.influence else "percentile"
        table = tidy_frame(
            "HAT",
            self.estimates,
            self.std_errors,
            conf_level=conf_level,
            method=f"{self.method}, {self.unit} bootstrap ({self.kind}), {used}",
            identifiers={"model": list(self.models), "reference": self.reference},
        )
        # A proportion has no null at 0.
        table[["statistic", "p_value"]] = np.nan
        return table.assign(conf_low=limits[:, 0], conf_high=limits[:, 1])

    def contrast(
        self, a: str | Sequence[str], b: str | Sequence[str], conf_level: float = 0.95
    ) -> Contrast:
        """Difference of two models, or of means of groups of models; limits from paired draws."""
        term, on_models = difference(self.models, a, b)
        weights = on_models[:, None]
        draws = self.draws @ weights * self.scale
        estimate = self.estimates @ weights
        psi = [part @ weights for part in self.influence]
        if psi:
            limits = bca_limits(draws, estimate, psi, conf_level)
        else:
            limits = percentile_limits(estimate + draws - draws.mean(axis=0), conf_level)
        row = tidy_frame(
            term,
            estimate,
            draws.std(axis=0, ddof=1),
            conf_level=conf_level,
            method=f"{self.method}, {self.unit} bootstrap ({self.kind})",
            identifiers={"reference": self.reference},
        )
        return Contrast.from_row(row.assign(conf_low=limits[:, 0], conf_high=limits[:, 1]))

    def ranks(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Ranks with the columns of `HatScores.ranks`, by tests of all pairs from the draws."""
        errors = self.scale * (self.draws - self.draws.mean(axis=0)).T
        size = len(self.models)
        df = np.full(size * (size - 1) // 2, np.inf)
        tests = PairTests.of(self.estimates, self.covariance, errors, df)
        return rank_table(self.models, self.estimates, tests, conf_level)

    def summary(self, conf_level: float = 0.95) -> str:
        """Scores from best to worst and what was drawn, in lines of at most 80 columns."""
        limits = self.limits(conf_level)
        head = (
            f"HAT scores, {self.n_draws} {self.unit} bootstrap draws ({self.kind}), "
            f"reference {self.reference}" + ("" if self.seed is None else f", seed {self.seed}")
        )
        lines = textwrap.wrap(head, 80, subsequent_indent="  ")
        for m in np.argsort(-self.estimates, kind="stable"):
            lines.append(
                f"  {self.models[m][:40]:<40}  {self.estimates[m]:.3f}"
                f"  [{limits[m, 0]:.3f}, {limits[m, 1]:.3f}]  SE {self.std_errors[m]:.4f}"
            )
        lines += indented(self._explanation())
        return "\n".join(lines)

    def _explanation(self) -> str:
        """What was drawn, and what the spread means."""
        if self.unit != "items":
            return (
                f"{self.unit.capitalize()} were redrawn within the same items: the spread says how "
                "their scores would vary if they were asked again, not how those of other items "
                "would. Do not add it to an item bootstrap, which contains the noise of trials "
                f"already: that inflates the SE. {self.n_failed} refits failed."
            )
        return (
            f"{self.n_clusters} item clusters drawn for all models and languages together, one "
            "Newton step per draw; a draw in this form cannot fail."
        )
