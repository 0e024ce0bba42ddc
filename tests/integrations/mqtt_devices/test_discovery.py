"""What devices say of themselves, and where values stand in payloads: published messages, and whatever may come."""

from __future__ import annotations

import contextlib
import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mqtt_messages import SENSOR, TOPIC

import hub
from hub.sdk.jsonpath import JsonPath
from integrations.mqtt_devices import DeviceSettings, discovery
from integrations.mqtt_devices.mapping import Entry, values


def announce(topic: str = TOPIC, **changes: object) -> discovery.Entity | None:
    return discovery.read("homeassistant", topic, json.dumps({**SENSOR, **changes}).encode())


def test_a_published_message_of_zigbee2mqtt_is_understood() -> None:
    assert announce() == discovery.Entity(
        "sensor/0x00158d0001b7d9b2/temperature",
        "mqtt:zigbee2mqtt_0x00158d0001b7d9b2",
        "Xiaomi WSDCGQ11LM",
        "zigbee2mqtt/office",
        Entry("temperature", ("temperature",)),
    )


def test_abbreviations_and_a_base_topic_are_understood() -> None:
    # as Home Assistant's documentation of MQTT discovery abbreviates
    short = {
        "~": "tele/garden", "stat_t": "~/SENSOR", "dev_cla": "humidity", "unit_of_meas": "%", "uniq_id": "garden-1",
        "val_tpl": "{{ value_json['BME280'].Humidity | float }}", "dev": {"ids": "ABC123", "mdl": "Wemos"},
    }  # fmt: skip
    entity = discovery.read("homeassistant", "homeassistant/sensor/garden/config", json.dumps(short).encode())
    assert entity is not None
    assert (entity.device, entity.topic, entity.entry) == (
        "mqtt:ABC123",
        "tele/garden/SENSOR",
        Entry("humidity", ("BME280", "Humidity")),
    )


def at(*steps: str | int) -> JsonPath:
    return JsonPath(steps)


@pytest.mark.parametrize(
    ("changes", "entry"),
    [
        ({"unit_of_measurement": "°F"}, Entry("temperature", ("temperature",), 5 / 9, -160 / 9)),
        ({"device_class": "energy", "unit_of_measurement": "Wh"}, Entry("energy", ("temperature",), 0.001)),
        ({"value_template": "{{ value }}"}, Entry("temperature", ())),
        ({"value_template": None}, Entry("temperature", ())),
    ],
)
def test_units_and_templates_decide_what_is_read(changes: dict[str, object], entry: Entry) -> None:
    entity = announce(**changes)
    assert entity is not None
    assert entity.entry == entry


@pytest.mark.parametrize(
    "changes",
    [
        {"device_class": "duration"}, {"device_class": None}, {"unit_of_measurement": "furlong"},
        {"value_template": "{{ value_json.a + 1 }}"}, {"value_template": "{% if x %}1{% endif %}"},
        {"state_topic": None}, {"state_topic": "a/+/b"}, {"device": {}, "unique_id": None},
        {"entity_category": "config"}, {"entity_category": "diagnostic"},
        {"device_class": "pressure", "unit_of_measurement": "kPa"},
    ],
)  # fmt: skip
def test_what_cannot_be_read_without_guessing_is_left_out(changes: dict[str, object]) -> None:
    assert announce(**changes) is None


def test_a_binary_sensor_has_its_own_words() -> None:
    topic = "homeassistant/binary_sensor/0x1/contact/config"
    entity = announce(
        topic, device_class="door", payload_on=False, payload_off=True, value_template="{{ value_json.contact }}"
    )
    assert entity is not None
    assert values(b'{"contact": false}', (entity.entry,), hub.METRICS) == ({"door": True}, [])
    assert values(b'{"contact": true}', (entity.entry,), hub.METRICS) == ({"door": False}, [])
    assert values(b'{"contact": "ajar"}', (entity.entry,), hub.METRICS) == ({}, ["mqtt-value"])


