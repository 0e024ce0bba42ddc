"""Lines by which the processes of a backend know of one another: `backend.storage.processes`.

Each tells every few seconds that it lives, of which release it is, and what it counted. The operator's API adds up what
the ingest processes counted; the compactor watches for silent hubs only while one of them answers hubs. A process of
another release works beside: whether it may is decided by the form of the tables, which each checks when it opens them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import msgspec

from backend.storage.engine import Storage
from backend.storage.processes import ProcessLine
from backend.storage.shared import CallStorage
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

INGEST, API, COMPACT = "ingest", "api", "compact"
TELL_S = 5.0
GONE_S = 60.0
"""A process that told nothing for so long does not live, or its clock is that far off."""
FORGET_S = 86_400.0
MOST_NAMED = 100
"""Hubs that a count by hub names, those with most."""

Facts = Callable[[], Awaitable[dict[str, Any]]]


class ProcessTeller:
    """Tells the line of this process. `facts` returns what it counted."""

    def __init__(self, kind: str, call: CallStorage, facts: Facts, now: Callable[[], float] = time.time) -> None:
        self.kind, self.name = kind, f"{kind} {socket.gethostname()} {os.getpid()}"
        self._call, self._facts, self._now = call, facts, now
        self._release, self._started = version("ilot"), now()
        self._trouble = ""

    async def begin(self) -> None:
        """Tell the first line, and log which other release is at work beside. Raises StorageError."""
        await self.tell()
        for line in living(await self._call(_told), self._now()):
            if line.release != self._release:
                log.warning(
                    phrase(
                        "other-release-beside",
                        "{process} of release {release} works on the same tables, this is release {own}: end it soon",
                        process=line.name,
                        release=line.release,
                        own=self._release,
                    )
                )

    async def tell(self) -> None:
        """Tell it now. Raises StorageError."""
        now = self._now()
        facts = msgspec.msgpack.encode(await self._facts())
        line = ProcessLine(self.name, self.kind, self._release, self._started, now, facts)

        def write(storage: Storage) -> None:
            with storage.transaction():
                storage.processes.tell(line, now - FORGET_S)

        await self._call(write)

    async def run(self) -> None:
        """Tell it again and again; an error is logged once when it begins."""
        while True:
            await asyncio.sleep(TELL_S)
            try:
                await self.tell()
                self._trouble = ""
            except HubError as error:
                if str(error) != self._trouble:
                    log.error(
                        phrase("process-not-told", "the database cannot be told of this process: {reason}",
                               reason=reason_of(error))
                    )  # fmt: skip
                self._trouble = str(error)

    async def end(self) -> None:
        """Delete the line, where the database lets it."""

        def forget(storage: Storage) -> None:
            with storage.transaction():
                storage.processes.forget(self.name)

        with suppress(HubError):
            await self._call(forget)


def living(lines: Iterable[ProcessLine], now: float) -> list[ProcessLine]:
    """Return the lines of processes that live, by this machine's clock."""
    return [line for line in lines if abs(now - line.seen_at) < GONE_S]


def facts_of(line: ProcessLine) -> dict[str, Any]:
    """Return the facts of a line; a process of another release may tell others, or none that can be read."""
    try:
        return msgspec.msgpack.decode(line.facts, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def summed(lines: Iterable[ProcessLine]) -> dict[str, Any]:
    """Return the counts of several processes together: numbers, and counts by name."""
    numbers: Counter[str] = Counter()
    named: dict[str, Counter[str]] = {}
    for line in lines:
        for fact, value in facts_of(line).items():
            if isinstance(value, int):
                numbers[fact] += value
            elif isinstance(value, dict):
                counts = named.setdefault(fact, Counter())
                counts.update({key: count for key, count in value.items() if isinstance(count, int)})
    return {**numbers, **{fact: dict(counts.most_common(MOST_NAMED)) for fact, counts in named.items()}}


def _told(storage: Storage) -> list[ProcessLine]:
    return storage.processes.told()
