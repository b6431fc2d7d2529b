"""Resampled estimates, and what shrinks noisy ones."""
