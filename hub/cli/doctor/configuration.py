"""The configuration, what it needs, and what it speaks to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.cli import output
from hub.core.errors import ConfigError, HubError
from hub.core.text import phrase, reason_of
from hub.operations.doctor.findings import CONFIGURATION, LINK, NOTE, OK, WRONG, Finding

if TYPE_CHECKING:
    from hub.config.load import Loaded
    from hub.plugin_host.registry import Registry

_WIRED = phrase("is-it-wired-and-named", "is it powered, wired, and named right in the configuration?")


class Opened(NamedTuple):
    """The configuration as this user can open it; None where it is wrong."""

    loaded: Loaded | None
    registry: Registry | None
    findings: list[Finding]


def open_configuration(config: Path, state: Path | None) -> Opened:
    """Read and validate the configuration."""
    from hub.plugin_host.opening import installed_for

    try:
        here = installed_for(config, state)
        loaded = here.open(config)
    except ConfigError as error:
        wrong = Finding(
            CONFIGURATION,
            WRONG,
            phrase(
                "problems-in-file",
                "{file}: {count} [problem|problems], the first: {reason}",
                file=config,
                count=len(error.problems),
                reason=error.problems[0].message,
            ),
            phrase("check-shows-lines-of-file", "`ilot check --config {file}` shows each line", file=config),
        )
        return Opened(None, None, [wrong])
    except HubError as error:
        return Opened(None, None, [Finding(CONFIGURATION, WRONG, reason_of(error), "")])
    counted = phrase(
        "file-integrations-devices",
        "{file}: {integrations}, {devices}",
        file=config,
        integrations=output.counted("integrations", len(loaded.integrations)),
        devices=output.counted("devices", len(loaded.devices)),
    )
    found = [Finding(CONFIGURATION, OK, counted)]
    if not loaded.uplinks:
        remedy = phrase("name-an-uplink", "name one below link.uplinks, or readings only fill the buffer")
        found.append(Finding(LINK, NOTE, phrase("no-uplink", "no uplink"), remedy))
    if here.state.plugins.is_dir():
        from hub.plugin_host.probing import expect_vouched

        expect_vouched(here.registry, here.state.plugins, loaded.config.plugins)
    return Opened(loaded, here.registry, [*found, *_missing(loaded)])


def _missing(loaded: Loaded) -> Iterator[Finding]:
    """Yield what has no library to run with."""
    from hub.plugin_host.libraries import missing

    used = {one.name: one.config for one in (*loaded.uplinks, *loaded.exporters, *loaded.notifiers)}
    used |= {one.name: one.config for one in loaded.integrations if one.enabled}
    for name, config in used.items():
        if names := missing(config):
            yield Finding(
                name,
                WRONG,
                phrase("library-not-installed", "not installed: {libraries}", libraries=names),
                phrase(
                    "install-library",
                    "`apt install --reinstall ilot`, or in an environment of your own `pip install {packages}`",
                    packages=" ".join(name.replace("_", "-") for name in names),
                ),
            )


def ports_of(loaded: Loaded) -> dict[str, str]:
    """Return device file → who names it in the configuration."""
    from hub.operations.doctor import serial_ports

    buses = [(name, bus.port) for name, bus in loaded.config.buses.items()]
    options = [(one.name, one.config.model_dump()) for one in loaded.integrations if one.enabled]
    outward = [(one.name, one.config.model_dump()) for one in loaded.notifiers]
    return serial_ports.ports_of([*buses, *options, *outward])


def uses_bluez(loaded: Loaded) -> bool:
    """Return whether an integration scans with an adapter of this machine: one that needs BlueZ, without proxies or
    with adapters named."""
    return any(
        one.enabled
        and "bleak" in one.config.libraries()
        and (bool(getattr(one.config, "adapters", ())) or not getattr(one.config, "proxies", {}))
        for one in loaded.integrations
    )


def look_at_integrations(
    opened: Opened, running: Mapping[str, Mapping[str, Any]], probe: bool, timeout_s: float
) -> Iterator[Finding]:
    """Yield how each integration does: by the hub that runs, which holds lines and radios that must not be used
    meanwhile and may reach peers that this shell does not (another D-Bus, another network); else by asking."""
    from hub.plugin_host.libraries import missing

    if opened.loaded is None or opened.registry is None:
        return
    enabled = [one for one in opened.loaded.integrations if one.enabled]
    asked = []
    for instance in enabled:
        if missing(instance.config):
            continue  # said already
        if instance.name in running:
            yield reported(instance.name, running[instance.name])
        elif probe and (opened.registry.plugins[instance.type].shipped or _confines()):
            asked.append(instance)
    if not asked:
        return
    from hub.plugin_host.probing import lines_of
    from hub.plugin_host.probing import probe as ask

    for answer in asyncio.run(ask(asked, opened.registry, timeout_s, lines_of(opened.loaded))):
        if answer.ok is not None:
            yield Finding(answer.name, OK if answer.ok else WRONG, answer.said, "" if answer.ok else _WIRED)


def _confines() -> bool:
    """Return whether this user may have a plugin started in a process of its own; `isolation_check` says why not."""
    from hub.plugin_host.isolation import by_starter

    return os.access(by_starter.SOCKET, os.W_OK, effective_ids=True)


def reported(name: str, health: Mapping[str, Any]) -> Finding:
    """Return the running hub's finding."""
    if health["state"] in ("running", "finished") and not health["error"]:
        return Finding(name, OK, phrase("running-in-hub", "the hub that runs here has it running"))
    state = output.word("plugin", health["state"])
    says = phrase("state-in-hub", "the hub that runs here has it {state}", state=state)
    if health["error"]:
        says = phrase(
            "state-in-hub-because",
            "the hub that runs here has it {state}: {reason}",
            state=state,
            reason=health["error"],
        )
    return Finding(name, WRONG, says, _remedy(health))


def _remedy(health: Mapping[str, Any]) -> str:
    if health["state"] == "quarantined":
        return phrase(
            "restart-after-quarantine",
            "`ilot logs --source {plugin}` shows the failures; update the plugin, then restart the hub",
            plugin=health["name"],
        )
    if health["state"] == "stopped":
        return phrase("mend-and-restart", "mend what it says, then restart the hub: `systemctl restart ilot`")
    return _WIRED
