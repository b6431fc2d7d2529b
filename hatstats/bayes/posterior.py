"""A posterior: draws of its variables, of HAT scores, trends and expectations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from hatstats.bayes.cell_model import CellModel
from hatstats.bayes.options import own_random_state
from hatstats.bayes.scores import Interval, LabelledDraws, PosteriorScores, posterior_frame
from hatstats.bayes.trend_design import TrendDesign
from hatstats.inference.arrays import Floats
from hatstats.inference.result_frame import ResultFrame
from hatstats.scores.cell_weights import common_languages, models_on_every
from hatstats.study import Study


def made_by(tree: Any) -> dict[str, Any]:
    """Arguments, fingerprint of the study and time of a fit, from its tree."""
    return dict(json.loads(tree.attrs["made_by"]))


@dataclass(frozen=True, eq=False)
class Posterior(LabelledDraws):
    """One joint posterior over models, benchmarks and languages.

    Attributes
    ----------
    study : Study
    cell_model : CellModel
        Cell estimates and the effects they share.
    design : TrendDesign
    idata : DataTree
        Groups `posterior`, `prior`, `posterior_predictive`, `log_likelihood`, `sample_stats`,
        `observed_data`, `constant_data`; dimensions `model, benchmark, language, family`.
    """

    study: Study
    cell_model: CellModel
    design: TrendDesign
    idata: Any

    @cached_property
    def model(self) -> Any:
        """The ``pymc.Model``: it can be printed, drawn, extended and sampled by ``pm.sample``."""
        with own_random_state():
            from hatstats.bayes.model import build_model

            return build_model(self.cell_model.marginal, self.cell_model.priors)

    @property
    def seed(self) -> int | None:
        """Seed that gives the same draws again; None where a generator was given."""
        seed: int | None = made_by(self.idata)["seed"]
        return seed

    @property
    def method(self) -> str:
        """How the posterior was made, for tables."""
        return self.cell_model.method

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

    def hat(self) -> PosteriorScores:
        """HAT of the models that have every benchmark: means over languages, then benchmarks.

        Under the reference of the cells (`CellOptions`), that of accuracies anew in each draw.
        """
        of_cells, table, cells = self.cell_model, self._cell_table(), self.draws("hat")
        units, languages = of_cells.effects.units, of_cells.languages
        shared = common_languages(table)
        models = models_on_every(of_cells.models, [unit.models for unit in units])
        rows = [of_cells.models.index(name) for name in models]
        scores = np.zeros((*cells.shape[:2], len(models)))
        for b, benchmark in enumerate(of_cells.benchmarks):
            columns = [languages.index(name) for name in shared[benchmark]]
            scores += cells[:, :, rows, b][..., columns].mean(axis=-1) / len(units)
        index = (
            [of_cells.models.index(name) for name in table["model"]],
            [of_cells.benchmarks.index(name) for name in table["benchmark"]],
            [languages.index(name) for name in table["language"]],
        )
        reference = of_cells.options.reference or "pooled"
        return PosteriorScores(
            models, scores, table, cells[:, :, *index], reference, self.method, self.estimand
        )

    def _cell_table(self) -> pd.DataFrame:
        """Cells with a score: the observed ones; of a benchmark without items, all."""
        rows = []
        for unit in self.cell_model.effects.units:
            pairs = (
                zip(unit.cell_model, unit.cell_language, strict=True)
                if unit.by_item
                else np.ndindex(len(unit.models), len(unit.languages))
            )
            rows += [(unit.models[m], unit.benchmark, unit.languages[n]) for m, n in pairs]
        return pd.DataFrame(rows, columns=["model", "benchmark", "language"])

    def trend_draws(self) -> dict[str, Floats]:
        """Slopes in logits per unit of each covariate: ``source`` and ``transfer``, (..., k)."""
        if not self.design.terms:
            return {}
        return {
            side: self.draws(f"{side}_trend") / self.design.scale for side in ("source", "transfer")
        }

    @cached_property
    def _terms(self) -> tuple[list[str], Floats]:
        """Names of trend terms, slopes and standard deviations, and draws (chains, draws, K)."""
        terms, columns = list[str](), list[Floats]()
        for side, values in self.trend_draws().items():
            terms += [f"{side}: {term}" for term in self.design.terms]
            columns += list(np.moveaxis(values, -1, 0))
        if len(self.design.facts):
            terms += [f"transfer over languages: {name}" for name in self.design.facts.columns]
            slopes = self.draws("transfer_fact") / self.design.fact_scale
            columns += list(np.moveaxis(slopes, -1, 0))
        if "line" in self.idata["posterior"]:
            lines = self.draws("line")
            for b, name in enumerate(self.cell_model.benchmarks):
                if np.isfinite(lines[..., b]).all():
                    terms.append(f"line[{name}]")
                    columns.append(lines[..., b])
        names = [f"sd_{group.name}" for group in self.cell_model.effects.scaled]
        for name in (*names, "sd_cell"):
            terms.append(name)
            columns.append(self.draws(name))
        return terms, np.stack(columns, axis=-1)

    @property
    def labels(self) -> pd.Index:
        """Names of the rows of `tidy`."""
        return pd.Index(self._terms[0], name="term")

    @property
    def quantities(self) -> Floats:
        """Draws of the rows of `tidy`, (chains, draws, K)."""
        return self._terms[1]

    def tidy(self, conf_level: float = 0.95, *, interval: Interval = "eti") -> pd.DataFrame:
        """Trend terms, slopes and standard deviations in the tidy schema, in logits."""
        terms, draws = self._terms
        return posterior_frame(
            terms, draws, conf_level=conf_level, interval=interval, method=self.method
        )

    def glance(self) -> pd.DataFrame:
        """One row of facts about the fit."""
        cells, stats = self.cell_model, self.idata["sample_stats"]
        facts = made_by(self.idata)
        return ResultFrame(
            {
                "method": [self.method],
                "formula": [facts["formula"] or ""],
                "n_models": [len(cells.models)],
                "n_benchmarks": [len(cells.benchmarks)],
                "n_languages": [len(cells.languages)],
                "n_families": [len(cells.effects.families)],
                "n_cells": [sum(unit.cell_model.size for unit in cells.effects.units)],
                "n_chains": [int(stats.sizes["chain"])],
                "n_draws": [int(stats.sizes["draw"])],
                "n_divergences": [float(stats["diverging"].values.sum())],
                "seconds": [float(facts["seconds"])],
            }
        )

    def expected(self, row: Floats) -> tuple[Floats, Floats]:
        """Source accuracy and HAT of a typical model with covariates `row` (k,), each (D,).

        Typical: effects of family and model 0. Means over languages and benchmarks, for HAT also
        over the reference: the models' source logits of the same draw.
        """
        values, cells = self._flat(), self.cell_model
        source, transfer = np.zeros(len(values["source"])), np.zeros(len(values["source"]))
        for b, unit in enumerate(cells.effects.units):
            _, languages = cells.positions(unit)
            eta = values["source_mean"][:, b]
            level = values["transfer_mean"][:, b]
            if self.design.terms:
                eta = eta + values["source_trend"] @ row
                level = level + values["transfer_trend"] @ row
            by_language = level[:, None] + values["transfer_language"][:, languages]
            if "transfer_language_benchmark" in values:
                by_language = by_language + values["transfer_language_benchmark"][:, languages, b]
            right, hat = cells.typical(values, b, eta, by_language)
            source, transfer = source + right, transfer + hat
        count = len(cells.benchmarks)
        return source / count, transfer / count
