"""How strong is transfer: profiles, HAT scores, and the measures they compete with."""

from hatstats.hat.fitting import fit_profile
from hatstats.hat.measures import measures
from hatstats.hat.profile import TransferProfile
from hatstats.hat.scores import HatScores

__all__ = ["HatScores", "TransferProfile", "fit_profile", "measures"]
