"""Reads a gateway's version. ESP3 1.51, 2.5: CO_RD_VERSION."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import hub
from hub.sdk import serial_line
from hub.sdk.phrases import phrase
from integrations.enocean.esp3 import COMMON_COMMAND, RESPONSE, Splitter, pack

BAUDRATE = 57600
"""ESP3 1.51, 1.3: 8 data bits, no parity, one stop bit."""
CO_RD_VERSION = 0x03
ANSWER_S = 3.0


async def version(line: serial_line.SerialLine) -> str:
    """Return its name, versions and chip. Raises NotReady when it gives no answer."""
    await line.send(pack(COMMON_COMMAND, bytes([CO_RD_VERSION])))
    splitter = Splitter()
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            while True:
                for packet in splitter.feed(await line.receive()):
                    if packet.type == RESPONSE and packet.data[:1] == b"\0" and len(packet.data) >= 33:
                        application = ".".join(str(byte) for byte in packet.data[1:5])
                        name = packet.data[17:33].split(b"\0")[0].decode("ascii", "replace")
                        chip = packet.data[9:13].hex().upper()
                        return phrase(
                            "enocean.gateway-answers",
                            "{name} {version}, chip {chip}, answers on {port}",
                            name=name or phrase("enocean.unnamed-gateway", "a gateway"),
                            version=application,
                            chip=chip,
                            port=line.port,
                        )
    raise hub.NotReady(
        phrase("enocean.gateway-silent", "{port} does not answer: is it an EnOcean gateway (ESP3)?", port=line.port)
    )
