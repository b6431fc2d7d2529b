"""HAT from accuracies per model and language, without items.

The slope of target on source logits is estimated *between* models
(`hatstats.estimators.aggregate.panel_regression`), so that a model's score is its excess over this
panel's line: effective robustness, which is relative to the panel. HAT moves each model along its
own line of that slope to the reference source accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from hatstats.errors import DataError, FitError, NotIdentifiedError
from hatstats.estimators.aggregate.line_adjustment import line_scores
from hatstats.estimators.aggregate.panel_regression import Logits, Panel, fit_panel, to_logits
from hatstats.inference.arrays import Floats
from hatstats.inference.progress import Progress, shown_if_slow
from hatstats.inference.reml.nested_regression import Design, nested_rows
from hatstats.inference.result_frame import ResultFrame
from hatstats.inference.tidy import tidy_frame
from hatstats.scores.averages import ScoreBlock, assemble
from hatstats.scores.counts import AggregateCounts, aggregate_counts
from hatstats.scores.given import OVERLAP_COLUMNS
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.scores.wordings import LIKE_THESE, THESE, Scope
from hatstats.study import Study

#: Mean reliability of source logits (variance over models over that with sampling errors) below
#: which no slope is estimated.
LEAST_RELIABILITY = 0.7
#: Why a benchmark among several is left out.
FLAT = "where the models' source accuracies differ by no more than their sampling errors"
#: P value of the bends below which a smooth path takes the place of the line. Scatter of models
#: hides curves, along which a line has intervals that are too short; a needless path has slightly
#: wider ones.
CURVED = 0.4
#: P value below which the relation is said to be curved; a path needs it where source logits are
#: less reliable than `BENDS_RELIABILITY`, as near the ceiling: bends then follow sampling errors.
SURELY_CURVED = 0.01
BENDS_RELIABILITY = 0.9


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AggregateProfile(TransferProfile):
    """Errors-in-variables line of target on source accuracy over models.

    `parts` are the chance-corrected accuracies of each benchmark, `panel` the fitted regression,
    and `correlation` the stated correlation of two models' accuracies on the same items. `p_curved`
    is the p value of the bends of a smooth path beside the line (see `source_curve`), NaN with few
    models or a slope that is held fixed; below `CURVED` the path is used in place of the line, and
    with unreliable source logits below `SURELY_CURVED`.
    `note` says so, or that source accuracies are too much alike for a slope, which is then held at
    1: near the ceiling estimated slopes can be anything. A benchmark among several whose source
    accuracies differ by no more than their sampling errors is none of the `parts`.
    """

    study: Study
    method: str
    parts: tuple[Logits, ...]
    panel: Panel
    correlation: float = 0.0
    p_curved: float = float("nan")
    note: str = ""

    @property
    def curved(self) -> bool:
        """Whether the path of target on source logits is bent."""
        return self.panel.n_path > self.panel.n_slopes > 0

    @property
    def left_out(self) -> tuple[str, ...]:
        """Benchmarks of the study whose source accuracies say nothing of their models."""
        kept = {counts.benchmark for counts in self.counts}
        return tuple(name for name in self.study.benchmark_names if name not in kept)

    @property
    def estimand(self) -> str:
        """What HAT is under this estimator, in one sentence."""
        return (
            "HAT: a model's expected target accuracy, had its source accuracy been the "
            f"reference's, along a {'smooth path' if self.curved else 'line'} on the "
            "chance-corrected logit scale that is estimated between these models; so a score is "
            f"excess over this panel's {'path' if self.curved else 'line'}. "
            f"Equal weights for languages, then for benchmarks.{self.note and ' '}{self.note}"
        )

    @property
    def labels(self) -> pd.Index:
        """Terms of the panel regression."""
        return pd.Index(self.panel.terms, name="term")

    @property
    def estimates(self) -> Floats:
        """Coefficients of the panel regression, shape (k,)."""
        return self.panel.fit.params

    @property
    def covariance(self) -> Floats:
        """Their model-based covariance, shape (k, k)."""
        return self.panel.fit.cov

    @property
    def counts(self) -> tuple[AggregateCounts, ...]:
        """Data of each benchmark."""
        return tuple(logits.counts for logits in self.parts)

    @property
    def weakly_identified(self) -> tuple[str, ...]:
        """Models near chance or the ceiling, or with few trials, on some benchmark."""
        names = {
            name
            for logits in self.parts
            for name, low in zip(logits.counts.models, logits.weakly_identified, strict=True)
            if low
        }
        return tuple(name for name in self.study.model_names if name in names)

    def _scores(
        self,
        reference: str | ArrayLike,
        chosen: Sequence[str] | None,
        scope: Scope,
        progress: Progress,
    ) -> HatScores:
        """Scores along each model's line of the panel's slope.

        ``H_ml = mean_G [c + (1 - c) expit(z_ml + beta (eta_G - z_m))]``, z_m and z_ml the model's
        source and target logits; the covariance is the delta method's through z, beta and, for
        ``pooled`` and ``model:NAME``, the reference logits. A missing cell is predicted from the
        model's other languages, and its uncertainty includes the spread of cells.
        """
        if scope == LIKE_THESE:
            raise NotIdentifiedError(
                f"scope {scope!r} compares wordings item by item, and method 'aggregate' has "
                "accuracies alone. What is missing: counts per item with the wording of every "
                f"trial, named in the column prompt; or take scope {THESE!r}."
            )
        blocks = [self._block(b, reference, chosen, progress) for b in range(len(self.parts))]
        progress("scores", 1.0)
        return assemble(self, reference, blocks, chosen)

    def _block(
        self,
        b: int,
        reference: str | ArrayLike,
        chosen: Sequence[str] | None,
        progress: Progress,
    ) -> ScoreBlock:
        """Cells and source accuracies of benchmark `b` in the chosen languages."""
        logits = self.parts[b]
        estimate, errors = line_scores(
            logits,
            self.panel,
            b,
            reference,
            self.correlation,
            lambda share: progress(f"scores on {logits.counts.benchmark}", share),
        )
        names, languages = logits.counts.models, logits.counts.languages
        cells = pd.DataFrame(
            {
                "model": np.repeat(names, len(languages)),
                "benchmark": logits.counts.benchmark,
                "language": np.tile(languages, len(names)),
                "estimate": estimate.ravel(),
            }
        )
        source = pd.DataFrame({"model": names, "estimate": logits.counts.source_accuracy})
        if chosen is not None:
            used = cells["language"].isin(chosen).to_numpy()
            rows = np.flatnonzero(np.concatenate([used, np.ones(len(names), dtype=bool)]))
            cells, errors = cells[used].reset_index(drop=True), errors.some(rows)
        return ScoreBlock(cells, source, errors, self._overlap(logits))

    def _overlap(self, logits: Logits) -> pd.DataFrame:
        """Which models are weakly identified, and why; the other columns need items."""
        counts = logits.counts
        notes = [""] * len(counts.models)
        for m in np.flatnonzero(logits.weakly_identified):
            p, chance = counts.source_accuracy[m], counts.chance
            above = (p - chance) / (1.0 - chance)
            reason = "known from few trials"
            if above < 0.1:
                reason = f"near chance ({chance:.2f})"
            elif above > 0.9:
                reason = "near the ceiling"
            notes[m] = (
                f"{counts.models[m]} is weakly identified on {counts.benchmark}: its source "
                f"accuracy, {p:.3f}, is {reason}."
            )
        found = {"model": counts.models, "benchmark": counts.benchmark, "note": notes}
        table = ResultFrame({**found, "informed": ~logits.weakly_identified})
        return table.reindex(columns=OVERLAP_COLUMNS)

    def _points(self) -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = []
        for logits in self.counts:
            for m, column in zip(*np.nonzero(logits.target_trials > 0), strict=True):
                source, target = logits.source_accuracy[m], logits.target_accuracy[m, column]
                trials = logits.source_trials[m], logits.target_trials[m, column]
                names = (logits.models[m], logits.benchmark, logits.languages[column])
                errors = map(_binomial_se, (source, target), trials)
                rows.append((*names, source, target, *errors))
        return rows

    def curve(self) -> pd.DataFrame:
        """The panel's line per benchmark and language, over the source accuracies seen."""
        parts = []
        for b, logits in enumerate(self.parts):
            x = np.linspace(logits.source.min(), logits.source.max(), 60)
            counts, chance = logits.counts, logits.counts.chance
            intercepts = self.panel.intercepts(b, len(counts.languages))
            line = intercepts[:, None] + self.panel.path(b, x)
            source, target = (chance + (1.0 - chance) * special.expit(z) for z in (x, line))
            levels = [[counts.benchmark], counts.languages, source]
            names = pd.MultiIndex.from_product(levels, names=["benchmark", "language", "source"])
            parts.append(names.to_frame(index=False).assign(target=target.ravel()))
        return ResultFrame(pd.concat(parts, ignore_index=True))

    def slope_sensitivity(self, reference: str | ArrayLike = "pooled") -> pd.DataFrame:
        """HAT as it is beside HAT with the slope of source logits held at 1.

        The slope is estimated between models, and takes up whatever part of transfer grows with
        source ability; 1 is a shift of logits, which takes up nothing.

        Returns
        -------
        DataFrame
            `model, estimate, slope_one, difference`.
        """
        held = fit_aggregate(self.study, slope=1.0, correlation=self.correlation).hat(reference)
        table = self.hat(reference).tidy()[["model", "estimate"]]
        other = dict(zip(held.models, held.estimates, strict=True))
        table["slope_one"] = [other[name] for name in table["model"]]
        return ResultFrame(table.assign(difference=table["estimate"] - table["slope_one"]))

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Intercepts and slopes on the chance-corrected logit scale, model-based errors."""
        return tidy_frame(
            self.panel.terms,
            self.estimates,
            self.std_errors,
            conf_level=conf_level,
            method="aggregate, REML",
        )

    def glance(self) -> pd.DataFrame:
        """One row: sizes, slope, variance components (logit squared), restricted likelihood."""
        slopes = self.panel.slopes()
        facts = self._sizes() | {
            "n_cells": self.panel.fit.y.size,
            "slope": float(slopes.mean()),
            "slope_fixed": self.panel.slope is not None,
            "curved": self.curved,
            "p_curved": self.p_curved,
        }
        facts |= {f"variance_{name}": value for name, value in self.panel.components.items()}
        facts |= {
            "log_likelihood": self.panel.fit.loglik,
            "n_weakly_identified": len(self.weakly_identified),
        }
        return ResultFrame([facts])


def _binomial_se(share: float, trials: float) -> float:
    return float(np.sqrt(share * (1.0 - share) / trials))


def fit_aggregate(
    study: Study,
    *,
    slope: float | None = None,
    correlation: float = 0.0,
    progress: Progress | None = None,
) -> AggregateProfile:
    """Fit the aggregate profile of a study; item-level rows are added up over items.

    A `slope` of target on source logits that is given is held fixed. `correlation`, in [0, 1), is
    that of two models' accuracies on the same items, which a table of means does not identify.
    `progress` is called as for `fit_profile`.
    """
    tell = progress or shown_if_slow("fit_profile")
    if not 0.0 <= correlation < 1.0:
        text = "the correlation of two models on the same items must lie in [0, 1)"
        hint = "0 is the default, 0.3 and 0.6 show how much it matters."
        raise DataError(text, column="correlation", value=correlation, hint=hint)
    if slope is not None and not np.isfinite(slope):
        text = "a slope that is held fixed must be a finite number"
        hint = "1 is a shift of logits; leave it out to estimate it."
        raise DataError(text, column="slope", value=slope, hint=hint)
    parts = tuple(to_logits(aggregate_counts(study, name)) for name in study.benchmark_names)
    families = dict(zip(study.models["model"], study.models["family"], strict=True))
    reliability = np.array([_reliability(logits) for logits in parts])
    if slope is not None:
        panel = fit_panel(parts, family_of=families, slope=slope, progress=tell)
        tell("fitted", 1.0)
        return AggregateProfile(study, "aggregate", parts, panel, correlation)
    flat, note = reliability == 0.0, ""
    if flat.any() and not flat.all():
        names = ", ".join(parts[b].counts.benchmark for b in np.flatnonzero(flat))
        note = f"Left out: {names}, {FLAT}. "
        parts = tuple(parts[b] for b in np.flatnonzero(~flat))
        reliability = reliability[~flat]
    if reliability.min() < LEAST_RELIABILITY:
        name = parts[int(np.argmin(reliability))].counts.benchmark
        note += (
            f"The models' source accuracies on {name} differ by little more than their sampling "
            f"errors (reliability {reliability.min():.2f}), so that no slope is estimated: it is "
            "held at 1, a shift of logits."
        )
        panel = fit_panel(parts, family_of=families, slope=1.0, progress=tell)
        tell("fitted", 1.0)
        return AggregateProfile(study, "aggregate", parts, panel, correlation, note=note)
    panel = fit_panel(parts, family_of=families, progress=partial(_half, tell, 0.0))
    bent = _bent(parts, families, panel, partial(_half, tell, 0.5))
    tell("fitted", 1.0)
    p_curved = bent.bend_test()
    if p_curved < (CURVED if reliability.min() >= BENDS_RELIABILITY else SURELY_CURVED):
        panel = bent
        bends = "is curved" if p_curved < SURELY_CURVED else "may be curved"
        note += (
            f"The relation of target to source accuracy over the models {bends} (p = "
            f"{p_curved:.2g}), so that a smooth path takes the place of a line."
        )
    return AggregateProfile(study, "aggregate", parts, panel, correlation, p_curved, note)


def _reliability(logits: Logits) -> float:
    """Mean share of the variance of source logits that is not sampling error.

    1 for one or two models, which `fit_panel` refuses with a reason of its own.
    """
    count, variance = len(logits.source), logits.source_var
    if count < 3:
        return 1.0
    constant = Design(np.zeros(count, dtype=np.intp), np.zeros((count, 0)))
    fit = nested_rows(logits.source, constant, variance, [np.arange(count)]).fit()
    spread = float(fit.variance_components[0])
    return float(np.mean(spread / (spread + variance)))


def _half(tell: Progress, first: float, what: str, share: float) -> None:
    """Progress of one of two fits, the first from 0 and the second from 0.5."""
    tell(what, first + 0.5 * share)


def _bent(
    parts: Sequence[Logits], families: dict[str, str], panel: Panel, progress: Progress
) -> Panel:
    """The panel with bends beside its lines; as it is where its models do not identify them."""
    try:
        return fit_panel(parts, family_of=families, near=panel, bent=True, progress=progress)
    except (NotIdentifiedError, DataError, FitError):
        return panel
