"""The one producer of tidy rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hatstats.inference.intervals import logit_interval, two_sided_p, wald_interval
from hatstats.inference.tidy import IDENTIFIERS, TIDY_COLUMNS, standard_errors, tidy_frame


def test_columns_are_the_schema() -> None:
    assert (
        *("term", "estimate", "std_error", "statistic", "df", "p_value"),
        *("conf_low", "conf_high", "conf_level", "method"),
    ) == TIDY_COLUMNS
    table = tidy_frame("a", [0.1], [0.2])
    assert list(table.columns) == list(TIDY_COLUMNS)
    marked = tidy_frame(
        ["a", "b"],
        [0.1, 0.2],
        0.1,
        identifiers={"reference": "pooled", "model": ["m", "n"], "language": "sw"},
    )
    # In the order of the schema, whatever order they are given in.
    assert list(marked.columns) == ["model", "language", "reference", *TIDY_COLUMNS]
    assert IDENTIFIERS == ("model", "benchmark", "language", "reference")
    assert marked["reference"].tolist() == ["pooled", "pooled"]
    assert marked.index.tolist() == [0, 1]


def test_identity_rows_against_theory() -> None:
    estimate, se, df = np.array([0.5, -1.0, 0.2]), np.array([0.1, 0.5, 0.4]), [4.0, np.inf, 10.0]
    table = tidy_frame("x", estimate, se, df=df, conf_level=0.9, method="wald")
    np.testing.assert_allclose(table["statistic"], [5.0, -2.0, 0.5])
    np.testing.assert_allclose(table["p_value"], two_sided_p([5.0, -2.0, 0.5], df))
    np.testing.assert_allclose(
        table[["conf_low", "conf_high"]], wald_interval(estimate, se, df, 0.9)
    )
    assert set(table["conf_level"]) == {0.9}
    assert set(table["method"]) == {"wald"}
    assert table["df"].tolist() == df


def test_logit_rows_have_no_test() -> None:
    table = tidy_frame("HAT", [0.9], [0.05], scale="logit", method="latent")
    assert table[["statistic", "p_value"]].isna().all(axis=None)
    np.testing.assert_allclose(
        table[["conf_low", "conf_high"]], logit_interval([0.9], [0.05], np.inf, 0.95)
    )
    assert table["conf_high"][0] < 1.0
    assert 0.9 - table["conf_low"][0] > table["conf_high"][0] - 0.9


def test_one_row_from_scalars_and_a_method_for_each() -> None:
    assert len(tidy_frame("a", 0.1, 0.2, df=3)) == 1
    table = tidy_frame(["a", "b"], [0.1, 0.2], [0.2, 0.1], method=["delta", "exact"])
    assert table["method"].tolist() == ["delta", "exact"]


def test_no_rows_have_all_columns_degenerate() -> None:
    table = tidy_frame([], [], [], identifiers={"model": []})
    assert list(table.columns) == ["model", *TIDY_COLUMNS]
    assert len(table) == 0


def test_unknown_is_nan_never_zero_degenerate() -> None:
    table = tidy_frame("a", [np.nan, 0.3, 0.0], [0.1, np.nan, 0.0])
    assert table.loc[0, ["statistic", "p_value", "conf_low", "conf_high"]].isna().all()
    assert table.loc[1, ["statistic", "p_value", "conf_low", "conf_high"]].isna().all()
    # 0 over 0 is no test.
    assert table.loc[2, ["statistic", "p_value"]].isna().all()
    assert not tidy_frame("a", [0.2], [np.nan], df=np.nan)["df"].notna().any()


def test_standard_errors_of_a_negative_variance_are_nan_degenerate() -> None:
    found = standard_errors(np.diag([0.04, -1e-18, np.nan, 0.0]))
    assert found[0] == pytest.approx(0.2)
    assert np.isnan(found[1:3]).all()
    assert found[3] == 0.0


def test_inputs_are_left_alone() -> None:
    estimate = np.array([0.1, 0.2])
    table = tidy_frame("a", estimate, 0.1)
    table.loc[0, "estimate"] = 9.0
    assert estimate[0] == 0.1
    pd.testing.assert_frame_equal(tidy_frame("a", estimate, 0.1), tidy_frame("a", [0.1, 0.2], 0.1))


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="scale must be 'identity' or 'logit'"):
        tidy_frame("a", [0.1], [0.1], scale="log")
    with pytest.raises(ValueError, match=r"unknown identifying columns: \['prompt'\]"):
        tidy_frame("a", [0.1], [0.1], identifiers={"prompt": "p"})
    with pytest.raises(ValueError, match=r"95 % is 0\.95"):
        tidy_frame("a", [0.1], [0.1], conf_level=95)


def test_what_is_not_given_is_named_by_nothing() -> None:
    row = tidy_frame("a", 1.0, 0.5).iloc[0]
    assert row[["method", "conf_level", "df"]].tolist() == ["", 0.95, np.inf]
