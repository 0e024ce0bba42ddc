"""What a device is, and what of it outlives the process. Plain data, no behaviour but encoding. Pure.

A `Device` is provisioned: by configuration, an import, an inventory. A `Memory` is what the network learned: sessions,
counters, nonces; one record a device, msgpack. `encode` and `decode` say what survives a crash: a sent counter is
leased, so the record holds only the end of the lease, and what is decoded goes on from there.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256

import msgspec

import hub
from integrations.lorawan.region import DEFAULT_CHANNELS, RX2_DR, RX2_FREQUENCY, RX_DELAY

LEASE = 64
"""Sent counters reserved at a time: one sync of the disk each."""
MOST_PENDING = 4
"""Sessions that a device was offered and has not used: it may have heard any of the accepts."""
RESTORED = 1024
"""Counters left out after a restoration where the hub says no number."""
MOST_LEFT_OUT = 16_384 - 2 * LEASE
"""A device of 1.0.0 to 1.0.3 refuses a downlink whose counter is 16,384 above the last one it heard (MAX_FCNT_GAP)."""
REJOIN_S = 24 * 3600.0
"""How long an authorisation to rejoin stands."""


class Version(StrEnum):
    """The LoRaWAN version that a device speaks. Until 1.0.3 it draws its DevNonce; from 1.0.4 it counts it."""

    V1_0_0 = "1.0.0"
    V1_0_1 = "1.0.1"
    V1_0_2 = "1.0.2"
    V1_0_3 = "1.0.3"
    V1_0_4 = "1.0.4"


class Abp(msgspec.Struct, frozen=True):
    """Activation by personalisation: the session is in the device from the factory."""

    dev_addr: int
    nwk_s_key: bytes
    app_s_key: bytes

    def __repr__(self) -> str:
        return f"Abp(dev_addr={self.dev_addr:08x})"


class Radio(msgspec.Struct, frozen=True, array_like=True):
    """How a device is set: what its windows and its channels are. `channels` maps index to Hz."""

    rx1_offset: int = 0
    rx2_rate: int = RX2_DR
    rx2_frequency: int = RX2_FREQUENCY
    rx_delay: int = RX_DELAY
    channels: dict[int, int] = msgspec.field(default_factory=lambda: dict(enumerate(DEFAULT_CHANNELS)))
    rx1_frequencies: dict[int, int] = {}  # by channel index, where DlChannelReq moved RX1
    power: int = 0
    nb_trans: int = 1
    duty: int = 0  # exponent of DutyCycleReq


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One provisioned device: OTAA with `app_key`, or ABP with `abp`. `radio` is how an ABP device leaves its
    factory. `fastest` is the fastest data rate that ADR may give it."""

    dev_eui: bytes
    join_eui: bytes | None = None
    app_key: bytes | None = None
    abp: Abp | None = None
    version: Version = Version.V1_0_3
    class_c: bool = False
    adr: bool = True
    fastest: int = 5
    radio: Radio = msgspec.field(default_factory=Radio)

    def __post_init__(self) -> None:
        if len(self.dev_eui) != 8 or (self.join_eui is not None and len(self.join_eui) != 8):
            raise ValueError("an EUI has 8 bytes")
        if (self.app_key is None) == (self.abp is None):
            raise ValueError("a device has an AppKey (OTAA) or a session from its factory (ABP), one of the two")
        keys = (self.abp.nwk_s_key, self.abp.app_s_key) if self.abp else (self.app_key,)
        if any(key is None or len(key) != 16 for key in keys):
            raise ValueError("a LoRaWAN key has 16 bytes")

    def __repr__(self) -> str:
        return f"Device(dev_eui={self.dev_eui.hex()}, version={self.version.value!r}, otaa={self.abp is None})"


class Session(msgspec.Struct, kw_only=True, array_like=True):
    """One session. `number` rises with each session of a device (its JoinNonce; for ABP, how often its keys changed),
    so that (number, fcnt_up) never falls. `fcnt_up` is the last one accepted, -1 before the first; `fcnt_down` the next
    one to send; `lease` the end of what the disk knows as possibly sent; `granted` the end of what may be sent now."""

    number: int
    dev_addr: int
    nwk_s_key: bytes
    app_s_key: bytes
    dev_nonce: int = -1
    fcnt_up: int = -1
    fcnt_down: int = 0
    lease: int = 0
    granted: int = 0
    radio: Radio = msgspec.field(default_factory=Radio)

    def __repr__(self) -> str:
        return f"Session(number={self.number}, dev_addr={self.dev_addr:08x}, fcnt_up={self.fcnt_up})"


