"""How often tests of a trend reject: size if there is no trend, power if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from hatstats.inference.random_numbers import RandomSource
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import FAMILIES
from hatstats.trends.regression import fit_trend

Covariate = Literal["log10(params_total)", "release_year"]

#: Limits of the classes of Satterthwaite's degrees of freedom.
DF_CLASSES = (1.0, 1.5, 2.0, 3.0, 4.0, np.inf)


@dataclass(frozen=True, slots=True)
class RejectionDesign:
    """What is simulated to count rejections.

    Sizes differ within and between families, dates mostly between them; `slope` is the true change
    of score per unit, 0 for the size of a test. Standard deviations of effects and sampling errors
    are in accuracy; `correlation` is that of two models' sampling errors, since they answer the
    same items. `families` are numbers of models.
    """

    covariate: Covariate = "release_year"
    slope: float = 0.0
    family_sd: float = 0.05
    model_sd: float = 0.03
    sampling_sd: float = 0.015
    correlation: float = 0.3
    families: tuple[int, ...] = FAMILIES


def draw_scores(design: RejectionDesign, rng: np.random.Generator) -> HatScores:
    """Draw scores of models in families, with sizes, dates and a sampling covariance."""
    code = np.repeat(np.arange(len(design.families)), design.families)
    count = code.size
    days = rng.uniform(0, 500, len(design.families))[code] + rng.uniform(0, 250, count)
    size = 10.0 + 0.4 * rng.standard_normal(len(design.families))[code]
    size = size + 0.7 * rng.standard_normal(count)
    x = size if design.covariate.startswith("log10") else days / 365.25
    V = design.sampling_sd**2 * (design.correlation + (1.0 - design.correlation) * np.eye(count))
    error = np.linalg.cholesky(V) @ rng.standard_normal(count)
    effect = design.family_sd * rng.standard_normal(len(design.families))[code]
    own = design.model_sd * rng.standard_normal(count)
    names = [f"model-{number:02d}" for number in range(count)]
    table = pd.DataFrame(
        {
            "model": names,
            "estimate": 0.6 + design.slope * (x - x.mean()) + effect + own + error,
            "family": [f"family-{value}" for value in code],
            "release_date": np.datetime64("2024-01-01") + np.round(days).astype("timedelta64[D]"),
            "params_total": 10.0**size,
        }
    )
    return HatScores.from_frame(table, pd.DataFrame(V, index=names, columns=names))


def _one(design: RejectionDesign, rng: np.random.Generator, n_draws: int) -> pd.DataFrame:
    """Method, df and p value of every test on one simulated data set."""
    fit = fit_trend(draw_scores(design, rng), design.covariate)
    return fit.comparison(n_draws=n_draws, rng=rng)[["method", "df", "p_value"]]


def rejections(
    design: RejectionDesign,
    *,
    n_replicates: int = 2_000,
    level: float = 0.05,
    n_draws: int = 499,
    n_jobs: int = 1,
    rng: RandomSource = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Share of data sets in which each test rejects "no slope", at a two-sided significance level.

    Webb's bootstrap and the permutation test take `n_draws`. The first table has one row per
    method; `unknown` is the share without a p value, which counts as no rejection. The second has
    the share for CR2 by class of its degrees of freedom, from `df_low` to `df_high`.
    """
    children = np.random.default_rng(rng).spawn(n_replicates)
    tables: Sequence[pd.DataFrame] = Parallel(n_jobs=n_jobs)(
        delayed(_one)(design, child, n_draws) for child in children
    )
    rows = pd.concat(tables, ignore_index=True)
    rows["rejected"] = rows["p_value"] < level
    rows["unknown"] = rows["p_value"].isna()
    case = {"covariate": design.covariate, "family_sd": design.family_sd, "slope": design.slope}
    by_method = rows.groupby("method", sort=False, as_index=False).agg(
        rejected=("rejected", "mean"), mean_df=("df", "mean"), unknown=("unknown", "mean")
    )
    by_method["mc_error"] = _mc_error(by_method["rejected"], n_replicates)
    second = rows[rows["method"] == "CR2"]
    classes = pd.cut(second["df"], DF_CLASSES, right=False)
    by_df = second.groupby(classes, observed=True)["rejected"].agg(["mean", "size"]).reset_index()
    return (
        by_method.assign(**case, n_replicates=n_replicates),
        pd.DataFrame(
            {
                **case,
                "df_low": [interval.left for interval in by_df["df"]],
                "df_high": [interval.right for interval in by_df["df"]],
                "rejected": by_df["mean"],
                "mc_error": _mc_error(by_df["mean"], by_df["size"]),
                "n_replicates": by_df["size"],
            }
        ),
    )


def _mc_error(share: pd.Series, count: pd.Series | int) -> pd.Series:
    """Monte-Carlo standard error of shares among `count` replicates."""
    return pd.Series(np.sqrt(share * (1.0 - share) / count))
