"""Probes whether configured systems are reachable: one read-only request per integration, all at once.

The probe of a plugin of somebody else runs in a process of its own, as its instance does.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hub.config.instances import Instance
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.plugin_host.error_text import error_text, named_error
from hub.plugin_host.lent_access import Lender
from hub.plugin_host.plugins import load, runs_apart
from hub.plugin_host.registry import Registry
from hub.plugin_host.serial_buses import Buses, bus_options

if TYPE_CHECKING:
    from hub.config.load import Loaded
    from hub.config.parts.vendors import PluginTrust

PROBE_S = 20.0


class Finding(msgspec.Struct, frozen=True):
    """The result of a probe: `ok` None when the integration has none, or the instance is switched off."""

    name: str
    type: str
    ok: bool | None
    said: str


async def probe(
    instances: list[Instance], registry: Registry, seconds: float = PROBE_S, buses: Buses | None = None
) -> list[Finding]:
    """Probe every instance, each for this many seconds at most. Never raises for errors of a plugin."""
    lender, lines = Lender(registry), buses or Buses({})
    try:
        return await asyncio.gather(*(_probe(instance, registry, seconds, lender, lines) for instance in instances))
    finally:
        await lines.close()


def expect_vouched(registry: Registry, plugins: Path, trust: PluginTrust) -> None:
    """Judge each installed plugin again before a process of it starts, as a hub does. `plugins` is where they are."""
    from hub.plugin_host.installed import barred_now  # late: most hubs have none, and it verifies signatures

    registry.starting = lambda plugin, _: barred_now(plugin, plugins, trust)


def lines_of(loaded: Loaded) -> Buses:
    """Return the serial lines of a configuration. None opens before it is used."""
    return Buses({name: bus_options(bus) for name, bus in loaded.config.buses.items()})


async def _probe(instance: Instance, registry: Registry, seconds: float, lender: Lender, buses: Buses) -> Finding:
    if not instance.enabled:
        return Finding(instance.name, instance.type, None, phrase("integration-switched-off", "switched off"))
    try:
        async with asyncio.timeout(seconds):
            said = await _asked(instance, registry, lender, buses)
    except TimeoutError:
        return Finding(
            instance.name,
            instance.type,
            False,
            phrase("probe-not-answered", "no answer within {seconds:.0f} s", seconds=seconds),
        )
    except HubError as error:
        return Finding(instance.name, instance.type, False, error_text(error))
    except Exception as error:  # a bug of the plugin is a finding and must not end the command
        return Finding(
            instance.name,
            instance.type,
            False,
            phrase("probe-failed", "its probe failed: {reason}", reason=named_error(error)),
        )
    if said is None:
        return Finding(instance.name, instance.type, None, phrase("integration-has-no-probe", "has no probe"))
    return Finding(instance.name, instance.type, True, said)


async def _asked(instance: Instance, registry: Registry, lender: Lender, buses: Buses) -> str | None:
    """Return what the probe says, None where the integration has none."""
    plugin = registry.plugins[instance.type]
    with lender.lent(instance, buses) as access:
        if not plugin.shipped and runs_apart(plugin, instance.isolation):
            from hub.plugin_host.isolation import errands  # late: most hubs have no such plugin

            errand = errands.Errand(errands.PROBE, plugin, instance.config, access, instance.name)
            result = await errands.run_errand(errand, registry)
            return None if result.seen is not None else result.said
        integration, config = load(instance, registry)
        return None if integration.probe is None else await integration.probe(config, access)
