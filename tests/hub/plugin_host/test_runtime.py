"""The session a plugin is handed, over the real path."""

from __future__ import annotations

import asyncio
import importlib.metadata
import random
from datetime import timedelta

import msgspec
import pytest

from hub.core.errors import DecodeError, LedElsewhere, PluginError
from hub.core.model import Candidate, Decoded, Frame, Metric, NeedKey, Proof, Report, Signal
from hub.core.security_events import Events
from hub.core.small_state import STATE_LIMIT
from hub.pipeline.recent_frames import RecentFrames
from hub.plugin_host.plugins import Plugins
from hub.plugin_host.poll_scheduler import PollScheduler
from hub.plugin_host.registry import Plugin, Registry
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.plugin_host.supervisor import Health
from hub.sdk.hookspecs import Decoder
from hub.sdk.testing import FakeHttp, settle
from tests.hub.path_kit import METER, TAG, Path


class Stage(Path):
    def __init__(self, *decoders):
        super().__init__()
        self.ready = 0
        kept = [Decoder(f"d{n}", "test", "ble", decode, (), None) for n, decode in enumerate(decoders)]
        self.core = Core(
            self.pipeline,
            self.planner,
            self.devices,
            self.buffer,
            self.clock,
            self.counts,
            lambda _: FakeHttp(),
            lambda kind: kept if kind == "ble" else [],
        )

    def session(self, name="bluetooth"):
        def ready():
            self.ready += 1

        return InProcessSession(name, self.core, ready, random.Random(1))


FRAME = Frame(kind="ble", address="AA:AA:AA:AA:AA:AA", data={}, signal=Signal(rssi=-70), name="tag")
KEYED = Proof("test-ccm", None, True)


async def test_a_session_knows_the_time_zone_that_the_configuration_says_by_now():
    stage, zones = Stage(), ["Indian/Reunion", "Pacific/Noumea"]
    stage.core = msgspec.structs.replace(stage.core, timezone=lambda: zones[0])
    session = stage.session()
    said = [session.devices.timezone]
    zones.pop(0)
    assert [*said, session.devices.timezone] == ["Indian/Reunion", "Pacific/Noumea"]


async def test_a_session_sees_its_own_devices_and_no_others():
    session = Stage().session("modbus")
    assert [device.id for device in session.devices.all()] == [METER.id]
    assert session.devices.get(TAG.id) is None


async def test_a_poll_that_gives_nothing_is_kept_until_the_device_answers_or_reports():
    stage, scheduler = Stage(), PollScheduler()
    stage.core = msgspec.structs.replace(stage.core, poll_scheduler=scheduler)
    session, other = stage.session("modbus"), stage.session("bluetooth")
    for end in ("answered", "report"):
        session.polling.polled(METER.id, "silent")
        session.polling.polled(METER.id, "unread")
        assert scheduler.failed == {METER.id: "unread"}
        other.polling.polled(METER.id, "answered")
        assert scheduler.failed == {METER.id: "unread"}, "of another integration's device it has nothing to say"
        if end == "answered":
            session.polling.polled(METER.id, "answered")
        else:
            await session.emit(Report(device=METER.id, values={"power": 20.0}))
        assert scheduler.failed == {}
    other.polling.polled("modbus:gone", "silent")
    assert scheduler.failed == {}


async def test_emit_tells_the_supervisor_that_the_plugin_got_through():
    stage = Stage()
    await stage.session().emit(Report(device=TAG.id, values={"temperature": 20.0}))
    assert (stage.ready, len(stage.buffer.rows)) == (1, 1)


@pytest.mark.parametrize("counted", [False, True])
async def test_a_plugin_that_is_led_elsewhere_is_away_and_it_is_counted_and_told_once(counted):
    """`counted`: by the way out, which knows the host."""
    stage, error = Stage(), LedElsewhere("the broker names another server")
    error.counted = counted
    events = stage.pipeline.strangers.events = Events(stage.clock.now, stage.clock.monotonic)
    heard = []
    events.listeners.append(heard.append)

    async def start(session):
        raise error

    plugins = Plugins([], Registry.discover(), stage.core, stage.clock)
    health = Health(name="knx", type="knx", since=0.0)
    task = asyncio.create_task(plugins.supervise(health, start).run())
    await settle()
    task.cancel()
    assert (health.error, health.crashes) == (str(error), 0)
    assert stage.counts.about("knx") == ({} if counted else {"led-elsewhere": 1})
    assert [(one.kind, one.subject, one.evidence) for one in heard] == (
        [] if counted else [("redirect", "knx", {"what": str(error)})]
    )


