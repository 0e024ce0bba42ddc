"""Input of a device's key, from a file or standard input: never an argument, which other users could see."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from hub.core.text import phrase, reason_of


def key_of(path: Path) -> bytes:
    """Read a key from a file: hexadecimal with or without separators, or the one 16-byte key in some other text."""
    try:
        text = sys.stdin.read(4096) if str(path) == "-" else path.read_text()
    except (OSError, ValueError) as error:
        raise click.UsageError(
            phrase("key-file-not-read", "the key file cannot be read: {reason}", reason=reason_of(error))
        ) from error
    try:
        if plain := bytes.fromhex(re.sub(r"[\s:-]", "", text)):
            return plain
        found: list[str] = []
    except ValueError:
        found = re.findall(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{32}(?![0-9A-Fa-f])", text)
    if len(set(map(str.lower, found))) != 1:
        raise click.UsageError(
            phrase(
                "key-file-without-key",
                "expected one key of 32 hexadecimal digits in the key file; it holds {count}",
                count=len(found),
            )
        )
    return bytes.fromhex(found[0])
