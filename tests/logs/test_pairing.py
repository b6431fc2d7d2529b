"""Items pair across languages only where they are the same questions, or the study says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hatstats
from hatstats.errors import DataError
from tests.logs.cases import answers, cells, quiz, samples, truth
from tests.logs.writers import write_lines

DAY = "2026-03-01T10-00-00.000001"


@pytest.mark.parametrize(
    ("task", "benchmark", "languages"),
    [
        ("multiblimp_{}", "multiblimp", ("eng", "deu", "fin")),
        ("xwinograd_{}", "xwinograd", ("en", "fr", "zh")),
        ("global_piqa_completions_{}", "global_piqa_completions",
         ("eng_latn", "ell_grek", "swh_latn")),
        ("include_base_44_{}", "include_base", ("english", "german", "greek")),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_items_of_languages_with_questions_of_their_own_never_pair(
    task: str, benchmark: str, languages: tuple[str, ...], tmp_path: Path
) -> None:
    expected = {}
    for number, language in enumerate(languages):
        n = 40 + number
        path = tmp_path / "org__a" / f"samples_{task.format(language)}_{DAY}.jsonl"
        samples(path, answers(30, n, seed=number))
        expected["org/a", language] = (30.0, float(n))
    given = {"source_language": languages[0]}
    done = hatstats.convert_logs(tmp_path, settings=given)
    assert done.study.benchmark_names == [benchmark]
    assert done.study.data_kind == "aggregate"
    assert cells(done.study) == expected
    assert any("items of their own" in note for note in done.notes)
    paired = hatstats.convert_logs(tmp_path, settings={**given, f"pair@{benchmark}": "yes"})
    assert paired.study.data_kind == "item"
    assert cells(paired.study) == expected


def test_a_table_names_such_a_family_as_it_likes(tmp_path: Path) -> None:
    frame = quiz().assign(benchmark="MultiBLiMP")
    frame.to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path)
    assert done.study.data_kind == "aggregate"
    assert cells(done.study) == truth(frame)


def test_a_mapped_name_of_items_pairs_rows_in_another_order(tmp_path: Path) -> None:
    """Rows of samples that stand in another order in German pair by the field that is mapped."""
    scores = answers(20, 40, seed=1)
    for language, order in (("en", range(40)), ("de", range(39, -1, -1))):
        path = tmp_path / "org__a" / f"samples_trivia_{language}_{DAY}.jsonl"
        rows = [{"doc_id": n, "doc": {"key": f"k{i}"}, "filtered_resps": ["x"], "metrics": ["acc"],
                 "acc": scores[i]} for n, i in enumerate(order)]  # fmt: skip
        path.parent.mkdir(exist_ok=True)
        write_lines(path, rows)
    counts = hatstats.convert_logs(tmp_path, fields={"item": "doc.key"}).study.counts
    by_item = counts.pivot_table("n_correct", "item", "language")
    assert sorted(by_item.index) == sorted(f"k{i}" for i in range(40))
    assert (by_item["en"] == by_item["de"]).all()
    done = hatstats.convert_logs(tmp_path, fields={"item": "doc.nothing"})
    assert any("'doc.nothing' as item is not used" in note for note in done.notes)


@pytest.mark.parametrize("correlated", [True, False])
def test_row_numbers_are_tested_by_the_answers(correlated: bool, tmp_path: Path) -> None:
    """Answers that share the hardness of their row pair; independent ones are remarked on."""
    rng = np.random.default_rng(1)
    n, rows = 200, []
    hardness = {lang: rng.normal(size=n) for lang in ("en", "de", "sw")}
    for model, ability in (("a", 0.0), ("b", 0.7), ("c", -0.5)):
        for language in hardness:
            own = hardness["en" if correlated else language]
            right = rng.normal(size=n) < ability + own
            rows += [(model, language, i, int(x)) for i, x in enumerate(right)]
    table = pd.DataFrame(rows, columns=["model", "language", "item", "correct"])
    table.assign(benchmark="quiz").to_csv(tmp_path / "quiz.csv", index=False)
    (note,) = [note for note in hatstats.convert_logs(tmp_path).notes if "row number" in note]
    if correlated:
        assert "better than by chance in every language (r 0." in note
    else:
        assert "no better than by chance" in note
        assert "settings={'pair@quiz': 'no'}" in note
    alone = hatstats.convert_logs(tmp_path, settings={"pair": "no"}).study
    assert alone.data_kind == "aggregate"
    assert cells(alone) == truth(table)


def test_the_test_of_row_numbers_holds_its_level(tmp_path: Path) -> None:
    """Of 60 unrelated languages about one in a hundred passes for paired."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame([("m", f"x{j:02}", i, int(rng.random() < 0.5))
                          for j in range(61) for i in range(100)],
                         columns=["model", "language", "item", "correct"])  # fmt: skip
    table.assign(benchmark="quiz").to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path, settings={"source_language": "x00"})
    (note,) = [note for note in done.notes if "row number" in note]
    assert 55 <= note.count("(r ") <= 60


