"""Slow proofs: simulations that say whether the estimators keep what they promise.

`hatstats.calibration.drift`: which measures change if source ability alone does;
`hatstats.calibration.coverage`: how often intervals contain the truth;
`hatstats.calibration.stress`: how far measures change with source ability relative to transfer;
`hatstats.calibration.rejection_rates`: how often tests of a trend reject;
`hatstats.calibration.plans`: predicted power and precision against simulation.
Each function returns one tidy frame; ``python -m hatstats.calibration`` runs and prints them.
"""
