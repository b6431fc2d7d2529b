"""Every documented error of profiles and scores, with what it names."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from hatstats.errors import DataError, NotIdentifiedError
from hatstats.estimators.methods import fit_profile
from hatstats.scores.scores import HatScores
from hatstats.scores.transfer_profile import TransferProfile
from hatstats.study import Study
from tests.studies import item_rows, panel_rows, study_of


@pytest.fixture(scope="module")
def study() -> Study:
    return study_of(item_rows(["a", "b"], ["en", "sw"], 30, rng=np.random.default_rng(1)))


@pytest.fixture(scope="module")
def panel() -> Study:
    rows = panel_rows([-0.5, 0.2, 0.9, 1.5], ["sw", "yo"], rng=np.random.default_rng(1))
    return study_of(rows, chance=0.25)


@pytest.fixture(scope="module", params=["latent", "observed", "aggregate"])
def profile(request: pytest.FixtureRequest, study: Study, panel: Study) -> TransferProfile:
    return fit_profile(panel if request.param == "aggregate" else study, method=request.param)


def test_unknown_method(study: Study) -> None:
    with pytest.raises(DataError, match="use latent, joint, panel, observed, aggregate") as info:
        fit_profile(study, method="median")  # type: ignore[arg-type]
    assert info.value.value == "median"


@pytest.mark.parametrize("method", ["latent", "observed"])
@pytest.mark.parametrize("option", [{"slope": 1.0}, {"correlation": 0.3}])
def test_options_of_aggregate_for_another_method(
    study: Study, method: str, option: dict[str, float]
) -> None:
    with pytest.raises(DataError, match="belong to method 'aggregate', not"):
        fit_profile(study, method=method, **option)


@pytest.mark.parametrize("method", ["latent", "observed"])
def test_items_asked_of_a_table_of_means(panel: Study, method: str) -> None:
    with pytest.raises(NotIdentifiedError, match="quiz has only accuracies per language"):
        fit_profile(panel, method=method)


@pytest.mark.parametrize("correlation", [1.0, -0.1, np.nan, 30.0])
def test_correlation_out_of_range(panel: Study, correlation: float) -> None:
    with pytest.raises(DataError, match=r"must lie in \[0, 1\)") as info:
        fit_profile(panel, correlation=correlation)
    assert info.value.column == "correlation"


@pytest.mark.parametrize("slope", [np.nan, np.inf])
def test_slope_that_is_no_number(panel: Study, slope: float) -> None:
    with pytest.raises(DataError, match="finite number") as info:
        fit_profile(panel, slope=slope)
    assert info.value.column == "slope"


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ([0.2, 1.2], "1.2"),
        ([-0.1], "-0.1"),
        ([50.0, 70.0], "50.0"),
        ([0.5, np.nan], "nan"),
        ([], "'nothing'"),
        (["model:a"], "['model:a']"),
        ({"a": 1}, "{'a': 1}"),
    ],
)
def test_reference_that_holds_no_accuracies(
    profile: TransferProfile, reference: object, shown: str
) -> None:
    with pytest.raises(DataError, match="source accuracies between 0 and 1") as info:
        profile.hat(reference)  # type: ignore[arg-type]
    assert f"value {shown}:" in str(info.value)
    assert info.value.column == "reference"


def test_unknown_references(profile: TransferProfile) -> None:
    with pytest.raises(
        DataError, match="use pooled, uniform, own, common, model:NAME, or an array"
    ):
        profile.hat("poled")
    with pytest.raises(DataError, match=re.escape("the benchmark does not have; it has")) as info:
        profile.hat("model:nobody")
    assert info.value.value == "nobody"


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.5])
def test_levels_are_proportions(profile: TransferProfile, level: float) -> None:
    scores = profile.hat()
    for table in (scores.tidy, scores.conf_int, scores.tidy_cells, scores.summary, profile.tidy):
        with pytest.raises(DataError, match=r"column 'conf_level'.*95 % is 0\.95"):
            table(level)
    with pytest.raises(DataError, match=r"95 % is 0\.95"):
        scores.ranks(rng=1, conf_level=level)


def test_contrast_of_an_unknown_model(profile: TransferProfile) -> None:
    scores = profile.hat()
    with pytest.raises(DataError, match="choose among") as info:
        scores.contrast(scores.models[0], "nobody")
    assert info.value.value == "nobody"


# --- scores made elsewhere ----------------------------------------------------------------------

SCORES = pd.DataFrame({"model": ["a", "b"], "estimate": [0.4, 0.5], "family": ["f", "g"]})
COV = pd.DataFrame([[0.01, 0.002], [0.002, 0.02]], index=["a", "b"], columns=["a", "b"])


def test_scores_made_elsewhere_keep_covariates_and_order() -> None:
    shuffled = COV.loc[["b", "a"], ["b", "a"]]
    scores = HatScores.from_frame(SCORES, shuffled)
    np.testing.assert_array_equal(scores.covariance, COV.to_numpy())
    assert scores.covariates["family"].tolist() == ["f", "g"]
    assert "estimate" not in scores.covariates
    # No proportions: limits may leave (0, 1), and 0 is a null of interest.
    assert scores.tidy()["p_value"].notna().all()
    assert scores.limits()[0, 0] == pytest.approx(0.4 - 1.959964 * 0.1)
    assert np.isnan(scores.source).all()
    assert scores.summary()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["score", "covariance"])
def test_scores_made_elsewhere_that_are_not_finite(bad: float, where: str) -> None:
    scores, cov = SCORES.copy(), COV.copy()
    if where == "score":
        scores.loc[1, "estimate"] = bad
    else:
        cov.loc["b", "b"] = bad
    with pytest.raises(DataError, match="not a finite number") as info:
        HatScores.from_frame(scores, cov)
    assert info.value.value == "b"
    assert info.value.row == 3


def test_scores_made_elsewhere_that_are_text() -> None:
    with pytest.raises(DataError, match="not a finite number") as info:
        HatScores.from_frame(SCORES.assign(estimate=["0.4", "half"]), COV)
    assert info.value.value == "b"
