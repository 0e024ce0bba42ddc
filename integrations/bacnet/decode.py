"""Decodes datagrams of BACnet/IP. Pure.

ANSI/ASHRAE 135-2020: the virtual link layer (Annex J.2), the network layer (Clause 6.2), the fixed part of an APDU
(Clause 20.1) and the services in answers to a client (Clauses 13 to 16 and 21). A station is a sender: its IP address
and port, and behind a router its network and MAC address there. Invalid input raises hub.DecodeError. Requests to the
hub, which it does not serve, are returned as `Request`, undecoded.
"""

from __future__ import annotations

from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase
from integrations.bacnet import names
from integrations.bacnet.names import ObjectId, Refused
from integrations.bacnet.tags import ENUMERATED, OBJECT, UNSIGNED, Reader, Value

LARGEST = 1497
"""Octets of a datagram: BVLC 4 (10 when forwarded), NPDU 21 at most, APDU 1476, rounded to what Annex J allows."""


class Station(NamedTuple):
    """Address of a sender. `network` 0 is the local one; `mac` is empty there."""

    host: str
    port: int
    network: int = 0
    mac: bytes = b""

    @property
    def place(self) -> str:
        """Return the address as a part of a sentence."""
        where = f"{self.host}:{self.port}"
        if not self.network:
            return where
        return phrase(
            "bacnet.behind-router",
            "{network}:{mac} behind {router}",
            network=self.network,
            mac=self.mac.hex(),
            router=where,
        )

    def __str__(self) -> str:
        return str(self.place)


class Result(NamedTuple):
    """A BBMD's answer: 0 is success, 0x30 a refused registration (Annex J.2.1)."""

    code: int


class NetworkMessage(NamedTuple):
    """A message between routers (Clause 6.2.4), of which a client needs only Reject-Message-To-Network (3)."""

    station: Station
    type: int


class Request(NamedTuple):
    """A request to the hub. `invoke` is None where no answer is expected."""

    station: Station
    service: int
    invoke: int | None
    data: bytes
    segmented: bool = False


class Answer(NamedTuple):
    """Answer to request `invoke`: a simple ack (`data` empty), or a complex one, or a segment of it (`sequence` not
    None)."""

    station: Station
    invoke: int
    service: int
    data: bytes
    sequence: int | None = None
    more: bool = False
    window: int = 0


class Refusal(NamedTuple):
    """Refusal of request `invoke`: an error, a reject or an abort."""

    station: Station
    invoke: int
    error: Refused


class SegmentAck(NamedTuple):
    """Acknowledgement of a segmented request; the hub sends no such requests."""

    station: Station
    invoke: int


Message = Result | NetworkMessage | Request | Answer | Refusal | SegmentAck


class Found(NamedTuple):
    """A property in an answer: its values, or why there are none."""

    object: ObjectId
    property: int
    element: int | None
    values: list[Value]
    error: hub.DecodeError | None = None


class IAm(NamedTuple):
    """Announcement of a device. `segmentation` 0 both, 1 transmit, 2 receive, 3 none."""

    instance: int
    max_apdu: int
    segmentation: int
    vendor: int


class Notification(NamedTuple):
    """A change of value. `values` by property."""

    process: int
    device: int
    object: ObjectId
    remaining_s: int
    values: dict[int, list[Value]]


def datagram(data: bytes, host: str, port: int) -> Message:
    """Decode a datagram from `host`:`port`. A forwarded one is attributed to its originator."""
    if len(data) < 4 or len(data) > LARGEST:
        raise hub.DecodeError(
            "bad-length",
            phrase("bacnet.bad-datagram-length", "no BACnet/IP datagram has {count} octets", count=len(data)),
        )
    if data[0] != 0x81:
        raise hub.DecodeError("not-bacnet", phrase("bacnet.not-bacnet-ip", "not BACnet/IP (Annex J)"))
    if int.from_bytes(data[2:4], "big") != len(data):
        raise hub.DecodeError("bad-length", phrase("bacnet.length-mismatch", "the length in it is not the datagram's"))
    function = data[1]
    if function == 0x00:
        if len(data) != 6:
            raise hub.DecodeError("truncated", phrase("bacnet.bad-bvlc-result", "a BVLC result has two octets"))
        return Result(int.from_bytes(data[4:6], "big"))
    if function == 0x04:
        if len(data) < 10:
            raise hub.DecodeError(
                "truncated", phrase("bacnet.forwarded-without-origin", "a forwarded message without its originator")
            )
        origin = ".".join(map(str, data[4:8]))
        return _network(data[10:], origin, int.from_bytes(data[8:10], "big"))
    if function in (0x0A, 0x0B):
        return _network(data[4:], host, port)
    raise hub.DecodeError(
        "bvlc-function",
        phrase(
            "bacnet.function-for-bbmd",
            "function 0x{function:02x} is for a BBMD, which this hub is not",
            function=function,
        ),
    )


