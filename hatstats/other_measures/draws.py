"""All measures of transfer from the same draws, HAT among them, and how far they agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse, special

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.line_adjustment import filled_targets, reference_nodes
from hatstats.estimators.aggregate.panel_regression import Logits, Panel
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.estimators.methods import Method, fit_profile
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.influence import influence_covariance
from hatstats.inference.random_numbers import seeded
from hatstats.inference.resampling.bootstrap import bootstrap_weights
from hatstats.inference.result_frame import Printed, ResultFrame
from hatstats.inference.tidy import rows_of_tests
from hatstats.inference.validation import fits_in_memory
from hatstats.other_measures.formulas import (
    LOGITS,
    MEANING,
    item_level_measures,
    item_sums,
    of_accuracies,
    over_benchmarks,
)
from hatstats.other_measures.limits import (
    NO_INTERVAL,
    difference_limits,
    gamma_limits,
    parity_limits,
    rows_of_measure,
    too_near_zero,
)
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.item_profile import ItemProfile, score_influence
from hatstats.scores.reference import reference_name, settled
from hatstats.study import Study
from hatstats.study.read import as_study

_BLOCK = 100


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MeasureDraws(Printed):
    """Measures of transfer with draws that are paired over models and measures.

    `estimate` holds (M,) and `draws` (B, M) by measure, HAT first; each draw recomputes the
    estimate. `method` says what was drawn, `seed` gives the same draws again (None where a
    generator was given). For two intervals, `logits` holds the mean logits of target and source
    accuracy (1 + B, M), and `languages` the accuracies (1 + B, M, K) in the K languages of each
    benchmark, the source last, estimates in the first row.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([-0.5, 0.0, 0.5], rng=1)
    >>> hs.measure_draws(study, method="observed", n_draws=200, rng=1).terms[:3]
    ('HAT', 'gap', 'ratio')
    """

    models: tuple[str, ...]
    estimate: Mapping[str, Floats]
    draws: Mapping[str, Floats]
    method: str
    logits: tuple[Floats, Floats]
    languages: tuple[Floats, ...]
    seed: int | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the measures."""
        return tuple(self.estimate)

    def summary(self) -> str:
        """What was drawn, and the estimates by model and measure."""
        count = len(next(iter(self.draws.values())))
        table = ResultFrame({"model": list(self.models), **self.estimate})
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"Measures of transfer, {count} draws ({self.method}){seed}\n{table!r}"

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Every measure of every model in the tidy schema; each interval contains its estimate.

        Proportions on the logit scale, differences by Fisher's z, ratios on the logarithmic scale,
        with the standard deviation of the draws; `gamma` by Fieller's method, `parity_gap` by
        those of Tukey and Kramer, over all pairs of languages. What is not identified is NaN, and
        `method` says why.
        """
        return pd.concat([self._rows(name, conf_level) for name in self.terms], ignore_index=True)

    def _rows(self, name: str, conf_level: float) -> pd.DataFrame:
        value, draws, limits = self.estimate[name], self.draws[name], None
        error = _deviation(draws)
        if name == "gamma":
            limits = gamma_limits(*self.logits, conf_level)
        elif name == "parity_gap":
            limits, error = parity_limits(self.languages, conf_level)
        count = len(draws)
        undefined = count - np.isfinite(draws).sum(axis=0)
        methods = [
            f"{self.method}, {count} draws" + (f", {lost} of them undefined" if lost else "")
            for lost in undefined
        ]
        return rows_of_measure(
            name, self.models, value, error, conf_level=conf_level, method=methods, limits=limits
        )

    def agreement(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Kendall's tau between the rankings that two measures give the models, as tidy rows.

        Measures of which a lower value means more transfer change sign. Noise makes rankings agree
        less than they would without; limits by Fisher's z around the agreement that was seen.

        Raises
        ------
        DataError
            If the pairs of models of all draws would take more than 8 GB.
        """
        usable = [name for name in self.terms if np.isfinite(self.estimate[name]).all()]
        count, number = len(self.models), len(next(iter(self.draws.values())))
        fits_in_memory(
            f"rankings of {count} models in {number} draws of {len(usable)} measures",
            0.5 * count**2 * number * (24.0 + len(usable)),
            "take fewer draws (n_draws=) or models.",
        )
        upper = np.triu_indices(len(self.models), 1)
        signs, own = {}, {}
        for name in usable:
            direction = 1.0 if MEANING.get(name, ("", True))[1] else -1.0
            own[name] = _order(direction * self.estimate[name][None], upper)
            signs[name] = _order(direction * self.draws[name], upper)
        pairs = list(combinations(usable, 2))
        if not pairs:
            return pd.DataFrame()
        drawn = [[_tau(*both) for both in zip(signs[a], signs[b], strict=True)] for a, b in pairs]
        error = _deviation(np.array(drawn, dtype=float).T)
        found = np.array([_tau(own[a][0], own[b][0]) for a, b in pairs])
        limits, _ = difference_limits(found, error, conf_level)
        return rows_of_tests(
            [f"{a} ~ {b}" for a, b in pairs],
            found,
            {"std_error": error, "conf_low": limits[:, 0], "conf_high": limits[:, 1]},
            conf_level=conf_level,
            method=[
                f"Kendall's tau over {len(self.models)} models, {self.method}"
                + ("" if np.isfinite(width) else NO_INTERVAL)
                for width in limits.sum(axis=1)
            ],
        )


