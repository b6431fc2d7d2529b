"""Seconds of each stage of the main job on every study in data/, and of the whole command.

Run by ``make bench``. Times depend on the machine, so none is written down in the project.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import hatstats

DATA = Path(__file__).parents[1] / "data"


def timed[Value](call: Callable[[], Value]) -> tuple[Value, float]:
    """Result of a call, and the seconds it took."""
    start = time.perf_counter()
    value = call()
    return value, time.perf_counter() - start


def stages(folder: Path) -> dict[str, float]:
    """Seconds of reading, profile, scores and measures of one study."""
    study, read = timed(lambda: hatstats.read_study(folder))
    used = study.without_flagged()
    profile, fitted = timed(lambda: hatstats.fit_profile(used))
    _, scored = timed(lambda: profile.hat("pooled"))
    _, measured = timed(lambda: hatstats.measures(used))
    return {"read": read, "profile": fitted, "scores": scored, "measures": measured}


def command(*arguments: str) -> float:
    """Seconds of one command in a process of its own, start included."""
    _, seconds = timed(
        lambda: subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    )
    return seconds


def main() -> None:
    """Print one line for each study, then the commands that users wait for."""
    stages(DATA / "winogrande_african")  # imports are counted with the commands below
    for toml in sorted(DATA.glob("*/study.toml")):
        seconds = stages(toml.parent)
        row = "  ".join(f"{stage} {value:7.2f} s" for stage, value in seconds.items())
        print(f"{toml.parent.name:<20}{row}", flush=True)
    print(f"{'import hatstats':<46}{command('-c', 'import hatstats'):7.2f} s", flush=True)
    run = "from hatstats.cli import main; main()"
    with tempfile.TemporaryDirectory() as out:
        for study in ("euroeval", "winogrande_african"):
            label = f"hatstats report data/{study}"
            arguments = ("report", str(DATA / study), "--out", str(Path(out, study)))
            print(f"{label:<46}{command('-c', run, *arguments):7.2f} s", flush=True)


if __name__ == "__main__":
    main()
