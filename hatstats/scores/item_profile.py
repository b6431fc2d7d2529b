"""Item-level transfer profiles: learnt from items within each model, whatever the estimator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hatstats.inference.influence import cluster_sums, covariance_of_sums, influence_covariance
from hatstats.inference.tidy import standard_errors, tidy_frame
from hatstats.scores.average_cells import Label, ScoreBlock, assemble, model_weights
from hatstats.scores.counts import ItemCounts
from hatstats.scores.model_fit import ModelFit, shape_error
from hatstats.scores.reference import reference_mixture, reference_name
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.study import Study

Floats = NDArray[np.float64]

#: Source accuracies at which the tidy table of an item-level profile shows it.
SHOWN_AT = (0.1, 0.3, 0.5, 0.7, 0.9)
_TAIL = 0.01
# Share of the reference outside a model's own accuracies beyond which its score is called mostly
# extrapolation, and that beyond which a warning says how much of it is.
_MOSTLY, _PARTLY = 0.5, 0.2
# The same of the shape error in the standard error: an interval 2 SE wide on either side that is
# off by half an SE holds the truth in 92 % of cases instead of 95 %.
_SHAPE_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkFit:
    """Item-level fits of all models of one benchmark on a common support.

    `together` says that the models were fitted together, with an item hardness in common.
    """

    counts: ItemCounts
    support: Floats
    models: tuple[ModelFit, ...]
    together: bool = False

    @property
    def distributions(self) -> Floats:
        """Own distributions of the models, shape (M, Q)."""
        return np.array([fit.distribution for fit in self.models])

    @property
    def profiles(self) -> Floats:
        """Profiles, shape (M, L, Q)."""
        return np.array([fit.profile for fit in self.models])

    def scores(self, reference: str | ArrayLike) -> tuple[Floats, Floats, Floats]:
        """HAT per model and language under `reference`, and the items' influence on them.

        Returns
        -------
        estimate : ndarray, shape (M, L)
        influence : ndarray, shape (N, M, L)
        weights : ndarray, shape (M, Q)
            The reference distribution of each model.
        """
        if isinstance(reference, str) and reference == "own":
            return *self.target_influence(), self.distributions
        mixture = reference_mixture(reference, self.counts.models, self.support)
        weights = mixture.weights(self.distributions)
        profiles = self.profiles
        languages = profiles.shape[1]
        influence = np.stack(
            [fit.profile_influence(weights[m]) for m, fit in enumerate(self.models)], axis=1
        )
        # The reference is estimated too: its items move every model that is averaged over it.
        for other, fit in enumerate(self.models):
            moved = np.flatnonzero(mixture.mixing[:, other])
            if moved.size == 0:
                continue
            values = profiles[moved].reshape(-1, self.support.size).T
            shift = fit.distribution_influence(np.nan_to_num(values))
            shift = shift.reshape(-1, moved.size, languages)
            influence[:, moved] += mixture.mixing[moved, other][:, None] * shift
        return np.einsum("mq,mlq->ml", weights, profiles), influence, weights

    def source_influence(self) -> tuple[Floats, Floats]:
        """Mean source accuracy (M,) and the items' influence on it (N, M)."""
        accuracy = self.counts.source_accuracy()
        asked = ~np.isnan(accuracy)
        mean = np.nanmean(accuracy, axis=1)
        centred = np.where(asked, np.nan_to_num(accuracy) - mean[:, None], 0.0)
        return mean, (centred / asked.sum(axis=1, keepdims=True)).T

    def target_influence(self) -> tuple[Floats, Floats]:
        """Mean target accuracy (M, L) and the items' influence on it (N, M, L).

        This is HAT under the reference `own`: any profile that fits, averaged over the items it
        was learnt from, is their mean. Items differ by language where some are missing, or where
        each has a source language of its own, so that no single distribution would do.
        """
        accuracy = self.counts.target_accuracy()
        used = ~np.isnan(accuracy) & (self.counts.source_trials > 0)[:, :, None]
        size = used.sum(axis=1).astype(float)
        total = np.where(used, np.nan_to_num(accuracy), 0.0)
        mean = np.divide(total.sum(axis=1), size, out=np.full(size.shape, np.nan), where=size > 0)
        centred = np.where(used, total - np.nan_to_num(mean)[:, None, :], 0.0)
        return mean, (centred / np.maximum(size, 1.0)[:, None, :]).swapaxes(0, 1)

    def overlap(self, weights: Floats, errors: Floats, *, smooth: bool = True) -> pd.DataFrame:
        """How far the reference lies inside each model's own distribution, and what shape adds.

        Parameters
        ----------
        weights : ndarray, shape (M, Q)
            Reference of each model.
        errors : ndarray, shape (M,)
            Standard errors of the models' scores on this benchmark.
        smooth : bool
            Whether scores rest on the fitted shape; raw accuracies (reference `own`) do not.
        """
        rows = []
        items = (self.counts.source_trials > 0).sum(axis=1)
        for m, fit in enumerate(self.models):
            own = fit.distribution
            reached = np.cumsum(own)
            below = reached - own
            inner = (reached > _TAIL) & (below < 1.0 - _TAIL)
            outside = float(weights[m][~inner].sum())
            ratio = np.divide(weights[m] ** 2, own, out=np.zeros_like(own), where=own > 0)
            size = float(items[m] / ratio.sum()) if (own[weights[m] > 0] > 0).all() else 0.0
            kept = np.where(inner, weights[m], 0.0)
            mean = np.nanmean(fit.profile, axis=0)
            shape = shape_error(fit, weights[m]) if smooth else 0.0
            rows.append(
                {
                    "model": self.counts.models[m],
                    "benchmark": self.counts.benchmark,
                    "outside": outside,
                    "effective_size": size,
                    "trimmed": float(kept @ mean / kept.sum()) if kept.sum() > 0 else np.nan,
                    "shape_error": shape,
                    "informed": outside <= _MOSTLY,
                    "note": self._note(self.counts.models[m], outside, shape, float(errors[m])),
                }
            )
        return pd.DataFrame(rows)

    def _note(self, model: str, outside: float, shape: float, error: float) -> str:
        """What weakens a score, in words; empty if nothing does."""
        where = f"{model} on {self.counts.benchmark}"
        if outside > _MOSTLY:
            return (
                f"{where}: {outside:.0%} of the reference lies outside the model's own source "
                "accuracies; its score is mostly extrapolation."
            )
        found = []
        if outside > _PARTLY:
            found.append(
                f"{outside:.0%} of the reference lies outside the model's own source accuracies, "
                "where its profile is extrapolated"
            )
        if shape > _SHAPE_SHARE * error:
            found.append(
                f"the assumed smoothness may hide {shape:.3f} either way, beside a standard error "
                f"of {error:.3f}"
            )
        return f"{where}: {'; '.join(found)}; its interval may be too short." if found else ""


