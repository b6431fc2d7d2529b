"""Verbs about how strong transfer is: `report`, `score`, `compare`, `measures`, `decompose`."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hatstats.cli.front import FAILED, Choice, StudyPath, open_study, read, verb
from hatstats.cli.terminal import print_json, print_json_text, print_tables, progress_bar, say
from hatstats.errors import DataError

if TYPE_CHECKING:
    from hatstats.scores.languages.result import LanguageScores


@verb("seed", "conf_level", "reference", "method", "scope", "with_flagged", "quick", "source",
      "chance")  # fmt: skip
def report(
    study: StudyPath,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write, an earlier run is replaced; results/NAME if not given."
        ),
    ] = None,
    bayes: Annotated[
        bool, typer.Option("--bayes", help="Also fit the hierarchical model (a minute).")
    ] = False,
    *,
    choice: Choice,
) -> None:
    """Write scores, trends, verdicts, tables, figures and an HTML page to a folder."""
    from hatstats.report.manifest import DEMO_STUDY, check_out
    from hatstats.study.read import DEMO

    out = Path("results") / study.stem if out is None else out
    check_out(out)
    data = open_study(study, choice)
    from hatstats.report.results.analysis import analyse
    from hatstats.report.results.results import ReportOptions
    from hatstats.report.run_folder import write_run
    from hatstats.scores.score_text import how_scored

    shared = {each.name: getattr(choice, each.name) for each in fields(ReportOptions)
              if hasattr(choice, each.name)}  # fmt: skip
    options = ReportOptions(**shared, bayes=bayes)
    # A path that would name this machine is cut to its last part.
    name = study.name if study.is_absolute() else study.as_posix()
    name = DEMO_STUDY if study == DEMO else name
    with progress_bar() as progress:
        results = analyse(data, options, progress=lambda what, share: progress(what, 0.7 * share))
        progress("tables and figures", 0.75)
        table = {"source": choice.source, "chance": choice.chance} if study.is_file() else {}
        folder = write_run(results, out, arguments={"study": name, **table, **asdict(options)})
    if choice.json:
        print_json_text((folder / "results.json").read_text(encoding="utf-8"))
    else:
        for line in results.key_results:
            print(line)
        facts = {name: str(value) for name, value in results.facts.items()}
        say(how_scored(facts["method"], facts["reference"]))
        if facts["reason"]:
            say(f"{facts['reason']} Intervals: {facts['scope']}.")
        for line in results.bayes.words if results.bayes else ():
            say(line)
        print(f"\nReport: {folder / 'report.html'}")
    if results.bayes and not results.bayes.passed:
        raise typer.Exit(FAILED)


@verb("seed")
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("hatstats-demo"),
    *,
    choice: Choice,
) -> None:
    """Write the report of a small real study that comes with hatstats, to see what it is like."""
    from hatstats.study.read import DEMO

    report(DEMO, out, choice=replace(choice, quick=True))
    if not choice.json:
        say(f"The study itself: {DEMO}; in Python: hatstats.load_demo().")


Languages = Annotated[
    str | None, typer.Option(help="Target languages to average over, joined by commas.")
]


@verb("seed", "conf_level", "reference", "method", "scope", "with_flagged", "source", "chance")
def score(
    study: StudyPath,
    *,
    languages: Languages = None,
    by: Annotated[
        str | None,
        typer.Option(help="Scores by language, or a column of languages.csv: script, resource."),
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="With --by: these models only, joined by commas.")
    ] = None,
    each: Annotated[
        bool, typer.Option("--each", help="With --by: a score of each model, not of their mean.")
    ] = False,
    weights: Annotated[
        str | None, typer.Option(help="With --by: weight languages by this column (speakers).")
    ] = None,
    choice: Choice,
) -> None:
    """Print the HAT score of every model, best first; or of languages."""
    _, used = read(study, choice)
    from hatstats.estimators.methods import fit_profile

    with progress_bar() as progress:
        progress("profiles", 0.1)
        profile = fit_profile(used, method=choice.method, progress=progress)
        scores = profile.hat(
            choice.reference, languages=_names(languages), scope=choice.scope, progress=progress
        )
    if by is None and (models or each or weights):
        raise DataError("--models, --each and --weights go with --by.", hint="say --by language.")
    facts = {"method": scores.method, "reference": scores.reference, "scope": scores.scope}
    if by is not None:
        found = scores.by(by, models=_names(models), each_model=each, weights=weights)
        if choice.json:
            apart = found.against_mean(choice.conf_level, rng=choice.seed)
            tables = {"scores": found.tidy(choice.conf_level), "against_mean": apart}
            print_json({**facts, "by": by, "seed": choice.seed, "notes": found.notes, **tables})
        else:
            _print_languages(found, choice)
    elif choice.json:
        print_json({**facts, "estimand": scores.estimand, "scores": scores.tidy(choice.conf_level)})
    else:
        from hatstats.scores.score_text import how_scored, ranking, score_head, score_notes

        say("\n".join(score_head(scores, choice.conf_level)))
        say(how_scored(scores.method, scores.reference))
        print_tables(ranking=ranking(scores, choice.conf_level, choice.seed))
        say("\n".join(score_notes(scores)))


def _print_languages(found: LanguageScores, choice: Choice) -> None:
    """Scores of languages: sentences, a table, and what to beware of."""
    from hatstats.report.tables.text_table import Column, make_table
    from hatstats.scores.score_text import how_scored, language_head, language_rows
    from hatstats.study.languages.metadata import group_words

    title, *apart = language_head(found, choice.conf_level)
    say("\n".join([title, how_scored(found.method, found.reference), *apart]))
    rows = language_rows(found, choice.conf_level, choice.seed)
    if found.labels.nlevels == 2:
        groups = [
            Column(name, group_words(found.column, name), "value")
            for name in map(str, list(rows)[1:])
        ]
        print_tables(make_table(rows, [Column("model", "Model"), *groups]))
    else:
        name = "by_language" if found.column == "language" else "by_group"
        print_tables(**{name: rows})
    say("\n".join(found.notes))


def _names(text: str | None) -> list[str] | None:
    """Names joined by commas as a list."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


