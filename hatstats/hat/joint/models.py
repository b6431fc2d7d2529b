"""`joint` profiles of all models of a benchmark, and what must be there to fit them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from hatstats.errors import ConvergenceWarning, DegenerateDataWarning, NotIdentifiedError
from hatstats.hat.counts import ItemCounts
from hatstats.hat.joint.fit import STEEPEST, JointFit, fit_joint_counts
from hatstats.hat.joint.likelihood import JointCounts, joint_counts
from hatstats.hat.joint.options import JointOptions
from hatstats.hat.joint.profile import JointModel, source_grid

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
        If the model has no item with both source and target promptings.
    """
    there = (counts.source_trials[m] > 0)[:, None] & (counts.target_trials[m] > 0)
    asked = np.flatnonzero(there.any(axis=0))
    if asked.size == 0:
        raise NotIdentifiedError(
            f"benchmark {counts.benchmark!r}, model {counts.models[m]!r}: no item has promptings "
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
            f"{where}: one prompting per item and one target language cannot tell hard items from "
            "bad luck. What is missing: two or more promptings per item in the source language, "
            "or items asked in two or more target languages."
        )
    if options.shared_factor and (single or not linked.any()):
        raise NotIdentifiedError(
            f"{where}: a factor shared by the languages of an item needs items asked in two or "
            "more target languages, and two or more promptings in the source language; "
            f"{'the promptings are' if single else 'the second language is'} missing."
        )
    if options.point_masses and single:
        raise NotIdentifiedError(
            f"{where}: one prompting per item cannot tell items that are always answered from "
            "lucky ones. What is missing: two or more promptings per item for point_masses."
        )
    if (
        options.beta_binomial
        and max(part.source_rows.trials.max(), part.target_rows.trials.max(initial=0.0)) < 2
    ):
        raise NotIdentifiedError(
            f"{where}: how much promptings of one item vary cannot be seen in one prompting. "
            "What is missing: two or more promptings per item for beta_binomial."
        )


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
        for name in ("sigma", "tau", "rho")
        if fit.layout.has(name) and (fit.theta[fit.layout.place(name)] >= STEEPEST).any()
    ]
    if steep:
        yield DegenerateDataWarning(
            f"{where}: answers look all or nothing ({' and '.join(steep)} held at {STEEPEST:g} "
            "logits), which this parametric model describes badly; compare_joint says whether "
            "beta_binomial, point_masses or an estimated chance level fits better"
        )
    items = int(fit.likelihood.counts.weight.sum())
    if items == 1:
        yield DegenerateDataWarning(
            f"{where}: a single item; its profile is the weak prior's, and no standard error exists"
        )
    elif fit.layout.scalar(fit.theta, "sigma") < _NO_SPREAD:
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
        One prompting per item is enough where items are asked in two or more target languages;
        the profile then conditions on the hardness that an item has in common over languages.
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
        If promptings or languages are too few for the model.

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
    for (part, _), where in zip(parts, places, strict=True):
        check_identified(part, chosen, where)

    def run(part: JointCounts) -> JointFit:
        return fit_joint_counts(part, chosen, counts.chance)

    with ThreadPoolExecutor(_WORKERS) as pool:
        fits = list(pool.map(run, [part for part, _ in parts]))
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
