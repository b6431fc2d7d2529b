"""``python -m tests.fuzz.bytes``: bytes of files of each kind, changed until they reach new lines.

Each reader has a process of its own with 4 GB of memory and 60 seconds for an input (atheris), and
a corpus in the folder of the run, from which the next run goes on.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris

# The kernel is compiled by numba, which knows no instruments.
with atheris.instrument_imports(include=["hatstats"], exclude=["hatstats.bayes.kernel"]):
    import hatstats as hs
    from hatstats.bayes.fit import read_hierarchical
    from hatstats.errors import ConvergenceWarning, DegenerateDataWarning, HatstatsError
    from hatstats.logs.convert import convert_logs
    from hatstats.scores.saved import read as read_scores
    from hatstats.study.formula import evaluate_formula, parse_formula, with_release_year
    from hatstats.study.read import read_study

from tests.fuzz.logs import fixtures
from tests.fuzz.studies import FORMULAS

MEMORY, SECONDS = 4096, 60
COUNTS = b"""model,benchmark,language,item,n_correct,n_trials
A,b,en,1,5,10
A,b,de,1,3,10
B,b,en,1,7,10
B,b,de,1,5,10
"""
TABLES = {
    "counts.csv": COUNTS,
    "models.csv": b"model,family,params_total,release_date\nA,f,1e9,2024-01-01\nB,g,7e9,\n",
    "benchmarks.csv": b"benchmark,source_language,chance\nb,en,0.25\n",
    "languages.csv": b"language,script,speakers\nde,Latn,1e8\nen,Latn,\n",
    "study.toml": b"""name = "s"
common = [0.2, 0.9]
[trials]
kind = "repeats"
[[claims]]
name = "c"
kind = "slope"
term = "log10(params_total)"
threshold = 0.0
formula = "log10(params_total) + release_year"
""",
}


def study_with(name: str) -> Callable[[Path, bytes], object]:
    """Reads a study of which the file `name` has the bytes."""

    def read(folder: Path, data: bytes) -> object:
        for table, good in (TABLES | {name: data}).items():
            (folder / table).write_bytes(good)
        return read_study(folder)

    return read


def logs_named(name: str) -> Callable[[Path, bytes], object]:
    """Converts a log of that name."""

    def read(folder: Path, data: bytes) -> object:
        (folder / name).write_bytes(data)
        return convert_logs(folder, settings={"source_language": "en"})

    return read


def _posterior(folder: Path, data: bytes) -> object:
    (folder / "posterior.nc").write_bytes(data)
    return read_hierarchical(folder / "posterior.nc", _study())


def _scores(folder: Path, data: bytes) -> object:
    (folder / "scores.json").write_bytes(data)
    return read_scores(folder / "scores.json")


def _formula(folder: Path, data: bytes) -> object:
    models = with_release_year(_study().models)
    text = data.decode("utf-8", "replace")
    return evaluate_formula(parse_formula(text, models), models, text)


def _study() -> hs.Study:
    shape = hs.Shape(n_items=20, n_languages=2, n_trials=4)
    return hs.simulate_study([-0.5, 0.0, 0.5, 1.0], shape=shape, rng=1)


TARGETS: dict[str, Callable[[Path, bytes], object]] = {
    **{name: study_with(name) for name in TABLES},
    **{f"log.{end}": logs_named(f"log.{end}")
       for end in ("csv", "json", "jsonl", "jsonl.gz", "eval", "zip", "parquet", "arrow",
                   "duckdb", "db")},
    "posterior.nc": _posterior, "scores.json": _scores, "formula": _formula,
}  # fmt: skip


def seeds(target: str) -> list[bytes]:
    """Good files of the kind that a target reads."""
    if target in TABLES:
        return [TABLES[target]]
    if target == "formula":
        return [formula.encode() for formula in FORMULAS]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / target
        if target == "scores.json":
            hs.fit_profile(_study(), method="observed").hat().save(path)
            return [path.read_bytes()]
        if target == "posterior.nc":
            few = hs.Sampling(draws=50, tune=50, chains=2)
            hs.fit_hierarchical(_study(), sampling=few, rng=1).save(path)
            return [path.read_bytes()]
        if target == "log.db":
            with sqlite3.connect(path) as database:
                database.execute("CREATE TABLE t (model, language, item, correct)")
                rows = [("a", "en", 1, 1), ("a", "de", 1, 0), ("b", "en", 1, 1), ("b", "de", 1, 1)]
                database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
            database.close()
            return [path.read_bytes()]
    end = target.removeprefix("log").replace(".zip", ".eval")
    found = [data for files in fixtures().values() for name, data in files.items()
             if name.endswith(end) and len(data) < 1 << 20]  # fmt: skip
    assert found, target
    return found


def run_target(target: str, options: list[str]) -> None:
    """Call the reader with inputs until libFuzzer ends the process."""
    reader = TARGETS[target]
    warnings.simplefilter("error")
    for category in (DegenerateDataWarning, ConvergenceWarning):
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("ignore", "fetch_arrow_table", DeprecationWarning)

    def one(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as name:
            try:
                reader(Path(name), data)
            except HatstatsError as error:
                if not str(error).strip():
                    raise AssertionError("an error without a message") from error

    atheris.Setup([target, *options], one)
    atheris.Fuzz()


def main() -> None:
    """So many inputs, or seconds, for each reader, and what each ended with."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.bytes", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".cache/fuzz/bytes"))
    parser.add_argument("--runs", type=int, default=1_000, help="inputs of each reader")
    parser.add_argument("--seconds", type=int, default=0, help="at most so long for each reader")
    parser.add_argument("--only", choices=list(TARGETS), nargs="*", help="these readers alone")
    parser.add_argument("--target", choices=list(TARGETS), help=argparse.SUPPRESS)
    given, options = parser.parse_known_args()
    if given.target:
        run_target(given.target, options)
        return
    failed = False
    for target in given.only or TARGETS:
        corpus, first = given.out / target, given.out / f"{target}.seeds"
        for folder in (corpus, first):
            folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(seeds(target) if not any(first.iterdir()) else []):
            (first / str(number)).write_bytes(data)
        limits = [f"-runs={given.runs}", f"-rss_limit_mb={MEMORY}", f"-timeout={SECONDS}",
                  f"-max_total_time={given.seconds}", f"-artifact_prefix={given.out / target}.",
                  "-max_len=200000"]  # fmt: skip
        found = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.bytes", "--target", target, *limits, str(corpus),
             str(first)],
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        done = re.search(r"Done (\d+) runs", found.stderr)
        tail = ""
        if not done or found.returncode:
            words = re.sub(r"INFO: .*\n", "", found.stdout + found.stderr)
            failed, tail = True, f"\n{words[-5000:]}"
        count = done.group(1) if done else "?"
        print(f"{target}: {count} inputs, {len(list(corpus.iterdir()))} kept{tail}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
