"""Kill `report`, `convert` and `bayes --save` at random moments; count what was found afterwards.

Run ``python -m tests.interruption.kills --kills 200``. Each verb writes over its own earlier result
with other arguments and is ended by SIGKILL or SIGTERM, half of the time anywhere in its run, else
while it writes. Then the old result, or the new one, must be there byte for byte, with the file of
the user that lies in it, and the next run must end well and leave nothing beside the result.

All runs are children of one process that has imported everything, so that each costs little.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import hatstats as hs

#: Of twenty kills so many are of each verb: runs of `convert` are short.
SHARES = {"report": 3, "convert": 15, "bayes": 2}
#: Names the file in which a run notes what it has imported.
IMPORTED = "HATSTATS_TEST_IMPORTED"
#: No run of so small a study may take longer, even on a busy machine that compiles first.
LONGEST = 900.0


def tiny_study() -> hs.Study:
    """Four models, three languages, twelve items."""
    shape = hs.Shape(n_items=12, n_languages=2, n_trials=3)
    return hs.simulate_study([-0.5, 0.0, 0.5, 0.2], shape=shape, rng=1)


def digests(path: Path) -> dict[str, str]:
    """SHA-256 of every file of a result by its name."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {
        file.relative_to(path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def draws_of(path: Path) -> dict[str, str]:
    """SHA-256 of every array of a saved posterior: the file itself holds times of its writing."""
    data = hs.read_hierarchical(path, tiny_study()).idata
    return {
        name: hashlib.sha256(np.ascontiguousarray(data[f"posterior/{name}"])).hexdigest()
        for name in data["posterior"].data_vars
    }


def start(arguments: Sequence[str]) -> int:
    """Run the command line in a child; its process id."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        sys.argv = ["hatstats", *arguments]
        from hatstats.cli import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        if IMPORTED in os.environ:
            Path(os.environ[IMPORTED]).write_text("\n".join(sys.modules))
        os._exit(code)


def wait(child: int, until: float) -> int | None:
    """Exit status of a child, or None if it still runs at that time."""
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(0.001)


@dataclass
class Target:
    """One verb with two sets of arguments, A and B, that write different results to one path."""

    verb: str
    out: Path
    arguments: tuple[list[str], list[str]]
    contents: Callable[[Path], dict[str, str]] = digests
    clean_codes: tuple[int, ...] = (0,)
    known: list[dict[str, str]] = field(default_factory=list)
    current: int = 0
    seconds: float = 0.0
    writing: float = 0.0

    def run(self, version: int) -> None:
        """Run to the end, which must be clean, and note how long the run and its writing take."""
        began = time.monotonic()
        child, first = start(self.arguments[version]), None
        while (code := wait(child, time.monotonic() + 0.001)) is None:
            if first is None and self.is_writing():
                first = time.monotonic()
            if time.monotonic() - began > LONGEST:
                os.kill(child, signal.SIGKILL)
                raise AssertionError(f"{self.verb} did not end in {LONGEST:.0f} s")
        ended = time.monotonic()
        assert code in self.clean_codes, f"{self.verb} ended with {code}"
        self.seconds = ended - began
        self.writing = ended - (first or ended)
        self.current = version

    def is_writing(self) -> bool:
        """Whether a folder of work beside the result holds a new one."""
        return any(self.out.parent.glob(f".{self.out.name}.partial-*/new"))

    def prepare(self) -> None:
        """Both results once, uninterrupted; a file of the user's lies in a folder.

        What the first run imports, this process then imports too, without computing anything.
        """
        with tempfile.NamedTemporaryFile("r") as names:
            os.environ[IMPORTED] = names.name
            self.run(0)
            del os.environ[IMPORTED]
            for name in names.read().split():
                with suppress(ImportError):
                    importlib.import_module(name)
        if self.out.is_dir():
            (self.out / "mine.txt").write_text("mine", encoding="utf-8")
        for version in (1, 0):
            self.run(version)
            self.known.insert(0, self.contents(self.out))
        assert self.known[0] != self.known[1]

    def kill(self, rng: random.Random) -> str:
        """Kill one run over the other result, look, and run again; what was found, in words."""
        new = 1 - self.current
        before = digests(self.out)
        child = start(self.arguments[new])
        code = None
        if rng.random() < 0.5:
            code = wait(child, time.monotonic() + rng.uniform(0.0, self.seconds))
        elif self.writing < 0.05:  # too short to wait for
            code = wait(child, time.monotonic() + rng.uniform(0.7, 1.1) * self.seconds)
        else:
            end = time.monotonic() + LONGEST
            while code is None and not self.is_writing() and time.monotonic() < end:
                code = wait(child, time.monotonic() + 0.0005)
            if code is None:
                code = wait(child, time.monotonic() + rng.uniform(0.0, 1.1 * self.writing))
        if code is None:
            os.kill(child, rng.choice([signal.SIGKILL, signal.SIGTERM]))
            code = wait(child, time.monotonic() + LONGEST)
        found = "old"
        if digests(self.out) != before:
            assert self.contents(self.out) == self.known[new], f"{self.out} is neither old nor new"
            found, self.current = "new", new
        left = [path for path in os.listdir(self.out.parent) if path != self.out.name]
        self.run(1 - self.current)
        assert self.contents(self.out) == self.known[self.current], f"{self.out} after a kill"
        assert os.listdir(self.out.parent) == [self.out.name], os.listdir(self.out.parent)
        if code is not None and code >= 0:
            return "ended before the signal"
        return f"{found} result whole, {'leftovers' if left else 'nothing'} beside it"


def targets(folder: Path) -> list[Target]:
    """The verbs on a tiny study, in folders with blanks and letters beyond ASCII."""
    home = folder / "a study, Zürich ελ"
    study = home / "tiny quiz"
    tiny_study().write(study)
    table, other = str(study / "counts.csv"), str(study)
    outs = {name: home / f"of {name} ä" / f"out {name} ß" for name in SHARES}
    for out in outs.values():
        out.parent.mkdir()
    report = ["report", other, "--quick", "--method", "observed", "--out", str(outs["report"])]
    convert = ["convert", table, "--source", "src", "--out", str(outs["convert"])]
    posterior = outs["bayes"].with_suffix(".nc")
    bayes = ["bayes", other, "--formula", "log10(params_total)", "--draws", "50",
             "--save", str(posterior)]  # fmt: skip
    return [
        Target("report", outs["report"], ([*report, "--seed", "1"], [*report, "--seed", "2"])),
        Target("convert", outs["convert"], (convert, [*convert, "--chance", "0.25"])),
        # Fifty draws do not pass the checks of the sampler, which is exit status 1.
        Target("bayes", posterior, ([*bayes, "--seed", "1"], [*bayes, "--seed", "2"]),
               draws_of, (0, 1)),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verb", choices=list(SHARES), help="only this one")
    options = parser.parse_args(arguments)
    rng, counts = random.Random(options.seed), Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory() as folder:
        shares = {verb: SHARES[verb] for verb in SHARES if options.verb in (None, verb)}
        for target in targets(Path(folder)):
            wanted = round(options.kills * shares.get(target.verb, 0) / sum(shares.values()))
            done = 0
            if not wanted:
                continue
            target.prepare()
            print(f"{target.verb}: {target.seconds:.1f} s, {target.writing:.2f} s of it writing",
                  flush=True)  # fmt: skip
            while done < wanted:
                found = target.kill(rng)
                counts[target.verb, found] += 1
                done += found != "ended before the signal"
            for (verb, found), count in sorted(counts.items()):
                if verb == target.verb:
                    print(f"  {found}: {count}", flush=True)
    kills = sum(count for (_, found), count in counts.items() if "whole" in found)
    print(f"{kills} kills: no result was lost or half written, and the next run left nothing.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
