"""`ilot backend …`: make an owner, admit hubs, serve, look inside. Data on stdout, messages on stderr.

Exit codes: 0 ok · 2 usage · 3 configuration · 4 unreachable · 5 permission · 7 data at risk.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from backend.cli.alerts import alerts
from backend.cli.archive import check_archive, export, import_
from backend.cli.audit import audit
from backend.cli.badge import badge
from backend.cli.begin_again import begin_again
from backend.cli.check import check
from backend.cli.city import city
from backend.cli.console import (
    DIRECTORY,
    JSON,
    Group,
    date,
    handles_errors,
    reading,
    row,
    say,
    show,
    tame_warnings,
)
from backend.cli.copies import backup, restore
from backend.cli.demo_district import demo_district
from backend.cli.doctor import doctor
from backend.cli.enrolment import enroll, enroll_table, token
from backend.cli.hubs import hubs, readmit, revoke, tag
from backend.cli.inventory import inventory
from backend.cli.migrate import migrate
from backend.cli.owner import rotate, want
from backend.cli.pages import pages
from backend.cli.privacy import erasures, retention
from backend.cli.review import alarms, quarantine
from backend.cli.serving import api, compact, ingest, run
from backend.cli.sigfox import sigfox
from backend.cli.tokens import tokens
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of, system_error


@click.group(cls=Group)
def backend() -> None:
    """The reference backend: receives what hubs seal, opens it, keeps it."""
    tame_warnings()


@backend.command()
@DIRECTORY
@click.option("--owner", "owner_name", default="Îlot demo", show_default=True, help="Who owns the data.")
@click.option("--host-name", "names", multiple=True, help="Name or address hubs call; repeat. Default: this machine.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8443,
    show_default=True,
    help="Port that hubs call; another one later needs the owner root.",
)
@JSON
@handles_errors
def init(directory: Path, owner_name: str, names: tuple[str, ...], port: int, as_json: bool) -> None:
    """Make an owner in DIRECTORY: root, CA, certificate, keys, API token."""
    from backend.owner import directory as owners

    made = owners.init(directory, owner=owner_name, names=names or owners.DEFAULT_NAMES, port=port)
    for sentence in (
        phrase(
            "owner-made",
            "Made the owner {owner!r} in {directory}. It is demo grade: every key lies here.",
            owner=made.settings.owner,
            directory=directory,
        ),
        phrase(
            "take-away-keys",
            "Take away {recovery} (opens everything) and {root} (signs everything).",
            recovery=directory / "recovery.key",
            root=directory / "root",
        ),
        phrase("owner-made-next", "Next: ilot backend token {directory}", directory=directory),
    ):
        say(sentence)
    facts = {
        "directory": str(directory), "owner": made.settings.owner, "url": made.settings.url, "root": made.settings.root,
        "recovery_key": str(directory / "recovery.key"), "demo_grade": made.demo_grade,
    }  # fmt: skip
    show(facts, as_json, [f"{name}\t{value}" for name, value in facts.items()])


@backend.command()
@DIRECTORY
@click.argument("address", metavar="HOST[:PORT]")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for its files. Default: DIRECTORY/broker."
)
@click.option("--websocket", type=click.IntRange(1, 65535), help="A second port, for MQTT in a WebSocket.")
@click.option(
    "--providers", type=click.IntRange(1, 65535), help="A port for providers, who come with a name and a password."
)
@click.option("--where", default="/etc/mosquitto/ilot", show_default=True, help="Folder the broker will read them in.")
@JSON
@handles_errors
def broker(
    directory: Path,
    address: str,
    out: Path | None,
    websocket: int | None,
    providers: int | None,
    where: str,
    as_json: bool,
) -> None:
    """Let hubs come by way of the MQTT broker at HOST[:PORT]; write its certificate and configuration. Needs the owner
    root in DIRECTORY/root, unless the trust document names this broker already."""
    from backend.owner import broker as brokers

    at, out = brokers.read_address(address), out or directory / "broker"
    owner = brokers.prepare(directory, out, at, websocket=websocket, providers=providers, where=where)
    say(
        phrase(
            "broker-admitted",
            "The trust document, version {version}, lets hubs call {address}. The broker's files are in {folder}.",
            version=owner.trust.version,
            address=str(at),
            folder=out,
        )
    )
    say(
        phrase(
            "broker-next",
            "On the broker: put them in {folder} and load ilot.conf. Here: ilot backend run {directory} --mqtt "
            "{address}",
            folder=where,
            directory=directory,
            address=str(at),
        )
    )
    facts = {"broker": str(at), "files": str(out), "trust_version": owner.trust.version}
    show(facts, as_json, [f"{name}\t{value}" for name, value in facts.items()])


@backend.command("open")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--key-file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A recipient's key.")
@click.option("--identity", default="", help="The hub's public key in hex; with it every signature is verified.")
@JSON
@handles_errors
def open_file(file: Path, key_file: Path, identity: str, as_json: bool) -> None:
    """Open a segment FILE of a hub's buffer and print its readings, one a line."""
    from backend.maintenance.segment_reader import read_segment, render
    from backend.owner.recipient_keys import load

    key = load(key_file)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise StorageError(
            phrase("file-not-read", "{file} cannot be read: {reason}", file=file, reason=system_error(error))
        ) from error
    damaged = 0
    for item in read_segment(data, {key.kid: key.private}, identity):
        damaged += item.get("damaged", 0)
        show(item, as_json, render(item))
    if not identity:
        say(phrase("identity-not-given", "no --identity given: who sealed this was not verified"))
    if damaged:
        say(phrase("records-not-opened", "{count} [record|records] could not be opened", count=damaged))
        sys.exit(7)


