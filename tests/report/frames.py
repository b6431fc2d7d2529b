"""Small frames in the shape that the report room draws, made from formulas, not from fits."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hatstats.report.results.results import Results

FAMILIES = ("Gemma-3", "Gemma-4", "Gemini", "Claude", "Qwen3", "GPT-OSS", "Llama", "Mistral")


def score_frame(count: int = 20, families: int = 6) -> pd.DataFrame:
    """Scores of `count` models; every fourth has no size, the last is weakly identified."""
    index = np.arange(count)
    centre = 0.55 + 0.25 * np.sin(1.7 * index) * np.exp(-index / count)
    width = np.full(count, 0.02)
    width[-1] = 0.3
    params = 1e9 * 3.0 ** (index % 5) * (1 + index / count)
    return pd.DataFrame(
        {
            "model": [f"{FAMILIES[i % families % 8]}-{'x' * (i // 8 % 3)}{i}B" for i in index],
            "family": [
                FAMILIES[i % families] if i % families < 8 else f"Family {i % families}"
                for i in index
            ],
            "reference": "pooled",
            "term": "hat",
            "estimate": centre,
            "std_error": width / 1.96,
            "statistic": np.nan,
            "df": np.inf,
            "p_value": np.nan,
            "conf_low": centre - width,
            "conf_high": centre + width,
            "conf_level": 0.95,
            "method": "aggregate",
            "params_total": np.where(index % 4 == 3, np.nan, params),
            "release_year": 2024.5 + (index * 7 % 20) / 11,
            "shape_error": np.nan,
            "effective_trials": np.nan,
            "informed": index != count - 1,
            "rejected": False,
        }
    )


def trend_curve(low: float, high: float, log: bool = False) -> pd.DataFrame:
    """A straight line with a band."""
    x = np.geomspace(low, high, 30) if log else np.linspace(low, high, 30)
    share = np.linspace(0, 1, 30)
    line = 0.5 + 0.1 * share
    return pd.DataFrame(
        {
            "x": x,
            "estimate": line,
            "conf_low": line - 0.05 - 0.05 * (share - 0.5) ** 2,
            "conf_high": line + 0.05 + 0.05 * (share - 0.5) ** 2,
        }
    )


def point_frame(models: int = 20, languages: int = 10, benchmarks: int = 1) -> pd.DataFrame:
    """Source and target accuracies; two cells are flagged."""
    rows = []
    scores = score_frame(models)
    for b in range(benchmarks):
        for k in range(languages):
            for i in range(models):
                source = 0.3 + 0.65 * (i + 1) / (models + 1)
                target = source**1.3 - 0.02 * k + 0.01 * np.sin(i * 3 + k)
                rows.append(
                    (scores["model"][i], scores["family"][i], f"bench{b}", f"l{k}", source, target)
                )
    frame = pd.DataFrame(
        rows, columns=["model", "family", "benchmark", "language", "source", "target"]
    )
    for side in ("source", "target"):
        frame[f"{side}_low"], frame[f"{side}_high"] = frame[side] - 0.02, frame[side] + 0.02
    frame["conf_level"] = 0.95
    frame["flagged"] = False
    frame.loc[[1, 5], "flagged"] = True
    frame.loc[[1, 5], "target"] = 0.2
    frame.loc[[1, 5], ["target_low", "target_high"]] = [0.18, 0.22]
    return frame


def curve_frame(points: pd.DataFrame) -> pd.DataFrame:
    """A fitted line for each panel of `points`."""
    parts = []
    for (benchmark, language), _ in points.groupby(["benchmark", "language"], sort=False):
        source = np.linspace(0.3, 0.95, 20)
        parts.append(
            pd.DataFrame(
                {
                    "benchmark": benchmark,
                    "language": language,
                    "source": source,
                    "target": source**1.3,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def specification_frame() -> pd.DataFrame:
    """Three claims under five choices; one cell is not testable."""
    rows = []
    choices = [
        "default",
        "flagged cells included",
        "reference: uniform",
        "without Gemini",
        "correlation 0.6",
    ]
    for c, claim in enumerate(
        ("small_models_not_broken", "slower_than_expected", "progress_over_time")
    ):
        for k, choice in enumerate(choices):
            value = 0.02 * (c - 1) + 0.004 * k
            verdict = ("supported", "inconclusive", "refuted")[(c + k) % 3]
            rows.append(
                (
                    claim,
                    choice,
                    value,
                    value - 0.03,
                    value + 0.03,
                    0.95,
                    -0.05 if c == 0 else 0.0,
                    verdict,
                )
            )
    frame = pd.DataFrame(
        rows,
        columns=[
            "claim",
            "choice",
            "estimate",
            "conf_low",
            "conf_high",
            "conf_level",
            "threshold",
            "verdict",
        ],
    )
    frame.loc[7, ["estimate", "conf_low", "conf_high"]] = np.nan
    frame.loc[7, "verdict"] = "not testable"
    return frame


def profile_frame(models: int = 3, benchmarks: int = 1) -> pd.DataFrame:
    """Transfer profiles of a few models."""
    source = np.linspace(0, 1, 41)
    scores = score_frame(max(models, 3))
    parts = [
        pd.DataFrame(
            {
                "model": scores["model"][i],
                "family": scores["family"][i],
                "benchmark": f"bench{b}",
                "source": source,
                "target": 0.1 + 0.8 * source ** (1 + 0.3 * i),
            }
        )
        for b in range(benchmarks)
        for i in range(models)
    ]
    return pd.concat(parts, ignore_index=True)


def trend_frame() -> pd.DataFrame:
    """Tidy terms of two trends."""
    return pd.DataFrame(
        {
            "trend": ["size", "size", "date"],
            "term": ["Intercept", "log10(params_total)", "release_year"],
            "estimate": [0.41, 0.0312, 0.0564],
            "std_error": [0.1, 0.0121, 0.0203],
            "statistic": [4.1, 2.579, 2.778],
            "df": [3.2, 2.9, 4.0],
            "p_value": [0.02, 0.084, 0.0004],
            "conf_low": [0.1, -0.008, 0.0001],
            "conf_high": [0.7, 0.0704, 0.1127],
            "conf_level": 0.95,
            "method": "CR2",
            "scale": "accuracy",
            "formula": ["log10(params_total)", "log10(params_total)", "release_year"],
            "vcov": "CR2",
            "reason": "",
            "n_models": [15, 15, 20],
            "n_clusters": [5, 5, 6],
        }
    )


def claim_frame() -> pd.DataFrame:
    """Three verdicts, one of each kind."""
    return pd.DataFrame(
        {
            "name": ["small_models_not_broken", "slower_than_expected", "progress_over_time"],
            "kind": ["non_inferiority", "slope_difference", "slope"],
            "statement": ["Transfer in small models is not broken.", "", "Progress over time."],
            "verdict": ["supported", "inconclusive", "refuted"],
            "quantity": "change of HAT per year",
            "estimate": [-0.012, 0.021, -0.04],
            "std_error": [0.011, 0.018, 0.01],
            "df": [3.4, 2.9, 4.0],
            "p_value": [0.021, 0.33, 0.0004],
            "conf_low": [-0.045, -0.04, -0.07],
            "conf_high": [0.02, 0.08, -0.01],
            "conf_level": 0.95,
            "threshold": [-0.05, 0.0, 0.0],
            "rule": "supported if the lower limit is above the threshold",
            "reason": "",
            "method": "aggregate, CR2, Satterthwaite df",
            "n_models": [11, 11, 20],
            "n_clusters": [4, 4, 6],
            "p_holm": [0.063, 0.33, 0.99],
            "p_opposite_holm": [0.98, 0.67, 0.0012],
            "p_floor": [0.125, 0.125, 0.03125],
            "decisive": ["Gemma", "Gemma", "Qwen"],
            "decisive_share": [0.62, 0.48, 0.35],
            "status": "exploratory",
            "scope": ["models like these", "models like these", "these models"],
            "other_verdict": ["refuted", "", "inconclusive"],
            "other_low": [-0.03, np.nan, -0.2],
            "other_high": [0.0, np.nan, 0.1],
            "other_df": [np.inf, np.nan, 2.9],
            "other_p_holm": [0.01, np.nan, 0.2],
            "within": [-0.01, 0.02, np.nan],
            "within_low": [-0.04, -0.01, np.nan],
            "within_high": [0.02, 0.05, np.nan],
            "n_series": [3, 3, 0],
            "n_series_above": [3, 1, 0],
            "warning": ["", "True almost by construction", ""],
        }
    )


def margin_frame() -> pd.DataFrame:
    """Verdicts on one claim for a few margins."""
    margin = np.linspace(0.01, 0.1, 10)
    return pd.DataFrame(
        {
            "claim": "small_models_not_broken",
            "margin": margin,
            "p_value": 0.3 * np.exp(-30 * margin),
            "p_holm": 0.35 * np.exp(-30 * margin),
            "p_equivalence": 0.4 * np.exp(-30 * margin),
            "p_in_margin": 1 - 0.4 * np.exp(-30 * margin),
            "verdict": np.where(margin < 0.06, "inconclusive", "supported"),
            "registered": np.isclose(margin, 0.05),
            "smallest_margin": 0.06,
        }
    )


def measure_frame(scores: pd.DataFrame) -> pd.DataFrame:
    """Gap, ratio and excess of every model."""
    parts = []
    for term, value in (("gap", 0.08), ("ratio", 0.9), ("excess", 0.01)):
        part = scores[["model"]].assign(term=term, estimate=value + 0.01 * np.arange(len(scores)))
        part = part.assign(std_error=0.004, statistic=np.nan, df=np.inf, p_value=np.nan)
        part["conf_low"], part["conf_high"] = part["estimate"] - 0.008, part["estimate"] + 0.008
        parts.append(part.assign(conf_level=0.95, method="aggregate"))
    return pd.concat(parts, ignore_index=True)


def results(models: int = 20, families: int = 6, shift: float = 0.0) -> Results:
    """Build everything that a report shows; `shift` moves the scores."""
    scores = score_frame(models, families)
    scores[["estimate", "conf_low", "conf_high"]] += shift
    scores["release_date"] = pd.to_datetime("2024-07-01") + pd.to_timedelta(
        30 * (np.arange(models) * 7 % 20), unit="D"
    )
    scores["source"] = 0.8
    scores["rank_low"], scores["rank_high"] = np.arange(models) + 1, np.arange(models) + 2
    scores["note"] = np.where(scores["informed"], "", "at chance")
    points = point_frame(models)
    specification = specification_frame().assign(df=3.4, p_value=0.2, std_error=0.02)
    return Results(
        info={
            "name": "toy_study",
            "title": "A toy study: 50 % & more_of #it",
            "source": "made from formulas",
            "licence": "CC0-1.0",
            "citation": "Nobody (2026)",
            "notes": "",
            "synthetic": "yes",
        },
        facts={
            "source_language": "Faroese",
            "scored_languages": 10,
            "method": "aggregate",
            "reference": "pooled",
            "method_words": "from accuracies alone",
            "reference_words": "over the source accuracies of all models",
            "scope": "these wordings",
            "estimand": "Expected target accuracy at the reference distribution of hardness.",
            "assumption": "",
            "leader": "No clear leader: 3 of 19 models tied",
            "seed": 1,
            "conf_level": 0.95,
            "models": models,
            "families": families,
            "languages": 10,
            "benchmarks": 1,
            "cells": 220,
            "flagged_cells": 2,
            "flagged_cells_used": "no",
            "suspicious_used": "",
        },
        key_results=tuple(f"Line {number} of the key results." for number in range(10)),
        scores=scores.sort_values("estimate", ascending=False, ignore_index=True),
        pairs=pd.DataFrame(
            {
                "a": "GPT-x7B",
                "b": list(scores["model"]),
                "term": "GPT-x7B - another",
                "estimate": 0.03,
                "std_error": 0.01,
                "df": np.inf,
                "p_value": 0.003,
                "p_adjusted": 0.21,
                "conf_low": -0.01,
                "conf_high": 0.07,
            }
        ),
        cov=pd.DataFrame(
            np.diag(scores["std_error"] ** 2),
            index=list(scores["model"]),
            columns=list(scores["model"]),
        ),
        trends=trend_frame(),
        comparison=trend_frame().assign(method=["OLS", "HC1", "CR3"]),
        claims=claim_frame(),
        measures=measure_frame(scores),
        specification=specification,
        points=points,
        curve=curve_frame(points),
        profiles=pd.DataFrame(),
        lines={"size": trend_curve(1e9, 2e11, True), "date": trend_curve(2024.5, 2026.2)},
        chance={"bench0": 0.25},
        flagged=pd.DataFrame(
            {
                "model": ["A_1", "B&2"],
                "benchmark": "bench0",
                "language": ["l0", "l0"],
                "accuracy": [0.191, 0.256],
                "flag": "extraction-failure",
                "evidence": "41 points under the model's other languages",
            }
        ),
        left_out=pd.DataFrame(
            {"analysis": "size", "model": ["Claude-3B"], "reason": "no known size"}
        ),
    )
