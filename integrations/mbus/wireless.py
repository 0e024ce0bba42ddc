"""Wireless M-Bus (OMS, Wize): meters received by a receiver that prints telegrams, one a line, or by one with a
protocol of its own.

`run` hands every telegram to the hub, which offers it to the decoder below with the key of its meter. A meter that is
not configured becomes a candidate; one whose key is missing is reported as such.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Literal

from pydantic import Field

import hub
from hub.sdk import serial_line
from hub.sdk.phrases import phrase
from integrations.mbus import MAPPED, WIRELESS, decode_wireless, explain_wireless, line_wireless
from integrations.mbus.layouts import LAYOUTS
from integrations.mbus.reasons import REASONS, SAMPLING
from integrations.mbus.settings import RecordMap, WirelessSettings

__all__ = ["Config", "probe", "register_decoders", "register_integrations", "run"]


ANSWER_S = 3.0
KEEP_S = 300.0
"""Least time between two changes of the layouts that are kept."""


class Config(hub.Config):
    """One receiver: a stick on a serial port, or a program behind a TCP port."""

    text_code = "WirelessConfig"

    port: str = Field(
        description="The serial port, best by its name in /dev/serial/by-id, or tcp://host:port.",
        min_length=1,
    )
    receiver: Literal["text", "im871a", "amber"] = Field(
        default="text",
        description="What it is: text prints telegrams (rtl_wmbus, a CUL); im871a is the stick of IMST; amber is the "
        "AMB8465 as it leaves the factory.",
        title="Receiver",
    )
    baudrate: Literal[9600, 19200, 38400, 57600, 115200] = Field(
        default=38400,
        description="Of the serial port, in bit/s, 8 bits without parity. An iM871A speaks 57600, an AMB8465 9600.",
    )
    mode: Literal["T", "C", "S"] | None = Field(
        default=None,
        description="The radio mode that an iM871A shall listen in; without it, what it is set to.",
    )
    start: str = Field(
        default="",
        max_length=64,
        description="Sent once, with a line end, before listening: brt01 makes a CUL listen for T mode.",
    )

    def libraries(self) -> tuple[str, ...]:
        return () if self.port.startswith("tcp://") else ("serialx",)


async def run(config: Config, session: hub.Session) -> None:
    """Listen until cancelled. Raises NotReady when the receiver is gone, AuthFailed where rights are missing."""
    LAYOUTS.load(session.state.get("layouts"))
    for device in session.devices.all():
        _map(device.id, device)
    changes = asyncio.create_task(_follow(session), name="meters")
    try:
        await _listen(config, session)
    finally:
        changes.cancel()
        if LAYOUTS.changed:
            session.state.put("layouts", LAYOUTS.dump())


async def _follow(session: hub.Session) -> None:
    async for device in session.devices.changes():
        _map(device.id, session.devices.get(device.id))


def _map(name: str, device: hub.Device | None) -> None:
    records = () if device is None else device.settings_as(WirelessSettings).records
    if records:
        MAPPED[name] = records
    else:
        MAPPED.pop(name, None)


async def _listen(config: Config, session: hub.Session) -> None:
    hear = Hearing(session)
    async with aclosing(_heard(config, session.name)) as heard:
        async for said in heard:
            if isinstance(said, hub.DecodeError):
                session.radio.report_decode_error("", said)
            else:
                await hear.submit(*said)


async def listen(config: Config, hear: Callable[[dict[str, Any]], None]) -> None:
    """Pass on the telegrams of the receiver until cancelled. Raises NotReady, AuthFailed."""
    async with aclosing(_heard(config, "a capture")) as heard:
        async for said in heard:
            if not isinstance(said, hub.DecodeError):
                raw, dbm = said
                level = {} if dbm is None else {"rssi": dbm}
                hear({"time": round(time.time(), 3), "telegram": raw.hex(), **level})


async def _heard(config: Config, holder: str) -> AsyncGenerator[tuple[bytes, int | None] | hub.DecodeError]:
    """Yield telegrams with their signal in dBm, and an error for each that the receiver spoilt."""
    from integrations.mbus.lines import Lines, telegram
    from integrations.mbus.sticks import Amber, Im871a, listen_in

    async with serial_line.open_serial_line(config.port, baudrate=config.baudrate, holder=holder) as line:
        if config.start:
            await line.send(f"{config.start}\r\n".encode())
        if config.receiver == "im871a" and config.mode is not None:
            await line.send(listen_in(config.mode))
        if config.receiver != "text":
            stick = Im871a() if config.receiver == "im871a" else Amber()
            while True:
                bad = stick.bad
                for heard in stick.feed(await line.receive()):
                    yield heard.telegram, heard.dbm
                for _ in range(min(stick.bad - bad, 64)):
                    yield hub.DecodeError("wmbus-receiver")
        lines = Lines()
        while True:
            for text in lines.feed(await line.receive()):
                try:
                    raw = telegram(text)
                except hub.DecodeError as error:
                    yield error
                    continue
                yield raw, None


class Hearing:
    """Hands telegrams to the hub, and keeps what their decoder has learned. Not at once: anybody may make it learn."""

    def __init__(self, session: hub.Session, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._session, self._monotonic = session, monotonic
        self._due = monotonic()

    async def submit(self, raw: bytes, dbm: int | None) -> None:
        await self._session.radio.submit_frame(_frame(raw, dbm))
        if LAYOUTS.changed and (now := self._monotonic()) >= self._due:
            LAYOUTS.changed = False
            self._due = now + KEEP_S
            self._session.state.put("layouts", LAYOUTS.dump())


def _frame(raw: bytes, dbm: int | None) -> hub.Frame:
    signal = None if dbm is None else hub.Signal(rssi=dbm)
    return hub.Frame(kind=WIRELESS, address=raw[2:10].hex(), data={"telegram": raw}, signal=signal)


async def probe(config: Config) -> str:
    """Open the port; an iM871A is also pinged. Raises NotReady, AuthFailed."""
    from integrations.mbus.sticks import DEVICE, PING, PONG, Im871a, message

    async with serial_line.open_serial_line(config.port, baudrate=config.baudrate) as line:
        if config.receiver != "im871a":
            return phrase("mbus.receiver-open", "{port} is open; meters speak when they want to", port=config.port)
        await line.send(message(DEVICE, PING))
        stick = Im871a()
        try:
            async with asyncio.timeout(ANSWER_S):
                while True:
                    for one in stick.messages(await line.receive()):
                        if (one.endpoint, one.id) == (DEVICE, PONG):
                            return phrase("mbus.receiver-answers", "an iM871A answers on {port}", port=config.port)
        except TimeoutError:
            raise hub.NotReady(
                phrase(
                    "mbus.receiver-silent", "{port} does not answer: is it an iM871A, at 57600 bit/s?", port=config.port
                )
            ) from None


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "wmbus",
        Config,
        run,
        device=WirelessSettings,
        probe=probe,
        listen=listen,
        pack=RecordMap,
        reasons=REASONS,
        sampling=SAMPLING,
    )


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("wmbus", WIRELESS, decode_wireless, line=line_wireless, explain=explain_wireless)
