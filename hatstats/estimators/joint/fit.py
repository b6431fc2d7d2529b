"""Maximum of the `joint` likelihood: starting values, Newton search, influence of every item.

Models that have items of their own hardness are fitted one by one, models with a hardness in
common all together.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import special

from hatstats.estimators.joint.likelihood import (
    JointLikelihood,
    ModelLikelihood,
    join_models,
    make_likelihood,
)
from hatstats.estimators.joint.options import JointOptions, Layout
from hatstats.estimators.joint.patterns import CountRows, Patterns
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.newton import Expansion, Maximum, maximise

#: Precision of a weak normal prior on every parameter. Its standard deviation of 32 leaves
#: ordinary fits alone and gives boundary cases (all right, all wrong) a finite answer.
_RIDGE = 0.001
#: Largest standard deviation of a logit. With 6 two items in three have a probability outside
#: (.05, .95): beyond, answers are all or nothing, and a steeper line tells nothing of the middle.
STEEPEST = 6.0
#: Largest error of the integrals, in units of the total log-likelihood, before they are refined.
_TOLERANCE = 1e-3
_REFINE, _ATTEMPTS = 1.5, 8
#: Newton decrement at which a search ends, and that above which a step may leave the reach of the
#: quadrature.
_DONE, _FAR = 1e-7, 1.0
_EVALUATIONS, _LONGEST_STEP = 60, 2.0
#: Loss of log-likelihood per item that is rounding.
_ROUNDING = 1e-13
#: Models fitted at once.
_WORKERS = 2

_START = {"rho": 0.5, "spread": 0.2}
_START_SIGMA = 1.2
#: The logistic function is about a normal distribution function of this standard deviation.
_PROBIT = 1.7
_LEGENDRE = np.polynomial.legendre.leggauss(6)


@dataclass(frozen=True, slots=True, eq=False)
class JointFit:
    """A maximised likelihood of one model.

    `theta` (P,) has non-negative standard deviations; `likelihood` is at the quadrature that was
    found fine enough; `log_likelihood` is without the weak prior; `n_parameters` were free.
    `influence` (I, P) is that of one item of each kind on theta, 0 on what was held at a bound;
    `index` (N,) is the kind of each item, -1 for an item that moves nothing. `quadrature_error` is
    the change of the log-likelihood under a finer quadrature; a large Newton `decrement` says that
    the search stopped early. Of models fitted together, log-likelihood and number of parameters
    are those of all.
    """

    theta: Floats
    likelihood: ModelLikelihood
    log_likelihood: float
    n_parameters: int
    influence: Floats
    index: Ints
    quadrature_error: float
    decrement: float

    @property
    def layout(self) -> Layout:
        """Position of each parameter."""
        return self.likelihood.layout

    @property
    def converged(self) -> bool:
        """Whether the search met its tolerance and the integrals theirs."""
        return self.decrement <= 1e-4 and self.quadrature_error <= 10 * _TOLERANCE

    @property
    def aic(self) -> float:
        """Akaike's criterion, ``2 P - 2 log L``."""
        return 2.0 * self.n_parameters - 2.0 * self.log_likelihood


def _tetrachoric(both: Floats, first: Floats, second: Floats) -> Floats:
    """Correlation of two normal variables that are both positive with probability `both`.

    `first` and `second` are the probabilities of each being positive; by Newton steps on
    ``d P / d r``, the bivariate density.
    """
    h, k = special.ndtri(first), special.ndtri(second)
    nodes, weights = 0.5 * (1.0 + _LEGENDRE[0][:, None]), 0.5 * _LEGENDRE[1]

    def density(r: Floats) -> Floats:
        rest = 1.0 - r**2
        exponent = (h**2 - 2.0 * r * h * k + k**2) / (2.0 * rest)
        return np.asarray(np.exp(-exponent) / (2.0 * np.pi * np.sqrt(rest)))

    r = np.full(h.shape, 0.5)
    for _ in range(4):
        excess = first * second + r * (weights @ density(r * nodes)) - both
        r = np.clip(r - excess / density(r), -0.9, 0.95)
    return r


def _logit_variance(correlation: Floats) -> Floats:
    """Variance of the logits behind a correlation of the answers to one item."""
    share = np.clip(correlation, 0.05, 0.85)
    return np.asarray(_PROBIT**2 * share / (1.0 - share))


