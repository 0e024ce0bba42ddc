"""Uplinks: each counted once, acknowledged only when durable, and nothing believed before its MIC."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from lorawan_peer import LoraPacket
from lorawan_world import GATEWAYS, World

from hub.pipeline.admission.clones import CounterForkDetector
from integrations.lorawan import commands as c
from integrations.lorawan.counters import expand
from integrations.lorawan.device import Radio, Version, encode
from integrations.lorawan.parts import Commit, Count, Found, Transmit
from integrations.lorawan.uplinks import Plan


@pytest.fixture
def world(lora_packet: LoraPacket) -> World:
    return World(lora_packet)


def record(world: World, dev_eui: bytes) -> bytes:
    entry = world.network.device(dev_eui)
    assert entry
    return encode(entry.memory)


@pytest.mark.real("processes")
def test_a_report_holds_what_the_device_said_and_how_it_was_heard(world: World) -> None:
    device = world.joined()
    world.send(device, b"\x01\x67\x00\xeb", fport=10, snrs=(2.0, 8.5))
    world.flush()
    report = world.stored[-1]
    assert (report.dev_eui, report.port, report.payload, report.fcnt) == (device.dev_eui, 10, b"\x01\x67\x00\xeb", 1)
    assert [r.gateway for r in report.receptions] == [GATEWAYS[1], GATEWAYS[0]]
    assert (report.best.snr, report.confirmed, report.otaa) == (8.5, False, True)


@pytest.mark.real("processes")
def test_an_unconfirmed_uplink_costs_no_sync_and_no_downlink(world: World) -> None:
    device = world.joined()
    told = len(world.told)
    assert world.send(device, b"x") == []
    commits = [d for d in world.told[told:] if isinstance(d, Commit)]
    assert [commit.durable for commit in commits] == [False]


@pytest.mark.real("processes")
def test_a_confirmed_uplink_is_acknowledged_only_after_its_report_is_durable(world: World) -> None:
    device = world.joined()
    world.stalled = True
    assert world.send(device, b"count me", confirmed=True) == []
    assert b"count me" not in [report.payload for report in world.stored]
    world.unstall()
    assert b"count me" in [report.payload for report in world.stored]
    (sent,) = world.air[1:]
    assert (sent.window, sent.delay) == (1, 5)
    said = device.downlink(sent.raw)
    assert (said["type"], said["ack"], said["fport"], said["fopts"]) == ("Unconfirmed Data Down", True, None, "")


@pytest.mark.real("processes")
def test_a_commit_that_comes_too_late_answers_in_the_second_window_or_when_the_device_repeats(world: World) -> None:
    device = world.joined()
    world.stalled = True
    frame = device.uplink(b"slow disk", confirmed=True)
    world.hear(frame)
    world.sleep(5.0)
    world.unstall()
    assert [(t.window, t.frequency) for t in world.air[1:]] == [(2, 869_525_000)]
    world.stalled = True
    frame = device.uplink(b"slower disk", confirmed=True)
    world.hear(frame)
    world.sleep(8.0)
    world.hear(frame)  # while the commit is still on its way
    assert len(world.air) == 2
    world.unstall()
    assert [t.window for t in world.air[2:]] == [1]
    assert world.payloads() == [b"hello", b"slow disk", b"slower disk"]


@pytest.mark.real("processes")
def test_a_commit_that_fails_is_made_again_when_the_device_repeats(world: World) -> None:
    device = world.joined()
    world.stalled = True
    frame = device.uplink(b"disk full", confirmed=True)
    world.hear(frame)
    (lost,) = world.waiting
    world.waiting.clear()
    world.network.aborted(lost.ticket)
    world.stalled = False
    assert [device.downlink(t.raw)["ack"] for t in world.hear(frame)] == [True]
    assert world.payloads() == [b"hello", b"disk full"]


@pytest.mark.real("processes")
@pytest.mark.parametrize("confirmed", [True, False])
def test_a_report_lost_between_its_record_and_the_disk_is_taken_from_the_repetition(
    world: World, confirmed: bool
) -> None:
    device = world.joined()
    frame = device.uplink(b"torn", confirmed=confirmed)
    world.torn = True
    world.hear(frame)
    world.flush()
    world.torn = False
    world.kill()
    assert len(world.hear(frame)) == confirmed
    assert world.payloads() == [b"torn"] if confirmed else [b"hello", b"torn"]
    world.hear(frame)
    assert len(world.payloads()) == len({report.counter for report in world.stored})


@pytest.mark.real("processes")
def test_a_repeated_confirmed_uplink_is_answered_again_and_never_reported_again(world: World) -> None:
    device = world.joined()
    frame = device.uplink(b"once", confirmed=True)
    answered = [len(world.hear(frame)) for _ in range(20)]
    assert answered == [1] * 16 + [0] * 4, "the first and fifteen repetitions: no more is a device's right"
    for sent in world.air[1:]:
        assert device.downlink(sent.raw)["ack"]
    assert world.payloads() == [b"hello", b"once"]


@pytest.mark.real("processes")
def test_a_repeated_unconfirmed_uplink_is_one_report(world: World) -> None:
    device = world.joined()
    frame = device.uplink(b"nbtrans")
    for _ in range(3):
        assert world.hear(frame) == []
    assert world.payloads() == [b"hello", b"nbtrans"]
    assert world.counted == {"repeat": 2}


@pytest.mark.real("processes")
@pytest.mark.parametrize("activation", ["otaa", "abp"])
def test_ten_thousand_captured_frames_are_accepted_not_once(lora_packet: LoraPacket, activation: str) -> None:
    world = World(lora_packet)
    device = world.joined() if activation == "otaa" else world.abp()
    captured = []
    for number in range(100):
        captured.append(device.uplink(number.to_bytes(2, "big"), confirmed=number % 7 == 0))
        world.hear(captured[-1])
    reported, sent = len(world.payloads()), len(world.air)
    rng = random.Random(7)
    for round_ in range(100):
        frame = rng.choice(captured)
        world.hear(frame[:-1] + bytes((frame[-1] ^ 1,)))  # a forged one between
        world.captured.clear()
        if round_ % 30 == 29:
            world.kill()
        for frame in rng.sample(captured, 100):
            for decision in world.network.heard(_reception(world, frame), world.now):
                world.do([decision])
        world.sleep(2.0)
    assert len(world.payloads()) == reported
    assert len(world.air) - sent <= 16, "the last frame is a confirmed one or not; answers to it are bounded"
    assert world.counted["replay"] + world.counted["repeat"] + world.counted["counter-reset"] == 10_000
    world.send(device, b"and it still works")
    assert world.payloads()[-1] == b"and it still works"


def _reception(world: World, frame: bytes):  # type: ignore[no-untyped-def]
    from integrations.lorawan.parts import Reception

    return Reception(
        gateway=GATEWAYS[0], at=world.now, raw=frame, frequency=868_100_000, rate=5, rssi=-80, snr=5, clock=1
    )


@pytest.mark.real("processes")
def test_a_frame_of_the_wrong_key_changes_nothing(world: World) -> None:
    device = world.joined()
    before = record(world, device.dev_eui)
    right, device.nwk = device.nwk, bytes(16)
    device.fcnt_up = 60_000
    world.send(device, b"forged", confirmed=True)
    assert record(world, device.dev_eui) == before
    assert world.counted == {"bad-mic": 1}
    device.nwk, device.fcnt_up = right, 1
    world.send(device, b"true")
    assert world.payloads() == [b"hello", b"true"]


@pytest.mark.real("processes")
@pytest.mark.parametrize("start", [65_533, 0x1_FFFD, 0x7FFF_FFFD])
def test_the_counter_rolls_over_its_sixteen_bits(world: World, start: int) -> None:
    device = world.abp()
    entry = world.network.device(device.dev_eui)
    assert entry
    assert entry.memory.current
    entry.memory.current.fcnt_up = start
    device.fcnt_up = start + 1
    for number in range(6):
        world.send(device, bytes((number,)))
    world.flush()
    assert [report.fcnt for report in world.stored] == [start + 1 + n for n in range(6)]


@pytest.mark.real("processes")
def test_a_long_absence_is_no_end(world: World) -> None:
    """MAX_FCNT_GAP of 1.0.3 would refuse this device for ever."""
    device = world.abp()
    world.send(device, b"first")
    device.fcnt_up = 40_000
    world.send(device, b"later")
    device.fcnt_up = 40_000 + 65_000
    world.send(device, b"much later")
    assert world.payloads() == [b"first", b"later", b"much later"]


@pytest.mark.real("processes")
def test_a_counter_that_fell_back_is_named(world: World) -> None:
    device = world.abp()
    for number in range(20):
        world.send(device, bytes((number,)))
    device.fcnt_up = 0
    world.send(device, b"battery changed")
    assert world.counted == {"counter-reset": 1}
    for counter in (40_000, 70_000):  # a gap of 65,536 or more cannot be told from a forgery
        device.fcnt_up = counter
        world.send(device, b"on")
    device.fcnt_up = 3
    world.send(device, b"again")
    assert world.counted == {"counter-reset": 2}
    assert world.payloads()[-1] == b"on"


@pytest.mark.real("processes")
def test_the_last_counter_of_all_ends_the_session(world: World) -> None:
    device = world.abp()
    entry = world.network.device(device.dev_eui)
    assert entry
    assert entry.memory.current
    entry.memory.current.fcnt_up = device.fcnt_up = 0xFFFF_FFFF
    device.fcnt_up = 0xFFFF_FFFE
    world.send(device, b"")
    assert world.counted == {"counter-exhausted": 1}


@pytest.mark.parametrize(
    ("last", "short", "counter"),
    [(-1, 0, 0), (-1, 65535, 65535), (0, 1, 1), (0, 0, 65536), (65535, 0, 65536), (70000, 70000 - 65536, 135536)],
)
def test_sixteen_bits_become_the_next_counter_above_the_last(last: int, short: int, counter: int) -> None:
    assert expand(last, short) == counter


@pytest.mark.real("processes")
def test_devices_that_share_an_address_are_told_apart(world: World) -> None:
    one, two = world.abp(9, 0x01020304), world.abp(11, 0x01020304)
    world.send(one, b"one")
    world.send(two, b"two")
    world.flush()
    assert [(report.dev_eui, report.payload) for report in world.stored] == [
        (one.dev_eui, b"one"),
        (two.dev_eui, b"two"),
    ]
    one.nwk = bytes(16)
    world.send(one, b"none")
    assert world.counted == {"bad-mic": 1}


@pytest.mark.real("processes")
def test_a_gateway_that_is_not_on_the_list_is_not_heard(world: World) -> None:
    device = world.joined()
    frame = device.uplink(b"by a stranger")
    del world.network.gateways[GATEWAYS[1]]
    world.hear(frame, snrs=(0.0, 9.0))
    assert [f.eui.hex() for f in world.told if isinstance(f, Found)] == [GATEWAYS[1]]
    world.flush()
    assert [r.gateway for r in world.stored[-1].receptions] == [GATEWAYS[0]]


@pytest.mark.real("processes")
def test_frames_that_are_none_of_ours_are_counted(world: World) -> None:
    for raw in (
        bytes(23),  # a join request of nobody
        bytes.fromhex("40f17dbe4900020001954378762b11ff0d"),  # data of a neighbour
        bytes.fromhex("60f17dbe4900020001954378762b11ff0d"),  # a downlink
        bytes.fromhex("20" + "00" * 16),
        bytes.fromhex("c0" + "00" * 18),
        b"\xe0junk of a sort",
        b"short",
    ):
        assert world.hear(raw) == []
    assert world.counted == {
        "unknown-devaddr": 1, "not-an-uplink": 2, "unsupported-rejoin": 1, "proprietary": 1, "truncated": 1,
    }  # fmt: skip
    assert not [d for d in world.told if isinstance(d, Commit | Transmit)]


@pytest.mark.real("processes")
def test_a_link_check_and_the_time_are_answered_in_the_windows(world: World) -> None:
    device = world.joined()
    (sent,) = world.send(device, fopts=b"\x02\x0d", fport=None, snrs=(1.0, 5.0))
    row, _ = c.parse(bytes.fromhex(device.downlink(sent.raw)["fopts"]), uplink=False)
    check, clock = row
    assert check == c.LinkCheckAns(round(5.0 + 7.5), 2)
    assert isinstance(clock, c.DeviceTimeAns)


@pytest.mark.real("processes")
def test_mac_commands_on_port_0_are_read_and_are_no_reading(world: World) -> None:
    device = world.joined()
    (sent,) = world.send(device, b"\x02", fport=0)
    assert device.downlink(sent.raw)["fopts"].startswith("02")
    world.flush()
    assert (world.stored[-1].port, world.stored[-1].payload) == (0, b"")


@pytest.mark.real("processes")
def test_hostile_fopts_are_counted_and_the_reading_is_kept(world: World) -> None:
    device = world.joined()
    world.send(device, b"reading", fopts=b"\x03\x07\xff" * 5)
    assert world.payloads()[-1] == b"reading"
    assert world.counted == {"unexpected-mac-answer": 1, "unknown-mac-command-ff": 1}


@pytest.mark.real("processes")
def test_a_device_that_asks_whether_anybody_is_there_is_answered(world: World) -> None:
    device = world.joined()
    (sent,) = world.send(device, b"x", adr_ack_req=True)
    assert device.downlink(sent.raw)["ack"] is False


@pytest.mark.real("processes")
def test_an_abp_device_is_left_as_its_factory_set_it(lora_packet: LoraPacket) -> None:
    world = World(lora_packet, plan=Plan(radio=Radio(rx_delay=5, rx2_rate=3), status_s=0))
    device = world.abp(radio=Radio(rx_delay=1))
    (sent,) = world.send(device, b"x", confirmed=True)
    assert (sent.delay, device.downlink(sent.raw)["fopts"]) == (1, "")


@pytest.mark.real("processes")
def test_an_abp_device_with_new_keys_starts_anew(world: World) -> None:
    device = world.abp()
    world.send(device, b"one")
    device.fcnt_up = 500
    world.send(device, b"two")
    world.flush()
    other = world.abp(address=0x01020305)
    world.send(other, b"three")
    assert world.payloads() == [b"one", b"two", b"three"]


@pytest.mark.real("processes")
def test_adr_brings_a_near_device_to_a_fast_rate_step_by_step_and_hears_its_yes(world: World) -> None:
    device = world.joined()
    for _ in range(18):
        assert world.send(device, b"x", adr=True, rate=0, snrs=(4.0,)) == []
    rate, answer, asked = 0, b"", []
    for _ in range(10):
        sent = world.send(device, b"x", adr=True, rate=rate, snrs=(4.0,), fopts=answer)
        answer = b""
        if sent:
            (request,), _ = c.parse(bytes.fromhex(device.downlink(sent[0].raw)["fopts"]), uplink=False)
            assert isinstance(request, c.LinkADRReq)
            asked.append((request.rate, request.power, request.mask))
            if len(asked) != 1:  # the first is not heard: it is asked again
                rate, answer = request.rate, c.build([c.LinkADRAns(True, True, True)])
    assert asked == [(4, 0, 0b111), (4, 0, 0b111), (5, 0, 0b111)]


@pytest.mark.real("processes")
def test_a_device_without_adr_is_left_alone(world: World) -> None:
    device = world.joined()
    for _ in range(30):
        assert world.send(device, b"x", adr=False, rate=0, snrs=(4.0,)) == []
    fixed = world.joined(2, adr=False)
    for _ in range(30):
        assert world.send(fixed, b"x", adr=True, rate=0, snrs=(4.0,)) == []


@pytest.mark.real("processes")
def test_a_device_is_asked_for_its_battery_once_a_day_and_the_answer_is_in_its_report(lora_packet: LoraPacket) -> None:
    world = World(lora_packet, plan=Plan())
    device = world.otaa(version=Version.V1_0_4)
    world.join(device, 0)
    (sent,) = world.send(device, b"x")
    assert device.downlink(sent.raw)["fopts"] == "06"
    world.send(device, b"y", fopts=b"\x06\xfe\x05")
    world.flush()
    assert (world.stored[0].battery, world.stored[1].battery) == (None, 100.0)
    assert world.send(device, b"z") == []
    world.now += 86_400
    assert len(world.send(device, b"next day")) == 1


@pytest.mark.real("processes")
@pytest.mark.parametrize("ahead", [0, 40, 5000])
def test_two_senders_in_one_session_are_told_by_the_second_frame_and_a_repeat_is_not(world: World, ahead: int) -> None:
    """Its clone goes on from the same counter, or far ahead; each speaks in turn."""
    device = world.joined()
    for number in range(20):
        world.send(device, bytes((number,)))
    world.hear(device.uplink(b"again", fport=3))
    world.hear(world.captured[-1])
    clone = replace(device)
    clone.fcnt_up += ahead
    turns = [(clone, b"clone"), (device, b"true")] * (2 if ahead else 1)
    frames = [sender.uplink(word) for sender, word in turns]
    seen = len(world.told)
    for frame in frames:
        world.hear(frame)
    forks, found = CounterForkDetector(), []
    for number, said in enumerate(world.told):
        if isinstance(said, Commit) and said.report is not None:
            forks.fresh(said.report.counter, said.report.content)
        elif isinstance(said, Count) and said.stale is not None:
            found.append((number >= seen, bool(forks.stale(*said.stale))))
    assert (False, True) not in found, "a repeat is no clone"
    assert found[-1] == (True, True)


@pytest.mark.real("processes")
def test_a_device_that_starts_over_is_no_clone(world: World) -> None:
    """The first counters of ABP come again with a new battery."""
    device = world.abp()
    for word in (b"one", b"two"):
        world.send(device, word)
    device.fcnt_up = 1
    world.hear(device.uplink(b"after the new battery"))
    assert [said.stale for said in world.told if isinstance(said, Count)] == [None]
