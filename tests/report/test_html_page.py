"""The page: whole in one file, the key results first, and readable without eyes or network."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from hatstats.report.figures.run_figures import figures_of
from hatstats.report.figures.style import COLOURS, figure_bytes
from hatstats.report.html_page import inline_svg, report_page, with_tips
from hatstats.report.manifest import Origin
from hatstats.report.results.results import Results
from hatstats.report.tables.run_tables import tables_of
from tests.report.frames import claim_frame, results

ORIGIN = Origin(
    arguments={"study": "toy"},
    seed=7,
    versions={"python": "3.13", "hatstats": "0.1.0"},
    inputs={"toy/counts.csv": "ab" * 32},
)


#: Stands for figures where only the text of the page is looked at.
BLANK = '<svg viewBox="0 0 10 10"></svg>'


class Outline(HTMLParser):
    """Tags, ids, headings and addresses of a page."""

    void = frozenset({"meta", "br", "link", "img", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.tags: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag not in self.void:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("href", "src", "xlink:href"):
                self.addresses.append(str(value))
        if tag == "svg" and ("aria-hidden", "true") not in attrs:
            self.pictures.append(dict(attrs))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.void:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and re.fullmatch(r"h[1-6]", self.open[-1]):
            self.headings.append(f"{self.open[-1]} {data.strip()}")


def page_of(shown: Results, svg: str | None = None) -> str:
    """The page of some results, every figure with its own SVG or all with the one given."""
    figures = [
        (drawn, svg or figure_bytes(drawn.figure, "svg").decode()) for drawn in figures_of(shown)
    ]
    return report_page(shown, figures, tables_of(shown), ORIGIN)


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(results(12))


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    assert found.open == []
    return found


def test_the_page_asks_for_nothing_from_elsewhere(page: str, outline: Outline) -> None:
    assert len(outline.addresses) > 20
    # Sections of the page, and files of the run folder beside it.
    assert all(
        re.match(r"#|figures/|tables/|(methods\.(md|tex|bib)|results\.tex)$", address)
        for address in outline.addresses
    )
    assert "url(http" not in page
    assert "@import" not in page
    assert outline.tags["link"] == 0


def test_the_page_runs_its_own_script_and_no_other(page: str, outline: Outline) -> None:
    assert outline.tags["script"] == 1
    script = page[page.index("<script>") + len("<script>") : page.index("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page
    assert len(script.splitlines()) <= 150


def test_every_id_is_used_once_and_every_address_leads_somewhere(outline: Outline) -> None:
    assert len(outline.ids) > 30
    assert [name for name, times in Counter(outline.ids).items() if times > 1] == []
    within = {address[1:] for address in outline.addresses if address.startswith("#")}
    assert within <= set(outline.ids)


def test_every_figure_has_words_and_every_heading_its_level(outline: Outline) -> None:
    # Eight figures, and the interval of each claim.
    assert len(outline.pictures) == 8 + len(claim_frame())
    for picture in outline.pictures:
        assert picture["role"] == "img"
        assert len(picture["aria-label"] or "") > 40
    levels = [int(heading[1]) for heading in outline.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_key_results_and_verdicts_come_first(page: str) -> None:
    body = page[page.index("<body>") :]
    order = [
        body.index(text)
        for text in (
            '<nav aria-label="Sections">',
            "in the source language (Faroese)",
            "<strong>Highest: ",
            "Transfer in small models is not broken.",
            "change of HAT per year is −0.012 [−0.045,&nbsp;0.020] (95&nbsp;% interval).",
            "<strong>Refuted</strong> for these models",
            "Inconclusive</strong></a>: ",
            "Refuted</strong></a> for these models: ",
            "<strong>Inconclusive</strong> for models like these",
            "Set aside, since the data hardly inform their scores: GPT-OSS-x11B",
            "2 suspicious results (of a model in a language) are left out",
            'id="figure-forest"',
            'class="card supported"',
            "How it was tested",
            'id="scores"',
            'id="trends"',
            'id="measures"',
            'id="left-out"',
            'id="changes"',
            'id="method"',
            'id="data"',
            'id="again"',
        )
    ]
    assert order == sorted(order)


def test_data_licence_seed_versions_and_command_are_shown(page: str) -> None:
    for text in ("CC0-1.0", "Nobody (2026)", "made from formulas", "Seed 7", "python 3.13"):
        assert text in page
    assert ORIGIN.command in page
    assert "ab" * 32 in page
    assert "not known to us" in page
    assert "simulated" in page


def test_what_was_left_out_is_shown(page: str) -> None:
    assert "2 of 220 cells are flagged" in page
    assert "41 points under the model&#x27;s other languages" in page
    assert "no known size" in page
    assert "the rank means little): GPT-OSS-x11B" in page
    assert "<li>at chance</li>" in page


def test_marks_say_what_they_are_under_the_pointer(page: str) -> None:
    shown = results(12)
    for drawn in figures_of(shown):
        figure = page[page.index(f'id="figure-{drawn.name}"') :] if drawn.name != "claims" else ""
        said = re.findall(r"<title>([^<]*)</title>", figure[: figure.find("</figure>")])
        texts = [text for tips in drawn.tips.values() for text in tips]
        assert drawn.name == "claims" or sorted(map(html.unescape, said)) == sorted(texts)
        assert len(texts) > 2 or drawn.name in ("margins", "decomposition", "thinning")
    forest = next(drawn for drawn in figures_of(shown) if drawn.name == "forest")
    row = shown.scores.iloc[0]
    assert f"{row['model']}: {row['estimate']:.3f} [" in str(forest.tips)
    # Marks that are not as many as their texts are left as they are.
    assert with_tips('<g id="tip-0"><use x="1"/></g>', {"tip-0": ("a", "b")}).count("title") == 0


def test_text_of_the_study_is_escaped() -> None:
    plain = results(4)
    info = {**plain.info, "title": "<script>alert(1)</script> & co"}
    scores = plain.scores.assign(model=[f"<b>{name}" for name in plain.scores["model"]])
    page = page_of(replace(plain, info=info, scores=scores), BLANK)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "<b>" not in page
    assert "Highest: &lt;b&gt;" in page


def test_a_study_without_claims_trends_or_flags_degenerate() -> None:
    plain = results(4)
    bare = replace(
        plain,
        claims=claim_frame()[:0],
        trends=pd.DataFrame(),
        comparison=pd.DataFrame(),
        specification=pd.DataFrame(),
        flagged=plain.flagged[:0],
        left_out=plain.left_out[:0],
        lines={},
        scores=plain.scores.assign(params_total=np.nan, informed=True),
    )
    page = page_of(bare, BLANK)
    for text in ("No cell of this study is flagged", "No claims are registered", "Every model"):
        assert text in page
    assert "hat_against_size" not in page
    assert "No trend could be fitted" in page
    assert "No trend over models could be fitted" in page
    assert "plain standard errors" not in page


def test_card_of_a_claim_that_cannot_be_tested() -> None:
    row = claim_frame().iloc[0].copy()
    numbers = ["estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "threshold"]
    row[numbers] = np.nan
    row["verdict"], row["reason"], row["method"] = "not testable", "one family only", ""
    row["n_series"] = 0
    page = page_of(replace(results(4), claims=pd.DataFrame([row])), BLANK)
    card = page[page.index("<article") : page.index("</article>")]
    assert "<strong>not testable</strong>" in card
    texts = re.findall(r"<p[^>]*>([^<]*)</p>", card)
    assert f"<h3>{row['statement']}</h3>" in card
    assert texts == ["small models not broken", "No estimate.", "One family only"]


def test_the_page_promises_no_families_series_or_choices_that_there_are_not() -> None:
    plain = results(4)
    claims = plain.claims.iloc[:1].assign(n_clusters=0, series="within 4 series: too few")
    first = plain.specification["choice"].iloc[0]
    alone = plain.specification[plain.specification["choice"] == first]
    full = page_of(replace(plain, claims=claims), BLANK)
    quick = page_of(replace(plain, claims=claims, specification=alone), BLANK)
    assert "<p>Within 4 series: too few.</p>" in quick
    assert "0 families" not in quick
    said = "Only the analysis as reported was made"
    assert said in quick
    assert said not in full
    assert 'id="caption-specification"' in full
    assert 'id="caption-specification"' not in quick


def test_inline_svg_keeps_scales_and_follows_the_page() -> None:
    drawn = next(figures_of(results(4)))
    text = figure_bytes(drawn.figure, "svg").decode()
    element = inline_svg(text, prefix="p", alt='a "quoted" <alt>')
    assert element.startswith("<svg ")
    assert "<metadata>" not in element
    assert 'aria-label="a &quot;quoted&quot; &lt;alt&gt;"' in element
    scales = re.findall(r"scale\([^)]*\)", text)
    assert scales
    assert re.findall(r"scale\([^)]*\)", element) == scales
    bare = re.sub(r"var\(--[\w-]+, #\w+\)", "", element)
    assert not any(colour in bare for colour in COLOURS)
    assert all(name.startswith("p-") for name in re.findall(r'\bid="([^"]+)"', element))
    with pytest.raises(ValueError, match="viewBox"):
        inline_svg("<svg></svg>", prefix="p", alt="")


def test_numbers_keep_their_per_cent_sign_on_their_line() -> None:
    page = page_of(results(12))
    assert "95\N{NO-BREAK SPACE}%" in page
    text = re.sub(r"<(style|script|svg|table)\b.*?</\1>", "", page, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", "", text)
    assert not re.search(r"\d ?%", text)


def test_the_first_screen_has_scores_with_the_digits_of_their_table() -> None:
    shown = results(12)
    wide = shown.scores.assign(std_error=0.09)
    best = wide.iloc[0]
    first = page_of(replace(shown, scores=wide)).partition('id="scores"')[0]
    assert f"{best['model']}, {best['estimate']:.3f} [{best['conf_low']:.3f}" in first
