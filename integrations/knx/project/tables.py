"""The data of a project, as plain tables. Ids are ETS's own, without the project's prefix (`GA-12`, `DI-3`)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class GroupAddress:
    """A group address. `dpt` as ETS writes it (`DPST-9-1`), "" when it has none; `ranges` are the names of its main and
    middle group."""

    id: str
    address: int
    name: str = ""
    description: str = ""
    dpt: str = ""
    ranges: tuple[str, ...] = ()
    secure: bool = False


@dataclass(slots=True)
class Link:
    """A communication object of a device and the group addresses linked to it, the sending one first. `sends` is its
    transmit flag, `reads` its read flag; None where only the product database has it."""

    device: str
    ref: str
    groups: tuple[str, ...]
    dpt: str = ""
    text: str = ""
    sends: bool | None = None
    reads: bool | None = None


@dataclass(slots=True)
class Device:
    """A device. `address`: individual address, 16 bits, None while ETS has assigned none. `product` and `program` are
    ids in the product database, `space` where it is mounted."""

    id: str
    address: int | None = None
    name: str = ""
    description: str = ""
    product: str = ""
    program: str = ""
    space: str = ""
    model: str = ""


@dataclass(slots=True)
class Space:
    """A part of a building. `kind` is ETS's: Building, Floor, Room, DistributionBoard…"""

    id: str
    kind: str
    name: str
    parent: str = ""


@dataclass(slots=True)
class Function:
    """A function in a room: group addresses that belong together, each with its role."""

    id: str
    kind: str
    name: str
    space: str
    groups: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Project:
    """A project. `schema` is the version in the XML namespace; `levels` the style of group addresses."""

    name: str = ""
    schema: int = 0
    levels: int = 3
    groups: dict[str, GroupAddress] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    spaces: dict[str, Space] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
