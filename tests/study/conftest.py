"""A small study folder that is right; each test of bad input spoils one thing in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

TOML = """\
name = "small"
title = "A small study"
source = "made up for the tests"
licence = "CC0-1.0"

[[claims]]
name = "progress"
kind = "slope"
term = "release_year"
threshold = 0.0
level = 0.05
formula = "release_year"
"""
COUNTS = """\
model,benchmark,language,item,n_correct,n_trials
alpha,quiz,en,,170.5,200
alpha,quiz,sw,,120,200
beta,quiz,en,,150,200
beta,quiz,sw,,90.25,200
alpha,open,en,q1,3,3
alpha,open,sw,q1,2,3
beta,open,en,q1,1,3
beta,open,sw,q1,0,3
alpha,open,en,q2,2,3
alpha,open,sw,q2,2,3
beta,open,en,q2,0,3
beta,open,sw,q2,0,3
"""
MODELS = """\
model,family,release_date,params_total,params_active,vendor_rank
alpha,A,2025-06-17,4300000000,,1
beta,B,,,,
"""
BENCHMARKS = """\
benchmark,source_language,chance
quiz,en,0.25
open,en,0
"""
FILES = {
    "study.toml": TOML,
    "counts.csv": COUNTS,
    "models.csv": MODELS,
    "benchmarks.csv": BENCHMARKS,
}

MakeFolder = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write the small study; ``edits`` are (file, old text, new text), old text occurring once."""

    def make(*edits: tuple[str, str, str], **texts: str | bytes | None) -> Path:
        folder = tmp_path / "small"
        folder.mkdir(exist_ok=True)
        files: dict[str, str | bytes | None] = dict(FILES)
        files |= {name.replace("_", ".", 1): text for name, text in texts.items()}
        for name, old, new in edits:
            text = files[name]
            assert isinstance(text, str)
            assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
            files[name] = text.replace(old, new)
        for name, text in files.items():
            if isinstance(text, str):
                text = text.encode()
            if text is not None:
                (folder / name).write_bytes(text)
        return folder

    return make
