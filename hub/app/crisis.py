"""Builds the crisis mode: closes connections, refuses writes and changes, pauses plugins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from hub.app.automation import AutomationServices
from hub.app.backend_link import BackendServices
from hub.app.base_services import BaseServices
from hub.app.plugins import FieldServices
from hub.app.reading_path import ReadingPath
from hub.app.sampling import build_sampling
from hub.app.service import Service
from hub.config.instances import Instance
from hub.config.model import Core
from hub.core.calls import Call
from hub.core.disk.retry import once_the_disk_works
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device
from hub.core.text import phrase
from hub.i18n.catalogues import translate
from hub.i18n.metric_names import metric_name
from hub.operations.crisis import Crisis, Verdict, guard, isolation_verdict
from hub.operations.crisis.export import gathered, write
from hub.operations.crisis.sampling.service import Sampling
from hub.plugin_host.pausing import Key

if TYPE_CHECKING:
    from hub.operations.crisis.runbook import Facts

WHY = phrase("hub-is-isolated", "this hub is isolated: `ilot crisis status` says by whom and why")
READ_ONLY = phrase("crisis-hub-read-only", "the hub is read-only: `ilot crisis status` says by whom and why")

TELLS = phrase("plugin-tells-people", "it tells people, over a network")
SHOWS = phrase("plugin-shows-values", "it shows values to others")
LINKS = phrase("plugin-is-the-link", "it is the link to the backend")


class HubCrisisActions:
    """Implements `hub.operations.crisis.service.CrisisActions` for one hub.

    Each action also makes a state backup due (on the stick, if the hub is isolated): a machine restored from an older
    one would leave the crisis.
    """

    def __init__(self, base: BaseServices, field: FieldServices, backend: BackendServices) -> None:
        self._base, self._field, self._backend = base, field, backend

    async def cut(self) -> None:
        self._field.egress.close(WHY)
        self.hold()
        self._backend.link.reconnect()
        self._backend.keeper.changed()
        await self._field.http.close()  # kept-alive connections

    def hold(self) -> None:
        """Pause exactly the plugins that the running configuration would cut off."""
        self._field.plugins.pauses.pause(dict.fromkeys(self._held(), WHY))

    async def join(self) -> None:
        self._field.egress.reopen()
        self._field.plugins.pauses.pause({})
        self._backend.keeper.changed()
        self._backend.link.retry_now()

    def freeze(self, frozen: bool) -> None:
        self._field.commands.frozen = READ_ONLY if frozen else ""
        self._backend.link.declare("read-only" if frozen else "")
        self._backend.keeper.changed()

    def verdict(self, one: Instance) -> Verdict:
        """Return whether an integration goes on in an isolated hub, and why."""
        keep = frozenset(self._base.loaded.config.crisis.keep)
        return isolation_verdict(one.name, one.config.model_dump(), perimeter=one.perimeter is not None, kept=keep)

    def verdicts(self) -> list[Verdict]:
        loaded = self._base.loaded
        found = [self.verdict(one) for one in loaded.integrations if one.enabled]
        found += [_stopped(one.name, TELLS) for one in loaded.notifiers]
        found += [_stopped(one.name, SHOWS) for one in loaded.exporters]
        return [*found, *(_stopped(one.name, LINKS) for one in loaded.uplinks)]

    def digest(self) -> str:
        return self._base.loaded.digest

    def _held(self) -> list[Key]:
        loaded = self._base.loaded
        cut = {verdict.name for verdict in self.verdicts() if not verdict.goes_on}
        return [
            *(("integration", one.name) for one in loaded.integrations if one.name in cut),
            *(("notifier", one.name) for one in loaded.notifiers),
            *(("exporter", one.name) for one in loaded.exporters),
        ]


def _stopped(name: str, why: str) -> Verdict:
    return Verdict(name, False, why, str(translate(why, "fr")))


@dataclass
class CrisisServices:
    crisis: Crisis
    sampling: Sampling
    hands: HubCrisisActions

    def reconfigured(self) -> None:
        """Apply isolation to a new configuration before its plugins start."""
        if self.crisis.state.isolated:
            self.hands.hold()

    def held(self, one: Instance) -> str:
        """Return why an integration may not speak now, "" when it may."""
        return WHY if self.crisis.state.isolated and not self.hands.verdict(one).goes_on else ""

    @property
    def services(self) -> list[Service]:
        return [Service(self.crisis, "crisis"), Service(self.sampling, "sampling")]

    def guarded(self, calls: Mapping[str, Call]) -> dict[str, Call]:
        """Return the hub's calls; changing ones are refused while the hub is read-only."""
        return guard(calls, lambda: self.crisis.state)


