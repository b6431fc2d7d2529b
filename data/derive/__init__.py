"""How the study folders of ``data/`` are made: ``python -m data.derive --raw DIR``."""
