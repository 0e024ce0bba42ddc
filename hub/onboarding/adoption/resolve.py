"""Resolution of a request: the device it means, or what is wrong, in which column, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from pydantic import BaseModel

from hub.config.instances import Models
from hub.config.positions import Finding, dotted
from hub.config.pydantic_findings import list_of_known, nearest, one_of
from hub.config.validate import validate
from hub.core.model import PLACE_ID, Device, Place
from hub.core.text import phrase, reason_of
from hub.devices.packs import Packs
from hub.devices.packs.labels import Recognised
from hub.devices.place_names import folded, place_id
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.protocol.device_labels import Label, Unreadable, kinds, meters, pairs, read
from hub.protocol.device_labels.device_request import DeviceRequest, checked

NO_SUCH_PLACE = "no-such-place"
"""Reason of `Unreadable` for a place that can be made once its zone is given."""


class Identified(NamedTuple):
    """The device that a request means. `label` is None where none was given."""

    device: str
    label: Label | None
    recognised: Recognised


class Plan(NamedTuple):
    """A device to add. `device` as it would be admitted; `stored` the same with settings as in JSON; `place` if it has
    to be created; `key_from`: label, row, inventory, or ""; `perhaps`: packs of its vendor, where none was chosen."""

    device: Device
    stored: Device
    place: Place | None
    key_from: str
    perhaps: tuple[str, ...] = ()


class ResolutionContext(NamedTuple):
    """Context of a request: `instances` name → type of the integrations, `zones` id → site, `heard` id → instance of
    the devices in quarantine, `zone_names` id → name of the zones that have one."""

    devices: Devices
    places: Places
    packs: Packs
    models: Models
    instances: Mapping[str, str]
    zones: Mapping[str, str]
    heard: Callable[[], Mapping[str, str]]
    sites: frozenset[str] = frozenset()
    zone_names: Mapping[str, str] = {}


async def identify(request: DeviceRequest, context: ResolutionContext) -> Identified:
    """Return the device of a request. Raises Unreadable."""
    label, recognised = None, Recognised()
    if request.label:
        label, recognised = await _read(request.label, context.packs)
    given = kinds.device_id(request.device) if request.device else ""
    if label is not None and given and given != label.device:
        raise Unreadable(
            "two-devices",
            phrase(
                "label-of-another-device",
                "the label is that of {device}, not of {given}",
                device=label.device,
                given=given,
            ),
            column="label",
        )
    device = given or (label.device if label else "")
    if not device:
        raise Unreadable(
            "no-device",
            phrase("no-device-named", "no device is named: give its id, or the text of its label"),
            column="device",
        )
    return Identified(_complete_meter_id(device, context), label, recognised)


async def _read(text: str, packs: Packs) -> tuple[Label, Recognised]:
    label, failed = None, None
    try:
        label = read(text)
    except Unreadable as error:
        failed = error
    recognised = await packs.recognise(text, label.profile if label else "")
    if label is None and recognised.parts:
        label = pairs.of(recognised.parts)
    if label is None:
        assert failed is not None  # noqa: S101 - without a label, reading it failed
        raise failed.at("label")
    return label, recognised


def _complete_meter_id(device: str, context: ResolutionContext) -> str:
    """Return the full id of a meter of which only maker and number are known, if one of these was heard."""
    if not device.startswith("mbus:") or meters.whole(device) or meters.read(device) is None:
        return device
    known = {*context.heard(), *(one.id for one in context.devices)}
    found = sorted(one for one in known if one.startswith(f"{device}-"))
    if len(found) == 1:
        return found[0]
    several = phrase("in-brackets", " ({text})", text=one_of(found)) if found else ""
    raise Unreadable(
        "meter",
        phrase(
            "meter-id-incomplete",
            "version and medium of {device} are not known{several}: let the hub hear it first, or give both",
            device=device,
            several=several,
        ),
        column="meter_id",
    )


def plan(
    request: DeviceRequest,
    found: Identified,
    context: ResolutionContext,
    packs: Iterable[str],
    *,
    kept: DeviceRequest | None = None,
    base: Device | None = None,
) -> Plan:
    """Return the plan of a request. `kept` are the inventory's details, `base` the device as it is admitted now,
    `packs` the installed ones. Precedence: request, label, device as it is, inventory; the keys of label and inventory
    must be equal. Raises Unreadable."""
    request = checked(request)
    known = _as_wish(base) if base is not None else kept or DeviceRequest()
    integration = _integration(request.integration or known.integration, found.device, context)
    kind, scheme = context.instances[integration], kinds.kind_of(found.device)
    if scheme is not None and kind in _SPOKEN and kind not in scheme.types:
        raise Unreadable(
            "integration",
            phrase(
                "integration-speaks-otherwise",
                "{integration!r} does not speak to {device}",
                integration=integration,
                device=found.device,
            ),
            column="integration",
        )
    place, made = place_for(request, known, context)
    label = found.label
    key, key_from = _key(request, label, known, promised=base is None)
    if key is None and scheme is not None and kind in scheme.needs:
        raise Unreadable(
            "no-key",
            phrase(
                "device-key-missing",
                "the key of {device} is missing: no label and no inventory has it. Give it with the row, by "
                "--key-file, or import an inventory",
                device=found.device,
            ),
            column="app_key" if kind == "lorawan" else "key",
        )
    pack, perhaps = _pack(request.pack or known.pack, found.recognised, packs)
    given = {**known.settings, **(label.settings if label else {}), **request.settings}
    settings, stored = _settings(kind, given, context.models, pack)
    if key is not None:
        kinds.check_key(found.device, key, stored)
    device = Device(
        id=found.device,
        integration=integration,
        place=place,
        key=key,
        settings=settings,
        pack=pack,
        model=request.model or (label.model if label else "") or known.model,
        name=request.name or known.name,
    )
    return Plan(device, msgspec.structs.replace(device, settings=stored), made, key_from, perhaps)


def with_settings(device: Device, kind: str, models: Models) -> Device:
    """Return a stored device with its settings as its integration's model has them; unchanged where it refuses them."""
    try:
        settings, _ = _settings(kind, device.settings, models, device.pack)
    except Unreadable:
        return device
    return msgspec.structs.replace(device, settings=settings)


