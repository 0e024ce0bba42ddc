"""A device of another maker's stack, in its own process: read, followed, asked politely."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest
from bacnet_kit import HOST, OWN, Turns, config, device, free_port, last, qualities, running, until

import hub
from hub.sdk.phrases import Phrase
from integrations.bacnet import probe
from integrations.bacnet.settings import Config

pytestmark = pytest.mark.real("network, processes")

OBJECTS = {
    "analog-input:1": {"metric": "flow_temperature"},
    "analog-input:2": {"metric": "temperature"},
    "analog-input:3": {"metric": "power"},
    "analog-input:4": {"metric": "fill_level"},
    "analog-input:77": {"metric": "co2"},
    "analog-output:1": {"metric": "valve_position"},
    "analog-value:1": {"metric": "setpoint"},
    "binary-input:1": {"metric": "running"},
    "binary-output:1": {"metric": "fan_command", "privacy": "technical", "kind": "text"},
    "binary-value:1": {"metric": "night_mode", "privacy": "technical"},
    "multi-state-input:1": {"metric": "mode", "privacy": "technical"},
    "multi-state-output:1": {"metric": "speed_step", "privacy": "technical", "kind": "number"},
    "accumulator:1": {"metric": "energy"},
    "large-analog-value:1": {"metric": "heat", "privacy": "technical", "kind": "number"},
    "characterstring-value:1": {"metric": "text"},
}
OBJECTS["large-analog-value:1"]["metric"] = "heat_energy"
EXPECTED = {
    "flow_temperature": 21.5, "temperature": 10.0, "power": 12500.0, "valve_position": 30.0, "setpoint": 20.0,
    "running": True, "fan_command": "inactive", "night_mode": False, "mode": "Chauffage", "speed_step": 1,
    "energy": 1234.5, "heat_energy": 1234567.125, "text": "Tout va bien",
}  # fmt: skip
ZONES = {f"analog-input:{1000 + n}": {"metric": f"zone_{n}", "privacy": "technical"} for n in range(120)}


async def test_a_device_is_read_in_its_own_units_and_states_and_tells_its_changes() -> None:
    async with device() as peer, running(config(), [peer.device(OBJECTS)]) as session:
        await until(lambda: len(last(session)) == len(EXPECTED), "every object is read")
        assert last(session) == pytest.approx(EXPECTED)
        assert set(qualities(session).values()) == {hub.Quality.GOOD}
        assert {report.proof for report in session.reports} == {hub.Proof(scheme="bacnet")}
        assert ("bacnet:1201", "Tests Peer 1", "1.2", ()) in session.declared
        own = {metric.key: metric for *_, metrics in session.declared for metric in metrics}
        assert set(own) == {"fan_command", "night_mode", "mode", "speed_step", "heat_energy"}
        assert (own["heat_energy"].unit, own["mode"].kind, own["night_mode"].kind) == ("kW.h", "text", "flag")
        assert {reason for _, reason in session.drops} <= {"unit", "unknown-object", "cov-subscription-failed"}

        held = await until(lambda: _held(peer), "subscriptions")
        assert held == 9, "those of the device's objects that tell changes, and are read"

        async def asked_of_all() -> bool:
            return (await peer.tell(counts=True)).get("SubscribeCOVRequest") == 13

        await until(asked_of_all)
        await peer.tell(set=["analog-input,1", "presentValue", 33.25])
        await until(lambda: last(session)["flow_temperature"] == 33.25, "the change is told")
        await peer.tell(set=["multi-state-input,1", "presentValue", 3])
        await until(lambda: last(session)["mode"] == "Froid", "a state is told")
        assert await asked_of_all(), "and none was asked for again"

        await peer.tell(flags=["analog-input,1", [False, True, False, False]])
        await until(lambda: qualities(session)["flow_temperature"] == hub.Quality.BAD, "a fault is told")
        await peer.tell(flags=["analog-input,1", [True, False, False, True]])
        await until(lambda: qualities(session)["flow_temperature"] == hub.Quality.UNCERTAIN, "out of service is told")
        await peer.tell(flags=["analog-input,1", [True, False, False, False]])
        await until(lambda: qualities(session)["flow_temperature"] == hub.Quality.GOOD, "an alarm is no bad value")

        session.devices.remove("bacnet:1201")
        await until(lambda: _held(peer, 0), "what is no longer a device is unsubscribed from")


async def _held(peer: object, least: int | None = None) -> int | bool:
    held = int((await peer.tell(subscriptions=True))["held"])  # type: ignore[attr-defined]
    return held == 0 if least == 0 else held if held >= 9 else 0


async def test_a_bad_sensor_is_bad_by_its_reliability_too() -> None:
    objects = {"analog-input:1": {"metric": "temperature"}}
    async with device() as peer, running(config(notifications="none"), [peer.device(objects)]) as session:
        await until(lambda: last(session))
        await peer.tell(set=["analog-input,1", "reliability", "noSensor"])
        await until(lambda: qualities(session)["temperature"] == hub.Quality.BAD)


async def test_what_a_device_does_not_tell_is_polled() -> None:
    async with (
        device("--no-cov", "--subscriptions", "2") as peer,
        running(config(), [peer.device(dict(list(OBJECTS.items())[:3]))]) as session,
    ):
        await until(lambda: len(last(session)) == 3)
        await peer.tell(set=["analog-input,3", "presentValue", 1.0])
        await until(lambda: last(session)["power"] == 1000, "a poll finds it")
        await peer.tell(set=["analog-input,3", "presentValue", 2.0])
        await until(lambda: last(session)["power"] == 2000, "and the next")
        assert (await peer.tell(counts=True))["SubscribeCOVRequest"] == 1, "what is refused as a service is asked once"


async def test_a_device_with_little_room_tells_what_it_can_and_the_rest_is_polled() -> None:
    objects = {name: OBJECTS[name] for name in ("analog-input:1", "analog-input:2", "analog-input:3", "analog-value:1")}
    async with device("--subscriptions", "2") as peer, running(config(), [peer.device(objects)]) as session:
        await until(lambda: "no-space-to-add-list-element" in {reason for _, reason in session.drops})
        assert await peer.tell(subscriptions=True) == {"held": 2}
        for n, metric in ((1, "flow_temperature"), (3, "power")):
            await peer.tell(set=[f"analog-input,{n}", "presentValue", 7.0])
            await until(lambda m=metric: last(session)[m] in (7.0, 7000.0), f"{metric} is followed")
        assert (await peer.tell(counts=True))["SubscribeCOVRequest"] == 3, "not asked again for an hour"


async def test_a_refused_subscription_is_logged_once_for_its_object(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.bacnet.point.AGAIN_S", 0.0)  # asked for at every poll
    caplog.set_level("INFO", "hub.bacnet")
    objects = {name: OBJECTS[name] for name in ("analog-input:1", "analog-input:2", "analog-input:3", "analog-value:1")}
    async with device("--subscriptions", "2") as peer, running(config(), [peer.device(objects)]):

        async def asked() -> bool:
            return (await peer.tell(counts=True)).get("SubscribeCOVRequest", 0) >= 12

        await until(asked, "it is asked for again and again")
    refused = re.findall(r"bacnet:1201 (\S+) is polled, and not subscribed to: (.*)", caplog.text)
    assert refused
    assert len({who for who, _ in refused}) == len(refused) <= 2, "once each, not at every attempt"
    assert all(why for _, why in refused)


async def test_subscriptions_are_renewed_before_they_run_out() -> None:
    objects = {"analog-input:1": {"metric": "temperature"}}
    options = config(lifetime=timedelta(seconds=2), notifications="unconfirmed")
    async with device() as peer, running(options, [peer.device(objects)]) as session:
        await until(lambda: last(session))

        async def renewed() -> bool:
            return (await peer.tell(counts=True)).get("SubscribeCOVRequest", 0) >= 3

        await until(renewed, "renewed twice")
        assert await peer.tell(subscriptions=True) == {"held": 1}
        await peer.tell(set=["analog-input,1", "presentValue", 30.0])
        await until(lambda: last(session)["temperature"] == 30.0)


@pytest.mark.parametrize(
    ("options", "first", "most"),
    [
        (("--no-multiple",), 1, 0),  # one question that it refuses, then one by one
        (("--most", "30"), 12, 4),  # 30 at once, after it refused more
        (("--segmentation", "noSegmentation"), 6, 2),  # what one message holds
        ((), 5, 1),  # what a request holds: the answers come in segments
    ],
    ids=["one by one", "few at once", "one message", "segments"],
)
async def test_many_objects_take_as_few_requests_as_the_device_allows(
    options: tuple[str, ...], first: int, most: int
) -> None:
    async with (
        device("--extra", "120", *options) as peer,
        running(config(notifications="none"), [peer.device(ZONES)], Turns) as session,
    ):
        await until(lambda: session.over == 1, "all are read")
        assert last(session) == {f"zone_{n}": n % 50 for n in range(120)}
        await session.turn()
        began = await peer.tell(counts=True)
        await session.turn()
        asked = await peer.tell(counts=True)
        multiple = asked.get("ReadPropertyMultipleRequest", 0) - began.get("ReadPropertyMultipleRequest", 0)
        single = asked.get("ReadPropertyRequest", 0) - began.get("ReadPropertyRequest", 0)
        assert (multiple, single) == ((most, 0) if most else (0, 240)), "requests of one poll"
        assert began.get("ReadPropertyMultipleRequest", 0) <= first + 2 * most
        assert not session.drops


async def test_a_dead_device_does_not_delay_the_others() -> None:
    """The dead one is waited for longer than this test takes; the other goes on every quarter of a second."""
    objects = {"analog-input:1": {"metric": "temperature"}}
    options = config(notifications="none").model_copy(update={"timeout": timedelta(minutes=5)})
    async with device() as peer, device("--mute", instance=1202) as dead:
        gone = hub.Device(
            id="bacnet:1203",
            integration="bacnet",
            place="p",
            settings={"address": f"{HOST}:{free_port()}", "objects": objects},
        )
        devices = [peer.device(objects), dead.device(objects), gone]
        async with running(options, devices) as session:
            await until(lambda: len(session.reports) >= 12, "twelve polls")
            assert {report.device for report in session.reports} == {"bacnet:1201"}
            assert (await dead.tell(counts=True))["ReadPropertyRequest"] == 1


async def test_a_dead_device_is_asked_twice_and_then_less_and_less_often() -> None:
    objects = {"analog-input:1": {"metric": "temperature"}}
    options = config(notifications="none", timeout=timedelta(seconds=0.1))
    async with device("--mute", instance=1202) as dead, running(options, [dead.device(objects)]) as session:
        turns = 0
        every = session.every

        async def counted(interval: timedelta) -> AsyncIterator[float]:
            nonlocal turns
            async for now in every(interval):
                turns += 1
                yield now

        session.every = counted  # type: ignore[method-assign]
        await until(lambda: turns >= 16, "sixteen turns")
        asked = (await dead.tell(counts=True))["ReadPropertyRequest"]
        assert 2 <= asked <= 8, "two attempts, then one after 1, 2, 4 and 8 turns"


async def test_a_device_that_returns_is_read_and_subscribed_to_again(caplog: pytest.LogCaptureFixture) -> None:
    objects, port = {"analog-input:1": {"metric": "temperature"}}, free_port()
    caplog.set_level("INFO", "hub.bacnet")
    options = config(timeout=timedelta(seconds=2), retries=0)
    async with device(port=port) as peer, running(options, [peer.device(objects)]) as session:
        await until(lambda: last(session))
        peer.stop()
        await until(lambda: "bacnet:1201 is away" in caplog.text)
        count = len(session.reports)
        async with device(port=port) as again:
            await again.tell(set=["analog-input,1", "presentValue", 5.0])
            await until(lambda: last(session)["temperature"] == 5.0)
            await until(lambda: "bacnet:1201 answers again" in caplog.text)
            assert len(session.reports) > count

            async def subscribed() -> bool:
                return await again.tell(subscriptions=True) == {"held": 1}

            await until(subscribed)
    told = re.findall("is away|answers again", caplog.text)
    assert told[:2] == ["is away", "answers again"]
    assert all(one != other for one, other in itertools.pairwise(told)), "each once"


async def test_a_controller_that_falls_silent_is_said_to_be_so_at_its_next_poll() -> None:
    objects, port = {"analog-input:1": {"metric": "temperature"}}, free_port()
    options = config(timeout=timedelta(seconds=1), retries=0)
    async with device(port=port) as peer, running(options, [peer.device(objects)]) as session:
        said = session.polling.outcomes
        await until(lambda: last(session))
        await until(lambda: peer.id not in said)
        peer.stop()
        await until(lambda: said.get(peer.id) == "silent")
        async with device(port=port):
            await until(lambda: peer.id not in said, "it is back")
    usual = Config()
    assert usual.interval + usual.timeout * (1 + usual.retries) < timedelta(minutes=2), "it is not green for so long"


async def test_a_controller_of_which_no_object_is_read_says_so_and_is_still_asked_whether_it_lives() -> None:
    objects = {"analog-input:98": {"metric": "temperature"}, "analog-input:99": {"metric": "humidity"}}
    options = config(timeout=timedelta(seconds=1), retries=0)
    async with device() as peer, running(options, [peer.device(objects)]) as session:
        said = session.polling.outcomes
        await until(lambda: said.get(peer.id) == "unread")

        async def left_in_peace() -> bool:
            return (await peer.tell(counts=True))["ReadPropertyRequest"] >= 4

        await until(left_in_peace, "the device object is read though no other is due")
        peer.stop()
        await until(lambda: said.get(peer.id) == "silent")


async def test_another_device_at_the_address_is_never_read(caplog: pytest.LogCaptureFixture) -> None:
    async with device(instance=7) as peer:
        wrong = hub.Device(
            id="bacnet:8",
            integration="bacnet",
            place="p",
            settings={"address": peer.address, "objects": {"analog-input:1": {"metric": "temperature"}}},
        )
        async with running(config(), [wrong]) as session:
            await until(lambda: ("bacnet:8", "other-device") in session.drops)
            assert "is not device 8: check its id and address" in caplog.text
            assert session.reports == []


async def test_who_is_there_is_asked_only_when_told_and_finds_a_device_by_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("integrations.bacnet.ANSWERS_S", 1.0)
    objects = {"analog-input:1": {"metric": "temperature"}}
    nowhere = hub.Device(id="bacnet:1201", integration="bacnet", place="p", settings={"objects": objects})
    async with device() as peer, device(instance=55, port=peer.port, host="127.0.0.9") as _:
        ask = {"broadcast": f"127.255.255.255:{peer.port}", "every": timedelta(seconds=30)}
        async with running(config(address="127.0.0.3", discover=ask), [nowhere]) as session:
            await until(lambda: last(session), "found by its number, and read")
            found = await until(lambda: [c for c in session.candidates if c.id == "bacnet:55"])
            assert found[0].evidence == {"address": f"127.0.0.9:{peer.port}", "vendor": "999"}
            assert {candidate.id for candidate in session.candidates} == {"bacnet:55"}

        async def both() -> bool:
            with suppress(hub.NotReady):  # on a busy machine one answers too late
                return await probe(config(discover=ask)) == "2 devices answer Who-Is"
            return False

        await until(both, "both to answer Who-Is")
        for _ in range(2):  # by the second answer, it has read all that was sent to it
            before = (await peer.tell(counts=True))["WhoIsRequest"]
        async with running(config(), [nowhere]) as session:
            await asyncio.sleep(0.8)
            assert session.reports == []
            asked = (await peer.tell(counts=True))["WhoIsRequest"]
            assert asked == before, "nothing is broadcast unless it was asked for"


async def test_a_foreign_device_asks_through_its_bbmd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.bacnet.ANSWERS_S", 1.0)
    objects = {"analog-input:1": {"metric": "temperature"}}
    nowhere = hub.Device(id="bacnet:1201", integration="bacnet", place="p", settings={"objects": objects})
    async with device("--bbmd") as peer:
        options = config(bbmd=peer.address, discover={}, bbmd_lifetime=timedelta(seconds=10))
        async with running(options, [nowhere]) as session:
            await until(lambda: last(session), "found by way of the BBMD")

        async def found() -> Phrase | None:
            with suppress(hub.NotReady):  # on a busy machine it answers too late
                said = await probe(options)
                assert isinstance(said, Phrase)
                return said
            return None

        said = await until(found, "it to answer Who-Is")
        assert (said.code, said.params) == ("bacnet.devices-answer", {"count": 1})


async def test_a_bbmd_that_refuses_or_is_away_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    async with device() as peer:  # no BBMD: it refuses
        with pytest.raises(hub.AuthFailed, match="refuses foreign devices"):
            await probe(config(bbmd=peer.address))
    monkeypatch.setattr("integrations.bacnet.bbmd.REGISTRATION_S", 0.2)
    with pytest.raises(hub.NotReady, match="does not answer"):
        await probe(config(bbmd=f"{HOST}:{free_port()}"))


async def test_an_address_that_cannot_be_had_is_told_with_its_remedy() -> None:
    with pytest.raises(hub.NotReady, match=r"192\.0\.2\.77 is no address of this machine"):
        await probe(Config(address="192.0.2.77"))
    free = await probe(Config(address=OWN, port=free_port(OWN)))
    assert "no device was asked" in free


async def test_the_address_that_is_taken_is_named_and_no_other() -> None:
    port, everybody = free_port("0.0.0.0"), "127.255.255.255"
    options = {"address": OWN, "port": port, "discover": {"broadcast": everybody}}
    for taken in ("0.0.0.0", OWN, everybody):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((taken, port))
            with pytest.raises(hub.NotReady) as caught:
                await probe(Config.model_validate(options))
        wanted = OWN if taken == "0.0.0.0" else taken
        assert str(caught.value).startswith(f"{wanted} UDP port {port} is taken: another part of this hub listens on")
        assert f"listens on {taken}:{port}" in str(caught.value)
        assert (everybody in str(caught.value)) is (taken == everybody)
