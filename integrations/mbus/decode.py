"""Decodes telegrams, wired or wireless: header, records and readings. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import hub
from hub.sdk.phrases import phrase
from integrations.mbus import header, link, radio, records, values
from integrations.mbus.header import Header, Identity
from integrations.mbus.link import Telegram
from integrations.mbus.records import Parsed, Record


class Message(NamedTuple):
    """A decoded telegram. `identity` None: not in the telegram (a wired one without a long header is identified by its
    bus address). `protected`: "none", "mode 5", "mode 7" or "AES-CTR"; `counter` rises with each message where there is
    one."""

    identity: Identity | None
    access: int
    status: int
    parsed: Parsed
    protected: str = "none"
    authenticated: bool = False
    counter: int | None = None


def wired(raw: bytes) -> Message:
    """Decode a wired telegram. Raises DecodeError."""
    telegram = link.read(raw)
    if telegram is None or telegram.ci is None:
        raise hub.DecodeError("mbus-empty", phrase("mbus.telegram-without-data", "a telegram without data"))
    if telegram.ci == header.FIXED:
        return _fixed(telegram.data)
    if telegram.ci == header.ERROR:
        code = telegram.data[0] if telegram.data else 0
        unknown = phrase("mbus.error-code", "the meter says: error {code:02x}", code=code)
        raise hub.DecodeError("mbus-error", header.ERRORS[code] if code < len(header.ERRORS) else unknown)
    head = header.read(telegram.ci, telegram.data)
    if head.mode:
        raise hub.DecodeError(
            "mbus-mode",
            phrase("mbus.security-mode-on-wire", "security mode {mode} on the wire is not read", mode=head.mode),
        )
    return _message(head, None, telegram.data[head.size :])


def speaker(telegram: Telegram) -> Identity | None:
    """Return the sender's identity, None where the telegram has none. Raises DecodeError."""
    if telegram.ci == header.FIXED:
        return _fixed(telegram.data).identity
    return header.read(telegram.ci, telegram.data).identity if telegram.ci == header.LONG else None


def wireless(raw: bytes, key: bytes | None = None) -> Message:
    """Decode a wireless telegram, with or without its CRCs. Raises DecodeError; reason `needs-key` when it is
    encrypted."""
    layer = radio.open_(radio.strip(raw), key)
    if layer.head is None:
        raise hub.DecodeError(
            "mbus-ci", phrase("mbus.unknown-ci-field", "a CI field {ci:02x} that is not read", ci=layer.ci)
        )
    message = _message(layer.head, layer.sender, layer.data)
    return message._replace(protected=layer.protected, authenticated=layer.authenticated, counter=layer.counter)


def sender(raw: bytes) -> str:
    """Return the device id of a wireless telegram: of the meter where it is named, else of its radio. Raises
    DecodeError for an invalid telegram."""
    stripped = radio.strip(raw)
    who = header.identity(stripped[2:10])
    at, ci = 11, stripped[10]
    if ci in radio.ELL:
        at += radio.ELL[ci]
        ci = stripped[at] if at < len(stripped) else 0
        at += 1
    if ci == radio.AFL and at < len(stripped):
        at += stripped[at] + 1
        ci = stripped[at] if at < len(stripped) else 0
        at += 1
    if ci == header.LONG and len(stripped) >= at + 8:
        who = header.identity(stripped[at + 4 : at + 6] + stripped[at : at + 4] + stripped[at + 6 : at + 8])
    return who.device


def medium(who: Identity) -> str:
    return header.MEDIA.get(who.medium, f"reserved {who.medium:02x}")


def _message(head: Header, sender: Identity | None, data: bytes) -> Message:
    return Message(head.identity or sender, head.access, head.status, records.parse(data))


def _fixed(data: bytes) -> Message:
    """Decode CI 73, the fixed structure of old meters: two counters. EN 1434-3:1997, 6.2; withdrawn, still in use."""
    if len(data) < 16:
        raise hub.DecodeError("mbus-header", phrase("mbus.fixed-structure-cut", "a fixed structure that is cut"))
    status = data[5]
    units = (data[6] & 0x3F, data[7] & 0x3F)
    who = Identity("", data[0:4][::-1].hex(), 0, (data[6] >> 6) | (data[7] >> 6) << 2, b"")
    found = []
    for unit, raw, storage in ((units[0], data[8:12], 0), (units[1], data[12:16], status >> 6 & 1)):
        value = int.from_bytes(raw, "little") if status & 1 else values.bcd(raw)
        meaning = _FIXED_UNITS.get(unit)
        if meaning is not None and value is not None:
            quantity, name, exponent = meaning
            found.append(Record("instantaneous", storage, 0, 0, quantity, name, values.scaled(value, exponent)))
    return Message(who, data[4], 0, Parsed(tuple(found)))