def _moments(rows: CountRows, chance: float) -> tuple[Floats, Floats]:
    """Unbiased ``k/n`` and ``k(k-1)/(n(n-1))`` of count rows with chance taken out, (K + 1,).

    The last element, 0, stands for a count without trials.
    """
    k, n = rows.correct, rows.trials
    once = k / n
    twice = k * (k - 1.0) / np.maximum(n * (n - 1.0), 1.0)
    rest = 1.0 - chance
    once, twice = (once - chance) / rest, (twice - 2.0 * chance * once + chance**2) / rest**2
    return np.append(once, 0.0), np.append(twice, 0.0)


def _starting_theta(model: ModelLikelihood) -> Floats:
    """Start of the search, from first and second moments of accuracy, shape (P,).

    With the logistic function replaced by a normal distribution function, the probability that
    two answers to an item are both right gives the correlation of their logits in closed form.
    A language with one trial per item starts, and by symmetry stays, at tau = 0: its own
    residual is not identified apart from the noise of one answer, and only flattens its line.
    """
    patterns, layout, chance = model.patterns, model.layout, model.maker.chance
    weight = patterns.weight
    once, twice = _moments(patterns.source_rows, chance)
    x, repeated = once[patterns.source], weight * (patterns.source_rows.trials[patterns.source] > 1)
    mean = np.clip([weight @ x / weight.sum()], 0.02, 0.98)
    source_twice = [repeated @ twice[patterns.source] / max(repeated.sum(), 1e-9)]
    once, twice = _moments(patterns.target_rows, chance)
    y, trials = once[patterns.target], patterns.target_trials()
    asked = weight[:, None] * (trials > 0)
    size = asked.sum(axis=0)
    several = weight[:, None] * (trials > 1)
    target = np.clip((asked * y).sum(axis=0) / size, 0.02, 0.98)
    source_of_asked = np.clip(x @ asked / size, 0.02, 0.98)
    product = x @ (asked * y) / size
    target_twice = (several * twice[patterns.target]).sum(axis=0)
    target_twice /= np.maximum(several.sum(axis=0), 1e-9)
    own, crossed, repeats = np.split(
        _tetrachoric(
            np.concatenate([source_twice, product, target_twice]),
            np.concatenate([mean, source_of_asked, target]),
            np.concatenate([mean, target, target]),
        ),
        [1, 1 + layout.n_languages],
    )
    variance = _logit_variance(own) if repeated.any() else np.array([_START_SIGMA**2])
    scale = np.sqrt(_PROBIT**2 + variance)
    mu = special.ndtri(mean) * scale
    total = np.where(several.any(axis=0), _logit_variance(repeats), _START_SIGMA**2)
    target_scale = np.sqrt(_PROBIT**2 + total)
    beta = np.clip(crossed * target_scale * scale / variance, 0.2, 2.0)
    residual = np.sqrt(np.clip(total - beta**2 * variance, 0.3**2, 3.0**2))
    start = {
        "mu": mu,
        "sigma": np.sqrt(variance),
        "alpha": special.ndtri(target) * target_scale - beta * mu,
        "beta": beta,
        "tau": np.where(several.any(axis=0), residual, 0.0),
        "chance": special.logit(max(chance, 0.05)),
        **_START,
    }
    if layout.has("common"):
        start["sigma"] = start["common"] = np.sqrt(0.5 * variance)
    theta = np.zeros(layout.size)
    for name in layout.names:
        theta[layout.position(name)] = start[name]
    return theta


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Penalised(Expansion):
    """Penalised log-likelihood to second order; without the prior, and scores of items (I, P)."""

    log_likelihood: float
    scores: Floats


def _penalised(likelihood: JointLikelihood, centre: Floats, theta: Floats) -> _Penalised:
    """Log-likelihood plus log-prior at `theta`, of all items."""
    weight = likelihood.weight
    each, scores, information = likelihood.scores_and_information(theta)
    distance = theta - centre
    log_likelihood = float(weight @ each)
    return _Penalised(
        value=log_likelihood - 0.5 * _RIDGE * float(distance @ distance),
        gradient=weight @ scores - _RIDGE * distance,
        information=information + _RIDGE * np.eye(theta.size),
        log_likelihood=log_likelihood,
        scores=scores,
    )


