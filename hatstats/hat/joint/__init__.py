"""The `joint` profile: one likelihood for an item's source count and all its target counts."""

from hatstats.hat.joint.compare import compare_joint
from hatstats.hat.joint.models import fit_joint
from hatstats.hat.joint.options import JointOptions

__all__ = ["JointOptions", "compare_joint", "fit_joint"]
