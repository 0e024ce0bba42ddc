"""`ilot config …`: what the configuration says, its history, and changes of it.

On a running hub through its control socket, so that a change is taken up, watched, and taken back where it does not
hold. Where no hub runs, on the file itself, which the next start takes up.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.config_asking import PATIENCE_S, ask, change, print_problems, tell, who, word
from hub.cli.config_values import parse_path, parse_value
from hub.errors import ConfigError, Problem

reason = click.option("--reason", default="", help="Why; it stands in the history and in the audit log.")
dry = click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
anyway = click.option("--anyway", is_flag=True, help="Keep the change also where what it names does not answer yet.")


@click.group()
def config() -> None:
    """The configuration: show it, change it, take a change back."""


@config.command()
@click.argument("revision", required=False)
@output.with_config
@output.with_state
@output.as_json
def show(revision: str | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Print the configuration file, or a version of the history, by the beginning of its name."""
    answer = ask(config, state_dir, "config.show", revision=revision or "")
    if json:
        output.data(answer)
        return
    several = len(answer["files"]) > 1
    for name, text in answer["files"].items():
        if several:
            output.say(f"# {name}")
        click.echo(text, nl=False)
    if answer.get("mode") == "managed":
        output.say(f"managed by {answer['managed_by'] or 'another system'}: not changed here")
    if answer.get("running") and answer["running"] != answer["digest"] and not revision:
        output.say("the hub runs another version; `ilot config diff` shows it, `ilot config reload` takes this one up")


@config.command("set")
@click.argument("path")
@click.argument("value", required=False)
@click.option("--remove", is_flag=True, help="Remove the option: its default counts.")
@reason
@dry
@anyway
@output.with_config
@output.with_state
@output.as_json
def set_(
    path: str, value: str | None, remove: bool, reason: str, dry_run: bool, anyway: bool, config: Path,
    state_dir: Path | None, json: bool,
) -> None:  # fmt: skip
    """Set one option: integrations.modbus.interval 30s, or 'devices["ble:A4:C1:38:01:02:03"].place' room-2.

    VALUE is written as in the file: text, a number, true, a list in [ ], a mapping in { }, !secret NAME."""
    if (value is None) == (not remove):
        raise click.UsageError("give a VALUE, or --remove")
    edit: dict[str, Any] = {"path": parse_path(path)}
    if remove:
        edit["remove"] = True
    else:
        edit["value"] = parse_value(value or "")
    change(config, state_dir, json, edits=[edit], reason=reason, dry_run=dry_run, anyway=anyway)


@config.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--as", "name", default="", help="The file that it replaces; by default the first one.")
@click.option("--base", default="", help="Only if the configuration is still this version.")
@reason
@dry
@anyway
@output.with_config
@output.with_state
@output.as_json
def apply(
    file: Path, name: str, base: str, reason: str, dry_run: bool, anyway: bool, config: Path, state_dir: Path | None,
    json: bool,
) -> None:  # fmt: skip
    """Replace the configuration by FILE (- is standard input)."""
    raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text (byte {error.start})") from None
    files = {name or config.name: text}
    change(config, state_dir, json, files=files, base=base, reason=reason, dry_run=dry_run, anyway=anyway)


@config.command()
@click.argument("revision")
@reason
@dry
@anyway
@output.with_config
@output.with_state
@output.as_json
def rollback(
    revision: str, reason: str, dry_run: bool, anyway: bool, config: Path, state_dir: Path | None, json: bool
) -> None:  # fmt: skip
    """Go back to a version of the history, by the beginning of its name."""
    change(config, state_dir, json, revision=revision, reason=reason, dry_run=dry_run, anyway=anyway)


@config.command()
@reason
@dry
@anyway
@output.with_config
@output.with_state
@output.as_json
def reload(reason: str, dry_run: bool, anyway: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Let the running hub take up a file that was edited, as SIGHUP does."""
    from hub.control import call
    from hub.state import state_of

    answer = call(
        state_of(config, state_dir) / "hub.sock", "config.reload", timeout=PATIENCE_S, by=who(), reason=reason,
        dry_run=dry_run, anyway=anyway,
    )  # fmt: skip
    tell(answer, json)


@config.command()
@click.argument("old", required=False)
@click.argument("new", required=False)
@output.with_config
@output.with_state
@output.as_json
def diff(old: str | None, new: str | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Compare: what runs with the file; version OLD with the file; version OLD with version NEW."""
    answer = ask(config, state_dir, "config.diff", against=old or "", revision=new or "")
    if json:
        output.data(answer)
    else:
        click.echo(answer["diff"], nl=False)
        if not answer["diff"]:
            output.say("no difference")


@config.command()
@output.with_config
@output.with_state
@output.as_json
def log(config: Path, state_dir: Path | None, json: bool) -> None:
    """The versions of the configuration, the newest first: who, when, why, and what was taken back."""
    answer = ask(config, state_dir, "config.log")
    if json:
        output.data(answer)
        return
    output.table(
        ("", "version", "when", "who", "what", "why"),
        [
            (
                "*" if one["runs"] else "", one["id"][:12], f"{datetime.fromtimestamp(one['at']):%Y-%m-%d %H:%M:%S}",
                one["author"], one["what"], "; ".join(filter(None, (one["reason"], one["detail"]))),
            )
            for one in answer["revisions"]
        ],
    )  # fmt: skip


@config.command()
@output.with_config
@output.with_state
@output.as_json
def confirm(config: Path, state_dir: Path | None, json: bool) -> None:
    """Keep a change of the pages' address or of the link, which is taken back when nobody says so in time."""
    word("config.confirm", config, state_dir, json)


@config.command()
@output.with_config
@output.with_state
@output.as_json
def revert(config: Path, state_dir: Path | None, json: bool) -> None:
    """Take back, now, a change that waits to be confirmed."""
    word("config.revert", config, state_dir, json)


@config.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@output.with_config
@output.with_state
@output.as_json
def check(file: Path | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Check the configuration, or FILE as if it stood in its place: every problem at once, with its line."""
    files = {config.name: file.read_bytes().decode("utf-8", "replace")} if file else {}
    answer = ask(config, state_dir, "config.check", files=files)
    if json:
        output.data(answer)
    elif answer["ok"]:
        click.echo(f"{file or config}: right")
    else:
        print_problems([Problem(**problem) for problem in answer["problems"]])
    if not answer["ok"]:
        raise click.exceptions.Exit(ConfigError.exit_code)