def _prior(model: ModelLikelihood) -> tuple[Floats, Floats]:
    """Centre of the weak prior and largest size of each parameter of one model, each (P,).

    With one trial per item a language's own residual is not identified and is held at 0.
    """
    layout = model.layout
    centre, bound = np.zeros(layout.size), np.full(layout.size, np.inf)
    centre[layout.position("beta")] = 1.0
    for name in ("sigma", "common", "rho"):
        if layout.has(name):
            bound[layout.position(name)] = STEEPEST
    bound[layout.position("tau")] = np.where(model.patterns.most_trials() > 1, STEEPEST, 0.0)
    return centre, bound


def _with_positive_deviations(likelihood: JointLikelihood, theta: Floats) -> Floats:
    """Same model with non-negative standard deviations: latent variables are symmetric."""
    theta = theta.copy()
    for model, own in zip(likelihood.models, likelihood.split(theta), strict=True):
        for name in ("sigma", "tau", "rho", "spread"):
            if name in model.layout.names:
                own[model.layout.position(name)] = np.abs(own[model.layout.position(name)])
    return theta


def _influence(maximum: Maximum[_Penalised], weight: Floats) -> Floats:
    """Influence on theta of one item of each kind, shape (I, P); 0 on what was held at a bound."""
    free, found = ~maximum.fixed, maximum.expansion
    centred = found.scores[:, free] - weight @ found.scores[:, free] / weight.sum()
    influence = np.zeros(found.scores.shape)
    influence[:, free] = np.linalg.solve(found.information[np.ix_(free, free)], centred.T).T
    return influence


def fit_likelihood(likelihood: JointLikelihood, start: Floats | None = None) -> list[JointFit]:
    """Maximise, and refine the integrals until a finer rule changes next to nothing.

    One fit per model; the search starts at `start` (P,), or at moments of the counts.
    """
    if start is None:
        start = np.concatenate([_starting_theta(model) for model in likelihood.models])
    priors = [_prior(model) for model in likelihood.models]
    centre, bound = (np.concatenate(arrays) for arrays in zip(*priors, strict=True))
    theta, refine, likelihood = start, 1.0, likelihood.refined(start, 1.0)

    def too_coarse(theta: Floats, decrement: float) -> bool:
        if decrement <= _FAR:
            return False
        return not likelihood.refined(theta, refine).no_finer_than(likelihood)

    for attempt in range(_ATTEMPTS):
        maximum = maximise(
            partial(_penalised, likelihood, centre),
            theta,
            bounds=(-bound, bound),
            tolerance=_DONE,
            rounding=_ROUNDING * float(likelihood.weight.sum()),
            longest=_LONGEST_STEP,
            max_evaluations=_EVALUATIONS,
            interrupt=too_coarse,
        )
        theta = _with_positive_deviations(likelihood, maximum.theta)
        suited = likelihood.refined(theta, refine)
        if attempt < _ATTEMPTS - 1 and not suited.no_finer_than(likelihood):
            likelihood = suited
            continue
        finer = likelihood.refined(theta, refine * _REFINE)
        error = abs(finer.log_likelihood(theta) - maximum.expansion.log_likelihood)
        if error <= _TOLERANCE or attempt == _ATTEMPTS - 1:
            break
        refine *= _REFINE
        likelihood = finer
    influence = _influence(maximum, likelihood.weight) * np.where(theta == maximum.theta, 1, -1)
    return [
        JointFit(
            own_theta,
            model,
            maximum.expansion.log_likelihood,
            int((~maximum.fixed).sum()),
            own_influence.T,
            likelihood.index,
            quadrature_error=error,
            decrement=maximum.decrement,
        )
        for model, own_theta, own_influence in zip(
            likelihood.models,
            likelihood.split(theta),
            likelihood.split(influence.T),
            strict=True,
        )
    ]


def fit_patterns(
    patterns: Sequence[Patterns], options: JointOptions, chance: float = 0.0
) -> list[JointFit]:
    """Maximise the likelihood of every model's patterns on one benchmark.

    `options` say which hardness, not ``auto``; under a common one the models' items are the same N.
    `chance` is the accuracy of blind guessing.
    """
    models = [make_likelihood(own, options, chance) for own in patterns]
    if options.hardness == "common":
        return fit_likelihood(join_models(*models))
    with ThreadPoolExecutor(_WORKERS) as pool:
        return [fit for (fit,) in pool.map(fit_likelihood, map(join_models, models))]
