"""An ETS project → devices, places and zones as a proposed configuration. Pure.

A proposed device is a sender: its id is `knx:` and the individual address of the device whose communication object
sends to the group addresses, as ETS prints it on its label. Addresses of a function in another room, and a second value
of the same metric, become a device of their own: `knx:1.1.5-1-2-3`, after their first group address. Addresses without
a known sender are grouped by middle group: `knx:group-1-2`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import hub
from hub.sdk.phrases import phrase
from integrations.knx import addresses, points
from integrations.knx.project.tables import Device, GroupAddress, Project
from integrations.knx.zones import Zones, clean, slug, unique


@dataclass(slots=True)
class Chunk:
    """A proposed device."""

    owner: Device | None
    space: str
    groups: dict[int, tuple[GroupAddress, points.Point]] = field(default_factory=dict)
    unclear: list[GroupAddress] = field(default_factory=list)
    former: str = ""

    def has(self, metric: str) -> bool:
        return any(point.metric == metric for _, point in self.groups.values())


@dataclass(slots=True)
class Wish:
    """Options of the operator.

    `instance`: the integration in the file; `site`: id of the zones' site (empty: the project becomes one); `zones`: a
    key of `LEVELS` or "none"; `zone`: where devices without a place in ETS go (empty: a zone of the project's name);
    `read`: whether values are requested at the start."""

    instance: str
    site: str = ""
    zones: str = "room"
    zone: str = ""
    read: bool = False


def propose(project: Project, wish: Wish, configured: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Build the proposal. `configured`: devices already in the file, id → settings: they keep their addresses.

    Returns what `ilot import` shows: `sites`, `zones`, `places`, `devices` and `notes`."""
    theirs = _theirs(configured)
    senders, readable, types = _senders(project), _readable(project), _linked_types(project)
    listeners = _listeners(project)
    rooms = {group: f.space for f in project.functions.values() if f.space for group in f.groups}
    chunks = Chunks()
    left: Counter[str] = Counter()
    seen = {addresses.BROADCAST}
    for group in sorted(project.groups.values(), key=lambda g: g.address):
        if group.address in seen:
            continue
        seen.add(group.address)
        owner = senders.get(group.id)
        space = rooms.get(group.id) or (owner.space if owner else listeners.get(group.id, ""))
        try:
            point = points.POINTS[points.canonical(group.dpt or types.get(group.id, ""))]
        except ValueError:
            left["unread type" if group.dpt else "no type"] += 1
            continue
        chunk = chunks.of(group.address, owner, space, theirs.get(group.address, ""), point.metric)
        if point.metric:
            chunk.groups[group.address] = (group, point)
        else:
            chunk.unclear.append(group)
            left["no metric"] += 1
    return _written(project, wish, chunks.all, readable, left)


def _theirs(configured: Mapping[str, Mapping[str, Any]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for device, settings in configured.items():
        groups = settings.get("groups")
        for written in groups if isinstance(groups, Mapping) else ():
            try:
                found.setdefault(addresses.group(str(written)), device)
            except ValueError:
                continue
    return found


def _senders(project: Project) -> dict[str, Device]:
    """Return group address → the device that sends there: one with an address and a transmit flag, on its first link.
    Of several senders the lowest is taken: the project does not tell a sensor from a device that only controls it."""
    found: dict[str, Device] = {}
    for link in project.links:
        device = project.devices[link.device]
        if device.address is None or link.sends is not True:
            continue
        former = found.get(link.groups[0])
        if former is None or former.address is None or device.address < former.address:
            found[link.groups[0]] = device
    return found


def _listeners(project: Project) -> dict[str, str]:
    """Return group address → place of the first device linked to it, where a command takes effect."""
    found: dict[str, str] = {}
    for link in project.links:
        for group in link.groups if project.devices[link.device].space else ():
            found.setdefault(group, project.devices[link.device].space)
    return found


def _readable(project: Project) -> set[str]:
    """Return the group addresses that some device answers for."""
    return {group for link in project.links if link.reads for group in link.groups}


def _linked_types(project: Project) -> dict[str, str]:
    """Return group address → the type of the first linked object that has one."""
    found: dict[str, str] = {}
    for link in project.links:
        for group in link.groups if link.dpt.split() else ():
            found.setdefault(group, link.dpt.split()[0])
    return found


class Chunks:
    """The devices of a proposal while it is built."""

    def __init__(self) -> None:
        self.all: list[Chunk] = []
        self._by_key: dict[tuple[str, ...], list[Chunk]] = {}

    def of(self, address: int, owner: Device | None, space: str, former: str, metric: str) -> Chunk:
        """Return the device for a group address: by sender and room, once for each metric."""
        key = (former,) if former else (owner.id if owner else f"{address >> 8}", space, "sender" if owner else "range")
        here = self._by_key.setdefault(key, [])
        for chunk in here:
            if former or not metric or not chunk.has(metric):
                return chunk
        here.append(Chunk(owner, space, former=former))
        self.all.append(here[-1])
        return here[-1]


def _written(
    project: Project, wish: Wish, chunks: list[Chunk], readable: set[str], left: Counter[str]
) -> dict[str, Any]:
    zones = Zones(project, wish.zones, wish.site, wish.zone)
    devices: dict[str, Any] = {}
    places: dict[str, Any] = {}
    taken: set[str] = set()
    used: set[str] = set()
    for chunk in chunks:
        if not chunk.groups:
            continue
        name = chunk.former or _device_id(project, chunk, taken)
        taken.add(name)
        settings: dict[str, Any] = {
            addresses.show_group(address, project.levels): {
                "dpt": point.dpt,
                "metric": point.metric,
                **({"read": True} if wish.read and group.id in readable else {}),
                "#": clean(" · ".join(filter(None, (*group.ranges, group.name)))),
            }
            for address, (group, point) in chunk.groups.items()
        }
        if chunk.unclear:
            settings["# any"] = _unclear(project, chunk.unclear)
        device: dict[str, Any] = {"integration": wish.instance, "settings": {"groups": settings}}
        if not chunk.former:
            title = _title(chunk)
            place = unique(slug(f"{zones.name(chunk.space)} {title}"), used)
            zone = zones.use(chunk.space)
            places[place] = {**({"zone": zone} if zone else {}), "name": title}
            model = {"model": clean(chunk.owner.model)} if chunk.owner and chunk.owner.model else {}
            device = {"integration": wish.instance, "place": place, "name": title, **model, **device}
        devices[name] = device
    return {
        **zones.sections(),
        **({"places": places} if places else {}),
        **({"devices": devices} if devices else {}),
        "notes": [*project.notes, *_notes(project, chunks, left)],
    }


def _device_id(project: Project, chunk: Chunk, taken: set[str]) -> str:
    first = addresses.show_group(next(iter(chunk.groups)), project.levels).replace("/", "-")
    if chunk.owner is None or chunk.owner.address is None:
        middle = f"knx:group-{first.rpartition('-')[0] or first}"
        return middle if middle not in taken else f"knx:group-{first}"
    own = f"knx:{addresses.show_individual(chunk.owner.address)}"
    return own if own not in taken else f"{own}-{first}"


def _title(chunk: Chunk) -> str:
    group, _ = next(iter(chunk.groups.values()))
    of_owner = chunk.owner and (chunk.owner.name or chunk.owner.description or chunk.owner.model)
    return clean(of_owner or (group.ranges[-1] if group.ranges else "") or group.name) or "KNX"


def _unclear(project: Project, groups: list[GroupAddress]) -> str:
    return f"to be given a metric by hand: {_list(project, groups)}"


def _list(project: Project, groups: list[GroupAddress]) -> str:
    shown = (f"{addresses.show_group(g.address, project.levels)} {clean(g.name, 40)} ({g.dpt})" for g in groups[:8])
    return f"{', '.join(shown)}{' …' if len(groups) > 8 else ''}"


def _notes(project: Project, chunks: list[Chunk], left: Counter[str]) -> list[str]:
    notes: list[str] = []
    if left["no type"]:
        notes.append(
            phrase(
                "knx.addresses-without-type",
                "{count} group [address has|addresses have] no datapoint type in ETS and [is|are] left out",
                count=left["no type"],
            )
        )
    if left["unread type"]:
        notes.append(
            phrase(
                "knx.addresses-of-unread-type",
                "{count} group [address is|addresses are] of a datapoint type that is not read and [is|are] left out",
                count=left["unread type"],
            )
        )
    if left["no metric"]:
        alone = [group for chunk in chunks if not chunk.groups for group in chunk.unclear]
        notes.append(
            phrase(
                "knx.addresses-left-out",
                "{count} group [address says|addresses say] something that only a person can name (a percentage, a "
                "command); left out are {addresses}",
                count=left["no metric"],
                addresses=_list(project, alone),
            )
            if alone
            else phrase(
                "knx.addresses-as-comments",
                "{count} group [address says|addresses say] something that only a person can name (a percentage, a "
                "command); [it stands as a comment|they stand as comments]",
                count=left["no metric"],
            )
        )
    personal = {p.metric for c in chunks for _, p in c.groups.values() if hub.METRICS[p.metric].privacy == "personal"}
    if personal:
        notes.append(
            phrase(
                "knx.personal-metrics",
                "{metrics} are of class personal: their readings are dropped until their zone states a purpose "
                "(`personal:`)",
                metrics=sorted(personal),
            )
        )
    secured = sum(group.secure for group in project.groups.values())
    if secured:
        notes.append(
            phrase(
                "knx.addresses-secured",
                "{count} group [address uses|addresses use] KNX Data Secure: [it needs|they need] `keyring` in the "
                "integration",
                count=secured,
            )
        )
    return notes
