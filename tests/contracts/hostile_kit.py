"""Every decoder of bytes that come from a radio, a bus, a network or the disk, and for each the worst frames of its
format that anybody has thought of, as long as one asks."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

import hub
from hub.devices.codecs.mapping import leaves
from hub.devices.codecs.messages import Answer, Unpacker
from hub.protocol import link_messages
from hub.protocol.documents import badges, trust
from hub.protocol.records import bodies, columns
from hub.protocol.records import framing as records
from hub.protocol.records.compression import MAX_BODY, Squeezer, expand
from hub.protocol.records.rows import Column, Shape, Subject
from hub.sdk.http.messages import TooLong, Unanswered, unpacked
from hub.sdk.jsonpath import JsonPath
from hub.sdk.sigfox import callback
from hub.sdk.sigfox.grammar import Grammar
from hub.store_and_forward.buffer.reader import SegmentIndex
from hub.store_and_forward.buffer.segment import MAGIC, SegmentInfo
from integrations.bacnet import decode as bacnet
from integrations.bluetooth import advert, atc, bthome, eddystone, gatt_layout, ruuvi, sig
from integrations.bluetooth.strangers import messages as strangers
from integrations.enocean import decode as enocean
from integrations.enocean import esp3, secure
from integrations.enocean.eep import KNOWN, RORG
from integrations.http_json import decode as http_json
from integrations.knx import decode as knx
from integrations.linky import frames as tic
from integrations.linky.decode import decode as read_meter
from integrations.lorawan import basics, cayenne, commands, gwmp, phy
from integrations.lorawan_servers import chirpstack_events, parts, reading, things_stack_events
from integrations.lorawan_servers.settings import ValueSettings
from integrations.mbus import decode as mbus
from integrations.mbus import header, lines, link, radio, sticks
from integrations.mbus.layouts import Layouts
from integrations.modbus import decode as modbus
from integrations.modbus.rtu import _Answer as RtuAnswer
from integrations.modbus.settings import Register
from integrations.mqtt_devices import MOST_ENTITIES, discovery, mapping, paths
from integrations.opcua import messages as opcua

Decode = Callable[[bytes], object]
Feed = Callable[[bytes], Iterable[object]]
Shapes = Mapping[str, Callable[[int], bytes]]

ADDRESS = "A4:C1:38:01:02:03"
KEY = bytes(range(16))
PARIS = ZoneInfo("Europe/Paris")
EUI = "0102030405060708"


class Hostile(NamedTuple):
    """`decode` reads one frame and gives what becomes of it. It has `longest` bytes at most: a longer one is `refused`,
    or cannot come, since what hands it over has that bound; of a stream that is what is fed. `shapes`: by name, a frame
    of about so many bytes. `expands`: bytes that what is compressed may become; `values`: how many
    are wanted of it. Of a stream, `feed` makes a new one."""

    name: str
    decode: Decode
    longest: int
    shapes: Shapes
    refused: bool = True
    expands: int = 0
    values: int = 0
    feed: Callable[[], Feed] | None = None

    @property
    def folder(self) -> str:
        """Where its code is: it is judged in full when that changes (`tests/selection.py`)."""
        return next(folder for folder, names in DECODERS.items() if self.name in names)


DECODERS: Mapping[str, tuple[str, ...]] = {
    "hub/devices/codecs": ("answer of a codec",),
    "hub/protocol": (
        *("end of a segment", "compressed body", "block", "table", "clock", "gap", "small state"),
        *("message of the link", "reply of the link", "ack", "trust", "badge", "withdrawn badges"),
    ),
    "hub/sdk/http": ("packed page",),
    "hub/sdk/sigfox": ("Sigfox callback", "Sigfox form", "Sigfox payload"),
    "hub/store_and_forward/buffer": ("segment",),
    "integrations/bacnet": ("BACnet datagram", "BACnet answer in segments"),
    "integrations/bluetooth": ("advertisement", "GATT value", "Bluetooth parsers' worker"),
    "integrations/enocean": ("ESP3 line", "secured EnOcean telegram"),
    "integrations/http_json": ("JSON over HTTP",),
    "integrations/knx": ("cEMI frame",),
    "integrations/linky": ("customer output",),
    "integrations/lorawan": ("LoRaWAN frame", "MAC commands", "Cayenne LPP", "packet forwarder", "Basics Station"),
    "integrations/lorawan_servers": ("ChirpStack", "The Things Stack"),
    "integrations/mbus": (
        *("M-Bus telegram", "wireless M-Bus telegram", "M-Bus line", "iM871A", "Amber stick", "printed telegrams"),
    ),
    "integrations/modbus": ("Modbus registers", "Modbus RTU line"),
    "integrations/mqtt_devices": ("MQTT payload of many values", "MQTT discovery"),
    "integrations/opcua": ("OPC UA worker",),
}


def _none(_: str) -> bytes | None:
    return None


# -- Bluetooth ----------------------------------------------------------------------------------------------------


def _advertisement(data: bytes) -> object:
    frame = advert.parse(data, ADDRESS)
    found: list[object] = [frame]
    for decode in (bthome.decode, ruuvi.decode, atc.decode, eddystone.decode, sig.decode):
        try:
            found.append(decode(frame, _none))
        except hub.DecodeError as error:
            found.append(error)
    return found


def _bthome(objects: bytes) -> Callable[[int], bytes]:
    def made(n: int) -> bytes:
        body = b"\x16\xd2\xfc\x40" + (objects * n)[: min(n, 250)]
        return (bytes([len(body)]) + body) * max(1, n // (len(body) + 1))

    return made


_FIELDS = gatt_layout.Characteristic.model_validate(
    {
        "service": "fff0",
        "characteristic": "fff1",
        "fields": [{"metric": f"text_{n}", "type": "utf8"} for n in range(64)],
    }
)

# -- M-Bus --------------------------------------------------------------------------------------------------------


def _wired(data: bytes) -> object:
    message = mbus.wired(data)
    return [*mbus.explain(message), mbus.readings(message)]


def _wireless(data: bytes) -> object:
    found: list[object] = [mbus.sender(data)]
    for key in (None, KEY):
        try:
            message = mbus.wireless(data, key, _LAYOUTS)
            found += [*mbus.explain(message), mbus.readings(message)]
        except hub.DecodeError as error:
            found.append(error)
    return found


_HEADER = bytes.fromhex("78563412 2D2C 01 07 55 00 0000")
_SIGNED = bytes.fromhex("78563412 2D2C 01 07 55 00 27B6")
_LAYOUTS = Layouts()
_HEADS = b"\x00\x13" * 127  # the most that is remembered: records without data
_LAYOUTS.learn("mbus:KAM-12345678-01-07", (b"\x00\x13",) * 127, sealed=False)


def _telegram(body: Callable[[int], bytes], head: bytes = _HEADER) -> Callable[[int], bytes]:
    return lambda n: link.long(8, 1, header.LONG, head + body(max(0, min(n, 261) - 21))[:240])


def _radioed(body: Callable[[int], bytes], ci: int = header.NONE) -> Callable[[int], bytes]:
    def made(n: int) -> bytes:
        inner = bytes.fromhex("442D2C785634120107") + bytes([ci]) + body(min(n, 256) - 11)[: min(n, 256) - 11]
        return bytes([len(inner)]) + inner

    return made


_RECORDS: Shapes = {
    "the shortest records": lambda n: b"\x01\x13\x00" * (n // 3),
    "records without data": lambda n: b"\x00\x13" * (n // 2),
    "fillers": lambda n: b"\x2f" * n,
    "chains of ten DIFE": lambda n: (b"\x81" + b"\xff" * 9 + b"\x7f\x13\x00") * (n // 13),
    "chains of ten VIFE": lambda n: (b"\x01\x93" + b"\xff" * 9 + b"\x7f\x00") * (n // 13),
    "chains of factors": lambda n: (b"\x04\x83" + b"\xfd" * 9 + b"\x7d\xff\xff\xff\x7f") * (n // 16),
    "a DIF without an end": lambda n: b"\xff" * n,
    "texts": lambda n: b"\x0d\xfd\x10\x20" + b"A" * 32 + (b"\x0d\x7c\x40" + b"u" * 64) * (n // 67),
    "a length that lies": lambda n: b"\x0d\x13\xbf" + b"\0" * n,
    "units in plain text": lambda n: (b"\x01\x7c\x40" + b"u" * 64 + b"\x00") * (n // 68),
    "long numbers": lambda n: (b"\x0d\x13\xf6" + b"\xff" * 64) * (n // 67),
}


def _stream(name: str, feed: Callable[[], Feed], longest: int, shapes: Shapes) -> Hostile:
    """A new splitter, fed as a line is read: up to 4,096 bytes at once (`hub.sdk.serial_line.Line.receive`)."""

    def decode(data: bytes) -> object:
        feeding = feed()
        found: list[object] = []
        for at in range(0, len(data), 4096):
            found += feeding(data[at : at + 4096])
        return feeding, found

    return Hostile(name, decode, longest, shapes, refused=False, feed=feed)


def _printed() -> Feed:
    cutting = lines.Lines()

    def feed(data: bytes) -> Iterator[object]:
        for text in cutting.feed(data):
            try:
                yield lines.telegram(text)
            except hub.DecodeError as error:
                yield error

    return feed


# -- EnOcean and Linky --------------------------------------------------------------------------------------------


def _esp3() -> Feed:
    splitter = esp3.Splitter()

    def feed(data: bytes) -> Iterator[object]:
        for packet in splitter.feed(data):
            try:
                telegram = esp3.radio(packet)
            except hub.DecodeError as error:
                yield error
                continue
            if telegram is None:
                continue
            yield enocean.teach_in(telegram)
            for eep in _EEPS.get(telegram.rorg, ()):
                try:
                    yield enocean.decode(telegram, eep)
                except hub.DecodeError as error:
                    yield error

    return feed


_EEPS: dict[int, list[str]] = {}
for _eep in sorted(KNOWN):
    _EEPS.setdefault(RORG[_eep[:2]], []).append(_eep)
_EEPS = {rorg: eeps[:3] + eeps[-3:] for rorg, eeps in _EEPS.items()}


def _secured(data: bytes) -> object:
    """Of a device that sends no rolling code: the dearest, since the next ones are tried."""
    return secure.open_(secure.SEC_ENCAPS, data, KEY, secure.level(0b010_10_011), 7)


def _sync(n: int) -> bytes:
    head = (esp3.MAX_DATA).to_bytes(2, "big") + b"\xff\x01"
    return (bytes([esp3.SYNC]) + head + bytes([esp3.crc8(head)])) * (n // 6)


def _meter() -> Feed:
    framer = tic.Framer()

    def feed(data: bytes) -> Iterator[object]:
        for frame in framer.feed(data):
            try:
                yield read_meter(frame, PARIS)
            except hub.DecodeError as error:
                yield error

    return feed


def _group(text: bytes) -> bytes:
    counted = text + b"\t" if b"\t" in text else text
    separator = b"" if b"\t" in text else b" "
    return b"\n" + counted + separator + bytes([(sum(counted) & 0x3F) + 0x20]) + b"\r"


def _tic(*groups: bytes) -> Callable[[int], bytes]:
    """The first groups once, the last as often as they fit."""
    first, again = b"".join(map(_group, groups[:-1])), _group(groups[-1])
    return lambda n: b"\x02" + first + again * ((min(n, tic.MAX_FRAME) - len(first)) // len(again)) + b"\x03"


# -- field buses ---------------------------------------------------------------------------------------------------


def _bacnet(data: bytes) -> object:
    said = bacnet.datagram(data, "10.0.0.1", 47808)
    return [said, *_services(said.data)] if isinstance(said, bacnet.Answer | bacnet.Request) else said


def _services(data: bytes) -> list[object]:
    """By the service that was asked for: the frame does not say which."""
    found: list[object] = []
    for read in (bacnet.read_property, bacnet.read_multiple, bacnet.notification, bacnet.i_am):
        try:
            found.append(read(data))
            break
        except hub.DecodeError as error:
            found.append(error)
    return found


def _assembled(data: bytes) -> object:
    if len(data) > ASSEMBLED:
        raise hub.DecodeError("too-long")
    return _services(data)


ASSEMBLED = 32 * 1476
_PROPERTY = bytes.fromhex("0C 02000001 19 55 3E".replace(" ", ""))
_VALUES: Shapes = {
    "values of one octet": lambda n: _PROPERTY + b"\x00" * (n - 9) + b"\x3f",
    "a string of bits": lambda n: _PROPERTY + b"\x85\xfe" + max(n - 14, 2).to_bytes(2, "big") + bytes(n) + b"\x3f",
    "a text": lambda n: _PROPERTY + b"\x75\xfe" + max(n - 14, 2).to_bytes(2, "big") + bytes(n) + b"\x3f",
    "a length that lies": lambda n: _PROPERTY + b"\x75\xff\xff\xff\xff\xff" + bytes(n),
    "levels within each other": lambda n: _PROPERTY + b"\x0e" * n,
    "levels that open and close": lambda n: _PROPERTY + b"\x0e\x0f" * (n // 2),
    "the shortest results": lambda n: b"\x0c\x02\x00\x00\x01\x1e" + b"\x29\x55\x4e\x00\x4f" * (n // 5) + b"\x1f",
    "objects without results": lambda n: b"\x0c\x02\x00\x00\x01\x1e\x1f" * (n // 7),
    "notified values": lambda n: bytes.fromhex("09011c020000011c00000001") + b"\x39\x00\x4e"
    + b"\x09\x55\x2e\x00\x2f" * (n // 5) + b"\x4f",
}  # fmt: skip


def _ip(body: Callable[[int], bytes]) -> Callable[[int], bytes]:
    def made(n: int) -> bytes:
        apdu = b"\x01\x00\x30\x01\x0c" + body(min(n, bacnet.LARGEST) - 40)[: bacnet.LARGEST - 9]
        return b"\x81\x0a" + (len(apdu) + 4).to_bytes(2, "big") + apdu

    return made


_TEXT = Register.model_validate(
    {"metric": "x", "address": 0, "type": "string", "length": 120, "unit": "1", "privacy": "technical"}
)


def _registers(data: bytes) -> object:
    return modbus.decode(_TEXT, [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)])


def _rtu(data: bytes) -> object:
    """As the line hands it over: all that has come, at each piece of it again."""
    answer = RtuAnswer(b"\x01\x03\x00\x00\x00\x7d\x00\x00")
    for at in range(0, len(data), 64):
        if answer.end(data[: at + 64]) is not None:
            break
    return answer.others


def _foreign(n: int) -> bytes:
    from pymodbus.framer import FramerRTU

    body = b"\x02\x03\x02\x00\x00"
    return (body + FramerRTU.compute_CRC(body).to_bytes(2, "big")) * (n // 7)


# -- JSON, MessagePack, Protocol Buffers ------------------------------------------------------------------------------


_JSON: Shapes = {
    "lists within lists": lambda n: b"[" * n,
    "objects within objects": lambda n: b'{"a":' * (n // 5),
    "empty lists": lambda n: b"[" + b"[]," * (n // 3) + b"[]]",
    "empty objects": lambda n: b"[" + b"{}," * (n // 3) + b"{}]",
    "a number of so many digits": lambda n: b"1" * n,
    "numbers of 4,300 digits": lambda n: b"[" + (b"1" * 4300 + b",") * (n // 4301) + b"1]",
    "a huge exponent": lambda n: b"1e" + b"9" * n,
    "a long fraction": lambda n: b"0." + b"1" * n,
    "a long text": lambda n: b'"' + b"a" * n + b'"',
    "escapes": lambda n: b'"' + b"\\u0041" * (n // 6) + b'"',
    "spaces": lambda n: b" " * n + b"1",
    "many keys": lambda n: b"{" + b",".join(b'"%d":0' % k for k in range(n // 9)) + b"}",
    "one key again and again": lambda n: b"{" + b'"a":0,' * (n // 6) + b'"a":0}',
}


_INNER = ("lists within lists", "empty objects", "numbers of 4,300 digits", "a long text", "many keys")


def _within(what: str, before: bytes, after: bytes) -> Shapes:
    """The same as a part of a message."""

    def made(shape: Callable[[int], bytes]) -> Callable[[int], bytes]:
        return lambda n: before + shape(max(0, n - len(before) - len(after))) + after

    return {f"{name} as {what}": made(_JSON[name]) for name in _INNER}


def _behind(head: bytes, shape: Callable[[int], bytes]) -> Callable[[int], bytes]:
    return lambda n: head + shape(n - len(head))[: n - len(head)]


_ENTRIES = tuple(
    http_json.Entry(metric, JsonPath.parse(path))
    for metric in (
        hub.Metric(key="a", privacy="technical", fr="a", en="a"),
        hub.Metric(key="b", kind="flag", privacy="technical", fr="b", en="b"),
        hub.Metric(key="c", kind="text", privacy="technical", fr="c", en="c"),
    )
    for path in ("", "a", "a[0]")
)


def _document(data: bytes) -> object:
    return http_json.read(http_json.document(data), _ENTRIES, JsonPath.parse("a"))


MANY = (mapping.Entry("door", JsonPath()),) * MOST_ENTITIES
"""As many as a device may announce of one topic."""


def _published(data: bytes) -> object:
    return mapping.values(data, MANY, hub.METRICS)


def _announced(data: bytes) -> object:
    return discovery.read("homeassistant", "homeassistant/sensor/a/config", data)


def _served(event: object) -> object:
    """What of a server's own object becomes a reading."""
    found = event.decoded if isinstance(event, parts.Uplink) and event.decoded else {}
    return [
        reading.converted(reading.follow(found, path), ValueSettings(path=path), kind)
        for path in ("a", "a.0", "a.a")
        for kind in ("number", "flag", "text")
    ]


