"""The model with explicit latents, by quadrature and as the authority for cells by joint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from hatstats.bayes.fit import fit_hierarchical
from hatstats.bayes.options import CellOptions, Priors, own_random_state
from hatstats.bayes.scores import convergence
from hatstats.study import Study
from tests.bayes.item_model import item_model


@pytest.fixture(autouse=True)
def _names_of_variables() -> Iterator[None]:
    """PyTensor, called directly, names its variables by Python's global random state."""
    with own_random_state():
        yield


MODELS, LANGUAGES = 3, 3


def study_of(n_items: int, n_trials: int) -> Study:
    """Logit-normal items with known effects; each model has items of its own hardness."""
    rng = np.random.default_rng(1)
    interaction = 0.35 * np.array([[1, -1, 0], [-1, 0, 1], [0, 1, -1]])
    level = np.array([-0.6, 0.0, 0.3])[:, None] + np.array([-0.4, 0.0, 0.4]) + interaction
    eta = np.array([-0.5, 0.25, 1.0])[:, None] + 1.3 * rng.standard_normal((MODELS, n_items))
    residual = 0.6 * rng.standard_normal((MODELS, LANGUAGES, n_items))
    xi = level[..., None] + 0.9 * eta[:, None] + residual
    correct = rng.binomial(n_trials, special.expit(np.concatenate([eta[:, None], xi], axis=1)))
    m, column, item = np.indices(correct.shape).reshape(3, -1)
    table = {
        "model": [f"model {name}" for name in m],
        "benchmark": "simulated",
        "language": np.array(["source", "t1", "t2", "t3"])[column],
        "item": [f"{name:04}" for name in item],
        "n_correct": correct.ravel(),
        "n_trials": n_trials,
    }
    return Study.from_frame(pd.DataFrame(table), source="source")


def log_odds(mean: float, models: Sequence[tuple[float, float]]) -> float:
    """Log odds of a right answer whose logit is a mixture of normal distributions."""
    right = [stats.norm(mean + shift, sd).expect(special.expit) for shift, sd in models]
    return float(special.logit(np.mean(right)))


def test_density_is_that_of_the_counts_and_the_priors_of_source_and_transfer_logits() -> None:
    """Against quadrature of SciPy, with slopes of the change of variables by differences."""
    study = study_of(20, 6)
    model = item_model(study)
    rng = np.random.default_rng(1)
    point = {name: rng.normal(0, 0.5, np.shape(v)) for name, v in model.initial_point().items()}
    names = ["prior_of_source", "prior_of_transfer", "source_correct", "target_correct"]
    parts = [*model.potentials, *model.observed_RVs]
    density = model.compile_fn(
        model.logp(vars=parts, sum=False),
        inputs=model.value_vars,
        point_fn=True,
        on_unused_input="ignore",
        mode="FAST_COMPILE",
    )
    found = dict(zip(names, map(np.sum, density(point)), strict=True))
    counts = study.counts.set_index("language")
    for side, logits in (("source", point["eta"]), ("target", point["xi"].transpose(1, 0, 2))):
        rows = counts[(counts.index == "source") == (side == "source")]
        rows = rows.reset_index().sort_values(["language", "model", "item"])
        n, k = rows["n_trials"].astype(int), rows["n_correct"].astype(int)
        expected = stats.binom.logpmf(k, n, special.expit(logits).ravel()).sum()
        assert found[f"{side}_correct"] == pytest.approx(expected, rel=1e-8)

    scale = {name: np.exp(point[f"{name}_log__"]) for name in ("spread", "residual", "sd_cell")}
    sds = {name: np.exp(point[f"sd_{name}_log__"]) for name in ("source_model", "transfer_model")}
    ability, spread, slope = point["ability"], scale["spread"], point["slope"]
    share = counts.loc["source"].groupby("model")["n_correct"].sum().to_numpy()
    centre = special.logit((share + 0.5) / (20 * 6 + 1.0))
    effects = point["transfer_mean"] + (point["transfer_model"] * sds["transfer_model"])[:, None]
    sd_language = np.exp(point["sd_transfer_language_log__"])
    effects = effects + point["transfer_language"] * sd_language
    source_prior = stats.norm(point["source_mean"], sds["source_model"])
    expected = {"prior_of_source": 0.0, "prior_of_transfer": 0.0}
    for m in range(MODELS):
        own = [log_odds(ability[m] + h, [(0.0, spread[m])]) for h in (-1e-3, 0.0, 1e-3)]
        expected["prior_of_source"] += source_prior.logpdf(own[1]) + np.log(
            (own[2] - own[0]) / 2e-3
        )
        for n in range(LANGUAGES):
            reference = [
                (slope[m, n] * (a - centre[m]), np.hypot(slope[m, n] * s, scale["residual"][m, n]))
                for a, s in zip(ability, spread, strict=True)
            ]
            hat = [log_odds(point["level"][m, n] + h, reference) for h in (-1e-3, 0.0, 1e-3)]
            prior = stats.norm(effects[m, n], scale["sd_cell"]).logpdf(hat[1])
            expected["prior_of_transfer"] += prior + np.log((hat[2] - hat[0]) / 2e-3)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-4)


@pytest.mark.slow
def test_cells_by_joint_agree_with_the_item_model() -> None:
    """400 items, so that estimated cells are nearly normal and their errors known within 4 %.

    Cells by joint have no priors on slopes and spreads, so that those here are wide. Effects are
    far from zero, where a few levels would leave their scale to the prior.
    """
    import pymc as pm

    study = study_of(400, 20)
    tree = pm.sample(
        model=item_model(study, Priors(line=1.0), residual_scale=1.5, spread_sd=1.0),
        draws=1200,
        tune=500,
        target_accept=0.95,
        chains=2,
        cores=1,
        random_seed=1,
        progressbar=False,
        compute_convergence_checks=False,
    )
    draws = tree["posterior"]["hat"].values
    table = convergence(draws)
    assert table["r_hat"].max() < 1.01
    assert not tree["sample_stats"]["diverging"].values.any()
    cells = fit_hierarchical(study, cells=CellOptions(method="joint"), rng=1).hat()
    assert min(table["ess_bulk"].min(), cells.tidy()["ess_bulk"].min()) > 800
    mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1), ddof=1)
    np.testing.assert_allclose((cells.params - mean) / sd, 0.0, atol=0.1)
    np.testing.assert_allclose(cells.bse / sd, 1.0, atol=0.1)
