"""The hierarchical model in a report: claims as probabilities, scores beside scores, checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.report.results.results import Fits
from hatstats.trends.claims.verdicts import claims_frame

Progress = Callable[[str, float], None]

#: Edges of the bins in which prior and posterior are shown.
_EDGES = np.linspace(0.0, 1.0, 41)


@dataclass(frozen=True, slots=True, eq=False)
class BayesPart:
    """What a report shows of the hierarchical model."""

    #: Probabilities of the claims, with `verdict` of the regression beside them.
    claims: pd.DataFrame
    #: `model`, posterior `estimate, std_error, conf_low, conf_high, p_best`, and `plain`, the
    #: score without the model.
    scores: pd.DataFrame
    #: See `HierarchicalFit.shrinkage`.
    shrinkage: pd.DataFrame
    #: `low, high, prior, posterior`: shares of HAT cells in bins of accuracy.
    prior: pd.DataFrame
    #: Checks of every fit.
    checks: pd.DataFrame
    #: `method, trend, draws`.
    facts: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether every check of every fit passed."""
        return bool(self.checks["passed"].all())

    @property
    def words(self) -> tuple[str, ...]:
        """One line for each check that failed, or one that says that none did."""
        failed = self.checks[~self.checks["passed"].astype(bool)]
        if failed.empty:
            count = len(self.checks)
            return (f"All {count} checks of the hierarchical model passed.",)
        return tuple(
            f"A check of the hierarchical model FAILED ({row['trend'] or 'no trend'}): "
            f"{row['words']}."
            for row in failed.to_dict("records")
        )


def binned_shares(prior: NDArray[np.float64], posterior: NDArray[np.float64]) -> pd.DataFrame:
    """Shares of draws of HAT in bins of accuracy: `low, high, prior, posterior`."""
    shares: dict[str, Any] = {"low": _EDGES[:-1], "high": _EDGES[1:]}
    for name, draws in (("prior", prior), ("posterior", posterior)):
        known = draws[np.isfinite(draws)]
        shares[name] = np.histogram(known, bins=_EDGES)[0] / known.size
    return pd.DataFrame(shares)


def run_bayes(fits: Fits, progress: Progress | None = None) -> BayesPart:
    """Fit the hierarchical model to what a report is about."""
    from hatstats.bayes.fit import fit_claims  # needs packages that a report does without
    from hatstats.bayes.options import Sampling

    options, scores = fits.options, fits.scores
    found = fit_claims(fits.used, sampling=Sampling(progress=progress), rng=options.seed)
    main = found.main
    hat = main.hat()
    table = hat.tidy(options.conf_level).merge(
        hat.ranks(options.conf_level)[["model", "p_best"]], on="model"
    )
    plain = dict(zip(scores.models, scores.estimates, strict=True))
    table["plain"] = [plain.get(name, np.nan) for name in table["model"]]
    claims = found.claims
    if len(claims):
        decided = claims_frame(fits.claims).set_index("name")["verdict"]
        claims = claims.assign(verdict=decided.reindex(claims["name"]).to_numpy())
    return BayesPart(
        claims=claims,
        scores=table.sort_values("estimate", ascending=False, ignore_index=True),
        shrinkage=main.shrinkage(),
        prior=binned_shares(main.draws("hat", "prior"), main.draws("hat")),
        checks=found.checks(),
        facts={
            "method": main.method,
            "trend": main.design.formula or "none",
            "draws": str(hat.draws.shape[0] * hat.draws.shape[1]),
        },
    )
