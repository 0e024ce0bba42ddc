"""French electricity meters by their customer output (TIC) over a serial line: Linky and the meters before it, in
historic and in standard mode, and meters above 36 kVA (PME-PMI, ICE). The type is recognised by its groups.

One integration is one port, and one port is one meter. The meter's address and PRM never leave this module: the device
has the name given in the configuration, and a meter other than the first one heard is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

import hub
from hub.sdk.phrases import phrase
from integrations.linky.decode import METRICS, decode
from integrations.linky.frames import Frame
from integrations.linky.meter import Meter
from integrations.linky.reasons import REASONS, SAMPLING
from integrations.linky.showing import explain, nameless, only

__all__ = ["Config", "DeviceSettings", "probe", "register_decoders", "register_integrations", "run"]

KIND = "linky"

DAY = timedelta(days=1)
PARIS = ZoneInfo("Europe/Paris")
"""Time zone of a frame whose place is not known."""
STRANGE = 3
TOLD = 12
"""Times of dated values that are remembered as reported: a meter repeats the last one, or the last six."""
DWELLING = ("energy", "tariff_option", "power_subscribed", "overload", "tamper")
"""Metrics of a dwelling's meter that need no consent: no load curve, no instantaneous power, once a day."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(
            phrase(
                "linky.not-a-time-zone",
                "expected a time zone of the IANA database, like Europe/Paris or Indian/Reunion",
            )
        ) from None
    return name


class Config(hub.Config):
    """One serial port with one meter behind it."""

    port: str = Field(
        description="The serial port, best by its fixed name: /dev/serial/by-id/…",
        min_length=1,
    )
    mode: Literal["auto", "historic", "standard"] = Field(
        default="auto",
        description="Speed of the line: historic is 1,200 bit/s, standard 9,600; auto tries both and remembers.",
    )
    interval: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=DAY)] = Field(
        default=timedelta(hours=1),
        description="Time between two reports. Of a dwelling it is never below a day.",
    )
    timezone: Annotated[str, AfterValidator(_zone)] | None = Field(
        default=None,
        description="IANA name of the local legal time that the meter tells; without it, the hub's site's.",
    )

    def libraries(self) -> tuple[str, ...]:
        return () if self.port.startswith("tcp://") else ("serialx",)


class DeviceSettings(hub.Config):
    """What is behind the meter."""

    premises: Literal["dwelling", "building"] = Field(
        default="dwelling",
        description="A dwelling's meter gives its energy once a day, no more; the common services of a building all.",
        title="Premises",
    )
    meter: str = Field(
        default="",
        pattern=r"^(\d{6})?$",
        description="Last six digits of the meter's address; needed once, when another meter took its place. 000000 "
        "is a meter whose frames have no address (ICE, old PME-PMI).",
    )


async def run(config: Config, session: hub.Session) -> None:
    """Read and report until cancelled. Raises NotReady while the line is silent, AuthFailed when a different meter is
    connected."""
    from integrations.linky.line import frames  # imports serialx: only where used

    latest = Latest(config, session)
    found: list[int] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(latest.tell(), name=f"{session.name} tell")
            try:
                async with aclosing(frames(config.port, _speeds(config, session), found)) as heard:
                    async for frame in heard:
                        if session.state.get("speed") != found[-1]:
                            session.state.put("speed", found[-1])
                        _take(frame, latest, config, session)
            finally:
                telling.cancel()
    except BaseExceptionGroup as group:  # the supervisor judges one error, not a group
        raise group.exceptions[0] from group.exceptions[0].__cause__


def _take(frame: Frame, latest: Latest, config: Config, session: hub.Session) -> None:
    """Process a frame. One with an invalid group is dropped: noise that one checksum caught may have passed another,
    and the next frame comes within two seconds."""
    try:
        meter = None if frame.bad else decode(frame, ZoneInfo(config.timezone or session.devices.timezone), time.time())
    except hub.DecodeError as error:
        session.radio.report_decode_error(latest.device, error)
        return
    for reason in frame.bad:
        session.radio.report_decode_error(latest.device, hub.DecodeError(reason))
    if meter is not None:
        latest.take(meter)


def _speeds(config: Config, session: hub.Session | None) -> list[int]:
    from integrations.linky.line import SPEEDS

    if config.mode != "auto":
        return [SPEEDS[config.mode]]
    known = session.state.get("speed") if session else None
    return sorted(SPEEDS.values(), key=lambda speed: speed != known)