class Rejoin(msgspec.Struct, array_like=True):
    """A person let this device join although its DevNonce says no. Ends with the first valid uplink of the session
    that it made, or at `until` (Unix seconds). `by`: whose word it is, as an id; `tried`: DevNonces that used it."""

    until: float
    by: str
    tried: list[int] = []


class Memory(msgspec.Struct, kw_only=True, array_like=True):
    """All that is remembered of a device. `current`: the session in which it spoke last; `pending`: later ones, in
    which it did not speak yet. `nonces`: DevNonces ever used; `floor`: the highest of them that counts (1.0.4).
    `join_nonce` is the next to use, `join_lease` the end of those that the disk knows as possibly sent; a join is
    durable before its accept leaves, so nothing more is to be granted. `jumps`: how far its counters have jumped in
    restorations from a backup, all together."""

    current: Session | None = None
    pending: list[Session] = []
    nonces: bytes = b""
    floor: int = -1
    join_nonce: int = 1
    join_lease: int = 1
    rejoin: Rejoin | None = None
    mark: bytes = b""  # of the AppKey that all this is about
    word: str = ""  # the last one given to rejoin, used or not
    jumps: int = 0

    def sessions(self) -> list[Session]:
        return self.pending if self.current is None else [self.current, *self.pending]


class _Record(msgspec.Struct, array_like=True):
    """A Memory with the version of its shape. Fields stand without their names: a new one goes to the end."""

    version: int
    memory: Memory


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Record)


def encode(memory: Memory) -> bytes:
    return _ENCODER.encode(_Record(1, memory))


def decode(data: bytes, *, jumps: int = 0) -> Memory:
    """What survives: every counter leased before counts as sent. More are left out when the record may be an older copy
    than what was sent, because the state was put back from a backup since it was made: as many as `jumps`, the sum of
    all restorations, is above the record's own.

    Raises DecodeError `bad-record`."""
    try:
        record = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise hub.DecodeError("bad-record", "the record of a LoRaWAN device is damaged") from error
    if record.version != 1:
        raise hub.DecodeError("bad-record", f"version {record.version} of a device's record is not known")
    memory = record.memory
    # once more than the least: what a former version kept are numbers of restorations
    skip = max(RESTORED, jumps - memory.jumps) if memory.jumps < jumps else 0
    memory.jumps = jumps
    for session in memory.sessions():
        session.lease += skip
        session.fcnt_down = session.granted = session.lease
    memory.join_lease += skip
    memory.join_nonce = memory.join_lease
    return memory


def key_mark(app_key: bytes) -> bytes:
    """Tells one AppKey from another, and neither from a guess."""
    return sha256(b"ilot/lorawan/appkey/1\0" + app_key).digest()[:8]


def device_id(dev_eui: bytes) -> str:
    """The hub's name of a device."""
    return f"lorawan:{dev_eui.hex()}"


def known_nonce(memory: Memory, nonce: int) -> bool:
    """Was this DevNonce used before?"""
    if len(memory.nonces) == _BITMAP:
        return memory.nonces[nonce >> 3] >> (nonce & 7) & 1 == 1
    two = nonce.to_bytes(2, "big")
    return any(memory.nonces[i : i + 2] == two for i in range(0, len(memory.nonces), 2))


_BITMAP = 65536 // 8


def remember_nonce(memory: Memory, nonce: int) -> None:
    """DevNonces are kept as pairs of bytes, and once that takes as much as a map of all 65,536 of them, as a map."""
    if known_nonce(memory, nonce):
        return
    if len(memory.nonces) < _BITMAP - 2:
        memory.nonces += nonce.to_bytes(2, "big")
        return
    marks = bytearray(memory.nonces if len(memory.nonces) == _BITMAP else _BITMAP)
    if len(memory.nonces) != _BITMAP:
        for i in range(0, len(memory.nonces), 2):
            old = int.from_bytes(memory.nonces[i : i + 2], "big")
            marks[old >> 3] |= 1 << (old & 7)
    marks[nonce >> 3] |= 1 << (nonce & 7)
    memory.nonces = bytes(marks)
