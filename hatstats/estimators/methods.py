"""`fit_profile`: one call for every estimator, which is imported when it is first used."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np

from hatstats.errors import DataError, DegenerateDataWarning, NotIdentifiedError
from hatstats.inference.linalg import one_thread
from hatstats.inference.progress import Progress
from hatstats.inference.validation import one_of
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import (
    ItemCounts,
    benchmark_is_item_level,
    item_counts,
    with_most_trials,
    without_models,
)
from hatstats.scores.guessing import guessing_models
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.scores.wordings import LEAST_TRIALS
from hatstats.study import Study, as_study

if TYPE_CHECKING:
    from hatstats.estimators.joint.options import JointOptions
    from hatstats.estimators.latent.fit import LatentOptions
    from hatstats.estimators.panel.options import PanelOptions

    type ItemOptions = LatentOptions | JointOptions | PanelOptions

Method = Literal["latent", "joint", "panel", "observed", "aggregate"]


# From so many effective trials per item on, a profile of each model's own is better known than a
# line on the panel's hardness (`make calibrate`: thinned).
_ENOUGH_TRIALS = 4.0


def default_method(study: Study) -> tuple[Method, str]:
    """The method that the data allow, and why, in a sentence.

    With items on every benchmark, by the effective trials of an item in the source language:
    ``latent`` where every model has four or more; with fewer ``panel``, where eight or more models
    of different weights answer the same items; else ``latent`` with two or more, and ``joint`` with
    fewer. ``aggregate`` without items.
    """
    if study.data_kind != "item":
        return "aggregate", "Method aggregate, since not every benchmark has counts per item."
    counts = [item_counts(study, name) for name in study.benchmark_names]
    return _method_for_items(_scored(counts)[0], _twins(study))


def _method_for_items(counts: Sequence[ItemCounts], twins: Mapping[str, str]) -> tuple[Method, str]:
    """``latent``, ``panel`` or ``joint``, by effective trials and models of every benchmark."""
    worth = [float(part.effective_trials.min()) for part in counts]
    fewest = int(np.argmin(worth))
    part, name = counts[fewest], counts[fewest].benchmark
    where = "" if len(counts) == 1 else f" of benchmark {name!r}, no fewer in the others"
    trials = f"items have {_trial_words(part)} in the source language{where}"
    if worth[fewest] < _ENOUGH_TRIALS and all(_is_panel(each, twins) for each in counts):
        return "panel", (
            f"Method panel: {trials}, and the answers of the other models tell how hard they are."
        )
    if worth[fewest] >= LEAST_TRIALS:
        return "latent", f"Method latent: {trials}."
    return "joint", (
        f"Method joint: items of benchmark {name!r} have {_trial_words(part)} in the source "
        "language, which cannot tell hard items from bad luck, and there are no eight models of "
        "different weights on the same items, whose answers would."
    )


def is_panel(study: Study) -> bool:
    """Whether the models of a study with items tell how hard the items of each benchmark are."""
    return all(_is_panel(part, _twins(study)) for part in _counts_of_items(study, "panel"))


def _is_panel(counts: ItemCounts, twins: Mapping[str, str]) -> bool:
    """Whether the models of a benchmark tell how hard its items are."""
    from hatstats.estimators.panel.fit import check_panel, weights_of

    try:
        check_panel(counts, weights_of(counts.models, twins))
    except NotIdentifiedError:
        return False
    return True


def _trial_words(counts: ItemCounts) -> str:
    """Number and kind of the trials of an item, and what they are worth, in words."""
    trials = counts.source_trials[counts.source_trials > 0]
    if trials.max() < 2:
        return "one trial"
    kinds = {
        "wordings": "in different wordings",
        "repeats": "of one wording" + (", taken as independent" if counts.chance == 0 else ""),
        "unknown": ("not labelled" if counts.unlabelled else "not all labelled")
        + ", taken as independent",
    }
    worth = counts.effective_trials
    low, high = f"{worth.min():.3g}", f"{worth.max():.3g}"
    shown = low if low == high else f"{low} to {high}"
    number = f"{np.median(trials):g} trials {kinds[counts.trials]}"
    return number if float(low) == np.median(trials) else f"{number} (worth {shown})"


@one_thread
def fit_profile(
    study: Study,
    *,
    method: Method | None = None,
    slope: float | None = None,
    correlation: float = 0.0,
    options: ItemOptions | None = None,
    progress: Progress | None = None,
) -> TransferProfile:
    """Fit transfer profiles: expected target accuracy given source accuracy.

    Where answers can be guessed, models that do no better than that in the source language are
    left out, with a warning and a sentence in every result: they show no knowledge that could
    transfer.

    Parameters
    ----------
    study : Study
        Flagged cells are used if they are in it: call ``study.without_flagged()`` first to leave
        them out.
    method : {"latent", "joint", "panel", "observed", "aggregate"}, optional
        ``latent`` conditions on an item's chance of a right answer, without the noise of few
        trials; ``joint`` does so by a parametric model, which also serves one
        trial per item, in two or more target languages or of several models; ``panel`` learns how
        hard an item is from the other models, eight or more of different weights (a column
        `weights` of the table of models, else every model has its own); ``observed``
        conditions on the share of right answers seen; ``aggregate`` fits a line between models
        and needs no items. The default is ``latent`` where every item has
        four or more effective trials in the source language; with fewer it is ``panel`` where
        there are the models for it, else ``latent`` with two or more and ``joint`` with fewer;
        ``aggregate`` where not every benchmark has items; the summary says which and why.
    slope : float, optional
        For ``aggregate``: hold the slope of target on source logits at this value.
    correlation : float
        For ``aggregate``: stated correlation of two models' accuracies on the same items.
    options : LatentOptions, JointOptions or PanelOptions, optional
        For ``latent``: whether profiles increase, and the cost of roughness; for ``joint``: which
        parametric model; for ``panel``: the residual standard deviation of items.
    progress : callable, optional
        For ``aggregate``: called as ``progress(what, share)`` while thousands of models are
        fitted. By default a line on standard error where someone waits.

    Returns
    -------
    TransferProfile
        With ``.hat(reference)``, ``.points()``, ``.curve()``, ``.tidy()``, ``.summary()``.

    Raises
    ------
    DataError
        For an unknown method, or an option that the method does not have.
    NotIdentifiedError
        If the study lacks what the method needs: items, trials, languages or models.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 0.5, 1.0], rng=1)
    >>> profile = hs.fit_profile(study)
    >>> print(profile.hat().contrast("model-03", "model-01"))  # doctest: +ELLIPSIS
    model-03 - model-01: 0..., 95% interval [...], p ...
      latent, reference pooled, these wordings; standard error 0.0..., ...
    """
    study = as_study(study, "fit_profile")
    if method is not None:
        one_of("method", method, get_args(Method))
    counts: list[ItemCounts] = []
    guessing: dict[tuple[str, ...], str] = {}
    reason = ""
    if method is None and study.data_kind != "item":
        method, reason = default_method(study)
    elif method != "aggregate":
        counts, guessing = _scored(_counts_of_items(study, method))
        if method is None:
            method, reason = _method_for_items(counts, _twins(study))
        for words in guessing.values():
            reason = f"{reason} {words}".strip()
            warnings.warn(words, DegenerateDataWarning, stacklevel=2)
    assert method is not None
    _check_options(method, slope, correlation, options)
    if method == "aggregate":
        from hatstats.estimators.aggregate.profile import fit_aggregate

        return fit_aggregate(study, slope=slope, correlation=correlation, progress=progress)
    from hatstats.scores.item_profile import ItemProfile

    fits, twins = [], _twins(study)
    for part in counts:
        fit = _fit_benchmark(part, method, options, twins)
        if method == "panel":
            fit, unknowing, words = _checked_panel(fit, options, twins)
            reason = f"{reason} {words}".strip()
            if unknowing:
                guessing[part.benchmark, *unknowing] = words
        fits.append(fit)
        _warn_of_constant_sources(part)
    refit = partial(_fit_benchmark, method=method, options=options, twins=twins)
    out = dict.fromkeys(name for _, *names in guessing for name in names)
    return ItemProfile(study, method, tuple(fits), options, reason, refit, tuple(out))


def _counts_of_items(study: Study, method: str | None) -> list[ItemCounts]:
    """Counts of every benchmark; refuses a study without items for a method that needs them."""
    without = [name for name in study.benchmark_names if not benchmark_is_item_level(study, name)]
    if without:
        raise NotIdentifiedError(
            f"method {method!r} needs item-level counts, and {', '.join(without)} has only "
            "accuracies per language; use method 'aggregate'"
        )
    return [item_counts(study, name) for name in study.benchmark_names]


def _scored(parts: list[ItemCounts]) -> tuple[list[ItemCounts], dict[tuple[str, ...], str]]:
    """Counts of the models that know something, and who is left out of a benchmark, in words."""
    kept, guessing = [], {}
    for part in parts:
        out = guessing_models(part)
        if out.all():
            raise NotIdentifiedError(
                f"benchmark {part.benchmark!r}: no model's source accuracy is above that of "
                f"guessing ({part.chance:.0%}), so that there is no knowledge that could transfer"
            )
        if out.any():
            names = np.array(part.models)[out].tolist()
            mean = np.nanmean(part.source_accuracy()[out], axis=1)
            found = zip(names, mean, strict=True)
            guessing[part.benchmark, *names] = (
                f"Not scored, since no better than guessing ({part.chance:.0%}) in the source "
                f"language of {part.benchmark}, or right on items that are not the easy ones: "
                f"{', '.join(f'{name} ({accuracy:.0%})' for name, accuracy in found)}."
            )
            part = without_models(part, out)
        kept.append(part)
    return kept, guessing


def _check_options(
    method: str, slope: float | None, correlation: float, options: ItemOptions | None
) -> None:
    """Refuse options that belong to another method."""
    if method != "aggregate" and (slope is not None or correlation != 0.0):
        text = f"slope and correlation belong to method 'aggregate', not {method!r}"
        raise DataError(text, hint="leave them out.")
    if options is None:
        return
    from hatstats.estimators.joint.options import JointOptions
    from hatstats.estimators.latent.fit import LatentOptions
    from hatstats.estimators.panel.options import PanelOptions

    kinds: dict[str, type] = {
        "latent": LatentOptions,
        "joint": JointOptions,
        "panel": PanelOptions,
    }
    if not isinstance(options, kinds.get(method, ())):
        text = f"{type(options).__name__} for method {method!r}"
        hint = (
            "give LatentOptions to 'latent', JointOptions to 'joint', PanelOptions to 'panel', "
            "none to the others."
        )
        raise DataError(text, column="options", hint=hint)


def _twins(study: Study) -> dict[str, str]:
    """Weights of each model, where the table of models has a column of them."""
    if "weights" not in study.models:
        return {}
    known = study.models[study.models["weights"].notna()]
    return dict(zip(known["model"], known["weights"].astype(str), strict=True))


def _checked_panel(
    fit: BenchmarkFit, options: ItemOptions | None, twins: Mapping[str, str]
) -> tuple[BenchmarkFit, list[str], str]:
    """A panel without the models that know nothing, their names, and what weakens it, in words."""
    from hatstats.estimators.panel.checks import knowing_nothing, panel_words
    from hatstats.estimators.panel.fit import LEAST_MODELS, weights_of

    out, words = knowing_nothing(fit), ""
    names = np.array(fit.counts.models)[out].tolist()
    part = without_models(fit.counts, out)
    if names and np.unique(weights_of(part.models, twins)).size >= LEAST_MODELS:
        words = (
            f"Not scored, since the source answers on {part.benchmark} do not go with the hardness "
            f"of items for the other models, as those at random would not: {', '.join(names)}. "
        )
        warnings.warn(words.strip(), DegenerateDataWarning, stacklevel=3)
        fit = _fit_benchmark(part, "panel", options, twins)
    return fit, names if words else [], words + panel_words(fit)


@one_thread
def _fit_benchmark(
    counts: ItemCounts, method: Method, options: ItemOptions | None, twins: Mapping[str, str]
) -> BenchmarkFit:
    """Fit the models of one benchmark by an item-level method; `twins` names models' weights."""
    linked = ((counts.source_trials > 0) & (counts.target_trials.sum(axis=2) > 0)).any(axis=1)
    if not linked.all():
        raise NotIdentifiedError(
            f"benchmark {counts.benchmark!r}, model {counts.models[int(linked.argmin())]!r}: no "
            "item has answers both in the source language and in a target language"
        )
    if method != "observed":
        counts = with_most_trials(counts)
    if method == "panel":
        from hatstats.estimators.panel.fit import fit_panel

        return fit_panel(counts, cast("PanelOptions | None", options), twins=twins)
    if method == "joint":
        from hatstats.estimators.joint.fit_models import fit_joint

        return fit_joint(counts, cast("JointOptions | None", options))
    if method == "latent":
        from hatstats.estimators.latent.fit import fit_latent

        return fit_latent(counts, cast("LatentOptions | None", options))
    from hatstats.estimators.observed import fit_observed

    return fit_observed(counts)


def _warn_of_constant_sources(counts: ItemCounts) -> None:
    """Name the models whose source answers are all right, or all wrong."""
    accuracy = counts.source_accuracy()
    for value, answer in ((1.0, "right"), (0.0, "wrong")):
        constant = ((accuracy == value) | np.isnan(accuracy)).all(axis=1)
        for model in np.array(counts.models)[constant]:
            warnings.warn(
                f"benchmark {counts.benchmark!r}: every source answer of {str(model)!r} is "
                f"{answer}; its profile is known at that end only, and elsewhere extrapolated",
                DegenerateDataWarning,
                stacklevel=3,
            )
