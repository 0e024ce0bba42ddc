"""The master of one bus: one request at a time, with its answer or time-out. EN 13757-2:2018, 5.5 to 5.7.

A telegram has no number: one that arrives after its time-out looks like the answer to the next request. Therefore bytes
between two requests are dropped and restart the pause, and an answer is accepted only from the addressed meter: by the
address of the link layer, and by the meter's own where that was used.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import hub
from hub.sdk import serial_line
from hub.sdk.phrases import phrase
from integrations.mbus import link
from integrations.mbus.decode import Message, speaker, wired
from integrations.mbus.header import Identity

SND_NKE, SND_UD, REQ_UD2 = 0x40, 0x53, 0x5B
FCB = 0x20
PRM = 0x40
"""Set in telegrams of a master: some converters echo what was sent."""
SELECT = 0x52
NETWORK, BROADCAST = 0xFD, 0xFF
MOST_TELEGRAMS = 32


class Silent(Exception):
    """No answer in time."""


class Master:
    """The master. `timeout` is for one whole answer, `ack` for an acknowledgement (`timeout` where it is None), `rest`
    the pause between two requests, in seconds."""

    def __init__(
        self,
        line: serial_line.SerialLine,
        *,
        timeout: float,
        retries: int,
        ack: float | None = None,
        rest: float = 0.05,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line, self._timeout, self._retries, self._rest = line, timeout, retries, rest
        self._ack = timeout if ack is None else ack
        self._monotonic = monotonic
        self._free_at = 0.0
        self.answered_s = 0.0
        """Duration of the last answer in seconds."""

    async def read(self, address: int, own: bytes | None = None) -> list[Message]:
        """Read all telegrams of the meter at a primary address (or selected, at FD, by its `own`). Raises Silent;
        DecodeError when the answer is invalid (typically two meters at once); NotReady."""
        if address != NETWORK:
            await self._reset(address)
        found: list[Message] = []
        bit = FCB
        while len(found) < MOST_TELEGRAMS:
            raw = await self._ask(link.short(REQ_UD2 | bit, address), lambda raw: _data(raw, address, own))
            found.append(wired(raw))
            if not found[-1].parsed.more:
                break
            bit ^= FCB
        return found

    async def select(self, secondary: bytes) -> None:
        """Select the meter with this secondary address, 8 bytes: id, maker, version, medium; F and FF are wildcards.

        Raises Silent when there is none, DecodeError when several answer at once.
        """
        await self._line.send(link.short(SND_NKE, NETWORK))  # deselect any selected meter
        await self.quiet()
        await self._ask(link.long(SND_UD, NETWORK, SELECT, secondary), _acknowledged, timeout=self._ack)

    async def _reset(self, address: int) -> None:
        """Send SND_NKE: the meter restarts its sequence of telegrams. Some do not answer it."""
        with suppress(Silent):
            await self.ping(address)

    async def ping(self, address: int) -> None:
        """Check that a meter is at a primary address. Raises Silent when not, DecodeError when the answer is no
        acknowledgement, NotReady."""
        await self._ask(link.short(SND_NKE, address), _acknowledged, attempts=1, timeout=self._ack)

    async def first(self, address: int) -> bytes:
        """Return the first telegram of a primary address, or of the selected meter (at FD), unparsed. Raises Silent;
        DecodeError `mbus-collision`, also when more bytes follow: another, slower meter; NotReady."""
        raw = await self._ask(link.short(REQ_UD2 | FCB, address), lambda raw: _data(raw, address), attempts=1)
        if await self.quiet():
            raise hub.DecodeError(
                "mbus-collision", phrase("mbus.several-meters-answer", "several meters answer one after another")
            )
        return raw

    async def quiet(self) -> int:
        """Drop bytes that may still arrive; returns their number."""
        heard, end = 0, self._monotonic() + self._ack / 4
        while (left := end - self._monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    heard += len(await self._line.receive())
            except TimeoutError:
                break
        return heard

    async def _ask(
        self, question: bytes, fits: Callable[[bytes], bool], attempts: int = 0, timeout: float | None = None
    ) -> bytes:
        """Send a request and return one whole telegram that `fits`. Raises Silent, DecodeError, NotReady."""
        heard, others = 0, False
        for _ in range(attempts or 1 + self._retries):
            await self._wait_until_idle()
            splitter = link.Splitter()
            await self._line.send(question)
            heard, others, sent = 0, False, self._monotonic()
            try:
                async with asyncio.timeout(timeout or self._timeout):
                    while True:
                        data = await self._line.receive()
                        heard += len(data)
                        for telegram in splitter.feed(data):
                            if fits(telegram):
                                self.answered_s = self._monotonic() - sent
                                return telegram
                            others = True
            except TimeoutError:
                continue
            finally:
                self._free_at = self._monotonic() + self._rest
        if others:
            raise hub.DecodeError(
                "mbus-collision",
                phrase("mbus.foreign-answer", "what came is of another meter, or no answer to what was asked"),
            )
        if heard:
            raise hub.DecodeError(
                "mbus-collision",
                phrase(
                    "mbus.garbled-answer",
                    "{count} [byte|bytes] came that are no telegram: two meters at once?",
                    count=heard,
                ),
            )
        raise Silent

    async def _wait_until_idle(self) -> None:
        """Wait until the line may be used. Bytes that arrive meanwhile are late and restart the pause; on a line that
        is never idle, wait for one time-out at most."""
        end = self._monotonic() + self._timeout
        while True:
            left = min(self._free_at, end) - self._monotonic()
            try:
                async with asyncio.timeout(max(left, 0)):
                    await self._line.receive()
            except TimeoutError:
                return
            self._free_at = self._monotonic() + self._rest


def _acknowledged(raw: bytes) -> bool:
    return raw == bytes([link.ACK])


def _data(raw: bytes, address: int, own: bytes | None = None) -> bool:
    """Return whether this telegram is from the addressed meter. A damaged one is accepted here and refused by the
    parser."""
    try:
        telegram = link.read(raw)
        if telegram is None or telegram.control & PRM or address not in (NETWORK, telegram.address):
            return False
        who = speaker(telegram)
    except hub.DecodeError:
        return True
    return own is None or who is None or _is(who, own)


def _is(who: Identity, own: bytes) -> bool:
    """Return whether an address matches `own`, where F is any digit of the number, FF any maker, version or medium."""
    if any(want not in ("f", have) for have, want in zip(who.id, own[3::-1].hex(), strict=True)):
        return False
    rest = who.raw[:2] + who.raw[6:]  # the fixed structure has no version or medium
    return all(want in (0xFF, have) for have, want in zip(rest, own[4:], strict=False))


def secondary(device: str) -> bytes | None:
    """Return the secondary address in a device id of the form `mbus:KAM-06855817-08-04`, None for another form."""
    parts = device.removeprefix("mbus:").split("-")
    if len(parts) != 4 or [len(part) for part in parts] != [3, 8, 2, 2] or not parts[0].isalpha():
        return None
    try:
        number, version, medium = (bytes.fromhex(part) for part in parts[1:])
    except ValueError:
        return None
    first, second, third = (ord(letter) - 64 for letter in parts[0].upper())
    maker = (first << 10 | second << 5 | third).to_bytes(2, "little")
    return number[::-1] + maker + version + medium
