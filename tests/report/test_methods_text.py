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
    assert "change of HAT per year" in text.results[1]
    files = text.latex()
    assert r"\cite" not in files["results.tex"]
    cited = re.findall(r"\\citep\{([^}]*)\}", files["methods.tex"])
    works = re.split(r"^@", files["methods.bib"], flags=re.MULTILINE)[1:]
    found = {(re.split(r"[{,]", work)[1]): work for work in works}
    assert set(cited) == set(text.cited) == set(found)
    assert [key for key, work in found.items() if work.startswith("misc")] == ["data"]
    assert all("journal" in work for work in works if work.startswith("article"))
    assert all("doi" in found[key] for key in ("hothorn2008", "pustejovsky2018"))
    assert files["results.tex"].strip().count("\n\n") == len(text.results)
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
    text = "".join(methods_text(results(12), "1").latex().values())
    assert re.search(r"\d (\\%|[=<])|[=<] \d", text) is None
    assert "~= " not in text


def test_names_of_a_study_are_text_wherever_they_are_pasted() -> None:
    shown = results(12)
    bad = {"title": r"<script>x</script> \input{y} 50 % [@nobody2020]", "citation": "A } {{ <b> %"}
    text = methods_text(replace(shown, info={**shown.info, **bad}), "1")
    assert not re.search(r"(?<!\\)<[A-Za-z/]", text.markdown())
    files = text.latex()
    for name in ("methods.tex", "results.tex"):
        assert r"\input{y}" not in files[name]
        assert re.search(r"(?<!\\)%", files[name].split("\n", 1)[1]) is None
    note = re.search(r"title = \{\{(A .*)\}\},\n", files["methods.bib"])
    assert note is not None
    assert note[1].count("{") == note[1].count("}")
    assert r"\{" not in note[1]
