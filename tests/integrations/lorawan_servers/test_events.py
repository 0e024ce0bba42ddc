"""Messages of both servers: as documented, in both encodings of ChirpStack, and whatever else may come."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import server_kit as kit
from chirpstack_api.integration import integration_pb2 as pb
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import hub
import integrations.lorawan_servers
from hub.sdk.testing import FakeSession
from integrations.lorawan_servers import checks, chirpstack, chirpstack_events, parts, things_stack, things_stack_events

EXAMPLES = YAML(typ="safe").load(Path(integrations.lorawan_servers.__file__).with_name("examples.yaml").read_text())
PROTOS = {
    "up": pb.UplinkEvent, "join": pb.JoinEvent, "status": pb.StatusEvent, "ack": pb.AckEvent, "txack": pb.TxAckEvent,
    "log": pb.LogEvent,
}  # fmt: skip


def servers() -> dict[str, Any]:
    config = chirpstack.Config(host="broker")
    stacks = {
        name: things_stack.ThingsStack(things_stack.Config(host="broker", application=name))
        for name in ("app1@tenant1", "starter-kit@tenant1")
    }
    return {"chirpstack": chirpstack.ChirpStack(config, FakeSession()), **stacks}


def server_of(example: dict[str, Any]) -> Any:
    name = example["server"]
    return servers()[name if name == "chirpstack" else example["topic"].split("/")[1]]


def as_told(event: parts.Event | None) -> dict[str, Any]:
    assert event is not None
    found: dict[str, Any] = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name == "payload":
            value = value.hex()
        elif name == "heard":
            value = [{key: getattr(one, key) for key in one.__struct_fields__} for one in value]
        found[name] = list(value) if isinstance(value, tuple) else value
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["topic"].rpartition("/devices/")[2][-40:])
def test_the_documented_messages_are_understood(example: dict[str, Any]) -> None:
    told = as_told(server_of(example).read(example["topic"], json.dumps(example["message"]).encode()))
    for key, wanted in example["event"].items():
        if isinstance(wanted, float):
            assert told[key] == pytest.approx(wanted, abs=1e-5), key
        elif key == "heard":
            assert [one["gateway"] for one in told[key]] == [one["gateway"] for one in wanted]
            for one, other in zip(told[key], wanted, strict=True):
                assert one == pytest.approx(other, abs=1e-5)
        elif key == "battery" and isinstance(wanted, list):
            assert told[key] == pytest.approx(wanted, abs=1e-5)
        else:
            assert told[key] == wanted, key


@pytest.mark.parametrize(
    "example", [one for one in EXAMPLES if one["server"] == "chirpstack"], ids=lambda one: one["topic"][-9:]
)
def test_both_encodings_of_chirpstack_say_the_same(example: dict[str, Any]) -> None:
    event = example["topic"].rpartition("/")[2]
    message = {key: value for key, value in example["message"].items() if value is not None}
    by_json = server_of(example).read(example["topic"], json.dumps(message).encode())
    by_wire = server_of(example).read(example["topic"], kit.protobuf(PROTOS[event], message))
    assert by_json == by_wire


# -- refused ------------------------------------------------------------------------------------------------------


def broken(**changes: Any) -> bytes:
    return kit.encoded({**kit.uplink(1), **changes})


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (kit.topic("up"), b"", "bad-message"),
        (kit.topic("up"), b"{", "bad-json"),
        (kit.topic("up"), b'{"a":' * 3000, "bad-json"),
        (kit.topic("up"), b'{"deviceInfo":{"devEui":"\xff"}}', "bad-json"),
        (kit.topic("up"), broken(fCnt=float("nan")), "bad-json"),
        (kit.topic("up"), broken(fCnt=float("inf")), "bad-json"),
        (kit.topic("up"), broken(fCnt=-1), "bad-message"),
        (kit.topic("up"), broken(fCnt=1 << 32), "bad-message"),
        (kit.topic("up"), broken(fCnt="7"), "bad-message"),
        (kit.topic("up"), broken(fCnt=True), "bad-message"),
        (kit.topic("up"), broken(fPort=256), "bad-message"),
        (kit.topic("up"), broken(data="qg="), "bad-base64"),
        (kit.topic("up"), broken(data="$$$$"), "bad-base64"),
        (kit.topic("up"), broken(data=[1]), "bad-message"),
        (kit.topic("up"), broken(time="yesterday"), "bad-message"),
        (kit.topic("up"), broken(time="2026-01-01T00:00:00"), "bad-message"),
        (kit.topic("up"), broken(deviceInfo=None), "bad-message"),
        (kit.topic("up"), broken(deviceInfo={"devEui": "0x"}), "bad-eui"),
        (kit.topic("up"), broken(rxInfo={}), "bad-message"),
        (kit.topic("up"), broken(object=[1]), "bad-message"),
        (kit.topic("up", "0000000000000001"), broken(), "topic-mismatch"),
        (kit.topic("up", "abc"), broken(), "bad-eui"),
        (kit.topic("up"), broken(x="y" * checks.MAX_MESSAGE), "message-too-long"),
        (kit.topic("up") + "/more", broken(), "unknown-topic"),
        ("$SYS/x", broken(), "unknown-topic"),
        (kit.topic("up"), b"\x0b\x0c", "bad-protobuf"),
        (kit.topic("up"), b"\x12\x03\x08\x01", "bad-protobuf"),
    ],
)
def test_each_wrong_message_of_chirpstack_has_its_reason(topic: str, payload: bytes, reason: str) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        servers()["chirpstack"].read(topic, payload)
    assert caught.value.reason == reason


def stacked(**changes: Any) -> bytes:
    said = kit.stack_uplink(1)
    return kit.encoded({**said, "uplink_message": {**said["uplink_message"], **changes}})


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("v3/app1@tenant1/devices/dev1/up", b"[]", "bad-message"),
        ("v3/app1@tenant1/devices/dev1/up", b"\x0a\x00", "bad-json"),
        ("v3/app1@tenant1/devices/dev2/up", stacked(), "topic-mismatch"),
        ("v3/app2@tenant1/devices/dev1/up", stacked(), "unknown-topic"),
        ("v3/app1@tenant1/devices/dev1/other", stacked(), "unknown-topic"),
        ("v3/app1@tenant1/devices/dev1/up", stacked(frm_payload="a"), "bad-base64"),
        ("v3/app1@tenant1/devices/dev1/up", stacked(f_cnt=float("nan")), "bad-json"),
        ("v3/app1@tenant1/devices/dev1/up", stacked(f_cnt=1.5), "bad-message"),
        ("v3/app1@tenant1/devices/dev1/up", stacked(rx_metadata=[{"rssi": "loud"}]), "bad-message"),
        ("v3/app1@tenant1/devices/dev1/up", kit.encoded({**kit.stack_uplink(1), "simulated": True}), "simulated"),
        ("v3/app1@tenant1/devices/dev1/up", kit.encoded({"end_device_ids": {"device_id": "dev1"}}), "bad-eui"),
        ("v3/app1@tenant1/devices/dev1/up", stacked(x="y" * checks.MAX_MESSAGE), "message-too-long"),
    ],
)
def test_each_wrong_message_of_the_things_stack_has_its_reason(topic: str, payload: bytes, reason: str) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        servers()["app1@tenant1"].read(topic, payload)
    assert caught.value.reason == reason


def test_a_gateway_with_no_sense_of_noise_costs_nobody_the_reading() -> None:
    """NaN is a text in proto3's JSON, a float in Protocol Buffers."""
    said = kit.uplink(1)
    said["rxInfo"][1]["snr"] = "NaN"
    for payload in (kit.encoded(said), kit.protobuf(kit.UPLINK, said)):
        event = servers()["chirpstack"].read(kit.topic("up"), payload)
        assert [(one.gateway, one.snr) for one in event.heard] == [(kit.FAR, -3.5), (kit.GATEWAY, None)]


