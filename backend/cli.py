"""`ilot backend …`: make an owner, admit hubs, serve, look inside. Data on stdout, messages on stderr.

Exit codes: 0 ok · 2 usage · 3 configuration · 4 unreachable · 5 permission · 7 data at risk.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import click
import msgspec

from hub.errors import HubError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

F = TypeVar("F", bound=Callable[..., Any])


class Lifetime(click.ParamType[float]):
    """A duration as `90s`, `30m`, `24h`, `7d`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"(\d{1,6})([smhd])", str(value))
        if match is None or int(match[1]) == 0:
            self.fail(f"{value!r} is no duration: write 90s, 30m, 24h or 7d", param, ctx)
        return float(int(match[1]) * _UNITS[match[2]])


_DIRECTORY = click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def _answers(command: F) -> F:
    """Errors that name who must act become one line on stderr and their exit code."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except HubError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(error.exit_code)
        except OSError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(5 if isinstance(error, PermissionError) else 4)

    return cast(F, guarded)


@click.group()
def backend() -> None:
    """The reference backend: receives what hubs seal, opens it, keeps it."""


@backend.command()
@_DIRECTORY
@click.option("--owner", "owner_name", default="Îlot demo", show_default=True, help="Who owns the data.")
@click.option("--host-name", "names", multiple=True, help="Name or address hubs call; repeat. Default: this machine.")
@click.option("--port", type=click.IntRange(1, 65535), default=8443, show_default=True)
@_JSON
@_answers
def init(directory: Path, owner_name: str, names: tuple[str, ...], port: int, as_json: bool) -> None:
    """Make an owner in DIRECTORY: root, CA, certificate, keys, API token."""
    from backend import owner as owners

    made = owners.init(directory, owner=owner_name, names=names or owners.DEFAULT_NAMES, port=port)
    _say(f"Made the owner {made.settings.owner!r} in {directory}. It is demo grade: every key lies here.")
    _say(f"Take away {directory / 'recovery.key'} (opens everything) and {directory / 'root'} (signs everything).")
    _say(f"Next: ilot backend token {directory}")
    facts = {
        "directory": str(directory), "owner": made.settings.owner, "url": made.settings.url, "root": made.settings.root,
        "recovery_key": str(directory / "recovery.key"), "demo_grade": made.demo_grade,
    }  # fmt: skip
    _print(facts, as_json, [f"{name}\t{value}" for name, value in facts.items()])


@backend.command()
@_DIRECTORY
@click.option("--expires", type=Lifetime(), default="24h", show_default=True, help="How long it may be used.")
@click.option("--name", default="", help="What the hub will be called.")
@click.option("--url", default="", help="Address the hub calls. Default: the one last served.")
@_JSON
@_answers
def token(directory: Path, expires: float, name: str, url: str, as_json: bool) -> None:
    """Print an enrolment token: one hub, once, until it expires."""
    from backend import owner as owners
    from backend.registry import Registry
    from backend.schema import open_database
    from hub.enrolment import address
    from hub.errors import ConfigError

    owner = owners.load(directory)
    url = url.rstrip("/") or owner.settings.url
    try:
        address(url)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    registry = Registry(open_database(owner.database))
    made = registry.issue(url=url, root=owner.settings.root, name=name, now=time.time(), lifetime=expires)
    _say(f"For one hub, until {_date(made.expires)}. On the hub: ilot enroll TOKEN")
    _print({"token": str(made), "id": made.id, "url": url, "expires": made.expires}, as_json, [str(made)])


@backend.command()
@_DIRECTORY
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: the one of init; 0: any free one.")
@click.option("--journal", is_flag=True, help="Acknowledge from a durable journal, make rows later.")
@click.option("--mqtt", default="", metavar="HOST[:PORT]", help="Hear hubs at this MQTT broker too.")
@_JSON
@_answers
def run(directory: Path, host: str, port: int | None, journal: bool, mqtt: str, as_json: bool) -> None:
    """Serve DIRECTORY until SIGTERM."""
    import asyncio

    from backend import server
    from hub.hardening import harden

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for sentence in harden():  # before any key is read
        logging.getLogger("backend").warning("%s", sentence)

    def ready(running: server.Running) -> None:
        owner = running.owner
        if owner.demo_grade:
            _say("demo grade: the owner root or the recovery key lies beside the server")
        facts = {"url": running.url, "root": owner.settings.root, "demo_grade": owner.demo_grade}
        if as_json:
            _print(facts, True, [])
        else:
            _say(f"serving {owner.settings.owner!r} at {running.url}, owner root {owner.settings.root[:16]}…")

    asyncio.run(server.run(directory, host=host, port=port, journal=journal, ready=ready, mqtt=mqtt))


@backend.command()
@_DIRECTORY
@click.argument("address", metavar="HOST[:PORT]")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for its files. Default: DIRECTORY/broker."
)
@click.option("--websocket", type=click.IntRange(1, 65535), help="A second port, for MQTT in a WebSocket.")
@click.option("--where", default="/etc/mosquitto/ilot", show_default=True, help="Folder the broker will read them in.")
@_JSON
@_answers
def broker(directory: Path, address: str, out: Path | None, websocket: int | None, where: str, as_json: bool) -> None:
    """Let hubs come by way of the MQTT broker at HOST[:PORT]; write its certificate and configuration."""
    from backend import broker as brokers

    at, out = brokers.read_address(address), out or directory / "broker"
    owner = brokers.prepare(directory, out, at, websocket=websocket, where=where)
    _say(f"The trust document, version {owner.trust.version}, lets hubs call {at}. The broker's files are in {out}.")
    _say(f"On the broker: put them in {where} and load ilot.conf. Here: ilot backend run {directory} --mqtt {at}")
    facts = {"broker": str(at), "files": str(out), "trust_version": owner.trust.version}
    _print(facts, as_json, [f"{name}\t{value}" for name, value in facts.items()])


@backend.command()
@click.argument("url")
@click.option("--token", "token_text", required=True, help="An enrolment token of that backend; it is used up.")
@_JSON
@_answers
def check(url: str, token_text: str, as_json: bool) -> None:
    """Run the conformance suite against the backend at URL, with a throw-away hub."""
    import asyncio

    from backend.conformance import run_suite

    results = asyncio.run(run_suite(url, token_text))
    for result in results:
        if as_json:
            _print(msgspec.to_builtins(result), True, [])
        else:
            click.echo(
                f"{'ok  ' if result.passed else 'FAIL'} {result.name}" + (f": {result.why}" if result.why else "")
            )
    failed = sum(not result.passed for result in results)
    _say(f"{len(results) - failed} of {len(results)} checks passed")
    if failed:
        sys.exit(7)


@backend.command("open")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--key-file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A recipient's key.")
@click.option("--identity", default="", help="The hub's public key in hex; with it every signature is verified.")
@_JSON
@_answers
def open_file(file: Path, key_file: Path, identity: str, as_json: bool) -> None:
    """Open a segment FILE of a hub's buffer and print its readings, one a line."""
    from backend.evidence import read_segment, render
    from backend.recipient import load

    key = load(key_file)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from error
    damaged = 0
    for item in read_segment(data, {key.kid: key.private}, identity):
        damaged += item.get("damaged", 0)
        _print(item, as_json, render(item))
    if not identity:
        _say("no --identity given: who sealed this was not verified")
    if damaged:
        _say(f"{damaged} records could not be opened")
        sys.exit(7)


