"""The network server: one state machine over gateways and devices. Sans-I/O. Rules:

- A frame whose MIC fits no session changes nothing. Each counter is accepted once; the record of that is in the same
  commit as its report.
- A confirmed uplink is acknowledged only after its report is durable; a downlink's counter is used only after its lease
  is durable; a join accept leaves only after its session is. So every transmission either follows `committed`, or needs
  nothing new on the disk.
- Frames of gateways that are not on the list are ignored.

    network.heard(reception, now)          a gateway heard a frame
    network.tick(now)                      it is `network.wake()`
    network.committed(ticket, now)         a Commit is durable              network.aborted(ticket)  it failed
    network.transmitted(id, gateway, now)  the gateway sent a Transmit      network.refused(…)       it will not
    network.submit(dev_eui, item, now)     a downlink for a device

Each returns decisions, to be carried out in order (`parts`). `now` is monotonic seconds.

Supported: 1.0.0 to 1.0.4, class A and C, OTAA and ABP, EU863-870. Not supported: class B, multicast, roaming, 1.1.
"""

from __future__ import annotations

from collections.abc import Callable

import hub
from hub.sdk.phrases import phrase
from integrations.lorawan import joining, phy
from integrations.lorawan.airspace import Airspace
from integrations.lorawan.answering import Answering
from integrations.lorawan.dedup import WINDOW_S, Dedup
from integrations.lorawan.device import Device, Memory
from integrations.lorawan.downlink import Downlink
from integrations.lorawan.entry import Entry, Reply
from integrations.lorawan.parts import Audit, Count, Decision, Found, Joined, Moved, Reception, State
from integrations.lorawan.roster import Roster
from integrations.lorawan.uplinks import REJOINED, Plan, Uplinks


