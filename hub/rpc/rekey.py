"""Call of `ilot device key`: gives a known device another radio key, after a new battery or a new pairing.

The key is durable in the store before it is used. It replaces the configuration's until that one is changed: then the
file is newer and counts. A replay window belongs to a device under one key, so that counters may start over with the
new key, while the old one keeps its floor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hub.core.actor import asker
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.store import Store
from hub.core.text import phrase
from hub.devices.registry import Devices, key_fingerprint
from hub.pipeline.pipeline import Pipeline

LONGEST = 64
"""Maximum bytes of a key; radios use 16."""

_log = logging.getLogger("hub")


class Rekey:
    """Call of one hub. `changed` is called after a change of the store: the next backup is due."""

    def __init__(
        self, store: Store, devices: Devices, pipeline: Pipeline, clock: Clock, changed: Callable[[], None]
    ) -> None:
        self._store, self._devices, self._pipeline = store, devices, pipeline
        self._clock, self._changed = clock, changed

    def calls(self) -> dict[str, Any]:
        return {"device.key": self.call}

    async def call(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {device, key: hex or None for the configuration's own, dry_run, by} with the new state. Raises
        HubError."""
        name = str(arguments.get("device", ""))
        device, configured = self._devices.get(name), self._devices.configured_key(name)
        if device is None:
            raise HubError(
                phrase(
                    "rekey-device-not-known",
                    "no device {device!r} is known; configure it first, `ilot devices` lists those that are",
                    device=name,
                )
            )
        given = _key(arguments.get("key"))
        key = configured if given is None else given
        if given is not None and given == device.key:
            raise HubError(
                phrase(
                    "device-has-key-already",
                    "{device} has this key already; after a new battery it needs a new one: pair it again",
                    device=name,
                )
            )
        if not arguments.get("dry_run"):
            by = asker(arguments)
            await self._store.give_key(name, given, key_fingerprint(configured), self._clock.now(), by)
            self._changed()
            self._devices.rekey(name, key)
            self._pipeline.forget(name)
            _log.info(
                phrase("device-rekeyed", "a device was given another key; `ilot devices` shows whether it is heard")
            )
        return {"device": name, "keyed": key is not None, "from": "configuration" if given is None else "command"}


def _key(text: Any) -> bytes | None:
    if not text:
        return None
    try:
        key = bytes.fromhex(str(text))
    except ValueError:
        key = b""
    if not 0 < len(key) <= LONGEST:
        raise HubError(
            phrase("key-hexadecimal-expected", "a key is hexadecimal and has at most {most} bytes", most=LONGEST)
        )
    return key