async def test_emitting_something_else_than_a_report_is_a_plugin_error():
    with pytest.raises(PluginError, match=r"wants a hub\.Report"):
        await Stage().session().emit({"device": TAG.id})  # type: ignore[arg-type]


async def test_every_starts_at_once_then_keeps_its_pace_and_never_piles_up():
    stage = Stage()
    turns = []

    async def run():
        async for now in stage.session().every(timedelta(seconds=10)):
            turns.append(now)
            if len(turns) == 4:
                await stage.clock.sleep(95)  # nine turns late: they are not made up for

    task = asyncio.create_task(run())
    await stage.clock.advance(0)
    assert len(turns) == 1, "a technician sees a value at once"
    await stage.clock.advance(35)
    assert len(turns) == 4
    await stage.clock.advance(95)
    assert len(turns) <= 6
    task.cancel()


async def test_state_is_kept_with_the_next_commit_and_bounded():
    stage = Stage()
    session = stage.session()
    session.state.put("cursor", 42)
    assert stage.buffer.local == {"state/bluetooth/cursor": 42}
    assert stage.session().state.get("cursor") == 42, "a later life finds it"
    assert stage.session("modbus").state.get("cursor") is None, "another plugin does not"
    with pytest.raises(PluginError, match="a plugin may keep"):
        session.state.put("big", b"x" * STATE_LIMIT)
    for odd in (object(), "\ud800"):
        with pytest.raises(PluginError, match="cannot be kept"):
            session.state.put("odd", odd)
    assert session.state.get("cursor") == 42


async def test_state_that_the_buffer_refuses_is_an_error_of_the_plugin_and_changes_nothing(monkeypatch):
    def refuses(key, value):
        raise ValueError("a key of 2000 characters is beyond 1024 bytes")

    stage = Stage()
    stage.session().state.put("cursor", 42)
    monkeypatch.setattr(stage.buffer, "put_local", refuses)
    session = stage.session()
    for key in ("cursor", "other"):
        with pytest.raises(PluginError, match="cannot be kept"):
            session.state.put(key, 43)
    assert (session.state.get("cursor"), session.state.get("other")) == (42, None)


async def test_a_declared_metric_is_kept_for_that_device_only():
    stage = Stage()
    session = stage.session()
    session.devices.declare(TAG.id, model="T1", firmware="2.0", metrics=(Metric(key="wibble", resolution="1"),))
    await session.emit(Report(device=TAG.id, values={"wibble": 3}))
    assert stage.buffer.rows[0].values == (3,)
    assert stage.buffer.rows[0].subject.model == "T1"
    with pytest.raises(PluginError, match="not a device of"):
        session.devices.declare(METER.id, model="x")


async def test_a_frame_goes_to_the_first_decoder_that_knows_it():
    said = Decoded(device=TAG.id, values={"temperature": 1.0}, model="T", proof=KEYED)
    stage = Stage(lambda f, keys: None, lambda f, keys: said)
    await stage.session().radio.submit_frame(FRAME)
    (row,) = stage.buffer.rows
    assert (row.values, row.rssi, row.subject.model) == ((1.0,), -70, "T")


async def test_a_decoder_is_given_the_key_of_the_device_it_asks_for():
    asked = []

    def decode(frame, keys):
        asked.append(keys(TAG.id))
        return Decoded(device=TAG.id, values={"temperature": 1.0}, proof=Proof("bthome-ccm", 1, True))

    await Stage(decode).session().radio.submit_frame(FRAME)
    assert asked == [b"k" * 16]


async def test_the_plugin_is_told_whether_a_decoder_recognised_the_frame():
    def wrong(frame, keys):
        raise DecodeError("bad-mic")

    said = Decoded(device=TAG.id, values={"temperature": 1.0}, proof=KEYED)
    assert await Stage(lambda f, keys: said).session().radio.submit_frame(FRAME) is True
    assert await Stage(lambda f, keys: NeedKey(TAG.id)).session().radio.submit_frame(FRAME) is True
    assert await Stage(wrong).session().radio.submit_frame(FRAME) is True
    assert await Stage(lambda f, keys: None).session().radio.submit_frame(FRAME) is False
    assert await Stage().session().radio.submit_frame(FRAME) is False


async def test_a_frame_that_does_not_decode_is_counted_by_device_and_reason():
    def decode(frame, keys):
        raise DecodeError("bad-mic", "wrong key?")

    stage = Stage(decode)
    await stage.session().radio.submit_frame(FRAME)
    await stage.session().radio.submit_frame(Frame(kind="ble", address="00:00:00:00:00:00", data={}))
    assert stage.counts.by_subject() == {TAG.id: {"bad-mic": 1}, "bluetooth": {"bad-mic": 1}}


