"""150 studies that nobody would make on purpose; ``make fuzz`` tries thousands."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from tests.fuzz.checks import check_study
from tests.fuzz.studies import ASKED, StudyCase, studies

FEW = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
#: A report takes as long as twenty other questions.
QUICK = tuple(ask for ask in ASKED if ask != "report")


@settings(FEW, max_examples=150)
@given(studies(most_models=3, asked=QUICK))
def test_a_study_of_any_shape_ends_in_results_or_a_sentence(case: StudyCase) -> None:
    check_study(case)
