"""Says the telegrams of a capture again, through a simulated KNX/IP interface, for `ilot replay knx --play`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import hub
from hub.sdk.phrases import phrase
from hub.sdk.simulation import Replay
from integrations.knx import decode
from integrations.knx import line as frame_of
from integrations.knx.playing import serving
from integrations.knx.sim.__main__ import Sim


class Bus:
    """The bus behind the interface."""

    environment: Mapping[str, str] = {}

    def __init__(self, sim: Sim, port: int) -> None:
        self._sim = sim
        self.options: dict[str, Any] = {"connection": "tunnelling", "host": "127.0.0.1", "port": port}

    async def joined(self) -> None:
        while self._sim.server is None or not self._sim.server.channels:  # noqa: ASYNC110 - it knows no loop
            await asyncio.sleep(0.05)

    async def say(self, line: Mapping[str, Any]) -> None:
        cemi = frame_of(dict(line)).data.get("cemi")
        if cemi is None or self._sim.server is None:
            raise hub.DecodeError(
                "bad-line",
                phrase("knx.line-not-played", "only a line with `cemi` is said again"),
            )
        decode.cemi(cemi)  # raises DecodeError for what is no telegram
        self._sim.deliver(self._sim.server.spread(b"\x29" + cemi[1:]))


@asynccontextmanager
async def replay(options: Any, lines: Sequence[Mapping[str, Any]], port: int) -> AsyncIterator[Bus]:
    async with serving(port) as (sim, where):
        yield Bus(sim, where)
        await asyncio.sleep(0.2)  # for the last telegram to leave


REPLAYERS: dict[str, Replay] = {"knx": replay}
