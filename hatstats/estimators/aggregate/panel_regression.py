"""Regression of target on source accuracy over models, with errors in both.

Only accuracies per model and language are known here, on the logit scale after chance has been
taken out: ``z = logit((p - c) / (1 - c))``. For model m and language l of a benchmark

    z_ml = a_l + beta * eta_m + x_m' delta + family + model + cell effect + sampling error,

with ``eta_m`` the model's true source logit, of which ``z_m = eta_m + error`` is seen. Regressing
on z_m would pull beta towards 0. With ``eta_m ~ N(w_m' gamma, sigma^2)`` the regression on
``E[eta_m | z_m, x_m]``, in which the covariates take part, is unbiased (regression calibration;
Carroll et al. 2006, ch. 4; Fuller 1987, ch. 2), and the error left in eta_m joins the known
covariance. Covariates stand in the same regression as source accuracy: residuals of a first line
regressed on them would give attenuated coefficients (Frisch-Waugh-Lovell).

The variance of a source logit is read off the accuracy itself. That needs some hundred trials:
with fewer, and sooner where the chance level is high, the slope is over-corrected.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.errors import ConvergenceWarning, NotIdentifiedError
from hatstats.inference.reml.meta_regression import RemlFit, fit_reml
from hatstats.scores.counts import AggregateCounts

Floats = NDArray[np.float64]

#: A model is weakly identified when its transfer effect has a larger standard error than this many
#: logits: a 95 % interval then spans more than a factor of three in odds.
WEAKLY = 0.3
_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Logits:
    """Chance-corrected accuracies of one benchmark on the logit scale.

    Attributes
    ----------
    counts : AggregateCounts
    source, source_var : ndarray, shape (M,)
        Logits of the source accuracies and their sampling variances.
    target, target_var : ndarray, shape (M, L)
        The same of the target accuracies; NaN where a cell is missing.
    weakly_identified : ndarray of bool, shape (M,)
        Models so near to chance or to the ceiling, or with so few trials, that their transfer
        effect has a standard error above `WEAKLY`.
    """

    counts: AggregateCounts
    source: Floats
    source_var: Floats
    target: Floats
    target_var: Floats
    weakly_identified: NDArray[np.bool_]


def chance_corrected_logit(
    accuracy: Floats, trials: Floats, chance: float
) -> tuple[Floats, Floats]:
    """Logit of a chance-corrected accuracy, and its sampling variance.

    ``q = (p - c) / (1 - c)`` has standard error ``sqrt(p (1 - p) / n) / (1 - c)`` (p shrunk by
    half a trial, so that a perfect score keeps an error), and ``var z = se^2 / (q (1 - q))^2``.
    An accuracy at or below chance has no logit: it is placed half a standard error inside, where
    its own standard error is about 2 logits or more, so that it weighs next to nothing.

    Parameters
    ----------
    accuracy, trials : ndarray
        Proportions and (effective) numbers of trials; NaN and 0 where missing.
    chance : float

    Returns
    -------
    logit, variance : ndarray
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shrunk = (accuracy * trials + 0.5) / (trials + 1.0)
        error = np.sqrt(shrunk * (1.0 - shrunk) / trials) / (1.0 - chance)
        corrected = (accuracy - chance) / (1.0 - chance)
        inside = np.clip(corrected, 0.5 * error, 1.0 - 0.5 * error)
        logit = special.logit(inside)
        variance = (error / (inside * (1.0 - inside))) ** 2
        return logit, variance


