"""Typed result of a configuration: instances to run, devices and places; and the installed models. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import BaseModel

from hub.config.model import Core
from hub.config.parts.devices import Perimeter
from hub.config.parts.notifiers import NotifierKeys
from hub.core.errors import ConfigError
from hub.core.model import Device, Place, Strategy
from hub.core.text import phrase

Model = type[BaseModel]


@dataclass(frozen=True, slots=True)
class Models:
    """Installed models. `integrations`: type → (its Config, the model of its devices' settings or None); `uplinks`,
    `exporters`, `notifiers`: type → its Config; `packs`: names of device packs, None where they are not checked;
    `fill`: type, pack and settings of a device → its settings with those of its pack, or ValueError or ConfigError;
    `packs_stamp`: a value that changes when a pack does (blocking)."""

    integrations: Mapping[str, tuple[Model, Model | None]] = field(default_factory=dict)
    uplinks: Mapping[str, Model] = field(default_factory=dict)
    exporters: Mapping[str, Model] = field(default_factory=dict)
    notifiers: Mapping[str, Model] = field(default_factory=dict)
    packs: Collection[str] | None = None
    fill: Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]] | None = None
    packs_stamp: Callable[[], Hashable] = lambda: None

    def settings(self, kind: str, pack: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings of a device of that type, with those of its pack. Raises ValueError with a sentence."""
        if self.fill is None or not pack:
            return given
        try:
            return self.fill(kind, pack, given)
        except ConfigError as error:
            raise ValueError(
                phrase("pack-settings-wrong", "pack {pack}: {reason}", pack=pack, reason=error.problems[0].sentence)
            ) from error


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """An integration to run. `isolation` is None where the file leaves it to the hub."""

    name: str
    type: str
    config: Any
    enabled: bool = True
    isolation: str | None = None
    perimeter: Perimeter | None = None
    report: dict[str, Strategy] = {}

    def __repr__(self) -> str:
        return f"Instance(name={self.name!r}, type={self.type!r}, enabled={self.enabled})"


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    """A named plugin with its configuration, which may hold secrets and is not shown."""

    name: str
    config: Any

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class UplinkInstance(_Named, frozen=True, kw_only=True):
    """A transport to run."""


class ExporterInstance(_Named, frozen=True, kw_only=True):
    """An exporter to run."""


class NotifierInstance(_Named, frozen=True, kw_only=True):
    """A notifier to run. `keys` are the hub's own options of it."""

    type: str
    keys: NotifierKeys


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A whole configuration, typed."""

    config: Core
    integrations: list[Instance]
    uplinks: list[UplinkInstance]
    exporters: list[ExporterInstance]
    notifiers: list[NotifierInstance]
    devices: list[Device]
    places: list[Place]
