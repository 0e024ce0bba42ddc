"""Refusals of pages: a key of the words gives the reason in the reader's language."""

from __future__ import annotations

from hub.core.errors import HubError
from hub.page_kit.words import PHRASES


class Refused(HubError):
    """A refusal; `key` of the words gives the reason, `english` the same for a log: without it, the kit's sentence."""

    exit_code = 3

    def __init__(self, key: str, english: str = "") -> None:
        super().__init__(english or PHRASES.get(key, key))
        self.key = key
