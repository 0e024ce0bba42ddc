"""`ilot crisis sampling plan|raise|status|restore`: the cost of raised sampling, starting it, undoing it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.hub_client import ask
from hub.config.values import duration, show_duration
from hub.core.text import phrase, reason_of

WAIT_S = 120.0


@click.group(cls=output.Group)
def sampling() -> None:
    """Have devices speak more often for a while, within budgets that are shown before."""


@sampling.command()
@click.argument("period")
@click.option("--for", "lasting", default=None, metavar="DURATION", help="How long; by default as long as may be.")
@click.option("--device", "devices", multiple=True, help="Only this device; may be said again.")
@click.option("--zone", "zones", multiple=True, help="Only devices of this zone; may be said again.")
@click.option("--integration", "integrations", multiple=True, help="Only this integration; may be said again.")
@output.with_hub
def plan(
    period: str,
    lasting: str | None,
    devices: tuple[str, ...],
    zones: tuple[str, ...],
    integrations: tuple[str, ...],
    config: Path,
    state_dir: Path | None,
    json: bool,
) -> None:
    """Show what it would cost to hear everything every PERIOD (30s, 5min): batteries, airtime, lines, and how long it
    takes to tell the devices. Changes nothing. What would exceed a budget is clipped or left out, with the reason."""
    said: dict[str, Any] = {"period_s": _seconds(period)}
    if lasting is not None:
        said["for_s"] = _seconds(lasting)
    answer = ask(
        config,
        state_dir,
        "crisis.sampling.plan",
        timeout=WAIT_S,
        devices=list(devices),
        zones=list(zones),
        integrations=list(integrations),
        **said,
    )
    if json:
        output.data(answer)
    else:
        _show_plan(answer)


@sampling.command("raise")
@click.argument("plan")
@click.option("--why", required=True, help="The reason; it stands in the audit log and on every page.")
@output.with_hub
def raise_(plan: str, why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Do exactly what PLAN showed; PLAN is its digest. Refused where the facts have changed since."""
    answer = ask(config, state_dir, "crisis.sampling.raise", timeout=WAIT_S, plan=plan, role="administrateur", why=why)
    _print_status(answer, json)


@sampling.command()
@output.with_hub
def status(config: Path, state_dir: Path | None, json: bool) -> None:
    """Who was told, who was observed at the new period, who was not. Exit code 6 while sampling is not as ever."""
    answer = ask(config, state_dir, "crisis.sampling.status")
    _print_status(answer, json)
    if answer["phase"] != "over" or answer["unconfirmed"]:
        raise click.exceptions.Exit(6)


