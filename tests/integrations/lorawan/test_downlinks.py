"""Downlinks: windows, gateways, confirmation, expiry, airtime, class C, and leases."""

from __future__ import annotations

import pytest
from lorawan_peer import LoraPacket
from lorawan_world import GATEWAYS, WALL, World

from integrations.lorawan.device import LEASE, Radio, decode
from integrations.lorawan.downlink import ATTEMPTS, LONGEST, MOST_WAITING
from integrations.lorawan.parts import Commit, State
from integrations.lorawan.region import BANDS
from integrations.lorawan.uplinks import Plan

pytestmark = pytest.mark.real("processes")

S = State


@pytest.fixture
def world(lora_packet: LoraPacket) -> World:
    return World(lora_packet)


def test_an_unconfirmed_downlink_goes_into_the_next_window_and_is_done_when_sent(world: World) -> None:
    device = world.joined()
    assert world.submit(device, b"set") == [("d", S.ACCEPTED), ("d", S.QUEUED)]
    (sent,) = world.send(device, b"x")
    said = device.downlink(sent.raw)
    assert (said["fport"], said["payload"], said["ack"], said["pending"]) == (7, b"set".hex(), False, False)
    assert world.states()[2:] == [("d", S.SENT), ("d", S.DONE)]
    assert world.send(device, b"y") == []


def test_a_confirmed_downlink_is_done_when_the_device_says_so(world: World) -> None:
    device = world.joined()
    world.submit(device, b"set", confirmed=True)
    (sent,) = world.send(device, b"x")
    assert device.downlink(sent.raw)["type"] == "Confirmed Data Down"
    world.send(device, b"y", ack=True)
    assert world.states()[2:] == [("d", S.SENT), ("d", S.DONE)]


def test_a_confirmed_downlink_is_repeated_with_new_counters_and_given_up(world: World) -> None:
    device = world.joined()
    world.submit(device, b"set", confirmed=True)
    counters = []
    for _ in range(ATTEMPTS):
        (sent,) = world.send(device, b"deaf")
        device.downlink(sent.raw)
        counters.append(device.fcnt_down)
    assert counters == sorted(set(counters))
    assert world.send(device, b"still deaf") == []
    assert world.moved[-1].state is S.FAILED
    assert "4 attempts" in world.moved[-1].why


def test_downlinks_keep_their_order_and_tell_that_more_waits(world: World) -> None:
    device = world.joined()
    for name in ("a", "b", "c"):
        world.submit(device, name.encode(), name=name)
    said = [device.downlink(world.send(device)[0].raw) for _ in range(3)]
    assert [(bytes.fromhex(s["payload"]), s["pending"]) for s in said] == [(b"a", True), (b"b", True), (b"c", False)]


def test_a_downlink_expires_whether_the_device_speaks_or_not(world: World) -> None:
    device = world.joined()
    world.submit(device, b"soon", ttl=60)
    world.sleep(61)
    assert world.states()[-1] == ("d", S.EXPIRED)
    assert world.send(device, b"x") == []
    assert world.submit(device, b"late", ttl=-1) == [("d", S.EXPIRED)]


def test_a_downlink_that_a_gateway_has_is_not_called_expired_unless_the_gateway_gives_it_back(world: World) -> None:
    device = world.joined()
    world.answer = False
    for back in (False, True):
        world.submit(device, b"soon", ttl=2.5)
        (order,) = world.send(device, b"x")
        world.sleep(1)
        assert world.states()[-1] == ("d", S.SENT), "it may be carried out yet"
        if back:
            world.do(world.network.refused(order.id, order.gateway, "too-late", world.now))
        else:
            world.do(world.network.transmitted(order.id, order.gateway, world.now))
        assert world.states()[-1] == ("d", S.EXPIRED if back else S.DONE)
        assert world.air[-1] is order


