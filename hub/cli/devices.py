"""`ilot devices` and `ilot device replace OLD NEW`."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from hub.cli import output
from hub.control import call
from hub.state import state_of


@click.command()
@output.with_config
@output.with_state
@output.as_json
def devices(config: Path, state_dir: Path | None, json: bool) -> None:
    """List the devices of the running hub: known, and heard but not admitted."""
    answer = call(state_of(config, state_dir) / "hub.sock", "devices")
    if json:
        output.data(answer)
        return
    output.table(
        ("device", "place", "zone", "model", "integration", "last seen"),
        [
            (d["id"], d["place"], d["zone"], d["model"], d["integration"], _ago(d["last_seen_s"]))
            for d in answer["devices"]
        ],
    )
    if answer["quarantine"]:
        click.echo()
        output.table(
            ("not admitted", "model", "why", "heard"),
            [(q["id"], q["model"], q["reason"], q["count"]) for q in answer["quarantine"]],
        )


def _ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{datetime.timedelta(seconds=round(seconds))} ago"


@click.group()
def device() -> None:
    """One device of the running hub."""


@device.command()
@click.argument("old")
@click.argument("new")
@click.option("--key-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="NEW's key, in hex.")
@click.option("--dry-run", is_flag=True, help="Say what would happen and change nothing.")
@output.with_config
@output.with_state
@output.as_json
def replace(
    old: str, new: str, key_file: Path | None, dry_run: bool, config: Path, state_dir: Path | None, json: bool
) -> None:  # fmt: skip
    """Let device NEW stand where OLD stood. Place, series, settings and history stay; only the hardware changes."""
    try:
        key = bytes.fromhex(key_file.read_text().strip()) if key_file else None
    except (OSError, ValueError) as error:
        raise click.UsageError(f"the key file cannot be read as hexadecimal: {error}") from error
    answer = call(
        state_of(config, state_dir) / "hub.sock", "device.replace",
        old=old, new=new, key=key.hex() if key else None, dry_run=dry_run,
    )  # fmt: skip
    if json:
        output.data(answer)
    else:
        would = "would now stand" if dry_run else "now stands"
        click.echo(f"{new} {would} at {answer['place']} (zone {answer['zone']}) in place of {old}")
        if not dry_run:
            output.say("the configuration still names the former id; that is fine, the hub remembers who stands there")
