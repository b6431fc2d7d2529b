"""Claims under other choices: each row against the analysis step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hatstats.estimators.methods import fit_profile
from hatstats.simulation.simulate import Shape, simulate_study
from hatstats.study import Study
from hatstats.trends.claims.multiverse import (
    crossed,
    default_specification,
    dropped,
    list_specifications,
)
from hatstats.trends.claims.specifications import (
    COLUMNS,
    corrected_for_chance,
    specification_table,
    verdict_shares,
    verdicts_under,
)
from hatstats.trends.claims.verdicts import evaluate_claims

SIZE = "log10(params_total)"
CLAIMS = (
    {"name": "size", "kind": "slope", "term": SIZE, "threshold": 0.0},
    {"name": "date", "kind": "slope", "term": "release_year", "threshold": 0.0},
)


@pytest.fixture(scope="module")
def study() -> Study:
    made = simulate_study(
        np.linspace(-0.8, 1.2, 14), shape=Shape(n_items=40, n_languages=2, n_trials=4), rng=2
    )
    models = made.models.assign(params_active=made.models["params_total"] / 3)
    models.loc[0, "params_active"] = models.loc[0, "params_total"]
    benchmarks = made.benchmarks.assign(chance=0.1)
    return Study(made.counts, models, benchmarks, info=made.info, claims=CLAIMS)


@pytest.fixture(scope="module")
def table(study: Study):  # type: ignore[no-untyped-def]
    return specification_table(study)


def test_weakly_identified_models_are_left_out_by_one_choice(study: Study) -> None:
    names = list(study.model_names)
    scores = fit_profile(study).hat()
    weak = scores.overlap.assign(informed=~scores.overlap["model"].isin(names[:2]))
    doubtful = replace(scores, overlap=weak)
    base = default_specification(study)
    chosen = list_specifications(study, base, drop=(), cross=False)
    spec = chosen["without weakly identified models"]
    assert spec.for_scores() == base.for_scores()
    found = verdicts_under(study, CLAIMS, spec, doubtful)
    expected = evaluate_claims(doubtful, CLAIMS, models=names[2:])
    assert [(v.estimate, v.n_models) for v in found] == [(v.estimate, v.n_models) for v in expected]
    assert found[0].n_models == len(names) - 2


def test_every_choice_has_a_row_for_every_claim(study: Study, table) -> None:  # type: ignore[no-untyped-def]
    assert tuple(table.columns) == COLUMNS
    names = list(list_specifications(study))
    assert list(dict.fromkeys(table["choice"])) == names
    assert len(table) == 2 * len(names)
    assert {"without family family-1", "without language t01", "active parameters"} <= set(names)
    assert sum(1 for _ in crossed(study, default_specification(study))) == 16
    assert "without benchmark simulated" not in dict(dropped(study, default_specification(study)))


def test_a_family_that_is_in_no_fit_is_not_left_out(study: Study) -> None:
    family = study.models["family"].eq("family-1")
    counts = study.counts
    its_source = counts["model"].isin(study.models.loc[family, "model"]) & study.is_source
    flagged = replace(study, counts=counts.assign(flag=its_source.map({True: "odd", False: ""})))
    base = default_specification(study)
    assert "without family family-1" in dict(dropped(study, base))
    assert "without family family-1" not in dict(dropped(flagged, base))
    assert "without family family-1" in dict(dropped(flagged, replace(base, flagged=True)))


@pytest.mark.slow
def test_rows_against_separate_analyses(study: Study, table) -> None:  # type: ignore[no-untyped-def]
    rows = table.set_index(["choice", "claim"])["estimate"]
    profile = fit_profile(study)
    scores = fit_profile(study, method="latent").hat("uniform")
    expected_verdicts = {
        "reference uniform": evaluate_claims(scores, CLAIMS),
        "scores corrected for chance": evaluate_claims(
            corrected_for_chance(profile.hat(), 0.1), CLAIMS
        ),
        "logits of scores": evaluate_claims(profile.hat(), CLAIMS, link="logit"),
        "without language t01": evaluate_claims(
            fit_profile(study.select(languages=["src", "t02"])).hat(), CLAIMS
        ),
        "without family family-2": evaluate_claims(
            profile.hat(),
            CLAIMS,
            models=list(study.models.loc[study.models["family"] != "family-2", "model"]),
        ),
    }
    for choice, verdicts in expected_verdicts.items():
        for verdict in verdicts:
            found = rows.loc[(choice, verdict.name)]
            assert found == pytest.approx(verdict.estimate, rel=1e-9), choice
    active = dict(CLAIMS[0], term="log10(params_active)")
    expected = evaluate_claims(profile.hat(), [active])[0].estimate
    assert rows.loc[("active parameters", "size")] == pytest.approx(expected)


def test_correction_for_chance_is_a_change_of_scale(study: Study, table) -> None:  # type: ignore[no-untyped-def]
    rows = table.set_index(["choice", "claim"])
    plain, corrected = (
        rows.loc[(choice, "size")] for choice in ("as reported", "scores corrected for chance")
    )
    assert corrected["estimate"] == pytest.approx(plain["estimate"] / 0.9)
    assert corrected["std_error"] == pytest.approx(plain["std_error"] / 0.9)
    # With too few degrees of freedom for a test there is no p value on either scale.
    assert corrected["p_value"] == pytest.approx(plain["p_value"], nan_ok=True)


def test_shares_add_up(table) -> None:  # type: ignore[no-untyped-def]
    shares = verdict_shares(table)
    np.testing.assert_allclose(shares.groupby("claim")["share"].sum(), 1.0)
    assert (shares["specifications"] == table["choice"].nunique()).all()
    # They count the verdicts of the table, claim by claim.
    counts = shares.set_index(["claim", "verdict"])["count"]
    for (claim, verdict), count in counts.items():
        assert ((table["claim"] == claim) & (table["verdict"] == verdict)).sum() == count
    assert shares["claim"].drop_duplicates().tolist() == table["claim"].drop_duplicates().tolist()
    assert (shares["claim"] != shares["claim"].shift()).sum() == table["claim"].nunique()


@pytest.mark.slow
def test_progress_and_bad_claims(study: Study) -> None:
    steps: list[float] = []
    base = {"as reported": default_specification(study)}
    specification_table(study, specifications=base, progress=lambda _, share: steps.append(share))
    assert steps == [0.0]
    wrong = [{"name": "x", "kind": "slope", "term": "hight", "threshold": 0.0}]
    table = specification_table(study, wrong, specifications=base)
    assert (table["verdict"] == "not testable").all()
    assert table["reason"].str.contains("hight").all()
    assert specification_table(study, []).empty
