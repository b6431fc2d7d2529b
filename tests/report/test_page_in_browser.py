"""The page in a browser: it sorts, filters, folds and says values at every width and theme."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.report.frames import results
from tests.report.test_html_page import BLANK, page_of

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

#: Clicks, types and folds as a reader would, and leaves what is then seen in the page's title.
ACTIONS = """
const table = document.querySelector("#scores table");
const head = (name) =>
  [...table.tHead.rows[0].cells].findIndex((cell) => cell.innerText.trim() === name);
const column = (place) =>
  [...table.tBodies[0].rows].map((row) => row.cells[place].innerText.trim());
const seen = {};
const sizes = head("Parameters");
table.tHead.rows[0].cells[sizes].querySelector("button").click();
seen.down = column(sizes);
table.tHead.rows[0].cells[sizes].querySelector("button").click();
seen.up = column(sizes);
seen.sorted = table.tHead.rows[0].cells[sizes].getAttribute("aria-sort");
const field = document.querySelector("#scores .tools input");
field.value = "qwen3 x10";
field.dispatchEvent(new Event("input"));
seen.shown = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.innerText);
seen.csv = asCsv(table);
seen.latex = asLatex(table);
field.value = "";
const visible = (table) => [...table.tBodies[0].rows].filter((row) => !row.hidden);
const choose = (select, value) => {
  select.value = value;
  select.dispatchEvent(new Event("change"));
};
const family = document.querySelector("#scores .tools select");
seen.families = [...family.options].map((option) => option.value);
choose(family, family.options[1].value);
seen.family = visible(table).map((row) => row.cells[head("Family")].innerText.trim());
const measures = document.querySelector("#measures table");
choose(document.querySelector("#measures .tools select"), family.value);
seen.measures = visible(measures).map((row) => row.cells[0].innerText.trim());
seen.models = visible(table).map((row) => row.cells[0].innerText.trim());
choose(family, "");
seen.all = visible(table).length;
seen.languages = [...document.querySelectorAll("#left-out .tools select option")].length;
seen.copied = document.querySelector("#method .tools button").innerText;
document.querySelectorAll("details").forEach((fold) => { fold.open = false; });
location.hash = "#changes";
setTimeout(() => {
  seen.open = document.querySelectorAll("section > details[open]").length;
  document.title = JSON.stringify(seen);
}, 200);
"""


#: Looks at the page and uses it by keyboard and pointer, at any width.
LOOK = """
const seen = { width: innerWidth, dark: matchMedia("(prefers-color-scheme: dark)").matches };
seen.requests = performance.getEntriesByType("resource").map((one) => one.name);
seen.beyond = document.documentElement.scrollWidth - innerWidth;
const free = (one) => one.getClientRects().length && !one.closest(".scroll, nav, .wide, pre, svg");
seen.cut = [...document.querySelectorAll("body *")].filter((one) =>
  free(one) && one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.outerHTML.slice(0, 90));
const [ink, paper] = ["color", "backgroundColor"].map((name) =>
  getComputedStyle(document.body)[name].match(/\\d+/g).map(Number));
