"""The table that `hatstats models fill` looks models up in: `hatstats/study/known_models.csv`.

``python -m data.derive.known_models --raw DIR`` joins the models of every study in ``data/`` and of
``maps/facts.csv`` and the paper's models with the table of llm-stats (CC BY 4.0). Where sources
speak of the same name, the studies come first. Families that no study names follow from the first
word of the name.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from data.derive.facts import MAPS

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "hatstats" / "study" / "known_models.csv"
COLUMNS = ["name", "family", "release_date", "params_total", "params_active",
           "size_source", "date_source"]  # fmt: skip
_STATS = "llm-stats 24a9ccf7 (CC BY 4.0)"
#: First words of names in llm-stats to family; other models have no family there.
FAMILIES = {
    "apertus": "Apertus", "claude": "Claude", "command": "Command", "deepseek": "DeepSeek",
    "devstral": "Mistral", "ernie": "ERNIE", "eurollm": "EuroLLM", "gemini": "Gemini",
    "gemma": "Gemma", "glm": "GLM", "gpt": "OpenAI", "granite": "Granite", "grok": "Grok",
    "hermes": "Hermes", "jamba": "Jamba", "kimi": "Kimi", "llama": "Llama", "magistral": "Mistral",
    "medgemma": "Gemma", "minimax": "MiniMax", "ministral": "Mistral", "mistral": "Mistral",
    "nova": "Nova", "olmo": "OLMo", "o1": "OpenAI", "o3": "OpenAI", "o4": "OpenAI", "phi": "Phi",
    "pixtral": "Mistral", "qvq": "Qwen", "qwen": "Qwen", "qwen2": "Qwen", "qwen3": "Qwen",
    "qwq": "Qwen",
}  # fmt: skip
#: Faults of llm-stats that data/README.md names: a size ten times too large, a date that is wrong.
WRONG_SIZES = frozenset({"nemotron-nano-9b-v2"})
WRONG_DATES = frozenset({"gpt-3.5-turbo-0125"})


def known_models(raw: Path) -> pd.DataFrame:
    """Join the tables.

    Parameters
    ----------
    raw : Path
        Folder of the raw tables.

    Returns
    -------
    DataFrame
        `name, family, release_date, params_total, params_active, size_source, date_source`, all
        text, one row for each name, sorted.
    """
    frames = [_study(folder) for folder in sorted((ROOT / "data").glob("*/models.csv"))]
    table = pd.concat([*frames, _facts(), _paper(raw), _stats(raw)], ignore_index=True)
    # Studies of one maker's models call the family so; a cluster of models needs one name.
    table["family"] = table["family"].replace({"GPT": "OpenAI"})
    blank = (table[["release_date", "params_total"]] == "").all(axis=1) & (table["family"] == "")
    table = _dated_alike(table[~blank]).drop_duplicates("name")
    return table[COLUMNS].sort_values("name", kind="stable").reset_index(drop=True)


def _dated_alike(table: pd.DataFrame) -> pd.DataFrame:
    """Date each row without a date as another row of that name and size, but for ``(val)``, is."""
    columns = ["release_date", "date_source"]
    keys = [table["name"].str.replace(r" \(val\)$", "", regex=True), table["params_total"]]
    known = table[columns].mask(table["release_date"] == "").groupby(keys).transform("first")
    return table.assign(**table[columns].mask(table["release_date"] == "", known.fillna("")))


def _study(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, dtype=str).fillna("")
    frame = frame.rename(columns={"model": "name"})
    unknown = {"unknown", "undisclosed", "none"}
    for column in ("size_source", "date_source"):
        frame[column] = frame[column].mask(frame[column].str.lower().isin(unknown), "")
    # The panel's own names and the entries behind them are names of the same models.
    if "entry" in frame:
        stand_in = frame.get("stand_in_for", pd.Series("", index=frame.index)) != ""
        entries = frame[~stand_in].assign(name=frame["entry"])
        frame = pd.concat([frame, entries], ignore_index=True)
    return frame[COLUMNS]


def _facts() -> pd.DataFrame:
    frame = pd.read_csv(MAPS / "facts.csv", dtype=str).fillna("")
    frame = frame.rename(columns={"key": "name"})
    active = frame["active_source"]
    known = (active != "").to_numpy()
    frame["size_source"] = frame["size_source"].mask(
        known, frame["size_source"] + "; active: " + active
    )
    frame["family"] = _families(frame["name"])
    return frame[COLUMNS]


def _paper(raw: Path) -> pd.DataFrame:
    """The paper's models, for those that no study of ours has."""
    frame = pd.read_csv(raw / "metadata/paper_models.csv", dtype=str).fillna("")
    known = frame["params_total"] != ""
    return pd.DataFrame(
        {
            "name": frame["model"],
            "family": _families(frame["model"]),
            "release_date": frame["release_date"],
            "params_total": frame["params_total"],
            "params_active": frame["params_active_or_effective"],
            "size_source": frame["params_source"].where(known, ""),
            "date_source": frame["date_source"],
        }
    )[COLUMNS]


def _families(names: pd.Series) -> pd.Series:
    """Family by the first word of a name; empty for words that the table above lacks."""
    lower = names.str.lower()
    words = lower.str.extract(r"^([a-z]+\d?)", expand=False).fillna("")
    found = words.map(FAMILIES).fillna(words.str.rstrip("0123456789").map(FAMILIES)).fillna("")
    return found.mask(lower.str.startswith("gpt-oss"), "GPT-OSS")


def _stats(raw: Path) -> pd.DataFrame:
    stats = pd.read_csv(raw / "llm_stats/llm_stats_models_2025-10-16.csv", dtype=str).fillna("")
    name = stats["model"]
    size = pd.to_numeric(stats["param_count"]).map(lambda n: "" if pd.isna(n) else f"{n:.0f}")
    size = size.mask(name.isin(WRONG_SIZES), "")
    date = stats["release_date"].mask(name.isin(WRONG_DATES), "")
    frame = pd.DataFrame(
        {
            "name": name,
            "family": _families(name),
            "release_date": date,
            "params_total": size,
            "params_active": "",
            "size_source": pd.Series(_STATS, index=name.index).where(size != "", ""),
            "date_source": pd.Series(_STATS, index=name.index).where(date != "", ""),
        }
    )
    return frame[COLUMNS]


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the raw tables")
    table = known_models(parser.parse_args().raw)
    table.to_csv(TARGET, index=False, lineterminator="\n")
    print(f"{TARGET.relative_to(ROOT)}: {len(table)} models")


if __name__ == "__main__":
    main()
