"""One short script for each figure, table and claim: ``python -m analyses.NAME --out DIR``."""

import os

# The fits work on many small matrices: more threads than one only wait for each other. To be of
# use this must stand before numpy is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
