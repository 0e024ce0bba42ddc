"""`ilot backend …`: make an owner, admit hubs, serve, look inside. Data on stdout, messages on stderr.

Exit codes: 0 ok · 2 usage · 3 configuration · 4 unreachable · 5 permission · 7 data at risk.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from backend.cli.alerts import alerts
from backend.cli.audit import audit
from backend.cli.badge import badge
from backend.cli.console import (
    DIRECTORY,
    JSON,
    Group,
    Lifetime,
    database,
    date,
    handles_errors,
    log_to_stderr,
    row,
    say,
    show,
    state_of,
    translated,
)
from backend.cli.inventory import inventory
from backend.cli.owner import rotate, want
from backend.cli.pages import pages
from backend.cli.privacy import erasures, retention
from backend.cli.review import alarms, quarantine
from backend.cli.sigfox import sigfox
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of, system_error


@click.group(cls=Group)
def backend() -> None:
    """The reference backend: receives what hubs seal, opens it, keeps it."""


@backend.command()
@DIRECTORY
@click.option("--owner", "owner_name", default="Îlot demo", show_default=True, help="Who owns the data.")
@click.option("--host-name", "names", multiple=True, help="Name or address hubs call; repeat. Default: this machine.")
@click.option("--port", type=click.IntRange(1, 65535), default=8443, show_default=True)
@JSON
@handles_errors
def init(directory: Path, owner_name: str, names: tuple[str, ...], port: int, as_json: bool) -> None:
    """Make an owner in DIRECTORY: root, CA, certificate, keys, API token."""
    from backend import owner as owners

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
@click.option("--expires", type=Lifetime(), default="24h", show_default=True, help="How long it may be used.")
@click.option("--name", default="", help="What the hub will be called.")
@click.option("--url", default="", help="Address the hub calls. Default: the one last served.")
@JSON
@handles_errors
def token(directory: Path, expires: float, name: str, url: str, as_json: bool) -> None:
    """Print an enrolment token: one hub, once, until it expires."""
    from backend import owner as owners
    from backend.registry import Registry
    from hub.core.errors import ConfigError
    from hub.protocol.enrolment import https_address

    owner = owners.load(directory)
    url = url.rstrip("/") or owner.settings.url
    try:
        https_address(url)
    except ValueError as error:
        raise ConfigError(reason_of(error)) from error
    with database(directory) as db:
        made = Registry(db).issue(url=url, root=owner.settings.root, name=name, now=time.time(), lifetime=expires)
    say(
        phrase(
            "token-for-one-hub",
            "For one hub, until {moment}. On the hub: ilot enroll --token-file -",
            moment=date(made.expires),
        )
    )
    show({"token": str(made), "id": made.id, "url": url, "expires": made.expires}, as_json, [str(made)])


@backend.command()
@DIRECTORY
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: the one of init; 0: any free one.")
@click.option("--journal", is_flag=True, help="Acknowledge from a durable journal, make rows later.")
@click.option("--mqtt", default="", metavar="HOST[:PORT]", help="Hear hubs at this MQTT broker too.")
@click.option("--callbacks", default="", metavar="ADDRESS:PORT", help="Receive the Sigfox operator's callbacks there.")
@click.option("--callbacks-certificate", type=click.Path(path_type=Path, dir_okay=False), help="Its TLS chain, PEM.")
@click.option("--callbacks-key", type=click.Path(path_type=Path, dir_okay=False), help="The private key of that, PEM.")
@JSON
@handles_errors
def run(
    directory: Path,
    host: str,
    port: int | None,
    journal: bool,
    mqtt: str,
    callbacks: str,
    callbacks_certificate: Path | None,
    callbacks_key: Path | None,
    as_json: bool,
) -> None:
    """Serve DIRECTORY until SIGTERM."""
    import asyncio

    from backend import server
    from hub.core.process_hardening import harden

    log_to_stderr()
    for sentence in harden():  # before any key is read
        logging.getLogger("backend").warning("%s", sentence)

    def ready(running: server.Running) -> None:
        owner = running.owner
        if owner.demo_grade:
            say(phrase("demo-grade", "demo grade: the owner root or the recovery key lies beside the server"))
        facts = {"url": running.url, "root": owner.settings.root, "demo_grade": owner.demo_grade}
        if running.callbacks:
            facts["callbacks"] = running.callbacks
            say(phrase("receiving-callbacks", "receiving Sigfox callbacks at {url}", url=running.callbacks))
        if as_json:
            show(facts, True, [])
        else:
            say(
                phrase(
                    "serving-owner",
                    "serving {owner!r} at {url}, owner root {root}",
                    owner=owner.settings.owner,
                    url=running.url,
                    root=f"{owner.settings.root[:16]}…",
                )
            )

    receive = None
    if callbacks:
        from backend.broker import read_address
        from backend.sigfox_callbacks import ListenAddress

        at = read_address(callbacks)
        receive = ListenAddress(at.host, at.port, callbacks_certificate, callbacks_key).checked()
    asyncio.run(server.run(directory, host=host, port=port, journal=journal, ready=ready, mqtt=mqtt, callbacks=receive))


@backend.command()
@DIRECTORY
@click.argument("address", metavar="HOST[:PORT]")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for its files. Default: DIRECTORY/broker."
)
@click.option("--websocket", type=click.IntRange(1, 65535), help="A second port, for MQTT in a WebSocket.")
@click.option("--where", default="/etc/mosquitto/ilot", show_default=True, help="Folder the broker will read them in.")
@JSON
@handles_errors
def broker(directory: Path, address: str, out: Path | None, websocket: int | None, where: str, as_json: bool) -> None:
    """Let hubs come by way of the MQTT broker at HOST[:PORT]; write its certificate and configuration."""
    from backend import broker as brokers

    at, out = brokers.read_address(address), out or directory / "broker"
    owner = brokers.prepare(directory, out, at, websocket=websocket, where=where)
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


@backend.command()
@click.argument("what", metavar="URL|DIRECTORY")
@click.option("--token", "token_text", default="", help="For a URL: an enrolment token of that backend; it is used up.")
@JSON
@handles_errors
def check(what: str, token_text: str, as_json: bool) -> None:
    """Run the conformance suite against the backend at URL, with a throw-away hub; or look through the database of
    DIRECTORY for what is damaged, SQLite's own check first, and for records that wait for something."""
    if "://" not in what:
        _look_through(Path(what), as_json)
        return
    if not token_text:
        raise click.UsageError(
            phrase("check-needs-token", "a backend at a URL is checked with an enrolment token of it: --token")
        )
    import asyncio

    from backend.conformance import run_suite

    results = asyncio.run(run_suite(what, token_text))
    for result in results:
        if as_json:
            show(msgspec.structs.asdict(result), True, [])
        else:
            why = f": {translated(result.why)}" if result.why else ""
            click.echo(f"{'ok  ' if result.passed else 'FAIL'} {result.name}{why}")
    failed = sum(not result.passed for result in results)
    say(
        phrase(
            "checks-passed",
            "{passed} of {count} checks passed",
            passed=len(results) - failed,
            count=len(results),
        )
    )
    if failed:
        sys.exit(7)


