"""Each change of the configuration as a weak signal: who, which version, from where; also one made while it was off."""

from __future__ import annotations

from typing import Any

from hub.app.base_services import BaseServices
from hub.config.history import APPLIED, FOUND, ROLLED_BACK
from hub.operations.incidents.correlation import CONFIG

RAN = "config/ran"
"""In the store: the first digits of the digest of what ran last."""
KEPT = (APPLIED, FOUND, ROLLED_BACK)


class Configured:
    """`audit` is what the configuration engine writes to the audit chain with."""

    def __init__(self, ground: BaseServices) -> None:
        self._ground = ground

    async def audit(self, who: str, what: dict[str, Any]) -> None:
        """Raises StorageError; the signal is told all the same."""
        ground = self._ground
        evidence = {name: str(what[name])[:64] for name in ("version", "from") if what.get(name)}
        try:
            ran = {RAN: str(what["version"]).encode()} if what.get("config") in KEPT else None
            await ground.store.audit(ground.clock.now(), who, what, ran)
        finally:
            ground.events.tell(CONFIG, who, {"what": str(what.get("config", "")), **evidence})

    async def begin(self) -> None:
        """Before anything runs: is it what ran last? A file that is wrong is told by itself. Raises StorageError."""
        ground = self._ground
        version = ground.loaded.digest[:12]
        before = (await ground.store.get(RAN) or b"").decode()
        if ground.problems:
            ground.events.tell(CONFIG, "files", {"what": "wrong: the last good one runs", "version": version})
        elif before and before != version:
            await self.audit("files", {"config": FOUND, "version": version, "from": "offline"})
        elif not before:
            await ground.store.put(RAN, version.encode())
