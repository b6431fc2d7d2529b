"""The derivation of the study folders, on small tables that look like the raw ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.derive import (
    euroeval,
    euroeval_rows,
    facts,
    flags,
    folder,
    mmlu_prox,
    self_translate,
    winogrande,
)

RAW_COLUMNS = ["language", "model", "params", "type", "dataset", "metric2", "ci2"]


def raw_rows(*rows: tuple[str, str, str, str, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=RAW_COLUMNS, dtype="str")


def row(
    model: str, language: str, percent: float, half: float, params: str = "?"
) -> tuple[str, str, str, str, str, str, str]:
    return (language, model, params, "📝", "hellaswag", str(percent), str(half))


def test_tidy_rows_reads_the_split_from_the_name() -> None:
    rows = euroeval_rows.tidy_rows(
        raw_rows(
            row("a/m (zero-shot, val)", "german", 50.0, 1.0),
            row("a/m (zero-shot, val)", "english", 60.0, 1.0),
            row("b/m (val)", "english", 60.0, 1.0, "1000000000.0"),
            row("c/m (zero-shot)", "english", 60.0, 1.0),
            row("d/val-m", "english", 60.0, 1.0),
        )
    )
    first = rows.drop_duplicates("entry").set_index("entry")
    assert first["split"].to_dict() == {
        "a/m (zero-shot, val)": "val", "b/m (val)": "val", "c/m (zero-shot)": "test",
        "d/val-m": "test",
    }  # fmt: skip
    assert first["shots"].tolist() == ["zero-shot", "default", "zero-shot", "default"]
    assert first["n_items"].tolist() == [256, 256, 2048, 2048]
    assert rows["language"].tolist()[:2] == ["en", "de"], "English comes first"
    assert first["type"].tolist() == ["instruct"] * 4
    assert np.isnan(first["params"].iloc[0])
    assert first["params"].iloc[1] == 1e9


def test_tidy_rows_takes_the_commonest_size() -> None:
    rows = euroeval_rows.tidy_rows(
        raw_rows(
            row("a/m", "english", 60.0, 1.0, "2000000000.0"),
            row("a/m", "german", 60.0, 1.0, "1000000000.0"),
            row("a/m", "french", 60.0, 1.0, "1000000000.0"),
        )
    )
    assert rows["params"].tolist() == [1e9] * 3


@pytest.mark.parametrize(
    "rows",
    [
        [row("a/m", "klingon", 50.0, 1.0)],
        [row("a/m", "english", 50.0, 1.0), row("a/m", "english", 51.0, 1.0)],
        [("english", "a/m", "?", "🚀", "hellaswag", "50.0", "1.0")],
    ],
)
def test_tidy_rows_bad_input(rows: list[tuple[str, str, str, str, str, str, str]]) -> None:
    with pytest.raises(ValueError, match=r"legend|two rows"):
        euroeval_rows.tidy_rows(raw_rows(*rows))


def test_complete_entries_have_every_language() -> None:
    names = list(euroeval_rows.LANGUAGES)
    rows = euroeval_rows.tidy_rows(
        raw_rows(
            *(row("a/whole", name, 50.0, 1.0) for name in names),
            *(row("b/part", name, 50.0, 1.0) for name in names[:-1]),
        )
    )
    assert euroeval_rows.complete_entries(rows) == ["a/whole"]


def test_on_grid_against_naive() -> None:
    step = 1 / 2560
    grid = {round(100 * k * step, 2) for k in range(2561)}
    percent = np.round(np.arange(0, 10001) / 100, 2)
    naive = np.array([round(value, 2) in grid for value in percent])
    assert (euroeval_rows.on_grid(percent, step) == naive).all()
    assert naive.mean() == pytest.approx(0.256, abs=0.001)


def test_items_and_trials_against_theory() -> None:
    """Ten bootstrap runs over N items give back N; the published mean has the stated variance."""
    rng = np.random.default_rng(7)
    items, truth, sets = 256, 0.7, 4000
    means, half = np.empty(sets), np.empty(sets)
    for i in range(sets):
        right = rng.random(items) < truth
        runs = rng.binomial(items, right.mean(), size=10) / items
        means[i], half[i] = runs.mean(), 1.96 * runs.std(ddof=1) / np.sqrt(10)
    recovered = euroeval_rows.recovered_items(100 * means, 100 * half)
    assert 1 / np.mean(1 / recovered) == pytest.approx(items, rel=0.03)
    trials = euroeval_rows.effective_trials(100 * means, 100 * half, np.full(sets, float(items)))
    assert np.mean(means * (1 - means) / trials) == pytest.approx(means.var(), rel=0.06)
    assert (trials < items).all()


def test_effective_trials_degenerate() -> None:
    """Without noise from run to run only the items count; with much of it nothing does."""
    sure, noisy = euroeval_rows.effective_trials(
        np.array([60.0, 60.0]), np.array([1e-9, 60.0]), np.array([256.0, 256.0])
    )
    assert sure == pytest.approx(256)
    assert noisy < 3


def test_counts_keep_the_score() -> None:
    rows = euroeval_rows.tidy_rows(
        raw_rows(row("a/m", "english", 61.25, 1.5), row("b/m", "english", 40.0, 1.0))
    )
    counts = euroeval_rows.counts(rows, {"a/m": "M"})
    assert counts["model"].tolist() == ["M"]
    assert counts["n_correct"].iloc[0] / counts["n_trials"].iloc[0] == pytest.approx(0.6125)
    assert counts["item"].tolist() == [""]


def test_constant_answers_are_found_and_others_spared() -> None:
    languages = ("english", "german", "french")
    same = [25.1, 24.7, 26.3]
    rows = euroeval_rows.tidy_rows(
        raw_rows(
            *(row("a/small", name, p, 0.5, "1e9") for name, p in zip(languages, same, strict=True)),
            *(row("b/large", name, p, 0.5, "9e9") for name, p in zip(languages, same, strict=True)),
            # One model under two names: its size is the same, and it answers for itself.
            *(row("c/m", name, 71.0, 0.5, "4e9") for name in languages),
            *(row("c/m#no-thinking", name, 71.0, 0.5, "4e9") for name in languages),
            # Undisclosed sizes say nothing.
            *(row("d/closed", name, 80.0, 0.5) for name in languages),
            *(row("d/closed-preview", name, 80.0, 0.5) for name in languages),
            # Two languages alike are a coincidence; the other split is another set of items.
            row("e/m", "english", 25.1, 0.5, "2e9"),
            row("f/m (val)", "german", 24.7, 0.5, "3e9"),
        )
    )
    found = flags.constant_answers(rows, rows)
    pairs = set(zip(found["entry"], found["language"], strict=True))
    expected = {(entry, code) for entry in ("a/small", "b/large") for code in ("en", "de", "fr")}
    # Three entries of three makers share the English pair, so the coincidence is one no more.
    assert pairs == expected | {("e/m", "en")}
    assert (found["flag"] == "constant-answer").all()
    assert found["evidence"].str.contains("got: the answer").all()
    one = flags.constant_answers(rows[rows["entry"] == "b/large"], rows)
    assert set(one["entry"]) == {"b/large"}


def panel_tables() -> folder.Tables:
    rng = np.random.default_rng(3)
    models, languages = [f"m{i}" for i in range(8)], ["en", "de", "fr", "cs", "fi"]
    lines = []
    for i, model in enumerate(models):
        for j, language in enumerate(languages):
            share = 0.9 - 0.05 * i - 0.03 * j + rng.normal(0, 0.005)
            if (model, language) == ("m2", "cs"):
                share = 0.24
            if (model, language) == ("m3", "fi"):
                share = 0.40
            lines.append((model, "b", language, "", share * 2000, 2000.0))
    names = ["model", "benchmark", "language", "item", "n_correct", "n_trials"]
    counts = pd.DataFrame(lines, columns=names)
    return folder.Tables(
        counts,
        pd.DataFrame({"model": models, "family": "f"}),
        folder.benchmark_table("b", 0.25),
    )


def test_failures_are_flagged_only_at_chance() -> None:
    tables = panel_tables()
    found = flags.flag_cells(tables)
    flagged = found.counts[found.counts["flag"] != ""]
    assert flagged[["model", "language", "flag"]].to_numpy().tolist() == [
        ["m2", "cs", "extraction-failure"]
    ]
    assert "0.240" in flagged["evidence"].iloc[0]
    assert found.spared[["model", "language"]].to_numpy().tolist() == [["m3", "fi"]]
    pd.testing.assert_frame_equal(found.counts.iloc[:, :6], tables.counts)


def test_known_cells_are_flagged_too_and_evidence_is_joined() -> None:
    tables = panel_tables()
    more = pd.DataFrame(
        {
            "model": ["m2", "m5"],
            "language": ["cs", "de"],
            "flag": "constant-answer",
            "evidence": ["As another.", "As a third."],
        }
    )
    counts = flags.flag_cells(tables, more).counts.set_index(["model", "language"])
    assert counts.loc[("m2", "cs"), "flag"] == "extraction-failure"
    assert str(counts.loc[("m2", "cs"), "evidence"]).endswith("As another.")
    assert counts.loc[("m5", "de"), "flag"] == "constant-answer"
    assert counts.loc[("m5", "de"), "evidence"] == "As a third."


def test_mmlu_prox_table_against_naive() -> None:
    table = pd.DataFrame(
        {"Model": ["B", "A"], "Avg": [60.0, 50.0], "EN": [70.1, 61.0], "ZH": [49.9, 39.0]}
    )
    tidy = mmlu_prox.tidy_accuracies(table)
    assert tidy.to_numpy().tolist() == [
        ["B", "en", 70.1], ["B", "zh", 49.9], ["A", "en", 61.0], ["A", "zh", 39.0],
    ]  # fmt: skip
    counts = mmlu_prox.counts(tidy)
    assert counts["n_correct"].iloc[0] == pytest.approx(0.701 * 11_829)
    with pytest.raises(ValueError, match="second column"):
        mmlu_prox.tidy_accuracies(table.drop(columns="Avg"))


def runs_table() -> pd.DataFrame:
    lines = [
        (model, lang, item, run, int((run + len(item) + len(lang)) % 3 > 0))
        for model in ("gpt-4", "gpt-4o")
        for lang in ("af", "en")
        for item in ("x-2", "x-1", "yy-1")
        for run in range(3)
    ]
    return pd.DataFrame(lines, columns=["model", "lang", "item", "repeat", "correct"])


def test_winogrande_counts_against_naive() -> None:
    runs = runs_table()
    counts = winogrande.counts(runs)
    assert counts["model"].drop_duplicates().tolist() == ["gpt-4o", "gpt-4"]
    assert counts["language"].drop_duplicates().tolist() == ["en", "af"]
    for cell in counts.to_dict("records"):
        mine = runs[
            (runs["model"] == cell["model"])
            & (runs["lang"] == cell["language"])
            & (runs["item"] == cell["item"])
        ]
        assert (cell["n_correct"], cell["n_trials"]) == (mine["correct"].sum(), len(mine))
    items = winogrande.items(list(counts["item"]))
    assert items[["item", "cluster"]].to_numpy().tolist() == [
        ["x-1", "x"], ["x-2", "x"], ["yy-1", "yy"],
    ]  # fmt: skip


def test_winogrande_bad_input() -> None:
    runs = runs_table()
    with pytest.raises(ValueError, match="twice"):
        winogrande.counts(pd.concat([runs, runs.head(1)]))
    with pytest.raises(ValueError, match="neither"):
        winogrande.counts(runs.assign(correct=2))
    with pytest.raises(ValueError, match="twin"):
        winogrande.items(["x-3"])


def test_facts_say_where_they_come_from() -> None:
    table = facts.read_map("facts.csv")
    assert len(table) >= 20
    assert len({row["key"] for row in table}) == len(table)
    for line in table:
        assert bool(line["params_total"]) == bool(line["size_source"]), line["key"]
        assert bool(line["params_active"]) == bool(line["active_source"]), line["key"]
        assert bool(line["release_date"]) == bool(line["date_source"]), line["key"]


def test_dates_and_sizes_of_the_maps() -> None:
    known: facts.Facts = {
        ("facts", "M"): facts.Fact(
            total=30e9, active=3e9, date="2025-01-02", active_source="card", date_source="blog"
        ),
        ("facts", "dense"): facts.Fact(total=4e9, active=4e9, active_source="all (dense)"),
    }
    assert facts.dated(known, "facts", "M").date_source == "blog"
    assert facts.dated(known, "facts", "M", "same release").date_source == "blog; same release as M"
    assert facts.dated(known, "name", "m-2026-03-17").date == "2026-03-17"
    assert facts.dated(known, "", "").date == ""
    assert facts.active_part(known, "facts", "M", 31e9) == (3e9, "card")
    assert facts.active_part(known, "facts", "dense", 4.1e9) == (4.1e9, "all (dense)")
    assert facts.active_part(known, "name", "A0.6B", None)[0] == pytest.approx(0.6e9)
    assert facts.active_part(known, "dense", "arXiv 1", 8e9)[0] == 8e9
    assert facts.active_part(known, "", "", 8e9) == (None, "")
    assert facts.sizes(None, "EuroEval", None, "")["size_source"] == "undisclosed"
    assert facts.sizes(4e9, "EuroEval", 1e9, "card") == {
        "params_total": "4000000000",
        "params_active": "1000000000",
        "size_source": "EuroEval; active: card",
    }
    with pytest.raises(ValueError, match="no date"):
        facts.dated(known, "facts", "dense")
    with pytest.raises(ValueError, match="no date"):
        facts.dated(known, "name", "m-2503")


def test_maps_name_each_entry_once() -> None:
    twenty = facts.read_map("euroeval_twenty.csv")
    assert len(twenty) == len({line["entry"] for line in twenty}) == 20
    assert len(euroeval.twenty_entries()) == 20
    everyone = facts.read_map("euroeval_all.csv")
    assert len(everyone) == len({line["entry"] for line in everyone}) == 188
    keys = {line["key"] for line in facts.read_map("facts.csv")}
    for line in everyone:
        assert bool(line["date_table"]) == bool(line["date_key"])
        for table, key in (("date_table", "date_key"), ("active_table", "active_key")):
            assert line[table] != "facts" or line[key] in keys


def test_csv_is_written_the_same_and_short(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1 / 3, np.nan, 11_829.0, 9546.003], "b": ["x", "", "y, z", "ü"]})
    for name in ("one.csv", "two.csv"):
        folder.write_csv(frame, tmp_path / name)
    text = (tmp_path / "one.csv").read_bytes()
    assert text == (tmp_path / "two.csv").read_bytes()
    assert text.decode() == 'a,b\n0.333333,x\n,\n11829,"y, z"\n9546,ü\n'


def test_parquet_is_written_the_same(tmp_path: Path) -> None:
    counts = winogrande.counts(runs_table())
    for name in ("one", "two"):
        folder.write_parquet(counts, tmp_path / f"{name}.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    back = pd.read_parquet(tmp_path / "one.parquet")
    assert back.to_numpy().tolist() == counts.to_numpy().tolist()


def test_readme_refuses_numbers_it_lacks_or_does_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "TEXTS", tmp_path)
    (tmp_path / "t.md").write_text("n is $n\n", "utf-8")
    folder.write_readme("t", tmp_path, {"n": "3"})
    assert (tmp_path / "README.md").read_text("utf-8") == "n is 3\n"
    with pytest.raises(ValueError, match="does not use"):
        folder.write_readme("t", tmp_path, {"n": "3", "m": "4"})
    with pytest.raises(KeyError):
        folder.write_readme("t", tmp_path, {})


def test_self_translate_rows_against_naive(tmp_path: Path) -> None:
    """Benchmarks that are used, in their order, English first; a wrong count is refused."""
    raw = tmp_path / "self_translate"
    raw.mkdir()
    (tmp_path / "metadata").mkdir()
    head = "family,model,task_group,lang,shots,acc,stderr,n_items,k"
    rows = [
        "xglm,xglm-1.7B,pawsx,de,0,0.5,0.01,2000,1000",
        "xglm,xglm-1.7B,pawsx,en,0,0.6,0.01,2000,1200",
        "xglm,xglm-564M,xnli,en,0,0.4,0.01,5010,2004",
        "open_llama_v2,open_llama_3b_v2,xnli,en,0,0.5,0.01,5010,2505",
        "xglm,xglm-564M,mgsm,en,8,0.0,0.0,250,0",
    ]
    table = raw / "self_translate_direct_clean.csv"
    table.write_text("\n".join([head, *rows]), encoding="utf-8")
    (tmp_path / "metadata" / "self_translate_models.csv").write_text(
        "model,params_total,release_date,source\n"
        "xglm-564M,564000000.0,2021-12-20,papers, cards\n"
        "xglm-1.7B,1700000000.0,2021-12-20,papers, cards\n"
        "open_llama_3b_v2,3430000000.0,2023-07-16,papers, cards\n",
        encoding="utf-8",
    )
    counts = self_translate.read_counts(tmp_path)
    assert counts[["model", "benchmark", "language", "n_correct"]].to_numpy().tolist() == [
        ["xglm-564M", "xnli", "en", 2004.0],
        ["xglm-1.7B", "paws_x", "en", 1200.0],
        ["xglm-1.7B", "paws_x", "de", 1000.0],
        ["open_llama_3b_v2", "xnli", "en", 2505.0],
    ]
    models = self_translate.models(tmp_path, counts)
    assert models["family"].tolist() == ["XGLM", "XGLM", "OpenLLaMA"]
    assert models["params_total"].tolist() == ["564000000", "1700000000", "3430000000"]
    assert "checked" in models["date_source"][0]
    assert "not checked" in models["date_source"][2]
    table.write_text("\n".join([head, rows[0].replace(",1000", ",999")]), encoding="utf-8")
    with pytest.raises(ValueError, match="accuracy times the items"):
        self_translate.read_counts(tmp_path)
