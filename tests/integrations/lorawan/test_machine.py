"""Anything that can happen, in any order: devices made by lora-packet, gateways that refuse, a disk that stalls, kills.

The oracle knows what each device said and what reached the disk. Whatever happens:

- every payload is stored at most once, and only as a device said it;
- what was heard in this life of the process, or made durable in an earlier one, is stored in the end;
- an acknowledgement leaves only when the report it acknowledges is stored;
- no FCntDown is used twice in a session, no JoinNonce twice by a device, over every kill.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from lorawan_peer import LoraPacket, PeerDevice
from lorawan_world import World

from integrations.lorawan.device import MOST_PENDING, Version
from integrations.lorawan.parts import Decision, Transmit

WHO = st.integers(0, 3)
HEARD = st.sampled_from([(), (5.0,), (-3.0, 6.0)])


class Watched(World):
    """Looks at each frame that leaves."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.sent: set[tuple[bytes, int, int]] = set()
        self.accepts: dict[tuple[bytes, int], bytes] = {}  # device, JoinNonce → the accept that used it
        self.spoken: dict[bytes, bytes] = {}  # frame → payload

    def do(self, decisions: Any) -> None:
        for decision in list(decisions):
            if isinstance(decision, Transmit):
                self._look(decision)
            super().do([decision])

    def _look(self, sent: Transmit) -> None:
        if sent.raw[0] == 0x20:
            key = self.devices[sent.dev_eui].app_key
            assert key
            said = self.peer("openJoinAccept", frame=sent.raw.hex(), appKey=key.hex(), devNonce=0)
            mark = (sent.dev_eui, said["joinNonce"])
            assert said["mic"]
            assert self.accepts.setdefault(mark, sent.raw) == sent.raw, "a JoinNonce used twice"
            return
        counter = (sent.dev_eui, int.from_bytes(sent.raw[1:5], "little"), int.from_bytes(sent.raw[6:8], "little"))
        assert counter not in self.sent, "a counter used twice"
        self.sent.add(counter)
        if sent.raw[5] & 0x20:
            assert sent.after
            stored = {report.payload for report in self.stored}
            assert self.spoken[sent.after.raw] in stored, "an acknowledgement before its report was durable"