_FIXED_UNITS: dict[int, tuple[str, str, int]] = {
    **{0x02 + n: ("energy", "W.h", n) for n in range(9)},
    **{0x0B + n: ("energy", "J", 3 + n) for n in range(9)},
    **{0x14 + n: ("power", "W", n) for n in range(9)},
    **{0x1D + n: ("power", "J/h", 3 + n) for n in range(9)},
    **{0x26 + n: ("volume", "m3", n - 6) for n in range(9)},
    **{0x2F + n: ("volume flow", "m3/h", n - 6) for n in range(9)},
    0x38: ("temperature", "Cel", -3),
    0x39: ("heat cost allocation", "1", 0),
}


def explain(message: Message) -> Iterator[dict[str, Any]]:
    """Yield all contents of a telegram: first its header, then one object for each record."""
    who = message.identity
    yield {
        "manufacturer": who.manufacturer if who else "",
        "id": who.id if who else "",
        "version": who.version if who else 0,
        "medium": medium(who) if who else "",
        "access": message.access,
        "status": message.status,
        "status_words": header.status_words(message.status),
        "protected": message.protected,
        "authenticated": message.authenticated,
        **({"counter": message.counter} if message.counter is not None else {}),
        "records": len(message.parsed.records),
        **({"manufacturer_data": message.parsed.manufacturer.hex()} if message.parsed.manufacturer else {}),
        **({"more": True} if message.parsed.more else {}),
        **({"problem": message.parsed.problem} if message.parsed.problem else {}),
    }
    for number, record in enumerate(message.parsed.records):
        told = record._asdict()
        told["modifiers"] = list(record.modifiers)
        yield {"record": number, **told}


# -- readings -----------------------------------------------------------------------------------------------------


def states(message: Message) -> dict[str, bool]:
    """Decode the status byte of a meter: `fault` for a permanent or temporary error, `battery_low`."""
    return {"fault": bool(message.status & 0x18), "battery_low": bool(message.status & 0x04)}


_READINGS: dict[tuple[str, str], tuple[str, float]] = {
    # (quantity, unit) → metric, factor
    ("energy", "W.h"): ("energy", 0.001),
    ("energy", "J"): ("energy", 1 / 3_600_000),
    ("energy", "cal"): ("energy", 4.1868 / 3_600_000),
    ("power", "W"): ("power", 1.0),
    ("power", "J/h"): ("power", 1 / 3600),
    ("volume flow", "m3/h"): ("volume_flow", 1.0),
    ("volume flow", "m3/min"): ("volume_flow", 60.0),
    ("volume flow", "m3/s"): ("volume_flow", 3600.0),
    ("flow temperature", "Cel"): ("flow_temperature", 1.0),
    ("return temperature", "Cel"): ("return_temperature", 1.0),
    ("external temperature", "Cel"): ("temperature", 1.0),
    ("relative humidity", "%"): ("humidity", 1.0),
    ("pressure", "bar"): ("water_pressure", 1.0),
    ("voltage", "V"): ("voltage", 1.0),
    ("current", "A"): ("current", 1.0),
    ("frequency", "Hz"): ("frequency", 1.0),
}
_VOLUMES = {
    **dict.fromkeys((0x06, 0x07, 0x15, 0x16, 0x17, 0x28), ("water", 1000.0)),
    0x03: ("gas", 1.0),
}
"""Metrics of a volume in m3, by medium."""
_HARMLESS = {"at base conditions", "uncorrected", "accumulation of positive contributions"}


def readings(message: Message) -> dict[str, float]:
    """Return the present readings: instantaneous, storage 0, tariff 0, subunit 0; the first of each metric counts."""
    medium = message.identity.medium if message.identity else 0
    found: dict[str, float] = {}
    for record in message.parsed.records:
        if (record.function, record.storage, record.tariff, record.subunit) != ("instantaneous", 0, 0, 0):
            continue
        if not isinstance(record.value, int | float) or not set(record.modifiers) <= _HARMLESS:
            continue
        if record.quantity == "volume" and record.unit == "m3":
            metric, factor = _VOLUMES.get(medium, ("volume", 1000.0))
        elif (record.quantity, record.unit) in _READINGS:
            metric, factor = _READINGS[record.quantity, record.unit]
        else:
            continue
        found.setdefault(metric, record.value * factor)
    return found
