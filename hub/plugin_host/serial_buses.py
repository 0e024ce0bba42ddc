"""Serial lines owned by the core and lent to plugins: one exchange at a time, first come, first served.

Two integrations on one RS-485 pair would disturb each other's answers. A line opens on first use, stays open, and is
reopened after a failure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from hub.core.errors import DecodeError, NotReady
from hub.core.text import phrase
from hub.sdk.serial_line import Parity, SerialLine, open_serial_line
from hub.sdk.session_rules import no_such_bus

if TYPE_CHECKING:
    from hub.config.parts.devices import Bus

SETTLED_S = 0.05
"""Silence after which a failed exchange is over: USB adapters and converters insert such pauses within a frame."""
BABBLE_S = 1.0
"""Maximum wait for silence on a line that is never silent."""
MOST_BYTES = 8192
"""Maximum size of an answer; no field bus sends more."""


class BusOptions(msgspec.Struct, frozen=True):
    """Options of a line; see `hub.config.parts.devices.Bus`. `quiet_s` None: the silence required by Modbus RTU."""

    port: str
    baudrate: int = 9600
    bits: int = 8
    parity: Parity = "N"
    quiet_s: float | None = None

    @property
    def silence_s(self) -> float:
        """Silence between two exchanges, in seconds: 3.5 characters of 11 bits, fixed at 1.75 ms above 19,200 Bd
        (MODBUS over Serial Line V1.02, §2.5.1.1)."""
        if self.quiet_s is not None:
            return self.quiet_s
        return 0.00175 if self.baudrate > 19_200 else 3.5 * 11 / self.baudrate


def bus_options(bus: Bus) -> BusOptions:
    """Return the options of a line as the configuration has it."""
    quiet = None if bus.quiet is None else bus.quiet.total_seconds()
    return BusOptions(bus.port, bus.baudrate, bus.bits, bus.parity, quiet)


class SharedLine:
    """A line of the hub. Implements `hub.sdk.session.Bus`."""

    def __init__(self, name: str, options: BusOptions, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.exchanges = 0
        self.silences = 0
        self.options = options
        self._monotonic = monotonic
        self._turn = asyncio.Lock()
        self._open: tuple[AbstractAsyncContextManager[SerialLine], SerialLine] | None = None
        self._free_at = 0.0
        self._astray = False  # the last exchange ended without its answer, which may still arrive

    async def transact(
        self, frame: bytes, whole: Callable[[bytes], int | None], *, timeout: timedelta = timedelta(seconds=1)
    ) -> bytes | None:
        """See `hub.sdk.session.Bus.transact`."""

        async def judged(came: bytes) -> int | None:
            return whole(came)

        return await self.exchange(frame, judged, timeout=timeout)

    async def exchange(
        self, frame: bytes, whole: Callable[[bytes], Awaitable[int | None]], *, timeout: timedelta
    ) -> bytes | None:
        """As `transact`, with a plugin in another process that says whether the answer is whole."""
        async with self.open() as line:
            await self._clear(line)
            self._astray = True
            await line.send(frame)
            self.exchanges += 1
            came = b""
            try:
                async with asyncio.timeout(timeout.total_seconds()):
                    while (size := await whole(came)) is None:
                        if len(came) > MOST_BYTES:
                            raise DecodeError(
                                "too-large",
                                phrase(
                                    "bus-answer-too-long",
                                    "{bus}: an answer of more than {most} bytes",
                                    bus=self.name,
                                    most=MOST_BYTES,
                                ),
                            )
                        came += await line.receive()
            except TimeoutError:
                self.silences += 1
                return None
            self._astray = False
            return came[:size]

    async def _clear(self, line: SerialLine) -> None:
        """Drop late answers and noise; after a failed exchange, until the line is silent."""
        end = self._monotonic() + BABBLE_S
        while True:
            left = min(max(self.options.silence_s, SETTLED_S), end - self._monotonic()) if self._astray else 0.0
            try:
                async with asyncio.timeout(max(left, 0.0)):
                    await line.receive()
            except TimeoutError:
                return

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SerialLine]:
        """See `hub.sdk.session.Bus.open`."""
        async with self._turn:
            line = await self._line()
            wait = self._free_at - self._monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            try:
                yield line
            except NotReady:
                await self.close()  # opened again at the next turn
                raise
            finally:
                self._free_at = self._monotonic() + self.options.silence_s

    async def _line(self) -> SerialLine:
        if self._open is None:
            options = self.options
            opening = open_serial_line(
                options.port,
                baudrate=options.baudrate,
                bits=8 if options.bits == 8 else 7,
                parity=options.parity,
                holder=phrase("bus-of-name", "bus {bus}", bus=self.name),
            )
            self._open = opening, await opening.__aenter__()
        return self._open[1]

    async def close(self) -> None:
        if self._open is not None:
            opening, self._open = self._open[0], None
            with suppress(NotReady):
                await opening.__aexit__(None, None, None)


class Buses:
    """The lines of one hub, by name."""

    def __init__(self, options: Mapping[str, BusOptions]) -> None:
        self._lines = {name: SharedLine(name, one) for name, one in options.items()}

    async def configure(self, options: Mapping[str, BusOptions]) -> None:
        """Replace the configured lines; changed ones are closed, and reopened on their next use. Their users must have
        stopped."""
        for name, line in list(self._lines.items()):
            if options.get(name) != line.options:
                del self._lines[name]
                await line.close()
        for name, one in options.items():
            self._lines.setdefault(name, SharedLine(name, one))

    def get(self, name: str) -> SharedLine:
        """Return a line. Raises AuthFailed when no line of that name is configured, since a person has to configure
        it."""
        try:
            return self._lines[name]
        except KeyError:
            raise no_such_bus(name, self._lines) from None

    def status(self) -> dict[str, dict[str, int]]:
        """Return exchanges and unanswered ones by line, for `ilot status`."""
        return {name: {"exchanges": line.exchanges, "silences": line.silences} for name, line in self._lines.items()}

    async def close(self) -> None:
        for line in self._lines.values():
            await line.close()
