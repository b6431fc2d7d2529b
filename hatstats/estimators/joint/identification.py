"""What the counts must hold for a `joint` model to be identified, checked before fitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.patterns import Patterns

_NEEDS_MORE = (
    "one trial per item and one target language cannot tell hard items from bad luck. What is "
    "missing: two or more trials per item in the source language, or items asked in two or more "
    "target languages, or a second model asked the same items."
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
