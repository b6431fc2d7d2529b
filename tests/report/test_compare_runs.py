"""The script that compares run folders finds every kind of difference, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.compare_runs import differences, main


def run_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "scores.csv").write_text("model,estimate\nA-3B,0.123456789\nB,\n")
    content = {"scores": [{"model": "A-3B", "estimate": 0.123456789}], "note": "df 3.2", "x": None}
    (folder / "results.json").write_text(json.dumps(content))
    (folder / "numbers.tex").write_text("% head 1\n\\newcommand{\\HatBest}{0.123}\n")
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return run_folder(tmp_path / "old"), run_folder(tmp_path / "new")


def test_equal_folders_are_equal_to_rounding(folders: tuple[Path, Path]) -> None:
    old, new = folders
    text = (new / "scores.csv").read_text()
    (new / "scores.csv").write_text(text.replace("0.123456789", "0.12345678905"))
    assert differences(old, new) == []
    assert main([str(old), str(new)]) == 0


@pytest.mark.parametrize(
    ("file", "before", "after", "position"),
    [
        ("scores.csv", "0.123456789", "0.123456790", "row 1, estimate"),
        ("scores.csv", "B,", "B,0", "row 2, estimate"),
        ("scores.csv", "A-3B", "A-4B", "row 1, model"),
        ("scores.csv", "B,\n", "", "row 2, model"),
        ("scores.csv", "estimate", "mean", "columns"),
        ("results.json", "0.123456789", "0.12346", ".scores[0].estimate"),
        ("results.json", "null", "0", ".x"),
        ("results.json", "3.2", "3.3", ".note"),
        ("numbers.tex", "0.123", "0.124", "HatBest"),
        ("numbers.tex", "HatBest", "HatFirst", "HatFirst"),
    ],
)
def test_one_change_is_found(
    folders: tuple[Path, Path], file: str, before: str, after: str, position: str
) -> None:
    old, new = folders
    (new / file).write_text((new / file).read_text().replace(before, after))
    found = differences(old, new, only_numbers=True)
    assert any(line.startswith(f"{file}: {position}: ") for line in found)
    assert main([str(old), str(new)]) == 1


def test_renamed_texts_are_equal_and_a_missing_file_is_not(folders: tuple[Path, Path]) -> None:
    old, new = folders
    for file in ("scores.csv", "results.json"):
        (new / file).write_text((new / file).read_text().replace("model", "system"))
    assert differences(old, new)
    assert differences(old, new, [("model", "system")]) == []
    (new / "items.csv").write_text("item\n")
    (new / "numbers.tex").unlink()
    assert differences(old, new, [("model", "system")]) == [
        "items.csv: only in one folder",
        "numbers.tex: only in one folder",
    ]
