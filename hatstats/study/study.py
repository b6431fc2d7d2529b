"""`Study`: the counts of an evaluation with what is known of its models and benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from hatstats.errors import DataError
from hatstats.study.claims import StudyInfo, check_claims
from hatstats.study.describe import study_html, study_line, study_text
from hatstats.study.files import STUDY_MARK, study_written, toml_text, write_table
from hatstats.study.from_frame import FrameOptions, tables_from_frame
from hatstats.study.outputs import whole_output
from hatstats.study.plain_table import complete_tables
from hatstats.study.schema import Sheet, listed, near, no_items, without_blank
from hatstats.study.validate import source_languages, validate_study, warn_implausible

_TABLES = ("counts", "models", "benchmarks", "items", "language_table")


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Counts of right answers per model, benchmark, language and item: what was observed.

    Construction validates everything and brings the tables to the kinds given below, so that
    later steps need no checks of their own.

    Parameters
    ----------
    counts : DataFrame
        `model, benchmark, language, item, n_correct, n_trials, cluster, prompt, repeat, flag,
        evidence`, one row per cell. `prompt` names a wording, `repeat` one of its answers; copies
        of one answer are counted once, with a note. An empty `item` marks an aggregate accuracy:
        then `n_correct` may be fractional and `n_trials` an effective number. `cluster` is empty
        where an item is its own. `flag` names what looks wrong and `evidence` says why.
    models : DataFrame, optional
        `model, family, release_date, params_total, params_active` and covariates. Sizes count
        parameters in units. Unknown is NaN or NaT; an unknown `family` is empty text. The order
        of these rows is the order of models everywhere. Without it, the columns of that name in
        the counts are taken.
    benchmarks : DataFrame, optional
        `benchmark, source_language, chance` (a proportion, at least 0 and below 1), `trials` (what
        unnamed ones are: ``wordings``, ``repeats`` of one or ``unknown``). Without it, the columns
        of that name in the counts are taken, chance as 0 if there is none.
    items : DataFrame, optional
        `benchmark, item, source_language, cluster`, where the source language differs by item.
    info : StudyInfo, optional
        Name, title, source, licence, citation, notes.
    claims : tuple of dict
        Registered claims, the tables ``[[claims]]`` of ``study.toml``.
    files : tuple of path
        The files that were read; empty for a study made in memory.
    language_table : DataFrame, optional
        `language, name, script, family, branch, resource, speakers, distance` and covariates, found
        by the standard tag of the language (``deu_Latn``, ``German`` for ``de``).

    Raises
    ------
    DataError
        When the tables contradict themselves or each other. Sizes that look like billions and
        counts that look like per cent give a warning.

    Examples
    --------
    Counts alone make a study where they name the source language; `from_frame` takes more.

    >>> import pandas as pd
    >>> import hatstats as hs
    >>> study = hs.Study(pd.DataFrame({
    ...     "model": "acme-1", "benchmark": "quiz", "language": ["en", "sw"],
    ...     "n_correct": [31, 24], "n_trials": 40, "source_language": "en",
    ... }))
    >>> study
    Study('study', aggregate data: 1 model, 1 benchmark, 2 languages, 2 rows)
    >>> study.info.notes
    'Chance level not given: taken as 0.'
    """

    counts: pd.DataFrame
    models: pd.DataFrame = None  # type: ignore[assignment]  # filled in when it is made
    benchmarks: pd.DataFrame = None  # type: ignore[assignment]
    items: pd.DataFrame = field(default_factory=no_items)
    info: StudyInfo = field(default_factory=lambda: StudyInfo("study"))
    claims: tuple[dict[str, Any], ...] = ()
    files: tuple[Path, ...] = ()
    language_table: pd.DataFrame = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Validate, and keep copies of the tables in their declared form."""
        sheets, notes = complete_tables(self.counts, self.models, self.benchmarks, self.items)
        if self.language_table is not None:
            sheets["language_table"] = Sheet.from_frame("languages", self.language_table)
        info = with_notes(self.info, notes)
        study_of_sheets(sheets, info, check_claims(self.claims), tuple(self.files), study=self)

    @classmethod
    def from_frame(
        cls,
        df: Any,
        *,
        source: str | Mapping[str, str] | None = None,
        chance: float | Mapping[str, float] | None = None,
        benchmark: str | None = None,
        models: Any = None,
        languages: Sequence[str] | Mapping[str, str] | None = None,
        columns: Mapping[str, str | None] | None = None,
        n_trials: float | None = None,
    ) -> Study:
        """Make a study of a frame of answers or of counts, with the column names people use.

        Parameters
        ----------
        df : frame
            Of pandas, polars, Arrow or any library that narwhals knows. One row per answer (0 and
            1, truth values, yes and no), or per cell with a number of trials and either right
            answers or an accuracy (a proportion or per cent). Languages stand in one column, or
            have a column each (``en``, ``de``, ``yor_Latn``).
        source : str or mapping of str to str, optional
            Source language, or benchmark to source language. Not needed where a column
            `source_language` names it.
        chance : float or mapping of str to float, optional
            Accuracy of guessing, at least 0 and below 1, or benchmark to accuracy of guessing.
            Taken as 0 where neither this nor a column `chance` gives it, and the notes say so.
        benchmark : str, optional
            Name of the benchmark, where no column names it.
        models : frame, optional
            Table of models: `model, family, release_date, params_total, params_active` and
            covariates. Without it, columns of `df` that are constant for each model are taken.
        languages : sequence of str or mapping of str to str, optional
            Columns that each hold one language, or column to language, where their names are not
            tags of languages.
        columns : mapping of str to str or None, optional
            Role to column, where the name says something else: ``{"item": "id"}``; None where no
            column has the role: ``{"item": None}`` adds up answers without items. Roles are
            `model, benchmark, language, item, prompt, repeat, correct, n_correct, n_trials,
            accuracy, cluster, source_language, chance` and the facts of models.
        n_trials : float, optional
            Number of trials behind every accuracy or count.

        Returns
        -------
        Study
            Rows sorted by benchmark, model, language, item and prompt; `info.notes` says which
            columns were taken for what, and what was counted once or not used.

        Raises
        ------
        DataError
            For answers that are missing or neither right nor wrong, rows that contradict each
            other, columns that may be two things, an unused column that looks
            like the item, and a source language that is not there.

        Examples
        --------
        >>> import pandas as pd
        >>> from hatstats import Study
        >>> df = pd.DataFrame({
        ...     "lang": ["en", "en", "sw", "sw"],
        ...     "question_id": ["q1", "q2", "q1", "q2"],
        ...     "is_correct": [True, True, True, False],
        ... })
        >>> study = Study.from_frame(df, source="en", benchmark="quiz", chance=0)
        >>> study
        Study('quiz', item data: 1 model, 1 benchmark, 2 languages, 4 rows)
        >>> study.info.notes.split(". ")[0]
        "Columns: language from 'lang', item from 'question_id', correct from 'is_correct'"
        """
        given = FrameOptions(source, chance, benchmark, models, languages, columns, n_trials)
        sheets, name, notes = tables_from_frame(df, given)
        return study_of_sheets(sheets, with_notes(StudyInfo(name), notes))

    @property
    def name(self) -> str:
        """Short name of the study."""
        return self.info.name

    @property
    def model_names(self) -> list[str]:
        """Names of the models, in the order of `models`."""
        return [str(name) for name in self.models["model"]]

    @property
    def benchmark_names(self) -> list[str]:
        """Names of the benchmarks, in the order of `benchmarks`."""
        return [str(name) for name in self.benchmarks["benchmark"]]

    @property
    def languages(self) -> list[str]:
        """Names of the languages, in the order of their first row."""
        return [str(name) for name in self.counts["language"].drop_duplicates()]

    @property
    def data_kind(self) -> Literal["item", "aggregate", "mixed"]:
        """Whether the rows are items, averages over items, or differ between benchmarks."""
        blank = (self.counts["item"] == "").to_numpy()
        return "aggregate" if blank.all() else "mixed" if blank.any() else "item"

    @property
    def flagged(self) -> pd.DataFrame:
        """The rows of the counts that look wrong, with flag and evidence."""
        return self.counts[(self.counts["flag"] != "").to_numpy()].reset_index(drop=True)

    @property
    def source_language(self) -> pd.Series:
        """Source language of each row of the counts: the item's own, else the benchmark's."""
        return source_languages(self.counts, self.benchmarks, self.items)

    @property
    def is_source(self) -> npt.NDArray[np.bool_]:
        """Mask (rows of counts,) of the rows in their source language; the others are targets."""
        return (self.counts["language"] == self.source_language).to_numpy(dtype=bool)

    def without_flagged(self) -> Study:
        """Return the study without its flagged rows (itself where there are none).

        Raises
        ------
        DataError
            When a benchmark keeps no row in its source language.
        """
        keep = (self.counts["flag"] == "").to_numpy()
        return self if keep.all() else self._keep(keep)

    def select(
        self,
        models: str | Iterable[str] | None = None,
        benchmarks: str | Iterable[str] | None = None,
        languages: str | Iterable[str] | None = None,
        *,
        exclude: str | Iterable[str] = (),
    ) -> Study:
        """Return the study of some models, benchmarks or languages, in the order it had.

        Parameters
        ----------
        models, benchmarks, languages : str or iterable of str, optional
            What to keep; None keeps all. The source language of a benchmark is kept by itself, so
            that `languages` name targets. Items whose own source language is not kept are left out,
            and the notes say how many.
        exclude : str or iterable of str
            Languages to leave out, such as those that resemble the source.

        Raises
        ------
        DataError
            For a name that the study does not have, or when nothing or no source row is left.

        Examples
        --------
        >>> import hatstats as hs
        >>> study = hs.simulate_study(shape=hs.Shape(n_items=10, n_languages=3), rng=1)
        >>> study.select(models=["model-01", "model-02"], languages="t02").languages
        ['src', 't02']
        >>> study.select(exclude="t02").languages
        ['src', 't01', 't03']
        """
        keep = np.ones(len(self.counts), dtype=bool)
        for role, wanted, known in (
            ("model", models, self.model_names),
            ("benchmark", benchmarks, self.benchmark_names),
            ("language", languages, self.languages),
            ("exclude", exclude, self.languages),
        ):
            if wanted is None:
                continue
            column = "language" if role == "exclude" else role
            names = [wanted] if isinstance(wanted, str) else list(wanted)
            if unknown := [name for name in names if name not in known]:
                hint = f"choose from {listed(known, 12)}.{near(unknown[0], known)}"
                message = f"the study {self.name!r} has no {column} of this name."
                raise DataError(message, column=column, value=unknown[0], hint=hint)
            named = self.counts[column].isin(names)
            if role == "language":
                source = self.benchmarks.set_index("benchmark")["source_language"]
                named |= self.counts["benchmark"].map(source) == self.counts["language"]
            keep &= (~named if role == "exclude" else named).to_numpy(dtype=bool)
        return self._keep(keep)

    def write(self, folder: str | Path, *, format: Literal["csv", "parquet"] = "csv") -> Path:
        """Write the study folder; `read_study` gives back exactly the same study.

        An interrupted run leaves an older study whole.

        Parameters
        ----------
        folder : path
            A study that hatstats wrote there is replaced; other files beside it stay. A folder
            with other things, and a study written by hand, is refused.
        format : {"csv", "parquet"}
            Format of the counts; the other tables are always CSV.

        Examples
        --------
        >>> import os, tempfile
        >>> import hatstats as hs
        >>> study = hs.simulate_study(shape=hs.Shape(n_items=10, n_languages=2), rng=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sorted(os.listdir(study.write(f"{folder}/quiz")))
        ['benchmarks.csv', 'counts.csv', 'models.csv', 'study.toml']
        """
        if format not in ("csv", "parquet"):
            raise DataError("the format is not known.", value=format, hint="use csv or parquet.")

        with whole_output(folder, study_written, name="the study folder") as new:
            info = {key: getattr(self.info, key) for key in StudyInfo.__slots__}
            head = {key: value for key, value in info.items() if value or key == "name"}
            losses = [asdict(loss) for loss in head.pop("losses", ())]
            text = toml_text(head, {"losses": losses, "claims": self.claims})
            (new / "study.toml").write_text(STUDY_MARK + text, encoding="utf-8", newline="\n")
            write_table(without_blank(self.counts), new / f"counts.{format}")
            write_table(self.models, new / "models.csv")
            write_table(without_blank(self.benchmarks), new / "benchmarks.csv")
            for name, table in (("items", self.items), ("languages", self.language_table)):
                if len(table):
                    write_table(table, new / f"{name}.csv")
        return Path(folder)

    def summary(self) -> str:
        """Return a description in plain text, at most 80 columns wide."""
        return study_text(self)

    def __repr__(self) -> str:
        return study_line(self)

    def _repr_html_(self) -> str:
        return study_html(self)

    def _keep(self, keep: npt.NDArray[np.bool_]) -> Study:
        """The study of the rows of a mask (rows of counts,), listings reduced to match."""
        if not keep.any():
            raise DataError(
                f"no row of the study {self.name!r} is left.",
                hint="keep at least one model, benchmark and language.",
            )
        counts, items, notes = self.counts[keep], self.items, []
        pairs = _pairs(counts, "language").unique()
        lost = (items["source_language"] != "").to_numpy() & ~_pairs(items, "source_language").isin(
            pairs
        )
        if lost.any():
            cells = _pairs(counts, "item")
            gone = cells.isin(_pairs(items[lost], "item"))
            counts, items = counts[~gone], items[~lost]
            if gone.any():
                n_lost = len(cells[gone].unique())
                notes.append(f"Items left out because their source language was: {n_lost}.")
        models, benchmarks = (
            table[table[name].isin(counts[name]).to_numpy()]
            for table, name in ((self.models, "model"), (self.benchmarks, "benchmark"))
        )
        items = items[_pairs(items, "item").isin(_pairs(counts, "item").unique())]
        tables = zip(_TABLES, (counts, models, benchmarks, items, self.language_table), strict=True)
        sheets = {name: Sheet.from_frame(f"{name} of {self.name}", frame) for name, frame in tables}
        info = with_notes(self.info, notes)
        return study_of_sheets(sheets, info, self.claims, self.files, warn=False)


def study_of_sheets(
    sheets: Mapping[str, Sheet],
    info: StudyInfo,
    claims: tuple[dict[str, Any], ...] = (),
    files: tuple[Path, ...] = (),
    *,
    warn: bool = True,
    study: Study | None = None,
) -> Study:
    """Validate raw `counts, models, benchmarks, items`, and make (or fill) a study of them."""
    study = object.__new__(Study) if study is None else study
    tables, notes = validate_study(**sheets)
    if warn:
        warn_implausible(tables["counts"], tables["models"], tables["benchmarks"])
    values = {"info": with_notes(info, notes), "claims": claims, "files": files}
    for name, value in (tables | values).items():
        object.__setattr__(study, name, value)
    return study


def with_notes(info: StudyInfo, notes: Iterable[str]) -> StudyInfo:
    """Append sentences to the notes of a study, each once."""
    text = info.notes
    for note in notes:
        if note not in text:
            text = f"{text} {note}".strip()
    return replace(info, notes=text)


def _pairs(table: pd.DataFrame, column: str) -> pd.MultiIndex:
    """Benchmark and one other column of a table (n,), as pairs."""
    return pd.MultiIndex.from_frame(table[["benchmark", column]])
