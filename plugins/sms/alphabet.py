"""The alphabet of short messages (3GPP TS 23.038 section 6.2.1), and replacements for other characters. Pure.

160 septets are one message; French letters that the alphabet lacks lose their accent rather than halve its length
(UCS2 would leave 70).
"""

from __future__ import annotations

import unicodedata

ESCAPE = 0x1B
DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Character of each septet, 0 to 127."""
EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
"""Characters that take two septets."""
_SEPTET = {character: number for number, character in enumerate(DEFAULT) if number != ESCAPE}
_OTHERS = {
    "œ": "oe", "Œ": "OE", "«": '"', "»": '"', "“": '"', "”": '"', "’": "'", "‘": "'", "…": "...", "–": "-", "—": "-",
    "°": "", "³": "3", "²": "2", "µ": "u", "→": "->", "\u00a0": " ", "\u202f": " ", "\t": " ", "`": "'", "₂": "2",
}  # fmt: skip


def plain(text: str) -> str:
    """Reduce a text to the alphabet; a character without a replacement becomes `?`."""
    made = []
    for character in text:
        if character in _SEPTET or character in EXTENSION:
            made.append(character)
            continue
        if character in _OTHERS:
            made.append(_OTHERS[character])
            continue
        bare = unicodedata.normalize("NFKD", character)
        kept = "".join(one for one in bare if one in _SEPTET)
        made.append(kept or ("" if unicodedata.category(character) in ("Mn", "Cf", "Cc") else "?"))
    return "".join(made)


def septets(text: str) -> list[int]:
    """Encode a `plain` text."""
    found: list[int] = []
    for character in text:
        found += [_SEPTET[character]] if character in _SEPTET else [ESCAPE, EXTENSION[character]]
    return found


def packed(numbers: list[int], fill: int = 0) -> bytes:
    """Pack septets into octets, the first in the lowest bits (section 6.1.2.1.1), after `fill` zero bits."""
    bits, held, out = 0, 0, bytearray()
    bits = fill
    for number in numbers:
        held |= number << bits
        bits += 7
        while bits >= 8:
            out.append(held & 0xFF)
            held >>= 8
            bits -= 8
    if bits:
        out.append(held & 0xFF)
    return bytes(out)
