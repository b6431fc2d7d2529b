"""What a plan assumes of models and items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from hatstats.estimators.methods import fit_profile
from hatstats.scores.item_profile import ItemProfile
from hatstats.simulation.worlds import WorldName, true_hat
from hatstats.study import Study, as_study


@dataclass(frozen=True, slots=True)
class PlanAssumptions:
    """Assumptions on models and items.

    Attributes
    ----------
    abilities : tuple of float
        Mean source logits of typical models.
    spread : float
        Standard deviation of an item's logit.
    transfer : float
        Shift of the target logit.
    world : str
        How transfer behaves; see `simulate_study`.
    repeats : int
        Trials of each wording.
    wording_correlation : float
        Correlation of two trials of one wording. With r repeats n trials are worth
        ``n / (1 + (r - 1) rho)``, and precision follows that number.
    wording_sd : float
        Standard deviation of a wording's effect on all items of a model in one language, in logits:
        what scores for wordings like these have beside those for these wordings.

    Examples
    --------
    >>> import hatstats as hs
    >>> hs.PlanAssumptions(abilities=(0.0, 1.0), transfer=-0.3).spread
    1.5
    """

    abilities: tuple[float, ...] = (-0.5, 0.5, 1.5)
    spread: float = 1.5
    transfer: float = 0.0
    world: WorldName = "logit_normal"
    repeats: int = 1
    wording_correlation: float = 0.0
    wording_sd: float = 0.0

    @classmethod
    def from_pilot(cls, study: Study) -> PlanAssumptions:
        """Estimate abilities, spread and transfer from a study with items and several trials.

        Three abilities (lowest, middle and highest of the models), the mean spread, and the shift
        at which the world `logit_normal` has the mean target accuracy of the study.
        NotIdentifiedError without items, or with one trial per item.
        """
        profile = fit_profile(as_study(study, "PlanAssumptions.from_pilot"), method="latent")
        assert isinstance(profile, ItemProfile)
        means, spreads, targets, pooled = [], [], [], []
        for fit in profile.fits:
            grid = special.logit(np.clip(fit.support, 0.01, 0.99))
            for own, target in zip(fit.distributions, fit.scores("own").estimate, strict=True):
                mean = float(own @ grid)
                means.append(mean)
                spreads.append(float(np.sqrt(own @ (grid - mean) ** 2)))
                targets.append(float(np.nanmean(target)))
                pooled.append(own @ (fit.support[:, None] == fit.support))
        support = profile.fits[0].support
        source = np.repeat(support, np.round(1000 * np.mean(pooled, axis=0)).astype(int))

        def excess(shift: float) -> float:
            return true_hat(source, transfer=shift) - float(np.mean(targets))

        shift, most = -6.0, 6.0
        if excess(shift) <= 0:
            shift = most if excess(most) < 0 else optimize.brentq(excess, shift, most)
        abilities = (float(min(means)), float(np.median(means)), float(max(means)))
        return cls(abilities, float(np.mean(spreads)), float(shift))