@backend.command()
@DIRECTORY
@click.argument("hub")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the newest to this file.")
@JSON
@handles_errors
def backups(directory: Path, hub: str, out: Path | None, as_json: bool) -> None:
    """The newest whole state backup of HUB, for `ilot restore`. Only the recovery key opens it."""
    from backend.hubs import backups as kept
    from backend.owner import directory as owners
    from hub.core.disk.atomic_files import write_atomically

    owner = owners.load(directory)
    head, data = kept.fetch(owner.backups, hub, say)
    lived: int | None = None
    try:
        lived = next((one["generation"] or 0 for one in reading(directory, make=False).hubs(hub=hub)), 0)
    except StorageError as error:  # a backup is wanted just when much is broken
        say(
            phrase(
                "life-after-backup-unknown",
                "whether this hub lived on after this backup cannot be told: {reason}",
                reason=reason_of(error),
            )
        )
    facts = {"hub": head.hub, "generation": head.generation, "made": head.made, "bytes": len(data), "lived": lived}
    if lived is not None and lived > head.generation:
        say(
            phrase(
                "hub-lived-on",
                "this hub lived on, to generation {generation}: restore it with `ilot restore … --lived {generation}`",
                generation=lived,
            )
        )
    if out is not None:
        write_atomically(out, data)
        facts["file"] = str(out)
    number = phrase("backup-number", "backup {number}", number=head.generation)
    size = phrase("bytes-counted", "{count} [byte|bytes]", count=len(data))
    show(facts, as_json, [row(head.hub, number, date(head.made), size)])


backend.add_command(token)
backend.add_command(check)
backend.add_command(check_archive)
backend.add_command(enroll)
backend.add_command(enroll_table)
backend.add_command(hubs)
backend.add_command(readmit)
backend.add_command(revoke)
backend.add_command(tag)
backend.add_command(tokens)
backend.add_command(run)
backend.add_command(ingest)
backend.add_command(api)
backend.add_command(compact)
backend.add_command(alarms)
backend.add_command(alerts)
backend.add_command(audit)
backend.add_command(backup)
backend.add_command(badge)
backend.add_command(city)
backend.add_command(demo_district)
backend.add_command(doctor)
backend.add_command(migrate)
backend.add_command(begin_again)
backend.add_command(pages)
backend.add_command(quarantine)
backend.add_command(inventory)
backend.add_command(restore)
backend.add_command(rotate)
backend.add_command(erasures)
backend.add_command(export)
backend.add_command(import_)
backend.add_command(retention)
backend.add_command(want)
backend.add_command(sigfox)
