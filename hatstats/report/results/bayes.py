"""The hierarchical model in a report: claims as probabilities, scores beside scores, checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hatstats.report.results.results import BayesPart, Fits
from hatstats.trends.claims.verdicts import claims_frame

Progress = Callable[[str, float], None]

#: Edges of the bins in which prior and posterior are shown.
_EDGES = np.linspace(0.0, 1.0, 41)


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
