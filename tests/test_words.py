"""The project speaks the language of its field: a few words are kept out."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Word -> what to write in its place. Names are read word by word: ``n_promptings`` holds one.
INSTEAD = {
    r"mend(s|ed|ing)?": "hint or fix",
    r"rungs?": "model level",
    r"told|teller": "progress (callbacks), or say what is reported",
    r"promptings?": "trial; prompt for a wording, repeat for a sample of one wording",
    r"barely[ _-]informed": "weakly identified",
    r"walkers?|half_beside": "chain; say what a name holds",
    r"scrutiny|suspicion": "finding, failed extraction",
    r"quoth|whence|thereof|therein|wherein|whereof|thither": "plain modern English",
    r"wherever there|none of which|what is to be had|as it were": "plain modern English",
    r"smoothness may hide": "possible smoothing bias, not in the interval",
}
#: Text of others, or about these words: the changelog says what was renamed.
EXEMPT = ("tests/test_words.py", "CHANGELOG.md", "tests/logs/recorded/", "requirements.lock")
KINDS = {".py", ".md", ".toml", ".html", ".cff", ".R", ".yml", ".yaml", ".tex"}


def found_words(text: str) -> list[tuple[int, str, str]]:
    """Line number, word and replacement of every listed word of a text."""
    found = []
    for word, instead in INSTEAD.items():
        for match in re.finditer(rf"(?<![a-z])({word})(?![a-z])", text, flags=re.IGNORECASE):
            found.append((text.count("\n", 0, match.start()) + 1, match.group(), instead))
    return sorted(found)


def texts() -> list[Path]:
    """Tracked text files that the project wrote."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [
        ROOT / name
        for name in listed
        if Path(name).suffix in KINDS and not name.startswith(EXEMPT) and (ROOT / name).is_file()
    ]


def test_the_list_of_words_can_fail() -> None:
    assert found_words("n_promptings = 3\nthe third Rung") == [
        (1, "promptings", INSTEAD[r"promptings?"]),
        (2, "Rung", INSTEAD[r"rungs?"]),
    ]
    assert found_words("a recommendation, a wrung cloth, foretold") == []


@pytest.mark.parametrize("folder", ["hatstats", "tests", "analyses", "bench", "data", "docs", ""])
@pytest.mark.slow
def test_no_word_that_a_reader_would_have_to_look_up(folder: str) -> None:
    inside = [
        path
        for path in texts()
        if (path.relative_to(ROOT).parts[0] == folder if folder else path.parent == ROOT)
    ]
    assert inside
    offences = [
        f"{path.relative_to(ROOT)}:{line}: {word!r}: write {instead}"
        for path in inside
        for line, word, instead in found_words(path.read_text(encoding="utf-8"))
    ]
    assert not offences, "\n".join(offences)
