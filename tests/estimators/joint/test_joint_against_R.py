"""The source margin of `joint` is lme4's binomial model with a normal random intercept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hatstats.estimators.joint import quadrature
from hatstats.estimators.joint.fit import fit_patterns
from hatstats.estimators.joint.options import JointOptions
from hatstats.estimators.joint.patterns import distinct_patterns
from tests.reference.stored import cases

CASES = cases("glmer")
assert len(CASES) >= 6


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_source_margin_against_R(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quadrature, "ACCURACY", 1e-9)
    k = np.asarray(case["input"]["k"], dtype=float)
    n = np.asarray(case["input"]["n"], dtype=float)
    none = np.zeros((k.size, 0))
    counts = distinct_patterns((k, n), (none, none))
    (fit,) = fit_patterns([counts], JointOptions())
    out = case["output"]
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(out["loglik"], abs=1e-5)
    assert fit.layout.scalar(fit.theta, "mu") == pytest.approx(out["mu"], abs=1e-3)
    assert fit.layout.scalar(fit.theta, "sigma") == pytest.approx(out["sigma"], abs=1e-3)
