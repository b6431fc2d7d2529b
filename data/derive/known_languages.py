"""The table that `hatstats languages fill` looks languages up in: `known_languages.csv`.

``python -m data.derive.known_languages`` needs ``pip install langcodes[data] qwanqwa``: names,
usual scripts and numbers of users come from CLDR (Unicode licence) through langcodes and
language_data, families and their first branches from Glottolog (CC BY 4.0) through qwanqwa. Classes
of resources are those of Joshi et al. (2020, doi 10.18653/v1/2020.acl-main.560), noted below.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import langcodes
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "hatstats" / "study" / "languages" / "known_languages.csv"
COLUMNS = ["tag", "name", "script", "family", "branch", "resource", "resource_class", "speakers",
           "name_source", "family_source", "resource_source", "speakers_source"]  # fmt: skip
#: Languages of FLORES-200 and of the studies, as the shortest tag.
TAGS = """
ace acm acq aeb af ak am apc ar ars ary arz as ast awa ay az azb ba bm ban be bem bg bho bjn bn bo
br bs bug ca ceb ckb cjk crh cs cv cy da de dik dyu dz ee el en eo es et eu fa fi fij fil fo fon
fr fuv fur fy ga gaa gd gl gn gu ha he hi hne hr ht hu hy id ig ilo is it ja jv ka kab kac kam kbp
kea ki kik kk km kmb kn ko kok kr ks ku ky la lb lg li lij lmo ln lo lt ltg lua luo lus lv mag mai
mg mi min mk ml mn mni mos mr ms mt my nb nds ne nl nn no nr nso nus nv ny oc om or pa pag pap pl
prs ps pt qu rm rn ro ru rw sa sat scn sd sg shn si sk sl sm sn so sq sr ss st su sv sw szl ta taq
te tg th ti tk tl tn to tpi tr ts tt tum tw tzm ug uk umb ur uz ve vec vi war wo xh yi yo yue zh
zu
"""
#: Classes 2 to 5 of Joshi et al. (2020); of the other languages of its list all are 0 or 1.
CLASSES = {
    5: "ar de en es fr ja zh",
    4: "ca cs eu fa fi hi hr hu it ko nl pl pt ru sr sv tr vi",
    3: "af arz be bg bn bs ceb da el et fil gl he id ka kk la lt lv ms ro sk sl ta th tl uk ur uz",
    2: "am ga ha ht is lo mr mt pa sa sw ti tn wo xh yo zu",
}
#: Member of a macrolanguage that stands for it in Glottolog.
MEMBERS = {
    "ak": "twi", "ar": "arb", "ay": "ayr", "az": "azj", "et": "ekk", "fa": "pes",
    "ff": "fuv", "gn": "gug", "kok": "knn", "kr": "knc", "ku": "kmr", "lv": "lvs",
    "mg": "plt", "mn": "khk", "ms": "zsm", "ne": "npi", "no": "nob", "om": "gaz", "or": "ory",
    "ps": "pbt", "qu": "quy", "sq": "als", "sw": "swh", "uz": "uzn", "yi": "ydd",
    "zh": "cmn",
}  # fmt: skip
#: Where neither has a tree: isolates, constructed languages, and members that stand alone.
GENERAL = {
    "eo": ("Constructed", ""), "eu": ("Basque", ""), "he": ("Afro-Asiatic", "Semitic"),
    "prs": ("Indo-European", "Indo-Iranian"),
}  # fmt: skip
#: Scripts that CLDR does not give.
SCRIPTS = {"acm": "Arab", "acq": "Arab", "azb": "Arab"}
#: Nodes of Glottolog below the root that are no branch one would name.
_INNER = frozenset({"Classical Indo-European"})


def known_languages() -> pd.DataFrame:
    """Join the sources: one row for each tag, all text, unknown values empty."""
    database: Any = importlib.import_module("qq").Database.load()
    kinds: Any = importlib.import_module("qq").IdType
    cldr = f"CLDR (Unicode licence) in language_data {version('language_data')}"
    glottolog = f"Glottolog (CC BY 4.0) in qwanqwa {version('qwanqwa')}"
    classes = {tag: number for number, tags in CLASSES.items() for tag in tags.split()}
    rows = []
    for tag in sorted(set(TAGS.split())):
        language = langcodes.Language.get(tag)
        family, branch, source = *GENERAL.get(tag, ("", "")), "general knowledge"
        if not family:
            code = MEMBERS.get(tag, language.to_alpha3())
            family, branch = _tree(database.get(code, id_type=kinds.ISO_639_3))
            source = glottolog
        users, number = language.speaking_population(), classes.get(tag)
        rows.append(
            {
                "tag": tag,
                "name": language.display_name(),
                "script": SCRIPTS.get(tag, language.maximize().script or ""),
                "family": family,
                "branch": branch,
                "resource": "low" if number in (None, 2) else "mid" if number == 3 else "high",
                "resource_class": "" if number is None else str(number),
                "speakers": str(users) if users else "",
                "name_source": cldr + ("; script from general knowledge" * (tag in SCRIPTS)),
                "family_source": source if family else "",
                "resource_source": "Joshi et al. 2020: "
                + (f"class {number}" if number else "class 0 or 1, being in none above"),
                "speakers_source": f"{cldr}: users" if users else "",
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _tree(languoid: Any) -> tuple[str, str]:
    """Top-level family and its first branch; an isolate is its own family."""
    if languoid is None:
        return "", ""
    tree = [node.name for node in languoid.family_tree if node.name not in _INNER]
    if not tree:
        return "", ""
    return tree[-1], tree[-2] if len(tree) > 1 else ""


if __name__ == "__main__":
    known_languages().to_csv(TARGET, index=False, lineterminator="\n")