@sampling.command()
@click.option("--why", required=True, help="The reason; it stands in the audit log.")
@output.with_hub
def restore(why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Give the former periods back. `ilot crisis end` does so too, and so does the end of the time that was asked."""
    answer = ask(config, state_dir, "crisis.sampling.restore", timeout=WAIT_S, why=why)
    _print_status(answer, json)


def _seconds(text: str) -> float:
    try:
        return duration(text).total_seconds()
    except ValueError as error:
        raise click.UsageError(reason_of(error)) from None


def _show_plan(answer: dict[str, Any]) -> None:
    rows = [
        (
            one["name"],
            spell(one["was_s"]),
            spell(one["to_s"]),
            battery(one["battery"]),
            air(one["air"]),
            line(one["line"]),
            one["why"],
        )
        for one in answer["entries"]
    ]
    output.table(("what", "today", "raised", "battery-days", "airtime-an-hour", "line-busy", ""), rows)
    if answer["left"]:
        click.echo()
        left = [(one["name"], spell(one["was_s"]), one["why"]) for one in answer["left"]]
        output.table(("left-as-it-is", "today", "because"), left)
    if answer["loads"]:
        click.echo()
        loads = [
            (load["name"], share(load["before"]), share(load["after"]), share(load["budget"]), rates(load))
            for load in answer["loads"]
        ]
        output.table(("shared", "busy-today", "then", "budget", "requests-a-second"), loads)
    telling = answer["telling"]
    if telling["downlinks"]:
        if telling["takes_s"] is None:
            takes = phrase("no-gateway-can-send", "no gateway can send now")
        else:
            takes = phrase("within-span", "within {span}", span=spell(telling["takes_s"]))
        click.echo()
        output.echo(
            phrase(
                "told-by-downlink",
                "told by downlink: {count} [device|devices], {air:g} s on the air: {takes}",
                count=telling["downlinks"],
                air=float(telling["air_s"]),
                takes=takes,
            )
        )
    lasts = show_duration(datetime.timedelta(seconds=answer["for_s"]))
    if answer["entries"]:
        output.say(
            phrase(
                "sampling-plan-next",
                'for {span}: `ilot crisis sampling raise {plan} --why "…"` does exactly this',
                span=lasts,
                plan=answer["digest"],
            )
        )
    else:
        output.say(phrase("sampling-nothing-to-raise", "nothing of this can be raised"))


def _print_status(answer: dict[str, Any], json: bool) -> None:
    if json:
        output.data(answer)
        return
    counts = answer["counts"]
    if answer["phase"] == "over":
        output.say(phrase("sampling-as-ever", "sampling is as ever"))
        for name in answer["unconfirmed"]:
            output.echo(
                phrase("former-period-not-observed", "not observed at its former period: {device}", device=name)
            )
        return
    output.say(
        phrase(
            "sampling-progress",
            "{phase}: {told} of {entries} told, {confirmed} confirmed by observation, {not_confirmed} not confirmed, "
            "{waiting} waiting, {failed} failed",
            phase=_phase(answer),
            **{name: counts[name] for name in ("told", "entries", "confirmed", "not_confirmed", "waiting", "failed")},
        )
    )
    output.table(
        ("what", "period", "step", ""),
        [
            (
                one["name"],
                spell(one["to_s"]),
                phrase("period-observed", "observed") if one["confirmed"] else output.word("sampling", one["step"]),
                one["why"],
            )
            for one in answer["entries"]
        ],
    )


def _phase(answer: dict[str, Any]) -> str:
    raised = answer["phase"] == "raised"
    if answer["left_s"] <= 0:
        return phrase("phase-raised", "raised") if raised else phrase("phase-given-back", "being given back")
    span = show_duration(datetime.timedelta(seconds=answer["left_s"]))
    if raised:
        return phrase("phase-raised-for", "raised, for {span} more", span=span)
    return phrase("phase-given-back-for", "being given back, for {span} more", span=span)


def spell(seconds: float | None) -> str:
    return "?" if seconds is None else show_duration(datetime.timedelta(seconds=round(seconds, 3)))


def share(value: float) -> str:
    return phrase("share-percent", "{value:.2f} %", value=100.0 * value)


def battery(one: dict[str, Any] | None) -> str:
    if one is None:
        return ""
    return phrase(
        "battery-change",
        "{days} -> {after} ({endless} if never told back)",
        days=one["days"],
        after=one["after_days"],
        endless=one["endless_days"],
    )


def air(one: dict[str, Any] | None) -> str:
    if one is None:
        return ""
    return phrase(
        "airtime-change",
        "{before:g} -> {after:g} s of {most:g} s ({band})",
        before=float(one["before_s"]),
        after=float(one["after_s"]),
        most=float(one["of_s"]),
        band=one["band"],
    )


def line(one: dict[str, Any] | None) -> str:
    return "" if one is None else f"{one['name']}: {share(one['before'])} -> {share(one['after'])}"


def rates(load: dict[str, Any]) -> str:
    said = f"{load['rate_before']:.3g}, {load['rate_after']:.3g}"
    if "collide_after" in load:
        return phrase(
            "frames-collide", "{rates}; {share} of them collide", rates=said, share=share(load["collide_after"])
        )
    return f"{said}, {load['can_rate']:.3g}" if load["can_rate"] else said
