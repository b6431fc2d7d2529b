"""How strong is transfer: profiles, HAT scores, and the measures they compete with."""

from hatstats.hat.bootstrap import bootstrap_hat
from hatstats.hat.count_table import count_table
from hatstats.hat.fitting import fit_profile
from hatstats.hat.functioning import item_functioning
from hatstats.hat.item_report import item_report
from hatstats.hat.joint import JointOptions, compare_joint
from hatstats.hat.latent import LatentOptions
from hatstats.hat.measures import measures
from hatstats.hat.misspecification import misspecification_test
from hatstats.hat.profile import TransferProfile
from hatstats.hat.promptings import resample_promptings
from hatstats.hat.scores import HatScores
from hatstats.hat.split_half import split_half
from hatstats.hat.thinning import thin_promptings

__all__ = [
    "HatScores",
    "JointOptions",
    "LatentOptions",
    "TransferProfile",
    "bootstrap_hat",
    "compare_joint",
    "count_table",
    "fit_profile",
    "item_functioning",
    "item_report",
    "measures",
    "misspecification_test",
    "resample_promptings",
    "split_half",
    "thin_promptings",
]
