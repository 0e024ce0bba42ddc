"""Plays devices of a Modbus pack for `ilot sim --pack`: a Modbus TCP server, by pymodbus, that answers the registers of
the pack's vectors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hub.sdk.simulation import Fault, Message, Play, Played, Script

_TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_BITS = ("coil", "discrete")
_MUTE_S = 60.0
"""Seconds after which a question that nobody answers is forgotten: far beyond any patience of a client."""

Words = dict[tuple[str, int], int]


def words_of(message: Message) -> Words:
    """Return the registers that a vector names, by table and address."""
    found: Words = {}
    for place, said in message.heard.items():
        table, _, first = place.partition(" ")
        found |= {(table, int(first) + number): int(word) for number, word in enumerate(said)}
    return found


class Unit:
    """A unit. Registers that a vector does not name keep what the vector before said."""

    def __init__(self, number: int, whole: Words) -> None:
        self._number = number
        self.words = dict(whole)
        self.silent = self.spoilt = False
        self.lost = 0
        self._spoken = asyncio.Event()

    def hear(self) -> None:
        """Let go of the questions that were not answered."""
        self._spoken.set()
        self._spoken = asyncio.Event()

    async def answer(
        self, function: int, start: int, address: int, count: int, registers: list[int], values: Any
    ) -> ExcCodes | None:
        if self.silent or self.lost:
            self.lost = max(0, self.lost - 1)
            try:
                async with asyncio.timeout(_MUTE_S):
                    await self._spoken.wait()
            except TimeoutError:
                pass
            return ExcCodes.GATEWAY_NO_RESPONSE
        if self.spoilt:
            return ExcCodes.DEVICE_FAILURE
        table = _TABLES.get(function, "")
        if values is not None or not table:
            return ExcCodes.ILLEGAL_FUNCTION
        registers[:] = _packed(table, self.words, len(registers))
        return None

    def device(self) -> SimDevice:
        def block(table: str) -> list[SimData]:
            size = max((at + 1 for where, at in self.words if where == table), default=1)
            values = _packed(table, self.words, -(-size // 16) if table in _BITS else size)
            kind = DataType.BITS if table in _BITS else DataType.REGISTERS
            return [SimData(0, values=values, datatype=kind)]

        return SimDevice(
            self._number, (block("coil"), block("discrete"), block("holding"), block("input")), action=self.answer
        )


def _packed(table: str, words: Words, size: int) -> list[int]:
    """Return a table from address 0; bits are packed, 16 to a word, bit 0 first."""
    if table not in _BITS:
        return [words.get((table, at), 0) for at in range(size)]
    return [sum((words.get((table, 16 * at + bit), 0) & 1) << bit for bit in range(16)) for at in range(size)]


class ModbusPlayer:
    """Units 1, 2, … of one server."""

    faults: frozenset[Fault] = frozenset({"silence", "drop", "wrong-payload"})
    environment: dict[str, str] = {}  # noqa: RUF012 - nothing to add to
    secrets: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, script: Script, units: list[Unit], port: int) -> None:
        self._units = units
        names = (f"modbus:{script.pack}-{number}" for number in range(1, len(units) + 1))
        self.devices = [Played(name, {"unit": number}) for number, name in enumerate(names, 1)]
        self.options: dict[str, Any] = {"host": "127.0.0.1", "port": port, "interval": "1s"}

    def speaks(self, device: int, message: Message) -> bool:
        return True

    async def joined(self, device: int) -> None:
        pass

    async def say(self, device: int, message: Message, fault: Fault | None) -> None:
        unit = self._units[device]
        unit.silent, unit.spoilt, unit.lost = fault == "silence", fault == "wrong-payload", int(fault == "drop")
        unit.hear()
        if fault is None:
            unit.words |= words_of(message)


async def _nobody(*_: object) -> ExcCodes | None:
    return ExcCodes.GATEWAY_NO_RESPONSE


@asynccontextmanager
async def play(script: Script) -> AsyncIterator[ModbusPlayer]:
    whole: Words = {}
    for message in reversed(script.messages):
        whole |= words_of(message)
    units = [Unit(number, whole) for number in range(1, script.devices + 1)]
    empty = [SimData(0, values=[0], datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=[0], datatype=DataType.BITS)]
    others = SimDevice(0, (bits, list(bits), empty, list(empty)), action=_nobody)  # 0 is pymodbus's "all others"
    server = ModbusTcpServer([*(unit.device() for unit in units), others], address=("127.0.0.1", script.port))
    await server.serve_forever(background=True)
    try:
        listening: Any = server.transport
        yield ModbusPlayer(script, units, listening.sockets[0].getsockname()[1])
    finally:
        for unit in units:
            unit.hear()
        await server.shutdown()  # type: ignore[no-untyped-call]


PLAYERS: dict[str, Play] = {"modbus": play}
