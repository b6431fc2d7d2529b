"""What holds for every study: a sentence or a result, and results that mean what they say."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from typer.testing import CliRunner

import hatstats as hs
from hatstats.cli import app
from hatstats.errors import ConvergenceWarning, DegenerateDataWarning, HatstatsError
from tests.fuzz.logs import LogCase
from tests.fuzz.studies import StudyCase

#: Draws of what is drawn: enough to run, too few to be used.
DRAWS = 100
_TABLES = ("counts", "models", "benchmarks", "items", "language_table")


class Outcome(dict[str, int]):
    """How often each thing was done: studies read, fits made, sentences instead of a result."""

    def said(self, what: str) -> None:
        self[what] = self.get(what, 0) + 1

    @property
    def result(self) -> bool:
        """Whether anything came of the case: a fit, or a study of logs."""
        return any(self.get(key) for key in ("hat", "convert", "report", "command"))

    def attempt(self, what: str, call: Callable[[], Any]) -> Any:
        """What the call gives, or None where it is refused with a sentence of ours."""
        try:
            found = call()
        except HatstatsError as error:
            text, found = str(error).strip(), None
        else:
            text = what
        assert text, f"{what}: an error without a message"
        self.said(what if text == what else f"{what} refused")
        return found


def check_study(case: StudyCase) -> Outcome:
    """What a user may ask of a study; any error but ours, and any warning, is a fault."""
    done = Outcome()
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DegenerateDataWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Fonts that are not there make an empty box in a figure.
        warnings.filterwarnings("ignore", "Glyph|Matplotlib currently", UserWarning)
        folder = Path(name)
        study = done.attempt("read", lambda: hs.read_study(case.write(folder / "in")))
        if study is None:
            return done
        if case.ask == "folder":
            _same_after_writing(study, folder / "again")
        study = done.attempt("without flagged", study.without_flagged)
        if study is None:
            return done
        if case.ask == "report":
            _check_report(study, case, folder, done)
            assert {path.name for path in folder.iterdir()} <= {"in", "out"}
        else:
            _check_read(study, case, done)
    return done


def _check_report(study: hs.Study, case: StudyCase, folder: Path, done: Outcome) -> None:
    """A report by Python or by the command line, with one format of figures beside SVG.

    A study that has scores has a report: what cannot be said of it is left out.
    """
    method: Any = case.method or None
    scored = _scores(study, case, None) is not None
    kinds = ("svg", *("pdf", "png", *("svg",) * 8)[case.seed % 10 :][:1])
    with patch("hatstats.report.figures.style.FORMATS", kinds):
        if case.seed % 2:
            options = hs.ReportOptions(quick=True, method=method)
            try:
                hs.write_report(study, folder / "out", options)
            except HatstatsError:
                if scored:
                    raise
            done.said("report" if (folder / "out").exists() else "report refused")
            return
        line = ["report", str(folder / "in"), "--out", str(folder / "out"), "--quick"]
        ran = CliRunner().invoke(app, [*line, *(["--method", method] if method else [])])
    assert ran.exit_code == 0 or not scored, ran.output
    assert ran.exit_code == 0 or "Error: " in ran.stderr, ran.output
    assert "unexpected" not in ran.stderr, ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
    done.said("command" if ran.exit_code == 0 else "command refused")


def _same_after_writing(study: hs.Study, folder: Path) -> None:
    """A study that was written is read as it was."""
    again = hs.read_study(study.write(folder))
    for name in _TABLES:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(study, name), obj=name)
    assert again.claims == study.claims
    assert again.info == study.info


def _check_read(study: hs.Study, case: StudyCase, done: Outcome) -> None:
    """What is asked of the study itself, or of its scores by the method of the case."""
    method: Any = case.method or None
    names = study.model_names
    if case.ask == "folder":
        str(study), study.summary(), study._repr_html_()
        done.attempt("suspicious", lambda: hs.suspicious_cells(study))
    elif case.ask == "measures":
        done.attempt("measures", lambda: hs.measures(study, n_draws=DRAWS, rng=1))
    elif case.ask == "decompose":
        done.attempt("decompose", lambda: hs.decompose(study, names[0], names[-1]))
    profile = done.attempt("fit", lambda: hs.fit_profile(study, method=method))
    scores = None if profile is None else done.attempt("hat", profile.hat)
    if scores is None:
        return
    if case.ask == "scores":
        _check_scores(scores)
        for show in (profile.summary, profile.tidy, profile.glance, profile.points, profile.curve):
            done.attempt("profile", show)
    elif case.ask == "references":
        _check_references(profile, case, done)
    elif case.ask in _INVARIANCES:
        scores = done.attempt(case.ask, lambda: profile.hat("uniform"))
        if scores is not None:
            _INVARIANCES[case.ask](study, scores, case, done)
    elif case.ask == "derived":
        _check_derived(scores, done)
    elif case.ask == "languages":
        _check_languages(scores, done)
    elif case.ask == "trend":
        _check_trends(profile, case, done)
    elif case.ask == "wordings":
        done.attempt("wordings", lambda: profile.hat(scope="wordings like these"))
    elif case.ask == "items":
        done.attempt("item report", lambda: hs.item_report(profile))
        done.attempt("faults", lambda: hs.item_faults(study))
    elif case.ask == "claims":
        verdicts = done.attempt("claims", lambda: hs.evaluate_claims(profile, study.claims))
        str(verdicts), verdicts.summary()
        _contained(verdicts.tidy())


def _check_references(profile: hs.TransferProfile, case: StudyCase, done: Outcome) -> None:
    """Scores of every reference; raw target accuracies by the model's own, where that is exact."""
    for reference in ("own", "pooled", _reference(case, profile.study)):
        scores = done.attempt("reference", lambda name=reference: profile.hat(name))
        if scores is not None:
            _contained(scores.tidy())
            _semidefinite(scores.cov)
            if profile.method == "observed" and reference == "own":
                np.testing.assert_allclose(scores.estimates, scores.target, atol=1e-10)


