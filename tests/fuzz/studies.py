"""Studies that nobody would make on purpose, as the tables that `read_study` reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from hatstats.study.files import toml_text

#: Names that are read as something else, look like one another, or end badly in LaTeX, CSV or HTML.
ODD_NAMES = (
    "A", "a", "Ａ", "А", "é", "e\u0301", "İstanbul", "ß", "SS", "مرحبا", "עברית", "日本", "𝔘",  # noqa: RUF001
    "a\u200bb",
    "nan", "NA", "N/A", "None", "null", "True", "0", "00", "1.0", "1e400", "1_000", "-0",
    "2025-01-01",
    "=1+1", "@x", "+x", "-x", "'", '"', "a,b", "a;b", "x y", "line\nbreak", "tab\tx", "a\rb",
    "%_&#$", "\\input{x}", "{}", "~", "^", "<b>", "<!--", "]]>", "/etc/passwd", "..", "C:\\x",
    "a:b",
    "Intercept", "model", "mean", "item", "pooled", "own", "model:A", "log10(x)", "`x`",
    "x" * 200,
)  # fmt: skip
ODD_LANGUAGES = (
    "en", "de", "sw", "yo", "zh-Hant", "zho_Hant", "English", "En", "eng_Latn", "all", "no",
    "nan", "pt-BR",
    "العربية", "1.0", "src", "x y", "und", "Ａ", "=x", "%", "\u200f", "German", "deu_Latn",  # noqa: RUF001
)  # fmt: skip
FORMULAS = (
    "log10(params_total)", "release_year", "log10(params_total) + release_year", "C(family)",
    "0 + release_year",
    "log10(params_total) * release_year", "bs(release_year, df=3)", "poly(release_year, 2)",
    "extra", "C(extra)",
    "within(log10(params_total))", "scale(release_year)", "1", "0", "", "family",
    "release_year:extra",
    "log10(params_total", "nothing", "x ~ y", "params_total ** 9", "1/0",
    "log(release_year - 2025)",
    "__import__('os')", "params_total / params_active", "log10(params_active)",
    "exp(params_total)",
    "C(release_date)", "(((1)))", "release_year - release_year", "center(extra)",
    "cr(release_year, df=4)",
)  # fmt: skip
KINDS = ("slope", "contrast", "non_inferiority", "transfer_share", "gap_slope", "expected_slope",
         "slope_difference")  # fmt: skip
#: Formulas that most tables of models allow.
FITTING = FORMULAS[:4]
#: What is asked of a study, one thing in each case: a case is quick then, and shrinks to its fault.
ASKED = (
    *("scores", "derived", "trend", "measures", "decompose", "references", "languages") * 2,
    *("claims", "claims", "rows", "names", "sizes", "copies", "items", "wordings", "wordings"),
    *("folder", "report"),
)  # fmt: skip
NEEDS_ITEMS = ("items", "wordings", "languages")
NEEDS_MODELS = ("trend", "claims", "sizes", "rows", "names", "report")
METHODS = ("", "observed", "panel", "observed", "latent", "joint")
#: Trials of a cell: some, few, many, and more than anybody has.
TRIALS, FEW, MANY = (10, 5, 20), (1, 2, 3), (400, 10**6, 10**9)
#: Chances of right answers: mostly of models, languages and items that differ.
SHAPES = (*("plain",) * 10, "hard", "easy", "all right", "all wrong", "ends", "equal")


@dataclass(frozen=True)
class StudyCase:
    """The tables of a study folder by name, the head of its ``study.toml``,
    and what to ask of it."""

    tables: dict[str, pd.DataFrame]
    head: dict[str, Any]
    claims: tuple[dict[str, Any], ...]
    ask: str
    method: str
    reference: str
    formula: str
    seed: int

    def write(self, folder: Path) -> Path:
        """The folder as a stranger would have written it, unchecked."""
        folder.mkdir(parents=True)
        for name, table in self.tables.items():
            table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
        text = toml_text(self.head, {"claims": self.claims})
        (folder / "study.toml").write_text(text, encoding="utf-8", newline="\n")
        return folder

    def __repr__(self) -> str:
        tables = "\n".join(
            f"{name}.csv\n{t.to_csv(index=False)}" for name, t in self.tables.items()
        )
        return (
            f"StudyCase({self.ask}, {self.method}, {self.reference!r}, {self.formula!r}, "
            f"seed {self.seed})\n"
            f"{self.head} {self.claims}\n{tables}"
        )


def names(stem: str, number: int, odd: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    """That many names of their own: ``model-0``, ``model-1``, ..., or odd ones."""
    plain = st.just([f"{stem}{i}" for i in range(number)])
    mixed = st.lists(
        st.sampled_from(odd), min_size=min(number, len(odd)), max_size=number, unique=True
    )
    return st.one_of(
        plain, mixed.map(lambda found: [*found, *plain_names(stem, number - len(found))])
    )


def plain_names(stem: str, number: int) -> list[str]:
    return [f"{stem}{i}" for i in range(number)]


def sometimes(draw: st.DrawFn, of_hundred: int) -> bool:
    """Yes in so many of a hundred cases; no is the simpler answer."""
    return draw(st.integers(0, 99)) >= 100 - of_hundred


def mostly(draw: st.DrawFn, usual: Sequence[Any], odd: Sequence[Any], of_hundred: int = 10) -> Any:
    """One of the usual values, in so many of a hundred cases one of the odd."""
    return draw(st.sampled_from(odd if sometimes(draw, of_hundred) else usual))


@st.composite
def studies(draw: st.DrawFn, most_models: int = 12, asked: tuple[str, ...] = ASKED) -> StudyCase:
    """A study folder: structure is drawn, and shrinks; its answers are those of one seed.

    Most of a study is as usual, so that most can be fitted, and what is asked mostly answered.
    """
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    ask = draw(st.sampled_from(asked))
    usual = (7, 9) if ask in NEEDS_MODELS else (6, 3, 4)
    count = min(mostly(draw, usual, (1, 2, 20)), most_models)
    models = draw(names("model-", count, ODD_NAMES))
    benchmarks = draw(names("b", mostly(draw, (1, 1, 2), (3,)), ODD_NAMES))
    languages = draw(names("t0", mostly(draw, (3, 2, 5), (1,), 4), ODD_LANGUAGES))
    plain = 2 if ask in NEEDS_ITEMS else 20
    kinds = ["accuracies" if sometimes(draw, plain) else "items" for _ in benchmarks]
    chance = [mostly(draw, (0.0, 0.25), (0.5, 0.99), 5) for _ in benchmarks]
    labelled = 90 if ask == "wordings" else 20
    rows = [
        draw(_cells(rng, (models, b, languages), k, c, labelled))
        for b, k, c in zip(benchmarks, kinds, chance, strict=True)
    ]
    counts = pd.concat(rows, ignore_index=True)
    tables = {"counts": counts, "models": draw(_models(rng, models))}
    sources = [mostly(draw, languages[:1], languages) for _ in benchmarks]
    trials = [draw(st.sampled_from(("", "wordings", "repeats", "unknown"))) for _ in benchmarks]
    tables["benchmarks"] = pd.DataFrame(
        {"benchmark": benchmarks, "source_language": sources, "chance": chance, "trials": trials}
    )
    itemwise = counts[counts["item"] != ""]
    if len(itemwise) and sometimes(draw, 10):
        items = itemwise[["benchmark", "item"]].drop_duplicates()
        tables["items"] = items.assign(source_language=rng.choice(languages[:2], len(items)))
    if sometimes(draw, 80 if ask == "languages" else 20):
        tables["languages"] = _languages(rng, languages)
    head: dict[str, Any] = {"name": draw(st.sampled_from(("study", *ODD_NAMES)))}
    if sometimes(draw, 30):
        head["common"] = list(mostly(draw, ((0.2, 0.95), (0.0, 1.0)), ((0.5, 0.500001),)))
    number = (1, 3) if ask == "claims" else (0, 2)
    claims = draw(
        st.lists(_claims(models), min_size=number[0], max_size=number[1],
                 unique_by=lambda claim: claim["name"])
    )  # fmt: skip
    accuracies = "accuracies" in kinds
    return StudyCase(
        tables, head, tuple(claims), ask=ask,
        method=mostly(draw, ("", "aggregate"), METHODS) if accuracies
        else mostly(draw, METHODS, ("aggregate",)),
        reference=mostly(draw, ("uniform", "given", "model"), ("common", "nobody"), 30),
        formula=mostly(draw, FITTING, FORMULAS, 40),
        seed=seed,
    )  # fmt: skip


@st.composite
def _cells(
    draw: st.DrawFn, rng: np.random.Generator, names_of: tuple[list[str], str, list[str]],
    kind: str, guessing: float, labelled: int,
) -> pd.DataFrame:  # fmt: skip
    """Counts of one benchmark, some cells missing, some items and models copies of others.

    `names_of` holds models, benchmark and languages, `labelled` in how many of a hundred cases the
    trials are labelled.
    """
    models, benchmark, languages = names_of
    n_items = mostly(draw, (6, 8, 12), (1, 2, 3, 20), 20) if kind == "items" else 1
    items = draw(names("", n_items, ODD_NAMES)) if kind == "items" else [""]
    index = pd.MultiIndex.from_product([models, [benchmark], languages, items])
    frame = index.to_frame(index=False, name=["model", "benchmark", "language", "item"])
    n_cells = len(frame)
    offered = (200, 400) if kind == "accuracies" else TRIALS
    offered = mostly(draw, (offered,), (FEW, MANY), 15)
    sizes = draw(st.lists(st.sampled_from(offered), min_size=1, max_size=3))
    frame["n_trials"] = rng.choice(sizes, n_cells) if len(sizes) > 1 else sizes[0]
    known = _chances(rng, frame, draw(st.sampled_from(SHAPES)))
    frame["n_correct"] = rng.binomial(frame["n_trials"], guessing + (1.0 - guessing) * known)
    if sometimes(draw, 20):  # twins: an item, and a model, that answer as another does
        for column, copies in (("item", items), ("model", models)):
            first = frame.loc[frame[column] == copies[0], ["n_trials", "n_correct"]].to_numpy()
            frame.loc[frame[column] == copies[-1], ["n_trials", "n_correct"]] = first
    if kind == "accuracies" and sometimes(draw, 50):
        frame["n_correct"] = frame["n_correct"] * rng.choice([1.0, 0.999, 0.1234567], n_cells)
    if kind == "items" and sometimes(draw, labelled):
        frame = _labelled(draw, rng, frame)
    if kind == "items" and sometimes(draw, 20):
        number = draw(st.sampled_from((4, 2, 1)))
        frame["cluster"] = "c" + (frame["item"].map(items.index) % number).astype(str)
    missing = mostly(draw, (0.0,), (0.02, 0.1, 0.5, 0.9), 20)
    frame = frame[rng.random(len(frame)) >= missing]
    if sometimes(draw, 10) and len(frame):
        frame["flag"] = np.where(rng.random(len(frame)) < 0.1, "odd", "")
    return (
        frame.sample(frac=1, random_state=draw(st.integers(0, 3))) if sometimes(draw, 30) else frame
    )


def _chances(rng: np.random.Generator, frame: pd.DataFrame, shape: str) -> np.ndarray:
    """Chance that the answer of each cell is known,
    of models and items that differ or of an odd shape."""
    sizes = {name: frame[name].nunique() for name in ("model", "language", "item")}
    parts = [rng.normal(0, 1, size)[pd.factorize(frame[name])[0]] for name, size in sizes.items()]
    shift = {"hard": -3.0, "easy": 4.0}.get(shape, 0.5)
    chance = 1.0 / (1.0 + np.exp(-(shift + sum(parts))))
    fixed = {"all right": np.ones_like(chance), "all wrong": np.zeros_like(chance),
             "ends": np.round(chance), "equal": np.full_like(chance, 0.5)}  # fmt: skip
    return np.asarray(fixed.get(shape, chance))


def _labelled(draw: st.DrawFn, rng: np.random.Generator, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of each cell under labels of wordings, of repeats, or of both."""
    number = mostly(draw, (2, 3), (1,))
    roles = draw(st.sampled_from((("prompt",), ("prompt", "repeat"), ("repeat",))))
    parts = []
    for label in range(number):
        part = frame.assign(**dict.fromkeys(roles, f"p{label}"))
        part["n_correct"] = rng.binomial(part["n_trials"], frame["n_correct"] / frame["n_trials"])
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@st.composite
def _models(draw: st.DrawFn, rng: np.random.Generator, models: list[str]) -> pd.DataFrame:
    """The table of models: any of its facts absent, empty, equal, or out of all proportion."""
    count, table = len(models), pd.DataFrame({"model": models})
    if not sometimes(draw, 10):
        families = mostly(draw, (["f", "g", "h", "i"],), (["f"], [""], list(models)), 20)
        table["family"] = rng.choice(families, count)
    sizes = mostly(
        draw, (np.geomspace(5e8, 5e11, 9), [1e9, 7e9, 3e10]),
        ([7e9], [1.0, 1e15], [np.nan], [1e9, np.nan], [7.0]), 15,
    )  # fmt: skip
    table["params_total"] = rng.choice(sizes, count)
    if sometimes(draw, 30):
        table["params_active"] = table["params_total"] * rng.choice([1.0, 0.1], count)
    dates = mostly(
        draw, (["2023-05-01", "2024-02-29", "2024-09-01", "2025-11-30"],),
        (["2024-01-01"], [""], ["1999-01-01", "2261-01-01"], ["2024-01-01", ""]), 15,
    )  # fmt: skip
    if not sometimes(draw, 10):
        table["release_date"] = rng.choice(dates, count)
    extra = draw(st.sampled_from((None, ["x", "y"], [1.0, 2.0], [np.nan], ["", "x"], ["1", "x"])))
    if extra is not None:
        table["extra"] = rng.choice(np.array(extra, dtype=object), count)
    return table.sample(frac=1, random_state=0) if sometimes(draw, 20) else table


