"""The REML fit of a panel of accuracies beside R's ``rma.mv`` and ``lmer``, in processor time.

Run by ``make bench``; where R, metafor or lme4 is missing, a sentence takes the place of the row.
``rma.mv`` fits the same model to the same data, so that its likelihood and coefficients are
compared as well; ``lmer`` knows no sampling covariances, and shows the time of a simpler model.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import hatstats
from hatstats.estimators.aggregate.profile import AggregateProfile
from hatstats.inference.reml.meta_regression import RemlFit, fit_reml

DATA = Path(__file__).parents[1] / "data"
REPEATS = 3


def write_panel(fit: RemlFit, names: tuple[str, ...], folder: Path) -> None:
    """Rows, groupings and known covariance of a fit as the files that ``reml.R`` reads."""
    columns: dict[str, object] = {"y": fit.y}
    columns |= dict(zip(names, fit.codes, strict=True))
    columns |= {f"x{k}": column for k, column in enumerate(fit.X.T)}
    pd.DataFrame(columns).to_csv(folder / "panel.csv", index=False, float_format="%.17g")
    pd.DataFrame(fit.V).to_csv(folder / "V.csv", index=False, header=False, float_format="%.17g")


def compare(name: str) -> None:
    """Print the rows of one study."""
    profile = hatstats.fit_profile(
        hatstats.read_study(DATA / name).without_flagged(), method="aggregate"
    )
    assert isinstance(profile, AggregateProfile)
    panel, fit = profile.panel, profile.panel.fit.dense
    start = time.process_time()
    for _ in range(REPEATS):
        again = fit_reml(fit.y, fit.X, fit.V, fit.codes)
    own = (time.process_time() - start) / REPEATS
    size = f"{fit.y.size} cells, {len(panel.components)} variance components"
    print(f"{name} ({size})\n  {'hatstats':<18}{own:9.3f} s")
    if shutil.which("Rscript") is None:
        print("  beside R: skipped, there is no Rscript here (Debian: r-cran-metafor, r-cran-lme4)")
        return
    with tempfile.TemporaryDirectory() as folder:
        write_panel(fit, tuple(panel.components), Path(folder))
        script = Path(__file__).with_suffix(".R")
        command = ["Rscript", str(script), folder]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if not out.strip():
        print("  beside R: skipped, neither metafor nor lme4 is installed")
    for line in out.splitlines():
        who, seconds, loglik, last = line.split()
        row = f"  {who:<18}{float(seconds):9.3f} s, {float(seconds) / own:7.1f} times as long"
        if who.startswith("metafor"):
            apart = abs(float(loglik) - again.loglik), abs(float(last) - float(again.params[-1]))
            row += f"; log-likelihoods differ by {apart[0]:.1e}, slopes by {apart[1]:.1e}"
        print(row, flush=True)


def main() -> None:
    """Panels of 20 and of 34 models."""
    with np.errstate(all="raise", under="ignore"):
        for name in ("euroeval", "self_translate"):
            compare(name)


if __name__ == "__main__":
    main()
