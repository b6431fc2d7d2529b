"""The run folder: every number, table and figure of an analysis, with a manifest."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hatstats.report.atomic_folder import whole_folder
from hatstats.report.figures.run_figures import figures_of
from hatstats.report.figures.style import save_figure
from hatstats.report.html_page import Origin, report_page
from hatstats.report.manifest import (
    DIGITS,
    SCHEMA_VERSION,
    json_text,
    manifest_text,
    sha256,
    short_names,
    versions,
)
from hatstats.report.results.analysis import Analysis
from hatstats.report.results.collect import collect
from hatstats.report.results.results import Results
from hatstats.report.tables.latex import to_latex
from hatstats.report.tables.latex_macros import macros, numbers_tex
from hatstats.report.tables.run_tables import tables_of


def write_run(analysis: Analysis, out: Path, *, arguments: Mapping[str, Any]) -> Path:
    """Write the run folder of an analysis.

    Parameters
    ----------
    analysis : Analysis
    out : Path
        The folder to write; an earlier run folder is replaced, anything else is refused.
    arguments : mapping
        What the user asked for, recorded in the manifest, without `out`: it changes no number.

    Returns
    -------
    Path
        The folder, with `results.json`, `scores.csv`, `trends.csv`, `claims.csv`, `measures.csv`,
        `specification.csv`, `numbers.tex`, `report.html`, `manifest.json`, `tables/*.tex` and
        `figures/*.{pdf,svg,png}`. The same analysis gives the same bytes.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    results = collect(analysis)
    with whole_folder(Path(out)) as folder:
        _write_numbers(results, folder)
        tables = tables_of(results)
        (folder / "tables").mkdir()
        for shown in tables:
            label = f"tab:{results.info['name']}-{shown.name}".replace("_", "-")
            text = to_latex(shown.table, caption=shown.caption, label=label)
            (folder / "tables" / f"{shown.name}.tex").write_text(text, encoding="utf-8")
        (folder / "figures").mkdir()
        figures = []
        for drawn in figures_of(results):
            paths = save_figure(drawn.figure, folder / "figures" / drawn.name)
            figures.append((drawn, paths["svg"].read_text(encoding="utf-8")))
        inputs = short_names(results.files)
        origin = Origin(
            command=command_line(arguments),
            seed=int(results.facts["seed"]),
            versions=versions(),
            inputs={name: sha256(path) for name, path in sorted(inputs.items())},
        )
        page = report_page(results, figures, tables, origin)
        (folder / "report.html").write_text(page, encoding="utf-8")
        manifest = manifest_text(folder, arguments=arguments, seed=origin.seed, inputs=inputs)
        (folder / "manifest.json").write_text(manifest, encoding="utf-8")
    return Path(out)


def _write_numbers(results: Results, folder: Path) -> None:
    """Write the CSV files, `results.json` and `numbers.tex`."""
    frames = {
        "scores": results.scores,
        "trends": results.trends,
        "claims": results.claims,
        "measures": results.measures,
        "specification": results.specification,
    }
    if results.check_words:
        frames |= {"checks": results.checks, "items": results.items}
    frames |= {f"bayes_{name}": frame for name, frame in results.bayes.items()}
    for name, frame in frames.items():
        write_csv(frame, folder / f"{name}.csv")
    content = {
        "schema_version": SCHEMA_VERSION,
        "study": dict(results.info),
        "analysis": dict(results.facts),
        "key_results": results.key_results,
        "check_words": results.check_words,
        "bayes_words": results.bayes_words,
        **frames,
        "scores_covariance": {
            "models": list(results.cov.columns),
            "cov": results.cov.to_numpy(float),
        },
        "comparison": results.comparison,
        "registration": results.registration,
        "margins": results.margins,
        "shares": results.shares,
        "leverage": results.leverage,
        "influence": results.influence,
        "decompositions": results.decompositions,
        "flagged": results.flagged,
        "left_out": results.left_out,
    }
    (folder / "results.json").write_text(json_text(content), encoding="utf-8")
    text = numbers_tex(macros(results), study=results.info["name"])
    (folder / "numbers.tex").write_text(text, encoding="utf-8")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as CSV: UTF-8, line feeds, unknown cells empty, ISO dates."""
    text = frame.to_csv(
        index=False, float_format=f"%.{DIGITS}g", date_format="%Y-%m-%d", lineterminator="\n"
    )
    path.write_bytes(text.encode("utf-8"))


def command_line(arguments: Mapping[str, Any]) -> str:
    """Put recorded arguments back into the command that a reader can type."""
    parts = ["hatstats", "report", shlex.quote(str(arguments.get("study", "STUDY"))), "--out DIR"]
    for name, value in arguments.items():
        if name == "study" or value is None or value is False:
            continue
        option = f"--{name.replace('_', '-')}"
        parts.append(option if value is True else f"{option} {shlex.quote(str(value))}")
    return " ".join(parts)