def _network(data: bytes, host: str, port: int) -> Message:
    """Decode the network layer (Clause 6.2)."""
    at = 2
    try:
        version, control = data[0], data[1]
        if version != 1:
            raise hub.DecodeError(
                "npdu-version",
                phrase(
                    "bacnet.unknown-network-version",
                    "version {version} of the network layer is not known",
                    version=version,
                ),
            )
        network, mac = 0, b""
        if control & 0x20:
            at += 3 + data[at + 2]
        if control & 0x08:
            network, size = int.from_bytes(data[at : at + 2], "big"), data[at + 2]
            mac = data[at + 3 : at + 3 + size]
            at += 3 + size
            if not 1 <= network <= 0xFFFE or not mac or len(mac) != size:
                raise hub.DecodeError(
                    "bad-source",
                    phrase("bacnet.bad-routed-source", "no network or address in the source of a routed message"),
                )
        if control & 0x20:
            at += 1  # hop count
        station = Station(host, port, network, mac)
        if control & 0x80:
            return NetworkMessage(station, data[at])
        return _application(data[at:], station)
    except IndexError:
        raise hub.DecodeError(
            "truncated", phrase("bacnet.ends-within-header", "the message ends within its header")
        ) from None


def _application(data: bytes, station: Station) -> Message:
    """Decode an APDU (Clause 20.1)."""
    kind = data[0] >> 4
    if kind == 0:
        segmented = bool(data[0] & 8)
        at = 5 if segmented else 3
        return Request(station, data[at], data[2], data[at + 1 :], segmented)
    if kind == 1:
        return Request(station, data[1], None, data[2:])
    if kind == 2:
        return Answer(station, data[1], data[2], b"")
    if kind == 3 and data[0] & 8:
        return Answer(station, data[1], data[4], data[5:], data[2], bool(data[0] & 4), data[3])
    if kind == 3:
        return Answer(station, data[1], data[2], data[3:])
    if kind == 4:
        return SegmentAck(station, data[1])
    if kind == 5:
        return Refusal(station, data[1], _error(Reader(data[3:])))
    if kind in (6, 7):
        return Refusal(station, data[1], Refused("reject" if kind == 6 else "abort", data[2]))
    raise hub.DecodeError("pdu-type", phrase("bacnet.unknown-apdu-type", "APDU type {type} is not defined", type=kind))


def _error(reader: Reader) -> Refused:
    """Decode class and code, plain or below context tag 0 as in some services."""
    reader.opens(0)
    _class = reader.application(ENUMERATED)
    code = reader.application(ENUMERATED)
    return Refused("error", int(code or 0))  # type: ignore[arg-type]  # both are numbers, or it raised


def read_property(data: bytes) -> Found:
    """Decode ReadProperty-ACK (Clause 15.5)."""
    reader = Reader(data)
    who, which, element = reader.object(0), reader.unsigned(1), reader.optional(2)
    reader.must(reader.opens(3), phrase("bacnet.a-value", "a value"))
    return Found(who, which, element, reader.values(3))


def read_multiple(data: bytes) -> list[Found]:
    """Decode ReadPropertyMultiple-ACK (Clause 15.7)."""
    reader = Reader(data)
    found: list[Found] = []
    while reader:
        who = reader.object(0)
        reader.must(reader.opens(1), phrase("bacnet.list-of-results", "a list of results"))
        while not reader.closes(1):
            which, element = reader.unsigned(2), reader.optional(3)
            if reader.opens(4):
                found.append(Found(who, which, element, reader.values(4)))
            else:
                reader.must(reader.opens(5), phrase("bacnet.value-or-error", "a value or an error"))
                error = _error(reader)
                reader.must(reader.closes(5), phrase("bacnet.end-of-error", "the end of an error"))
                found.append(Found(who, which, element, [], error))
    return found


def i_am(data: bytes) -> IAm:
    """Decode I-Am (Clause 16.10)."""
    reader = Reader(data)
    who = reader.application(OBJECT)
    size, segmentation, vendor = (reader.application(kind) for kind in (UNSIGNED, ENUMERATED, UNSIGNED))
    if not isinstance(who, ObjectId) or who.type != names.DEVICE or who.instance > names.LAST_INSTANCE:
        raise hub.DecodeError(
            "bad-device", phrase("bacnet.i-am-of-no-device", "an I-Am of something that is no device")
        )
    if not 0 <= int(segmentation) <= 3:  # type: ignore[arg-type]
        raise hub.DecodeError(
            "bad-value", phrase("bacnet.i-am-unknown-segmentation", "an I-Am with an unknown kind of segmentation")
        )
    return IAm(who.instance, int(size), int(segmentation), int(vendor))  # type: ignore[arg-type]


def notification(data: bytes) -> Notification:
    """Decode ConfirmedCOVNotification and UnconfirmedCOVNotification (Clauses 13.12 and 13.13)."""
    reader = Reader(data)
    process, device, who, left = reader.unsigned(0), reader.object(1), reader.object(2), reader.unsigned(3)
    reader.must(device.type == names.DEVICE, phrase("bacnet.a-device", "a device"))
    reader.must(reader.opens(4), phrase("bacnet.list-of-values", "a list of values"))
    values: dict[int, list[Value]] = {}
    while not reader.closes(4):
        which, _ = reader.unsigned(0), reader.optional(1)
        reader.must(reader.opens(2), phrase("bacnet.a-value", "a value"))
        values[which] = reader.values(2)
        reader.optional(3)
    return Notification(process, device.instance, who, left, values)
