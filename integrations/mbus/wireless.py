"""Wireless M-Bus (OMS, Wize): meters heard by a receiver that prints telegrams, one a line.

`run` hands every telegram to the hub, which offers it to the decoder below with the key of its meter. A meter that is
not configured becomes a candidate; one whose key is missing says so.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

import hub
from integrations.mbus import WIRELESS, decode_wireless, explain_wireless, line_wireless

__all__ = ["Config", "probe", "register_decoders", "register_integrations", "run"]


class Config(hub.Config):
    """One receiver: a stick on a serial port, or a program behind a TCP port."""

    port: str = Field(
        description="The serial port, best by its name in /dev/serial/by-id, or tcp://host:port.", min_length=1
    )
    baudrate: Literal[9600, 19200, 38400, 57600, 115200] = Field(
        default=38400, description="Of the serial port, in bit/s, 8 bits without parity."
    )
    start: str = Field(
        default="",
        max_length=64,
        description="Sent once, with a line end, before listening: brt01 makes a CUL listen for T mode.",
    )


async def run(config: Config, session: hub.Session) -> None:
    """Listen until cancelled. Raises NotReady when the receiver is gone, AuthFailed where rights are missing."""
    from integrations.mbus.lines import Lines, telegram

    async with hub.open_line(config.port, baudrate=config.baudrate, holder=session.name) as line:
        if config.start:
            await line.send(f"{config.start}\r\n".encode())
        lines = Lines()
        while True:
            for text in lines.feed(await line.receive()):
                try:
                    raw = telegram(text)
                except hub.DecodeError as error:
                    session.dropped("", error)
                    continue
                await session.heard(hub.Frame(kind=WIRELESS, address=raw[2:10].hex(), data={"telegram": raw}))


async def probe(config: Config) -> str:
    """Open the port. Raises NotReady, AuthFailed."""
    async with hub.open_line(config.port, baudrate=config.baudrate):
        return f"{config.port} is open; meters speak when they want to"


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("wmbus", Config, run, probe=probe)


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("wmbus", WIRELESS, decode_wireless, line=line_wireless, explain=explain_wireless)
