"""Cayenne LPP, and `ilot decode lorawan`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lorawan_peer import LoraPacket, PeerDevice
from ruamel.yaml import YAML

import hub
from hub.sdk.metric_names import metric_name
from hub.sdk.testing import FakeSession
from integrations.lorawan import cayenne, crypto, decode, phy
from integrations.lorawan.metrics import METRICS
from integrations.lorawan.parts import Reception, Uplink
from integrations.lorawan.reading import Reader

NWK, APP = bytes(range(16)), bytes(range(16, 32))


async def test_a_payload_says_nothing_of_what_its_gateways_measured_and_the_clash_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = "lorawan:70b3d5e75e00abcd"
    device = hub.Device(id=name, integration="lorawan", place="p", pack="acme-thermo")
    session = FakeSession("lorawan", [device], metrics=METRICS)
    session.packs.payloads[name, 2, b"x"] = (hub.Sample(values={"link_margin": 99.0, "battery": 80.0}),)
    heard = Reception(gateway="a", at=0.0, raw=b"", frequency=868_100_000, rate=0, rssi=-100.0, snr=-6.0)
    uplink = Uplink(
        dev_eui=bytes.fromhex(name.removeprefix("lorawan:")), counter=1, fcnt=1, port=2, payload=b"x", confirmed=False,
        otaa=True, receptions=(heard,), battery=79.5,
    )  # fmt: skip
    (report,) = await Reader(session).reports(uplink)
    assert report.values == {"link_margin": 14.0, "battery": 80.0}, "its battery it knows better than its status"
    assert "its payload has link_margin too" in caplog.text


@pytest.mark.parametrize(
    ("payload", "values"),
    [  # myDevices, "Cayenne Docs: LoRa, Cayenne Low Power Payload", examples
        ("03670110056700ff", {"temperature_3": 27.2, "temperature_5": 25.5}),
        ("0167ffd7067104d2fb2e0000", {"temperature": -4.1, "acceleration_x_6": 1.234 * 9.80665,
                                      "acceleration_y_6": -1.234 * 9.80665, "acceleration_z_6": 0.0}),
    ],
)  # fmt: skip
def test_the_examples_of_the_maker_are_read(payload: str, values: dict[str, float]) -> None:
    assert cayenne.decode(bytes.fromhex(payload)).values == pytest.approx(values)


def test_a_position_is_the_reports_and_no_reading() -> None:
    """The third example of the same page."""
    read = cayenne.decode(bytes.fromhex("018806765ff2960a0003e8"))
    assert read.values == {}
    assert read.position == hub.Position(42.3519, -87.9094, altitude=10.0)


@pytest.mark.parametrize(
    ("payload", "metric", "value"),
    [
        ("010001", "digital_input", 1), ("0102ff9c", "analog_input", -1.0), ("01650064", "illuminance", 100),
        ("016601", "presence", True), ("016600", "presence", False), ("016888", "humidity", 68.0),
        ("0173279c", "pressure", 1014.0), ("01740149", "voltage", 3.29), ("017503e8", "current", 1.0),
        ("017600000032", "frequency", 50), ("017864", "percentage", 100), ("0179ff9c", "altitude", -100),
        ("017d0190", "concentration", 400), ("018004d2", "power", 1234), ("0182000003e8", "distance", 1000),
        ("018300003039", "energy", 12.345), ("0184005a", "direction", 90), ("018e01", "switch", True),
        ("0164000004d2", "generic", 1234), ("018565920080", "timestamp", 0x65920080),
    ],
)  # fmt: skip
def test_each_type_has_its_metric_and_unit(payload: str, metric: str, value: float) -> None:
    """Sizes, signs and steps: the type table of ElectronicCats' CayenneLPP, README."""
    read = cayenne.decode(bytes.fromhex(payload))
    assert read.values == {metric: pytest.approx(value)}
    known = cayenne.METRICS[metric]
    assert (known.kind == "flag") == isinstance(value, bool)
    assert [m.key for m in read.metrics] == ([] if metric in hub.METRICS else [metric])


def test_a_channel_other_than_one_has_its_number_in_the_metric_and_brings_its_description() -> None:
    read = cayenne.decode(bytes.fromhex("0267001002680a"))
    assert read.values == {"temperature_2": 1.6, "humidity_2": 5.0}
    assert {m.key: (m.unit, metric_name(m, "fr")) for m in read.metrics} == {
        "temperature_2": ("Cel", "Température 2"),
        "humidity_2": ("%", "Humidité relative 2"),
    }


@pytest.mark.parametrize(
    ("payload", "reason"),
    [("01", "truncated"), ("016700", "truncated"), ("0167001001", "truncated"), ("01ff00", "unknown-lpp-type-255"),
     ("01887fffff000000000000", "bad-position")],
)  # fmt: skip
def test_each_wrong_payload_has_its_reason(payload: str, reason: str) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        cayenne.decode(bytes.fromhex(payload))
    assert caught.value.reason == reason


def test_what_came_before_an_unknown_type_is_kept() -> None:
    read = cayenne.decode(bytes.fromhex("0167001001ff00"))
    assert (read.values, read.skipped) == ({"temperature": 1.6}, ("unknown-lpp-type-255",))