def test_what_cannot_be_sent_is_refused_at_once(world: World) -> None:
    device = world.joined()
    assert world.submit(device, bytes(LONGEST + 1)) == [("d", S.FAILED)]
    device.dev_eui, known = b"\0" * 8, device.dev_eui
    assert world.submit(device, b"x") == [("d", S.FAILED)]
    device.dev_eui = known
    for number in range(MOST_WAITING):
        world.submit(device, b"x", name=str(number))
    assert world.submit(device, b"x") == [("d", S.FAILED)]
    world.do(world.network.remove(device.dev_eui))
    assert world.states()[-MOST_WAITING:] == [(str(n), S.FAILED) for n in range(MOST_WAITING)]


def test_a_long_downlink_takes_the_window_that_has_room_for_it(lora_packet: LoraPacket) -> None:
    world = World(lora_packet, plan=Plan(radio=Radio(rx_delay=5, rx2_rate=3), status_s=0))
    device = world.joined()
    world.submit(device, bytes(100))
    (sent,) = world.send(device, b"far away", rate=0)
    assert (sent.window, sent.rate) == (2, 3)
    assert device.downlink(sent.raw)["payload"] == bytes(100).hex()


def test_a_downlink_too_long_for_both_windows_waits_and_the_acknowledgement_does_not(world: World) -> None:
    device = world.joined()
    world.submit(device, bytes(100))
    (sent,) = world.send(device, b"far away", rate=0, confirmed=True)
    said = device.downlink(sent.raw)
    assert (said["ack"], said["pending"], said["fport"]) == (True, True, None)
    assert world.send(device, b"far away", rate=0) == []
    (sent,) = world.send(device, b"near", rate=5)
    assert device.downlink(sent.raw)["payload"] == bytes(100).hex()


def test_the_gateway_that_hears_best_answers(world: World) -> None:
    device = world.joined()
    (sent,) = world.send(device, b"x", confirmed=True, snrs=(-5.0, 7.0))
    assert sent.gateway == GATEWAYS[1]
    assert sent.after
    assert sent.after.gateway == GATEWAYS[1]


def test_a_gateway_that_sends_already_leaves_the_window_to_another_or_to_the_next(world: World) -> None:
    one, two, three = (world.joined(n) for n in (1, 2, 3))
    world.sleep(10)
    before = len(world.air)
    frames = [device.uplink(b"x", confirmed=True) for device in (one, two, three)]
    for frame in frames:  # heard by both gateways in the same 60 ms
        for gateway, snr in zip(GATEWAYS, (5.0, 2.0), strict=True):
            world.do(world.network.heard(_reception(world, frame, gateway, snr), world.now))
        world.now += 0.02
    world.sleep(1.0)
    sent = world.air[before:]
    assert [(t.gateway, t.window) for t in sent] == [(GATEWAYS[0], 1), (GATEWAYS[1], 1), (GATEWAYS[0], 2)]


def _reception(world: World, frame: bytes, gateway: str, snr: float):  # type: ignore[no-untyped-def]
    from integrations.lorawan.parts import Reception

    return Reception(
        gateway=gateway,
        at=world.now,
        raw=frame,
        frequency=868_100_000,
        rate=5,
        rssi=-80,
        snr=snr,
        time=WALL + world.now,
        clock=round(world.now * 1e6),
    )


def test_a_gateway_that_is_away_leaves_the_answer_to_another(world: World) -> None:
    device = world.joined()
    world.network.gateways[GATEWAYS[0]].reachable = False
    (sent,) = world.send(device, b"x", confirmed=True, snrs=(9.0, 1.0))
    assert sent.gateway == GATEWAYS[1]
    world.network.gateways[GATEWAYS[1]].reachable = False
    assert world.send(device, b"y", confirmed=True, snrs=(9.0, 1.0)) == []
    assert world.counted["no-slot-gateway-away"] == 1


def test_a_gateway_without_a_clock_is_not_asked_for_a_window(world: World) -> None:
    from msgspec.structs import replace

    device = world.joined()
    frame = device.uplink(b"x", confirmed=True)
    world.do(world.network.heard(replace(_reception(world, frame, GATEWAYS[0], 5.0), clock=None), world.now))
    world.sleep(1.0)
    assert world.counted["no-slot-no-clock"] == 1


