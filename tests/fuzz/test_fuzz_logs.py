"""150 log folders that nobody would make on purpose; ``make fuzz`` tries thousands."""

from __future__ import annotations

from hypothesis import given, settings

from tests.fuzz.checks import check_logs
from tests.fuzz.logs import LogCase, log_folders
from tests.fuzz.test_fuzz import FEW


@settings(FEW, max_examples=150)
@given(log_folders)
def test_logs_with_any_bytes_are_converted_or_refused_with_a_sentence(case: LogCase) -> None:
    check_logs(case)
