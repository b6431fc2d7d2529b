"""`HierarchicalFit`: a posterior, its claims, checks and text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.bayes.claims import claim_probabilities
from hatstats.bayes.datatree import write_tree
from hatstats.bayes.diagnostics import MCSE, fit_checks, leave_one_out
from hatstats.bayes.posterior import Posterior
from hatstats.bayes.prior_sensitivity import power_scaling
from hatstats.errors import DataError

Floats = NDArray[np.float64]

#: R-hat of a score from which on more draws are no help.
_APART = 1.1


@dataclass(frozen=True, slots=True, eq=False)
class HierarchicalFit(Posterior):
    """One joint posterior over models, benchmarks and languages; see `Posterior` for its fields."""

    def shrinkage(self) -> pd.DataFrame:
        """How far each cell was pulled from its own estimate to what the effects predict.

        Returns
        -------
        DataFrame
            `model, benchmark, language, raw, raw_se, estimate, std_error, predicted, pull`, on the
            scale of transfer logits; `pull` is the share of the way from `raw` to `predicted`.
        """
        values, names = self._flat(), self.model.names
        level = self.cell_level().mean(axis=0)
        rows = []
        for b, (unit, part) in enumerate(
            zip(self.model.effects.units, self.model.cells.parts, strict=True)
        ):
            models, languages = self.model.places(b)
            at = models[unit.cell_model], b, languages[unit.cell_language]
            draws = values["transfer"][:, *at]
            raw = part.transfer.copy()
            if part.by_line:
                slope = float(values["line"][:, b].mean())
                raw = raw - slope * (part.source - part.centre)[unit.cell_model]
            estimate, predicted = draws.mean(axis=0), level[at]
            away = predicted - raw
            rows.append(
                pd.DataFrame(
                    {
                        "model": [names.models[m] for m in at[0]],
                        "benchmark": unit.benchmark,
                        "language": [names.languages[place] for place in at[2]],
                        "raw": raw,
                        "raw_se": np.sqrt(np.diag(part.cov))[models.size :],
                        "estimate": estimate,
                        "std_error": draws.std(axis=0, ddof=1),
                        "predicted": predicted,
                        "pull": np.divide(
                            estimate - raw,
                            away,
                            out=np.full(raw.shape, np.nan),
                            where=np.abs(away) > 1e-6,
                        ),
                    }
                )
            )
        return pd.concat(rows, ignore_index=True)

    def claims(
        self,
        claims: Sequence[Mapping[str, Any]] | None = None,
        *,
        rope: tuple[float, float] = (-0.01, 0.01),
    ) -> pd.DataFrame:
        """Registered claims as probabilities; see `claim_probabilities`."""
        return claim_probabilities(self, self.study.claims if claims is None else claims, rope)

    def checks(self) -> pd.DataFrame:
        """Diagnostics as values that can fail; see `hatstats.bayes.diagnostics`."""
        return fit_checks(self)

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return bool(self.checks()["passed"].all())

    def loo(self, by: str = "cell") -> Any:
        """PSIS-LOO of ArviZ by ``cell`` or ``family`` (cell rung), or by ``item`` (the others).

        A Pareto k above .7 says that weights do not reach so far: with few families that is the
        rule for whole families, whose absence moves the scales themselves.
        """
        return leave_one_out(self, by)

    def prior_sensitivity(self) -> pd.DataFrame:
        """Power-scaling sensitivity of each HAT score and trend term."""
        return power_scaling(self)

    def save(self, path: str | Path) -> Path:
        """Save `idata`: NetCDF for a name that ends in ``.nc``, else a Zarr store."""
        return write_tree(self.idata, path)

    def summary(self, conf_level: float = 0.95) -> str:
        """Scores, trends and checks in plain text of at most 80 columns.

        Raises
        ------
        DataError
            If the draws are too few for the digits that are printed.
        """
        scores = self.hat()
        table = scores.tidy(conf_level)
        error = table["mcse"].to_numpy(dtype=float)
        worst = float(error.max())
        if worst > MCSE:
            size = float(table["ess_bulk"].to_numpy(dtype=float)[error.argmax()])
            wanted = int(np.ceil((worst / MCSE) ** 2 * size))
            apart = float(table["r_hat"].max())
            if apart > _APART:
                hint = (
                    f"the chains are apart (R-hat {apart:.2f}), which more draws seldom hint: try "
                    "another rung, or a likelihood that fits the answers (compare_joint)."
                )
            else:
                hint = (
                    f"draw until about {wanted} are effective, {size:.0f} are now "
                    "(sampling=Sampling(draws=...))."
                )
            raise DataError(
                f"too few draws for the digits that are printed: the Monte-Carlo error of a score "
                f"is {worst:.4f}, and three decimals need {MCSE:g} or less",
                column="draws",
                value=int(scores.draws.shape[0] * scores.draws.shape[1]),
                hint=hint,
            )
        lines = [scores.summary(conf_level)]
        shown = self.tidy(conf_level)
        lines.append(f"  {'term (logits)':<42}{'mean':>8}{'sd':>8}  {conf_level:.0%} interval")
        numbers = shown[["estimate", "std_error", "conf_low", "conf_high"]].to_numpy(dtype=float)
        for name, (value, sd, low, high) in zip(shown["term"], numbers, strict=True):
            label = name if len(name) <= 42 else f"{name[:41]}…"
            lines.append(f"  {label:<42}{value:>8.3f}{sd:>8.3f}  [{low:.3f}, {high:.3f}]")
        failed = self.checks().query("not passed")
        if failed.empty:
            lines.append("  All checks of the sampler and of the model passed.")
        for row in failed.itertuples():
            lines += textwrap.wrap(f"  FAILED {row.check}: {row.words}", 80, subsequent_indent="  ")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<HierarchicalFit: {self.method}, {len(self.model.names.models)} models>"

    def _repr_html_(self) -> str:
        return str(self.tidy().to_html(index=False, float_format="{:.3f}".format))
