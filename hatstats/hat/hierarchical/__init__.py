"""The hierarchical Bayesian model: one joint posterior over models, benchmarks and languages."""

from hatstats.hat.hierarchical.cells import CellOptions
from hatstats.hat.hierarchical.fit import fit_hierarchical, read_hierarchical
from hatstats.hat.hierarchical.priors import Priors
from hatstats.hat.hierarchical.result import HierarchicalFit
from hatstats.hat.hierarchical.settings import Sampling

__all__ = [
    "CellOptions",
    "HierarchicalFit",
    "Priors",
    "Sampling",
    "fit_hierarchical",
    "read_hierarchical",
]
