"""Parsers of `ilot config set`: a path and a value in the notation of the file."""

from __future__ import annotations

import json as jsonlib
from typing import Any

import click

from hub.core.errors import ConfigError
from hub.core.text import phrase


def parse_path(text: str) -> list[str | int]:
    """Split `devices["modbus:meter"].settings.registers[0]` into its parts. Raises UsageError."""
    import re

    parts: list[str | int] = []
    step = re.compile(r'\.?([A-Za-z_][\w-]*)|\[(\d+)\]|\.?\["((?:[^"\\]|\\.)*)"\]')
    at = 0
    while at < len(text):
        found = step.match(text, at)
        if found is None or (at == 0 and text[0] == "."):
            raise click.UsageError(
                phrase(
                    "option-path-wrong",
                    '{text!r} is not a path; like integrations.modbus.interval or devices["a:b"].place',
                    text=text,
                )
            )
        name, index, quoted = found.groups()
        parts.append(int(index) if index is not None else name if name is not None else jsonlib.loads(f'"{quoted}"'))
        at = found.end()
    if not parts:
        raise click.UsageError(phrase("option-path-missing", "a path is missing"))
    return parts


def parse_value(text: str) -> Any:
    """Parse a value in the notation of the file. Raises ConfigError."""
    from hub.config.positions import SecretRef
    from hub.config.source import parse

    def plain(value: Any) -> Any:
        if isinstance(value, SecretRef):
            return {"!secret": value.name}
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    try:
        return plain(parse(f"value: {text}", "VALUE")["value"])
    except ConfigError:
        if "\n" in text or text[:1] in "[{!\"'&*|>%@`":
            raise
        return text  # `a: b` and the like: plain text, not meant as YAML
