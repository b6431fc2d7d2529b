"""What was observed: the tables of a study, how they are read, checked and written."""

from __future__ import annotations

from hatstats.study.claims import StudyInfo
from hatstats.study.conversion import Conversion, convert_logs
from hatstats.study.metadata import fill_models
from hatstats.study.reading import read_study
from hatstats.study.simulate import Shape, simulate_study, true_hat
from hatstats.study.study import Study
from hatstats.study.suspicion import flag_cells, suspicious_cells
from hatstats.study.truth import PaperDesign, PaperTruth, paper_truth

__all__ = [
    "Conversion",
    "PaperDesign",
    "PaperTruth",
    "Shape",
    "Study",
    "StudyInfo",
    "convert_logs",
    "fill_models",
    "flag_cells",
    "paper_truth",
    "read_study",
    "simulate_study",
    "suspicious_cells",
    "true_hat",
]
