"""The reduction against a loop over rows, on small random logs with faults and repeats."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hatstats
from hatstats.errors import DataError

#: Scores as they stand in a line, and what they say; then what says nothing.
SCORES = {"1": 1.0, "0": 0.0, "true": 1.0, "false": 0.0, '"1"': 1.0, '"C"': 1.0, '"I"': 0.0,
          '"True"': 1.0, '"wrong"': 0.0, "1.0": 1.0, '"0.0"': 0.0, '"1e0"': 1.0}  # fmt: skip
MISSING = ("null", '""', '"nan"')
BAD = ("null", '""', "0.5", '"x"', "2", '"nan"', "7")
ROW = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["m", "n", "n "]),
        "benchmark": st.just("b"),
        "language": st.sampled_from(["en", "de", None]),
        "item": st.sampled_from(["1", "2", 3, ""]),
        "prompt": st.sampled_from([0, 1, 2, 31, "p", None]),
        "correct": st.sampled_from([*SCORES, *BAD]),
    }
)


def naive(rows: list[dict[str, object]]) -> dict[tuple[str, str, str], tuple[float, float]]:
    """What the reader promises, row by row."""
    trials: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for row in rows:
        names = [str(row[k]).strip() if row[k] is not None else "" for k in
                 ("model", "language", "item", "prompt")]  # fmt: skip
        score = SCORES.get(str(row["correct"]))
        if score is not None and all(names[:3]):
            trials[tuple(names)].append(score)
    counts: dict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for (model, language, item, prompt), scores in trials.items():
        if prompt and len(scores) > 1:
            if len(set(scores)) > 1:
                continue
            scores = scores[:1]
        counts[model, language, item][0] += sum(scores)
        counts[model, language, item][1] += len(scores)
    return {key: (k, n) for key, (k, n) in counts.items()}


@given(st.lists(ROW, min_size=1, max_size=30))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.slow
def test_counts_are_those_of_the_loop(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(
        "".join(json.dumps({**r, "correct": json.loads(str(r["correct"]))}) + "\n" for r in rows)
    )
    named = [row for row in rows if row["language"] and row["item"] != ""]
    scores = [str(row["correct"]) for row in named]
    unknown = [score for score in scores if score in BAD and score not in MISSING]
    if len(unknown) > 2:
        with pytest.raises(DataError, match="neither right nor wrong"):
            hatstats.convert_logs(path)
        return
    expected = naive(rows)
    languages = {language for _, language, _ in expected}
    if "en" not in languages:
        with pytest.raises(DataError):
            hatstats.convert_logs(path)
        return
    done = hatstats.convert_logs(path)
    cells = done.study.counts.groupby(["model", "language", "item"])[["n_correct", "n_trials"]]
    found = {key: (row.iloc[0], row.iloc[1]) for key, row in cells.sum().iterrows()}
    assert found == expected
    row = done.files.iloc[0]
    assert row["read"] == len(rows)
    assert row["kept"] == sum(n for _, n in expected.values())
    assert done.left_out["rows"].sum() == row["left_out"] == len(rows) - row["kept"]


def test_another_backend_by_its_address(tmp_path: Path) -> None:
    """A table of a database that Ibis connects to: here a DuckDB file, by its URL."""
    import duckdb

    with duckdb.connect(str(tmp_path / "x.db")) as connection:
        connection.execute(
            "CREATE TABLE responses AS SELECT 'm' AS model, 'b' AS benchmark, language, "
            "item, p AS prompt, (item + p) % 2 AS correct FROM (VALUES ('en'), ('de')) "
            "t(language), range(5) i(item), range(3) r(p)"
        )
    done = hatstats.convert_logs("responses", backend=f"duckdb://{tmp_path / 'x.db'}")
    items = done.study.counts.groupby(["language", "item"])["n_trials"].sum()
    assert items.tolist() == [3.0] * 10
    assert done.study.counts["n_correct"].sum() == 14
    with pytest.raises(DataError, match="no such table"):
        hatstats.convert_logs("nothing", backend=f"duckdb://{tmp_path / 'x.db'}")
