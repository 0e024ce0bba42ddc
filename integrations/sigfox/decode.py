"""`ilot decode sigfox`: shows the contents of a callback. Pure.

A line is the callback's JSON as the operator sends it, with two optional keys: `kind` (uplink by default) and `format`,
the payload's grammar. Hexadecimal alone is the payload of an uplink: shown as it is.

    {"device": "1D2F3", "time": 1760000000, "seqNumber": 7, "data": "00d22d", "format": "temp::int:16 hum::uint:8"}
    → {"device": "sigfox:1D2F3", "kind": "uplink", "time": 1760000000, "seq": 7, "data": "00d22d",
       "fields": {"temp": 210, "hum": 45}}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

import hub
from hub.sdk.nesting import shallow_json
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.sigfox.callback import Callback, read
from hub.sdk.sigfox.grammar import Grammar

KIND = "sigfox"


def line(said: dict[str, Any]) -> hub.Frame:
    """Convert one decoded JSON object to a frame."""
    device = said.get("device")
    return hub.Frame(
        kind=KIND, address=str(device)[:64] if device else "", data={"callback": msgspec.json.encode(said)}
    )


def said_again(callback: Callback) -> dict[str, Any]:
    """Return a callback as a line."""
    told: dict[str, Any] = {
        "kind": callback.kind, "device": callback.said, "time": callback.time, "seqNumber": callback.seq,
        "data": callback.data.hex() or None, "ack": callback.waits or None, "rssi": callback.rssi,
        "snr": callback.snr, "batt": callback.battery, "temp": callback.temperature, "infoCode": callback.code,
        "severity": callback.severity or None,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def decode(frame: hub.Frame, keys: Callable[[str], bytes | None]) -> hub.Decoded | None:
    """Return the numbers, flags and texts of the payload by their names in the format. Raises DecodeError: as
    `hub.sdk.sigfox.callback.read` and `Grammar.read`, `bad-format`."""
    if "callback" not in frame.data:
        return None
    callback, grammar = parts(frame)
    said = grammar.read(callback.data) if grammar is not None else None
    return hub.Decoded(
        device=f"sigfox:{callback.device}",
        values=said.values if said is not None else {},
        proof=hub.Proof("sigfox", callback.seq),
        skipped=tuple(why for _, why in said.skipped) if said else (),
    )


def explain(frame: hub.Frame, keys: Callable[[str], bytes | None]) -> Iterator[dict[str, Any]]:
    """Yield the contents of a callback as one object. Raises as `decode`."""
    raw = msgspec.json.decode(shallow_json(frame.data["callback"]), type=dict[str, Any])
    if set(raw) == {"raw"}:
        yield {"data": "".join(str(raw["raw"]).split()).lower()}
        return
    callback, grammar = parts(frame)
    told: dict[str, Any] = {
        "device": f"sigfox:{callback.device}", "kind": callback.kind, "time": callback.time, "seq": callback.seq,
        "data": callback.data.hex(), "ack": callback.waits or None, "rssi": callback.rssi, "snr": callback.snr,
        "heard": dict(callback.heard), "link": callback.link, "battery": callback.battery,
        "temperature": callback.temperature, "code": callback.code, "severity": callback.severity,
        "info": callback.info,
    }  # fmt: skip
    if callback.position is not None:
        place = callback.position
        told["position"] = {"lat": place.latitude, "lng": place.longitude, "radius": place.accuracy}
    if grammar is not None:
        said = grammar.read(callback.data)
        told["fields"] = said.values
        told["skipped"] = dict(said.skipped)
    yield {name: value for name, value in told.items() if value not in (None, "", {})}


def parts(frame: hub.Frame) -> tuple[Callback, Grammar | None]:
    """Return the callback of a line, and the grammar that it names. Raises DecodeError."""
    said = msgspec.json.decode(shallow_json(frame.data["callback"]), type=dict[str, Any])
    if set(said) == {"raw"}:
        raise hub.DecodeError(
            "not-a-callback",
            phrase(
                "sigfox.payload-without-device", "bytes alone say nothing of their device: give the callback's JSON"
            ),
        )
    kind, form = said.pop("kind", "uplink"), said.pop("format", None)
    if not isinstance(kind, str) or not isinstance(form, str | None):
        raise hub.DecodeError("bad-format", phrase("sigfox.kind-and-format-are-texts", "kind and format are texts"))
    try:
        grammar = Grammar(form) if form else None
    except ValueError as error:
        raise hub.DecodeError("bad-format", reason_of(error)) from error
    return read(kind, said), grammar
