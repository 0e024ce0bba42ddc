"""Adoption engine: adds and removes devices while the hub runs, and stores the keys of expected ones.

A device is durable in the store before its integration hears of it; each is added whole or not at all, and adding it
again changes nothing. Devices of the configuration are not changed here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from hub.config.load import Loaded
from hub.core.errors import HubError
from hub.core.model import Device, Place
from hub.core.text import phrase
from hub.devices.place_names import folded
from hub.i18n.catalogues import translate
from hub.onboarding.adoption import tables
from hub.onboarding.adoption.audited_store import AuditedStore
from hub.onboarding.adoption.merging import MergedDevices, where
from hub.onboarding.adoption.resolve import (
    Identified,
    Plan,
    ResolutionContext,
    check_keys_agree,
    check_zone,
    differences,
    identify,
    known_place,
    nameless,
    place_for,
    plan,
    zone_of,
)
from hub.onboarding.adoption.tables import AddedDevices
from hub.pipeline.pipeline import Pipeline
from hub.protocol.device_labels import Unreadable
from hub.protocol.device_labels.device_request import DeviceRequest, checked

MAX_REQUESTS = 1000
"""Maximum requests in one call."""
YIELD_AFTER = 16
"""Requests processed before the event loop runs other tasks."""

ADDED, CHANGED, ALREADY, KEPT, WRONG = "added", "changed", "already", "kept", "wrong"

_log = logging.getLogger("hub")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one request. `state` is one of the constants above; `column` is the wrong column and `why` the slug of
    what is wrong; `en` and `fr` say what is wrong or worth knowing, and what to do; `key_from`: label, row, inventory
    or "" for no key."""

    line: int
    device: str
    state: str
    place: str = ""
    zone: str = ""
    integration: str = ""
    pack: str = ""
    key_from: str = ""
    column: str = ""
    why: str = ""
    en: str = ""
    fr: str = ""


class DeviceSources(NamedTuple):
    """Where the hub's devices come from: the configuration, commands (`added`), and the two merged."""

    loaded: Loaded
    added: AddedDevices
    joined: MergedDevices


