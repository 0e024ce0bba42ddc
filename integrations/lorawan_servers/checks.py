"""Checks of untrusted messages: sizes, shapes, texts, numbers. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

import hub
from hub.sdk.nesting import shallow_json
from hub.sdk.phrases import phrase
from integrations.lorawan_servers.parts import Heard

MAX_MESSAGE = 1 << 18
"""Maximum bytes. An uplink heard by fifty gateways takes some 20 KiB of JSON."""
MOST_GATEWAYS = 32

_EUI = re.compile(r"[0-9A-Fa-f]{16}")
_T = TypeVar("_T")


def size(payload: bytes) -> None:
    """Check the size of a message. Raises DecodeError `message-too-long`."""
    if len(payload) > MAX_MESSAGE:
        raise hub.DecodeError(
            "message-too-long",
            phrase(
                "lorawan_servers.message-too-long",
                "{count} bytes, at most {most} are read",
                count=len(payload),
                most=MAX_MESSAGE,
            ),
        )


def decoded(decoder: msgspec.json.Decoder[Any], payload: bytes) -> Any:
    """Decode JSON. Raises DecodeError: `bad-json`, `bad-base64`, `bad-message`."""
    try:
        return decoder.decode(shallow_json(payload))
    except msgspec.ValidationError as error:
        raise _shape(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise hub.DecodeError("bad-json", short(str(error), 200)) from error


def converted(found: dict[str, Any], shape: type[_T]) -> _T:
    """Convert a message of Protocol Buffers, as decoded by `wire`. Raises DecodeError `bad-message`."""
    try:
        return msgspec.convert(found, shape, builtin_types=(bytes, datetime))
    except msgspec.ValidationError as error:
        raise _shape(error) from error


def _shape(error: msgspec.ValidationError) -> hub.DecodeError:
    text = str(error)
    return hub.DecodeError("bad-base64" if "base64" in text else "bad-message", short(text, 200))


def eui(text: str) -> str:
    """Return an EUI in lower case. Raises DecodeError `bad-eui`."""
    if not _EUI.fullmatch(text):
        raise hub.DecodeError(
            "bad-eui",
            phrase("lorawan_servers.not-an-eui", "{text!r} is not 16 hexadecimal digits", text=short(text)),
        )
    return text.lower()


def short(text: str, limit: int = 64) -> str:
    """Return a text for logs and evidence: printable and of limited length."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:limit])


def finite(raw: float | str | None) -> float | None:
    """Return a finite number rounded to a hundredth; in proto3's JSON, NaN is a text."""
    if raw is None or isinstance(raw, str) or not math.isfinite(raw):
        return None
    return round(raw, 2)


def rssi(raw: float) -> int | None:
    """Return the signal in dBm; None for an impossible one."""
    return round(raw) if math.isfinite(raw) and -200 <= raw <= 50 else None


def unix(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


def best(heard: Iterable[Heard]) -> tuple[Heard, ...]:
    """Return each gateway once, with the best of its antennas; the best gateway first."""
    found: dict[str, Heard] = {}
    for one in sorted(heard, key=_strength, reverse=True):
        found.setdefault(one.gateway, one)
    return tuple(found.values())[:MOST_GATEWAYS]


def _strength(one: Heard) -> tuple[float, float]:
    return (-math.inf if one.snr is None else one.snr, -math.inf if one.rssi is None else one.rssi)
