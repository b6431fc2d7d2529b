"""Regression of target on source accuracy over models, with errors in both.

The data are accuracies per model and language, on the logit scale after correction for chance:
``z = logit((p - c) / (1 - c))``. For model m and language l of a benchmark

    z_ml = a_l + beta * eta_m + x_m' delta + family + model + cell effect + sampling error,

with ``eta_m`` the model's true source logit, observed as ``z_m = eta_m + error``. Regressing on
z_m would shrink beta towards 0. With ``eta_m ~ N(w_m' gamma, sigma^2)`` the regression on
``E[eta_m | z_m, x_m]``, which includes the covariates, is unbiased (regression calibration;
Carroll et al. 2006, ch. 4; Fuller 1987, ch. 2), and the remaining error of eta_m joins the known
covariance. Covariates enter the same regression as source accuracy: residuals of a first line
regressed on them would give attenuated coefficients (Frisch-Waugh-Lovell).

The variance of a source logit is computed from the accuracy itself. That needs some hundred
trials: with fewer, or with more where the chance level is high, the slope is over-corrected.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from hatstats.errors import ConvergenceWarning, NotIdentifiedError
from hatstats.estimators.aggregate.source_curve import bends, expected_bends, knots_of
from hatstats.inference.arrays import Bools, Floats, Ints
from hatstats.inference.error_rows import covariance_root
from hatstats.inference.progress import Progress
from hatstats.inference.reml.nested_regression import Design, NestedFit, distinct, nested_rows
from hatstats.scores.counts import AggregateCounts

#: A model is weakly identified when its transfer effect has a larger standard error than this many
#: logits: a 95 % interval then spans more than a factor of three in odds.
WEAKLY = 0.3
_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Logits:
    """Chance-corrected accuracies of one benchmark on the logit scale.

    Logits and sampling variances of the source (M,) and target accuracies (M, L), NaN where a cell
    is missing. `weakly_identified` (M,) marks models so near to chance or to the ceiling, or with
    so few trials, that their transfer effect has a standard error above `WEAKLY`.
    """

    counts: AggregateCounts
    source: Floats
    source_var: Floats
    target: Floats
    target_var: Floats
    weakly_identified: Bools


def chance_corrected_logit(
    accuracy: Floats, trials: Floats, chance: float
) -> tuple[Floats, Floats]:
    """Logit of a chance-corrected accuracy, and its sampling variance.

    ``q = (p - c) / (1 - c)`` has standard error ``sqrt(p (1 - p) / n) / (1 - c)`` (p shrunk by half
    a trial, so that a perfect score keeps an error), and ``var z = se^2 / (q (1 - q))^2``. An
    accuracy at or below chance has no logit: it is placed half a standard error inside, where its
    own standard error is about 2 logits or more, so that it weighs next to nothing; in the middle
    where few trials near a high chance level leave an error as wide as all of [0, 1]. Accuracies
    and (effective) numbers of trials are NaN and 0 where missing.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shrunk = (accuracy * trials + 0.5) / (trials + 1.0)
        error = np.sqrt(shrunk * (1.0 - shrunk) / trials) / (1.0 - chance)
        corrected = (accuracy - chance) / (1.0 - chance)
        half = np.minimum(0.5 * error, 0.5)
        inside = np.clip(corrected, half, 1.0 - half)
        logit = special.logit(inside)
        variance = (error / (inside * (1.0 - inside))) ** 2
        return logit, variance


