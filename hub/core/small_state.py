"""Limits of a small value in the buffer's local state, and one plugin's share of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hub.core.errors import PluginError
from hub.core.text import phrase, plain, reason_of

MAX_VALUE, MAX_KEY = 1 << 16, 1 << 10
"""Bytes of one value as msgpack, and of its key as UTF-8."""

STATE_LIMIT = 256 * 1024
"""Bytes of all keys and values of one plugin."""


def packed(key: str, value: Any) -> msgspec.Raw | None:
    """The value as msgpack, None for None. Raises ValueError or TypeError for what cannot be stored."""
    if len(key.encode()) > MAX_KEY:
        raise ValueError(f"a key of {len(key)} characters is beyond {MAX_KEY} bytes")
    if value is None:
        return None
    raw = msgspec.msgpack.encode(value, enc_hook=plain)
    if len(raw) > MAX_VALUE:
        raise ValueError(f"{key}: {len(raw)} bytes are beyond {MAX_VALUE}")
    return msgspec.Raw(raw)


class PluginState:
    """Implements `hub.sdk.session.State`. `prefix` stands before its keys in the local state, whose present values are
    `values`; `store` is called with each whole key and value that change."""

    def __init__(self, prefix: str, values: Mapping[str, Any], store: Callable[[str, Any], object]) -> None:
        self._prefix = prefix
        self._store = store
        self._values = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
        self._size = sum(_size(key, value) for key, value in self._values.items())

    def get(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def all(self) -> dict[str, Any]:
        """Every value by its key."""
        return dict(self._values)

    def put(self, key: str, value: Any) -> None:
        """Raises PluginError when key or value cannot be kept, or the whole passed 256 KiB; nothing changes then."""
        former = _size(key, self._values[key]) if key in self._values else 0
        size = self._size - former + (0 if value is None else _size(key, value))
        if size > STATE_LIMIT:
            raise PluginError(
                phrase(
                    "plugin-state-too-large",
                    "the state has {size} bytes; a plugin may keep {limit}",
                    size=size,
                    limit=STATE_LIMIT,
                )
            )
        try:
            self._store(self._prefix + key, value)
        except ValueError as error:
            raise PluginError(
                phrase(
                    "plugin-state-unwritable",
                    "state {key!r} cannot be kept: {reason}",
                    key=key,
                    reason=reason_of(error),
                )
            ) from error
        self._size = size
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value


def _size(key: str, value: Any) -> int:
    try:
        return len(key) + len(msgspec.msgpack.encode(value, enc_hook=plain))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise PluginError(
            phrase(
                "plugin-state-unwritable", "state {key!r} cannot be kept: {reason}", key=key, reason=reason_of(error)
            )
        ) from error
