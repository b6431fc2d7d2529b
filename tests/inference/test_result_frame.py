"""Frames of results: the answer is on the screen, no column is left out, and they stay frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hatstats as hs
from hatstats.inference.result_frame import (
    Printed,
    ResultFrame,
    _number,
    html_list,
    html_table,
    large_text,
    p_text,
    p_words,
)
from hatstats.inference.tidy import tidy_frame


@pytest.fixture(scope="module")
def results() -> dict[str, pd.DataFrame]:
    """Tables of results that are wider than a terminal, by the call that makes them."""
    study = hs.simulate_study(
        np.linspace(-1.0, 1.5, 19), shape=hs.Shape(n_items=60, n_languages=2), rng=1
    )
    profile = hs.fit_profile(study, method="observed")
    scores = profile.hat()
    trend = hs.fit_trend(scores, "log10(params_total)")
    claim = {"name": "size", "kind": "slope", "term": "log10(params_total)", "threshold": 0.0}
    two = {"name": "two", "kind": "contrast", "model": "model-01", "other": "model-02"}
    verdicts = hs.evaluate_claims(scores, [claim, {**two, "threshold": 0.0}])
    return {
        "measures": hs.measures(study, n_draws=20, rng=1),
        "comparison": trend.comparison(n_draws=19, rng=1),
        "scores": scores.tidy(),
        "cells": scores.tidy_cells(),
        "scores at a glance": scores.glance(),
        "trend at a glance": trend.glance(),
        "items": hs.item_report(hs.fit_profile(study)),
        "suspicious": hs.suspicious_cells(study, threshold=0.1, min_drop=1e-9),
        "verdicts": verdicts.tidy(),
        "without": hs.leave_one_out(trend),
        "points": profile.points(),
        "curve": profile.curve(),
        "overlap": scores.overlap,
        "ranks": scores.ranks(rng=1),
        "influence": hs.influence_measures(trend),
        "matches": hs.fill_models(study).matches,
        "contrast": scores.contrast("model-01", "model-02").tidy(),
    }


def test_sentences_that_fit_no_column_stand_whole_below() -> None:
    long = "too few clusters of models for an answer: " + ", ".join(
        f"cluster {i}" for i in range(9)
    )
    table = tidy_frame(["a", "b", "c"], [0.1, 0.2, 0.3], 0.1).assign(reason=[long, "", np.nan])
    text = " ".join(repr(table).split())
    assert f"reason of a: {long}" in text
    assert "reason of b" not in text
    assert "reason of c" not in text


def test_no_table_hides_a_column_or_is_wider_than_a_terminal(
    results: dict[str, pd.DataFrame],
) -> None:
    wide = 0
    for name, table in results.items():
        assert len(table), name
        text = repr(table)
        assert max(map(len, text.splitlines())) <= 80, name
        assert [column for column in table.columns if column not in text] == [], name
        assert "..." not in text.splitlines()[0], name
        wide += len(pd.DataFrame(table).to_string().splitlines()[0]) > 80
    assert wide >= 10


def test_the_interval_stands_in_the_first_block(results: dict[str, pd.DataFrame]) -> None:
    for name in ("measures", "comparison", "scores", "cells", "without"):
        heading = repr(results[name]).splitlines()[0].split()
        assert {"estimate", "conf_low", "conf_high"} <= set(heading), name


def test_a_long_table_shows_every_term() -> None:
    terms = [f"measure-{i}" for i in range(11) for _ in range(17)]
    table = tidy_frame(terms, np.arange(187.0), 0.1, method=["m" * 40, *["n"] * 186])
    text = repr(table)
    assert all(term in text for term in terms)
    assert "[187 rows x 10 columns, the first 2 of each term]" in text
    assert max(map(len, text.splitlines())) <= 80


def test_many_blocks_of_many_rows_show_a_few() -> None:
    """Sixty rows are shown whole in one block of columns, and not in five."""
    terms = [f"measure-{i}" for i in range(10) for _ in range(6)]
    models = [f"a-model-with-a-long-name-{i}" for _ in range(10) for i in range(6)]
    methods = [f"{i} draws of a method with a long name" for i in range(60)]
    table = tidy_frame(terms, np.arange(60.0), 0.1 + np.arange(60.0), method=methods)
    table.insert(0, "model", models)
    text = repr(table)
    assert "the first 2 of each term" in text
    assert len(text.splitlines()) < 120
    assert all(term in text for term in terms)
    short = repr(table[["model", "term", "estimate", "std_error", "statistic", "p_value"]])
    assert "the first 2" not in short


def test_they_stay_frames_in_every_use() -> None:
    table = tidy_frame(["a", "b"], [0.1, 0.2], [0.01, 0.02], method="m")
    assert isinstance(table, pd.DataFrame)
    parts = (table[table["term"] == "a"], pd.concat([table, table]), table.assign(x=1), table[:1])
    assert all(isinstance(part, ResultFrame) for part in parts)
    plain = pd.DataFrame(table)
    pd.testing.assert_frame_equal(pd.DataFrame(table.merge(table)), plain.merge(plain))
    assert table.to_csv() == plain.to_csv()


def test_a_small_table_is_shown_as_pandas_shows_it() -> None:
    frame = pd.DataFrame({"term": ["a", "b"], "estimate": [0.125, 2.5]})
    assert repr(ResultFrame(frame)) == repr(frame)


def test_a_p_value_is_never_zero_and_unknown_is_said() -> None:
    table = tidy_frame(["a", "b"], [9.0, 9.5], [0.1, np.nan], method=["m" * 30, "n" * 30])
    text = repr(table)
    assert "<0.001" in text
    assert "NaN" in text
    assert " 0.000" not in text


def test_an_empty_table_names_its_columns() -> None:
    text = repr(ResultFrame(columns=["term", "estimate"]))
    assert text == "No rows; columns: term, estimate"


def test_notebooks_see_no_empty_column_and_the_notes() -> None:
    table = tidy_frame("a", 0.1, 0.01, method="<b>")
    shown = html_table(table, ["little & weak"])
    assert "<th>df</th>" not in shown
    assert "&lt;b&gt;" in shown
    assert "<li>little &amp; weak</li>" in shown
    assert table._repr_html_() in shown
    two = html_table(tidy_frame(["a", "b"], [0.1, 0.2], [0.01, 0.001], method="m"))
    assert "<p>In all rows: conf_level 0.95, method m</p>" in two
    assert "<th>method</th>" not in two
    assert two.count("&lt;0.001") == 2  # as a terminal shows p values


def test_a_single_wide_row_is_a_list_in_a_notebook() -> None:
    row = pd.DataFrame(
        [{f"column{k}": float(k) for k in range(20)} | {"empty": "", "none": np.nan}]
    )
    page = ResultFrame(row)._repr_html_()
    assert page.count("<tr>") == 20
    assert "column19" in page
    assert "none" not in page
    narrow = ResultFrame(row[["column1", "column2"]])._repr_html_()
    assert "<th>column1</th>" in narrow


@given(
    st.integers(2, 90),
    st.lists(st.text("abc_é", min_size=1, max_size=60), min_size=1, max_size=12, unique=True),
    st.integers(0, 10),
)
def test_any_frame_fits(n_rows: int, names: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = {
        name: rng.normal(size=n_rows) if rng.random() < 0.5 else rng.choice(["x" * 70, "y"], n_rows)
        for name in names
    }
    lines = repr(ResultFrame(values)).splitlines()
    assert max(map(len, lines)) <= 80


def test_numbers_have_three_decimals_unless_they_were_rounded() -> None:
    frame = ResultFrame({"model": ["a", "b"], "estimate": [0.123456, 2.5], "p_value": [1e-9, 0.4]})
    assert repr(frame).splitlines()[1].split() == ["0", "a", "0.123", "<0.001"]
    assert repr(frame.round(2)).splitlines()[1].split() == ["0", "a", "0.12", "0.0"]
    assert ">20<" in html_table(frame.assign(trials=20.0, n=[1.0, 2.0]))


# --- whole screens --------------------------------------------------------------------------------

LONG = "a model whose name is too long to be shown whole in a table of 80 columns"
WIDE = tidy_frame(
    ["one - two", "one - three", "two - three"],
    [0.1234, -12345.678, 0.00123],
    [0.01, 2.5e6, np.nan],
    df=[4.5, np.inf, 3.0],
    method="CR2",
).assign(
    model=[LONG, "b", "c"],
    reason=["", f"no family but one has it, {'as all of them say, ' * 2}and so on", np.nan],
    n_items=[3, 40, 500],
    known=[True, False, True],
    release_date=pd.to_datetime(["2024-01-02", "2025-03-04", "2026-05-06"]),
)
SCREEN = """\
term         model                                estimate  conf_low  conf_high
one - two    a model whose name is too long t…       0.123     0.097      0.150
one - three  b                                  -1.235e+04    -4.91M      4.89M
two - three  c                                     0.00123       NaN        NaN