def _deviation(draws: Floats) -> Floats:
    """Standard deviation (M,) of draws (B, M), of those that are defined."""
    found = np.full(draws.shape[1], np.nan)
    for m, column in enumerate(draws.T):
        defined = column[np.isfinite(column)]
        # With many draws undefined the rest are a selection, not a distribution.
        if defined.size > 1 and defined.size >= 0.9 * column.size:
            found[m] = defined.std(ddof=1)
    return found


def _order(values: Floats, upper: tuple[Ints, Ints]) -> NDArray[np.int8]:
    """Sign of each pair of models, shape (B, pairs); an undefined value ties with all others."""
    return np.sign(np.nan_to_num(values[:, upper[0]] - values[:, upper[1]])).astype(np.int8)


def _tau(a: NDArray[np.int8], b: NDArray[np.int8]) -> float:
    """Kendall's tau-b from the signs of pairs."""
    size = float(np.sqrt(np.abs(a).sum(dtype=float) * np.abs(b).sum(dtype=float)))
    return float((a * b).sum(dtype=float)) / size if size > 0 else np.nan


def measure_draws(
    study: Study,
    *,
    method: Method | None = None,
    reference: str | None = None,
    n_draws: int = 1_000,
    rng: np.random.Generator | int | None = None,
) -> MeasureDraws:
    """Draw HAT and every measure that the data allow, all from the same resampling.

    Items (or item clusters) are drawn with replacement, once for all models, languages and
    measures; HAT follows by one Newton step, the others exactly. From a table of means each cell's
    sampling error is drawn instead. Without `rng` a fresh seed is drawn and recorded.

    Parameters
    ----------
    study : Study
    method, reference : str, optional
        See `fit_profile` and `TransferProfile.hat`.
    n_draws : int
    rng : Generator, int or None

    Returns
    -------
    MeasureDraws
        With ``.tidy()``, intervals of every measure, and ``.agreement()``, the agreement
        of their rankings.

    Raises
    ------
    DataError
        If the draws would take more than 8 GB.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([-0.5, 0.0, 0.5], rng=1)
    >>> draws = hs.measure_draws(study, method="observed", n_draws=200, rng=1)
    >>> draws.tidy()[["model", "term", "estimate"]].head(2).round(2)
          model term  estimate
    0  model-01  HAT      0.34
    1  model-02  HAT      0.35
    """
    study = as_study(study, "measure_draws")
    generator, seed = seeded(rng)
    profile = fit_profile(study, method=method)
    chosen = settled(reference, study)
    cells = [len(part.models) * (1.0 + len(part.languages)) for part in profile.counts]
    fits_in_memory(
        f"{n_draws} draws of {sum(cells):.0f} accuracies",
        8.0 * (3.0 * n_draws * sum(cells) + 5.0 * min(n_draws, _BLOCK) * max(cells)),
        "take fewer draws (n_draws=), models or languages.",
    )
    if isinstance(profile, ItemProfile):
        return replace(_from_items(profile, chosen, n_draws, generator), seed=seed)
    assert isinstance(profile, AggregateProfile)
    return replace(_from_means(profile, chosen, n_draws, generator), seed=seed)


