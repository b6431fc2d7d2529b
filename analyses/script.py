"""What every script here needs: arguments, an output folder, and lines that fit a terminal."""

from __future__ import annotations

import argparse
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd


def say(text: str) -> None:
    """Print a text wrapped to 80 columns; lines that fit stay as they are."""
    for line in text.splitlines():
        print(line if len(line) <= 80 else textwrap.fill(line, 80, subsequent_indent="  "))


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV with ten significant digits."""
    frame.to_csv(path, index=False, float_format="%.10g", lineterminator="\n")


def script(run: Callable[[Path, Path], None], study: str) -> None:
    """Read ``--study`` and ``--out`` and call ``run(study, out)``.

    Parameters
    ----------
    run : callable
    study : str
        Study folder used when none is given, relative to the root of the repository.
    """
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--study", type=Path, default=Path(__file__).parents[1] / study)
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and figures")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    run(given.study, given.out)
    print(f"Written to {given.out} in {time.process_time():.0f} s of the processor")
