"""Estimates with their names: Series and frames for users, arrays for arithmetic."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import percent
from hatstats.inference.result_frame import Printed, ResultFrame, p_words
from hatstats.inference.tidy import IDENTIFIERS, TIDY_COLUMNS, standard_errors


class LabelledEstimates(Printed):
    """Labelled views of k estimates.

    A subclass has the names `labels`, and as arrays the `estimates` (k,), their `covariance`
    (k, k) and `limits(conf_level)` (k, 2), as fields or as properties.
    """

    __slots__ = ()

    # For type checkers only: a property would be taken for the default of a subclass's field.
    if TYPE_CHECKING:

        @property
        def labels(self) -> pd.Index: ...  # noqa: D102
        @property
        def estimates(self) -> Floats: ...  # noqa: D102
        @property
        def covariance(self) -> Floats: ...  # noqa: D102
        def limits(self, conf_level: float = 0.95) -> Floats: ...  # noqa: D102

    @property
    def std_errors(self) -> Floats:
        """Standard errors as an array, shape (k,)."""
        return standard_errors(self.covariance)

    @property
    def params(self) -> pd.Series:
        """Estimates by name, as a Series."""
        return pd.Series(self.estimates, index=self.labels, name="estimate")

    @property
    def bse(self) -> pd.Series:
        """Standard errors by name, as a Series."""
        return pd.Series(self.std_errors, index=self.labels, name="std_error")

    @property
    def cov(self) -> pd.DataFrame:
        """Covariance of the estimates, rows and columns by name."""
        return pd.DataFrame(self.covariance, index=self.labels, columns=self.labels)

    def conf_int(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Confidence limits by name, columns `conf_low` and `conf_high`."""
        columns = ["conf_low", "conf_high"]
        return pd.DataFrame(self.limits(conf_level), index=self.labels, columns=columns)


def indented(text: str) -> list[str]:
    """Lines of at most 78 columns, two columns in."""
    return textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="  ")


@dataclass(frozen=True, slots=True, repr=False)
class Contrast(LabelledEstimates):
    """A difference of two estimates or means of estimates, with its interval and test of 0.

    Attributes
    ----------
    term : str
        What is compared, ``a - b``.
    estimate, std_error, statistic, df, p_value, conf_low, conf_high, conf_level : float
        As in the tidy schema.
    method, reference : str
        How the estimates were made.
    notes : tuple of str
        What weakens either side, in words.
    scope : str
        Over which wordings the interval generalises, as in `HatScores`.
    params, bse, cov : Series, Series, DataFrame
        The estimate, its standard error and variance, named by `term`.

    Examples
    --------
    >>> import hatstats as hs
    >>> study = hs.simulate_study([0.0, 1.0], rng=1)
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> difference = scores.contrast("model-02", "model-01", conf_level=0.9)
    >>> round(difference.conf_low, 3), round(difference.conf_high, 3)
    (0.018, 0.061)
    """

    term: str
    estimate: float
    std_error: float
    statistic: float
    df: float
    p_value: float
    conf_low: float
    conf_high: float
    conf_level: float
    method: str
    reference: str = ""
    notes: tuple[str, ...] = ()
    scope: str = ""

    @classmethod
    def from_row(cls, row: pd.DataFrame, notes: tuple[str, ...] = (), scope: str = "") -> Self:
        """Make a contrast of the one row of a tidy table."""
        facts = {str(key): value for key, value in row.iloc[0].to_dict().items()}
        return cls(**facts, notes=notes, scope=scope)

    @property
    def labels(self) -> pd.Index:
        """The term, which names `params`, `bse`, `cov` and `conf_int`."""
        return pd.Index([self.term], name="term")

    @property
    def estimates(self) -> Floats:
        """The estimate as an array, shape (1,)."""
        return np.array([self.estimate])

    @property
    def covariance(self) -> Floats:
        """The variance as an array, shape (1, 1)."""
        return np.array([[self.std_error**2]])

    def conf_int(self, conf_level: float | None = None) -> pd.DataFrame:
        """Limits by term, at the level that the contrast was made for.

        Raises
        ------
        DataError
            For another level: limits may rest on draws, which are not kept.
        """
        if conf_level not in (None, self.conf_level):
            text = "the limits of a contrast are of the level that it was made for"
            hint = f"it is {self.conf_level:g}; call contrast(..., conf_level={conf_level})."
            raise DataError(text, column="conf_level", value=conf_level, hint=hint)
        limits = [[self.conf_low, self.conf_high]]
        return pd.DataFrame(limits, index=self.labels, columns=["conf_low", "conf_high"])

    def tidy(self) -> pd.DataFrame:
        """One row in the tidy schema."""
        names = [name for name in (*IDENTIFIERS, *TIDY_COLUMNS) if hasattr(self, name)]
        row = ResultFrame({name: [asdict(self)[name]] for name in names})
        row.attrs["scope"] = self.scope
        return row

    def summary(self) -> str:
        """Estimate, interval and test in lines of at most 80 columns, as it is printed."""
        first = f"{self.term}: {self._numbers()}"
        lines = [first] if len(first) <= 80 else [f"{self.term}:", f"  {self._numbers()}"]
        return "\n".join(
            line
            for text in (*lines, self._source(), *(f"  {note}" for note in self.notes))
            for line in textwrap.wrap(text, 80, subsequent_indent="  ", break_on_hyphens=False)
        )

    def _numbers(self) -> str:
        limits = f"[{self.conf_low:.3f}, {self.conf_high:.3f}]"
        if np.isnan(self.std_error):
            return f"{self.estimate:.3f}, no interval: its standard error is unknown"
        level, p = percent(self.conf_level), p_words(self.p_value)
        return f"{self.estimate:.3f}, {level} interval {limits}, {p}"

    def _source(self) -> str:
        reference = f", reference {self.reference}" if self.reference else ""
        freedom = f", {self.df:.1f} df" if np.isfinite(self.df) else ""
        scope = f", {self.scope}" if self.scope else ""
        return f"  {self.method}{reference}{scope}; standard error {self.std_error:.4f}{freedom}"