@verb("seed", "conf_level", "reference", "method", "scope", "with_flagged", "source", "chance")
def compare(
    study: StudyPath,
    a: Annotated[str, typer.Argument(help="A model, or several joined by commas.")],
    b: Annotated[str, typer.Argument(help="What to compare with, in the same form.")],
    *,
    language: Annotated[
        str | None, typer.Option(help="Only in these target languages, joined by commas.")
    ] = None,
    choice: Choice,
) -> None:
    """Print accuracy and HAT of two models, overall and in each language."""
    _, used = read(study, choice)
    from hatstats.estimators.methods import fit_profile
    from hatstats.other_measures.comparison import compare_models
    from hatstats.scores.score_text import how_scored

    sides = [_models(text, used.model_names) for text in (a, b)]
    with progress_bar() as progress:
        progress("profiles", 0.1)
        profile = fit_profile(used, method=choice.method, progress=progress)
        found = compare_models(
            profile,
            sides[0],
            sides[1],
            languages=_names(language),
            reference=choice.reference,
            scope=choice.scope,
            conf_level=choice.conf_level,
            rng=choice.seed,
        )
    if choice.json:
        print_json({"a": found.a, "b": found.b, "notes": found.notes, "rows": found.tidy()})
    else:
        say(found.finding)
        say(how_scored(profile.method, str(found.table["reference"].iloc[-1])))
        say(f"{found.caption}.")
        print_tables(comparison_of_two=found.tidy())
        say("\n".join(found.notes))


@verb("seed", "conf_level", "reference", "method", "with_flagged")
def measures(
    study: StudyPath,
    *,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Show the rank agreement of HAT with each measure.")
    ] = False,
    choice: Choice,
) -> None:
    """Print every other measure of transfer that the study allows."""
    _, used = read(study, choice)
    from hatstats.other_measures.draws import measure_draws
    from hatstats.other_measures.table import measures as measure

    ranking = None
    with progress_bar() as progress:
        progress("measures", 0.1)
        rows = measure(used, conf_level=choice.conf_level, rng=choice.seed)
        if agreement:
            progress("draws of every measure", 0.5)
            draws = measure_draws(
                used, method=choice.method, reference=choice.reference, rng=choice.seed
            )
            ranking = draws.agreement(choice.conf_level)
    if choice.json:
        print_json(rows if ranking is None else {"measures": rows, "agreement": ranking})
        return
    from hatstats.report.tables.run_tables import measures_table, other_measures_table, why_blank

    print_tables(measures_table(rows, intervals=False), other_measures_table(rows))
    for reason in why_blank(rows):
        say(reason)
    if ranking is not None:
        print("\nRank agreement with HAT (Kendall's tau)")
        print_tables(agreement=ranking)


@verb("conf_level", "method", "scope", "with_flagged")
def decompose(
    study: StudyPath,
    before: Annotated[str, typer.Argument(help="A model, a year, or models joined by commas.")],
    after: Annotated[str, typer.Argument(help="What to compare with, in the same form.")],
    *,
    family: Annotated[
        str | None, typer.Option(help="With years: only the models of this family.")
    ] = None,
    choice: Choice,
) -> None:
    """Split a change in raw target accuracy into source ability and transfer."""
    _, used = read(study, choice)
    from hatstats.trends.decomposition import decompose as split

    sides = [_side(text, used.model_names) for text in (before, after)]
    with progress_bar() as progress:
        progress("two profiles", 0.1)
        found = split(
            used, sides[0], sides[1], family=family, method=choice.method, scope=choice.scope
        )
    if choice.json:
        facts = {"before": found.before, "after": found.after, "raw": found.raw}
        print_json({**facts, "parts": found.tidy(choice.conf_level)})
    else:
        from hatstats.inference.intervals import percent
        from hatstats.scores.score_text import how_scored
        from hatstats.trends.trend_text import change_words

        say(change_words(found))
        method, _, over = found.method.partition(", ")
        level = percent(choice.conf_level)
        say(f"{how_scored(method)} {level} intervals: {over}, models as they are.")
        print_tables(parts=found.tidy(choice.conf_level))
        say("\n".join(found.notes))


def _side(text: str, models: list[str]) -> str | int | list[str]:
    """The name of a model, a year, or several names."""
    if text not in models and text.isdigit() and len(text) == 4:
        return int(text)
    return _models(text, models)


def _models(text: str, models: list[str]) -> str | list[str]:
    """The name of a model, or several names; a name may have a comma."""
    return text if text in models or "," not in text else _names(text) or text
