"""`ilot quarantine`: senders that are not admitted, and decisions about them; `ilot recette`: bulk adoption."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hub.cli import adopt as adopting
from hub.cli import output
from hub.cli.hub_client import ask
from hub.cli.key_input import key_of
from hub.core.errors import ConfigError
from hub.core.text import phrase, reason_of

F = TypeVar("F", bound=Callable[..., Any])
_CALL_S = 300.0

WHY = click.option("--why", default="", help="In your own words; it stands in the audit log.")


def _filtered(command: F) -> F:
    for name, text in (("model", "Only this model."), ("integration", "Only what this instance hears.")):
        command = click.option(f"--{name}", default="", help=f"{text} * is anything, ? one character.")(command)
    return command


@click.group(cls=output.Group)
def quarantine() -> None:
    """Senders that are heard and not admitted: list, adopt, ignore, block."""


@quarantine.command("list")
@output.with_hub
def list_(config: Path, state_dir: Path | None, json: bool) -> None:
    """List who waits, with evidence; devices that look cloned; and what was decided before."""
    answer = ask(config, state_dir, "quarantine.list")
    if json:
        output.data(answer)
        return
    output.table(
        ("waits", "model", "integration", "why", "times", "held", "heard-by-dbm"),
        [
            (one["id"], one["model"], one["integration"], output.waiting_reason(one["reason"]), one["count"],
             one["held"], " ".join(f"{source} {dbm}" for source, dbm in one["heard"].items()))
            for one in answer["waiting"]
        ],
    )  # fmt: skip
    if answer["retired"]:
        click.echo()
        output.table(
            ("retired-and-speaks", "integration", "why", "times"),
            [
                (one["id"], one["integration"], output.waiting_reason(one["reason"]), one["count"])
                for one in answer["retired"]
            ],
        )
    if answer["suspects"]:
        click.echo()
        output.table(("looks-cloned", "sign"), sorted(answer["suspects"].items()))
    if answer["decisions"]:
        click.echo()
        output.table(
            ("decided", "id", "integration", "model", "by", "why", "times-heard"),
            [
                (
                    output.word("decision", one["kind"]),
                    one["id"],
                    one["integration"],
                    one["model"],
                    one["by"],
                    one["why"],
                    one["heard"],
                )
                for one in answer["decisions"]
            ],
        )
    if answer["evicted"]:
        output.say(
            phrase(
                "quarantine-evicted",
                "{count} more [was|were] heard than can wait; the least recent went",
                count=answer["evicted"],
            )
        )


@quarantine.command("adopt")
@click.argument("device")
@click.option("--place", required=True, help="What it stands for.")
@click.option("--zone", default="", help="The zone of that place, where the place is to be made.")
@click.option("--pack", default="", help="The pack that reads its payloads.")
@click.option("--name", default="", help="Its name, for people.")
@click.option("--key-file", type=adopting.FILE, help="Its key in hexadecimal; - is stdin.")
@adopting.DRY_RUN
@output.with_hub
def adopt_(
    device: str, key_file: Path | None, dry_run: bool, config: Path, state_dir: Path | None, json: bool, **said: str
) -> None:
    """Adopt a DEVICE that waits. What it said in the last hours goes on with its own times."""
    key = key_of(key_file).hex() if key_file else ""
    answer = ask(
        config, state_dir, "quarantine.adopt", timeout=_CALL_S, device=device, key=key, dry_run=dry_run, **said
    )
    row = answer["row"]
    if row["state"] == "wrong":
        raise ConfigError(adopting.fault_of(row, column=row["column"]))
    if json:
        output.data(answer)
        return
    adopting.echo_row(row, dry_run)
    if dry_run and answer["held"]:
        output.say(
            phrase("reports-would-go-on", "{count} [report|reports] that waited would go on", count=answer["held"])
        )
    elif answer["released"]:
        output.say(
            phrase("readings-went-on", "{count} [reading|readings] that waited went on", count=answer["released"])
        )


def _decision(kind: str, text: str) -> click.Command:
    @click.argument("device", default="*")
    @_filtered
    @WHY
    @adopting.DRY_RUN
    @output.with_hub
    def command(
        device: str,
        integration: str,
        model: str,
        why: str,
        dry_run: bool,
        config: Path,
        state_dir: Path | None,
        json: bool,
    ) -> None:
        answer = ask(
            config,
            state_dir,
            f"quarantine.{kind}",
            id=device,
            integration=integration,
            model=model,
            why=why,
            dry_run=dry_run,
        )
        if json:
            output.data(answer)
            return
        output.echo(_decided(kind, answer["filter"], dry_run))
        for one in answer["waiting"]:
            click.echo(f"  {one}")
        if answer["destroyed"]:
            output.say(
                phrase(
                    "reports-destroyed", "destroyed: {count} [report|reports] that waited", count=answer["destroyed"]
                )
            )

    command.__doc__ = text
    return click.command(kind)(command)


def _decided(kind: str, devices: str, dry_run: bool) -> str:
    if kind == "ignore":
        if dry_run:
            return phrase("would-be-ignored", "{devices} would be ignored", devices=devices)
        return phrase("is-ignored", "{devices} is ignored", devices=devices)
    if dry_run:
        return phrase("would-be-blocked", "{devices} would be blocked", devices=devices)
    return phrase("is-blocked", "{devices} is blocked", devices=devices)


quarantine.add_command(_decision("ignore", "List a DEVICE, or all that fit a pattern, no more; it is counted."))
quarantine.add_command(
    _decision("block", "Admit a DEVICE, or all that fit a pattern, never; each that speaks is a security event.")
)


@quarantine.command("unblock")
@click.argument("device", default="*")
@_filtered
@adopting.DRY_RUN
@output.with_hub
def unblock(
    device: str, integration: str, model: str, dry_run: bool, config: Path, state_dir: Path | None, json: bool
) -> None:
    """Take back that a DEVICE, or a pattern, is ignored or blocked: it is listed again when it speaks."""
    answer = ask(
        config,
        state_dir,
        "quarantine.unblock",
        id=device,
        integration=integration,
        model=model,
        dry_run=dry_run,
    )
    if json:
        output.data(answer)
    else:
        output.echo(
            phrase("would-be-heard-again", "{devices} would be heard again", devices=answer["filter"])
            if dry_run
            else phrase("is-heard-again", "{devices} is heard again", devices=answer["filter"])
        )


@quarantine.command("clear")
@click.argument("device")
@WHY
@adopting.DRY_RUN
@output.with_hub
def clear(device: str, why: str, dry_run: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Say that you have looked at the evidence about a DEVICE of this hub: it is believed again."""
    answer = ask(config, state_dir, "quarantine.clear", device=device, why=why, dry_run=dry_run)
    if json:
        output.data(answer)
    else:
        output.echo(
            phrase("would-be-believed", "{device} would be believed again", device=device)
            if dry_run
            else phrase("is-believed", "{device} is believed again", device=device)
        )


