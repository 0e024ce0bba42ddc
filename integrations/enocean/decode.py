"""Decodes radio telegrams to readings, by the profile of their sender. Pure.

EnOcean Equipment Profiles (EEP) 3.1, and 3.3 for teach-in.
"""

from __future__ import annotations

from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase
from integrations.enocean.eep import (
    ACTUATORS,
    BLINDS,
    KNOWN,
    METERS,
    PROFILES,
    RELEASED,
    ROCKERS,
    RORG,
    SWITCH,
    SWITCHES,
    Field,
    Flag,
)
from integrations.enocean.esp3 import Telegram


def _metric(key: str, *, en: str) -> hub.Metric:
    return hub.Metric(
        key=key, unit="%", resolution="1", low=0, high=100, state_class="measurement", privacy="personal", en=en
    )


METRICS = (
    _metric("blind_position", en="Blind position"),
    _metric("blind_angle", en="Slat angle"),
)
RPS, ONE, FOUR, VLD, UTE = 0xF6, 0xD5, 0xA5, 0xD2, 0xD4
UTE_DELETION = 1
SECURE = (0x30, 0x31, 0x32, 0x33, 0x35)
Value = float | int | bool | str


class TeachIn(NamedTuple):
    """Announcement of a device: its profile, "" when it has none, and its maker's number."""

    eep: str
    manufacturer: int


def teach_in(telegram: Telegram) -> TeachIn | None:
    """Decode a teach-in telegram; None for any other telegram."""
    payload = telegram.payload
    if telegram.rorg == FOUR and len(payload) == 4 and not payload[3] & 0x08:
        if not payload[3] & 0x80:
            return TeachIn("", 0)
        word = int.from_bytes(payload[:3], "big")
        return TeachIn(f"A5-{word >> 18:02X}-{word >> 11 & 0x7F:02X}", word & 0x7FF)
    if telegram.rorg == ONE and len(payload) == 1 and not payload[0] & 0x08:
        return TeachIn("D5-00-01", 0)
    if telegram.rorg == UTE and len(payload) == 7 and payload[0] & 0x0F == 0 and payload[0] >> 4 & 3 != UTE_DELETION:
        rorg, func, type_ = payload[6], payload[5], payload[4]
        return TeachIn(f"{rorg:02X}-{func:02X}-{type_:02X}", payload[2] | (payload[3] & 0x07) << 8)
    return None


def decode(telegram: Telegram, eep: str, channel: int = 0) -> dict[str, Value]:
    """Decode the readings of one channel of a device with that profile; empty for a telegram without any. Raises
    DecodeError: `enocean-secure`, `enocean-profile` for a telegram that is not of this profile, `enocean-length`."""
    if telegram.rorg in SECURE:
        raise hub.DecodeError(
            "enocean-secure", phrase("enocean.secured-telegram-unread", "a secured telegram, which is not read")
        )
    if eep not in KNOWN:
        raise hub.DecodeError(
            "enocean-profile", phrase("enocean.profile-unread", "the profile {eep} is not read", eep=eep)
        )
    if telegram.rorg == UTE or teach_in(telegram) is not None:
        return {}
    if telegram.rorg != RORG[eep[:2]]:
        raise hub.DecodeError(
            "enocean-profile",
            phrase(
                "enocean.telegram-of-other-profile",
                "a telegram {rorg:02X} from a device of profile {eep}",
                rorg=telegram.rorg,
                eep=eep,
            ),
        )
    payload = telegram.payload
    if eep in METERS:
        return _meter(payload, eep, channel)
    if eep in ACTUATORS:
        return _actuator(payload, channel)
    if eep in BLINDS:
        return _blind(payload)
    if eep == SWITCH:
        return switch(payload)
    if eep in ROCKERS:
        return _rocker(payload, telegram.status)
    need = {FOUR: 4, ONE: 1, RPS: 1}.get(telegram.rorg, 0)
    if len(payload) < need or (need and len(payload) != need):
        raise hub.DecodeError(
            "enocean-length",
            phrase("enocean.bad-payload-length", "{count} [byte|bytes] of payload", count=len(payload)),
        )
    values: dict[str, Value] = {}
    for entry in PROFILES[eep]:
        raw = _bits(payload, entry.bit, entry.size)
        value = _field(raw, entry) if isinstance(entry, Field) else _flag(raw, entry)
        if value is not None:
            values[entry.metric] = value
    if eep == "A5-09-04":  # the device marks missing values
        for metric, bit in (("humidity", 29), ("temperature", 30)):
            if not _bits(payload, bit, 1):
                values.pop(metric, None)
    return values


