"""What was observed: the tables of a study, how they are read, checked and written."""

from __future__ import annotations

from hatstats.study.claims import StudyInfo
from hatstats.study.reading import read_study
from hatstats.study.simulate import Shape, simulate_study, true_hat
from hatstats.study.study import Study
from hatstats.study.suspicion import flag_cells, suspicious_cells
from hatstats.study.truth import PaperDesign, PaperTruth, paper_truth

__all__ = [
    "PaperDesign",
    "PaperTruth",
    "Shape",
    "Study",
    "StudyInfo",
    "flag_cells",
    "paper_truth",
    "read_study",
    "simulate_study",
    "suspicious_cells",
    "true_hat",
]
