"""The command line: one verb per job, nothing computed here.

Everything heavy is imported inside the verbs, so that ``hatstats --help`` answers at once. A module
registers its verbs when it is imported, and ``--help`` lists them in this order.
"""

from hatstats.cli import scores, trends, plans, studies  # isort: skip
from hatstats.cli.front import app, main

__all__ = ["app", "main", "plans", "scores", "studies", "trends"]
