"""Opens a configuration with everything that is installed here: plugins, and the device packs of its state directory.

Nobody else makes `Models` of what is installed (tools/check_house.py): with fewer packs than the hub has, a command
would refuse a file that the hub runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hub.config.instances import Models
from hub.config.load import Loaded, load
from hub.config.state_dir import state_of
from hub.core.state_dir import StateDir
from hub.plugin_host.plugin_types import installed_models
from hub.plugin_host.registry import Registry


class Installed(NamedTuple):
    """Installation of one hub: its state directory, the plugins, and the models of a configuration for them."""

    state: StateDir
    registry: Registry
    models: Models

    def open(self, config: Path) -> Loaded:
        """Read and validate a configuration. Raises ConfigError with all its problems."""
        return load(config, self.models)


def installed_for(config: Path, state_dir: Path | None, registry: Registry | None = None) -> Installed:
    """Return what is installed for the hub of this configuration, which need not exist. `state_dir` is that of the
    command line, None: what the configuration says. Raises ConfigError when that cannot be told."""
    return installed_in(StateDir(state_of(config, state_dir)), registry)


def installed_in(state: StateDir, registry: Registry | None = None, *, cache: bool = False) -> Installed:
    """Return what is installed for the hub of this state directory. `cache`: keep descriptions of third-party plugins
    there, which only the hub itself may do."""
    registry = registry or Registry.discover()
    if state.plugins.is_dir():
        from hub.plugin_host.installed import installed_plugins  # late: most hubs have none, and it verifies signatures

        registry.add(installed_plugins(state.plugins))
    return Installed(state, registry, installed_models(registry, state.path / "cache" if cache else None, state.packs))


def installed_nowhere(registry: Registry) -> Models:
    """Return the models of a configuration without a state directory: for its schema and its reference, not to read
    one."""
    return installed_models(registry)
