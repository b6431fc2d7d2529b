"""`TransferProfile`: what every estimator returns."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hatstats.scores.scores import HatScores
from hatstats.study import Study
from hatstats.study.expect import refused


class TransferProfile(ABC):
    """Expected target accuracy given source accuracy, of every model in a study.

    Attributes
    ----------
    study : Study
        The data used.
    method : str
        Name of the estimator.
    """

    study: Study
    method: str

    @abstractmethod
    def hat(self, reference: str | ArrayLike = "pooled") -> HatScores:
        """HAT scores: the profile averaged over a reference distribution of source accuracy."""

    @property
    @abstractmethod
    def estimand(self) -> str:
        """What HAT is under this estimator, in one sentence."""

    @property
    @abstractmethod
    def complete_models(self) -> tuple[str, ...]:
        """Models that have every benchmark, in the study's order."""

    @abstractmethod
    def points(self) -> pd.DataFrame:
        """Accuracies as observed: `model, family, benchmark, language, source, target` and SEs."""

    @abstractmethod
    def curve(self) -> pd.DataFrame:
        """The fitted profile as points of a line: `benchmark, language, source, target`."""

    @abstractmethod
    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Parameters in the tidy schema."""

    def conf_int(self, conf_level: float = 0.95) -> NDArray[np.float64]:
        """Limits of the parameters of `tidy`, shape (k, 2)."""
        return self.tidy(conf_level)[["conf_low", "conf_high"]].to_numpy(dtype=float)

    @abstractmethod
    def glance(self) -> pd.DataFrame:
        """One row of facts about the fit."""

    def summary(self) -> str:
        """The fit in plain text of at most 80 columns."""
        facts = self.glance().iloc[0]
        pairs = [
            f"  {name}: {value:.4g}" if isinstance(value, float) else f"  {name}: {value}"
            for name, value in facts.items()
        ]
        return "\n".join([f"Transfer profile of study {self.study.name!r}", *pairs])

    def _repr_html_(self) -> str:
        return str(self.tidy().to_html(index=False, float_format="{:.3f}".format))


def as_profile(value: object, caller: str) -> TransferProfile:
    """Return a profile as it is, or say which call makes one of what was given to `caller`."""
    if isinstance(value, TransferProfile):
        return value
    raise refused(value, caller, "a profile", "fit_profile(study)")


def as_scores(value: object, caller: str) -> HatScores | TransferProfile:
    """Return scores or a profile as they are, or say which call makes them."""
    if isinstance(value, HatScores | TransferProfile):
        return value
    raise refused(value, caller, "HAT scores or a profile", "fit_profile(study).hat()")