def _check_trends(profile: hs.TransferProfile, case: StudyCase, done: Outcome) -> None:
    for scope in ("models like these", "these models"):
        trend = done.attempt("trend", lambda s=scope: hs.fit_trend(profile, case.formula, scope=s))
        if trend is not None:
            _contained(trend.tidy())
            _semidefinite(trend.cov)
            trend.summary(), str(trend)
            done.attempt("comparison", trend.comparison)


def _reference(case: StudyCase, study: hs.Study) -> Any:
    return {"given": [0.0, 0.3, 1.0], "model": f"model:{study.model_names[-1]}",
            "nobody": "model:nobody at all"}.get(case.reference, case.reference)  # fmt: skip


def _check_scores(scores: hs.HatScores) -> None:
    _contained(scores.tidy())
    _contained(scores.tidy_cells())
    _semidefinite(scores.cov)
    _semidefinite(pd.DataFrame(scores.joint_cov))
    scores.summary(), scores.glance(), scores._repr_html_()


def _check_derived(scores: hs.HatScores, done: Outcome) -> None:
    """Contrasts, ranks, ties, pairs, and the file of the scores."""
    first, last = scores.models[0], scores.models[-1]
    contrast = done.attempt("contrast", lambda: scores.contrast(first, last))
    _contained(contrast.tidy())
    table = done.attempt("ranks", lambda: scores.ranks(rng=1, n_draws=DRAWS))
    assert (table["rank_low"] <= table["rank"]).all()
    assert (table["rank"] <= table["rank_high"]).all()
    ties = done.attempt("ties", lambda: scores.ties(rng=1, n_draws=DRAWS))
    assert len(ties)
    pairs = done.attempt("pairs", lambda: scores.pairs(rng=1, n_draws=DRAWS))
    if pairs is not None:
        _contained(pairs)
    with tempfile.TemporaryDirectory() as folder:
        scores.save(f"{folder}/scores.json")
        again = hs.HatScores.load(f"{folder}/scores.json")
    np.testing.assert_array_equal(again.estimates, scores.estimates)
    np.testing.assert_array_equal(again.limits(), scores.limits())


def _check_languages(scores: hs.HatScores, done: Outcome) -> None:
    for by in ("language", "script", "resource"):
        found = done.attempt(f"by {by}", lambda name=by: scores.by(name))
        if found is not None:
            _contained(found.tidy())
            found.summary()


def _contained(table: pd.DataFrame) -> None:
    """No interval without its estimate, no estimate outside of its interval, no negative error."""
    low, estimate, high = (
        table[name].to_numpy(float) for name in ("conf_low", "estimate", "conf_high")
    )
    known = ~np.isnan(low)
    assert (known == ~np.isnan(high)).all(), "an interval with one end"
    assert not np.isnan(estimate[known]).any(), "an interval without its estimate"
    slack = 1e-9 * (1.0 + np.abs(estimate[known]))
    assert (low[known] <= estimate[known] + slack).all(), "conf_low above the estimate"
    assert (estimate[known] <= high[known] + slack).all(), "conf_high below the estimate"
    if "std_error" in table:
        error = table["std_error"].to_numpy(float)
        assert not (error[~np.isnan(error)] < 0).any(), "a negative standard error"


def _semidefinite(cov: pd.DataFrame) -> None:
    """Covariances are symmetric, and no sum has a negative variance."""
    values = cov.to_numpy(float)
    values = values[np.ix_(*[np.isfinite(np.diagonal(values))] * 2)]
    if not values.size:
        return
    assert np.isfinite(values).all(), "covariances that are not numbers beside variances that are"
    scale = max(float(np.abs(values).max()), 1e-300)
    np.testing.assert_allclose(values, values.T, atol=1e-9 * scale, err_msg="not symmetric")
    assert np.linalg.eigvalsh(values / scale).min() > -1e-8, "not positive semidefinite"


def _check_rows(study: hs.Study, scores: hs.HatScores, case: StudyCase, done: Outcome) -> None:
    """The order of rows does not matter."""
    rng = np.random.default_rng(case.seed)
    tables = {name: _shuffled(getattr(study, name), rng) for name in ("counts", "benchmarks")}
    _same_scores(replace(study, **tables), scores, case, done, "another order of rows")


