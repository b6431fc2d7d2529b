"""What was observed: the tables of a study, how they are read, checked and written."""

from hatstats.study.read import as_study
from hatstats.study.study import Study

__all__ = ["Study", "as_study"]