seen.lighter = ink[0] > paper[0];
seen.contrast = Math.abs(ink[0] - paper[0]);
const box = document.querySelector("#scores .scroll");
seen.scrolls = box.scrollWidth > box.clientWidth;
box.scrollLeft = 9999;
const name = box.querySelector("tbody th").getBoundingClientRect();
seen.name = [name.left, name.right];
scrollTo(0, 4000);
seen.nav = Math.round(document.querySelector("nav").getBoundingClientRect().top);
const figure = document.querySelector("#figure-forest");
const [svg, said] = [figure.querySelector("svg"), figure.querySelector("output")];
const press = (key) => {
  svg.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  return said.textContent;
};
svg.focus();
seen.focused = document.activeElement === svg;
seen.said = ["ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "x"].map(press);
const marks = [...figure.querySelectorAll("g > title")];
seen.titles = marks.map((mark) => mark.textContent);
const third = marks[2].parentElement;
third.lastElementChild.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
seen.pointed = said.textContent;
seen.marked = [...figure.querySelectorAll(".shown")].map((mark) => mark === third);
const fold = document.querySelector("#scores details");
seen.opened = fold.open;
fold.querySelector("summary").focus();
document.activeElement.click();
seen.folded = !fold.open;
seen.images = document.images.length;
parent.postMessage(JSON.stringify(seen), "*");
"""


def chromium(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the browser without a window, with a profile of its own."""
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu"]
    command += [f"--user-data-dir={folder / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def in_browser(page: str, folder: Path) -> tuple[str, str]:
    """What the page has become once it is loaded, and what the browser said."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    run = chromium(folder, "--dump-dom", "--window-size=1000,900", "--enable-logging=stderr",
                   "--virtual-time-budget=3000", path.as_uri())  # fmt: skip
    return run.stdout, "\n".join(re.findall(r".*CONSOLE.*", run.stderr))


def seen_in(page: str, script: str, folder: Path, width: int, *, dark: bool = False) -> Any:
    """What a script posts that runs in the page, in a frame: no window is as narrow as a phone."""
    page = re.sub(r"<meta http-equiv=[^>]*>", "", page)
    text = page.replace("</body>", f"<script>{script}</script></body>")
    (folder / "framed.html").write_text(text, encoding="utf-8")
    frame = f'<iframe src="framed.html" style="width:{width}px;height:900px;border:0"></iframe>'
    listen = "onmessage = (posted) => { document.title = posted.data; };"
    (folder / "page.html").write_text(f"<script>{listen}</script>{frame}", encoding="utf-8")
    theme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    run = chromium(folder, "--dump-dom", "--window-size=1600,900", "--enable-logging=stderr",
                   "--virtual-time-budget=5000", *theme,
                   (folder / "page.html").as_uri())  # fmt: skip
    assert "CONSOLE" not in run.stderr
    title = re.search(r"<title>(.*?)</title>", run.stdout, re.DOTALL)
    assert title is not None
    return json.loads(html.unescape(title[1]))


@pytest.fixture(scope="module")
def page() -> str:
    """A page with its figures; every model has a name that is HTML."""
    shown = results(12)
    bad = [f"<img src=x onerror=alert(1)>{name[-3:]}" for name in shown.scores["model"]]
    return page_of(replace(shown, scores=shown.scores.assign(model=bad)))


@pytest.mark.slow
def test_the_script_runs_under_the_policy_of_the_page(tmp_path: Path) -> None:
    page = page_of(results(12), BLANK)
    seen, said = in_browser(page, tmp_path)
    assert said == ""
    assert seen.count('class="tools"') > 5
    assert seen.count('class="sort"') > 40
    # A script that is not the page's own does not run.
    foreign = page.replace("</body>", "<script>document.title = 'ran'</script></body>")
    seen, said = in_browser(foreign, tmp_path)
    assert "<title>ran</title>" not in seen
    assert "Content Security Policy" in said


@pytest.mark.slow
def test_tables_sort_filter_and_are_copied_and_links_open_sections(tmp_path: Path) -> None:
    page = re.sub(r"<meta http-equiv=[^>]*>", "", page_of(results(12), BLANK))
    page = page.replace("</body>", f"<script>{ACTIONS}</script></body>")
    dom, said = in_browser(page, tmp_path)
    assert said == ""
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title is not None
    seen = json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    size = {"B": 1e9, "M": 1e6}
    known = [text for text in seen["down"] if text != "–"]
    values = [float(text[:-1]) * size[text[-1]] for text in known]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 3
    assert seen["up"] == [*known[::-1], *["–"] * (len(seen["up"]) - len(known))]
    assert seen["sorted"] == "ascending"
    assert len(seen["shown"]) == 1
    assert "Qwen3-x10B" in seen["shown"][0]
    assert len(seen["csv"].splitlines()) == 2
    assert seen["csv"].splitlines()[0].startswith("Model,Family,")
    assert seen["latex"].count(r"\\") == 2
    assert seen["open"] == 1
    assert seen["families"][0] == ""
    assert set(seen["family"]) == {seen["families"][1]}
    # A table that names models alone knows their families from the table of scores.
    assert set(seen["measures"]) == set(seen["models"])
    assert 1 < len(seen["models"]) < seen["all"]
    assert seen["copied"] == "Copy text"


@pytest.mark.parametrize(("width", "dark"), [(390, True), (768, False), (1440, True)])
def test_the_page_is_whole_and_says_its_values_at_every_width(
    page: str, tmp_path: Path, width: int, dark: bool
) -> None:
    seen = seen_in(page, LOOK, tmp_path, width, dark=dark)
    assert (seen["width"], seen["dark"], seen["lighter"]) == (width, dark, dark)
    assert seen["contrast"] > 180
    assert seen["requests"] == []
    assert seen["beyond"] <= 0
    assert seen["cut"] == []
    # The column of models stays where the rest of a table is scrolled, and the sections above all.
    assert seen["scrolls"] == (width < 1000)
    assert 0 <= seen["name"][0] < seen["name"][1] < width
    assert seen["nav"] == 0
    first, second, *_ = titles = seen["titles"]
    assert len(titles) > 10
    assert seen["focused"]
    assert seen["said"] == [first, second, first, titles[-1], titles[-1]]
    assert seen["pointed"] == titles[2]
    assert seen["marked"] == [True]
    assert seen["opened"]
    assert seen["folded"]
    # Names of models that are HTML are text, also where the script shows them.
    assert first.startswith("<img src=x")
    assert seen["images"] == 0


@pytest.mark.slow
def test_a_page_that_was_folded_is_printed_whole(page: str, tmp_path: Path) -> None:
    fold = "document.querySelectorAll('details').forEach((one) => { one.open = false; });"
    (tmp_path / "whole.html").write_text(page, encoding="utf-8")
    folded = re.sub(r"<meta http-equiv=[^>]*>", "", page)
    folded = folded.replace("</body>", f"<script>{fold}</script></body>")
    (tmp_path / "folded.html").write_text(folded, encoding="utf-8")
    sheets = []
    for name in ("whole", "folded"):
        pdf = tmp_path / f"{name}.pdf"
        chromium(tmp_path, f"--print-to-pdf={pdf}", (tmp_path / f"{name}.html").as_uri())
        sheets.append(len(re.findall(rb"/Type /Page\b", pdf.read_bytes())))
    assert sheets[0] == sheets[1] > 5


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext on this machine")
def test_a_long_table_has_its_head_on_every_sheet(tmp_path: Path) -> None:
    path, pdf = tmp_path / "page.html", tmp_path / "page.pdf"
    path.write_text(page_of(results(120), BLANK), encoding="utf-8")
    chromium(tmp_path, "--virtual-time-budget=3000", f"--print-to-pdf={pdf}", path.as_uri())
    printed = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, text=True, check=True)
    # One table alone has this heading.
    assert sum("Source accuracy\n" in sheet for sheet in printed.stdout.split("\f")) > 1


AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RUN_AXE = """
axe.run().then((found) => parent.postMessage(JSON.stringify(found.violations.map((one) =>
  [one.impact, one.id, one.nodes.map((node) => node.html.slice(0, 90))])), "*"));
"""


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core here: npm install --no-save axe-core")
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_page_has_no_serious_fault_for_those_who_cannot_see_it(
    page: str, tmp_path: Path, width: int, dark: bool
) -> None:
    script = f"{AXE.read_text('utf-8')};{RUN_AXE}"
    faults = seen_in(page, script, tmp_path, width, dark=dark)
    assert [fault for fault in faults if fault[0] in ("serious", "critical")] == []
