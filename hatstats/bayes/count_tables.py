"""Count tables of items: drawn anew from parameters, and boiled down to what a model could miss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.estimators.joint.options import JointOptions, Layout, profile_basis

Floats = NDArray[np.float64]

#: What is compared with the counts seen; means over models.
MEASURES = (
    "source accuracy",
    "target accuracy",
    "gap",
    "ratio",
    "items never right in the source",
    "items always right in the source",
    "target accuracy of the hardest third",
    "target accuracy of the easiest third",
    "target never right, source mostly right",
    "target always right, source mostly wrong",
    "spread of items in a target language",
    "residuals shared by languages",
    "residuals shared by languages, easiest third",
    "skewness of items over target languages",
    "bend of target logits over source logits",
    "bend of target less source logits over all answers",
)

#: What profiles that are flatter at the top than the model says make smaller, all four.
BENT = MEASURES[-4:]
# Width in logits of the classes of items with like shares of right answers.
_CLASS = 0.25


def draw_counts(
    theta: Floats,
    setting: tuple[Layout, JointOptions, float],
    trials: tuple[Floats, Floats],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Counts of new items under the `joint` model.

    Parameters
    ----------
    theta : ndarray, shape (P,)
    setting : tuple
        Layout, options, chance level.
    trials : pair of ndarray, shapes (N,), (N, L)
        Trials.
    rng : Generator

    Returns
    -------
    source : ndarray, shape (N,)
    target : ndarray, shape (N, L)
    """
    layout, options, chance = setting
    source_trials, target_trials = trials
    items, languages = target_trials.shape
    z = rng.standard_normal(items)
    if options.t_df is not None:
        z = rng.standard_t(options.t_df, items)
    eta = np.asarray(layout.scalar(theta, "mu") + layout.scalar(theta, "sigma") * z)
    basis, _ = profile_basis(options.profile, eta)
    middle = layout.coefficients(theta).T @ basis
    if options.point_masses:
        logits = np.array([0.0, layout.scalar(theta, "never"), layout.scalar(theta, "always")])
        kind = rng.choice(3, size=items, p=special.softmax(logits))
        eta = np.where(kind == 1, -40.0, np.where(kind == 2, 40.0, eta))
        for place, name in ((1, "at_never"), (2, "at_always")):
            middle = np.where(kind == place, theta[layout.place(name)][:, None], middle)
    tau = theta[layout.place("tau")][:, None]
    logit = middle + tau * rng.standard_normal((languages, items))
    logit = logit + layout.scalar(theta, "rho") * rng.standard_normal(items)
    right = special.expit(logit)
    if layout.has("transfers"):
        share = special.expit(theta[layout.place("transfers")])[:, None]
        right = right * (rng.random((languages, items)) < share)
    level = special.expit(layout.scalar(theta, "chance")) if layout.has("chance") else chance
    omega = layout.scalar(theta, "spread") ** 2

    def trials(probability: Floats, number: Floats) -> Floats:
        p = level + (1.0 - level) * probability
        if omega > 1e-9:
            p = np.clip(p, 1e-9, 1.0 - 1e-9)
            p = rng.beta(p / omega, (1.0 - p) / omega)
        return np.asarray(rng.binomial(number.astype(int), p), dtype=float)

    return trials(np.asarray(special.expit(eta)), source_trials), trials(right.T, target_trials)


