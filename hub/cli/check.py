"""`ilot check` and `ilot schema`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from hub.cli import output


@click.command()
@output.with_config
@output.as_json
def check(config: Path, json: bool) -> None:
    """Check the configuration file: every problem at once, with its line. Changes nothing."""
    from hub.config.load import load
    from hub.config.terminal import render
    from hub.errors import ConfigError
    from hub.installed import installed_models
    from hub.registry import Registry

    try:
        loaded = load(config, installed_models(Registry.discover()))
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
    if json:
        output.data({**facts, "problems": []})
    else:
        click.echo(f"{config}: right. {len(loaded.integrations)} integrations, {len(loaded.devices)} devices")


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
