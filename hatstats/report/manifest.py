"""What a run was made from and what it wrote: arguments, versions, and hashes of every file."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hatstats.study.files import shown
from hatstats.study.outputs import check_output

#: Marks a manifest as that of a run folder; the number rises when the layout changes.
SCHEMA, SCHEMA_VERSION = "hatstats-run", 1
#: Packages whose version can move a number or a byte.
PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "formulaic", "matplotlib", "jinja2")
#: What the study that comes with the package is called in the arguments of `hatstats demo`.
DEMO_STUDY = "hatstats.load_demo()"
#: Significant digits of stored numbers: below this, machines may differ in rounding.
DIGITS = 10


@dataclass(frozen=True, slots=True)
class Origin:
    """How a run was made: what the manifest and the last section of the page say.

    `arguments` are what the user asked for, without the path of the run folder, which changes no
    number; `inputs` are SHA-256 of each file read, by its name.
    """

    arguments: dict[str, Any]
    seed: int
    versions: dict[str, str]
    inputs: dict[str, str]

    @property
    def command(self) -> str:
        """The command that a reader can type."""
        study = str(self.arguments.get("study", "STUDY"))
        if study == DEMO_STUDY:
            return f"hatstats demo --out DIR --seed {self.seed}"
        parts = ["hatstats", "report", shlex.quote(study), "--out DIR"]
        for name, value in self.arguments.items():
            if name == "study" or value is None or value is False:
                continue
            option = f"--{name.replace('_', '-')}"
            parts.append(option if value is True else f"{option} {shlex.quote(str(value))}")
        return " ".join(parts)


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python, hatstats and the packages that matter."""
    from hatstats import __version__

    own = {"python": platform.python_version(), "hatstats": __version__}
    return own | {name: version(name) for name in PACKAGES}


def short_names(files: Iterable[Path]) -> dict[str, Path]:
    """Name files relative to the parent of their common folder, without any path of the machine."""
    paths = [Path(file).resolve() for file in files]
    if not paths:
        return {}
    root = Path(os.path.commonpath([path.parent for path in paths])).parent
    return {shown(path.relative_to(root).as_posix()): path for path in paths}


def plain(value: Any) -> Any:
    """Turn values and frames into what JSON knows.

    A frame becomes a list of records, a date its ISO text. Unknown (NaN, NaT, None) becomes
    ``null``; an infinite number, as the df of a normal distribution, the text ``"inf"``. Floats
    keep ``DIGITS`` significant digits.
    """
    if isinstance(value, pd.DataFrame):
        return [plain(record) for record in value.to_dict("records")]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        if math.isfinite(value):
            return float(f"{value:.{DIGITS}g}")
        return None if math.isnan(value) else str(value)
    return value if isinstance(value, str | int) else str(value)


def json_text(value: Any) -> str:
    """Write a value as JSON: two spaces, plain UTF-8, no NaN, one line feed at the end."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def run_written(path: Path) -> Collection[str] | None:
    """Names of the files that a run wrote to a folder, by its manifest; None if it has none."""
    try:
        head = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        ours = head["schema"] == SCHEMA
        return {*map(str, head.get("outputs", ())), "manifest.json"} if ours else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def origin_of(arguments: Mapping[str, Any], seed: int, files: Iterable[Path]) -> Origin:
    """How a run was made, with versions and with the hashes of the files that it read."""
    inputs = {name: sha256(path) for name, path in sorted(short_names(files).items())}
    return Origin(dict(arguments), seed, versions(), inputs)


def manifest_text(folder: Path, origin: Origin) -> str:
    """The manifest of everything in `folder`, which is complete but for it, as text."""
    outputs = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): sha256(path) for path in outputs}
    head = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION}
    return json_text({**head, **asdict(origin), "outputs": hashes})


def check_out(out: str | Path) -> Path:
    """Make sure, before any work is done, that a run folder can be written: see `check_output`.

    It may be absent, empty, or an earlier run folder, which will be replaced.
    """
    return check_output(out, run_written, name="--out")
