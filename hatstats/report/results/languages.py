"""What a report says of languages: which are left behind, and items that fail in one alone."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from hatstats.diagnostics.faults import item_faults, without_items
from hatstats.errors import DataError, DegenerateDataWarning, HatstatsError
from hatstats.estimators.methods import Method, fit_profile
from hatstats.report.results.results import Fits, LanguagePart
from hatstats.scores.item_profile import ItemProfile
from hatstats.scores.languages.result import LanguageScores
from hatstats.scores.scores import HatScores
from hatstats.study.languages.metadata import look_up
from hatstats.trends.language_regression import fit_language_trend

#: Cells of models and languages up to which a report fits the regression over languages, whose
#: time grows with their cube.
MOST_CELLS = 1000
#: Facts about languages on which a report regresses HAT, and what a unit of each is called.
_FACTS = {"latin_script": "Latin script - other scripts", "resource_class": "one resource class"}
#: Resource classes, best first.
RESOURCES = ("high", "mid", "low")
# What a figure of languages takes.
type OfLanguages = HatScores | LanguageScores | pd.DataFrame
THESE, LIKE_THESE = "these languages", "languages like these"


def facts_of(scores: HatScores, languages: pd.Series[str]) -> pd.DataFrame:
    """English name, resource class and script of languages, one row each, empty where unknown.

    What the study says comes first, then the table of `hatstats.fill_languages`.
    """
    own = scores.language_table.set_index("language") if len(scores.language_table) else None
    rows = []
    for language in languages:
        known = look_up(str(language))
        facts = {"name": str(language), "resource": "", "script": "", "family": ""}
        for column in facts:
            value = own[column].get(language, "") if own is not None and column in own else ""
            facts[column] = str(value or known.get(column, "") or facts[column])
        rows.append(facts)
    return pd.DataFrame(rows, columns=["name", "resource", "script", "family"])


def language_rows(scores: OfLanguages, conf_level: float = 0.95, seed: int = 1) -> pd.DataFrame:
    """HAT of each language and its distance from their mean, highest first.

    Tidy columns with limits for all languages at once; `less`, its limits (`less_conf_low` and
    `less_conf_high`) and `p_adjusted` for the language less the mean of all, at once too;
    `standing` is ``behind`` or ``ahead`` where that is sure; facts as `facts_of` has them.
    """
    if isinstance(scores, pd.DataFrame):
        return scores
    found = scores.by("language") if isinstance(scores, HatScores) else scores
    rows = pd.DataFrame(found.tidy(conf_level, simultaneous=True, rng=seed))
    less = pd.DataFrame(found.against_mean(conf_level, rng=seed))
    names = {"estimate": "less", "conf_low": "less_conf_low", "conf_high": "less_conf_high"}
    rows = rows.assign(**{new: less[old] for old, new in names.items()})
    rows["p_adjusted"] = less["p_adjusted"]
    sure = (rows["p_adjusted"] <= 1.0 - conf_level).to_numpy()
    side = np.where(rows["less"] < 0, "behind", "ahead")
    rows["standing"] = np.where(sure, side, "")
    column = str(found.column)
    if column == "language" and isinstance(scores, HatScores):
        rows = rows.assign(**facts_of(scores, rows["language"]))
    else:
        rows["name"] = [str(look_up(str(each)).get("name", each)) for each in rows[column]]
    return rows.sort_values("estimate", ascending=False, kind="stable", ignore_index=True)


def language_part(fits: Fits) -> LanguagePart | None:
    """Everything a report says of languages; None with fewer than two that can be compared."""
    scores, options = fits.scores, fits.options
    if scores.cells.empty or scores.cells["language"].nunique() < 2:
        return None
    found = scores.by("language")
    if len(found.names) < 2:
        return None
    table = language_rows(scores, options.conf_level, options.seed)
    words: list[str] = []
    dropped = [tag for tag in dict.fromkeys(scores.cells["language"]) if tag not in found.names]
    if dropped:
        names = ", ".join(str(look_up(str(tag)).get("name", tag)) for tag in dropped)
        words.append(f"No mean in {names}: not every ranked model has a score there.")
    groups = pd.concat(
        [
            _these(found, table, options.conf_level, words),
            _like_these(scores, table, options.conf_level, words),
        ],
        ignore_index=True,
    )
    if fits.profile.method == "aggregate":
        words.append(
            "Items that fail in one language alone cannot be found here: that needs right answers "
            "by item, and this study has accuracies."
        )
        return LanguagePart(table, groups, pd.DataFrame(), words=tuple(words))
    faults, without = _faults(fits, found, words)
    return LanguagePart(table, groups, faults, without, tuple(words))


def _these(
    found: LanguageScores, table: pd.DataFrame, conf_level: float, words: list[str]
) -> pd.DataFrame:
    """Differences between the means of groups of these languages, each alone."""
    sides: dict[str, tuple[list[str], list[str]]] = {}

    def languages(wanted: np.ndarray) -> list[str]:
        return [str(name) for name in table.loc[wanted, "language"]]

    latin, known = (table["script"] == "Latn").to_numpy(), (table["script"] != "").to_numpy()
    sides[_FACTS["latin_script"]] = languages(latin), languages(~latin & known)
    of_class = {name: languages((table["resource"] == name).to_numpy()) for name in RESOURCES}
    for high, low in (("high", "mid"), ("mid", "low"), ("high", "low")):
        sides[f"{high} - {low} resource"] = of_class[high], of_class[low]
    rows, apart = [], []
    for name, (a, b) in sides.items():
        if a and b:
            try:
                one = pd.DataFrame(found.contrast(a, b, conf_level).tidy())
            except DataError:  # benchmarks ask in different languages
                apart.append(name)
                continue
            rows.append(one.assign(term=name, scope=THESE, n_languages=len(a) + len(b)))
    if apart:
        words.append(
            f"Not compared, since no benchmark has all of these languages: {', '.join(apart)}."
        )
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def _like_these(
    scores: HatScores, table: pd.DataFrame, conf_level: float, words: list[str]
) -> pd.DataFrame:
    """Script and resources together in a regression with languages as the sampling unit."""
    facts = scores.language_table
    own = facts[facts["language"].isin(table["language"])] if len(facts) else facts
    terms = []
    if "script" in own and own["script"].ne("").all() and own["script"].eq("Latn").nunique() > 1:
        terms.append("latin_script")
    if "resource_class" in own and own["resource_class"].notna().all():
        terms += ["resource_class"] if own["resource_class"].nunique() > 1 else []
    if not terms:
        return pd.DataFrame()
    formula = " + ".join(terms)
    if len(scores.cells) > MOST_CELLS:
        words.append(
            f"The regression over languages was left out, with {len(scores.cells)} cells it takes "
            f"minutes: fit_language_trend(scores, {formula!r})."
        )
        return pd.DataFrame()
    try:
        trend = fit_language_trend(scores, formula)
    except HatstatsError as error:
        words.append(f"No statement about languages like these: {error.reason.rstrip('.')}.")
        return pd.DataFrame()
    rows = pd.DataFrame(trend.tidy(conf_level))
    rows = rows[rows["term"].isin(terms)]
    at_equal = {"latin_script": ", at equal resource class", "resource_class": ", at equal script"}
    said = [
        _FACTS[term] + (at_equal[term] if len(terms) > 1 else "") for term in rows["term"].map(str)
    ]
    return rows.assign(term=said, scope=LIKE_THESE, n_languages=len(table))


def _faults(
    fits: Fits, found: LanguageScores, words: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items that fail in one language, and the scores with and without them."""
    try:
        # What the tests of items warn of, few models, is in their p values.
        with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
            faults = pd.DataFrame(item_faults(fits.used))
    except HatstatsError as error:
        words.append(
            f"Items that fail in one language alone were not sought: {error.reason.rstrip('.')}."
        )
        return pd.DataFrame(), pd.DataFrame()
    if faults.empty:
        words.append("No item fails in one language alone (false discovery rate 5 %).")
        return faults, pd.DataFrame()
    names = facts_of(fits.scores, faults["language"])["name"]
    faults.insert(2, "name", names.to_numpy())
    if fits.options.quick:
        words.append("A quick report does not try scores without these items.")
        return faults, pd.DataFrame()
    without = _without(fits, found, faults)
    for kind, rows in without.groupby("kind", sort=False):
        most = rows.iloc[int(np.argmax(rows["change"].abs()))]
        words.append(
            f"Without these items HAT of a {kind} changes by {most['change']:+.3f} at most "
            f"({most['name']})."
        )
    return faults, without


