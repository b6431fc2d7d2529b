"""Methods and results in sentences: what was run and nothing else, and safe where it is pasted."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd

from hatstats.report.tables.methods_text import methods_text
from tests.report.frames import results


def test_the_text_says_what_was_run_and_cites_it() -> None:
    shown = results(12)
    text = methods_text(shown, "9.8")
    assert f"method {shown.facts['method']}" in text.methods
    assert "hatstats 9.8" in text.markdown()
    assert len(text.results) == 1 + len(shown.claims)
    for sentence, row in zip(text.results[1:], shown.claims.to_dict("records"), strict=True):
        assert f"is {row['verdict']} for {row['scope']}" in sentence
        assert f"{row['n_models']} models" in sentence
        assert row["other_verdict"] in sentence
    assert "−0.012 (95 % interval −0.045 to 0.020, claimed above −0.05" in text.results[1]
    assert "release year" in text.results[1]
    cited = re.findall(r"\\citep\{([^}]*)\}", text.latex())
    assert set(cited) == set(text.cited) == set(re.findall(r"@misc\{([^,]*),", text.bibtex()))
    assert len(text.references()) == len(text.cited) > 4
    assert "[@" not in text.markdown()


def test_what_was_not_run_is_not_said() -> None:
    whole = methods_text(results(12), "1").cited
    assert {"holm1979", "pustejovsky2018", "data"} <= set(whole)
    empty = pd.DataFrame()
    bare = replace(results(12), claims=empty, trends=empty, specification=empty)
    bare = replace(bare, info={**bare.info, "citation": ""})
    text = methods_text(bare, "1")
    assert not {"holm1979", "pustejovsky2018", "data"} & set(text.cited)
    assert len(text.results) == 1
    assert "Trends" not in text.methods


def test_numbers_stay_on_a_line_with_their_signs() -> None:
    text = methods_text(results(12), "1").latex()
    assert re.search(r"\d (\\%|[=<])|[=<] \d", text) is None
    assert "~= " not in text


def test_names_of_a_study_are_text_wherever_they_are_pasted() -> None:
    shown = results(12)
    bad = {"title": r"<script>x</script> \input{y} 50 % [@nobody2020]", "citation": "A } {{ <b> %"}
    text = methods_text(replace(shown, info={**shown.info, **bad}), "1")
    assert not re.search(r"(?<!\\)<[A-Za-z/]", text.markdown())
    assert r"\input{y}" not in text.latex()
    assert re.search(r"(?<!\\)%", text.latex().split("\n", 1)[1]) is None
    note = re.search(r"title = \{\{(A .*)\}\}, year", text.bibtex())
    assert note is not None
    assert note[1].count("{") == note[1].count("}")
    assert r"\{" not in note[1]
