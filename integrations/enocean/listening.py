"""Processes each packet of a gateway: as a reading, a candidate, a secure teach-in, or a counted event."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Protocol

from pydantic import AfterValidator, Field

import hub
from hub.sdk.phrases import phrase
from integrations.enocean import secure
from integrations.enocean.decode import SECURE, decode, switch, teach_in
from integrations.enocean.eep import KNOWN, ROCKERS, RORG, SWITCH
from integrations.enocean.esp3 import Packet, Telegram, radio
from integrations.enocean.states import States

REPEAT_S = 0.3
"""Seconds within which an equal telegram counts as a repeater's copy."""
CHANNELS = 32

Values = dict[str, float | int | bool | str]
Note = Callable[[], None] | None


def _profile(text: str) -> str:
    text = text.upper()
    if not re.fullmatch(r"[0-9A-F]{2}-[0-9A-F]{2}-[0-9A-F]{2}", text):
        raise ValueError(phrase("enocean.expected-profile", "expected a profile like A5-04-01"))
    if text not in KNOWN:
        raise ValueError(
            phrase(
                "enocean.profile-not-among-those-read",
                "the profile {eep} is not read; those that are: {known}",
                eep=text,
                known=sorted(KNOWN),
            )
        )
    return text


def _level(text: str) -> str:
    try:
        secure.level(int(text, 16))
    except ValueError:
        raise ValueError(
            phrase("enocean.expected-two-hexadecimal-digits", "expected two hexadecimal digits, like F3")
        ) from None
    except hub.DecodeError as error:
        raise ValueError(
            phrase(
                "enocean.security-level-too-weak",
                "{problem}: it wants a CMAC, a rolling code, and VAES or nothing",
                problem=error.detail,
            )
        ) from None
    return text.upper()


class DeviceSettings(hub.Config):
    """What a device is."""

    eep: Annotated[str, AfterValidator(_profile)] = Field(
        description="Its EnOcean equipment profile, as its label says: A5-04-01.",
        title="Eep",
    )
    slf: Annotated[str, AfterValidator(_level)] | None = Field(
        default=None,
        description="Its security level format, two hexadecimal digits; needed beside a `key`. A secure teach-in "
        "brings both.",
        title="Slf",
    )
    rlc: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Fa-f]{4,8}$",
        description="The rolling code where it stands today, hexadecimal: of a device with a `key` that sends none.",
        title="Rlc",
    )


class Window(Protocol):
    """Tells whether the pairing window is open."""

    def __call__(self) -> bool: ...