def to_logits(counts: AggregateCounts) -> Logits:
    """Working logits of one benchmark, with the weakly identified models marked."""
    source, source_var = chance_corrected_logit(
        counts.source_accuracy, counts.source_trials, counts.chance
    )
    target, target_var = chance_corrected_logit(
        counts.target_accuracy, counts.target_trials, counts.chance
    )
    cells = (counts.target_trials > 0).sum(axis=1)
    mean_var = np.nansum(target_var, axis=1) / np.maximum(cells, 1) ** 2
    weak = np.sqrt(source_var + mean_var) > WEAKLY
    return Logits(counts, source, source_var, target, target_var, weak | (cells == 0))


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A fitted panel regression and the rows behind it.

    Attributes
    ----------
    fit : RemlFit
        Coefficients: intercepts a_bl, then slopes beta_b (unless fixed), then covariates.
    terms : tuple of str
        Their names.
    n_intercepts, n_slopes : int
    model, benchmark, language : ndarray, shape (n,)
        Of each row: the model's name, positions of benchmark and language.
    source_fit : tuple of RemlFit
        Per benchmark, source logits on the constant and the covariates.
    source_models : tuple of tuple of str
        Models behind the rows of each `source_fit`.
    components : dict
        Variance components by name: family, model, benchmark, cell (logit squared).
    slope : float or None
        The slope that was held fixed, if any.
    """

    fit: RemlFit
    terms: tuple[str, ...]
    n_intercepts: int
    n_slopes: int
    model: NDArray[np.str_]
    benchmark: NDArray[np.intp]
    language: NDArray[np.intp]
    source_fit: tuple[RemlFit, ...]
    source_models: tuple[tuple[str, ...], ...]
    components: dict[str, float]
    slope: float | None

    def intercept_columns(self, b: int, languages: int) -> NDArray[np.intp]:
        """Column of each language's intercept in benchmark `b`, -1 where no cell was seen."""
        seen = np.unique(np.column_stack([self.benchmark, self.language]), axis=0)
        columns = np.full(languages, -1, dtype=np.intp)
        here = np.flatnonzero(seen[:, 0] == b)
        columns[seen[here, 1]] = here
        return columns

    def intercepts(self, b: int, languages: int) -> Floats:
        """Intercepts of benchmark `b` by position of the language, NaN where no cell was seen."""
        columns = self.intercept_columns(b, languages)
        return np.where(columns >= 0, self.fit.params[columns], np.nan)

    def slopes(self) -> Floats:
        """Slope of each benchmark, shape (B,)."""
        if self.slope is not None:
            return np.full(len(self.source_fit), self.slope)
        return self.fit.params[self.n_intercepts : self.n_intercepts + self.n_slopes]

    def slope_variances(self) -> Floats:
        """Model-based sampling variances of the slopes, shape (B,); 0 where fixed."""
        if self.slope is not None:
            return np.zeros(len(self.source_fit))
        place = slice(self.n_intercepts, self.n_intercepts + self.n_slopes)
        return np.diag(self.fit.cov)[place]


def family_labels(models: Iterable[str], family_of: Mapping[str, str]) -> NDArray[np.str_]:
    """Family of each model; a model of unknown family is a family of its own."""
    return np.array([family_of.get(m) or f"({m})" for m in models], dtype=np.str_)


def _calibrated(
    part: Logits, covariates: Floats, slope: float | None
) -> tuple[Floats, Floats, RemlFit]:
    """E[eta | z, x] of each model, the variance left in eta, and the source regression."""
    count = part.source.size
    X = np.column_stack([np.ones(count), covariates])
    coefficients = X.shape[1] + (slope is None)
    if count <= coefficients:
        raise NotIdentifiedError(
            f"benchmark {part.counts.benchmark!r}: {count} model{'s' * (count > 1)} cannot tell a "
            f"line and its scatter apart ({coefficients} coefficients); at least "
            f"{coefficients + 1} are needed"
        )
    fit = fit_reml(part.source, X, np.diag(part.source_var), [np.arange(count)])
    spread = float(fit.variance_components[0])
    if spread == 0.0 and slope is None:
        given = " beyond what the covariates say" if covariates.size else ""
        raise NotIdentifiedError(
            f"benchmark {part.counts.benchmark!r}: the source accuracies of the models differ by "
            f"no more than their sampling errors{given}, so that the slope of target on source "
            "cannot be told; hold it fixed (slope=1 is a shift of logits), or add models"
        )
    reliability = spread / (spread + part.source_var)
    expected = X @ fit.params
    return (
        expected + reliability * (part.source - expected),
        reliability * part.source_var,
        fit,
    )


