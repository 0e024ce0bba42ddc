"""Refusals of the pages, and of the calls behind them: a key of the catalogue gives the reason in the reader's
language."""

from __future__ import annotations

from hub.core.errors import HubError


class Refused(HubError):
    """A refusal; `key` of the catalogue gives the reason."""

    exit_code = 3

    def __init__(self, key: str) -> None:
        from hub.web.words import word  # imported late: a hub without visitors need not hold the sentences

        super().__init__(word(key, "en"))
        self.key = key
