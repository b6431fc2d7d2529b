"""Posteriors for all registered claims of a study, and how far they hang on the priors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from hatstats.bayes.claims import claim_formula, claim_probabilities
from hatstats.bayes.fit import Level, fit_hierarchical
from hatstats.bayes.priors import Priors
from hatstats.bayes.result import HierarchicalFit
from hatstats.bayes.settings import Sampling
from hatstats.errors import NotIdentifiedError
from hatstats.study import Study

#: Told (words, share done from 0 to 1).
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, eq=False)
class ClaimFits:
    """One posterior for each formula that the claims name.

    Attributes
    ----------
    fits : dict of str to HierarchicalFit
        By formula; the empty one is a fit without a trend, made where no claim can be fitted.
    claims : DataFrame
        See `claim_probabilities`; a claim that no fit could answer has NaN and the reason.
    """

    fits: dict[str, HierarchicalFit]
    claims: pd.DataFrame

    @property
    def main(self) -> HierarchicalFit:
        """The fit with the longest formula: that which conditions on most."""
        return max(self.fits.values(), key=lambda fit: len(fit.design.terms))

    def checks(self) -> pd.DataFrame:
        """Checks of every fit, with the formula as `trend`."""
        parts = []
        for formula, fit in self.fits.items():
            table = fit.checks()
            table.insert(0, "trend", formula)
            parts.append(table)
        return pd.concat(parts, ignore_index=True)


def fit_claims(
    study: Study,
    *,
    level: Level = "cells",
    priors: Priors | None = None,
    rope: tuple[float, float] = (-0.01, 0.01),
    sampling: Sampling | None = None,
    rng: np.random.Generator | int | None = None,
) -> ClaimFits:
    """Fit what the registered claims of a study are about.

    Parameters
    ----------
    study : Study
        Its ``claims``; without any, one fit without a trend is made.
    level, priors, sampling, rng
        See `fit_hierarchical`.
    rope : pair of float
        See `claim_probabilities`.

    Returns
    -------
    ClaimFits
    """
    how = sampling or Sampling()
    formulas = list(dict.fromkeys(claim_formula(claim) for claim in study.claims)) or [""]
    generators = np.random.default_rng(rng).spawn(len(formulas) + 1)
    fits: dict[str, HierarchicalFit] = {}
    reasons: dict[str, str] = {}
    for place, formula in enumerate(formulas):

        def told(words: str, share: float, done: int = place) -> None:
            if how.progress is not None:
                how.progress(words, (done + share) / len(formulas))

        try:
            fits[formula] = fit_hierarchical(
                study,
                trend=formula or None,
                level=level,
                priors=priors,
                sampling=replace(how, progress=told),
                rng=generators[place],
            )
        except NotIdentifiedError as error:
            # A registered claim is answered even when the study cannot test it.
            reasons[formula] = str(error)
    if not fits:
        fits[""] = fit_hierarchical(
            study, level=level, priors=priors, sampling=how, rng=generators[-1]
        )
    rows = []
    for claim in study.claims:
        fit = fits.get(claim_formula(claim))
        if fit is not None:
            rows.append(claim_probabilities(fit, [claim], rope))
        else:
            reason = reasons[claim_formula(claim)]
            empty = claim_probabilities(next(iter(fits.values())), [claim], rope)
            rows.append(empty.assign(reason=reason))
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
    return ClaimFits(fits, table)


def doubled_priors(
    study: Study,
    *,
    priors: Priors | None = None,
    sampling: Sampling | None = None,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Probability of each claim with each scale of the priors doubled, at the cell rung.

    Returns
    -------
    DataFrame
        `prior, name, p_claim, change`: the scale that was doubled (empty for none), the claim,
        its probability, and what it is less that without doubling.
    """
    first, seed = priors or Priors(), np.random.default_rng(rng).integers(2**31)
    used: tuple[str, ...] = ("mean", "trend", "source", "language", "family", "model", "cell")
    if len(study.benchmark_names) > 1:
        used = (*used, "benchmark")
    if study.level != "item":
        used = (*used, "line")
    known = {field.name for field in fields(first)}
    assert set(used) <= known
    rows = []
    for name in ("", *used):
        chosen = first.scaled(name) if name else first
        # The same seed throughout: what changes is the prior, not the luck of the draws.
        found = fit_claims(study, priors=chosen, sampling=sampling, rng=int(seed)).claims
        rows += [
            {"prior": name, "name": claim, "p_claim": float(p)}
            for claim, p in zip(found["name"], found["p_claim"].astype(float), strict=True)
        ]
    table = pd.DataFrame(rows)
    plain = table[table["prior"] == ""].set_index("name")["p_claim"]
    return table.assign(change=table["p_claim"] - plain.reindex(table["name"]).to_numpy())