def refusal(device: Device, kind: str, models: Models) -> str:
    """Return why the integration's model refuses a stored device's settings, "" when it accepts them."""
    try:
        _settings(kind, device.settings, models, device.pack)
    except Unreadable as error:
        return error.detail
    return ""


def differences(device: Device, known: Device) -> list[str]:
    """Return the fields in which a device differs from the admitted one."""
    return [name for name in _FIELDS if getattr(device, name) != getattr(known, name)]


_FIELDS = ("place", "integration", "pack", "key", "settings", "name", "model")


def _as_wish(device: Device) -> DeviceRequest:
    return DeviceRequest(
        device=device.id,
        key=device.key.hex() if device.key else "",
        integration=device.integration,
        place=device.place,
        pack=device.pack,
        name=device.name,
        model=device.model,
        settings=dict(device.settings),
    )


_SPOKEN = {kind for known in kinds.KINDS.values() for kind in known.types}


def _integration(given: str, device: str, context: ResolutionContext) -> str:
    if given:
        if given not in context.instances:
            there = list_of_known(context.instances) if context.instances else phrase("there-is-none", "there is none")
            meant = _suggestion(given, context.instances)
            raise Unreadable(
                "integration",
                phrase(
                    "integration-not-known",
                    "there is no integration {name!r}; {known}{meant}",
                    name=given,
                    known=there,
                    meant=meant,
                ),
                column="integration",
            )
        return given
    heard = context.heard().get(device, "")
    if heard in context.instances:
        return heard
    scheme = device.partition(":")[0]
    usual = kinds.kind_of(device)
    fit = {one.integration for one in context.devices if one.id.partition(":")[0] == scheme} & context.instances.keys()
    for kind in usual.types if usual else (scheme,):
        fit = fit or {name for name, its in context.instances.items() if its == kind}
    if len(fit) == 1:
        return fit.pop()
    if not fit:
        raise Unreadable(
            "integration",
            phrase(
                "no-integration-speaks",
                "which integration speaks to {device}? none speaks to {scheme} devices: add one below "
                "`integrations:` in the configuration first",
                device=device,
                scheme=scheme,
            ),
            column="integration",
        )
    raise Unreadable(
        "integration",
        phrase(
            "several-integrations-speak",
            "which integration speaks to {device}? several could ({integrations}): name one",
            device=device,
            integrations=one_of(sorted(fit)),
        ),
        column="integration",
    )


def place_for(request: DeviceRequest, known: DeviceRequest, context: ResolutionContext) -> tuple[str, Place | None]:
    """Return the id, and the place if it has to be created."""
    said, zone = request.place or known.place, zone_of(request.zone or known.zone, context)
    if not said:
        raise Unreadable(
            "no-place",
            phrase("place-needed", "it needs a place: what it stands for"),
            column="place",
        )
    place = known_place(said, zone, context)
    if place is not None:
        check_zone(place, zone)
        return place.id, None
    new = said if PLACE_ID.fullmatch(said) else place_id(said)
    meant = _suggestion(new, [one.id for one in context.places])
    if not new:
        raise nameless(said)
    if not zone:
        raise Unreadable(
            NO_SUCH_PLACE,
            phrase(
                "place-not-known",
                "there is no place {place!r}{meant}; to make it, give its zone",
                place=said,
                meant=meant,
            ),
            column="place",
        )
    if zone not in context.zones:
        meant = _suggestion(zone, context.zones)
        raise Unreadable(
            "no-such-zone",
            phrase(
                "zone-not-known",
                "there is no zone {zone!r} in the configuration{meant}",
                zone=zone,
                meant=meant,
            ),
            column="zone",
        )
    name = said if said != new else ""
    return new, Place(id=new, site=context.zones[zone], zone=zone, name=name, role=request.role or known.role)


