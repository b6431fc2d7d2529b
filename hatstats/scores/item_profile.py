"""Item-level transfer profiles: learnt from items within each model, whatever the estimator."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.errors import DegenerateDataWarning, NotIdentifiedError
from hatstats.inference.arrays import Bools, Floats
from hatstats.inference.error_rows import ErrorRows, covariance_root
from hatstats.inference.influence import cluster_sums, second_unit_part
from hatstats.inference.intervals import logit_interval
from hatstats.inference.progress import Progress
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.tidy import standard_errors, tidy_frame
from hatstats.scores.averages import ModelScores, ScoreBlock, assemble
from hatstats.scores.benchmark_fit import BenchmarkFit, CellScores
from hatstats.scores.cell_weights import cell_weights
from hatstats.scores.counts import ItemCounts, without_each_wording
from hatstats.scores.reference import reference_name, settled
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.scores.wordings import LEAST_TRIALS, LIKE_THESE, THESE, Scope
from hatstats.study import Study

#: Source accuracies at which the tidy table of an item-level profile shows it.
SHOWN_AT = (0.1, 0.3, 0.5, 0.7, 0.9)
# Fewer wordings than this have too few degrees of freedom for Satterthwaite's approximation.
_FEW_WORDINGS = 5
# The test of fit finds two humps of hardness, or four levels, in 3 to 29 of 100 studies of 250
# items with three or ten trials.
_FEW_TRIALS = 15
# Bins of source accuracy in which the reference distribution is shown.
_DENSITY_BINS = 20


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ItemProfile(TransferProfile):
    """Transfer profiles learnt from items within each model.

    One fit per benchmark; `options` are those of the method, as they were given; `reason` says why
    this method was chosen, empty where the caller chose it, and who is not scored; `refit` fits
    other counts of a benchmark in the same way; `guessing` names models that only guess.
    """

    study: Study
    method: str
    fits: tuple[BenchmarkFit, ...]
    options: object | None = None
    reason: str = ""
    refit: Callable[[ItemCounts], BenchmarkFit] | None = None
    guessing: tuple[str, ...] = ()

    @property
    def rejected(self) -> bool:
        """Whether some benchmark's fits do not agree with their counts."""
        return any(check.rejected for fit in self.fits for check in fit.checks)

    @property
    def estimand(self) -> str:
        """What HAT is under this estimator, in one sentence."""
        given = "chance of a right answer in the source language"
        if self.method == "observed":
            given = "observed share of right answers in the source language"
        elif self.method == "panel":
            trials = any(part.effective_trials.max() >= LEAST_TRIALS for part in self.counts)
            given += " as the answers of the other models of this panel to the item"
            given += " and its own trials give it" if trials else " give it"
        elif any(fit.together or fit.counts.source_trials.max() < 2 for fit in self.fits):
            # One trial: what an item owes to its source language alone looks like noise.
            over = "models and languages" if any(fit.together for fit in self.fits) else "languages"
            given = (
                f"chance of a right answer in the source language as its common hardness over "
                f"{over} gives it (one trial per item)"
            )
        return (
            (
                f"HAT: expected accuracy in the target languages given an item's {given}, averaged "
                "over a reference distribution that is the same for all models; equal weights for "
                f"languages, then for benchmarks. {self.reason}"
            ).strip()
            + self._guessing_part()
            + self.assumption
        )

    def _guessing_part(self) -> str:
        """How a score divides into knowing and guessing, where guesses are in the model."""
        found = [
            part for part in self.counts if self.method in ("joint", "panel") and part.chance > 0
        ]
        return "".join(
            f" Guessing is in the model: of a score S on {part.benchmark}, "
            f"(S - {part.chance:.3g}) / {1.0 - part.chance:.3g} is known, the rest guessed."
            for part in found
        )

    @property
    def assumption(self) -> str:
        """What a latent fit takes for granted, since few trials cannot show it."""
        few = [
            f" Intervals take hardness to be smooth: with about {found:.2g} effective trials of an "
            f"item of {part.benchmark} two clusters of it, or a few levels, would seldom show."
            for part in self.counts
            if self.method == "latent" and (found := np.median(part.effective_trials)) < _FEW_TRIALS
        ]
        return "".join(few)

    def _scores(
        self,
        reference: str | ArrayLike,
        chosen: Sequence[str] | None,
        scope: Scope,
        progress: Progress,
    ) -> HatScores:
        blocks = []
        for number, fit in enumerate(self.fits):
            refits = None
            if scope == LIKE_THESE:
                share = number / len(self.fits), (number + 1) / len(self.fits)
                refits = self.fits_without_each_wording(fit.counts, progress, share)
            blocks.append(_score_block(fit, reference, chosen, refits))
        return assemble(self, reference, blocks, chosen, scope)

    def fits_without_each_wording(
        self, counts: ItemCounts, progress: Progress, share: tuple[float, float]
    ) -> Iterator[tuple[str, BenchmarkFit]]:
        """Fits of a benchmark without each of its wordings, by name, made as the profile was."""
        assert self.refit is not None
        parts = list(without_each_wording(self.study, counts))
        if len(parts) < _FEW_WORDINGS:
            warnings.warn(
                f"benchmark {counts.benchmark!r}: {len(parts)} wordings say little of how wordings "
                f"differ; with fewer than {_FEW_WORDINGS}, intervals for {LIKE_THESE!r} are too "
                "short (in simulations 95 % intervals held the truth in about .8 of them with 2, "
                ".9 with 3)",
                DegenerateDataWarning,
                stacklevel=2,
            )
        for number, (name, part) in enumerate(parts):
            progress(
                f"without wording {name}", share[0] + number / len(parts) * (share[1] - share[0])
            )
            try:
                # The whole fit has said what the data do not hold.
                with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
                    fit = replace(self.refit(part), checks=())
            except NotIdentifiedError as error:
                raise NotIdentifiedError(
                    f"scope {LIKE_THESE!r} fits the profile without each wording, and without "
                    f"{name!r} it cannot be fitted: {error}"
                ) from error
            yield name, fit
        progress("scores", share[1])

    @property
    def counts(self) -> tuple[ItemCounts, ...]:
        """Data of each benchmark."""
        return tuple(fit.counts for fit in self.fits)

    def _points(self) -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = []
        for part in self.counts:
            source, target = part.source_accuracy(), part.target_accuracy()
            used = ~np.isnan(target) & ~np.isnan(source)[:, :, None]
            for m, column in zip(*np.nonzero(used.any(axis=1)), strict=True):
                x, y = (values[used[m, :, column]] for values in (source[m], target[m, :, column]))
                names = (part.models[m], part.benchmark, part.languages[column])
                rows.append((*names, x.mean(), y.mean(), _mean_se(x), _mean_se(y)))
        return rows

    def curve(self) -> pd.DataFrame:
        """Fitted profiles: `model, benchmark, language, source, target` on the support."""
        parts, names = [], ["model", "benchmark", "language", "source"]
        for fit in self.fits:
            counts, target = fit.counts, fit.profiles
            levels = [counts.models, [counts.benchmark], counts.languages, fit.support]
            share = np.broadcast_to(fit.distributions[:, None], target.shape)
            rows = pd.MultiIndex.from_product(levels, names=names).to_frame(index=False)
            parts.append(rows.assign(target=target.ravel(), share=share.ravel()))
        return ResultFrame(pd.concat(parts, ignore_index=True))

    def bands(self, conf_level: float = 0.95, *, n_levels: int = 21) -> pd.DataFrame:
        """Profiles with pointwise limits, mean over shared languages and benchmarks.

        Returns
        -------
        DataFrame
            `model, source, target, conf_low, conf_high, conf_level`, at `n_levels` source
            accuracies from 0 to 1, which lie closer towards both ends.
        """
        # Closer together towards both ends, where profiles bend.
        levels = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, n_levels))
        shown = self._shown(levels)
        errors = standard_errors(shown.covariance)
        limits = logit_interval(shown.estimates, errors, np.inf, conf_level)
        return ResultFrame(
            {
                "model": list(shown.models) * n_levels,
                "source": np.repeat(levels, len(shown.models)),
                "target": shown.estimates,
                "conf_low": limits[:, 0],
                "conf_high": limits[:, 1],
                "conf_level": conf_level,
            }
        )

    def density(self, reference: str | ArrayLike | None = None) -> pd.DataFrame:
        """The reference distribution over source accuracy, mean over models and benchmarks.

        Returns
        -------
        DataFrame
            `source, density, reference`; the density integrates to 1.
        """
        chosen = settled(reference, self.study)
        edges = np.linspace(0.0, 1.0, _DENSITY_BINS + 1)
        shares = [
            np.histogram(fit.support, edges, weights=fit.reference_weights(chosen).mean(axis=0))[0]
            for fit in self.fits
        ]
        density = np.mean(shares, axis=0) * _DENSITY_BINS
        middle = 0.5 * (edges[1:] + edges[:-1])
        name = reference_name(chosen)
        return ResultFrame({"source": middle, "density": density, "reference": name})

    def _shown(self, levels: Sequence[float] | Floats = SHOWN_AT) -> ModelScores:
        """Profile at some source accuracies, models within level, mean over shared languages."""
        found = [score_influence(self, [level]) for level in levels]
        influence = zip(*(scores.influence for scores in found), strict=True)
        return ModelScores(
            self.complete_models,
            np.concatenate([scores.estimates for scores in found]),
            tuple(np.concatenate(psi, axis=1) for psi in influence),
            _beside([scores.spread for scores in found]),
        )

    @property
    def labels(self) -> pd.Index:
        """Source accuracies of the profile and models, as in `tidy`."""
        terms = [f"T({level:g})" for level in SHOWN_AT]
        return pd.MultiIndex.from_product([terms, self.complete_models], names=["term", "model"])

    @property
    def estimates(self) -> Floats:
        """Profile at `SHOWN_AT`, models within level, mean over shared languages."""
        return self._shown().estimates

    @property
    def covariance(self) -> Floats:
        """Covariance of `estimates`."""
        return self._shown().covariance

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Profile at a few source accuracies, mean over shared languages, per model."""
        shown = self._shown()
        return tidy_frame(
            [f"T({level:g})" for level in SHOWN_AT for _ in shown.models],
            shown.estimates,
            standard_errors(shown.covariance),
            conf_level=conf_level,
            method=self.method,
            scale="logit",
            identifiers={"model": list(shown.models) * len(SHOWN_AT)},
        )

    def glance(self) -> pd.DataFrame:
        """One row: numbers of models, benchmarks, languages, items, trials."""
        trials = np.concatenate([fit.counts.source_trials.ravel() for fit in self.fits])
        facts = self._sizes() | {
            "n_items": sum(part.items.size for part in self.counts),
            "n_clusters": sum(int(part.clusters.max()) + 1 for part in self.counts),
            "median_trials": float(np.median(trials[trials > 0])),
        }
        return ResultFrame([facts])


def _beside(spreads: list[Floats | None]) -> Floats | None:
    """Rows of several sets of scores side by side; None where there are none."""
    known = [each for each in spreads if each is not None]
    return np.concatenate(known, axis=1) if known else None


def _mean_se(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else np.nan


def _score_block(
    fit: BenchmarkFit,
    reference: str | ArrayLike,
    chosen: Sequence[str] | None,
    refits: Iterator[tuple[str, BenchmarkFit]] | None = None,
) -> ScoreBlock:
    """Cells, source accuracies and overlap of one benchmark in the chosen languages."""
    columns = np.array([chosen is None or name in chosen for name in fit.counts.languages])
    scores = fit.scores(reference)
    estimate = np.where(columns, scores.estimate, np.nan)
    asked = ~np.isnan(estimate)
    values, sums = _values(fit, scores, asked)
    cells, count = int(asked.sum()), len(fit.models)
    spread, moves = scores.weighted_spread(asked, np.eye(cells)), None
    rows = np.pad(spread, ((0, 0), (0, len(values) - cells)))
    if refits is not None:
        part, moves = second_unit_part(
            _known(name, asked, other, _values(other, other.scores(reference), asked))
            for name, other in refits
        )
        rows = np.concatenate([rows, covariance_root(part)])
    errors = ErrorRows(sums, rows if len(rows) else None, moves)
    # Mean over each model's languages, on this benchmark alone.
    model = np.nonzero(asked)[0]
    share = 1.0 / np.maximum(asked.sum(axis=1, keepdims=True), 1)
    averages = (np.arange(count)[:, None] == model) * share
    own = errors.some(slice(cells)).of_sums(averages).variance
    smooth = reference_name(reference) != "own"
    return ScoreBlock(
        fit.cells(estimate),
        pd.DataFrame({"model": fit.counts.models, "estimate": values[cells : cells + count]}),
        errors,
        fit.overlap(fit.reference_weights(reference), np.sqrt(own), columns, smooth=smooth),
        values[cells + count :],
    )


def _values(fit: BenchmarkFit, scores: CellScores, asked: Bools) -> tuple[Floats, Floats]:
    """Cells asked, source and raw target accuracies, (K,), with influence by cluster, (G, K)."""
    mean, source_influence = fit.source_influence()
    raw = fit.scores("own")
    parts = [scores.influence[:, asked], source_influence, raw.influence[:, asked]]
    values = np.concatenate([scores.estimate[asked], mean, raw.estimate[asked]])
    return values, cluster_sums(np.concatenate(parts, axis=1), fit.counts.clusters)


def _known(
    name: str, asked: Bools, fit: BenchmarkFit, found: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Values without the wording `name`, all of which must be known."""
    rows = np.concatenate([np.nonzero(asked)[0], np.arange(len(fit.models))])
    unknown = np.flatnonzero(np.isnan(found[0][: rows.size]))
    if unknown.size:
        model = fit.counts.models[rows[unknown[0]]]
        raise NotIdentifiedError(
            f"scope {LIKE_THESE!r} compares wordings, and {model!r} was asked in no other than "
            f"{name!r} in some language of benchmark {fit.counts.benchmark!r}. What is missing: a "
            f"second wording there; or take scope {THESE!r}."
        )
    return found


