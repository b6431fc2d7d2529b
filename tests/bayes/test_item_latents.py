"""The model with explicit latents, by quadrature and as the authority for cells by joint."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from hatstats.bayes.fit import fit_hierarchical
from hatstats.bayes.item_latents import item_model, item_model_hat
from hatstats.bayes.options import CellOptions, Priors, own_random_state
from hatstats.bayes.scores import convergence
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study


@pytest.fixture(autouse=True)
def _names_of_variables() -> Iterator[None]:
    """PyTensor, called directly, names its variables by Python's global random state."""
    with own_random_state():
        yield


def study_of(n_models: int, n_items: int) -> Study:
    """Logit-normal items in two target languages; each model has items of its own hardness."""
    abilities = tuple(np.linspace(-0.5, 1.0, n_models))
    shape = Shape(n_items=n_items, n_languages=2)
    study = simulate_study(abilities, shape=shape, rng=5)
    tables = [
        simulate_study((ability,), shape=shape, rng=m).counts.assign(model=name)
        for m, (ability, name) in enumerate(zip(abilities, study.model_names, strict=True))
    ]
    return Study(pd.concat(tables, ignore_index=True), study.models, study.benchmarks)


def test_density_of_the_counts_is_binomial_in_the_written_out_logits() -> None:
    import pymc as pm

    study = study_of(3, 20)
    model = item_model(study)
    point = model.initial_point()
    rng = np.random.default_rng(1)
    for name in point:
        point[name] = rng.normal(0.0, 0.5, np.shape(point[name]))
    sides = [model["source_correct"], model["target_correct"]]
    density = model.compile_fn(
        model.logp(vars=sides, sum=False),
        inputs=model.value_vars,
        point_fn=True,
        on_unused_input="ignore",
        mode="FAST_COMPILE",
    )
    found = density(point)
    spread, residual = np.exp(point["ability_sd_log__"]), np.exp(point["residual_log__"])
    eta = point["source"][:, None] + spread[:, None] * point["ability"]
    counts = study.counts
    source = counts[counts["language"] == "src"]
    expected = stats.binom.logpmf(
        source["n_correct"].astype(int), source["n_trials"].astype(int), special.expit(eta).ravel()
    )
    assert float(np.sum(found[0])) == pytest.approx(expected.sum(), rel=1e-8)
    share = source["n_correct"].sum() / source["n_trials"].sum()
    line = point["slope"][..., None] * (eta - special.logit(share))[:, None]
    effects = [
        point[f"transfer_{kind}"] * np.exp(point[f"sd_transfer_{kind}_log__"])
        for kind in ("model", "language")
    ]
    transfer = point["transfer_mean"] + effects[0][:, None] + effects[1]
    transfer = transfer + point["cell"] * np.exp(point["sd_cell_log__"])
    xi = transfer[..., None] + line + residual[..., None] * point["item_residual"]
    total = 0.0
    for index, language in enumerate(model.coords["language"]):
        rows = counts[counts["language"] == language]
        right, trials = rows["n_correct"].astype(int), rows["n_trials"].astype(int)
        total += stats.binom.logpmf(right, trials, special.expit(xi[:, index]).ravel()).sum()
    assert float(np.sum(found[1])) == pytest.approx(total, rel=1e-8)
    assert isinstance(model, pm.Model)


def test_hat_of_a_line_without_residuals_is_the_integral_of_its_profile() -> None:
    import xarray as xr

    study = study_of(2, 20)
    shape = {"source": (1, 1, 2), "ability_sd": (1, 1, 2)}
    shape |= {name: (1, 1, 2, 2) for name in ("transfer", "slope", "residual")}
    values = {"source": 0.3, "ability_sd": 1.2, "transfer": -0.4, "slope": 0.8, "residual": 1e-9}
    data = {
        name: (tuple(f"{name}{k}" for k in range(len(size))), np.full(size, values[name]))
        for name, size in shape.items()
    }
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(data)})
    counts = study.counts[study.counts["language"] == "src"]
    centre = special.logit(counts["n_correct"].sum() / counts["n_trials"].sum())

    def profile(eta: float) -> float:
        return float(special.expit(-0.4 + 0.8 * (eta - centre)))

    expected = stats.norm(0.3, 1.2).expect(profile)
    np.testing.assert_allclose(item_model_hat(tree, study), expected, rtol=1e-6)
    x = (np.arange(2000) + 0.5) / 2000
    uniform = np.mean([profile(eta) for eta in special.logit(x)])
    np.testing.assert_allclose(item_model_hat(tree, study, "uniform"), uniform, rtol=1e-3)


def test_cells_by_joint_agree_with_the_item_model() -> None:
    """Cells by joint have no priors on slopes and spreads, so that those here are wide."""
    import nutpie

    study = study_of(4, 150)
    priors = Priors(line=1.0, residual=1.5, ability_spread=1.0)
    compiled = nutpie.compile_pymc_model(item_model(study, priors=priors))
    tree = nutpie.sample(
        compiled,
        draws=1000,
        tune=600,
        chains=2,
        cores=2,
        seed=1,
        progress_bar=False,
        target_accept=0.95,
    )
    draws = item_model_hat(tree, study)
    cells = fit_hierarchical(study, cells=CellOptions(method="joint"), rng=1).hat()
    table = convergence(draws)
    assert table["r_hat"].max() < 1.02
    mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1), ddof=1)
    mcse = cells.tidy().set_index("model")["mcse"].reindex(cells.params.index)
    noise = np.hypot(table["mcse"].to_numpy(), mcse.to_numpy()) / sd
    shift, ratio = (cells.params.to_numpy() - mean) / sd, cells.bse.to_numpy() / sd
    assert (np.abs(shift) < 0.1 + 3.0 * noise).all()
    assert ratio.mean() == pytest.approx(1.0, abs=0.1)
