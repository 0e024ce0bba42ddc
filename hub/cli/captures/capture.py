"""`ilot capture`: what a protocol says here, one JSON object a line, without secrets."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from hub.cli import output
from hub.cli.captures.redaction import Redactor, secrets_of
from hub.cli.captures.sources import Source, expect_known
from hub.cli.radio import Radio, hear_for
from hub.core.errors import DecodeError
from hub.core.text import phrase

Hear = Callable[[dict[str, Any]], None]


@click.command()
@click.argument("protocol")
@click.option("--seconds", type=click.FloatRange(0.1, 86_400), default=30.0, show_default=True, help="How long.")
@click.option("--size", type=click.FloatRange(0.001, 1024), default=64.0, show_default=True, help="At most so many MB.")
@click.option("--all", "everything", is_flag=True, help="Also what no decoder knows: phones, watches, passers-by.")
@output.with_config
@output.with_state
def capture(protocol: str, seconds: float, size: float, everything: bool, config: Path, state_dir: Path | None) -> None:
    """Print what PROTOCOL (for instance "ble" or "modbus") says here, one JSON object a line, for `ilot decode` and
    `ilot replay`.

    Keys, passwords and tokens of the configuration, addresses of people and of meters never get into it, and of
    Bluetooth only what a decoder recognises: the addresses of phones are personal data. Where a hub runs it goes on
    meanwhile, but for a serial port or a UDP port that only one may hold.
    """
    source = Source(protocol, config, state_dir)
    expect_known(protocol, source.plugins)
    listening = _listening(source, protocol, config, state_dir)
    if everything:
        output.say(
            phrase(
                "capture-warning",
                "warning: with --all this holds the addresses of people's phones and watches, which are personal data: "
                "keep it no longer than needed, and give it to nobody",
            )
        )
    writing = Writing(source, Redactor(secrets_of(source.loaded, config)), round(size * 1e6), everything)
    with contextlib.suppress(Full):
        hear_for(listening, seconds, writing.hear)
    writing.tell()


def _listening(
    source: Source, protocol: str, config: Path, state_dir: Path | None
) -> Callable[[Hear], Awaitable[None]]:
    recorder = source.recorder()
    if recorder is None:
        radio = Radio(protocol, config, state_dir)
        return radio.listen_to
    if source.options is None:
        raise click.UsageError(
            phrase(
                "capture-needs-devices",
                "what {protocol} says is heard through its devices: name the integration and its devices in the "
                "configuration",
                protocol=protocol,
            )
        )
    return partial(recorder, source.options, list(source.devices.values()))


class Full(Exception):
    """The capture has as many bytes as it may have."""


class Writing:
    """Lines that are written, and those that are left out."""

    def __init__(self, source: Source, redactor: Redactor, size: int, everything: bool) -> None:
        self._source, self._redactor, self._left, self._everything = source, redactor, size, everything
        self._counts: Counter[str] = Counter()
        self._full = False

    def hear(self, line: dict[str, Any]) -> None:
        """Write a line, or count why not. Raises Full."""
        if not self._everything and not self._recognised(line):
            return
        told = self._redactor.line({"time": round(time.time(), 3), **line})
        if told is None:
            self._counts["secret"] += 1
            return
        data = msgspec.json.encode(told)
        self._left -= len(data) + 1
        if self._left < 0:
            self._full = True
            raise Full
        self._counts["written"] += 1
        click.echo(data)
        sys.stdout.flush()

    def _recognised(self, line: dict[str, Any]) -> bool:
        if line.get("private"):
            self._counts["private"] += 1
            return False
        if not self._source.decoders:
            return True
        try:
            known = self._source.decode(line) is not None
        except DecodeError:
            known = True  # recognised but invalid: captures are made to study these
        self._counts["unknown"] += not known
        return known

    def tell(self) -> None:
        counts = self._counts
        output.say(
            phrase(
                "capture-done",
                "{written} written; left out: {private} private, {unknown} not sensors",
                written=counts["written"],
                private=counts["private"],
                unknown=counts["unknown"],
            )
        )
        if counts["secret"]:
            output.say(
                phrase(
                    "capture-left-secrets",
                    "{count} [frame|frames] left out, because a key or a password of the configuration is in it",
                    count=counts["secret"],
                )
            )
        if self._full:
            output.say(phrase("capture-full", "it ended before its time, because it is as large as it may be: --size"))
