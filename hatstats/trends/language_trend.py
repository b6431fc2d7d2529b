"""What a regression over languages found: coefficients, naive rows beside them, forecasts."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.cluster_robust.sandwich import cluster_robust
from hatstats.inference.labelled import LabelledEstimates, indented
from hatstats.inference.reml.mixed import Effect, MixedFit, fit_mixed
from hatstats.inference.result_frame import ResultFrame, frame_text, html_table
from hatstats.inference.tidy import standard_errors, tidy_frame
from hatstats.scores.cell_weights import names_of
from hatstats.trends.design import Design, Value, functions

#: How rows of `LanguageTrend.comparison` were made.
MIXED, ROBUST, NAIVE = "REML, crossed", "CR2 by language", "REML, no language effect (naive)"
_NEW = "\0new language"


def centred(raw: Floats, terms: Sequence[str], centres: Floats) -> Floats:
    """Design (n, k) with a constant, centred main terms, and products of them for interactions.

    `raw` (n, k - 1) are columns of these terms as the formula gives them.
    """
    moved = raw - centres
    for column, name in enumerate(terms):
        if ":" in name:
            moved[:, column] = moved[:, [terms.index(part) for part in name.split(":")]].prod(
                axis=1
            )
    return np.column_stack([np.ones(len(raw)), moved])


def random_effects(
    frame: pd.DataFrame, X: Floats, terms: Sequence[str], kinds: Sequence[str]
) -> list[Effect]:
    """The named effects at the rows of a table of cells (n,) with this design (n, k).

    ``a x b`` is an intercept of pairs, ``TERM by a`` a slope.
    """
    found = []
    for kind in kinds:
        term, _, group = kind.rpartition(" by ")
        x = X[:, list(terms).index(term)] if term else np.ones(len(frame))
        parts = [frame[f"row_{name}"].astype("str") for name in group.split(" x ")]
        keys = parts[0] if len(parts) == 1 else parts[0] + " | " + parts[1]
        found.append(Effect(kind, keys.to_numpy(), x))
    return found


def _held_out(
    fit: MixedFit, out: np.ndarray, columns: list[int] | None, start: Floats
) -> tuple[float, float, float]:
    """Forecast of the mean of rows (mask) by a fit to the others, its error, and that of a row.

    With some `columns` of the design alone the slopes of others are left out, too.
    """
    kept = [
        k for k, each in enumerate(fit.effects) if columns is None or " by weights" not in each.name
    ]
    X = fit.X if columns is None else fit.X[:, columns]
    lengths = np.linalg.norm(X[~out], axis=0)
    if not lengths.all() or np.linalg.matrix_rank(X[~out] / lengths) < X.shape[1]:
        return np.nan, np.nan, np.nan
    sides = [
        [Effect(e.name, e.groups[rows], e.x[rows]) for e in (fit.effects[k] for k in kept)]
        for rows in (~out, out)
    ]
    part = fit_mixed(fit.y[~out], X[~out], sides[0], start[kept])
    mean, error = part.predict(X[out], sides[1])
    rmse = float(np.sqrt(((mean - fit.y[out]) ** 2).mean()))
    return float(mean.mean()), float(np.sqrt(error.mean())), rmse


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LanguageTrend(LabelledEstimates):
    """Transfer over facts about languages and models: a crossed mixed model and its rivals.

    Covariates are centred, so that a main effect is that at the mean of the others.

    Attributes
    ----------
    formula : str
    terms : tuple of str, length k
        ``Intercept`` first.
    level : tuple of str, length k
        Of each term: ``language``, ``model``, ``both`` (a cross-level interaction), or ``""``.
    fit : MixedFit
        Rows are cells; effects of languages, weights, models, and slopes.
    adjusted, freedom : ndarray, (k, k) and (k,)
        Kenward and Roger's covariance of the coefficients, and Satterthwaite's degrees of freedom.
    shared : ndarray, shape (k, k)
        Covariance that the coefficients have from items which all cells share.
    naive : MixedFit
        The same without effects and slopes of languages.
    design : Design
        Rows (n,) as a table of cells with the facts of their language and model.
    language_columns : frozenset of str
        Columns of that table that are facts about languages.
    centres : ndarray, shape (k - 1,)
        Mean of each main term.
    left_out : tuple of str
        Cells without all covariates, as ``model in language``.
    params, bse, cov : Series, Series, DataFrame
        Coefficients by term.

    Examples
    --------
    >>> import dataclasses
    >>> import numpy as np
    >>> import pandas as pd
    >>> import hatstats as hs
    >>> study = hs.simulate_study(np.linspace(-1, 1, 5), shape=hs.Shape(80, 8), rng=1)
    >>> facts = pd.DataFrame({"language": study.languages, "resource_class": range(9)})
    >>> study = dataclasses.replace(study, language_table=facts)
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> trend = hs.fit_language_trend(scores, "resource_class")
    >>> trend.params.index.tolist()
    ['Intercept', 'resource_class']
    """

    formula: str
    terms: tuple[str, ...]
    level: tuple[str, ...]
    fit: MixedFit
    adjusted: Floats
    freedom: Floats
    shared: Floats
    naive: MixedFit
    design: Design
    language_columns: frozenset[str]
    centres: Floats
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> pd.Index:
        """The terms."""
        return pd.Index(self.terms, name="term")

    @property
    def estimates(self) -> Floats:
        """Coefficients, shape (k,)."""
        return self.fit.params

    @property
    def covariance(self) -> Floats:
        """Covariance of the coefficients, (k, k): Kenward and Roger's, and what items share."""
        return np.asarray(self.adjusted + self.shared)

    @property
    def std_errors(self) -> Floats:
        """Standard errors as an array, shape (k,)."""
        return standard_errors(self.covariance)

    @property
    def df(self) -> Floats:
        """Degrees of freedom, (k,): Satterthwaite's; what items share counts as known.

        For facts about languages at most the number of languages less their coefficients and one,
        and so for models, and for other terms at most the cells less all coefficients: where a
        variance is estimated as zero, Satterthwaite's are too many.
        """
        own = np.diag(self.fit.cov)
        added = 1.0 + np.diag(self.shared) / own
        freedom = self.freedom * added**2
        sizes = {
            "language": len(self.languages),
            "model": self.design.frame["row_weights"].nunique(),
        }
        most = [
            sizes[at] - 1 - self.level.count(at) if at in sizes else self._cell_df
            for at in self.level
        ]
        return np.asarray(np.fmin(freedom, most))

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the rows."""
        return tuple(sorted(set(self.design.frame["row_language"])))

    def limits(self, conf_level: float = 0.95) -> Floats:
        """Limits of the coefficients, shape (k, 2)."""
        return self.tidy(conf_level)[["conf_low", "conf_high"]].to_numpy(dtype=float)

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Coefficients in the tidy schema, with the level of each term."""
        table = tidy_frame(
            list(self.terms),
            self.estimates,
            self.std_errors,
            df=self.df,
            conf_level=conf_level,
            method=MIXED,
        )
        table.insert(1, "level", list(self.level))
        return table

    def comparison(self, conf_level: float = 0.95) -> pd.DataFrame:
        """The coefficients under other standard errors, one below the other.

        ``CR2 by language`` treats languages as clusters (the models are given), for terms that
        involve languages. The naive rows leave the effect of the language out: what a regression
        with a random intercept of the model alone would print.
        """
        k, shared = len(self.terms), self.fit.X @ self.shared @ self.fit.X.T
        robust = cluster_robust(
            self.fit.X,
            self.fit.y - self.fit.X @ self.fit.params,
            self.fit.inverse,
            np.linalg.inv(self.fit.inverse) + shared,
            self.design.frame["row_language"].to_numpy(),
        )
        rows = np.flatnonzero(np.isin(self.level, ["language", "both"]))
        contrasts = np.eye(k)[rows]
        parts = [
            self.tidy(conf_level),
            tidy_frame(
                [self.terms[r] for r in rows],
                self.estimates[rows],
                robust.std_errors(contrasts),
                df=np.minimum(robust.satterthwaite(contrasts), self._forecast_df),
                conf_level=conf_level,
                method=ROBUST,
            ).assign(level=[self.level[r] for r in rows]),
            tidy_frame(
                list(self.terms),
                self.naive.params,
                standard_errors(self.naive.cov),
                df=np.fmin(self.naive.satterthwaite(np.eye(k)), self._cell_df),
                conf_level=conf_level,
                method=NAIVE,
            ).assign(level=list(self.level)),
        ]
        return ResultFrame(pd.concat(parts, ignore_index=True))

    def components(self) -> pd.DataFrame:
        """Standard deviations of the random effects: `effect, n_groups, sd` (slopes per unit)."""
        names = [each.name for each in self.fit.effects] + ["residual"]
        sizes = [len(set(each.groups)) for each in self.fit.effects] + [len(self.fit.y)]
        sd = np.sqrt(self.fit.variances)
        return ResultFrame({"effect": names, "n_groups": sizes, "sd": sd})

    @property
    def _cell_df(self) -> float:
        """Cells less the coefficients."""
        return float(len(self.fit.y) - len(self.terms))

    @property
    def _forecast_df(self) -> float:
        """Languages less the coefficients of their covariates and the constant."""
        return float(len(self.languages) - 1 - self.level.count("language"))

    def forecast(
        self,
        facts: Mapping[str, Value],
        *,
        models: str | Sequence[str] | None = None,
        conf_level: float = 0.95,
    ) -> pd.DataFrame:
        """What a language that was not asked would get, from facts about it.

        Parameters
        ----------
        facts : mapping of str to number or text
            Covariates of the language, all those of the formula.
        models : str or sequence of str, optional
            A model, or several whose mean is taken; the mean of all if not given.
        conf_level : float

        Returns
        -------
        DataFrame
            One tidy row; the interval is for that language's own HAT (a prediction interval), by
            Student's t with the number of languages less their coefficients as df.

        Raises
        ------
        DataError
            For a fact that is missing or unknown, or an unknown model.
        """
        frame = self.design.frame.drop_duplicates(["row_model", "row_benchmark"]).reset_index(
            drop=True
        )
        wanted = names_of(models) if models is not None else list(dict.fromkeys(frame["row_model"]))
        for name in wanted:
            if name not in set(frame["row_model"]):
                hint = f"choose among {', '.join(dict.fromkeys(frame['row_model']))}."
                raise DataError(
                    "no such model in this trend", column="models", value=name, hint=hint
                )
        used = {str(name) for name in self.design.spec.required_variables} & self.language_columns
        if set(facts) != used:
            raise DataError(
                "a forecast needs the facts of the formula about the language",
                column="facts",
                value=", ".join(sorted(facts)) or "none",
                hint=f"give {', '.join(sorted(used)) or 'none: the formula has none'}.",
            )
        frame = (
            frame[frame["row_model"].isin(wanted)]
            .reset_index(drop=True)
            .assign(**facts, row_language=_NEW, row_family=_NEW)
        )
        context = functions(np.zeros(len(frame)))
        table = self.design.spec.get_model_matrix(frame, context=context)
        raw = np.asarray(table[list(self.terms[1:])], dtype=float)
        if not np.isfinite(raw).all():
            raise DataError("a fact is not finite in the formula", column="facts", value=facts)
        X = centred(raw, self.terms[1:], self.centres)
        kinds = [each.name for each in self.fit.effects]
        mean, error = self.fit.predict(X, random_effects(frame, X, self.terms, kinds))
        count = len(frame)
        weights = np.full(count, 1.0 / count)
        variance = weights @ (error + X @ self.shared @ X.T) @ weights
        row = tidy_frame(
            "HAT of a new language",
            weights @ mean,
            float(np.sqrt(variance)),
            df=self._forecast_df,
            conf_level=conf_level,
            method="forecast",
        )
        row.insert(0, "model", wanted[0] if len(wanted) == 1 else f"mean of {len(wanted)}")
        return row.assign(statistic=np.nan, p_value=np.nan)

    def leave_one_out(self) -> pd.DataFrame:
        """Each language forecast from all others, by a fit without it.

        Returns
        -------
        DataFrame
            `language, observed` and `forecast` (mean over models), `error, std_error, cell_rmse`
            (of single models), and `error_without`, that of a forecast without facts about
            languages. ``table.attrs`` has the root mean squares `rmse, rmse_without`. NaN where a
            coefficient rests on that language alone.
        """
        language = self.design.frame["row_language"].to_numpy()
        bare = [k for k, level in enumerate(self.level) if level not in ("language", "both")]
        start = np.sqrt(self.fit.variances[:-1] / self.fit.variances[-1])
        rows = []
        for name in self.languages:
            out = language == name
            found = [_held_out(self.fit, out, columns, start) for columns in (None, bare)]
            (mean, se, rmse), (without, _, _) = found
            observed = float(self.fit.y[out].mean())
            rows.append((name, observed, mean, mean - observed, se, rmse, without - observed))
        columns = ["language", "observed", "forecast", "error", "std_error", "cell_rmse"]
        table = ResultFrame(rows, columns=[*columns, "error_without"])
        for key, column in (("rmse", "error"), ("rmse_without", "error_without")):
            table.attrs[key] = float(np.sqrt((table[column] ** 2).mean()))
        return table

    def summary(self, conf_level: float = 0.95) -> str:
        """Coefficients, naive standard errors beside them, and effects, as plain text."""
        table = self.comparison(conf_level)
        main = table[table["method"] == MIXED].set_index("term")
        for method, short in ((ROBUST, "p_CR2"), (NAIVE, "p_naive")):
            rows = table[table["method"] == method].set_index("term")
            main[short] = rows["p_value"].reindex(main.index)
        naive = table[table["method"] == NAIVE].set_index("term")["std_error"]
        main["naive_se"] = naive.reindex(main.index)
        shown = ["estimate", "std_error", "df", "p_value", "p_CR2", "naive_se", "p_naive"]
        title, *said = self._said()
        text = frame_text(ResultFrame(main.reset_index()[["term", *shown]].round(4)))
        lines = [*indented(title), text, *(line for each in said for line in indented(each))]
        return "\n".join(lines)

    def _said(self) -> list[str]:
        """A title, and what stands below the table."""
        sizes = (
            f"{len(self.languages)} languages, {self.design.frame['row_model'].nunique()} models, "
            f"{len(self.fit.y)} cells"
        )
        effects = [
            f"{row['effect']} {row['sd']:.3f}" for row in self.components().to_dict("records")
        ]
        return [
            f"HAT over languages: {self.formula} ({sizes}; languages and models are sampled)",
            "Covariates are centred. p_CR2: languages as clusters, these models. Naive: without an "
            "effect of the language, as if every model had met languages of its own.",
            f"Standard deviations: {'; '.join(effects)}.",
            *self.notes,
        ]

    def _repr_html_(self) -> str:
        title, *said = self._said()
        return f"<p><b>{html.escape(title)}</b></p>{html_table(self.comparison(), said)}"
