"""`ilot status`: state of the running hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.backup import status_lines
from hub.cli.hub_client import ask
from hub.i18n.typography import ascii_spaces


@click.command()
@output.with_hub
def status(config: Path, state_dir: Path | None, json: bool) -> None:
    """Show the running hub: plugins, buffer, link, last values, and what was refused and why."""
    answer = ask(config, state_dir, "status")
    if json:
        output.data(answer)
    else:
        show(answer, _counted(config, state_dir, answer["counts"]))
    if answer["degraded"]:
        raise click.exceptions.Exit(6)


def _counted(config: Path, state_dir: Path | None, counts: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """Return the refusals and notes, in words; from a hub of a version without words the reasons alone."""
    from hub.rpc.control_socket import CallRefused

    try:
        rows: list[dict[str, Any]] = ask(config, state_dir, "counted")["counted"]
    except CallRefused as error:
        if counts:
            why = str(error).partition(";")[0]
            output.say(f"what was refused is shown without its meaning, {why}: restart the hub if it was updated")
        return [
            {"subject": subject, "reason": reason, "times": times, "fr": "", "en": ""}
            for subject, events in counts.items()
            for reason, times in events.items()
        ]
    return rows


def show(s: dict[str, Any], counted: list[dict[str, Any]]) -> None:
    """Print the status for people; `counted` are refusals and notes in the language of the shell."""
    buffer, link = s["buffer"], s["link"]
    click.echo(
        f"{s['hub']}  up {output.duration(s['up_s'])}  {output.plural(s['reports'], 'report')}, "
        f"{output.plural(s['readings'], 'reading')}"
    )
    click.echo(
        f"buffer  {output.plural(buffer['readings'], 'reading')} not yet acknowledged, "
        f"{output.size(buffer['bytes'])} in {output.plural(buffer['segments'], 'segment')}"
        + (f"; full in {buffer['autonomy']} without the backend" if buffer["autonomy"] else "")
        + (f"; LAST ERROR {buffer['error']}" if buffer["error"] else "")
    )
    click.echo(
        f"link    {output.plural(link['acked'], 'reading')} acknowledged, last ack "
        + (f"{output.duration(link['last_ack_s'])} ago" if link["last_ack_s"] is not None else "never")
        + (f"; {link['error']}" if link["error"] else "")
    )
    click.echo(f"        {traffic_text(link)}")
    click.echo(f"backup  {'; '.join(status_lines(s['backup'])).removeprefix('backup ')}")
    if s["mirror"]["directory"]:
        click.echo(f"mirror  {mirror_text(s['mirror'])}")
    for problem in s["degraded"]:
        click.echo(f"!       {problem}")
    click.echo()
    output.table(
        ("plugin", "state", "restarts", "problem"),
        [(p["name"], p["state"], p["restarts"], p["error"]) for p in s["plugins"]],
    )
    if s["last"]:
        click.echo()
        output.table(
            ("series", "value", "unit", "trust", "signal dBm"),
            [(v["series"], _value(v["value"]), v["unit"], v["trust"], v["rssi"]) for v in s["last"]],
        )
    if counted:
        click.echo()
        lang = "fr" if output.french() else "en"
        output.table(
            ("refused or noted", "what", "times", "meaning"),
            [(one["subject"], one["reason"], one["times"], ascii_spaces(one[lang])) for one in counted],
        )
    if s["quarantine"]:
        click.echo()
        output.table(
            ("not admitted", "model", "why", "heard"),
            [(q["id"], q["model"], q["reason"], q["count"]) for q in s["quarantine"]],
        )


def traffic_text(link: dict[str, Any]) -> str:
    """Return this month's traffic of the link."""
    month, metered = link["month"], "metered, " if link["metered"] else ""
    since = month["month"] or "this month"
    return f"{metered}{since}: {output.size(month['up'])} up, {output.size(month['down'])} down"


def mirror_text(mirror: dict[str, Any]) -> str:
    """Return the state of the copies on the other disk."""
    said = [
        f"{output.plural(mirror['copies'], 'segment')} copied, {output.size(mirror['bytes'])} in {mirror['directory']}"
    ]
    said += [f"{mirror['waiting']} wait for a copy"] if mirror["waiting"] else []
    said += [f"{mirror['given_up']} given up for room"] if mirror["given_up"] else []
    return "; ".join([*said, *([mirror["error"]] if mirror["error"] else [])])


def _value(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else value
