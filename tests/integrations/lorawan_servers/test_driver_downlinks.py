"""Commands go by the server and come back answered."""

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
from hub.sdk.testing import FakeSession
from integrations.lorawan_servers import chirpstack, things_stack
from integrations.lorawan_servers.downlinks import item_of
from integrations.lorawan_servers.metrics import METRICS

from .driver_kit import CONFIG, STACK, STACK_UP, UP, driver, hear


class Commanded:
    """A driver that follows commands, and what it published."""

    def __init__(self, session: FakeSession, config: Any) -> None:
        self.session, self.driver = session, driver(session, config)
        self.published: list[tuple[str, bytes]] = []
        session.packs.downlinks[kit.DEVICE, "period", (("seconds", 600.0),)] = (3, b"\x02\x58")

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
            ("sent", f"by gateway {kit.GATEWAY}"),
            ("done", "the device acknowledged it"),
        ]


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
            "done",
            f"sent by gateway {kit.GATEWAY}; the device is not asked to acknowledge",
        )


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
            "device_id": "dev1",
            "application_ids": {"application_id": "app1"},
        }


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


async def test_that_a_command_is_in_the_servers_queue_is_on_the_disk_before_it_is() -> None:
    async with commanded() as made:
        await hear(made.driver, UP, kit.uplink(1))
        emit, commits = made.session.emit, []

        async def watched(*reports, note=None, durable=False):
            await emit(*reports, note=note, durable=durable)
            commits.append((durable, list(made.session.state["pushed"]), list(made.published)))

        made.session.emit = watched
        made.session.commands.give(order())
        await made.answers(1)
        assert commits == [(True, [item_of(order())], [])]
        assert len(made.published) == 1


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
    driver(FakeSession("chirpstack", devices=[wrong, kit.known()], metrics=METRICS))
    (record,) = caplog.records
    assert record.getMessage().startswith("lorawan:70B3D5E75E00ABCD is not heard: a device is named lorawan: and")
