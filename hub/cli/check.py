"""`ilot check` and `ilot schema`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli import output
from hub.core.text import as_data, phrase

if TYPE_CHECKING:
    from collections.abc import Collection

    from hub.config.instances import Models
    from hub.config.load import Loaded
    from hub.core.state_dir import StateDir
    from hub.plugin_host.registry import Registry

_VERDICTS = {
    True: phrase("probe-answers", "answers"),
    False: phrase("probe-does-not-answer", "DOES NOT ANSWER"),
    None: phrase("probe-not-asked", "not asked"),
}


@click.command()
@output.with_config
@output.with_state
@click.option("--adopted", is_flag=True, help="Also the devices that commands added, which lie in the state directory.")
@click.option("--probe", is_flag=True, help="Also ask each integration whether what it speaks to answers.")
@output.as_json
def check(config: Path, state_dir: Path | None, adopted: bool, probe: bool, json: bool) -> None:
    """Check the configuration file: every problem at once, with its line. Changes nothing.

    Devices that were added by commands or on the pages stand in the state directory: --adopted looks at them too. Exit
    code 6 when something is wrong with one, or when something would not run: its plugin cannot be loaded, a library is
    missing, or it is a transport or an exporter of somebody else.
    """
    from hub.cli.problems import render
    from hub.core.errors import ConfigError, NotReady
    from hub.plugin_host.opening import installed_for

    here = installed_for(config, state_dir)
    registry, models = here.registry, here.models
    try:
        loaded = here.open(config)
    except ConfigError as error:
        if json:
            output.data({"ok": False, "problems": [_plain(problem) for problem in error.problems]})
        else:
            colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
            click.echo(render(error.problems, colour=colour, french=output.french()), err=True, nl=False)
        raise click.exceptions.Exit(ConfigError.exit_code) from None
    facts: dict[str, Any] = {
        "ok": True,
        "integrations": [f"{i.name} ({i.type})" for i in loaded.integrations],
        "devices": len(loaded.devices),
        "places": len(loaded.places),
        "state_dir": str(here.state.path),
        "enrolled": not (lacking := _lacks_enrolment(here.state)),
        "digest": loaded.digest,
    }
    state = here.state
    if adopted:
        facts["adopted"], facts["adopted_problems"] = _adopted(state, loaded, models)
    if state.plugins.is_dir():
        from hub.plugin_host.probing import expect_vouched

        expect_vouched(registry, state.plugins, loaded.config.plugins)
    idle = _idle(loaded, registry)
    found = _probed(idle, loaded, registry) if probe else None
    if json:
        facts["will_not_run"] = {name: str(why) for name, why in idle.items()}
        facts["will_not_run_texts"] = {name: as_data(why) for name, why in idle.items()}
        output.data({**facts, "problems": [], **({} if found is None else {"probes": found})})
    else:
        counts = [
            output.counted("integrations", len(loaded.integrations)),
            output.counted("devices", len(loaded.devices)),
        ]
        output.echo(phrase("check-right", "{file}: right. {counts}", file=config, counts=counts))
        if lacking:
            output.say(
                phrase(
                    "check-no-hub-can-run",
                    "no hub can run with it yet: {reason}. The backend's operator makes a token: `ilot backend token`",
                    reason=lacking,
                )
            )
        for name, why in idle.items():
            output.say(
                phrase("check-will-not-run", "{integration} will not run: {reason}", integration=name, reason=why)
            )
        if adopted:
            added = output.counted("devices", facts["adopted"])
            output.say(phrase("check-added-devices", "added by commands: {devices}", devices=added))
            for wrong in facts["adopted_problems"]:
                output.say(wrong)
        elif os.path.exists(state.store):  # False also where this user may not look
            output.say(
                phrase(
                    "check-without-added-devices",
                    "devices that commands added are not looked at: --adopted looks at them too",
                )
            )
        for finding in found or []:
            output.echo(
                phrase(
                    "check-probe",
                    "{integration}: {verdict}: {reason}",
                    integration=finding["name"],
                    verdict=_VERDICTS[finding["ok"]],
                    reason=finding["said"],
                )
            )
    if any(finding["ok"] is False for finding in found or []):
        raise click.exceptions.Exit(NotReady.exit_code)
    if idle or facts.get("adopted_problems"):
        raise click.exceptions.Exit(6)


def _lacks_enrolment(state: StateDir) -> str:
    """Return why this hub is not enrolled, "" when it is."""
    from hub.core.errors import HubError
    from hub.core.text import reason_of
    from hub.identity import enrolment

    try:
        enrolment.load(state.path)
    except HubError as error:
        return reason_of(error)
    return ""


def _adopted(state: StateDir, loaded: Loaded, models: Models) -> tuple[int, list[str]]:
    from hub.identity import keys
    from hub.onboarding.adoption.offline import adopted

    if not os.path.exists(state.store):
        return 0, []
    return adopted(state.store, keys.load(state.keys).store_key, loaded, models)


def _idle(loaded: Loaded, registry: Registry) -> dict[str, str]:
    """Return name → why it would not run, of what has valid options. A third-party plugin's code is not run."""
    from hub.core.errors import PluginError
    from hub.core.text import reason_of
    from hub.plugin_host import libraries
    from hub.plugin_host.isolation.describe import describe
    from hub.plugin_host.plugins import shows_nothing, transport_of_others

    outward = (*loaded.uplinks, *loaded.exporters, *loaded.notifiers)
    idle: dict[str, str] = {one.name: said for one in outward if (said := libraries.lack(one.config)) is not None}
    for exporter in loaded.exporters:
        plugin = registry.plugins[exporter.name]
        if why := shows_nothing(plugin) or (registry.starting(plugin, "") if plugin.paths else ""):
            idle[exporter.name] = why
    for uplink in loaded.uplinks:
        if not (plugin := registry.plugins[uplink.name]).shipped:
            idle[uplink.name] = transport_of_others(plugin)
    for instance in loaded.integrations:
        plugin = registry.plugins[instance.type]
        if not instance.enabled:
            continue
        why = ""
        if plugin.paths:
            why = registry.starting(plugin, "")
        elif not plugin.shipped:
            why = describe(plugin).error
        else:
            try:
                registry.load(plugin.name)
                libraries.expect(instance.config)
            except PluginError as error:
                why = reason_of(error)
        if why:
            idle[instance.name] = why
    return idle


def _probed(idle: Collection[str], loaded: Loaded, registry: Registry) -> list[dict[str, Any]]:
    import asyncio

    import msgspec

    from hub.plugin_host.probing import lines_of, probe

    instances = [one for one in loaded.integrations if one.name not in idle]
    found = asyncio.run(probe(instances, registry, buses=lines_of(loaded)))
    return [msgspec.structs.asdict(one) for one in found]


def _plain(problem: object) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(problem)  # type: ignore[call-overload, no-any-return]


@click.command()
def schema() -> None:
    """Print the JSON Schema (draft-07) of the configuration file, with the plugins installed here."""
    from hub.config.schema import schema as of
    from hub.plugin_host.opening import installed_nowhere
    from hub.plugin_host.registry import Registry

    output.data(of(installed_nowhere(Registry.discover())))
