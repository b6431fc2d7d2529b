"""Slow proofs: simulations that say whether the estimators keep what they promise.

`hatstats.check.invariance` moves source ability alone and sees which measures move with it;
`hatstats.check.coverage` counts how often intervals hold the truth; `hatstats.check.size` counts
how often tests of a trend reject; `hatstats.check.stress` moves source ability, then transfer, and
sees which measures can tell; `hatstats.check.plans` compares plans with what happens. Each function
returns one tidy frame; ``python -m hatstats.check`` runs and prints them.
"""

from hatstats.check.stress import stress_test

__all__ = ["stress_test"]
