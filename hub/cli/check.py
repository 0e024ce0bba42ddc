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
    from hub.config.instances import Instance, Models
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
    code 6 when something is wrong with one, or when an integration would not run: its plugin cannot be loaded, or is a
    stranger's that the file does not let into the hub's process.
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
    idle = _idle(loaded.integrations, registry)
    found = _probed([one for one in loaded.integrations if one.name not in idle], registry) if probe else None
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


def _idle(instances: list[Instance], registry: Registry) -> dict[str, str]:
    """Return name → why it would not run, for instances with valid options. A third-party plugin's code is not run."""
    from hub.core.errors import PluginError
    from hub.core.text import reason_of
    from hub.plugin_host.isolation.describe import describe
    from hub.plugin_host.plugins import refusal

    idle = {}
    for instance in instances:
        plugin = registry.plugins[instance.type]
        if not instance.enabled:
            continue
        why = refusal(plugin, instance)
        if not plugin.shipped:
            why = describe(plugin).error or why
        else:
            try:
                registry.load(plugin.name)
            except PluginError as error:
                why = reason_of(error)
        if why:
            idle[instance.name] = why
    return idle


def _probed(instances: list[Instance], registry: Registry) -> list[dict[str, Any]]:
    import asyncio

    import msgspec

    from hub.plugin_host.probing import probe

    return [msgspec.structs.asdict(one) for one in asyncio.run(probe(instances, registry))]


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
