"""``python -m tests.fuzz``: thousands of studies and mutated logs, in blocks that are run once.

Each block of 100 cases has its seed, and runs in a process with 4 GB of memory, a home and a
working directory of its own in which nothing may be left, as many at once as there are processors.
``--block studies:17`` repeats one.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

import hatstats
from tests.fuzz.checks import Outcome, check_logs, check_study
from tests.fuzz.logs import fixtures, log_folders
from tests.fuzz.studies import studies

BLOCK, MEMORY, SECONDS = 100, 4 << 30, 60
ROOT = Path(__file__).parents[2]


def main() -> None:
    """Run the blocks that are not in the log yet, and print what all of them found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".cache/fuzz"))
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--logs", type=int, default=10_000)
    parser.add_argument("--block", help="run this block alone, such as studies:17, and print it")
    parser.add_argument(
        "--case", type=int, help="of that block this case alone, with its traceback"
    )
    given_ = parser.parse_args()
    if given_.block:
        kind, number = given_.block.split(":")
        print(json.dumps(run_block(kind, int(number), given_.case)))
        return
    given_.out.mkdir(parents=True, exist_ok=True)
    log = given_.out / "blocks.jsonl"
    done = {(each["kind"], each["block"]) for each in read_log(log)}
    # Both kinds in turn, so that an interrupted run has some of each.
    counts = {"studies": given_.studies // BLOCK, "logs": given_.logs // BLOCK}
    blocks = [
        (kind, number)
        for number in range(max(counts.values(), default=0))
        for kind, count in counts.items()
        if number < count and (kind, number) not in done
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool, log.open("a", encoding="utf-8") as file:
        for block in as_completed([pool.submit(in_process, *each) for each in blocks]):
            print(json.dumps(block.result()), file=file, flush=True)
    print(summary(list(read_log(log))))


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Finished blocks; a line that was cut off is run again."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def summary(blocks: list[dict[str, Any]]) -> str:
    """Numbers of cases by kind, and every failure with the block that shows it again."""
    lines = []
    for kind in ("studies", "logs"):
        own = [each for each in blocks if each["kind"] == kind]
        cases, failures = (sum(each[key] for each in own) for key in ("cases", "failed"))
        outcome: Counter[str] = sum((Counter(each["outcome"]) for each in own), Counter())
        did, sentence = (
            ("fitted", "without a fit") if kind == "studies" else ("converted", "refused")
        )
        lines.append(
            f"{kind}: {cases} cases, {outcome['result']} {did}, {outcome['sentence']} {sentence}, "
            f"each with a sentence; {failures} failures; "
            f"{sum(each['seconds'] for each in own) / 3600:.1f} processor hours"
        )
        for each in own:
            lines += [f"  {kind}:{each['block']} {text}" for text in each["failures"]]
    return "\n".join(lines)


def in_process(kind: str, number: int) -> dict[str, Any]:
    """One block in a process of its own, whose home and working directory must stay empty."""
    with tempfile.TemporaryDirectory() as name:
        places = {key: Path(name) / key for key in ("HOME", "TMPDIR", "cwd")}
        for place in places.values():
            place.mkdir()
        # What other packages keep between runs, of fonts for instance, is theirs.
        theirs = {
            "MPLCONFIGDIR": name,
            "PYTENSOR_FLAGS": f"base_compiledir={name}/pytensor",
        }
        limits = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        environment = (
            os.environ | theirs | limits | {key: str(places[key]) for key in ("HOME", "TMPDIR")}
        )
        found = subprocess.run(
            [sys.executable, "-m", "tests.fuzz", "--block", f"{kind}:{number}"],
            env=environment, cwd=places["cwd"], capture_output=True, text=True, check=False,
        )  # fmt: skip
        left = [str(path) for place in places.values() for path in place.rglob("*")
                if ".hypothesis" not in path.parts]  # fmt: skip
        try:
            block = json.loads(found.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            words = f"process ended with {found.returncode}: {found.stderr[-2000:]}"
            block = {"kind": kind, "block": number, "cases": 0, "failed": 1, "seconds": 0.0,
                     "outcome": {}, "failures": [words]}  # fmt: skip
        if left:
            block["failed"] += 1
            block["failures"].append(f"left behind: {left[:5]}")
        return block


def run_block(kind: str, number: int, only: int | None = None) -> dict[str, Any]:
    """All cases of a block, in this process; with `only` that case, whose error is raised."""
    fixtures()  # before the limits, since they are made with what has no part in the test
    # Hypothesis also draws constants of the modules that are loaded: with all of them a case is the
    # same whatever ran before it.
    for module in walk_packages(hatstats.__path__, "hatstats."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, _too_long)
    total, failures, cases = Outcome(), [], 0
    checks: dict[str, Callable[[Any], Outcome]] = {
        "studies": check_study,
        "logs": check_logs,
    }

    def one(case: Any) -> None:
        # A call into compiled code that never returns is ended with all tracebacks printed.
        faulthandler.dump_traceback_later(30 * SECONDS, exit=True)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            found = checks[kind](case)
            total.update({key: total.get(key, 0) + value for key, value in found.items()})
            total.said("result" if found.result else "sentence")
        except Exception as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            if only is not None:
                print(repr(case))
                raise
            failures.append(f"case {number_of_case}: {_where(error)}")
            print(failures[-1], file=sys.stderr, flush=True)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.cancel_dump_traceback_later()

    strategy: Any = studies() if kind == "studies" else log_folders
    start = time.process_time()
    for number_of_case in range(1, BLOCK + 1) if only is None else (only,):
        one(drawn(strategy, number * BLOCK + number_of_case))
        cases += 1
    facts = {"kind": kind, "block": number, "cases": cases, "failed": len(failures)}
    spent = round(time.process_time() - start, 1)
    return {**facts, "outcome": total, "failures": failures, "seconds": spent}


def drawn(strategy: Any, number: int) -> Any:
    """One case of a strategy, by chance: that of the seed `number`.

    Within one run Hypothesis would take many cases that are nearly the same.
    """
    found: list[Any] = []
    # The first of the two is the simplest that there is.
    keep = settings(
        max_examples=2, deadline=None, database=None, phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck), derandomize=False,
    )(given(strategy)(lambda case: found.append(case)))  # fmt: skip
    seed(number)(keep)()
    return found[-1]


class TooLong(Exception):
    """A case took more than `SECONDS` of processor time."""


def _too_long(*_: object) -> None:
    raise TooLong(f"no end after {SECONDS} s")


def _where(error: Exception) -> str:
    """An error in one line, with where in the package it came from and what was checked."""
    frames = traceback.extract_tb(error.__traceback__)
    rooms = ("hatstats/", "tests/fuzz/checks")
    places = [frame for room in rooms for frame in [f for f in frames if room in f.filename][-1:]]
    shown = ", ".join(f"{frame.filename.split('/', 3)[-1]}:{frame.lineno}" for frame in places)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]} ({shown})"


if __name__ == "__main__":
    main()