@backend.command()
@_DIRECTORY
@click.argument("hub")
@_JSON
@_answers
def revoke(directory: Path, hub: str, as_json: bool) -> None:
    """Refuse HUB from its next message on."""
    from backend import owner as owners
    from backend.registry import Registry
    from backend.schema import open_database

    registry = Registry(open_database(owners.load(directory).database))
    registry.revoke(hub, time.time())
    found = registry.find(hub)
    revoked_at = found.revoked_at if found is not None else None
    _say(f"{hub} is revoked. What it sends from now on is refused and kept in quarantine; change every secret it held.")
    _print({"hub": hub, "revoked_at": revoked_at}, as_json, [])


@backend.command()
@_DIRECTORY
@_JSON
@_answers
def hubs(directory: Path, as_json: bool) -> None:
    """List the hubs enrolled in DIRECTORY."""
    from backend import owner as owners
    from backend.registry import Registry
    from backend.schema import open_database

    for hub in Registry(open_database(owners.load(directory).database)).hubs():
        facts = hub._asdict() | {"identity": hub.identity.hex()}
        state = "revoked" if hub.revoked_at is not None else "active"
        _print(facts, as_json, [f"{hub.hub}\t{state}\t{hub.name or '-'}\tseen {_date(hub.seen_at)}"])


@backend.command()
@_DIRECTORY
@click.argument("hub")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the newest to this file.")
@_JSON
@_answers
def backups(directory: Path, hub: str, out: Path | None, as_json: bool) -> None:
    """The newest state backup of HUB, for `ilot restore`. Only the recovery key opens it."""
    from backend import backups as kept
    from backend import owner as owners
    from hub.keys import write_atomically

    head, data = kept.fetch(owners.load(directory).backups, hub)
    facts = {"hub": head.hub, "generation": head.generation, "made": head.made, "bytes": len(data)}
    if out is not None:
        write_atomically(out, data)
        facts["file"] = str(out)
    _print(facts, as_json, [f"{head.hub}\tbackup {head.generation}\t{_date(head.made)}\t{len(data)} bytes"])


def _say(text: str) -> None:
    click.echo(text, err=True)


def _print(value: Any, as_json: bool, lines: list[str]) -> None:
    if as_json:
        click.echo(msgspec.json.encode(value).decode())
    else:
        for line in lines:
            click.echo(line)
    sys.stdout.flush()


def _date(seconds: float | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
