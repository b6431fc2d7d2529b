"""What wrong arrays and options are refused with: whole sentences, and where the bounds lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hatstats.errors import DataError, HatstatsError
from hatstats.inference import validation as check
from hatstats.inference.cluster_robust.resampled_tests import (
    permutation_test,
    wild_cluster_bootstrap,
)
from hatstats.inference.cluster_robust.sandwich import cluster_robust
from hatstats.inference.intervals import check_level
from hatstats.inference.newton import Expansion, maximise
from hatstats.inference.reml.meta_regression import fit_reml
from hatstats.inference.reml.mixed import fit_mixed
from hatstats.inference.tidy import rows_of_tests, tidy_frame

RNG = np.random.default_rng(1)
X = np.column_stack([np.ones(8), np.arange(8.0)])
Y = RNG.normal(size=8)
PAIRS = np.repeat(np.arange(4), 2)
EYE = np.eye(8)
RESIDUALS = Y - X @ np.linalg.lstsq(X, Y)[0]
ROBUST = cluster_robust(X, RESIDUALS, EYE, EYE, PAIRS)
NOWHERE = Expansion(value=np.nan, gradient=np.zeros(8), information=EYE)
TWINS = np.where(
    (EYE > 0) | np.isin(np.arange(8), (2, 5)) & np.isin(np.arange(8), (2, 5))[:, None], 1.0, 0.0
)
ALIKE = [np.arange(8), np.arange(8)[::-1]]

#: A call, and what it is refused with.
REFUSED: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: check.member("model", "c", ("a", "b"), "no such model"),
        "column 'model', value 'c': no such model. Hint: choose among a, b.",
    ),
    (
        lambda: check.one_of("data_kind", "x", ("item",)),
        "column 'data_kind', value 'x': unknown data kind. Hint: use item.",
    ),
    (
        lambda: check.count_at_least("folds", 1, 2),
        "column 'folds', value 1: folds must be a whole number, 2 or more. Hint: give 2 or more.",
    ),
    (
        lambda: check.in_range("share", 1.5, "[0, 1]", "give a share."),
        "column 'share', value 1.5: share lies in [0, 1]. Hint: give a share.",
    ),
    (lambda: check.finite_array("y", [1.0, 2.0], (3,)), "y has shape (2,), not 3"),
    (lambda: check.finite_array("y", [[]], (-1, -1)), "y has shape (1, 0), not any x any"),
    (lambda: check.finite_array("y", [[1.0]], (1,)), "y has shape (1, 1), not 1"),
    (
        lambda: check.finite_array("y", [[1.0, np.nan], [0.0, 1.0], [np.inf, 2.0]], (3, 2)),
        "y is not finite in rows 0, 2",
    ),
    (
        lambda: check.finite_array("y", ["a"], (1,)),
        "y is not an array of numbers: could not convert string to float: 'a'",
    ),
    (lambda: check.design_matrix(X * [1.0, 0.0]), "columns 1 of X are all zero"),
    (
        lambda: check.design_matrix(np.column_stack([X, RNG.normal(size=8), 2.0 * X[:, 1]])),
        "columns 1, 3 of X depend on each other. Hint: drop one of them",
    ),
    (
        lambda: check.symmetric_matrix("V", [[1.0, 0.5, 0.0], [0.4, 1.0, 0.0], [0.0, 0.0, 1.0]], 3),
        "V is not symmetric in rows 0, 1",
    ),
    (lambda: check.label_codes("clusters", ["a"], 2), "clusters has shape (1,), not 2"),
    (
        lambda: check.label_codes("clusters", np.array(["a", None, np.nan, "b"], dtype=object), 4),
        "clusters has no label in rows 1, 2",
    ),
    (
        lambda: check.cluster_codes(["a", "a", "a"], 3),
        "cluster-robust inference needs at least two clusters; all 3 rows are in 'a'",
    ),
    (
        lambda: check_level(95.0),
        "column 'conf_level', value 95.0: a level lies between 0 and 1. Hint: 95 % is 0.95.",
    ),
    (
        lambda: cluster_robust(X, RESIDUALS, EYE, EYE, PAIRS, kind="CR9"),  # type: ignore[arg-type]
        "value 'CR9': unknown kind of cluster-robust covariance",
    ),
    (
        lambda: cluster_robust(X, Y, EYE, EYE, PAIRS),
        "the residuals do not belong to this design and these weights. "
        "Hint: pass y - X b with b from the same weights",
    ),
    (
        lambda: cluster_robust(X, RESIDUALS, EYE, TWINS, PAIRS),
        "working is not positive definite: see rows 2, 5",
    ),
    (lambda: ROBUST.std_errors(np.eye(3)), "contrasts need 2 columns, not (3, 3)"),
    (
        lambda: ROBUST.std_errors([0.0, 0.0]),
        "contrasts must be finite, and no row of them all zero",
    ),
    (
        lambda: ROBUST.std_errors([0.0, np.nan]),
        "contrasts must be finite, and no row of them all zero",
    ),
    (
        lambda: wild_cluster_bootstrap(Y, X, PAIRS, contrast=[0.0, 1.0], kind="other"),  # type: ignore[arg-type]
        "value 'other': unknown kind of cluster weights",
    ),
    (
        lambda: wild_cluster_bootstrap(Y, X, PAIRS, contrast=[0.0, 0.0]),
        "the contrast is all zero",
    ),
    (
        lambda: wild_cluster_bootstrap(Y, X, PAIRS, contrast=[0, 1], kind="webb", n_draws=0),
        "value 0: n_draws must be at least 1",
    ),
    (
        lambda: permutation_test(Y, X, PAIRS, column=2),
        "column 'column', value 2: the design has 2 columns",
    ),
    (
        lambda: permutation_test(Y, X, PAIRS, column=1, n_draws=0),
        "value 0: n_draws must be at least 1",
    ),
    (
        lambda: maximise(lambda _: NOWHERE, np.zeros(8)),
        "a Newton search starts where its function is not finite",
    ),
    (
        lambda: fit_reml(Y[3:4], X[3:4], np.eye(1), []),
        "1 rows cannot identify 2 coefficients; give at least 2 rows",
    ),
    (
        lambda: fit_reml(Y[:2], X[:2], np.eye(2), [np.arange(2)]),
        "2 rows and as many coefficients leave no residuals to estimate variances from",
    ),
    (
        lambda: fit_reml(Y, X, np.diag([1.0, 1, 1, -1, 1, 1, 1, 1]), []),
        "V is not positive semi-definite: see rows 3",
    ),
    (
        lambda: fit_reml(Y, X, np.diag([1.0, 1, 1, 0, 1, 1, 1, 1]), []),
        "V is singular in rows 3, and no grouping gives them variance. "
        "Hint: add a random effect per row, or drop rows that repeat each other",
    ),
    (
        lambda: fit_reml(Y, X, np.eye(8), [np.zeros(8)]),
        "grouping 0 is absorbed by the columns of X: its variance component does not affect the "
        "residuals; drop the grouping or the columns",
    ),
    (
        lambda: fit_reml(Y, X, np.eye(8), ALIKE),
        "groupings 0, 1 cannot be distinguished by these rows (they group the residuals in the "
        "same way); keep one of them",
    ),
    (
        lambda: tidy_frame("a", 1.0, 1.0, scale="log"),
        "scale must be 'identity' or 'logit', not 'log'",
    ),
    (
        lambda: tidy_frame("a", 1.0, 1.0, identifiers={"b": "x"}),
        "unknown identifying columns: ['b']",
    ),
    (lambda: rows_of_tests("a", 1.0, {"df": 3.0}), "not a result of a test: ['df']"),
    (
        lambda: fit_mixed(Y[:3], X[:3], []),
        "3 rows are too few for 2 coefficients and their scatter",
    ),
]


@pytest.mark.parametrize("place", range(len(REFUSED)))
def test_what_is_refused_and_in_which_words(place: int) -> None:
    call, words = REFUSED[place]
    with pytest.raises((HatstatsError, ValueError)) as info:
        call()
    assert str(info.value) == words


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [("[0, 1]", (0.0, 0.3, 1.0), (-0.1, 1.1)), ("[0, 1)", (0.0, 0.5), (1.0, -1.0)),
     ("(0, 1]", (1.0, 0.5), (0.0, 2.0)), ("(-1, 2)", (0.0, 1.5), (-1.0, 2.0, np.nan))],
)  # fmt: skip
def test_bounds_are_open_or_closed(
    bounds: str, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    for value in inside:
        check.in_range("x", value, bounds, "")
    for value in outside:
        with pytest.raises(DataError):
            check.in_range("x", value, bounds, "")


def test_counts_are_whole_numbers_from_the_least_upwards() -> None:
    for value in (2, 3.0, 10**9):
        check.count_at_least("x", value, 2)
    for value in (1, 2.5, np.nan, np.inf, -2):
        with pytest.raises(DataError):
            check.count_at_least("x", value, 2)


def test_long_lists_are_cut() -> None:
    assert check.listed(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert check.listed(range(11)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more"
    assert check.listed(["a", "b", "c"], limit=1) == "a and 2 more"


def test_checked_arrays_are_copies_of_floats() -> None:
    for given, checked in (
        (X, check.design_matrix(X)),
        (X, check.finite_array("X", X, (8, -1))),
        (EYE, check.symmetric_matrix("EYE", EYE, 8)),
    ):
        np.testing.assert_array_equal(checked, given)
        assert checked.dtype == float
        assert not np.shares_memory(checked, given)
    assert check.finite_array("y", [1, 2], (-1,)).dtype == float
    # More columns than rows: their rank is for others to check.
    assert check.design_matrix(np.ones((1, 2))).shape == (1, 2)
    skew = np.array([[1.0, 0.5], [0.5 + 1e-10, 1.0]])
    rounded = check.symmetric_matrix("V", skew, 2)
    assert rounded[0, 1] == rounded[1, 0] == 0.5 + 0.5e-10


def test_labels_become_codes_in_order() -> None:
    labels, codes = check.label_codes("g", ["b", "a", "b"], 3)
    assert labels == ("a", "b")
    assert codes.tolist() == [1, 0, 1]
    assert check.cluster_codes(["b", "a", "b"], 3)[0] == ("a", "b")


def test_definite_matrices_in_any_units() -> None:
    scale = np.diag([1.0, 1e-6, 1e6])
    for r, definite in ((0.5, True), (1.0 - 1e-6, True), (1.0, False), (1.0 + 1e-6, False)):
        matrix = np.array([[1.0, r, 0.0], [r, 1.0, 0.0], [0.0, 0.0, 1.0]])
        assert check.is_definite(scale @ matrix @ scale) is definite
    assert not check.is_definite(np.diag([1.0, 0.0]))
    assert not check.is_definite(np.diag([1.0, -1.0]))


def test_who_makes_a_matrix_singular_is_named() -> None:
    matrix = np.eye(4)
    matrix[np.ix_([1, 3], [1, 3])] = 1.0
    assert check.null_rows(matrix) == "1, 3"
    assert check.null_rows(matrix, np.array([8, 2, 6, 1])) == "1, 2"
    matrix[1, 3] = matrix[3, 1] = 1.1
    assert check.negative_variance("abcd", matrix, 1.0) == ["b", "d"]
    assert check.negative_variance("abcd", matrix, 1e9) == []
    assert check.negative_variance("abcd", np.eye(4), 1.0) == []
