"""What hatstats knows of languages: filled where empty, with sources, never over a study's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hatstats as hs
from hatstats.study.languages.metadata import (
    FILLED,
    group_words,
    known_languages,
    look_up,
    write_languages,  # fmt: skip
)
from tests.studies import item_rows, study_of

ROWS = item_rows(["a"], ["en", "swh_Latn", "zho_Hant", "tlh"], 5, rng=np.random.default_rng(1))


def test_the_table_has_some_two_hundred_languages_each_value_with_its_source() -> None:
    table = known_languages()
    assert len(table) >= 200
    for facts in table.values():
        for column, (_, source) in FILLED.items():
            assert not facts[column] or facts[source]
        assert facts["name"]
        assert len(facts["script"]) == 4
        assert facts["resource"] in ("high", "mid", "low")
    families = {facts["family"] for facts in table.values()}
    assert {"Indo-European", "Atlantic-Congo", "Afro-Asiatic", "Sino-Tibetan"} <= families
    assert table["sw"]["speakers"].isdigit()
    assert "general knowledge" in table["eu"]["family_source"]


def test_every_spelling_finds_its_language_and_keeps_its_script() -> None:
    assert look_up("Swahili")["tag"] == look_up("swh_Latn")["tag"] == look_up("sw")["tag"] == "sw"
    assert look_up("zho_Hant")["script"] == "Hant"
    assert look_up("zh")["script"] == "Hans"
    assert look_up("arz")["resource"] == "mid"
    assert look_up("nobody") == {}


def test_a_study_keeps_its_own_values() -> None:
    own = pd.DataFrame({"language": ["sw"], "family": ["Bantu"], "speakers": [1.0]})
    done = hs.fill_languages(replace(study_of(ROWS), language_table=own))
    table = done.study.language_table.set_index("language")
    assert table.loc["swh_Latn", "family"] == "Bantu"
    assert table.loc["swh_Latn", "speakers"] == 1.0
    assert table.loc["swh_Latn", "branch"] == "Volta-Congo"
    assert table.loc["zho_Hant", "resource_class"] == 5
    assert table.loc["tlh", "name"] == ""
    assert done.matches.set_index("language").loc["tlh", "tag"] == ""
    assert "- tlh: not in the table" in done.summary()
    again = hs.fill_languages(done.study)
    pd.testing.assert_frame_equal(again.study.language_table, done.study.language_table)
    assert (again.matches["filled"] == "").all()


@pytest.mark.parametrize("own", [None, "language,notes\nSwahili,mine\nfr,kept\n"])
def test_writing_keeps_rows_and_columns_of_an_own_file(tmp_path: Path, own: str | None) -> None:
    folder = study_of(ROWS).write(tmp_path / "quiz")
    done = hs.fill_languages(hs.read_study(folder)).study
    if own is not None:
        (folder / "languages.csv").write_text(own, encoding="utf-8")
    write_languages(folder, done.language_table)
    table = hs.read_study(folder).language_table.set_index("language")
    assert table.loc["swh_Latn", "family"] == "Atlantic-Congo"
    assert table["name"].tolist() == ["English", "Swahili", "Chinese", ""]
    if own is not None:
        text = (folder / "languages.csv").read_text(encoding="utf-8")
        assert "Swahili," in text
        assert "fr," in text
        assert table.loc["swh_Latn", "notes"] == "mine"


def test_shipped_studies_know_their_languages() -> None:
    folders = [
        path.parent for path in Path(hs.__file__).parents[1].glob("data/*/languages.csv")
    ]  # fmt: skip
    assert len(folders) == 7
    for folder in folders:
        table = hs.read_study(folder).language_table
        assert (table[["name", "script", "family", "resource"]] != "").all(axis=None)
    table = hs.read_study(folders[0].parent / "gsm_symbolic").language_table
    assert (table["wikipedia_source"].str.contains("general knowledge")).all()


def test_every_script_of_the_table_has_a_name() -> None:
    codes = {facts["script"] for facts in known_languages().values()} - {""}
    assert len(codes) > 20
    assert all(group_words("script", code) != code or code == "Thai" for code in codes)
    assert group_words("language", "sw") == "Swahili"
    assert group_words("resource", "high") == "high"
