"""What becomes of messages and of commands, without a broker: readings, dates, duplicates, strangers, downlinks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import server_kit as kit
from chirpstack_api.integration import integration_pb2 as pb

import hub
from hub.testing import FakeSession
from integrations.lorawan_servers import chirpstack, freshness, things_stack
from integrations.lorawan_servers.downlinks import item_of
from integrations.lorawan_servers.driver import Driver

UP = kit.topic("up")
CONFIG = chirpstack.Config(host="broker")
STACK = things_stack.Config(host="broker", application="app1@tenant1")
STACK_UP = "v3/app1@tenant1/devices/dev1/up"


def driver(session: FakeSession, config: Any = CONFIG, *, sealed: bool = True, now: float = kit.NOW + 5) -> Driver:
    server = (
        chirpstack.ChirpStack(config, session)
        if isinstance(config, chirpstack.Config)
        else things_stack.ThingsStack(config)
    )
    return Driver(session, server, sealed=sealed, now=lambda: now)


async def hear(heard_by: Driver, topic: str, *messages: Any, retained: bool = False) -> None:
    for message in messages:
        payload = message if isinstance(message, bytes) else kit.encoded(message)
        await (await heard_by.hear(topic, payload, retained=retained))()


# -- readings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "topic", "message"),
    [
        (CONFIG, UP, kit.encoded(kit.uplink(7, b"\x15"))),
        (CONFIG, UP, kit.protobuf(kit.UPLINK, kit.uplink(7, b"\x15"))),
        (STACK, STACK_UP, kit.encoded(kit.stack_uplink(7, b"\x15"))),
    ],
    ids=["ChirpStack, JSON", "ChirpStack, Protocol Buffers", "The Things Stack"],
)
async def test_an_uplink_of_any_server_is_the_same_report(config: Any, topic: str, message: bytes) -> None:
    session = kit.session(kit.known())
    await hear(driver(session, config), topic, message)
    assert session.drops == []
    (report,) = session.durable
    assert report.values == {"temperature": 21.0, "link_margin": 16.8}
    assert report.time == kit.NOW - 0.25  # as the best gateway that has a clock dates it
    assert report.proof == hub.Proof("lorawan-server", 7, authenticated=False, sealed=True)
    assert report.signal == hub.Signal(
        rssi=-57, snr=9.25, source=kit.GATEWAY, heard=((kit.GATEWAY, -57), (kit.FAR, -110))
    )


async def test_without_tls_nothing_is_said_to_be_sealed() -> None:
    session = kit.session(kit.known())
    await hear(driver(session, sealed=False), UP, kit.uplink(1))
    assert session.reports[0].proof == hub.Proof("lorawan-server", 1)


async def test_a_gateway_whose_clock_is_wrong_dates_nothing() -> None:
    session = kit.session(kit.known())
    message = kit.uplink(1)
    message["rxInfo"][1]["gwTime"] = kit.rfc3339(kit.NOW - 86_400)
    await hear(driver(session), UP, message)
    assert session.reports[0].time == kit.NOW


async def test_former_values_come_first_with_their_own_dates_and_no_counter() -> None:
    session = kit.session(kit.known())
    session.payloads[kit.DEVICE, 5, b"\x01"] = (
        hub.Sample(values={"temperature": 20.0}), hub.Sample(values={"temperature": 19.0}, time=kit.NOW - 600),
    )  # fmt: skip
    await hear(driver(session), UP, kit.uplink(3))
    former, present = session.reports
    assert (former.values, former.time, former.proof and former.proof.counter) == (
        {"temperature": 19.0}, kit.NOW - 600, None,
    )  # fmt: skip
    assert present.values["temperature"] == 20.0
    assert session.durable == [present]


async def test_an_uplink_without_a_payload_says_that_the_device_lives() -> None:
    session = kit.session(kit.known())
    await hear(driver(session), UP, kit.uplink(1, b"", fPort=0))
    assert session.reports[0].values == {"link_margin": 16.8}
    assert session.drops == []


async def test_a_payload_that_the_server_could_not_open_is_not_decoded() -> None:
    session = kit.session(kit.known())
    await hear(driver(session), UP, kit.uplink(1, joinServerContext={"sessionKeyId": "abc"}))
    await hear(
        driver(session, STACK), STACK_UP, kit.stack_uplink(2, at=kit.NOW + 1, app_s_key={"key": "", "kek_label": "x"})
    )
    assert session.drops == [(kit.DEVICE, "payload-encrypted")] * 2
    assert [report.values for report in session.reports] == [{"link_margin": 16.8}] * 2


async def test_without_a_pack_the_servers_object_is_read_where_the_settings_say() -> None:
    decoded = {
        "temperature": {"path": "t.0.v", "scale": 0.1}, "battery_low": {"path": "low"}, "firmware": {"path": "fw"},
        "humidity": {"path": "h"}, "co2": {"path": "missing"},
    }  # fmt: skip
    session = kit.session(kit.known(pack="", decoded=decoded))
    said = {"t": [{"v": 215}], "low": 1.0, "fw": "1.2", "h": {"x": 1}}
    await hear(driver(session), UP, kit.uplink(1, object=said), kit.protobuf(kit.UPLINK, kit.uplink(2, object=said)))
    await hear(driver(session, STACK), STACK_UP, kit.stack_uplink(3, at=kit.NOW + 1, decoded_payload=said))
    wanted = {"temperature": pytest.approx(21.5), "battery_low": True, "firmware": "1.2", "link_margin": 16.8}
    assert [report.values for report in session.reports] == [wanted] * 3
    assert session.drops == [(kit.DEVICE, "server-value")] * 3


async def test_a_device_with_neither_pack_nor_settings_is_heard_and_its_payload_counted_and_kept() -> None:
    session = kit.session(kit.known(pack=""))
    await hear(driver(session), UP, kit.uplink(1, b"who knows", object={"temperature": 20}))
    assert session.drops == [(kit.DEVICE, "no-pack")]
    assert session.reports[0].values == {"link_margin": 16.8}
    assert [(port, payload) for _, port, payload, _ in session.kept] == [(5, b"who knows")]


async def test_what_no_codec_reads_is_kept_once_for_each_frame_of_each_session() -> None:
    session, again = kit.session(kit.known()), kit.session(kit.known())
    heard_by = driver(session)
    await hear(heard_by, UP, kit.uplink(1, b"unreadable"), kit.uplink(2, b"unreadable"))
    await hear(driver(again), UP, kit.uplink(2, b"unreadable"))  # given again to the next life, which knows nothing
    await hear(heard_by, UP, kit.uplink(1, b"unreadable", addr="01020304", at=kit.NOW + 3))  # after a join
    marks = [proof.counter for _, _, _, proof in session.kept]
    assert len(set(marks)) == len(marks) == 3
    assert [proof.counter for _, _, _, proof in again.kept] == marks[1:2]
    assert all(proof.sealed and not proof.authenticated for _, _, _, proof in session.kept)


async def test_a_payload_that_the_codec_refuses_costs_its_readings_only() -> None:
    session = kit.session(kit.known())
    await hear(driver(session), UP, kit.uplink(1, b"unreadable"))
    assert session.drops == [(kit.DEVICE, "no-pack")]
    assert session.reports[0].values == {"link_margin": 16.8}


async def test_a_codec_worker_that_is_away_leaves_the_message_with_the_broker() -> None:
    session = kit.session(kit.known())

    async def away(*_: object, **__: object) -> tuple[hub.Sample, ...]:
        raise hub.NotReady("no codec worker")

    session.decode = away  # type: ignore[method-assign]
    heard_by = driver(session)
    with pytest.raises(hub.NotReady):
        await hear(heard_by, UP, kit.uplink(1))
    assert session.reports == []
    del session.decode
    await hear(heard_by, UP, kit.uplink(1))
    assert session.durable[0].values["temperature"] == 1.0


@pytest.mark.parametrize(
    ("bandwidth", "spreading", "margin"), [(125_000, 12, 29.2), (250_000, 7, 13.8), (0, 7, None), (125_000, 0, None)]
)
async def test_the_margin_is_counted_as_the_hubs_own_network_does(
    bandwidth: int, spreading: int, margin: float | None
) -> None:
    session = kit.session(kit.known())
    lora = {"bandwidth": bandwidth, "spreadingFactor": spreading}
    await hear(driver(session), UP, kit.uplink(1, txInfo={"modulation": {"lora": lora}}))
    assert session.reports[0].values.get("link_margin") == margin


# -- battery ------------------------------------------------------------------------------------------------------


def status(at: float = kit.NOW, **more: Any) -> dict[str, Any]:
    return {"deduplicationId": "x", "time": kit.rfc3339(at), "deviceInfo": kit.device_info(), "margin": 10, **more}


async def test_a_battery_is_told_once_for_each_answer_of_the_device() -> None:
    session = kit.session(kit.known())
    heard_by = driver(session)
    where = kit.topic("status")
    await hear(
        heard_by, where, status(batteryLevel=88.3), status(batteryLevel=88.3), status(kit.NOW + 1, batteryLevel=88)
    )
    await hear(heard_by, where, status(kit.NOW + 2, externalPowerSource=True), status(kit.NOW + 3, batteryLevel="NaN"))
    assert [(report.values, report.time) for report in kit.told(session)] == [
        ({"battery": 88.3}, kit.NOW), ({"battery": 88.0}, kit.NOW + 1),
    ]  # fmt: skip
    assert session.drops == [(kit.DEVICE, "repeat")]


async def test_the_things_stack_repeats_a_battery_with_each_uplink_and_it_is_told_once() -> None:
    session = kit.session(kit.known())
    heard_by = driver(session, STACK)
    battery = {"f_cnt": 1, "value": 90.118576, "received_at": kit.rfc3339(kit.NOW - 60)}
    for fcnt in (1, 2):
        await hear(heard_by, STACK_UP, kit.stack_uplink(fcnt, at=kit.NOW + fcnt, last_battery_percentage=battery))
    assert [report.time for report in session.reports if "battery" in report.values] == [kit.NOW - 60]
    assert len(kit.told(session)) == 3


# -- duplicates and replays ---------------------------------------------------------------------------------------


async def test_what_the_broker_gives_again_is_told_once_and_waits_for_the_disk() -> None:
    session = kit.session(kit.known())
    await hear(driver(session), UP, kit.uplink(1), kit.uplink(1))
    await hear(driver(session), UP, kit.uplink(1))  # after a restart
    assert len(kit.told(session)) == 1
    assert session.drops == [(kit.DEVICE, "repeat")] * 2
    assert [report.values for report in session.durable[1:]] == [{}, {}]


async def test_ten_thousand_replays_are_told_once_and_counted() -> None:
    session = kit.session(kit.known())
    heard_by = driver(session)
    frames = [kit.encoded(kit.uplink(fcnt, bytes([fcnt % 256]), at=kit.NOW - 2000 + fcnt)) for fcnt in range(1000)]
    for frame in frames * 11:
        await hear(heard_by, UP, frame)
    assert len(kit.told(session)) == 1000
    assert len(session.drops) == 10_000
    assert {reason for _, reason in session.drops} == {"repeat", "replay"}


async def test_a_new_session_is_heard_and_frames_of_the_former_are_not_told_again() -> None:
    session = kit.session(kit.known())
    heard_by = driver(session)
    old = [kit.uplink(fcnt, at=kit.NOW - 100 + fcnt) for fcnt in range(3)]
    new = [kit.uplink(fcnt, addr="0018ffff", at=kit.NOW + fcnt) for fcnt in range(2)]
    await hear(heard_by, UP, *old, *new, *old, *new)
    assert [report.proof.counter for report in kit.told(session) if report.proof] == [0, 1, 2, 0, 1]
    assert session.drops == [(kit.DEVICE, "repeat")] * 5


async def test_a_device_that_started_over_is_heard_and_counted() -> None:
    session = kit.session(kit.known())
    await hear(driver(session), UP, kit.uplink(900, at=kit.NOW - 60), kit.uplink(0, at=kit.NOW))
    assert len(kit.told(session)) == 2
    assert session.drops == [(kit.DEVICE, "counter-reset")]


async def test_a_date_in_the_future_moves_no_window() -> None:
    """Else one forged message would shut out every later session."""
    session = kit.session(kit.known())
    heard_by = driver(session)
    await hear(heard_by, UP, kit.uplink(1, at=kit.NOW + 1e6))
    await hear(heard_by, UP, kit.uplink(0, addr="0018ffff", at=kit.NOW))
    assert len(kit.told(session)) == 2


async def test_what_is_remembered_is_put_before_the_present_report_and_after_the_former_ones() -> None:
    session = kit.session(kit.known())
    session.payloads[kit.DEVICE, 5, b"\x01"] = (
        hub.Sample(values={"temperature": 20.0}), hub.Sample(values={"temperature": 19.0}, time=kit.NOW - 600),
    )  # fmt: skip
    order: list[str] = []

    class Watched(dict[str, Any]):
        def put(self, key: str, value: Any) -> None:
            order.append("state")
            self[key] = value

    async def emit(report: hub.Report, *, durable: bool = False) -> None:
        order.append("durable" if durable else "emit")

    session.state, session.emit = Watched(), emit  # type: ignore[assignment, method-assign]
    await hear(driver(session), UP, kit.uplink(1))
    assert order == ["emit", "state", "durable"]


async def test_what_cannot_be_kept_is_nobodys_fault_and_stays_with_the_broker() -> None:
    session = kit.session(kit.known())

    async def emit(report: hub.Report, *, durable: bool = False) -> None:
        raise OSError("no space left")

    session.emit = emit  # type: ignore[method-assign]
    with pytest.raises(hub.NotReady, match="the broker keeps it"):
        await hear(driver(session), UP, kit.uplink(1))


async def test_a_state_that_is_full_costs_no_reading() -> None:
    session = kit.session(kit.known())

    class Full(dict[str, Any]):
        def put(self, key: str, value: Any) -> None:
            raise ValueError("256 KiB")

    session.state = Full()  # type: ignore[assignment]
    await hear(driver(session), UP, kit.uplink(1), kit.uplink(2))
    assert len(kit.told(session)) == 2
    assert (kit.DEVICE, "state-full") in session.drops


async def test_a_damaged_memory_is_said_and_begun_anew() -> None:
    session = kit.session(kit.known())
    session.state[kit.EUI] = b"\xc1"
    await hear(driver(session), UP, kit.uplink(1))
    assert len(kit.told(session)) == 1
    assert freshness.decode(session.state[kit.EUI]).windows[0].top == 1


# -- strangers, joins, notes --------------------------------------------------------------------------------------


async def test_a_stranger_that_speaks_or_joins_is_a_candidate_with_evidence() -> None:
    session = kit.session()
    join = {"deviceInfo": kit.device_info(), "devAddr": "00189440", "regionConfigId": "eu868"}
    await hear(driver(session), UP, kit.uplink(1))
    await hear(driver(session), kit.topic("join"), join)
    stack_join = {"end_device_ids": kit.stack_ids(), "join_accept": {"session_key_id": "AXBS"}}
    await hear(driver(session, STACK), "v3/app1@tenant1/devices/dev1/join", stack_join)
    assert [candidate.id for candidate in session.candidates] == [kit.DEVICE] * 3
    spoke, joined, stacked = (candidate.evidence for candidate in session.candidates)
    assert {key: spoke[key] for key in ("application", "name", "region", "gateway", "by")} == {
        "application": "Ville", "name": "classe 1", "region": "eu868", "gateway": kit.GATEWAY, "by": "an uplink",
    }  # fmt: skip
    assert session.candidates[0].model == "Elsys ERS"
    assert session.candidates[0].signal == hub.Signal(
        rssi=-57, snr=9.25, source=kit.GATEWAY, heard=((kit.GATEWAY, -57), (kit.FAR, -110))
    )
    assert (joined["by"], stacked["JoinEUI"]) == ("a join", "800000000000000c")
    assert session.drops == [("", "not-admitted")] * 3
    assert session.reports == []


async def test_what_a_server_calls_a_device_cannot_forge_a_log_line() -> None:
    session = kit.session()
    message = kit.uplink(1)
    message["deviceInfo"]["deviceName"] = "a\nWARNING b" + "c" * 500
    await hear(driver(session), UP, message)
    assert session.candidates[0].evidence["name"] == ("a?WARNING b" + "c" * 500)[:64]


async def test_a_join_of_a_known_device_is_no_reading() -> None:
    session = kit.session(kit.known())
    await hear(driver(session), kit.topic("join"), {"deviceInfo": kit.device_info(), "devAddr": "00189440"})
    assert (session.reports, session.candidates, session.drops) == ([], [], [])


async def test_what_the_server_notices_is_counted_by_device() -> None:
    session = kit.session(kit.known())
    for code in ("UPLINK_MIC", "OTAA", "UPLINK_F_CNT_RETRANSMISSION", "SOMETHING_NEW"):
        said = {"deviceInfo": kit.device_info(), "level": "ERROR", "code": code, "description": "why"}
        await hear(driver(session), kit.topic("log"), said)
    assert [reason for _, reason in session.drops] == [
        "server-uplink-mic", "server-otaa", "server-uplink-f-cnt-retransmission", "server-other",
    ]  # fmt: skip


async def test_retained_and_wrong_messages_are_counted_and_settled() -> None:
    session = kit.session(kit.known())
    await hear(driver(session), UP, kit.uplink(1), retained=True)
    await hear(driver(session), UP, b"garbage", b"{}", kit.encoded(kit.uplink(1))[:-2])
    assert session.drops == [("", "mqtt-retained"), ("", "bad-protobuf"), ("", "bad-message"), ("", "bad-json")]
    assert session.reports == []


# -- downlinks ----------------------------------------------------------------------------------------------------


class Commanded:
    """A driver that follows commands, and what it published."""

    def __init__(self, session: FakeSession, config: Any) -> None:
        self.session, self.driver = session, driver(session, config)
        self.published: list[tuple[str, bytes]] = []
        session.downlinks[kit.DEVICE, "period", (("seconds", 600.0),)] = (3, b"\x02\x58")

    async def publish(self, topic: str, payload: bytes) -> None:
        self.published.append((topic, payload))

    async def answers(self, count: int) -> list[tuple[str, str]]:
        await kit.until(lambda: len(self.session.commands.answers) >= count)
        return [(state, detail) for _, state, detail in self.session.commands.answers]


@asynccontextmanager
async def commanded(
    config: Any = CONFIG, session: FakeSession | None = None, **settings: Any
) -> AsyncIterator[Commanded]:
    made = Commanded(session or kit.session(kit.known(**settings)), config)
    task = asyncio.create_task(made.driver.command(made.publish))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def order(**more: Any) -> hub.Command:
    given = {
        "id": "c1",
        "device": kit.DEVICE,
        "metric": "period",
        "values": {"seconds": 600.0},
        "expires": kit.NOW + 600,
    }
    return hub.Command(**{**given, **more})  # type: ignore[arg-type]


def about(item: str, **more: Any) -> dict[str, Any]:
    return {"deviceInfo": kit.device_info(), "queueItemId": item, **more}


async def test_a_confirmed_downlink_goes_from_the_queue_to_the_device_and_back() -> None:
    async with commanded() as made:
        await hear(made.driver, UP, kit.uplink(1))  # whose application it is
        made.session.commands.give(order())
        assert await made.answers(1) == [("queued", "it is in the server's queue")]
        ((topic, payload),) = made.published
        assert topic == f"application/{kit.APPLICATION}/device/{kit.EUI}/command/down"
        said = json.loads(payload)
        item = said.pop("id")
        assert said == {
            "devEui": kit.EUI, "confirmed": True, "fPort": 3, "data": "Alg=", "expiresAt": "2026-09-21T14:23:20Z",
        }  # fmt: skip
        await hear(made.driver, kit.topic("txack"), about(item, gatewayId=kit.GATEWAY))
        await hear(made.driver, kit.topic("ack"), about("another", acknowledged=True))
        await hear(made.driver, kit.topic("ack"), about(item, acknowledged=True), about(item, acknowledged=True))
        assert (await made.answers(3))[1:] == [
            ("sent", f"by gateway {kit.GATEWAY}"), ("done", "the device acknowledged it"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "said", "state"),
    [
        ("ack", {"acknowledged": False}, "failed"),
        ("log", {"code": "DOWNLINK_PAYLOAD_SIZE"}, "failed"),
        ("log", {"code": "EXPIRED"}, "expired"),
    ],
)
async def test_a_downlink_that_the_server_gives_up_is_answered(event: str, said: dict[str, Any], state: str) -> None:
    async with commanded() as made:
        await hear(made.driver, UP, kit.uplink(1))
        made.session.commands.give(order())
        await made.answers(1)
        item = json.loads(made.published[0][1])["id"]
        if event == "log":
            said = {**said, "level": "ERROR", "context": {"queue_item_id": item}, "deviceInfo": kit.device_info()}
        await hear(made.driver, kit.topic(event), about(item, **said) if event == "ack" else said)
        assert (await made.answers(2))[-1][0] == state
        assert made.session.state["pushed"] == []


async def test_an_unconfirmed_downlink_is_done_when_it_is_sent() -> None:
    async with commanded(confirmed=False) as made:
        await hear(made.driver, UP, kit.uplink(1))
        made.session.commands.give(order())
        await made.answers(1)
        said = json.loads(made.published[0][1])
        assert said["confirmed"] is False
        await hear(made.driver, kit.topic("txack"), about(said["id"], gatewayId=kit.GATEWAY))
        assert (await made.answers(2))[-1] == (
            "done", f"sent by gateway {kit.GATEWAY}; the device is not asked to acknowledge",
        )  # fmt: skip


async def test_a_server_that_speaks_protocol_buffers_is_answered_so() -> None:
    async with commanded() as made:
        await hear(made.driver, UP, kit.protobuf(kit.UPLINK, kit.uplink(1)))
        made.session.commands.give(order())
        await made.answers(1)
        command = pb.DownlinkCommand.FromString(made.published[0][1])
        assert (command.dev_eui, command.f_port, command.data, command.confirmed) == (kit.EUI, 3, b"\x02\x58", True)
        assert command.expires_at.seconds == kit.NOW + 600
        said = {"deviceInfo": {"devEui": kit.EUI}, "queueItemId": command.id, "acknowledged": True}
        await hear(made.driver, kit.topic("ack"), kit.protobuf(pb.AckEvent, said))
        assert (await made.answers(2))[-1][0] == "done"
    async with commanded(session=made.session) as again:  # and after a restart, before anything is heard
        again.session.commands.give(order(id="c2"))
        await again.answers(3)
        assert pb.DownlinkCommand.FromString(again.published[0][1]).dev_eui == kit.EUI


async def test_the_things_stack_tells_of_a_downlink_by_its_correlation_id() -> None:
    async with commanded(STACK) as made:
        await hear(made.driver, STACK_UP, kit.stack_uplink(1))
        made.session.commands.give(order())
        await made.answers(1)
        ((topic, payload),) = made.published
        assert topic == "v3/app1@tenant1/devices/dev1/down/push"
        (downlink,) = json.loads(payload)["downlinks"]
        (item,) = downlink["correlation_ids"]
        for kind in ("queued", "sent", "nack", "ack"):
            said = {"end_device_ids": kit.stack_ids(), "correlation_ids": ["as:downlink:x", item],
                    f"downlink_{kind}": {"f_port": 3, "correlation_ids": [item]}}  # fmt: skip
            await hear(made.driver, f"v3/app1@tenant1/devices/dev1/down/{kind}", said)
        assert [state for state, _ in await made.answers(5)] == ["queued", "queued", "sent", "queued", "done"]


async def test_a_downlink_that_the_things_stack_refuses_says_why() -> None:
    async with commanded(STACK, device_id="dev1") as made:
        made.session.commands.give(order())
        await made.answers(1)
        item = item_of(order())
        said = {"end_device_ids": kit.stack_ids(), "downlink_failed": {
            "downlink": {"correlation_ids": [item]}, "error": {"message_format": "downlink payload is too long"},
        }}  # fmt: skip
        await hear(made.driver, "v3/app1@tenant1/devices/dev1/down/failed", said)
        assert (await made.answers(2))[-1] == ("failed", "downlink payload is too long")


async def test_a_pub_sub_says_whose_a_downlink_is_in_the_message() -> None:
    config = things_stack.Config(host="broker", application="app1", pubsub="ttn/ville")
    async with commanded(config) as made:
        await hear(made.driver, "ttn/ville/up", kit.stack_uplink(1))
        made.session.commands.give(order())
        await made.answers(1)
        ((topic, payload),) = made.published
        assert topic == "ttn/ville/down/push"
        assert json.loads(payload)["end_device_ids"] == {
            "device_id": "dev1", "application_ids": {"application_id": "app1"},
        }  # fmt: skip


async def test_a_command_that_comes_again_after_a_restart_is_not_queued_twice() -> None:
    async with commanded() as made:
        await hear(made.driver, UP, kit.uplink(1))
        made.session.commands.give(order())
        await made.answers(1)
    async with commanded(session=made.session) as again:
        again.session.commands.give(order())
        assert (await again.answers(2))[-1] == ("queued", "it is in the server's queue since before a restart")
        assert again.published == []
        await hear(again.driver, kit.topic("ack"), about(item_of(order()), acknowledged=True))
        assert (await again.answers(3))[-1][0] == "done"


@pytest.mark.parametrize(
    ("given", "config", "text"),
    [
        ({"values": None, "value": 21.0, "metric": "setpoint"}, CONFIG, "a downlink of its pack"),
        ({"values": {"seconds": 1.0}}, CONFIG, "this downlink is not in the table"),
        ({}, CONFIG, "say `application` in the configuration"),
        ({}, STACK, "say `device_id` in its settings"),
        ({"device": "lorawan:ffffffffffffffff"}, CONFIG, "a downlink of its pack"),
    ],
)
async def test_a_command_that_cannot_be_carried_out_fails_with_the_remedy(
    given: dict[str, Any], config: Any, text: str
) -> None:
    async with commanded(config) as made:
        made.session.commands.give(order(**given))
        ((state, detail),) = await made.answers(1)
        assert (state, made.published) == ("failed", [])
        assert text in detail


async def test_an_application_that_is_configured_needs_not_be_heard_first() -> None:
    config = chirpstack.Config(host="broker", application=kit.APPLICATION)
    async with commanded(config) as made:
        made.session.commands.give(order())
        assert (await made.answers(1))[0][0] == "queued"


async def test_a_device_whose_name_is_no_deveui_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    wrong = hub.Device(id="lorawan:70B3D5E75E00ABCD", integration="chirpstack", place="x")
    driver(FakeSession("chirpstack", devices=[wrong, kit.known()]))
    (record,) = caplog.records
    assert record.getMessage().startswith("lorawan:70B3D5E75E00ABCD is not heard: a device is named lorawan: and")