def test_an_event_that_brings_no_reading_is_left_alone() -> None:
    assert servers()["chirpstack"].read(kit.topic("location"), b"anything") is None
    said = {"end_device_ids": kit.stack_ids(), "location_solved": {}}
    assert servers()["app1@tenant1"].read("v3/app1@tenant1/devices/dev1/up", kit.encoded(said)) is None


def test_the_antennas_of_a_gateway_are_one_and_packet_brokers_are_named_by_their_gateway() -> None:
    said = kit.stack_uplink(1)
    broker = {"gateway_ids": {"gateway_id": "packetbroker"}, "rssi": -90, "snr": 1.0}
    said["uplink_message"]["rx_metadata"] += [
        {"gateway_ids": {"gateway_id": "gtw1", "eui": kit.GATEWAY.upper()}, "rssi": -80, "snr": 2.0},
        {**broker, "packet_broker": {"forwarder_gateway_eui": "00000000000000AA"}},
        broker,
    ]
    event = servers()["app1@tenant1"].read("v3/app1@tenant1/devices/dev1/up", kit.encoded(said))
    assert [one.gateway for one in event.heard] == [kit.GATEWAY, "00000000000000aa", "packetbroker", kit.FAR]
    assert event.heard[0].rssi == -57


# -- whatever may come --------------------------------------------------------------------------------------------

_LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just(kit.EUI)
_NAMES = st.sampled_from(
    [
        "deviceInfo",
        "devEui",
        "fCnt",
        "data",
        "time",
        "rxInfo",
        "object",
        "snr",
        "gwTime",
        "end_device_ids",
        "dev_eui",
        "device_id",
        "uplink_message",
        "frm_payload",
        "rx_metadata",
        "join_accept",
        "downlink_ack",
        "context",
        "level",
    ]
)
_JSON = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5), max_leaves=20
)


@settings(max_examples=300)
@given(
    st.binary(max_size=80) | _JSON.map(lambda data: json.dumps(data).encode()),
    st.sampled_from([*chirpstack_events.EVENTS]),
)
def test_any_message_gives_an_event_or_a_decode_error(payload: bytes, event: str) -> None:
    with contextlib.suppress(hub.DecodeError):
        chirpstack_events.read(event, kit.EUI, payload)
    with contextlib.suppress(hub.DecodeError):
        things_stack_events.read("", payload)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(list(kit.uplink(1))), _JSON, max_size=3))
def test_any_change_of_an_uplink_gives_an_event_or_a_decode_error(changes: dict[str, Any]) -> None:
    with contextlib.suppress(hub.DecodeError):
        event = servers()["chirpstack"].read(kit.topic("up"), broken(**changes))
        assert isinstance(event, parts.Uplink)
        assert len(event.heard) <= checks.MOST_GATEWAYS


# -- commands -----------------------------------------------------------------------------------------------------

_ITEM = "6f0b4a5e-3a0d-5d0c-9d0e-0b6c1b7f2a11"


@given(
    port=st.integers(1, 223),
    payload=st.binary(max_size=242),
    confirmed=st.booleans(),
    expires=st.integers(0, 4_102_444_800),
)
def test_a_command_is_what_chirpstacks_own_package_reads(
    port: int, payload: bytes, confirmed: bool, expires: int
) -> None:
    wanted = pb.DownlinkCommand(id=_ITEM, dev_eui=kit.EUI, confirmed=confirmed, f_port=port, data=payload)
    if expires:
        wanted.expires_at.FromSeconds(expires)
    given_ = {"confirmed": confirmed, "expires": float(expires)}
    wire = chirpstack_events.command(kit.EUI, _ITEM, port, payload, json=False, **given_)  # type: ignore[arg-type]
    assert pb.DownlinkCommand.FromString(wire) == wanted
    text = chirpstack_events.command(kit.EUI, _ITEM, port, payload, json=True, **given_)  # type: ignore[arg-type]
    assert json_format.Parse(text, pb.DownlinkCommand()) == wanted


def test_a_command_has_the_shape_that_the_things_stack_documents() -> None:
    documented = {
        "downlinks": [{"f_port": 15, "frm_payload": "vu8=", "priority": "NORMAL", "confirmed": True,
                       "correlation_ids": ["my-correlation-id"]}]
    }  # fmt: skip
    made = things_stack_events.command("my-correlation-id", 15, b"\xbe\xef", confirmed=True)
    assert json.loads(made) == documented
    addressed = things_stack_events.command("x", 1, b"\0", confirmed=False, ids=("app1@tenant1", "dev1"))
    assert json.loads(addressed)["end_device_ids"] == {
        "device_id": "dev1",
        "application_ids": {"application_id": "app1"},
    }
    assert base64.b64decode(json.loads(addressed)["downlinks"][0]["frm_payload"]) == b"\0"
