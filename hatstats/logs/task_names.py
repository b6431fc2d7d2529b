"""What the name of a task says: benchmark, language, subset, trial; and codes of languages.

Harnesses put the language into the name of a task. The families below are declared rules, tried in
their order; the last rule takes any name in which one part is the code of a language. A name that
no rule reads has no language, and its rows are left out with that reason.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hatstats.study.languages.tags import DOUBTFUL, SCRIPTS, is_language, spelled

_SCRIPT = "|".join(f"{name}|{name.capitalize()}" for name in sorted(SCRIPTS))
_LANG = rf"(?P<language>[A-Za-z]{{2,12}}(?:[_-](?:{_SCRIPT}|[A-Z]{{2}}|br|BR|cn|tw))?)"
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

_PIQA = r"(?P<variant>(?:_(?:completions|prompted|nonparallel))*)"

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
    Family("multiblimp", rf"multiblimp_{_LANG}{_END}", chance=0.5, parallel=False),
    Family("xwinograd", rf"xwinograd_{_LANG}{_END}", chance=0.5, parallel=False),
    Family("global_piqa", rf"global_piqa{_PIQA}_{_LANG}{_END}", chance=0.5, parallel=False),
)
_DATED = re.compile(r"^\d{4}-\d\d-\d\d(?:[T_][\d.:-]+)?_(?:samples_)?")
_COMPILED = tuple((family, re.compile(family.pattern)) for family in FAMILIES)


@dataclass(frozen=True, slots=True)
class Task:
    """What the name of a task says; empty text where it says nothing."""

    benchmark: str
    language: str = ""
    subset: str = ""
    prompt: str = ""
    family: Family | None = None


def read_task(name: str, pattern: str = "") -> Task:
    """Read the name of a task of a harness; the language is empty where no rule reads one.

    A suite before it and the number of shots after it are ignored (``lighteval|mgsm_de|0``), and
    dates before it. A user's `pattern` comes first: ``quiz_{language}``.
    """
    parts = [part for part in name.split("|") if not part.isdigit()]
    clean = _DATED.sub("", (parts[-1] if parts else name).rsplit("/", 1)[-1].strip())
    if pattern:
        before, _, after = pattern.partition("{language}")
        if clean.startswith(before) and clean.endswith(after) and len(clean) > len(before + after):
            language = clean[len(before) : len(clean) - len(after)]
            return Task((before + after).strip("_-:. "), language)
    for family, names in _COMPILED:
        found = names.fullmatch(clean.replace("-", "_")) or names.fullmatch(clean)
        groups = found.groupdict() if found else {}
        language = groups.get("language") or ""
        if found and (not language or is_language(language)):
            variant = (groups.get("variant") or "").strip("_")
            benchmark = f"{family.benchmark}_{variant}" if variant else family.benchmark
            return Task(
                benchmark, language, groups.get("subset") or "", groups.get("prompt") or "", family
            )
    return _any_task(clean)


def family_of(benchmark: str) -> Family | None:
    """Declared family of a benchmark, variants of its protocol included."""
    plain = benchmark.casefold().replace("-", "_").replace(" ", "_")
    found = [family for family in FAMILIES if f"{plain}_".startswith(f"{family.benchmark}_")]
    return max(found, key=lambda family: len(family.benchmark), default=None)


def _any_task(name: str) -> Task:
    """Read the part of any name that is a language, the surest first.

    A code with its script, a code at the end, a name in English, then any code that is no word.
    """
    parts = re.split(r"([_\-:. ])", name)
    words, separators = parts[::2], parts[1::2]
    lower = [word.lower() for word in words]
    last = len(words) - 1
    scripted = [i for i in range(last) if i and lower[i + 1] in SCRIPTS
                and is_language(f"{lower[i]}_{lower[i + 1]}")]  # fmt: skip
    named = [i for i, word in enumerate(lower) if word in spelled("English") and last]
    codes = [i for i, word in enumerate(lower) if i and word in spelled("ISO 639-1", "ISO 639-3")]
    sure = [i for i in codes if i == last or lower[i] not in DOUBTFUL]
    found = scripted[-1:] or [i for i in sure if i == last] or named[:1] or sure[-1:]
    if not found:
        return Task(name)
    (start,) = found
    end = start + 1
    language = words[start]
    if scripted:
        language += separators[start] + words[end]  # a script: deu_Latn
        end += 1
    if start > 1 and separators[start - 1] == "-" and lower[start - 1] in spelled("ISO 639-1"):
        start -= 1
        language = f"{words[start]}-{language}"  # a region: pt-br
    head = "".join(parts[: 2 * start]).rstrip("_-:. ")
    # What follows may be a subset or another way of scoring: it stays in the name.
    rest = "".join(parts[2 * end :])
    return Task("_".join(part for part in (head, rest) if part), language)


def alike_names(languages: Mapping[str, Collection[str]]) -> list[str]:
    """Ask about benchmarks of one language each (name to languages) that differ in one word."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, spoken in languages.items():
        parts = re.split(r"([_\-:. ])", name)
        for i in range(0, len(parts) if len(spoken) == 1 else 0, 2):
            groups["".join([*parts[:i], "{language}", *parts[i + 1 :]])].append(name)
    notes = []
    for pattern, names in groups.items():
        if len(names) >= 3 and pattern != "{language}":
            shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
            notes.append(
                f"{len(names)} benchmarks of one language each differ in one word ({shown}); if it "
                f"is the language: settings={{'task': '{pattern}'}}."
            )
    return notes


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