def _from_items(
    profile: ItemProfile, reference: str | ArrayLike, n_draws: int, rng: np.random.Generator
) -> MeasureDraws:
    scores = score_influence(profile, reference)
    hat = scores.estimates + scores.spread_errors(n_draws, rng.spawn(1)[0])
    blocks = []
    for psi in scores.influence:
        weights = bootstrap_weights(len(psi), n_draws, rng)
        hat += weights @ psi - psi.sum(axis=0)
        blocks.append([np.ones((1, len(psi))), *np.split(weights, range(_BLOCK, n_draws, _BLOCK))])
    parts = _weighted_measures(profile, blocks)
    found = _as_draws(profile.complete_models, parts, "items resampled")
    estimate, draws = {"HAT": scores.estimates, **found.estimate}, {"HAT": hat, **found.draws}
    return replace(found, estimate=estimate, draws=draws)


def _weighted_measures(profile: ItemProfile, blocks: list[list[Floats]]) -> list[dict[str, Floats]]:
    """Values of every benchmark under B weights of item clusters, each (B, M, ...).

    Weights come in blocks (B_k, G_b) for each benchmark.
    """
    models, parts = profile.complete_models, []
    for fit, weights in zip(profile.fits, blocks, strict=True):
        sums, noise = item_sums(profile.study, fit.counts, models), _source_noise(fit, models)
        parts.append(_concatenated([item_level_measures(sums, each, noise) for each in weights]))
    return parts


def _source_noise(fit: BenchmarkFit, models: tuple[str, ...]) -> Floats:
    """Sampling variance of each model's source logit, (M,)."""
    mean, influence = fit.source_influence()
    variance = np.diag(influence_covariance(influence, fit.counts.clusters))
    rows = [fit.counts.models.index(name) for name in models]
    inner = np.clip(mean[rows], 1e-3, 1.0 - 1e-3)
    return np.asarray(variance[rows] / (inner * (1.0 - inner)) ** 2, dtype=float)


def item_measures(profile: ItemProfile) -> dict[str, Floats]:
    """Every measure but HAT, without draws, each (M,), models as in `complete_models`."""
    ones = [[np.ones((1, int(counts.clusters.max()) + 1))] for counts in profile.counts]
    found = over_benchmarks(_weighted_measures(profile, ones))
    return {name: values[0] for name, values in found.items() if name not in LOGITS}


def _as_draws(models: tuple[str, ...], parts: list[dict[str, Floats]], method: str) -> MeasureDraws:
    """Values of benchmarks whose first draw is none, but the estimate."""
    found = over_benchmarks(parts)
    logits = found.pop("target_logit"), found.pop("source_logit")
    # A ratio whose denominator may be 0 can be anything.
    found["gamma"] = np.where(too_near_zero(logits[1]), np.nan, found["gamma"])
    estimate = {name: values[0] for name, values in found.items()}
    draws = {name: values[1:] for name, values in found.items()}
    languages = tuple(part["languages"] for part in parts)
    return MeasureDraws(models, estimate, draws, method, logits, languages)


