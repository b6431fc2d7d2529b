"""Nested effects by group, against the same likelihood and fit on full matrices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatstats.errors import DataError, HatstatsError, NotIdentifiedError
from hatstats.inference.arrays import Floats, Ints
from hatstats.inference.reml.likelihood import make_problem
from hatstats.inference.reml.meta_regression import fit_reml
from hatstats.inference.reml.nested import NestedProblem
from hatstats.inference.reml.nested_regression import Design, NestedRows, nested_rows


@dataclass(frozen=True)
class Rows:
    """Rows in families of models, two benchmarks and some languages, in any order."""

    y: Floats
    design: Design
    variances: Floats
    groupings: list[Ints]
    group: Ints
    shared: Floats

    @property
    def V(self) -> Floats:
        """The known covariance."""
        return np.diag(self.variances) + (self.group[:, None] == self.group) * self.shared

    def prepared(self) -> NestedRows:
        """Ready for fits."""
        return nested_rows(self.y, self.design, self.variances, self.groupings, self.group)

    def problem(self) -> NestedProblem:
        """With the shared error at its level."""
        rows = self.prepared()
        levels = [*rows.problem.levels, rows.problem.rows]
        known = levels[rows.at].known + self.shared[rows.leader]
        levels[rows.at] = replace(levels[rows.at], known=known)
        return replace(rows.problem, levels=tuple(levels[:-1]), rows=levels[-1])


#: Which groupings there are: family, model, benchmark of a model, row.
KINDS = ((0, 1, 2, 3), (1, 2, 3), (2, 3), (0, 1, 2), (0, 1, 3), (1, 3), (1,), (3,), ())


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Panels with missing rows, with and without families, benchmarks, covariates."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    models, benchmarks, languages = draw(st.integers(8, 12)), draw(st.integers(1, 2)), 3
    grid = np.indices((models, benchmarks, languages)).reshape(3, -1)
    kept = rng.permutation(
        np.flatnonzero(rng.random(grid.shape[1]) < draw(st.sampled_from([0.8, 1.0])))
    )
    model, benchmark, language = grid[:, kept]
    family, n = model // 3, model.size
    source = rng.normal(2.0, 1.0, (models, benchmarks))[model, benchmark]
    columns = np.eye(benchmarks)[benchmark] * source[:, None]
    if draw(st.booleans()):
        columns = np.column_stack([columns, rng.normal(100.0, 1.0, models)[model]])
    group = model * 2 + benchmark
    every = [family, model, group, rng.permutation(n)]
    kind = draw(st.sampled_from(KINDS if benchmarks == 2 else KINDS[4:]))
    sizes = rng.uniform(0.0, 1.0, 4) * rng.integers(0, 2, 4)
    y = columns.sum(axis=1) + rng.normal(size=n) * 0.3
    for size, codes in zip(sizes, every, strict=True):
        y = y + size * rng.normal(size=n + 2 * models)[codes]
    return Rows(
        y=y,
        design=Design(np.unique(benchmark * 3 + language, return_inverse=True)[1], columns),
        variances=rng.uniform(0.02, 0.2, n),
        groupings=[every[k] for k in kind],
        group=group,
        shared=rng.uniform(0.0, 0.3, 2 * models)[group] * draw(st.integers(0, 1)),
    )


@settings(max_examples=60, deadline=None)
@given(rows(), st.lists(st.sampled_from([0.0, 1e-3, 0.2, 3.0]), min_size=4, max_size=4))
def test_likelihood_score_and_information_against_naive(given: Rows, sizes: list[float]) -> None:
    found = given.problem()
    dense = make_problem(given.y, given.design.dense(), given.V, tuple(given.groupings))
    at = np.array(sizes[: found.count])
    assert found.count == len(given.groupings) == dense.count
    np.testing.assert_allclose(found.scale, dense.scale, rtol=1e-10)
    np.testing.assert_allclose(np.sort(found.variances), np.sort(dense.variances), rtol=1e-12)
    assert found.loglik(at) == pytest.approx(dense.loglik(at), rel=1e-11, abs=1e-9)
    if not at.size:
        return
    one, other = found.expand(at), dense.expand(at)
    assert one.value == pytest.approx(other.value, rel=1e-11, abs=1e-9)
    assert one.substitute is not None
    assert other.substitute is not None
    expected = other.substitute()
    unit = np.sqrt(expected.diagonal())
    np.testing.assert_allclose(one.gradient / unit, other.gradient / unit, rtol=1e-8, atol=1e-8)
    for left, right in ((one.substitute(), expected), (one.information, other.information)):
        left, right = left / np.outer(unit, unit), right / np.outer(unit, unit)
        np.testing.assert_allclose(left, right, rtol=1e-8, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(rows())
def test_fit_against_naive(given: Rows) -> None:
    found = given.prepared().fit(given.shared)
    X = given.design.dense()
    dense = fit_reml(given.y, X, given.V, given.groupings)
    for name in ("params", "cov", "variance_components", "loglik", "residuals"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(dense, name), rtol=1e-7, atol=1e-7, err_msg=name
        )
        np.testing.assert_allclose(
            getattr(found.dense, name), getattr(dense, name), rtol=1e-7, atol=1e-7, err_msg=name
        )
    np.testing.assert_allclose(found.dense.V, given.V, rtol=1e-14)
    np.testing.assert_allclose(
        found.dense.weights @ found.dense.marginal, np.eye(len(X)), atol=1e-8
    )
    least = given.prepared().least_squares
    np.testing.assert_allclose(least, np.linalg.lstsq(X, given.y, rcond=None)[0], atol=1e-8)


def test_a_start_leads_to_the_same_peak_against_naive() -> None:
    given = example()
    whole = given.prepared().fit(given.shared)
    for start in (whole.variance_components, np.full(3, 0.5)):
        again = given.prepared().fit(given.shared, start)
        np.testing.assert_allclose(again.variance_components, whole.variance_components, atol=1e-9)


def example() -> Rows:
    """Six models of three families in four languages."""
    rng = np.random.default_rng(5)
    model, language = np.indices((6, 4)).reshape(2, -1)
    return Rows(
        y=rng.normal(size=24) + rng.normal(size=6)[model],
        design=Design(language, rng.normal(size=6)[model][:, None]),
        variances=np.full(24, 0.1),
        groupings=[model // 2, model, np.arange(24)],
        group=model,
        shared=np.full(24, 0.05),
    )


def both(given: Rows) -> tuple[HatstatsError, HatstatsError]:
    """The errors of the nested fit and of the one on full matrices."""
    with pytest.raises(HatstatsError) as nested:
        given.prepared()
    with pytest.raises(HatstatsError) as dense:
        fit_reml(given.y, given.design.dense(), np.diag(given.variances), given.groupings)
    return nested.value, dense.value


def test_what_cannot_be_fitted_is_refused_as_with_full_matrices_bad_input() -> None:
    given = example()
    model, columns = given.group, given.design.columns
    code = given.design.code
    few = np.arange(4)
    cases = {
        "depend on each other": replace(given, design=Design(code, np.ones((24, 1)))),
        "all zero": replace(given, design=Design(code, 0.0 * columns)),
        "absorbed": replace(given, design=Design(code, np.eye(6)[model][:, 1:])),
        "cannot be distinguished": replace(given, groupings=[model, model + 7]),
        "4 rows cannot identify 5": Rows(
            given.y[few], Design(code[few], columns[few]), given.variances[few], [], few, 0.0 * few
        ),
        "leave no residuals": Rows(
            given.y[few], Design(few, columns[few, :0]), given.variances[few], [few], few, 0.0 * few
        ),
        "y is not finite in rows 0": replace(given, y=np.where(code + model, given.y, np.nan)),
    }
    for words, case in cases.items():
        nested, dense = both(case)
        assert words in str(nested)
        assert str(nested) == str(dense)
        assert type(nested) is type(dense)
    with pytest.raises(DataError, match="variances must be positive: see rows 0, 1, 2"):
        replace(given, variances=np.where(model, 0.1, 0.0)).prepared()
    with pytest.raises(DataError, match="grouping 1 is not nested"):
        replace(given, groupings=[model // 2, code]).prepared()


def test_two_covariates_that_depend_are_named_bad_input() -> None:
    given = example()
    columns = np.column_stack([given.design.columns, 2.0 * given.design.columns + 1.0])
    nested, dense = both(replace(given, design=Design(given.design.code, columns)))
    assert str(nested) == str(dense)
    assert "columns 0, 1, 2, 3, 4, 5 of X" in str(nested)
    assert isinstance(nested, DataError)
    assert not isinstance(nested, NotIdentifiedError)
