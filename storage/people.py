"""When two names are one person's: in labels, in the index and among those who may review.

Names are compared by a skeleton, as Unicode Technical Standard 39 has it for confusable characters:
what looks alike is alike.
"""

from __future__ import annotations

import unicodedata
from functools import cache

IMPORTED = "imported: "
"""before the names of those who labelled in another database"""
ALIKE = str.maketrans({"i": "l", "1": "l", "|": "l", "0": "o"})
INVISIBLE = {"\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u2800", "\u3164", "\uffa0"}
"""characters without a picture that Unicode does not class as controls or formats"""


def person(name: str) -> str:
    """A reviewer's name as it is compared: case, spaces, invisible characters and those that look
    like others make no second person. Empty where nothing of it can be seen.
    """
    seen = "".join(c for c in unicodedata.normalize("NFKC", name) if not _is_invisible(c))
    alike = "".join(map(_looks_like, seen)).casefold()
    return " ".join(unicodedata.normalize("NFKC", alike).translate(ALIKE).split())


def readable(name: str) -> str:
    """A name as it is shown where several ways to write it come to one person."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def is_imported(name: str) -> bool:
    """Whether somebody labelled so elsewhere."""
    return person(name).startswith(person(IMPORTED))


def imported(name: str) -> str:
    """A name from another database, marked once."""
    return name if is_imported(name) else IMPORTED + name


def _is_invisible(character: str) -> bool:
    if character in INVISIBLE or "VARIATION SELECTOR" in unicodedata.name(character, ""):
        return True
    return unicodedata.category(character) in ("Cf", "Cc", "Cn", "Co", "Cs") and (
        not character.isspace()
    )


@cache
def _looks_like(character: str) -> str:
    """The character that looks the same, as a capital where that is ASCII, so that both cases come
    to one; ASCII stays as it is.
    """
    if character.isascii():
        return character
    found = [_first_alike(c) for c in (character.upper(), character)]
    return next((c for c in found if c.isascii()), character.casefold())


def _first_alike(text: str) -> str:
    from confusable_homoglyphs.confusables import confusables_data  # 0.2 s, for such names alone

    same = (one["c"] for one in confusables_data.get(text, ()))
    return min((c for c in same if len(c) == 1), default=text, key=lambda c: (c > "\x7f", c))
