"""Inference that is robust to dependence within few clusters."""
