"""`TransferProfile`: what every estimator returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import pandas as pd
from numpy.typing import ArrayLike

from hatstats.inference.arrays import Floats
from hatstats.inference.labelled import LabelledEstimates, indented
from hatstats.inference.progress import Progress, shown_if_slow
from hatstats.inference.result_frame import ResultFrame, frame_text
from hatstats.inference.validation import one_of
from hatstats.scores.cell_weights import chosen_languages, models_on_every
from hatstats.scores.counts import AggregateCounts, ItemCounts
from hatstats.scores.reference import settled
from hatstats.scores.scores import HatScores
from hatstats.scores.wordings import SCOPES, THESE, Scope
from hatstats.study import Study
from hatstats.study.read import refused


class TransferProfile(LabelledEstimates, ABC):
    """Expected target accuracy given source accuracy, of every model in a study.

    Attributes
    ----------
    study : Study
        The data used.
    method : str
        Name of the estimator.
    params, bse, cov : Series, Series, DataFrame
        Parameters as in `tidy`, with standard errors and covariance.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], rng=1)
    >>> profile = hs.fit_profile(study, method="observed")
    >>> profile.hat().models
    ('model-01', 'model-02')
    """

    study: Study
    method: str

    def hat(
        self,
        reference: str | ArrayLike | None = None,
        *,
        languages: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] = (),
        scope: Scope = THESE,
        progress: Progress | None = None,
    ) -> HatScores:
        """HAT scores: the profile averaged over a reference distribution of source accuracy.

        ``H_mb = mean_l sum_x T_mbl(x) G_b(x)``, then the mean over benchmarks. The covariance over
        models, benchmarks and languages includes the estimation of G where it depends on the data.

        Parameters
        ----------
        reference : str or array_like, optional
            ``common`` (even over the window of source accuracies that the study declares, the
            default if it does), ``pooled`` (equal mixture of the models' own distributions, the
            default otherwise), ``uniform`` (area under
            the profile), ``own`` (each model's own: its raw target accuracy), ``model:NAME``, or
            source accuracies in [0, 1] that stand for the reference distribution.
        languages : str or sequence of str, optional
            Target languages to average over; all if not given.
        exclude : str or sequence of str
            Target languages to leave out of the average.
        scope : {"these wordings", "wordings like these"}
            Over what intervals, contrasts and all that follows generalise, beside items: the
            wordings that were asked, as they are, or others like them. For these, wordings (names
            in the column `prompt`, two or more) are sampled too: the profile is fitted again
            without each of them.
        progress : callable, optional
            Called as ``progress(what, share)`` before each of these fits. By default a line on
            standard error where someone waits.

        Returns
        -------
        HatScores
            Models that lack a benchmark have cells but no score.

        Raises
        ------
        DataError
            For an unknown reference, language or scope.
        NotIdentifiedError
            If no model has every benchmark, the models of one share no language, or wordings are
            not named, fewer than two, or needed one by one.

        Examples
        --------
        >>> import hatstats as hs
        >>> study = hs.simulate_study([0.0, 1.0], rng=1)
        >>> profile = hs.fit_profile(study, method="observed")
        >>> one = profile.target_languages[0]
        >>> scores = profile.hat("uniform", exclude=one)
        >>> one in set(scores.cells["language"])
        False
        """
        chosen = None
        if languages is not None or len(exclude):
            chosen = chosen_languages(self.target_languages, languages, exclude)
        one_of("scope", scope, SCOPES)
        chosen_reference = settled(reference, self.study)
        return self._scores(chosen_reference, chosen, scope, progress or shown_if_slow("hat"))

    @abstractmethod
    def _scores(
        self,
        reference: str | ArrayLike,
        chosen: Sequence[str] | None,
        scope: Scope,
        progress: Progress,
    ) -> HatScores:
        """Scores over the chosen languages; over all if None."""

    @property
    @abstractmethod
    def counts(self) -> tuple[ItemCounts, ...] | tuple[AggregateCounts, ...]:
        """Data of each benchmark."""

    @property
    def target_languages(self) -> tuple[str, ...]:
        """Target languages of all benchmarks, in alphabetical order."""
        return tuple(sorted({name for part in self.counts for name in part.languages}))

    @property
    @abstractmethod
    def estimand(self) -> str:
        """What HAT is under this estimator, in one sentence."""

    @property
    def complete_models(self) -> tuple[str, ...]:
        """Models that have every benchmark, in the study's order."""
        return models_on_every(self.study.model_names, [part.models for part in self.counts])

    @property
    def families(self) -> dict[str, str]:
        """Family of each model."""
        return dict(zip(self.study.models["model"], self.study.models["family"], strict=True))

    def points(self) -> pd.DataFrame:
        """Accuracies as observed: `model, family, benchmark, language, source, target` and SEs."""
        columns = ["model", "benchmark", "language", "source", "target", "source_se", "target_se"]
        table = ResultFrame(self._points(), columns=columns)
        table.insert(1, "family", table["model"].map(self.families))
        return table

    @abstractmethod
    def _points(self) -> list[tuple[object, ...]]:
        """Rows of `points` but for the family."""

    def _sizes(self) -> dict[str, object]:
        """Method and numbers of models, benchmarks and languages, for `glance`."""
        return {
            "method": self.method,
            "n_models": len({name for part in self.counts for name in part.models}),
            "n_benchmarks": len(self.counts),
            "n_languages": len(self.target_languages),
        }

    @abstractmethod
    def curve(self) -> pd.DataFrame:
        """The fitted profile as points of a line: `benchmark, language, source, target`."""

    @abstractmethod
    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Parameters in the tidy schema."""

    def limits(self, conf_level: float = 0.95) -> Floats:
        """Limits of the parameters as an array, shape (k, 2)."""
        return self.tidy(conf_level)[["conf_low", "conf_high"]].to_numpy(dtype=float)

    @abstractmethod
    def glance(self) -> pd.DataFrame:
        """One row of facts about the fit."""

    def summary(self) -> str:
        """The fit in plain text of at most 80 columns."""
        facts = self.glance().iloc[0]
        width = max(map(len, facts.index))
        lines = [f"Transfer profile of study {self.study.name!r}"]
        for name, value in facts.items():
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            lines.append(f"  {str(name).replace('_', ' '):<{width}}  {shown}")
        lines += indented(self.estimand)
        table = self.tidy()
        if "model" in table:
            table = table.pivot(index="model", columns="term", values="estimate")
            table = (
                table.reindex(list(self.complete_models)).rename_axis(columns=None).reset_index()
            )
        else:
            table = table[["term", "estimate", "std_error", "conf_low", "conf_high"]]
        return "\n".join([*lines, frame_text(table.round(3))])


def as_profile(value: object, caller: str) -> TransferProfile:
    """Return a profile as it is, or say which call makes one of what was given to `caller`."""
    if isinstance(value, TransferProfile):
        return value
    raise refused(value, caller, "a profile", "fit_profile(study)")


def as_scores(value: object, caller: str) -> HatScores | TransferProfile:
    """Return scores or a profile as they are, or say which call makes them."""
    if isinstance(value, HatScores | TransferProfile):
        return value
    raise refused(value, caller, "HAT scores or a profile", "fit_profile(study)")
