"""The serial line of a customer output: finds its speed and reads it. All I/O of this integration is here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import hub
from hub.sdk import serial_line
from hub.sdk.phrases import phrase
from integrations.linky.frames import Frame, Framer, groups_in

SPEEDS = {"historic": 1200, "standard": 9600}
DETECT_S = 6.0
"""Seconds to listen at one speed: a frame of the historic mode takes up to 2 s, and the first may be cut."""
SILENT_S = 60.0
STRETCH, PROMISING = 2048, 3
"""Bytes examined, and valid groups in them that make a speed worth a minute: frames of meters above 36 kVA are long."""


async def frames(port: str, speeds: Sequence[int], found: list[int]) -> AsyncGenerator[Frame]:
    """Yield the frames of the line, at the first of `speeds` at which one can be read; that one is put into `found`.
    Raises NotReady when nothing can be read at any of them, or nothing for a minute afterwards."""
    heard = 0
    for speed in speeds:
        framer, stretch = Framer(), b""
        async with serial_line.open_serial_line(port, baudrate=speed, bits=7, parity="E", holder="linky") as line:
            patience = DETECT_S if len(speeds) > 1 else SILENT_S
            while True:
                try:
                    async with asyncio.timeout(patience):
                        fresh: list[Frame] = []
                        while not fresh:
                            data = await line.receive()
                            heard += len(data)
                            stretch = (stretch + data)[-STRETCH:]
                            fresh = list(framer.feed(data))
                except TimeoutError:
                    if speed not in found and patience < SILENT_S and groups_in(stretch) >= PROMISING:
                        patience = SILENT_S
                        continue
                    if speed in found:
                        raise hub.NotReady(
                            phrase(
                                "linky.nothing-readable",
                                "{port} has said nothing that can be read for {seconds:.0f} s",
                                port=port,
                                seconds=patience,
                            )
                        ) from None
                    break
                if speed not in found:
                    found.append(speed)
                    patience = SILENT_S
                for frame in fresh:
                    yield frame
    if heard:
        raise hub.NotReady(
            phrase(
                "linky.no-frame",
                "{port}: {count} [byte|bytes] that are no frame came: is the module wired to I1 and I2 of the meter, "
                "and is the port the right one?",
                port=port,
                count=heard,
            )
        )
    raise hub.NotReady(
        phrase(
            "linky.nothing-came",
            "{port}: nothing came: is the module wired to I1 and I2 of the meter, and is the port the right one?",
            port=port,
        )
    )
