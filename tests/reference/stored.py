"""Numbers that R computed, read back with their origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent


def load(name: str) -> dict[str, Any]:
    """Stored file of one generator; refuses one that does not say where it comes from."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for key in ("generator", "r_version", "packages", "date", "cases"):
        assert content.get(key), f"{name}.json lacks {key}"
    assert (FOLDER / f"{name}.R").is_file(), f"{name}.R, which makes {name}.json, is missing"
    return content


def cases(name: str) -> dict[str, dict[str, Any]]:
    """Cases of one generator by name, at least one."""
    found: dict[str, dict[str, Any]] = load(name)["cases"]
    return found


def covariance(stored: Any) -> NDArray[np.float64]:
    """Sampling covariance of a case: written out, or as its recipe."""
    if isinstance(stored, dict):
        block = np.asarray(stored["block"])
        same = block[:, None] == block[None, :]
        correlation = stored["rho"] * same + (1 - stored["rho"]) * np.eye(len(block))
        sd = np.sqrt(stored["v"])
        result: NDArray[np.float64] = correlation * np.outer(sd, sd)
        return result
    return np.asarray(stored, dtype=np.float64)


def groupings(case: dict[str, Any]) -> list[NDArray[Any]]:
    """Labels of a case's random effects, in the order of its variance components."""
    return [np.asarray(labels) for labels in (case["groupings"] or {}).values()]
