"""MAC commands, both ways: bytes ↔ structs (LoRaWAN L2 1.0.4, TS001-1.0.4, chapter 5). Pure.

    CID 1 | fields of the size that CID and direction imply       several in a row, in FOpts or as port 0's payload

A command of unknown size ends the sequence; the commands before it count (§5, "unknown MAC commands"). Reserved values
are passed on as they are; the caller judges them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

import msgspec


class Command(msgspec.Struct, frozen=True):
    """A MAC command. Subclasses are named as in the standard."""

    cid: ClassVar[int]

    def fields(self) -> bytes:
        """Return the bytes after the CID."""
        return b""


class LinkCheckReq(Command, frozen=True):
    cid = 0x02


class LinkCheckAns(Command, frozen=True):
    """`margin` in dB above the demodulation floor, 0 to 254; `gateways` that heard the request."""

    cid = 0x02
    margin: int
    gateways: int

    def fields(self) -> bytes:
        return bytes((self.margin, self.gateways))


class LinkADRReq(Command, frozen=True):
    """`mask` has bit n for channel n where `control` is 0. `rate` and `power` 15: keep what you have (1.0.4)."""

    cid = 0x03
    rate: int
    power: int
    mask: int
    control: int = 0
    nb_trans: int = 1

    def fields(self) -> bytes:
        redundancy = self.control << 4 | self.nb_trans
        return bytes((self.rate << 4 | self.power,)) + self.mask.to_bytes(2, "little") + bytes((redundancy,))


class LinkADRAns(Command, frozen=True):
    """Answer to LinkADRReq. Unless all three are true the device changed nothing."""

    cid = 0x03
    power: bool
    rate: bool
    mask: bool

    def fields(self) -> bytes:
        return bytes((self.power << 2 | self.rate << 1 | self.mask,))

    @property
    def accepted(self) -> bool:
        return self.power and self.rate and self.mask


class DutyCycleReq(Command, frozen=True):
    """Limits the device to 1/2^exponent of the time, over all channels; 0: only the legal duty cycle."""

    cid = 0x04
    exponent: int

    def fields(self) -> bytes:
        return bytes((self.exponent,))


class DutyCycleAns(Command, frozen=True):
    cid = 0x04


class RXParamSetupReq(Command, frozen=True):
    """Receive windows: offset of RX1, data rate and `frequency` of RX2 in Hz."""

    cid = 0x05
    rx1_offset: int
    rx2_rate: int
    frequency: int

    def fields(self) -> bytes:
        return bytes((self.rx1_offset << 4 | self.rx2_rate,)) + _hertz(self.frequency)


class RXParamSetupAns(Command, frozen=True):
    cid = 0x05
    offset: bool
    rate: bool
    frequency: bool

    def fields(self) -> bytes:
        return bytes((self.offset << 2 | self.rate << 1 | self.frequency,))

    @property
    def accepted(self) -> bool:
        return self.offset and self.rate and self.frequency


class DevStatusReq(Command, frozen=True):
    cid = 0x06


class DevStatusAns(Command, frozen=True):
    """`battery` 0: external supply; 1 to 254: empty to full; 255: not known. `margin`: SNR in dB of the request,
    -32 to 31."""

    cid = 0x06
    battery: int
    margin: int

    def fields(self) -> bytes:
        return bytes((self.battery, self.margin & 0x3F))


class NewChannelReq(Command, frozen=True):
    """Defines a channel at `frequency` Hz; 0 removes the channel."""

    cid = 0x07
    index: int
    frequency: int
    slowest: int
    fastest: int

    def fields(self) -> bytes:
        return bytes((self.index,)) + _hertz(self.frequency) + bytes((self.fastest << 4 | self.slowest,))


class NewChannelAns(Command, frozen=True):
    cid = 0x07
    rate: bool
    frequency: bool

    def fields(self) -> bytes:
        return bytes((self.rate << 1 | self.frequency,))

    @property
    def accepted(self) -> bool:
        return self.rate and self.frequency


class RXTimingSetupReq(Command, frozen=True):
    """Sets the delay from the end of an uplink to RX1, 1 to 15 s."""

    cid = 0x08
    delay: int

    def fields(self) -> bytes:
        return bytes((self.delay,))


class RXTimingSetupAns(Command, frozen=True):
    cid = 0x08


class TxParamSetupReq(Command, frozen=True):
    """Dwell times and EIRP: downlink dwell bit 5, uplink dwell bit 4, EIRP index bits 3-0. Not sent in EU863-870, where
    devices do not support it."""

    cid = 0x09
    dwell: int

    def fields(self) -> bytes:
        return bytes((self.dwell,))


class TxParamSetupAns(Command, frozen=True):
    cid = 0x09


class DlChannelReq(Command, frozen=True):
    """Moves RX1 after an uplink on channel `index` to `frequency` Hz."""

    cid = 0x0A
    index: int
    frequency: int

    def fields(self) -> bytes:
        return bytes((self.index,)) + _hertz(self.frequency)


class DlChannelAns(Command, frozen=True):
    cid = 0x0A
    uplink: bool
    frequency: bool

    def fields(self) -> bytes:
        return bytes((self.uplink << 1 | self.frequency,))

    @property
    def accepted(self) -> bool:
        return self.uplink and self.frequency


class DeviceTimeReq(Command, frozen=True):
    cid = 0x0D


class DeviceTimeAns(Command, frozen=True):
    """Time at the end of the uplink that asked, since the GPS epoch in steps of 1/256 s."""

    cid = 0x0D
    ticks: int

    def fields(self) -> bytes:
        return (self.ticks >> 8).to_bytes(4, "little") + bytes((self.ticks & 0xFF,))


def _hertz(frequency: int) -> bytes:
    return (frequency // 100).to_bytes(3, "little")


def _read_hertz(data: bytes) -> int:
    return int.from_bytes(data, "little") * 100


def _bit(value: int, bit: int) -> bool:
    return value >> bit & 1 == 1


Read = Callable[[bytes], Command]
_UP: dict[int, tuple[int, Read]] = {
    0x02: (0, lambda b: LinkCheckReq()),
    0x03: (1, lambda b: LinkADRAns(_bit(b[0], 2), _bit(b[0], 1), _bit(b[0], 0))),
    0x04: (0, lambda b: DutyCycleAns()),
    0x05: (1, lambda b: RXParamSetupAns(_bit(b[0], 2), _bit(b[0], 1), _bit(b[0], 0))),
    0x06: (2, lambda b: DevStatusAns(b[0], (b[1] & 0x3F ^ 0x20) - 0x20)),
    0x07: (1, lambda b: NewChannelAns(_bit(b[0], 1), _bit(b[0], 0))),
    0x08: (0, lambda b: RXTimingSetupAns()),
    0x09: (0, lambda b: TxParamSetupAns()),
    0x0A: (1, lambda b: DlChannelAns(_bit(b[0], 1), _bit(b[0], 0))),
    0x0D: (0, lambda b: DeviceTimeReq()),
}
_DOWN: dict[int, tuple[int, Read]] = {
    0x02: (2, lambda b: LinkCheckAns(b[0], b[1])),
    0x03: (4, lambda b: LinkADRReq(b[0] >> 4, b[0] & 15, int.from_bytes(b[1:3], "little"), b[3] >> 4 & 7, b[3] & 15)),
    0x04: (1, lambda b: DutyCycleReq(b[0] & 15)),
    0x05: (4, lambda b: RXParamSetupReq(b[0] >> 4 & 7, b[0] & 15, _read_hertz(b[1:]))),
    0x06: (0, lambda b: DevStatusReq()),
    0x07: (5, lambda b: NewChannelReq(b[0], _read_hertz(b[1:4]), b[4] & 15, b[4] >> 4)),
    0x08: (1, lambda b: RXTimingSetupReq(b[0] & 15)),
    0x09: (1, lambda b: TxParamSetupReq(b[0])),
    0x0A: (4, lambda b: DlChannelReq(b[0], _read_hertz(b[1:]))),
    0x0D: (5, lambda b: DeviceTimeAns(int.from_bytes(b[:4], "little") << 8 | b[4])),
}


def parse(data: bytes, *, uplink: bool) -> tuple[list[Command], str]:
    """Parse a sequence of commands. Returns them and why parsing ended early: "" or a slug to count
    (`unknown-mac-command-13`, `truncated-mac-command`). Never raises."""
    table = _UP if uplink else _DOWN
    found: list[Command] = []
    at = 0
    while at < len(data):
        known = table.get(data[at])
        if known is None:
            return found, f"unknown-mac-command-{data[at]:02x}"
        size, read = known
        if at + 1 + size > len(data):
            return found, "truncated-mac-command"
        found.append(read(data[at + 1 : at + 1 + size]))
        at += 1 + size
    return found, ""


def build(row: Iterable[Command]) -> bytes:
    """Encode a sequence of commands."""
    return b"".join([bytes((command.cid,)) + command.fields() for command in row])
