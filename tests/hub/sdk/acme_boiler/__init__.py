"""A boiler's flow temperature, in tenths of a degree, in register 0 of a Modbus TCP server."""

import asyncio
import struct
from datetime import timedelta

from pydantic import Field

import hub
from hub.sdk.phrases import phrase


class Boiler(hub.Config):
    """A boiler on Modbus TCP."""

    host: str = Field(default="127.0.0.1", description="Its address.")
    port: int = Field(default=502, description="Its TCP port.")
    interval: timedelta = Field(default=timedelta(seconds=30), description="Time between two polls.")


async def read(config: Boiler) -> float:
    reader, writer = await asyncio.open_connection(config.host, config.port)
    try:
        writer.write(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 1))
        answer = await reader.readexactly(11)
    finally:
        writer.transport.abort()
    return int.from_bytes(answer[9:], "big") / 10


async def run(config: Boiler, session: hub.Session) -> None:
    async for _ in session.every(config.interval):
        try:
            value = await read(config)
        except (OSError, EOFError):
            raise hub.NotReady(phrase("acme_boiler.away", "the boiler is away")) from None
        await session.emit(hub.Report(device="acme:boiler", values={"flow_temperature": value}))


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("acme_boiler", Boiler, run)
