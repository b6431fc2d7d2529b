"""Resampled estimates, and sums of overdispersed counts."""
