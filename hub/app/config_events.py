"""Reports each change of the configuration as a security event, including changes made while the hub was off."""

from __future__ import annotations

from typing import Any

from hub.app.base_services import BaseServices
from hub.config.history import APPLIED, FOUND, ROLLED_BACK
from hub.operations.incidents.correlation import CONFIG

RAN = "config/ran"
"""Key in the store: first digits of the digest of the configuration that ran last."""
KEPT = (APPLIED, FOUND, ROLLED_BACK)


class ConfigEvents:
    """Audits configuration changes and reports them as events."""

    def __init__(self, base: BaseServices) -> None:
        self._base = base

    async def audit(self, who: str, what: dict[str, Any]) -> None:
        """Audit a change and report it. Raises StorageError, after reporting."""
        base = self._base
        evidence = {name: str(what[name])[:64] for name in ("version", "from") if what.get(name)}
        try:
            ran = {RAN: str(what["version"]).encode()} if what.get("config") in KEPT else None
            await base.store.audit(base.clock.now(), who, what, ran)
        finally:
            base.events.tell(CONFIG, who, {"what": str(what.get("config", "")), **evidence})

    async def begin(self) -> None:
        """Check at the start whether the configuration is the one that ran last. Raises StorageError.

        A file with errors is reported as such.
        """
        base = self._base
        version = base.loaded.digest[:12]
        before = (await base.store.get(RAN) or b"").decode()
        if base.problems:
            base.events.tell(CONFIG, "files", {"what": "wrong: the last good one runs", "version": version})
        elif before and before != version:
            await self.audit("files", {"config": FOUND, "version": version, "from": "offline"})
        elif not before:
            await base.store.put(RAN, version.encode())
