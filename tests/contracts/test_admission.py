"""One gate for every integration: whoever is not admitted gives no reading, and is listed with evidence or counted.

Each integration speaks to the hub through its session only, so the law is checked there, for each that is installed;
and each names the tests that hear a stranger with its own code, because what never reaches the session cannot be
judged there.
"""

from __future__ import annotations

import ast
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import integrations.bluetooth
from hub.core.errors import DecodeError, PluginError
from hub.core.model import Candidate, Frame, Proof, Report, Signal
from hub.core.security_events import NOT_ITS_OWN, Events
from hub.pipeline.admission.quarantine import LIMIT
from hub.plugin_host.registry import Registry
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.sdk.testing import FakeHttp

from ..hub.path_kit import TAG, Path

ROOT = FilePath(__file__).parents[2]
REGISTRY = Registry.discover()
KINDS = sorted(
    one.name for name in REGISTRY.plugins for one in REGISTRY.load(name).integrations if REGISTRY.plugins[name].shipped
)

ONLY_ASKED = "reads only what the configuration names: nobody can call it"
STRANGERS: dict[str, str] = {
    "bacnet": "tests/integrations/bacnet/test_hostile.py::test_nobody_is_served_and_strangers_get_no_answer",
    "bluetooth": "tests/integrations/bluetooth/test_flood.py::"
    "test_a_flood_of_strangers_takes_a_bounded_memory_and_silences_no_known_sensor",
    "chirpstack": "tests/integrations/lorawan_servers/test_driver.py::"
    "test_a_stranger_that_speaks_or_joins_is_a_candidate_with_evidence",
    "enocean": "tests/integrations/enocean/test_run.py::test_only_a_stranger_that_says_what_it_is_becomes_a_candidate",
    "host": ONLY_ASKED,
    "http_json": "tests/integrations/http_json/test_door.py::test_what_cannot_be_taken_is_refused_with_its_reason",
    "knx": "tests/integrations/knx/test_peer.py::"
    "test_an_unknown_address_makes_its_sender_a_candidate_once_and_is_never_forwarded",
    "linky": "tests/integrations/linky/test_run.py::"
    "test_a_meter_that_is_not_configured_is_a_candidate_and_tells_nothing",
    "lorawan": "tests/integrations/lorawan/test_joining.py::"
    "test_a_stranger_that_wants_to_join_is_shown_and_not_answered",
    "mbus": "tests/integrations/mbus/test_search.py::"
    "test_the_hub_looks_once_between_its_polls_when_it_is_told_to_and_makes_candidates",
    "modbus": ONLY_ASKED,
    "mqtt_devices": "tests/integrations/mqtt_devices/test_broker.py::"
    "test_a_device_that_announces_itself_is_a_candidate_and_once_configured_is_read",
    "opcua": "tests/integrations/opcua/test_security.py::"
    "test_an_unknown_server_is_told_nothing_and_waits_in_quarantine",
    "sigfox": "tests/integrations/sigfox/test_hub.py::"
    "test_a_device_that_is_not_configured_waits_as_a_candidate_and_goes_nowhere",
    "things_stack": "tests/integrations/lorawan_servers/test_driver.py::"
    "test_a_stranger_that_speaks_or_joins_is_a_candidate_with_evidence",
    "wmbus": "tests/contracts/test_admission.py::test_a_meter_by_radio_that_nobody_configured_waits_with_its_values",
}
"""Integration → the test in which its own code hears a stranger."""


def session(name: str, path: Path) -> InProcessSession:
    core = Core(
        path.pipeline,
        path.planner,
        path.devices,
        path.buffer,
        path.clock,
        path.counts,
        lambda _: FakeHttp(),
        REGISTRY.decoders,
    )
    return InProcessSession(name, core, lambda: None)


def test_every_integration_names_the_test_that_hears_a_stranger() -> None:
    assert sorted(STRANGERS) == KINDS
    for where in STRANGERS.values():
        if where != ONLY_ASKED:
            file, _, name = where.partition("::")
            tree = ast.parse((ROOT / file).read_text())
            assert name in {one.name for one in tree.body if hasattr(one, "name")}, where


@pytest.mark.parametrize("name", KINDS)
async def test_a_thousand_unknown_ids_give_no_reading_and_wait_with_evidence(name: str) -> None:
    path = Path()
    speaks = session(name, path)
    for n in range(1000):
        device = f"{name.replace('_', '-')}:stranger-{n}"
        report = Report(
            device=device, values={"temperature": 20.0}, proof=Proof(name, n, True, True), signal=Signal(rssi=-70)
        )
        if n % 2:
            await speaks.emit(report)
        else:
            found = Candidate(id=device, integration="claims to be another", values={"temperature": 1.0})
            speaks.devices.discovered(found)
        with pytest.raises(PluginError):
            speaks.devices.declare(device, model="me")
    assert path.buffer.rows == []
    assert list(path.live.values()) == []
    waiting = list(path.quarantine)
    assert len(waiting) == 1000
    assert {one.integration for one in waiting} == {name}, "an integration speaks for itself"
    assert all(one.values and one.reason and one.last for one in waiting)


def test_no_more_wait_than_there_is_room_for_and_the_rest_is_counted() -> None:
    path = Path()
    for n in range(LIMIT + 900):
        path.pipeline.strangers.heard(Candidate(id=f"x:{n}", integration="x"), "found")
    assert (len(path.quarantine), path.quarantine.evicted) == (LIMIT, 900)


