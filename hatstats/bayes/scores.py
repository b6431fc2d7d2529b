"""HAT scores as posterior draws: intervals, convergence, contrasts, ranks and probabilities."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import check_level, percent
from hatstats.inference.labelled import Contrast, LabelledEstimates, indented
from hatstats.inference.result_frame import ResultFrame, html_table
from hatstats.inference.tidy import tidy_frame
from hatstats.inference.validation import one_of
from hatstats.scores.cell_weights import difference, difference_in_languages

Interval = Literal["eti", "hdi"]
#: Largest Monte-Carlo error at which three decimals are printed.
MCSE = 1e-3
#: R-hat above which more draws are unlikely to help.
_NOT_MIXED = 1.1


def limits(draws: Floats, conf_level: float, interval: str = "eti") -> Floats:
    """Limits of K quantities (chains, draws, K): equal tails, or the shortest interval; (K, 2).

    Raises DataError for an unknown kind of interval.
    """
    check_level(conf_level)
    one_of("interval", interval, ("eti", "hdi"))
    flat = draws.reshape(-1, draws.shape[-1])
    if interval == "eti":
        tail = 0.5 * (1.0 - conf_level)
        return np.asarray(np.quantile(flat, [tail, 1.0 - tail], axis=0).T)
    ordered = np.sort(flat, axis=0)
    inside = int(np.floor(conf_level * flat.shape[0]))
    width = ordered[inside:] - ordered[: flat.shape[0] - inside]
    start = width.argmin(axis=0)
    columns = np.arange(flat.shape[1])
    return np.column_stack([ordered[start, columns], ordered[start + inside, columns]])


def convergence(draws: Floats) -> pd.DataFrame:
    """R-hat, effective sample sizes and Monte-Carlo error of K quantities (chains, draws, K)."""
    from arviz_stats.base.array import array_stats as stats

    by_quantity = np.moveaxis(draws, -1, 0)
    # A constant quantity (a reference model against itself) has converged trivially.
    constant = np.ptp(by_quantity, axis=(1, 2)) == 0.0
    with np.errstate(invalid="ignore"):  # 0 / 0 of constants
        found = {
            "r_hat": stats.rhat(by_quantity),
            "ess_bulk": stats.ess(by_quantity, method="bulk"),
            "ess_tail": stats.ess(by_quantity, method="tail", prob=(0.05, 0.95)),
            "mcse": stats.mcse(by_quantity, method="mean"),
        }
    table = pd.DataFrame(found, index=range(by_quantity.shape[0]))
    table.loc[constant, ["r_hat", "ess_bulk", "ess_tail"]] = np.nan
    return table


def posterior_frame(
    term: str | Sequence[str],
    draws: Floats,
    *,
    conf_level: float = 0.95,
    interval: str = "eti",
    method: str = "",
    identifiers: Mapping[str, Sequence[str] | str] | None = None,
) -> pd.DataFrame:
    """Rows of the tidy schema from draws (chains, draws, K).

    `estimate` and `std_error` are posterior mean and standard deviation, the limits those of the
    posterior. A posterior has no test statistic, degrees of freedom or p value.

    Returns the tidy schema, then `r_hat, ess_bulk, ess_tail, mcse, interval`.
    """
    mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1), ddof=1)
    table = tidy_frame(
        term, mean, sd, conf_level=conf_level, method=method, identifiers=identifiers
    )
    ends = limits(draws, conf_level, interval)
    table["conf_low"], table["conf_high"] = ends[:, 0], ends[:, 1]
    table[["statistic", "df", "p_value"]] = np.nan
    for name, values in convergence(draws).items():
        table[str(name)] = values.to_numpy()
    return table.assign(interval=interval)


def precision(table: pd.DataFrame) -> tuple[int, tuple[str, ...]]:
    """Decimals of `table` that are no Monte-Carlo noise; if fewer than three, what would help.

    `table` has rows of `posterior_frame`.
    """
    error = table["mcse"].to_numpy(dtype=float)
    worst = float(error.max())
    if worst <= MCSE:
        return 3, ()
    decimals = 2 if worst <= 10 * MCSE else 1
    size = float(table["ess_bulk"].to_numpy(dtype=float)[error.argmax()])
    r_hat = float(table["r_hat"].max())
    remedy = (
        f"the chains have not mixed (R-hat {r_hat:.2f}): tune longer "
        "(tune of Sampling) or estimate the cells otherwise."
        if r_hat > _NOT_MIXED
        else f"raise draws (of Sampling, or --draws) until about "
        f"{np.ceil((worst / MCSE) ** 2 * size):.0f} are effective, {size:.0f} are now."
    )
    words = f"Monte-Carlo error up to {worst:.4f}, three decimals need {MCSE:g}"
    return decimals, (f"Too few draws for three decimals ({words}): {remedy}",)


def check_rope(rope: tuple[float, float]) -> tuple[float, float]:
    """Refuse a region of practical equivalence whose ends are reversed or not finite."""
    low, high = (float(end) for end in rope)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise DataError(
            "a region of practical equivalence goes from a lower to a higher number",
            column="rope",
            value=rope,
            hint="give it as (low, high), for instance (-0.01, 0.01).",
        )
    return low, high


class LabelledDraws(LabelledEstimates):
    """Labelled views of K quantities, `labels`, with draws `quantities` (chains, draws, K)."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def quantities(self) -> Floats: ...  # noqa: D102

    @property
    def flat(self) -> Floats:
        """Draws with chains under one another, (D, K)."""
        return self.quantities.reshape(-1, self.quantities.shape[-1])

    @property
    def estimates(self) -> Floats:
        """Posterior means, (K,)."""
        return np.asarray(self.quantities.mean(axis=(0, 1)))

    @property
    def std_errors(self) -> Floats:
        """Posterior standard deviations, (K,)."""
        return np.asarray(self.quantities.std(axis=(0, 1), ddof=1))

    @property
    def covariance(self) -> Floats:
        """Posterior covariance, (K, K)."""
        return np.atleast_2d(np.cov(self.flat, rowvar=False))

    def limits(self, conf_level: float = 0.95, interval: Interval = "eti") -> Floats:
        """Limits (K, 2) as an array."""
        return limits(self.quantities, conf_level, interval)

    def conf_int(self, conf_level: float = 0.95, *, interval: Interval = "eti") -> pd.DataFrame:
        """Limits by name, columns `conf_low` and `conf_high`."""
        columns = ["conf_low", "conf_high"]
        return pd.DataFrame(self.limits(conf_level, interval), index=self.labels, columns=columns)


