"""``python -m hatstats`` is the command line."""

from hatstats.cli import main

main()
