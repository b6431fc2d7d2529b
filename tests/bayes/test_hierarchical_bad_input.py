"""Wrong input to the hierarchical model gets one clear error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hatstats.bayes.estimates import CellOptions
from hatstats.bayes.fit import Level, fit_hierarchical, read_hierarchical
from hatstats.bayes.priors import Priors
from hatstats.bayes.settings import Sampling
from hatstats.errors import DataError, NotIdentifiedError
from hatstats.study import Study
from tests.bayes.cases import QUICK, cell_fit, item_study, panel_study


@pytest.mark.parametrize("value", [-1.0, 0.0, float("nan"), float("inf"), "wide", None])
def test_a_scale_that_is_none(value: Any) -> None:
    with pytest.raises(DataError, match=r"priors\.cell.*positive") as raised:
        Priors(cell=value)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 5}, "fewer than 50"),
        ({"chains": 1}, "fewer than 2"),
        ({"tune": 1.5}, "fewer than 50"),
        ({"sampler": "stan"}, "unknown sampler"),
        ({"target_accept": 1.0}, "acceptance rate"),
    ],
)
def test_sampling_that_cannot_serve(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Sampling(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"method": "magic"}, "unknown estimator"), ({"correlation": 1.0}, "correlation")],
)
def test_cell_options_that_are_none(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        CellOptions(**options)


def test_an_unknown_level() -> None:
    with pytest.raises(DataError, match="unknown level"):
        fit_hierarchical(item_study(), level="best")  # type: ignore[arg-type]


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
        fit_hierarchical(wider, trend="layers")


@pytest.mark.parametrize(
    ("trend", "error", "message"),
    [
        ("height", DataError, "lacks"),
        ("release_year +", DataError, "cannot be read"),
        ("release_date", DataError, "a date is no number"),
        ("release_year + {2 * release_year}", NotIdentifiedError, "depend on each other"),
    ],
)
def test_trends_that_cannot_be(trend: str, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        fit_hierarchical(item_study(), trend=trend)


def test_an_unknown_value_in_two_terms_is_no_single_parameter() -> None:
    with pytest.raises(DataError, match="more than one term"):
        fit_hierarchical(
            item_study(),
            trend="log10(params_total) + sqrt(params_total)",
            priors=Priors(unknown=1.0),
        )


def test_a_reversed_region_of_practical_equivalence() -> None:
    fit = cell_fit()
    with pytest.raises(DataError, match="from a lower to a higher"):
        fit.hat().contrast("model-01", "model-02", rope=(0.01, -0.01))
    with pytest.raises(DataError, match="from a lower to a higher"):
        fit.claims([], rope=(0.1, 0.1))


def test_another_reference_than_that_of_the_cells() -> None:
    with pytest.raises(DataError, match="another reference") as raised:
        cell_fit().hat("uniform")
    assert "CellOptions(reference=" in str(raised.value)


def test_too_few_draws_for_the_printed_digits_say_how_many_are_needed() -> None:
    with pytest.raises(DataError, match=r"too few draws.*until about \d+ are effective"):
        cell_fit().summary()


def test_chains_that_are_apart_are_not_told_to_draw_on() -> None:
    tree = cell_fit().idata.copy(deep=True)
    tree["posterior"]["hat"].values[0] += 0.2
    with pytest.raises(DataError, match=r"chains are apart \(R-hat \d.*another rung"):
        replace(cell_fit(), idata=tree).summary()


def test_a_corrupt_or_foreign_posterior(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_hierarchical(tmp_path / "none.zarr", item_study())
    corrupt = tmp_path / "corrupt.nc"
    corrupt.write_bytes(b"CDF\x01 not really")
    with pytest.raises(DataError, match=r"corrupt\.nc.*cannot be read"):
        read_hierarchical(corrupt, item_study())
    path = cell_fit().save(tmp_path / "fit.zarr")
    with pytest.raises(DataError, match="another study"):
        read_hierarchical(path, panel_study())
    data = [part for part in (path / "posterior" / "hat").rglob("*") if part.is_file()]
    assert data
    for part in data:
        part.write_bytes(b"rubbish")
    with pytest.raises(DataError, match=r"fit\.zarr.*cannot be read"):
        read_hierarchical(path, item_study())


def test_a_tree_of_something_else_is_foreign(tmp_path: Path) -> None:
    import xarray as xr

    other = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": ("draw", [1.0])})})
    other.to_zarr(tmp_path / "other.zarr", consolidated=False)
    with pytest.raises(DataError, match="no saved fit of hatstats"):
        read_hierarchical(tmp_path / "other.zarr", item_study())


def test_a_saved_chain_that_is_broken_is_named(tmp_path: Path) -> None:
    how = Sampling(draws=50, tune=50, chains=2, cores=1, keep=tmp_path)
    fit_hierarchical(item_study(), sampling=how, rng=5)
    broken = sorted(tmp_path.glob("chain-*.npz"))[0]
    broken.write_bytes(b"PK rubbish")
    with pytest.raises(DataError, match=rf"{broken.name}.*cannot be read"):
        fit_hierarchical(item_study(), sampling=how, rng=5)


@pytest.mark.parametrize("level", ["cells", "items"])
def test_numpyro_without_its_extra_names_the_extra(level: Level) -> None:
    how = Sampling(draws=50, tune=50, chains=2, sampler="numpyro")
    try:
        import numpyro  # noqa: F401
    except ImportError:
        with pytest.raises(DataError, match=r"hatstats\[jax\]"):
            fit_hierarchical(item_study(), level=level, sampling=how, rng=5)
    assert QUICK.sampler == "auto"
