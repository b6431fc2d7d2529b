"""Slow proofs: simulations that say whether the estimators keep what they promise.

Each function returns one tidy frame; ``python -m hatstats.calibration`` runs and prints them.
"""
