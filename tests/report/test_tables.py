"""Tables: digits by the standard error, and text that each format reads as it was meant."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatstats.inference.result_frame import p_text
from hatstats.report.tables.latex import escape_latex, to_latex
from hatstats.report.tables.rounding import (
    column_decimals,
    date_text,
    decimals,
    df_text,
    english_name,
    number_text,
    parameters_text,
    percent_text,
    plain_text,
)
from hatstats.report.tables.run_tables import (
    Shown,
    kind_of_claims,
    measures_table,
    table_of,
    tables_of,
    why_blank,
)
from hatstats.report.tables.text_table import (
    Column,
    Table,
    make_table,
    to_html,
)
from tests.report.frames import measure_frame, results, score_frame

NASTY = r"a_b & 50% #1 {x} ~ ^ \cmd $y$ <i> | * −1 ∞ β"


@pytest.mark.parametrize(
    ("std_error", "expected"),
    [
        (0.0119, 3),
        (0.0351, 3),
        (0.0359, 2),
        (0.081, 2),
        (0.0023, 4),
        (0.99, 1),
        (1.2, 1),
        (12.0, 0),
        (400.0, 0),
        (0.000001, 6),
        (0.0, 3),
        (np.nan, 3),
        (np.inf, 3),
    ],
)
def test_decimals_against_theory(std_error: float, expected: int) -> None:
    """The rule of the Particle Data Group: two digits up to 35, else one."""
    assert decimals(std_error) == expected


@given(st.floats(1e-5, 1e3))
def test_rounding_costs_little_of_the_error(std_error: float) -> None:
    assert 0.5 * 10.0 ** -decimals(std_error) <= max(std_error / 6.9, 0.5)


def test_column_decimals_follow_the_median_and_ignore_the_unknown() -> None:
    assert column_decimals([0.011, 0.012, 0.3, np.nan, 0.0]) == 3
    assert column_decimals([np.nan]) == 3


def test_numbers_are_written_plainly() -> None:
    assert number_text(-0.0004, 2) == "0.00"
    assert number_text(-1.25, 1) == "−1.2"
    assert number_text(np.nan) == "–"
    assert number_text(np.inf) == "∞"
    assert number_text(-np.inf) == "−∞"
    assert number_text(-1.234e-9, 6) == "−1.2e−09"
    assert p_text(0.0004) == "<0.001"
    assert p_text(0.0461) == "0.046"
    assert p_text(np.nan) == "–"
    assert [df_text(x) for x in (3.46, 4.0, np.inf, np.nan)] == ["3.5", "4", "∞", "–"]
    assert [parameters_text(x) for x in (2.7e10, 9.9999e8, 1.5e12, 27.0, np.nan)] == [
        "27B",
        "1B",
        "1.5T",
        "27",
        "–",
    ]
    assert percent_text(0.9) == "90 %"
    assert plain_text(-0.05) == "−0.05"
    assert date_text(pd.Timestamp("2025-06-17")) == "2025-06-17"
    assert date_text(pd.NaT) == "–"


def test_digits_go_by_column_or_by_row() -> None:
    frame = pd.DataFrame(
        {
            "estimate": [0.12346, 12.345],
            "std_error": [0.0012, 1.2],
            "conf_low": [0.12, np.nan],
            "conf_high": [0.13, np.nan],
        }
    )
    columns = [Column("estimate", "E", "value"), Column("conf", "CI", "interval")]
    assert make_table(frame, columns, digits="row").rows == (
        ("0.1235", "[0.1200, 0.1300]"),
        ("12.3", "–"),
    )
    assert [row[0] for row in make_table(frame, columns).rows] == ["0.1", "12.3"]


def test_columns_that_the_frame_lacks_are_left_out() -> None:
    table = make_table(pd.DataFrame({"a": ["x", ""]}), [Column("a", "A"), Column("b", "B", "p")])
    assert table == Table(("A",), (False,), (False,), (("x",), ("–",)))
    assert make_table(pd.DataFrame(), [Column("a", "A")]).rows == ()


def unescaped(text: str) -> str:
    """Text without escaped signs and commands."""
    return re.sub(r"\\[A-Za-z]+\{\}|\\[A-Za-z]+|\\.", "", text)


def test_every_special_character_is_escaped() -> None:
    escaped = escape_latex(NASTY)
    bare = unescaped(escaped)
    assert not re.search(r"[&%#_~^]", bare)
    assert bare.count("$") % 2 == 0
    assert "{" not in bare
    assert "}" not in bare
    assert escape_latex("a_b") == r"a\_b"
    assert escape_latex("\\") == r"\textbackslash{}"
    assert escape_latex("−") == "$-$"
    assert escape_latex("adjusted p = 0.2; p values") == "adjusted $p$ = 0.2; $p$ values"
    assert escape_latex("model p, Pop-p = 3, map = 3") == "model p, Pop-p = 3, map = 3"


@given(st.text(alphabet=st.sampled_from(list("ab \\&%$#_{}~^<>−∞…×"))))
def test_escaping_leaves_no_special_character(text: str) -> None:
    bare = unescaped(escape_latex(text))
    assert not re.search(r"[&%#_~^{}<>\\−∞…×]", bare)
    assert bare.count("$") % 2 == 0


def balanced(text: str) -> bool:
    depth = 0
    for sign in re.sub(r"\\[{}]", "", text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0


def check_latex(text: str, columns: int, rows: int) -> None:
    """One table: environments closed in order, braces balanced, every row of the same width."""
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", text):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    assert balanced(text)
    # Parts of a wide table share its first column, and have the others between them.
    found: dict[str, int] = {}
    blocks = re.findall(
        r"\\begin\{tabular\}\{@\{\}([^\n]+)@\{\}\}$(.*?)\\end\{tabular\}",
        text,
        re.MULTILINE | re.DOTALL,
    )
    for alignment, body in blocks:
        letters = re.sub(
            r"p\{\d+pt\}", "p", re.sub(r"S\[table-format=-?\d+(\.\d+)?\]", "S", alignment)
        )
        assert re.fullmatch("[lrpS]+", letters)
        assert body.count(r"\toprule") == body.count(r"\bottomrule") == 1
        lines = [line for line in body.splitlines() if line.endswith((r"\\", r"\tabularnewline"))]
        for line in lines:
            assert len(re.findall(r"(?<!\\)&", line)) == len(letters) - 1
            # A bracket straight after a line's \\ would be its optional argument.
            assert not line.lstrip().startswith("[")
        found[lines[0]] = found.get(lines[0], 0) + len(lines) - 1
    assert set(found.values()) == {rows}
    assert sum(len(re.findall(r"(?<!\\)&", head)) for head in found) == columns - 1
    assert text.count(r"\caption") == text.count(r"\label") == 1


def test_latex_of_every_table_of_a_run() -> None:
    shown = tables_of(results(20))
    assert [each.name for each in shown] == [
        "main",
        "scores",
        "pairs",
        "claims",
        "trends",
        "comparison",
        "measures",
        "specification",
        "flagged",
        "left_out",
    ]
    for each in shown:
        text = to_latex(
            each.table, caption=each.title, note=each.note, label=f"tab:{each.name}",
            narrow=each.name == "main",
        )  # fmt: skip
        assert text.count(r"\begin{table}") == (each.name == "main")
        check_latex(text, len(each.table.headings), len(each.table.rows))
        assert rf"\label{{tab:{each.name}}}" in text


def test_the_main_table_has_the_ends_of_many_models_with_a_gap() -> None:
    for models, gap in ((25, ""), (40, "… 19 more")):
        found = results(models)
        main = next(each for each in tables_of(found) if each.name == "main")
        names = [row[0] for row in main.table.rows]
        weak = list(found.scores.loc[~found.scores["informed"], "model"])
        ranked = list(found.ranked["model"])
        assert weak
        assert ("Of 39 ranked models" if gap else "Without a rank: weakly") in main.note
        assert names == ([*ranked[:10], gap, *ranked[-10:]] if gap else list(found.scores["model"]))
        if gap:
            assert set(main.table.rows[10][1:]) == {""}


def test_claims_are_registered_where_they_were_locked() -> None:
    claims = results().claims
    for status, said in (("confirmatory", "Registered"), ("exploratory", "Exploratory")):
        assert kind_of_claims(claims.assign(status=status)) == f"{said} claims"
    both = ["confirmatory"] + ["exploratory"] * (len(claims) - 1)
    assert kind_of_claims(claims.assign(status=both)) == "Registered and exploratory claims"


def test_scores_of_rejected_fits_say_so_in_the_table() -> None:
    frame = score_frame(4).assign(rejected=[True, False, False, False])
    table = table_of("scores", frame)
    marks = [row[table.headings.index("Note")] for row in table.rows]
    assert marks == ["fit rejected", "", "", "weakly identified"]


def test_what_few_trials_cannot_show_stands_under_the_scores() -> None:
    said = " Intervals take hardness to be smooth."
    found = results()
    found = replace(found, facts={**found.facts, "assumption": said})
    notes = {shown.name: shown.note for shown in tables_of(found)}
    assert all(said.strip() in notes[name] for name in ("main", "scores"))


def test_a_long_latex_table_is_broken_over_pages() -> None:
    # Lines that wrap count: a page of long names holds fewer rows.
    parts = []
    for name in ("m", "a name of a model in several words " * 3):
        frame = score_frame(140)
        table = table_of("scores", frame.assign(model=name + frame["model"]))
        text = to_latex(table, caption=NASTY, label="t")
        check_latex(text, len(table.headings), 140)
        parts.append(text.count(r"Table~\ref{t}, continued"))
    assert 2 <= parts[0] < parts[1]
    assert "continued" not in to_latex(table_of("scores", score_frame(30)), caption="", label="t")


def test_a_first_cell_with_a_bracket_is_protected() -> None:
    table = make_table(pd.DataFrame({"a": ["[1, 2]"]}), [Column("a", "A")])
    assert "    {}[1, 2] \\\\" in to_latex(table, caption="c", label="l").splitlines()


class Cells(HTMLParser):
    """Texts of the cells of one table, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.open = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.open = False

    def handle_data(self, data: str) -> None:
        if self.open:
            self.rows[-1][-1] += data


