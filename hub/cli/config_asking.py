"""What `ilot config` asks of the running hub, or else of the files, and how it tells the answer."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.errors import ConfigError, HubError, NotReady, Problem

PATIENCE_S = 400.0


def ask(config: Path, state_dir: Path | None, call_: str, **arguments: Any) -> Any:
    """By the running hub, or else on the file."""
    from hub.control import call
    from hub.state import state_of

    socket = state_of(config, state_dir) / "hub.sock"
    try:
        return call(socket, call_, timeout=PATIENCE_S, **arguments)
    except NotReady:
        from hub.cli.offline import offline

        return offline(config, state_of(config, state_dir), call_, arguments)


def change(config: Path, state_dir: Path | None, json: bool, **arguments: Any) -> None:
    """Ask for a change and tell what became of it. Raises HubError; exits with a code where it was refused."""
    from hub.control import Refused

    try:
        answer = ask(config, state_dir, "config.apply", by=who(), **arguments)
    except (ConfigError, Refused) as error:
        if error.exit_code != ConfigError.exit_code:
            raise
        problems = _problems(error, config, state_dir, arguments)
        if json:
            output.data({"state": "refused", "problems": [str(problem) for problem in problems]})
        else:
            print_problems(problems)
        raise click.exceptions.Exit(ConfigError.exit_code) from None
    tell(answer, json)


def _problems(error: HubError, config: Path, state_dir: Path | None, arguments: dict[str, Any]) -> list[Problem]:
    """What is wrong, with its lines: the running hub says an error in a sentence only."""
    if isinstance(error, ConfigError):
        return error.problems
    told = {name: value for name, value in arguments.items() if name in ("files", "edits", "revision")}
    found = ask(config, state_dir, "config.check", **told)["problems"]
    return [Problem(**one) for one in found] or [Problem(str(error))]


def tell(answer: dict[str, Any], json: bool) -> None:
    """What became of a change; exits with 6 where it was taken back."""
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


def word(call_: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Say to the running hub what it waits for."""
    from hub.control import call
    from hub.state import state_of

    answer = call(state_of(config, state_dir) / "hub.sock", call_, timeout=PATIENCE_S, by=who())
    if json:
        output.data(answer)
    else:
        output.say("kept" if answer["state"] == "committed" else f"taken back: {answer['why']}")


def print_problems(problems: list[Problem]) -> None:
    """On stderr, each with its line."""
    from hub.config.terminal import render

    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    click.echo(render(problems, colour=colour), err=True, nl=False)


def who() -> str:
    """Who types this."""
    return f"cli:{os.environ.get('SUDO_USER') or getpass.getuser()}"
