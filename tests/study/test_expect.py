"""Every public function that is given a frame or a path says which call makes what it takes."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import hatstats
from hatstats import DataError, Study, convert_logs, read_study
from hatstats.study import as_study

FRAME = pd.DataFrame({"model": ["a"], "language": ["en"], "correct": [1]})
#: Types of parameters that a study makes, by the words of their annotation.
MADE_OF_A_STUDY = ("Study", "TransferProfile", "HatScores", "Scores", "TrendFit")
MADE_OF_A_STUDY += ("Sequence[Verdict]",)


def doors() -> list[tuple[str, str]]:
    """Public functions and their parameters that take a study or what is made of one."""
    found = []
    for name in hatstats.__all__:
        function = getattr(hatstats, name)
        if not inspect.isfunction(function):
            continue
        for parameter in inspect.signature(function).parameters.values():
            words = str(parameter.annotation).replace("|", " ").split()
            if any(word in MADE_OF_A_STUDY for word in words):
                found.append((name, parameter.name))
    return found


DOORS = doors()


def call(name: str, parameter: str, value: object) -> None:
    """Call a public function with one argument as given and any other that it needs."""
    function = getattr(hatstats, name)
    needed: dict[str, Any] = {
        other.name: "something"
        for other in inspect.signature(function).parameters.values()
        if other.default is inspect.Parameter.empty
    }
    if name == "misspecification_test":
        needed = {"parametric": value, "robust": value}
    function(**{**needed, parameter: value})


def test_doors_are_found() -> None:
    names = {name for name, _ in DOORS}
    assert {"fit_profile", "measures", "plan", "stress_test", "fit_trend", "item_report"} <= names
    assert {"collinearity", "leave_one_out", "detectable_slopes", "margin_curves"} <= names
    assert len(DOORS) >= 26


@pytest.mark.parametrize(("name", "parameter"), DOORS)
@pytest.mark.parametrize(
    ("value", "said", "call_to_make"),
    [
        (FRAME, "a pandas DataFrame", "Study.from_frame(df, source='en')"),
        (pl.from_pandas(FRAME), "a polars DataFrame", "Study.from_frame(df, source='en')"),
        (pa.Table.from_pandas(FRAME), "a pyarrow Table", "Study.from_frame(df, source='en')"),
        ("data/counts.csv", "a path", "read_study('data/counts.csv')"),
        (Path("counts.csv"), "a path", "read_study('counts.csv')"),
        (12, "an int", "fit_profile(study)"),
    ],
    ids=["pandas", "polars", "arrow", "text", "path", "number"],
)
def test_every_door_says_what_to_call(
    name: str, parameter: str, value: object, said: str, call_to_make: str
) -> None:
    with pytest.raises(DataError) as error:
        call(name, parameter, value)
    message = str(error.value)
    if name == "write_report" and said == "a path":  # it reads the path itself
        assert message.startswith(f"{value}: there is no such file or folder")
        return
    assert message.startswith(f"{name} takes ")
    assert said in message
    if call_to_make == "fit_profile(study)" and "takes a study" in message:
        call_to_make = "read_study(path)"
    assert call_to_make in message
    assert message.count(". ") == 0


def test_a_study_in_place_of_a_profile_names_the_fit() -> None:
    frame = pd.DataFrame({"en": [1, 0], "sw": [0, 0], "item": ["a", "b"]})
    study = Study.from_frame(frame, source="en")
    assert as_study(study, "anything") is study
    with pytest.raises(DataError, match=r"this is a study: call fit_profile\(study\) first"):
        hatstats.item_report(study)  # type: ignore[arg-type]
    # The profile and not its scores: from accuracies alone the trend is one regression.
    with pytest.raises(DataError, match=r"call fit_profile\(study\) first"):
        hatstats.fit_trend(study, "release_year")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"collinearity takes a trend.*fit_trend\(what you gave"):
        hatstats.collinearity(hatstats.fit_profile(study, method="observed"))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"PlanAssumptions.from_pilot takes a study"):
        hatstats.PlanAssumptions.from_pilot(frame)  # type: ignore[arg-type]


def test_a_profile_in_place_of_a_study_names_the_study() -> None:
    profile = hatstats.fit_profile(hatstats.simulate_study(rng=1), method="observed")
    with pytest.raises(DataError, match=r"made of one: give its study, measures\(x\.study"):
        hatstats.measures(profile)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="Did you mean 'params_total'"):
        hatstats.fit_trend(profile, "log10(params)")
    none = hatstats.evaluate_claims(profile, ())
    assert "[[claims]]" in repr(none)
    assert "[[claims]]" in none._repr_html_()


@pytest.mark.parametrize("function", [read_study, convert_logs])
@pytest.mark.parametrize("value", [FRAME, pl.from_pandas(FRAME), 12])
def test_what_takes_a_path_is_given_a_frame(function: Any, value: object) -> None:
    with pytest.raises(DataError, match=r"takes a path, .* Study.from_frame\(df, source='en'\)"):
        function(value)