term         model                              p_value  std_error  statistic
one - two    a model whose name is too long t…   <0.001      0.010     12.340
one - three  b                                    0.996       2.5M   -0.00494
two - three  c                                      NaN        NaN        NaN

term         model                                 df  n_items  known
one - two    a model whose name is too long t…  4.500        3   True
one - three  b                                    inf       40  False
two - three  c                                  3.000      500   True

term         model                              release_date
one - two    a model whose name is too long t…  2024-01-02
one - three  b                                  2025-03-04
two - three  c                                  2026-05-06

reason of one - three: no family but one has it, as all of them say, as all of
  them say, and so on

In all rows: conf_level 0.95, method CR2
[3 rows x 15 columns]"""
ROW = """\
term          one - two
estimate      0.123
std_error     0.010
statistic     12.340
df            4.500
p_value       <0.001
conf_low      0.097
conf_high     0.150
conf_level    0.950
method        CR2
model         a model whose name is too long to be shown whole in a table of 80
              columns
reason
n_items       3
known         True
release_date  2024-01-02"""


def test_a_wide_table_and_its_first_row_as_a_terminal_shows_them() -> None:
    assert repr(WIDE) == SCREEN
    assert repr(WIDE[:1]) == ROW


def test_a_long_table_shows_its_ends() -> None:
    table = WIDE.loc[np.repeat([0, 1, 2], [30, 30, 10])].assign(
        estimate=np.arange(70.0), term=[f"term {k}" for k in range(70)]
    )
    first = repr(table.drop(columns=["reason", "method"])).split("\n\n")[0].splitlines()
    shown = [line.split("  ")[0].strip() for line in first]
    ends = [f"term {k}" for k in (*range(5), *range(65, 70))]
    assert shown == ["term", *ends[:5], "…", *ends[5:]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"), (0.01, "0.010"), (0.00999, "0.00999"), (-0.5, "-0.500"),
        (9999.0, "9999.000"), (1e4, "1e+04"), (999_499.0, "9.995e+05"), (999_500.0, "1M"),
        (1e6, "1M"), (-2.7e10, "-27B"), (1.5e12, "1.5T"), (9.995e8, "1B"), (np.inf, "inf"),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(value: float, text: str) -> None:
    assert _number(value) == text
    assert large_text(value) == (text if text[-1] in "MBT" else "")


def test_p_values_in_tables_and_in_sentences() -> None:
    assert [p_text(p) for p in (np.nan, 0.0, 0.00099, 0.001, 0.0126, 1.0)] == [
        *("–", "<0.001", "<0.001", "0.001", "0.013", "1.000")
    ]
    assert [p_words(p) for p in (0.0009, 0.001, 0.5)] == ["p < 0.001", "p = 0.001", "p = 0.500"]


class Answer(Printed):
    """A result of two lines, with or without a table."""

    def __init__(self, table: pd.DataFrame | None) -> None:
        self.table = table

    def summary(self) -> str:
        return "A & B\n  1  2\n  beware\n  of it"

    def _html_rows(self) -> pd.DataFrame | None:
        return self.table


def test_results_in_notebooks_keep_their_sentences() -> None:
    table = pd.DataFrame({"x": [1.5, 2.0], "method": ["m", "m"]})
    assert repr(Answer(table)) == Answer(table).summary()
    page = Answer(table)._repr_html_()
    assert page.startswith("<p><b>A &amp; B</b></p><p>In all rows: method m</p><table")
    assert page.endswith("</table><p>beware of it</p>")
    assert Answer(None)._repr_html_() == "<pre>A &amp; B\n  1  2\n  beware\n  of it</pre>"
    assert html_list(["a < b", "c"]) == "<ul><li>a &lt; b</li><li>c</li></ul>"
    assert html_list([]) == ""


def test_notebooks_show_counts_whole_and_the_unknown_as_a_dash() -> None:
    table = pd.DataFrame(
        {
            "share": [0.0, 1.0, np.nan],
            "trials": [1.0, 20.0, np.nan],
            "p_value": [0.0001, np.nan, 0.2],
            "far": [np.inf, 2.5, -np.inf],
            "none": [np.nan, np.nan, np.nan],
        }
    )
    page = html_table(table)
    cells = [row.split("</td>")[:-1] for row in page.split("<tr>")[1:]]
    shown = [[cell.split("<td>")[1] for cell in row] for row in cells]
    assert shown == [
        ["0.000", "1", "&lt;0.001", "–"],
        ["1.000", "20", "–", "2.500"],
        ["–", "–", "0.200", "–"],
    ]


def test_a_sheet_has_numbers_and_texts_but_no_formula(tmp_path: Path) -> None:
    names = ["=1+1", "+a", "-b", "@c"]
    days = [*pd.to_datetime(["2025-03-01"]), *[pd.NaT] * 3]
    frame = ResultFrame({"model": names, "estimate": [0.5, np.nan, -0.25, 2.0], "day": days})
    frame.to_excel(tmp_path / "one.xlsx", index=False)
    with pd.ExcelWriter(tmp_path / "two.xlsx", engine="openpyxl") as writer:
        frame.to_excel(writer, sheet_name="scores", index=False)
        frame.head(1).to_excel(writer, sheet_name="first", index=False)
    for file in ("one", "two"):
        sheet = openpyxl.load_workbook(tmp_path / f"{file}.xlsx").worksheets[0]
        head, *rows = [[(cell.value, cell.data_type) for cell in row] for row in sheet.iter_rows()]
        assert head == [("model", "s"), ("estimate", "s"), ("day", "s")]
        assert [name for name, *_ in rows] == [(name, "s") for name in names]
        assert [number for _, number, _ in rows] == [
            (0.5, "n"),
            (None, "n"),
            (-0.25, "n"),
            (2, "n"),
        ]
        assert [day for *_, day in rows] == [(days[0], "d"), *[(None, "n")] * 3]
    back = pd.read_excel(tmp_path / "one.xlsx")
    pd.testing.assert_frame_equal(back, pd.DataFrame(frame), check_dtype=False)