def _bits(payload: bytes, bit: int, size: int) -> int:
    if bit + size > 8 * len(payload):
        raise hub.DecodeError(
            "enocean-length",
            phrase("enocean.bad-payload-length", "{count} [byte|bytes] of payload", count=len(payload)),
        )
    return int.from_bytes(payload, "big") >> (8 * len(payload) - bit - size) & (1 << size) - 1


def _field(raw: int, field: Field) -> float | None:
    if not min(field.low, field.high) <= raw <= max(field.low, field.high):
        return None
    return field.start + (raw - field.low) * (field.end - field.start) / (field.high - field.low)


def _flag(raw: int, flag: Flag) -> bool | None:
    return True if raw in flag.true else False if raw in flag.false else None


def _meter(payload: bytes, eep: str, channel: int) -> dict[str, Value]:
    """Decode A5-12: 24 bits of value, channel or tariff, kind of value, its divisor."""
    if len(payload) != 4:
        raise hub.DecodeError(
            "enocean-length",
            phrase("enocean.bad-payload-length", "{count} [byte|bytes] of payload", count=len(payload)),
        )
    count, factor, momentary, other = METERS[eep]
    value = _bits(payload, 0, 24) / 10 ** _bits(payload, 30, 2)
    if _bits(payload, 24, 4) != channel:
        return {}  # another channel or tariff
    if not _bits(payload, 29, 1):
        return {count: value * factor}
    return {momentary: value * other} if momentary else {}


_ENERGY = {
    0: ("energy", 1 / 3_600_000),
    1: ("energy", 0.001),
    2: ("energy", 1.0),
    3: ("power", 1.0),
    4: ("power", 1000.0),
}


def _actuator(payload: bytes, wanted: int) -> dict[str, Value]:
    """Decode D2-01: output (command 4) and measurement (command 7) of a channel."""
    command = _bits(payload, 4, 4)
    if command == 4:
        channel, output = _bits(payload, 11, 5), _bits(payload, 17, 7)
        return {"powered": output > 0} if channel == wanted and output <= 100 else {}
    if command == 7:
        channel = _bits(payload, 11, 5)
        metric = _ENERGY.get(_bits(payload, 8, 3))
        return {metric[0]: _bits(payload, 16, 32) * metric[1]} if channel == wanted and metric else {}
    return {}


def _blind(payload: bytes) -> dict[str, Value]:
    """Decode D2-05: position and angle (command 4); 127 stands for none."""
    if len(payload) != 4 or _bits(payload, 28, 4) != 4:
        return {}
    raw = {"blind_position": _bits(payload, 1, 7), "blind_angle": _bits(payload, 9, 7)}
    return {metric: value for metric, value in raw.items() if value <= 100}


def switch(payload: bytes) -> dict[str, Value]:
    """Decode D2-03-00: four bits for the pressed buttons."""
    if len(payload) != 1:
        raise hub.DecodeError(
            "enocean-length",
            phrase("enocean.bad-payload-length", "{count} [byte|bytes] of payload", count=len(payload)),
        )
    said = payload[0] & 0x0F
    if said == RELEASED:
        return {"button": "released"}
    return {"button": f"{SWITCHES[said]} pressed"} if said in SWITCHES else {}


_ACTIONS = ("AI", "A0", "BI", "B0")


def _rocker(payload: bytes, status: int) -> dict[str, Value]:
    """Decode F6-02: the button, and whether it was pressed. T21 and NU of the status tell an N-message from a
    U-message."""
    if len(payload) != 1:
        raise hub.DecodeError(
            "enocean-length",
            phrase("enocean.bad-payload-length", "{count} [byte|bytes] of payload", count=len(payload)),
        )
    pressed = bool(payload[0] & 0x10)
    if not status & 0x10:  # U-message: the number of buttons, not which
        return {"button": "released"} if not pressed else {}
    action = payload[0] >> 5
    if action >= len(_ACTIONS):
        return {}
    second = f"+{_ACTIONS[payload[0] >> 1 & 7]}" if payload[0] & 1 and payload[0] >> 1 & 7 < len(_ACTIONS) else ""
    return {"button": f"{_ACTIONS[action]}{second} {'pressed' if pressed else 'released'}"}
