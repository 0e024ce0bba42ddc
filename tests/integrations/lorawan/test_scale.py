"""Many devices through one gateway, over many kills: nothing lost, nothing twice, no sent counter used again."""

from __future__ import annotations

import random

import pytest
from lorawan_peer import LoraPacket
from lorawan_world import World

from integrations.lorawan.parts import Transmit

pytestmark = pytest.mark.real("processes")


def campaign(peer: LoraPacket, devices: int, rounds: int, kills: int) -> tuple[World, int]:
    """Every device joins and sends `rounds` confirmed reports, each repeated until it is acknowledged or eight times;
    between them the process is killed. Returns the world and how many reports were sent."""
    world, rng = World(peer, gateways=1), random.Random(5)
    fleet = [world.otaa(number + 1) for number in range(devices)]
    # The law's share of the air is not what this is about: each device has an hour of its own.
    for device in fleet:
        world.sleep(60)
        world.join(device, 1)
        world.send(device, b"joined")
    turns = [device for device in fleet for _ in range(rounds)]
    rng.shuffle(turns)
    due = {round(len(turns) * (n + 1) / (kills + 1)) for n in range(kills)}
    sent = 0
    for turn, device in enumerate(turns):
        sent += 1
        frame = device.uplink(b"%x:%x" % (int.from_bytes(device.dev_eui, "big"), sent), confirmed=True)
        for attempt in range(8):
            if turn in due and attempt == 0:
                world.stalled = True  # heard, and killed before the disk had it
                world.hear(frame)
                world.kill()
                continue
            answers = [t for t in world.hear(frame) if isinstance(t, Transmit)]
            if answers:
                device.downlink(answers[-1].raw)  # refuses a counter that does not rise
                break
            world.sleep(600)
    return world, sent


def test_no_reading_is_lost_or_doubled_and_no_counter_reused_over_kills(lora_packet: LoraPacket) -> None:
    world, sent = campaign(lora_packet, devices=40, rounds=5, kills=20)
    payloads = [payload for payload in world.payloads() if payload != b"joined"]
    assert len(payloads) == len(set(payloads)) == sent == 200
    assert {report.payload for report in world.stored if report.fcnt == 0} == {b"joined"}
    marks = [(t.dev_eui, t.raw[1:8]) for t in world.air if t.raw[0] != 0x20]
    assert len(marks) == len(set(marks))
