"""The `joint` profile: one likelihood for an item's source count and all its target counts."""

from hatstats.hat.joint.options import JointOptions

__all__ = ["JointOptions"]
