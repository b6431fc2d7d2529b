"""The hierarchical model in the report: a failed check stands on the first screen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hatstats.report.figures.check_plots import prior_predictive, shrinkage
from hatstats.report.figures.run_figures import figures_of
from hatstats.report.html_page import report_page
from hatstats.report.manifest import Origin
from hatstats.report.results.analysis import binned_shares
from hatstats.report.results.results import BayesPart, Results
from hatstats.report.tables.run_tables import tables_of
from tests.report.frames import claim_frame, results

pytestmark = pytest.mark.slow


def part(*, passed: bool = True) -> BayesPart:
    base = results()
    names = claim_frame()["name"]
    claims = pd.DataFrame({"name": names, "quantity": "slope", "verdict": "inconclusive"})
    claims = claims.assign(estimate=0.02, std_error=0.01, conf_low=0.0, conf_high=0.04)
    claims = claims.assign(conf_level=0.9, threshold=0.0, p_claim=0.97, p_in_rope=0.2)
    scores = base.scores[["model", "estimate", "std_error", "conf_low", "conf_high", "conf_level"]]
    rng = np.random.default_rng(1)
    raw = rng.normal(size=40)
    return BayesPart(
        claims=claims,
        scores=scores.assign(p_best=1.0 / len(scores), plain=scores["estimate"]),
        shrinkage=pd.DataFrame({"raw": raw, "estimate": 0.5 * raw, "predicted": 0.0}),
        prior=binned_shares(rng.random(500), rng.beta(30, 10, 500)),
        checks=pd.DataFrame(
            {
                "trend": "release_year",
                "check": ["r_hat", "divergences"],
                "passed": [True, passed],
                "words": ["largest R-hat 1.002", "3 divergences"],
            }
        ),
        facts={"method": "Bayes, cells by latent", "trend": "release_year", "draws": "4000"},
    )


def with_bayes(found: BayesPart) -> Results:
    return replace(results(), bayes=found)


def page(found: BayesPart) -> str:
    shown = with_bayes(found)
    figures = [(drawn, '<svg viewBox="0 0 10 10"></svg>') for drawn in figures_of(shown)]
    origin = Origin({"study": "toy"}, 1, {"hatstats": "0.1.0"}, {})
    return report_page(shown, figures, tables_of(shown), origin)


@pytest.mark.parametrize(
    ("verdict", "probability", "said"),
    [
        ("inconclusive", 0.97, "It stands; the probability is worth what the model is."),
        ("not testable", 0.01, "It stands"),
        ("supported", 0.60, "what it leaves open the regression decides"),
        ("supported", 0.02, "They contradict each other"),
        ("supported", 0.99, ""),
        ("refuted", 0.01, ""),
        ("inconclusive", 0.80, ""),
    ],
)
def test_probabilities_and_verdicts_are_reconciled_in_words(
    verdict: str, probability: float, said: str
) -> None:
    base = part()
    claims = base.claims.assign(verdict="supported", p_claim=0.99)
    claims.loc[0, ["verdict", "p_claim"]] = [verdict, probability]
    lines = replace(base, claims=claims).reconciled
    assert len(lines) == bool(said)
    name = claims["name"].iloc[0]
    assert all(line.startswith(f"{name}: probability {probability:.2f}") for line in lines)
    assert all(said in line and line in page(replace(base, claims=claims)) for line in lines)


@pytest.mark.parametrize("passed", [True, False])
def test_checks_stand_on_the_first_screen(passed: bool) -> None:
    found = part(passed=passed)
    assert found.passed is passed
    text = page(found)
    first = text[: text.index('id="scores"')]
    if passed:
        assert "All 2 checks of the hierarchical model passed." in first
        assert "FAILED" not in text
    else:
        assert "FAILED (release_year): 3 divergences." in first
    assert 'id="bayes"' in text
    assert "P(claim)" in text


def test_claims_stand_as_probabilities_beside_the_verdicts() -> None:
    tables = {table.name: table.table for table in tables_of(with_bayes(part()))}
    assert {"bayes_claims", "bayes_scores", "bayes_checks"} <= set(tables)
    row = dict(zip(tables["bayes_claims"].headings, tables["bayes_claims"].rows[0], strict=True))
    assert row["Regression"] == "inconclusive"
    assert "0.97" in row["P(claim)"]


def test_a_report_without_the_model_says_nothing_of_it() -> None:
    names = [table.name for table in tables_of(results())]
    assert not [name for name in names if name.startswith("bayes")]
    assert "shrinkage" not in {drawn.name for drawn in figures_of(results())}


def test_figures_show_the_shares_and_the_cells() -> None:
    found = part()
    axes = prior_predictive(found.prior)
    heights = [patch.get_height() for patch in axes.patches]
    np.testing.assert_allclose(heights, found.prior["prior"])
    dots = shrinkage(found.shrinkage).collections[0].get_offsets()
    np.testing.assert_allclose(np.asarray(dots)[:, 1], found.shrinkage["estimate"])
