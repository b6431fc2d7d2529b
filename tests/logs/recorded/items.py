"""The items of the logs here: our own, five in three languages each, two of them never asked alike.

The dummy model of lm-evaluation-harness answers "lol" to everything, so that one item's answer is
that word.
"""

from __future__ import annotations

LANGUAGES = ("en", "de", "sw")

SUMS: dict[str, list[tuple[str, str]]] = {
    "en": [
        ("Ana has 3 pears and buys 4. How many has she?", "7"),
        ("A bus of 40 seats is half full. How many sit in it?", "20"),
        ("What do people type when they laugh?", "lol"),
        ("Six boxes hold 5 eggs each. How many eggs?", "30"),
        ("Tom is 9, Eva 4 years older. How old is Eva?", "13"),
    ],
    "de": [
        ("Ana hat 3 Birnen und kauft 4. Wie viele hat sie?", "7"),
        ("Ein Bus mit 40 Plätzen ist halb voll. Wie viele sitzen darin?", "20"),
        ("Was tippt man, wenn man lacht?", "lol"),
        ("Sechs Schachteln fassen je 5 Eier. Wie viele Eier?", "30"),
        ("Tom ist 9, Eva 4 Jahre älter. Wie alt ist Eva?", "13"),
    ],
    "sw": [
        ("Ana ana peasi 3 na ananunua 4. Ana ngapi?", "7"),
        ("Basi la viti 40 limejaa nusu. Wangapi wamekaa ndani?", "20"),
        ("Watu huandika nini wanapocheka?", "lol"),
        ("Masanduku sita yana mayai 5 kila moja. Mayai mangapi?", "30"),
        ("Tom ana miaka 9, Eva ana 4 zaidi. Eva ana miaka mingapi?", "13"),
    ],
}
#: What every item offers where it is asked with options; the first three are wrong.
OPTIONS = ("11", "2", "100")
