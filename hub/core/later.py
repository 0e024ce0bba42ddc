"""Modules that are imported when something of them is asked for, or never.

For what a library imports at its top and needs in few of its functions. Nothing here imports more than Python has at
its start: it comes first, in a worker too.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial
from types import ModuleType
from typing import Any

ZONES = "/usr/share/zoneinfo"
"""Where time zones lie: without it, zoneinfo asks how Python was built, all of it."""


class Later(ModuleType):
    """Stands for a module until something of it is asked for, or called."""

    @classmethod
    def stand_for(cls, name: str, *functions: str) -> None:
        """`functions`: those that others take when they are imported themselves, and call later or never."""
        if name in sys.modules:
            return
        stand = sys.modules[name] = cls(name)
        for function in functions:
            setattr(stand, function, partial(stand._called, function))
        package, _, last = name.rpartition(".")
        if package:
            setattr(sys.modules[package], last, stand)

    @classmethod
    def stand_for_object(cls, name: str, what: str) -> None:
        """Stand for a module of which others take the object `what`, and use it later or never."""
        cls.stand_for(name)
        stand = sys.modules[name]
        if isinstance(stand, cls):
            setattr(stand, what, _Attributes(stand, what))

    def step_aside(self) -> None:
        """Let whoever imports the module from now on have it; those who took what stands for it keep that."""
        package, _, last = self.__name__.rpartition(".")
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        if package and vars(sys.modules[package]).get(last) is self:
            delattr(sys.modules[package], last)

    def _called(self, function: str, *given: Any, **named: Any) -> Any:
        return getattr(self._real(), function)(*given, **named)

    def _real(self) -> ModuleType:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return importlib.import_module(self.__name__)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # an import looks whether this is a package: no reason to import it
            raise AttributeError(name)
        return getattr(self._real(), name)


class _Attributes:
    """Has the attributes of an object of a module that is imported for the first of them."""

    def __init__(self, stand: Later, name: str) -> None:
        self._stand, self._name = stand, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(getattr(self._stand._real(), self._name), name)


def spare_worker() -> None:
    """For a worker that knows msgspec and dataclasses and little else; before these are imported. 1.8 MiB, on x86-64
    with Python 3.13: msgspec takes typing_extensions where it is there and does without it elsewhere, and dataclasses
    bring the parser of Python, by way of inspect, to look up what a class itself holds."""
    sys.modules.setdefault("typing_extensions", None)  # type: ignore[arg-type]
    Later.stand_for("inspect")
    sys.modules["inspect"].get_annotations = lambda of: vars(of).get("__annotations__", {})  # type: ignore[attr-defined]