class Latest:
    """The newest frame of the meter, and the schedule of its reports."""

    def __init__(self, config: Config, session: hub.Session) -> None:
        self._config, self._session = config, session
        self._meter: Meter | None = None
        self._strange = 0  # frames of another meter in a row
        self._came = asyncio.Event()

    @property
    def device(self) -> str:
        """Return its configured id; the default one when it is not configured."""
        devices = self._session.devices.all()
        return devices[0].id if devices else f"linky:{self._session.name}"

    def take(self, meter: Meter) -> None:
        """Store a frame. Raises AuthFailed when it is from a different meter."""
        known = self._session.devices.get(self.device)
        if known is None:
            self._session.devices.discovered(
                hub.Candidate(id=self.device, integration=self._session.name, model=meter.model)
            )
            return
        if not self._recognises(meter, _settings(known).meter):
            self._session.radio.report_decode_error(known.id, hub.DecodeError("tic-other-meter"))
            return
        for reason in meter.unknown:
            self._session.radio.report_decode_error(known.id, hub.DecodeError(reason))
        self._session.devices.declare(known.id, model=meter.model)
        self._meter = meter
        self._came.set()

    def _recognises(self, meter: Meter, pinned: str) -> bool:
        """Return whether the frame is from the same meter.

        The first meter read is the right one; its address is stored as a salted digest only. Several frames of another
        one in a row are not noise."""
        kept = self._session.state.get("meter")
        same = kept is None or hmac.compare_digest(_digest(kept[0], meter.serial), kept[1])
        if meter.serial.endswith(pinned) and (pinned or same):
            self._strange = 0
            if kept is None or not same:
                self._remember(meter)
            return True
        self._strange += 1
        if self._strange >= STRANGE:
            raise hub.AuthFailed(
                phrase(
                    "linky.another-meter",
                    "another meter is on {port} than before: if it was replaced, set `meter` of {device} to the "
                    "last six digits of its address, which its display shows",
                    port=self._config.port,
                    device=self.device,
                )
            )
        return False

    def _remember(self, meter: Meter) -> None:
        salt = secrets.token_bytes(16)
        self._session.state.put("meter", [salt, _digest(salt, meter.serial)])

    async def tell(self) -> None:
        """Report the newest frame at intervals; each frame is reported once."""
        await self._came.wait()
        while True:
            private = self._private()
            async for _ in self._session.every(max(self._config.interval, DAY) if private else self._config.interval):
                await self._came.wait()
                if self._private() is not private:  # the setting was changed: apply it before the next report
                    break
                self._came.clear()
                if self._meter is not None:
                    await self._report(self._meter, private)
            else:
                return

    def _private(self) -> bool:
        known = self._session.devices.get(self.device)
        return known is None or _settings(known).premises == "dwelling"

    async def _report(self, meter: Meter, private: bool) -> None:
        proof = hub.Proof(scheme="tic")
        values = {key: value for key, value in meter.values.items() if not private or key in DWELLING}
        if values:
            await self._session.emit(hub.Report(device=self.device, values=values, proof=proof))
        for stamp, moment in [] if private else meter.dated:
            key = "at/" + "".join(moment)
            told = self._session.state.get(key, [])
            if stamp.degraded or stamp.time in told:
                continue
            report = hub.Report(device=self.device, values=moment, time=stamp.time, proof=proof)
            note = partial(self._session.state.put, key, [*told, stamp.time][-TOLD:])
            await self._session.emit(report, note=note)


def _settings(device: hub.Device) -> DeviceSettings:
    return device.settings_as(DeviceSettings)


def _digest(salt: bytes, serial: str) -> bytes:
    return hashlib.sha256(salt + serial.encode()).digest()


async def probe(config: Config) -> str:
    """Wait for one frame. Raises NotReady when none comes."""
    from integrations.linky.line import frames

    async with aclosing(frames(config.port, _speeds(config, None), [])) as heard:
        async for frame in heard:
            return phrase(
                "linky.speaks-mode",
                "{model} speaks the {mode} mode",
                model=decode(frame, PARIS).model,
                mode=frame.mode,
            )
    raise hub.NotReady(phrase("linky.port-ended", "{port} ended", port=config.port))


async def listen(config: Config, hear: Callable[[dict[str, Any]], None]) -> None:
    """Pass on the frames of the meter until cancelled, without its address, its PRM and its messages. Raises
    NotReady."""
    from integrations.linky.line import frames

    async with aclosing(frames(config.port, _speeds(config, None), [])) as heard:
        async for frame in heard:
            hear({"time": round(time.time(), 3), "groups": nameless(frame)})


def frame_of(fields: dict[str, Any]) -> hub.Frame:
    """Parse one line of `ilot decode linky`: a frame in hexadecimal, or {"groups": ["BASE 002809718 .", …]}. Raises
    DecodeError."""
    raw, groups = fields.get("raw"), fields.get("groups")
    if isinstance(groups, list) and all(isinstance(group, str) for group in groups):
        data = b"\x02" + b"".join(f"\n{group}\r".encode("latin-1", "replace") for group in groups) + b"\x03"
    else:
        try:
            data = bytes.fromhex(str(raw))
        except ValueError:
            raise hub.DecodeError(
                "not-hex", phrase("linky.not-a-frame", 'a frame is hexadecimal, or {{"groups": […]}}')
            ) from None
    return hub.Frame(kind=KIND, address="", data={"tic": data})


def decode_frame(frame: hub.Frame, keys: object) -> hub.Decoded:
    """Decode one whole frame. Raises DecodeError."""
    found = only(frame.data["tic"])
    meter = decode(found, PARIS)
    return hub.Decoded(
        device="linky:meter",
        values=meter.values,
        proof=hub.Proof(scheme="tic"),
        model=meter.model,
        skipped=(*found.bad, *meter.unknown),
    )


def explain_frame(frame: hub.Frame, keys: object) -> Iterator[dict[str, Any]]:
    return explain(only(frame.data["tic"]), PARIS)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "linky",
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
    register("linky", KIND, decode_frame, metrics=METRICS, line=frame_of, explain=explain_frame)
