"""`joint` profiles of all models of a benchmark, and what must be there to fit them."""

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
from hatstats.estimators.joint.fit import JointFit, fit_joint_counts
from hatstats.estimators.joint.likelihood import JointCounts, joint_counts
from hatstats.estimators.joint.newton import STEEPEST
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.profile import JointModel, source_grid
from hatstats.estimators.joint.shared_hardness import fit_common
from hatstats.scores.counts import ItemCounts

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_WORKERS = 2
#: Standard deviation of logits below which items count as equally hard.
_NO_SPREAD = 0.05


def model_counts(counts: ItemCounts, m: int) -> tuple[JointCounts, Ints]:
    """Counts of model `m` in the languages that it was asked in, and those languages.

    Raises
    ------
    NotIdentifiedError
        If the model has no item with both source and target trials.
    """
    there = (counts.source_trials[m] > 0)[:, None] & (counts.target_trials[m] > 0)
    asked = np.flatnonzero(there.any(axis=0))
    if asked.size == 0:
        raise NotIdentifiedError(
            f"benchmark {counts.benchmark!r}, model {counts.models[m]!r}: no item has trials "
            "both in its source language and in a target language"
        )
    source = counts.source_correct[m], counts.source_trials[m]
    target = counts.target_correct[m][:, asked], counts.target_trials[m][:, asked]
    return joint_counts(source, target), asked


def check_identified(part: JointCounts, options: JointOptions, where: str) -> None:
    """Refuse a model that the counts cannot tell, and name what is missing.

    Parameters
    ----------
    part : JointCounts
    options : JointOptions
    where : str
        Benchmark and model, for the message.

    Raises
    ------
    NotIdentifiedError
    """
    single = part.source_rows.trials.max() < 2
    linked = (part.target >= 0).sum(axis=1) >= 2
    if single and not linked.any():
        raise NotIdentifiedError(
            f"{where}: one trial per item and one target language cannot tell hard items from "
            "bad luck. What is missing: two or more trials per item in the source language, "
            "or items asked in two or more target languages, or a second model asked the same "
            "items."
        )
    if options.shared_factor and (single or not linked.any()):
        raise NotIdentifiedError(
            f"{where}: a factor shared by the languages of an item needs items asked in two or "
            "more target languages, and two or more trials in the source language; "
            f"{'the trials are' if single else 'the second language is'} missing."
        )
    if options.point_masses and single:
        raise NotIdentifiedError(
            f"{where}: one trial per item cannot tell items that are always answered from "
            "lucky ones. What is missing: two or more trials per item for point_masses."
        )
    _check_trials(part, options, where)


def _check_trials(part: JointCounts, options: JointOptions, where: str) -> None:
    if (
        options.beta_binomial
        and max(part.source_rows.trials.max(), part.target_rows.trials.max(initial=0.0)) < 2
    ):
        raise NotIdentifiedError(
            f"{where}: how much trials of one item vary cannot be seen in one trial. "
            "What is missing: two or more trials per item for beta_binomial."
        )


def _alone(part: JointCounts) -> bool:
    """Whether one trial per item in one target language is all that a model has."""
    several = ((part.target >= 0).sum(axis=1) >= 2).any()
    return bool(part.source_rows.trials.max() < 2 and not several)


def _together(parts: Sequence[JointCounts], options: JointOptions) -> bool:
    """Whether models are fitted together: as told, or since one cannot be by itself."""
    if options.hardness != "auto":
        return options.hardness == "common"
    return len(parts) > 1 and any(_alone(part) for part in parts)


def check_common(parts: Sequence[JointCounts], options: JointOptions, where: str) -> None:
    """Refuse a common hardness that the counts cannot tell, and name what is missing.

    Raises
    ------
    NotIdentifiedError
    """
    answered = np.array([part.index >= 0 for part in parts])
    alone = np.array([_alone(part) for part in parts])
    for place in np.flatnonzero(alone):
        others = np.delete(answered, place, axis=0)
        if not (answered[place] & others).any():
            raise NotIdentifiedError(
                f"{where}: one trial per item and one target language cannot tell hard items "
                "from bad luck, and no second model was asked the same items. What is missing: "
                "two or more trials per item in the source language, or items asked in two "
                "or more target languages, or a second model asked the same items."
            )
    odd = [
        name
        for name, has in (
            ("shared_factor", options.shared_factor),
            ("point_masses", options.point_masses),
            ("t_df", options.t_df is not None),
        )
        if has
    ]
    if odd:
        raise NotIdentifiedError(
            f"{where}: a hardness common to the models is normal and has no {', '.join(odd)}. "
            "What is missing: two or more trials per item, with which each model is fitted "
            "by itself."
        )
    for part in parts:
        _check_trials(part, options, where)


