"""A codec as a layout of others describes it, with its examples. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.core.text import phrase
from hub.devices.packs.importing.texts import object_of, objects

LONGEST = 255
"""Bytes of a payload. LoRaWAN carries 242."""
MOST_EXAMPLES = 200
_ENVELOPE = frozenset({"data", "error", "errors", "warnings"})
_HEX = re.compile(r"(?:0[xX])?((?:[0-9a-fA-F]{2}[\s:,-]*)+)")


@dataclass(frozen=True, slots=True)
class Example:
    """A payload and what somebody says it means: `data`, or `refused`; neither: nothing is said. `port` None: not
    given."""

    payload: bytes
    port: int | None = None
    data: dict[str, Any] | None = None
    refused: bool = False


@dataclass(slots=True)
class FoundCodec:
    """A codec of others. `code` is its file, or `source` its text where it lies in no file. `layout` names where it
    comes from, for people. `port`: the port of its maker's devices where an example gives none."""

    name: str
    vendor: str
    model: str
    layout: str
    code: Path | None = None
    source: str = ""
    mac: str = ""
    listens: str = "A"
    port: int | None = None
    licence: str = ""
    examples: list[Example] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


Found = FoundCodec | str
"""A codec, or why it cannot be imported."""


def take_examples(found: FoundCodec, entries: Iterable[Any]) -> None:
    """Add examples in any of the known forms to `found`, and a remark for those that say nothing."""
    lost = 0
    for entry in entries:
        if not isinstance(entry, dict) or not str(entry.get("type") or "uplink").startswith("uplink"):
            continue
        example = example_of(entry)
        if example is None:
            lost += 1
        elif len(found.examples) < MOST_EXAMPLES and example not in found.examples:
            found.examples.append(example)
    if lost:
        found.remarks.append(
            phrase(
                "import-examples-incomplete",
                "{count} [example|examples] without a payload or a result [is|are] left out",
                count=lost,
            )
        )


def example_of(entry: dict[str, Any]) -> Example | None:
    """Return an example: {input: {bytes, fPort}, output | expected: {data, errors}}, or all of it on one level; an
    output may be the data themselves."""
    given = object_of(entry.get("input")) or entry
    answer = object_of(entry.get("output")) or object_of(entry.get("expected")) or entry
    payload = payload_of(given.get("bytes", given.get("payload")))
    if payload is None:
        return None
    data = answer if answer is not entry and not _ENVELOPE.intersection(answer) else answer.get("data")
    refused = bool(answer.get("errors") or answer.get("error"))
    return Example(
        payload=payload,
        port=port_of(given.get("fPort", given.get("port"))),
        data=data if isinstance(data, dict) and data and not refused else None,
        refused=refused,
    )


def payload_of(value: Any) -> bytes | None:
    """Return the bytes of a list of numbers or of hexadecimal text, None where it is neither."""
    if isinstance(value, str) and (match := _HEX.fullmatch(value.strip())) is not None:
        value = bytes.fromhex(re.sub(r"[^0-9a-fA-F]", "", match[1]))
    if isinstance(value, list):
        whole = (one for one in value if isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= 255)
        value = bytes(found) if len(found := list(whole)) == len(value) else None
    return value if isinstance(value, bytes) and 0 < len(value) <= LONGEST else None


def port_of(value: Any) -> int | None:
    """Return a port that payloads of applications come on, None for any other value."""
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4:
        number = int(value)
    return number if number is not None and 1 <= number <= 223 else None


def listed(value: Any) -> list[dict[str, Any]]:
    """Return the examples of a document: a list of them, or one under a name that is usual."""
    if isinstance(value, dict):
        value = value.get("examples", value.get("tests", value.get("uplink")))
    return objects(value)
