"""Small frames in the shape that the report room draws, made from formulas, not from fits."""

from __future__ import annotations

import numpy as np
import pandas as pd

FAMILIES = ("Gemma-3", "Gemma-4", "Gemini", "Claude", "Qwen3", "GPT-OSS", "Llama", "Mistral")


def score_frame(count: int = 20, families: int = 6) -> pd.DataFrame:
    """Scores of `count` models; every fourth has no size, the last is barely informed."""
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
            "informed": index != count - 1,
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
