"""`ilot config …`: the configuration, its history, and changes of it.

With a running hub through its control socket, so that a change is applied, watched, and undone if it fails. Without
one, on the file itself, which the next start applies.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.config.hub_calls import (
    Target,
    answer_pending,
    change,
    print_problems,
    print_result,
    with_change,
    with_file_name,
    with_target,
)
from hub.cli.config.values import parse_path, parse_value
from hub.core.errors import ConfigError, Problem
from hub.core.text import phrase


@click.group(cls=output.Group)
def config() -> None:
    """The configuration: show it, change it, take a change back."""


@config.command()
@click.argument("revision", required=False)
@with_target
def show(to: Target, revision: str | None) -> None:
    """Print the configuration file, or a version of the history, by the beginning of its name."""
    answer = to.ask("config.show", revision=revision or "")
    if to.json:
        output.data(answer)
        return
    several = len(answer["files"]) > 1
    for name, text in answer["files"].items():
        if several:
            output.say(f"# {name}")
        click.echo(text, nl=False)
    if answer.get("mode") == "managed":
        by = answer["managed_by"] or phrase("another-system", "another system")
        output.say(phrase("configuration-managed-by", "managed by {manager}: not changed here", manager=by))
    if answer.get("running") and answer["running"] != answer["digest"] and not revision:
        output.say(
            phrase(
                "hub-runs-another-version",
                "the hub runs another version; `ilot config diff` shows it, `ilot config reload` takes this one up",
            )
        )


@config.command("set")
@click.argument("path")
@click.argument("value", required=False)
@click.option("--remove", is_flag=True, help="Remove the option: its default counts.")
@with_change
def set_(to: Target, path: str, value: str | None, remove: bool, how: dict[str, Any]) -> None:
    """Set one option: integrations.modbus.interval 30s, or 'devices["ble:A4:C1:38:01:02:03"].place' room-2.

    VALUE is written as in the file: text, a number, true, a list in [ ], a mapping in { }, !secret NAME."""
    if (value is None) == (not remove):
        raise click.UsageError(phrase("value-or-remove-missing", "give a VALUE, or --remove"))
    edit: dict[str, Any] = {"path": parse_path(path)}
    if remove:
        edit["remove"] = True
    else:
        edit["value"] = parse_value(value or "")
    change(to, edits=[edit], **how)


@config.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--as", "name", default="", help="The file that it replaces; by default the first one.")
@click.option("--base", default="", help="Only if the configuration is still this version.")
@with_change
def apply(to: Target, file: Path, name: str, base: str, how: dict[str, Any]) -> None:
    """Replace the configuration by FILE (- is standard input)."""
    raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            phrase("file-not-utf-8", "{file} is not UTF-8 text (byte {byte})", file=file, byte=error.start)
        ) from None
    first = name in ("", to.config.name)
    change(to, stands_for=file if first else None, files={name or to.config.name: text}, base=base, **how)


@config.command()
@click.argument("revision")
@with_change
def rollback(to: Target, revision: str, how: dict[str, Any]) -> None:
    """Go back to a version of the history, by the beginning of its name."""
    change(to, revision=revision, **how)


@config.command()
@with_change
def reload(to: Target, how: dict[str, Any]) -> None:
    """Let the running hub take up a file that was edited, as SIGHUP does."""
    print_result(to.running("config.reload", **how), to.json)


@config.command()
@click.argument("old", required=False)
@click.argument("new", required=False)
@with_target
def diff(to: Target, old: str | None, new: str | None) -> None:
    """Compare: what runs with the file; version OLD with the file; version OLD with version NEW."""
    answer = to.ask("config.diff", against=old or "", revision=new or "")
    if to.json:
        output.data(answer)
    else:
        click.echo(answer["diff"], nl=False)
        if not answer["diff"]:
            output.say(phrase("no-difference", "no difference"))


@config.command()
@with_target
def log(to: Target) -> None:
    """The versions of the configuration, the newest first: who, when, why, and what was taken back."""
    answer = to.ask("config.log")
    if to.json:
        output.data(answer)
        return
    output.table(
        ("", "version", "when", "who", "what", "why"),
        [
            (
                "*" if one["runs"] else "", one["id"][:12], output.moment(one["at"]),
                one["author"], one["what"], _why(one),
            )
            for one in answer["revisions"]
        ],
    )  # fmt: skip


def _why(revision: dict[str, Any]) -> str:
    return output.in_a_row(said for said in (revision["reason"], revision["detail"]) if said)


@config.command()
@with_target
def confirm(to: Target) -> None:
    """Keep a change of the pages' address or of the link, which is taken back when nobody says so in time."""
    answer_pending("config.confirm", to)


@config.command()
@with_target
def revert(to: Target) -> None:
    """Take back, now, a change that waits to be confirmed."""
    answer_pending("config.revert", to)


@config.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@with_target
def check(to: Target, file: Path | None) -> None:
    """Check the configuration, or FILE as if it stood in its place: every problem at once, with its line."""
    files = {to.config.name: file.read_bytes().decode("utf-8", "replace")} if file else {}
    answer = to.ask("config.check", files=files)
    problems = with_file_name([Problem(**problem) for problem in answer["problems"]], to.config, file)
    if to.json:
        output.data({**answer, "problems": [asdict(problem) for problem in problems]})
    elif answer["ok"]:
        output.echo(phrase("configuration-right", "{file}: right", file=file or to.config))
    else:
        print_problems(problems)
    if not answer["ok"]:
        raise click.exceptions.Exit(ConfigError.exit_code)
