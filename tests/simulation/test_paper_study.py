"""The preset ``paper``: its shape, and its levels against published figures and simulation."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from data.derive.facts import read_map
from hatstats.errors import DataError
from hatstats.simulation import paper_design as paper
from hatstats.simulation.paper_design import PaperDesign
from hatstats.simulation.simulate import Shape, draw_counts, simulate_study
from hatstats.simulation.worlds import PILED, WORLDS, WorldName
from hatstats.study import Study
from hatstats.study.read import read_study

ROOT = Path(__file__).resolve().parents[2]
SMALL = PaperDesign(item_factor=0.05)
NAMES: tuple[WorldName, ...] = ("logit_normal", "mixture", "cubic", "shared_factor")


@pytest.fixture(scope="module")
def study() -> Study:
    return simulate_study(preset="paper", rng=1)


def test_shape_against_the_benchmarks(study: Study) -> None:
    assert len(study.models) == 20
    assert study.models["family"].value_counts().to_dict() == {
        "Gemma": 8, "Gemini": 5, "Claude": 3, "Qwen": 2, "GPT-OSS": 2,
    }  # fmt: skip
    assert study.models["release_date"].notna().all()
    assert study.models["params_total"].notna().sum() == 12
    cells = study.counts.groupby("benchmark", sort=False)
    assert cells["item"].nunique().to_dict() == {
        "eclektic": 384,
        "mgsm": 250,
        "mmlu_prox_lite": 658,
    }
    assert cells["language"].nunique().to_dict() == {
        "eclektic": 12, "mgsm": 11, "mmlu_prox_lite": 29,
    }  # fmt: skip
    assert len(study.counts) == 20 * (384 * 12 + 250 * 11 + 658 * 29)
    assert not study.counts.duplicated(["model", "benchmark", "language", "item"]).any()
    assert (study.counts["n_trials"] == 10).all()
    assert study.benchmarks["chance"].tolist() == [0.0, 0.0, 0.1]
    assert study.benchmarks["source_language"].tolist() == ["", "en", "en"]


def test_eclektic_items_have_their_own_source(study: Study) -> None:
    assert set(study.items["benchmark"]) == {"eclektic"}
    assert (study.items["source_language"].value_counts() == 32).all()
    rows = (study.counts["benchmark"] == "eclektic").to_numpy()
    source = pd.Series(study.is_source[rows]).groupby(study.counts["language"][rows].to_numpy())
    assert (source.sum() == 32 * 20).all()
    per_item = study.counts[rows & study.is_source].groupby(["model", "item"]).size()
    assert len(per_item) == 20 * 384
    assert (per_item == 1).all()


def test_marked_synthetic_wherever_it_appears(study: Study, tmp_path: Path) -> None:
    assert study.info.synthetic
    assert study.info.title.startswith("SYNTHETIC")
    assert "synthetic" in study.name
    assert "none was observed" in study.info.notes
    small = simulate_study(preset="paper", design=SMALL, rng=1).select(benchmarks="eclektic")
    assert "(synthetic)" in small.summary()
    assert "SYNTHETIC" in small._repr_html_()
    assert small.info.synthetic
    back = read_study(small.write(tmp_path / "study"))
    assert back.info.synthetic
    assert back.info.title == small.info.title
    pd.testing.assert_frame_equal(back.counts, small.counts)


def test_same_seed_same_study() -> None:
    # conftest checks after every test that the global random state is unchanged.
    first, again, other = (
        simulate_study(preset="paper", design=SMALL, rng=seed) for seed in (7, 7, 8)
    )
    pd.testing.assert_frame_equal(first.counts, again.counts)
    assert (first.counts["n_correct"] != other.counts["n_correct"]).any()
    pd.testing.assert_frame_equal(first.models, other.models)
    given = simulate_study(preset="paper", design=SMALL, rng=np.random.default_rng(7))
    pd.testing.assert_frame_equal(first.counts, given.counts)
    assert first.info.source == "simulate_study(preset='paper'), rng=7"
    assert given.info.source == "simulate_study(preset='paper')"
    fresh = simulate_study((0.0,), shape=Shape(30))
    seed = int(fresh.info.source.removeprefix("simulate_study, rng="))
    same = simulate_study((0.0,), shape=Shape(30), rng=seed)
    pd.testing.assert_frame_equal(fresh.counts, same.counts)


def test_models_against_the_table_of_facts() -> None:
    facts = {row["key"]: row for row in read_map("facts.csv")}
    names = {row["model"]: row["fact"] for row in read_map("euroeval_twenty.csv")}
    checked = 0
    for model, family, date, total, active in paper.MODELS:
        fact = facts.get(names.get(model, model.partition(" (")[0]))
        if fact is None:
            assert model in {"Claude-Opus-4.7", "GPT-OSS-120B"}
            continue
        checked += 1
        assert fact["release_date"] == date, model
        for mine, theirs in ((total, fact["params_total"]), (active, fact["params_active"])):
            assert np.isnan(mine) if theirs == "" else mine == float(theirs), model
        assert np.isnan(total) == (family in {"Gemini", "Claude"})
    assert checked == 18


@cache
def expected_accuracies(world: WorldName = "logit_normal", piled: float = 0.0) -> pd.DataFrame:
    """`source, target, both` by benchmark and model, by quadrature over items.

    Languages have equal weights; `both` is right in source and target at once.
    """
    design = PaperDesign(piled=piled)
    nodes, weights = np.polynomial.hermite_e.hermegauss(81)
    weights = (1.0 - piled) * weights / weights.sum()
    low = stats.beta.ppf((np.arange(200) + 0.5) / 200, *PILED)
    rows = []
    for benchmark in paper.BENCHMARKS:
        is_target = np.array([language != benchmark.source for language in benchmark.languages])
        names = paper.models()["model"]
        for model, ability, shift in zip(names, *paper.true_levels(design, benchmark), strict=True):
            share = special.expit(ability)
            known = np.concatenate([special.expit(ability + design.spread * nodes), low, 1 - low])
            mass = np.repeat([piled * (1 - share) / 200, piled * share / 200], 200)
            mass = np.concatenate([weights, mass])
            shifts = shift + benchmark.language_shifts()[is_target]
            transferred = WORLDS[world].profile(known[:, None], shifts).mean(axis=1)
            source, target = (
                benchmark.chance + (1 - benchmark.chance) * p for p in (known, transferred)
            )
            means = [mass @ value for value in (source, target, source * target)]
            rows.append((benchmark.name, model, *means))
    columns = ["benchmark", "model", "source", "target", "both"]
    return pd.DataFrame(rows, columns=columns).set_index(["benchmark", "model"])


@cache
def published() -> pd.DataFrame:
    """Accuracies (models, languages) of the published MMLU-ProX table of eight models."""
    mmlu = read_study(ROOT / "data" / "mmlu_prox")
    eight = mmlu.models.loc[(mmlu.models["site_commit"] == "ce9b9aba").to_numpy(), "model"]
    counts = mmlu.counts.assign(accuracy=mmlu.counts["n_correct"] / mmlu.counts["n_trials"])
    return counts.pivot(index="model", columns="language", values="accuracy").loc[eight]


def test_language_drops_against_the_published_table() -> None:
    table = published()
    assert table.shape == (8, 29)
    logits = special.logit((table - 0.1) / 0.9)
    drops = logits.sub(logits["en"], axis=0).median()
    assert set(paper.LANGUAGE_DROPS) - set(drops.index) == {"he"}
    for language, drop in drops.items():
        assert paper.LANGUAGE_DROPS[str(language)] == pytest.approx(drop, abs=0.0051)
    for benchmark in paper.BENCHMARKS:
        shifts = pd.Series(benchmark.language_shifts(), index=list(benchmark.languages))
        assert shifts.drop(benchmark.source, errors="ignore").mean() == pytest.approx(0, abs=1e-12)


def test_mmlu_level_against_the_published_table() -> None:
    table = published()
    ratio = (table.drop(columns="en").mean(axis=1) / table["en"]).mean()
    truth = expected_accuracies().loc["mmlu_prox_lite"]
    mine = truth[truth["source"] >= table["en"].min()]
    assert len(mine) >= 5
    assert (mine["target"] / mine["source"]).mean() == pytest.approx(ratio, abs=0.005)


def test_eclektic_levels_against_the_published_figures() -> None:
    table = expected_accuracies().loc["eclektic", "both"]
    assert len(paper.ECLEKTIC_OVERALL) == 4
    for model, share in paper.ECLEKTIC_OVERALL.items():
        assert table[model] == pytest.approx(share, abs=2e-5)
    # The other models lie on the least-squares line of these four.
    x = (
        paper.true_models(PaperDesign())
        .set_index("model")
        .loc[list(paper.ECLEKTIC_ABILITY), "log_size"]
    )
    slope, level = np.polyfit(x, list(paper.ECLEKTIC_ABILITY.values()), 1)
    eclektic = paper.BENCHMARKS[0]
    assert (eclektic.ability, eclektic.ability_slopes[0]) == pytest.approx((level, slope), abs=0.02)


@pytest.mark.parametrize(
    ("world", "piled"),
    [
        ("logit_normal", 0.0),
        ("logit_normal", 0.35),
        ("mixture", 0.35),
        ("cubic", 0.0),
        ("shared_factor", 0.35),
    ],
)
def test_accuracies_against_theory(world: WorldName, piled: float) -> None:
    design = PaperDesign(piled=piled, item_factor=3.0)
    expected = expected_accuracies(world, piled)
    rng = np.random.default_rng(20260620)
    z = []
    for benchmark in paper.BENCHMARKS:
        right, source = draw_counts(design, world, benchmark, rng)
        share = right / design.n_trials
        is_source = source[:, None] == np.arange(len(benchmark.languages))
        own = share[:, is_source]
        # Equal weights for languages: an item's targets are all but one of them.
        target = (share.sum(axis=2) - own) / (len(benchmark.languages) - 1)
        for name, value in (("source", own), ("target", target)):
            want = expected.loc[benchmark.name, name].to_numpy()
            error = value.std(axis=1, ddof=1) / np.sqrt(value.shape[1])
            assert (error < 0.014).all()
            z.append((value.mean(axis=1) - want) / error)
    # 120 comparisons, correlated through the items' hardness.
    assert np.abs(z).max() < 4.5


def test_trends_against_theory() -> None:
    on_trend = paper.true_models(PaperDesign(family_sd=0.0, model_sd=0.0))
    x = np.column_stack([np.ones(20), on_trend["log_size"], on_trend["years"]])
    line, residuals, *_ = np.linalg.lstsq(x, on_trend["shift"].to_numpy())
    np.testing.assert_allclose(line, [0.0, *paper.TRANSFER_SLOPES], rtol=0, atol=1e-12)
    assert residuals == pytest.approx(0, abs=1e-20)
    scattered = paper.true_models(PaperDesign(family_sd=0.3, model_sd=0.0))
    deviation = (scattered["shift"] - on_trend["shift"]).groupby(paper.models()["family"])
    assert (deviation.std() < 1e-12).all()
    assert deviation.first().std(ddof=0) == pytest.approx(0.3)


def test_worlds_keep_source_abilities() -> None:
    tables = [expected_accuracies(world) for world in NAMES]
    for table in tables[1:]:
        pd.testing.assert_series_equal(table["source"], tables[0]["source"])
        assert (table["target"] != tables[0]["target"]).all() or table is tables[3]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"preset": "papers"}, "unknown preset"),
        ({"preset": "paper", "source_ability": [0.0]}, "determines source_ability"),
        ({"preset": "paper", "transfer": [0.0], "shape": Shape()}, "determines transfer, shape"),
        ({"preset": "paper", "world": "flat"}, "unknown world"),
        ({"design": SMALL}, "a design belongs to a preset"),
    ],
)
def test_bad_input_of_the_study(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match=says):
        simulate_study(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [{"n_trials": 0}, {"spread": 0.0}, {"piled": 1.2}, {"family_sd": -1.0}, {"model_sd": -1.0},
     {"item_factor": 0.0}],
)  # fmt: skip
def test_bad_input_of_the_design(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError, match="invalid design of a simulation") as error:
        PaperDesign(**wrong)  # type: ignore[arg-type]
    assert next(iter(wrong)) in str(error.value)


def test_small_designs_are_complete_degenerate() -> None:
    tiny = simulate_study(preset="paper", design=PaperDesign(item_factor=1e-6, n_trials=1), rng=0)
    cells = tiny.counts.groupby("benchmark", sort=False)["item"].nunique()
    assert cells.to_dict() == {"eclektic": 12, "mgsm": 1, "mmlu_prox_lite": 1}
    assert (tiny.counts["n_trials"] == 1).all()


def test_without_a_preset_the_study_is_plain() -> None:
    study = simulate_study((-1.0, 1.0), transfer=(0.0, 0.5), shape=Shape(50, 3), rng=2)
    assert study.benchmark_names == ["simulated"]
    assert len(study.counts) == 2 * 50 * 4
    assert len(simulate_study(rng=2).models) == 6