@dataclass(frozen=True, slots=True, repr=False)
class PosteriorContrast(Contrast):
    """A difference of two models, or groups of models, with its posterior probabilities.

    Attributes
    ----------
    p_positive, p_in_rope : float
        Posterior probability of a difference above 0, and inside the region of practical
        equivalence from `rope_low` to `rope_high`.

    Examples
    --------
    >>> import hatstats as hs
    >>> shape = hs.Shape(n_items=30, n_languages=2, n_trials=4)
    >>> study = hs.simulate_study([-0.5, 0.0, 0.5, 1.0], shape=shape, rng=1)
    >>> few = hs.Sampling(draws=60, tune=100, chains=2)  # for an example only
    >>> scores = hs.fit_hierarchical(study, sampling=few, rng=1).hat()
    >>> scores.contrast("model-04", "model-01").term
    'model-04 - model-01'
    """

    r_hat: float = np.nan
    ess_bulk: float = np.nan
    ess_tail: float = np.nan
    mcse: float = np.nan
    interval: str = "eti"
    p_positive: float = np.nan
    p_in_rope: float = np.nan
    rope_low: float = np.nan
    rope_high: float = np.nan

    def tidy(self) -> pd.DataFrame:
        """One row in the tidy schema, then convergence, probabilities and the region."""
        table = ResultFrame([asdict(self)]).drop(columns="notes")
        table.insert(0, "reference", table.pop("reference"))
        return table

    def _numbers(self) -> str:
        digits = precision(self.tidy())[0]
        limits = f"[{self.conf_low:.{digits}f}, {self.conf_high:.{digits}f}]"
        return (
            f"{self.estimate:.{digits}f}, {percent(self.conf_level)} interval {limits}, "
            f"P(> 0) = {self.p_positive:.{digits}f}, "
            f"P({self.rope_low:g} to {self.rope_high:g}) = {self.p_in_rope:.{digits}f}"
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PosteriorScores(LabelledDraws):
    """Posterior draws of the HAT scores of several models.

    To keep them, save the fit that they come from (`HierarchicalFit.save`, `read_hierarchical`).

    Attributes
    ----------
    models : tuple of str, length M
    draws : ndarray, shape (chains, draws, M)
        HAT of each model: mean over languages, then over benchmarks.
    cells : DataFrame
        `model, benchmark, language`, C rows.
    cell_draws : ndarray, shape (chains, draws, C)
    reference, method, estimand : str

    Examples
    --------
    >>> import hatstats as hs
    >>> shape = hs.Shape(n_items=30, n_languages=2, n_trials=4)
    >>> study = hs.simulate_study([-0.5, 0.0, 0.5, 1.0], shape=shape, rng=1)
    >>> few = hs.Sampling(draws=60, tune=100, chains=2)  # for an example only
    >>> scores = hs.fit_hierarchical(study, sampling=few, rng=1).hat()
    >>> scores.draws.shape
    (2, 60, 4)
    """

    models: tuple[str, ...]
    draws: Floats
    cells: pd.DataFrame
    cell_draws: Floats
    reference: str
    method: str
    estimand: str

    @property
    def labels(self) -> pd.Index:
        """Names of the models, which label `params`, `bse`, `cov` and `conf_int`."""
        return pd.Index(self.models, name="model")

    @property
    def quantities(self) -> Floats:
        """Draws of the scores."""
        return self.draws

    def tidy(self, conf_level: float = 0.95, *, interval: Interval = "eti") -> pd.DataFrame:
        """One row per model: posterior mean, SD, limits, R-hat and effective sample sizes."""
        return posterior_frame(
            "HAT",
            self.draws,
            conf_level=conf_level,
            interval=interval,
            method=self.method,
            identifiers={"model": list(self.models), "reference": self.reference},
        )

    def tidy_cells(self, conf_level: float = 0.95, *, interval: Interval = "eti") -> pd.DataFrame:
        """One row per model, benchmark and language."""
        return posterior_frame(
            "HAT",
            self.cell_draws,
            conf_level=conf_level,
            interval=interval,
            method=self.method,
            identifiers={
                **{name: self.cells[name].tolist() for name in ("model", "benchmark", "language")},
                "reference": self.reference,
            },
        )

    def contrast(
        self,
        a: str | Sequence[str],
        b: str | Sequence[str],
        conf_level: float = 0.95,
        *,
        languages: str | Sequence[str] | None = None,
        other_languages: str | Sequence[str] | None = None,
        rope: tuple[float, float] = (-0.01, 0.01),
    ) -> PosteriorContrast:
        """Difference of two models' scores, or of the means of two groups of models.

        Parameters
        ----------
        a, b : str or sequence of str
            A model, or several whose mean is taken.
        conf_level : float
        languages, other_languages : str or sequence of str, optional
            Average over these languages only, as in `HatScores.contrast`.
        rope : pair of float
            Region of practical equivalence, in accuracy.

        Returns
        -------
        PosteriorContrast
            A `Contrast` ``a - b`` with `p_positive` and `p_in_rope`.

        Raises
        ------
        DataError
            For an unknown name, or a region whose ends are reversed.
        """
        low, high = check_rope(rope)
        if languages is None and other_languages is None:
            term, weights = difference(self.models, a, b)
            draws = self.draws @ weights
        else:
            other = languages if other_languages is None else other_languages
            term, weights = difference_in_languages(
                self.models, self.cells, (a, languages), (b, other)
            )
            draws = self.cell_draws @ weights
        row = posterior_frame(
            term,
            draws[..., None],
            conf_level=conf_level,
            method=self.method,
            identifiers={"reference": self.reference},
        )
        return PosteriorContrast.from_row(
            row.assign(
                p_positive=float((draws > 0).mean()),
                p_in_rope=float(((draws > low) & (draws < high)).mean()),
                rope_low=low,
                rope_high=high,
            ),
            precision(row)[1],
        )

    def ranks(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Posterior of the ranks: equal-tailed intervals, and the probability of being the best.

        Returns
        -------
        DataFrame
            `model, rank` (of the posterior mean, 1 the highest), `rank_low, rank_high, p_best,
            conf_level, n_draws`. The intervals are of one model's rank each, given the priors.
        """
        tail = 0.5 * (1.0 - check_level(conf_level))
        ranks = (-self.flat).argsort(axis=1, kind="stable").argsort(axis=1) + 1
        low, high = np.quantile(ranks, [tail, 1.0 - tail], axis=0, method="inverted_cdf")
        return ResultFrame(
            {
                "model": list(self.models),
                "rank": (-self.estimates).argsort(kind="stable").argsort() + 1,
                "rank_low": low,
                "rank_high": high,
                "p_best": (ranks == 1).mean(axis=0),
                "conf_level": conf_level,
                "n_draws": len(ranks),
            }
        )

    def best_first(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Tidy rows from the highest mean to the lowest, with `p_best`."""
        table = self.tidy(conf_level).assign(p_best=self.ranks()["p_best"])
        return table.sort_values("estimate", ascending=False, kind="stable")

    def summary(self, conf_level: float = 0.95) -> str:
        """Scores from best to worst as plain text of at most 80 columns."""
        table = self.best_first(conf_level)
        digits, notes = precision(table)
        facts = f"{self.method}, reference {self.reference}, {percent(conf_level)} intervals"
        lines = [f"HAT scores ({facts})", *indented(self.estimand)]
        width = min(max(len(name) for name in self.models), 40)
        numbers = table[["estimate", "conf_low", "conf_high", "p_best"]].to_numpy(dtype=float)
        for name, (value, low, high, best) in zip(table["model"], numbers, strict=True):
            shown = name if len(name) <= width else name[: width - 1] + "…"
            lines.append(
                f"  {shown:<{width}}  {value:.{digits}f}  [{low:.{digits}f}, {high:.{digits}f}]"
                f"  P(best) {best:.{min(digits, 2)}f}"
            )
        return "\n".join([*lines, *(line for note in notes for line in indented(note))])

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        table = self.best_first()
        return f"<p>{html.escape(self.estimand)}</p>" + html_table(table, precision(table)[1])