@pytest.mark.parametrize("name", KINDS)
async def test_an_integration_speaks_for_no_device_of_another(name: str) -> None:
    path = Path()
    if TAG.integration == name:
        return
    with pytest.raises(PluginError):
        await session(name, path).emit(Report(device=TAG.id, values={"temperature": 20.0}))
    session(name, path).devices.discovered(Candidate(id=TAG.id, integration=name, values={"temperature": 1.0}))
    assert path.buffer.rows == []
    assert len(path.quarantine) == 0


@pytest.mark.parametrize("name", KINDS)
async def test_who_speaks_for_a_device_of_another_is_the_subject_of_what_is_told_and_counted(name: str) -> None:
    path = Path()
    if TAG.integration == name:
        return
    told = list[tuple[str, str, dict[str, Any]]]()
    path.pipeline.strangers.events = events = Events(path.clock.now, path.clock.monotonic)
    events.listeners.append(lambda event: told.append((event.kind, event.subject, event.evidence)))
    with pytest.raises(PluginError):
        await session(name, path).emit(Report(device=TAG.id, values={"temperature": 20.0}))
    assert told == [(NOT_ITS_OWN, name, {"device": TAG.id, "own": TAG.integration})]
    radio = session(name, path).radio
    radio.report_decode_error(TAG.id, DecodeError("bad-mic"))
    for _ in range(40):  # frames under its key's name that do not fit: as another plugin may make them up
        sealed = {"service:fcd2": bytes.fromhex("41a47266c95f730011223378237214")}
        await radio.submit_frame(Frame(kind="ble", address=TAG.id.removeprefix("ble:"), data=sealed))
    assert (len(told), len(path.quarantine)) == (1, 0), "nothing is told or kept of the device that it names"
    assert path.counts.about(TAG.id) == {}
    assert path.counts.of("heard-elsewhere", name) == 40


BLE = YAML(typ="safe").load((FilePath(integrations.bluetooth.__file__).parent / "examples.yaml").read_text())


@pytest.mark.parametrize("example", BLE, ids=lambda example: example["title"])
async def test_what_a_bluetooth_decoder_recognises_waits_and_what_none_does_is_counted_only(example: dict) -> None:
    path = Path()
    decoder = REGISTRY.decoders("ble")[0]
    assert decoder.line is not None
    known = await session("bluetooth", path).radio.submit_frame(decoder.line(example["line"]))
    assert path.buffer.rows == []
    waiting = [one.id for one in path.quarantine]
    if "error" in example:
        assert len(waiting) <= ("key" in example), "without its key nobody can tell: it waits for one"
    elif "device" in example:
        assert waiting == [example["device"]]
    else:
        assert (known, waiting, path.counts.of("not-a-sensor", "bluetooth")) == (False, [], 1)


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["service:fcd2", "service:181a", "manufacturer:0499", "service:feaa"]), st.binary(max_size=26)
    ),
    st.integers(0, 2**48 - 1),
)
async def test_whatever_comes_over_the_air_from_a_stranger_gives_no_reading(data: dict, address: int) -> None:
    path = Path()
    text = ":".join(f"{address >> shift & 255:02X}" for shift in range(40, -8, -8))
    await session("bluetooth", path).radio.submit_frame(Frame(kind="ble", address=text, data=data))
    assert path.buffer.rows == []
    assert len(path.quarantine) <= 1


async def test_a_random_private_address_is_counted_and_neither_listed_nor_stored() -> None:
    """Core 5.4, vol 6 part B §1.3.2.2: it names nobody twice."""
    from integrations.bluetooth.intake import Heard, Intake

    counted: list[tuple[str, str]] = []
    intake = Intake(
        own=lambda device: False, count=lambda *what: counted.append(what), clock=lambda: 0.0, limit=64, repeat=5.0
    )
    data = {"0000fcd2-0000-1000-8000-00805f9b34fb": bytes.fromhex("4002C409")}
    for first in (0x0F, 0x4A, 0x7F):
        intake.hear(Heard(address=f"{first:02X}:11:22:33:44:55", service=data, random=True))
    assert counted == [("private-address", "")] * 3
    assert intake.next() is None
    assert not intake._strangers.said, "it is not even remembered to be left out"
    intake.hear(Heard(address="C0:11:22:33:44:55", service=data, random=True))
    assert isinstance(intake.next(), Frame), "a static one is a name"


async def test_a_meter_by_radio_that_nobody_configured_waits_with_its_values() -> None:
    import integrations.mbus
    from integrations.mbus.lines import telegram
    from integrations.mbus.wireless import _frame

    examples = YAML(typ="safe").load((FilePath(integrations.mbus.__file__).parent / "examples.yaml").read_text())
    path, heard = Path(), 0
    for example in examples:
        try:
            raw = telegram(example.get("telegram", ""))
        except DecodeError:
            continue
        heard += await session("wmbus", path).radio.submit_frame(_frame(raw, -70))
    assert heard > 3
    assert path.buffer.rows == []
    waiting = list(path.quarantine)
    assert waiting
    assert all(one.id.startswith("mbus:") for one in waiting)
    assert any(one.values for one in waiting), "in clear"
    assert any(one.reason == "needs a key" for one in waiting), "sealed"
