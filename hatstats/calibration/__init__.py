"""Slow proofs: simulations that say whether the estimators keep what they promise.

`hatstats.calibration.drift` moves source ability alone and sees which measures move with it;
`hatstats.calibration.coverage` counts how often intervals hold the truth;
`hatstats.calibration.test_size` counts how often tests of a trend reject;
`hatstats.calibration.stress` moves source ability, then transfer, and sees which measures can tell;
`hatstats.calibration.plans` compares plans with what happens. Each function returns one tidy frame;
``python -m hatstats.calibration`` runs and prints them.
"""
