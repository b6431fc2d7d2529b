"""Limits and p values against SciPy's distributions and textbook numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from hatstats.inference.intervals import (
    NO_SPREAD,
    check_level,
    critical_value,
    false_discovery_adjusted,
    fieller_interval,
    holm,
    logit_interval,
    two_sided_p,
    upper_p,
    wald_interval,
)


def test_critical_values_against_tables() -> None:
    assert critical_value(np.inf, 0.95) == pytest.approx(1.959963985)
    assert critical_value(3.5, 0.95) == pytest.approx(stats.t.ppf(0.975, 3.5))
    assert critical_value([1.0, 10.0], 0.99) == pytest.approx([63.656741, 3.169273])
    assert np.isnan(critical_value([np.nan, 5.0], 0.9)[0])


@given(st.floats(-50, 50), st.floats(0.001, 20), st.floats(1, 200), st.floats(0.01, 0.99))
def test_wald_interval_against_scipy(estimate: float, se: float, df: float, level: float) -> None:
    low, high = wald_interval(estimate, se, df, level)
    expected = stats.t.interval(level, df, loc=estimate, scale=se)
    assert (low, high) == pytest.approx(expected, rel=1e-9)


def test_wald_interval_keeps_shapes() -> None:
    assert wald_interval(0.3, 0.1, np.inf, 0.95).shape == (2,)
    limits = wald_interval(np.zeros((4, 3)), np.ones(3), np.inf, 0.95)
    assert limits.shape == (4, 3, 2)
    np.testing.assert_allclose(limits[..., 0], -limits[..., 1])


@given(st.floats(1e-6, 1 - 1e-6), st.floats(1e-6, 0.4), st.floats(0.5, 0.999))
def test_logit_interval_against_theory(p: float, se: float, level: float) -> None:
    low, high = logit_interval(p, se, np.inf, level)
    assert 0.0 <= low <= p <= high <= 1.0
    width = stats.norm.isf((1 - level) / 2) * se / (p * (1 - p))
    odds = p / (1 - p)
    if width < 30:
        assert low == pytest.approx(odds * np.exp(-width) / (1 + odds * np.exp(-width)), rel=1e-6)
        assert high == pytest.approx(odds * np.exp(width) / (1 + odds * np.exp(width)), rel=1e-6)
    # Correct and incorrect answers are mirror images.
    mirrored = logit_interval(1 - p, se, np.inf, level)
    assert mirrored == pytest.approx([1 - high, 1 - low], abs=1e-9)


def test_logit_interval_of_small_errors_is_walds() -> None:
    np.testing.assert_allclose(
        logit_interval([0.2, 0.5], 1e-4, 8.0, 0.9),
        wald_interval([0.2, 0.5], 1e-4, 8.0, 0.9),
        atol=1e-7,
    )


def test_logit_interval_at_the_boundary_degenerate() -> None:
    limits = logit_interval([0.0, 1.0], [0.1, 0.1], np.inf, 0.95)
    width = 0.1 * 1.959963985
    np.testing.assert_allclose(limits, [[0.0, width], [1.0 - width, 1.0]])


@pytest.mark.parametrize("se", [0.0, NO_SPREAD, np.nan])
@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_no_interval_of_length_zero_degenerate(p: float, se: float) -> None:
    """The data do not vary: an interval would suggest certainty."""
    limits = logit_interval([p, 0.5], [se, 0.1], np.inf, 0.95)
    assert np.isnan(limits[0]).all()
    assert np.isfinite(limits[1]).all()


@given(st.floats(-40, 40), st.floats(1, 500))
def test_p_values_against_scipy(t: float, df: float) -> None:
    assert two_sided_p(t, df) == pytest.approx(2 * stats.t.sf(abs(t), df))
    assert upper_p(t, df) == pytest.approx(stats.t.sf(t, df))
    assert upper_p(t, df) + upper_p(-t, df) == pytest.approx(1.0)
    assert two_sided_p(t, df) <= 1.0


def test_small_p_values_do_not_become_zero() -> None:
    assert two_sided_p(12.0, np.inf) == pytest.approx(3.552964e-33, rel=1e-6)
    assert upper_p(30.0, np.inf) > 0.0
    assert np.isnan(two_sided_p(np.nan, 5.0))


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.5, 95, np.nan])
def test_levels_bad_input(level: float) -> None:
    with pytest.raises(ValueError, match=r"95 % is 0\.95"):
        check_level(level)
    with pytest.raises(ValueError, match="between 0 and 1"):
        wald_interval(0.0, 1.0, np.inf, level)


def test_levels_are_numbers() -> None:
    assert check_level(0.9) == 0.9
    with pytest.raises(ValueError, match="could not convert"):
        check_level("many")  # type: ignore[arg-type]


@pytest.mark.slow
def test_holm_against_statsmodels() -> None:
    rng = np.random.default_rng(1)
    for size in (1, 2, 7):
        p = rng.uniform(0, 0.3, size)
        order = np.argsort(p)
        expected = multipletests(p[order], method="holm")[1]
        np.testing.assert_allclose(holm(p)[order], expected)
        with_unknown = holm([np.nan, *p])
        assert np.isnan(with_unknown[0])
        np.testing.assert_array_equal(with_unknown[1:], holm(p))
    assert holm([]).size == 0


def test_fieller_against_its_definition() -> None:
    """The limits are where a - r b is just significant; no bound where b may be zero."""
    values, cov, df = np.array([0.4, 1.0]), np.array([[0.02, 0.005], [0.005, 0.03]]), 7.0
    low, high = fieller_interval(values, cov, df, 0.95)
    assert low < 0.4 < high
    for ratio in (low, high):
        direction = np.array([1.0, -ratio])
        t = abs(direction @ values) / np.sqrt(direction @ cov @ direction)
        assert t == pytest.approx(stats.t.ppf(0.975, df))
    assert fieller_interval([0.4, 0.1], cov, df, 0.95) == (-np.inf, np.inf)
    assert np.isnan(fieller_interval(values, cov, np.nan, 0.95)).all()


def test_false_discoveries_against_the_definition() -> None:
    p = np.array([[0.01, np.nan, 0.04], [0.03, 0.02, 0.5]])
    known = np.sort(p[~np.isnan(p)])
    found = false_discovery_adjusted(p)
    assert found.shape == p.shape
    for row, column in np.ndindex(p.shape):
        if np.isnan(p[row, column]):
            assert np.isnan(found[row, column])
            continue
        rank = np.searchsorted(known, p[row, column])
        wanted = min(known[k] * 5 / (k + 1) for k in range(rank, 5))
        assert found[row, column] == pytest.approx(wanted)
