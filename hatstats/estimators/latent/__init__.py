"""Semiparametric profiles given the latent source accuracy of an item."""