def test_ids_that_differ_by_language_are_offered_to_pair_by_number(tmp_path: Path) -> None:
    frame = quiz()
    named = frame.assign(item=frame["language"] + frame["item"].str[1:].str.zfill(3))
    named.to_csv(tmp_path / "quiz.csv", index=False)
    done = hatstats.convert_logs(tmp_path)
    (note,) = [note for note in done.notes if "nothing pairs" in note]
    assert "settings={'pair@quiz': 'number'}" in note
    paired = hatstats.convert_logs(tmp_path, settings={"pair@quiz": "number"})
    assert cells(paired.study) == truth(frame)
    assert paired.study.counts["item"].nunique() == 60
    assert not any("nothing pairs" in note for note in paired.notes)
    named.assign(item=frame["item"] + "-1").to_csv(tmp_path / "quiz.csv", index=False)
    with pytest.raises(DataError, match="without a number of their own"):
        hatstats.convert_logs(tmp_path, settings={"pair": "number"})
    with pytest.raises(DataError, match=r"no such choice.*say yes or number or no"):
        hatstats.convert_logs(tmp_path, settings={"pair": "perhaps"})


@pytest.mark.parametrize("by_id", [True, False])
def test_ids_in_documents_pair_rows_that_stand_in_another_order(
    by_id: bool, tmp_path: Path
) -> None:
    """The answers decide whether ids or row numbers name one question, and the note says so."""
    rng = np.random.default_rng(1)
    n, hardness, by_item = 150, rng.normal(size=150), {}
    for language, order in (("en", np.arange(n)), ("de", rng.permutation(n)),
                            ("sw", rng.permutation(n))):  # fmt: skip
        for model in ("a", "b"):
            right = 0.7 * rng.normal(size=n) < hardness[order if by_id else np.arange(n)]
            by_item[model, language] = dict(zip(order if by_id else range(n), right, strict=True))
            path = tmp_path / f"org__{model}" / f"samples_trivia_{language}_{DAY}.jsonl"
            path.parent.mkdir(exist_ok=True)
            write_lines(path, [
                {"doc_id": row, "doc": {"id": f"t{i:03}"}, "filtered_resps": [["-1", "True"]],
                 "metrics": ["acc"], "acc": float(x)}
                for row, (i, x) in enumerate(zip(order, right, strict=True))
            ])  # fmt: skip
    done = hatstats.convert_logs(tmp_path)
    (note,) = [note for note in done.notes if "paired by" in note]
    assert ("paired by id" if by_id else "paired by row number") in note
    for (model, language), answers_of in by_item.items():
        rows = done.study.counts
        rows = rows[(rows["model"] == f"org/{model}") & (rows["language"] == language)]
        found = dict(zip(rows["item"].str.removeprefix("t").astype(int), rows["n_correct"],
                         strict=True))  # fmt: skip
        assert found == answers_of
    forced = hatstats.convert_logs(tmp_path, fields={"item": "doc_id"})
    assert not any("by id" in note for note in forced.notes)
    assert not forced.study.counts["item"].str.startswith("t").any()


def test_ids_that_pair_nothing_or_change_nothing_leave_row_numbers(tmp_path: Path) -> None:
    for language in ("en", "de"):
        path = tmp_path / "org__a" / f"samples_trivia_{language}_{DAY}.jsonl"
        samples(path, answers(20, 40), doc={"id": language})
    study = hatstats.convert_logs(tmp_path).study
    assert set(study.counts["item"]) == {str(i) for i in range(40)}


def test_names_of_unknown_benchmarks_are_tested_by_the_answers_too(tmp_path: Path) -> None:
    quiz().to_csv(tmp_path / "quiz.csv", index=False)
    (note,) = [note for note in hatstats.convert_logs(tmp_path).notes if "paired by" in note]
    assert "items are paired by name, and in" in note
    assert "settings={'pair@quiz': 'no'}" in note
