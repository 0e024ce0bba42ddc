"""`ilot command set|release|list|stop|resume`: commands to devices."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.config.values import duration
from hub.core.text import phrase, reason_of

FINAL = ("done", "failed", "expired")

why = click.option("--why", required=True, help="Your reason; it stands in the audit log.")

sometimes_why = click.option(
    "--why", default="", help="Your reason, for the audit log; needed where the device's `writable:` asks for one."
)


@click.group(cls=output.Group)
def command() -> None:
    """Write to devices. Only what the configuration lists as writable is written, and all of it is audited."""


@command.command("set")
@click.argument("device")
@click.argument("metric")
@click.argument("value", nargs=-1, required=True)
@sometimes_why
@click.option("--for", "ttl", default=None, metavar="DURATION", help="How long it may wait to be sent: 5min, 1d.")
@click.option("--wait", "seconds", default=10.0, show_default=True, help="Seconds to wait for what comes of it.")
@output.with_hub
def set_value(
    device: str,
    metric: str,
    value: tuple[str, ...],
    why: str,
    ttl: str | None,
    seconds: float,
    config: Path,
    state_dir: Path | None,
    json: bool,
) -> None:
    """Write VALUE to METRIC of DEVICE: a number in the metric's unit, true or false, or text.

    A downlink that the device's pack knows is written by its name, with its values as name=number."""
    said: dict[str, Any] = {"values": _named(value)} if "=" in value[0] else {"value": " ".join(value)}
    _order(config, state_dir, json, seconds, device=device, metric=metric, why=why, ttl_s=_seconds(ttl), **said)


@command.command()
@click.argument("device")
@click.argument("metric")
@sometimes_why
@click.option("--wait", "seconds", default=10.0, show_default=True, help="Seconds to wait for what comes of it.")
@output.with_hub
def release(
    device: str, metric: str, why: str, seconds: float, config: Path, state_dir: Path | None, json: bool
) -> None:
    """Let METRIC of DEVICE go: what controlled it before takes over again, where the device knows how (BACnet)."""
    _order(config, state_dir, json, seconds, device=device, metric=metric, why=why, release=True)


@command.command("list")
@click.option("-n", "limit", default=20, show_default=True, help="How many, the newest first.")
@output.with_hub
def listing(limit: int, config: Path, state_dir: Path | None, json: bool) -> None:
    """The last commands and what came of them."""
    answer = ask(config, state_dir, "command.list", limit=limit)
    if json:
        output.data(answer)
        return
    output.table(
        ("when", "id", "device", "what", "old", "new", "by", "why", "state", "detail"),
        [
            (
                output.moment(c["at"]), c["id"], c["device"], c["metric"],
                c["old"], _new(c), c["by"], c["why"], output.word("command", c["state"]), c["detail"],
            )
            for c in answer["commands"]
        ],
    )  # fmt: skip
    if stopped := answer["stopped"]:
        output.say(
            phrase(
                "all-writes-stopped-by",
                "all writes are stopped by {by}: {reason}",
                by=stopped["by"],
                reason=stopped["why"],
            )
        )


@command.command()
@why
@output.with_hub
def stop(why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Stop all writes now, until `resume` (code de la construction, R175-3 4°). What this hub wrote is let go where
    the device knows how; everywhere else the field controllers go on with the last value."""
    answer = ask(config, state_dir, "command.stop", why=why)
    if json:
        output.data(answer)
        return
    output.echo(phrase("all-writes-stopped-now", "all writes are stopped, also after a restart"))
    for one in answer["released"]:
        output.echo(
            phrase(
                "letting-go",
                "letting go: {metric} of {device} ({command})",
                metric=one["metric"],
                device=one["device"],
                command=one["id"],
            )
        )


@command.command()
@why
@output.with_hub
def resume(why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Allow writes again."""
    answer = ask(config, state_dir, "command.resume", why=why)
    if json:
        output.data(answer)
    else:
        output.echo(phrase("writes-allowed-again", "writes are allowed again"))


def _order(config: Path, state_dir: Path | None, json: bool, seconds: float, **order: Any) -> None:
    # Only root and the hub's user reach the socket: the person at the machine is named as the author.
    now = ask(config, state_dir, "command.set", role="administrateur", **order)
    shown, until = "", time.monotonic() + seconds
    while True:
        if not json and shown != now["state"]:
            shown = now["state"]
            output.say(sentence(now))
        left = until - time.monotonic()
        if now["state"] in FINAL or left <= 0:
            break
        now = ask(config, state_dir, "command.wait", id=now["id"], seconds=min(left, 1.0))
    if json:
        output.data(now)
    if now["state"] in ("failed", "expired"):
        sys.exit(1)


def sentence(command: dict[str, Any]) -> str:
    """Return how a command stands, in the language of the shell."""
    state = output.translated(output.word("command", command["state"]))
    return f"{command['id']}: {state} {output.translated(command['detail'])}".rstrip()


def _named(words: tuple[str, ...]) -> dict[str, float]:
    values = {}
    for word in words:
        name, _, number = word.partition("=")
        try:
            values[name] = float(number)
        except ValueError:
            raise click.UsageError(phrase("downlink-value-form", "{word!r}: expected name=number", word=word)) from None
    return values


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return duration(text).total_seconds()
    except ValueError as error:
        raise click.UsageError(phrase("option-for-wrong", "--for: {reason}", reason=reason_of(error))) from None


def _new(command: dict[str, Any]) -> str:
    if command["values"] is not None:
        return " ".join(f"{name}={value:g}" for name, value in command["values"].items())
    return phrase("value-let-go", "(let go)") if command["value"] is None else str(command["value"])