def test_the_law_on_airtime_is_kept_and_what_cannot_be_sent_is_counted(lora_packet: LoraPacket) -> None:
    world = World(lora_packet, gateways=1)
    device = world.joined()
    sent = [s for _ in range(600) for s in world.send(device, b"x", confirmed=True, rate=0)]
    space = world.network.gateways[GATEWAYS[0]]
    left = space.left(world.now)
    assert left["M"] >= 0
    assert left["P"] >= 0
    assert {t.window for t in sent} == {1, 2}, "RX1 until its share is used up, then RX2"
    assert left["M"] < 1.2
    assert world.counted["no-slot-duty-cycle"] + len(sent) == 600
    assert len(world.payloads()) == 601, "no reading is lost for want of airtime"


def test_a_refused_downlink_is_tried_in_the_next_window_with_a_new_counter(world: World) -> None:
    device = world.joined()
    world.submit(device, b"set")
    world.answer = False
    (first,) = world.send(device, b"x")
    world.do(world.network.refused(first.id, first.gateway, "collision-packet", world.now))
    second = world.air[-1]
    assert (second.window, second.gateway) == (2, GATEWAYS[0])
    assert int.from_bytes(second.raw[6:8], "little") == int.from_bytes(first.raw[6:8], "little") + 1
    assert device.downlink(second.raw)["payload"] == b"set".hex()
    world.do(world.network.transmitted(second.id, second.gateway, world.now))
    assert world.states()[2:] == [("d", S.SENT), ("d", S.QUEUED), ("d", S.SENT), ("d", S.DONE)]
    assert world.counted["tx-refused-collision-packet"] == 1
    space = world.network.gateways[GATEWAYS[0]]
    assert len([slot for slot in space.slots if slot.id == first.id]) == 0, "its airtime is given back"


def test_a_gateway_that_says_nothing_is_counted_and_a_command_is_not_sent_twice(world: World) -> None:
    device = world.joined()
    world.submit(device, b"once", name="u")
    world.answer = False
    assert len(world.send(device, b"x")) == 1
    world.sleep(15)
    assert world.counted["tx-unanswered"] == 1
    assert world.states()[-1] == ("u", S.FAILED)
    assert world.send(device, b"y") == []


def test_a_confirmed_downlink_through_a_silent_gateway_waits_for_the_devices_word(world: World) -> None:
    device = world.joined()
    world.answer = False
    world.submit(device, b"set", confirmed=True)
    (sent,) = world.send(device, b"x")
    device.downlink(sent.raw)
    world.sleep(15)
    world.send(device, b"y", ack=True)
    assert world.states()[-1] == ("d", S.DONE)


def test_a_gateway_cannot_speak_of_anothers_downlink(world: World) -> None:
    device = world.joined()
    world.submit(device, b"set")
    world.answer = False
    (sent,) = world.send(device, b"x")
    assert world.network.transmitted(sent.id, GATEWAYS[1], world.now) == []
    assert world.network.refused(sent.id, GATEWAYS[1], "too-late", world.now) == []
    world.do(world.network.transmitted(sent.id, GATEWAYS[0], world.now))
    assert world.states()[-1] == ("d", S.DONE)


def test_reports_of_a_gateway_about_nothing_are_passed_over(world: World) -> None:
    assert world.network.transmitted(99, GATEWAYS[0], 0.0) == []
    assert world.network.refused(99, GATEWAYS[0], "too-late", 0.0) == []
    assert world.network.committed(99, 0.0) == []
    world.network.aborted(99)


