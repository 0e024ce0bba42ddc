"""`ilot badge` and `ilot token`: access besides accounts."""

from __future__ import annotations

import base64
from pathlib import Path

import click

from hub.automation.commands.policy import ROLES
from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase


@click.group(cls=output.Group)
def badge() -> None:
    """Badges that the district signs, and those that it withdrew."""


@badge.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--dry-run", is_flag=True, help="Check the list and change nothing.")
@output.with_hub
def load(file: Path, dry_run: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Load the district's signed list of withdrawn badges, where the hub has no network to fetch it."""
    document = base64.b64encode(file.read_bytes()).decode()
    answer = ask(config, state_dir, "badge.load", document=document, dry_run=dry_run)
    if json:
        output.data(answer)
        return
    output.echo(
        phrase(
            "badge-list-number",
            "number {number}, {count} [badge|badges] withdrawn",
            number=answer["number"],
            count=answer["revoked"],
        )
    )
    if not answer["newer"]:
        output.say(phrase("badge-list-known", "nothing newer than known"))
    elif dry_run:
        output.say(phrase("badge-list-newer", "newer"))
    else:
        output.say(phrase("badge-list-loaded", "loaded"))


@badge.command()
@output.with_hub
def status(config: Path, state_dir: Path | None, json: bool) -> None:
    """Whether this hub takes badges, and which list of withdrawn ones it has."""
    answer = ask(config, state_dir, "badge.status")
    if json:
        output.data(answer)
        return
    for name, value in answer.items():
        click.echo(f"{name:8} {'' if value is None else value}")


@click.group(cls=output.Group)
def token() -> None:
    """Tokens by which scripts use the hub's API."""


@token.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="lecteur", show_default=True)
@click.option("--days", type=click.FloatRange(0.01, 366), default=90, show_default=True, help="How long it is good.")
@output.with_hub
def create(name: str, role: str, days: float, config: Path, state_dir: Path | None, json: bool) -> None:
    """Make a token for NAME and print it: once, since only its hash is kept."""
    answer = ask(config, state_dir, "web.token.make", title=name, role=role, days=days)
    if json:
        output.data(answer)
        return
    click.echo(answer["token"])
    output.say(phrase("token-shown-once", "send it as `Authorization: Bearer …`; it is shown here and never again"))


@token.command("list")
@output.with_hub
def listing(config: Path, state_dir: Path | None, json: bool) -> None:
    """The tokens there are, without their secrets."""
    answer = ask(config, state_dir, "web.token.list")
    if json:
        output.data(answer)
        return
    rows = [(one["id"], one["role"], one["name"], output.minute(one["expires"])) for one in answer["tokens"]]
    output.table(("id", "role", "name", "until"), rows)


@token.command()
@click.argument("number", metavar="ID")
@output.with_hub
def revoke(number: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """A token is worth nothing from now on."""
    answer = ask(config, state_dir, "web.token.revoke", id=number)
    if json:
        output.data(answer)
        return
    output.say(phrase("token-revoked", "{name}'s token is worth nothing now", name=answer["name"]))
