"""`ilot decode payload`: runs a payload through a codec, as the hub does."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hub.cli import output
from hub.cli.hex_input import LINE_LIMIT, to_hex
from hub.core.errors import DecodeError, HubError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of, system_error
from hub.devices.codecs import Codec, Codecs
from hub.devices.codecs.bundle import load_bundle

_AHEAD = 64


def decode_payloads(codec: Path | None, port: int, payloads: Iterable[str]) -> bool:
    """Print one JSON object a payload, in order: {"data": …} as the codec returned it with the readings that the hub
    would make of it, or {"error": …}. Return whether all succeeded."""
    return asyncio.run(_decode(codec, port, payloads))


async def _decode(codec: Path | None, port: int, payloads: Iterable[str]) -> bool:
    from hub.core.metric_catalogue import METRICS
    from hub.devices.codecs.guesses import propose
    from hub.devices.codecs.mapping import leaves

    well = True
    sources: dict[str, Codec] = {}
    async with Codecs() as codecs:
        async for number, answer in _answers(codecs, sources, codec, port, payloads):
            if isinstance(answer, DecodeError):
                output.data({"error": answer.reason, "detail": answer.detail, "line": number})
                well = False
                continue
            told: dict[str, Any] = dict(answer)
            errors = told.get("errors")
            if errors:
                told["error"], well = "codec-refused", False
            try:
                fields = propose(leaves(told.get("data") or {}), METRICS)
                told["proposed"] = {field.path: field.metric for field in fields}
            except DecodeError as error:
                told |= {"error": error.reason, "detail": error.detail}
                well = False
            output.data(told)
    return well


async def _answers(
    codecs: Codecs, sources: dict[str, Codec], codec: Path | None, port: int, payloads: Iterable[str]
) -> AsyncIterator[tuple[int, dict[str, Any] | DecodeError]]:
    """Yield answers in the order of the lines, with several in progress at once."""
    waiting: list[tuple[int, asyncio.Task[dict[str, Any] | DecodeError]]] = []
    for number, line in enumerate(payloads, 1):
        if not line.strip():
            continue
        waiting.append((number, asyncio.create_task(_one(codecs, sources, codec, port, line.strip()))))
        if len(waiting) >= _AHEAD:
            first, task = waiting.pop(0)
            yield first, await task
    for first, task in waiting:
        yield first, await task


async def _one(
    codecs: Codecs, sources: dict[str, Codec], codec: Path | None, port: int, line: str
) -> dict[str, Any] | DecodeError:
    try:
        asked = _line(line, codec, port)
        name = asked["codec"]
        if name not in sources:
            sources[name] = _source(Path(name))
        return await codecs.decode_uplink(sources[name], asked["bytes"], asked["port"], asked["time"])
    except DecodeError as error:
        return error
    except HubError as error:
        return DecodeError("codec-away", reason_of(error))


def _source(path: Path) -> Codec:
    """Return the codec, with the files that it includes."""
    try:
        return load_bundle(path)
    except (OSError, ValueError) as error:
        raise DecodeError(
            "no-codec",
            phrase("file-not-read", "{file} cannot be read: {reason}", file=path, reason=system_error(error)),
        ) from error


def _line(line: str, codec: Path | None, port: int) -> dict[str, Any]:
    """Parse hexadecimal, or {"codec", "port", "bytes": hex or list, "time": Unix seconds or ISO 8601, of UTC where it
    names no zone}. The default time is now: codecs rely on one, which a network server always gives (TS013-1.0.0,
    recvTime)."""
    if len(line) > LINE_LIMIT:
        raise DecodeError(
            "oversized", phrase("line-too-long", "a line has at most {count} characters", count=LINE_LIMIT)
        )
    if not line.startswith(("{", "[", '"')):
        payload = bytes.fromhex(to_hex(line))
        if codec is None:
            raise DecodeError("no-codec", phrase("codec-missing", 'give --codec FILE, or JSON lines with "codec"'))
        return {"codec": str(codec), "port": port, "bytes": payload, "time": time.time()}
    try:
        given = msgspec.json.decode(shallow_json(line), type=_Line)
        payload = _bytes(given.bytes)
    except (msgspec.MsgspecError, ValueError) as error:
        raise DecodeError(
            "not-json",
            phrase(
                "payload-line-form",
                "a line is hexadecimal or {{codec, port, bytes, time}}: {reason}",
                reason=reason_of(error),
            ),
        ) from error
    name = given.codec or (str(codec) if codec else "")
    if not name:
        raise DecodeError("no-codec", phrase("codec-missing", 'give --codec FILE, or JSON lines with "codec"'))
    return {"codec": name, "port": given.port or port, "bytes": payload, "time": _time(given.time)}


def _bytes(given: str | list[int]) -> bytes:
    if not isinstance(given, str):
        return bytes(given)
    return bytes.fromhex(to_hex(given)) if given.strip() else b""


class _Line(msgspec.Struct):
    bytes: str | list[int]
    codec: str = ""
    port: int = 0
    time: float | str | None = None


def _time(given: float | str | None) -> float:
    if given is None:
        return time.time()
    if not isinstance(given, str):
        return given
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise DecodeError(
            "not-json", phrase("payload-time-wrong", "time: {reason}", reason=reason_of(error))
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def from_standard_input() -> Iterable[str]:
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # stdin is always a text stream
    return sys.stdin
