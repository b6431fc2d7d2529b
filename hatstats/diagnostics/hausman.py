"""Is the parametric model right? The difference between two profiles of the same items.

Where a parametric model is right, its scores and semiparametric ones estimate the same thing and
differ by noise; where it is wrong they converge to different values (Hausman 1978, Econometrica
46:1251-1271). The covariance of the difference is taken from the influence that every item has on
both, not from a difference of covariances, which needs an efficient model and can be negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from hatstats.diagnostics.agreement import ModelComparison, agreement_words
from hatstats.errors import DataError
from hatstats.inference.result_frame import ResultFrame
from hatstats.scores.averages import ModelScores
from hatstats.scores.item_profile import ItemProfile, require_items, score_influence
from hatstats.scores.reference import reference_name, settled
from hatstats.scores.transfer_profile import TransferProfile, as_profile

#: Share of the largest variance below which a direction of the difference does not vary.
_FLAT = 1e-10


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MisspecificationTest(ModelComparison):
    """HAT by a parametric and by a robust profile, and whether they differ by more than noise.

    The null hypothesis is that both converge to the same scores. Differences too
    small to matter can reject it, so that their size is reported beside the test.

    `parametric` and `robust` are HAT of the same models on the same items by the two `methods`.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study((0.0, 1.0), shape=hs.Shape(n_items=200, n_languages=1), rng=1)
    >>> joint, latent = (hs.fit_profile(study, method=name) for name in ("joint", "latent"))
    >>> hs.misspecification_test(joint, latent).difference.estimates.round(3).tolist()
    [0.011, -0.003]
    """

    parametric: ModelScores
    robust: ModelScores
    methods: tuple[str, str]
    reference: str

    @property
    def check(self) -> str:
        """Which estimator less which."""
        return " less ".join(self.methods)

    @property
    def terms(self) -> dict[str, ModelScores]:
        """HAT by each estimator, and their difference."""
        first, second = self.methods
        return {first: self.parametric, second: self.robust, "difference": self.difference}

    @property
    def difference(self) -> ModelScores:
        """Parametric less robust."""
        return self.parametric.less(self.robust)

    @property
    def overall(self) -> tuple[float, int, int, float]:
        """Test of all models at once: F, its degrees of freedom, p value.

        Hotelling's ``T^2 = d' V^-1 d`` over item clusters, ``F = T^2 (g - m) / (m (g - 1))`` with
        m the number of directions in which the difference varies. NaN if there is none, or no more
        clusters than directions.
        """
        difference = self.difference
        value, vector = np.linalg.eigh(np.nan_to_num(difference.covariance))
        kept = value > max(_FLAT * value.max(initial=0.0), np.finfo(float).tiny)
        m, g = int(kept.sum()), sum(len(psi) for psi in difference.influence)
        if m == 0 or g <= m:
            return np.nan, m, max(g - m, 0), np.nan
        square = float(((vector.T @ difference.estimates)[kept] ** 2 / value[kept]).sum())
        statistic = square * (g - m) / (m * (g - 1.0))
        return statistic, m, g - m, float(special.fdtrc(m, g - m, statistic))

    def glance(self) -> pd.DataFrame:
        """One row: the test of all models at once, and the largest difference."""
        row = {
            "method": self.check,
            "reference": self.reference,
            **dict(zip(("statistic", "df", "df_resid", "p_value"), self.overall, strict=True)),
            "largest_difference": float(np.abs(self.difference.estimates).max()),
        }
        return ResultFrame([row])

    def summary(self) -> str:
        """Whether the parametric model is compatible, in lines of at most 80 columns."""
        first, second = self.methods
        text = agreement_words(self.difference, first, f"the {second} one")
        statistic, df, df_resid, p_value = self.overall
        if np.isfinite(statistic):
            text += (
                f" All models at once: F({df}, {df_resid}) = {statistic:.2f}, p = {p_value:.2g}."
            )
        details = [
            f"{first} {one:.3f}, {second} {other:.3f}"
            for one, other in zip(self.parametric.estimates, self.robust.estimates, strict=True)
        ]
        return self._lines(f"Misspecification test, {self.check}", details, text)


def _name(profile: ItemProfile) -> str:
    """The estimator, and whether it fits all models together."""
    together = any(fit.together for fit in profile.fits)
    return f"{profile.method} over models" if together else profile.method


def _same_items(one: ItemProfile, other: ItemProfile) -> bool:
    """Whether two profiles have the same benchmarks, models, items and clusters."""
    pairs = zip(one.fits, other.fits, strict=False)
    return len(one.fits) == len(other.fits) and all(
        a.counts.models == b.counts.models
        and np.array_equal(a.counts.items, b.counts.items)
        and np.array_equal(a.counts.clusters, b.counts.clusters)
        for a, b in pairs
    )


def misspecification_test(
    parametric: TransferProfile,
    robust: TransferProfile,
    reference: str | ArrayLike | None = None,
) -> MisspecificationTest:
    """Test a parametric profile against a robust one of the same study.

    Parameters
    ----------
    parametric, robust : TransferProfile
        Profiles of the same items, by methods ``joint`` and ``latent`` for instance. With one
        trial per item, ``joint`` with a hardness common to the models can be compared with
        ``joint`` one model at a time, whose assumptions differ.
    reference : str or array_like, optional
        As for `TransferProfile.hat`. Under ``own`` both are the raw target accuracy, and nothing is
        tested.

    Returns
    -------
    MisspecificationTest

    Raises
    ------
    NotIdentifiedError
        If a profile was not fitted to items.
    DataError
        If the profiles are of different items or models, both by one method, or the reference is
        ``own``.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study((0.0, 1.0), shape=hs.Shape(n_items=200, n_languages=1), rng=1)
    >>> joint, latent = (hs.fit_profile(study, method=name) for name in ("joint", "latent"))
    >>> hs.misspecification_test(joint, latent)
    Misspecification test, joint less latent, reference pooled
      model-01                                  joint 0.418, latent 0.408
      model-02                                  joint 0.441, latent 0.444
    The joint profile is compatible with the latent one (largest difference, in
    SEs: -0.003 for model-02, 0.7 SE, p = 0.94 adjusted for 2 models). All models
    at once: F(2, 198) = 0.27, p = 0.76.
    """
    parametric = as_profile(parametric, "misspecification_test")
    robust = as_profile(robust, "misspecification_test")
    first = require_items(parametric, "a misspecification test")
    second = require_items(robust, "a misspecification test")
    reference = settled(reference, first.study)
    if isinstance(reference, str) and reference == "own":
        raise DataError(
            "under this reference both profiles are the raw target accuracy",
            column="reference",
            value=reference,
            hint="use pooled, uniform or model:NAME.",
        )
    if not _same_items(first, second):
        raise DataError(
            "the profiles are of different models or items, so that their difference is no test",
            hint="fit both to one study.",
        )
    names = _name(first), _name(second)
    if names[0] == names[1]:
        raise DataError(
            f"both profiles are by method {names[0]!r}, so that their difference tests nothing",
            hint="fit one of them by another method.",
        )
    return MisspecificationTest(
        score_influence(first, reference),
        score_influence(second, reference),
        names,
        reference_name(reference),
    )
