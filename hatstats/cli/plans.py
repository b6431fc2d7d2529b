"""Verbs about studies to come and about the measures themselves: `plan`, `stress`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hatstats.cli.front import Choice, verb
from hatstats.cli.terminal import print_json, print_tables, progress_bar, say

StudyOption = Annotated[
    Path | None, typer.Argument(help="A study with items; simulated if not given.")
]


@verb("seed")
def plan(
    pilot: StudyOption = None,
    *,
    items: Annotated[list[int], typer.Option(help="Items; may be repeated.")] = [250, 500, 1000],  # noqa: B006
    trials: Annotated[list[int], typer.Option(help="Trials per item.")] = [5, 10],  # noqa: B006
    languages: Annotated[list[int], typer.Option(help="Target languages.")] = [10],  # noqa: B006
    families: Annotated[
        list[str], typer.Option(help="Models in each family, such as 6,5,3,3,2,1.")
    ] = ["6,5,3,3,2,1"],  # noqa: B006
    slope: Annotated[float, typer.Option(help="True slope of HAT, per unit.")] = 0.05,
    precision: Annotated[
        float | None,
        typer.Option(help="Name the cheapest design with at most this standard error."),
    ] = None,
    choice: Choice,
) -> None:
    """Print standard errors of HAT and power of claims for designs of a new study."""
    from hatstats.study.read import read_study
    from hatstats.trends.planning.assumptions import PlanAssumptions
    from hatstats.trends.planning.designs import PlanEffects, PlanSizes, parse_families
    from hatstats.trends.planning.designs import plan as make

    sizes = PlanSizes(
        tuple(items),
        tuple(trials),
        tuple(languages),
        tuple(parse_families(text) for text in families),
    )
    assumed = PlanAssumptions() if pilot is None else read_study(pilot).without_flagged()
    with progress_bar() as progress:
        made = make(
            assumed,
            sizes,
            effects=PlanEffects(slope=slope),
            n_jobs=-1 if len(items) * len(trials) * len(languages) > 4 else 1,
            rng=choice.seed,
            progress=progress,
        )
    best = made.cheapest(std_error=precision) if precision is not None else None
    if choice.json:
        print_json({"designs": made.table, "cheapest": best})
        return
    say("\n".join(made.words))
    print_tables(plan=made.table)
    if best is not None:
        if best.empty:
            say(f"No design has a standard error of {precision:g} or less.")
        else:
            row = best.iloc[0]
            say(
                f"Cheapest with a standard error of {precision:g}: {row['items']:.0f} items, "
                f"{row['trials']:.0f} trials, {row['languages']:.0f} languages."
            )


@verb("seed")
def stress(
    study: StudyOption = None,
    *,
    items: Annotated[int, typer.Option(min=100, help="Items to simulate.")] = 4_000,
    studies: Annotated[int, typer.Option(min=1, help="Studies to simulate.")] = 2,
    piled: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of items solved nearly always or never.")
    ] = 0.0,
    out: Annotated[Path | None, typer.Option(help="Folder for table and figure.")] = None,
    choice: Choice,
) -> None:
    """Show which measures move with source ability and which with transfer only."""
    from hatstats.calibration.stress import StressDesign, stress_test
    from hatstats.simulation.simulate import Shape

    data = None
    if out is not None:
        from hatstats.report.manifest import check_out

        check_out(out)
    if study is not None:
        from hatstats.study.read import read_study

        data = read_study(study).without_flagged()
    with progress_bar() as progress:
        table = stress_test(
            data,
            StressDesign(shape=Shape(items, 2, piled=piled)),
            n_seeds=studies,
            rng=choice.seed,
            progress=progress,
        )
    if out is not None:
        from hatstats.report.figures.bar_charts import leakage
        from hatstats.report.figures.style import save
        from hatstats.report.manifest import manifest_text, origin_of, run_written
        from hatstats.report.run_folder import write_csv
        from hatstats.study.outputs import whole_output

        with whole_output(out, run_written, name="--out") as new:
            write_csv(table, new / "stress.csv")
            save(leakage(table), new / "stress")
            origin = origin_of(
                {"items": items, "studies": studies, "piled": piled}, choice.seed, ()
            )
            (new / "manifest.json").write_text(manifest_text(new, origin), encoding="utf-8")
    if choice.json:
        print_json(table)
        return
    print_tables(stress=table)
    say("Leakage: change per logit of source ability over change per logit of transfer.")
