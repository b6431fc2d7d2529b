r"""Decomposition of a change in raw target accuracy into source ability and transfer.

Raw target accuracy of model m is its profile averaged over its own source distribution,
``R_m = H_m(G_m)``; averaged over that of model x it is ``H_m(G_x)``. From a to b (Kitagawa 1955,
Oaxaca 1973, Blinder 1973; both orders averaged)

.. math:: R_b - R_a = \underbrace{\tfrac12[(H_b(G_a) - R_a) + (R_b - H_a(G_b))]}_{\text{transfer}}
          + \underbrace{\tfrac12[(H_a(G_b) - R_a) + (R_b - H_b(G_a))]}_{\text{source ability}}

Between two groups of models (two years, two releases of a family) it is the mean over pairs.
Intervals allow for the sampling of items, and with `scope` of wordings, with the models as fixed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.estimators.aggregate.line_adjustment import filled_targets, sampling_errors
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.estimators.methods import Method, fit_profile
from hatstats.inference.arrays import Floats
from hatstats.inference.influence import (
    covariance_of_sums,
    degrees_of_freedom,
    second_unit_part,
)
from hatstats.inference.intervals import wald_interval
from hatstats.inference.labelled import LabelledEstimates
from hatstats.inference.progress import shown_if_slow
from hatstats.inference.tidy import tidy_frame
from hatstats.inference.validation import member, one_of
from hatstats.scores.averages import ModelScores
from hatstats.scores.item_profile import ItemProfile, average_cells, score_influence
from hatstats.scores.reference import Mixture
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.scores.wordings import LIKE_THESE, SCOPES, THESE, Scope
from hatstats.study import Study, as_study
from hatstats.trends.trend_text import change_text

if TYPE_CHECKING:
    from hatstats.estimators.joint.options import JointOptions
    from hatstats.estimators.latent.fit import LatentOptions
    from hatstats.estimators.panel.options import PanelOptions
    from hatstats.scores.benchmark_fit import BenchmarkFit

#: A model, several models, or all models released in a year.
Side = str | int | Sequence[str]

PARTS = ("source ability", "transfer", "change")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Decomposition(LabelledEstimates):
    """A change in raw target accuracy as the sum of two parts.

    `params`, `bse`, `cov` and `conf_int()` are labelled by part: source ability, transfer, and
    their sum, the change.

    Attributes
    ----------
    before, after : tuple of str
        Models compared.
    descriptions : tuple of str
        Of each side.
    raw : tuple of float
        Raw target accuracy before and after.
    estimates : ndarray, shape (3,)
    covariance : ndarray, shape (3, 3)
    method : str
    df : ndarray, shape (3,), or None
        Degrees of freedom of the parts for *wordings like these*, otherwise None.
    notes : tuple of str
        Which models are weakly identified, and why.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], transfer=[0.0, 0.5], rng=1)
    >>> split = hs.decompose(study, "model-01", "model-02", method="observed")
    >>> split.conf_int(0.9).round(2)
                    conf_low  conf_high
    source ability      0.08       0.13
    transfer            0.11       0.15
    change              0.21       0.26
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    descriptions: tuple[str, str]
    raw: tuple[float, float]
    estimates: Floats = field()
    covariance: Floats = field()
    method: str
    df: Floats | None = None
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> pd.Index:
        """Names of the parts."""
        return pd.Index(PARTS)

    def limits(self, conf_level: float = 0.95) -> Floats:
        """Limits, shape (3, 2)."""
        df = np.inf if self.df is None else self.df
        return wald_interval(self.estimates, self.std_errors, df, conf_level)

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Source ability, transfer and change in the tidy schema."""
        return tidy_frame(
            PARTS,
            self.estimates,
            self.std_errors,
            df=np.inf if self.df is None else self.df,
            conf_level=conf_level,
            method=self.method,
        )

    def summary(self, conf_level: float = 0.95) -> str:
        """What changed, the parts with their intervals, and notes, in plain text."""
        return change_text(self, conf_level)


def decompose(
    study: Study | TransferProfile,
    before: Side,
    after: Side,
    *,
    family: str | None = None,
    method: Method | None = None,
    options: LatentOptions | JointOptions | PanelOptions | None = None,
    scope: Scope = THESE,
) -> Decomposition:
    """Split a change in raw target accuracy into source ability and transfer.

    Parameters
    ----------
    study : Study or TransferProfile
        All its models are used for the line of an aggregate profile. A profile is taken as it is,
        with the `slope` and `correlation` that `fit_profile` was given.
    before, after : str, int or sequence of str
        A model, a year (all models released in it), or several models. Models without a release
        date belong to no year.
    family : str, optional
        Only models of this family, with years.
    method, options
        See `fit_profile`; of a study only.
    scope : {"these wordings", "wordings like these"}
        Whether wordings are a sample, as in `TransferProfile.hat`; the profile is then fitted again
        without each of them.

    Returns
    -------
    Decomposition
        The parts add up to the change, to rounding.

    Raises
    ------
    DataError
        For a model, family, year or scope that there is not, the same models twice, or a method
        beside a profile.
    NotIdentifiedError
        If the study cannot give a profile, or does not name wordings that are to be a sample.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], transfer=[0.0, 0.5], rng=1)
    >>> hs.decompose(study, "model-01", "model-02", method="observed")
    Raw target accuracy goes from 0.346 (model-01) to 0.580 (model-02): of the
    change of +0.233, source ability is +0.106 and transfer +0.128.
      observed, items sampled; 95% intervals:
      source ability    +0.106  [+0.079, +0.132]
      transfer          +0.128  [+0.102, +0.154]
      change            +0.233  [+0.204, +0.263]
    """
    if not isinstance(study, TransferProfile):
        profile = fit_profile(as_study(study, "decompose"), method=method, options=options)
    elif method is None and options is None:
        profile = study
    else:
        text = "a profile has its method and options"
        raise DataError(text, column="method", value=method, hint="give the study, or neither.")
    found = decompose_profile(profile, before, after, family=family, scope=scope)
    overlap = profile.hat("pooled").overlap
    weak = overlap["model"].isin([*found.before, *found.after]) & ~overlap["informed"].astype(bool)
    return replace(found, notes=tuple(map(str, overlap.loc[weak, "note"])))


def decompose_profile(
    profile: TransferProfile,
    before: Side,
    after: Side,
    *,
    family: str | None = None,
    descriptions: tuple[str, str] | None = None,
    known: dict[tuple[str, ...], ModelScores] | None = None,
    scope: Scope = THESE,
) -> Decomposition:
    """`decompose` for a fitted profile.

    The sides are called by `descriptions`, where given; `known` keeps the scores over the own
    distributions of some models from one decomposition of a profile to the next.
    """
    one_of("scope", scope, SCOPES)
    study = profile.study
    usable = list(profile.complete_models)
    first, second = (_models(study, usable, side, family) for side in (before, after))
    if set(first) & set(second):
        text = "a model is on both sides"
        hint = "compare different models, or different years."
        raise DataError(text, column="model", value=sorted(set(first) & set(second))[0], hint=hint)
    moves: list[Floats] = []
    sums = np.zeros((0, 4))
    if isinstance(profile, AggregateProfile):
        if scope == LIKE_THESE:
            profile.hat(scope=scope)  # which says what is missing
        values, cov = _from_means(profile, first, second)
    else:
        assert isinstance(profile, ItemProfile)
        values, influence, cov = _from_items(profile, first, second, {} if known is None else known)
        sums = np.concatenate(influence)
    covariance = _WEIGHTS @ cov @ _WEIGHTS.T
    if isinstance(profile, ItemProfile) and scope == LIKE_THESE:
        for part, moved in _by_wording(profile, first, second):
            covariance = covariance + part
            moves.append(moved)
    names = descriptions or (_label(before, family, first), _label(after, family, second))
    return Decomposition(
        before=first,
        after=second,
        descriptions=names,
        raw=(float(values[0]), float(values[1])),
        estimates=_WEIGHTS @ values,
        covariance=covariance,
        method=f"{profile.method}, items {'and wordings ' if moves else ''}sampled",
        df=degrees_of_freedom(sums @ _WEIGHTS.T, moves, np.diag(covariance)) if moves else None,
    )


def _label(side: Side, family: str | None, models: tuple[str, ...]) -> str:
    """Description of one side."""
    if isinstance(side, int):
        count = f"{len(models)} model{'s' if len(models) > 1 else ''}"
        return f"{family + ' of ' if family else ''}{side}, {count}"
    return models[0] if len(models) == 1 else f"{len(models)} models from {models[0]}"


def _models(study: Study, usable: list[str], side: Side, family: str | None) -> tuple[str, ...]:
    """Models of one side, among those `usable`."""
    table = study.models.set_index("model").loc[usable]
    if family is not None:
        families = sorted(set(table["family"].dropna()))
        message = "no model of this family has results everywhere"
        member("family", family, families, message, "the families are")
        table = table[table["family"] == family]
    if isinstance(side, int):
        released = table["release_date"].dt.year
        years = sorted({int(year) for year in released.dropna()})
        message = "no model with results everywhere was released in this year"
        member("release_date", side, years, message, "the years are")
        return tuple(map(str, table.index[released == side]))
    chosen = [side] if isinstance(side, str) else list(side)
    for name in chosen:
        member("model", name, list(table.index), "no such model with results on every benchmark")
    if not chosen or len(set(chosen)) < len(chosen):
        raise DataError("name one model or more, each once", column="model", value=chosen)
    return tuple(chosen)


#: Rows: source ability, transfer, change; columns: R_a, R_b, H_a(G_b), H_b(G_a).
_WEIGHTS = np.array([[-0.5, 0.5, 0.5, -0.5], [-0.5, 0.5, -0.5, 0.5], [-1.0, 1.0, 0.0, 0.0]])


def _from_items(
    profile: ItemProfile,
    first: tuple[str, ...],
    second: tuple[str, ...],
    known: dict[tuple[str, ...], ModelScores],
) -> tuple[Floats, list[Floats], Floats]:
    """The four terms of `_WEIGHTS`, influence of clusters by benchmark (G_b, 4), and covariance.

    Profiles are linear in what they are averaged over: the mean of ``H_a(G_b)`` over the models b
    of a side is ``H_a`` over the mean of their distributions.
    """
    for side in ((), first, second):
        if side not in known:
            known[side] = _averaged_over(profile, side)
    own = known[()]
    values = np.zeros(4)
    influence = [np.zeros((psi.shape[0], 4)) for psi in own.influence]
    spread = np.zeros((1, 4))
    terms = ((own, first), (own, second), (known[second], first), (known[first], second))
    for column, (scores, side) in enumerate(terms):
        mean = np.isin(np.array(scores.models), np.array(side)) / len(side)
        values[column] = scores.estimates @ mean
        for total, psi in zip(influence, scores.influence, strict=True):
            total[:, column] = psi @ mean
        if scores.spread is not None:
            # The same rows under every reference: errors in one coefficient of a curve.
            spread = np.zeros((len(scores.spread), 4)) if len(spread) == 1 else spread
            spread[:, column] = scores.spread @ mean
    cov = np.sum([covariance_of_sums(psi) for psi in influence], axis=0)
    return values, influence, cov + spread.T @ spread


def _by_wording(
    profile: ItemProfile, first: tuple[str, ...], second: tuple[str, ...]
) -> Iterator[tuple[Floats, Floats]]:
    """What the wordings of each benchmark add to the covariance of the parts, and their moves."""
    share = 1.0 / len(profile.fits)
    progress = shown_if_slow("decompose")

    def without(fit: BenchmarkFit, number: int) -> Iterator[tuple[Floats, Floats]]:
        ends = number * share, (number + 1) * share
        for name, other in profile.fits_without_each_wording(fit.counts, progress, ends):
            values, influence, _ = _from_items(replace(profile, fits=(other,)), first, second, {})
            if np.isnan(values).any():
                raise NotIdentifiedError(
                    f"scope {LIKE_THESE!r} compares wordings, and without {name!r} not every model "
                    "has results in every language"
                )
            yield share * _WEIGHTS @ values, share * influence[0] @ _WEIGHTS.T

    for number, fit in enumerate(profile.fits):
        yield second_unit_part(without(fit, number))


def _averaged_over(profile: ItemProfile, models: tuple[str, ...]) -> ModelScores:
    """All models' profiles over the mean of the own distributions of some; each's own if none."""
    if not models:
        return score_influence(profile, "own")
    parts = [
        fit.averaged(Mixture.of_models(models, fit.counts.models, fit.support.size))
        for fit in profile.fits
    ]
    return average_cells(profile, parts)


def _from_means(
    profile: AggregateProfile, first: tuple[str, ...], second: tuple[str, ...]
) -> tuple[Floats, Floats]:
    """The four terms of `_WEIGHTS` and their covariance (4, 4), means over benchmarks."""
    values, cov, along, share = np.zeros(4), np.zeros((4, 4)), [], 1.0 / len(profile.parts)
    # Errors of the paths are common to benchmarks, all others are not.
    for b, path in enumerate(profile.panel.path_errors()):
        part_values, part_cov, by_path = _one_benchmark(profile, b, first, second)
        values += share * part_values
        cov += share**2 * part_cov
        along.append(share * by_path @ path.T)
    moved = np.sum(along, axis=0)
    return values, cov + moved @ moved.T


def _one_benchmark(
    profile: AggregateProfile, b: int, first: tuple[str, ...], second: tuple[str, ...]
) -> tuple[Floats, Floats, Floats]:
    """R_a, R_b, H_a(G_b), H_b(G_a) of benchmark b, means over pairs and languages.

    Beside them their covariance (4, 4) for a known path, and derivatives by its coefficients.
    """
    part = profile.parts[b]
    names, chance = part.counts.models, part.counts.chance
    panel = profile.panel
    line, steepness = (panel.path(b, part.source, slopes=which) for which in (False, True))
    basis = panel.path_basis(b, part.source)
    width = basis.shape[1]
    target, fill, extra = filled_targets(part, profile.panel, b)
    count, languages = target.shape
    observed = part.counts.target_trials > 0
    raw = chance + (1.0 - chance) * special.expit(target)
    # A cell at or below chance has no finite logit, but it has an accuracy.
    raw[observed] = part.counts.target_accuracy[observed]
    values = np.zeros(4)
    gradient = np.zeros((4, count + count * languages + width))
    on_cells, cells = np.zeros((4, count, languages)), slice(count, count * (1 + languages))
    weight = 1.0 / (len(first) * len(second) * languages)
    for before, after in itertools.product(first, second):
        i, j = names.index(before), names.index(after)
        for column, (m, x) in enumerate(((i, i), (j, j), (i, j), (j, i))):
            q = special.expit(target[m] + line[x] - line[m])
            slope = weight * (1.0 - chance) * q * (1.0 - q)
            accuracy = raw[m] if m == x else chance + (1.0 - chance) * q
            values[column] += weight * accuracy.sum()
            on_cells[column, m] += slope
            gradient[column, x] += steepness[x] * slope.sum()
            gradient[column, m] -= steepness[m] * slope.sum()
            gradient[column, cells.stop :] += (basis[x] - basis[m]) * slope.sum()
    gradient[:, cells] = on_cells.reshape(4, -1) @ fill
    sampling = gradient[:, : cells.stop] @ sampling_errors(part, profile.correlation).T
    cov = sampling @ sampling.T
    cov += np.einsum("cml,dml,ml->cd", on_cells, on_cells, extra)
    return values, cov, gradient[:, cells.stop :]
