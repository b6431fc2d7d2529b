"""Mutation testing: would the tests notice if a line of the statistics were wrong?

``make mutants`` changes one operator, number, argument or word of ``hatstats/inference``,
``hatstats/scores`` or ``hatstats/estimators`` at a time (mutmut) and runs the tests that reach the
changed function: those of these rooms, and their public examples. By
default the mutants of files that differ from the last tag, or from main; ``ALL=1`` every mutant;
``SAMPLE=n`` that many of each room, drawn with ``SEED=n``.

A mutant is judged by tests that reach it, those named like its module and then the quickest, up to
`BUDGET` seconds of processor time; simulations of coverage and slow proofs do not judge. What was
killed is not run again; ``make clean`` forgets all. Left out are what mutmut never changes
(f-strings, decorated functions such as properties, module constants) and literal text with a blank
in it: tests look for words of a message, not for all of it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
WORK = REPO / ".cache" / "mutants"
ROOMS = ("inference", "scores", "estimators")
#: Tests that may judge: of the rooms, and their public examples.
JUDGES = [*(f"tests/{room}" for room in ROOMS), "tests/test_docstrings.py"]
#: Simulations of coverage; and what lines warnings name, which mutmut's wrappers change.
LEFT_OUT = "not coverage and not line_of_the_caller"
#: Seconds of tests, as they took when nothing was changed, and tests, that judge one mutant.
BUDGET, MOST_TESTS = 10.0, 120
PLUGINS = ["-p", "no:cacheprovider", "-p", Path(__file__).stem]
#: What mutmut reads, and how pytest is to run.
CONFIG = f"""
[tool.mutmut]
source_paths = ["hatstats"]
only_mutate = {[f"hatstats/{room}/*" for room in ROOMS]}
pytest_add_cli_args = {["-m", "not slow", "-k", LEFT_OUT, *PLUGINS]}
pytest_add_cli_args_test_selection = {JUDGES}
use_git_change_detection = false
on_dependency_change = "ignore"
# By the clock, at least five minutes: a busy machine is no endless loop.
timeout_multiplier = 5
timeout_constant = 60
"""
OUTCOMES = {1: "killed", 3: "killed", 0: "survived", 33: "survived", 5: "survived"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one line; `name` is what mutmut calls it."""

    name: str
    file: Path
    line: int
    before: str
    after: str

    @property
    def room(self) -> str:
        return self.file.parts[1]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}  {_short(self.before)}  ->  {_short(self.after)}"


def _short(code: str) -> str:
    return re.sub(r"\s+", " ", code)[:90]


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Every mutant of one file, numbered within each function as mutmut does it."""
    import libcst as cst
    from libcst.metadata import MetadataWrapper, PositionProvider
    from mutmut.mutation.file_mutation import create_mutations
    from mutmut.mutation.trampoline_templates import mangle_function_name

    module, mutations, *_ = create_mutations(str(file), file.read_text(encoding="utf-8"))
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    lines = wrapper.resolve(PositionProvider)
    classes: dict[cst.CSTNode, str] = {
        method: node.name.value
        for node in module.body
        if isinstance(node, cst.ClassDef)
        for method in node.body.body
    }
    numbers: Counter[str] = Counter()
    for each in mutations:
        function = each.contained_by_top_level_function
        if not isinstance(function, cst.FunctionDef):
            continue
        key = mangle_function_name(name=function.name.value, class_name=classes.get(function))
        numbers[key] += 1
        old = each.original_node
        if isinstance(old, cst.SimpleString) and " " in old.value:
            continue
        yield Mutant(
            name=".".join([*file.with_suffix("").parts, f"{key}__mutmut_{numbers[key]}"]),
            file=file,
            line=lines[old].start.line,
            before=module.code_for_node(old),
            after=module.code_for_node(each.mutated_node),
        )


def changed_files() -> set[Path]:
    """Files that differ from the last tag, else from where this branch left main, else from it."""

    def git(*command: str) -> str:
        done = subprocess.run(["git", *command], cwd=REPO, capture_output=True, text=True)
        return done.stdout.strip()

    since = git("describe", "--tags", "--abbrev=0") or git("merge-base", "main", "HEAD") or "HEAD"
    return {Path(name) for name in git("diff", "--name-only", since).splitlines()}


def chosen(options: argparse.Namespace, mutants: Sequence[Mutant]) -> list[Mutant]:
    """The mutants that were asked for."""
    if options.only:
        return [each for each in mutants if re.search(options.only, each.name)]
    if options.sample:
        rng = random.Random(options.seed)
        rooms = ([each for each in mutants if each.room == room] for room in ROOMS)
        return [each for room in rooms for each in rng.sample(room, min(options.sample, len(room)))]
    if options.all:
        return list(mutants)
    changed = changed_files()
    return [each for each in mutants if each.file in changed]


def prepare() -> None:
    """A folder in which mutmut works, with links to the sources: it writes copies of its own."""
    (WORK / "mutants").mkdir(parents=True, exist_ok=True)
    settings = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    (WORK / "pyproject.toml").write_text(settings + CONFIG, encoding="utf-8")
    for place in ("hatstats", "tests", "mutants/bench", "mutants/data", "mutants/docs"):
        if not (WORK / place).is_symlink():
            (WORK / place).symlink_to(REPO / Path(place).name)
    # mutmut copies these, and keeps the copy of a file that is no more.
    for place in ("hatstats", "tests"):
        for copy in (WORK / "mutants" / place).rglob("*.py"):
            if not (REPO / copy.relative_to(WORK / "mutants")).exists():
                copy.unlink()


def outcomes(mutants: Iterable[Mutant]) -> dict[str, str]:
    """What mutmut noted of each mutant that it ran: killed, survived or timed out."""
    found = {}
    for file in {each.file for each in mutants}:
        note = WORK / "mutants" / f"{file}.meta"
        codes = json.loads(note.read_text())["exit_code_by_key"] if note.exists() else {}
        found |= {
            name: OUTCOMES.get(code, "timed out")
            for name, code in codes.items()
            if code is not None
        }
    return found


def score_line(results: Sequence[str], total: int) -> str:
    """Counts of one room, and the share found with Wilson's interval where it is a sample.

    A mutant that never ends, or that kills the process, is found: no test passes with it.
    """
    count, n = Counter(results), len(results)
    share = (n - count["survived"]) / n
    text = ", ".join(f"{count[name]} {name}" for name in ("killed", "survived", "timed out"))
    text = f"{n} of {total} mutants: {text}; score {share:.3f}"
    if n < total:
        z2 = 1.959964**2
        middle, half = (
            share + z2 / (2 * n),
            math.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n),
        )
        low, high = ((middle + sign * half) / (1 + z2 / n) for sign in (-1, 1))
        text += f" [{low:.3f}, {high:.3f}]"
    return text


def run(names: Sequence[str], processes: int) -> int:
    """Run mutmut on these mutants; its exit status."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", "run", "--max-children", str(processes), *names],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    return done.returncode


