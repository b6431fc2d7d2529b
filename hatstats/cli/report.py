"""The verb of the main job: `report`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hatstats.cli.front import FAILED, Choice, StudyPath, read, verb
from hatstats.cli.terminal import progress_bar, say


@verb("seed", "conf_level", "reference", "method", "with_flagged", "quick")
def report(
    study: StudyPath,
    out: Annotated[Path, typer.Option(help="Folder to write; an earlier run is replaced.")],
    bayes: Annotated[
        bool, typer.Option("--bayes", help="Also fit the hierarchical model (a minute).")
    ] = False,
    *,
    choice: Choice,
) -> None:
    """Write scores, trends, verdicts, tables, figures and an HTML page to a folder."""
    from hatstats.report.manifest import check_out

    check_out(out)
    data, _ = read(study, choice)
    from hatstats.report.results.analysis import analyse
    from hatstats.report.results.results import ReportOptions
    from hatstats.report.run_folder import write_run

    options = ReportOptions(
        seed=choice.seed,
        conf_level=choice.conf_level,
        reference=choice.reference,
        method=choice.method,
        with_flagged=choice.with_flagged,
        quick=choice.quick,
        bayes=bayes,
    )
    # A path that would name this machine is cut to its last part.
    name = study.name if study.is_absolute() else study.as_posix()
    with progress_bar() as progress:
        results = analyse(data, options, progress=lambda what, share: progress(what, 0.7 * share))
        progress("tables and figures", 0.75)
        folder = write_run(results, out, arguments={"study": name, **asdict(options)})
    if choice.json:
        print((folder / "results.json").read_text(encoding="utf-8"), end="")
    else:
        for line in results.key_results:
            print(line)
        for line in results.bayes.words if results.bayes else ():
            say(line)
        print(f"\nReport: {folder / 'report.html'}")
    if results.bayes and not results.bayes.passed:
        raise typer.Exit(FAILED)
