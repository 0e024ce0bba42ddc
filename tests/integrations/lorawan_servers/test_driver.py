"""A server's messages become reports, kept payloads, candidates and counts."""

from __future__ import annotations

from typing import Any

import pytest
import server_kit as kit

import hub

from .driver_kit import CONFIG, STACK, STACK_UP, UP, driver, hear, status


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
    session.packs.payloads[kit.DEVICE, 5, b"\x01"] = (
        hub.Sample(values={"temperature": 20.0}), hub.Sample(values={"temperature": 19.0}, time=kit.NOW - 600),
    )  # fmt: skip
    await hear(driver(session), UP, kit.uplink(3))
    former, present = session.reports
    assert (former.values, former.time, former.proof and former.proof.counter) == (
        {"temperature": 19.0},
        kit.NOW - 600,
        None,
    )
    assert present.values["temperature"] == 20.0
    assert session.durable == [former, present]


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
    assert [(port, payload) for _, port, payload, _ in session.packs.kept] == [(5, b"who knows")]


async def test_what_no_codec_reads_is_kept_once_for_each_frame_of_each_session() -> None:
    session, again = kit.session(kit.known()), kit.session(kit.known())
    heard_by = driver(session)
    await hear(heard_by, UP, kit.uplink(1, b"unreadable"), kit.uplink(2, b"unreadable"))
    await hear(driver(again), UP, kit.uplink(2, b"unreadable"))  # given again to the next life, which knows nothing
    await hear(heard_by, UP, kit.uplink(1, b"unreadable", addr="01020304", at=kit.NOW + 3))  # after a join
    marks = [proof.counter for _, _, _, proof in session.packs.kept]
    assert len(set(marks)) == len(marks) == 3
    assert [proof.counter for _, _, _, proof in again.packs.kept] == marks[1:2]
    assert all(proof.sealed and not proof.authenticated for _, _, _, proof in session.packs.kept)


async def test_a_payload_that_the_codec_refuses_costs_its_readings_only() -> None:
    session = kit.session(kit.known())
    await hear(driver(session), UP, kit.uplink(1, b"unreadable"))
    assert session.drops == [(kit.DEVICE, "no-pack")]
    assert session.reports[0].values == {"link_margin": 16.8}


async def test_a_codec_worker_that_is_away_leaves_the_message_with_the_broker() -> None:
    session = kit.session(kit.known())

    async def away(*_: object, **__: object) -> tuple[hub.Sample, ...]:
        raise hub.NotReady("no codec worker")

    session.packs.decode = away  # type: ignore[method-assign]
    heard_by = driver(session)
    with pytest.raises(hub.NotReady):
        await hear(heard_by, UP, kit.uplink(1))
    assert session.reports == []
    del session.packs.decode
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


async def test_a_battery_is_told_once_for_each_answer_of_the_device() -> None:
    session = kit.session(kit.known())
    heard_by = driver(session)
    where = kit.topic("status")
    await hear(
        heard_by, where, status(batteryLevel=88.3), status(batteryLevel=88.3), status(kit.NOW + 1, batteryLevel=88)
    )
    await hear(heard_by, where, status(kit.NOW + 2, externalPowerSource=True), status(kit.NOW + 3, batteryLevel="NaN"))
    assert [(report.values, report.time) for report in kit.told(session)] == [
        ({"battery": 88.3}, kit.NOW),
        ({"battery": 88.0}, kit.NOW + 1),
    ]
    assert session.drops == [(kit.DEVICE, "repeat")]


async def test_the_things_stack_repeats_a_battery_with_each_uplink_and_it_is_told_once() -> None:
    session = kit.session(kit.known())
    heard_by = driver(session, STACK)
    battery = {"f_cnt": 1, "value": 90.118576, "received_at": kit.rfc3339(kit.NOW - 60)}
    for fcnt in (1, 2):
        await hear(heard_by, STACK_UP, kit.stack_uplink(fcnt, at=kit.NOW + fcnt, last_battery_percentage=battery))
    assert [report.time for report in session.reports if "battery" in report.values] == [kit.NOW - 60]
    assert len(kit.told(session)) == 3


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