def to_logits(counts: AggregateCounts) -> Logits:
    """Working logits of one benchmark, with the weakly identified models marked."""
    chance = counts.chance
    source, source_var = chance_corrected_logit(
        counts.source_accuracy, counts.source_trials, chance
    )
    target, target_var = chance_corrected_logit(
        counts.target_accuracy, counts.target_trials, chance
    )
    cells = (counts.target_trials > 0).sum(axis=1)
    mean_var = np.nansum(target_var, axis=1) / np.maximum(cells, 1) ** 2
    weak = np.sqrt(source_var + mean_var) > WEAKLY
    return Logits(counts, source, source_var, target, target_var, weak | (cells == 0))


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A fitted panel regression and its n rows.

    Coefficients of `fit`, named by `terms`: intercepts a_bl, then slopes beta_b (unless the `slope`
    was held fixed), their bends (where `knots` of benchmarks are not empty, see `source_curve`),
    then covariates. `model`, `benchmark` and `language` (n,) are the model's name
    and the positions of benchmark and language of each row, `source` (n,) its source logit as the
    regression has it and `target_var` (n,) the sampling variance of its target logit. Per
    benchmark, `source_fit` is the regression of source logits on the constant and the covariates,
    over its `source_models`.
    `components` holds variances by name: family, model, benchmark, cell (logit squared).
    """

    fit: NestedFit
    terms: tuple[str, ...]
    n_intercepts: int
    n_slopes: int
    model: NDArray[np.str_]
    benchmark: Ints
    language: Ints
    source: Floats
    target_var: Floats
    source_fit: tuple[NestedFit, ...]
    source_models: tuple[tuple[str, ...], ...]
    components: dict[str, float]
    slope: float | None
    knots: tuple[Floats, ...]

    @property
    def n_path(self) -> int:
        """Number of slopes and bends."""
        return self.n_slopes + sum(max(len(knots) - 2, 0) for knots in self.knots)

    def path_columns(self, b: int) -> Ints:
        """Columns of slope and bends of benchmark `b`, none where the slope was held fixed."""
        if self.slope is not None:
            return np.zeros(0, dtype=np.intp)
        sizes = [max(len(knots) - 2, 0) for knots in self.knots]
        first = self.n_intercepts + self.n_slopes + sum(sizes[:b])
        return np.array([self.n_intercepts + b, *range(first, first + sizes[b])], dtype=np.intp)

    def path_basis(self, b: int, source: Floats, *, slopes: bool = False) -> Floats:
        """What the coefficients of the path multiply at source logits: (..., columns).

        Of its steepness with `slopes`. Nothing for a slope that was held fixed.
        """
        if self.slope is not None:
            return np.zeros((*np.shape(source), 0))
        source = np.asarray(source, dtype=float)
        line = np.ones_like(source) if slopes else source
        bent = bends(source, self.knots[b], 2 if slopes else 3)
        return np.concatenate([line[..., None], bent], axis=-1)

    def path(self, b: int, source: Floats, *, slopes: bool = False) -> Floats:
        """Target logit on the path of benchmark `b` less its intercept, or its steepness."""
        if self.slope is not None:
            return np.full_like(source, self.slope) if slopes else self.slope * source
        coefficients = self.fit.params[self.path_columns(b)]
        return np.asarray(self.path_basis(b, source, slopes=slopes) @ coefficients, dtype=float)

    def path_errors(self) -> list[Floats]:
        """Rows (P, columns) of each path: the same P errors, as of models, move all benchmarks."""
        columns = [self.path_columns(b) for b in range(len(self.source_fit))]
        every = np.concatenate(columns)
        root = covariance_root(self.fit.cov[np.ix_(every, every)])
        return np.split(root, np.cumsum([own.size for own in columns])[:-1], axis=1)

    def bend_test(self) -> float:
        """P value of the bends being zero, on F with models less coefficients; NaN without."""
        count = self.n_path - self.n_slopes
        if not count:
            return np.nan
        columns = np.arange(self.n_intercepts + self.n_slopes, self.n_intercepts + self.n_path)
        b = self.fit.params[columns]
        F = float(b @ np.linalg.solve(self.fit.cov[np.ix_(columns, columns)], b)) / count
        width = self.fit.params.size - self.n_intercepts + 1
        df = np.unique(self.model).size - width
        return float(special.fdtrc(count, df, F)) if df > 0 else np.nan

    def intercept_columns(self, b: int, languages: int) -> Ints:
        """Column of each language's intercept in benchmark `b`, -1 where no cell was seen."""
        widest = self.language.max() + 1
        benchmark, language = np.divmod(np.unique(self.benchmark * widest + self.language), widest)
        own = np.flatnonzero(benchmark == b)
        columns = np.full(languages, -1, dtype=np.intp)
        columns[language[own]] = own
        return columns

    def intercepts(self, b: int, languages: int) -> Floats:
        """Intercepts of benchmark `b` by position of the language, NaN where no cell was seen."""
        columns = self.intercept_columns(b, languages)
        return np.where(columns >= 0, self.fit.params[columns], np.nan)

    def slopes(self) -> Floats:
        """Slope of each benchmark, where the path is bent its mean over the models, shape (B,)."""
        if self.slope is not None:
            return np.full(len(self.source_fit), self.slope)
        means = [self.mean_basis(b) for b in range(self.n_slopes)]
        paths = (self.fit.params[self.path_columns(b)] for b in range(self.n_slopes))
        return np.array([mean @ path for mean, path in zip(means, paths, strict=True)])

    def mean_basis(self, b: int) -> Floats:
        """Mean over the models of what `path_basis` has for the steepness, (columns,)."""
        fit = self.source_fit[b]
        return np.asarray(self.path_basis(b, fit.y, slopes=True).mean(axis=0), dtype=float)


