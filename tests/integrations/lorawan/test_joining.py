"""Joining: versions, nonces, two sessions at once, and a person's word."""

from __future__ import annotations

import pytest
from lorawan_peer import LoraPacket
from lorawan_world import WALL, World

from integrations.lorawan.device import (
    REJOIN_S,
    Device,
    Memory,
    Radio,
    Version,
    decode,
    encode,
    known_nonce,
    remember_nonce,
)
from integrations.lorawan.parts import Audit, Commit, Found, Joined
from integrations.lorawan.uplinks import Plan

FIVE = dict(enumerate([868_100_000, 868_300_000, 868_500_000, 867_100_000, 867_300_000]))


@pytest.fixture
def world(lora_packet: LoraPacket) -> World:
    return World(lora_packet)


@pytest.mark.real("processes")
def test_a_device_joins_in_its_first_window_and_speaks(world: World) -> None:
    device = world.otaa()
    sent = world.hear(device.join_request(0x1234), rate=3, frequency=868_300_000)
    assert [(t.window, t.delay, t.frequency, t.rate, t.eirp) for t in sent] == [(1, 5, 868_300_000, 3, 16)]
    said = device.join_accept(sent[0].raw)
    assert (said["rx1Offset"], said["rx2Rate"], said["delay"], said["netId"]) == (0, 0, 5, 0)
    assert said["address"] >> 25 == 0
    assert world.send(device, b"21.5") == []
    assert world.payloads() == [b"21.5"]
    assert [d.proven for d in world.told if isinstance(d, Joined)] == [False, True]


@pytest.mark.real("processes")
def test_the_channel_plan_travels_in_the_join_accept(lora_packet: LoraPacket) -> None:
    world = World(lora_packet, plan=Plan(radio=Radio(rx_delay=5, rx2_rate=3, rx1_offset=2, channels=FIVE), status_s=0))
    device = world.otaa()
    said = world.join(device, 1)
    assert said
    assert (said["rx1Offset"], said["rx2Rate"], said["cflist"]) == (2, 3, "184f84e85684" + "00" * 10)
    assert world.send(device, b"x", confirmed=True, rate=5)[0].rate == 3, "RX1 two steps slower, as it was told"


@pytest.mark.real("processes")
def test_nothing_leaves_before_the_session_is_durable(world: World) -> None:
    device = world.otaa()
    world.stalled = True
    assert world.hear(device.join_request(1)) == []
    world.unstall()
    assert len(world.air) == 1
    sent = next(i for i, d in enumerate(world.told) if d is world.air[0])
    commit = next(d for d in world.told[:sent] if isinstance(d, Commit))
    assert commit.durable
    (pending,) = decode(world.disk[device.dev_eui]).pending
    assert device.join_accept(world.air[0].raw)["nwk"] == pending.nwk_s_key.hex()


@pytest.mark.real("processes")
def test_a_disk_that_is_slow_sends_the_accept_into_the_second_window_and_too_slow_into_none(world: World) -> None:
    device = world.otaa()
    world.stalled = True
    world.hear(device.join_request(1))
    world.sleep(5.0)
    world.unstall()
    assert [(t.window, t.delay, t.frequency, t.rate) for t in world.air] == [(2, 6, 869_525_000, 0)]
    device.join_accept(world.air[0].raw)
    world.stalled = True
    world.hear(device.join_request(2))
    world.sleep(6.0)
    world.unstall()
    assert len(world.air) == 1
    assert world.counted["no-slot-late"] == 1


@pytest.mark.real("processes")
@pytest.mark.parametrize("version", [Version.V1_0_0, Version.V1_0_1, Version.V1_0_2, Version.V1_0_3])
def test_until_1_0_3_any_unused_devnonce_will_do(world: World, version: Version) -> None:
    device = world.otaa(version=version)
    assert world.join(device, 5000)
    assert world.join(device, 3), "lower, and never used"
    assert world.join(device, 5000) is None
    assert world.join(device, 3) is None
    assert world.counted["used-devnonce"] == 2


@pytest.mark.real("processes")
def test_from_1_0_4_the_devnonce_must_rise(world: World) -> None:
    device = world.otaa(version=Version.V1_0_4)
    assert world.join(device, 0)
    assert world.join(device, 1)
    assert world.join(device, 7)
    assert world.join(device, 5) is None
    assert world.join(device, 7) is None
    assert world.counted == {"devnonce-not-rising": 1, "used-devnonce": 1}


@pytest.mark.real("processes")
@pytest.mark.parametrize("version", [Version.V1_0_2, Version.V1_0_4])
def test_used_devnonces_outlive_the_process(world: World, version: Version) -> None:
    device = world.otaa(version=version)
    world.join(device, 9)
    world.kill()
    assert world.join(device, 9) is None
    assert world.join(device, 10)