def _without(fits: Fits, found: LanguageScores, faults: pd.DataFrame) -> pd.DataFrame:
    """HAT of models and of languages with these items in these languages, and without."""
    assert isinstance(fits.profile, ItemProfile)
    options, method = fits.options, fits.profile.method
    with warnings.catch_warnings(action="ignore", category=DegenerateDataWarning):
        kept = without_items(fits.used, faults)
        chosen: Method = method  # type: ignore[assignment]
        again = fit_profile(kept, method=chosen).hat(options.reference, scope=options.scope)
    ranked = [name for name in found.models if name in again.models]
    of_languages = again.by("language", models=ranked).params
    names = facts_of(fits.scores, pd.Series(found.params.index, dtype="str"))["name"]
    parts: list[pd.DataFrame] = []
    for kind, before, after, called in (
        ("model", fits.scores.params, again.params, None),
        ("language", found.params, of_languages, list(names)),
    ):
        both = (
            before.rename("with_all").to_frame().assign(without_these=after.reindex(before.index))
        )
        both = both.assign(kind=kind, name=before.index if called is None else called)
        parts.append(both)
    table = pd.concat(parts, ignore_index=True)
    table["change"] = table["without_these"] - table["with_all"]
    return table[["kind", "name", "with_all", "without_these", "change"]]
