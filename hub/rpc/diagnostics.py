"""Diagnostics archive for remote support, which names nobody (`hub.rpc.redaction`).

Files: about.json (versions, machine), status.json (as `ilot status`, without readings), devices.json (status of each),
log.json (the last lines), configuration.json (as it runs, secrets masked). The preview is the archive itself, unpacked:
it shows exactly what is sent.
"""

from __future__ import annotations

import base64
import io
import json
import os
import platform
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from hub.core.logs import LEVELS, Ring
from hub.rpc.redaction import Redactor

PACKAGES = ("ilot", "aiohttp", "cryptography", "msgspec", "pydantic", "pluggy", "apsw-sqlite3mc", "ruamel.yaml")
PLACES = ("position", "latitude", "longitude")
WITHHELD = ("last", "values", *PLACES)
"""Readings and positions: nobody needs them to see why a hub does not work."""
PEOPLE_ENTRIES = 1000
"""Entries of the audit log that are searched for people."""
_NOBODY = ("root", "ilot")
_DATE = (1980, 1, 1, 0, 0, 0)


class DiagnosticsCalls:
    """Calls about logs and diagnostics. `ask(name, arguments)` returns the answers of other calls; `names`: kind →
    names to hide; `configuration` as it runs."""

    def __init__(
        self,
        ring: Ring,
        ask: Callable[[str, dict[str, Any]], Awaitable[Any]],
        names: Callable[[], Mapping[str, Iterable[str]]],
        configuration: Callable[[], Any],
    ) -> None:
        self._ring, self._ask, self._names, self._configuration = ring, ask, names, configuration

    def calls(self) -> dict[str, Any]:
        return {"logs": self._logs, "diagnostics": self._call}

    async def _logs(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {source, level, limit} with {lines: [{at, level, source, text}]}, the newest first."""
        level = str(arguments.get("level") or "info")
        found = self._ring.last(
            source=str(arguments.get("source") or ""),
            level=level if level in LEVELS else "info",
            most=min(500, max(1, int(arguments.get("limit", 200)))),
        )
        return {"lines": [{"at": one.at, "level": one.level, "source": one.source, "text": one.text} for one in found]}

    async def _call(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {preview} with {files: {name: text}} or {archive: base64 of a ZIP}."""
        files = await self.files()
        if arguments.get("preview"):
            return {"files": files}
        return {"archive": base64.b64encode(zip_archive(files)).decode()}

    async def files(self) -> dict[str, str]:
        """Return name → text of each file, redacted."""
        acted = (await self._ask("audit.list", {"limit": PEOPLE_ENTRIES}))["entries"]
        names = self._names()
        redactor = Redactor({**names, "person": {*names.get("person", ()), *people(one["who"] for one in acted)}})
        logs = await self._logs({"limit": 500})
        parts = {
            "about.json": about(),
            "status.json": without(await self._ask("status", {}), WITHHELD),
            "devices.json": without(await self._ask("devices", {}), WITHHELD),
            "log.json": logs,
            "configuration.json": without(self._configuration(), PLACES),
        }
        return {
            name: json.dumps(redactor.value(part), ensure_ascii=False, indent=1, default=str)
            for name, part in parts.items()
        }


def about() -> dict[str, Any]:
    """Return the versions of the software and of the machine."""
    from importlib import metadata  # imported late: see hub.plugin_host.entry_points

    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "versions": versions, "python": platform.python_version(), "openssl": ssl.OPENSSL_VERSION,
        "system": platform.platform(), "machine": platform.machine(), "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }  # fmt: skip


def people(acted: Iterable[str]) -> set[str]:
    """Return the names of authors in the audit log: `web:camille`, `web:badge:1a2b3c4d Camille Dupont`, `cli:camille`,
    `web:?192.0.2.1` without one."""
    found = set()
    for who in acted:
        _, _, name = who.partition(":")
        if name and not name.startswith("?") and name not in _NOBODY:
            found |= {name, name.partition(" ")[2] if name.startswith("badge:") else ""}
    return found - {""}


def without(value: Any, names: Iterable[str]) -> Any:
    """Return plain data without the fields of these names, at any depth."""
    names = frozenset(names)
    if isinstance(value, Mapping):
        return {key: without(part, names) for key, part in value.items() if key not in names}
    if isinstance(value, list | tuple):
        return [without(part, names) for part in value]
    return value


def zip_archive(files: Mapping[str, str]) -> bytes:
    """Return a ZIP of the files; the same files give the same bytes."""
    import zipfile  # imported late: rarely needed

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _DATE), files[name].encode(), zipfile.ZIP_DEFLATED)
    return out.getvalue()