def _look_through(directory: Path, as_json: bool) -> None:
    import apsw

    from backend import consistency_check, integrity_check
    from backend import owner as owners

    found = hurt = 0

    def tell(one: dict[str, Any]) -> None:
        nonlocal found
        found += 1
        whose: str = "-"
        if one["run"]:
            whose = phrase("stream-of-run", "{stream} of run {run}", stream=one["stream"], run=one["run"])
        remedy = phrase("remedy-is", "remedy: {remedy}", remedy=one["remedy"])
        count = f"{one['count']}: {translated(one['of'])}"
        show(one, as_json, [row(one["what"], one["hub"] or "-", whose, count), row("", remedy)])

    path = owners.load(directory).database
    for one in integrity_check.find_damage(
        path,
        lambda share: say(
            phrase(
                "share-looked-through",
                "{file}: about {share:.0f}% is looked through",
                file=path.name,
                share=100.0 * share,
            )
        ),
    ):
        tell(one)
    hurt = found
    try:
        with database(directory) as db:
            for one in consistency_check.check(db, owners.load(directory).recipients):
                tell(one)
    except (StorageError, apsw.Error) as error:
        if not hurt:
            raise StorageError(reason_of(error)) from error
        say(
            phrase(
                "contents-not-looked-through",
                "what it holds could not be looked through: {reason}",
                reason=reason_of(error),
            )
        )
    if found:
        say(phrase("findings-counted", "{count} [finding|findings]: the remedy of each stands below it", count=found))
    else:
        say(
            phrase(
                "database-whole",
                "the database is whole, all context that is kept can be read, and nothing waits for some that was lost",
            )
        )
    sys.exit(7 if found else 0)


