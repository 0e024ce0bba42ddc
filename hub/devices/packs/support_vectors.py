"""Vectors of a pack from the frames of a support file (`hub.rpc.support`). Pure, except that the codec is called.

What the present pack reads stands in them as what is expected, and each is marked `unconfirmed`: that a codec agrees
with itself proves nothing. A person compares the values with the device's display and takes the mark away; until then
the pack does not pass its tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from hub.core.errors import ConfigError, DecodeError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of
from hub.devices.codecs import Codecs
from hub.devices.packs.decoding import NO_PORT, read_answer, run_codec
from hub.devices.packs.loader import Pack
from hub.devices.packs.vectors import VectorKeys

MOST_BYTES = 8 << 20
MOST_LINES = 10_000
MOST_VECTORS = 200
SOURCE = "support"


class _Line(msgspec.Struct):
    """A line of the file; what is not named here is not looked at."""

    part: Annotated[str, Meta(max_length=32)]
    format: int | None = None
    made: float | None = None
    pack: Annotated[str, Meta(max_length=64)] = ""
    kind: Annotated[str, Meta(max_length=32)] = ""
    port: Annotated[int, Meta(ge=0, le=255)] | None = None
    bytes: Any = None


class Payload(NamedTuple):
    """A payload as received; `port` is None without ports."""

    port: int | None
    data: bytes


class SupportFile(NamedTuple):
    """What of a support file becomes vectors. `left_out` counts frames without bytes, or that are no codec's."""

    pack: str
    made: float
    payloads: tuple[Payload, ...]
    left_out: int


class MadeVector(NamedTuple):
    """A vector as text of YAML; "" where the present pack reads nothing of the payload: `reason` says why."""

    text: str
    reason: str


def read_support(data: bytes) -> SupportFile:
    """Read a support file: each payload once, in order. Raises ConfigError that names the line."""
    lines = data.splitlines()
    if len(data) > MOST_BYTES or len(lines) > MOST_LINES:
        raise ConfigError(phrase("support-file-too-large", "this is too large to be a support file"))
    pack, made, left_out = "", 0.0, 0
    found: dict[Payload, None] = {}
    for number, raw in enumerate(lines, 1):
        try:
            line = msgspec.json.decode(shallow_json(raw), type=_Line)
            if number == 1 and (line.part != "support" or line.format != 1):
                raise ValueError("support")
            if line.part in ("frame", "kept"):
                if line.kind == "payload" and isinstance(line.bytes, str):
                    found[Payload(line.port, bytes.fromhex(line.bytes))] = None
                else:
                    left_out += 1
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            said = phrase("not-a-support-file", "line {line}: this is no file of `ilot support`", line=number)
            raise ConfigError(said) from error
        pack = line.pack if line.part == "about" else pack
        made = line.made if line.part == "support" and line.made is not None else made
    return SupportFile(pack, made, tuple(found)[:MOST_VECTORS], left_out + max(0, len(found) - MOST_VECTORS))


async def make_vectors(pack: Pack, codecs: Codecs, payloads: Iterable[Payload], page: str) -> list[MadeVector]:
    """Return a vector for each payload that the pack has not got yet. Raises NotReady without a worker."""
    there = {(vector.keys.port, (vector.keys.bytes or "").lower()) for vector in pack.vectors}
    ports = pack.keys.protocol == "lorawan"
    made = []
    for payload in payloads:
        port = payload.port if ports else None
        if (port, payload.data.hex()) in there:
            continue
        head = {"source": SOURCE, "page": page, "port": port, "bytes": payload.data.hex()}
        try:
            claim = await _claim(pack, codecs, payload.data, port)
        except DecodeError as error:
            if error.reason != "codec-refused":
                made.append(MadeVector("", reason_of(error)))
                continue
            claim = {"refused": True}
        made.append(MadeVector("\n".join(_yaml({**head, **claim, "unconfirmed": True})) + "\n", ""))
    return made


async def _claim(pack: Pack, codecs: Codecs, payload: bytes, port: int | None) -> dict[str, Any]:
    answer = await run_codec(pack, codecs, payload, port or NO_PORT, None)
    reading = read_answer(pack, port or NO_PORT, answer, 0.0)
    now, *before = reading.samples
    if before or not now.values:  # former values are dated by when the frame came: the codec's own words are exact
        return {"message": reading.message, "data": answer["data"]}
    found: dict[str, Any] = {"message": reading.message, "readings": dict(now.values)}
    if now.time is not None:
        found["time"] = now.time
    return {**found, "skipped": sorted(reading.skipped)} if reading.skipped else found


def _yaml(vector: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a list entry; JSON is YAML too."""
    start = "- "
    for key, value in vector.items():
        if value is not None:
            yield f"{start}{key}: {json.dumps(value, ensure_ascii=False)}"
            start = "  "


def expects(keys: VectorKeys) -> str:
    """Return what a vector expects, for the person who confirms it."""
    found: Any = keys.readings if keys.readings is not None else keys.data
    return "" if found is None else json.dumps(found, ensure_ascii=False)


def with_source(text: str, title: str, version: str) -> str | None:
    """Return the text of `pack.yaml` with the source of these vectors; None where there is no place for it."""
    if f"\n  {SOURCE}:\n" in text:
        return text
    entry = (
        f"sources:\n  {SOURCE}:\n    kind: device\n    title: {json.dumps(title)}\n    version: {json.dumps(version)}\n"
        "    by: whoever confirms the values\n    licence: facts only\n"
    )
    if "\nsources:\n" not in text:
        return None
    return text.replace("\nsources:\n", f"\n{entry}", 1)