PARTS = st.tuples(st.integers(0, 255), st.sampled_from([*cayenne.TYPES, 136]), st.binary(max_size=9))
ROWS = st.lists(PARTS, max_size=8).map(lambda row: b"".join(bytes((c, kind)) + body for c, kind, body in row))


@settings.get_profile("hostile")
@given(st.binary(max_size=242) | ROWS)
def test_hostile_payloads_are_read_or_refused(payload: bytes) -> None:
    try:
        read = cayenne.decode(payload)
    except hub.DecodeError:
        return
    assert all(math.isfinite(value) for value in read.values.values())
    described = {metric.key for metric in read.metrics} | set(hub.METRICS)
    assert set(read.values) <= described


# ilot decode lorawan


def keys(key: bytes | None) -> Any:
    return lambda device: key


def read(raw: bytes, key: bytes | None, **more: Any) -> Any:
    return decode.decode(decode.line({"raw": raw.hex(), **more}), keys(key))


@pytest.mark.real("processes")
def test_a_frame_of_lora_packet_is_read_with_its_keys(lora_packet: LoraPacket) -> None:
    raw = lora_packet.data(
        uplink=True,
        confirmed=True,
        address=0x01AB02CD,
        fcnt=65_538,
        nwk=NWK,
        app=APP,
        fport=10,
        payload=bytes.fromhex("03670110"),
    )
    said = read(raw, NWK + APP, fcnt=65_538, codec="cayenne")
    assert said == hub.Decoded(
        device="lorawan:01ab02cd",
        values={"payload": "03670110", "temperature_3": 27.2},
        proof=hub.Proof("lorawan-1.0", 65_538, True),
        model="LoRaWAN confirmed uplink, port 10",
    )
    with pytest.raises(hub.DecodeError, match="bad-mic"):
        read(raw, NWK + APP)
    with pytest.raises(hub.DecodeError, match="bad-counter"):
        read(raw, NWK + APP, fcnt=65_539)
    assert isinstance(read(raw, None), hub.NeedKey)
    with pytest.raises(hub.DecodeError, match="bad-key"):
        read(raw, NWK)


@pytest.mark.real("processes")
def test_joins_are_read_with_the_appkey(lora_packet: LoraPacket) -> None:
    device = PeerDevice(lora_packet, bytes.fromhex("70b3d5e75e00abcd"), APP)
    said = read(device.join_request(7), APP)
    assert (said.device, said.values["dev_nonce"]) == ("lorawan:70b3d5e75e00abcd", 7)
    with pytest.raises(hub.DecodeError, match="bad-mic"):
        read(device.join_request(7), NWK)
    assert isinstance(read(device.join_request(7), None), hub.NeedKey)
    accept = crypto.seal_join_accept(APP, phy.JoinAccept(5, 0, 0x01020304, rx_delay=5))
    assert read(accept, APP).values["dev_addr"] == "01020304"
    assert isinstance(read(accept, None), hub.NeedKey)


@pytest.mark.real("processes")
def test_mac_commands_and_payloads_without_a_codec_are_given_as_bytes(lora_packet: LoraPacket) -> None:
    for port, payload, more in (
        (0, b"\x02\x0d\xff", {"commands": "LinkCheckReq(); DeviceTimeReq(); unknown-mac-command-ff"}),
        (3, b"\xff\xff\xff", {}),
    ):
        raw = lora_packet.data(uplink=True, address=1, fcnt=1, nwk=NWK, app=APP, fport=port, payload=payload)
        assert read(raw, NWK + APP).values == {"payload": payload.hex(), **more}
    with pytest.raises(hub.DecodeError, match="unknown-lpp-type"):
        read(raw, NWK + APP, codec="cayenne")
    with pytest.raises(hub.DecodeError, match="unknown-codec"):
        read(raw, NWK + APP, codec="other")


@pytest.mark.parametrize("said", [{}, {"raw": 1}, {"raw": "4"}, {"raw": "zz"}, {"raw": None}])
def test_a_line_without_hexadecimal_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(hub.DecodeError, match="bad-hex"):
        decode.line(said)


@pytest.mark.parametrize("fcnt", [-1, 1 << 32, 1.5, "1", True])
def test_a_counter_that_is_none_is_refused(fcnt: Any) -> None:
    with pytest.raises(hub.DecodeError, match="bad-counter"):
        decode.line({"raw": "00", "fcnt": fcnt})


EXAMPLES = YAML(typ="safe").load(Path(decode.__file__).with_name("examples.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_the_examples_of_the_documentation_are_true(example: dict[str, Any]) -> None:
    line = {"raw": example["frame"], **{k: example[k] for k in ("fcnt", "codec") if k in example}}
    key = bytes.fromhex(example["key"]) if "key" in example else None
    if "error" in example:
        with pytest.raises(hub.DecodeError) as caught:
            decode.decode(decode.line(line), keys(key))
        assert caught.value.reason == example["error"]
        return
    said = decode.decode(decode.line(line), keys(key))
    assert isinstance(said, hub.Decoded)
    assert said.device == example["device"]
    assert said.values == pytest.approx(example["readings"])


@settings.get_profile("hostile")
@given(st.binary(max_size=80), st.sampled_from([None, APP, NWK + APP, b""]))
def test_hostile_frames_are_read_or_refused(raw: bytes, key: bytes | None) -> None:
    try:
        read(raw, key)
    except hub.DecodeError:
        return
    assert len(raw) >= 12
