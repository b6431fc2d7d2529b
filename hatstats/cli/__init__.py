"""The front door: one verb per job, nothing computed here.

Everything heavy is imported inside the verbs, so that ``hatstats --help`` answers at once. A module
of verbs registers them when it is imported, and ``--help`` lists them in the order below.
"""

# isort: off
from hatstats.cli import report, scores, trends, changes, plans, bayes, studies, logs

# isort: on
from hatstats.cli.front import app, main

__all__ = [
    "app",
    "bayes",
    "changes",
    "logs",
    "main",
    "plans",
    "report",
    "scores",
    "studies",
    "trends",
]
