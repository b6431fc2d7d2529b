"""A study of responses, written as each harness writes it, comes back with the same counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import hatstats
from hatstats.study.schema import OTHER_NAMES
from tests.logs import writers

FRAME = writers.responses()


def found(study: hatstats.Study) -> dict[tuple[str, str, str], tuple[float, float]]:
    columns = ["model", "language", "item", "n_correct", "n_trials"]
    # Rows of wordings are added up.
    cells = study.counts[columns].groupby(columns[:3], as_index=False).sum()
    return {
        (str(m), str(lang), str(i)): (float(k), float(n))
        for m, lang, i, k, n in cells.itertuples(index=False)
    }


@pytest.mark.parametrize("write", writers.ITEMWISE, ids=lambda write: write.__name__)
@pytest.mark.slow
def test_items_come_back(write: Callable[[pd.DataFrame, Path], None], tmp_path: Path) -> None:
    write(FRAME, tmp_path)
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert found(done.study) == writers.expected(FRAME)
    assert done.study.benchmark_names == ["mgsm_direct"]
    source = done.study.counts[done.study.is_source][["model", "item"]].drop_duplicates()
    assert len(source) == len(writers.MODELS) * writers.N_ITEMS
    assert done.files["left_out"].sum() == 0
    assert done.files["kept"].sum() == len(FRAME)


def test_one_table_split_into_csv_and_tsv_comes_back(tmp_path: Path) -> None:
    first = (FRAME["model"] == writers.MODELS[0]).to_numpy()
    writers.csv(FRAME[first], tmp_path)
    writers.tsv(FRAME[~first], tmp_path)
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert found(done.study) == writers.expected(FRAME)


@pytest.mark.parametrize("write", writers.TOTAL, ids=lambda write: write.__name__)
def test_totals_come_back(write: Callable[[pd.DataFrame, Path], None], tmp_path: Path) -> None:
    write(FRAME, tmp_path)
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert found(done.study) == writers.totals(FRAME)
    assert done.study.data_kind == "aggregate"


def test_a_mapping_reads_columns_of_any_name(tmp_path: Path) -> None:
    names = {"model": "m", "language": "tongue", "item": "q", "prompt": "seed", "correct": "ok"}
    table = FRAME.drop(columns="benchmark").rename(columns=names)
    records = [{"meta": {"q": r.pop("q")}, **r} for r in table.to_dict("records")]
    writers.write_lines(tmp_path / "mine.jsonl", records)
    with pytest.raises(hatstats.DataError, match=r"known as model or language.*fields={'model': "):
        hatstats.convert_logs(tmp_path)
    done = hatstats.convert_logs(
        tmp_path / "mine.jsonl",
        fields={**names, "item": "meta.q"},
        settings={"benchmark": "mine", "chance": "0.25"},
        strict=True,
    )
    assert found(done.study) == writers.expected(FRAME)
    columns = ["benchmark", "source_language", "chance"]
    assert done.study.benchmarks[columns].to_numpy().tolist() == [["mine", "en", 0.25]]


@pytest.mark.parametrize("shift", range(12))
@pytest.mark.slow
def test_a_plain_table_has_the_names_that_frames_have(shift: int, tmp_path: Path) -> None:
    """Every name that people give to a column of a frame, a few in each table, also in capitals."""
    roles = {"model": "model", "benchmark": "benchmark", "language": "language", "item": "item",
             "prompt": "repeat", "correct": "correct" if shift % 2 else "accuracy"}  # fmt: skip
    names = {column: others[shift % len(others)] for column, role in roles.items()
             if (others := OTHER_NAMES[role][0])}  # fmt: skip
    table = FRAME.rename(columns=names)
    table.columns = table.columns.map(str.upper if shift % 3 else str.title)
    table.to_csv(tmp_path / "mine.csv", index=False)
    study = hatstats.convert_logs(tmp_path, strict=True).study
    assert found(study) == writers.expected(FRAME)
    given = hatstats.Study.from_frame(table, source="en")
    assert found(given) == found(study)


@pytest.mark.parametrize("name", ["prompt", "template", "TEMPLATE_ID", "wording"])
@pytest.mark.parametrize("form", ["seed", "sample", "counts"])
@pytest.mark.slow
def test_wordings_and_their_samples_stay_apart(name: str, form: str, tmp_path: Path) -> None:
    """Answers to one wording are counts of it, in whichever column their samples are numbered."""
    shape = hatstats.Shape(30, 2, 6, repeats=2, wording_correlation=0.3)
    study = hatstats.simulate_study([0.0, 1.0], shape=shape, rng=1)
    columns = ["model", "benchmark", "language", "item", "prompt", "n_correct", "n_trials"]
    table = study.counts[columns].rename(columns={"prompt": name})
    if form != "counts":
        table = table.loc[table.index.repeat(2)].reset_index(drop=True)
        number = table.groupby([*columns[:4], name]).cumcount()
        correct = (number < table["n_correct"]).astype(int)
        table = table.assign(**{form: number, "correct": correct}).drop(columns=columns[5:])
    table.to_csv(tmp_path / "mine.csv", index=False)
    done = hatstats.convert_logs(
        tmp_path, settings={"source_language": "src", "chance": "0"}, strict=True
    )
    key = columns[:5]
    rows = done.study.counts[columns].set_index(key).sort_index()
    pd.testing.assert_frame_equal(rows, study.counts[columns].set_index(key).sort_index())
    assert "simulated: 6 trials of every item." in done.notes
    again = hatstats.read_study(done.study.write(tmp_path / "again"))
    one, two = (hatstats.fit_profile(each).hat() for each in (study, again))
    assert one.estimates.tolist() == pytest.approx(two.estimates.tolist(), rel=1e-12)


def test_copies_among_several_runs_are_counted_once(tmp_path: Path) -> None:
    """Two of three runs in a folder are one greedy run, of which one was cut short."""
    study = hatstats.simulate_study([0.0, 1.0], shape=hatstats.Shape(40, 2, 2), rng=1)
    cells = study.counts[["model", "benchmark", "language", "item", "n_correct"]]
    for run in range(3):
        right = (cells["n_correct"] > min(run, 1)).astype(int)
        part = cells.assign(correct=right, run=f"run {run}").drop(columns="n_correct")
        part.iloc[: 200 if run == 2 else None].to_csv(tmp_path / f"{run}.csv", index=False)
    done = hatstats.convert_logs(tmp_path, settings={"source_language": "src", "chance": "0"})
    assert (done.study.counts["n_trials"] == 2).all()
    assert done.study.counts["n_correct"].sum() == cells["n_correct"].sum()
    assert any("counted once" in note for note in done.notes)


def test_counts_under_other_names_come_in_pairs(tmp_path: Path) -> None:
    cells = FRAME.groupby(["model", "language", "item"], as_index=False)["correct"]
    counts = cells.agg(num_correct="sum", n_total="count")
    counts.to_csv(tmp_path / "counts.csv", index=False)
    assert found(hatstats.convert_logs(tmp_path).study) == writers.expected(FRAME)
    # A number beside an answer is no number of trials.
    FRAME.assign(count=7).to_csv(tmp_path / "counts.csv", index=False)
    assert found(hatstats.convert_logs(tmp_path).study) == writers.expected(FRAME)


def test_wide_tables_and_proportions_are_read(tmp_path: Path) -> None:
    wide = FRAME.pivot_table(index=["model", "item"], columns="language", values="correct")
    wide.reset_index().to_csv(tmp_path / "wide.csv", index=False)
    study = hatstats.convert_logs(tmp_path / "wide.csv", settings={"right_from": "0.5"}).study
    assert study.languages == ["de", "en", "sw"]
    shares = FRAME.groupby(["model", "language"], as_index=False)["correct"].mean()
    shares = shares.rename(columns={"correct": "accuracy"}).assign(n_trials=36)
    shares.to_csv(tmp_path / "shares.csv", index=False)
    totals = FRAME.groupby(["model", "language"])["correct"].sum()
    read = hatstats.convert_logs(tmp_path / "shares.csv").study
    assert found(read) == {(m, c, ""): (pytest.approx(k), 36.0) for (m, c), k in totals.items()}


def test_filter_metric_and_names_can_be_chosen(tmp_path: Path) -> None:
    writers.lm_eval(FRAME, tmp_path)
    done = hatstats.convert_logs(
        tmp_path,
        settings={"filter": "strict-match", "source_language": "de", "model:acme/small-1b": "s"},
    )
    assert done.study.counts["n_correct"].sum() == 0
    assert done.study.model_names == ["acme/large-9b", "s"]
    assert done.study.benchmarks["source_language"].tolist() == ["de"]
    assert done.files["set_aside"].sum() == len(FRAME)
    with pytest.raises(hatstats.DataError, match="another filter than nothing"):
        hatstats.convert_logs(tmp_path, settings={"filter": "nothing"}, strict=True)


def test_a_format_can_be_forced(tmp_path: Path) -> None:
    writers.lm_eval(FRAME, tmp_path)
    samples = str(tmp_path / "acme__small-1b" / "samples_*.jsonl")
    done = hatstats.convert_logs(
        samples,
        format="plain",
        fields={"correct": "exact_match", "item": "doc_id"},
        settings={"model": "x", "benchmark": "y", "language": "en"},
    )
    assert done.study.counts["n_trials"].sum() == len(FRAME) / 2  # one model, one of two filters
    with pytest.raises(hatstats.DataError, match=r"format is not known.*Did you mean 'lm-eval'"):
        hatstats.convert_logs(samples, format="lm_eval")


def test_items_of_their_own_source_language(tmp_path: Path) -> None:
    table = FRAME.assign(
        source_language=FRAME["item"].map(lambda item: writers.LANGUAGES[item % 3])
    )
    writers.csv(table, tmp_path)
    study = hatstats.convert_logs(tmp_path).study
    assert study.items["source_language"].nunique() == 3
    source = study.counts[study.is_source][["model", "item"]].drop_duplicates()
    assert len(source) == len(writers.MODELS) * writers.N_ITEMS


def test_counts_that_are_counted_already_are_added_up(tmp_path: Path) -> None:
    table = FRAME.assign(n_correct=FRAME["correct"], n_trials=1).drop(columns="correct")
    writers.csv(table, tmp_path)
    assert found(hatstats.convert_logs(tmp_path).study) == writers.expected(FRAME)


def test_wide_tables_may_name_their_languages_in_english(tmp_path: Path) -> None:
    wide = FRAME.pivot_table(index=["model", "item"], columns="language", values="correct")
    names = {"de": "German", "en": "English", "sw": "Swahili"}
    named = wide.rename(columns=names).reset_index()
    named.to_csv(tmp_path / "wide.csv", index=False)
    converted = hatstats.convert_logs(tmp_path / "wide.csv", settings={"right_from": "0.5"}).study
    assert sorted(converted.languages) == sorted(names.values())
    assert converted.source_language.unique().tolist() == ["English"]
    right = named.assign(**{name: (named[name] >= 0.5) * 1 for name in names.values()})
    study = hatstats.Study.from_frame(right, source="English")
    assert len(study.languages) == 3
    key = ["model", "language", "item"]
    one, other = (each.counts.set_index(key)["n_correct"] for each in (converted, study))
    assert one.sum() == other.sum() > 0
