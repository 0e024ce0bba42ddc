"""Decode the answer of a room sensor into a report. Pure."""

from __future__ import annotations

import json

import hub

LONGEST = 4096
"""Bytes of an answer."""


def decode(body: bytes) -> hub.Report:
    """Raises DecodeError: `answer-size`, `answer-json`, `answer-shape`."""
    if len(body) > LONGEST:
        raise hub.DecodeError("answer-size", f"{len(body)} bytes")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise hub.DecodeError("answer-json", str(error)) from error
    said = said if isinstance(said, dict) else {}
    number = whole(said, "id", 0, 0xFFFFFFFF)
    temperature = whole(said, "t", -1000, 2000) / 10
    humidity = whole(said, "rh", 0, 100)
    return hub.Report(
        device=f"acme:{number}",
        values={"temperature": temperature, "humidity": humidity},
    )


def whole(said: dict[str, object], key: str, low: int, high: int) -> int:
    """A whole number within bounds. Raises DecodeError."""
    value = said.get(key)
    if type(value) is not int or not low <= value <= high:
        raise hub.DecodeError("answer-shape", f"{key} is a number, {low} to {high}")
    return value
