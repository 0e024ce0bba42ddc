"""Protocol Buffers against the maker's own package, both ways, and on any bytes."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import pytest
import server_kit as kit
from chirpstack_api.integration import integration_pb2 as pb
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from integrations.lorawan_servers import chirpstack_events, wire
from integrations.lorawan_servers.wire import Field

CLASSES = {
    "up": pb.UplinkEvent, "join": pb.JoinEvent, "status": pb.StatusEvent, "ack": pb.AckEvent, "txack": pb.TxAckEvent,
    "log": pb.LogEvent,
}  # fmt: skip


def by_oracle(message: Any, schema: wire.Schema) -> dict[str, Any]:
    """What the package read, as `wire.read` would give it: only what is there, by our names."""
    found: dict[str, Any] = {}
    for descriptor, value in message.ListFields():
        field = schema.get(descriptor.number)
        if field is None:
            continue
        if field.kind == "time":
            found[field.name] = value.seconds * 1_000_000 + (value.nanos + 500) // 1000
        elif field.kind == "struct":
            found[field.name] = json_format.MessageToDict(value)
        elif field.kind == "message":
            found[field.name] = (
                [by_oracle(one, field.schema) for one in value] if field.repeated else by_oracle(value, field.schema)
            )
        elif field.kind == "map":
            found[field.name] = dict(value)
        elif field.kind == "enum":
            found[field.name] = field.names[value] if value < len(field.names) else str(value)
        else:
            found[field.name] = value
    return found


def by_us(found: dict[str, Any], schema: wire.Schema) -> dict[str, Any]:
    """The same of ours: defaults that were written all the same are left out, as the package leaves them."""
    fields = {field.name: field for field in schema.values()}
    plain: dict[str, Any] = {}
    for name, value in found.items():
        field = fields[name]
        if field.kind == "time":
            plain[name] = round(value.timestamp() * 1_000_000)
        elif field.kind == "message":
            plain[name] = [by_us(one, field.schema) for one in value] if field.repeated else by_us(value, field.schema)
        elif field.kind == "enum":
            if value != field.names[0]:
                plain[name] = value
        elif field.kind in ("struct", "map") or value or value != value or str(value) == "-0.0":
            plain[name] = value
    return plain


def without_strangers(schema: wire.Schema, raw: bytes) -> bytes:
    """A message without the fields that are skipped here, whatever is in them."""
    kept = b""
    for number, kind, value in wire.fields(raw):
        field = schema.get(number)
        if field is None:
            continue
        if isinstance(value, int):
            kept += bytes([number << 3, 0]) if not value else wire.number(number, value)
        elif kind == 2:
            inner = without_strangers(field.schema, value) if field.kind == "message" else value
            kept += wire.content(number, inner) or bytes([*wire._encoded(number << 3 | 2), 0])
        else:
            kept += wire._encoded(number << 3 | kind) + value
    return kept


_TEXT = st.text(max_size=12)
_STAMP = st.integers(0, 4_102_444_800_000_000)
_OBJECT = st.dictionaries(
    _TEXT,
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False, width=32) | _TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@st.composite
def uplinks(draw: st.DrawFn) -> pb.UplinkEvent:
    made = pb.UplinkEvent(
        deduplication_id=draw(_TEXT),
        dev_addr=draw(_TEXT),
        adr=draw(st.booleans()),
        dr=draw(st.integers(0, 15)),
        f_cnt=draw(st.integers(0, 0xFFFFFFFF)),
        f_port=draw(st.integers(0, 255)),
        confirmed=draw(st.booleans()),
        data=draw(st.binary(max_size=60)),
        region_config_id=draw(_TEXT),
    )
    made.time.FromMicroseconds(draw(_STAMP))
    made.device_info.dev_eui = draw(_TEXT)
    made.device_info.application_name = draw(_TEXT)
    made.device_info.tags.update(draw(st.dictionaries(_TEXT, _TEXT, max_size=2)))
    if draw(st.booleans()):
        made.object.update(draw(_OBJECT))
    for _ in range(draw(st.integers(0, 3))):
        heard = made.rx_info.add(
            gateway_id=draw(_TEXT),
            uplink_id=draw(st.integers(0, 0xFFFFFFFF)),
            rssi=draw(st.integers(-150, 10)),
            snr=draw(st.floats(-30, 30, width=32)),
            context=draw(st.binary(max_size=8)),
        )
        heard.metadata.update(draw(st.dictionaries(_TEXT, _TEXT, max_size=2)))
        if draw(st.booleans()):
            heard.gw_time.FromMicroseconds(draw(_STAMP))
        heard.location.latitude = draw(st.floats(-90, 90))
    if draw(st.booleans()):
        made.tx_info.frequency = 868_100_000
        made.tx_info.modulation.lora.bandwidth = draw(st.integers(0, 500_000))
        made.tx_info.modulation.lora.spreading_factor = draw(st.integers(0, 12))
    return made


@given(uplinks())
def test_any_uplink_that_the_package_writes_is_read_as_the_package_reads_it(message: pb.UplinkEvent) -> None:
    schema = chirpstack_events.SCHEMAS["up"]
    assert by_us(wire.read(schema, message.SerializeToString()), schema) == by_oracle(message, schema)


@settings(max_examples=300)
@given(st.data())
def test_of_any_bytes_what_is_read_is_what_the_package_reads_and_what_it_refuses_is_refused(
    data: st.DataObject,
) -> None:
    event = data.draw(st.sampled_from(list(CLASSES)))
    raw = data.draw(st.binary(max_size=60) | uplinks().map(lambda message: message.SerializeToString()))
    for _ in range(data.draw(st.integers(0, 3))):
        if raw:
            at = data.draw(st.integers(0, len(raw) - 1))
            raw = raw[:at] + bytes([data.draw(st.integers(0, 255))]) + raw[at + data.draw(st.integers(0, 1)) :]
    schema = chirpstack_events.SCHEMAS[event]
    try:
        ours = by_us(wire.read(schema, raw), schema)
    except hub.DecodeError:
        return
    try:
        message = CLASSES[event].FromString(without_strangers(schema, raw))
    except DecodeError:
        raise AssertionError("read here, refused by the package") from None
    try:
        theirs = by_oracle(message, schema)
    except (ValueError, json_format.SerializeToJsonError):
        return  # a number in an object that JSON cannot write, a time that is none
    assert repr(ours) == repr(theirs) or ours == theirs


def test_a_message_that_ends_too_soon_is_refused_or_says_less() -> None:
    schema, whole = chirpstack_events.SCHEMAS["up"], kit.protobuf(kit.UPLINK, kit.uplink(1))
    for cut in range(1, len(whole)):
        with contextlib.suppress(hub.DecodeError):
            assert wire.read(schema, whole[:-cut]) != wire.read(schema, whole)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x80", "ends within a number"), (b"\xff" * 11, "more than 10 bytes"), (b"\xff" * 9 + b"\x7f", "64 bits"),
        (b"\x00", "field has the number 0"), (b"\x0b", "wire type 3"), (b"\x0f", "wire type 7"),
        (b"\x0a\x05ab", "it ends within a field"),
        (b"\x08\x01", "has wire type 0"), (b"\x0a\x02\xff\xfe", "no UTF-8"), (b"\x10\x80\x80\x80\x80\x10", "32 bits"),
        (b"\x1a\x00\x1a\x00", "comes twice"), (b"\x22\x07\x08\xff\xff\xff\xff\x0f", "ends"),
        (b"\x22\x06\x10\x80\x94\xeb\xdc\x03", "ns in a time"), (b"\x22\x0a\x08" + b"\xff" * 8 + b"\x7f", "9999"),
    ],
)  # fmt: skip
def test_each_fault_has_its_text(raw: bytes, why: str) -> None:
    schema = {
        1: Field("text", "text"), 2: Field("number", "uint32"), 3: Field("message", "message"), 4: Field("time", "time")
    }  # fmt: skip
    with pytest.raises(hub.DecodeError, match=why):
        wire.read(schema, raw)


def nested(depth: int) -> bytes:
    made: Any = 1.0
    for _ in range(depth):
        made = {"a": made}
    message = Struct()
    message.update(made)
    return bytes(message.SerializeToString())


def test_an_object_may_be_deep_but_not_bottomless() -> None:
    schema = {1: Field("object", "struct")}
    deep = nested(20)
    assert wire.read(schema, wire.content(1, deep))["object"]["a"]["a"]
    raw = struct.pack("<Bd", 0x11, 1.0)
    for _ in range(5000):
        entry = wire.content(1, "a") + wire.content(2, raw)
        raw = wire.content(5, wire.content(1, entry))
    with pytest.raises(hub.DecodeError, match="deep"):
        wire.read(schema, wire.content(1, wire.content(1, wire.content(1, "a") + wire.content(2, raw))))


def test_a_message_of_very_many_fields_is_refused() -> None:
    with pytest.raises(hub.DecodeError, match="too many"):
        wire.read({}, b"\x98\x06\x01" * (wire.MAX_FIELDS + 1))
