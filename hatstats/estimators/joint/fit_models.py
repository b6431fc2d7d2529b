"""`joint` profiles of all models of a benchmark, and the data that are needed to fit them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hatstats.errors import (
    ConvergenceWarning,
    DegenerateDataWarning,
    NotIdentifiedError,
)
from hatstats.estimators.joint.fit import STEEPEST, JointFit, fit_joint_counts
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.patterns import JointCounts, model_counts
from hatstats.estimators.joint.profile import JointModel, source_grid
from hatstats.estimators.joint.shared_hardness import fit_common
from hatstats.scores.counts import ItemCounts

Floats = NDArray[np.float64]

_WORKERS = 2
#: Standard deviation of logits below which items count as equally hard.
_NO_SPREAD = 0.05
_NEEDS_MORE = (
    "one trial per item and one target language cannot tell hard items from bad luck. What is "
    "missing: two or more trials per item in the source language, or items asked in two or more "
    "target languages, or a second model asked the same items."
)


def check_identified(part: JointCounts, options: JointOptions, subject: str) -> None:
    """Refuse a model that the counts cannot identify, and name what is missing."""
    if needs_other_models(part):
        raise NotIdentifiedError(f"{subject}: {_NEEDS_MORE}")
    single = part.single_source_trial
    if options.shared_factor and (single or not part.linked_languages):
        raise NotIdentifiedError(
            f"{subject}: a factor shared by the languages of an item needs items asked in two or "
            "more target languages, and two or more trials in the source language; "
            f"{'the trials are' if single else 'the second language is'} missing."
        )
    _check_trials(part, options, subject)


def _check_trials(part: JointCounts, options: JointOptions, subject: str) -> None:
    """Refuse overdispersion of single trials."""
    if options.beta_binomial and part.single_source_trial and part.most_trials().max() < 2:
        raise NotIdentifiedError(
            f"{subject}: how much trials of one item vary cannot be seen in one trial. "
            "What is missing: two or more trials per item for beta_binomial."
        )


def needs_other_models(part: JointCounts) -> bool:
    """Whether a model has one trial per item in one target language only."""
    return part.single_source_trial and not part.linked_languages


def check_common(parts: Sequence[JointCounts], options: JointOptions, subject: str) -> None:
    """Refuse a common hardness that the counts cannot identify, and name what is missing."""
    answered = np.array([part.index >= 0 for part in parts])
    for m, part in enumerate(parts):
        if needs_other_models(part) and not (answered[m] & np.delete(answered, m, axis=0)).any():
            raise NotIdentifiedError(
                f"{subject}: no second model was asked the same items, and {_NEEDS_MORE}"
            )
        _check_trials(part, options, subject)
    if options.shared_factor:
        raise NotIdentifiedError(
            f"{subject}: a hardness common to the models has no shared_factor. What is missing: "
            "two or more trials per item, with which each model is fitted by itself."
        )


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
    items = int(fit.likelihood.counts.weight.sum())
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


def fit_joint(
    counts: ItemCounts, options: JointOptions | None = None
) -> tuple[Floats, tuple[JointModel, ...]]:
    """Parametric profiles of every model of a benchmark by maximum likelihood.

    ``eta_i ~ N(mu, sigma^2)``; ``k_source ~ Bin(n, c + (1 - c) expit(eta_i))``; ``k_l ~ Bin(n, c +
    (1 - c) expit(alpha_l + beta_l eta_i + tau_l e_il))``, the item's ability integrated once for
    its source count and all its target counts (a bivariate binomial-normal model for one language:
    Chu and Cole 2006, J Clin Epidemiol 59:1331-1332).

    One trial per item is enough where items are asked in two or more target languages; the profile
    then conditions on the hardness that an item has in common over languages. It is enough in one
    language, too, where several models answer the same items: they are then fitted together, with a
    hardness in common (`hatstats.estimators.joint.shared_hardness`). Returns the grid of source
    accuracy (Q,) and the M models; warns of fits at a boundary and of searches that stopped short.
    """
    chosen = options or JointOptions()
    subjects = [f"benchmark {counts.benchmark!r}, model {model!r}" for model in counts.models]
    pairs = [model_counts(counts, m) for m in range(len(counts.models))]
    parts = [part for part, _ in pairs]
    if chosen.hardness == "auto":
        alone = len(parts) == 1 or not any(needs_other_models(part) for part in parts)
        chosen = replace(chosen, hardness="own" if alone else "common")
    if chosen.hardness == "common":
        check_common(parts, chosen, f"benchmark {counts.benchmark!r}")
        fits = fit_common(parts, chosen, counts.chance)
    else:
        for part, subject in zip(parts, subjects, strict=True):
            check_identified(part, chosen, subject)

        def fit_one(part: JointCounts) -> JointFit:
            return fit_joint_counts(part, chosen, counts.chance)

        with ThreadPoolExecutor(_WORKERS) as pool:
            fits = list(pool.map(fit_one, parts))
    # With an estimated chance level the models' grids would differ: it then begins at 0.
    grid = source_grid(0.0 if chosen.chance == "estimated" else counts.chance)
    for fit, subject in zip(fits, subjects, strict=True):
        for warning in _warnings(fit, subject):
            warnings.warn(warning, stacklevel=2)
    models = tuple(
        JointModel(fit, asked, len(counts.languages), grid)
        for fit, (_, asked) in zip(fits, pairs, strict=True)
    )
    return grid, models
