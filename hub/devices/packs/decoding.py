"""Converts a codec's answer to samples, by a pack. Pure.

A value out of its metric's bounds, of another kind or not a number is left out and its reason counted; messages that a
pack does not declare are not decoded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from hub.core.errors import DecodeError
from hub.core.model import Sample, Value
from hub.core.plausibility import plausible
from hub.core.text import phrase
from hub.devices.codecs import Codecs
from hub.devices.codecs.guesses import propose
from hub.devices.codecs.mapping import apply, leaves
from hub.devices.packs.loader import Pack

MAX_HISTORY = 256


class Reading(NamedTuple):
    """The decoded message. `samples`: the present values, undated or as the device dates them, then former ones.
    `skipped`: reasons, as slugs to count. `unmapped`: leaves without a field."""

    message: str
    samples: tuple[Sample, ...]
    skipped: tuple[str, ...]
    unmapped: tuple[str, ...]


NO_PORT = 1
"""Port passed to a codec where the protocol has no ports."""


async def run_codec(pack: Pack, codecs: Codecs, payload: bytes, port: int, received: float | None) -> dict[str, Any]:
    """Decode a payload by the pack's codec or grammar. Raises DecodeError, NotReady without a worker."""
    if pack.grammar is not None:
        return {"data": pack.grammar.read(payload).values}
    return await codecs.decode_uplink(pack.codec, payload, port, received)


def check_port(pack: Pack, port: int) -> None:
    """Raise DecodeError `undeclared-port` if no message can arrive on this port, before the codec is called."""
    if not any(not message.ports or port in message.ports for message in pack.keys.messages.values()):
        raise DecodeError(
            "undeclared-port",
            phrase("pack-no-message-on-port", "pack {pack} has no message on port {port}", pack=pack.name, port=port),
        )


def read_answer(pack: Pack, port: int, answer: Mapping[str, Any], received: float | None = None) -> Reading:
    """Convert a codec's answer to a payload received at `received` (Unix seconds).

    Raises DecodeError: `codec-refused`, `codec-shape`, `undeclared-message`, `undeclared-port`.
    """
    refused = answer.get("errors")
    if refused:
        first = refused[0] if isinstance(refused, list) else refused
        raise DecodeError("codec-refused", str(first)[:200])
    data = answer.get("data")
    if not isinstance(data, dict):
        raise DecodeError("codec-shape", phrase("codec-returned-no-data", "the codec returned no `data`"))
    keys, rest = pack.keys.codec, dict(data)
    message = _message(pack, port, rest)
    time = _number(rest.pop(keys.time, None)) if keys.time else None
    former = rest.pop(keys.history, None) if keys.history else None
    values, skipped, unmapped = _values(pack, rest)
    samples = [Sample(values=values, time=time)]
    for entry in _entries(former):
        when, others = _dated(entry, received)
        more, why, _ = _values(pack, others)
        skipped += why
        if when is None:
            skipped.append("undated")
        elif more:
            samples.append(Sample(values=more, time=when))
    return Reading(message, tuple(samples), tuple(skipped), unmapped)


def _message(pack: Pack, port: int, data: dict[str, Any]) -> str:
    named = pack.keys.codec.message
    if named is None:
        for name, message in pack.keys.messages.items():
            if not message.ports or port in message.ports:
                return name
        raise DecodeError(
            "undeclared-port",
            phrase("pack-no-message-on-port", "pack {pack} has no message on port {port}", pack=pack.name, port=port),
        )
    name = data.pop(named, None)
    if not isinstance(name, str) or name not in pack.keys.messages:
        raise DecodeError(
            "undeclared-message",
            phrase(
                "pack-no-such-message", "pack {pack} has no message {message!r}", pack=pack.name, message=str(name)[:48]
            ),
        )
    ports = pack.keys.messages[name].ports
    if ports and port not in ports:
        raise DecodeError(
            "undeclared-port",
            phrase(
                "pack-message-wrong-port",
                "message {message!r} of pack {pack} does not come on port {port}",
                message=name,
                pack=pack.name,
                port=port,
            ),
        )
    return name


def _values(pack: Pack, data: dict[str, Any]) -> tuple[dict[str, Value], list[str], tuple[str, ...]]:
    found = leaves(data)
    fields = pack.fields
    if fields is None:
        fields = {field.path: field for field in propose(found, pack.metrics)}
    mapped = apply(fields, found, pack.metrics)
    kept = {key: value for key, value in mapped.values.items() if plausible(pack.metrics[key], value)}
    implausible = ["implausible"] * (len(mapped.values) - len(kept))
    return kept, [*mapped.skipped, *implausible], mapped.unmapped


def _entries(former: Any) -> list[dict[str, Any]]:
    if former is None:
        return []
    if not isinstance(former, list) or not all(isinstance(entry, dict) for entry in former):
        raise DecodeError("codec-shape", phrase("codec-history-not-objects", "former values are not a list of objects"))
    if len(former) > MAX_HISTORY:
        raise DecodeError(
            "codec-shape",
            phrase("codec-history-too-long", "there are more than {limit} former values", limit=MAX_HISTORY),
        )
    return former


def _dated(entry: dict[str, Any], received: float | None) -> tuple[float | None, dict[str, Any]]:
    rest = {key: value for key, value in entry.items() if key not in ("time", "ago")}
    time, ago = _number(entry.get("time")), _number(entry.get("ago"))
    if time is None and ago is not None and received is not None:
        time = received - ago
    return time, rest


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond any float
        return None
    return number if math.isfinite(number) and number >= 0 else None