@pytest.mark.real("processes")
def test_the_old_session_lives_until_the_first_uplink_of_the_new_one(world: World) -> None:
    device = world.joined()
    old = (device.address, device.nwk, device.app)
    old_fcnt = device.fcnt_up
    assert world.join(device, 2)
    new = (device.address, device.nwk, device.app)
    assert new != old

    def speak(session: tuple[int, bytes, bytes], fcnt: int, payload: bytes) -> None:
        device.address, device.nwk, device.app = session
        device.fcnt_up = fcnt
        world.send(device, payload)

    speak(old, old_fcnt, b"the accept was not heard")
    speak(new, 0, b"now it was")
    speak(old, old_fcnt + 1, b"never again")
    assert world.payloads() == [b"hello", b"the accept was not heard", b"now it was"]
    assert world.counted["unknown-devaddr"] == 1
    counters = [report.counter for report in world.stored]
    assert counters == sorted(counters), "rising over both sessions"


@pytest.mark.real("processes")
def test_two_sessions_survive_a_kill_between_join_and_first_uplink(world: World) -> None:
    device = world.joined()
    world.flush()
    world.join(device, 2)
    world.kill()
    world.send(device, b"after the kill")
    assert world.payloads() == [b"hello", b"after the kill"]


@pytest.mark.real("processes")
def test_a_device_may_use_any_session_it_was_offered_and_ends_the_earlier_ones_by_it(world: World) -> None:
    device = world.otaa()
    offers = []
    for nonce in range(1, 7):
        world.join(device, nonce)
        offers.append((device.address, device.nwk, device.app))

    def speak(session: tuple[int, bytes, bytes], payload: bytes) -> None:
        device.address, device.nwk, device.app = session
        device.fcnt_up = 0
        world.send(device, payload)

    speak(offers[0], b"forgotten: four are kept")
    speak(offers[3], b"fourth")
    speak(offers[2], b"third")
    speak(offers[5], b"sixth")
    speak(offers[4], b"fifth")
    assert world.payloads() == [b"fourth", b"sixth"]


@pytest.mark.real("processes")
def test_joinnonces_are_never_used_twice_over_many_kills(world: World) -> None:
    device = world.otaa()
    for nonce in range(1, 41):
        assert world.join(device, nonce)
        if nonce % 3 == 0:
            world.kill()
    assert len(set(device.nonces)) == 40
    assert device.nonces == sorted(device.nonces)


@pytest.mark.real("processes")
def test_a_hub_that_lost_its_state_goes_on_above_the_joinnonces_it_used(world: World) -> None:
    device = world.otaa()
    for nonce in range(1, 4):
        world.join(device, nonce)
    world.disk.clear()
    world.kill()
    world.now += 3600
    assert world.join(device, 4)
    assert device.nonces == sorted(set(device.nonces))


@pytest.mark.real("processes")
def test_a_wrong_key_changes_nothing(world: World) -> None:
    device = world.otaa()
    before = encode(world.network.device(device.dev_eui).memory)  # type: ignore[union-attr]
    device.app_key = bytes(16)
    assert world.hear(device.join_request(1)) == []
    assert encode(world.network.device(device.dev_eui).memory) == before  # type: ignore[union-attr]
    assert world.counted == {"bad-mic": 1}


@pytest.mark.real("processes")
def test_a_stranger_that_wants_to_join_is_shown_and_not_answered(world: World) -> None:
    stranger = world.otaa(7)
    world.network.remove(stranger.dev_eui)
    assert world.hear(stranger.join_request(1)) == []
    found = [d for d in world.told if isinstance(d, Found)]
    assert [(f.kind, f.eui) for f in found] == [("device", stranger.dev_eui)]
    assert not [d for d in world.told if isinstance(d, Commit)]


@pytest.mark.real("processes")
def test_another_joineui_than_typed_in_is_noticed_and_forgiven(world: World) -> None:
    device = world.otaa(join_eui=b"\x01" * 8)
    assert world.join(device, 1)
    assert world.counted["other-join-eui"] == 1


@pytest.mark.real("processes")
def test_an_abp_device_does_not_join(world: World) -> None:
    device = world.abp()
    device.app_key = bytes(16)
    assert world.hear(device.join_request(1)) == []
    assert world.counted == {"join-of-abp-device": 1}


@pytest.mark.real("processes")
def test_another_appkey_is_another_life_and_joinnonces_go_on(world: World) -> None:
    device = world.otaa(version=Version.V1_0_4)
    world.join(device, 9)
    world.send(device, b"old key")
    world.flush()
    device.app_key = b"\x77" * 16
    world.admit(Device(dev_eui=device.dev_eui, app_key=device.app_key, version=Version.V1_0_4))
    assert world.join(device, 1), "its count begins again"
    world.send(device, b"new key")
    world.flush()
    world.kill()
    assert world.join(device, 1) is None
    world.send(device, b"still")
    assert world.payloads() == [b"old key", b"new key", b"still"]
    assert device.nonces == sorted(set(device.nonces))
    assert [report.counter for report in world.stored] == sorted({report.counter for report in world.stored})


