"""Reads `0.xml`: topology, building and group addresses of an installation. XML events in, tables out. Pure."""

from __future__ import annotations

from collections.abc import Sized

import hub
from hub.sdk.phrases import phrase
from integrations.knx.project.tables import Device, Function, GroupAddress, Link, Project, Space

MOST = 100_000
"""Maximum entries of each table; 16 bits of group addresses are 65,535."""

_ENABLED = {"Enabled": True, "Disabled": False}


def short(ref: str) -> str:
    """Shorten `P-0242-0_GA-12` to `GA-12`; references within a file have no prefix already."""
    return ref.rpartition("_")[2]


def enabled(attributes: dict[str, str], flag: str) -> bool | None:
    return _ENABLED.get(attributes.get(flag, ""))


class Installation:
    """Fills a project from the elements of its `0.xml`. Raises DecodeError `too-large`, `bad-project`."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._path: list[str] = []
        self._area = self._line = 0
        self._ranges: list[str] = []
        self._spaces: list[str] = []
        self._device: Device | None = None
        self._link: Link | None = None
        self._function: Function | None = None
        self._mounted: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        handler = getattr(self, f"_start_{name.lower()}", None)
        if handler is not None:
            handler(attributes)

    def end(self, name: str) -> None:
        self._path.pop()
        match name:
            case "GroupRange":
                self._ranges.pop()
            case "Space" | "BuildingPart":
                self._spaces.pop()
            case "DeviceInstance":
                self._device = None
            case "ComObjectInstanceRef":
                if self._link is not None and self._link.groups:
                    _bounded(self.project.links, phrase("knx.communication-objects", "communication objects"))
                    self.project.links.append(self._link)
                self._link = None
            case "Function":
                self._function = None

    def finish(self) -> None:
        """Resolve references at the end of the file: rooms may come before or after their devices."""
        for device, space in self._mounted.items():
            if device in self.project.devices:
                self.project.devices[device].space = space

    # topology

    def _start_area(self, attributes: dict[str, str]) -> None:
        self._area, self._line = _number(attributes, "Address", 15), 0

    def _start_line(self, attributes: dict[str, str]) -> None:
        self._line = _number(attributes, "Address", 15)

    def _start_deviceinstance(self, attributes: dict[str, str]) -> None:
        placed = "Line" in self._path and attributes.get("Address", "").isdigit()
        device = Device(
            id=short(attributes.get("Id", "")),
            address=self._area << 12 | self._line << 8 | _number(attributes, "Address", 255) if placed else None,
            name=attributes.get("Name", ""),
            description=attributes.get("Description", ""),
            product=attributes.get("ProductRefId", ""),
            program=attributes.get("Hardware2ProgramRefId", ""),
        )
        _bounded(self.project.devices, phrase("knx.devices", "devices"))
        self.project.devices[device.id] = self._device = device

    def _start_comobjectinstanceref(self, attributes: dict[str, str]) -> None:
        if self._device is None:
            return
        self._link = Link(
            device=self._device.id,
            ref=attributes.get("RefId", ""),
            groups=tuple(map(short, attributes.get("Links", "").split())),
            dpt=attributes.get("DatapointType", ""),
            text=attributes.get("Text", ""),
            sends=enabled(attributes, "TransmitFlag"),
            reads=enabled(attributes, "ReadFlag"),
        )

    def _start_send(self, attributes: dict[str, str]) -> None:
        self._connect(attributes, first=True)

    def _start_receive(self, attributes: dict[str, str]) -> None:
        self._connect(attributes, first=False)

    def _connect(self, attributes: dict[str, str], *, first: bool) -> None:
        """Add a link of an older schema, where links are elements of their own. An object that only receives has no
        `Send`."""
        group = short(attributes.get("GroupAddressRefId", ""))
        if self._link is not None and group:
            others = tuple(g for g in self._link.groups if g != group)
            self._link.groups = (group, *others) if first else (*others, group)

    # building

    def _start_space(self, attributes: dict[str, str]) -> None:
        space = Space(
            id=short(attributes.get("Id", "")),
            kind=attributes.get("Type", ""),
            name=attributes.get("Name", "") or attributes.get("Number", ""),
            parent=self._spaces[-1] if self._spaces else "",
        )
        _bounded(self.project.spaces, phrase("knx.parts-of-buildings", "parts of buildings"))
        self.project.spaces[space.id] = space
        self._spaces.append(space.id)

    _start_buildingpart = _start_space  # ETS 4

    def _start_deviceinstanceref(self, attributes: dict[str, str]) -> None:
        if self._spaces and "Trades" not in self._path:
            self._mounted[short(attributes.get("RefId", ""))] = self._spaces[-1]

    def _start_function(self, attributes: dict[str, str]) -> None:
        self._function = Function(
            id=short(attributes.get("Id", "")),
            kind=attributes.get("Type", ""),
            name=attributes.get("Name", ""),
            space=self._spaces[-1] if self._spaces else "",
        )
        _bounded(self.project.functions, phrase("knx.functions", "functions"))
        self.project.functions[self._function.id] = self._function

    def _start_groupaddressref(self, attributes: dict[str, str]) -> None:
        if self._function is not None:
            self._function.groups[short(attributes.get("RefId", ""))] = attributes.get("Role", "")

    # group addresses

    def _start_grouprange(self, attributes: dict[str, str]) -> None:
        self._ranges.append(attributes.get("Name", ""))

    def _start_groupaddress(self, attributes: dict[str, str]) -> None:
        if not self._ranges:
            return
        group = GroupAddress(
            id=short(attributes.get("Id", "")),
            address=_number(attributes, "Address", 0xFFFF),
            name=attributes.get("Name", ""),
            description=attributes.get("Description", ""),
            dpt=(attributes.get("DatapointType", "").split() or [""])[0],
            ranges=tuple(self._ranges),
            secure=attributes.get("Security", "") == "On" or "Key" in attributes,
        )
        _bounded(self.project.groups, phrase("knx.group-addresses", "group addresses"))
        self.project.groups[group.id] = group


def _number(attributes: dict[str, str], name: str, highest: int) -> int:
    text = attributes.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= highest):
        raise hub.DecodeError(
            "bad-project",
            phrase(
                "knx.bad-attribute-number",
                "{attribute} {text!r} is not a number from 0 to {highest}",
                attribute=name,
                text=text[:20],
                highest=highest,
            ),
        )
    return int(text)


def _bounded(table: Sized, what: str) -> None:
    if len(table) >= MOST:
        raise hub.DecodeError(
            "too-large", phrase("knx.too-many-entries", "more than {most} {entries}", most=MOST, entries=what)
        )
