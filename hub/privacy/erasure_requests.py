"""Sends erasures to the backend and fetches its confirmations.

Each erasure is sent in the `alerts` stream at once, and again at each start until it is confirmed. While one is open
the hub requests `GET /v1/erasures` over the owner's pinned TLS with its client certificate: every 10 s in the first
five minutes, then every five minutes. The answer lists {id, readings, left} of the erasures executed for this hub.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hub.core.clock import Clock
from hub.core.errors import BufferFull, DecodeError, HubError
from hub.core.text import phrase, reason_of
from hub.privacy.consent import ConsentTables, Erasure
from hub.privacy.consent.erasure_rows import row
from hub.protocol.records.rows import ALERTS
from hub.store_and_forward.backend_client import Http, asked
from hub.store_and_forward.buffer import Buffer

LOOK_S, SOON_S, SELDOM_S = 1.0, 10.0, 300.0
FRESH_S = 300.0
PATIENCE_S = 86_400.0
"""Seconds after which an unconfirmed erasure is reported in `ilot status`."""

_log = logging.getLogger("hub.privacy")


class Done(msgspec.Struct, frozen=True):
    id: Annotated[str, Meta(max_length=64)]
    readings: Annotated[int, Meta(ge=0)] = 0
    left: Annotated[int, Meta(ge=0)] = 0


class Answer(msgspec.Struct, frozen=True):
    done: Annotated[tuple[Done, ...], Meta(max_length=10_000)]


class ErasureRequests:
    """Sends and polls the erasures of one hub. `up` returns whether any transport is connected."""

    def __init__(
        self, memory: ConsentTables, buffer: Buffer, clock: Clock, *, http: Http, url: str, up: Callable[[], bool]
    ) -> None:
        self._table, self._buffer, self._clock = memory, buffer, clock
        self._http, self._up = http, up
        self._url = f"{url.rstrip('/')}/v1/erasures"
        self._sent: set[str] = set()
        self._open: list[Erasure] | None = None
        self._asked: float | None = None
        self._quiet = False

    def ordered(self) -> None:
        """Reload the erasures: there is a new one."""
        self._open, self._asked = None, None

    async def run(self) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            try:
                await self.turn()
            except HubError as error:
                if not self._quiet:
                    _log.warning(phrase("erasures-failed", "erasures: {reason}", reason=reason_of(error)))
                self._quiet = True
            else:
                self._quiet = False

    async def turn(self) -> None:
        """Send new erasures, and poll for confirmations if a poll is due."""
        if self._open is None:
            self._open = await self._table.erasures(open_only=True)
        if not self._open:
            return
        await self._send([one for one in self._open if one.id not in self._sent])
        if not self._up():
            self._asked = None
            return
        now = self._clock.monotonic()
        if self._asked is None or now - self._asked >= self._every(self._open):
            self._asked = now
            await self._ask(self._open)

    async def _send(self, erasures: list[Erasure]) -> None:
        for one in erasures:
            try:
                self._buffer.append(row(one, monotonic=self._clock.monotonic(), sure=self._clock.sure()), ALERTS)
            except BufferFull:
                return
        if erasures:
            await self._buffer.flush()
            self._sent |= {one.id for one in erasures}

    def _every(self, erasures: list[Erasure]) -> float:
        newest = max(one.asked for one in erasures)
        return SOON_S if 0 <= self._clock.now() - newest < FRESH_S else SELDOM_S

    async def _ask(self, erasures: list[Erasure]) -> None:
        answer = await asked(self._http, self._url, Answer, "erasures")
        if answer is None:
            raise DecodeError(
                "bad-erasures",
                phrase(
                    "erasures-route-missing", "{url} answers 404: is the backend older than this hub?", url=self._url
                ),
            )
        done = {one.id: one for one in answer.done}
        for one in erasures:
            if one.id in done:
                await self._table.confirm(one.id, self._clock.now(), done[one.id].readings, done[one.id].left)
                self._open = None

    def status(self) -> dict[str, Any]:
        """Return the state for the control socket."""
        return {"open": len(self._open or ())}

    def complaints(self) -> list[str]:
        late = [one for one in self._open or () if self._clock.now() - one.asked > PATIENCE_S]
        if not late:
            return []
        return [
            phrase(
                "erasures-not-confirmed",
                "{count} [erasure is|erasures are] not confirmed by the backend after a day; `ilot privacy list`",
                count=len(late),
            )
        ]
