"""What `make mutants` prints of a sample, and which tests judge a mutant."""

from __future__ import annotations

import re

import pytest
from scipy import stats

from tests import mutants


@pytest.mark.parametrize(("killed", "n"), [(1, 1), (41, 50), (0, 7)])
def test_the_interval_of_a_score_is_wilsons_against_scipy(killed: int, n: int) -> None:
    line = mutants.score_line(["killed"] * killed + ["survived"] * (n - killed), total=1000)
    share, low, high = (float(number) for number in re.findall(r"\d\.\d{3}", line))
    ends = stats.binomtest(killed, n).proportion_ci(method="wilson")
    assert [share, low, high] == pytest.approx([killed / n, ends.low, ends.high], abs=6e-4)


def test_a_mutant_that_never_ends_is_found_and_a_census_has_no_interval() -> None:
    line = mutants.score_line(["killed", "timed out", "survived", "killed"], total=4)
    assert line == "4 of 4 mutants: 2 killed, 1 survived, 1 timed out; score 0.750"


def test_tests_of_the_module_and_the_quickest_judge_up_to_the_budget() -> None:
    function = "hatstats.scores.ranks.x_rank_table"
    seconds = {"slow": 25.0, "quick": 1.0, "middle": 5.0, "tests/scores/test_rank_sets.py": 3.0}
    chosen = ["tests/scores/test_rank_sets.py", "quick", "middle"]
    assert mutants.judges(function, seconds) == chosen
    assert mutants.judges(function, {"slow": 99.0}) == ["slow"]
    many = {f"test {number}": 0.0 for number in range(500)}
    assert len(mutants.judges(function, many)) == mutants.MOST_TESTS
