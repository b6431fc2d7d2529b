"""Checks of item-level scores, run beside the scores of the main job.

Three need no model; the fourth sets the parametric profile beside the semiparametric one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pandas as pd

from hatstats.diagnostics.assumptions import (
    correlation_words,
    hat_by_correlation,
    hat_by_residual,
    residual_words,
)
from hatstats.diagnostics.goodness_of_fit import count_table
from hatstats.diagnostics.half_samples import SplitHalf, split_half
from hatstats.diagnostics.hausman import MisspecificationTest, misspecification_test
from hatstats.diagnostics.item_misfit import item_report
from hatstats.diagnostics.left_out_models import leave_out_models, left_out_words
from hatstats.diagnostics.thinning import Thinning, thin_trials
from hatstats.errors import (
    ConvergenceWarning,
    DataError,
    DegenerateDataWarning,
    FitError,
    NotIdentifiedError,
)
from hatstats.estimators.methods import fit_profile
from hatstats.scores.counts import ItemCounts
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.scores.wordings import LEAST_TRIALS


@dataclass(frozen=True, slots=True, eq=False)
class ItemChecks:
    """Thinning, split halves, the count table and the other method, of one profile."""

    #: Tidy HAT by the profile's own method, by the other of ``latent`` and ``joint`` and by
    #: observed conditioning; then thinning, split halves and the misspecification test of
    #: ``joint`` against ``latent``, whose term ``difference`` is tested against 0.
    table: pd.DataFrame
    #: What each check says; why, where one cannot be made.
    words: tuple[str, ...]
    #: Observed scores with fewer and fewer trials, for the figure; may be empty.
    path: pd.DataFrame
    #: The items that transfer far worse or better than the profile says, most certain first.
    items: pd.DataFrame
    #: HAT by assumed correlation of trials, where these are not labelled; may be empty.
    by_correlation: pd.DataFrame = field(default_factory=pd.DataFrame)
    #: HAT by assumed residual of items, where trials do not tell it; may be empty.
    by_residual: pd.DataFrame = field(default_factory=pd.DataFrame)


def _paragraph(summary: str) -> str:
    """The sentences under the table of a check's summary."""
    lines = summary.splitlines()[1:]
    return " ".join(line for line in lines if not line.startswith("  "))


def run_item_checks(
    profile: TransferProfile, reference: str | None, conf_level: float
) -> ItemChecks:
    """Run every check that an item-level profile allows."""
    # What a check warns of belongs beside its numbers, not before them on the terminal.
    with warnings.catch_warnings(record=True) as caught:
        for kind in (DegenerateDataWarning, ConvergenceWarning):
            warnings.simplefilter("always", kind)
        made = _checked(profile, reference, conf_level)
    messages = dict.fromkeys(str(warning.message) for warning in caught)
    said = [f"{text[0].upper()}{text[1:]}." for text in messages]
    return replace(made, words=(*made.words, *said))


def _checked(profile: TransferProfile, reference: str | None, conf_level: float) -> ItemChecks:
    """Run the checks; one that the profile does not allow is a sentence with the reason."""
    own = profile.hat(reference)
    scores = [own.tidy(conf_level)]
    observed = fit_profile(profile.study, method="observed").hat(reference)
    words, rows = [], []
    path = pd.DataFrame()

    def other_method() -> MisspecificationTest:
        """``joint`` against ``latent``; of a panel, itself against ``latent``."""
        is_latent = profile.method == "latent"
        other = fit_profile(profile.study, method="joint" if is_latent else "latent")
        pair = (other, profile) if is_latent else (profile, other)
        tested = misspecification_test(*pair, reference)
        scores.append(other.hat(reference).tidy(conf_level))
        return tested

    checks: dict[str, Callable[[], MisspecificationTest | Thinning | SplitHalf]] = {
        "Misspecification": other_method,
        "Thinning": lambda: thin_trials(profile, reference),
        "Split halves": lambda: split_half(profile, reference),
    }
    if reference == "own":
        # Under its own distribution every method gives the raw target accuracy.
        del checks["Misspecification"]
    for name, check in checks.items():
        try:
            result = check()
        except (NotIdentifiedError, FitError, DataError) as error:
            words.append(f"{name}: {error.reason.rstrip('.')}.")
            continue
        tidy = result.tidy(conf_level)
        if name == "Misspecification":
            tidy = tidy[tidy["term"] == "difference"]
        if isinstance(result, Thinning):
            path = result.path
        rows.append(tidy)
        words.append(_paragraph(result.summary()))
    words.append(_paragraph(count_table(profile).summary()))
    by_correlation = pd.DataFrame()
    items = [part for part in profile.counts if isinstance(part, ItemCounts)]
    unlabelled = any(part.unlabelled for part in items)
    if profile.method == "latent" and unlabelled:
        by_correlation = hat_by_correlation(profile, reference, conf_level=conf_level)
        words.append(correlation_words(by_correlation))
    by_residual = pd.DataFrame()
    one_trial = all(part.effective_trials.max() < LEAST_TRIALS for part in items)
    if profile.method == "panel" and reference != "own" and one_trial:
        by_residual = hat_by_residual(profile, reference, conf_level=conf_level)
        words.append(residual_words(by_residual))
    if profile.method == "latent" and reference != "own":
        try:
            moves = leave_out_models(profile, reference)
            words.append(left_out_words(moves, own.bse))
        except NotIdentifiedError as error:
            words.append(f"Models left out: {error.reason.rstrip('.')}.")
    reported = item_report(profile)
    return ItemChecks(
        table=pd.concat([*scores, observed.tidy(conf_level), *rows], ignore_index=True),
        words=tuple(text for text in words if text),
        path=path,
        items=reported[reported["verdict"] != ""].reset_index(drop=True),
        by_correlation=by_correlation,
        by_residual=by_residual,
    )
