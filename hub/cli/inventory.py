"""`ilot inventory`: keys of expected devices, sent by the owner to this hub."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase


@click.group(cls=output.Group)
def inventory() -> None:
    """Keys of devices that are expected, as the owner sends them to this hub alone."""


@inventory.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@output.with_hub
def card(out: Path | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Print this hub's card: its public key, signed. The owner seals inventories to it; nothing in it is secret."""
    answer = ask(config, state_dir, "inventory.card")
    if out is not None:
        out.write_text(answer["card"], encoding="utf-8")
        output.say(
            phrase(
                "card-written",
                "the card of {hub} is in {file}: `ilot backend inventory` seals keys to it",
                hub=answer["hub"],
                file=out,
            )
        )
    elif json:
        output.data(answer)
    else:
        click.echo(answer["card"], nl=False)


@inventory.command()
@output.with_hub
def show(config: Path, state_dir: Path | None, json: bool) -> None:
    """List the devices whose keys are here, and whether each was added. Keys are not shown."""
    answer = ask(config, state_dir, "inventory.list")
    if json:
        output.data(answer)
        return
    output.table(
        ("device", "added", "inventory"),
        [
            (
                one["device"],
                phrase("answer-yes", "yes") if one["added"] else phrase("answer-no", "no"),
                one["inventory"],
            )
            for one in answer["devices"]
        ],
    )
