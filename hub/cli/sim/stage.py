"""Finds who plays the devices of a protocol."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.sim import beside
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of

if TYPE_CHECKING:
    from hub.plugin_host.registry import Registry
    from hub.sdk.simulation import Play


def player_of(protocol: str, registry: Registry) -> Play:
    """Return the player of a protocol. Raises HubError: nothing plays it, or a library of it is not installed."""
    plugin = registry.plugins.get(protocol)
    module = "" if plugin is None else beside(plugin, "playing")
    if module:
        try:
            found: dict[str, Play] = importlib.import_module(module).PLAYERS
        except ImportError as error:
            raise HubError(
                phrase(
                    "player-needs-library",
                    "devices of {protocol} cannot be simulated here: {reason}. The extra of that name brings what is "
                    "missing: pip install 'ilot[{protocol}]'",
                    protocol=protocol,
                    reason=reason_of(error),
                )
            ) from error
        if protocol in found:
            return found[protocol]
    raise HubError(
        phrase(
            "nothing-plays-protocol",
            "packs of {protocol} cannot be played; those of {protocols} can",
            protocol=protocol,
            protocols=playable(registry),
        )
    )


def playable(registry: Registry) -> list[str]:
    return sorted(name for name, plugin in registry.plugins.items() if beside(plugin, "playing"))


def options_of(protocol: str, registry: Registry, config: Path, state_dir: Path | None) -> Any:
    """Return the options of the first enabled integration of this type in the file, None without one."""
    if not config.exists():
        return None
    from hub.plugin_host.opening import installed_for

    loaded = installed_for(config, state_dir, registry).open(config)
    return next((one.config for one in loaded.integrations if one.type == protocol and one.enabled), None)
