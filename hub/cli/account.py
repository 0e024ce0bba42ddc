"""`ilot account`: accounts of the pages."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hub.automation.commands.policy import ROLES
from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase, reason_of


@click.group(cls=output.Group)
def account() -> None:
    """Accounts by which people sign in on the pages of this hub."""


@account.command("list")
@output.with_hub
def listing(config: Path, state_dir: Path | None, json: bool) -> None:
    """The accounts there are, with their roles."""
    answer = ask(config, state_dir, "web.account.list")
    if json:
        output.data(answer)
        return
    rows = [(one["name"], one["role"], output.minute(one["at"])) for one in answer["accounts"]]
    output.table(("name", "role", "password-of"), rows)


@account.command("set")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="Without it an account keeps its own, and a new one is lecteur.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="A file whose first line is the password; - is stdin. Without it, it is asked for.",
)
@output.with_hub
def put(
    name: str, role: str | None, password_file: Path | None, config: Path, state_dir: Path | None, json: bool
) -> None:
    """Make an account NAME, or give one that there is this role and another password.

    Whoever is signed in with it is signed out. A password has 12 characters at least.
    """
    answer = ask(config, state_dir, "web.account.put", name=name, role=role, password=_password(password_file))
    if json:
        output.data(answer)
        return
    output.say(phrase("account-signs-in", "{name} signs in as {role}", name=answer["name"], role=answer["role"]))


@account.command()
@click.argument("name")
@output.with_hub
def remove(name: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Remove the account NAME, and sign it out. One administrateur has to remain."""
    answer = ask(config, state_dir, "web.account.remove", name=name)
    if json:
        output.data(answer)
        return
    output.say(phrase("account-removed", "{name} signs in no more", name=answer["name"]))


def _password(file: Path | None) -> str:
    if file is None:
        asked = output.translated(phrase("password-prompt", "password"))
        return str(click.prompt(asked, hide_input=True, confirmation_prompt=True, err=True))
    try:
        text = sys.stdin.readline(4096) if str(file) == "-" else file.read_text()
    except (OSError, ValueError) as error:
        raise click.UsageError(
            phrase("password-file-not-read", "the password file cannot be read: {reason}", reason=reason_of(error))
        ) from error
    return text.partition("\n")[0].rstrip("\r")
