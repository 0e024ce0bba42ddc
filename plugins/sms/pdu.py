"""SMS-SUBMIT (3GPP TS 23.040 section 9.2.2.2): encodes messages for a modem in PDU mode. Pure.

A text longer than 160 septets becomes parts of 153 that the receiving phone joins (section 9.2.3.24.1), at most MOST; a
longer text is cut at a word.
"""

from __future__ import annotations

from typing import NamedTuple

from plugins.sms.alphabet import packed, plain, septets

ONE, PART = 160, 153
"""Septets of a single message, and of a part."""
MOST = 3
_SUBMIT, _RELATIVE, _HEADER = 0x01, 0x10, 0x40
_INTERNATIONAL = 0x91
_A_DAY = 0xA7
"""Validity period, section 9.2.3.12.1: (167 - 143) x 30 min after 12 h."""


class Pdu(NamedTuple):
    """A message. `length` is the argument of AT+CMGS: octets without the service centre's address."""

    hex: str
    length: int


def submits(number: str, text: str, reference: int) -> list[Pdu]:
    """Encode the messages for one number (E.164 with its plus); `reference` (0 to 255) identifies the parts of one
    text."""
    parts = split(text)
    made = []
    for at, part in enumerate(parts):
        first, header = _SUBMIT | _RELATIVE, b""
        if len(parts) > 1:
            first |= _HEADER
            header = bytes([5, 0, 3, reference & 0xFF, len(parts), at + 1])
        fill = -len(header) * 8 % 7
        data = header + packed(septets(part), fill)
        length = (len(header) * 8 + fill) // 7 + len(septets(part))
        body = bytes([first, 0]) + _address(number) + bytes([0, 0, _A_DAY, length]) + data
        made.append(Pdu("00" + body.hex().upper(), len(body)))  # 00: the SIM's service centre
    return made


def split(text: str) -> list[str]:
    """Split a text into messages: one, or parts; an escaped character is never divided."""
    whole = plain(text)
    if len(septets(whole)) <= ONE:
        return [whole]
    parts: list[str] = []
    left = whole
    while left and len(parts) < MOST:
        part = _fitting(left, PART)
        parts.append(part)
        left = left[len(part) :]
    if left:
        parts[-1] = _cut(parts[-1], PART)
    return parts


def _fitting(text: str, most: int) -> str:
    count = 0
    for at, character in enumerate(text):
        count += len(septets(character))
        if count > most:
            return text[:at]
    return text


def _cut(text: str, most: int) -> str:
    """Cut at the end of a word, and mark the cut."""
    kept = _fitting(text, most - 3)
    word = kept.rfind(" ")
    return (kept[:word] if word > most // 2 else kept) + "..."


def _address(number: str) -> bytes:
    """Encode an address (section 9.1.2.5): digits in pairs, swapped; an odd one is filled with F."""
    digits = number.lstrip("+")
    padded = digits + "F" * (len(digits) % 2)
    swapped = "".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2))
    return bytes([len(digits), _INTERNATIONAL]) + bytes.fromhex(swapped)
