"""Uncertainty of HAT by resampling items or trials."""
