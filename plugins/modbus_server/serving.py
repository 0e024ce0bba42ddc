"""The server: pymodbus implements the protocol, the registers are computed at each request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

import hub
from hub.sdk.exporter import ExporterView, LastValue
from hub.sdk.phrases import phrase, system_error
from plugins.modbus_server.table import SLOTS, WORDS, Slots, flags, points, registers

if TYPE_CHECKING:
    from plugins.modbus_server import Config

_DISCRETE, _INPUT = 2, 4
_SLOTS = "slots"
CLIENTS = 16


async def serve(config: Config, view: ExporterView) -> None:
    """Serve until cancelled."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
    slots = Slots(view.state.get(_SLOTS, {}))
    expire_s = config.expire.total_seconds()

    def last() -> dict[str, LastValue]:
        return {value.series: value for value in view.values()}

    async def answer(
        function: int, start: int, address: int, count: int, block: list[Any], values: list[Any] | None
    ) -> ExcCodes | None:
        if values is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        if function == _INPUT:
            made: list[Any] = registers(slots.of, last(), time.time(), expire_s)
        elif function == _DISCRETE:
            made = flags(slots.of, last())
        else:
            return ExcCodes.ILLEGAL_FUNCTION
        if address + count > len(made):
            return ExcCodes.ILLEGAL_ADDRESS
        block[: len(made)] = made
        return None

    server = _Server(_device(answer), config, view)
    try:
        await server.serve_forever(background=True)
    except (RuntimeError, OSError) as error:
        raise hub.NotReady(
            phrase(
                "modbus_server.address-unusable",
                "{address}:{port} cannot be listened on",
                address=config.address,
                port=config.port,
            )
        ) from error
    try:
        listening: Any = server.transport
        view.log.info(
            phrase(
                "modbus_server.listening",
                "Modbus clients may ask {address} port {port}",
                address=config.address,
                port=listening.sockets[0].getsockname()[1],
            )
        )
        written, told_full = "", False
        async for _ in view.changes(timedelta(seconds=5)):
            series = view.series()
            if slots.give(series):
                view.state.put(_SLOTS, slots.of)
            if slots.full and not told_full:
                told_full = True
                view.log.warning(
                    phrase(
                        "modbus_server.too-many-series",
                        "more than {most} series: those that came last have no registers",
                        most=SLOTS,
                    )
                )
            text = points(slots.of, series)
            if config.points is not None and text != written:
                written = await _write(config.points, text, view)
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


async def _write(path: Path, text: str, view: ExporterView) -> str:
    """Write a file. Returns the text when it was written, else "": then it is tried again at the next change."""
    try:
        await asyncio.to_thread(path.write_text, text, encoding="utf-8", newline="")
    except OSError as error:
        view.log.warning(
            phrase(
                "modbus_server.points-not-written",
                "the list of points cannot be written to {file}: {reason}",
                file=path,
                reason=system_error(error),
            )
        )
        return ""
    return text


def _device(answer: Callable[..., Any]) -> SimDevice:
    bits = [SimData(0, values=[False] * SLOTS, datatype=DataType.BITS)]
    none = [SimData(0, values=[0], datatype=DataType.REGISTERS)]
    inputs = [SimData(0, values=[0] * (SLOTS * WORDS), datatype=DataType.REGISTERS)]
    coils = [SimData(0, values=[False], datatype=DataType.BITS)]
    return SimDevice(1, (coils, bits, none, inputs), action=answer)


class _Server(ModbusTcpServer):
    """Closes connections from addresses that are not allowed before the first request."""

    def __init__(self, device: SimDevice, config: Config, view: ExporterView) -> None:
        super().__init__([device], address=(config.address, config.port))
        self._networks = [ip_network(text) for text in config.allow]
        self._view = view
        self._told: set[str] = set()
        self.clients = 0

    def callback_new_connection(self) -> ServerRequestHandler:
        return _Handler(self, self.trace_packet, self.trace_pdu, self.trace_connect)  # type: ignore[no-untyped-call]

    def allows(self, peer: str) -> bool:
        known = any(ip_address(peer) in network for network in self._networks)
        if not known and peer not in self._told and len(self._told) < 100:
            self._told.add(peer)
            self._view.log.warning(
                phrase(
                    "modbus_server.client-not-allowed",
                    "{client} asked over Modbus and is not in `allow`: refused",
                    client=peer,
                )
            )
        return known and self.clients < CLIENTS


class _Handler(ServerRequestHandler):
    _counted = False

    def connection_made(self, transport: Any) -> None:
        peer = transport.get_extra_info("peername") or ("0.0.0.0",)  # noqa: S104 - nobody's
        super().connection_made(transport)
        server: Any = self.server
        if not server.allows(peer[0]):
            transport.abort()
            return
        self._counted = True
        server.clients += 1

    def connection_lost(self, reason: Exception | None) -> None:
        if self._counted:
            self._counted = False
            server: Any = self.server
            server.clients -= 1
        super().connection_lost(reason)
