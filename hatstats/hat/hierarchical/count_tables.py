"""Count tables of items: drawn anew from parameters, and boiled down to what a model could miss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hatstats.hat.joint.options import JointOptions, Layout, profile_basis

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
)

#: What profiles that are flatter at the top than the model says make smaller, all three.
BENT = MEASURES[-3:]


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
        Promptings.
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

    def promptings(probability: Floats, number: Floats) -> Floats:
        p = level + (1.0 - level) * probability
        if omega > 1e-9:
            p = np.clip(p, 1e-9, 1.0 - 1e-9)
            p = rng.beta(p / omega, (1.0 - p) / omega)
        return np.asarray(rng.binomial(number.astype(int), p), dtype=float)

    return promptings(np.asarray(special.expit(eta)), source_trials), promptings(
        right.T, target_trials
    )


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
            _bend(source, target, source_trials, np.where(used[:, None], target_trials, 0.0)),
        ]
    )


def _bend(source: Floats, target: Floats, source_trials: Floats, target_trials: Floats) -> float:
    """Coefficient of x^2 in a weighted parabola through empirical logits.

    One point for each pair of right answers and promptings in the source: x its logit, y that of
    the target accuracy of its items, with half an answer on either side; weights are promptings
    times ``a (1 - a)``. A profile that is straight there says by itself how much it seems to bend.
    NaN with fewer than three values of x.
    """
    asked = target_trials.sum(axis=1)
    right = np.where(target_trials > 0, target, 0.0).sum(axis=1)
    used = asked > 0
    pairs, which = np.unique(
        np.column_stack([source, source_trials])[used], axis=0, return_inverse=True
    )
    x = np.log((pairs[:, 0] + 0.5) / (pairs[:, 1] - pairs[:, 0] + 0.5))
    if np.unique(x).size < 3:
        return float("nan")
    total = np.bincount(which, asked[used])
    share = (np.bincount(which, right[used]) + 0.5) / (total + 1.0)
    weight = np.sqrt(total * share * (1.0 - share))
    design = np.column_stack([np.ones(x.size), x, x**2])
    found = np.linalg.lstsq(weight[:, None] * design, weight * special.logit(share), rcond=None)
    return float(found[0][2])
