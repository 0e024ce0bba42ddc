"""Alarms: what a person should know of a hub, or of this backend. One is open until it is cleared or closed."""

from __future__ import annotations

import time

import msgspec

from backend.storage.engine import Storage
from hub.core.text import Phrase, as_data

MAX_OPEN_ALARMS = 64
"""Open alarms of one kind and hub: their text is partly the hub's own."""
MAX_DETAIL = 500
MAX_CODED = 4000
"""Bytes of code and parameters of an alarm."""


def raise_alarm(storage: Storage, kind: str, hub: str, detail: str) -> bool:
    """Raise an alarm; return whether it is open now. One that is open already is not raised twice, and the number of
    one kind is limited for each hub. Inside a transaction."""
    return storage.alarms.raise_one(kind, hub, detail[:MAX_DETAIL], coded(detail), time.time(), MAX_OPEN_ALARMS)


def clear_alarm(storage: Storage, kind: str, hub: str, detail: str, now: float) -> None:
    """Clear an alarm, if it is open. Inside a transaction."""
    storage.alarms.clear(kind, hub, detail[:MAX_DETAIL], now)


def coded(detail: str) -> bytes | None:
    """Return code and parameters of an alarm, to be stored beside its sentence; None where it has none, or much."""
    data = msgspec.json.encode(as_data(detail)) if isinstance(detail, Phrase) else None
    return data if data is not None and len(data) <= MAX_CODED else None
