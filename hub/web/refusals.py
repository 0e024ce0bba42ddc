"""What the pages refuse, and the calls behind them: a key of the catalogue says why, in the reader's language."""

from __future__ import annotations

from hub.core.errors import HubError


class Refused(HubError):
    """`key` of the catalogue says why."""

    exit_code = 3

    def __init__(self, key: str) -> None:
        from hub.web.words import word  # late: a hub at whose pages nobody looks holds no sentence of theirs

        super().__init__(word(key, "en"))
        self.key = key
