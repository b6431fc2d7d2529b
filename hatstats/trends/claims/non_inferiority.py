"""Verdicts of non-inferiority as a function of the margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from hatstats.errors import DataError
from hatstats.inference.arrays import Floats
from hatstats.inference.intervals import upper_p
from hatstats.inference.result_frame import ResultFrame
from hatstats.study.read import refused
from hatstats.trends.claims.verdict import Verdict
from hatstats.trends.claims.verdicts import adjusted, equivalence

_POINTS = 61


#: Columns of a curve of margins.
_COLUMNS = (
    "claim", "margin", "p_value", "p_holm", "p_equivalence", "p_in_margin", "verdict",
    "registered", "smallest_margin",
)  # fmt: skip


def _grid(verdict: Verdict, margins: ArrayLike | None) -> Floats:
    """Margins of one curve in ascending order, the registered one among them."""
    registered = -verdict.threshold
    if margins is None:
        top = max(2.0 * registered, 1.2 * min(abs(verdict.conf_low), 1.0))
        grid = np.linspace(0.0, min(top, 1.0), _POINTS)[1:]
    else:
        grid = np.asarray(margins, dtype=float).ravel()
        if grid.size == 0 or not (grid > 0).all():
            raise DataError(
                "a margin is the largest loss that would not matter",
                column="margins",
                value=float(grid[~(grid > 0)][0]) if grid.size else "nothing",
                hint="give positive numbers of accuracy points, such as 0.05.",
            )
    return np.unique(np.append(grid, registered))


def margin_curves(verdicts: Sequence[Verdict], margins: ArrayLike | None = None) -> pd.DataFrame:
    """Verdicts on claims of non-inferiority for every margin.

    Parameters
    ----------
    verdicts : sequence of Verdict
        All that p values are adjusted for; those of other kinds of claims have no curve.
    margins : array_like, optional
        Margins in accuracy, each above 0. If not given, a grid up to a little beyond the last
        change of a verdict, and at least to twice the registered margin.

    Returns
    -------
    DataFrame
        `claim, margin, p_value, p_holm, p_equivalence, p_in_margin, verdict, registered,
        smallest_margin`. The verdict is that of `evaluate_claims` with this margin, the other
        claims as they are; `registered` marks the registered margin, which is always included;
        `smallest_margin` is the smallest margin at which the claim would be supported. No rows for
        a claim without a p value.

    Raises
    ------
    DataError
        For what are no verdicts, and a margin that is not above 0.

    Examples
    --------
    >>> import hatstats as hs
    >>> claim = {"name": "small", "kind": "non_inferiority", "small": 1e9, "large": 1e10}
    >>> study = hs.simulate_study([m / 10 for m in range(-9, 10)], rng=1)
    >>> scores = hs.fit_profile(study, method="observed").hat()
    >>> verdicts = hs.evaluate_claims(scores, [{**claim, "margin": 0.1}])
    >>> hs.margin_curves(verdicts, [0.01, 0.05])[["margin", "p_holm", "verdict"]].round(3)
       margin  p_holm       verdict
    0    0.01   0.330  inconclusive
    1    0.05   0.004     supported
    2    0.10   0.001     supported
    """
    if not isinstance(verdicts, Sequence) or not all(isinstance(one, Verdict) for one in verdicts):
        call = "evaluate_claims(fit_profile(study), study.claims)"
        raise refused(verdicts, "margin_curves", "a tuple of verdicts", call)
    rows = []
    for index, one in enumerate(verdicts):
        if one.kind != "non_inferiority" or np.isnan(one.p_value):
            continue

        def under(p_value: float, margin: float, index: int = index) -> Verdict:
            """The verdict on this claim if its p value and margin were others."""
            changed = list(verdicts)
            changed[index] = replace(
                changed[index], p_value=p_value, p_opposite=1.0 - p_value, threshold=-margin
            )
            return adjusted(changed)[index]

        # Holm compares a p value with the level over one of these numbers of tests.
        steps = (one.level / number for number in range(1, len(verdicts) + 1))
        own_level = next(p for p in steps if under(p, 1.0).p_holm <= one.level * (1.0 + 1e-9))
        smallest = -one.estimate - one.std_error * float(special.stdtrit(one.df, own_level))
        smallest = max(smallest, -one.agree_low)
        for margin in map(float, _grid(one, margins)):
            p_value = float(upper_p((one.estimate + margin) / one.std_error, one.df))
            found = under(p_value, margin)
            tests = (p_value, found.p_holm, *equivalence(one, margin), found.verdict)
            rows.append((one.name, margin, *tests, margin == -one.threshold, max(smallest, 0.0)))
    return ResultFrame(rows, columns=_COLUMNS) if rows else pd.DataFrame()