async def build_crisis(
    base: BaseServices,
    path: ReadingPath,
    field: FieldServices,
    automation: AutomationServices,
    backend: BackendServices,
    ask: Callable[[str], Awaitable[Any]],
) -> CrisisServices:
    """Build and wire the crisis mode. `ask` returns the answer of another call without arguments."""
    hands = HubCrisisActions(base, field, backend)

    async def export(directory: FilePath) -> dict[str, Any]:
        async def answer(call: str) -> bytes:
            return _json(await ask(call))

        async def audited() -> bytes:
            return _json(msgspec.to_builtins(await base.store.audited()))

        async def read(name: str) -> bytes:  # verbatim: secrets are only references in it
            return await asyncio.to_thread((base.loaded.path.parent / name).read_bytes)

        files = await gathered(
            {
                "state.backup": backend.keeper.make,
                "status.json": partial(answer, "status"),
                "devices.json": partial(answer, "devices"),
                "alerts.json": partial(answer, "alert.list"),
                "audit.json": audited,
                **{
                    f"configuration/{name}": partial(read, name) for name in {base.loaded.path.name, *base.loaded.files}
                },
            }
        )
        return await asyncio.to_thread(
            write,
            directory,
            hub=base.enrolled.hub,
            made=base.clock.now(),
            identity=base.keys.identity,
            buffer=base.state.buffer,
            files=files,
        )

    async def runbook() -> str:
        from hub.operations.crisis.runbook import page  # late: printed once, or never

        return page(_facts(base, path.devices, hands, await ask("status")))

    sampling = build_sampling(base, path, field, automation)
    crisis = Crisis(
        base.store,
        hands,
        base.clock.now,
        export=export,
        runbook=runbook,
        sampling=sampling,
        sleep=base.clock.sleep,
    )
    await once_the_disk_works(crisis.load, base.clock.sleep)
    return CrisisServices(crisis, sampling, hands)


def _facts(base: BaseServices, devices: Any, hands: HubCrisisActions, status: Mapping[str, Any]) -> Facts:
    config = base.loaded.config
    site = config.sites.get(config.hub.site or "")
    zone = ZoneInfo(config.timezone)
    known: list[Device] = list(devices)
    from hub.operations.crisis.runbook import Facts, spell

    return Facts(
        hub=base.enrolled.hub,
        title=config.hub.name,
        site=(site.name if site else "") or (config.hub.site or ""),
        made=f"{datetime.fromtimestamp(base.clock.now(), zone):%d/%m/%Y à %H:%M}",
        contacts=config.crisis.contacts,
        plugins=hands.verdicts(),
        writable=_writable(config, known),
        autonomy=spell(status["buffer"]["autonomy_s"]),
        fingerprint=status["web"].get("fingerprint", ""),
        longest=spell(config.crisis.sampling.longest.total_seconds()),
    )


def _writable(config: Core, devices: list[Device]) -> dict[str, list[str]]:
    """Return what may be written, by display names, in French like the printed sheet."""
    found = {}
    for one in devices:
        if one.writable:
            place = config.places.get(one.place)
            name = one.name or (place.name if place is not None else "")
            said = [metric_name(METRICS[key], "fr") if key in METRICS else key for key in sorted(one.writable)]
            found[f"{name} ({one.id})" if name else one.id] = said
    return found


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str).encode()