async def test_a_sealed_frame_without_a_key_waits_for_a_person_to_bring_it():
    stage = Stage(lambda f, keys: NeedKey("ble:BB:BB:BB:BB:BB:BB", "thermometer"))
    await stage.session().radio.submit_frame(FRAME)
    (waiting,) = stage.quarantine
    assert (waiting.id, waiting.model, waiting.reason) == ("ble:BB:BB:BB:BB:BB:BB", "thermometer", "needs a key")
    assert stage.counts.by_subject() == {"bluetooth": {"needs-key": 1}}, "strangers are counted together"


async def test_an_unknown_sensor_is_a_candidate_with_evidence_and_is_not_forwarded():
    stage = Stage(lambda f, keys: Decoded(device="ble:CC:CC:CC:CC:CC:CC", values={"temperature": 5.0}, model="M"))
    await stage.session().radio.submit_frame(FRAME)
    (waiting,) = stage.quarantine
    assert (waiting.values, waiting.rssi, waiting.evidence) == ({"temperature": 5.0}, -70, {"name": "tag"})
    assert stage.buffer.rows == []


async def test_a_frame_no_decoder_knows_is_counted_and_leaves_nothing_else():
    stage = Stage(lambda f, keys: None)
    await stage.session().radio.submit_frame(FRAME)
    assert stage.counts.by_subject() == {"bluetooth": {"not-a-sensor": 1}}
    assert list(stage.quarantine) == []


async def test_what_a_decoder_skipped_is_counted_for_its_device():
    said = Decoded(device=TAG.id, values={"temperature": 1.0}, skipped=("unknown-object-7f",), proof=KEYED)
    stage = Stage(lambda f, keys: said)
    await stage.session().radio.submit_frame(FRAME)
    assert stage.counts.by_subject() == {TAG.id: {"unknown-object-7f": 1}}


async def test_what_a_decoder_skipped_of_strangers_is_counted_together_and_not_by_the_ids_they_choose():
    stage = Stage(lambda f, keys: Decoded(device=f"ble:{f.address}", values={}, skipped=("unknown-object-7f",)))
    for number in range(3):
        await stage.session().radio.submit_frame(Frame(kind="ble", address=f"00:00:00:00:00:0{number}", data={}))
    assert stage.counts.by_subject() == {"bluetooth": {"unknown-object-7f": 3, "not-admitted": 3}}


async def test_found_lists_what_is_new_and_ignores_what_is_known():
    stage = Stage()
    session = stage.session()
    session.devices.discovered(Candidate(id=TAG.id, integration="x"))
    session.devices.discovered(Candidate(id="ble:DD:DD:DD:DD:DD:DD", integration="x"))
    assert [(w.id, w.integration) for w in stage.quarantine] == [("ble:DD:DD:DD:DD:DD:DD", "bluetooth")]
    await settle()


def test_a_plugin_that_raises_at_import_is_named_with_its_version_and_the_others_load():
    broken = importlib.metadata.EntryPoint("broken", "no_such_module_at_all", "hub.plugins")
    registry = Registry.discover()
    registry.plugins["broken"] = Plugin("broken", "acme-broken", "1.2", broken)
    for _ in range(2):
        with pytest.raises(PluginError, match=r"plugin 'broken' \(acme-broken 1.2\) cannot be loaded"):
            registry.load("broken")
    assert registry.integration("host").name == "host"
    with pytest.raises(PluginError, match="no plugin 'nothing' is installed"):
        registry.load("nothing")


async def test_a_device_with_a_key_that_speaks_in_clear_is_refused_and_becomes_evidence(caplog):
    said = Decoded(device=TAG.id, values={"temperature": 21.0}, proof=Proof("bthome", 7, False))
    stage = Stage(lambda frame, keys: said)
    await stage.session().radio.submit_frame(FRAME)
    await stage.session().radio.submit_frame(FRAME)
    assert stage.buffer.rows == []
    assert stage.counts.by_subject()[TAG.id] == {"clear-but-keyed": 2}
    (waiting,) = stage.quarantine
    assert (waiting.id, waiting.known, waiting.count, waiting.rssi) == (TAG.id, True, 2, -70)
    assert "speaks in clear though it has a key" in waiting.reason
    assert waiting.evidence == {"decoder": "d0"}
    assert waiting.values == {}, "what a forger says is not shown as the device's"
    assert caplog.text.count("frames of a known device are refused (clear-but-keyed)") == 1
    assert TAG.id not in caplog.text, "a log is kept in clear"