def test_html_reads_back_as_the_table() -> None:
    frame = pd.DataFrame({"a": [NASTY, "<b>"], "p_value": [0.0001, np.nan]})
    table = make_table(frame, [Column("a", "A & B"), Column("p_value", "p", "p")])
    parser = Cells()
    parser.feed(to_html(table))
    assert parser.rows == [list(table.headings), *(list(row) for row in table.rows)]


def test_measures_stand_side_by_side() -> None:
    scores = score_frame(5)
    table = measures_table(measure_frame(scores))
    assert table.headings == (
        "Model",
        "Gap",
        "Gap: CI",
        "Ratio",
        "Ratio: CI",
        "Excess",
        "Excess: CI",
    )
    assert [row[0] for row in table.rows] == scores["model"].tolist()
    assert table.rows[0][1:3] == ("0.080", "[0.072, 0.088]")


def shown(name: str, models: int = 20) -> Shown:
    (found,) = (each for each in tables_of(results(models)) if each.name == name)
    return found


def test_claims_table_prints_df_p_and_verdict() -> None:
    table = shown("claims").table
    row = dict(zip(table.headings, table.rows[0], strict=True))
    assert row["Claim"] == "small models not broken"
    assert row["Verdict"] == "supported"
    # The p that decides is the adjusted one; what is before adjustment stands in claims.csv.
    assert (row["df"], row["p (Holm)"], row["Threshold"]) == ("3.4", "0.063", "−0.05")
    assert row["CI"] == "[−0.045, 0.020]"
    assert dict(zip(table.headings, table.rows[2], strict=True))["Opposite p (Holm)"] == "0.001"


