"""Tables compile without an overhanging line, and a paper takes its numbers from a run.

They need pdflatex with siunitx; where these are missing the tests are skipped, and say so.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hatstats import plot
from hatstats.report.results.results import Results
from hatstats.report.tables.latex import to_latex
from hatstats.report.tables.latex_macros import captions_tex, macros, numbers_tex
from hatstats.report.tables.methods_text import methods_text
from hatstats.report.tables.run_tables import Shown, table_of, tables_of
from tests.report.frames import results, score_frame

PAPER = Path(__file__).parents[2] / "paper" / "paper.tex"
#: Points by which a line may overhang.
_MOST = 5.0
_ACL = r"\usepackage[a4paper,margin=2.5cm]{geometry}\setlength{\columnsep}{0.6cm}"


def _missing() -> str:
    """What is not there to compile with; empty if all is."""
    for name in ("pdflatex", "bibtex"):
        if shutil.which(name) is None:
            return f"{name} is not installed"
    found = subprocess.run(["kpsewhich", "siunitx.sty"], capture_output=True, check=False)
    return "" if found.stdout.strip() else "the LaTeX package siunitx is not installed"


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing() or "LaTeX is there")


def compiled(path: Path) -> str:
    """The log of a document that must compile."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, check=False)
    log = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, log[-2000:]
    return log


def overhanging(log: str) -> list[float]:
    """Points by which lines overhang, above what is allowed."""
    found = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    return [points for points in found if points > _MOST]


def latex_of(shown: Shown) -> str:
    narrow = shown.name == "main"
    return to_latex(
        shown.table, caption=shown.title, note=shown.note, label=f"tab:{shown.name}", narrow=narrow
    )


@pytest.mark.parametrize(
    ("options", "extra"), [("onecolumn", ""), ("twocolumn", ""), ("11pt,twocolumn", _ACL)]
)
def test_every_table_compiles_and_none_overhangs(tmp_path: Path, options: str, extra: str) -> None:
    frame = score_frame(140)
    long = table_of("scores", frame.assign(model="allenai/a-long-name-" + frame["model"]))
    shown = [latex_of(each) for each in tables_of(results(20))]
    start = rf"\documentclass[{options}]{{article}}\usepackage{{booktabs,siunitx}}{extra}"
    body = [*shown, to_latex(long, caption="50 % of a_b", note="#", label="t")]
    text = "\n\\clearpage\n".join([rf"{start}\begin{{document}}", *body, r"\end{document}"])
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    log = compiled(tmp_path / "t.tex")
    assert "Float too large" not in log
    assert overhanging(log) == []


def test_an_overhanging_line_would_be_found(tmp_path: Path) -> None:
    start = r"\documentclass{article}\begin{document}\noindent"
    text = rf"{start}\hbox to 10pt{{too long a text}}\end{{document}}"
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    assert len(overhanging(compiled(tmp_path / "t.tex"))) == 1


def run_of(shown: Results, folder: Path) -> None:
    """What the paper reads of a run."""
    (folder / "tables").mkdir(parents=True)
    (folder / "figures").mkdir()
    text = numbers_tex(macros(shown), study=shown.info["name"])
    (folder / "numbers.tex").write_text(text, encoding="utf-8")
    for each in tables_of(shown):
        text = latex_of(each).replace("tab:main", "tab:toy-study-main")
        (folder / "tables" / f"{each.name}.tex").write_text(text, encoding="utf-8")
    said = methods_text(shown, "0.1.0")
    forest = plot.forest(shown.scores)
    plot.save(forest, folder / "figures" / "forest")
    caption = captions_tex([("forest", 3.03, plot.caption(forest), plot.alt_text(forest))])
    for name, text in {**said.latex(), "captions.tex": caption}.items():
        (folder / name).write_text(text, encoding="utf-8")


def test_the_paper_changes_when_the_data_do(tmp_path: Path) -> None:
    said = []
    for name, shift in (("first", 0.0), ("second", -0.1)):
        run_of(results(20, shift=shift), tmp_path / name)
        text = PAPER.read_text(encoding="utf-8").replace("../results/euroeval", name)
        (tmp_path / "paper.tex").write_text(text, encoding="utf-8")
        compiled(tmp_path / "paper.tex")
        cited = subprocess.run(["bibtex", "paper"], cwd=tmp_path, capture_output=True, check=False)
        assert b"Warning--I didn't find" not in cited.stdout
        assert b"error message" not in cited.stdout
        for _ in range(2):
            log = compiled(tmp_path / "paper.tex")
        assert overhanging(log) == []
        assert "undefined" not in log
        said += re.findall(r"^hatstats: (.*)$", log, flags=re.MULTILINE)
    assert said == ["Gemma-4-1B 0.786", "Gemma-4-1B 0.686"]
