"""EnOcean: battery-less sensors and switches, heard by a gateway on a serial port (ESP3). Listens only.

A device is `enocean:` and its 8 hexadecimal digits; its profile (EEP) is in its settings. Teach-in telegrams of devices
that are not configured become candidates with their profile; nothing enrols by itself, nothing is ever sent.
"""

from __future__ import annotations

import re
import time
from typing import Annotated

from pydantic import AfterValidator, Field

import hub
from integrations.enocean.decode import decode, teach_in
from integrations.enocean.eep import KNOWN
from integrations.enocean.esp3 import Packet, Splitter, Telegram, radio
from integrations.enocean.gateway import BAUDRATE, version

__all__ = ["Config", "DeviceSettings", "probe", "register_integrations", "run"]

REPEAT_S = 0.3
"""A repeater's copy of a telegram comes within this time; the same telegram later is news."""


def _profile(text: str) -> str:
    text = text.upper()
    if not re.fullmatch(r"[0-9A-F]{2}-[0-9A-F]{2}-[0-9A-F]{2}", text):
        raise ValueError("expected a profile like A5-04-01")
    if text not in KNOWN:
        raise ValueError(f"the profile {text} is not read; those that are: {', '.join(sorted(KNOWN))}")
    return text


class Config(hub.Config):
    """One gateway."""

    port: str = Field(
        description="The serial port, best by its name in /dev/serial/by-id, or tcp://host:port.", min_length=1
    )


class DeviceSettings(hub.Config):
    """What a device is."""

    eep: Annotated[str, AfterValidator(_profile)] = Field(
        description="Its EnOcean equipment profile, as its label says: A5-04-01."
    )


async def run(config: Config, session: hub.Session) -> None:
    """Listen until cancelled. Raises NotReady when the gateway is gone, AuthFailed where rights are missing."""
    splitter = Splitter()
    listening = Listening(session)
    async with hub.open_line(config.port, baudrate=BAUDRATE, holder=session.name) as line:
        while True:
            data = await line.receive()
            bad = splitter.bad
            for packet in splitter.feed(data):
                await listening.hear(packet, time.monotonic())
            for _ in range(splitter.bad - bad):
                session.dropped("", hub.DecodeError("esp3-crc"))


class Listening:
    """What becomes of each packet."""

    def __init__(self, session: hub.Session) -> None:
        self._session = session
        self._last: dict[str, tuple[Telegram, float]] = {}

    async def hear(self, packet: Packet, now: float) -> None:
        """`now` is monotonic seconds."""
        try:
            telegram = radio(packet)
        except hub.DecodeError as error:
            self._session.dropped("", error)
            return
        if telegram is None:
            return
        name = f"enocean:{telegram.sender}"
        device = self._session.devices.get(name)
        if device is None:
            self._stranger(name, telegram)
            return
        if self._repeated(name, telegram, now):
            return
        try:
            values = decode(telegram, DeviceSettings.model_validate(device.settings).eep)
        except hub.DecodeError as error:
            self._session.dropped(name, error)
            return
        if values:
            signal = hub.Signal(rssi=telegram.dbm)
            await self._session.emit(
                hub.Report(device=name, values=values, proof=hub.Proof(scheme="enocean"), signal=signal)
            )

    def _stranger(self, name: str, telegram: Telegram) -> None:
        """Only what says what it is becomes a candidate: neighbours' switches are nobody's business."""
        taught = teach_in(telegram)
        if taught is None:
            self._session.dropped("", hub.DecodeError("not-admitted"))
            return
        evidence = {"eep": taught.eep or "not told", "manufacturer": f"{taught.manufacturer:03X}"}
        self._session.found(
            hub.Candidate(
                id=name, integration=self._session.name, model=f"EnOcean {taught.eep}".strip(),
                signal=hub.Signal(rssi=telegram.dbm), evidence=evidence,
            )
        )  # fmt: skip

    def _repeated(self, name: str, telegram: Telegram, now: float) -> bool:
        """The copy of a repeater. Only this hub's own devices are remembered."""
        last = self._last.get(name)
        same = last is not None and last[0][:2] == telegram[:2] and now - last[1] < REPEAT_S
        if not same:
            self._last[name] = (telegram, now)
        return same


async def probe(config: Config) -> str:
    """Ask the gateway what it is. Raises NotReady, AuthFailed."""
    async with hub.open_line(config.port, baudrate=BAUDRATE) as line:
        return await version(line)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("enocean", Config, run, device=DeviceSettings, probe=probe)
