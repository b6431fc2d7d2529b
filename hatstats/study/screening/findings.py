"""What looks wrong in a study, cell by cell and model by model, and how it is excluded by name.

A finding is evidence, not a verdict: nothing is flagged or excluded until a user says so.
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from hatstats.errors import DataError
from hatstats.study.files import read_table, replace_table, study_table
from hatstats.study.losses import unequal_losses
from hatstats.study.schema import near
from hatstats.study.screening.failed_extraction import cell_accuracies, suspicious_cells
from hatstats.study.study import Study

#: Kinds of findings, the gravest first, and what each means.
KINDS = {
    "missing-answers": "Answers that could not be used, more than in the model's other languages",
    "extraction-failure": "Far below the model's other languages: look at the answers",
    "unknown-language": "Far below the model's other languages, which it does not seem to know",
    "zero-accuracy": "Nothing right where the model is right elsewhere",
    "source-below-all": "Source language below every other language of the model",
    "identical-counts": "The same answers item by item",
    "model-twins": "Two names with the same results throughout",
    "item-twins": "Items that look like two versions of one question",
    "floor": "At the chance level: little can be learnt",
    "ceiling": "Nearly everything right: little can be learnt",
    "unequal-n": "Asked more or less often than the model's other languages",
}
#: Fewest items whose equality is remarked on, and fewest right and wrong ones among them.
MIN_ITEMS, MIN_EACH = 20, 5
#: A model "is right elsewhere" from this accuracy above chance on.
CLEARLY_ABOVE = 0.10
CEILING = 0.98
#: Kind, languages and evidence of what looks wrong in a model and benchmark.
Found = tuple[str, tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that looks wrong, of a kind in `KINDS`, with one sentence of evidence.

    Empty `model`, `benchmark`, `languages` or `items` mean that it concerns all of them.
    """

    kind: str
    model: str
    benchmark: str
    languages: tuple[str, ...]
    evidence: str
    items: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name by which it is excluded: kind, model, benchmark, and language if it is one."""
        one = self.languages if len(self.languages) == 1 else ()
        return ":".join(part for part in (self.kind, self.model, self.benchmark, *one) if part)

    def command(self, study: str) -> str:
        """The command that flags the cells concerned."""
        return shlex.join(["hatstats", "exclude", study, self.name])


def findings(study: Study) -> list[Finding]:
    """Look for everything in `KINDS`, in that order; existing flags make no difference."""
    cells = cell_accuracies(study)
    chances = study.benchmarks.set_index("benchmark")["chance"]
    missing = {
        (lost.model, lost.benchmark, lost.language): lost.missing for lost in study.info.losses
    }
    keys = zip(cells["model"], cells["benchmark"], cells["language"], strict=True)
    cells = cells.assign(
        chance=cells["benchmark"].map(chances).astype(float),
        # Answers that were lost were asked for: they are findings of their own where they are many.
        asked=cells["trials"] + [missing.get(key, 0) for key in keys],
    )
    found = [
        Finding("missing-answers", loss.model, loss.benchmark, (loss.language,), evidence)
        for loss, evidence in unequal_losses(study.info.losses, study.counts)
    ]
    found += [
        Finding(row["flag"], row["model"], row["benchmark"], (row["language"],), row["evidence"])
        for row in suspicious_cells(study).astype("str").to_dict("records")
    ]
    found += [*_identical(study), *_model_twins(study), *_item_twins(study)]
    for (model, benchmark), rows in cells.groupby(["model", "benchmark"], sort=False):
        for kind, languages, evidence in (
            *_zero(rows), *_source_below(rows), *_level(rows), *_unequal(rows)
        ):  # fmt: skip
            found.append(Finding(kind, str(model), str(benchmark), languages, evidence))
    order = list(KINDS)
    return sorted(found, key=lambda finding: order.index(finding.kind))


def excluded(found: Sequence[Finding], study: Study) -> list[bool]:
    """Of each finding, whether all rows of the study that it concerns are flagged somehow."""
    used = study.counts[(study.counts["flag"] == "").to_numpy()]
    of_model = used.groupby("model", sort=False).indices
    none = np.zeros(0, dtype=np.intp)
    rows = (used.iloc[of_model.get(f.model, none)] if f.model else used for f in found)
    return [not _concerned(own, each).any() for own, each in zip(rows, found, strict=True)]


def finding_table(found: Sequence[Finding], study: Study, path: str) -> pd.DataFrame:
    """One row for each finding: its fields, whether it `excluded` is, and the `command` to do so.

    `path` is that of the study. Columns: `name, kind, model, benchmark, languages, evidence,
    excluded, command`; those that are excluded have no command.
    """
    rows = []
    for each, done in zip(found, excluded(found, study), strict=True):
        rows.append((each.name, each.kind, each.model, each.benchmark, " ".join(each.languages),
                     each.evidence, done, "" if done else each.command(path)))  # fmt: skip
    names = ["name", "kind", "model", "benchmark", "languages", "evidence", "excluded", "command"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[:-2], "str"))


def named(found: Sequence[Finding], names: Sequence[str]) -> list[Finding]:
    """The findings of these names; an error for a name that no finding has."""
    by_name = {finding.name: finding for finding in found}
    if unknown := [name for name in names if name not in by_name]:
        hint = f"copy a name that hatstats check prints.{near(unknown[0], by_name)}"
        raise DataError("there is no such finding in this study.", value=unknown[0], hint=hint)
    return [by_name[name] for name in names]


def write_flags(folder: Path, found: Sequence[Finding]) -> int:
    """Flag the rows that findings concern in the counts of a study folder; return how many.

    Rows with another flag keep it, and everything else in the folder stays.
    """
    path = study_table(folder, "counts.csv", "counts.parquet")
    frame = read_table(path).frame
    for column in ("flag", "evidence"):
        frame[column] = frame[column].fillna("").astype("str") if column in frame else ""
    names = [name for name in ("model", "benchmark", "language", "item") if name in frame]
    text = frame[names].apply(lambda column: column.astype("str").str.strip())
    n_flagged = 0
    for finding in found:
        rows = (frame["flag"] == "") & _concerned(text, finding)
        frame.loc[rows, ["flag", "evidence"]] = [finding.kind, finding.evidence]
        n_flagged += int(rows.sum())
    replace_table(path, frame)
    return n_flagged


def _concerned(counts: pd.DataFrame, finding: Finding) -> pd.Series[bool]:
    """Mask of the rows of a table of counts (n,) that a finding concerns."""
    rows = pd.Series(True, index=counts.index)
    for name, wanted in (
        ("model", [finding.model]),
        ("benchmark", [finding.benchmark]),
        ("language", finding.languages),
        ("item", finding.items),
    ):
        if any(wanted):
            rows &= counts[name].isin(wanted)
    return rows


def _zero(rows: pd.DataFrame) -> Iterator[Found]:
    """Kind, languages and evidence on cells of a model and benchmark with nothing right."""
    accuracy, n = rows["accuracy"].to_numpy(), rows["n"].to_numpy()
    for position in map(int, np.flatnonzero((accuracy == 0) & (n >= MIN_EACH))):
        others = np.delete(accuracy, position)
        usual = float(np.median(others)) if len(others) else 0.0
        if usual > float(rows["chance"].iloc[0]) + CLEARLY_ABOVE:
            language = str(rows["language"].iloc[position])
            evidence = (
                f"Nothing right in {language} of {n[position]:.0f}, where the model's other "
                f"languages have a median of {usual:.3f}."
            )
            yield "zero-accuracy", (language,), evidence


def _source_below(rows: pd.DataFrame) -> Iterator[Found]:
    is_source = rows["is_source"].to_numpy(dtype=bool)
    accuracies, languages = rows["accuracy"].to_numpy(), rows["language"].to_numpy()
    others = accuracies[~is_source]
    if is_source.sum() != 1 or others.size < 2:
        return
    accuracy, language = float(accuracies[is_source][0]), str(languages[is_source][0])
    lowest = int(others.argmin())
    if accuracy < others[lowest]:
        evidence = (
            f"Accuracy in the source language {language} is {accuracy:.3f}, below all "
            f"{len(others)} others (the lowest is {languages[~is_source][lowest]} with "
            f"{others[lowest]:.3f})."
        )
        yield "source-below-all", (language,), evidence


def _level(rows: pd.DataFrame) -> Iterator[Found]:
    """Cells of a model and benchmark at the chance level, or with nearly everything right."""
    accuracy, chance, n = (rows[name].to_numpy() for name in ("accuracy", "chance", "n"))
    error = np.sqrt(np.maximum(chance * (1 - chance), 1 / n) / n)
    floor = f"at the chance level of {chance[0]:.3g}"
    for kind, there, what in (
        ("floor", (accuracy <= chance + 2 * error) & (n >= MIN_EACH), floor),
        ("ceiling", (accuracy >= CEILING) & (n >= MIN_ITEMS), "at 0.98 or above"),
    ):
        if there.any():
            some = rows[there]
            values = _first_six(some, "accuracy", ".3f") + (" and others" if len(some) > 6 else "")
            evidence = f"{len(some)} of {len(rows)} languages {what}: {values}."
            yield kind, tuple(map(str, some["language"])), evidence


def _unequal(rows: pd.DataFrame) -> Iterator[Found]:
    n = rows["asked"].to_numpy()
    values, sizes = np.unique(n, return_counts=True)
    usual = values[sizes == sizes.max()].max()
    odd = np.abs(n - usual) > 0.01 * usual
    # Where most languages differ from one another, n is an effective number, not a count.
    if usual % 1 == 0 and odd.any() and odd.sum() < len(n) / 2:
        trials = _first_six(rows[odd], "asked", "g")
        evidence = f"{trials} trials, where the other languages have {usual:g}."
        yield "unequal-n", tuple(map(str, rows["language"][odd])), evidence


def _first_six(rows: pd.DataFrame, column: str, form: str) -> str:
    """The first languages of rows, each with its value of a column."""
    pairs = rows[["language", column]].to_numpy()[:6]
    return ", ".join(f"{language} {value:{form}}" for language, value in pairs)


def _identical(study: Study) -> Iterator[Finding]:
    """Equal vectors of counts over the items: two languages of a model, or two models."""
    counts = study.counts
    by_item = counts[(counts["item"] != "").to_numpy()]
    groups: dict[tuple[str, bytes], list[tuple[str, str, int]]] = defaultdict(list)
    for benchmark, part in by_item.groupby("benchmark", sort=False):
        cell = part.groupby(["model", "language", "item"], sort=True)[["n_correct", "n_trials"]]
        table = cell.sum().reset_index()
        for (model, language), rows in table.groupby(["model", "language"], sort=False):
            right, trials = rows["n_correct"].to_numpy(), rows["n_trials"].to_numpy()
            enough = min((right > 0).sum(), (right < trials).sum()) >= MIN_EACH
            if len(rows) >= MIN_ITEMS and enough:
                key = "\0".join(rows["item"]).encode() + right.tobytes() + trials.tobytes()
                groups[str(benchmark), key].append((str(model), str(language), len(rows)))
    pairs: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for (benchmark, _), same in groups.items():
        for (one, first, size), (other, second, _) in combinations(same, 2):
            if one == other:
                evidence = f"All {size} items have the same results in {first} and {second}."
                yield Finding("identical-counts", one, benchmark, (second,), evidence)
            elif first == second:
                pairs[benchmark, one, other].append(first)
    n_languages = counts.groupby(["benchmark", "model"])["language"].nunique().to_dict()
    for (benchmark, one, other), languages in pairs.items():
        if len(languages) == n_languages[benchmark, one] == n_languages[benchmark, other]:
            same_items = f"the same results in every item of {len(languages)}"
            yield _twin(benchmark, one, other, same_items)
        else:
            for language in languages:
                evidence = (
                    f"All items in {language} have the same results for {other} as for {one}."
                )
                yield Finding("identical-counts", other, benchmark, (language,), evidence)


def _model_twins(study: Study) -> Iterator[Finding]:
    """Models with the same aggregate accuracies in all of three or more languages."""
    aggregate = study.counts[(study.counts["item"] == "").to_numpy()]
    for benchmark, part in aggregate.groupby("benchmark", sort=False):
        twins: dict[bytes, list[str]] = defaultdict(list)
        for model, rows in part.sort_values("language").groupby("model", sort=False):
            if rows["language"].nunique() >= 3:
                shares = rows["n_correct"].to_numpy() / rows["n_trials"].to_numpy()
                key = "\0".join(rows["language"]).encode() + shares.round(9).tobytes()
                twins[key].append(str(model))
        for first, *others in twins.values():
            for other in others:
                yield _twin(str(benchmark), first, other, "the same accuracy in all")


def _twin(benchmark: str, one: str, other: str, what: str) -> Finding:
    return Finding("model-twins", other, benchmark, (), f"{other} has {what} languages as {one}.")


def _item_twins(study: Study) -> Iterator[Finding]:
    counts = study.counts[(study.counts["cluster"] == "").to_numpy()]
    for benchmark, part in counts.groupby("benchmark", sort=False):
        names = part["item"].unique()
        stems: dict[str, list[str]] = defaultdict(list)
        for name in map(str, names):
            if found := re.fullmatch(r"(.*\D)[-_.]?([12ab])", name):
                stems[found[1]].append(name)
        twins = [both for both in stems.values() if len(both) == 2]
        # A plain numbering has such names too; twins are most of the items or none.
        if len(twins) >= MIN_EACH and 2 * len(twins) >= len(names) / 2:
            first, second = twins[0]
            evidence = (
                f"{len(twins)} pairs of items are named like {first!r} and {second!r} and have no "
                "cluster: write one into the column cluster, or excluding them leaves out the "
                "second of each pair."
            )
            seconds = tuple(both[1] for both in twins)
            yield Finding("item-twins", "", str(benchmark), (), evidence, seconds)
