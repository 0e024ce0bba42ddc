"""Place names as people write them, compared regardless of capitals, accents, separators and leading zeros; and ids
made of them. Pure.

"Salle 4", "salle-4", "SALLE_04" and "salle4" are one place; "Niveau -1" is not "Niveau 1".
"""

from __future__ import annotations

import re

_MINUS = re.compile("(?:(?<=\\s)|^)[-\u2212](?=\\d)")  # a hyphen or the sign; its name in a pattern loads unicodedata
_TOKEN = re.compile(r"\d+|[^\W\d_]+")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae"})
LONGEST_ID = 64


def _tokens(text: str) -> list[str]:
    import unicodedata  # imported late: a megabyte of tables, only where somebody writes a name

    plain = unicodedata.normalize("NFKD", _MINUS.sub("moins ", text).casefold().translate(_LIGATURES))
    return _TOKEN.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))


def folded(text: str) -> str:
    """Return a text that is the same for all ways to write one name; "" where it has neither letter nor digit."""
    return "-".join((token.lstrip("0") or "0") if token.isdigit() else token for token in _tokens(text))


def place_id(name: str) -> str:
    """Return an id for a place of that name, "" where nothing of it can stand in one."""
    latin = (token for token in _tokens(name) if token.isascii())
    return "-".join(latin)[:LONGEST_ID].strip("-")


def in_order(text: str) -> list[tuple[bool, int, str]]:
    """Return a key that sorts "Salle 9" before "Salle 10"."""
    return [(not token.isdigit(), int(token) if token.isdigit() else 0, token) for token in _tokens(text)]