def test_claims_table_has_the_other_scope_what_refutes_and_what_weakens() -> None:
    table = shown("claims").table
    first, second, third = (dict(zip(table.headings, row, strict=True)) for row in table.rows)
    assert (first["For models"], first["Other scope"]) == ("like these", "refuted")
    assert first["Its CI"] == "[−0.030, 0.000]"
    assert second["What weakens it"] == "True almost by construction"
    assert second["Other scope"] == second["Its CI"] == "–"
    assert (third["p (Holm)"], third["Opposite p (Holm)"]) == ("0.990", "0.001")


def test_scores_table_marks_the_weakly_identified() -> None:
    table = shown("scores").table
    notes = [row[table.headings.index("Note")] for row in table.rows]
    assert sorted(set(notes)) == ["", "weakly identified"]
    assert notes.count("weakly identified") == 1
    ranks = [row[table.headings.index("Rank")] for row in table.rows]
    assert all(re.fullmatch(r"\d+–\d+", rank) for rank in ranks)


def test_terms_and_languages_are_words_and_intercepts_are_left_to_the_csv() -> None:
    rows = pd.DataFrame({
        "trend": "size", "term": ["Intercept", "log10(params_total)", "source_logit[a_b]"],
        "scale": "logit", "scope": "models like these", "estimate": 0.1, "std_error": 0.1,
        "df": 3.0, "p_value": 0.5, "conf_low": [-1.0, -np.inf, np.nan], "n_models": 9,
        "conf_high": [1.0, np.inf, np.nan], "n_clusters": 4,
        "reason": ["", "", "hardly more than one family decides, no test"],
    })  # fmt: skip
    table = table_of("trends", rows)
    assert [row[1] for row in table.rows] == ["log10 parameters", "source accuracy (logit), a_b"]
    assert [row[table.headings.index("CI")] for row in table.rows] == ["unbounded", "–"]
    assert [row[table.headings.index("Note")] for row in table.rows] == ["", "a"]
    assert "Note" not in table_of("trends", rows.head(2)).headings
    trends = next(
        each for each in tables_of(replace(results(), trends=rows)) if each.name == "trends"
    )
    assert trends.note.endswith("held at 1. a: hardly more than one family decides, no test.")
    names = ["de", "pt_PT", "zh-Hant", "zh-Hans", "deu_Latn", "Klingonish"]
    spoken = ["German", "Portuguese (PT)", "Chinese (Hant)", "Chinese", "German", "Klingonish"]
    assert list(map(english_name, names)) == spoken
    cells = pd.DataFrame({"model": "m", "benchmark": "b", "language": ["de"], "accuracy": 0.5})
    assert table_of("flagged", cells).rows[0][2] == "German"


