"""`ilot status`: state of the running hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.backup import status_lines
from hub.cli.hub_client import ask
from hub.core.text import phrase

BUFFER, LINK = phrase("status-buffer", "buffer"), phrase("status-link", "link")
BACKUP, MIRROR = phrase("status-backup", "backup"), phrase("status-mirror", "mirror")
PAGES = phrase("status-pages", "pages")
MEMORY = phrase("status-memory", "memory")
_NAMES = (BUFFER, LINK, BACKUP, MIRROR, MEMORY, PAGES)


@click.command()
@output.with_hub
def status(config: Path, state_dir: Path | None, json: bool) -> None:
    """Show the running hub: plugins, buffer, link, last values, and what was refused and why."""
    answer = ask(config, state_dir, "status")
    if json:
        output.data(answer)
    elif not answer.get("enrolled", True):
        _show_waiting(answer)
    else:
        show(answer, _counted(config, state_dir, answer["counts"]))
    if answer["degraded"]:
        raise click.exceptions.Exit(6)


def _plugin(one: dict[str, Any]) -> tuple[Any, ...]:
    runs = output.word("runs", one.get("runs", ""))  # a hub of a former version does not say
    return one["name"], output.word("plugin", one["state"]), runs, one["restarts"], one["error"]


def _show_waiting(answer: dict[str, Any]) -> None:
    """Print the status of a hub that is not enrolled yet."""
    output.echo(phrase("status-waits", "{hub}  up {span}", hub=answer["hub"], span=output.duration(answer["up_s"])))
    web = answer["web"]
    if web.get("url"):
        not_yet = phrase("status-not-claimed", "not claimed yet: `ilot label` shows the code")
        _line(PAGES, web["url"], phrase("status-claimed", "claimed") if web["claimed"] else not_yet)
    if answer["error"]:
        _line("!", phrase("status-enrolment-failed", "the last enrolment failed: {reason}", reason=answer["error"]))
    for problem in answer["degraded"]:
        _line("!", problem)


def _counted(config: Path, state_dir: Path | None, counts: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """Return the refusals and notes, in words; from a hub of a version without words the reasons alone."""
    from hub.rpc.control_socket import CallRefused

    try:
        rows: list[dict[str, Any]] = ask(config, state_dir, "counted")["counted"]
    except CallRefused:
        if counts:
            output.say(
                phrase(
                    "refusals-without-meaning",
                    "what was refused is shown without its meaning: restart the hub if it was updated",
                )
            )
        return [
            {"subject": subject, "reason": reason, "times": times, "meaning": ""}
            for subject, events in counts.items()
            for reason, times in events.items()
        ]
    return rows


def show(s: dict[str, Any], counted: list[dict[str, Any]]) -> None:
    """Print the status for people; `counted` are refusals and notes in the language of the shell."""
    buffer, link = s["buffer"], s["link"]
    output.echo(
        phrase(
            "status-head",
            "{hub}  up {span}  {reports}, {readings}",
            hub=s["hub"],
            span=output.duration(s["up_s"]),
            reports=output.counted("reports", s["reports"]),
            readings=output.counted("readings", s["readings"]),
        )
    )
    _line(BUFFER, *_buffer_texts(buffer))
    _line(LINK, *_link_texts(link))
    _line("", traffic_text(link))
    _line(BACKUP, *status_lines(s["backup"]))
    if s["mirror"]["directory"]:
        _line(MIRROR, mirror_text(s["mirror"]))
    if "memory" in s:  # not of a hub of a former version, until it is restarted
        _line(MEMORY, memory_text(s["memory"]))
    for problem in s["degraded"]:
        _line("!", problem)
    click.echo()
    output.table(
        ("plugin", "state", "runs", "restarts", "problem"),
        [
            (
                p["name"],
                output.word("plugin", p["state"]),
                output.word("runs", p.get("runs", "")),
                p["restarts"],
                p["error"],
            )
            for p in s["plugins"]
        ],
    )
    if s["last"]:
        click.echo()
        output.table(
            ("series", "value", "unit", "trust", "signal-dbm"),
            [(v["series"], _value(v["value"]), v["unit"], v["trust"], v["rssi"]) for v in s["last"]],
        )
    if counted:
        click.echo()
        output.table(
            ("refused-or-noted", "what", "times", "meaning"),
            [(one["subject"], one["reason"], one["times"], one.get("meaning", "")) for one in counted],
        )
    if s["quarantine"]:
        click.echo()
        output.table(
            ("not-admitted", "model", "why", "heard"),
            [(q["id"], q["model"], output.waiting_reason(q["reason"]), q["count"]) for q in s["quarantine"]],
        )


def _line(name: str, *texts: str) -> None:
    """Print a line of the status: a name in a column, then its sentences."""
    width = max(10, 2 + max(len(output.translated(one)) for one in _NAMES))
    output.echo(f"{output.translated(name):<{width}}{output.in_a_row(texts)}")


def _buffer_texts(buffer: dict[str, Any]) -> list[str]:
    said: list[str] = [
        phrase(
            "status-buffer-waits",
            "{readings} not yet acknowledged, {size} in {segments}",
            readings=output.counted("readings", buffer["readings"]),
            size=output.size(buffer["bytes"]),
            segments=output.counted("segments", buffer["segments"]),
        )
    ]
    if buffer["autonomy"]:
        said.append(phrase("status-buffer-full-in", "full in {span} without the backend", span=buffer["autonomy"]))
    if buffer["error"]:
        said.append(phrase("status-buffer-error", "LAST ERROR {reason}", reason=buffer["error"]))
    return said


def _link_texts(link: dict[str, Any]) -> list[str]:
    if link["last_ack_s"] is None:
        ago = phrase("at-no-time", "never")
    else:
        ago = phrase("span-ago", "{span} ago", span=output.duration(link["last_ack_s"]))
    readings = output.counted("readings", link["acked"])
    acked = phrase("status-acked", "{readings} acknowledged, last ack {ago}", readings=readings, ago=ago)
    return [acked, *([link["error"]] if link["error"] else [])]


def memory_text(memory: dict[str, Any]) -> str:
    """Return what the hub and its workers take of the memory."""
    said = phrase(
        "memory-of-hub",
        "{private:.1f} MiB of its own, {pss:.1f} with its part of what is shared",
        private=float(memory["private_mib"]),
        pss=float(memory["pss_mib"]),
    )
    if len(memory["processes"]) < 2:
        return said
    each = ", ".join(f"{one['name']} {one['private_mib']:.1f}" for one in memory["processes"])
    return phrase("memory-of-processes", "{all}: {each}", all=said, each=each)


def traffic_text(link: dict[str, Any]) -> str:
    """Return this month's traffic of the link."""
    facts = {
        "month": link["month"]["month"] or phrase("this-month", "this month"),
        "up": output.size(link["month"]["up"]),
        "down": output.size(link["month"]["down"]),
    }
    if link["metered"]:
        return phrase("traffic-metered", "metered, {month}: {up} up, {down} down", **facts)
    return phrase("traffic-of-month", "{month}: {up} up, {down} down", **facts)


def mirror_text(mirror: dict[str, Any]) -> str:
    """Return the state of the copies on the other disk."""
    said: list[str] = [
        phrase(
            "mirror-copied",
            "{count} [segment|segments] copied, {size} in {directory}",
            count=mirror["copies"],
            size=output.size(mirror["bytes"]),
            directory=mirror["directory"],
        )
    ]
    if mirror["waiting"]:
        said.append(phrase("mirror-waits", "{count} [waits|wait] for a copy", count=mirror["waiting"]))
    if mirror["given_up"]:
        said.append(phrase("mirror-given-up", "{count} given up for room", count=mirror["given_up"]))
    return output.in_a_row([*said, *([mirror["error"]] if mirror["error"] else [])])


def _value(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else value
