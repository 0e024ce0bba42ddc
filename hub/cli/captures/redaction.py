"""Takes out of captured lines what they must not hold: secrets of the configuration, credentials, addresses of people.

A secret inside a text is replaced; a frame whose bytes hold one is left out whole, since what is left of it could not
be read.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from hub.config.load import Loaded
from hub.config.secrets import PREFIX, read_secrets
from hub.config.source import SECRETS, load_bytes
from hub.core.errors import ConfigError
from hub.rpc.redaction import MASK, names_secret, without_people

SHORTEST = 4
"""Characters of a secret that is looked for inside other texts; a shorter one only where it is the whole."""
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :-]?){4,}")


class Redactor:
    """Redactor of one capture."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._whole = {one for one in secrets if one}
        forms = {form for one in self._whole if len(one) >= SHORTEST for form in _forms(one)}
        longest = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest)), re.IGNORECASE) if longest else None

    def line(self, line: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the line without secrets and people; None where a frame holds a secret."""
        try:
            told: dict[str, Any] = self._value(line)
        except _Held:
            return None
        return told

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {
                self._text(str(key)): MASK if names_secret(str(key)) and part not in (None, "", False, True)
                else self._value(part)
                for key, part in value.items()
            }  # fmt: skip
        if isinstance(value, list | tuple):
            return [self._value(part) for part in value]
        if isinstance(value, int | float) and not isinstance(value, bool) and str(value) in self._whole:
            return MASK
        return value

    def _text(self, text: str) -> str:
        if text in self._whole:
            return MASK
        frame = _HEX.fullmatch(text) is not None
        if self._pattern is not None and self._pattern.search(text):
            if frame:
                raise _Held
            text = self._pattern.sub(MASK, text)
        return text if frame else without_people(text)


class _Held(Exception):
    """A frame holds a secret."""


def _forms(secret: str) -> Iterator[str]:
    """Yield the ways in which a secret may be written: as it is, and as the hexadecimal and base64 of its bytes."""
    yield secret
    raws = [secret.encode()]
    squeezed = re.sub(r"[ :-]", "", secret)
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2}){8,}", squeezed):
        raws.append(bytes.fromhex(squeezed))
    for raw in raws:
        for way in (raw, raw[::-1]):  # a radio sends the last byte first
            yield way.hex()
            yield way.hex(":")
            yield way.hex(" ")
        coded = base64.b64encode(raw).decode()
        yield coded
        yield coded.rstrip("=")


def secrets_of(loaded: Loaded | None, config: Path) -> set[str]:
    """Return every secret of a configuration: those of secrets.yaml, of the environment, of its options, and the keys
    of its devices."""
    found = {value for name, value in os.environ.items() if name.startswith(PREFIX)}
    kept = config.parent / SECRETS
    if os.path.lexists(kept):
        try:
            found.update(read_secrets(load_bytes(kept, private=True), str(kept)).values())
        except ValueError as error:
            raise ConfigError([]) from error
    if loaded is not None:
        found.update(device.key.hex() for device in loaded.devices if device.key is not None)
        for options in (
            *(one.config for one in loaded.integrations), *(one.config for one in loaded.uplinks),
            *(one.config for one in loaded.exporters), *(one.config for one in loaded.notifiers),
        ):  # fmt: skip
            found.update(_hidden(options))
    return found


def _hidden(value: Any) -> Iterator[str]:
    """Yield the secrets in options."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _hidden(getattr(value, name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _hidden(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _hidden(part)
