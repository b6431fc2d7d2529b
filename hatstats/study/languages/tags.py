"""Tags of languages as logs spell them, and which spellings are one language."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable
from importlib import resources


@functools.cache
def spellings() -> dict[str, tuple[str, str]]:
    """Kind (ISO 639-1, ISO 639-3, English or own name) and tag of what benchmarks call a language.

    FLORES, Belebele and African ones in three letters, INCLUDE and simple-evals by its name. Not
    all of ISO 639: many of its codes are words in names of tasks.
    """
    text = resources.files("hatstats.study.languages").joinpath("spellings.csv").read_text("utf-8")
    rows = (f"{line},".split(",")[:3] for line in text.splitlines()[1:])
    return {spelling: (kind, tag) for spelling, kind, tag in rows}


@functools.cache
def spelled(*kinds: str) -> frozenset[str]:
    """Spellings of some kinds."""
    return frozenset(spelling for spelling, (kind, _) in spellings().items() if kind in kinds)


#: Codes that are words in names of tasks far more often, unless the name ends in them.
DOUBTFUL = frozenset(
    {"am", "an", "as", "at", "be", "do", "he", "hi", "id", "in", "is", "it", "la", "me", "mt",
     "my", "no", "of", "or", "pa", "so", "to"}
)  # fmt: skip
#: Scripts as FLORES writes them, in small letters.
SCRIPTS = frozenset(
    {"arab", "armn", "beng", "cyrl", "deva", "ethi", "geor", "grek", "gujr", "guru", "hang",
     "hans", "hant", "hebr", "jpan", "khmr", "knda", "kore", "laoo", "latn", "mlym", "mong",
     "mtei", "mymr", "nkoo", "olck", "orya", "sinh", "taml", "telu", "tfng", "thai", "tibt"}
)  # fmt: skip
#: A code, with script (deu_Latn), region (pt-br, EN-US) or neither.
_TAG = re.compile(r"([a-z]{2,12})(?:[_-]([a-z]{4}|[a-z]{2}))?", flags=re.IGNORECASE)
#: Single languages that stand for the whole that they belong to, where CLDR does not say so.
_WHOLE = {"als": "sq", "ekk": "et", "lvs": "lv"}


def language_tag(name: str) -> str:
    """Standard tag of a language, its English or its own name (``yo-Latn-NG``); else empty."""
    import langcodes

    text = name.strip()
    kind, named = spellings().get(text.casefold(), ("", ""))
    text = named if kind in ("English", "own name") else text
    tag = re.fullmatch(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*", text)
    if not tag or not langcodes.tag_is_valid(text):
        return ""
    return langcodes.Language.get(text).maximize().to_tag()


@functools.cache
def is_language(text: str) -> bool:
    """Whether a text is the code or the English name of a language, with or without script."""
    found = _TAG.fullmatch(text.strip())
    if found is None:
        return False
    known = found.group(1).lower() in spellings()
    script = (found.group(2) or "").lower() in SCRIPTS
    return known or (script and language_tag(text.strip()) != "")


def is_english(text: str) -> bool:
    """Whether a text names English: en, eng, eng_Latn, EN-US, English."""
    return re.split(r"[_-]", text.strip().casefold())[0] in {"en", "eng", "english"}


@functools.cache
def standard_tag(name: str) -> str:
    """One tag for all spellings of a language: ``de-Latn-DE`` for de, deu_Latn, German.

    A macrolanguage and the single language that is meant by it are one (swh, sw); Twi and Akan,
    Dari and Persian are two each. Empty where a text is no tag.
    """
    import langcodes

    text = name.strip()
    text = spellings().get(text.casefold(), ("", ""))[1] or text.replace("_", "-")
    if not language_tag(text):
        return ""
    code, *rest = text.split("-")
    code = _WHOLE.get(code.casefold(), code)
    if code.casefold() not in {"tw", "twi", "prs"}:
        code = langcodes.standardize_tag(code, macro=True)
        code = code.split("-")[0] if rest else code  # a script of its own gives way
    return langcodes.Language.get("-".join([code, *rest])).maximize().to_tag()


def one_language(names: Iterable[tuple[str, int]]) -> dict[str, str]:
    """Spelling to the most frequent one of its language, where another, of (spelling, rows)."""
    groups: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for name, rows in names:
        if tag := standard_tag(name):
            groups[tag].append((-rows, len(name), name))
    return {
        name: min(same)[2] for same in groups.values() for *_, name in same if name != min(same)[2]
    }
