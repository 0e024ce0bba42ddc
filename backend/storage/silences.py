"""Table of hubs that fell silent, as the backend asks a database for it."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class OpenSilence(NamedTuple):
    """A silence that somebody was told of: of a hub, a site, the hubs of a tag, or all. `detail` is the text of its
    alarm, `since` when the first of them was heard last, `raised_at` when the alarm was raised (Unix s)."""

    scope: str
    name: str
    since: float
    raised_at: float
    detail: str


class SilenceTable(Protocol):
    """Open silences, each with the alarm that tells of it."""

    def open(self) -> list[OpenSilence]:
        """Return all of them. Also outside a transaction."""

    def begin(self, silence: OpenSilence) -> None: ...

    def end(self, scope: str, name: str) -> None: ...
