"""Calls of adoption on the control socket, for `ilot device` and the pages."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from hub.config.instances import Models
from hub.config.load import Loaded
from hub.core.actor import asker
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.model import DEVICE_ID
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.devices.packs import Packs
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.identity.enrolment import Enrolment
from hub.identity.keys import HubKeys
from hub.onboarding.adoption.audited_store import AuditedStore
from hub.onboarding.adoption.commissioning_service import CommissioningService
from hub.onboarding.adoption.device_monitor import DeviceMonitor, DeviceSigns
from hub.onboarding.adoption.engine import ALREADY, KEPT, MAX_REQUESTS, Adoption, DeviceSources, Row
from hub.onboarding.adoption.merging import MergedDevices
from hub.onboarding.adoption.resolve import NO_SUCH_PLACE, Identified, ResolutionContext, identify
from hub.pipeline.admission.quarantine import Quarantine
from hub.pipeline.pipeline import Pipeline
from hub.protocol.device_labels.device_request import DeviceRequest
from hub.protocol.documents import inventory

Call = Callable[[dict[str, Any]], Awaitable[Any]]


class AdoptionService:
    """Service of one hub. `root` is the pinned fingerprint of the owner's root."""

    def __init__(
        self,
        adoption: Adoption,
        commissioning: DeviceMonitor,
        context: ResolutionContext,
        clock: Clock,
        *,
        hub: str,
        root: bytes,
        hub_keys: HubKeys,
        store: Store,
    ) -> None:
        self.engine = adoption
        self.rolls = CommissioningService(
            store=store,
            clock=clock,
            adoption=adoption,
            context=context,
            status_of=commissioning.status_of,
            flush=commissioning.flush,
            identity=hub_keys.identity,
        )
        self.period = commissioning.period
        self._adoption, self._commissioning, self._context, self._clock = adoption, commissioning, context, clock
        self._hub, self._root, self._keys = hub, root, hub_keys

    async def reconfigure(self, loaded: Loaded, joined: MergedDevices) -> None:
        """Apply the configuration."""
        self._context = self._context._replace(
            instances={one.name: one.type for one in loaded.integrations},
            zones={name: zone.site for name, zone in loaded.config.zones.items()},
            sites=frozenset(loaded.config.sites),
            zone_names={name: zone.name for name, zone in loaded.config.zones.items()},
        )
        self.rolls.reconfigure(self._context)
        await asyncio.to_thread(self._adoption.reconfigure, loaded, joined, self._context)

    def status_of(self, device: str) -> dict[str, Any]:
        """Return the status of a device: see `DeviceMonitor.standing`; `adopted`: a command added it."""
        return {**self._commissioning.status_of(device), "adopted": self._adoption.added(device)}

    def status(self) -> dict[str, Any]:
        """Return for `ilot status` how many devices there are, and how many report."""
        return dict(self._commissioning.summary())

    def complaints(self) -> list[str]:
        """Return sentences about what somebody should look at."""
        return self._adoption.complaints()

    async def run(self) -> None:
        await self._commissioning.run()

    async def flush(self) -> None:
        """Store pending first reports, as the hub stops."""
        await self._commissioning.flush()

    def calls(self) -> dict[str, Call]:
        return {
            "device.add": self._add, "device.keep": self._keep, "device.remove": self._remove,
            "device.amend": self._amend,
            "device.label": self._label, "inventory.load": self._load, "inventory.list": self._list,
            "inventory.card": self._card,
        }  # fmt: skip

    async def _add(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {wishes, dry_run, update, keep, by} with {rows}: see
        `hub.protocol.device_labels.device_request.DeviceRequest` and `hub.onboarding.adoption.engine.Row`. `keep`: what
        only lacks the zone of a new place is kept until that is chosen."""
        dry_run, by, wishes = bool(arguments.get("dry_run")), asker(arguments), _wishes(arguments)
        rows = await self._adoption.add(wishes, dry_run=dry_run, update=bool(arguments.get("update")), by=by)
        if arguments.get("keep"):
            rows = await self._kept(wishes, rows, int(self._clock.now() * 1000), dry_run=dry_run, by=by)
        return {"rows": msgspec.to_builtins(rows)}

    async def _kept(
        self, wishes: list[DeviceRequest], rows: list[Row], number: int, *, dry_run: bool, by: str
    ) -> list[Row]:
        """Keep the requests whose place is to be made in a zone that nobody named; return the rows with theirs."""
        lost = [n for n, row in enumerate(rows) if row.why == NO_SUCH_PLACE]
        kept = await self._adoption.keep([wishes[n] for n in lost], number, dry_run=dry_run, by=by) if lost else []
        done = {row.line for row in kept if row.state in (KEPT, ALREADY)}
        return [
            msgspec.structs.replace(row, state=KEPT) if n in lost and row.line in done else row
            for n, row in enumerate(rows)
        ]

    async def _keep(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {wishes, dry_run, by} with {rows}: keys of devices that may come."""
        number = int(self._clock.now() * 1000)
        dry_run = bool(arguments.get("dry_run"))
        rows = await self._adoption.keep(_wishes(arguments), number, dry_run=dry_run, by=asker(arguments))
        return {"rows": msgspec.to_builtins(rows)}

    async def _remove(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {device, dry_run, by} with {device, place}."""
        row = await self._adoption.remove(
            str(arguments.get("device", "")), dry_run=bool(arguments.get("dry_run")), by=asker(arguments)
        )
        return {"device": row.device, "place": row.place}

    async def _amend(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {device, name, place, zone?, dry_run, by} with {device, name, place}: the name and the place that it
        had. A place that there is not yet is made in that zone."""
        device = str(arguments.get("device", ""))
        name, place, zone = (str(arguments.get(one, "")).strip() for one in ("name", "place", "zone"))
        dry_run = bool(arguments.get("dry_run"))
        former = await self._adoption.amend(device, name, place, zone=zone, dry_run=dry_run, by=asker(arguments))
        return {"device": device, "name": former.name, "place": former.place}

    async def successor(self, said: str) -> tuple[str, str]:
        """Resolve a device's id or the text of its label; return its id, and its key in hexadecimal where the label or
        an inventory has it. Raises HubError."""
        is_id = DEVICE_ID.fullmatch(said.strip()) is not None
        found = await identify(DeviceRequest(device=said) if is_id else DeviceRequest(label=said), self._context)
        return found.device, await self._adoption.key_of(found)

    async def _label(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {label} with its contents and what is known of its device; never the key itself. Raises HubError."""
        found: Identified = await identify(DeviceRequest(label=str(arguments.get("label", ""))), self._context)
        label = found.label
        return {
            "device": found.device, "form": label.form if label else "", "model": label.model if label else "",
            "serial": label.serial if label else "", "keyed": bool(label and label.key),
            "packs": found.recognised.packs, "perhaps": found.recognised.perhaps,
            "known": self._context.devices.get(found.device) is not None,
            "heard_by": self._context.heard().get(found.device, ""), "expected": await self._is_expected(found.device),
        }  # fmt: skip

    async def _is_expected(self, device: str) -> bool:
        return any(one["device"] == device for one in await self._adoption.expected())

    async def _load(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {document: base64, dry_run, by} with {number, owner, made, rows}. Devices with a place are added,
        others stored."""
        try:
            document = base64.b64decode(str(arguments.get("document", "")), validate=True)
        except ValueError as error:
            raise HubError(phrase("inventory-not-whole", "the inventory did not arrive whole")) from error
        sealed = inventory.read(document, self._root)
        devices = inventory.open_inventory(sealed, self._hub, inventory.hub_key(self._keys.store_key))
        dry_run, by, number = bool(arguments.get("dry_run")), asker(arguments), sealed.head.number
        rows = list[Row]()
        placed = [request for request in devices if request.place]
        others = [request for request in devices if not request.place]
        for start in range(0, len(others), MAX_REQUESTS):
            rows += await self._adoption.keep(others[start : start + MAX_REQUESTS], number, dry_run=dry_run, by=by)
        for start in range(0, len(placed), MAX_REQUESTS):
            some = placed[start : start + MAX_REQUESTS]
            found = await self._adoption.add(some, dry_run=dry_run, update=False, by=by)
            rows += await self._kept(some, found, number, dry_run=dry_run, by=by)
        return {
            "number": number, "owner": sealed.head.owner, "made": sealed.head.made,
            "rows": msgspec.to_builtins(sorted(rows, key=lambda row: row.line)),
        }  # fmt: skip

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"devices": await self._adoption.expected()}

    async def _card(self, arguments: dict[str, Any]) -> dict[str, Any]:
        key = inventory.hub_key(self._keys.store_key)
        return {"hub": self._hub, "card": inventory.make_card(self._keys.identity, key.public).decode()}


def resolution_context(
    loaded: Loaded, models: Models, devices: Devices, places: Places, packs: Packs, quarantine: Quarantine
) -> ResolutionContext:
    """Return what requests are resolved against."""
    return ResolutionContext(
        devices,
        places,
        packs,
        models,
        {one.name: one.type for one in loaded.integrations},
        {name: zone.site for name, zone in loaded.config.zones.items()},
        lambda: {waiting.id: waiting.integration for waiting in quarantine if not waiting.known},
        frozenset(loaded.config.sites),
        {name: zone.name for name, zone in loaded.config.zones.items()},
    )


def build_adoption(
    context: ResolutionContext,
    sources: DeviceSources,
    signs: DeviceSigns,
    *,
    audited: AuditedStore,
    pipeline: Pipeline,
    enrolled: Enrolment,
    hub_keys: HubKeys,
) -> AdoptionService:
    """Build the parts of adoption in one hub."""
    store, clock, _ = audited
    commissioning = DeviceMonitor(
        devices=context.devices,
        signs=signs,
        packs=context.packs,
        store=store,
        clock=clock,
        heard=sources.added.heard,
    )

    def gone(device: str) -> None:
        signs.live.forget(device)
        commissioning.forget(device)

    adoption = Adoption(
        audited=audited,
        sources=sources,
        context=context,
        pipeline=pipeline,
        admitted=commissioning.expect,
        gone=gone,
    )
    return AdoptionService(
        adoption,
        commissioning,
        context,
        clock,
        hub=enrolled.hub,
        root=bytes.fromhex(enrolled.root),
        hub_keys=hub_keys,
        store=store,
    )


def _wishes(arguments: dict[str, Any]) -> list[DeviceRequest]:
    try:
        return msgspec.convert(arguments.get("wishes"), list[DeviceRequest])
    except msgspec.ValidationError as error:
        raise HubError(
            phrase("device-requests-unreadable", "these are not devices to add: {reason}", reason=reason_of(error))
        ) from None
