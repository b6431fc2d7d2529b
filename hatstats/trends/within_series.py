"""Slopes inside families of models, or their series: where size varies and little else does.

Families differ in much beside size, and a trend over all models mixes what happens inside families
with differences between them. Each family, or series where the table of models names them
(Qwen2.5, Qwen3, Qwen3.5), gives a slope of its own; their random-effects mean generalises over
series.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import critical_value, wald_interval
from hatstats.inference.labelled import LabelledEstimates
from hatstats.inference.reml.group_slopes import GroupSlopes, group_slopes
from hatstats.inference.tidy import tidy_frame
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile, as_scores
from hatstats.trends.regression import fit_trend
from hatstats.trends.standard_errors import Vcov
from hatstats.trends.trend import TrendFit


class Outcome(NamedTuple):
    """One outcome per model, its covariance (M, M), covariates (M, k), and a contrast (k,)."""

    y: Floats
    V: Floats
    X: Floats
    contrast: Floats


def outcome_of(trend: TrendFit, gradient: Floats) -> Outcome:
    """What slopes inside families are fitted to: a contrast of a trend's coefficients (p,).

    From accuracies alone: target logits less intercepts and the slope times source logits.
    """
    X, panel = trend.design.matrix, trend.panel
    contrast = gradient[-X.shape[1] :]
    if panel is None:
        return Outcome(trend.reml.y, trend.reml.V, X, contrast)
    y, others = trend.collapsed
    mean = _cells(trend)
    V = mean @ trend.reml.V @ mean.T
    if panel.slope is None:
        source = others[:, 1 : 1 + panel.n_path]
        own = slice(panel.n_intercepts, panel.n_intercepts + panel.n_path)
        y = y - source @ trend.estimates[own]
        V = V + source @ trend.reml.cov[own, own] @ source.T
    return Outcome(y, V, X, contrast)


def _cells(trend: TrendFit) -> Floats:
    """Means over the cells of each model, (M, n)."""
    assert trend.panel is not None
    cells = np.array([trend.panel.model == name for name in trend.design.models])
    return np.asarray(cells / cells.sum(axis=1, keepdims=True))


def share_outcome(trend: TrendFit, term: str, share: float) -> Outcome:
    """What slopes of transfer less a `share` of raw target accuracy on a term are fitted to.

    The scores less that share of raw target accuracies; from accuracies alone target logits with
    and without the slope times source logits.
    """
    unit = (np.array(trend.terms) == term).astype(float)
    found, scores = outcome_of(trend, unit), trend.scores
    if isinstance(scores, HatScores):
        kept = [scores.models.index(name) for name in trend.design.models]
        count, target = len(scores.models), np.asarray(scores.target)
        rows = np.zeros((len(kept), 3 * count))
        rows[np.arange(len(kept)), kept] = 1.0
        rows[np.arange(len(kept)), [2 * count + each for each in kept]] = -share
        V = rows @ scores.joint_cov @ rows.T
        return found._replace(y=scores.estimates[kept] - share * target[kept], V=V)
    assert trend.panel is not None
    whole, cells = trend.collapsed[0], _cells(trend)
    if trend.panel.slope is not None:  # the outcome there is less the slope times source logits
        whole = found.y + trend.panel.slope * cells @ trend.panel.source
    own = cells @ np.diag(trend.panel.target_var) @ cells.T
    V = found.V - share * (2.0 - share) * own
    return found._replace(y=found.y - share * whole, V=V)


def share_within(trend: TrendFit, term: str, conf_level: float) -> tuple[float, float, float]:
    """Share of transfer in the slope of raw target accuracy inside series, and its limits.

    The share at which the random-effects mean of transfer less that share of the whole is 0, and
    those at which its limits are (Fieller); NaN where there are none between -3 and 4.
    """
    from scipy import optimize  # slow to import

    labels = series_labels(trend)

    def excess(share: float, side: float) -> float:
        found = group_slopes(*share_outcome(trend, term, share), labels)
        error = found.std_error * float(critical_value(found.df, conf_level)) if side else 0.0
        return found.mean + side * error

    limits = []
    for side in (0.0, -1.0, 1.0):
        inside = excess(-3.0, side) > 0.0 > excess(4.0, side)
        limits.append(optimize.brentq(excess, -3.0, 4.0, (side,), 1e-5) if inside else np.nan)
    return limits[0], limits[1], limits[2]


def series_labels(trend: TrendFit) -> list[str]:
    """Series of the models of a trend where their table names it, else their cluster."""
    if "series" not in trend.design.frame:
        return list(trend.clusters)
    given = trend.design.frame["series"]
    pairs = zip(given, trend.clusters, strict=True)
    return [cluster if pd.isna(name) or name == "" else str(name) for name, cluster in pairs]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FamilySlopes(LabelledEstimates):
    """Slopes of HAT on a covariate inside each family or series, their mean, and others beside.

    `params`, `bse`, `cov` and `conf_int()` are those of the series.

    Attributes
    ----------
    covariate : str
    slopes : GroupSlopes
        Of each series, and their random-effects mean.
    families : tuple of str
        Family of each series.
    beside : DataFrame
        Slope between families, and of all models pooled, in the tidy schema.
    scale : {"accuracy", "logit"}

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-8, 9)], rng=1)
    >>> profile = hs.fit_profile(study, method="observed")
    >>> hs.family_slopes(profile, "log10(params_total)").params.round(3)
    series
    family-1   -0.034
    family-2    0.000
    family-3    0.005
    family-4   -0.011
    Name: estimate, dtype: float64
    """

    covariate: str
    slopes: GroupSlopes
    families: tuple[str, ...]
    beside: pd.DataFrame
    scale: str

    @property
    def labels(self) -> pd.Index:
        """Names of the series."""
        return pd.Index(self.slopes.groups, name="series")

    @property
    def estimates(self) -> Floats:
        """Slope of each series, shape (G,)."""
        return self.slopes.estimates

    @property
    def covariance(self) -> Floats:
        """Their covariance, shape (G, G)."""
        return self.slopes.cov

    @property
    def n_positive(self) -> int:
        """Number of series whose slope is above 0."""
        return int((self.estimates > 0).sum())

    @property
    def sign_p(self) -> float:
        """Two-sided p of the sign test: as uneven a split, were either sign as likely."""
        count = len(self.estimates)
        fewer = min(self.n_positive, count - self.n_positive)
        return float(min(1.0, 2.0 * special.bdtr(fewer, count, 0.5)))

    def limits(self, conf_level: float = 0.95) -> Floats:
        """Limits of the slope of each series, shape (G, 2)."""
        freedom = np.nan_to_num(self.slopes.freedom, nan=np.inf)
        return wald_interval(self.estimates, self.std_errors, freedom, conf_level)

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Rows of the series, then of their mean, of the slope between families and pooled.

        In the tidy schema, with `family` and `n_models` of each series.
        """
        found, beside = self.slopes, self.beside
        count, freedom = len(found.groups), np.nan_to_num(found.freedom, nan=np.inf)
        rows = tidy_frame(
            [*found.groups, "mean within series", *beside["term"]],
            [*self.estimates, found.mean, *beside["estimate"]],
            [*self.std_errors, found.std_error, *beside["std_error"]],
            df=[*np.full(count, freedom), found.df, *beside["df"]],
            conf_level=conf_level,
            method=[
                *["within series, scatter pooled"] * count,
                "random effects over series, REML, CR2",
                *[beside["method"].iloc[0]] * len(beside),
            ],
        )
        rows["family"] = [*self.families, *[""] * (len(rows) - count)]
        rows["n_models"] = [*found.sizes, found.sizes.sum(), *beside["n_models"]]
        return rows

    def summary(self, conf_level: float = 0.95) -> str:
        """The slopes in plain text of at most 80 columns."""
        lines = [f"Slopes of HAT on {self.covariate} within series ({self.scale} scale)"]
        head = f"  {'series':<24}{'models':>6}{'slope':>9}{'se':>8}{'df':>7}"
        lines.append(f"{head}  {conf_level:.0%} interval")
        for row in self.tidy(conf_level).to_dict("records"):
            name = row["term"] if len(row["term"]) <= 23 else f"{row['term'][:22]}…"
            numbers = f"{row['n_models']:>6.0f}{row['estimate']:>+9.3f}"
            tail = "    –"
            if np.isfinite(row["std_error"]):
                interval = f"[{row['conf_low']:+.3f}, {row['conf_high']:+.3f}]"
                tail = f"{row['std_error']:>8.3f}{row['df']:>7.1f}  {interval}"
            lines.append(f"  {name:<24}{numbers}{tail}")
        lines.extend(textwrap.wrap(self._signs(), 80, initial_indent="  ", subsequent_indent="  "))
        return "\n".join(lines)

    def _signs(self) -> str:
        """The sign count in words."""
        count = len(self.estimates)
        text = f"{self.n_positive} of {count} series rise (sign test p = {self.sign_p:.3f})."
        if np.isfinite(self.slopes.spread):
            text += f" Standard deviation of true slopes between series {self.slopes.spread:.3f}."
        return text


