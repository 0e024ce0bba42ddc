"""asyncua's objects → plain data of `messages`, every text cut and every number checked."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from integrations.opcua.messages import ID, TEXT, Change, Item

NUMBERS = frozenset(
    ("SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double")
)  # fmt: skip
READABLE = NUMBERS | {"Boolean", "String", "LocalizedText", "DateTime", "Guid"}

BAD_NO_DATA, BAD_INDEX = 0x809B0000, 0x80370000  # BadNoData, BadIndexRangeNoData


def text(given: object, most: int = TEXT) -> str:
    """Cut a text of a server, and drop what UTF-8 cannot encode."""
    if not isinstance(given, str):
        return ""
    return given[:most].encode(errors="replace").decode()


def localized(given: object) -> str:
    return text(getattr(given, "Text", None))


def seconds(given: object) -> float | None:
    """Convert a date to Unix seconds; None for none, and for OPC UA's "no date" (1601)."""
    if not isinstance(given, datetime) or given.year < 1970:
        return None
    return given.timestamp()


def node_id(node: ua.NodeId) -> str:
    """Return a node id as text, "" for one that is too long."""
    said = node.to_string()
    return said if len(said.encode(errors="replace")) <= ID and said.isprintable() else ""


def change(item: Item, data: ua.DataValue) -> Change:
    """Convert a server's value for an item."""
    status = 0 if data.StatusCode is None else int(data.StatusCode.value) & 0xFFFFFFFF
    kind, value = "", None
    variant = data.Value
    if variant is not None and variant.Value is not None:
        kind, value = plain(variant, item.element)
        if kind == "" and status < 0x80000000:
            status = BAD_INDEX
    elif status < 0x80000000:
        status = BAD_NO_DATA
    return Change(item.handle, status, kind, value, seconds(data.SourceTimestamp), seconds(data.ServerTimestamp))


def plain(variant: ua.Variant, element: int) -> tuple[str, float | int | bool | str | None]:
    """Return type and value of a variant; only the type for one without a reading, "" for a missing element."""
    kind = variant.VariantType.name if isinstance(variant.VariantType, ua.VariantType) else "structure"
    value: Any = variant.Value
    if element >= 0:
        if not isinstance(value, list) or element >= len(value):
            return "", None
        value = value[element]
    elif isinstance(value, list):
        return f"{kind}[]", None
    if kind in ("String", "LocalizedText"):
        return kind, text(value) if kind == "String" else localized(value)
    if kind in NUMBERS or kind == "Boolean":
        return kind, value if isinstance(value, bool | int | float) else None
    if kind == "DateTime":
        return kind, seconds(value)
    if kind == "Guid":
        return kind, str(value) if isinstance(value, uuid.UUID) else None
    return kind, None


def data_value(kind: str, value: float | int | bool | str) -> ua.DataValue:
    """Return a value for writing, without status and date, which most servers refuse. Raises ValueError."""
    if kind not in READABLE:
        raise ValueError(kind)
    content: object = value
    if kind == "LocalizedText":
        content = ua.LocalizedText(str(value))
    elif kind == "DateTime":
        content = datetime.fromtimestamp(float(value), UTC)
    elif kind == "Guid":
        content = uuid.UUID(str(value))
    written = ua.DataValue(ua.Variant(content, getattr(ua.VariantType, kind)))
    written.StatusCode = None
    return written
