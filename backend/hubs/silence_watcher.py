"""The task that watches for silent hubs, in the one process that compacts a database."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from backend.hubs import silences
from backend.hubs.silences import LOOK_S, Sign, SilenceWatch, StateReader
from backend.storage.engine import Storage
from backend.storage.opening import open_queries
from backend.storage.process_lines import INGEST
from backend.storage.shared import CallStorage
from backend.storage.silences import OpenSilence
from hub.core.errors import HubError
from hub.core.text import Phrase, phrase, reason_of

log = logging.getLogger(__name__)

SITES_EVERY_S = 3600.0
HUNG_S = 3 * LOOK_S
"""A look that is later than this counts anew: this process did not run. So does one after no ingest process has told
that it lives for as long: hubs were not answered."""


class SilenceWatcher:
    """Looks at the database each LOOK_S while `may_look`. `silent_hubs` is None while it does not."""

    def __init__(self, address: Path | str, call: CallStorage, may_look: Callable[[], bool] = lambda: True) -> None:
        self._queries, self._call, self._may_look = open_queries(address), call, may_look
        self._watch, self._reader = SilenceWatch(), StateReader()
        self._sites: dict[str, frozenset[str]] = {}
        self._sites_at = self._looked_at = self._answered_at = float("-inf")
        self._ingests: frozenset[tuple[str, float]] = frozenset()  # names, and when each told last that it lives
        self._trouble = ""
        self.silent_hubs: int | None = None

    async def run(self) -> None:
        """Look again and again; an error is logged once when it begins."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                if self._may_look():
                    await self.look(time.monotonic())
                else:
                    self._forget()
                self._trouble = ""
            except Exception as error:
                self._watch.forget()  # neither could the states of hubs be stored
                if str(error) != self._trouble:
                    log.error(
                        phrase(
                            "silences-not-watched", "silent hubs cannot be told now: {reason}", reason=reason_of(error)
                        ),
                        exc_info=None if isinstance(error, HubError) else error,
                    )
                self._trouble = str(error)

    async def look(self, now: float) -> None:
        """Look once; `now` is monotonic seconds. Raises StorageError."""
        opened = await self._call(_found)
        if opened.ingests - self._ingests:
            self._answered_at = now
        self._ingests = opened.ingests
        if now - self._answered_at > HUNG_S:
            self._forget()
            return
        if now - self._looked_at > HUNG_S:
            self._watch.forget()
        self._looked_at = now
        signs = await asyncio.to_thread(self._signs, now)
        verdict = await asyncio.to_thread(self._watch.look, signs, opened.silences, now)
        self.silent_hubs = verdict.silent_hubs
        if verdict.begun or verdict.ended:

            def tell(storage: Storage) -> list[Phrase]:
                return silences.apply(storage, verdict, time.time())

            for said in await self._call(tell):
                log.warning(said)

    def _forget(self) -> None:
        self._watch.forget()
        self.silent_hubs = None

    def _signs(self, now: float) -> list[Sign]:
        with self._queries.snapshot() as snapshot:
            if now - self._sites_at > SITES_EVERY_S:
                found: dict[str, set[str]] = {}
                for hub, site in snapshot.sites():
                    found.setdefault(hub, set()).add(site)
                self._sites = {hub: frozenset(sites) for hub, sites in found.items()}
                self._sites_at = now
            return self._reader.signs(snapshot.hubs(), self._sites)


class _Found(NamedTuple):
    silences: list[OpenSilence]
    ingests: frozenset[tuple[str, float]]


def _found(storage: Storage) -> _Found:
    told = storage.processes.told()
    return _Found(storage.silences.open(), frozenset((one.name, one.seen_at) for one in told if one.kind == INGEST))
