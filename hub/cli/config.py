"""`ilot config …`: what the configuration says, its history, and changes of it.

On a running hub through its control socket, so that a change is taken up, watched, and taken back where it does not
hold. Where no hub runs, on the file itself, which the next start takes up.
"""

from __future__ import annotations

import getpass
import json as jsonlib
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.errors import ConfigError, HubError, NotReady, Problem

PATIENCE_S = 400.0

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
    answer = _ask(config, state_dir, "config.show", revision=revision or "")
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
    _change(config, state_dir, json, edits=[edit], reason=reason, dry_run=dry_run, anyway=anyway)


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
    _change(config, state_dir, json, files=files, base=base, reason=reason, dry_run=dry_run, anyway=anyway)


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
    _change(config, state_dir, json, revision=revision, reason=reason, dry_run=dry_run, anyway=anyway)


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
        state_of(config, state_dir) / "hub.sock", "config.reload", timeout=PATIENCE_S, by=_who(), reason=reason,
        dry_run=dry_run, anyway=anyway,
    )  # fmt: skip
    _tell(answer, json)


@config.command()
@click.argument("old", required=False)
@click.argument("new", required=False)
@output.with_config
@output.with_state
@output.as_json
def diff(old: str | None, new: str | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Compare: what runs with the file; version OLD with the file; version OLD with version NEW."""
    answer = _ask(config, state_dir, "config.diff", against=old or "", revision=new or "")
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
    answer = _ask(config, state_dir, "config.log")
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
    _word("config.confirm", config, state_dir, json)


@config.command()
@output.with_config
@output.with_state
@output.as_json
def revert(config: Path, state_dir: Path | None, json: bool) -> None:
    """Take back, now, a change that waits to be confirmed."""
    _word("config.revert", config, state_dir, json)


@config.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@output.with_config
@output.with_state
@output.as_json
def check(file: Path | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Check the configuration, or FILE as if it stood in its place: every problem at once, with its line."""
    files = {config.name: file.read_bytes().decode("utf-8", "replace")} if file else {}
    answer = _ask(config, state_dir, "config.check", files=files)
    if json:
        output.data(answer)
    elif answer["ok"]:
        click.echo(f"{file or config}: right")
    else:
        _render([Problem(**problem) for problem in answer["problems"]])
    if not answer["ok"]:
        raise click.exceptions.Exit(ConfigError.exit_code)


def parse_path(text: str) -> list[str | int]:
    """`devices["modbus:meter"].settings.registers[0]` → its parts. Raises UsageError."""
    import re

    parts: list[str | int] = []
    step = re.compile(r'\.?([A-Za-z_][\w-]*)|\[(\d+)\]|\.?\["((?:[^"\\]|\\.)*)"\]')
    at = 0
    while at < len(text):
        found = step.match(text, at)
        if found is None or (at == 0 and text[0] == "."):
            raise click.UsageError(f'{text!r} is not a path; like integrations.modbus.interval or devices["a:b"].place')
        name, index, quoted = found.groups()
        parts.append(int(index) if index is not None else name if name is not None else jsonlib.loads(f'"{quoted}"'))
        at = found.end()
    if not parts:
        raise click.UsageError("a path is missing")
    return parts


def parse_value(text: str) -> Any:
    """A value as the file has it. Raises ConfigError."""
    from hub.config.positions import SecretRef
    from hub.config.source import parse

    def plain(value: Any) -> Any:
        if isinstance(value, SecretRef):
            return {"!secret": value.name}
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    try:
        return plain(parse(f"value: {text}", "VALUE")["value"])
    except ConfigError:
        if "\n" in text or text[:1] in "[{!\"'&*|>%@`":
            raise
        return text  # `a: b` and the like: a plain word of somebody who is not thinking of YAML


def _ask(config: Path, state_dir: Path | None, call_: str, **arguments: Any) -> Any:
    """By the running hub, or else on the file."""
    from hub.control import call
    from hub.state import state_of

    socket = state_of(config, state_dir) / "hub.sock"
    try:
        return call(socket, call_, timeout=PATIENCE_S, **arguments)
    except NotReady:
        from hub.cli.offline import offline

        return offline(config, state_of(config, state_dir), call_, arguments)


def _change(config: Path, state_dir: Path | None, json: bool, **arguments: Any) -> None:
    from hub.control import Refused

    try:
        answer = _ask(config, state_dir, "config.apply", by=_who(), **arguments)
    except (ConfigError, Refused) as error:
        if error.exit_code != ConfigError.exit_code:
            raise
        problems = _problems(error, config, state_dir, arguments)
        if json:
            output.data({"state": "refused", "problems": [str(problem) for problem in problems]})
        else:
            _render(problems)
        raise click.exceptions.Exit(ConfigError.exit_code) from None
    _tell(answer, json)


def _problems(error: HubError, config: Path, state_dir: Path | None, arguments: dict[str, Any]) -> list[Problem]:
    """What is wrong, with its lines: the running hub says an error in a sentence only."""
    if isinstance(error, ConfigError):
        return error.problems
    told = {name: value for name, value in arguments.items() if name in ("files", "edits", "revision")}
    found = _ask(config, state_dir, "config.check", **told)["problems"]
    return [Problem(**one) for one in found] or [Problem(str(error))]


def _tell(answer: dict[str, Any], json: bool) -> None:
    state = answer["state"]
    if json:
        output.data(answer)
    else:
        click.echo(answer["diff"], nl=False)
        for sentence in _sentences(answer):
            output.say(sentence)
    if state == "taken-back":
        raise click.exceptions.Exit(6)


def _sentences(answer: dict[str, Any]) -> list[str]:
    said = [undone] if (undone := answer.get("undone")) else []
    if instances := answer.get("instances"):
        said.append("instances: " + ", ".join(f"{one['name']} {one['how']}" for one in instances))
    if parts := answer.get("parts"):
        said.append(f"taken up without a restart: {', '.join(parts)}")
    if restart := answer.get("restart"):
        said.append(f"needs a restart of the hub: {', '.join(restart)}")
    states: dict[str, Callable[[], str]] = {
        "same": lambda: "nothing changes",
        "planned": lambda: "nothing was changed" + (
            f"; applied, it would wait {answer.get('confirm_s', 0):.0f} s for `ilot config confirm`"
            if answer.get("lockout") else ""
        ),
        "committed": lambda: f"done: version {answer['digest'][:12]}",
        "written": lambda: (
            f"written: version {answer['digest'][:12]}; no hub runs, the next start takes it up"
            + ("" if answer.get("remembered", True) else "; this hub is not enrolled, so there is no history yet")
        ),
        "unconfirmed": lambda: (
            f"done, but not kept yet: `ilot config confirm` within {answer['confirm_s']:.0f} s, or it is taken back"
        ),
        "taken-back": lambda: f"taken back: {answer['why']}",
    }  # fmt: skip
    return [*said, states[answer["state"]]()]


def _word(call_: str, config: Path, state_dir: Path | None, json: bool) -> None:
    from hub.control import call
    from hub.state import state_of

    answer = call(state_of(config, state_dir) / "hub.sock", call_, timeout=PATIENCE_S, by=_who())
    if json:
        output.data(answer)
    else:
        output.say("kept" if answer["state"] == "committed" else f"taken back: {answer['why']}")


def _render(problems: list[Problem]) -> None:
    from hub.config.terminal import render

    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    click.echo(render(problems, colour=colour), err=True, nl=False)


def _who() -> str:
    return f"cli:{os.environ.get('SUDO_USER') or getpass.getuser()}"