class Adoption:
    """Engine of one hub. `admitted` is called with each device that is admitted or changed, `gone` with each that is no
    longer."""

    def __init__(
        self,
        *,
        audited: AuditedStore,
        sources: DeviceSources,
        context: ResolutionContext,
        pipeline: Pipeline,
        admitted: Callable[[str], None],
        gone: Callable[[str], None],
    ) -> None:
        self._store, self._clock, self._changed = audited
        self._loaded, self._added, joined = sources
        self._context, self._pipeline, self._admitted, self._gone = context, pipeline, admitted, gone
        self._shadowed = {device: where(device, self._loaded) for device in joined.shadowed}
        self._stray = joined.stray
        self._turn = asyncio.Lock()
        self.blocked: Callable[[str, str, str], str] = lambda device, integration, model: ""
        """Returns who blocked a device (id, integration, model), in words; "" when nobody did."""

    def reconfigure(self, loaded: Loaded, joined: MergedDevices, context: ResolutionContext) -> None:
        """Apply the configuration. Blocking: looks for lines in its files."""
        self._loaded, self._context = loaded, context
        self._shadowed = {device: where(device, loaded) for device in joined.shadowed}
        self._stray = joined.stray

    def added(self, device: str) -> bool:
        """Return whether a command added the device, or the one that it replaced."""
        return self._context.devices.succession(device)[0] in self._added.devices and device not in self._shadowed

    def complaints(self) -> list[str]:
        """Return sentences about what somebody should look at."""
        both = [
            phrase(
                "device-added-and-configured",
                "device {device} stands in {where} and was added by a command too: the configuration counts. Remove it "
                "there, or `ilot device remove {device}` forgets the other",
                device=device,
                where=where,
            )
            for device, where in self._shadowed.items()
        ]
        stray = [
            phrase(
                "place-in-missing-zone",
                "place {place} was made in zone {zone}, which the configuration does not have",
                place=place.id,
                zone=place.zone,
            )
            for place in self._stray
        ]
        lost = [
            phrase(
                "device-of-missing-integration",
                "device {device} was added for integration {integration!r}, which the configuration does not have",
                device=one.id,
                integration=one.integration,
            )
            for one in self._added.devices.values()
            if one.integration not in self._context.instances
        ]
        return [*both, *stray, *lost]

    async def add(self, requests: Sequence[DeviceRequest], *, dry_run: bool, update: bool, by: str) -> list[Row]:
        """Process requests; return a row for each. The valid ones are added all together. Raises HubError when they are
        too many, StorageError when the disk refuses: nothing of this call was done then."""
        if len(requests) > MAX_REQUESTS:
            raise HubError(phrase("too-many-devices", "at most {most} devices at a time", most=MAX_REQUESTS))
        async with self._turn:
            rows, plans = await self._plan(requests, update=update)
            if plans and not dry_run:
                places = {one.place.id: one.place for one in plans if one.place is not None}
                await tables.adopt(self._store, [one.stored for one in plans], places.values(), self._now(), by)
                self._changed()
                for one in plans:
                    self._admit(one)
                _log.info(
                    phrase(
                        "devices-added-changed",
                        "{count} devices were added or changed; `ilot devices` shows how they stand",
                        count=len(plans),
                    )
                )
            return rows

    async def keep(self, requests: Sequence[DeviceRequest], number: int, *, dry_run: bool, by: str) -> list[Row]:
        """Store the details of devices that may come, above all their keys. Raises as `add`."""
        if len(requests) > MAX_REQUESTS:
            raise HubError(phrase("too-many-devices", "at most {most} devices at a time", most=MAX_REQUESTS))
        async with self._turn:
            rows, found = list[Row](), list[DeviceRequest]()
            for request in requests:
                try:
                    found.append(self._keyed(request, await self._found(request)))
                except Unreadable as error:
                    rows.append(_error_row(request, request.device, error))
            known = await tables.expected_details(self._store, [one.device for one in found])
            keys = list[DeviceRequest]()
            for one in found:
                former, newest = known.get(one.device, (None, 0))
                bare = msgspec.structs.replace(one, line=0)
                state = ALREADY if former == bare or newest > number else KEPT
                rows.append(Row(line=one.line, device=one.device, state=state, key_from="row"))
                if state == KEPT:
                    keys.append(bare)
            if keys and not dry_run:
                await tables.store_expected(self._store, keys, number, self._now(), by)
                self._changed()
            return sorted(rows, key=lambda row: row.line)

    async def key_of(self, whom: Identified) -> str:
        """Return the key of an expected device, in hexadecimal: its label's, or the inventory's; "" where there is
        none. Raises StorageError, and Unreadable where the two differ."""
        kept, _ = (await tables.expected_details(self._store, [whom.device])).get(whom.device, (None, 0))
        promised = kept.key if kept is not None else ""
        check_keys_agree(whom.label, promised)
        return whom.label.key.hex() if whom.label is not None and whom.label.key is not None else promised

    def _keyed(self, request: DeviceRequest, whom: Identified) -> DeviceRequest:
        """Return the details of an expected device to store. Raises Unreadable."""
        label = whom.label
        key = request.key or (label.key.hex() if label and label.key else "")
        if not key and not request.place:
            raise Unreadable(
                "no-key",
                phrase("nothing-to-keep", "there is neither a key nor a place in it: nothing to keep"),
                column="key",
            )
        settings = {**(label.settings if label else {}), **request.settings}
        return checked(msgspec.structs.replace(request, device=whom.device, key=key, label="", settings=settings))

    async def remove(self, device: str, *, dry_run: bool, by: str) -> Row:
        """Stop admitting a device that a command added. Its place, its series and its history stay. Raises HubError
        when it is the configuration's, or unknown."""
        async with self._turn:
            if device in self._shadowed:
                line, known = [device], self._context.devices.get(device)
            else:
                known = self._context.devices.get(device)
                if known is None:
                    raise HubError(
                        phrase(
                            "device-not-known",
                            "no device {device!r} is known; `ilot devices` lists them",
                            device=device,
                        )
                    )
                line = self._context.devices.succession(device)
                if line[0] not in self._added.devices:
                    there = await asyncio.to_thread(where, line[0], self._loaded)
                    raise HubError(
                        phrase(
                            "device-in-configuration",
                            "{device} stands in the configuration: remove it there ({where})",
                            device=device,
                            where=there,
                        )
                    )
            if not dry_run:
                await tables.remove(self._store, line, self._now(), by)
                self._changed()
                self._added.devices.pop(line[0], None)
                if self._shadowed.pop(device, None) is None:
                    self._context.devices.remove(device)
                    self._pipeline.forget(device)
                    self._gone(device)
                _log.info(phrase("device-removed", "a device was removed"))
            return Row(line=0, device=device, state="removed", place=known.place if known else "")

    async def amend(self, device: str, name: str, place: str, *, zone: str = "", dry_run: bool, by: str) -> Device:
        """Rename a device that a command added, or move it to another place, which is made in `zone` where there is
        none of that id or name; return the device as it was. Raises HubError."""
        async with self._turn:
            known = self._context.devices.get(device)
            if known is None:
                raise HubError(
                    phrase(
                        "device-not-known", "no device {device!r} is known; `ilot devices` lists them", device=device
                    )
                )
            first = self._context.devices.succession(device)[0]
            if not self.added(device):
                there = await asyncio.to_thread(where, first, self._loaded)
                raise HubError(
                    phrase(
                        "device-amended-in-configuration",
                        "{device} stands in the configuration: change it there ({where})",
                        device=device,
                        where=there,
                    )
                )
            checked(DeviceRequest(device=device, name=name, place=place))
            made: Place | None = None
            if self._context.places.get(place) is None:
                if not zone:
                    raise HubError(phrase("no-such-place-known", "there is no place {place!r}", place=place))
                wish = DeviceRequest(device=device, place=place, zone=zone)
                place, made = place_for(wish, DeviceRequest(device=device), self._context)
            changed = msgspec.structs.replace(known, name=name, place=place)
            if place != known.place:
                _check_free_place(changed, {(one.place, one.pack): one.id for one in self._context.devices})
            if not dry_run and changed != known:
                stored = msgspec.structs.replace(self._added.devices[first], name=name, place=place)
                await tables.amend(self._store, stored, known, device, self._now(), by, made)
                self._changed()
                if made is not None:
                    self._put_place(made)
                self._added.devices[first] = stored
                self._context.devices.put(changed)
                self._pipeline.admit(device)
                self._admitted(device)
            return known

    async def name_place(self, device: str, said: str, *, spoke: bool, by: str) -> Place:
        """Name the place of a device, or move the device to the place that has that name already; return the place.
        `spoke`: the device was heard, so that its former place stays. Raises HubError."""
        known = self._context.devices.get(device)
        place = self._context.places.get(known.place) if known is not None else None
        if known is None or place is None:
            raise HubError(
                phrase("device-not-known", "no device {device!r} is known; `ilot devices` lists them", device=device)
            )
        checked(DeviceRequest(device=device, place=said))
        other = known_place(said, place.zone, self._context)
        if other is not None and other.id != place.id:
            await self.amend(device, known.name, other.id, dry_run=False, by=by)
            if not spoke:
                await self._drop_place(place.id, by)
            return other
        async with self._turn:
            if not folded(said):
                raise nameless(said)
            if self._is_configured(place.id):
                raise HubError(
                    phrase(
                        "place-named-in-configuration",
                        "the place {place} stands in the configuration: it is named there; or choose another place",
                        place=place.id,
                    )
                )
            named = msgspec.structs.replace(place, name=said)
            await tables.name_place(self._store, named, self._now(), by)
            self._changed()
            self._put_place(named)
            for one in self._context.devices:
                if one.place == named.id:
                    self._pipeline.admit(one.id)
            return named

    async def _drop_place(self, place: str, by: str) -> None:
        """Remove a place that a command made, where no device stands."""
        async with self._turn:
            if self._is_configured(place) or any(one.place == place for one in self._context.devices):
                return
            await tables.drop_place(self._store, place, self._now(), by)
            self._added.places.pop(place, None)
            self._context.places.drop(place)

    def _is_configured(self, place: str) -> bool:
        return place not in self._added.places or any(one.id == place for one in self._loaded.places)

    def _put_place(self, place: Place) -> None:
        self._context.places.put(place)
        self._added.places[place.id] = place

    async def details(self, devices: Sequence[str]) -> dict[str, DeviceRequest]:
        """Return what is kept of devices that may come, without their keys. Raises StorageError."""
        kept = await tables.expected_details(self._store, devices)
        return {device: msgspec.structs.replace(one, key="") for device, (one, _) in kept.items()}

    async def expected(self) -> list[dict[str, object]]:
        """Return the devices whose keys are stored, and whether each was added since."""
        rows = await tables.expected(self._store)
        known = self._context.devices
        return [{"device": one, "inventory": number, "added": known.get(one) is not None} for one, number in rows]

    async def _plan(self, requests: Sequence[DeviceRequest], *, update: bool) -> tuple[list[Row], list[Plan]]:
        found: list[Identified | Unreadable] = []
        for request in requests:
            try:
                found.append(await self._found(request))
            except Unreadable as error:
                found.append(error)
        kept = await tables.expected_details(self._store, [one.device for one in found if isinstance(one, Identified)])
        packs = await self._context.packs.names()
        taken = {(one.place, one.pack): one.id for one in self._context.devices if one.pack}
        alike = {one.id.lower(): one.id for one in self._context.devices}
        rows, plans, made = list[Row](), dict[str, Plan](), dict[str, Place]()
        for number, (request, whom) in enumerate(zip(requests, found, strict=True)):
            if number % YIELD_AFTER == 0:
                await asyncio.sleep(0)
            try:
                if isinstance(whom, Unreadable):
                    raise whom
                _check_capitals(whom.device, alike)
                former = plans.get(whom.device)
                base = former.device if former else self._context.devices.get(whom.device)
                one = plan(
                    self._with_made_place(request, made),
                    whom,
                    self._context,
                    packs,
                    base=base,
                    kept=kept.get(whom.device, (None, 0))[0],
                )
                state = self._judge(one, base, update=update)
                if state != ALREADY:
                    _check_free_place(one.device, taken)
                    if one.place is not None:  # as the first row that names it has it
                        one = one._replace(place=made.setdefault(folded(one.place.id), one.place))
                    plans[whom.device] = one
                    alike[whom.device.lower()] = whom.device
                rows.append(self._row(request.line, one, state))
            except Unreadable as error:
                rows.append(_error_row(request, whom.device if isinstance(whom, Identified) else request.device, error))
        return rows, list(plans.values())

    async def _found(self, request: DeviceRequest) -> Identified:
        try:
            return await identify(request, self._context)
        finally:
            await asyncio.sleep(0)

    def _judge(self, one: Plan, base: Device | None, *, update: bool) -> str:
        """Return the action for a request. Raises Unreadable when it contradicts existing devices."""
        device, devices = one.device, self._context.devices
        if base is None:
            if filter_ := self.blocked(device.id, device.integration, device.model):
                raise Unreadable(
                    "blocked",
                    phrase(
                        "device-is-blocked",
                        "is blocked ({filter}): `ilot quarantine unblock` comes first",
                        filter=filter_,
                    ),
                    column="device",
                )
            if device.id in devices.replaced:
                now = devices.replaced[device.id][0]
                raise Unreadable(
                    "replaced",
                    phrase(
                        "device-replaced-already",
                        "{now} took its place: `ilot device replace {now} {id}` brings it back",
                        now=now,
                        id=device.id,
                    ),
                    column="device",
                )
            return ADDED
        differs = differences(device, base)
        if not differs:
            return ALREADY
        what = [_FIELDS[name] for name in differs]
        if not self.added(device.id):
            raise Unreadable(
                "configured",
                phrase(
                    "device-configured-otherwise",
                    "stands in the configuration with another {what}: that counts, change it there",
                    what=what,
                ),
                column="device",
            )
        if len(devices.succession(device.id)) > 1:
            raise Unreadable(
                "differs",
                phrase(
                    "device-replaced-otherwise",
                    "is there with another {what}, in the place of a former one: remove it and add it again",
                    what=what,
                ),
                column="device",
            )
        if not update:
            raise Unreadable(
                "differs",
                phrase(
                    "device-added-otherwise", "is there already with another {what}: --update changes it", what=what
                ),
                column="device",
            )
        return CHANGED

    def _with_made_place(self, request: DeviceRequest, made: dict[str, Place]) -> DeviceRequest:
        """Return the request with id and zone of a place that an earlier request creates; `made`: see `folded`."""
        place = made.get(folded(request.place)) if request.place else None
        if place is None:
            return request
        check_zone(place, zone_of(request.zone, self._context))
        return msgspec.structs.replace(request, place=place.id, zone=place.zone)

    def _admit(self, one: Plan) -> None:
        if one.place is not None:
            self._put_place(one.place)
        self._added.devices[one.stored.id] = one.stored
        self._context.devices.adopt(one.device)
        self._pipeline.admit(one.device.id)
        self._admitted(one.device.id)

    def _row(self, line: int, one: Plan, state: str) -> Row:
        device = one.device
        place = one.place or self._context.places.get(device.place)
        note = ""
        if not device.pack and one.perhaps:
            note = phrase(
                "payload-not-decoded-yet",
                "nothing reads its payload yet: one of the packs {packs} may be its own",
                packs=one.perhaps,
            )
        return Row(
            line=line,
            device=device.id,
            state=state,
            place=device.place,
            zone=place.zone if place else "",
            integration=device.integration,
            pack=device.pack,
            key_from=one.key_from,
            en=str(note),
            fr=str(translate(note, "fr")),
        )

    def _now(self) -> float:
        return self._clock.now()


