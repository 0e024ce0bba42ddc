"""One device as the network holds it in RAM. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from integrations.lorawan import adr
from integrations.lorawan.counters import Ring
from integrations.lorawan.device import Abp, Device, Memory, Session, encode, key_mark
from integrations.lorawan.downlink import Queue
from integrations.lorawan.mac import Negotiation
from integrations.lorawan.parts import Reception, Uplink
from integrations.lorawan.region import JOIN_DELAY

MOST_REPEATS = 15
"""Of one confirmed uplink that are answered: NbTrans has four bits."""


@dataclass(slots=True)
class Entry:
    """`repeats`: how often its last uplink came again. `unkept`: a report whose commit failed: it is offered again
    when the device repeats it. `restored`: its record is from an earlier process, and nobody knows here whether the
    report of its last counter reached the disk with it. `ticket`: the commit of its last report, until that is
    durable. `quiet`: class C, nothing is sent before this time."""

    device: Device
    memory: Memory
    queue: Queue
    rings: list[Ring] = field(default_factory=list)
    mac: Negotiation | None = None
    mac_of: Session | None = None
    history: deque[adr.Heard] = field(default_factory=lambda: deque(maxlen=adr.HISTORY))
    last: tuple[Reception, ...] = ()
    repeats: int = 0
    unkept: Uplink | None = None
    restored: bool = False
    ticket: int = 0
    status_at: float | None = None
    quiet: float = 0.0

    @classmethod
    def of(cls, device: Device, memory: Memory | None) -> Entry:
        entry = cls(device, memory or Memory(), Queue(device.dev_eui))
        entry.restored = memory is not None
        entry.settle(device)
        return entry

    def settle(self, device: Device) -> None:
        """The device is provisioned like this now. An ABP device whose keys or address are others than remembered
        starts anew: it is another session. So does an OTAA device with another AppKey: its DevNonces begin again. The
        numbers of its sessions go on rising."""
        self.device = device
        if device.app_key is not None and self.memory.mark != key_mark(device.app_key):
            if self.memory.mark:
                self.memory.current, self.memory.pending, self.memory.rejoin = None, [], None
                self.memory.nonces, self.memory.floor = b"", -1
            self.memory.mark = key_mark(device.app_key)
        if device.abp is not None and not _same(device.abp, self.memory.current):
            before = self.memory.current
            session = factory_session(device, device.abp, number=before.number + 1 if before is not None else 0)
            self.memory.current, self.memory.pending = session, []
        self.refresh()

    def refresh(self) -> None:
        """The sessions changed; what was agreed with a session that stays, stays."""
        held = {id(ring.session): ring for ring in self.rings}
        self.rings = [held.get(id(session)) or Ring(session) for session in self.memory.sessions()]
        current = self.memory.current
        if current is not self.mac_of:
            self.mac_of = current
            self.mac = Negotiation(current.radio) if current is not None else None
            self.history.clear()

    def record(self) -> tuple[bytes, bytes]:
        """What is to be kept of it now."""
        return self.device.dev_eui, encode(self.memory)


@dataclass(slots=True)
class Reply:
    """A downlink to come, once what must be durable is. `ack`: it acknowledges; `must`: the device waits for any
    downlink; `raw`: a join accept, ready. `window` 0: class C, at once. `tried`: (window, gateway) that refused."""

    entry: Entry
    session: Session
    copies: tuple[Reception, ...]
    ack: bool = False
    must: bool = False
    raw: bytes | None = None
    window: int = 1
    tried: set[tuple[int, str]] = field(default_factory=set)

    def delay(self, window: int) -> int:
        """Seconds after the end of the uplink."""
        if not window:
            return 0
        return (JOIN_DELAY if self.raw is not None else self.session.radio.rx_delay) + window - 1


def factory_session(device: Device, abp: Abp, number: int) -> Session:
    return Session(
        number=number, dev_addr=abp.dev_addr, nwk_s_key=abp.nwk_s_key, app_s_key=abp.app_s_key, radio=device.radio
    )


def _same(abp: Abp, session: Session | None) -> bool:
    return session is not None and (abp.dev_addr, abp.nwk_s_key, abp.app_s_key) == (
        session.dev_addr,
        session.nwk_s_key,
        session.app_s_key,
    )
