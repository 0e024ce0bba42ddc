"""A network with gateways, a disk that can be cut off, and time that only the test moves."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

from lorawan_peer import LoraPacket, PeerDevice

from integrations.lorawan.airspace import Airspace
from integrations.lorawan.device import Abp, Device, Version, decode
from integrations.lorawan.downlink import Downlink
from integrations.lorawan.network import Network
from integrations.lorawan.parts import (
    Audit,
    Commit,
    Count,
    Decision,
    Found,
    Joined,
    Moved,
    Reception,
    State,
    Transmit,
    Uplink,
)
from integrations.lorawan.uplinks import Plan

WALL = 1_790_000_000.0
GATEWAYS = ["0016c001ff10d3e5", "0016c001ff10d3e6"]
QUIET = Plan(status_s=0)
"""Asks no device for its battery, so that a test sees only what it is about."""


class World:
    """`disk` and `stored` are what survives `kill`; `riding` is what waits for the next durable commit.

    `late_lease`: the broken twin, which tells the network that a commit is durable before it is.
    `stalled`: the disk takes its time, until `unstall`."""

    def __init__(self, peer: LoraPacket, *, plan: Plan = QUIET, late_lease: bool = False, gateways: int = 2) -> None:
        self.peer = peer
        self.plan = plan
        self.late_lease = late_lease
        self.now = 1000.0
        self.disk: dict[bytes, bytes] = {}
        self.stored: list[Uplink] = []
        self.riding: list[Commit] = []
        self.counters: set[tuple[bytes, int]] = set()
        self.torn = False
        self.stalled = False
        self.waiting: list[Commit] = []
        self.devices: dict[bytes, Device] = {}
        self.gateways = GATEWAYS[:gateways]
        self.air: list[Transmit] = []
        self.counted: Counter[str] = Counter()
        self.moved: list[Moved] = []
        self.told: list[Decision] = []
        self.answer = True  # gateways acknowledge what they are given
        self.captured: list[bytes] = []
        self._random = random.Random(1)
        self.network = self._new()

    def _new(self) -> Network:
        spaces = {gateway: Airspace() for gateway in self.gateways}
        return Network(spaces, draw=self._random.randrange, plan=self.plan)

    # devices

    def otaa(self, number: int = 1, version: Version = Version.V1_0_3, **more: Any) -> PeerDevice:
        dev_eui, app_key = number.to_bytes(8, "big"), number.to_bytes(2, "big") * 8
        self.admit(Device(dev_eui=dev_eui, app_key=app_key, version=version, **more))
        return PeerDevice(self.peer, dev_eui, app_key)

    def abp(self, number: int = 9, address: int = 0x01020304, **more: Any) -> PeerDevice:
        dev_eui, nwk, app = number.to_bytes(8, "big"), bytes((number,)) * 16, bytes((number + 1,)) * 16
        self.admit(Device(dev_eui=dev_eui, abp=Abp(address, nwk, app), **more))
        return PeerDevice(self.peer, dev_eui, b"", address=address, nwk=nwk, app=app)

    def admit(self, device: Device) -> None:
        self.devices[device.dev_eui] = device
        self.network.add(device)

    def joined(self, number: int = 1, **more: Any) -> PeerDevice:
        """A device that has joined and spoken once."""
        device = self.otaa(number, **more)
        self.join(device, 1)
        self.send(device, b"hello")
        return device

    # the air

    def hear(
        self, raw: bytes, *, snrs: Iterable[float] = (5.0,), frequency: int = 868_100_000, rate: int = 5
    ) -> list[Transmit]:
        """Two seconds later gateways 0, 1, … hear it with these SNR; returns what was sent once the copies are in."""
        self.sleep(2.0)
        self.captured.append(raw)
        before = len(self.air)
        for gateway, snr in zip(self.gateways, snrs, strict=False):
            reception = Reception(
                gateway=gateway,
                at=self.now,
                raw=raw,
                frequency=frequency,
                rate=rate,
                rssi=-80,
                snr=snr,
                time=WALL + self.now,
                clock=round(self.now * 1e6) + 5_000_000_000 * self.gateways.index(gateway),
            )
            self.do(self.network.heard(reception, self.now))
        self.sleep(0.2)
        return self.air[before:]

    def send(self, device: PeerDevice, payload: bytes = b"", *, fport: int | None = 2, **more: Any) -> list[Transmit]:
        """One uplink; returns what came down. The device hears it if it is for its windows."""
        radio = {name: more.pop(name) for name in ("snrs", "frequency", "rate") if name in more}
        return self.hear(device.uplink(payload, fport, **more), **radio)

    def join(self, device: PeerDevice, nonce: int) -> dict[str, Any] | None:
        sent = self.hear(device.join_request(nonce))
        return device.join_accept(sent[-1].raw) if sent else None

    # time and disk

    def sleep(self, seconds: float) -> None:
        """Time passes; the network is woken when it asked to be."""
        until = self.now + seconds
        for _ in range(10_000):
            wake = self.network.wake()
            if wake is None or wake > until + 1e-9:
                break
            self.now = max(self.now, wake)
            self.do(self.network.tick(self.now))
        else:
            raise AssertionError("the network never sleeps")
        self.now = until

    def do(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            self.told.append(decision)
            match decision:
                case Commit():
                    self._commit(decision)
                case Transmit():
                    self.air.append(decision)
                    if self.answer:
                        self.do(self.network.transmitted(decision.id, decision.gateway, self.now))
                case Count(reason=reason):
                    self.counted[reason] += 1
                case Moved():
                    self.moved.append(decision)
                case Found() | Joined() | Audit():
                    pass

    def _commit(self, commit: Commit) -> None:
        if self.late_lease and commit.durable:
            self.do(self.network.committed(commit.ticket, self.now))
            self.riding.append(commit)
            return
        if self.stalled:
            self.waiting.append(commit)
            return
        self.riding.append(commit)
        if commit.durable:
            self.flush()
            self.do(self.network.committed(commit.ticket, self.now))

    def flush(self) -> None:
        """Everything that rides reaches the disk. As in the hub, a counter that a reading was kept with is taken once.
        `torn`: the power fails between a record and its report."""
        for commit in self.riding:
            dev_eui, record = commit.memory
            self.disk[dev_eui] = record
            if commit.report is not None and not self.torn and (dev_eui, commit.report.counter) not in self.counters:
                self.counters.add((dev_eui, commit.report.counter))
                self.stored.append(commit.report)
        self.riding.clear()

    def unstall(self) -> None:
        self.stalled = False
        waiting, self.waiting = self.waiting, []
        for commit in waiting:
            self._commit(commit)

    def kill(self) -> None:
        """The process dies and another starts from the disk."""
        self.riding.clear()
        self.waiting.clear()
        self.stalled = False
        self.network = self._new()
        for dev_eui, device in self.devices.items():
            record = self.disk.get(dev_eui)
            self.network.add(device, decode(record) if record is not None else None)

    # looking

    def payloads(self) -> list[bytes]:
        self.flush()
        return [report.payload for report in self.stored]

    def submit(
        self, device: PeerDevice, payload: bytes, *, confirmed: bool = False, name: str = "d", ttl: float = 3600.0
    ) -> list[tuple[str, State]]:
        before = len(self.moved)
        item = Downlink(name, 7, payload, confirmed, self.now + ttl)
        self.do(self.network.submit(device.dev_eui, item, self.now))
        return self.states()[before:]

    def states(self) -> list[tuple[str, State]]:
        return [(moved.id, moved.state) for moved in self.moved]
