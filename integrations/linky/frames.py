"""Cuts the bytes of a customer output (TIC) into frames of groups. Sans-I/O: bytes in, frames and errors out.

Enedis-NOI-CPT_54E, "Sorties de télé-information client des appareils de comptage Linky", and Enedis-NOI-CPT_02E for
the meters before it and those above 36 kVA:

    frame       STX group… ETX          EOT in place of anything: interrupted
    historic    LF label SP data SP checksum CR                     1,200 bit/s; above 36 kVA 9,600 too
    standard    LF label HT [timestamp HT] data HT checksum CR      9,600 bit/s

7 bits, even parity. The checksum is the sum of the characters from the label on, its lowest six bits, plus 0x20. In
standard mode the separator before it counts too; meters before Linky do either.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, NamedTuple

import hub
from hub.sdk.phrases import phrase

STX, ETX, EOT, LF, CR, HT, SP = 0x02, 0x03, 0x04, 0x0A, 0x0D, 0x09, 0x20
MAX_GROUP = 192
"""Maximum bytes: the longest of the standard is PJOURF+1 with 98 characters of data."""
MAX_FRAME = 8192
"""Maximum bytes: that of a meter above 36 kVA holds some 160 groups."""

Mode = Literal["historic", "standard"]


class Group(NamedTuple):
    """A group with a valid checksum. `stamp` is its timestamp as sent, empty where it has none."""

    label: str
    data: str
    stamp: str = ""


class Frame(NamedTuple):
    """The valid groups of one frame, in order, and the reasons (slugs to count) of the others."""

    mode: Mode
    groups: tuple[Group, ...]
    bad: tuple[str, ...] = ()


def read_group(raw: bytes) -> tuple[Mode, Group]:
    """Parse the bytes between LF and CR. Raises DecodeError: `tic-group` or `tic-checksum`."""
    if not 4 <= len(raw) <= MAX_GROUP or any(not (SP <= byte < 0x7F or byte == HT) for byte in raw):
        raise hub.DecodeError("tic-group", phrase("linky.not-printable", "not a group of printable characters"))
    body, checksum = raw[:-1], raw[-1]
    separator = body[-1]
    if separator not in (HT, SP):
        raise hub.DecodeError("tic-group", phrase("linky.no-separator", "no separator before the checksum"))
    if checksum not in (_checksum(body), *([_checksum(body[:-1])] if separator == SP else ())):
        raise hub.DecodeError("tic-checksum", phrase("linky.checksum-wrong", "the checksum is wrong"))
    label, found, rest = body[:-1].decode("ascii").partition(chr(separator))
    if not found or not label or len(label) > 16:
        raise hub.DecodeError("tic-group", phrase("linky.no-label", "no label and data"))
    if separator == SP:
        return "historic", Group(label, rest)
    stamp, found, data = rest.partition("\t")
    return "standard", Group(label, data, stamp) if found else Group(label, rest)


def _checksum(body: bytes) -> int:
    return (sum(body) & 0x3F) + 0x20


def groups_in(stretch: bytes) -> int:
    """Count the valid groups in a stretch of a line, wherever it was cut. A frame of a meter above 36 kVA takes half a
    minute at 1,200 bit/s: its groups show sooner that the speed is right."""
    good = 0
    for piece in bytes(octet & 0x7F for octet in stretch).split(b"\n")[1:]:
        raw, end, _ = piece.partition(b"\r")
        if end:
            with suppress(hub.DecodeError):
                read_group(raw)
                good += 1
    return good


class Framer:
    """Cuts a line's bytes into frames.

    Never holds more than one frame; invalid data are dropped and counted in their frame, and the next STX starts
    again."""

    def __init__(self) -> None:
        self._frame: bytearray | None = None

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Return the frames that `data` completes."""
        for octet in data:
            byte = octet & 0x7F  # with 8 data bits, the top one is the parity
            if byte == STX:
                self._frame = bytearray()
            elif self._frame is None:
                continue
            elif byte == ETX:
                frame, self._frame = read_frame(bytes(self._frame)), None
                if frame is not None:
                    yield frame
            elif byte == EOT or len(self._frame) >= MAX_FRAME:
                self._frame = None
            else:
                self._frame.append(byte)


def read_frame(body: bytes) -> Frame | None:
    """Parse the bytes between STX and ETX; None when no group is valid. The mode of a frame is that of most groups."""
    groups: list[tuple[Mode, Group]] = []
    bad: list[str] = []
    for piece in body.split(b"\n")[1:]:
        raw, end, after = piece.partition(b"\r")
        if not end or after:
            bad.append("tic-group")
            continue
        try:
            groups.append(read_group(raw))
        except hub.DecodeError as error:
            bad.append(error.reason)
    if not groups:
        return None
    modes = [mode for mode, _ in groups]
    mode: Mode = "standard" if modes.count("standard") * 2 > len(modes) else "historic"
    bad += ["tic-mixed" for other in modes if other != mode]
    return Frame(mode, tuple(group for other, group in groups if other == mode), tuple(bad))
