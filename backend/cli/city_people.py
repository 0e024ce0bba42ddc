"""`ilot backend city account|journal|sign-in`: people of the city's view, what they did, and their sign-in provider."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backend.cli.console import DIRECTORY, JSON, Group, city_address, date, handles_errors, row, say, show
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.storage.city.database import CityDatabase

ROLES = ("operator", "head", "crew", "provider", "elected", "dpo", "admin")
BY = "cli"
"""Author of changes in the journal."""


@contextmanager
def opened(directory: Path) -> Iterator[CityDatabase]:
    """Open the city's database of an owner's directory for the block; the server may run meanwhile."""
    from backend.storage.city.database import open_city

    city = open_city(directory, city_address(directory))
    try:
        yield city
    finally:
        city.close()


@click.group(cls=Group)
def account() -> None:
    """Local accounts of the city's pages: for the first person, and for the day without a sign-in provider."""


@account.command()
@DIRECTORY
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the person does.")
@click.option("--full-name", default="", help="How the person is called on pages.")
@click.option("--service", "services", multiple=True, help="Service that the person sees; repeat. Default: all.")
@click.option("--sector", "sectors", multiple=True, help="Sector that the person sees; repeat. Default: all.")
@click.option("--provider", default="", help="For the role provider: whose devices it sees.")
@click.option("--class", "classes", multiple=True, help="Privacy class that the person sees; repeat.")
@JSON
@handles_errors
def add(
    directory: Path,
    name: str,
    role: str,
    full_name: str,
    services: tuple[str, ...],
    sectors: tuple[str, ...],
    provider: str,
    classes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add the account NAME, and print the code by which its person chooses a password, once, within three days."""
    from backend.city.people import accounts, scopes
    from backend.city.people.viewer import Role

    what = Role(role)
    scope = scopes.given(services, sectors, provider, classes, what)
    code, hashed = _code()
    with opened(directory) as city, city.transaction() as t:
        made = accounts.add(t, BY, name, what, scope, hashed, time.time(), full_name)
    _hand_over(name, code, made.code_until, as_json)


@account.command("code")
@DIRECTORY
@click.argument("name")
@JSON
@handles_errors
def new_code(directory: Path, name: str, as_json: bool) -> None:
    """Print another code for the account NAME, whose password was forgotten. The password goes on until then."""
    from backend.city.people import accounts

    code, hashed = _code()
    with opened(directory) as city, city.transaction() as t:
        changed = accounts.new_code(t, BY, name, hashed, time.time())
    _hand_over(name, code, changed.code_until, as_json)


@account.command("list")
@DIRECTORY
@JSON
@handles_errors
def list_accounts(directory: Path, as_json: bool) -> None:
    """Everybody who may come in: name, role, where from, state, scope."""
    from backend.storage.city import people

    with opened(directory) as city, city.snapshot() as reader:
        found = people.people(reader)
    for one in found:
        fresh = not one.secret and not one.issuer
        state = "disabled" if one.disabled else "code" if fresh else "enabled"
        facts = {
            "name": one.name, "full_name": one.full_name, "role": one.role, "issuer": one.issuer, "state": state,
            "scope": one.scope, "signed_in": one.signed_in or None,
        }  # fmt: skip
        show(facts, as_json, [row(one.name, one.role, one.issuer or "local", state, one.scope)])


@account.command()
@DIRECTORY
@click.argument("name")
@handles_errors
def disable(directory: Path, name: str) -> None:
    """Let NAME in no more, and end what is open."""
    _disable(directory, name, disabled=True)


@account.command()
@DIRECTORY
@click.argument("name")
@handles_errors
def enable(directory: Path, name: str) -> None:
    """Let NAME in again."""
    _disable(directory, name, disabled=False)


@click.group(cls=Group)
def journal() -> None:
    """What people did in the city's view, in a chain of which each line holds the one before."""


@journal.command()
@DIRECTORY
@click.option("--head", "heads", multiple=True, metavar="LINE:DIGEST", help="A head that was noted elsewhere; repeat.")
@JSON
@handles_errors
def verify(directory: Path, heads: tuple[str, ...], as_json: bool) -> None:
    """Verify the chain and every head that was noted; print the head. Exit code 7 where something is wrong."""
    from backend.city.people import journal as chain

    known = {**chain.read_heads(directory), **_heads(heads)}
    with opened(directory) as city, city.snapshot() as reader:
        found = chain.verify(reader, known)
        if found.whole:
            chain.note_head(directory, reader, time.time())
    facts = {
        "lines": found.lines, "head": f"{found.head}:{found.digest.hex()}", "wrong": found.wrong or None,
        "lost": list(found.lost), "whole": found.whole,
    }  # fmt: skip
    show(facts, as_json, [f"{found.head}:{found.digest.hex()}"])
    if found.wrong:
        say(phrase("people-journal-broken", "the journal is broken at line {line}", line=found.wrong))
    if found.lost:
        lost = list(found.lost)
        say(phrase("people-journal-lost", "the journal does not have these noted heads: {lines}", lines=lost))
    if not found.whole:
        sys.exit(7)
    say(phrase("people-journal-whole", "{count} [line|lines]: the chain is whole", count=found.lines))


@journal.command("show")
@DIRECTORY
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="The most lines.")
@click.option("--who", default="", help="Only what this account did.")
@click.option("--object", "of", default="", help="Only what was done to this.")
@JSON
@handles_errors
def show_lines(directory: Path, limit: int, who: str, of: str, as_json: bool) -> None:
    """The last lines, the newest first."""
    from backend.storage.city import journal as table

    with opened(directory) as city, city.snapshot() as reader:
        found = table.lines(reader, before=1 << 62, count=limit, who=who, object=of)
    for one in found:
        facts: dict[str, Any] = {**one._asdict(), "digest": one.digest.hex()}
        show(facts, as_json, [row(str(one.n), date(one.at), one.who, one.what, one.object, one.facts)])