def choose_judges(file: Path) -> None:
    """Leave, in the notes of mutmut, the best judges of each function of all that reach it."""
    notes, whole = json.loads(file.read_text()), WORK / "reached.json"
    seconds, now = notes["duration_by_test"], notes["tests_by_mangled_function_name"]
    before = json.loads(whole.read_text()) if whole.exists() else {}
    # What was cut from the notes the time before is not lost.
    reached = {
        name: sorted({*now.get(name, ()), *before.get(name, ())}) for name in {**before, **now}
    }
    whole.write_text(json.dumps(reached))
    notes["tests_by_mangled_function_name"] = {
        name: judges(name, {test: seconds[test] for test in tests if test in seconds})
        for name, tests in reached.items()
    }
    file.write_text(json.dumps(notes))


def judges(function: str, seconds: Mapping[str, float]) -> list[str]:
    """Tests whose file bears the name of the module first, then the quickest, within the budget."""
    own = [part.removesuffix("s") for part in function.split(".")[2:-1]]
    order = sorted(
        seconds, key=lambda test: (not any(part in test for part in own), seconds[test], test)
    )[:MOST_TESTS]
    spent = itertools.accumulate(seconds[name] for name in order)
    return [name for name, sum_ in zip(order, spent, strict=True) if sum_ <= BUDGET] or order[:1]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--all", action="store_true", help="every mutant (many hours)")
    parser.add_argument("--sample", type=int, help="so many mutants of each room")
    parser.add_argument("--only", help="mutants whose name matches this regular expression")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    prepare()
    os.chdir(WORK)
    files = sorted(file for room in ROOMS for file in Path("hatstats", room).rglob("*.py"))
    mutants = [each for file in files for each in mutants_of(file)]
    mine = chosen(options, mutants)
    if not mine:
        print("No file of these rooms has changed: name SAMPLE=n or ALL=1.")
        return 0
    notes = WORK / "mutants" / "mutmut-stats.json"
    if not notes.exists():  # the first run also notes which tests reach which function
        run([mine[0].name], options.processes)
    choose_judges(notes)
    # What was killed is, as long as neither the function nor the tests have changed for the worse.
    before = outcomes(mine)
    names = [each.name for each in mine if before.get(each.name) != "killed"]
    status = run(names, options.processes) if names else 0
    found = outcomes(mine)
    for room in ROOMS:
        ran = [each for each in mine if each.room == room and each.name in found]
        if ran:
            print(f"\n{room}:")
            print(*(each for each in ran if found[each.name] == "survived"), sep="\n")
    print()
    for room in ROOMS:
        results = [found[each.name] for each in mine if each.room == room and each.name in found]
        if results:
            print(f"{room}: {score_line(results, sum(each.room == room for each in mutants))}")
    return status


def pytest_collection_modifyitems(items: list[object]) -> None:
    """As a plugin of pytest: forget what tests computed before the change and kept."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("tests", "hatstats"):
            for value in vars(module).values():
                getattr(value, "cache_clear", int)()
    # Without a change all tests passed when they were timed: a few more times are enough.
    if os.environ.get("MUTANT_UNDER_TEST") == "":
        del items[20:]


_spent = 0.0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Tests are timed by the processor: else a busy machine leaves fewer of them to judge."""
    global _spent
    before, _spent = _spent, sum(os.times()[:4])
    call.duration = _spent - before


if __name__ == "__main__":
    sys.exit(main())