def _remarks(fit: JointFit, where: str) -> Iterator[Warning]:
    """What a reader of this fit should be told."""
    if not fit.converged:
        yield ConvergenceWarning(
            f"{where}: the joint likelihood stopped short of its maximum (gain left "
            f"{0.5 * fit.decrement:.2g}, error of the integrals {fit.quadrature_error:.2g}, in "
            "units of log-likelihood)"
        )
    steep = [
        name
        for name in ("sigma", "common", "tau", "rho")
        if fit.layout.has(name) and (fit.theta[fit.layout.place(name)] >= STEEPEST).any()
    ]
    if steep:
        yield DegenerateDataWarning(
            f"{where}: answers look all or nothing ({' and '.join(steep)} held at {STEEPEST:g} "
            "logits), which this parametric model describes badly; compare_joint says whether "
            "beta_binomial, point_masses or an estimated chance level fits better"
        )
    items = int(fit.likelihood.counts.weight.sum())
    spread = np.hypot(fit.layout.scalar(fit.theta, "sigma"), fit.layout.scalar(fit.theta, "common"))
    if items == 1:
        yield DegenerateDataWarning(
            f"{where}: a single item; its profile is the weak prior's, and no standard error exists"
        )
    elif spread < _NO_SPREAD:
        yield DegenerateDataWarning(
            f"{where}: all items look equally hard (spread of source logits 0), so that the "
            "profile is known at one source accuracy only, and elsewhere extrapolated"
        )


def fit_joint(
    counts: ItemCounts, options: JointOptions | None = None
) -> tuple[Floats, tuple[JointModel, ...]]:
    """Parametric profiles of every model of a benchmark by maximum likelihood.

    ``eta_i ~ N(mu, sigma^2)``; ``k_source ~ Bin(n, c + (1 - c) expit(eta_i))``;
    ``k_l ~ Bin(n, c + (1 - c) expit(alpha_l + beta_l eta_i + tau_l e_il))``, the item's ability
    integrated once for its source count and all its target counts (a bivariate binomial-normal
    model for one language: Chu and Cole 2006, J Clin Epidemiol 59:1331-1332).

    Parameters
    ----------
    counts : ItemCounts
        One trial per item is enough where items are asked in two or more target languages;
        the profile then conditions on the hardness that an item has in common over languages. It
        is enough in one language, too, where several models answer the same items: they are then
        fitted together, with a hardness in common (`hatstats.estimators.joint.shared_hardness`).
    options : JointOptions, optional
        The logit-normal model if not given.

    Returns
    -------
    support : ndarray, shape (Q,)
        The grid of source accuracy.
    models : tuple of JointModel, length M

    Raises
    ------
    NotIdentifiedError
        If trials, languages or models are too few.

    Warns
    -----
    DegenerateDataWarning
        If a fit lies at a boundary.
    ConvergenceWarning
        If a search stopped short of its maximum.
    """
    chosen = options or JointOptions()
    places = [f"benchmark {counts.benchmark!r}, model {model!r}" for model in counts.models]
    parts = [model_counts(counts, m) for m in range(len(counts.models))]
    joined = [part for part, _ in parts]
    if _together(joined, chosen):
        chosen = replace(chosen, hardness="common")
        check_common(joined, chosen, f"benchmark {counts.benchmark!r}")
        fits = fit_common(joined, chosen, counts.chance)
    else:
        for part, where in zip(joined, places, strict=True):
            check_identified(part, chosen, where)
        own = replace(chosen, hardness="own")

        def run(part: JointCounts) -> JointFit:
            return fit_joint_counts(part, own, counts.chance)

        with ThreadPoolExecutor(_WORKERS) as pool:
            fits = list(pool.map(run, joined))
    # With an estimated floor the models' grids would differ: theirs runs from 0.
    grid = source_grid(0.0 if chosen.chance == "estimated" else counts.chance)
    for fit, where in zip(fits, places, strict=True):
        for remark in _remarks(fit, where):
            warnings.warn(remark, stacklevel=2)
    models = tuple(
        JointModel(fit, asked, len(counts.languages), grid)
        for fit, (_, asked) in zip(fits, parts, strict=True)
    )
    return grid, models
