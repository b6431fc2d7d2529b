"""The sentence by which a call is refused, for tests that compare it whole."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

from hatstats.errors import DegenerateDataWarning, HatstatsError


def refusal(call: Callable[[], object]) -> str:
    """The message of the error that the call raises; what it warns of before is left aside."""
    quietly = warnings.catch_warnings(action="ignore", category=DegenerateDataWarning)
    with quietly, pytest.raises(HatstatsError) as info:
        call()
    return str(info.value)
