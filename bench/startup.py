"""Processor time of two commands on small data, over that of ``import pandas``.

Run by ``make bench``. At most 3 is wanted of ``score`` on a study of accuracies and of ``convert``
on 20 kB of CSV. The three alternate, and the smallest ratio of a few rounds is printed: a busy
machine only adds to it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import hatstats as hs

ROUNDS = 5
DATA = Path(__file__).parents[1] / "data"


def seconds(*arguments: str) -> float:
    """Processor time, user and system, of one Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def log_file(folder: Path) -> Path:
    """About 20 kB of single answers as CSV."""
    study = hs.simulate_study([0.0, 0.5], shape=hs.Shape(n_items=300, n_languages=1), rng=1)
    answers = study.counts.assign(correct=study.counts["n_correct"].clip(0, 1).astype(int))
    path = folder / "log.csv"
    answers[["model", "language", "item", "correct"]].to_csv(path, index=False)
    return path


def main() -> None:
    """Print the ratio of each command."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        log = log_file(Path(folder))
        out = str(Path(folder, "study"))
        commands = {
            "hatstats score data/euroeval": ("score", str(DATA / "euroeval")),
            f"hatstats convert, {log.stat().st_size / 1000:.0f} kB": (
                "convert",
                str(log),
                "--set",
                "benchmark=b",
                "--set",
                "source_language=src",
                "--out",
                out,
            ),
        }
        ratios: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            unit = seconds("-c", "import pandas")
            for name, arguments in commands.items():
                ratios[name].append(seconds("-m", "hatstats", *arguments) / unit)
        for name, found in ratios.items():
            print(f"{name:<40}{min(found):6.1f} x import pandas")


if __name__ == "__main__":
    main()
