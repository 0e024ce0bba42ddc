"""Group addresses and individual addresses: text and 16 bits. Pure.

KNX Standard v2.1, 03_05_01 Resources (individual address: area 4 bits, line 4, device 8) and 03_03_02 Data Link Layer
General. How a group address is written is a convention of the tool: three levels (5, 3 and 8 bits), two (5 and 11) or
none. All three name the same 16 bits, so all three are read.
"""

from __future__ import annotations

from hub.sdk.phrases import phrase

BROADCAST = 0
"""0/0/0 reaches every device; it is no group."""

_GROUP = {1: (16,), 2: (5, 11), 3: (5, 3, 8)}
_INDIVIDUAL = (4, 4, 8)


def group(text: str) -> int:
    """Convert `1/2/3`, `1/515` or `2563` to 2563. Raises ValueError with a sentence."""
    parts = _numbers(text, "/")
    widths = _GROUP.get(len(parts) if parts else 0)
    value = _pack(parts, widths) if widths else None
    if value is None:
        raise ValueError(
            phrase(
                "knx.bad-group-address",
                "{text!r} is no group address: expected 1/2/3 (31/7/255 at most), 1/515 or 2563",
                text=text[:40],
            )
        )
    if value == BROADCAST:
        raise ValueError(phrase("knx.broadcast-is-no-group", "0/0/0 is not a group: it reaches every device"))
    return value


def individual(text: str) -> int:
    """Convert `1.1.5` to 4357. Raises ValueError with a sentence."""
    parts = _numbers(text, ".")
    value = _pack(parts, _INDIVIDUAL) if len(parts) == 3 else None
    if value is None:
        raise ValueError(
            phrase(
                "knx.bad-individual-address",
                "{text!r} is no individual address: expected 1.1.5 (0 to 15, 0 to 15, 0 to 255)",
                text=text[:40],
            )
        )
    return value


def show_group(value: int, levels: int = 3) -> str:
    """Format 2563 as `1/2/3`, `1/515` or `2563`."""
    return "/".join(map(str, _unpack(value, _GROUP[levels])))


def show_individual(value: int) -> str:
    """Format 4357 as `1.1.5`."""
    return ".".join(map(str, _unpack(value, _INDIVIDUAL)))


def levels(text: str) -> int:
    """Return the number of levels that an address is written with."""
    return text.count("/") + 1


def _numbers(text: str, separator: str) -> list[int]:
    parts = text.split(separator)
    if not all(part.isascii() and part.isdigit() and len(part) <= 5 for part in parts):
        return []
    return [int(part) for part in parts]


def _pack(parts: list[int], widths: tuple[int, ...]) -> int | None:
    value = 0
    for part, width in zip(parts, widths, strict=True):
        if part >> width:
            return None
        value = value << width | part
    return value


def _unpack(value: int, widths: tuple[int, ...]) -> list[int]:
    parts = []
    for width in reversed(widths):
        parts.append(value & (1 << width) - 1)
        value >>= width
    return parts[::-1]
