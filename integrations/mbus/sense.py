"""Tells records in clear from an encrypted block, where the header does not. Pure.

Two octets of a header are the configuration field today; former meters sent a signature there, or nothing of meaning.
What looks like an unknown security mode may therefore be no encryption at all. Encrypted bytes are as good as random.
Random bytes may happen to be records, but seldom records with dates that exist, decimal digits, and numbers that begin
with zeros. `clear` counts the bits that only sense explains.
"""

from __future__ import annotations

import math

import hub
from integrations.mbus import fields, records, values
from integrations.mbus.records import Record

BITS = 20
"""Least bits of sense: one block of random bytes in a million has as many."""
_MOST = 16
"""Most bits that one record counts for: a field of zeros alone proves nothing."""
_RISING = ("energy", "volume", "mass", "heat cost allocation", "on time", "operating time")


def clear(data: bytes) -> bool:
    """Return whether these bytes are the records of a meter, in clear."""
    parsed = records.parse(data)
    if parsed.problem or not parsed.records:
        return False
    bits = 0.0
    try:
        for record, raw in fields.split(parsed.records, data):
            found = _bits(record, raw)
            if found is None:
                return False
            bits += min(found, _MOST)
    except hub.DecodeError:
        return False
    return bits >= BITS


def _bits(record: Record, raw: bytes) -> float | None:
    """Return the bits of sense in one record, None when it has none and contradicts it."""
    if record.quantity.startswith("reserved") or any(word.startswith("reserved") for word in record.modifiers):
        return None
    field, value = record.head[0] & 0x0F, record.value
    if not raw or record.function == "error" or raw.strip(b"\xff") == b"":
        return 0  # no data; or a meter's way to say so
    if record.quantity in ("date", "date and time"):
        return 4 if value is not None else None
    if value is None:
        return None
    if field == values.VARIABLE:
        return 1.4 * len(raw) if all(0x20 <= byte < 0x7F for byte in raw[1:]) else None
    if field in values.BCD:
        digits = raw[::-1].hex()
        return 1.3 * len(raw) + 2 * (len(digits) - len(digits.lstrip("0")))
    if not isinstance(value, int | float):
        return 0  # a number that is shown as text
    if value < 0 and record.quantity in _RISING:
        return None
    if field == values.REAL:
        return _MOST if value == 0 else 2 if 1e-6 < abs(value) < 1e12 and math.isfinite(value) else None
    whole = values.integer(raw)
    return 8 * len(raw) - 1 - abs(whole).bit_length()