def _concatenated(blocks: list[dict[str, Floats]]) -> dict[str, Floats]:
    """Blocks of draws of every measure, one below another."""
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _from_means(
    profile: AggregateProfile, reference: str | ArrayLike, n_draws: int, rng: np.random.Generator
) -> MeasureDraws:
    if reference_name(reference) not in ("pooled", "uniform", "own", "common"):
        raise NotIdentifiedError(
            "draws from a table of means take the reference common, pooled, uniform or own"
        )
    models, panel = profile.complete_models, profile.panel
    parts, path_errors = [], panel.path_errors()
    # Errors of the paths are common to benchmarks, all others are not.
    errors = rng.standard_normal((n_draws, len(path_errors[0])))
    for b, part in enumerate(profile.parts):
        rows = [part.counts.models.index(name) for name in models]
        path = panel.fit.params[panel.path_columns(b)]
        shape = (len(part.counts.models), 1 + len(part.counts.languages))
        moved = [(partial(_along, panel, b, path[None]), np.zeros((1, *shape)))]
        for start in range(0, n_draws, _BLOCK):
            count = min(_BLOCK, n_draws - start)
            drawn = path + errors[start : start + count] @ path_errors[b]
            along = partial(_along, panel, b, drawn)
            moved.append((along, rng.standard_normal((count, *shape))))
        filled = filled_targets(part, panel, b)
        found = [_cell_measures(part, filled, rows, reference, *each) for each in moved]
        parts.append(_concatenated(found))
    return _as_draws(models, parts, "sampling errors of cells drawn")


def _cell_measures(
    part: Logits,
    filled: tuple[Floats, sparse.csr_array, Floats],
    rows: list[int],
    reference: str | ArrayLike,
    along: Callable[[Floats], Floats],
    errors: Floats,
) -> dict[str, Floats]:
    """Values of one benchmark from cells moved by standard normal errors, each (B, R, ...).

    For R models `rows`; `filled` are the target logits with missing cells predicted, their
    derivatives and variances (`filled_targets`); `along` has the path of each draw at source logits
    (see `_along`), errors are (B, M, 1 + L), source first.
    """
    counts = part.counts
    accuracy = np.column_stack([counts.source_accuracy, counts.target_accuracy])
    trials = np.column_stack([counts.source_trials, counts.target_trials])
    spread = np.sqrt(accuracy * (1.0 - accuracy) / np.where(trials > 0, trials, np.nan))
    cells = np.clip(accuracy + spread * errors, 0.0, 1.0)
    zs = part.source + np.sqrt(part.source_var) * errors[:, :, 0]
    target, fill, extra = filled
    moved = np.nan_to_num(np.sqrt(part.target_var)) * errors[:, :, 1:]
    along_fill = (fill @ moved.reshape(len(moved), -1).T).T.reshape(moved.shape)
    zt = target + along_fill + np.sqrt(extra) * errors[:, :, 1:]
    seen = counts.target_trials > 0
    predicted = counts.chance + (1.0 - counts.chance) * special.expit(zt)
    targets = np.where(seen, cells[:, :, 1:], predicted)[:, rows]
    found = of_accuracies(cells[:, rows, 0], targets, part.source_var[rows])
    own = reference_name(reference) == "own"
    hat = found["target"] if own else _line_hat(part, rows, reference, along, (zs, zt[:, rows]))
    return {"HAT": hat, **found}


def _along(panel: Panel, b: int, paths: Floats, source: Floats) -> Floats:
    """Target logits on paths of coefficients (B, P) at source logits (R,) or (B, R), (B, R)."""
    if panel.slope is not None:
        return np.asarray(np.broadcast_to(panel.slope * source, (len(paths), source.shape[-1])))
    return np.asarray((panel.path_basis(b, source) @ paths[:, :, None])[..., 0], dtype=float)


def _line_hat(
    part: Logits,
    rows: list[int],
    reference: str | ArrayLike,
    along: Callable[[Floats], Floats],
    logits: tuple[Floats, Floats],
) -> Floats:
    """HAT along each draw's path, shape (B, M)."""
    zs, zt = logits
    own = zs[:, rows]
    nodes, mixing, _ = reference_nodes(reference, part.counts, zs)
    steps = along(nodes)[:, None, :] - along(own)[:, :, None]
    chance = part.counts.chance
    total = np.zeros(own.shape)
    for language in range(zt.shape[2]):
        line = zt[:, :, language, None] + steps
        total += (mixing[rows] * special.expit(line)).sum(axis=2)
    return np.asarray(chance + (1.0 - chance) * total / zt.shape[2], dtype=float)