def family_labels(models: Iterable[str], family_of: Mapping[str, str]) -> NDArray[np.str_]:
    """Family of each model; a model of unknown family is a family of its own."""
    return np.array([family_of.get(m) or f"({m})" for m in models], dtype=np.str_)


def _calibrated(
    logits: Logits, kept: list[int], covariates: Floats, slope: float | None
) -> tuple[Floats, Floats, NestedFit]:
    """E[eta | z, x] of the kept models, its error variance, and the regression of z on x.

    With a given slope the source logits and their sampling variances serve as they are.
    """
    count = len(kept)
    coefficients = 1 + covariates.shape[1] + (slope is None)
    if count <= coefficients:
        raise NotIdentifiedError(
            f"benchmark {logits.counts.benchmark!r}: {count} model{'s' * (count > 1)} cannot "
            f"separate a line from its scatter ({coefficients} coefficients); at least "
            f"{coefficients + 1} are needed"
        )
    source, variance = logits.source[kept], logits.source_var[kept]
    design = Design(np.zeros(count, dtype=np.intp), covariates)
    fit = nested_rows(source, design, variance, [np.arange(count)]).fit()
    if slope is not None:
        return source, variance, fit
    spread = float(fit.variance_components[0])
    if spread == 0.0:
        given = " beyond what the covariates explain" if covariates.size else ""
        raise NotIdentifiedError(
            f"benchmark {logits.counts.benchmark!r}: the source accuracies of the models differ by "
            f"no more than their sampling errors{given}, so that the slope of target on source "
            "is not identified; hold it fixed (slope=1 is a shift of logits), or add models"
        )
    reliability = spread / (spread + variance)
    expected = design.predict(fit.params)
    return expected + reliability * (source - expected), reliability * variance, fit


def _groupings(
    model: Ints, benchmark: Ints, family: Ints, width: int, slope: float | None
) -> dict[str, Ints]:
    """Random effects that the rows identify, from coarse to fine: codes (n,) by name."""
    nested = {
        "family": family,
        "model": model,
        "benchmark": model * (benchmark.max() + 1) + benchmark,
        "cell": np.arange(model.size),
    }
    size = {name: distinct(codes) for name, codes in nested.items()}
    # Variation between models beyond intercept, slope and covariates must identify two components.
    residual_df = size["model"] - 1 - (slope is None) - width
    if not (1 < size["family"] < size["model"] and residual_df > 1):
        del nested["family"]
    # Each is nested in the previous one; one that splits no further is the same effect.
    if size["benchmark"] == size["model"]:
        del nested["benchmark"]
    if size["cell"] == size["benchmark"]:
        del nested["cell"]
    return nested


