"""Calls of `ilot config` to the running hub, or else on the files, and the output of their answers."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.errors import ConfigError, HubError, NotReady, Problem
from hub.core.text import Phrase, phrase, reason_of

PATIENCE_S = 400.0


class Target(NamedTuple):
    """The hub and output of a command."""

    config: Path
    state_dir: Path | None
    json: bool

    @property
    def state(self) -> Path:
        from hub.config.state_dir import state_of

        return state_of(self.config, self.state_dir)

    def running(self, call_: str, **arguments: Any) -> Any:
        """Call the running hub. Raises NotReady without one."""
        return ask(self.config, self.state_dir, call_, timeout=PATIENCE_S, **arguments)

    def ask(self, call_: str, **arguments: Any) -> Any:
        """Call the running hub, or else work on the file."""
        try:
            return self.running(call_, **arguments)
        except NotReady:
            from hub.cli.config.offline import offline

            return offline(self.config, self.state, call_, arguments)


def with_target(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with these three options; it receives a `Target`."""

    @functools.wraps(command)
    def given(config: Path, state_dir: Path | None, json: bool, **others: Any) -> None:
        command(Target(config, state_dir, json), **others)

    return output.with_hub(given)


def with_change(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command that changes something: it receives a `Target`, and `how` to make the change."""

    @functools.wraps(command)
    def given(to: Target, reason: str, dry_run: bool, anyway: bool, **others: Any) -> None:
        command(to, how={"reason": reason, "dry_run": dry_run, "anyway": anyway}, **others)

    asked = with_target(given)
    for option in (
        click.option("--anyway", is_flag=True, help="Keep the change also where what it names does not answer yet."),
        click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing."),
        click.option("--reason", default="", help="Why; it stands in the history and in the audit log."),
    ):
        asked = option(asked)
    return asked


def change(to: Target, *, stands_for: Path | None = None, **arguments: Any) -> None:
    """Request a change and print its result; `stands_for`: the file that the text was read from. Raises HubError; exits
    with a code when it was refused."""
    from hub.rpc.control_socket import CallRefused

    try:
        answer = to.ask("config.apply", **arguments)
    except (ConfigError, CallRefused) as error:
        if error.exit_code != ConfigError.exit_code:
            raise
        problems = with_file_name(_problems(error, to, arguments), to.config, stands_for)
        if to.json:
            output.data({"state": "refused", "problems": [problem.sentence for problem in problems]})
        else:
            print_problems(problems)
        raise click.exceptions.Exit(ConfigError.exit_code) from None
    print_result(answer, to.json)


def with_file_name(problems: list[Problem], config: Path, stands_for: Path | None) -> list[Problem]:
    """Return the problems with the name of the file that the text was read from, which is not `config`."""
    if stands_for is None:
        return problems
    there = config.resolve()
    return [replace(one, file=str(stands_for)) if Path(one.file).resolve() == there else one for one in problems]


def _problems(error: HubError, to: Target, arguments: dict[str, Any]) -> list[Problem]:
    """Return the problems with their lines: the running hub reports an error as a sentence only."""
    if isinstance(error, ConfigError):
        return error.problems
    told = {name: value for name, value in arguments.items() if name in ("files", "edits", "revision")}
    found = to.ask("config.check", **told)["problems"]
    return [Problem(**one) for one in found] or [Problem(reason_of(error))]


def print_result(answer: dict[str, Any], json: bool) -> None:
    """Print the result of a change; exit with 6 when it was undone."""
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
    said: list[str] = [undone] if (undone := answer.get("undone")) else []
    if instances := answer.get("instances"):
        changed = [
            phrase("instance-changed", "{instance} {how}", instance=one["name"], how=_HOW.get(one["how"], one["how"]))
            for one in instances
        ]
        said.append(phrase("change-of-instances", "instances: {instances}", instances=changed))
    if parts := answer.get("parts"):
        said.append(phrase("change-without-restart", "taken up without a restart: {sections}", sections=parts))
    if restart := answer.get("restart"):
        said.append(phrase("change-needs-restart", "needs a restart of the hub: {options}", options=restart))
    return [*said, *_state(answer)]


_HOW = {
    "added": phrase("instance-added", "added"),
    "removed": phrase("instance-removed", "removed"),
    "changed": phrase("instance-was-changed", "changed"),
}


def _state(answer: dict[str, Any]) -> list[Phrase]:
    """Return what became of a change."""
    version = str(answer.get("digest", ""))[:12]
    seconds = round(answer.get("confirm_s", 0))
    match answer["state"]:
        case "same":
            return [phrase("change-of-nothing", "nothing changes")]
        case "planned" if answer.get("lockout"):
            return [
                phrase(
                    "change-would-wait",
                    "nothing was changed; applied, it would wait {seconds} s for `ilot config confirm`",
                    seconds=seconds,
                )
            ]
        case "planned":
            return [phrase("change-planned", "nothing was changed")]
        case "committed":
            return [phrase("change-committed", "done: version {version}", version=version)]
        case "written":
            written = phrase(
                "change-written", "written: version {version}; no hub runs, the next start takes it up", version=version
            )
            if answer.get("remembered", True):
                return [written]
            return [written, phrase("change-without-history", "this hub is not enrolled, so there is no history yet")]
        case "unconfirmed":
            return [
                phrase(
                    "change-unconfirmed",
                    "done, but not kept yet: `ilot config confirm` within {seconds} s, or it is taken back",
                    seconds=seconds,
                )
            ]
        case _:
            return [_taken_back(answer)]


def _taken_back(answer: dict[str, Any]) -> Phrase:
    return phrase("change-taken-back-because", "taken back: {reason}", reason=answer["why"])


def answer_pending(call_: str, to: Target) -> None:
    """Confirm or undo the pending change of the running hub."""
    answer = to.running(call_)
    if to.json:
        output.data(answer)
    else:
        output.say(phrase("change-kept", "kept") if answer["state"] == "committed" else _taken_back(answer))


def print_problems(problems: list[Problem]) -> None:
    """Print problems on stderr, each with its line."""
    from hub.cli.problems import render

    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    click.echo(render(problems, colour=colour, french=output.french()), err=True, nl=False)
