"""Codes and names of languages, as tasks of evaluations use them."""

from __future__ import annotations

import re

#: Two-letter codes (ISO 639-1).
_TWO = """
af am ar as az be bg bm bn bo br bs ca ceb ckb cs cy da de dv dz ee el en eo es et eu fa ff fi
fil fo fr fy ga gd gl gn gu ha he hi hr ht hu hy id ig ilo is it iu ja jv ka kk kl km kn ko ku
ky la lb lg ln lo lt lv mg mi mk ml mn mr ms mt my nb nd ne nl nn no nr nso ny oc om or pa pl ps
pt qu rm rn ro ru rw sa sc sd sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn
to tr ts tt tw ug uk ur uz ve vi wo xh yi yo yue zh zu
"""
#: Three-letter codes (ISO 639-3): FLORES, Belebele, the African benchmarks.
_THREE = """
acm aeb afr als amh apc arb ara ars ary arz asm azj aze bam bak bel ben bho bod bos bre bul cat
ceb ces cmn ckb cym dan deu ell eng epo est eus ewe fao fas fil fin fra fuv gaz gle glg grn guj
hat hau heb hin hrv hun hye ibo ilo ind isl ita jav jpn kac kan kat kaz kea khk khm kin kir kor
lao lat lin lit ltz lug luo lvs lav mal mar mkd mlt mri mon msa mya nld nno nob npi nep nso nya
orm ory pan pes pbt plt pol por pus que ron run rus shn sin slk slv smo sna snd som sot spa sqi
srp ssw sun swa swe swh tam tat tel tgk tgl tha tir tsn tso tuk tur twi uig ukr urd uzb uzn ven
vie war wol xho yid yor yue zho zsm zul vai
"""
#: Names in English: INCLUDE, simple-evals.
_NAMES = """
albanian amharic arabic armenian assamese azerbaijani basque belarusian bengali bosnian
bulgarian burmese catalan chinese croatian czech danish dutch english estonian filipino finnish
french galician georgian german greek gujarati hausa hebrew hindi hungarian icelandic igbo
indonesian irish italian japanese javanese kannada kazakh khmer korean kyrgyz lao latvian
lithuanian macedonian malagasy malay malayalam maltese marathi mongolian nepali norwegian oriya
pashto persian polish portuguese punjabi quechua romanian russian serbian shona sinhala slovak
slovenian somali spanish swahili swedish tagalog tajik tamil telugu thai tibetan turkish
ukrainian urdu uzbek vietnamese welsh wolof xhosa yoruba zulu
"""
#: A code, with script (deu_Latn), region (pt-br, EN-US) or neither.
_TAG = re.compile(r"([a-z]{2,12})(?:[_-]([a-z]{4}|[a-z]{2}))?", flags=re.IGNORECASE)

TWO_LETTERS = frozenset(_TWO.split())
CODES = TWO_LETTERS | frozenset(_THREE.split())
WORDS = CODES | frozenset(_NAMES.split())


def is_language(text: str) -> bool:
    """Whether a text is the code or the English name of a language, with or without script."""
    found = _TAG.fullmatch(text.strip())
    return found is not None and found.group(1).lower() in WORDS


def is_english(text: str) -> bool:
    """Whether a text names English: en, eng, eng_Latn, EN-US, English."""
    head = re.split(r"[_-]", text.strip().casefold())[0]
    return head in {"en", "eng", "english"}
