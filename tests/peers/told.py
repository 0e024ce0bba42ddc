"""What the reader in JavaScript is to say of what was put in: dictionaries as its JSON has them."""

from __future__ import annotations

from typing import Any

from hub.protocol.records.bodies import ClockMark, Gap
from hub.protocol.records.rows import Row


def fields(struct: Any) -> dict[str, Any]:
    """A struct's fields, bytes as hex."""
    found = {name: getattr(struct, name) for name in struct.__struct_fields__}
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in found.items()}


def as_report(row: Row, boot: bytes) -> dict[str, Any]:
    pairs = zip(row.shape.columns, row.values, strict=True)
    return {
        "kind": "report", "boot": None if row.sure else boot.hex(), **fields(row.subject), "time_ms": row.time_ms,
        "quality": row.quality, "trust": row.trust, "rssi": row.rssi,
        "position": fields(row.position) if row.position else None,
        "readings": [{**fields(column), "value": value} for column, value in pairs],
    }  # fmt: skip


def as_gap(gap: Gap) -> dict[str, Any]:
    return {"kind": "gap", **{name.removesuffix("_s"): value for name, value in fields(gap).items()}}


def as_clock(mark: ClockMark) -> dict[str, Any]:
    return {"kind": "clock", **fields(mark)}


def plain(value: Any) -> Any:
    """Fit to be compared as JSON text: keys in order, and 1.0 written as 1, as JavaScript does. True is no number."""
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
