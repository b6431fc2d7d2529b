"""What the `panel` method assumes."""

from __future__ import annotations

from dataclasses import dataclass

from hatstats.errors import DataError
from hatstats.estimators.panel.source import LEAST_SIGMA, MOST_SIGMA

#: Residual standard deviation where neither trials nor targets tell it.
DECLARED_SIGMA = 1.2


@dataclass(frozen=True, slots=True)
class PanelOptions:
    """What the panel profile assumes.

    Attributes
    ----------
    sigma : float or None
        Standard deviation, in logits, of what an item's difficulty for one model has beyond its
        hardness for the panel. None, the default, estimates one for the whole panel: from repeated
        trials, or from the target languages where items have one trial. There, if the estimate runs
        to a bound, it is 1.2.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.PanelOptions(sigma=1.2).sigma
    1.2
    """

    sigma: float | None = None

    def __post_init__(self) -> None:
        """Check that sigma lies within the bounds of the search."""
        if self.sigma is not None and not LEAST_SIGMA <= self.sigma <= MOST_SIGMA:
            text = "the residual standard deviation is out of bounds"
            hint = f"give logits from {LEAST_SIGMA:g} to {MOST_SIGMA:g}, or None to estimate it."
            raise DataError(text, column="sigma", value=self.sigma, hint=hint)
