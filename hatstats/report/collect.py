"""From an analysis to the frames that a report shows."""

from hatstats.report.results import Results


def collect(analysis: object) -> Results:
    raise NotImplementedError
