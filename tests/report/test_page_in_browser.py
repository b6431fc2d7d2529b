"""The page in a browser: its script runs under its own policy, sorts, filters and opens."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.report.frames import results
from tests.report.test_html_page import BLANK, page_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
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


def in_browser(page: str, folder: Path, width: int = 1000) -> tuple[str, str]:
    """What the page has become once it is loaded, and what the browser said."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--window-size={width},900"]
    command += ["--enable-logging=stderr", "--virtual-time-budget=3000"]
    command += [f"--user-data-dir={folder / 'profile'}", path.as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return run.stdout, "\n".join(re.findall(r".*CONSOLE.*", run.stderr))


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


AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.skipif(not AXE.exists(), reason="no axe-core here: npm install --no-save axe-core")
def test_the_page_has_no_serious_fault_for_those_who_cannot_see_it(
    tmp_path: Path, width: int
) -> None:
    page = re.sub(r"<meta http-equiv=[^>]*>", "", page_of(results(12)))
    run = "axe.run().then((found) => { document.title = JSON.stringify(found.violations.map("
    run += "(one) => [one.impact, one.id, one.nodes.map((node) => node.html.slice(0, 90))])); });"
    scripts = f"<script>{AXE.read_text('utf-8')}</script><script>{run}</script></body>"
    dom, _ = in_browser(page.replace("</body>", scripts), tmp_path, width)
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title is not None
    faults = json.loads(html.unescape(title[1]))
    assert [fault for fault in faults if fault[0] in ("serious", "critical")] == []
