"""Notations of EUI-64. Pure. The hub's own form is 16 lower-case hexadecimal digits.

Read: 0016C001FF10D3E5 · 00-16-C0-01-FF-10-D3-E5 · 00:16:… · ID6 of Basics Station, which shortens an EUI as IPv6 does
an address in four groups (16:c001:ff10:d3e5, ::1, fe::) · a JSON integer, signed or unsigned.
"""

from __future__ import annotations

import re

import hub
from hub.sdk.phrases import phrase

_PLAIN = re.compile(r"[0-9a-fA-F]{16}")
_BYTES = re.compile(r"[0-9a-fA-F]{2}(?:([:-])[0-9a-fA-F]{2})(?:\1[0-9a-fA-F]{2}){6}")
_GROUPS = re.compile(r"(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?")


def read(text: str | int) -> str:
    """Convert any notation to the hub's. Raises DecodeError `bad-eui`."""
    if isinstance(text, int):
        if not -(1 << 63) <= text < 1 << 64:
            raise hub.DecodeError("bad-eui", phrase("lorawan.number-over-64-bits", "a number of more than 64 bits"))
        return f"{text & 0xFFFFFFFFFFFFFFFF:016x}"
    if _PLAIN.fullmatch(text):
        return text.lower()
    if _BYTES.fullmatch(text):
        return re.sub("[:-]", "", text).lower()
    if len(text) <= 19 and ":" in text:
        return _id6(text)
    raise hub.DecodeError(
        "bad-eui", phrase("lorawan.not-an-eui", "not an EUI: 16 hexadecimal digits, such as 0016c001ff10d3e5")
    )


def _id6(text: str) -> str:
    head, gap, tail = text.partition("::")
    if not (_GROUPS.fullmatch(head) and _GROUPS.fullmatch(tail)):
        raise hub.DecodeError("bad-eui", phrase("lorawan.not-an-id6", "not an EUI in ID6 form"))
    left, right = (part.split(":") if part else [] for part in (head, tail))
    missing = 4 - len(left) - len(right)
    if missing < (1 if gap else 0) or (missing and not gap):
        raise hub.DecodeError(
            "bad-eui",
            phrase("lorawan.id6-has-four-groups", "an ID6 has four groups, :: stands for those that are zero"),
        )
    return "".join(group.zfill(4) for group in (*left, *["0"] * missing, *right)).lower()


def id6(eui: str) -> str:
    """Convert the hub's notation to ID6."""
    groups = [f"{int(eui[i : i + 4], 16):x}" for i in range(0, 16, 4)]
    if groups[:3] == ["0", "0", "0"]:
        return f"::{groups[3]}"
    if groups[:2] == ["0", "0"]:
        return f"::{groups[2]}:{groups[3]}"
    return ":".join(groups)


def dashed(eui: str) -> str:
    """Convert the hub's notation to 00-16-C0-01-FF-10-D3-E5."""
    return "-".join(eui[i : i + 2] for i in range(0, 16, 2)).upper()
