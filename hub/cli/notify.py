"""`ilot notify [list|test]`: notifiers, and a test message."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase


@click.group(cls=output.Group, invoke_without_command=True)
@output.with_hub
@click.pass_context
def notify(context: click.Context, config: Path, state_dir: Path | None, json: bool) -> None:
    """The notifiers of the running hub: how they are, and how many alerts wait."""
    if context.invoked_subcommand is not None:
        return
    answer = ask(config, state_dir, "notify.list")
    if json:
        output.data(answer)
        return
    rows = [
        (
            one["name"],
            output.word("plugin", one.get("state", "")),
            one["waiting"],
            one["kept_back"],
            one["told_hour"],
            one.get("error", ""),
        )
        for one in answer["notifiers"]
    ]
    output.table(("notifier", "state", "waiting", "in-quiet-hours", "told-this-hour", "error"), rows)


@notify.command()
@click.argument("name")
@output.with_hub
def test(name: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Have notifier NAME tell a test message, past its quiet hours and limits. Waits until it got through, or says why
    not."""
    answer = ask(config, state_dir, "notify.test", timeout=60, name=name)
    if json:
        output.data(answer)
    else:
        output.echo(phrase("notifier-told", "{name}: told; did it arrive?", name=name))
