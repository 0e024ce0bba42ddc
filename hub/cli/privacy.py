"""`ilot privacy`: stored personal data and its purpose, consents, and their withdrawal."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.errors import HubError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase

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
    given = {"person": person, "purpose": purpose, "zone": zone, "day": _day(answer["given"], answer)}
    if dry_run:
        output.echo(
            phrase(
                "consent-would-count",
                "{person} agreed to {purpose} for {zone} on {day}: what it is about would be kept",
                **given,
            )
        )
    else:
        output.echo(
            phrase(
                "consent-counts",
                "{person} agreed to {purpose} for {zone} on {day}: what it is about is kept from now on",
                **given,
            )
        )
    output.say(phrase("devices-there", "devices there: {devices}", devices=_listed(answer["devices"])))


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
        output.say(
            phrase(
                "erasure-ordered-state",
                "erasure {erasure}, ordered {moment}: {state}",
                erasure=one["id"],
                moment=_moment(one["asked"]),
                state=_state_text(one),
            )
        )


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
        given = {"purpose": one["purpose"], "zone": one["zone"], "day": _day(one["given"], answer)}
        if one["ended"]:
            output.echo(
                phrase(
                    "consent-ended",
                    "agreed to {purpose} for {zone} on {day}, ended {moment}: {reason}",
                    moment=_moment(one["ended"]),
                    reason=one["why"],
                    **given,
                )
            )
        else:
            output.echo(phrase("consent-given", "agreed to {purpose} for {zone} on {day}", **given))
    for home in answer["homes"]:
        output.echo(
            phrase(
                "home-at-backend",
                "{home} for {purpose}: zone {zone} at the backend; devices here: {devices}",
                home=home["zone"],
                purpose=home["purpose"],
                zone=home["group"],
                devices=_listed([device["device"] for device in home["devices"]]),
            )
        )
    for one in answer["erasures"]:
        output.echo(phrase("erasure-state", "erasure {erasure}: {state}", erasure=one["id"], state=_state_text(one)))


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
        facts = {"purpose": one["purpose"], "zone": one["zone"], "devices": _listed(answer["devices"])}
        output.echo(
            phrase("consent-would-end", "{purpose} for {zone} would end; devices: {devices}", **facts)
            if dry_run
            else phrase("consent-withdrawn", "{purpose} for {zone} ended; devices: {devices}", **facts)
        )
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
        output.confirm(
            phrase(
                "erase-question",
                "Erase all personal readings of {device} until now, here and at the backend?",
                device=device,
            ),
            abort=True,
        )
    answer = ask(config, state_dir, "device.erase", device=device, dry_run=dry_run)
    if json:
        output.data(answer)
    elif dry_run:
        output.echo(phrase("would-erase", "all that is personal of {device} until now would be erased", device=device))
    else:
        _say_erased(answer)


def _document(config: Path, state_dir: Path | None, what: str, file: Path | None, json: bool) -> None:
    answer = ask(config, state_dir, "privacy.document", what=what)
    if file is not None:
        try:
            with file.open("x", encoding="utf-8", newline="") as out:  # somebody may have edited the one that is there
                out.write(answer["text"])
        except FileExistsError:
            raise HubError(
                phrase(
                    "document-there-already",
                    "{file} is there already, and somebody may have edited it: name another file, or move that one "
                    "away",
                    file=file,
                )
            ) from None
        except OSError as error:
            raise HubError(file_not_written(file, error)) from error
    if json:
        output.data(answer)
    elif file is None:
        click.echo(answer["text"])
    else:
        output.say(phrase("written-to", "written to {file}", file=file))


_ERASED = {
    "hourly and monthly figures, raw history": phrase("erased-history", "hourly and monthly figures, raw history"),
    "held reports": phrase("erased-held-reports", "held reports"),
    "kept payloads": phrase("erased-payloads", "kept payloads"),
    "in quarantine": phrase("erased-in-quarantine", "in quarantine"),
}
"""What the hub erases, as its answer names it (`hub.app.privacy`)."""


def _say_erased(answer: dict[str, Any]) -> None:
    here = [
        phrase("erased-number-of", "{number} {what}", number=number, what=_ERASED.get(what, what))
        for what, number in answer["erased"].items()
        if number
    ]
    output.echo(
        phrase(
            "erased-here",
            "erased on this hub: {what}",
            what=here or phrase("nothing-held", "nothing was held"),
        )
    )
    for one in answer["erasures"]:
        output.echo(
            phrase(
                "erasure-ordered",
                "erasure {erasure} was ordered from the backend; `ilot privacy list` shows when it has confirmed",
                erasure=one,
            )
        )


def _listed(names: list[str]) -> list[str] | str:
    return names or phrase("no-devices", "none")


def _state_text(erasure: dict[str, Any]) -> str:
    if erasure["confirmed"] is None:
        return phrase("erasure-unconfirmed", "the backend has not confirmed it yet")
    done = {"moment": _moment(erasure["confirmed"]), "count": erasure["readings"]}
    if erasure["left"]:
        return phrase(
            "erasure-confirmed-left",
            "confirmed {moment}, {count} [reading|readings], readings that say nothing of people stay: {left}",
            left=erasure["left"],
            **done,
        )
    return phrase("erasure-confirmed", "confirmed {moment}, {count} [reading|readings]", **done)


def _day(at: float, answer: dict[str, Any]) -> str:
    """By the calendar of the hub's site: a form that is dated there has that date on every machine."""
    return f"{datetime.datetime.fromtimestamp(at, ZoneInfo(answer.get('timezone', 'UTC'))):%Y-%m-%d}"


def _moment(at: float | None) -> str:
    return "" if at is None else output.moment(at)