def _groupings(
    model: NDArray[np.str_],
    benchmark: NDArray[np.intp],
    family: NDArray[np.str_],
    width: int,
    slope: float | None,
) -> dict[str, NDArray[np.str_]]:
    """Random effects that the rows can tell apart, from coarse to fine."""
    nested = {
        "family": family,
        "model": model,
        "benchmark": np.array([f"{m}|{b}" for m, b in zip(model, benchmark, strict=True)]),
        "cell": np.arange(model.size).astype(np.str_),
    }
    size = {name: np.unique(labels).size for name, labels in nested.items()}
    # What varies between models beyond intercept, slope and covariates must feed two components.
    left = size["model"] - 1 - (slope is None) - width
    if not (1 < size["family"] < size["model"] and left > 1):
        del nested["family"]
    # Each is nested in the one before; one that splits no further is the same effect again.
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
) -> Panel:
    """Fit the regression described at the top of this module by REML.

    Parameters
    ----------
    parts : sequence of Logits
        One per benchmark.
    family_of : dict
        Family by model name.
    covariates : dict of ndarray, each (k,), optional
        Row of covariates by model name, centred or not; models not named here are left out.
    terms : sequence of str, length k
        Names of the covariates.
    slope : float, optional
        Hold beta at this value instead of estimating it; 1 is a shift of logits.

    Returns
    -------
    Panel

    Raises
    ------
    NotIdentifiedError
        With too few models for the coefficients, or source accuracies that do not differ.

    Warns
    -----
    ConvergenceWarning
        If slope and covariance do not settle.
    """
    width = len(terms)
    rows: dict[str, list[np.ndarray]] = {"y": [], "x": [], "v": [], "left": [], "at": []}
    source_fits: list[RemlFit] = []
    source_models: list[tuple[str, ...]] = []
    names: list[str] = []
    for b, part in enumerate(parts):
        kept = [
            m
            for m, model in enumerate(part.counts.models)
            if covariates is None or model in covariates
        ]
        models = [part.counts.models[m] for m in kept]
        table = (
            np.array([covariates[m] for m in models]) if covariates else np.zeros((len(kept), 0))
        )
        sub = Logits(
            part.counts,
            part.source[kept],
            part.source_var[kept],
            part.target[kept],
            part.target_var[kept],
            part.weakly_identified[kept],
        )
        calibrated, left, source_fit = _calibrated(sub, table.reshape(len(kept), width), slope)
        source_fits.append(source_fit)
        source_models.append(tuple(models))
        m, place = np.nonzero(~np.isnan(sub.target))
        rows["y"].append(sub.target[m, place])
        rows["v"].append(sub.target_var[m, place])
        used = calibrated if slope is None else sub.source
        rows["x"].append(np.column_stack([used[m], table.reshape(len(kept), width)[m]]))
        rows["left"].append((left if slope is None else sub.source_var)[m])
        rows["at"].append(np.column_stack([np.full(m.size, b), place, m]))
        names.extend(models[place] for place in m)
    y, v, left = (np.concatenate(rows[key]) for key in ("y", "v", "left"))
    x, at = np.concatenate(rows["x"]), np.concatenate(rows["at"])
    model = np.array(names, dtype=np.str_)

    cell_key, cell = np.unique(at[:, :2], axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    labels = [
        f"intercept[{parts[b].counts.benchmark}, {parts[b].counts.languages[place]}]"
        for b, place in cell_key
    ]
    design = [np.eye(len(labels))[cell]]
    if slope is None:
        design.append(np.eye(len(parts))[at[:, 0]] * x[:, :1])
        labels += [f"source_logit[{part.counts.benchmark}]" for part in parts]
    design.append(x[:, 1:])
    X = np.column_stack(design)

    groupings = _groupings(model, at[:, 0], family_labels(model, family_of), width, slope)

    # Rows of one model and benchmark share the error left in its source logit.
    same = (model[:, None] == model) & (at[:, 0][:, None] == at[:, 0])
    beta = np.full(len(parts), 1.0 if slope is None else slope)
    slopes = slice(len(cell_key), len(cell_key) + len(parts))
    goal = y if slope is None else y - slope * x[:, 0]
    if slope is None:
        # The slope enters the known covariance too; least squares is near enough to start from.
        beta = np.linalg.lstsq(X, y, rcond=None)[0][slopes]
    damping, before = np.ones(len(parts)), np.zeros(len(parts))
    for _ in range(_ROUNDS):
        shared = same * (beta[at[:, 0]] ** 2 * left)[:, None]
        try:
            fit = fit_reml(goal, X, np.diag(v) + shared, list(groupings.values()))
        except NotIdentifiedError as error:
            raise NotIdentifiedError(
                f"{y.size} cells of {np.unique(model).size} models cannot tell apart the effects "
                f"of {', '.join(groupings)} from the line; add models or languages ({error})"
            ) from error
        if slope is not None or np.allclose(fit.params[slopes], beta, rtol=0.05):
            break
        move = fit.params[slopes] - beta
        # Where source accuracies hardly differ, full steps can swing between two slopes for ever.
        damping = np.where(move * before < 0, 0.5 * damping, damping)
        beta, before = beta + damping * move, move
    else:
        warnings.warn(
            f"the slope and the covariance that rests on it did not settle in {_ROUNDS} rounds; "
            "the source accuracies hardly tell the models apart",
            ConvergenceWarning,
            stacklevel=3,
        )
    return Panel(
        fit=fit,
        terms=(*labels, *terms),
        n_intercepts=len(cell_key),
        n_slopes=0 if slope is not None else len(parts),
        model=model,
        benchmark=at[:, 0],
        language=at[:, 1],
        source_fit=tuple(source_fits),
        source_models=tuple(source_models),
        components=dict(
            zip(groupings, (float(value) for value in fit.variance_components), strict=True)
        ),
        slope=slope,
    )
