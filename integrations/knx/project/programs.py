"""Reads the product database inside a project: names of products and their communication objects. Pure.

`M-xxxx/Hardware.xml` names products and which application program each runs; `M-xxxx/M-xxxx_A-….xml` lists the
communication objects of a program, whose datapoint types and flags an installation repeats only where it changed them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import hub
from hub.sdk.phrases import phrase
from integrations.knx.project.installation import enabled

MOST_OBJECTS = 500_000

_PROGRAM = re.compile(r"M-[0-9A-F]{4}_A-[^_]+_")
_MODULE = re.compile(r"_M-[0-9]+_MI-[0-9]+")


def local(ref: str) -> str:
    """Shorten `M-0083_A-0019-13-D1A4_O-12_R-45` to `O-12_R-45`; for an object of a module, the module's instance is
    dropped too."""
    return _MODULE.sub("", _PROGRAM.sub("", ref, count=1))


@dataclass(slots=True)
class Hardware:
    """Products by id. `products`: id → its text; `programs`: hardware-to-program id → application program id."""

    products: dict[str, str] = field(default_factory=dict)
    programs: dict[str, str] = field(default_factory=dict)
    _at: str = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Product":
            self.products[attributes.get("Id", "")] = attributes.get("Text", "")
        elif name == "Hardware2Program":
            self._at = attributes.get("Id", "")
        elif name == "ApplicationProgramRef" and self._at:
            self.programs[self._at] = attributes.get("RefId", "")
        if len(self.products) + len(self.programs) > MOST_OBJECTS:
            raise hub.DecodeError(
                "too-large",
                phrase("knx.too-many-products", "more than {most} products", most=MOST_OBJECTS),
            )

    def end(self, name: str) -> None:
        if name == "Hardware2Program":
            self._at = ""


@dataclass(slots=True)
class ComObject:
    """A communication object. None and "": given by the object that this one refines (`base`)."""

    dpt: str = ""
    sends: bool | None = None
    reads: bool | None = None
    base: str = ""


@dataclass(slots=True)
class Program:
    """The communication objects of one application program that are in use. `wanted`: their local references."""

    wanted: set[str]
    objects: dict[str, ComObject] = field(default_factory=dict)
    refs: dict[str, ComObject] = field(default_factory=dict)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "ComObject":
            self.objects[local(attributes.get("Id", ""))] = _object(attributes)
        elif name == "ComObjectRef" and (ref := local(attributes.get("Id", ""))) in self.wanted:
            self.refs[ref] = _object(attributes)
        if len(self.objects) + len(self.refs) > MOST_OBJECTS:
            raise hub.DecodeError(
                "too-large",
                phrase(
                    "knx.too-many-communication-objects",
                    "more than {most} communication objects",
                    most=MOST_OBJECTS,
                ),
            )

    def end(self, name: str) -> None:
        """Ignore the end of an element."""

    def get(self, ref: str) -> ComObject:
        """Return an object by its local reference, with the values that it refines."""
        refined = self.refs.get(ref, ComObject())
        base = self.objects.get(refined.base) or self.objects.get(ref.rpartition("_R-")[0]) or ComObject()
        return ComObject(
            dpt=refined.dpt or base.dpt,
            sends=base.sends if refined.sends is None else refined.sends,
            reads=base.reads if refined.reads is None else refined.reads,
        )


def _object(attributes: dict[str, str]) -> ComObject:
    return ComObject(
        dpt=attributes.get("DatapointType", ""),
        sends=enabled(attributes, "TransmitFlag"),
        reads=enabled(attributes, "ReadFlag"),
        base=local(attributes.get("RefId", "")),
    )