def test_checks_of_many_models_are_those_where_methods_disagree_most() -> None:
    rows = [
        (f"m{model:02d}", method, "HAT", 0.5 + (0.01 * model if method == "joint" else 0.0))
        for model in range(20)
        for method in ("latent", "joint")
    ]
    frame = pd.DataFrame(rows, columns=["model", "method", "term", "estimate"])
    frame = frame.assign(std_error=0.02, p_value=np.nan, conf_low=0.4, conf_high=0.7)
    table = table_of("checks", frame)
    models = {row[table.headings.index("Model")] for row in table.rows}
    assert models == {f"m{model:02d}" for model in range(12, 20)}
    assert len(table.rows) == 16


def test_choices_of_a_claim_and_differences_of_scores_have_one_number_of_digits() -> None:
    frame = pd.DataFrame({"claim": ["one", "one", "two"], "choice": ["a", "b", "a"],
                          "estimate": [0.12345, 0.2, 3.21], "std_error": [0.0021, 0.6, 0.5],
                          "conf_low": 0.0, "conf_high": 1.0})  # fmt: skip
    table = table_of("specification", frame)
    place = table.headings.index("Estimate")
    assert [row[place] for row in table.rows] == ["0.12", "0.20", "3.2"]
    pairs = pd.DataFrame({"a": "x", "b": ["y", "z"], "term": ["x - y", "x - z"],
                          "estimate": [0.0123, 0.2], "std_error": [0.003, 0.2]})  # fmt: skip
    assert table_of("pairs", pairs).rows == (
        ("x − y", "0.012", "0.003"),
        ("x − z", "0.200", "0.200"),
    )
    beyond = table_of("pairs", pairs.assign(conf_low=-1.4, conf_high=[0.5, 1.2]))
    assert [row[-1] for row in beyond.rows] == ["[−1.000, 0.500]", "[−1.000, 1.000]"]


def test_left_out_models_are_grouped_by_reason() -> None:
    table = shown("left_out").table
    assert table.rows == (("size", "no known size", "1", "Claude-3B"),)


def widths(text: str) -> float:
    """Points that a LaTeX table asks for, digits and letters counted equally, without headings."""
    text = re.sub(r"S\[table-format=.*?\]", "r", text).replace("@{}", "")
    digit = {"": 5.0, "small": 4.6, "footnotesize": 4.25, "scriptsize": 4.0}
    size = re.search(r"\\(\w+)\\setlength\{\\tabcolsep\}\{([\d.]+)pt\}", text)
    character, space = (digit[size[1]], float(size[2])) if size else (5.0, 6.0)
    (alignment,) = re.findall(r"\\begin\{tabular\}\{(.+)\}$", text, re.MULTILINE)
    body = text.split("\\midrule\n")[-1].split("    \\bottomrule")[0]
    rows = [re.split(r"(?<!\\) & ", line) for line in body.strip().splitlines()]
    total = 0.0
    for index, kind in enumerate(re.findall(r"p\{\d+pt\}|[lr]", alignment)):
        cells = [
            re.sub(r"\$|\\(?!_)\w*|^\{\}|\s*\\\\$|\\tabularnewline", "", row[index]) for row in rows
        ]
        fixed = re.match(r"p\{(\d+)pt\}", kind)
        total += float(fixed[1]) if fixed else character * max(len(cell.strip()) for cell in cells)
    return total + 2 * space * (len(rows[0]) - 1)


