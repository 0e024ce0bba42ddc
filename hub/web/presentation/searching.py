"""Search over what the hub knows by name, tolerant to accents, capitals and signs between words. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

LONGEST, MOST_WORDS = 100, 8
"""Characters of a search that are read, and words."""
_BETWEEN = re.compile(r"[\W_]+")


class Item(NamedTuple):
    """Something that can be found: by the words of its `title`, and after these by its `other` words. `what` is given
    back."""

    title: str
    other: str
    what: object


@lru_cache(maxsize=8192)
def plain(text: str) -> str:
    """Return a text without accents, capitals and signs between words: "Salle d'eau-2" is "salle d eau 2"."""
    if not text.isascii():
        split = unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("Œ", "OE"))
        text = "".join(letter for letter in split if not unicodedata.combining(letter))
    return _BETWEEN.sub(" ", text.casefold()).strip()


def found(items: Iterable[Item], asked: str) -> list[Item]:
    """Return the items that hold every word of a search, the best first: titled so, beginning so, with such words in
    the title, elsewhere; those as good in the order of their titles."""
    words = list(dict.fromkeys(plain(asked[:LONGEST]).split()))[:MOST_WORDS]
    if not words:
        return []
    whole = " ".join(words)
    ranked = []
    for item in items:
        title = plain(item.title)
        rank = _rank(title, words, whole)
        if rank is None and all(word in title or word in plain(item.other) for word in words):
            rank = 4
        if rank is not None:
            ranked.append((rank, len(title), title, item))
    return [item for *_, item in sorted(ranked, key=lambda one: one[:3])]


def _rank(title: str, words: list[str], whole: str) -> int | None:
    if title == whole:
        return 0
    if title.startswith(whole):
        return 1
    if not all(word in title for word in words):
        return None
    return 2 if all(f" {word}" in f" {title}" for word in words) else 3