def table_measures(
    source: Floats, target: Floats, source_trials: Floats, target_trials: Floats
) -> Floats:
    """The measures of `MEASURES` of one model's counts, (K,); NaN where there is nothing."""
    used = source_trials > 0
    share = np.divide(source, source_trials, out=np.full(source.shape, np.nan), where=used)
    asked = (target_trials > 0) & used[:, None]
    accuracy = np.divide(target, target_trials, out=np.full(target.shape, np.nan), where=asked)

    def mean(values: Floats, where: NDArray[np.bool_]) -> float:
        return float(values[where].mean()) if where.any() else np.nan

    cells = np.broadcast_to(share[:, None], accuracy.shape)
    mean_source, mean_target = mean(share, used), mean(accuracy, asked)
    hard, easy = asked & (cells <= 1 / 3), asked & (cells >= 2 / 3)
    mostly, hardly = asked & (cells >= 0.8), asked & (cells <= 0.2)
    # Residuals around the mean of the items with the same source count.
    rows = np.round(np.nan_to_num(share, nan=-1.0) * 60).astype(int) + 60
    residual = np.zeros(accuracy.shape)
    for place in range(accuracy.shape[1]):
        seen = asked[:, place]
        size = np.bincount(rows[seen], minlength=121)
        total = np.bincount(rows[seen], weights=accuracy[seen, place], minlength=121)
        residual[seen, place] = accuracy[seen, place] - (total / np.maximum(size, 1))[rows[seen]]
    summed = residual.sum(axis=1) ** 2 - (residual**2).sum(axis=1)
    number = asked.sum(axis=1)
    pairs = number * (number - 1.0)
    easiest = used & (share >= 2 / 3)
    # A bent profile spreads items at one end of the scale and not at the other.
    own = np.where(asked, accuracy, 0.0).sum(axis=1)[number > 0] / number[number > 0]

    def shared(items: NDArray[np.bool_]) -> float:
        total = pairs[items].sum()
        return float(summed[items].sum() / total) if total > 0 else np.nan

    return np.array(
        [
            mean_source,
            mean_target,
            mean_source - mean_target,
            mean_target / mean_source if mean_source > 0 else np.nan,
            mean((source == 0).astype(float), used),
            mean((source == source_trials).astype(float), used),
            mean(accuracy, hard),
            mean(accuracy, easy),
            mean((target == 0).astype(float), mostly),
            mean((target == target_trials).astype(float), hardly),
            float(residual[asked].std()) if asked.any() else np.nan,
            shared(used),
            shared(easiest),
            float(np.mean((own - own.mean()) ** 3)) if own.size else np.nan,
            *_bends(source, target, source_trials, np.where(used[:, None], target_trials, 0.0)),
        ]
    )


def _bends(
    source: Floats, target: Floats, source_trials: Floats, target_trials: Floats
) -> tuple[float, float]:
    """Bend of target logits over source logits, and of their difference over all answers' logits.

    First, one point for each pair of right answers and trials in the source: x its logit, y
    that of the target accuracy of its items. Second, one for each class of items with like logits
    of right answers in all languages together: x their mean, y the logit of target accuracy less
    that of source accuracy. A logit has half an answer on either side. A profile that is straight
    there says by itself how much it seems to bend. NaN with fewer than three points.
    """
    asked = target_trials.sum(axis=1)
    used = asked > 0
    asked, right = asked[used], np.where(target_trials > 0, target, 0.0).sum(axis=1)[used]
    own, tried = source[used], source_trials[used]
    pairs, which = np.unique(np.column_stack([own, tried]), axis=0, return_inverse=True)
    x, _ = _logit(pairs[:, 0], pairs[:, 1])
    y, variance = _logit(np.bincount(which, right), np.bincount(which, asked))
    over_source = _bend(x, y, variance)
    together, _ = _logit(own + right, tried + asked)
    _, which = np.unique(np.rint(together / _CLASS), return_inverse=True)
    number = np.bincount(which)
    x = np.bincount(which, together) / np.maximum(number, 1)
    y, variance = _logit(np.bincount(which, right), np.bincount(which, asked))
    less, also = _logit(np.bincount(which, own), np.bincount(which, tried))
    return over_source, _bend(x, y - less, variance + also)


def _logit(right: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """Logits with half an answer on either side, and their binomial variances."""
    share = (right + 0.5) / (trials + 1.0)
    return special.logit(share), 1.0 / np.maximum(trials * share * (1.0 - share), 1e-12)


def _bend(x: Floats, y: Floats, variance: Floats) -> float:
    """Coefficient of x^2 in a parabola weighted by inverse variances."""
    if np.unique(x).size < 3:
        return float("nan")
    weight = np.sqrt(1.0 / variance)
    design = np.column_stack([np.ones(x.size), x, x**2])
    return float(np.linalg.lstsq(weight[:, None] * design, weight * y, rcond=None)[0][2])
