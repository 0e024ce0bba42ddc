"""Says the telegrams of a capture again, for `ilot replay --play`: meters that are asked on a bus behind a TCP port, or
a receiver that prints telegrams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import Any

import hub
from hub.sdk.phrases import phrase
from hub.sdk.replaying import Line, serial_line
from hub.sdk.simulation import Replay
from integrations.mbus import line_wired, line_wireless, radio
from integrations.mbus.sim import Bus, Meter, serve


class Repeater(Meter):
    """A slave that answers with a telegram as it was captured, at its address now."""

    telegram = b""

    def answer(self, bit: int) -> bytes:
        body = bytes((self.telegram[4], self.address)) + self.telegram[6:-2]
        return b"\x68" + bytes((len(body),)) * 2 + b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))


class WiredBus:
    """The meters of a capture. Each answers with its newest line."""

    environment: Mapping[str, str] = {}

    def __init__(self, bus: Bus, port: int) -> None:
        self._bus = bus
        self._meters: dict[bytes, Repeater] = {}
        self.options: dict[str, Any] = {"port": f"tcp://127.0.0.1:{port}", "interval": "10s"}

    async def joined(self) -> None:
        pass

    async def say(self, line: Mapping[str, Any]) -> None:
        raw = line_wired(dict(line)).data["telegram"]
        if len(raw) < 21 or raw[0] != 0x68 or raw[6] != 0x72 or len(raw) != raw[1] + 6:
            raise hub.DecodeError(
                "bad-line",
                phrase("mbus.line-not-played", "only a telegram with the meter's own address (CI 72) is said again"),
            )
        own = raw[7:15]
        meter = self._meters.get(own)
        if meter is None:
            meter = self._meters[own] = Repeater(raw[5] if 1 <= raw[5] <= 250 else 0, own, [b""])
            self._bus.meters.append(meter)
        meter.telegram = raw
        await asyncio.sleep(0)


@asynccontextmanager
async def replay_wired(options: Any, lines: Sequence[Mapping[str, Any]], port: int) -> AsyncIterator[WiredBus]:
    bus = Bus([])
    server = await serve(bus, "127.0.0.1", port)
    with closing(server):
        player = WiredBus(bus, server.sockets[0].getsockname()[1])
        yield player
        await asyncio.Event().wait()  # a meter is asked: it goes on answering, until it is stopped


def _telegram(line: Mapping[str, Any]) -> bytes:
    return radio.strip(line_wireless(dict(line)).data["telegram"]).hex().upper().encode() + b"\r\n"


def replay_wireless(options: Any, lines: Sequence[Mapping[str, Any]], port: int) -> AbstractAsyncContextManager[Line]:
    return serial_line(_telegram, port)


REPLAYERS: dict[str, Replay] = {"mbus": replay_wired, "wmbus": replay_wireless}
