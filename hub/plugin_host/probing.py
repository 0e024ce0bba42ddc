"""Probes whether configured systems are reachable: one read-only request per integration, all at once."""

from __future__ import annotations

import asyncio

import msgspec

from hub.config.instances import Instance
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.plugin_host.error_text import error_text, named_error
from hub.plugin_host.plugins import load
from hub.plugin_host.registry import Registry

PROBE_S = 20.0


class Finding(msgspec.Struct, frozen=True):
    """The result of a probe: `ok` None when the integration has none, or the instance is switched off."""

    name: str
    type: str
    ok: bool | None
    said: str


async def probe(instances: list[Instance], registry: Registry, seconds: float = PROBE_S) -> list[Finding]:
    """Probe every instance, each for this many seconds at most. Never raises for errors of a plugin."""
    return await asyncio.gather(*(_probe(instance, registry, seconds) for instance in instances))


async def _probe(instance: Instance, registry: Registry, seconds: float) -> Finding:
    if not instance.enabled:
        return Finding(instance.name, instance.type, None, phrase("integration-switched-off", "switched off"))
    try:
        integration, config = load(instance, registry)
        if integration.probe is None:
            return Finding(instance.name, instance.type, None, phrase("integration-has-no-probe", "has no probe"))
        async with asyncio.timeout(seconds):
            said = await integration.probe(config)
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
    return Finding(instance.name, instance.type, True, said)
