"""Device packs of a running hub: calls `pack.list` and `pack.install`.

An archive comes from a browser, so it is treated as hostile: `hub.devices.packs.archive` says what it may hold. Its
content is then tested like any pack, and only one that passes all of its own vectors is installed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hub.core.actor import asker
from hub.core.errors import ConfigError, HubError
from hub.core.model import Device
from hub.core.store import Store
from hub.core.text import phrase
from hub.devices.codecs import Codecs
from hub.devices.packs import Library

if TYPE_CHECKING:
    from hub.devices.packs.loader import Pack
    from hub.devices.packs.vector_tests import Verdict


class Reload(Protocol):
    async def reload(self, arguments: dict[str, Any]) -> dict[str, Any]: ...


class PackCalls:
    """Calls about packs. `kept` decodes dead letters again after an installation."""

    def __init__(
        self,
        library: Library,
        kept: Reload,
        store: Store,
        devices: Callable[[], Iterable[Device]],
        now: Callable[[], float],
    ) -> None:
        self._library, self._kept, self._store, self._devices, self._now = library, kept, store, devices, now
        self._one_at_a_time = asyncio.Lock()
        self._seen: dict[str, tuple[object, dict[str, Any]]] = {}

    def calls(self) -> dict[str, Any]:
        return {"pack.list": self._list, "pack.install": self._install}

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {} with {packs: [{pack, version, from, vendor, models, fr, en, licence, vectors, untested, tried,
        devices} or {pack, error}]}."""
        used: dict[str, int] = {}
        for device in self._devices():
            used[device.pack] = used.get(device.pack, 0) + 1
        found = await asyncio.to_thread(self._look)
        return {"packs": [{**one, "devices": used.get(one["pack"], 0)} for one in found]}

    def _look(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for name in self._library.names():
            stamp = self._library.stamp(name)
            if name not in self._seen or self._seen[name][0] != stamp:
                self._seen[name] = (stamp, self._read(name))
            found.append(self._seen[name][1])
        return found

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return self._facts(self._library.get(name))
        except ConfigError as error:
            return {"pack": name, "error": str(error.problems[0])}

    def _facts(self, pack: Pack) -> dict[str, Any]:
        keys = pack.keys
        return {
            "pack": pack.name, "version": keys.version, "from": self._library.origin(pack), "vendor": keys.vendor,
            "models": list(keys.models), "fr": keys.fr, "en": keys.en, "licence": keys.licence,
            "vectors": len(pack.vectors), "untested": pack.keys.untested, "tried": pack.keys.tried,
        }  # fmt: skip

    async def _install(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {archive: base64 of a ZIP, untested, by, dry_run} with {pack, version, vectors, installed, decoded}.
        Raises HubError: no archive, not a pack, a vector that fails, or an older version than the installed one."""
        import tempfile

        from hub.devices.packs.archive import unpack
        from hub.devices.packs.loader import read

        try:
            data = base64.b64decode(str(arguments.get("archive", "")), validate=True)
        except (binascii.Error, ValueError):
            raise HubError(phrase("archive-not-base64", "the archive is not base64")) from None
        async with self._one_at_a_time:
            with tempfile.TemporaryDirectory(prefix="ilot-pack-") as scratch:
                folder = await asyncio.to_thread(unpack, data, Path(scratch))
                try:
                    pack = await asyncio.to_thread(read, folder, "", self._library.parts)
                except ConfigError as error:
                    raise HubError(_problems(error, folder)) from error
        return await self.put(pack, arguments)

    async def put(self, pack: Pack, arguments: dict[str, Any]) -> dict[str, Any]:
        """Test a pack and install it, as {by, untested, dry_run} ask. Raises HubError when it may not be installed."""
        from hub.devices.packs.vector_tests import run_vectors

        dry, untested = bool(arguments.get("dry_run")), bool(arguments.get("untested"))
        async with self._one_at_a_time:
            async with Codecs() as codecs:
                verdict = await run_vectors(pack, codecs)
            if not verdict.ok:
                raise HubError(
                    phrase(
                        "pack-tests-fail",
                        "pack {pack} does not pass its own tests: {failures}",
                        pack=pack.name,
                        failures=list(_failures(pack, verdict))[:5],
                    )
                )
            if not dry:
                await asyncio.to_thread(lambda: self._library.install(pack, verdict, untested=untested))
        answer = {
            "pack": pack.name, "version": pack.keys.version, "vectors": len(verdict.outcomes), "installed": not dry,
            "decoded": 0,
        }  # fmt: skip
        if not dry:
            who = asker(arguments)
            what = {"pack": "installed", "name": pack.name, "version": pack.keys.version, "digest": pack.digest}
            if pack.keys.untested:
                what["untested"] = True
            await self._store.audit(self._now(), who, what)
            told = await self._kept.reload({"pack": pack.name})
            answer["decoded"] = len([frame for frame in told["frames"] if frame["result"] == "decoded"])
        return answer


def _failures(pack: Pack, verdict: Verdict) -> Iterator[str]:
    if verdict.undecided:
        count = len(verdict.undecided)
        yield phrase("pack-values-undecided", "{count} [value|values] for a person to decide", count=count)
    if verdict.unconfirmed:
        yield verdict.unconfirmed_count
    for outcome in verdict.outcomes:
        if outcome.wrong:
            yield phrase("pack-vector-fails", "{vector}: {reason}", vector=outcome.vector, reason=outcome.wrong)
    for what in () if pack.keys.untested else verdict.untested:
        yield phrase("pack-vector-missing", "no vector shows {what}", what=what)


def _problems(error: ConfigError, folder: Path) -> str:
    said = [str(problem).replace(f"{folder}/", "") for problem in error.problems[:5]]
    return phrase("uploaded-pack-unreadable", "this is not a pack that can be read: {problems}", problems=said)
