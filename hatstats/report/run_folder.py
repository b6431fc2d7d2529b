"""The run folder: every number, table and figure of an analysis, with a manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from hatstats.errors import explained_imports
from hatstats.report import manifest
from hatstats.report.figures.run_figures import figures_of
from hatstats.report.figures.style import save
from hatstats.report.html_page import report_page
from hatstats.report.results.analysis import analyse
from hatstats.report.results.results import ReportOptions, Results
from hatstats.report.tables.latex import to_latex
from hatstats.report.tables.latex_macros import captions_tex, macros, numbers_tex
from hatstats.report.tables.methods_text import methods_text
from hatstats.report.tables.run_tables import tables_of
from hatstats.study import Study, as_study
from hatstats.study.files import no_formula
from hatstats.study.outputs import whole_output
from hatstats.study.read import read_study


@explained_imports()
def write_report(
    study: Study | str | Path,
    out: str | Path,
    options: ReportOptions | None = None,
    *,
    progress: Callable[[str, float], None] | None = None,
) -> Path:
    """Write scores, trends, verdicts, tables, figures and an HTML page to a folder.

    Parameters
    ----------
    study : Study, str or path
        A study, or the folder or table that `read_study` reads, with its flagged cells; they are
        left out unless the options say otherwise.
    out : str or path
        The folder to write; an earlier run folder is replaced, but for files that no run wrote.
        Anything else is refused.
    options : ReportOptions, optional
        Estimator, reference distribution, level, seed, and what to skip or add.
    progress : callable, optional
        Called as ``progress(what, share)`` while working, share from 0 to 1.

    Returns
    -------
    Path
        The folder: `report.html` to read, `results.json` with every number, the same as CSV files,
        `numbers.tex`, `methods.md`, `methods.tex`, `results.tex`, `methods.bib`, `captions.tex`,
        `tables/*.tex`, `figures/*` and `manifest.json`.

    Raises
    ------
    DataError
        If the folder cannot be written, or the study is wrong.
    NotIdentifiedError, FitError
        If the study cannot give scores. Trends and claims that it cannot test are part of the
        report, with the reason.

    See Also
    --------
    hatstats.fit_profile : scores without a report.

    Examples
    --------
    >>> import tempfile
    >>> import hatstats as hs
    >>> shape = hs.Shape(n_items=40, n_languages=1, n_trials=4)
    >>> study = hs.simulate_study([-0.5, 0.0, 0.5], shape=shape, rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = hs.write_report(
    ...         study, f"{folder}/run", hs.ReportOptions(method="observed", quick=True)
    ...     )
    ...     print(sorted(path.name for path in written.glob("*.html")))
    ['report.html']
    """
    study = read_study(study) if isinstance(study, str | Path) else as_study(study, "write_report")
    manifest.check_out(out)
    options = options or ReportOptions()
    show = progress or (lambda what, share: None)
    results = analyse(study, options, progress=lambda what, share: show(what, 0.7 * share))
    show("tables and figures", 0.75)
    folder = write_run(results, Path(out), arguments={"study": study.name, **asdict(options)})
    show("done", 1.0)
    return folder


def write_run(results: Results, out: Path, *, arguments: Mapping[str, Any]) -> Path:
    """Write the run folder of an analysis; the same results give the same bytes.

    `arguments` is what the user asked for, recorded in the manifest, without `out`, which changes
    no number.
    """
    with whole_output(out, manifest.run_written, name="--out") as folder:
        _write_numbers(results, folder)
        tables = tables_of(results)
        (folder / "tables").mkdir()
        for shown in tables:
            label = f"tab:{results.info['name']}-{shown.name}".replace("_", "-")
            narrow = shown.name == "main"
            text = to_latex(
                shown.table, caption=shown.title, label=label, note=shown.note, narrow=narrow
            )
            (folder / "tables" / f"{shown.name}.tex").write_text(text, encoding="utf-8")
        (folder / "figures").mkdir()
        figures = []
        for drawn in figures_of(results):
            paths = save(drawn.figure, folder / "figures" / drawn.name)
            figures.append((drawn, paths["svg"].read_text(encoding="utf-8")))
        words = [f"## {d.name}\n\n{d.title}. {d.caption}\n\nAlt: {d.alt}\n" for d, _ in figures]
        captions = folder / "figures" / "captions.md"
        captions.write_text("\n".join(words), encoding="utf-8")
        origin = manifest.origin_of(arguments, int(results.facts["seed"]), results.files)
        said = methods_text(results, origin.versions["hatstats"])
        sized = ((d.name, d.figure.get_figwidth(), d.caption, d.alt) for d, _ in figures)
        written = {"methods.md": said.markdown(), "captions.tex": captions_tex(sized)}
        for name, text in (written | said.latex()).items():
            (folder / name).write_text(text, encoding="utf-8")
        page = report_page(results, figures, tables, origin)
        (folder / "report.html").write_text(page, encoding="utf-8")
        text = manifest.manifest_text(folder, origin)
        (folder / "manifest.json").write_text(text, encoding="utf-8")
    return Path(out)


def _write_numbers(results: Results, folder: Path) -> None:
    """Write the CSV files, `results.json` and `numbers.tex`."""
    written = ("scores", "pairs", "trends", "claims", "measures", "specification")
    frames = {name: getattr(results, name) for name in written}
    for name in ("decompositions", "cells"):
        if len(rows := getattr(results, name)):
            frames[name] = rows
    if (part := results.languages) is not None:
        named = {"languages": part.table, "language_groups": part.groups, "faults": part.faults,
                 "without_faults": part.without}  # fmt: skip
        frames |= {name: rows for name, rows in named.items() if len(rows)}
    checks, bayes = results.checks, results.bayes
    if checks is not None:
        frames |= {"checks": checks.table, "items": checks.items}
        if len(checks.by_correlation):
            frames["correlation"] = checks.by_correlation
        if len(checks.by_residual):
            frames["residual"] = checks.by_residual
    if bayes is not None:
        parts = ("claims", "scores", "shrinkage", "prior", "checks")
        frames |= {f"bayes_{name}": getattr(bayes, name) for name in parts}
    frames = {name: _labelled(frame, results) for name, frame in frames.items()}
    for name, frame in frames.items():
        write_csv(frame, folder / f"{name}.csv")
    others = ("comparison", "registration", "margins", "shares", "leverage", "influence",
              "flagged", "left_out")  # fmt: skip
    content = {
        "schema_version": manifest.SCHEMA_VERSION,
        "study": dict(results.info),
        "analysis": dict(results.facts),
        "key_results": results.key_results,
        "check_words": checks.words if checks else (),
        "language_words": part.words if part else (),
        "bayes_words": bayes.words if bayes else (),
        **frames,
        "scores_covariance": {"models": list(results.cov), "cov": results.cov.to_numpy(float)},
        **{name: getattr(results, name) for name in others},
    }
    (folder / "results.json").write_text(manifest.json_text(content), encoding="utf-8")
    text = numbers_tex(macros(results), study=results.info["name"])
    (folder / "numbers.tex").write_text(text, encoding="utf-8")


def _labelled(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """A frame with the name beside the code of a language, and whether the data inform a model."""
    if "language" in frame and "name" not in frame and "language" in results.cells:
        names = dict(zip(results.cells["language"], results.cells["name"], strict=True))
        frame = frame.copy()
        after = list(frame.columns).index("language") + 1
        frame.insert(after, "name", frame["language"].map(names).fillna(frame["language"]))
    if "model" in frame and "informed" not in frame:
        informed = frame["model"].map(results.scores.set_index("model")["informed"])
        if informed.notna().any():  # a row may be about all models
            frame = frame.assign(informed=informed.astype("boolean"))
    return frame


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as CSV: UTF-8, line feeds, unknown cells empty, ISO dates.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    quoted = {
        name: frame[name].map(lambda cell: no_formula(cell) if isinstance(cell, str) else cell)
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name])
    }
    text = frame.assign(**quoted).to_csv(
        index=False,
        float_format=f"%.{manifest.DIGITS}g",
        date_format="%Y-%m-%d",
        lineterminator="\n",
    )
    path.write_bytes(text.encode("utf-8"))
