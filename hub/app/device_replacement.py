"""`ilot device replace OLD NEW`: puts another device in the place of one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from hub.app.base_services import BaseServices
from hub.app.reading_path import ReadingPath
from hub.core.actor import asker
from hub.core.calls import Call
from hub.core.text import phrase
from hub.operations.backups.keeper import Keeper
from hub.protocol.device_labels.device_request import MAX_KEY
from hub.protocol.device_labels.label import key as key_of

_log = logging.getLogger("hub")


class DeviceReplacement:
    """The call `device.replace`: new hardware at the same place. `successor`: an id or the text of a label → the id,
    and the key from the label or an inventory."""

    def __init__(
        self,
        base: BaseServices,
        path: ReadingPath,
        keeper: Keeper,
        successor: Callable[[str], Awaitable[tuple[str, str]]],
    ) -> None:
        self._base, self._path, self._keeper, self._successor = base, path, keeper, successor
        self._turn = (
            asyncio.Lock()
        )  # what was found possible still is when it is done: two people may replace one device

    def calls(self) -> dict[str, Call]:
        return {"device.replace": self._replace}

    async def _replace(self, arguments: dict[str, Any]) -> Any:
        """Handle {old, new, key, by, dry_run} → {device, place, zone, replaced, keyed}; durable before it takes
        effect.

        `new` is an id or the text of a label, `key` hexadecimal. Raises HubError.
        """
        async with self._turn:
            return await self._judged(arguments)

    async def _judged(self, arguments: dict[str, Any]) -> Any:
        base, path = self._base, self._path
        old = str(arguments.get("old", ""))
        new, kept = await self._successor(str(arguments.get("new", "")))
        said = str(arguments.get("key") or "")
        key = key_of(said, range(1, MAX_KEY + 1), "key") if said else bytes.fromhex(kept) or None
        successor = path.devices.replacement(old, new, key)
        place = path.places.get(successor.place)
        if not arguments.get("dry_run"):
            await base.store.replace(old, new, key, base.clock.now(), asker(arguments))
            self._keeper.changed()
            path.devices.replace(old, new, key)
            path.pipeline.recompile(old)
            path.pipeline.admit(new)
            path.live.forget(old)
            _log.info(phrase("device-was-replaced", "a device was replaced by another one; `ilot devices` shows it"))
        return {
            "device": new, "place": successor.place, "zone": place.zone if place else "", "replaced": old,
            "keyed": key is not None,
        }  # fmt: skip