def _check_names(study: hs.Study, scores: hs.HatScores, case: StudyCase, done: Outcome) -> None:
    """The name of a model does not matter."""
    names = {scores.models[0]: "another name"}
    renamed = {name: table.assign(model=table["model"].replace(names))
               for name, table in (("counts", study.counts), ("models", study.models))}  # fmt: skip
    _same_scores(replace(study, **renamed), scores, case, done, "another name", names)


def _check_copies(study: hs.Study, scores: hs.HatScores, case: StudyCase, done: Outcome) -> None:
    """A copy of a model scores as the model does."""
    old, new = scores.models[0], "another name"
    copied = {name: pd.concat([table, table[table["model"] == old].assign(model=new)])
              for name, table in (("counts", study.counts), ("models", study.models))}  # fmt: skip
    found = _scores(replace(study, **copied), case)
    if found is not None and {old, new} <= set(found.models):
        pair = found.params[[old, new]].to_numpy()
        np.testing.assert_allclose(*pair, atol=_slack(scores), err_msg="a copy of a model")
        done.said("copy scored")


def _check_sizes(study: hs.Study, scores: hs.HatScores, case: StudyCase, done: Outcome) -> None:
    """Sizes in another unit move the intercept of a trend in their logarithm alone."""
    sizes = study.models[["params_total", "params_active"]] * 1000.0
    scaled = replace(study, models=study.models.assign(**{name: sizes[name] for name in sizes}))
    _same_scores(scaled, scores, case, done, "sizes in another unit")


_INVARIANCES: dict[str, Callable[[hs.Study, hs.HatScores, StudyCase, Outcome], None]] = {
    "rows": _check_rows, "names": _check_names, "copies": _check_copies, "sizes": _check_sizes,
}  # fmt: skip


def _shuffled(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return table.iloc[rng.permutation(len(table))]


def _scores(
    study: hs.Study, case: StudyCase, reference: str | None = "uniform"
) -> hs.HatScores | None:
    method: Any = case.method or None
    try:
        return hs.fit_profile(study, method=method).hat(reference)
    except HatstatsError:
        return None


def _slack(scores: hs.HatScores) -> float:
    """Difference that rounding may make, in an iterative fit up to its tolerance."""
    return 1e-9 if scores.method == "observed" else 1e-5


def _same_scores(
    study: hs.Study, scores: hs.HatScores, case: StudyCase, done: Outcome, what: str,
    names: dict[str, str] | None = None,
) -> None:  # fmt: skip
    """The changed study has the scores of the first, and the slope over size."""
    found = _scores(study, case)
    assert found is not None, f"{what}: no score any more"
    assert [(names or {}).get(name, name) for name in scores.models] == list(found.models), what
    np.testing.assert_allclose(found.estimates, scores.estimates, atol=_slack(scores), err_msg=what)
    np.testing.assert_allclose(
        found.std_errors, scores.std_errors, rtol=1e-4, atol=_slack(scores), err_msg=what
    )
    slopes = [done.attempt("slope", lambda s=s: hs.fit_trend(s, "log10(params_total)"))
              for s in (scores, found)]  # fmt: skip
    assert (slopes[0] is None) == (slopes[1] is None), what
    if slopes[0] is not None:
        first, other = (slope.tidy().set_index("term") for slope in slopes)
        pair = [table.loc["log10(params_total)", ["estimate", "std_error"]].to_numpy(float)
                for table in (other, first)]  # fmt: skip
        # Scores may be unknown by any number, of which the rounding remains in slopes.
        slack = 100 * _slack(scores) + 1e-7 * float(np.nanmax(scores.std_errors, initial=0.0))
        np.testing.assert_allclose(*pair, rtol=1e-3, atol=slack, err_msg=what)


def check_logs(case: LogCase) -> Outcome:
    """A conversion or a sentence; counts that are possible, and an account in which rows add up."""
    done = Outcome()
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DegenerateDataWarning)
        warnings.filterwarnings("ignore", "fetch_arrow_table", DeprecationWarning)
        folder = case.write(Path(name) / "logs")
        before = _listing(Path(name))
        settings = {"source_language": "en"} if case.said else {}
        found = done.attempt("convert", lambda: hs.convert_logs(folder, settings=settings))
        assert _listing(Path(name)) == before, "files changed beside the logs"
        if found is not None:
            _check_conversion(found)
            done.attempt("write", lambda: _same_after_writing(found.study, Path(name) / "study"))
    return done


def _listing(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _check_conversion(found: hs.Conversion) -> None:
    counts = found.study.counts
    assert (counts["n_correct"] >= 0).all()
    assert (counts["n_correct"] <= counts["n_trials"]).all()
    assert all(note.strip() for note in found.notes)
    found.summary(), found._repr_html_()
    account = found.files.dropna(subset="read")
    parts = account[["kept", "set_aside", "left_out"]].sum(axis=1)
    assert (account["read"] == parts).all(), "rows that are neither kept nor left out"