@dataclass(frozen=True, slots=True, eq=False)
class ItemProfile(TransferProfile):
    """Transfer profiles learnt from items within each model.

    Attributes
    ----------
    study : Study
    method : str
        ``latent``, ``joint`` or ``observed``.
    fits : tuple of BenchmarkFit
        One per benchmark.
    options : object or None
        Options of the method, as they were given.
    """

    study: Study
    method: str
    fits: tuple[BenchmarkFit, ...]
    options: object | None = None

    @property
    def estimand(self) -> str:
        """What HAT is here, in one sentence."""
        given = "chance of a right answer in the source language"
        if self.method == "observed":
            given = "observed share of right answers in the source language"
        elif any(fit.together or fit.counts.source_trials.max() < 2 for fit in self.fits):
            # One trial: what an item owes to its source language alone looks like noise.
            over = "models and languages" if any(fit.together for fit in self.fits) else "languages"
            given = (
                f"chance of a right answer in the source language as its common hardness over "
                f"{over} gives it (one trial per item)"
            )
        return (
            f"HAT: expected accuracy in the target languages given an item's {given}, averaged "
            "over a reference distribution that is the same for all models; equal weights for "
            "languages, then for benchmarks."
        )

    def hat(self, reference: str | ArrayLike = "pooled") -> HatScores:
        """HAT scores under a reference distribution of source accuracy.

        ``H_mb = mean_l sum_x T_mbl(x) G_b(x)``; the covariance over models, benchmarks and
        languages comes from influence values of items (or of item clusters), with the estimation
        of G included where it depends on the data.

        Parameters
        ----------
        reference : str or array_like
            See `hatstats.scores.reference.reference_mixture`.

        Returns
        -------
        HatScores
            Models that lack a benchmark have cells but no score.

        Raises
        ------
        DataError
            For an unknown reference.
        NotIdentifiedError
            If no model has every benchmark, or models share no language.
        """
        label = Label(self.method, reference_name(reference), self.estimand)
        return assemble(self.study, [_score_block(fit, reference) for fit in self.fits], label)

    def points(self) -> pd.DataFrame:
        """Mean accuracies per model, benchmark and language, with item standard errors."""
        rows = []
        families = dict(zip(self.study.models["model"], self.study.models["family"], strict=True))
        for fit in self.fits:
            source, target = fit.counts.source_accuracy(), fit.counts.target_accuracy()
            for m, model in enumerate(fit.counts.models):
                for place, language in enumerate(fit.counts.languages):
                    y = target[m, :, place]
                    used = ~np.isnan(y) & ~np.isnan(source[m])
                    if used.any():
                        rows.append(
                            {
                                "model": model,
                                "family": families[model],
                                "benchmark": fit.counts.benchmark,
                                "language": language,
                                "source": source[m, used].mean(),
                                "target": y[used].mean(),
                                "source_se": _mean_se(source[m, used]),
                                "target_se": _mean_se(y[used]),
                            }
                        )
        return pd.DataFrame(rows)

    def curve(self) -> pd.DataFrame:
        """Fitted profiles: `model, benchmark, language, source, target` on the support."""
        parts = []
        for fit in self.fits:
            for m, model in enumerate(fit.counts.models):
                for place, language in enumerate(fit.counts.languages):
                    parts.append(
                        pd.DataFrame(
                            {
                                "model": model,
                                "benchmark": fit.counts.benchmark,
                                "language": language,
                                "source": fit.support,
                                "target": fit.profiles[m, place],
                                "share": fit.distributions[m],
                            }
                        )
                    )
        return pd.concat(parts, ignore_index=True)

    def _shown(self) -> tuple[tuple[str, ...], Floats, Floats]:
        """Models, profile at `SHOWN_AT` (levels, M), and its covariance over both."""
        models = self.hat([SHOWN_AT[0]]).models
        cells, values, blocks = [], [], []
        for fit in self.fits:
            found = [fit.scores([level]) for level in SHOWN_AT]
            there = ~np.isnan(found[0][0])
            cells.append(cells_frame(fit, found[0][0]))
            values.append(np.array([estimate[there] for estimate, _, _ in found]))
            influence = np.concatenate([influence[:, there] for _, influence, _ in found], axis=1)
            blocks.append(influence_covariance(influence, fit.counts.clusters))
        weights = model_weights(pd.concat(cells, ignore_index=True), models)
        levels, at = len(SHOWN_AT), 0
        cov = np.zeros((levels * len(models),) * 2)
        for part, block in zip(cells, blocks, strict=True):
            spread = np.kron(np.eye(levels), weights[:, at : at + len(part)])
            cov += spread @ block @ spread.T
            at += len(part)
        return models, np.concatenate(values, axis=1) @ weights.T, cov

    @property
    def params(self) -> Floats:
        """Profile at `SHOWN_AT`, models within level, mean over shared languages."""
        return self._shown()[1].ravel()

    @property
    def cov(self) -> Floats:
        """Covariance of `params`."""
        return self._shown()[2]

    def conf_int(self, conf_level: float = 0.95) -> Floats:
        """Limits of `params`, on the logit scale, shape (k, 2)."""
        return self.tidy(conf_level)[["conf_low", "conf_high"]].to_numpy(dtype=float)

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Profile at a few source accuracies, mean over shared languages, per model."""
        models, values, cov = self._shown()
        return tidy_frame(
            [f"T({level:g})" for level in SHOWN_AT for _ in models],
            values.ravel(),
            standard_errors(cov),
            conf_level=conf_level,
            method=self.method,
            scale="logit",
            identifiers={"model": list(models) * len(SHOWN_AT)},
        )

    def glance(self) -> pd.DataFrame:
        """One row: numbers of models, benchmarks, languages, items, trials."""
        trials = np.concatenate([fit.counts.source_trials.ravel() for fit in self.fits])
        return pd.DataFrame(
            {
                "method": [self.method],
                "n_models": [len({m for fit in self.fits for m in fit.counts.models})],
                "n_benchmarks": [len(self.fits)],
                "n_languages": [len({x for fit in self.fits for x in fit.counts.languages})],
                "n_items": [sum(fit.counts.items.size for fit in self.fits)],
                "n_clusters": [sum(int(fit.counts.clusters.max()) + 1 for fit in self.fits)],
                "median_trials": [float(np.median(trials[trials > 0]))],
            }
        )


def _mean_se(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else np.nan


def cells_frame(fit: BenchmarkFit, estimate: Floats) -> pd.DataFrame:
    """Estimates (M, L) as rows, without the languages that a model was never asked in."""
    m, place = np.nonzero(~np.isnan(estimate))
    return pd.DataFrame(
        {
            "model": np.array(fit.counts.models)[m],
            "benchmark": fit.counts.benchmark,
            "language": np.array(fit.counts.languages)[place],
            "estimate": estimate[m, place],
        }
    )


def _score_block(fit: BenchmarkFit, reference: str | ArrayLike) -> ScoreBlock:
    estimate, influence, weights = fit.scores(reference)
    there = ~np.isnan(estimate)
    mean, source_influence = fit.source_influence()
    both = np.concatenate([influence[:, there], source_influence], axis=1)
    sums = cluster_sums(both, fit.counts.clusters)
    cov = covariance_of_sums(sums)
    # Mean over each model's languages, on this benchmark alone.
    averages = np.where(there, 1.0, 0.0) / there.sum(axis=1, keepdims=True)
    spread = np.zeros((len(fit.models), int(there.sum())))
    owner, _ = np.nonzero(there)
    spread[owner, np.arange(owner.size)] = averages[there]
    errors = standard_errors(spread @ cov[: owner.size, : owner.size] @ spread.T)
    return ScoreBlock(
        cells_frame(fit, estimate),
        pd.DataFrame({"model": fit.counts.models, "estimate": mean}),
        cov,
        fit.overlap(weights, errors, smooth=reference_name(reference) != "own"),
        sums[:, : owner.size],
    )
