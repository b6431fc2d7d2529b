"""Responses to counts: ours beside plain DuckDB and pandas, on the same files, results equal.

Run by ``make bench``: 5.3 million rows of JSON lines and 100 million of Parquet, both generated
in a temporary folder (about 4 GB) that is deleted afterwards. Each contender runs in a process of
its own, so that its peak memory is its own, and writes its counts to a Parquet file; the files are
compared. ``--share .01`` takes a hundredth of the rows.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb

#: Rows, and how they are spread: models, languages, items; ten trials of each.
SIZES = {"jsonl": 5_300_000, "parquet": 100_000_000}
TRIALS, LANGUAGES, ITEMS = 10, 29, 658
#: Bytes of address space for pandas, so that it dies before the machine does.
PANDAS_LIMIT = 12 << 30
#: Seconds of processor time, which others on the machine do not change, of the clock, and GB.
Cost = tuple[float, float, float]
KEYS = "model, benchmark, language, item"


def make(kind: str, rows: int, folder: Path) -> list[Path]:
    """Write responses as files of one kind, eight of them, and give their paths."""
    per_model = TRIALS * LANGUAGES * ITEMS
    folder.mkdir()
    paths = []
    with duckdb.connect() as connection:
        connection.execute("SET threads = 2")
        connection.execute("SET memory_limit = '2GB'")
        for part in range(8):
            low, high = rows * part // 8, rows * (part + 1) // 8
            path = folder / f"part-{part}.{kind}"
            options = "FORMAT json" if kind == "jsonl" else "FORMAT parquet"
            connection.execute(
                f"COPY (SELECT 'acme/model-' || (i // {per_model}) AS model, "
                "'mmlu_prox_lite' AS benchmark, "
                f"'l' || ((i // {TRIALS}) % {LANGUAGES}) AS language, "
                f"'item-' || ((i // {TRIALS * LANGUAGES}) % {ITEMS}) AS item, "
                f"(i % {TRIALS})::INTEGER AS repeat, hash(i) % 3 = 0 AS correct, "
                f"md5(i::VARCHAR) AS answer FROM range({low}, {high}) t(i)) TO '{path}' ({options})"
            )
            paths.append(path)
    return paths


def ours(paths: Sequence[Path], target: Path) -> None:
    """The reduction of `hatstats convert`, grading, faults and repeated trials included."""
    from hatstats.logs.backends import DuckDB
    from hatstats.logs.counter import Counter
    from hatstats.logs.discover import discover
    from hatstats.logs.readers.schema import Choices

    with tempfile.TemporaryDirectory() as scratch:
        engine = DuckDB(Path(scratch))
        logs = [str(path) for path in paths]
        found = discover(logs, None, Choices(), Path(scratch), lambda *_: None)
        counter = Counter(engine, engine, found, Choices())
        (part,) = [counter.part(source) for source in found.sources]
        assert sum(map(len, counter.left_out.values())) == 0
        engine.connection.con.execute(
            f"COPY (SELECT {KEYS}, sum(n_correct)::BIGINT AS k, sum(n_trials)::BIGINT AS n FROM "
            f"{part.cells.get_name()} GROUP BY ALL) TO '{target}' (FORMAT parquet)"
            if paths[0].suffix == ".jsonl"
            else f"COPY (SELECT {KEYS}, n_correct::BIGINT AS k, n_trials::BIGINT AS n FROM "
            f"{part.cells.get_name()}) TO '{target}' (FORMAT parquet)"
        )


def plain_duckdb(paths: Sequence[Path], target: Path) -> None:
    """What one would write by hand."""
    listed = ", ".join(f"'{path}'" for path in paths)
    read = "read_json" if paths[0].suffix == ".jsonl" else "read_parquet"
    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as connection:
        connection.execute(f"SET temp_directory = '{scratch}'")
        connection.execute("SET memory_limit = '3GB'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(
            f"COPY (SELECT {KEYS}, sum(correct::INTEGER)::BIGINT AS k, count(*) AS n FROM "
            f"{read}([{listed}]) GROUP BY ALL) TO '{target}' (FORMAT parquet)"
        )


def pandas(paths: Sequence[Path], target: Path) -> None:
    """The same in pandas, all rows in memory."""
    import pandas as pd

    lines = paths[0].suffix == ".jsonl"
    columns = [*KEYS.split(", "), "correct"]
    frames = [
        pd.read_json(path, lines=True)[columns] if lines
        else pd.read_parquet(path, columns=columns)
        for path in paths
    ]  # fmt: skip
    grouped = pd.concat(frames).groupby(KEYS.split(", "), sort=False)["correct"]
    counts = grouped.agg(["sum", "count"]).reset_index().rename(columns={"sum": "k", "count": "n"})
    counts.to_parquet(target, index=False)


CONTENDERS = {"plain DuckDB": plain_duckdb, "ours": ours, "pandas": pandas}


def run(name: str, paths: Sequence[Path], target: Path) -> Cost | None:
    """Cost of a contender in a process of its own; None if it died."""
    call = [sys.executable, "-m", "bench.reduction", "--contender", name, "--target", str(target)]
    done = subprocess.run(
        [*call, *map(str, paths)], capture_output=True, text=True, check=False, timeout=3600
    )
    if done.returncode:
        print((done.stderr or "killed").strip().splitlines()[-1], file=sys.stderr)
        return None
    processor, seconds, memory = map(float, done.stdout.split())
    return processor, seconds, memory


def same(one: Path, other: Path) -> bool:
    """Whether two results have the same rows, in any order: number and two sums of hashes."""
    query = f"hash({KEYS}, k::BIGINT, n::BIGINT)"
    with duckdb.connect() as connection:
        sums = [
            connection.execute(
                f"SELECT count(*), sum({query}), bit_xor({query}), sum(k), sum(n) "
                f"FROM read_parquet('{path}')"
            ).fetchall()
            for path in (one, other)
        ]
    return bool(sums[0] == sums[1])


def main() -> None:
    """Print what each costs, and the ratio to plain DuckDB, for both kinds of files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=float, default=1.0, help="share of the rows")
    parser.add_argument("--contender", choices=CONTENDERS)
    parser.add_argument("--target", type=Path)
    parser.add_argument("paths", type=Path, nargs="*")
    given = parser.parse_args()
    if given.contender:
        # Imports come before the clock: they cost the same for ten rows and for a billion.
        import ibis
        import pandas as pd  # noqa: F401

        ibis.duckdb.connect().disconnect()

        if given.contender == "pandas":
            resource.setrlimit(resource.RLIMIT_AS, (PANDAS_LIMIT, PANDAS_LIMIT))
        start, before = time.perf_counter(), time.process_time()
        CONTENDERS[given.contender](given.paths, given.target)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(time.process_time() - before, time.perf_counter() - start, memory)
        return
    for kind, size in SIZES.items():
        rows = int(size * given.share)
        with tempfile.TemporaryDirectory() as place:
            paths = make(kind, rows, Path(place, "logs"))
            # Others may use the machine meanwhile: the two that are compared take turns, and the
            # better of two runs counts for each.
            first, second = Path(place, "plain.parquet"), Path(place, "ours.parquet")
            turns = [
                (run("plain DuckDB", paths, first), run("ours", paths, second)) for _ in range(2)
            ]
            base, mine = (_best([turn[at] for turn in turns]) for at in (0, 1))
            show(f"{rows:,} rows of {kind}: plain DuckDB", base, base, True)
            show(f"{rows:,} rows of {kind}: ours", mine, base, same(first, second))
            third = Path(place, "pandas.parquet")
            slow = run("pandas", paths, third)
            equal = same(first, third) if slow else True
            show(f"{rows:,} rows of {kind}: pandas", slow, base, equal)


def _best(results: Sequence[Cost | None]) -> Cost | None:
    done = [result for result in results if result is not None]
    return min(done) if done else None


def show(label: str, result: Cost | None, base: Cost | None, equal: bool) -> None:
    """Print one contender: its cost, processor time beside plain DuckDB's, equality of counts."""
    if result is None or base is None:
        print(f"{label:<46} did not survive", flush=True)
        return
    print(
        f"{label:<46}{result[0]:7.1f} s of processor {result[1]:7.1f} s {result[2]:6.2f} GB, "
        f"{result[0] / base[0]:.2f} of plain DuckDB, counts {'equal' if equal else 'DIFFER'}",
        flush=True,
    )


if __name__ == "__main__":
    main()
