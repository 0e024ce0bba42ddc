"""Answers again what a capture holds, for `ilot replay modbus --play`: a Modbus TCP server, by pymodbus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pymodbus.server import ModbusTcpServer

import hub
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.simulation import Message, Replay
from integrations.modbus.playing import Unit, Words, words_of


def _words(line: Mapping[str, Any]) -> tuple[str, Words]:
    name, heard = line.get("device"), line.get("heard")
    if not isinstance(name, str) or not isinstance(heard, dict):
        raise hub.DecodeError("bad-line", phrase("modbus.line-without-words", "a line has `device` and `heard`"))
    try:
        words = words_of(Message("", {}, heard=heard))
    except (ValueError, TypeError) as error:
        raise hub.DecodeError("bad-line", reason_of(error)) from error
    if not all(0 <= word <= 0xFFFF and 0 <= at <= 0xFFFF for (_, at), word in words.items()):
        raise hub.DecodeError("bad-line", phrase("modbus.line-out-of-range", "addresses and words have 16 bits"))
    return name, words


class Answering:
    """Units 1, 2, … in the order in which their devices come in the capture."""

    environment: Mapping[str, str] = {}

    def __init__(self, units: Mapping[str, Unit], port: int) -> None:
        self._units = units
        settings = {name: {"unit": number} for number, name in enumerate(units, 1)}
        self.options: dict[str, Any] = {"host": "127.0.0.1", "port": port, "interval": "1s", "units": settings}

    async def joined(self) -> None:
        pass

    async def say(self, line: Mapping[str, Any]) -> None:
        name, words = _words(line)
        self._units[name].words |= words
        await asyncio.sleep(0)


@asynccontextmanager
async def replay(options: Any, lines: Sequence[Mapping[str, Any]], port: int) -> AsyncIterator[Answering]:
    whole: dict[str, Words] = {}
    for line in lines:
        try:
            name, words = _words(line)
        except hub.DecodeError:
            continue  # told when its turn comes
        whole[name] = words | whole.get(name, {})
    if not 1 <= len(whole) <= 247:
        raise hub.NotReady(
            phrase(
                "modbus.capture-of-devices",
                "a capture of 1 to 247 devices is said again, this one has {count}",
                count=len(whole),
            )
        )
    units = {name: Unit(number, words) for number, (name, words) in enumerate(whole.items(), 1)}
    server = ModbusTcpServer([unit.device() for unit in units.values()], address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        listening: Any = server.transport
        yield Answering(units, listening.sockets[0].getsockname()[1])
        await asyncio.Event().wait()  # a unit is asked: it goes on answering, until it is stopped
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


REPLAYERS: dict[str, Replay] = {"modbus": replay}