class Machine(RuleBasedStateMachine):
    peer: LoraPacket
    broken = False

    @initialize()
    def start(self) -> None:
        self.world = world = Watched(self.peer, late_lease=self.broken)
        self.devices: list[PeerDevice] = [
            world.otaa(1), world.otaa(2, Version.V1_0_4), world.otaa(3, class_c=True), world.abp(),
        ]  # fmt: skip
        self.nonce = 0
        self.number = 0
        self.said: set[bytes] = set()
        self.heard: set[bytes] = set()
        self.last: dict[int, bytes] = {}
        self.offers = [0] * 4  # sessions offered to a device since the one it uses
        self.rng = random.Random(3)

    def _down(self, device: PeerDevice, before: int, *, deaf: bool) -> None:
        for sent in [] if deaf else self.world.air[before:]:
            if sent.dev_eui == device.dev_eui and sent.raw[0] != 0x20 and sent.raw[1:5] == _little(device.address):
                device.downlink(sent.raw)

    @rule(who=WHO, snrs=HEARD, deaf=st.booleans())
    def join(self, who: int, snrs: tuple[float, ...], deaf: bool) -> None:
        device = self.devices[who]
        if not device.app_key:
            return
        self.nonce += 1
        before = len(self.world.air)
        self.world.hear(device.join_request(self.nonce), snrs=snrs)
        accepts = [t for t in self.world.air[before:] if t.raw[0] == 0x20]
        self.offers[who] += bool(snrs)
        if accepts and not deaf:
            device.join_accept(accepts[-1].raw)
            self.offers[who] = 0
            self.last.pop(who, None)

    @rule(
        who=WHO,
        snrs=HEARD,
        confirmed=st.booleans(),
        ack=st.booleans(),
        deaf=st.booleans(),
        options=st.binary(max_size=6),
    )
    def uplink(self, who: int, snrs: tuple[float, ...], confirmed: bool, ack: bool, deaf: bool, options: bytes) -> None:
        device = self.devices[who]
        if not device.nwk:
            return
        self.number += 1
        payload = self.number.to_bytes(4, "big")
        frame = device.uplink(payload, confirmed=confirmed, ack=ack, fopts=options)
        self.said.add(payload)
        self.last[who] = frame
        before = len(self.world.air)
        self.world.spoken[frame] = payload
        self.world.hear(frame, snrs=snrs)
        if snrs and self.offers[who] < MOST_PENDING:
            self.heard.add(payload)
        self._down(device, before, deaf=deaf)

    @rule(who=WHO, snrs=HEARD)
    def repeat(self, who: int, snrs: tuple[float, ...]) -> None:
        if who in self.last:
            before = len(self.world.air)
            self.world.hear(self.last[who], snrs=snrs)
            self._down(self.devices[who], before, deaf=False)

    @rule(pick=st.integers(0, 10_000), flip=st.integers(0, 255))
    def replay_or_forge(self, pick: int, flip: int) -> None:
        if self.world.captured:
            frame = self.world.captured[pick % len(self.world.captured)]
            at = pick % len(frame)
            self.world.hear(frame[:at] + bytes((frame[at] ^ flip,)) + frame[at + 1 :])

    @rule(who=WHO, confirmed=st.booleans(), size=st.sampled_from([1, 50, 60, 240]), ttl=st.sampled_from([5.0, 500.0]))
    def submit(self, who: int, confirmed: bool, size: int, ttl: float) -> None:
        before = len(self.world.air)
        self.number += 1
        self.world.submit(self.devices[who], bytes(size), confirmed=confirmed, name=str(self.number), ttl=ttl)
        self._down(self.devices[who], before, deaf=False)

    @rule(seconds=st.sampled_from([0.05, 1.0, 6.0, 30.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        before = len(self.world.air)
        self.world.sleep(seconds)
        for device in self.devices:
            self._down(device, before, deaf=False)

    @rule(late=st.booleans())
    def refuse(self, late: bool) -> None:
        """The gateways stop answering for one downlink; then the last one was refused."""
        if self.world.air:
            last, why = self.world.air[-1], "too-late" if late else "other"
            self.world.do(self.world.network.refused(last.id, last.gateway, why, self.world.now))

    @rule()
    def gateways_fall_silent_or_speak_again(self) -> None:
        self.world.answer = not self.world.answer

    @rule()
    def stall_or_unstall(self) -> None:
        before = len(self.world.air)
        if self.world.stalled:
            self.world.unstall()
        else:
            self.world.stalled = True
        for device in self.devices:
            self._down(device, before, deaf=False)

    @rule(pick=st.integers(0, 5))
    def commit_fails(self, pick: int) -> None:
        """One of the stalled commits, and all that rides with it, never happens."""
        if self.world.waiting:
            lost = self.world.waiting.pop(pick % len(self.world.waiting))
            if lost.durable:
                self.world.network.aborted(lost.ticket)
            if lost.report is not None:
                self.heard.discard(lost.report.payload)

    @rule()
    def kill(self) -> None:
        self.world.kill()
        self.heard = {report.payload for report in self.world.stored}

    @invariant()
    def each_payload_is_stored_once_and_as_it_was_said(self) -> None:
        if not hasattr(self, "world"):
            return
        stored = [report.payload for report in self.world.stored]
        assert len(stored) == len(set(stored)), "a reading stored twice"
        assert set(stored) <= self.said

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.unstall()
        self.world.flush()
        missing = self.heard - {report.payload for report in self.world.stored}
        assert not missing, "a reading that was heard is lost"


def _little(address: int) -> bytes:
    return address.to_bytes(4, "little")


RUN = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.real("processes")
def test_whatever_happens_nothing_is_lost_doubled_or_said_too_early(lora_packet: LoraPacket) -> None:
    machine = type("Real", (Machine,), {"peer": lora_packet})
    run_state_machine_as_test(machine, settings=RUN)


@pytest.mark.real("processes")
def test_a_network_told_too_early_that_something_is_durable_is_caught(lora_packet: LoraPacket) -> None:
    machine = type("Twin", (Machine,), {"peer": lora_packet, "broken": True})
    with pytest.raises(AssertionError, match=r"used twice|before its report|is lost"):
        run_state_machine_as_test(machine, settings=settings(RUN, phases=[Phase.generate]))


def test_decisions_are_all_known_to_the_world() -> None:
    """A new kind of decision must be given a meaning here."""
    from integrations.lorawan import parts

    known = {"Commit", "Transmit", "Count", "Found", "Joined", "Audit", "Moved"}
    assert {kind.__name__ for kind in Decision.__args__} == known
    assert all(hasattr(parts, name) for name in known)
