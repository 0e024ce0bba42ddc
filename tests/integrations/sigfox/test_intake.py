"""Callbacks → reports: what is kept, once, and what is said of the rest."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import hub
from hub.sdk.sigfox.callback import read
from hub.sdk.testing import FakeSession, settle
from integrations.sigfox.downlinks import WAITING, Downlinks
from integrations.sigfox.intake import Intake
from integrations.sigfox.metrics import METRICS

ROOM = hub.Device(
    id="sigfox:1D2F3",
    integration="sigfox",
    place="room",
    settings={
        "format": "temp::int:16:little-endian hum::uint:8 door:3:bool:0",
        "values": {
            "temperature": {"field": "temp", "scale": 0.01},
            "humidity": {"field": "hum", "invalid": [255]},
            "door": {},
        },
    },
)
BIN = hub.Device(id="sigfox:00C0FFEE", integration="sigfox", place="bin", pack="hummbox-level-16")
BARE = hub.Device(id="sigfox:77", integration="sigfox", place="bare", settings={"downlink": "0102030405060708"})


class Stage:
    def __init__(self) -> None:
        self.session = FakeSession("sigfox", [ROOM, BIN, BARE], metrics=METRICS)
        self.begin()

    def begin(self) -> None:
        """As after a restart: only the state is left."""
        self.downlinks = Downlinks(self.session)
        self.intake = Intake(self.session, self.downlinks)
        self.taking: asyncio.Task[None] | None = None

    async def take(self, kind: str = "uplink", **said: Any) -> bytes | None:
        fields = {"device": "1D2F3", "time": 1_760_000_000, "seqNumber": 1, "data": "d2072d01", **said}
        return await self.intake.take(read(kind, fields))

    @property
    def reports(self) -> list[hub.Report]:
        return [report for report in self.session.reports if report.values]

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason in self.session.drops]


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_message_is_read_by_the_device_s_own_format_and_dated_by_the_network(stage: Stage) -> None:
    await stage.take(rssi=-120.4, snr=12.5, station="27B9", lqi="GOOD")
    (report,) = stage.reports
    assert report.values == {"temperature": 20.02, "humidity": 45, "door": True, "sigfox_link": 2}
    assert report.time == 1_760_000_000
    assert report.signal == hub.Signal(rssi=-120, snr=12.5, source="27B9")
    assert report.proof == hub.Proof("sigfox"), "the operator vouches, nobody proves"
    assert report in stage.session.durable


async def test_a_raw_value_that_means_nothing_and_one_that_is_not_there_give_no_reading(stage: Stage) -> None:
    await stage.take(data="d207ff")
    assert stage.reports[0].values == {"temperature": 20.02}
    assert stage.reasons == ["short-payload"]


async def test_a_message_is_read_by_its_pack_former_values_first(stage: Stage) -> None:
    now = hub.Sample(values={"distance": 2380.0})
    past = hub.Sample(values={"distance": 2000.0}, time=1_759_990_000.0)
    stage.session.packs.payloads[BIN.id, 1, bytes.fromhex("10EE001964")] = (now, past)
    await stage.take(device="C0FFEE", data="10EE001964")
    assert [(r.device, r.values, r.time) for r in stage.reports] == [
        (BIN.id, {"distance": 2000.0}, 1_759_990_000.0),
        (BIN.id, {"distance": 2380.0}, 1_760_000_000.0),
    ]


async def test_a_device_is_found_however_its_number_is_written(stage: Stage) -> None:
    for device in ("c0ffee", "00C0FFEE", "C0FFEE"):
        known = stage.intake.find(read("uplink", {"device": device, "time": 1, "seqNumber": 1}).device)
        assert known is not None
        assert known.device is BIN


async def test_the_same_message_by_uplink_and_advanced_in_either_order_is_kept_once(stage: Stage) -> None:
    extra = {"lqi": "Good", "duplicates": [{"bsId": "A", "rssi": -100}, {"bsId": "B", "rssi": -90}]}
    await stage.take()
    await stage.take("advanced", **extra)
    await stage.take("advanced", seqNumber=2, **extra)
    await stage.take(seqNumber=2)
    await stage.take("bidir", seqNumber=2)
    assert [report.values.get("temperature") for report in stage.reports] == [20.02, None, 20.02]
    assert stage.reports[1].values == {"sigfox_link": 2}
    assert stage.reports[1].signal == hub.Signal(rssi=-90, source="B", heard=(("B", -90), ("A", -100)))
    assert stage.reasons == ["repeat", "repeat"]


async def test_a_position_stands_in_a_report_of_class_personal_alone(stage: Stage) -> None:
    place = {"computedLocation": {"lat": 48.5, "lng": 2.25, "radius": 900, "status": 1}}
    await stage.take("advanced", lqi="Good", **place)
    await stage.take("advanced", lqi="Good", **place)
    data, position = stage.reports
    assert data.position is None
    assert (position.values, position.position) == ({"location_radius": 900.0}, hub.Position(48.5, 2.25, 900.0))
    from integrations.sigfox.metrics import LOCATION_RADIUS

    assert LOCATION_RADIUS.privacy == "personal", "without a purpose the whole report goes"


async def test_a_geoloc_a_status_and_an_error_are_each_kept_once(stage: Stage) -> None:
    for _ in range(2):
        await stage.take("geoloc", lat=48.5, lng=2.25, radius=900)
        await stage.take("status", batt="3.2", temp="21.5")
        await stage.take("error", severity="ERROR", info="No message received since …")
    assert [report.values for report in stage.reports] == [
        {"location_radius": 900.0},
        {"battery_voltage": 3.2, "module_temperature": 21.5},
        {"connectivity": False},
    ]
    await stage.take(time=1_760_000_600, seqNumber=2)
    assert stage.reports[-1].values["connectivity"] is True
    await stage.take(time=1_760_001_200, seqNumber=3)
    assert "connectivity" not in stage.reports[-1].values


async def test_a_warning_of_the_operator_is_counted_only(stage: Stage) -> None:
    await stage.take("error", severity="WARN")
    assert (stage.reports, stage.reasons) == ([], ["operator-warns"])


async def test_ten_thousand_callbacks_replayed_over_a_restart_are_none_twice(stage: Stage) -> None:
    said = [{"time": 1_760_000_000 + 600 * n, "seqNumber": n % 4096} for n in range(10_000)]
    for one in said:
        await stage.take(**one)
    assert len(stage.reports) == 10_000
    stage.begin()
    for one in said:
        await stage.take(**one)
    assert len(stage.reports) == 10_000
    assert (stage.reasons.count("repeat"), stage.reasons.count("too-late")) == (512, 9488)


async def test_a_message_that_comes_late_and_out_of_order_is_kept(stage: Stage) -> None:
    for n in (3, 1, 2, 0):
        await stage.take(time=1_760_000_000 + 60 * n, seqNumber=n)
    assert [report.time for report in stage.reports] == [1_760_000_180, 1_760_000_060, 1_760_000_120, 1_760_000_000]


async def test_a_number_that_starts_over_is_no_repetition(stage: Stage) -> None:
    for n in (4094, 4095, 4096, 4097):
        await stage.take(time=1_760_000_000 + 600 * n, seqNumber=n % 4096)
    await stage.take(time=1_760_000_000 + 600 * 8191, seqNumber=4095)
    assert len(stage.reports) == 5


async def test_a_device_that_is_not_configured_is_a_candidate_and_nothing_is_kept(stage: Stage) -> None:
    await stage.take(device="BAD", rssi=-99)
    (candidate,) = stage.session.candidates
    assert (candidate.id, candidate.signal, candidate.values) == ("sigfox:BAD", hub.Signal(rssi=-99), {})
    assert (stage.session.reports, stage.session.state) == ([], {})
    assert stage.session.drops == [("", "not-admitted")]


async def test_a_payload_that_nothing_reads_costs_its_values_and_is_counted(stage: Stage) -> None:
    await stage.take(device="77", lqi="Limit")
    assert stage.reports[0].values == {"sigfox_link": 0}
    await stage.take(data="")
    assert stage.reasons == ["no-pack", "truncated"]


async def test_without_a_codec_worker_nothing_is_noted_and_the_next_try_is_the_first(stage: Stage) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise hub.NotReady("no codec worker")

    decode, stage.session.packs.decode = stage.session.packs.decode, away  # type: ignore[method-assign]
    with pytest.raises(hub.NotReady):
        await stage.take(device="C0FFEE", data="10EE001964")
    assert (stage.session.state, stage.reports) == ({}, [])
    stage.session.packs.decode = decode  # type: ignore[method-assign]
    stage.session.packs.payloads[BIN.id, 1, bytes.fromhex("10EE001964")] = (hub.Sample(values={"distance": 2380.0}),)
    await stage.take(device="C0FFEE", data="10EE001964")
    assert stage.reports[0].values == {"distance": 2380.0}


async def test_what_is_noted_goes_with_the_report_in_one_breath(stage: Stage) -> None:
    """Between the note and the report nothing else may run: a commit in between would keep one without the other."""
    seen: list[str] = []
    put, emit = stage.session.state.put, stage.session.emit

    def noted(key: str, value: Any) -> None:
        seen.append("put")
        asyncio.get_running_loop().call_soon(lambda: seen.append(f"somebody else sees {len(stage.reports)} reports"))
        put(key, value)

    async def emitted(*reports: hub.Report, durable: bool = False, note: Any = None) -> None:
        seen.extend(["emit"] * bool(reports))
        await emit(*reports, durable=durable, note=note)

    stage.session.state.put = noted  # type: ignore[method-assign]
    stage.session.emit = emitted  # type: ignore[method-assign]
    await stage.take("advanced", computedLocation={"lat": 1, "lng": 1})
    await asyncio.sleep(0)
    assert seen == ["emit", "put", "somebody else sees 2 reports"]


async def test_a_kill_while_the_disk_has_room_for_one_hand_over_divides_no_message(stage: Stage) -> None:
    emit, samples = stage.session.emit, [hub.Sample(values={"distance": 2380.0})]
    samples += [hub.Sample(values={"distance": 2000.0 + ago}, time=1_759_990_000.0 - ago) for ago in (0, 1)]
    stage.session.packs.payloads[BIN.id, 1, bytes.fromhex("10EE001964")] = tuple(samples)

    async def filling(*reports: hub.Report, durable: bool = False, note: Any = None) -> None:
        await emit(*reports, durable=durable, note=note)
        if any(report.values for report in reports):
            stage.session.room.clear()

    stage.session.emit = filling  # type: ignore[method-assign]
    for room in (True, False, True):
        stage.begin()
        stage.session.room.set() if room else stage.session.room.clear()
        taking = asyncio.create_task(stage.take(device="C0FFEE", data="10EE001964"))
        await settle()
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        assert [report.values["distance"] for report in stage.reports] == [2000.0, 2001.0, 2380.0]


async def test_what_is_not_known_to_be_durable_is_refused_until_it_is_and_handed_over_once(stage: Stage) -> None:
    stage.session.disk_error = OSError("kept in memory and tried again")
    for _ in range(2):
        with pytest.raises(hub.NotReady, match="not known to be on the disk: kept in memory"):
            await stage.take()
    stage.begin()  # the plugin begins anew in the same process: its state is there, and still not on the disk
    with pytest.raises(hub.NotReady, match="not known to be on the disk"):
        await stage.take()
    stage.session.disk_error = None
    await stage.take()
    assert len(stage.reports) == 1


async def test_that_a_device_is_heard_again_is_not_lost_with_a_message_that_was_not_taken(stage: Stage) -> None:
    await stage.take("error", severity="ERROR")
    stage.session.room.clear()
    taking = asyncio.create_task(stage.take(seqNumber=2))
    await settle()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    stage.session.room.set()
    await stage.take(seqNumber=2)
    await stage.take(seqNumber=3)
    assert [report.values.get("connectivity") for report in stage.reports] == [False, True, None]


async def test_the_same_message_twice_at_once_is_kept_once(stage: Stage) -> None:
    emit = stage.session.emit

    async def slow(*reports: hub.Report, durable: bool = False, note: Any = None) -> None:
        await emit(*reports, durable=durable, note=note)
        await asyncio.sleep(0.01 if durable else 0)

    stage.session.emit = slow  # type: ignore[method-assign]
    await asyncio.gather(*(stage.take() for _ in range(20)))
    assert len(stage.reports) == 1


# -- answers ------------------------------------------------------------------------------------------------------


def command(name: str = "c1", device: str = BIN.id, expires: float = 4e9, **more: Any) -> hub.Command:
    return hub.Command(
        **{"id": name, "device": device, "metric": "period", "values": {"minutes": 10.0}, "expires": expires, **more}
    )


async def order(stage: Stage, *commands: hub.Command) -> list[tuple[str, str]]:
    """Give commands, and what was answered to them."""
    stage.taking = stage.taking or asyncio.create_task(stage.downlinks.run())
    for one in commands:
        stage.session.commands.give(one)
    while len(stage.session.commands.answers) < len(commands):
        await asyncio.sleep(0)
    return [(name, state) for name, state, _ in stage.session.commands.answers]


@pytest.fixture
def codec(stage: Stage) -> bytes:
    payload = bytes(range(8))
    stage.session.packs.downlinks[BIN.id, "period", (("minutes", 10.0),)] = (1, payload)
    return payload


async def test_a_command_that_nobody_wants_any_more_is_neither_told_to_its_device_nor_left_with_the_backend(
    stage: Stage, codec: bytes
) -> None:
    await order(stage, command("c1"), command("c2"))
    stage.session.commands.ended.add("c1")  # all writes were stopped
    assert stage.downlinks.staged({})[BIN.id]["id"] == "c2"
    stage.session.commands.ended.add("c2")
    assert await stage.take("bidir", device="C0FFEE", data="", seqNumber=3, ack=True) is None
    assert stage.downlinks.staged({}) == {}
    many = [command(f"d{n}") for n in range(WAITING)]
    stage.session.commands.answers.clear()
    assert {state for _, state in await order(stage, *many)} == {"queued"}
    stage.session.commands.ended |= {one.id for one in many}
    stage.session.commands.answers.clear()
    assert await order(stage, command("e")) == [("e", "queued")], "what is wanted no more takes no place"


async def test_a_command_waits_until_the_device_asks_and_is_done_when_the_network_says_so(
    stage: Stage, codec: bytes
) -> None:
    assert await order(stage, command()) == [("c1", "queued")]
    assert await stage.take(device="C0FFEE", data="") is None
    assert await stage.take("bidir", device="C0FFEE", data="", seqNumber=2, ack=False) is None
    assert await stage.take("bidir", device="C0FFEE", data="", seqNumber=3, ack=True) == codec
    assert await stage.take("bidir", device="C0FFEE", data="", seqNumber=3, ack=True) == codec, (
        "the operator's next try"
    )
    assert await stage.take("bidir", device="C0FFEE", data="", seqNumber=4, ack=True) is None
    await stage.take("acknowledge", device="C0FFEE", infoCode=0)
    assert [state for _, state, _ in stage.session.commands.answers] == ["queued", "sent", "done"]


async def test_what_the_network_could_not_send_failed_and_why(stage: Stage, codec: bytes) -> None:
    await order(stage, command())
    await stage.take("bidir", device="C0FFEE", data="", ack=True)
    await stage.take("acknowledge", device="C0FFEE", infoCode=5)
    await stage.take("acknowledge", device="C0FFEE", infoCode=3)
    await stage.take("acknowledge", device="C0FFEE", infoCode=3)
    assert stage.session.commands.answers[-1] == ("c1", "failed", "the device has used up its downlinks of the day")
    assert stage.reasons.count("downlink-3") == 1


@pytest.mark.parametrize(
    ("change", "size", "says"),
    [
        ({"values": None, "value": 21.0}, 8, "what its pack knows"),
        ({"metric": "other"}, 8, "not in the table"),
        ({}, 7, "7 bytes, a Sigfox downlink has 8"),
    ],
)
async def test_what_cannot_be_said_to_it_fails(stage: Stage, change: dict[str, Any], size: int, says: str) -> None:
    stage.session.packs.downlinks[BIN.id, "period", (("minutes", 10.0),)] = (1, bytes(size))
    assert await order(stage, command(**change)) == [("c1", "failed")]
    assert says in stage.session.commands.answers[0][2]


async def test_commands_leave_in_their_order_and_those_that_expired_do_not(stage: Stage, codec: bytes) -> None:
    await order(stage, command("old", expires=1.0), command("a"), command("b"))
    for seq in (1, 2, 3):
        await stage.take("bidir", device="C0FFEE", data="", seqNumber=seq, ack=True)
    assert [name for name, state, _ in stage.session.commands.answers if state == "sent"] == ["a", "b"]


async def test_a_ninth_that_waits_for_one_device_is_refused(stage: Stage, codec: bytes) -> None:
    answers = await order(stage, *(command(f"c{n}") for n in range(9)))
    assert answers[-1] == ("c8", "failed")


async def test_a_standing_answer_is_given_whenever_the_device_asks(stage: Stage) -> None:
    wanted = bytes.fromhex("0102030405060708")
    assert [await stage.take("bidir", device="77", seqNumber=n, ack=True) for n in (1, 2)] == [wanted, wanted]


async def test_what_the_backend_is_to_answer_is_the_next_of_each_device(stage: Stage, codec: bytes) -> None:
    await order(stage, command("a"), command("b"))
    standing = stage.intake.standing()
    assert stage.downlinks.staged(standing) == {
        BARE.id: {"id": "", "data": "0102030405060708", "until": None},
        BIN.id: {"id": "a", "data": codec.hex(), "until": 4e9},
    }
    stage.downlinks.taken(BIN.id, "a")
    stage.downlinks.taken(BIN.id, "a")
    assert stage.downlinks.staged({})[BIN.id]["id"] == "b"
    assert stage.session.commands.answers[-1][:2] == ("a", "sent")


async def test_a_callback_that_the_backend_answered_is_not_answered_here(stage: Stage, codec: bytes) -> None:
    await order(stage, command("a"))
    fields = {"device": "C0FFEE", "time": 1, "seqNumber": 1, "data": "", "ack": True}
    assert await stage.intake.take(read("bidir", fields), answers=False) is None
    assert stage.downlinks.staged({})[BIN.id]["id"] == "a"