def family_slopes(
    scores: HatScores | TransferProfile,
    covariate: str,
    *,
    cluster: str = "family",
    vcov: Vcov = "CR2",
) -> FamilySlopes:
    """Slope of HAT on a covariate inside each family, or series of models, and their mean.

    Parameters
    ----------
    scores : HatScores or aggregate TransferProfile
        As for `fit_trend`.
    covariate : str
        One numeric covariate as in a formula, such as ``"log10(params_total)"``.
    cluster, vcov : str
        See `fit_trend`. Groups are the values of the column `series` of the table of models where
        it has one, else of `cluster`.

    Returns
    -------
    FamilySlopes
        The slope of each series with two sizes or more (``b_g = sum (x - xbar_g) y / sum (x -
        xbar_g)^2``), their random-effects mean (REML; CR2 and Satterthwaite's degrees of freedom
        over series, Pustejovsky and Tipton 2018), and beside them the slope between families and
        that of all models (`fit_trend`). Errors of series are those of items, and of scatter around
        their lines pooled over series; the first are known, so that a series of two models has
        some.

    Raises
    ------
    DataError, NotIdentifiedError
        As `fit_trend`, and where fewer than two series have two values of the covariate.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([m / 10 for m in range(-8, 9)], rng=1)
    >>> hs.family_slopes(hs.fit_profile(study, method="observed"), "log10(params_total)")
    Slopes of HAT on log10(params_total) within series (accuracy scale)
      series                  models    slope      se     df  95% interval
      family-1                     6   -0.034   0.020    9.0  [-0.080, +0.012]
      family-2                     5   +0.000   0.019    9.0  [-0.043, +0.044]
      family-3                     3   +0.005   0.031    9.0  [-0.066, +0.076]
      family-4                     3   -0.011   0.077    9.0  [-0.184, +0.162]
      mean within series          17   -0.012   0.013    1.9  [-0.071, +0.046]
      between family means        17   +0.047   0.011    1.4  [-0.026, +0.120]
      all models, pooled          17   -0.002   0.010    2.0  [-0.045, +0.040]
      2 of 4 series rise (sign test p = 1.000). Standard deviation of true slopes
      between series 0.004.
    """
    scores = as_scores(scores, "family_slopes")
    pooled = fit_trend(scores, covariate, cluster=cluster, vcov=vcov)
    if len(pooled.design.terms) != 1:
        text = "only one numeric covariate has a slope in each family"
        hint = "write it like log10(params_total)."
        raise DataError(text, column="covariate", value=covariate, hint=hint)
    labels = series_labels(pooled)
    unit = np.eye(len(pooled.terms))[-1]
    found = group_slopes(*outcome_of(pooled, unit), labels)
    if len(found.groups) < 2:
        raise NotIdentifiedError(
            f"{covariate} differs inside {len(found.groups) or 'no'} series of models, too few for "
            "a mean over series; at least two need two models that differ in it"
        )
    family = dict(zip(labels, pooled.clusters, strict=True))
    rows = [pooled.tidy().tail(1).assign(term="all models, pooled")]
    try:
        formula = f"within({covariate}) + between({covariate})"
        split = fit_trend(scores, formula, cluster=cluster, vcov=vcov)
        rows.insert(0, split.tidy().tail(1).assign(term=f"between {cluster} means"))
    except NotIdentifiedError:
        pass  # all families have the same mean: there is no slope between them
    beside = pd.concat(rows, ignore_index=True).assign(n_models=float(pooled.nobs))
    families = tuple(family[name] for name in found.groups)
    return FamilySlopes(covariate, found, families, beside, pooled.scale)