async def test_a_decoder_that_refuses_a_known_device_leaves_the_same_evidence():
    def refuse(frame, keys):
        raise DecodeError("clear-but-keyed")

    stage = Stage(refuse)
    await stage.session().radio.submit_frame(FRAME)
    assert [(w.id, w.known) for w in stage.quarantine] == [(TAG.id, True)]
    await stage.session().radio.submit_frame(Frame(kind="ble", address="BB:BB:BB:BB:BB:BB", data={}))
    assert len(stage.quarantine) == 1, "a stranger has no key to speak without"


async def test_a_decoders_own_mistake_costs_its_frame_and_not_the_plugin_that_heard_it(caplog):
    def mistaken(frame, keys):
        return frame.data["secret"]

    stage = Stage(mistaken)
    session = stage.session()
    assert await session.radio.submit_frame(FRAME)
    assert await session.radio.submit_frame(FRAME)
    assert stage.counts.by_subject()[TAG.id] == {"decoder-mistake": 2}
    assert caplog.text.count("decoder d0 cannot read a frame: its own mistake, KeyError in mistaken") == 1
    assert "secret" not in caplog.text, "what was heard is not written down"


async def test_a_counter_that_keeps_going_back_is_evidence():
    stage = Stage(lambda frame, keys: Decoded(device=TAG.id, values={"temperature": 21.0}, proof=proof))
    proof = Proof("bthome-ccm", 100, True)
    await stage.session().radio.submit_frame(FRAME)
    proof = Proof("bthome-ccm", 4, True)
    for _ in range(3):
        assert list(stage.quarantine) == []
        await stage.session().radio.submit_frame(FRAME)
    (waiting,) = stage.quarantine
    assert "its counter went back" in waiting.reason


async def test_what_is_noted_with_reports_is_put_when_there_is_room_and_not_when_the_plugin_ends_before():
    stage = Stage()
    session, room = stage.session(), asyncio.Event()
    stage.buffer.full, stage.buffer.room = True, room.wait  # type: ignore[attr-defined]
    reports = [Report(device=TAG.id, values={"temperature": float(value)}) for value in (20, 21)]
    ended, other = (
        asyncio.create_task(session.emit(*reports, note=lambda: session.state.put("counter", 7))) for _ in range(2)
    )
    await settle()
    ended.cancel()
    await settle()
    assert (stage.buffer.local, stage.buffer.rows) == ({}, [])
    room.set()
    await other
    assert stage.buffer.local == {"state/bluetooth/counter": 7}
    assert [row.values for row in stage.buffer.rows] == [(20.0,), (21.0,)]


async def test_what_a_note_raises_is_raised_and_nothing_is_taken():
    stage = Stage()
    session = stage.session()
    report = Report(device=TAG.id, values={"temperature": 20.0})
    with pytest.raises(PluginError, match="a plugin may keep"):
        await session.emit(report, note=lambda: session.state.put("much", bytes(STATE_LIMIT)))
    assert stage.buffer.rows == []
    with pytest.raises(PluginError, match=r"wants a hub\.Report"):
        await session.emit(report, {})  # type: ignore[list-item]
    assert stage.buffer.rows == []


@pytest.mark.parametrize("how", ["read", "refused", "sealed", "in clear"])
async def test_frames_of_admitted_devices_are_kept_for_support_with_how_they_ended(how):
    def decode(frame, keys):
        if frame.address != FRAME.address:
            return Decoded(device="ble:stranger", values={"temperature": 1.0})
        if how == "refused":
            raise DecodeError("bad-mic")
        if how == "sealed":
            return NeedKey(TAG.id)
        proof = KEYED if how == "read" else None
        return Decoded(device=TAG.id, values={"temperature": 21.0}, proof=proof)

    frames = RecentFrames()
    stage = Stage(decode)
    stage.core = msgspec.structs.replace(stage.core, recent_frames=frames)
    session = stage.session()
    said = msgspec.structs.replace(FRAME, data={"service:fcd2": b"\x40\x01"}, time=5.0)
    await session.radio.submit_frame(said)
    await session.radio.submit_frame(msgspec.structs.replace(said, address="5A:00:00:00:00:01"))
    (kept,) = frames.of(TAG.id)
    ended = {"read": "", "refused": "bad-mic", "sealed": "needs-key", "in clear": "clear-but-keyed"}[how]
    assert (kept.data, kept.time, kept.outcome) == ({"service:fcd2": b"\x40\x01"}, 5.0, ended)
    assert frames.metrics(TAG.id) == ({"temperature"} if how == "read" else frozenset())
    assert frames.of("ble:stranger") == [], "a stranger's frames are nobody's business"
