"""The study that comes with the package: an extract of one of this repository, with its licence."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import hatstats as hs
from data.derive.demo import HERE, LANGUAGES, MODELS, OUT, derive
from tests.test_cli import run


def test_the_packaged_study_is_what_its_script_derives(tmp_path: Path) -> None:
    derive(HERE, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names | {"study.toml"} == {path.name for path in OUT.iterdir()}
    for name in names:
        assert (tmp_path / name).read_bytes() == (OUT / name).read_bytes(), name


def test_the_demo_is_small_and_says_where_it_is_from() -> None:
    study = hs.load_demo()
    assert set(study.model_names) == set(MODELS)
    assert set(study.languages) == set(LANGUAGES)
    assert study.flagged.empty
    full = hs.read_study(HERE)
    assert (study.info.source, study.info.citation) == (full.info.source, full.info.citation)
    assert "MIT" in study.info.licence
    assert "MIT License" in (OUT / "LICENCE").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in OUT.iterdir()) < 300_000


@pytest.mark.slow
def test_the_demo_writes_its_report_in_half_a_minute(tmp_path: Path) -> None:
    start = time.process_time()
    done = run("demo", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert time.process_time() - start < 30.0
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    assert "12 models, 4 families" in done.stdout
