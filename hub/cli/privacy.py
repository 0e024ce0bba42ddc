"""`ilot privacy`: stored personal data and its purpose, consents, and their withdrawal."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from hub.cli import output
from hub.cli.hub_client import ask

dry = click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")


@click.group(cls=output.Group)
def privacy() -> None:
    """What is kept of people, why, and who agreed to it."""


@privacy.command()
@click.argument("person")
@click.option("--purpose", required=True, help="What they agree to: the `consent` of a privacy rule.")
@click.option("--zone", required=True, help="Their home: a zone of the configuration.")
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Of the signed form; by default today.")
@dry
@output.with_hub
def consent(
    person: str,
    purpose: str,
    zone: str,
    date: datetime.datetime | None,
    dry_run: bool,
    config: Path,
    state_dir: Path | None,
    json: bool,
) -> None:
    """Enter that PERSON agreed. PERSON is a reference of yours (loc-0042), not a name: who it is stays on your form."""
    answer = ask(
        config,
        state_dir,
        "consent.give",
        person=person,
        purpose=purpose,
        zone=zone,
        dry_run=dry_run,
        date=None if date is None else f"{date:%Y-%m-%d}",
    )
    if json:
        output.data(answer)
        return
    would = "would be kept" if dry_run else "is kept from now on"
    click.echo(f"{person} agreed to {purpose} for {zone} on {_day(answer['given'], answer)}: what it is about {would}")
    output.say(f"devices there: {', '.join(answer['devices']) or 'none'}")


@privacy.command("list")
@output.with_hub
def listing(config: Path, state_dir: Path | None, json: bool) -> None:
    """All consents, those that ended too, and how the erasures stand."""
    answer = ask(config, state_dir, "consent.list")
    if json:
        output.data(answer)
        return
    output.table(
        ("person", "purpose", "zone", "given", "ended", "by"),
        [
            (one["person"], one["purpose"], one["zone"], _day(one["given"], answer), _moment(one["ended"]), one["by"])
            for one in answer["consents"]
        ],
    )
    for one in answer["erasures"]:
        output.say(f"erasure {one['id']}, ordered {_moment(one['asked'])}: {_state_text(one)}")


@privacy.command()
@click.argument("person")
@output.with_hub
def access(person: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """All that this hub knows of PERSON, and under which name the backend has their readings."""
    answer = ask(config, state_dir, "consent.access", person=person)
    if json:
        output.data(answer)
        return
    for one in answer["consents"]:
        ended = f", ended {_moment(one['ended'])}: {one['why']}" if one["ended"] else ""
        click.echo(f"agreed to {one['purpose']} for {one['zone']} on {_day(one['given'], answer)}{ended}")
    for home in answer["homes"]:
        devices = ", ".join(device["device"] for device in home["devices"]) or "none"
        click.echo(
            f"{home['zone']} for {home['purpose']}: zone {home['group']} at the backend; devices here: {devices}"
        )
    for one in answer["erasures"]:
        click.echo(f"erasure {one['id']}: {_state_text(one)}")


@privacy.command()
@click.argument("person")
@click.option("--purpose", default="", help="Only this one; by default all that they agreed to.")
@dry
@output.with_hub
def withdraw(person: str, purpose: str, dry_run: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """PERSON takes their consent back. The next report is dropped, the pseudonym's key destroyed, what this hub holds
    erased, and the backend told to erase what it has: `ilot privacy list` shows when it has confirmed."""
    answer = ask(config, state_dir, "consent.withdraw", person=person, purpose=purpose, dry_run=dry_run)
    if json:
        output.data(answer)
        return
    for one in answer["withdrawn"]:
        would = "would end" if dry_run else "ended"
        click.echo(f"{one['purpose']} for {one['zone']} {would}; devices: {', '.join(answer['devices']) or 'none'}")
    if not dry_run:
        _say_erased(answer)


@privacy.command()
@click.option("--csv", is_flag=True, help="As a table, for a spreadsheet.")
@click.option("-o", "--output", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@output.with_hub
def register(csv: bool, file: Path | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """The register of processing of the running configuration, in French, to be edited."""
    _document(config, state_dir, "register.csv" if csv else "register", file, json)


@privacy.command()
@click.option("-o", "--output", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@output.with_hub
def dpia(file: Path | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """A draft of the data protection impact assessment, in French, to be completed."""
    _document(config, state_dir, "dpia", file, json)


@click.command("erase")
@click.argument("device")
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry
@output.with_hub
def erase(device: str, yes: bool, dry_run: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Erase what is personal of DEVICE until now, here and at the backend. What it measures of the plant stays, and
    what it says from now on follows the privacy rules like before."""
    if not (yes or dry_run):
        click.confirm(f"Erase all personal readings of {device} until now, here and at the backend?", abort=True)
    answer = ask(config, state_dir, "device.erase", device=device, dry_run=dry_run)
    if json:
        output.data(answer)
    elif dry_run:
        click.echo(f"all that is personal of {device} until now would be erased")
    else:
        _say_erased(answer)


def _document(config: Path, state_dir: Path | None, what: str, file: Path | None, json: bool) -> None:
    answer = ask(config, state_dir, "privacy.document", what=what)
    if file is not None:
        try:
            with file.open("x", encoding="utf-8", newline="") as out:  # somebody may have edited the one that is there
                out.write(answer["text"])
        except FileExistsError:
            hint = "it is there already, and somebody may have edited it: name another file, or move that one away"
            raise click.FileError(str(file), hint) from None
        except OSError as error:
            raise click.FileError(str(file), error.strerror) from error
    if json:
        output.data(answer)
    elif file is None:
        click.echo(answer["text"])
    else:
        output.say(f"written to {file}")


def _say_erased(answer: dict[str, Any]) -> None:
    here = ", ".join(f"{number} {what}" for what, number in answer["erased"].items() if number) or "nothing was held"
    click.echo(f"erased on this hub: {here}")
    for one in answer["erasures"]:
        click.echo(f"erasure {one} was ordered from the backend; `ilot privacy list` shows when it has confirmed")


def _state_text(erasure: dict[str, Any]) -> str:
    if erasure["confirmed"] is None:
        return "the backend has not confirmed it yet"
    left = f", readings that say nothing of people stay: {erasure['left']}" if erasure["left"] else ""
    return f"confirmed {_moment(erasure['confirmed'])}, {output.plural(erasure['readings'], 'reading')}{left}"


def _day(at: float, answer: dict[str, Any]) -> str:
    """By the calendar of the hub's site: a form that is dated there has that date on every machine."""
    return f"{datetime.datetime.fromtimestamp(at, ZoneInfo(answer.get('timezone', 'UTC'))):%Y-%m-%d}"


def _moment(at: float | None) -> str:
    return "" if at is None else output.moment(at)
