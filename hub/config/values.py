"""Durations and sizes as people write them: `5s`, `1h30min`, `256KB`. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from hub.core.text import phrase

UNITS_S = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
UNITS_B = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
"""A KB is 1024 bytes; KiB, MiB, GiB and TiB mean the same."""

DURATION = r"(?:[0-9]{1,9}(?:\.[0-9]{1,6})? ?(?:ms|s|min|h|d) ?)+"
SIZE = r"[0-9]{1,9}(?:\.[0-9]{1,6})? ?(?:B|[KMGT]i?B)"

_STEP = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|min|h|d)")


def duration(text: str) -> timedelta:
    """Parse `1h30min` as 90 minutes. Raises ValueError with a sentence."""
    if not re.fullmatch(DURATION, text):
        minutes = re.fullmatch(r"([0-9]{1,9}) ?m", text)
        if minutes:
            raise ValueError(
                phrase(
                    "duration-of-minutes",
                    "expected a duration with its unit (ms, s, min, h, d): {minutes}min",
                    minutes=int(minutes[1]),
                )
            )
        raise ValueError(
            phrase(
                "duration-without-unit",
                "expected a duration with its unit (ms, s, min, h, d), like 5s, 500ms, 1h30min or 7d",
            )
        )
    return timedelta(seconds=sum(float(number) * UNITS_S[unit] for number, unit in _STEP.findall(text)))


def size(text: str) -> int:
    """Parse `256KB` as 262144 bytes. Raises ValueError with a sentence."""
    if not re.fullmatch(SIZE, text):
        raise ValueError(phrase("size-without-unit", "expected a size with its unit (B, KB, MB, GB), like 256KB"))
    number, unit = re.fullmatch(r"([0-9.]+) ?(\w+)", text).groups()  # type: ignore[union-attr]
    return int(float(number) * UNITS_B[unit.replace("i", "")])


def show_duration(value: timedelta) -> str:
    """Return the shortest notation: 90 minutes → `1h30min`."""
    left = round(value.total_seconds() * 1000)
    text = ""
    for unit, factor in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, factor)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def show_size(value: int) -> str:
    """Return the largest whole unit: 262144 → `256KB`."""
    for unit in ("TB", "GB", "MB", "KB"):
        if value and value % UNITS_B[unit] == 0:
            return f"{value // UNITS_B[unit]}{unit}"
    return f"{value}B"


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    return duration(value if isinstance(value, str) else "")


def _size(value: Any) -> Any:
    if isinstance(value, str):
        return size(value)
    raise ValueError(phrase("size-without-unit", "expected a size with its unit (B, KB, MB, GB), like 256KB"))


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(show_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION}$"}),
]
Size = Annotated[
    int,
    BeforeValidator(_size),
    PlainSerializer(show_size, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{SIZE}$"}),
]
"""Size in bytes."""
