"""All measures of transfer from the same draws, HAT among them, and how far they agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from hatstats.errors import NotIdentifiedError
from hatstats.estimators.aggregate.line_adjustment import reference_nodes
from hatstats.estimators.aggregate.panel_regression import Logits
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.estimators.methods import Method, fit_profile
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.influence import influence_covariance
from hatstats.inference.intervals import check_level, two_sided_p
from hatstats.inference.random_numbers import seeded
from hatstats.inference.resampling.bootstrap import bootstrap_weights
from hatstats.inference.result_frame import Printed, ResultFrame
from hatstats.inference.tidy import rows_of_tests
from hatstats.other_measures.formulas import (
    MEANING,
    gamma,
    item_level_measures,
    item_sums,
    moment_excess,
    parity_gap,
)
from hatstats.scores.benchmark_fit import BenchmarkFit
from hatstats.scores.counts import ratio
from hatstats.scores.item_profile import ItemProfile, score_influence
from hatstats.study import Study
from hatstats.study.read import as_study

#: Measures whose natural null is 0.
_NULL = ("gap", "excess", "agreement", "odds_ratio", "mother_tongue", "locality")
_BLOCK = 100


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MeasureDraws(Printed):
    """Measures of transfer with draws that are paired over models and measures.

    `estimate` holds (M,) and `draws` (B, M) by measure, HAT first; `method` says what was drawn,
    `seed` gives the same draws again (None where a generator was given).

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
        """Every measure of every model in the tidy schema, by percentiles of the draws."""
        return pd.concat([self._rows(name, conf_level) for name in self.terms], ignore_index=True)

    def _rows(self, name: str, conf_level: float) -> pd.DataFrame:
        value, draws = self.estimate[name], self.draws[name]
        error, low, high = np.where(np.isfinite(value), _spread(draws, conf_level), np.nan)
        tests = {"std_error": error, "conf_low": low, "conf_high": high}
        if name in _NULL:
            z = ratio(value, error)
            tests |= {"statistic": z, "p_value": two_sided_p(z, np.inf)}
        count = len(draws)
        undefined = count - np.isfinite(draws).sum(axis=0)
        methods = [
            f"{self.method}, {count} draws" + (f", {lost} of them undefined" if lost else "")
            for lost in undefined
        ]
        table = rows_of_tests(
            [name] * len(value), value, tests, conf_level=conf_level, method=methods
        )
        table.insert(0, "model", list(self.models))
        return table

    def agreement(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Kendall's tau between the rankings that two measures give the models, as tidy rows.

        Measures of which a lower value means more transfer change sign. Draws of a ranking agree
        less than rankings without noise would, so that an interval can lie below its estimate.
        """
        usable = [name for name in self.terms if np.isfinite(self.estimate[name]).all()]
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
        error, low, high = _spread(np.array(drawn, dtype=float).T, conf_level)
        return rows_of_tests(
            [f"{a} ~ {b}" for a, b in pairs],
            [_tau(own[a][0], own[b][0]) for a, b in pairs],
            {"std_error": error, "conf_low": low, "conf_high": high},
            conf_level=conf_level,
            method=f"Kendall's tau over {len(self.models)} models, {self.method}",
        )


def _spread(draws: Floats, conf_level: float) -> tuple[Floats, Floats, Floats]:
    """Standard deviation and limits of draws (B, M), of those that are defined."""
    tail = 0.5 * (1.0 - check_level(conf_level))
    found = np.full((3, draws.shape[1]), np.nan)
    for m, column in enumerate(draws.T):
        defined = column[np.isfinite(column)]
        # With many draws undefined the rest are a selection, not a distribution.
        if defined.size > 1 and defined.size >= 0.9 * column.size:
            found[:, m] = defined.std(ddof=1), *np.quantile(defined, [tail, 1.0 - tail])
    return found[0], found[1], found[2]


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
    reference: str = "pooled",
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
    if isinstance(profile, ItemProfile):
        return replace(_from_items(profile, reference, n_draws, generator), seed=seed)
    assert isinstance(profile, AggregateProfile)
    return replace(_from_means(profile, reference, n_draws, generator), seed=seed)


def _from_items(
    profile: ItemProfile, reference: str, n_draws: int, rng: np.random.Generator
) -> MeasureDraws:
    scores = score_influence(profile, reference)
    hat = np.repeat(scores.estimates[None], n_draws, axis=0)
    blocks = []
    for psi in scores.influence:
        weights = bootstrap_weights(len(psi), n_draws, kind="multinomial", rng=rng)
        hat += weights @ psi - psi.sum(axis=0)
        blocks.append([np.ones((1, len(psi))), *np.split(weights, range(_BLOCK, n_draws, _BLOCK))])
    estimate, draws = _first_and_rest(_weighted_measures(profile, blocks))
    estimate, draws = {"HAT": scores.estimates, **estimate}, {"HAT": hat, **draws}
    return MeasureDraws(profile.complete_models, estimate, draws, "items resampled")


def _weighted_measures(profile: ItemProfile, blocks: list[list[Floats]]) -> dict[str, Floats]:
    """Every measure but HAT under B weights of item clusters, each (B, M).

    Weights come in blocks (B_k, G_b) for each benchmark.
    """
    models, parts = profile.complete_models, []
    for fit, weights in zip(profile.fits, blocks, strict=True):
        sums, noise = item_sums(profile.study, fit.counts, models), _source_noise(fit, models)
        totals = map(sums.totals, weights)
        found = [item_level_measures(each, sums.has_local, noise) for each in totals]
        parts.append(_concatenated(found))
    return _averaged(parts)


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
    return _first_and_rest(_weighted_measures(profile, ones))[0]


def _first_and_rest(found: dict[str, Floats]) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """The first draw of every measure, which is no draw but the estimate, and the others."""
    return {name: x[0] for name, x in found.items()}, {name: x[1:] for name, x in found.items()}


def _concatenated(blocks: list[dict[str, Floats]]) -> dict[str, Floats]:
    """Blocks of draws of every measure, one below another."""
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _averaged(parts: list[dict[str, Floats]]) -> dict[str, Floats]:
    """Mean over benchmarks of the measures that all of them have."""
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: np.mean([part[name] for part in parts], axis=0) for name in names}


def _from_means(
    profile: AggregateProfile, reference: str, n_draws: int, rng: np.random.Generator
) -> MeasureDraws:
    if reference not in ("pooled", "uniform", "own"):
        raise NotIdentifiedError(
            "draws from a table of means take the reference pooled, uniform or own"
        )
    models = profile.complete_models
    scores = profile.hat(reference)
    parts = []
    for b, part in enumerate(profile.parts):
        rows = [part.counts.models.index(name) for name in models]
        beta, error = float(profile.panel.slopes()[b]), float(profile.panel.slope_variances()[b])
        noise = part.source_var[rows]
        shape = (len(part.counts.models), 1 + len(part.counts.languages))
        moved = [(np.full(1, beta), np.zeros((1, *shape)))]
        for start in range(0, n_draws, _BLOCK):
            count = min(_BLOCK, n_draws - start)
            slope = beta + np.sqrt(error) * rng.standard_normal(count)
            moved.append((slope, rng.standard_normal((count, *shape))))
        found = [_cell_measures(part, rows, reference, x, noise, errors) for x, errors in moved]
        parts.append(_concatenated(found))
    estimate, drawn = _first_and_rest(_averaged(parts))
    # HAT itself is the profile's own; the draws are centred on it.
    drawn["HAT"] = drawn["HAT"] - estimate["HAT"] + scores.estimates
    estimate["HAT"] = scores.estimates
    return MeasureDraws(models, estimate, drawn, "sampling errors of cells drawn")


def _cell_measures(
    part: Logits,
    rows: list[int],
    reference: str,
    slopes: Floats,
    noise: Floats,
    errors: Floats,
) -> dict[str, Floats]:
    """Measures from cells of one benchmark moved by standard normal errors, each (B, R).

    For R models `rows`; slopes (B,), sampling variances of source logits `noise` (R,), and errors
    (B, M, 1 + L), source first.
    """
    counts = part.counts
    accuracy = np.column_stack([counts.source_accuracy, counts.target_accuracy])
    trials = np.column_stack([counts.source_trials, counts.target_trials])
    spread = np.sqrt(accuracy * (1.0 - accuracy) / np.where(trials > 0, trials, np.nan))
    cells = np.clip(accuracy + spread * errors, 0.0, 1.0)
    zs = part.source + np.sqrt(part.source_var) * errors[:, :, 0]
    zt = part.target + np.sqrt(part.target_var) * errors[:, :, 1:]
    shared = ~np.isnan(part.target[rows]).any(axis=0)
    if not shared.any():
        raise NotIdentifiedError(
            f"benchmark {counts.benchmark!r}: no language has an accuracy of every model, so that "
            "their measures cannot be compared"
        )
    s, T = cells[:, rows, 0], cells[:, rows, 1:][:, :, shared]
    t = T.mean(axis=2)
    return {
        "HAT": _line_hat(part, rows, reference, slopes, (zs, zt[:, rows][:, :, shared])),
        "gap": s - t,
        "ratio": ratio(t, s),
        "excess": moment_excess(s, t, noise),
        "gamma": gamma(s, t),
        "parity_gap": parity_gap(s, T),
    }


def _line_hat(
    part: Logits, rows: list[int], reference: str, slopes: Floats, logits: tuple[Floats, Floats]
) -> Floats:
    """HAT along each draw's line, shape (B, M)."""
    zs, zt = logits
    own = zs[:, rows]
    nodes, mixing, _ = reference_nodes(reference, part.counts, zs)
    steps = slopes[:, None, None] * (nodes[..., None, :] - own[:, :, None])
    chance = part.counts.chance
    total = np.zeros(own.shape)
    for language in range(zt.shape[2]):
        line = zt[:, :, language, None] + steps
        total += (mixing[rows] * special.expit(line)).sum(axis=2)
    return np.asarray(chance + (1.0 - chance) * total / zt.shape[2], dtype=float)