@click.command("sign-in")
@DIRECTORY
@JSON
@handles_errors
def sign_in(directory: Path, as_json: bool) -> None:
    """Check the sign-in provider of DIRECTORY/oidc.toml: the file, and what the provider answers. Changes nothing."""
    from backend.city.people.oidc import settings
    from backend.city.people.oidc.provider import Provider

    found = settings.load(directory)
    if found is None:
        say(phrase("people-no-provider", "no {file}: people sign in with local accounts alone", file=settings.FILE))
        return
    provider = Provider(*found, time.time, directory)
    about = asyncio.run(provider.metadata())
    facts = {
        "issuer": about.issuer, "redirect": found[0].redirect, "form": found[0].form, "pkce": provider.uses_pkce(about),
        "rules": len(found[0].rules), "signs_out_there": bool(about.end_session_endpoint),
        "back_channel": found[0].back_channel, "back_channel_there": about.backchannel_logout_supported,
    }  # fmt: skip
    show(facts, as_json, [f"{name}\t{value}" for name, value in facts.items()])


def _disable(directory: Path, name: str, *, disabled: bool) -> None:
    from backend.city.people import accounts

    with opened(directory) as city, city.transaction() as t:
        accounts.disable(t, BY, name, time.time(), disabled=disabled)


def _code() -> tuple[str, bytes]:
    """Return a fresh code and its hash."""
    from hub.core import password_hash
    from hub.page_kit.people.passwords import new_code

    code = new_code()
    return code, password_hash.make(code)


def _hand_over(name: str, code: str, until: float, as_json: bool) -> None:
    say(
        phrase(
            "people-hand-over",
            "Give {name} this code. At /signin/code of the city's pages it lets its person choose a password, once, "
            "until {until}.",
            name=name,
            until=date(until),
        )
    )
    show({"name": name, "code": code, "until": until, "page": "/signin/code"}, as_json, [code])


def _heads(said: tuple[str, ...]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for one in said:
        number, _, digest = one.partition(":")
        try:
            found[int(number)] = bytes.fromhex(digest)
        except ValueError:
            raise click.BadParameter(phrase("people-no-head", "{text} is no head: LINE:DIGEST", text=one)) from None
    return found
