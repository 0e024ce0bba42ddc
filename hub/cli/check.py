"""`ilot check` and `ilot schema`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli import output

if TYPE_CHECKING:
    from hub.config.build import Instance
    from hub.registry import Registry


@click.command()
@output.with_config
@click.option("--probe", is_flag=True, help="Also ask each integration whether what it speaks to answers.")
@output.as_json
def check(config: Path, probe: bool, json: bool) -> None:
    """Check the configuration file: every problem at once, with its line. Changes nothing."""
    from hub.config.load import load
    from hub.config.terminal import render
    from hub.errors import ConfigError, NotReady
    from hub.installed import installed_models
    from hub.registry import Registry
    from hub.state import StateDir, state_of

    registry = Registry.discover()
    try:
        loaded = load(config, installed_models(registry, packs=StateDir(state_of(config)).packs))
    except ConfigError as error:
        if json:
            output.data({"ok": False, "problems": [_plain(problem) for problem in error.problems]})
        else:
            colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
            click.echo(render(error.problems, colour=colour), err=True, nl=False)
        raise click.exceptions.Exit(ConfigError.exit_code) from None
    facts = {
        "ok": True,
        "integrations": [f"{i.name} ({i.type})" for i in loaded.integrations],
        "devices": len(loaded.devices),
        "places": len(loaded.places),
        "state_dir": str(loaded.state_dir),
        "digest": loaded.digest,
    }
    found = _probed(loaded.integrations, registry) if probe else None
    if json:
        output.data({**facts, "problems": [], **({} if found is None else {"probes": found})})
    else:
        click.echo(f"{config}: right. {len(loaded.integrations)} integrations, {len(loaded.devices)} devices")
        for finding in found or []:
            mark = {True: "answers", False: "DOES NOT ANSWER", None: "not asked"}[finding["ok"]]
            click.echo(f"{finding['name']}: {mark}: {finding['said']}")
    if any(finding["ok"] is False for finding in found or []):
        raise click.exceptions.Exit(NotReady.exit_code)


def _probed(instances: list[Instance], registry: Registry) -> list[dict[str, Any]]:
    import asyncio

    import msgspec

    from hub.probing import probe

    found: list[dict[str, Any]] = msgspec.to_builtins(asyncio.run(probe(instances, registry)))
    return found


def _plain(problem: object) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(problem)  # type: ignore[call-overload, no-any-return]


@click.command()
def schema() -> None:
    """Print the JSON Schema (draft-07) of the configuration file, with the plugins installed here."""
    from hub.config.schema import schema as of
    from hub.installed import installed_models
    from hub.registry import Registry

    output.data(of(installed_models(Registry.discover())))
