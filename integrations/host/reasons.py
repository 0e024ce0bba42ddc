"""Descriptions of the counted events of this machine's own health: reason -> English. Pure data."""

from __future__ import annotations

PREFIX = "host.reason-"
REASONS: dict[str, str] = {
    "bad-clock": "The system's clock cannot be read",
    "bad-meminfo": "The system's memory cannot be read",
    "bad-thermal": "The processor's temperature cannot be read",
    "bad-*": "The system does not give {part:l}",
}
