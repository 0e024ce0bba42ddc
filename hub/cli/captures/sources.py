"""Finds who hears a protocol without a hub, and who reads the lines of a capture."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.radio import everything, plugins_of
from hub.cli.sim import beside
from hub.core.errors import DecodeError
from hub.core.model import Decoded, Device, Frame, NeedKey
from hub.core.text import phrase
from hub.sdk.simulation import Payload

if TYPE_CHECKING:
    from hub.config.load import Loaded
    from hub.plugin_host.registry import Plugin
    from hub.sdk.simulation import Read, Record, Replay

Said = Mapping[str, Mapping[str, Any] | Payload]
"""Readings of a line, by device."""


class Source:
    """A protocol, by the kind of its frames or the name of its plugin, with the part of a configuration that it has."""

    def __init__(self, protocol: str, config: Path, state_dir: Path | None) -> None:
        self.protocol = protocol
        registry = everything()
        self.plugins = plugins_of(protocol, registry)
        self.decoders = registry.decoders(protocol) or [one for plugin in self.plugins for one in plugin.decoders]
        self.names = {one.name for plugin in self.plugins for one in plugin.integrations}
        self.loaded: Loaded | None = None
        if config.exists():
            from hub.plugin_host.opening import installed_for

            self.loaded = installed_for(config, state_dir, registry).open(config)
        instances = [] if self.loaded is None else [one for one in self.loaded.integrations if one.type in self.names]
        self.type = instances[0].type if instances else ""
        self.options: Any = instances[0].config if instances else None
        of = {one.name for one in instances}
        self.devices: dict[str, Device] = (
            {} if self.loaded is None else {one.id: one for one in self.loaded.devices if one.integration in of}
        )
        self._readers: dict[str, Read] = self._part("recording", "READERS")

    def _part(self, module: str, name: str) -> dict[str, Any]:
        """Return a table of a module beside the plugins, merged."""
        found: dict[str, Any] = {}
        for plugin in self.plugins:
            if where := beside(plugin, module):
                found |= getattr(importlib.import_module(where), name, {})
        return found

    def recorder(self) -> Record | None:
        return next((one for name, one in self._part("recording", "RECORDERS").items() if name in self.names), None)

    def replayer(self) -> Replay | None:
        """Return what says its lines again."""
        table: dict[str, Replay] = self._part("replaying", "REPLAYERS")
        return next((one for name, one in table.items() if name in (self.type or self.protocol, *self.names)), None)

    def keys(self, device: str) -> bytes | None:
        known = self.devices.get(device)
        return None if known is None else known.key

    def read(self, line: dict[str, Any]) -> Said | None:
        """Return what a line says; None for what no decoder knows. Raises DecodeError, `needs-key` for a frame that is
        sealed."""
        for name, read in self._readers.items():
            if name in (self.type or self.protocol, *self.names):
                return read(line, self.devices)
        said = self.decode(line)
        if said is None:
            return None
        if isinstance(said, NeedKey):
            raise DecodeError(
                "needs-key", phrase("line-needs-key", "{device} is sealed: its key is needed", device=said.device)
            )
        return {said.device: said.values}

    def decode(self, line: dict[str, Any]) -> Decoded | NeedKey | None:
        """Return what the first decoder says that recognises the frame of a line. Raises DecodeError."""
        to_frame = next((one.line for one in self.decoders if one.line), None)
        if to_frame is None:
            return None
        frame: Frame = to_frame(line)
        for decoder in self.decoders:
            if (said := decoder.decode(frame, self.keys)) is not None:
                return said
        return None

    @property
    def decodes(self) -> bool:
        return bool(self.decoders or self._readers)


def expect_known(protocol: str, plugins: list[Plugin]) -> None:
    """Raise UsageError for a protocol that nothing captures, with the reason where there is one."""
    for plugin in plugins:
        if reason := why_not(plugin):
            raise click.UsageError(
                phrase(
                    "protocol-not-captured", "{protocol} is not captured: {reason}", protocol=protocol, reason=reason
                )
            )
    if not plugins:
        raise click.UsageError(
            phrase(
                "nothing-listens-to",
                "nothing here listens to {kind!r}; it can be {kinds}",
                kind=protocol,
                kinds=captured(),
            )
        )


def why_not(plugin: Plugin) -> str:
    """Return why nothing of a plugin is captured, "" where it is."""
    module = beside(plugin, "recording")
    return getattr(importlib.import_module(module), "NOT_CAPTURED", "") if module else ""


def captured() -> list[str]:
    """Return the protocols that are captured, by the kind of their frames, or their own name."""
    found = set()
    for plugin in everything().plugins.values():
        heard = any(one.listen is not None for one in plugin.integrations) or beside(plugin, "recording")
        if heard and not why_not(plugin):
            found.update({decoder.kind for decoder in plugin.decoders} or {plugin.name})
    return sorted(found)
