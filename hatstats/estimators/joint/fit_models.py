"""`joint` profiles of all models of a benchmark."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from hatstats.errors import ConvergenceWarning, DegenerateDataWarning
from hatstats.estimators.joint.fit import STEEPEST, JointFit, fit_patterns
from hatstats.estimators.joint.identification import identified_options
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.patterns import group_items
from hatstats.estimators.joint.profile import JointModel, source_grid
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import ItemCounts

#: Standard deviation of logits below which items count as equally hard.
_NO_SPREAD = 0.05


def fit_joint(counts: ItemCounts, options: JointOptions | None = None) -> BenchmarkFit:
    """Parametric profiles of every model of a benchmark by maximum likelihood.

    ``eta_i ~ N(mu, sigma^2)``; ``k_source ~ Bin(n, c + (1 - c) expit(eta_i))``;
    ``k_l ~ Bin(n, c + (1 - c) expit(alpha_l + beta_l eta_i + tau_l e_il))``, the item's ability
    integrated once for its source count and all its target counts (a bivariate binomial-normal
    model for one language: Chu and Cole 2006, J Clin Epidemiol 59:1331-1332).

    One trial per item is enough where items are asked in two or more target languages; the
    profile then conditions on the hardness that an item has in common over languages. It is
    enough in one language, too, where several models answer the same items: they are then fitted
    together, with a hardness in common (`hatstats.estimators.joint.shared_hardness`).

    Raises NotIdentifiedError if trials, languages or models are too few; warns of fits at a
    boundary and of searches that stopped short of their maximum.
    """
    patterns = group_items(counts)
    options = identified_options(
        patterns, options or JointOptions(), counts.benchmark, counts.models
    )
    fits = fit_patterns(patterns, options, counts.chance)
    for fit, model in zip(fits, counts.models, strict=True):
        for warning in _warnings(fit, f"benchmark {counts.benchmark!r}, model {model!r}"):
            warnings.warn(warning, stacklevel=2)
    # With an estimated chance level the models' grids would differ: it then begins at 0.
    support = source_grid(0.0 if options.chance == "estimated" else counts.chance)
    models = tuple(JointModel(fit, len(counts.languages), support) for fit in fits)
    return BenchmarkFit(counts, support, models, options.hardness == "common")


def _warnings(fit: JointFit, subject: str) -> Iterator[Warning]:
    """Warnings about one model's fit."""
    if not fit.converged:
        yield ConvergenceWarning(
            f"{subject}: the joint likelihood stopped short of its maximum (remaining gain "
            f"{0.5 * fit.decrement:.2g}, error of the integrals {fit.quadrature_error:.2g}, in "
            "units of log-likelihood)"
        )
    steep = [
        name
        for name in ("sigma", "common", "tau", "rho")
        if name in fit.layout.names and (fit.theta[fit.layout.position(name)] >= STEEPEST).any()
    ]
    if steep:
        yield DegenerateDataWarning(
            f"{subject}: answers look all or nothing ({' and '.join(steep)} held at {STEEPEST:g} "
            "logits), which this parametric model describes badly; compare_joint shows whether "
            "beta_binomial or an estimated chance level fits better"
        )
    items = int(fit.likelihood.weight.sum())
    spread = np.hypot(fit.layout.scalar(fit.theta, "sigma"), fit.layout.scalar(fit.theta, "common"))
    if items == 1:
        yield DegenerateDataWarning(
            f"{subject}: a single item; its profile is the weak prior's, without a standard error"
        )
    elif spread < _NO_SPREAD:
        yield DegenerateDataWarning(
            f"{subject}: all items look equally hard (spread of source logits 0), so that the "
            "profile is known at one source accuracy only, and elsewhere extrapolated"
        )