@backend.command("open")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--key-file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A recipient's key.")
@click.option("--identity", default="", help="The hub's public key in hex; with it every signature is verified.")
@JSON
@handles_errors
def open_file(file: Path, key_file: Path, identity: str, as_json: bool) -> None:
    """Open a segment FILE of a hub's buffer and print its readings, one a line."""
    from backend.recipient_keys import load
    from backend.segment_reader import read_segment, render

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
@JSON
@handles_errors
def revoke(directory: Path, hub: str, as_json: bool) -> None:
    """Refuse HUB from its next message on."""
    from backend.registry import Registry

    with database(directory) as db:
        registry = Registry(db)
        registry.revoke(hub, time.time())
        found = registry.find(hub)
    revoked_at = found.revoked_at if found is not None else None
    say(
        phrase(
            "hub-is-revoked",
            "{hub} is revoked. What it sends from now on is refused and kept in quarantine; change every secret it "
            "held.",
            hub=hub,
        )
    )
    show({"hub": hub, "revoked_at": revoked_at}, as_json, [])


@backend.command()
@DIRECTORY
@JSON
@handles_errors
def hubs(directory: Path, as_json: bool) -> None:
    """List the hubs enrolled in DIRECTORY, and the trust version that each follows."""
    from backend import owner as owners
    from backend.registry import Registry
    from backend.views import STATE_FIELDS, Views

    with database(directory) as db:
        enrolled = Registry(db).hubs()
    told = {
        one["hub"]: {name: one[name] for name in STATE_FIELDS} for one in Views(owners.load(directory).database).hubs()
    }
    for hub in enrolled:
        facts = hub._asdict() | {"identity": hub.identity.hex()} | told[hub.hub]
        follows = phrase("follows-trust", "trust {version}", version=facts["trust_version"] or "-")
        seen = phrase("seen-at", "seen {moment}", moment=date(hub.seen_at))
        show(facts, as_json, [row(hub.hub, state_of(hub.revoked_at), hub.name or "-", seen, follows)])


@backend.command()
@DIRECTORY
@click.argument("hub")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the newest to this file.")
@JSON
@handles_errors
def backups(directory: Path, hub: str, out: Path | None, as_json: bool) -> None:
    """The newest whole state backup of HUB, for `ilot restore`. Only the recovery key opens it."""
    from backend import backups as kept
    from backend import owner as owners
    from backend.views import Views
    from hub.core.disk.atomic_files import write_atomically

    owner = owners.load(directory)
    head, data = kept.fetch(owner.backups, hub, say)
    lived: int | None = None
    try:
        lived = next((one["generation"] or 0 for one in Views(owner.database).hubs() if one["hub"] == hub), 0)
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


backend.add_command(alarms)
backend.add_command(alerts)
backend.add_command(audit)
backend.add_command(badge)
backend.add_command(pages)
backend.add_command(quarantine)
backend.add_command(inventory)
backend.add_command(rotate)
backend.add_command(erasures)
backend.add_command(retention)
backend.add_command(want)
backend.add_command(sigfox)
