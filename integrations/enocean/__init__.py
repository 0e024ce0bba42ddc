"""EnOcean: battery-less sensors and switches, received by a gateway on a serial port (ESP3). Listens only.

A device is `enocean:` and its 8 hexadecimal digits; its profile (EEP) is in its settings. Teach-in telegrams of devices
that are not configured become candidates with their profile; nothing is enrolled automatically, nothing is ever sent.
Secured telegrams are decrypted with the device's key, from the configuration or a secure teach-in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import AwareDatetime, Field

import hub
from hub.sdk import serial_line
from integrations.enocean.decode import METRICS
from integrations.enocean.esp3 import RADIO, Splitter, pack
from integrations.enocean.gateway import BAUDRATE, version
from integrations.enocean.listening import DeviceSettings, Listening
from integrations.enocean.reasons import REASONS, SAMPLING
from integrations.enocean.secure import MAY_SAY_KEYS
from integrations.enocean.showing import KIND, decode_line, explain, frame_of

__all__ = ["Config", "DeviceSettings", "Listening", "probe", "register_decoders", "register_integrations", "run"]

LONGEST_PAIRING_S = 3600.0


class Config(hub.Config):
    """One gateway."""

    port: str = Field(
        description="The serial port, best by its name in /dev/serial/by-id, or tcp://host:port.",
        min_length=1,
    )
    pairing_until: AwareDatetime | None = Field(
        default=None,
        description="Until then, and for an hour after the start of the hub at most, secure teach-in telegrams of "
        "configured devices are believed: 2026-09-01T12:00:00+02:00. They say the key in clear: keep it short.",
        title="Pairing until",
    )

    def holds_keys(self) -> bool:
        """The keys that devices taught it, which went over the air in clear."""
        return True

    def libraries(self) -> tuple[str, ...]:
        return () if self.port.startswith("tcp://") else ("serialx",)


async def run(config: Config, session: hub.Session) -> None:
    """Listen until cancelled. Raises NotReady when the gateway is gone, AuthFailed where rights are missing."""
    closes = 0.0
    if config.pairing_until is not None:
        closes = min(config.pairing_until.timestamp(), time.time() + LONGEST_PAIRING_S)
    splitter = Splitter()
    listening = Listening(session, lambda: time.time() < closes)
    async with serial_line.open_serial_line(config.port, baudrate=BAUDRATE, holder=session.name) as line:
        while True:
            data = await line.receive()
            bad = splitter.bad
            for packet in splitter.feed(data):
                await listening.hear(packet, time.monotonic())
            for _ in range(splitter.bad - bad):
                session.radio.report_decode_error("", hub.DecodeError("esp3-crc"))


async def listen(config: Config, hear: Callable[[dict[str, Any]], None]) -> None:
    """Pass on the radio telegrams of the gateway until cancelled, without those that may be of a secure teach-in: they
    say a key in clear. Raises NotReady, AuthFailed."""
    splitter = Splitter()
    async with serial_line.open_serial_line(config.port, baudrate=BAUDRATE, holder="a capture") as line:
        while True:
            for packet in splitter.feed(await line.receive()):
                if packet.type == RADIO and packet.data and packet.data[0] not in MAY_SAY_KEYS:
                    hear({"time": round(time.time(), 3), "packet": pack(*packet).hex()})


async def probe(config: Config) -> str:
    """Request the gateway's version. Raises NotReady, AuthFailed."""
    async with serial_line.open_serial_line(config.port, baudrate=BAUDRATE) as line:
        return await version(line)


def explain_frame(frame: hub.Frame, keys: Any) -> Iterator[dict[str, Any]]:
    return explain(frame, keys)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "enocean",
        Config,
        run,
        device=DeviceSettings,
        metrics=METRICS,
        probe=probe,
        listen=listen,
        reasons=REASONS,
        sampling=SAMPLING,
    )


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("enocean", KIND, decode_line, metrics=METRICS, line=frame_of, explain=explain_frame)
