"""The verb of the main job: `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatstats.cli.front import Choice, verb
from hatstats.cli.inputs import StudyPath, read
from hatstats.cli.terminal import progress_bar


@verb("seed", "conf_level", "reference", "method", "with_flagged", "quick")
def report(
    study: StudyPath,
    out: Annotated[Path, typer.Option(help="Folder to write; an earlier run there is replaced.")],
    *,
    choice: Choice,
) -> None:
    """Do the main job: scores, trends, verdicts, tables, figures and one HTML page."""
    from hatstats.report.folder import check_out

    check_out(out)
    data, _ = read(study, choice)
    from hatstats.report.analysis import Options, analyse
    from hatstats.report.run import write_run

    options = Options(
        method=choice.method,
        reference=choice.reference,
        conf_level=choice.conf_level,
        seed=choice.seed,
        with_flagged=choice.with_flagged,
        quick=choice.quick,
    )
    with progress_bar() as progress:
        analysis = analyse(data, options, progress=lambda what, share: progress(what, 0.7 * share))
        progress("tables and figures", 0.75)
        folder = write_run(analysis, out, arguments=_arguments(study, choice))
    if choice.json:
        print((folder / "results.json").read_text(encoding="utf-8"), end="")
        return
    for line in analysis.answer:
        print(line)
    print(f"\nReport: {folder / 'report.html'}")


def _arguments(study: Path, choice: Choice) -> dict[str, object]:
    """Arguments to record: a path that would name this machine is cut to its last part."""
    return {
        "study": study.name if study.is_absolute() else study.as_posix(),
        "seed": choice.seed,
        "conf_level": choice.conf_level,
        "reference": choice.reference,
        "method": choice.method,
        "with_flagged": choice.with_flagged,
        "quick": choice.quick,
    }