def _chirpstack(data: bytes) -> object:
    return _served(chirpstack_events.read("up", EUI, data))


def _things(data: bytes) -> object:
    return _served(things_stack_events.read("d", data))


def _sigfox(data: bytes) -> object:
    return callback.read("advanced", callback.fields(data, "application/json"))


def _form(data: bytes) -> object:
    return callback.read("uplink", callback.fields(data, "application/x-www-form-urlencoded"))


_CALLED = b'"device":"1D2F3","time":1760000000,"seqNumber":7,"data":"00"'
_UP = b'{"deviceInfo":{"devEui":"' + EUI.encode() + b'"},"object":{"a":'
_THINGS = (
    b'{"end_device_ids":{"device_id":"d","dev_eui":"' + EUI.encode() + b'"},"uplink_message":{"decoded_payload":{"a":'
)
_PUSH, _TX = b"\x02\0\0\0" + bytes(8), b"\x02\0\0\x05" + bytes(8)
_RX = b'{"rxpk":[{"tmst":1,"freq":868.1,"modu":"LORA","datr":"SF7BW125","rssi":-50,"size":1,"data":"AA=="}'


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _pb(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _deep(n: int) -> bytes:
    """Objects as deep within each other as is read, around a long text."""
    value = _pb(3, b"a" * n)
    for _ in range(29):
        value = _pb(5, _pb(1, _pb(1, b"a") + _pb(2, value)))
    return _pb(3, _pb(8, EUI.encode())) + _pb(11, _pb(1, _pb(1, b"a") + _pb(2, value)))


_DEVICE = _pb(3, _pb(8, EUI.encode()))
_PROTOBUF: Shapes = {
    "objects within objects": _deep,
    "fields that nobody knows": lambda n: _DEVICE + b"\x78\x01" * (n // 2),
    "varints of ten bytes": lambda n: _DEVICE + (b"\xf8\x01" + b"\xff" * 9 + b"\x01") * (n // 12),
    "a varint without an end": lambda n: _DEVICE + b"\xff" * n,
    "empty messages": lambda n: _DEVICE + b"\x62\x00" * (n // 2),
    "an object's entries": lambda n: _DEVICE + _pb(11, b"\x0a\x00" * (n // 2)),
    "a length that lies": lambda n: _DEVICE + b"\x52\xff\xff\xff\xff\x0f" + bytes(n),
    "a list": lambda n: _DEVICE + _pb(11, _pb(1, _pb(2, _pb(6, b"\x0a\x00" * (n // 2))))),
}


def _answered(data: bytes) -> object:
    """What a worker says that has been taken over."""
    found = []
    for body in Unpacker().feed(data):
        try:
            said = msgspec.msgpack.decode(body, type=Answer)
        except opcua.UNREADABLE as error:
            raise hub.DecodeError("worker") from error
        found.append(leaves(said.object().get("data")))
    return found


def _codec(text: Callable[[int], bytes]) -> Callable[[int], bytes]:
    def made(n: int) -> bytes:
        body = msgspec.msgpack.encode(Answer(1, text(n).decode()))
        return len(body).to_bytes(4, "big") + body

    return made


_MSGPACK: Shapes = {
    "arrays within arrays": lambda n: b"\x91" * n,
    "maps within maps": lambda n: b"\x81\xa1a" * (n // 3),
    "a count that lies": lambda n: b"\xdd\xff\xff\xff\xff" + b"\x90" * n,
    "a length that lies": lambda n: b"\xc6\xff\xff\xff\xff" + bytes(n),
    "empty arrays": lambda n: b"\xdd" + n.to_bytes(4, "big") + b"\x90" * n,
    "empty maps": lambda n: b"\xdd" + n.to_bytes(4, "big") + b"\x80" * n,
}


def _packed(*types: Any) -> Decode:
    def decode(data: bytes) -> object:
        found: list[object] = []
        for type_ in types:
            try:
                found.append(msgspec.msgpack.decode(data, type=type_))
            except opcua.UNREADABLE as error:
                found.append(error)
        return found

    return decode


# -- the buffer and the link ---------------------------------------------------------------------------------------


def _record(seq: int, payload: bytes = b"", kind: int = records.BLOCK) -> bytes:
    head = records.pack_header(kind, len(payload), readings=1, seq=seq, total=seq, commit_s=1)
    return records.pack_record(head, payload, bytes(records.SIGNATURE_SIZE))


def _overlapping(n: int) -> bytes:
    """Headers that hold, one behind the other, of records that reach far over those behind them, and are none."""
    size = n // 3
    head = records.pack_header(records.BLOCK, size, readings=1, seq=1, total=1, commit_s=1)
    return MAGIC + head * (n // len(head)) + bytes(size)


def _leaping(n: int) -> bytes:
    """Records whose numbers leap as far as a number could ever be from the one before."""
    return MAGIC + b"".join(_record(1 + at * 65_000) for at in range(n // records.OVERHEAD))


def _segment(data: bytes) -> object:
    from pathlib import Path

    index = SegmentIndex(SegmentInfo(Path("x"), "data", 1, bytes(16), 1, 1, 0, 0, len(data), 0))
    index.extend(data)
    return index


def _ending(data: bytes) -> object:
    """What recovery asks wherever it finds no record: was this one cut short, or damaged?"""
    written = records.Written.of(data)
    return [records.torn(data, at, written) for at in range(0, len(data), 64)]


_SHAPES = {1: Shape((Column("t", kind="text"),))}
_SUBJECTS = {1: Subject(device="d")}


def _block(data: bytes) -> object:
    return columns.decode(data, _SHAPES, _SUBJECTS)


def _texts(n: int) -> bytes:
    """Four thousand reports that all say one long text."""
    head = b"\0\1\1\1" + b"\2\0" + _zigzag(4096) + b"\0"  # one group, one subject
    times = b"\0\0" + b"\0\0"
    return head + times + b"\1" + _varint(n) + b"a" * n + b"\0\0" + b"\1\0\0" + b"\1\2\0" + b"\1\0\0" + b"\0"


def _zigzag(value: int) -> bytes:
    return _varint(value << 1)


def _squeezed(data: bytes) -> object:
    return expand(data)


def _bomb(n: int) -> bytes:
    return Squeezer()(bytes(MAX_BODY)) + bytes(max(0, n - 64))


def _gzipped(data: bytes) -> object:
    try:
        return unpacked(data, "gzip", 1 << 18)
    except (TooLong, Unanswered) as error:
        raise hub.DecodeError("packed") from error


class _Keys(NamedTuple):
    ack_keys: tuple[()] = ()


def _ack(data: bytes) -> object:
    return link_messages.read_ack(data, _Keys())


_PARTS: Shapes = {
    "empty parts": bytes,
    "a part that reaches beyond its end": lambda n: b"\xff\xff\xff\xff" + bytes(n),
    "parts of one byte": lambda n: b"\0\0\0\1a" * (n // 5),
}

TABLE: tuple[Hostile, ...] = (
    Hostile("advertisement", _advertisement, advert.MAX_RAW, {
        "the shortest sections": lambda n: b"\x01\x00" * (n // 2),
        "manufacturers": lambda n: b"".join(b"\x03\xff" + (k & 0xFFFF).to_bytes(2, "big") for k in range(n // 4)),
        "services in lists": lambda n: (b"\xff\x03" + b"\x01\x02" * 127)[: n] * max(1, n // 256),
        "services": lambda n: b"".join(b"\x03\x16" + (k & 0xFFFF).to_bytes(2, "big") for k in range(n // 4)),
        "packet ids": _bthome(b"\x00\x01"),
        "flags of one metric": _bthome(b"\x1a\x01"),
        "texts of no length": _bthome(b"\x53\x00"),
        "texts": _bthome(b"\x53\xf0" + b"\xc3\xa9" * 120),
        "a section that reaches beyond its end": lambda n: b"\xff\x16" * (n // 2),
    }),
    Hostile("GATT value", lambda data: gatt_layout.read(_FIELDS, data), gatt_layout.LONGEST, {
        "a text": lambda n: b"a" * n, "no text": lambda n: b"\xff" * n, "zeros": bytes,
    }),
    Hostile("M-Bus telegram", _wired, link.MAX_TELEGRAM, {
        **{name: _telegram(shape) for name, shape in _RECORDS.items()},
        **{f"{name}, signed": _telegram(shape, _SIGNED) for name, shape in _RECORDS.items()},
    }),
    Hostile("wireless M-Bus telegram", _wireless, 290, {
        **{name: _radioed(shape) for name, shape in _RECORDS.items()},
        "a compact frame": _radioed(lambda n: radio.crc(_HEADS).to_bytes(2, "little") * 2 + b"\x2f" * n, 0x79),
        "a format frame": _radioed(lambda n: bytes([max(2, n - 1)]) * 3 + b"\x00\x13" * (n // 2), 0x69),
        "layers": lambda n: bytes([min(n, 255)]) + b"\x44" + bytes(8) + b"\x8c\x00\x00\x90" * 64,
    }),
    _stream("M-Bus line", lambda: link.Splitter().feed, 1 << 13, {
        "lengths that lie": lambda n: b"\x68\xff\xff\x68" * (n // 4),
        "short ones without an end": lambda n: b"\x10" * n,
        "acknowledgements": lambda n: b"\xe5" * n,
        "noise": lambda n: b"\x00" * n,
    }),
    _stream("iM871A", lambda: sticks.Im871a().feed, 1 << 12, {
        "messages within messages": lambda n: b"\xa5\x81\x03\xff" * (n // 4),
        "marks alone": lambda n: b"\xa5" * n,
    }),
    _stream("Amber stick", lambda: sticks.Amber().feed, 1 << 13, {
        "what begins like one": lambda n: b"\xff\x44" * (n // 2),
        "the shortest": lambda n: (b"\x0a\x44" + bytes(9)) * (n // 11),
    }),
    _stream("printed telegrams", _printed, 1 << 13, {
        "lines without an end": lambda n: b"a" * n,
        "empty lines": lambda n: b"\n" * n,
        "fields": lambda n: b";" * n,
        "telegrams": lambda n: (b"b" + b"2E4493" * 100 + b"\n") * (n // 602),
    }),
    _stream("ESP3 line", _esp3, 1 << 12, {
        "packets within packets": _sync,
        "marks alone": lambda n: b"\x55" * n,
        "packets": lambda n: esp3.pack(esp3.RADIO, b"\xd2" + bytes(500)) * (n // 508),
    }),
    Hostile("secured EnOcean telegram", _secured, esp3.MAX_DATA, {"a forged one": bytes}, refused=False),
    _stream("customer output", _meter, 1 << 13, {
        "groups of an older meter": _tic(b"ADCO 012345678901", b"PAPP 00001"),
        "groups that nobody knows": _tic(b"ADSC\t012345678901", b"A\t1"),
        "load curves": _tic(b"ADSC\t012345678901", b"CCASN\tH240101000000\t00001"),
        "groups of a meter above 36 kVA": _tic(b"MESURES1 A", b"ADS 012345678901", b"PREAVIS DEP"),
        "ends of lines": lambda n: b"\x02" + b"\n\r" * (n // 2) + b"\x03",
        "a frame without an end": lambda n: b"\x02" + b"a" * n,
        "frames": lambda n: b"\x02\x03" * (n // 2),
    }),
    Hostile("cEMI frame", knx.cemi, knx.LONGEST, {
        "a value": lambda n: bytes.fromhex("2900bce011010801") + bytes([n - 10 & 255]) + b"\0\x80" + bytes(n - 11),
        "additional information": lambda n: b"\x29\xff" + bytes(n - 2),
    }),
    Hostile("BACnet datagram", _bacnet, bacnet.LARGEST, {name: _ip(shape) for name, shape in _VALUES.items()}),
    Hostile("BACnet answer in segments", _assembled, ASSEMBLED, _VALUES),
    Hostile("Modbus registers", _registers, 240, {"a text": lambda n: b"a" * n, "no text": lambda n: b"\xff" * n}),
    Hostile("Modbus RTU line", _rtu, 8192, {
        "answers of others": _foreign, "noise": bytes, "functions": lambda n: b"\x01\x05" * (n // 2),
    }, refused=False),
    Hostile("LoRaWAN frame", phy.parse, phy.LONGEST, {
        "data": lambda n: b"\x40" + bytes(n - 1), "options": lambda n: b"\x40\0\0\0\0\x0f" + bytes(n - 6),
    }),
    Hostile("MAC commands", lambda data: [commands.parse(data, uplink=way) for way in (True, False)], phy.LONGEST, {
        "requests": lambda n: b"\x02" * n, "answers": lambda n: b"\x03\x07" * (n // 2), "time": lambda n: b"\x0d" * n,
    }, refused=False),
    Hostile("Cayenne LPP", cayenne.decode, phy.LONGEST, {
        "flags of one channel": lambda n: b"\x01\x00\x01" * (n // 3),
        "flags of many": lambda n: b"".join(bytes((k & 255, 0, 1)) for k in range(n // 3)),
    }, refused=False),
    Hostile("packet forwarder", gwmp.parse, 65_507, {
        **{name: _behind(_PUSH, shape) for name, shape in {
            **_JSON, **_within("frames", b'{"rxpk":[', b"]}"), **_within("a status", b'{"stat":', b"}"),
            "frames": lambda n: _RX + (b"," + _RX[9:]) * (n // 110) + b"]}",
        }.items()},
        **{f"acknowledged: {name}": _behind(_TX, _JSON[name]) for name in _INNER},
    }, refused=False),
    Hostile("Basics Station", basics.parse, basics.LIMIT, {
        **_JSON, **_within("a payload", b'{"msgtype":"updf","FRMPayload":', b"}"),
        **_within("a name", b'{"msgtype":"version","station":', b"}"),
    }),
    Hostile("ChirpStack", _chirpstack, 1 << 18, {
        **_within("a value", _UP, b"}}"), **_PROTOBUF,
    }),
    Hostile("The Things Stack", _things, 1 << 18, {
        **_JSON, **_within("a value", _THINGS, b"}}}"),
    }),
    Hostile("Sigfox callback", _sigfox, callback.MAX_BODY, {
        **_within("stations", b"{" + _CALLED + b',"duplicates":', b"}"),
        **_within("a number", b"{" + _CALLED + b',"rssi":', b"}"),
        "stations": lambda n: b"{" + _CALLED + b',"duplicates":[' + b'{"bsId":"1"},' * (n // 13) + b"{}]}",
        "quoted": lambda n: b"{" + _CALLED + b',"duplicates":"' + b"[" * n + b'"}',
    }),
    Hostile("Sigfox form", _form, callback.MAX_BODY, {
        "fields": lambda n: b"a=1&" * (n // 4), "escapes": lambda n: b"device=" + b"%41" * (n // 3),
        "a long field": lambda n: b"device=" + b"a" * n,
    }),
    Hostile("Sigfox payload", Grammar("a::uint:64 b:0:uint:64:little-endian c:0:char:12").read, 12, {
        "zeros": bytes,
    }, refused=False),
    Hostile("JSON over HTTP", _document, http_json.MAX_BODY, {**_JSON, **_within("a value", b'{"a":', b"}")}),
    Hostile("MQTT payload of many values", _published, paths.MAX_PAYLOAD, {
        **_JSON, "a text that is no JSON": lambda n: b"a" * n, "digits in a text": lambda n: b'"' + b"1" * n + b'"',
    }, values=MOST_ENTITIES),
    Hostile("MQTT discovery", _announced, discovery.MAX_PAYLOAD, {
        **_within("a device", b'{"device":', b"}"), **_within("a template", b'{"uniq_id":"a","val_tpl":', b"}"),
        "a template": lambda n: b'{"uniq_id":"a","dev_cla":"power","stat_t":"a","val_tpl":"{{ value_json'
        + b".a" * (n // 2) + b' }}"}',
        "steps without an end": lambda n: b'{"uniq_id":"a","dev_cla":"power","stat_t":"a","val_tpl":"{{ value_json'
        + b"['a']" * 40 + b'"}',
        "a base": lambda n: b'{"uniq_id":"a","dev_cla":"power","unit_of_meas":"W","stat_t":"~~","~":"'
        + b"a" * n + b'"}',
    }),
    Hostile("answer of a codec", _answered, 1 << 16, {
        **{name: _codec(shape) for name, shape in _within("a value", b'{"data":{"a":', b"}}").items()},
        "a long name above many": _codec(lambda n: b'{"data":{"' + b"a" * n + b'":{'
                                         + b",".join(b'"%d":0' % k for k in range(250)) + b"}}}"),
        "messages of no length": bytes,
    }, refused=False),
    Hostile("OPC UA worker", _packed(opcua.Told, opcua.Changes), opcua.PACKET, _MSGPACK, refused=False),
    Hostile("Bluetooth parsers' worker", _packed(strangers.Answer), strangers.PACKET, _MSGPACK, refused=False),
    Hostile("segment", _segment, 1 << 16, {
        "overlapping headers": _overlapping,
        "numbers that leap": _leaping,
        "marks alone": lambda n: MAGIC + records.MARKER * (n // 4),
        "records": lambda n: MAGIC + b"".join(_record(k + 1) for k in range(n // records.OVERHEAD)),
        "epochs": lambda n: MAGIC + _record(1, b"", records.EPOCH) * (n // records.OVERHEAD),
    }, refused=False),
    Hostile("end of a segment", _ending, 1 << 16, {
        "overlapping headers": _overlapping, "zeros": bytes, "noise": lambda n: b"\xc5" * n,
    }, refused=False),
    Hostile("compressed body", _squeezed, 1 << 16, {"a bomb": _bomb, "noise": bytes}, refused=False, expands=MAX_BODY),
    Hostile("block", _block, 1 << 16, {
        "one text of many reports": _texts,
        "groups that lie": lambda n: b"\0\xff\xff\xff\x7f" + b"\1" * n,
        "reports that lie": lambda n: b"\0\1\1\xff\x1f\0\0" + bytes(n),
        "wide numbers": lambda n: b"\0\1\1\x80\x20\0\x08" + b"\xff" * n,
    }, refused=False),
    Hostile("table", bodies.decode_table, 1 << 16, _MSGPACK, refused=False),
    Hostile("clock", bodies.decode_clock, 1 << 16, _MSGPACK, refused=False),
    Hostile("gap", bodies.decode_gap, 1 << 16, _MSGPACK, refused=False),
    Hostile("small state", bodies.decode_local, 1 << 16, {
        **_MSGPACK, "within": lambda n: b"\x93\x00\x00\x81\xa1a" + b"\x91" * n,
    }, refused=False),
    Hostile("message of the link", link_messages.open_message, link_messages.MAX_MESSAGE, {
        "groups": lambda n: b"ILM1" + (bytes(32) + b"\0\0\0\1a") * (n // 37),
        "a group that lies": lambda n: b"ILM1" + bytes(32) + b"\xff\xff\xff\xff" + bytes(n),
    }),
    Hostile("reply of the link", link_messages.read_reply, link_messages.MAX_REPLY, _MSGPACK),
    Hostile("ack", _ack, link_messages.MAX_SIGNED, _PARTS),
    Hostile("trust", lambda data: trust.read_trust(data, bytes(32)), trust.MAX_DOCUMENT, _PARTS),
    Hostile("badge", lambda data: badges.read_badge(str(data, "latin-1"), ()), badges.MAX_TEXT, {
        "letters": lambda n: b"ILOT1:" + b"A" * n,
    }),
    Hostile("withdrawn badges", lambda data: badges.read_revoked(data, ()), badges.MAX_DOCUMENT, _PARTS),
    Hostile("packed page", _gzipped, 1 << 16, {
        "a bomb": lambda n: gzip.compress(bytes(1 << 20), mtime=0) + bytes(n), "noise": lambda n: b"\xff" * n,
    }, refused=False, expands=1 << 18),
)  # fmt: skip
