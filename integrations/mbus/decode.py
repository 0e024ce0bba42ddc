"""Decodes telegrams, wired or wireless: header and records. Pure but for the layouts it is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import hub
from hub.sdk.phrases import phrase
from integrations.mbus import header, link, radio, records, sense, values
from integrations.mbus.header import Header, Identity
from integrations.mbus.layouts import Layouts
from integrations.mbus.link import Telegram
from integrations.mbus.readings import present
from integrations.mbus.records import FILLER, Parsed, Record

_OPENED = b"\x2f\x2f"
_SEALED = ("mode 5", "mode 7", "AES-CTR")


class Message(NamedTuple):
    """A decoded telegram. `identity` None: not in the telegram (a wired one without a long header is identified by its
    bus address). `protected`: "none", "opened" (by the receiver), "mode 5", "mode 7" or "AES-CTR"; `counter` rises with
    each message where there is one."""

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
    return _message(head, None, records.parse(_clear(head, telegram.ci, telegram.data)))


def _clear(head: Header, ci: int, data: bytes) -> bytes:
    """Return the records of a wired telegram. What is its configuration field today was a signature in former meters.
    Raises DecodeError: `mbus-mode`."""
    body = data[head.size :]
    if not head.mode or body[:2] == _OPENED:
        return body
    if sense.clear(former := data[header.SIZES[ci] :]):
        return former
    raise hub.DecodeError(
        "mbus-mode",
        phrase("mbus.security-mode-on-wire", "security mode {mode} on the wire is not read", mode=head.mode),
    )


def speaker(telegram: Telegram) -> Identity | None:
    """Return the sender's identity, None where the telegram has none. Raises DecodeError."""
    if telegram.ci == header.FIXED:
        return _fixed(telegram.data).identity
    return header.read(telegram.ci, telegram.data).identity if telegram.ci == header.LONG else None


def wireless(raw: bytes, key: bytes | None = None, layouts: Layouts | None = None) -> Message:
    """Decode a wireless telegram, with or without its CRCs; `layouts` learns from full frames and reads compact ones.
    Raises DecodeError; reason `needs-key` when it is encrypted."""
    return stripped(radio.strip(raw), key, layouts)


def stripped(raw: bytes, key: bytes | None, layouts: Layouts | None) -> Message:
    """Decode a wireless telegram without CRCs, as `wireless` does."""
    layer = radio.open_(raw, key)
    if layer.head is None:
        raise hub.DecodeError(
            "mbus-ci", phrase("mbus.unknown-ci-field", "a CI field {ci:02x} that is not read", ci=layer.ci)
        )
    who = layer.head.identity or layer.sender
    parsed = _parsed(layer, who.device, Layouts() if layouts is None else layouts)
    message = _message(layer.head, layer.sender, parsed)
    return message._replace(protected=layer.protected, authenticated=layer.authenticated, counter=layer.counter)


def _parsed(layer: radio.Layer, device: str, layouts: Layouts) -> Parsed:
    sealed, data = layer.protected in _SEALED, layer.data
    if layer.ci in (header.LONG, header.SHORT, header.NONE):
        parsed = records.parse(data)
        if not (parsed.problem or parsed.manufacturer or parsed.more):
            layouts.learn(device, tuple([record.head for record in parsed.records]), sealed=sealed)
        return parsed
    if layer.head is not None and layer.head.mode in (5, 7) and data[:2] == _OPENED:
        data = data[2:]  # what shows that a key opens it
    if layer.ci in header.COMPACT:
        return layouts.full(device, data, sealed=sealed)
    size = data[0] if data else 0  # of a format frame: its signature and the heads
    if size < 2 or len(data) <= size or data[size + 1 :].strip(bytes([FILLER])):
        raise hub.DecodeError("mbus-record", phrase("mbus.format-frame-cut", "a format frame that is cut"))
    layouts.learn(device, records.heads(data[3 : size + 1]), sealed=sealed)
    return Parsed(())


def sender(raw: bytes) -> str:
    """Return the device id of a wireless telegram: of the meter where it is named, else of its radio. Raises
    DecodeError for an invalid telegram."""
    return sender_of(radio.strip(raw))


def sender_of(raw: bytes) -> str:
    """Return the device id of a wireless telegram without CRCs."""
    who = header.identity(raw[2:10])
    at, ci = 11, raw[10]
    if ci in radio.ELL:
        at += radio.ELL[ci]
        ci = raw[at] if at < len(raw) else 0
        at += 1
    if ci == radio.AFL and at < len(raw):
        at += raw[at] + 1
        ci = raw[at] if at < len(raw) else 0
        at += 1
    if header.FULL.get(ci) == header.LONG and len(raw) >= at + 8:
        who = header.identity(raw[at + 4 : at + 6] + raw[at : at + 4] + raw[at + 6 : at + 8])
    return who.device


def medium(who: Identity) -> str:
    return header.MEDIA.get(who.medium, f"reserved {who.medium:02x}")


def _message(head: Header, sender: Identity | None, parsed: Parsed) -> Message:
    return Message(head.identity or sender, head.access, head.status, parsed)


def _fixed(data: bytes) -> Message:
    """Decode CI 73, the fixed structure of old meters: two counters. EN 1434-3:1997, 6.2; withdrawn, still in use."""
    if len(data) < 16:
        raise hub.DecodeError("mbus-header", phrase("mbus.fixed-structure-cut", "a fixed structure that is cut"))
    status = data[5]
    units = (data[6] & 0x3F, data[7] & 0x3F)
    who = Identity("", data[0:4][::-1].hex(), 0, (data[6] >> 6) | (data[7] >> 6) << 2, b"")
    stored = status >> 1 & 1  # both counters are of a fixed date, or both of now
    found = []
    for unit, raw in zip(units, (data[8:12], data[12:16]), strict=True):
        value = values.integer(raw) if status & 1 else values.bcd(raw)
        former = unit == _AS_THE_FIRST
        storage, meaning = stored or int(former), _FIXED_UNITS.get(units[0] if former else unit)
        if meaning is not None and value is not None:
            quantity, name, exponent = meaning
            found.append(Record("instantaneous", storage, 0, 0, quantity, name, values.scaled(value, exponent)))
    return Message(who, data[4], status & 0x1C, Parsed(tuple(found)))


_AS_THE_FIRST = 0x3E
"""Unit of a second counter: the same as that of the first, but historic."""
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
        yield {"record": number, "dif_vif": told.pop("head").hex(), **told}


def readings(message: Message) -> dict[str, float]:
    """Return the present readings of a telegram by metric."""
    return present(message.parsed.records, message.identity).values
