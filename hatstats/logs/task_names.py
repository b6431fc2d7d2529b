"""What the name of a task says: benchmark, language, subset, trial; and codes of languages.

Harnesses put the language into the name of a task. The families below are declared rules, tried in
their order; the last rule takes any name in which one part is the code of a language. A name that
no rule reads has no language, and its rows are left out with that reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources


def _spellings(*kinds: str) -> frozenset[str]:
    """Spellings of languages in the table beside this module: codes, names in English."""
    text = resources.files("hatstats.logs").joinpath("language_spellings.csv").read_text("utf-8")
    rows = [line.split(",") for line in text.splitlines()[1:]]
    return frozenset(spelling for spelling, kind in rows if kind in kinds)


#: What benchmarks call a language: FLORES, Belebele and African ones in three letters, INCLUDE and
#: simple-evals by its name. Not all of ISO 639: many of its codes are words in names of tasks.
_TWO_LETTER_CODES = _spellings("ISO 639-1")
_CODES = _spellings("ISO 639-1", "ISO 639-3")
_LANGUAGES = _spellings("ISO 639-1", "ISO 639-3", "English")
#: A code, with script (deu_Latn), region (pt-br, EN-US) or neither.
_TAG = re.compile(r"([a-z]{2,12})(?:[_-]([a-z]{4}|[a-z]{2}))?", flags=re.IGNORECASE)

_LANG = r"(?P<language>[A-Za-z]{2,12}(?:[_-](?:[A-Z][a-z]{3}|[A-Z]{2}|br|BR|cn|tw|hans|hant))?)"
_END = r"(?:_(?:mcf|cf|hybrid|mcq))?(?::[\w.-]+)?"


@dataclass(frozen=True, slots=True)
class Family:
    """A family of tasks that one benchmark consists of.

    `pattern` has the group `language` and perhaps `variant` (added to the name of the benchmark),
    `subset`, `prompt`. `items` are fields of the document that together name an item across
    languages (else the number of the row). `size` is the fixed number of items in one language, or
    0; `parallel` whether all languages have the same questions.
    """

    benchmark: str
    pattern: str
    chance: float = 0.0
    items: tuple[str, ...] = ()
    size: int = 0
    parallel: bool = True


_AFRICAN = r"(?P<variant>(?:_(?:cot|direct|translate|en|native|manual|tt))*?)"
_PROMPT = r"(?:_prompt_(?P<prompt>\d+))?"
_MGSM = r"(?P<variant>(?:_(?:direct|en_cot|native_cot|cot_native|rev2|v2|tiny))*)"
#: Global-MMLU in lighteval: all items or those sensitive to culture (cs: Czech elsewhere).
_PART = r"(?:_(?:all|ca|cs|unknown)(?=_[a-z]{3}_))?"
_FORM = r"(?:_(?:mcf|cf|hybrid))?"
_M_ARC = r"(?:m_arc|arc_multilingual|mlmm_arc|arc)"
_M_SWAG = r"(?:m_hellaswag|hellaswag_multilingual|mlmm_hellaswag|hellaswag)"
_INCLUDE = (
    r"include_(?P<variant>base|lite)_44_(?:north_)?(?P<language>[a-z]+)"
    r"(?:_few_shot_(?P<prompt>en|og))?(?:_(?P<subset>\w+))?"
)

FAMILIES = (
    Family("afrimgsm", rf"afrimgsm{_AFRICAN}_{_LANG}{_PROMPT}", size=250),
    Family("afrimmlu", rf"afrimmlu{_AFRICAN}_{_LANG}{_PROMPT}", chance=0.25, size=500),
    Family("afrixnli", rf"afrixnli{_AFRICAN}_{_LANG}{_PROMPT}", chance=1 / 3, size=600),
    Family("mgsm", rf"mgsm{_MGSM}_{_LANG}{_END}", size=250),
    Family(
        "mmlu_prox",
        rf"mmlu_prox(?P<variant>_lite|_full)?_{_LANG}(?:_(?P<subset>\w+))?",
        chance=0.1,
        items=("question_id",),
    ),
    Family(
        "global_mmlu",
        rf"global_mmlu(?P<variant>_lite|_full)?{_PART}_{_LANG}{_FORM}(?:[_:](?P<subset>\w+))?",
        chance=0.25,
        items=("sample_id",),
    ),
    Family(
        "belebele",
        rf"belebele_{_LANG}{_END}",
        chance=0.25,
        items=("link", "question_number"),
        size=900,
    ),
    Family("xnli", rf"xnli(?P<variant>2)?_{_LANG}{_END}", chance=1 / 3, size=5010),
    Family("xcopa", rf"xcopa_{_LANG}{_END}", chance=0.5, items=("idx",), size=500),
    Family(
        "xstorycloze", rf"x_?story_?cloze_{_LANG}{_END}", chance=0.5, items=("story_id",), size=1511
    ),
    Family("eclektic", rf"eclektic(?:_{_LANG})?", items=("q_id",), size=384),
    Family("m_arc", rf"{_M_ARC}_{_LANG}(?:_challenge)?{_END}", chance=0.25, items=("id",)),
    Family("m_hellaswag", rf"{_M_SWAG}_{_LANG}{_END}", chance=0.25, items=("ind",)),
    Family("m_mmlu", rf"(?:m_mmlu|mlmm_mmlu)_{_LANG}{_END}", chance=0.25, items=("id",)),
    Family("include", _INCLUDE, chance=0.25, parallel=False),
)
_COMPILED = tuple((family, re.compile(family.pattern)) for family in FAMILIES)


@dataclass(frozen=True, slots=True)
class Task:
    """What the name of a task says; empty text where it says nothing."""

    benchmark: str
    language: str = ""
    subset: str = ""
    prompt: str = ""
    family: Family | None = None


def read_task(name: str) -> Task:
    """Read the name of a task of a harness; the language is empty where no rule reads one.

    A suite before it and the number of shots after it are ignored (``lighteval|mgsm_de|0``).
    """
    parts = [part for part in name.split("|") if not part.isdigit()]
    clean = (parts[-1] if parts else name).rsplit("/", 1)[-1].strip()
    for family, pattern in _COMPILED:
        found = pattern.fullmatch(clean.replace("-", "_")) or pattern.fullmatch(clean)
        groups = found.groupdict() if found else {}
        language = groups.get("language") or ""
        if found and (not language or is_language(language)):
            variant = (groups.get("variant") or "").strip("_")
            benchmark = f"{family.benchmark}_{variant}" if variant else family.benchmark
            return Task(
                benchmark, language, groups.get("subset") or "", groups.get("prompt") or "", family
            )
    return _any_task(clean)


def _any_task(name: str) -> Task:
    """Read the one part of any name that is the code of a language; the last if there are more."""
    parts = re.split(r"([_\-:. ])", name)
    words, separators = parts[::2], parts[1::2]
    codes = [i for i, word in enumerate(words) if i and word.lower() in _CODES]
    if not codes:
        return Task(name)
    start, end = codes[-1], codes[-1] + 1
    language = words[start]
    if end < len(words) and re.fullmatch(r"[A-Z][a-z]{3}", words[end]):
        language += separators[start] + words[end]  # a script: deu_Latn
        end += 1
    if start > 1 and separators[start - 1] == "-" and words[start - 1].lower() in _TWO_LETTER_CODES:
        start -= 1
        language = f"{words[start]}-{language}"  # a region: pt-br
    head = "".join(parts[: 2 * start]).rstrip("_-:. ")
    # What follows may be a subset or another way of scoring: it stays in the name.
    rest = "".join(parts[2 * end :])
    return Task("_".join(part for part in (head, rest) if part), language)


def common_ids(ids: Sequence[str], language: str) -> list[str]:
    """Names of items without the language in them, so that translations share one name.

    A part of the name that is the language (``de_17``, ``mgsm-de-17``) is taken out, if all names
    have it and stay distinct without it.
    """
    code = re.escape(language)
    pattern = re.compile(rf"(?:^|(?<=[_\-:./])){code}(?:[_\-:./]|$)", flags=re.IGNORECASE)
    if not language or not ids or not all(pattern.search(name) for name in ids):
        return list(ids)
    short = [pattern.sub("", name, count=1).strip("_-:./") for name in ids]
    same = len(set(short)) == len(set(ids)) and all(short)
    return short if same else list(ids)


def is_language(text: str) -> bool:
    """Whether a text is the code or the English name of a language, with or without script."""
    found = _TAG.fullmatch(text.strip())
    return found is not None and found.group(1).lower() in _LANGUAGES


def is_english(text: str) -> bool:
    """Whether a text names English: en, eng, eng_Latn, EN-US, English."""
    return re.split(r"[_-]", text.strip().casefold())[0] in {"en", "eng", "english"}
