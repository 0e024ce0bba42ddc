"""A cEMI frame → the telegram it carries. Pure: bytes in, one immutable telegram out.

KNX Standard v2.1, 03_06_03 EMI/IMI (§4.1.5, L_Data.req, .con, .ind and their additional information), 03_02_02 (§2.2,
standard and extended frame), 03_03_07 Application Layer (group services) and AN158 KNX Data Secure (S-A_Data). The
meaning of a value's bytes depends on the datapoint type, which no telegram carries: `integrations.knx.values`.
"""

from __future__ import annotations

from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase
from integrations.knx import addresses

MESSAGES = {0x11: "req", 0x2E: "con", 0x29: "ind"}
"""L_Data only: bus monitor and management frames are not read."""

SERVICES = {0x000: "read", 0x040: "response", 0x080: "write"}
"""The application services of a group, by APCI without its data bits."""

SECURE = 0x3F1
LONGEST = 270
"""Maximum octets: an extended frame has at most 254 after its header; the rest is for additional information."""

_GROUP_FLAG, _ERROR = 0x80, 0x01
_HEADER = 7  # two control octets, source, destination, length


class Telegram(NamedTuple):
    """One telegram of the bus.

    Addresses are 16 bits. `payload` is an int when the value is in the low six bits of the APCI, else bytes; None when
    there is none (a read, a secured telegram, an unknown service). `service` is "read", "response", "write", "secure"
    or "other". `confirmed`: whether an L_Data.con reports an acknowledgement on the bus. `sequence`: sequence number of
    a secured telegram of its sender."""

    message: str
    source: int
    destination: int
    group: bool
    service: str
    payload: int | bytes | None = None
    priority: int = 3
    hops: int = 6
    confirmed: bool = True
    sequence: int | None = None


def cemi(raw: bytes) -> Telegram:
    """Parse a cEMI frame. Raises DecodeError with `too-long`, `truncated`, `not-l-data`, `bad-length` or
    `bad-format`."""
    if len(raw) > LONGEST:
        raise hub.DecodeError(
            "too-long", phrase("knx.cemi-too-long", "a cEMI frame has at most {longest} octets", longest=LONGEST)
        )
    if len(raw) < 2:
        raise hub.DecodeError(
            "truncated", phrase("knx.cemi-too-short", "a cEMI frame has at least its message code and a length")
        )
    message = MESSAGES.get(raw[0])
    if message is None:
        raise hub.DecodeError(
            "not-l-data",
            phrase("knx.not-a-telegram", "message code 0x{code:02x} is not a telegram (L_Data)", code=raw[0]),
        )
    data = raw[2 + raw[1] :]
    if len(data) <= _HEADER:
        raise hub.DecodeError(
            "truncated", phrase("knx.cemi-truncated", "the frame ends before its first application octet")
        )
    if len(data) != _HEADER + 1 + data[6]:
        raise hub.DecodeError("bad-length", phrase("knx.length-mismatch", "the length octet does not fit the frame"))
    control, extended = data[0], data[1]
    if extended & 0x0F:
        raise hub.DecodeError(
            "bad-format", phrase("knx.extended-frame-format", "an extended frame of another format (LTE-HEE)")
        )
    group, destination = bool(extended & _GROUP_FLAG), int.from_bytes(data[4:6], "big")
    service, payload, sequence = _application(data[_HEADER:])
    if not group or destination == addresses.BROADCAST:  # point-to-point or broadcast: no group value
        service, payload = "secure" if service == "secure" else "other", None
    return Telegram(
        message=message,
        source=int.from_bytes(data[2:4], "big"),
        destination=destination,
        group=group,
        service=service,
        payload=payload,
        priority=control >> 2 & 3,
        hops=extended >> 4 & 7,
        confirmed=not (message == "con" and control & _ERROR),
        sequence=sequence,
    )


def _application(tpdu: bytes) -> tuple[str, int | bytes | None, int | None]:
    """Parse the service, the payload, and the sequence number of a secured telegram."""
    if tpdu[0] & 0x80 or len(tpdu) < 2:  # transport control: connect, disconnect, ack
        return "other", None, None
    apci = (tpdu[0] & 0x03) << 8 | tpdu[1]
    if apci == SECURE:
        return "secure", None, int.from_bytes(tpdu[3:9], "big") if len(tpdu) >= 9 else None
    if tpdu[0] & 0x7C:  # numbered data, or a tag: device management, no group value
        return "other", None, None
    service = SERVICES.get(apci & 0x3C0)
    if service is None:
        return "other", None, None
    if service == "read":  # a read carries no value, whatever follows
        return service, None, None
    if len(tpdu) == 2:
        return service, apci & 0x3F, None
    if apci & 0x3F:
        raise hub.DecodeError(
            "bad-length", phrase("knx.value-stands-twice", "a value stands both beside the service code and after it")
        )
    return service, bytes(tpdu[2:]), None


def size(payload: int | bytes | None) -> str:
    """Return the length of a payload as text: the only hint at its datapoint type in a telegram."""
    if payload is None:
        return phrase("knx.no-value", "no value")
    if isinstance(payload, int):
        return phrase("knx.up-to-six-bits", "up to 6 bits")
    return phrase("knx.count-of-bytes", "{count} [byte|bytes]", count=len(payload))


def describe(telegram: Telegram, levels: int = 3) -> dict[str, object]:
    """Return a telegram as a JSON object, for `ilot decode` and `ilot capture`."""
    told: dict[str, object] = {
        "source": addresses.show_individual(telegram.source),
        "destination": addresses.show_group(telegram.destination, levels)
        if telegram.group
        else addresses.show_individual(telegram.destination),
        "service": telegram.service,
        "message": telegram.message,
        "priority": ("system", "normal", "urgent", "low")[telegram.priority],
        "hops": telegram.hops,
    }
    if telegram.message == "con":
        told["confirmed"] = telegram.confirmed
    if telegram.sequence is not None:
        told["sequence"] = telegram.sequence
    if telegram.payload is not None:
        told["payload"] = telegram.payload if isinstance(telegram.payload, int) else telegram.payload.hex()
    return told
