"""`ilot backend city space add|list|remove`: where companies drop files and readings for a service."""

from __future__ import annotations

import time
from pathlib import Path

import click

from backend.cli.city_people import BY, opened
from backend.cli.console import DIRECTORY, JSON, Group, date, handles_errors, row, say, show
from hub.core.text import phrase

MIB = 1 << 20
_COUNT = click.IntRange(1, 1_000_000)


@click.group(cls=Group)
def space() -> None:
    """Provider spaces: where companies drop files and readings for a service."""


@space.command()
@DIRECTORY
@click.argument("name")
@click.option("--provider", required=True, help="Whose space it is, as the register and its people's scope name it.")
@click.option("--service", required=True, help="The service that it is for; nobody else of the town sees it.")
@click.option("--file-mib", type=click.IntRange(1, 64), default=16, show_default=True, help="Largest file.")
@click.option("--day-mib", type=_COUNT, default=200, show_default=True, help="What may come in a day.")
@click.option("--day-files", type=_COUNT, default=500, show_default=True, help="Files that may come in a day.")
@click.option("--most-mib", type=_COUNT, default=1024, show_default=True, help="What may lie there.")
@click.option("--most-files", type=_COUNT, default=5000, show_default=True, help="Files that may lie there.")
@click.option(
    "--keep-days", type=click.IntRange(1, 3660), default=90, show_default=True, help="Then a file is deleted."
)
@click.option("--readings", is_flag=True, help="Take readings too.")
@click.option("--token-of", default="", help="Account, of an administrator or of the provider, that a key is made for.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long the key is valid.")
@click.option("--requests", type=_COUNT, default=1000, show_default=True, help="Requests an hour with the key.")
@JSON
@handles_errors
def add(
    directory: Path,
    name: str,
    provider: str,
    service: str,
    file_mib: int,
    day_mib: int,
    day_files: int,
    most_mib: int,
    most_files: int,
    keep_days: int,
    readings: bool,
    token_of: str,
    days: int,
    requests: int,
    as_json: bool,
) -> None:
    """Add the space NAME, or change the limits of one that is there; with --token-of print a key for it, once."""
    from backend.city.open_api.spaces import desk
    from backend.city.people import accounts, tokens
    from backend.city.people.viewer import Role, Scope
    from backend.storage.city.spaces import Space

    now, key = time.time(), ""
    made = Space(
        name, provider, service, file_mib * MIB, day_mib * MIB, day_files, most_mib * MIB, most_files, keep_days,
        int(readings), now,
    )  # fmt: skip
    with opened(directory) as city, city.transaction() as t:
        desk.make(t, BY, made, now)
        if token_of:
            who = accounts.viewer_from(accounts.find(t, token_of))
            scope = Scope(services=frozenset({service}), provider=provider)
            key = tokens.make(
                t, who, f"space {name}", ["provider"], now, days=days, quota=requests, role=Role.PROVIDER, scope=scope
            )
    if key:
        until = date(now + days * 86_400)
        say(phrase("spaces-key-made", "Give the provider this key, which is shown once and ends {until}.", until=until))
    facts = {**made._asdict(), "path": f"/spaces/{name}/files/", **({"key": key} if key else {})}
    show(facts, as_json, [key] if key else [])


@space.command("list")
@DIRECTORY
@JSON
@handles_errors
def list_spaces(directory: Path, as_json: bool) -> None:
    """Each space: provider, service, files, bytes that lie there and may."""
    from backend.city.open_api.spaces.desk import DAY
    from backend.storage.city import spaces

    with opened(directory) as city, city.snapshot() as reader:
        for one in spaces.every(reader):
            used = spaces.used(reader, one.name, int(time.time() // DAY))
            cells = (one.name, one.provider, one.service, str(used.files), f"{used.bytes}/{one.most_bytes}")
            show({**one._asdict(), "used": used._asdict()}, as_json, [row(*cells)])


@space.command()
@DIRECTORY
@click.argument("name")
@JSON
@handles_errors
def remove(directory: Path, name: str, as_json: bool) -> None:
    """Remove the space NAME with its files. Readings that came stay until they are too old; keys are revoked apart."""
    from backend.city.open_api.spaces import desk

    with opened(directory) as city, city.transaction() as t:
        count = desk.remove(t, BY, name, time.time())
    say(phrase("spaces-removed", "{name} removed with {count} [file|files]", name=name, count=count))
    show({"name": name, "files": count}, as_json, [])


@space.command()
@DIRECTORY
@click.argument("token")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@JSON
@handles_errors
def key(directory: Path, token: str, file: Path, as_json: bool) -> None:
    """Let the public key of SSH in FILE stand for the space's key TOKEN, by its number, as long as that is valid."""
    from backend.city.open_api.spaces import desk, public_keys

    name, digest = public_keys.load(file)
    with opened(directory) as city, city.transaction() as t:
        desk.add_key(t, BY, token, digest, name, time.time())
    shown = public_keys.fingerprint(digest)
    say(phrase("spaces-key-added", "{fingerprint} stands for the key {token} now.", fingerprint=shown, token=token))
    show({"token": token, "fingerprint": shown}, as_json, [])


@space.command("host-key")
@DIRECTORY
@JSON
@handles_errors
def host_key(directory: Path, as_json: bool) -> None:
    """The public key by which providers know this server's SFTP; made where there is none yet."""
    from backend.city.open_api.spaces import public_keys, sftp

    line = public_keys.line_of(sftp.host_key(directory))
    fingerprint = public_keys.fingerprint(public_keys.digest_of(line))
    show({"key": line, "fingerprint": fingerprint}, as_json, [line, fingerprint])
