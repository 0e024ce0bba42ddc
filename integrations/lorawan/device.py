"""Provisioning and persistent state of a device. Plain data with its encoding. Pure.

A `Device` is provisioned: by configuration, an import, an inventory. A `Memory` is the state that the network keeps:
sessions, counters, nonces; one record a device, msgpack. `encode` and `decode` define what survives a crash: a sent
counter is leased, so the record holds only the end of the lease, and decoding continues from there.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256

import msgspec

import hub
from hub.sdk.phrases import phrase
from integrations.lorawan.region import DEFAULT_CHANNELS, RX2_DR, RX2_FREQUENCY, RX_DELAY

LEASE = 64
"""Downlink counters reserved at a time, with one sync of the disk."""
MOST_PENDING = 4
"""Maximum sessions offered to a device and not used yet: it may have heard any of the accepts."""
RESTORED = 1024
"""Counters skipped after a restoration for which the hub gives no number."""
MOST_LEFT_OUT = 16_384 - 2 * LEASE
"""Maximum counters skipped for a device of 1.0.0 to 1.0.3, which refuses a downlink whose counter is 16,384 above the
last one it heard (MAX_FCNT_GAP)."""
REJOIN_S = 24 * 3600.0
"""Lifetime of an authorisation to rejoin, in seconds."""


class Version(StrEnum):
    """LoRaWAN version of a device. Until 1.0.3 it draws its DevNonce at random; from 1.0.4 it counts it."""

    V1_0_0 = "1.0.0"
    V1_0_1 = "1.0.1"
    V1_0_2 = "1.0.2"
    V1_0_3 = "1.0.3"
    V1_0_4 = "1.0.4"


class Abp(msgspec.Struct, frozen=True):
    """Activation by personalisation: the session is stored in the device at the factory."""

    dev_addr: int
    nwk_s_key: bytes
    app_s_key: bytes

    def __repr__(self) -> str:
        return f"Abp(dev_addr={self.dev_addr:08x})"


class Radio(msgspec.Struct, frozen=True, array_like=True):
    """Radio settings of a device: receive windows and channels. `channels` maps index to Hz."""

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
    """A provisioned device: OTAA with `app_key`, or ABP with `abp`.

    `radio`: settings with which an ABP device leaves its factory. `fastest`: the fastest data rate that ADR may set."""

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
            raise ValueError(phrase("lorawan.eui-has-8-bytes", "an EUI has 8 bytes"))
        if (self.app_key is None) == (self.abp is None):
            raise ValueError(
                phrase(
                    "lorawan.device-needs-one-activation",
                    "a device has an AppKey (OTAA) or a session from its factory (ABP), one of the two",
                )
            )
        keys = (self.abp.nwk_s_key, self.abp.app_s_key) if self.abp else (self.app_key,)
        if any(key is None or len(key) != 16 for key in keys):
            raise ValueError(phrase("lorawan.key-has-16-bytes", "a LoRaWAN key has 16 bytes"))

    def __repr__(self) -> str:
        return f"Device(dev_eui={self.dev_eui.hex()}, version={self.version.value!r}, otaa={self.abp is None})"


class Session(msgspec.Struct, kw_only=True, array_like=True):
    """A session of a device.

    `number` rises with each session of a device (its JoinNonce; for ABP, how often its keys changed), so that (number,
    fcnt_up) never falls. `fcnt_up`: the last counter accepted, -1 before the first; `fcnt_down`: the next one to send;
    `lease`: end of the counters that are durably recorded as possibly sent; `granted`: end of the counters that may be
    sent now."""

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
    """An authorisation by a person: this device may join although its DevNonce is refused.

    Ends with the first valid uplink of the session that it made, or at `until` (Unix seconds). `by`: id of the command
    that gave it; `tried`: DevNonces that used it."""

    until: float
    by: str
    tried: list[int] = []


class Memory(msgspec.Struct, kw_only=True, array_like=True):
    """Persistent state of a device.

    `current`: the session of its last uplink; `pending`: later ones that it has not used yet. `nonces`: all DevNonces
    used; `floor`: the highest one used (1.0.4). `join_nonce`: the next to use; `join_lease`: end of those durably
    recorded as possibly sent; a join is durable before its accept leaves, so no further grant is needed. `jumps`: sum
    of the counters skipped after restorations from a backup."""

    current: Session | None = None
    pending: list[Session] = []
    nonces: bytes = b""
    floor: int = -1
    join_nonce: int = 1
    join_lease: int = 1
    rejoin: Rejoin | None = None
    mark: bytes = b""  # mark of the AppKey that this state belongs to
    word: str = ""  # id of the last authorisation to rejoin, used or not
    jumps: int = 0

    def sessions(self) -> list[Session]:
        return self.pending if self.current is None else [self.current, *self.pending]


class _Record(msgspec.Struct, array_like=True):
    """A Memory with its schema version. Fields are encoded by position: add new ones at the end."""

    version: int
    memory: Memory


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Record)


def encode(memory: Memory) -> bytes:
    return _ENCODER.encode(_Record(1, memory))


def decode(data: bytes, *, jumps: int = 0) -> Memory:
    """Decode a device's record; every leased counter counts as sent.

    More counters are skipped when the record may be older than the last transmission, because the state was restored
    from a backup: as many as `jumps`, the sum of all restorations, exceeds the record's own.

    Raises DecodeError `bad-record`."""
    try:
        record = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise hub.DecodeError(
            "bad-record", phrase("lorawan.record-damaged", "the record of a LoRaWAN device is damaged")
        ) from error
    if record.version != 1:
        raise hub.DecodeError(
            "bad-record",
            phrase(
                "lorawan.record-of-unknown-version",
                "version {version} of a device's record is not known",
                version=record.version,
            ),
        )
    memory = record.memory
    # at least RESTORED: a former version stored the number of restorations here
    skip = max(RESTORED, jumps - memory.jumps) if memory.jumps < jumps else 0
    memory.jumps = jumps
    for session in memory.sessions():
        session.lease += skip
        session.fcnt_down = session.granted = session.lease
    memory.join_lease += skip
    memory.join_nonce = memory.join_lease
    return memory


def key_mark(app_key: bytes) -> bytes:
    """Return a mark that identifies an AppKey without revealing it."""
    return sha256(b"ilot/lorawan/appkey/1\0" + app_key).digest()[:8]


def device_id(dev_eui: bytes) -> str:
    """Return the hub's id of a device."""
    return f"lorawan:{dev_eui.hex()}"


def known_nonce(memory: Memory, nonce: int) -> bool:
    """Return whether this DevNonce was used before."""
    if len(memory.nonces) == _BITMAP:
        return memory.nonces[nonce >> 3] >> (nonce & 7) & 1 == 1
    two = nonce.to_bytes(2, "big")
    return any(memory.nonces[i : i + 2] == two for i in range(0, len(memory.nonces), 2))


_BITMAP = 65536 // 8


def remember_nonce(memory: Memory, nonce: int) -> None:
    """Store a DevNonce: as pairs of bytes, or as a bit map of all 65,536 once the pairs would take as much."""
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
