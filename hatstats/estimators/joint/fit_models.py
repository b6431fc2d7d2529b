"""`joint` profiles of all models of a benchmark, and what its counts must hold to identify them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from hatstats.errors import ConvergenceWarning, DegenerateDataWarning, NotIdentifiedError
from hatstats.estimators.joint.fit import STEEPEST, JointFit, fit_patterns
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.patterns import Patterns, group_items
from hatstats.estimators.joint.profile import JointModel, source_grid
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import ItemCounts, with_most_trials

#: Standard deviation of logits below which items count as equally hard.
_NO_SPREAD = 0.05
_NEEDS_MORE = (
    "one trial per item and one target language cannot tell hard items from bad luck. What is "
    "missing: two or more trials per item in the source language, or items asked in two or more "
    "target languages, or a second model asked the same items."
)

# Trials that depend on one another tell hardly more when there are more of them, and the nodes at
# which their likelihood is needed grow with their number.
_MOST_RELATED = 50.0


def fit_joint(counts: ItemCounts, options: JointOptions | None = None) -> BenchmarkFit:
    """Parametric profiles of every model of a benchmark by maximum likelihood.

    ``eta_i ~ N(mu, sigma^2)``; ``k_source ~ Bin(n, c + (1 - c) expit(eta_i))``;
    ``k_l ~ Bin(n, c + (1 - c) expit(alpha_l + beta_l eta_i + tau_l e_il))``, the item's ability
    integrated once for its source count and all its target counts (a bivariate binomial-normal
    model for one language: Chu and Cole 2006, J Clin Epidemiol 59:1331-1332).

    One trial per item is enough where items are asked in two or more target languages; the
    profile then conditions on the hardness that an item has in common over languages. It is
    enough in one language, too, where several models answer the same items: they are then fitted
    together, with a hardness in common (`hatstats.estimators.joint.likelihood`).

    Raises NotIdentifiedError if trials, languages or models are too few; warns of fits at a
    boundary and of searches that stopped short of their maximum.
    """
    if options is None:
        # Trials of one wording have its luck in common.
        repeated = counts.trials == "repeats" or counts.source_pairs is not None
        several = bool(counts.source_trials.max() > 1)
        options = JointOptions(beta_binomial=repeated and several)
    if options.beta_binomial:
        counts = with_most_trials(counts, _MOST_RELATED)
    patterns = group_items(counts)
    options = identified_options(patterns, options, counts.benchmark, counts.models)
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
    items = int(fit.likelihood.patterns.weight.sum())
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


def identified_options(
    patterns: Sequence[Patterns], options: JointOptions, benchmark: str, models: Sequence[str]
) -> JointOptions:
    """Options with hardness ``own`` or ``common``, by which all models are identified.

    Raises NotIdentifiedError, with the name of what is missing, where there are none.
    """
    if options.hardness == "auto":
        alone = len(patterns) == 1 or not any(own.needs_other_models for own in patterns)
        options = replace(options, hardness="own" if alone else "common")
    if options.hardness == "common":
        _check_common(patterns, options, f"benchmark {benchmark!r}")
        return options
    for own, model in zip(patterns, models, strict=True):
        check_identified(own, options, f"benchmark {benchmark!r}, model {model!r}")
    return options


def check_identified(patterns: Patterns, options: JointOptions, subject: str) -> None:
    """Refuse a model fitted by itself that its patterns cannot identify; `subject` begins why."""
    if patterns.needs_other_models:
        raise NotIdentifiedError(f"{subject}: {_NEEDS_MORE}")
    single = patterns.single_source_trial
    if options.shared_factor and (single or not patterns.linked_languages):
        raise NotIdentifiedError(
            f"{subject}: a factor shared by the languages of an item needs items asked in two or "
            "more target languages, and two or more trials in the source language; "
            f"{'the trials are' if single else 'the second language is'} missing."
        )
    _check_trials(patterns, options, subject)


def _check_trials(patterns: Patterns, options: JointOptions, subject: str) -> None:
    """Refuse overdispersion of single trials."""
    single = patterns.single_source_trial and patterns.most_trials().max() < 2
    if options.beta_binomial and single:
        raise NotIdentifiedError(
            f"{subject}: how much trials of one item vary cannot be seen in one trial. "
            "What is missing: two or more trials per item for beta_binomial."
        )


def _check_common(patterns: Sequence[Patterns], options: JointOptions, subject: str) -> None:
    """Refuse a common hardness that the patterns of all models cannot identify."""
    answered = np.array([own.index >= 0 for own in patterns])
    for m, own in enumerate(patterns):
        others = np.delete(answered, m, axis=0)
        if own.needs_other_models and not (answered[m] & others).any():
            raise NotIdentifiedError(
                f"{subject}: no second model was asked the same items, and {_NEEDS_MORE}"
            )
        _check_trials(own, options, subject)
    if options.shared_factor:
        raise NotIdentifiedError(
            f"{subject}: a hardness common to the models has no shared_factor. What is missing: "
            "two or more trials per item, with which each model is fitted by itself."
        )
