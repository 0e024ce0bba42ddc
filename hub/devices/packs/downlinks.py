"""Downlinks: checks values against the pack's bounds, and reads port and bytes from the codec's answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.core.errors import DecodeError
from hub.core.text import phrase
from hub.devices.packs.loader import Pack

MAX_BYTES = 242
"""The largest application payload of EU868 (RP002-1.0.4, 2.4.6)."""
SIGFOX_DOWNLINK = 8
"""Bytes of every Sigfox downlink."""


def codec_input(pack: Pack, downlink: str, given: Mapping[str, float]) -> dict[str, Any]:
    """Return the input of the codec's `encodeDownlink`. Raises DecodeError: `unknown-downlink`, `downlink-value`."""
    keys = pack.keys.downlinks.get(downlink)
    if keys is None:
        raise DecodeError(
            "unknown-downlink",
            phrase(
                "pack-no-such-downlink",
                "pack {pack} has no downlink {downlink!r}; there are: {there}",
                pack=pack.name,
                downlink=downlink[:48],
                there=list(pack.keys.downlinks) or phrase("no-entry", "none"),
            ),
        )
    if given.keys() != keys.fields.keys():
        raise DecodeError(
            "downlink-value",
            phrase(
                "downlink-wrong-fields",
                "downlink {downlink} takes exactly: {fields}",
                downlink=downlink,
                fields=list(keys.fields) or phrase("no-field", "nothing"),
            ),
        )
    values: dict[str, Any] = {"downlink": downlink}
    for name, bound in keys.fields.items():
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not bound.low <= value <= bound.high:
            raise DecodeError(
                "downlink-value",
                phrase(
                    "downlink-value-out-of-range",
                    "{name} must be from {low:g} to {high:g} {unit}",
                    name=name,
                    low=bound.low,
                    high=bound.high,
                    unit=bound.unit,
                ),
            )
        if bound.whole and value != int(value):
            raise DecodeError(
                "downlink-value", phrase("downlink-value-not-whole", "{name} must be a whole number", name=name)
            )
        values[name] = int(value) if bound.whole else value
    return values


def parse_codec_answer(answer: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return port and payload of a codec's answer. Raises DecodeError: `codec-refused`, `codec-shape`."""
    if errors := answer.get("errors"):
        raise DecodeError("codec-refused", str(errors[0] if isinstance(errors, list) else errors)[:200])
    port, content = answer.get("fPort", 1), answer.get("bytes")
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 223:
        raise DecodeError("codec-shape", phrase("downlink-codec-no-port", "the codec gave no port from 1 to 223"))
    if not isinstance(content, list) or len(content) > MAX_BYTES:
        raise DecodeError(
            "codec-shape",
            phrase("downlink-codec-no-bytes", "the codec gave no list of at most {limit} bytes", limit=MAX_BYTES),
        )
    if not all(isinstance(byte, int) and not isinstance(byte, bool) and 0 <= byte <= 255 for byte in content):
        raise DecodeError(
            "codec-shape", phrase("downlink-codec-not-bytes", "the codec gave something other than bytes")
        )
    return port, bytes(content)