def fit_panel(
    parts: Sequence[Logits],
    *,
    family_of: dict[str, str],
    covariates: dict[str, Floats] | None = None,
    terms: Sequence[str] = (),
    slope: float | None = None,
    near: Panel | None = None,
    bent: bool = False,
    progress: Progress | None = None,
) -> Panel:
    """Fit the regression described at the top of this module by REML.

    `family_of` names each model's family; `covariates` has a row (k,) per model, and models without
    one are left out; `terms` are the names of the k covariates. A `slope` that is given is held
    fixed; 1 is a shift of logits. The search for the variances, and for the same slopes, starts
    from `near`, a fit of nearly the same data: some models more, or other covariates. A `bent` path
    has bends beside its slopes where the models allow it. `progress` is called before each round of
    slope and variances, as for `fit_profile`. Raises
    `NotIdentifiedError` with too few models for the coefficients, or source accuracies that do not
    differ; warns if slope and covariance do not settle.
    """
    width = len(terms)
    knots = tuple(
        knots_of(logits.source) if bent and slope is None else np.zeros(0) for logits in parts
    )
    every = list(dict.fromkeys(name for logits in parts for name in logits.counts.models))
    place = {name: number for number, name in enumerate(every)}
    blocks, source_fits, source_models = [], [], []
    bent_rows: list[Floats] = []
    steep_rows: list[Floats] = []
    for b, logits in enumerate(parts):
        names = logits.counts.models
        kept = [m for m, name in enumerate(names) if covariates is None or name in covariates]
        given = np.array([covariates[names[m]] for m in kept]) if covariates else np.zeros(0)
        given = given.reshape(len(kept), width)
        source, error, source_fit = _calibrated(logits, kept, given, slope)
        source_fits.append(source_fit)
        source_models.append(tuple(names[m] for m in kept))
        row, language = np.nonzero(~np.isnan(logits.target[kept]))
        m = np.array(kept)[row]
        numbers = logits.target[m, language], logits.target_var[m, language], source[row]
        labels = np.array([place[name] for name in names])[m], np.full(m.size, b), language
        blocks.append((*labels, *numbers, error[row], given[row]))
        bent_rows.append(expected_bends(source, error, knots[b])[row])
        steep_rows.append(bends(source, knots[b], 2)[row])
    model, benchmark, language, y, target_var, source, source_var, given = (
        np.concatenate(column) for column in zip(*blocks, strict=True)
    )

    widest = int(language.max()) + 1
    key, cell = np.unique(benchmark * widest + language, return_inverse=True)
    coefficients = [
        f"intercept[{parts[b].counts.benchmark}, {parts[b].counts.languages[column]}]"
        for b, column in zip(*np.divmod(key, widest), strict=True)
    ]
    others = [given]
    if slope is None:
        of_benchmark = np.eye(len(parts))[benchmark] * source[:, None]
        others = [of_benchmark, linalg.block_diag(*bent_rows), given]
        coefficients += [f"source_logit[{logits.counts.benchmark}]" for logits in parts]
        coefficients += [
            f"bend {number + 1}[{logits.counts.benchmark}]"
            for logits, own in zip(parts, bent_rows, strict=True)
            for number in range(own.shape[1])
        ]

    families = np.unique(family_labels(every, family_of), return_inverse=True)[1][model]
    groupings = _groupings(model, benchmark, families, width, slope)
    path = np.column_stack([np.eye(len(parts))[benchmark], linalg.block_diag(*steep_rows)])
    columns = slice(len(key), len(key) + path.shape[1])
    start = None
    if near is not None and set(groupings) == set(near.components):
        start = np.array([near.components[name] for name in groupings])
    try:
        rows = nested_rows(
            y if slope is None else y - slope * source,
            Design(cell, np.column_stack(others)),
            target_var,
            list(groupings.values()),
            # Rows of one model and benchmark share the remaining error of its source logit.
            model * len(parts) + benchmark,
        )
    except NotIdentifiedError as error:
        raise NotIdentifiedError(
            f"{y.size} cells of {np.unique(model).size} models cannot separate the effects of "
            f"{', '.join(groupings)} from the line; add models or languages ({error})"
        ) from error
    # Steepness of the path at each row. It enters the known covariance too; that of least squares
    # is near enough to start from.
    if slope is not None:
        steep = np.full(y.size, slope)
    elif near is not None and near.terms[near.n_intercepts :] == (*coefficients[columns], *terms):
        steep = path @ near.fit.params[near.n_intercepts :][: path.shape[1]]
    else:
        steep = path @ rows.least_squares[columns]
    damping, previous = np.ones(y.size), np.zeros(y.size)
    for number in range(_ROUNDS):
        if progress is not None:
            what = "a smooth path" if bent else "a line"
            progress(f"{what} between models, round {number + 1}", 1.0 - 0.5 ** (number + 1))
        fit = rows.fit(steep**2 * source_var, start)
        # Where a path is bent it may be level at some rows.
        slack = 0.05 * np.abs(steep).mean() if bent else 1e-8
        step = 0.0 * steep if slope is not None else path @ fit.params[columns] - steep
        if np.allclose(steep + step, steep, rtol=0.05, atol=slack):
            break
        start = fit.variance_components
        # Where source accuracies hardly differ, full steps can alternate between two slopes.
        damping = np.where(step * previous < 0, 0.5 * damping, damping)
        steep, previous = steep + damping * step, step
    else:
        warnings.warn(
            f"the slope and the covariance that depends on it did not settle in {_ROUNDS} rounds; "
            "the source accuracies hardly distinguish the models",
            ConvergenceWarning,
            stacklevel=3,
        )
    return Panel(
        fit=fit,
        terms=(*coefficients, *terms),
        n_intercepts=len(key),
        n_slopes=0 if slope is not None else len(parts),
        model=np.array(every)[model],
        benchmark=benchmark,
        language=language,
        source=source,
        target_var=target_var,
        source_fit=tuple(source_fits),
        source_models=tuple(source_models),
        components=dict(zip(groupings, fit.variance_components.tolist(), strict=True)),
        slope=slope,
        knots=knots,
    )