class Listening:
    """Processes the packets of one gateway. Telegrams are remembered for this hub's own devices only."""

    def __init__(self, session: hub.Session, pairing: Window = lambda: False) -> None:
        self._session, self._pairing = session, pairing
        self._recent: dict[str, list[tuple[Telegram, float]]] = {}  # sender → its last telegrams, newest last
        self._states = States(session)
        self._teach_ins = secure.TeachIns()

    async def hear(self, packet: Packet, now: float) -> None:
        """Process a packet; `now` is monotonic seconds."""
        try:
            telegram = radio(packet)
        except hub.DecodeError as error:
            self._session.radio.report_decode_error("", error)
            return
        if telegram is None:
            return
        name = f"enocean:{telegram.sender}"
        devices = self._channels(name)
        try:
            if telegram.rorg == secure.SEC_TEACH_IN:
                self._secure_teach_in(name, devices, telegram, now)
            elif not devices:
                self._report_unknown(name, telegram)
            elif not self._repeated(name, telegram, now):
                began = time.monotonic()
                await self._known(devices, telegram)
                # nothing was read while this waited: a copy that arrived meanwhile is read next
                self._recent[name][-1] = (telegram, now + time.monotonic() - began)
        except hub.DecodeError as error:
            self._session.radio.report_decode_error(next(iter(devices.values())).id if devices else "", error)

    def _channels(self, name: str) -> dict[int, hub.Device]:
        """Return the devices with this sender: `enocean:018F2B3C`, and `enocean:018F2B3C-1` for its next channel."""
        found = {channel: self._session.devices.get(f"{name}-{channel}") for channel in range(1, CHANNELS)}
        return {n: d for n, d in {0: self._session.devices.get(name), **found}.items() if d is not None}

    async def _known(self, devices: dict[int, hub.Device], telegram: Telegram) -> None:
        """Report the readings, each channel's for its own device. Raises DecodeError."""
        voice = next(iter(devices.values()))  # keys and counters belong to the sender, not to a channel
        settings = voice.settings_as(DeviceSettings)
        slf = None if settings.slf is None else int(settings.slf, 16)
        proof = hub.Proof(scheme="enocean")
        note: Note = None
        if telegram.rorg in (secure.SEC, secure.SEC_ENCAPS):
            code = None if settings.rlc is None else int(settings.rlc, 16)
            opened = self._states.open(voice, telegram.rorg, telegram.payload, slf, code)
            if opened is None:
                return
            proof = self._states.proof(voice, opened, slf)
            note = partial(self._states.note, voice, opened, slf)
            telegram = telegram._replace(rorg=opened.rorg or RORG[settings.eep[:2]], payload=opened.payload)
            if opened.rorg is None and settings.eep in (SWITCH, *ROCKERS):
                await self._tell({voice.id: switch(opened.payload[:1])}, telegram, proof, note)
                return
        elif telegram.rorg not in SECURE and self._states.secured(voice):
            raise hub.DecodeError(
                "clear-but-keyed", phrase("enocean.clear-though-keyed", "it speaks in clear though it has a key")
            )
        said: dict[str, Values] = {}
        try:
            for channel, device in devices.items():
                profile = device.settings_as(DeviceSettings).eep
                said[device.id] = decode(telegram, profile, channel)
        finally:  # report the readable channels and use up the counter even if another channel fails
            await self._tell(said, telegram, proof, note)

    async def _tell(self, said: dict[str, Values], telegram: Telegram, proof: hub.Proof, note: Note) -> None:
        """Report readings by device. All readings of a telegram, and its counter, are in one commit."""
        signal = hub.Signal(rssi=telegram.dbm)
        reports = [
            hub.Report(device=name, values=values, proof=proof, signal=signal)
            for name, values in said.items()
            if values
        ]
        if reports:
            await self._session.emit(*reports, note=note)
        elif note is not None:
            note()

    def _secure_teach_in(self, name: str, devices: dict[int, hub.Device], telegram: Telegram, now: float) -> None:
        """Store a device's key, sent unencrypted: accepted only for a configured device and in a pairing window. Raises
        DecodeError."""
        if not devices:
            evidence = {"security": f"SLF {telegram.payload[1]:02X}" if telegram.payload[1:] else "not told"}
            if telegram.payload[:1] and telegram.payload[0] >> 6 == 0:
                self._found(name, "secured", telegram, evidence)
            return
        if not self._pairing():
            raise hub.DecodeError(
                "pairing-closed",
                phrase("enocean.teach-in-outside-pairing", "a secure teach-in outside of a pairing window"),
            )
        taught = self._teach_ins.take(name, telegram.payload, now)
        if taught is not None:
            voice = next(iter(devices.values()))
            self._states.learn(voice, taught)
            self._session.log.warning(
                phrase(
                    "enocean.device-taught-in",
                    "{device} was taught in: its key is known from now on",
                    device=voice.id,
                )
            )

    def _report_unknown(self, name: str, telegram: Telegram) -> None:
        """Report an unknown device as a candidate if it announces itself: switches of neighbours are ignored."""
        taught = teach_in(telegram)
        if taught is None:
            raise hub.DecodeError("not-admitted")
        evidence = {"eep": taught.eep or "not told", "manufacturer": f"{taught.manufacturer:03X}"}
        self._found(name, taught.eep, telegram, evidence)

    def _found(self, name: str, what: str, telegram: Telegram, evidence: dict[str, str]) -> None:
        self._session.devices.discovered(
            hub.Candidate(
                id=name,
                integration=self._session.name,
                model=f"EnOcean {what}".strip(),
                signal=hub.Signal(rssi=telegram.dbm),
                evidence=evidence,
            )
        )

    def _repeated(self, name: str, telegram: Telegram, now: float) -> bool:
        """Return whether it is a repeater's copy: of the last telegram, or of one before it that was overtaken on its
        way: a released switch must not count as pressed again."""
        recent = self._recent[name] = [one for one in self._recent.get(name, ()) if now - one[1] < REPEAT_S]
        same = [one for one, _ in recent if one[:2] == telegram[:2]]
        if same and (same[-1] is recent[-1][0] or any(one.repeated < telegram.repeated for one in same)):
            return True
        recent.append((telegram, now))
        return False
