"""Plugins of vendors from the pages of a running hub: a file handed over, what it says, its installation and removal.

A file waits in STATE/plugin-inbox until a person has read what it may do. Everything is verified again when it is
installed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hub.core.actor import asker
from hub.core.calls import Call
from hub.core.disk.atomic_files import make_directory
from hub.core.errors import HubError, StorageError
from hub.core.text import phrase, system_error
from hub.devices.vendor_index import stored_index
from hub.operations.plugins import index, installing
from hub.operations.plugins.offers import Here, Offer
from hub.operations.plugins.sources import SUFFIXES

INBOX = "plugin-inbox"
Audit = Callable[[str, dict[str, Any]], Awaitable[None]]


class PluginInstallation:
    """Calls about plugins of vendors. `here` says what is known now, `reload` lets the hub know what is installed, and
    `used_by` names the instances of the configuration that are of a plugin."""

    def __init__(
        self,
        state: Path,
        here: Callable[[], Here],
        reload: Callable[[], Awaitable[Any]],
        used_by: Callable[[str], list[str]],
        audit: Audit,
    ) -> None:
        self._inbox = state / INBOX
        self._here, self._reload, self._used_by, self._audit = here, reload, used_by, audit
        self._turn = asyncio.Lock()

    def calls(self) -> dict[str, Call]:
        return {
            "plugin.list": self._list, "plugin.begin": self._begin, "plugin.offered": self._offered,
            "plugin.install": self._install, "plugin.discard": self._discard, "plugin.remove": self._remove,
            "plugin.index": self._index,
        }  # fmt: skip

    @property
    def _file(self) -> Path:
        return self._inbox / f"file{SUFFIXES['plugin']}"

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with {plugins, index, vendors}: see `installing.listed` and `index.facts`; `vendors` are the names of
        those whose keys the configuration trusts."""

        def look() -> dict[str, Any]:
            here = self._here()
            return {
                "plugins": installing.listed(here), "index": index.facts(stored_index(here.plugins), here.now),
                "vendors": sorted(here.trust.vendors),
            }  # fmt: skip

        return await asyncio.to_thread(look)

    async def _begin(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with {path}: where the file that is handed over is written to, empty now."""

        def make() -> None:
            make_directory(self._inbox)
            self._file.unlink(missing_ok=True)
            os.close(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))

        await self._on_disk(make)
        return {"path": str(self._file)}

    async def _offered(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with what the file says that was handed over: see `Offer.facts`, and `lines`. Raises HubError for one
        that may not be installed."""
        async with self._turn:
            found = await asyncio.to_thread(installing.look, self._file, self._here())
        return {**found.facts(), "lines": found.lines()}

    async def _install(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {accept, by}, where `accept` is the word of the offer, with {id, version}."""
        word = str(arguments.get("accept", ""))

        def accepted(found: Offer) -> bool:
            return word == found.accept

        async with self._turn:
            here = self._here()
            done = await asyncio.to_thread(installing.install, self._file, here, accepted, asker(arguments))
            await self._reload()
            await self._on_disk(self._forget)
        await self._audit(asker(arguments), {"plugin": "installed", "id": done.id, "version": done.version})
        return {"id": done.id, "version": done.version}

    async def _discard(self, arguments: dict[str, Any]) -> dict[str, Any]:
        await self._on_disk(self._forget)
        return {}

    async def _remove(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {id, with_state, by} with {id, version, instances, forgotten}: see `installing.Removed`."""
        name = str(arguments.get("id", ""))
        if not name.isidentifier():
            raise HubError(phrase("plugin-id-is-none", "{id} is no id of a plugin", id=name[:64]))
        with_state = bool(arguments.get("with_state"))
        async with self._turn:
            done = await asyncio.to_thread(
                lambda: installing.remove(self._here(), name, with_state=with_state, used_by=self._used_by(name))
            )
            await self._reload()
        await self._audit(asker(arguments), {"plugin": "removed", "id": done.id, "version": done.version})
        return done._asdict()

    async def _index(self, arguments: dict[str, Any]) -> Any:
        """Take the signed index that was handed over. Answer with its facts."""
        async with self._turn:
            here = self._here()
            taken = await asyncio.to_thread(index.take, self._file, here.plugins, here.trust)
            await self._reload()
            await self._on_disk(self._forget)
        await self._audit(asker(arguments), {"plugin": "index taken", "counter": taken.counter})
        return index.facts(taken, here.now)

    def _forget(self) -> None:
        shutil.rmtree(self._inbox, ignore_errors=True)

    async def _on_disk(self, work: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(work)
        except OSError as error:
            raise StorageError(
                phrase("plugin-inbox-fails", "the file cannot be kept: {reason}", reason=system_error(error))
            ) from error
