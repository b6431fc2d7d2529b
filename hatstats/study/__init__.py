"""What was observed: the tables of a study, how they are read, checked and written."""

from __future__ import annotations

from hatstats.study.claims import StudyInfo
from hatstats.study.reading import read_study
from hatstats.study.simulate import Shape, simulate_study, true_hat
from hatstats.study.study import Study
from hatstats.study.suspicion import flag_cells, suspicious_cells

__all__ = [
    "Shape",
    "Study",
    "StudyInfo",
    "flag_cells",
    "read_study",
    "simulate_study",
    "suspicious_cells",
    "true_hat",
]
