"""`ilot decode`: decodes frames."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hex_input import parse_line, to_hex
from hub.core.errors import DecodeError, HubError
from hub.core.text import phrase, reason_of


@click.command()
@click.argument("protocol")
@click.argument("frames", nargs=-1)
@click.option("--key", metavar="HEX", help="The device's key. Prefer --key-file: other users can see arguments.")
@click.option(
    "--key-file", type=click.Path(path_type=Path, dir_okay=False), help="A file that holds the key in hex; - is stdin."
)
@click.option("--codec", type=click.Path(path_type=Path, dir_okay=False), help="payload: the JavaScript file.")
@click.option("--port", default=1, show_default=True, help="payload: the LoRaWAN port (FPort).")
def decode(
    protocol: str, frames: tuple[str, ...], key: str | None, key_file: Path | None, codec: Path | None, port: int
) -> None:
    """Decode FRAMES of PROTOCOL (for instance "ble") and print one reading a line, as JSON.

    A frame is a JSON object or hexadecimal, as other tools print it: 6819, 68 19, 68:19, 0x68, 0x19. Without FRAMES,
    frames are read from stdin, one a line. A frame that does not decode gives a line with "error", and exit code 6 in
    the end.

    PROTOCOL "payload" runs FRAMES through a payload codec and prints what it returned, one object a line. A line may
    also be {"codec": FILE, "port": N, "bytes": HEX, "time": UNIX SECONDS}.
    """
    if protocol == "payload":
        from hub.cli import decode_payload

        if not decode_payload.decode_payloads(codec, port, frames or decode_payload.from_standard_input()):
            raise click.exceptions.Exit(6)
        return
    from hub.core.metric_catalogue import METRICS
    from hub.plugin_host.registry import Registry

    registry = Registry.discover()
    for plugin in registry.plugins.values():
        if plugin.shipped:
            registry.load(plugin.name)
    decoders = registry.decoders(protocol)
    if not decoders:
        kinds = sorted({d.kind for plugin in registry.plugins.values() for d in plugin.decoders})
        raise click.UsageError(
            phrase(
                "no-decoder-for",
                "no decoder for {protocol!r}; there are decoders for {kinds}",
                protocol=protocol,
                kinds=kinds,
            )
        )
    metrics = {**METRICS, **registry.metrics()}
    secret = _key(key, key_file)
    to_frame: Any = next((d.line for d in decoders if d.line), None)
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # stdin is always a text stream
    failed = False
    lines: Iterable[str] = frames or sys.stdin
    if to_frame is None:
        raise click.UsageError(
            phrase("decoders-read-no-lines", "the decoders for {protocol!r} read no lines", protocol=protocol)
        )
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        explain = next((d.explain for d in decoders if d.explain), None)
        answers = (
            _decode(line.strip(), to_frame, [d.decode for d in decoders], lambda _: secret, metrics)
            if explain is None
            else _explain(line.strip(), to_frame, explain, lambda _: secret)
        )
        for answer in answers:
            failed |= "error" in answer
            output.data({**answer, "line": number} if "error" in answer else answer)
    if failed:
        raise click.exceptions.Exit(6)


def _key(key: str | None, key_file: Path | None) -> bytes | None:
    if key_file is not None:
        try:
            key = sys.stdin.readline() if str(key_file) == "-" else key_file.read_text()
        except (OSError, ValueError) as error:
            raise click.UsageError(
                phrase("key-file-not-read", "the key file cannot be read: {reason}", reason=reason_of(error))
            ) from error
    if key is None:
        return None
    try:
        return bytes.fromhex(to_hex(key))
    except DecodeError:  # whose sentence would show a part of the key
        raise click.UsageError(phrase("key-not-hexadecimal", "the key is not hexadecimal")) from None


def _decode(
    line: str, to_frame: Any, decoders: list[Any], keys: Any, metrics: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the readings of one line, or one object with "error"."""
    from hub.core.model import NeedKey

    try:
        frame = to_frame(parse_line(line))
        for decode_ in decoders:
            decoded = decode_(frame, keys)
            if decoded is None:
                continue
            if isinstance(decoded, NeedKey):
                yield {
                    "error": "needs-key",
                    "detail": phrase("frame-sealed", "sealed; give --key-file"),
                    "device": decoded.device,
                }
                return
            for metric, value in decoded.values.items():
                known = metrics.get(metric)
                unit = known.unit if known else ""
                reading = {"device": decoded.device, "metric": metric, "value": value, "unit": unit}
                if decoded.model:
                    reading["model"] = decoded.model
                if decoded.proof and decoded.proof.counter is not None:
                    reading["counter"] = decoded.proof.counter
                if decoded.proof:
                    reading["authenticated"] = decoded.proof.authenticated
                yield reading
            return
        yield {
            "error": "not-a-sensor",
            "detail": phrase("frame-not-recognised", "no decoder recognises this frame"),
            "device": frame.address,
        }
    except DecodeError as error:
        yield {"error": error.reason, "detail": error.detail}
    except HubError as error:
        yield {"error": type(error).__name__, "detail": reason_of(error)}


def _explain(line: str, to_frame: Any, explain: Any, keys: Any) -> Iterator[dict[str, Any]]:
    """Yield all contents of one line, or one object with "error"."""
    try:
        yield from explain(to_frame(parse_line(line)), keys)
    except DecodeError as error:
        yield {"error": error.reason, "detail": error.detail}
