"""A posterior and the draws of all that is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hatstats.bayes.cell_model import CellModel
from hatstats.bayes.count_model import CountModel
from hatstats.bayes.datatree import made_by
from hatstats.bayes.draws import posterior_frame
from hatstats.bayes.scores import Interval, PosteriorScores
from hatstats.bayes.trend_design import TrendDesign
from hatstats.scores.averages import common_languages
from hatstats.scores.reference import reference_name
from hatstats.study import Study

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """One joint posterior over models, benchmarks and languages.

    Attributes
    ----------
    study : Study
    model : CellModel or CountModel
        The density that was sampled.
    design : TrendDesign
    idata : DataTree
        Groups `posterior`, `prior`, `posterior_predictive`, `log_likelihood`, `sample_stats`,
        `observed_data`, `constant_data`; dimensions `model, benchmark, language, family`.
    """

    study: Study
    model: CellModel | CountModel
    design: TrendDesign
    idata: Any

    @property
    def level(self) -> str:
        """Rung: ``cells``, ``counts`` or ``items``."""
        return str(made_by(self.idata)["level"])

    @property
    def method(self) -> str:
        """How the posterior was made, for tables."""
        return self.model.method

    @property
    def estimand(self) -> str:
        """What HAT is here, in one sentence."""
        return (
            "HAT: expected accuracy in the target languages at a reference distribution of source "
            "accuracy that is the same for all models; equal weights for languages, then for "
            "benchmarks. Posterior mean and equal-tailed interval."
        )

    def draws(self, name: str, group: str = "posterior") -> Floats:
        """Draws of a variable, (chains, draws, ...)."""
        return np.asarray(self.idata[group][name].values, dtype=float)

    def _flat(self, group: str = "posterior") -> dict[str, Floats]:
        """All variables of a group with chains and draws as one dimension."""
        data = self.idata[group]
        return {
            str(name): np.asarray(array.values, dtype=float).reshape(-1, *array.shape[2:])
            for name, array in data.data_vars.items()
        }

    def hat(self, reference: str | ArrayLike | None = None) -> PosteriorScores:
        """Posterior of HAT scores, the reference computed anew in each draw.

        Parameters
        ----------
        reference : str or array_like, optional
            See `hatstats.scores.reference.reference_mixture`; that of the cells if not given. Cells
            of items that were estimated under one reference have no other.

        Returns
        -------
        PosteriorScores
            Of the models that have every benchmark.

        Raises
        ------
        DataError
            For an unknown reference, or another one than that of the cells.
        """
        chosen: str | ArrayLike = self.model.options.reference if reference is None else reference
        if isinstance(chosen, str) and chosen == self.model.options.reference:
            cells = self.draws("hat")
        else:
            flat = self.model.hat_cells(self._flat(), chosen)
            lead = self.draws("source").shape[:2]
            cells = flat.reshape(*lead, *flat.shape[1:])
        return self._scores(cells, reference_name(chosen))

    def _scores(self, cells: Floats, reference: str) -> PosteriorScores:
        names = self.model.names
        table = self._cell_table()
        shared = common_languages(table)
        models = [
            name for name in names.models if all(name in u.models for u in self.model.effects.units)
        ]
        scores = np.zeros((*cells.shape[:2], len(models)))
        rows = [names.models.index(name) for name in models]
        for b, benchmark in enumerate(names.benchmarks):
            columns = [names.languages.index(name) for name in shared[benchmark]]
            scores += cells[:, :, rows, b][..., columns].mean(axis=-1) / len(names.benchmarks)
        at = (
            [names.models.index(name) for name in table["model"]],
            [names.benchmarks.index(name) for name in table["benchmark"]],
            [names.languages.index(name) for name in table["language"]],
        )
        return PosteriorScores(
            tuple(models),
            scores,
            table,
            cells[:, :, *at],
            reference,
            self.method,
            self.estimand,
        )

    def _cell_table(self) -> pd.DataFrame:
        """Cells that have a score: those seen; of a benchmark without items, all."""
        rows = []
        for unit in self.model.effects.units:
            pairs = (
                zip(unit.cell_model, unit.cell_language, strict=True)
                if unit.by_item
                else ((m, at) for m in range(len(unit.models)) for at in range(len(unit.languages)))
            )
            rows += [(unit.models[m], unit.benchmark, unit.languages[at]) for m, at in pairs]
        return pd.DataFrame(rows, columns=["model", "benchmark", "language"])

    @property
    def params(self) -> Floats:
        """Posterior means of the HAT scores, shape (M,)."""
        return self.hat().params

    @property
    def cov(self) -> Floats:
        """Posterior covariance of the HAT scores, shape (M, M)."""
        return self.hat().cov

    def conf_int(self, conf_level: float = 0.95, *, interval: Interval = "eti") -> Floats:
        """Limits of the HAT scores, shape (M, 2)."""
        return self.hat().conf_int(conf_level, interval=interval)

    def trend_draws(self) -> dict[str, Floats]:
        """Slopes in logits per unit of each covariate: ``source`` and ``transfer``, (..., k)."""
        if not self.design.terms:
            return {}
        return {
            side: self.draws(f"{side}_trend") / self.design.scale for side in ("source", "transfer")
        }

    def tidy(self, conf_level: float = 0.95, *, interval: Interval = "eti") -> pd.DataFrame:
        """Trend terms, slopes and standard deviations in the tidy schema, in logits."""
        terms, columns = list[str](), list[Floats]()
        for side, values in self.trend_draws().items():
            terms += [f"{side}: {term}" for term in self.design.terms]
            columns += list(np.moveaxis(values, -1, 0))
        if "line" in self.idata["posterior"]:
            lines = self.draws("line")
            for b, name in enumerate(self.model.names.benchmarks):
                if np.isfinite(lines[..., b]).all():
                    terms.append(f"line[{name}]")
                    columns.append(lines[..., b])
        for parameter in self.model.density.parameters:
            if not parameter.levels:
                terms.append(parameter.name)
                columns.append(self.draws(parameter.name))
        return posterior_frame(
            terms,
            np.stack(columns, axis=-1),
            conf_level=conf_level,
            interval=interval,
            method=self.method,
        )

    def glance(self) -> pd.DataFrame:
        """One row of facts about the fit."""
        names, made = self.model.names, made_by(self.idata)
        stats = self.idata["sample_stats"]
        return pd.DataFrame(
            {
                "level": [made["level"]],
                "method": [self.method],
                "trend": [made["trend"] or ""],
                "n_models": [len(names.models)],
                "n_benchmarks": [len(names.benchmarks)],
                "n_languages": [len(names.languages)],
                "n_families": [len(names.families)],
                "n_cells": [sum(unit.cell_model.size for unit in self.model.effects.units)],
                "n_chains": [int(stats.sizes["chain"])],
                "n_draws": [int(stats.sizes["draw"])],
                # Chains that follow no trajectory cannot diverge.
                "n_divergences": [
                    float(stats["diverging"].values.sum()) if "diverging" in stats else np.nan
                ],
                "seconds": [float(made["seconds"])],
            }
        )

    def cell_level(self) -> Floats:
        """Transfer logits that the effects alone predict, (D, models, benchmarks, languages)."""
        values, names = self._flat(), self.model.names
        shape = values["transfer"].shape
        level = np.zeros(shape) + values["transfer_mean"][:, None, :, None]
        trend = self.design.matrix
        if self.design.terms:
            level = level + np.einsum("mk,dk->dm", trend, values["transfer_trend"])[..., None, None]
            if self.design.offset_names:
                moved = np.einsum("mo,do->dm", self.design.offsets, values["transfer_undisclosed"])
                level = level + moved[..., None, None]
        if "unknown" in values:
            for place, (m, term) in enumerate(self.model.effects.unknown):
                moved = values["unknown"][:, place] * values["transfer_trend"][:, term]
                level[:, m] += moved[:, None, None]
        if "transfer_family" in values:
            of = [names.families.index(self._family(name)) for name in names.models]
            level = level + values["transfer_family"][:, of][..., None, None]
            if "transfer_family_language" in values:
                level = level + values["transfer_family_language"][:, of][:, :, None, :]
        level = level + values["transfer_model"][..., None, None]
        level = level + values["transfer_language"][:, None, None, :]
        if "transfer_benchmark" in values:
            level = level + values["transfer_benchmark"][..., None]
        if "transfer_language_benchmark" in values:
            level = level + values["transfer_language_benchmark"].swapaxes(1, 2)[:, None]
        return np.asarray(level)

    def _family(self, model: str) -> str:
        return self.model.families.get(model) or f"({model})"

    def expected(self, row: Floats) -> tuple[Floats, Floats]:
        """Source accuracy and HAT of a typical model with covariates `row` (k,), each (D,).

        Typical: effects of family and model 0. Means over languages and benchmarks, for HAT also
        over the reference: the models' source logits of the same draw.
        """
        values, names = self._flat(), self.model.names
        source, transfer = np.zeros(len(values["source"])), np.zeros(len(values["source"]))
        for b in range(len(names.benchmarks)):
            _, languages = self.model.places(b)
            eta = values["source_mean"][:, b]
            level = values["transfer_mean"][:, b]
            if self.design.terms:
                eta = eta + values["source_trend"] @ row
                level = level + values["transfer_trend"] @ row
            by_language = level[:, None] + values["transfer_language"][:, languages]
            if "transfer_language_benchmark" in values:
                by_language = by_language + values["transfer_language_benchmark"][:, languages, b]
            right, hat = self.model.typical(values, b, eta, by_language)
            source, transfer = source + right, transfer + hat
        count = len(names.benchmarks)
        return source / count, transfer / count