_FIELDS = {
    "place": phrase("device-place", "place"),
    "integration": phrase("device-integration", "integration"),
    "pack": phrase("device-pack", "pack"),
    "key": phrase("device-key", "key"),
    "settings": phrase("device-settings", "settings"),
    "name": phrase("device-name", "name"),
    "model": phrase("device-model", "model"),
}
"""What two descriptions of a device may differ in; see `differences`."""


def _check_capitals(device: str, alike: dict[str, str]) -> None:
    """Refuse an id that differs from another one only in capitals: the configuration ignores them, so it would be
    disabled from the next start on; `alike`: id in small letters → the existing id."""
    if (known := alike.get(device.lower(), device)) != device:
        raise Unreadable(
            "capitals",
            phrase("id-in-other-capitals", "is {known} in other capitals: write it so", known=known),
            column="device",
        )


def _check_free_place(device: Device, taken: dict[tuple[str, str], str]) -> None:
    """Refuse a second device of one kind at one place, which would write the same series; `taken`: place and pack →
    device."""
    if device.pack and (twin := taken.setdefault((device.place, device.pack), device.id)) != device.id:
        raise Unreadable(
            "place-taken",
            phrase(
                "place-taken-by-twin",
                "{twin}, of the same kind, stands at {place} already: give each a place of its own",
                twin=twin,
                place=device.place,
            ),
            column="place",
        )


def _error_row(request: DeviceRequest, device: str, error: Unreadable) -> Row:
    return Row(
        line=request.line,
        device=device,
        state=WRONG,
        place=request.place,
        column=error.column,
        why=error.reason,
        en=str(error.detail),
        fr=str(translate(error.detail, "fr")),
    )
