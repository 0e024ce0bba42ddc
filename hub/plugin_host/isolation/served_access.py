"""Carries out what a child says to devices: HTTP, connections, and serial lines of the hub.

Everything is judged again here: the child may say anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Protocol, cast

from hub.core.errors import NotReady
from hub.plugin_host.isolation import wire
from hub.plugin_host.isolation.calls import Calls
from hub.plugin_host.isolation.streams import Streams
from hub.plugin_host.isolation.wire_base import Hostile
from hub.plugin_host.serial_buses import SharedLine
from hub.sdk.session import Http, Network, Turn

HTTP_AT_ONCE = 16
"""Requests of one plugin that the hub makes at a time; others wait."""
MOST_HTTP_S, MOST_BUS_S = 300.0, 60.0


class HubAccess(Protocol):
    """`hub.sdk.session.Access` with lines of the hub, whose exchanges another process judges."""

    @property
    def http(self) -> Http: ...
    @property
    def network(self) -> Network: ...
    def bus(self, name: str) -> SharedLine: ...


class HttpServed:
    """HTTP of one child."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._turn = asyncio.Semaphore(HTTP_AT_ONCE)

    async def request(self, call: wire.HttpCall) -> Any:
        async with self._turn:
            return await self._http.request(
                call.method,
                call.url,
                headers=call.headers,
                body=call.body,
                timeout=timedelta(seconds=min(max(call.seconds, 0.001), MOST_HTTP_S)),
            )


class AccessServed:
    """The ways of one child to devices."""

    def __init__(self, access: HubAccess, calls: Calls) -> None:
        self._access, self._calls = access, calls
        self._http = HttpServed(access.http)
        self._streams = Streams(lambda: access.network)
        self._turns: dict[int, tuple[Turn, AsyncExitStack]] = {}
        self._last = 0
        self._judged_by: dict[int, asyncio.Queue[wire.Judged]] = {}
        self._ends: set[asyncio.Task[None]] = set()

    def take(self, message: wire.Up, size: int) -> bool:
        """Carry out what the child says, where it is of these. Raises Hostile for what it may not say."""
        kind = type(message)
        if (work := _CALLS.get(kind)) is not None:
            call = cast("wire.HttpCall", message)  # or another key of the table
            self._calls.number(call.n)
            if isinstance(message, wire.TurnSend | wire.TurnReceive):
                self._turn(message.turn)  # raises
            self._calls.begin(call.n, size, work(self, message))
        elif isinstance(message, wire.HasBus):
            name = message.bus
            self._calls.number(message.n)
            self._calls.answer(message.n, lambda: self._has(name))
        elif isinstance(message, wire.Judged):
            self._judge(message)
        elif isinstance(message, wire.TurnEnd):
            self._end_later(message.turn)
        else:
            return False
        return True

    async def close(self) -> None:
        """End what the child left. Its calls are closed before."""
        for turn in list(self._turns):
            self._end_later(turn)
        await asyncio.gather(*self._ends, return_exceptions=True)
        await self._streams.close()

    def _has(self, bus: str) -> None:
        self._access.bus(bus)

    def _judge(self, message: wire.Judged) -> None:
        waiting = self._judged_by.get(message.n)
        if waiting is None and message.n > self._calls.last:
            raise Hostile(f"answers call {message.n}, which it never made")
        if waiting is not None:
            waiting.put_nowait(message)

    def _turn(self, turn: int) -> Turn:
        if turn not in self._turns:
            raise Hostile(f"speaks of turn {turn}, which it has not")
        return self._turns[turn][0]

    def _end_later(self, turn: int) -> None:
        """Take a turn away at once; the line is given back as soon as it can be."""
        self._turn(turn)
        task = asyncio.create_task(self._turns.pop(turn)[1].aclose())
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    async def _request(self, call: wire.HttpCall) -> Any:
        return await self._http.request(call)

    async def _open(self, call: wire.Open) -> Any:
        return await self._streams.open(call)

    async def _transact(self, call: wire.Transact) -> bytes | None:
        judged = self._judged_by[call.n] = asyncio.Queue()

        async def whole(came: bytes) -> int | None:
            self._calls.say(wire.Part(call.n, came))
            said = await judged.get()
            if said.failed:
                raise NotReady  # the plugin raised an error of its own, there
            return None if said.size is None else min(max(said.size, 0), len(came))

        try:
            line = self._access.bus(call.bus)
            return await line.exchange(
                call.frame, whole, timeout=timedelta(seconds=min(max(call.seconds, 0.0), MOST_BUS_S))
            )
        finally:
            del self._judged_by[call.n]

    async def _begin(self, call: wire.TurnBegin) -> int:
        async with AsyncExitStack() as stack:
            turn = await stack.enter_async_context(self._access.bus(call.bus).open())
            self._last += 1
            self._turns[self._last] = turn, stack.pop_all()
        return self._last

    async def _send(self, call: wire.TurnSend) -> None:
        await self._turn(call.turn).send(call.data)

    async def _receive(self, call: wire.TurnReceive) -> bytes:
        return await self._turn(call.turn).receive()


_CALLS: dict[type[Any], Callable[[AccessServed, Any], Coroutine[Any, Any, Any]]] = {
    wire.HttpCall: AccessServed._request,
    wire.Open: AccessServed._open,
    wire.Transact: AccessServed._transact,
    wire.TurnBegin: AccessServed._begin,
    wire.TurnSend: AccessServed._send,
    wire.TurnReceive: AccessServed._receive,
}