def require_items(profile: TransferProfile, purpose: str) -> ItemProfile:
    """The profile itself if it was learnt from items, else an error that says what is missing."""
    if not isinstance(profile, ItemProfile):
        raise NotIdentifiedError(
            f"{purpose} needs counts per item, and a profile by method {profile.method!r} rests on "
            "accuracies per language. What is missing: a study with items, and method 'latent' or "
            "'observed'."
        )
    return profile


def average_cells(
    profile: ItemProfile, parts: Sequence[CellScores], *, fits: Sequence[BenchmarkFit] | None = None
) -> ModelScores:
    """Average cells over shared languages, then benchmarks, as HAT does, with influence.

    One part per benchmark of `fits`, all of the profile's if not given.
    """
    chosen = profile.fits if fits is None else fits
    models = profile.complete_models
    cells = [fit.cells(part.estimate) for fit, part in zip(chosen, parts, strict=True)]
    estimates, influence, spread = np.zeros(len(models)), [], []
    for fit, part, rows, own in zip(chosen, parts, cells, cell_weights(cells, models), strict=True):
        estimates += own @ rows["estimate"].to_numpy(dtype=float)
        psi = part.influence[:, ~np.isnan(part.estimate)] @ own.T
        influence.append(cluster_sums(psi, fit.counts.clusters))
        spread.append(part.weighted_spread(~np.isnan(part.estimate), own))
    errors = np.concatenate(spread)
    return ModelScores(models, estimates, tuple(influence), errors if len(errors) else None)


def score_influence(profile: ItemProfile, reference: str | ArrayLike | None = None) -> ModelScores:
    """HAT scores as ``profile.hat(reference)`` gives them, with the influence of every cluster."""
    chosen = settled(reference, profile.study)
    return average_cells(profile, [fit.scores(chosen) for fit in profile.fits])
