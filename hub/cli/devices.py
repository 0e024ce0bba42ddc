"""`ilot devices`, and `ilot device replace` and `key`; adding and removing is in `hub.cli.adopt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.cli import adopt, availability, output, privacy, rejoin
from hub.cli.hub_client import ask
from hub.cli.key_input import key_of
from hub.core.text import phrase


@click.command()
@output.with_hub
def devices(config: Path, state_dir: Path | None, json: bool) -> None:
    """List the devices of the running hub: known, and heard but not admitted."""
    answer = ask(config, state_dir, "devices")
    if json:
        output.data(answer)
        return
    output.table(
        ("device", "place", "zone", "model", "integration", "state", "last-seen", "heard-by-dbm"),
        [
            (
                d["id"], d["place"], d["zone"], d["model"], d["integration"],
                output.word("device", d["state"]), output.ago(d["last_seen_s"]),
                " ".join(f"{source} {rssi}" for source, rssi in d["heard"].items()),
            )
            for d in answer["devices"]
        ],
    )  # fmt: skip
    troubled = [(d["id"], output.of_both(d)) for d in answer["devices"] if d["state"] == "trouble"]
    if troubled:
        click.echo()
        output.table(("in-trouble", "why"), troubled)
    if answer["quarantine"]:
        click.echo()
        output.table(
            ("not-admitted-or-refused", "model", "why", "times"),
            [(q["id"], q["model"], output.waiting_reason(q["reason"]), q["count"]) for q in answer["quarantine"]],
        )
    green = sum(d["state"] == "green" for d in answer["devices"])
    output.say(phrase("devices-report", "{green} of {count} devices report", green=green, count=len(answer["devices"])))


@click.group(cls=output.Group)
def device() -> None:
    """Devices of the running hub: add, remove, import, replace, give a key."""


for command in (adopt.add, adopt.remove, adopt.import_, rejoin.rejoin, privacy.erase, availability.availability):
    device.add_command(command)


@device.command()
@click.argument("old")
@click.argument("new")
@click.option("--key-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="NEW's key, in hex.")
@click.option("--dry-run", is_flag=True, help="Say what would happen and change nothing.")
@output.with_hub
def replace(
    old: str, new: str, key_file: Path | None, dry_run: bool, config: Path, state_dir: Path | None, json: bool
) -> None:
    """Let device NEW stand where OLD stood. Place, series, settings and history stay; only the hardware changes."""
    key = key_of(key_file) if key_file else None
    answer = ask(
        config,
        state_dir,
        "device.replace",
        old=old,
        new=new,
        key=key.hex() if key else None,
        dry_run=dry_run,
    )
    if json:
        output.data(answer)
    else:
        facts = {"new": new, "place": answer["place"], "zone": answer["zone"], "old": old}
        if dry_run:
            output.echo(
                phrase("would-replace", "{new} would now stand at {place} (zone {zone}) in place of {old}", **facts)
            )
        else:
            output.echo(
                phrase("device-replaced", "{new} now stands at {place} (zone {zone}) in place of {old}", **facts)
            )
            output.say(
                phrase(
                    "configuration-names-former-id",
                    "the configuration still names the former id; that is fine, the hub remembers who stands there",
                )
            )


@device.command()
@click.argument("device")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The key in hex, or the text of the maker's QR code that holds it; - is stdin.",
)
@click.option("--forget", is_flag=True, help="Forget the key given before: the configuration's counts again.")
@click.option("--dry-run", is_flag=True, help="Say what would happen and change nothing.")
@output.with_hub
def key(
    device: str, key_file: Path | None, forget: bool, dry_run: bool, config: Path, state_dir: Path | None, json: bool
) -> None:
    """Give DEVICE another radio key, after a new battery or a new pairing. Its counters start over with it."""
    if (key_file is None) != forget:
        raise click.UsageError(phrase("key-file-or-forget", "either --key-file FILE or --forget"))
    given = key_of(key_file).hex() if key_file else None
    answer = ask(config, state_dir, "device.key", device=device, key=given, dry_run=dry_run)
    if json:
        output.data(answer)
        return
    output.echo(_key_sentence(device, answer, dry_run))
    if given and not dry_run:
        output.say(
            phrase(
                "key-remembered",
                "the hub remembers it; write it into secrets.yaml too, so that a hub that replaces this one has it",
            )
        )


_SOURCES = {
    "configuration": phrase("key-of-configuration", "configuration"),
    "command": phrase("key-of-command", "command"),
}


def _key_sentence(device: str, answer: dict[str, Any], dry_run: bool) -> str:
    if not answer["keyed"]:
        if dry_run:
            return phrase("would-have-no-key", "{device} would have no key now", device=device)
        return phrase("has-no-key", "{device} has no key now", device=device)
    source = _SOURCES.get(answer["from"], answer["from"])
    if dry_run:
        return phrase("would-have-key", "{device} would have the key of the {source} now", device=device, source=source)
    return phrase("has-key", "{device} has the key of the {source} now", device=device, source=source)