def nameless(said: str) -> Unreadable:
    """Return the refusal of a place's name that no id can be made of."""
    return Unreadable(
        "place-id",
        phrase("place-without-letters", "{place!r} has no letter and no digit to name a place by", place=said),
        column="place",
    )


def check_zone(place: Place, zone: str) -> None:
    """Raise Unreadable where a place is in another zone than the given one."""
    if zone and zone != place.zone:
        raise Unreadable(
            "zone",
            phrase(
                "place-in-another-zone",
                "the place {place} is in zone {zone}, not {given}",
                place=place.id,
                zone=place.zone,
                given=zone,
            ),
            column="zone",
        )


def zone_of(said: str, context: ResolutionContext) -> str:
    """Return the id of the zone meant by an id or a name; the text itself where it means none, or several."""
    if not said or said in context.zones:
        return said
    text = folded(said)
    found = {one for one in context.zones if text in (folded(one), folded(context.zone_names.get(one, "")))}
    return found.pop() if text and len(found) == 1 else said


def known_place(said: str, zone: str, context: ResolutionContext) -> Place | None:
    """Return the place meant by an id or a name; of several of one name, that of the zone. Raises Unreadable where
    that leaves several."""
    found = context.places.alike(said)
    if len(found) > 1:
        found = [one for one in found if one.zone == zone] or found
    if len(found) > 1:
        raise Unreadable(
            "several-places",
            phrase(
                "several-places-alike",
                "{place!r} may be any of {places}: give the id of one, or its zone",
                place=said,
                places=one_of(sorted(one.id for one in found)),
            ),
            column="place",
        )
    return found[0] if found else None


def check_keys_agree(label: Label | None, key: str) -> None:
    """Check that a label holds the key of the inventory (hexadecimal), where both hold one: a forged label is easily
    stuck over the maker's. Raises Unreadable."""
    if label is not None and label.key is not None and key and bytes.fromhex(key) != label.key:
        raise Unreadable(
            "two-keys",
            phrase(
                "label-key-differs",
                "the key on the label of {device} is not the one that the inventory has: look whether the label "
                "is the maker's, and give the right key yourself",
                device=label.device,
            ),
            column="key",
        )


def _key(
    request: DeviceRequest, label: Label | None, known: DeviceRequest, *, promised: bool
) -> tuple[bytes | None, str]:
    if request.key and label is not None and label.key is not None and bytes.fromhex(request.key) != label.key:
        raise Unreadable(
            "two-keys",
            phrase("given-key-differs", "this key is not the one on the label: which is right?"),
            column="key",
        )
    if request.key:
        return bytes.fromhex(request.key), "row"
    if label is not None and label.key is not None:
        if promised:
            check_keys_agree(label, known.key)
        return label.key, "label"
    return (bytes.fromhex(known.key), "inventory") if known.key else (None, "")  # or the device's present key


def _pack(given: str, recognised: Recognised, packs: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    if not given and len(recognised.packs) > 1:
        several = one_of(recognised.packs)
        raise Unreadable(
            "pack",
            phrase("label-of-several-packs", "its label is that of {packs}: name the pack", packs=several),
            column="pack",
        )
    if not given:
        return (recognised.packs[0], ()) if recognised.packs else ("", recognised.perhaps)
    if given not in packs:
        meant = _suggestion(given, packs)
        raise Unreadable(
            "pack",
            phrase(
                "pack-not-known",
                "there is no pack {pack!r}; `ilot pack list` shows them{meant}",
                pack=given,
                meant=meant,
            ),
            column="pack",
        )
    return given, ()


def _suggestion(word: str, known: Iterable[str]) -> str:
    """Return the likely word, as an end of a sentence; "" when nothing is like it."""
    near = nearest(word, known)
    return phrase("but-perhaps-meant", "; did you mean {near}?", near=near) if near else ""


def _settings(
    kind: str, given: Mapping[str, object], models: Models, pack: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings with those of the pack, as the integration's model has them, and as in JSON."""
    model = models.integrations[kind][1] if kind in models.integrations else None
    if model is None:
        if given:
            raise Unreadable(
                "settings",
                phrase("kind-without-settings", "devices of {kind} have no settings", kind=kind),
                column=f"settings.{next(iter(given))}",
            )
        return {}, {}
    found: list[Finding] = []
    try:
        given = models.settings(kind, pack, given)
    except ValueError as error:
        raise Unreadable(
            "pack",
            phrase("device-pack-refused", "the pack is refused: {reason}", reason=reason_of(error)),
            column="pack",
        ) from error
    settings: BaseModel | None = validate(
        model, dict(given), (), phrase("settings-of-kind", "the settings of {kind} devices", kind=kind), found
    )
    if settings is None:
        one = found[0]
        said = one.message
        if one.path:
            said = phrase("setting-refused", "{setting}: {reason}", setting=dotted(one.path), reason=said)
        if one.suggestion:
            said = phrase("setting-refused-perhaps", "{said}; did you mean {near}?", said=said, near=one.suggestion)
        raise Unreadable("settings", said, column=f"settings.{one.path[0]}" if one.path else "settings")
    return settings.model_dump(), settings.model_dump(mode="json")
