"""Items of GSM-Symbolic that fail in one language for nearly all models, and HAT without them.

Models answer these items in English, and hardly any does in one other language, beyond what that
language costs them elsewhere: a wrong translation, a wrong key, or a word that no model knows.

Run ``python -m analyses.faults_in_one_language --out DIR``.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import hatstats as hs
from analyses.script import say, script, write

STUDY = "data/gsm_symbolic"


def run(study_path: Path, out: Path) -> None:
    """List the items, and compare the scores of models and languages with and without them."""
    study = hs.read_study(study_path).without_flagged()
    with warnings.catch_warnings(action="ignore", category=hs.DegenerateDataWarning):
        faults = hs.item_faults(study)
        write(faults, out / "faults.csv")
        say(f"{len(faults)} items fail in one language (false discovery rate 5 %):")
        for language, rows in faults.groupby("language"):
            say(f"  {language}: {', '.join(rows['item'])}")
        classes = hs.functioning_classes(hs.item_functioning(study))
        hs.plot.save(hs.plot.functioning(classes), out / "functioning")
        both = [hs.fit_profile(each).hat() for each in (study, hs.without_items(study, faults))]
    for name in ("model", "language"):
        before, after = (scores.by(name).params for scores in both)
        table = before.rename("with_all").to_frame()
        table["without"] = after.reindex(before.index)
        table["change"] = table["without"] - table["with_all"]
        write(table.reset_index(), out / f"{name}s.csv")
        most = str(table["change"].abs().idxmax())
        say(f"HAT of a {name} changes by {table['change'][most]:+.3f} at most ({most}).")


if __name__ == "__main__":
    script(run, STUDY)