@click.group(cls=output.Group)
def recette() -> None:
    """Mode recette: for some hours, sensors that wait are adopted in bulk."""


@recette.command("start")
@click.option("--for", "length", default="4h", show_default=True, help="How long, 8h at the most.")
@WHY
@output.with_hub
def start(length: str, why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Open Mode recette. It ends by itself, also after a restart."""
    from hub.config.values import duration

    try:
        seconds = duration(length).total_seconds()
    except ValueError as error:
        raise click.UsageError(
            phrase("option-for-length-wrong", "--for {length}: {reason}", length=length, reason=reason_of(error))
        ) from error
    _show(ask(config, state_dir, "recette.start", seconds=seconds, why=why), json)


@recette.command("status")
@output.with_hub
def status(config: Path, state_dir: Path | None, json: bool) -> None:
    """Say whether Mode recette is open, and for how long."""
    _show(ask(config, state_dir, "recette.status"), json)


@recette.command("end")
@output.with_hub
def end(config: Path, state_dir: Path | None, json: bool) -> None:
    """End Mode recette now."""
    answer = ask(config, state_dir, "recette.end")
    if json:
        output.data(answer)
    else:
        output.echo(
            phrase(
                "recette-over",
                "Mode recette is over; {count} [sensor was|sensors were] adopted",
                count=answer["adopted"],
            )
        )


@recette.command("adopt")
@click.argument("device", default="*")
@_filtered
@click.option("--place", default="", help="A place for each: salle-{n}, salle-{n:2}, {model}-{id:4}.")
@click.option("--zone", default="", help="The zone of places that are to be made.")
@click.option("--start", "first", default=1, show_default=True, help="The first number of {n}.")
@click.option("--name", default="", help="A name for each, as --place.")
@click.option("--pack", default="", help="The pack that reads their payloads.")
@click.option(
    "--table", type=adopting.FILE, help="A table (CSV) of devices and places, instead of --place; - is stdin."
)
@adopting.DRY_RUN
@output.with_hub
def bulk(
    device: str,
    integration: str,
    model: str,
    first: int,
    table: Path | None,
    dry_run: bool,
    config: Path,
    state_dir: Path | None,
    json: bool,
    **said: str,
) -> None:
    """Adopt all that wait and fit: a DEVICE pattern like 'ble:A4:C1:*', an integration, a model.

    --dry-run shows what would happen, also while Mode recette is not open. Exit code 3 when a row is wrong.
    """
    arguments: dict[str, Any] = {"id": device, "integration": integration, "model": model, "dry_run": dry_run}
    if table is not None:
        if said["place"]:
            raise click.UsageError(phrase("either-place-or-table", "either --place or --table"))
        arguments["wishes"], ignored = adopting.placed(table)
    else:
        arguments |= {"start": first, **said}
        ignored = []
    answer = ask(config, state_dir, "recette.adopt", timeout=_CALL_S, **arguments)
    if answer["released"]:
        output.say(
            phrase("readings-went-on", "{count} [reading|readings] that waited went on", count=answer["released"])
        )
    adopting.report(answer["rows"], ignored, dry_run, json)


def _show(answer: dict[str, Any], json: bool) -> None:
    if json:
        output.data(answer)
    elif answer["active"]:
        left = datetime.timedelta(seconds=answer["left_s"])
        output.echo(
            phrase(
                "recette-open",
                "Mode recette is open for {span} more, by {by}; {count} [sensor|sensors] adopted",
                span=str(left),
                by=answer["by"],
                count=answer["adopted"],
            )
        )
    else:
        output.echo(phrase("recette-closed", "Mode recette is not open"))