class TestAPersonsWord:
    def authorise(self, world: World, dev_eui: bytes, word: str = "technicien") -> None:
        world.do(world.network.authorise_rejoin(dev_eui, word, WALL + world.now + REJOIN_S, world.now))

    @pytest.mark.real("processes")
    @pytest.mark.parametrize("version", [Version.V1_0_2, Version.V1_0_4])
    def test_lets_a_device_that_lost_its_count_join_once(self, world: World, version: Version) -> None:
        device = world.joined(version=version)
        for nonce in (5, 6):
            world.join(device, nonce)
            world.send(device)
        assert world.join(device, 1) is None
        self.authorise(world, device.dev_eui)
        assert [a.who for a in world.told if isinstance(a, Audit)] == ["technicien"]
        assert world.join(device, 1)
        world.send(device, b"back")
        assert world.payloads()[-1] == b"back"
        assert len([a for a in world.told if isinstance(a, Audit)]) == 2
        assert world.join(device, 5) is None, "its word is used up"
        assert bool(world.join(device, 2)) is True, "it counts on from its new life"

    @pytest.mark.real("processes")
    def test_holds_until_the_device_speaks_but_takes_each_devnonce_once(self, world: World) -> None:
        device = world.joined(version=Version.V1_0_4)
        captured = device.join_request(1)
        self.authorise(world, device.dev_eui)
        assert world.hear(captured), "a captured request wastes one accept"
        assert world.hear(captured) == []
        assert world.join(device, 0), "and does not use the word up"
        world.send(device, b"really")
        assert world.payloads() == [b"hello", b"really"]

    @pytest.mark.real("processes")
    def test_ends_after_a_day_and_survives_a_kill(self, world: World) -> None:
        device = world.joined()
        self.authorise(world, device.dev_eui)
        world.flush()
        world.kill()
        world.now += REJOIN_S - 10
        assert world.join(device, 1)
        world.now += 20
        assert world.join(device, 1) is None

    @pytest.mark.real("processes")
    def test_counts_once_though_it_is_given_again_after_each_restart(self, world: World) -> None:
        device = world.joined(version=Version.V1_0_4)
        self.authorise(world, device.dev_eui, "word")
        world.kill()  # before the record of it reached the disk
        self.authorise(world, device.dev_eui, "word")
        assert world.join(device, 0)
        world.send(device, b"back")
        world.flush()
        world.kill()  # and before anybody heard that it was used
        self.authorise(world, device.dev_eui, "word")
        assert isinstance(world.told[-1], Audit)
        assert "rejoined" in world.told[-1].what
        assert world.join(device, 0) is None
        self.authorise(world, device.dev_eui, "another word")
        assert world.join(device, 1)

    @pytest.mark.real("processes")
    def test_can_be_taken_back(self, world: World) -> None:
        device = world.joined(version=Version.V1_0_4)
        self.authorise(world, device.dev_eui, "word")
        world.do(world.network.revoke_rejoin(device.dev_eui, "another", world.now))
        world.do(world.network.revoke_rejoin(device.dev_eui, "word", world.now))
        assert world.join(device, 0) is None

    @pytest.mark.real("processes")
    def test_is_for_otaa_devices_that_are_known(self, world: World) -> None:
        device = world.abp()
        self.authorise(world, device.dev_eui)
        self.authorise(world, b"\0" * 8)
        assert world.counted["no-such-otaa-device"] == 2


def test_every_devnonce_is_remembered_in_little_room() -> None:
    memory = Memory()
    every = [n * 40503 % 65536 for n in range(65536)]
    memory.nonces = b"".join(nonce.to_bytes(2, "big") for nonce in every[:4090])
    for nonce in every[4090:]:  # over the step from pairs of bytes to a map
        assert not known_nonce(memory, nonce)
        remember_nonce(memory, nonce)
        assert known_nonce(memory, nonce)
        assert len(memory.nonces) <= 8192
    assert all(known_nonce(memory, nonce) for nonce in range(65536))
    assert len(encode(memory)) < 8300


@pytest.mark.real("processes")
def test_keys_are_not_printed(world: World) -> None:
    device = world.joined()
    entry = world.network.device(device.dev_eui)
    assert entry
    for shown in (repr(entry.device), repr(entry.memory), str(entry.rings)):
        assert device.app_key.hex() not in shown
        assert repr(device.nwk) not in shown
        assert repr(device.app_key) not in shown


def test_a_device_without_keys_is_not_made() -> None:
    for wrong, why in (
        ({}, "one of the two"),
        ({"app_key": bytes(15)}, "16 bytes"),
        ({"dev_eui": b"1", "app_key": bytes(16)}, "8 bytes"),
    ):
        with pytest.raises(ValueError, match=why):
            Device(**{"dev_eui": bytes(8), **wrong})  # type: ignore[arg-type]
