"""Wrong input to the hierarchical model gets one clear error."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hatstats.bayes.fit import fit_hierarchical, read_hierarchical
from hatstats.bayes.options import CellOptions, Priors, Sampling, own_random_state
from hatstats.errors import DataError, FitError, NotIdentifiedError
from hatstats.study import Study
from tests.bayes.cases import item_fit, item_study, panel_study


@pytest.mark.parametrize("value", [-1.0, 0.0, float("nan"), float("inf"), "wide", None])
def test_a_scale_that_is_not_positive(value: Any) -> None:
    with pytest.raises(DataError, match=r"priors\.cell.*positive") as raised:
        Priors(cell=value)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 5}, "50 or more"),
        ({"chains": 1}, "2 or more"),
        ({"tune": 1.5}, "whole number, 50 or more"),
        ({"sampler": "stan"}, "unknown sampler"),
        ({"target_accept": 1.0}, r"lies in \[0\.5, 1\)"),
    ],
)
def test_invalid_sampling(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Sampling(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"method": "magic"}, "unknown method"), ({"correlation": 1.0}, "correlation")],
)
def test_invalid_cell_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        CellOptions(**options)


def test_a_model_without_target_rows_is_named() -> None:
    study = item_study()
    lost = (study.counts["model"] == "model-02").to_numpy() & ~study.is_source
    with pytest.raises(NotIdentifiedError, match=r"'model-02' has no rows in a target language"):
        fit_hierarchical(Study(study.counts[~lost], study.models, study.benchmarks))


def test_a_covariate_that_is_missing_for_some_models_is_named() -> None:
    study = item_study()
    models = study.models.copy()
    models["layers"] = [10.0, np.nan, 12.0, 13.0, 20.0, 16.0, 17.0]
    wider = Study(study.counts, models, study.benchmarks)
    with pytest.raises(DataError, match=r"row 3, column 'layers'.*missing for 1 of 7.*model-02"):
        fit_hierarchical(wider, formula="layers")


@pytest.mark.parametrize(
    ("trend", "error", "message"),
    [
        ("height", DataError, "lacks"),
        ("release_year +", DataError, "cannot be read"),
        ("release_date", DataError, "a date is no number"),
        ("release_year + I(2 * release_year)", NotIdentifiedError, "depend on each other"),
    ],
)
def test_invalid_trends(trend: str, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        fit_hierarchical(item_study(), formula=trend)


def test_a_reversed_region_of_practical_equivalence() -> None:
    fit = item_fit()
    with pytest.raises(DataError, match="from a lower to a higher"):
        fit.hat().contrast("model-01", "model-02", rope=(0.01, -0.01))
    with pytest.raises(DataError, match="from a lower to a higher"):
        fit.claims([], rope=(0.1, 0.1))


def test_too_few_draws_give_fewer_decimals_and_say_how_many_are_needed() -> None:
    scores = item_fit().hat()
    rows = scores.tidy().set_index("model")
    assert 1e-3 < rows["mcse"].max() < 1e-2, "two decimals are no Monte-Carlo noise"
    name = str(rows["estimate"].idxmax())
    best = rows.loc[name]
    shown = f"{best['estimate']:.2f}  [{best['conf_low']:.2f}, {best['conf_high']:.2f}]"
    texts = item_fit().summary(), repr(scores), repr(scores.contrast(*scores.models[:2]))
    assert all(f"{name}  {shown}  P(best)" in text for text in texts[:2])
    for text in texts:
        words = " ".join(text.split())
        assert re.search(r"Too few draws for three decimals.*until about \d+ are effective", words)
        assert max(map(len, text.splitlines())) <= 80


def test_chains_that_have_not_mixed_need_more_tuning() -> None:
    tree = item_fit().idata.copy(deep=True)
    tree["posterior"]["hat"].values[0] += 0.2
    text = " ".join(replace(item_fit(), idata=tree).summary().split())
    assert re.search(r"chains have not mixed \(R-hat \d.*tune longer", text)


def test_a_corrupt_or_foreign_posterior(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_hierarchical(tmp_path / "none.nc", item_study())
    corrupt = tmp_path / "corrupt.nc"
    corrupt.write_bytes(b"CDF\x01 not really")
    with pytest.raises(DataError, match=r"corrupt\.nc.*cannot be read"):
        read_hierarchical(corrupt, item_study())
    path = item_fit().save(tmp_path / "fit.nc")
    with pytest.raises(DataError, match="another study"):
        read_hierarchical(path, panel_study())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"fit\.nc.*cannot be read"):
        read_hierarchical(path, item_study())


def test_a_formula_recorded_in_a_posterior_is_not_run(tmp_path: Path) -> None:
    mark, tree = tmp_path / "ran.npy", item_fit().idata.copy()
    facts = json.loads(tree.attrs["made_by"])
    facts["formula"] = f"{{np.save({str(mark)!r}, [1.0])}}"
    tree.attrs["made_by"] = json.dumps(facts)
    path = replace(item_fit(), idata=tree).save(tmp_path / "fit.nc")
    with pytest.raises(DataError, match="cannot be read"):
        read_hierarchical(path, item_study())
    assert not mark.exists()


def test_a_tree_of_something_else_is_foreign(tmp_path: Path) -> None:
    import xarray as xr

    other = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": ("draw", [1.0])})})
    other.to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(DataError, match="not a saved fit of hatstats"):
        read_hierarchical(tmp_path / "other.nc", item_study())


@pytest.mark.parametrize("error", [RuntimeError("no density"), KeyboardInterrupt()])
def test_a_sampler_that_fails_or_is_interrupted_is_named(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_random_state():
        from hatstats.bayes import model

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(model, "_nutpie", fail)
    fit = item_fit()
    given = fit.cell_model.marginal, fit.cell_model.priors, fit.model
    with pytest.raises(FitError, match=f"nutpie failed .{type(error).__name__}"):
        model.sample(*given, Sampling(), 1)
