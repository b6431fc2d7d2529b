"""Multilingual GSM-Symbolic: 46 configurations of open models, template by template."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pandas as pd

from data.derive.facts import active_part, read_facts, read_map, sizes

RAW = "gsm_symbolic/gsm_symbolic_cells.csv.gz"
BENCHMARK = "gsm_symbolic"
LANGUAGES = {
    "eng": "en", "ara": "ar", "dan": "da", "deu": "de", "est": "et", "fra": "fr", "hin": "hi",
    "isl": "is", "ita": "it", "jpn": "ja", "mar": "mr", "nld": "nl", "rus": "ru", "ukr": "uk",
    "zho": "zh",
}  # fmt: skip
#: Models whose English answers the origin could not read, and how that shows.
UNREAD = ("Apertus-8B", "Apertus-70B")
FLAG = "extraction-failure"
#: A template fails in a language if at most this share over all models is right there, while in the
#: median of the other languages at least the second share is.
FAILS, WORKS = 0.125, 0.4


def read_cells(raw: Path) -> pd.DataFrame:
    """Read one row per language, model and template.

    Parameters
    ----------
    raw : Path
        Folder of the raw tables.

    Returns
    -------
    DataFrame
        ``language, model, template, n_correct, n_total, model_mean_in_other_languages``; the last
        is the origin's own mean accuracy of the model in the 14 other languages.
    """
    return pd.read_csv(raw / RAW)


def counts(cells: pd.DataFrame) -> pd.DataFrame:
    """Bring the cells to counts under the project's names of models and languages.

    Parameters
    ----------
    cells : DataFrame
        From `read_cells`; every model has every language and template once, and the origin's means
        must follow from the counts of the other languages.

    Returns
    -------
    DataFrame
        ``model, benchmark, language, item, n_correct, n_trials, flag, evidence``; models in the
        order of ``maps/gsm_symbolic.csv``, English first, then languages by tag, then templates
        by number.
    """
    names = {origin_name(row): model_name(row) for row in read_map("gsm_symbolic.csv")}
    strange = sorted(set(cells["model"]) ^ set(names))
    if strange:
        raise ValueError(f"the cells and maps/gsm_symbolic.csv differ in {', '.join(strange)}")
    if set(cells["language"]) != set(LANGUAGES):
        raise ValueError("the languages of the cells are not the fifteen of the study")
    if cells.duplicated(["model", "language", "template"]).any():
        raise ValueError("a cell stands twice")
    size = [cells[name].nunique() for name in ("model", "language", "template")]
    if len(cells) != size[0] * size[1] * size[2]:
        raise ValueError("a model lacks a template in some language")
    if not cells["n_correct"].between(0, cells["n_total"]).all():
        raise ValueError("more right answers than instances")
    if (worst := mean_errors(cells).abs().max()) > 1e-9:
        raise ValueError(f"a mean of the origin differs from its counts by {worst:g}")
    table = pd.DataFrame(
        {
            "model": cells["model"].map(names),
            "benchmark": BENCHMARK,
            "language": cells["language"].map(LANGUAGES),
            "item": cells["template"].astype("str"),
            "n_correct": cells["n_correct"],
            "n_trials": cells["n_total"],
        }
    )
    order = {name: i for i, name in enumerate(names.values())}
    keys = pd.DataFrame(
        {
            "model": table["model"].map(order),
            "language": table["language"].where(table["language"] != "en", ""),
            "item": cells["template"],
        }
    )
    table = table.loc[keys.sort_values(["model", "language", "item"]).index]
    return _flagged(table.reset_index(drop=True))


def mean_errors(cells: pd.DataFrame) -> pd.Series:
    """Compare the origin's mean of each model in its other languages with the counts.

    Parameters
    ----------
    cells : DataFrame
        From `read_cells`.

    Returns
    -------
    Series (one value per model and language)
        The origin's mean minus the one that follows from the counts.
    """
    cell = cells.groupby(["model", "language"], sort=False)
    mine = cell[["n_correct", "n_total"]].sum()
    means = cell["model_mean_in_other_languages"].agg(["min", "max"])
    if (means["min"] != means["max"]).any():
        raise ValueError("two means of one model in one language")
    others = mine.groupby("model").transform("sum") - mine
    return means["min"] - others["n_correct"] / others["n_total"]


def _flagged(table: pd.DataFrame) -> pd.DataFrame:
    """Flag the English cells of `UNREAD`; each model must be worse in English than elsewhere."""
    sums = table.groupby(["model", "language"])[["n_correct", "n_trials"]].sum()
    share = (sums["n_correct"] / sums["n_trials"]).unstack()
    flag, evidence = table["model"].map(lambda _: ""), table["model"].map(lambda _: "")
    for model in UNREAD:
        row = dict(zip(share.columns, share.loc[[model]].to_numpy()[0].tolist(), strict=True))
        english = row.pop("en")
        middle, best = median(row.values()), max(row, key=row.__getitem__)
        if english > middle:
            raise ValueError(f"{model} is not worse in English than in its median language")
        cell = (table["model"] == model) & (table["language"] == "en")
        flag = flag.mask(cell, FLAG)
        evidence = evidence.mask(
            cell,
            f"Accuracy in the source language en is {english:.3f}, the median of the other "
            f"languages is {middle:.3f} and the highest, {best}, {row[best]:.3f}: "
            "answers in English had a format that was not read.",
        )
    return table.assign(flag=flag, evidence=evidence)


def models(raw: Path) -> pd.DataFrame:
    """Return the table of models, sizes and dates with their sources; unknown stays empty."""
    facts = read_facts(raw)
    rows = []
    for row in read_map("gsm_symbolic.csv"):
        fact = facts[row["table"], row["key"]]
        active, active_source = fact.active, fact.active_source
        if row["dense_by"]:
            active, active_source = active_part(facts, "dense", row["dense_by"], fact.total)
        size = sizes(fact.total, fact.size_source, active, active_source)
        rows.append(
            {
                "model": model_name(row),
                "family": row["family"],
                "release_date": fact.date,
                "params_total": size["params_total"],
                "params_active": size["params_active"],
                "series": row["series"],
                "weights": row["weights"],
                "thinking": row["thinking"],
                "entry": row["entry"],
                "size_source": size["size_source"],
                "date_source": fact.date_source or "unknown",
            }
        )
    return pd.DataFrame(rows)


def model_name(row: dict[str, str]) -> str:
    """Name of a configuration: its weights, and the mode where they were run in two."""
    two = row["thinking"] in ("on", "off") and not row["weights"].endswith("-Think")
    return row["weights"] + (f" (reasoning {row['thinking']})" if two else "")


def origin_name(row: dict[str, str]) -> str:
    """Name of a configuration in the raw table: the entry without its maker, and the mode."""
    mode = "" if row["thinking"] == "none" else f" (reasoning {row['thinking']})"
    return row["entry"].rpartition("/")[2] + mode


def mean_table(counts: pd.DataFrame) -> str:
    """Write the per cent of right answers per model and language as a Markdown table."""
    sums = counts.groupby(["model", "language"], sort=False)[["n_correct", "n_trials"]].sum()
    share = (100 * sums["n_correct"] / sums["n_trials"]).unstack()
    lines = [["model", *share.columns], ["---", *["---:"] * len(share.columns)]]
    lines += [[str(name), *(f"{p:.0f}" for p in row)] for name, row in share.iterrows()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def failing_templates(counts: pd.DataFrame) -> str:
    """List, as Markdown, the templates that fail in one language for nearly all models."""
    sums = counts.groupby(["item", "language"])[["n_correct", "n_trials"]].sum()
    share = (sums["n_correct"] / sums["n_trials"]).unstack()
    lines = []
    for language, here in share.items():
        others = share.drop(columns=str(language)).median(axis=1)
        for item in sorted(here.index[(here <= FAILS) & (others >= WORKS)], key=int):
            lines.append(f"| {language} | {item} | {here[item]:.3f} | {others[item]:.3f} |")
    return "\n".join(
        ["| language | template | there | elsewhere |", "|---|---:|---:|---:|", *lines]
    )