class TestClassC:
    def test_a_downlink_leaves_at_once_in_rx2(self, world: World) -> None:
        device = world.joined(class_c=True)
        world.sleep(20)
        world.submit(device, b"now")
        sent = world.air[-1]
        assert (sent.window, sent.after, sent.frequency, sent.rate) == (0, None, 869_525_000, 0)
        assert device.downlink(sent.raw)["payload"] == b"now".hex()
        assert world.states()[2:] == [("d", S.SENT), ("d", S.DONE)]

    def test_it_waits_until_the_windows_of_an_uplink_are_over(self, world: World) -> None:
        device = world.joined(class_c=True)
        world.send(device, b"x")
        at = world.now
        world.submit(device, b"soon")
        assert len(world.air) == 1
        world.sleep(20)
        assert len(world.air) == 2
        assert world.now - at == 20

    def test_a_confirmed_one_is_repeated_without_waiting_for_an_uplink(self, world: World) -> None:
        device = world.joined(class_c=True)
        world.sleep(20)
        world.submit(device, b"now", confirmed=True)
        world.sleep(100)
        assert len(world.air) == 1 + ATTEMPTS
        for sent in world.air[1:]:
            device.downlink(sent.raw)
        assert world.states()[-1] == ("d", S.FAILED)

    def test_several_leave_one_after_the_other(self, world: World) -> None:
        device = world.joined(class_c=True)
        world.sleep(20)
        for number in range(5):
            world.submit(device, bytes((number,)), name=str(number))
        world.sleep(60)
        assert [device.downlink(t.raw)["payload"] for t in world.air[1:]] == [f"{n:02x}" for n in range(5)]

    def test_nothing_leaves_before_the_device_was_heard_in_this_life(self, world: World) -> None:
        device = world.joined(class_c=True)
        world.flush()
        world.kill()
        world.submit(device, b"who are you")
        world.sleep(60)
        assert len(world.air) == 1
        world.send(device, b"me")
        assert device.downlink(world.air[-1].raw)["payload"] == b"who are you".hex()

    def test_a_share_used_up_is_waited_for(self, world: World) -> None:
        device = world.joined(class_c=True)
        world.sleep(20)
        band = next(band for band in BANDS if band.name == "P")
        for space in world.network.gateways.values():
            space.reserve(0, band, -1.0, 360.0, world.now - 360)
        world.submit(device, b"patience", ttl=10_000)
        assert world.counted["no-slot-duty-cycle"] >= 1
        world.sleep(3610)
        assert device.downlink(world.air[-1].raw)["payload"] == b"patience".hex()


class TestLeases:
    def test_a_sync_is_paid_once_in_64_downlinks(self, world: World) -> None:
        device = world.abp()
        durable = []
        for _ in range(3 * LEASE):
            told = len(world.told)
            world.submit(device, b"x")
            (sent,) = world.send(device, b"y")
            device.downlink(sent.raw)
            durable.append(any(d.durable for d in world.told[told:] if isinstance(d, Commit)))
        assert [i for i, paid in enumerate(durable) if paid] == [0, LEASE, 2 * LEASE]

    def test_after_a_kill_the_rest_of_the_lease_is_skipped(self, world: World) -> None:
        device = world.abp()
        for _ in range(3):
            world.send(device, b"x", confirmed=True)
        world.kill()
        (sent,) = world.send(device, b"x", confirmed=True)
        assert int.from_bytes(sent.raw[6:8], "little") == LEASE

    def test_a_record_that_may_be_an_older_copy_skips_more(self, world: World) -> None:
        device = world.joined()
        world.send(device, b"x", confirmed=True)
        memory = decode(world.disk[device.dev_eui], jumps=1024)
        assert memory.current
        assert memory.current.fcnt_down == LEASE + 1024
        assert memory.join_nonce == device.nonces[0] + LEASE + 1024

    def test_a_record_that_counted_restorations_themselves_skips_no_less(self, world: World) -> None:
        """A former version counted how often, not how far; this device was away when the state was put back."""
        device = world.joined()
        world.send(device, b"x", confirmed=True)
        memory = decode(world.disk[device.dev_eui], jumps=1)
        assert memory.current
        assert memory.current.fcnt_down == LEASE + 1024

    def run(self, world: World) -> None:
        device = world.abp()
        for number in range(30):
            world.submit(device, bytes((number,)))
            for sent in world.send(device, b"x"):
                device.downlink(sent.raw)
            if number % 5 == 4:
                world.kill()

    def test_no_counter_is_used_twice_over_kills(self, world: World) -> None:
        self.run(world)

    def test_a_network_told_too_early_that_a_lease_is_durable_is_caught(self, lora_packet: LoraPacket) -> None:
        """The broken twin: the same run with a disk that says yes before it has written."""
        with pytest.raises(AssertionError, match="counter that did not rise"):
            self.run(World(lora_packet, late_lease=True))
