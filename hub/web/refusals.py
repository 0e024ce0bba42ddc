"""Refusals of the hub's pages, and of the calls behind them."""

from __future__ import annotations

from hub.page_kit.refusals import Refused as Refusal


class Refused(Refusal):
    """A refusal; `key` of the hub's words gives the reason."""

    def __init__(self, key: str) -> None:
        from hub.web.words import word  # imported late: a hub without visitors need not hold the sentences

        super().__init__(key, word(key, "en"))
