"""Coverage of contrasts of languages, and of covariates of languages, with few languages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hatstats.estimators.methods import fit_profile
from hatstats.inference.arrays import Floats
from hatstats.inference.error_rows import ErrorRows
from hatstats.inference.random_numbers import RandomSource
from hatstats.scores.scores import HatScores
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.trends.language_regression import fit_language_trend

FORMULA = "resource * size + distance"
#: True coefficients by term: the last two are zero, so that rejections are the size of their tests.
TRUTH = {"Intercept": 0.5, "resource": 0.12, "size": 0.2, "distance": 0.0, "resource:size": 0.0}


@dataclass(frozen=True, slots=True)
class LanguageDesign:
    """A panel of languages in families by models, with standard deviations of what differs.

    `twins` of the models share their weights; `items` are common to all cells.
    """

    families: tuple[int, ...] = (4, 3, 2, 2, 2, 1)
    n_models: int = 20
    twins: int = 6
    items: int = 100
    family: float = 0.03
    language: float = 0.05
    weights: float = 0.08
    model: float = 0.03
    pair: float = 0.04
    slope: float = 0.04
    item: float = 0.3

    def scores(self, rng: np.random.Generator) -> HatScores:
        """Scores of one study, whose cells have the covariance of their items."""
        L, M, W = sum(self.families), self.n_models, self.n_models - self.twins
        family = np.repeat(np.arange(len(self.families)), self.families)
        weights = np.concatenate([np.arange(W), np.arange(self.twins)])
        resource = rng.normal(size=L)
        distance = rng.normal(size=L)
        size = rng.normal(size=W)[weights]
        normal = rng.normal
        line = TRUTH["Intercept"] + TRUTH["resource"] * resource + TRUTH["size"] * size[:, None]
        by_language = self.language * normal(size=L) + self.family * normal(
            size=len(self.families)
        )[family]  # fmt: skip
        by_model = self.weights * normal(size=W)[weights] + self.model * normal(size=M)
        slopes = self.slope * (
            normal(size=W)[weights][:, None] * resource
            + normal(size=W)[weights][:, None] * distance
            + normal(size=L) * size[:, None]
        )
        pair = self.pair * (normal(size=(W, L))[weights] + 0.5 * normal(size=(M, L)))
        # Items are harder for all, more so for some sizes, and in some languages.
        loadings = np.stack(
            [
                np.ones((M, L)),
                np.broadcast_to(size[:, None], (M, L)) * 0.5,
                *(0.5 * np.eye(L)[column] * np.ones((M, 1)) for column in range(L)),
            ]
        ).reshape(2 + L, M * L)
        scale = self.item / np.sqrt(self.items)
        value = line + by_language + by_model[:, None] + slopes + pair
        value = value.ravel() + scale * normal(size=2 + L) @ loadings
        errors = ErrorRows(rows=scale * loadings)
        return _as_scores(value, errors, weights, size, (resource, distance), family)


def _as_scores(
    values: Floats,
    errors: ErrorRows,
    weights: np.ndarray,
    size: Floats,
    facts: tuple[Floats, Floats],
    family: np.ndarray,
) -> HatScores:
    """Cells (M L,) as scores, with tables of models and languages."""
    M, L = len(size), len(family)
    models = [f"m{m:02d}" for m in range(M)]
    languages = [f"l{k:02d}" for k in range(L)]
    table = pd.DataFrame(
        {"model": models, "estimate": values.reshape(M, L).mean(axis=1), "size": size,
         "weights": [f"w{w:02d}" for w in weights]}
    )  # fmt: skip
    cells = pd.DataFrame(
        {"model": np.repeat(models, L), "benchmark": "x", "language": np.tile(languages, M),
         "estimate": values, "std_error": np.sqrt(errors.variance), "df": np.inf}
    )  # fmt: skip
    about = pd.DataFrame(
        {"language": languages, "resource": facts[0], "distance": facts[1],
         "family": [f"f{f}" for f in family]}
    )  # fmt: skip
    scores = HatScores.from_frame(table, np.ones(M))
    return replace(scores, cells=cells, cell_errors=(errors,), language_table=about)


def language_coverage(
    design: LanguageDesign | None = None, *, n_replicates: int = 200, rng: RandomSource = None
) -> pd.DataFrame:
    """Coverage of 95 % intervals of the coefficients, size of the tests of those that are zero.

    Columns: `term, method, coverage, rejected` (share of p values below .05, where the coefficient
    is zero), `se_ratio` (mean standard error over the spread of the estimates), `replicates`.
    """
    design = design or LanguageDesign()
    generator = np.random.default_rng(rng)
    found = []
    for number in range(n_replicates):
        rows = fit_language_trend(design.scores(generator), FORMULA).comparison()
        found.append(rows.assign(replicate=number))
    table = pd.concat(found, ignore_index=True)
    # Main effects are those at the mean of the others, which differs from study to study.
    truth = table["term"].map(TRUTH)
    table["held"] = (table["conf_low"] <= truth) & (truth <= table["conf_high"])
    table["rejected"] = np.where(truth == 0.0, table["p_value"] < 0.05, np.nan)
    table = table[table["term"] != "Intercept"]
    grouped = table.groupby(["method", "term"], sort=False)
    out = grouped.agg(
        coverage=("held", "mean"),
        rejected=("rejected", "mean"),
        mean_se=("std_error", "mean"),
        spread=("estimate", "std"),
    ).reset_index()
    out["se_ratio"] = out.pop("mean_se") / out.pop("spread")
    return out.assign(languages=sum(design.families), replicates=n_replicates)


def contrast_coverage(
    *, n_languages: int = 14, n_models: int = 6, n_replicates: int = 200, rng: RandomSource = None
) -> pd.DataFrame:
    """Coverage of contrasts of languages and of models in one language, over studies of items.

    All languages are equally hard and two of the models equal, so that every difference of
    languages is 0: columns `what, coverage, replicates` for single intervals, and for all
    differences from the mean at once.
    """
    generator = np.random.default_rng(rng)
    single, joint, models = [], [], []
    shape = Shape(n_items=120, n_languages=n_languages, n_trials=5)
    for _ in range(n_replicates):
        study = simulate_study([0.5] * n_models, shape=shape, rng=generator)
        scores = fit_profile(study, method="observed").hat("own")
        found = scores.by("language")
        alone = [found.contrast(name, found.names[0]) for name in found.names[1:]]
        single += [row.conf_low <= 0.0 <= row.conf_high for row in alone]
        joint.append(bool((found.against_mean(rng=generator)["p_adjusted"] >= 0.05).all()))
        row = scores.contrast("model-01", "model-02", languages=found.names[0])
        models.append(row.conf_low <= 0.0 <= row.conf_high)
    rows = {"two languages": single, "all against their mean at once": joint,
            "two models in one language": models}  # fmt: skip
    return pd.DataFrame(
        {"what": list(rows), "coverage": [float(np.mean(each)) for each in rows.values()],
         "replicates": n_replicates}
    )  # fmt: skip
