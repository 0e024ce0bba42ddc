"""`ilot radio`: reception of devices, and remaining airtime of gateways."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.core.text import phrase


@click.command()
@click.argument("device", required=False)
@output.with_hub
def radio(device: str | None, config: Path, state_dir: Path | None, json: bool) -> None:
    """Show how well devices are heard, or DEVICE alone: signal margin, lost uplinks, lateness, battery; and of each
    gateway when it spoke and what it may still send this hour. Exit code 6 when one is to be moved, late or silent."""
    answer = ask(config, state_dir, "radio")
    if device is not None:
        answer = {"devices": [d for d in answer["devices"] if d["id"] == device], "gateways": []}
    if json:
        output.data(answer)
    else:
        _show(answer)
    if any(d["late"] or d["margin"] == "move" for d in answer["devices"]) or any(
        g["silent"] for g in answer["gateways"]
    ):
        raise click.exceptions.Exit(6)


def _show(answer: dict[str, Any]) -> None:
    output.table(
        ("device", "place", "join", "margin", "db", "lost", "data-rates", "every", "last-heard", "battery"),
        [
            (
                d["id"], d["place"], _join(d), output.of_both(d), _margin(d), _lost(d),
                " ".join(f"{rate}×{count}" for rate, count in d["rates"].items()), _span(d["period_s"]),
                _last_seen(d), _battery(d),
            )
            for d in answer["devices"]
        ],
    )  # fmt: skip
    if answer["gateways"]:
        click.echo()
        output.table(
            ("gateway", "last-heard", "left-this-hour"),
            [
                (
                    g["id"],
                    phrase("gateway-is-silent", "SILENT")
                    if g["silent"]
                    else _span(g["last_heard_s"], phrase("time-not-known", "not known")),
                    "  ".join(output.translated(_duty(band, duty)) for band, duty in g["duty"].items()),
                )
                for g in answer["gateways"]
            ],
        )
    moved = [d["id"] for d in answer["devices"] if d["margin"] == "move"]
    if moved:
        output.say(phrase("devices-to-move", "to be moved, or given a gateway nearby: {devices}", devices=moved))


def _join(d: dict[str, Any]) -> str:
    said = output.translated(output.word("join", d["join"]))
    return said if d["joined_at"] is None else f"{said} {output.minute(d['joined_at'])}"


def _margin(d: dict[str, Any]) -> str:
    return "" if d["margin_db"] is None else f"{d['margin_db']:g} ({d['margin_low_db']:g})"


def _lost(d: dict[str, Any]) -> str:
    if d["lost_share"] is None:
        return ""
    return phrase("uplinks-lost", "{lost} of {count}", lost=d["lost"], count=d["heard"] + d["lost"])


def _duty(band: str, duty: dict[str, Any]) -> str:
    return phrase(
        "airtime-left",
        "{band} {left:.1f} of {most:g}",
        band=band,
        left=float(duty["left_s"]),
        most=float(duty["of_s"]),
    )


def _last_seen(d: dict[str, Any]) -> str:
    span = _span(d["last_seen_s"], phrase("at-no-time", "never"))
    return phrase("device-late", "{span} LATE", span=span) if d["late"] else span


def _battery(d: dict[str, Any]) -> str:
    level = "" if d["battery"] is None else f"{d['battery']:g} %"
    if d["battery_days"] is None:
        return level
    return phrase(
        "battery-empty-in", "{level}, empty in {count} [day|days]", level=level, count=round(d["battery_days"])
    )


def _span(seconds: float | None, none: str = "") -> str:
    return none if seconds is None else str(datetime.timedelta(seconds=round(seconds)))