@pytest.mark.parametrize("columns", [2, 4, 6])
def test_a_wide_latex_table_shrinks_and_wraps_until_it_fits_the_line(columns: int) -> None:
    frame = pd.DataFrame(
        {"model": ["a rather long name of a model"], "note": ["The sentence wraps. " * 9]}
        | {f"x{k}": [0.123] for k in range(columns)}
        | {"std_error": [0.001]}
    )
    shown = [Column("model", "Model"), Column("note", "Note", "prose")]
    shown += [Column(f"x{k}", "Target accuracy", "value") for k in range(columns)]
    text = to_latex(make_table(frame, shown), caption="c", label="l")
    for part in text.split(r"\begingroup")[1:]:
        assert 60 < widths(part) <= 345
    assert r"\raggedright The sentence wraps." in text
    assert text.count(r"{\shortstack[r]{Target \\ accuracy}}") == columns


def test_numbers_are_aligned_by_siunitx_and_texts_among_them_in_braces() -> None:
    frame = pd.DataFrame({"a": ["x", "y", "z"], "value": [-0.25, 12.5, np.nan], "std_error": 0.02})
    frame["p_value"] = [0.0001, 0.25, np.nan]
    columns = [Column("a", "A"), Column("value", "B", "value"), Column("p_value", "p", "p")]
    lines = to_latex(make_table(frame, columns), caption="c", label="l", note="n_1").splitlines()
    assert r"  \begin{tabular}{@{}lS[table-format=-2.3]S[table-format=1.3]@{}}" in lines
    assert r"    A & {B} & {$p$} \\" in lines
    assert r"    x & -0.250 & {\textless{}0.001} \\" in lines
    assert r"    z & {--} & {--} \\" in lines
    assert r"  \par\smallskip\parbox{\linewidth}{\footnotesize n\_1}" in lines


def test_columns_without_room_go_on_below_with_the_first_one_repeated() -> None:
    frame = pd.DataFrame({"a": ["a name of a model"]} | {f"x{k}": [0.123] for k in range(24)})
    columns = [Column("a", "A")] + [Column(f"x{k}", f"Heading{k}", "plain") for k in range(24)]
    text = to_latex(make_table(frame, columns), caption="c", label="l")
    check_latex(text, 25, 1)
    parts = text.split(r"\begin{tabular}")[1:]
    assert len(parts) > 1
    assert text.count(r"\begin{table*}") == 1
    numbers = [part.count("Heading") for part in parts]
    assert max(numbers) - min(numbers) <= len(parts)


def test_a_narrow_latex_table_is_in_the_type_of_the_text() -> None:
    table = make_table(pd.DataFrame({"a": ["x"], "p_value": [0.2]}), [Column("a", "A")])
    text = to_latex(table, caption="c", label="l")
    assert "tabcolsep" not in text
    assert "raggedright" not in text


def test_latex_of_a_table_without_columns_or_rows() -> None:
    nothing = make_table(pd.DataFrame(), [Column("a", "A")])
    assert r"\begin{tabular}{}" in to_latex(nothing, caption="c", label="l")
    bare = make_table(pd.DataFrame({"a": pd.Series([], dtype=str)}), [Column("a", "A")])
    assert "    A \\\\" in to_latex(bare, caption="c", label="l").splitlines()


EVIL = r"evil}\input{/etc/hostname}\iffalse"


@pytest.mark.parametrize("name", [EVIL, "50%", "a#b", "a\n\nb", "a\x00b", "a_b", "模型"])
def test_no_name_of_a_study_is_latex(name: str) -> None:
    """In a label nothing can be escaped, in a caption a paragraph ends the argument."""
    table = Table(("a",), (False,), (False,), ((name,),))
    text = to_latex(table, caption=name, label=f"tab:{name}-scores")
    assert "\\input" not in text.replace(r"\textbackslash{}input", "")
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)
    assert "\n\n" not in text
    label = re.search(r"\\label\{(.*?)\}$", text, flags=re.MULTILINE)
    assert label is not None
    assert re.fullmatch(r"tab:[A-Za-z0-9_-]+", label[1])
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_reasons_for_blanks_name_measures_as_their_columns_are_headed() -> None:
    rows = pd.DataFrame(
        {"term": ["gap", "gamma"], "model": "a", "estimate": [0.1, np.nan], "method": "too few"}
    )
    assert why_blank(rows) == ["No γ of a: too few."]
