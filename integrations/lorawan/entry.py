"""State of one device in memory. Pure."""

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
"""Maximum repetitions of one confirmed uplink that are answered: NbTrans has four bits."""


@dataclass(slots=True)
class Entry:
    """State of a device while the process runs.

    `repeats`: repetitions of its last uplink. `unkept`: a report whose commit failed: it is offered again when the
    device repeats the frame. `restored`: its record is from an earlier process, and it is not known whether the report
    of its last counter was committed with it. `ticket`: the commit of its last report, until that is durable. `quiet`:
    class C, nothing is sent before this time."""

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
        """Apply the provisioning of the device.

        An ABP device whose keys or address differ from those remembered starts a new session; so does an OTAA device
        with another AppKey, whose DevNonces begin again. Session numbers go on rising."""
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
        """Rebuild the key rings after the sessions changed; negotiations of sessions that stay are kept."""
        held = {id(ring.session): ring for ring in self.rings}
        self.rings = [held.get(id(session)) or Ring(session) for session in self.memory.sessions()]
        current = self.memory.current
        if current is not self.mac_of:
            self.mac_of = current
            self.mac = Negotiation(current.radio) if current is not None else None
            self.history.clear()

    def record(self) -> tuple[bytes, bytes]:
        """Return the key and the encoded record to be committed."""
        return self.device.dev_eui, encode(self.memory)


@dataclass(slots=True)
class Reply:
    """A downlink that is sent once its commit is durable. `ack`: it acknowledges; `must`: the device waits for any
    downlink; `raw`: a join accept, already encoded. `window` 0: class C, at once. `tried`: (window, gateway) that
    refused it."""

    entry: Entry
    session: Session
    copies: tuple[Reception, ...]
    ack: bool = False
    must: bool = False
    raw: bytes | None = None
    window: int = 1
    tried: set[tuple[int, str]] = field(default_factory=set)

    def delay(self, window: int) -> int:
        """Return the seconds after the end of the uplink."""
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