def test_what_one_entity_makes_the_hub_remember_is_short() -> None:
    """4,096 of them are remembered."""
    assert announce(state_topic="~/SENSOR", **{"~": "x" * 240}) is not None
    assert announce(state_topic="~/SENSOR", **{"~": "x" * 60_000}) is None
    motion = {"device_class": "motion", "unit_of_measurement": None}
    flags = TOPIC.replace("/sensor/", "/binary_sensor/")
    assert announce(flags, **motion, payload_on="x" * 64) is not None
    assert announce(flags, **motion, payload_on="x" * 65) is None
    assert announce(flags, **motion, payload_off="x" * 60_000) is None
    with pytest.raises(hub.DecodeError) as caught:
        announce(f"homeassistant/sensor/{'x' * 60_000}/config")
    assert caught.value.reason == "mqtt-discovery"


def test_a_wrong_message_has_its_reason() -> None:
    for payload in (b"", b"[1]", b"nonsense", b'{"a": 1' + b" " * 70_000):
        with pytest.raises(hub.DecodeError) as caught:
            discovery.read("homeassistant", TOPIC, payload)
        assert caught.value.reason == "mqtt-discovery"
    assert discovery.read("homeassistant", "homeassistant/light/x/config", b"nonsense") is None


@pytest.mark.parametrize("topic", ["a/b", "a/+/b", "a/#", "#", "+", "$SYS/x"])
def test_topics_with_wildcards_are_accepted(topic: str) -> None:
    assert DeviceSettings(topic=topic).topic == topic


@pytest.mark.parametrize("topic", ["a+/b", "a/#/b", "a#", "a/b+"])
def test_wildcards_inside_a_level_are_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="expected a topic"):
        DeviceSettings(topic=topic)


def test_values_are_scaled_and_what_is_not_there_is_no_fault() -> None:
    entries = (
        Entry("temperature", at("t"), 0.1), Entry("humidity", at("h")), Entry("battery_low", at("low")),
        Entry("firmware", at("fw")), Entry("pressure", at("p")),
    )  # fmt: skip
    payload = b'{"t": "215", "h": null, "low": "ON", "fw": "1.2.3", "p": [1]}'
    assert values(payload, entries, hub.METRICS) == (
        {"temperature": pytest.approx(21.5), "battery_low": True, "firmware": "1.2.3"},
        ["mqtt-value"],
    )
    assert values(b"21.5", (Entry("temperature", at()),), hub.METRICS) == ({"temperature": 21.5}, [])
    with pytest.raises(hub.DecodeError):
        values(b"\xff\xfe", entries, hub.METRICS)


_KEYS = st.sampled_from([*SENSOR, "temperature", "t", "~"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=15,
)
_PAYLOADS = st.binary(max_size=80) | _JSON.map(lambda data: json.dumps(data).encode())


@settings.get_profile("hostile")
@given(_PAYLOADS, st.sampled_from([TOPIC, TOPIC.replace("/sensor", "/binary_sensor")]))
@example(b'{"name":"\xff"}', TOPIC)
def test_any_payload_gives_finite_readings_or_a_decode_error(payload: bytes, topic: str) -> None:
    with contextlib.suppress(hub.DecodeError):
        discovery.read("homeassistant", topic, payload)
    entries = (
        Entry("temperature", at("temperature"), 1e300),
        Entry("door", at("t")),
        Entry("text", at()),
    )
    with contextlib.suppress(hub.DecodeError):
        for value in values(payload, entries, hub.METRICS)[0].values():
            assert not isinstance(value, float) or math.isfinite(value)


@given(st.dictionaries(st.sampled_from(list(SENSOR)), _JSON, max_size=4))
def test_any_change_of_a_message_gives_an_entity_or_none(changes: dict[str, object]) -> None:
    with contextlib.suppress(hub.DecodeError):
        entity = announce(**changes)
        assert entity is None or entity.entry.metric in hub.METRICS
