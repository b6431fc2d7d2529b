"""Small studies for running the whole report in a second or two."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from hatstats.study import Study
from hatstats.study.claims import StudyInfo

CLAIMS = (
    {
        "name": "small_models_not_broken",
        "kind": "non_inferiority",
        "small": 1e9,
        "large": 1e11,
        "margin": 0.05,
        "formula": "log10(params_total)",
        "statement": "Transfer in small models is not broken.",
    },
    {"name": "progress_over_time", "kind": "slope", "term": "release_year", "threshold": 0.0},
)


def model_table(count: int, families: int) -> pd.DataFrame:
    """Models with sizes (one unknown) and dates."""
    index = np.arange(count)
    params = 1e9 * 2.0 ** (index % 6 + 0.5 * (index // 6))
    params[0] = np.nan
    return pd.DataFrame(
        {
            "model": [f"m_{i}" for i in index],
            "family": [f"Family {i % families}" for i in index],
            "release_date": pd.to_datetime("2024-01-15")
            + pd.to_timedelta(index * 53 % 500, unit="D"),
            "params_total": params,
            "params_active": params,
        }
    )


def aggregate_study(count: int = 9, families: int = 4) -> Study:
    """Accuracies of `count` models in a source and three target languages; one cell is flagged."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(count):
        ability = -0.2 + 0.3 * i + 0.2 * rng.standard_normal()
        for index, language in enumerate(("en", "de", "fi", "yo")):
            logit = ability - 0.4 * index + 0.1 * rng.standard_normal()
            trials = 1000.0
            right = float(rng.binomial(1000, 0.25 + 0.75 * expit(logit)))
            rows.append((f"m_{i}", "bench", language, right, trials, "", ""))
    names = ["model", "benchmark", "language", "n_correct", "n_trials", "flag", "evidence"]
    counts = pd.DataFrame(rows, columns=names)
    broken = (counts["model"] == "m_8") & (counts["language"] == "fi")
    counts.loc[broken, "n_correct"] = 210.0
    counts.loc[broken, "flag"] = "extraction-failure"
    counts.loc[broken, "evidence"] = "Accuracy in fi is 0.210."
    return Study(
        counts,
        model_table(count, families),
        pd.DataFrame({"benchmark": ["bench"], "source_language": ["en"], "chance": [0.25]}),
        info=StudyInfo(name="small", title="A small study", licence="CC0-1.0", synthetic=True),
        claims=CLAIMS,
    )


def item_study(count: int = 3, families: int = 2) -> Study:
    """Three trials of 60 items in a source and two target languages."""
    rng = np.random.default_rng(4)
    hardness = rng.standard_normal(60)
    rows = []
    for i in range(count):
        for language, loss in (("en", 0.0), ("de", 0.3), ("yo", 1.0)):
            right = rng.binomial(3, expit(0.5 * i - hardness - loss))
            rows += [
                (f"m_{i}", "bench", language, f"q{k}", float(right[k]), 3.0) for k in range(60)
            ]
    names = ["model", "benchmark", "language", "item", "n_correct", "n_trials"]
    return Study(
        pd.DataFrame(rows, columns=names),
        model_table(count, families),
        pd.DataFrame({"benchmark": ["bench"], "source_language": ["en"], "chance": [0.0]}),
        info=StudyInfo(name="items", title="Items", synthetic=True),
    )