def _languages(rng: np.random.Generator, languages: list[str]) -> pd.DataFrame:
    """A table of languages with gaps."""
    count = len(languages)
    facts = {"script": ["Latn", "Arab", ""], "resource": ["high", "low", ""]}
    table = pd.DataFrame({"language": languages})
    table = table.assign(**{name: rng.choice(values, count) for name, values in facts.items()})
    return table.assign(speakers=rng.choice([1e6, 1e9, np.nan], count))


@st.composite
def _claims(draw: st.DrawFn, models: list[str]) -> dict[str, Any]:
    """A claim of any kind, with a formula, a term and models that may not be there."""
    kind = draw(st.sampled_from(KINDS))
    name = draw(st.sampled_from(("c", "d", "é", "%", "=c")))
    claim: dict[str, Any] = {"name": name, "kind": kind}
    if kind == "contrast":
        pair = [mostly(draw, models, (*models, "nobody")) for _ in range(2)]
        return claim | {"model": pair[0], "other": pair[1], "threshold": 0.0}
    if kind == "non_inferiority":
        claim |= {"small": 1e9, "large": 1e11, "margin": 0.05}
    elif kind == "expected_slope":
        claim["expected"] = 0.1
    else:
        claim["threshold"] = 0.5
    if kind in ("slope", "slope_difference"):
        terms = ("log10(params_total)", "release_year")
        claim["term"] = mostly(draw, terms, ("nothing", "extra"))
    if sometimes(draw, 60):
        claim["formula"] = mostly(draw, FITTING, FORMULAS, 30)
    if sometimes(draw, 30):
        claim["scope"] = "these models"
    return claim
