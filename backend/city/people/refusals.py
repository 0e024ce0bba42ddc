"""Refusals of people: a key of the words gives the reason, in the language of a page and of a shell alike."""

from __future__ import annotations

from backend.city.people.words import PHRASES, PREFIX
from hub.core.text import of_table
from hub.page_kit.refusals import Refused


def refused(key: str) -> Refused:
    """Return the refusal of a key."""
    return Refused(key, of_table(PREFIX + key, PHRASES[key]))
