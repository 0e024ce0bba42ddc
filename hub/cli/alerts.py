"""`ilot alerts [list|ack|mute|clear]`: alerts of this hub's rules, and people's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.config.values import duration
from hub.core.text import phrase, reason_of

why = click.option("--why", default="", help="Your reason; it stands in the audit log.")


@click.group(cls=output.Group, invoke_without_command=True)
@output.with_hub
@click.pass_context
def alerts(context: click.Context, config: Path, state_dir: Path | None, json: bool) -> None:
    """The alerts of the running hub. Without a command: those that are open."""
    if context.invoked_subcommand is None:
        _list(config, state_dir, json, everything=False, limit=1000)


@alerts.command("list")
@click.option("--all", "everything", is_flag=True, help="Cleared ones too, the newest first.")
@click.option("-n", "limit", default=100, show_default=True, help="How many of all.")
@output.with_hub
def listing(everything: bool, limit: int, config: Path, state_dir: Path | None, json: bool) -> None:
    """The open alerts, the newest first."""
    _list(config, state_dir, json, everything=everything, limit=limit)


@alerts.command()
@click.argument("alert")
@output.with_hub
def show(alert: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Why ALERT was raised, and what became of it."""
    one = ask(config, state_dir, "alert.show", id=alert)
    if json:
        output.data(one)
        return
    click.echo(_sentence(one))
    output.echo(
        phrase(
            "alert-facts",
            "{severity}, {state}, rule {rule}, {subject}",
            severity=output.word("severity", one["severity"]),
            state=output.word("alert", one["state"]),
            rule=one["rule"],
            subject=one["device"] or one["zone"],
        )
    )
    for name, said in one["evidence"].items():
        click.echo(f"  {name}: {output.translated(said)}")
    output.table(
        ("when", "state", "by", "why"),
        [
            (output.moment(step["at"]), output.word("alert", step["state"]), step["by"], step["why"])
            for step in one["story"]
        ],
    )


@alerts.command()
@click.argument("alert")
@why
@output.with_hub
def ack(alert: str, why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Acknowledge ALERT: you have seen it and look after it. It stays until its rule is over."""
    _act(config, state_dir, json, "alert.ack", id=alert, why=why)


@alerts.command()
@click.argument("alert")
@click.option("--for", "time", default="1h", show_default=True, metavar="DURATION", help="For how long: 30min, 2d.")
@why
@output.with_hub
def mute(alert: str, time: str, why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Say nothing of ALERT for a while; if it still holds then, it is raised again."""
    try:
        seconds = duration(time).total_seconds()
    except ValueError as error:
        raise click.UsageError(phrase("option-for-wrong", "--for: {reason}", reason=reason_of(error))) from None
    _act(config, state_dir, json, "alert.mute", id=alert, why=why, seconds=seconds)


@alerts.command()
@click.argument("alert")
@why
@output.with_hub
def clear(alert: str, why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Close ALERT. Its rule raises a new one when it has been over and holds again."""
    _act(config, state_dir, json, "alert.clear", id=alert, why=why)


def _list(config: Path, state_dir: Path | None, json: bool, *, everything: bool, limit: int) -> None:
    answer = ask(config, state_dir, "alert.list", all=everything, limit=limit)
    if json:
        output.data(answer)
        return
    output.table(
        ("since", "id", "severity", "state", "rule", "what", "by"),
        [
            (
                output.moment(one["raised"]), one["id"], output.word("severity", one["severity"]),
                output.word("alert", one["state"]), one["rule"], _sentence(one), one["by"],
            )
            for one in answer["alerts"]
        ],
    )  # fmt: skip


def _act(config: Path, state_dir: Path | None, json: bool, name: str, **arguments: Any) -> None:
    answer = ask(config, state_dir, name, **arguments)
    if json:
        output.data(answer)
    else:
        output.echo(
            phrase(
                "alert-state-by",
                "{alert}: {state} by {by}",
                alert=answer["id"],
                state=output.word("alert", answer["state"]),
                by=answer["by"],
            )
        )


def _sentence(alert: dict[str, Any]) -> str:
    return str(alert["text_fr"] if output.french() else alert["text"])
