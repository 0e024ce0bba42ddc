"""The small state of a plugin under test."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from hub.core.small_state import PluginState, packed


class FakeState(PluginState, MutableMapping[str, Any]):
    """Implements `hub.sdk.session.State`, and is a mapping for a test to look at."""

    def __init__(self, name: str = "plugin") -> None:
        super().__init__(f"state/{name}/", {}, packed)

    def get(self, key: str, default: Any = None) -> Any:
        return PluginState.get(self, key, default)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.put(key, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __delitem__(self, key: str) -> None:
        self.put(key, None)