class Network:
    """The network server. `gateways`: EUI in lower-case hexadecimal → its transmit schedule; frames of other gateways
    are ignored. `draw(n)` returns a random number below n."""

    def __init__(
        self,
        gateways: dict[str, Airspace],
        *,
        draw: Callable[[int], int],
        plan: Plan | None = None,
        window: float = WINDOW_S,
    ) -> None:
        self.gateways = gateways
        self._plan = plan or Plan()
        self._roster = Roster(self._plan.net_id, draw)
        self._dedup = Dedup(window)
        self._answering = Answering(gateways)
        self._uplinks = Uplinks(self._roster, self._answering, self._plan)
        self._waiting: dict[bytes, Entry] = {}  # devices with a queued downlink

    # who there is

    def add(self, device: Device, memory: Memory | None = None) -> None:
        """Admit a device with its persistent state, or apply the new provisioning of a present one."""
        held = self._roster.get(device.dev_eui)
        if held is None or memory is not None:
            self._roster.add(Entry.of(device, memory))
        else:
            self._roster.settle(held, device)

    def remove(self, dev_eui: bytes) -> list[Decision]:
        """Forget a device here. The caller keeps its record: no counter is used twice if it returns."""
        entry = self._roster.get(dev_eui)
        self._roster.remove(dev_eui)
        self._waiting.pop(dev_eui, None)
        return (
            list(entry.queue.clear(phrase("lorawan.device-removed", "the device was removed")))
            if entry is not None
            else []
        )

    def device(self, dev_eui: bytes) -> Entry | None:
        """Return the state of a device, for reading only; None when it is unknown."""
        return self._roster.get(dev_eui)

    # what happens

    def heard(self, reception: Reception, now: float) -> list[Decision]:
        """Process a frame that a gateway heard. Its decisions come from `tick` when the window for copies closes."""
        airspace = self.gateways.get(reception.gateway)
        if airspace is None:
            return [Found("gateway", bytes.fromhex(reception.gateway), reception=reception)]
        airspace.last = reception
        dropped = self._dedup.hear(reception)
        return [Count(dropped, gateway=reception.gateway)] if dropped else []

    def tick(self, now: float) -> list[Decision]:
        told: list[Decision] = []
        for copies in self._dedup.due(now):
            told += self._frame(copies, now)
        told += self._answering.tick(now)
        for dev_eui, entry in list(self._waiting.items()):
            told += entry.queue.tick(now)
            told += self._class_c(entry, now)
            if not len(entry.queue):
                del self._waiting[dev_eui]
        return told

    def wake(self) -> float | None:
        """Return the time at which `tick` is due; None when it is not."""
        times = [self._dedup.wake(), self._answering.wake()]
        for entry in self._waiting.values():
            times.append(entry.queue.wake())
            if entry.device.class_c and entry.last and entry.queue.next() is not None:
                times.append(entry.quiet)
        return min((time for time in times if time is not None), default=None)

    def committed(self, ticket: int, now: float) -> list[Decision]:
        return self._answering.committed(ticket, now)

    def aborted(self, ticket: int, *, taken: bool = True) -> None:
        self._answering.aborted(ticket, taken=taken)

    def transmitted(self, number: int, gateway: str, now: float) -> list[Decision]:
        return self._answering.transmitted(number, gateway, now)

    def refused(self, number: int, gateway: str, why: str, now: float) -> list[Decision]:
        return self._answering.refused(number, gateway, why, now)

    # what people want

    def submit(self, dev_eui: bytes, item: Downlink, now: float) -> list[Decision]:
        """Queue a downlink for a device: it is sent in its next windows, or at once when it listens all the time (class
        C, after its first uplink in this process)."""
        entry = self._roster.get(dev_eui)
        if entry is None:
            return [Moved(item.id, dev_eui, State.FAILED, phrase("lorawan.no-such-device", "no such device"))]
        told: list[Decision] = [*entry.queue.add(item, now)]
        self._waiting[dev_eui] = entry
        return [*told, *self._class_c(entry, now)]

    def withdraw(self, dev_eui: bytes, name: str) -> None:
        """Withdraw a downlink. One that is on the air cannot be withdrawn."""
        entry = self._roster.get(dev_eui)
        if entry is not None:
            entry.queue.withdraw(name)

    def authorise_rejoin(self, dev_eui: bytes, who: str, until: float, now: float) -> list[Decision]:
        """Allow a device to join once until `until` (Unix seconds), with any DevNonce.

        `who` is the id of this authorisation: repeated after a restart, it counts once. The record is part of the next
        commit: it is durable before a join accept leaves."""
        entry = self._roster.get(dev_eui)
        if entry is None or entry.device.app_key is None:
            return [Count("no-such-otaa-device", dev_eui)]
        if not joining.authorise(entry.memory, who, until):
            return [Audit(dev_eui, REJOINED, who)]
        audit = Audit(dev_eui, phrase("lorawan.may-join-once", "may join once, whatever its DevNonce"), who)
        return [audit, *self._answering.keep(entry, now)]

    def revoke_rejoin(self, dev_eui: bytes, who: str, now: float) -> list[Decision]:
        """Revoke this authorisation."""
        entry = self._roster.get(dev_eui)
        if entry is None:
            return []
        joining.revoke(entry.memory, who)
        return self._answering.keep(entry, now)

    # inside

    def _frame(self, copies: tuple[Reception, ...], now: float) -> list[Decision]:
        best = copies[0]
        try:
            frame = phy.parse(best.raw)
        except hub.DecodeError as error:
            return [Count(error.reason, gateway=best.gateway)]
        if isinstance(frame, phy.JoinRequest):
            return self._join(frame, copies, now)
        if isinstance(frame, phy.SealedJoinAccept) or not frame.uplink:
            return [Count("not-an-uplink", gateway=best.gateway)]
        return self._uplinks.take(frame, copies, now)

    def _join(self, request: phy.JoinRequest, copies: tuple[Reception, ...], now: float) -> list[Decision]:
        best = copies[0]
        entry = self._roster.get(request.dev_eui)
        if entry is None:
            return [Found("device", request.dev_eui, request.join_eui, best)]
        device, memory = entry.device, entry.memory
        refused = joining.judge(device, memory, request, best.time)
        if refused:
            return [Count(refused, device.dev_eui)]
        told: list[Decision] = []
        if device.join_eui is not None and request.join_eui != device.join_eui:
            told.append(Count("other-join-eui", device.dev_eui))  # its key fits: probably a typing error
        address = self._roster.free_address()
        raw = joining.accept(
            device, memory, request, net_id=self._plan.net_id, dev_addr=address, goal=self._plan.radio, wall=best.time
        )
        self._roster.refresh(entry)
        reply = Reply(entry, memory.pending[-1], copies, raw=raw)
        told.append(Joined(device.dev_eui, address, False))
        return [*told, *self._answering.keep(entry, now, reply=reply, durable=True)]

    def _class_c(self, entry: Entry, now: float) -> list[Decision]:
        session = entry.memory.current
        if not entry.device.class_c or session is None or not entry.last or now < entry.quiet:
            return []
        if entry.queue.next() is None:
            return []
        entry.quiet = now + 1.0  # one at a time: a lease may have to be committed in between
        return self._answering.send(Reply(entry, session, entry.last, window=0), now)
