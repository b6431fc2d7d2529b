"""The table of languages: joined by tag, written and read back, refused with row and column."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from tests.studies import item_rows, study_of

ROWS = item_rows(["a"], ["en", "de", "zh_Hans", "sw"], 5, rng=np.random.default_rng(1))


def with_table(**columns: list[object]) -> hs.Study:
    return replace(study_of(ROWS), language_table=pd.DataFrame(columns))


def test_rows_are_found_by_standard_tag() -> None:
    study = with_table(
        language=["German", "swh_Latn", "zho_Hans", "fr"],
        speakers=[9e7, 8e7, 1e9, 3e8],
        wals=["a", "b", "c", "d"],
    )
    table = study.language_table.set_index("language")
    assert table.index.tolist() == ["en", "de", "zh_Hans", "sw"]
    assert table["speakers"].tolist()[1:] == [9e7, 1e9, 8e7]
    assert np.isnan(table.loc["en", "speakers"])
    assert table["wals"].tolist() == ["", "a", "c", "b"]
    assert study.languages == ["en", "de", "zh_Hans", "sw"]


def test_a_study_without_a_table_has_an_empty_one() -> None:
    assert study_of(ROWS).language_table.empty


def test_round_trip(tmp_path: Path) -> None:
    study = with_table(
        language=["de", "sw"], name=["German", ""], resource=["high", "low"], speakers=[9e7, np.nan]
    )
    again = hs.read_study(study.write(tmp_path / "quiz"))
    pd.testing.assert_frame_equal(again.language_table, study.language_table)
    assert again.files[-1].name == "languages.csv"
    assert study.select(languages="de").language_table["language"].tolist() == ["en", "de"]
    study.select(languages="de").write(tmp_path / "quiz")
    assert len(hs.read_study(tmp_path / "quiz").language_table) == 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"language": ["de", "deu_Latn"]}, "position 1.*'language'.*has a row already"),
        ({"language": ["de"], "speakers": [0]}, "'speakers'.*value 0.*no plausible number"),
        ({"language": ["de"], "speakers": ["many"]}, "'speakers'.*'many'.*not a finite number"),
        ({"language": ["de"], "distance": [-1]}, "'distance'"),
        ({"lang": ["de"]}, "rename 'lang' to 'language'"),
        ({"language": [""]}, "the cell is empty"),
    ],
)
def test_bad_tables(columns: dict[str, list[object]], message: str) -> None:
    with pytest.raises(hs.DataError, match=message):
        with_table(**columns)


def test_a_bad_file_is_named_with_its_row(tmp_path: Path) -> None:
    folder = study_of(ROWS).write(tmp_path / "quiz")
    (folder / "languages.csv").write_text("language,speakers\nde,9e7\nsw,-3\n", encoding="utf-8")
    with pytest.raises(hs.DataError, match=r"languages.csv.*row 3.*'speakers'"):
        hs.read_study(folder)
