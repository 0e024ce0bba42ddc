"""`ilot history`: readings stored on this hub."""

from __future__ import annotations

import csv
import datetime
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from hub.cli import output
from hub.cli.hub_client import Hub, hub_of
from hub.config.values import duration
from hub.core.text import phrase, reason_of
from hub.i18n.ambiguous_time import offset_if_ambiguous


@click.command()
@click.argument("series", required=False)
@click.option("--last", default="1d", show_default=True, metavar="DURATION", help="How far back: 6h, 7d.")
@click.option(
    "--from",
    "begin",
    metavar="DATE",
    help="…or from this date on: YYYY-MM-DD or YYYY-MM-DDTHH:MM, in the site's time unless it says an offset.",
)
@click.option("--to", "end", metavar="DATE", help="Until this date, not included; by default now.")
@click.option(
    "--step", type=click.Choice(["auto", "hour", "day", "month"]), default="auto", show_default=True, help="One line a…"
)
@click.option("--raw", is_flag=True, help="Every reading that is there, as CSV; with --json, one object for each page.")
@output.with_hub
def history(
    series: str | None,
    last: str,
    begin: str | None,
    end: str | None,
    step: str,
    raw: bool,
    config: Path,
    state_dir: Path | None,
    json: bool,
) -> None:
    """What the running hub remembers of SERIES (place/metric): hours, days or months. Without it: all series.

    A counter has its consumption, a part of it estimated where readings are far apart; anything else has its mean,
    weighted by time, minimum and maximum. `complete` is the part of the time in which readings came as they were due.

    With --raw: the readings themselves, of the last day, and of more where `history.raw_on_disk` is declared. Times
    bear the offset of the site's clock.
    """
    hub = hub_of(config, state_dir)
    if series is None:
        answer = hub("history.list")
        if json:
            output.data(answer)
            return
        output.table(
            ("series", "unit", "kind", "since"),
            [
                (
                    one["series"],
                    one["unit"],
                    phrase("series-counter", "counter") if one["counter"] else phrase("series-gauge", "gauge"),
                    _time(one["since"], "UTC"),
                )
                for one in answer["series"]
            ],
        )
        return
    zone = str(hub("history", series=series, points=2)["timezone"])
    arguments: dict[str, Any] = {"series": series, "step": step}
    if end is not None:
        arguments["to"] = _date(end, zone)
    if begin is not None:
        arguments["from"] = _date(begin, zone)
    else:
        try:
            seconds = duration(last).total_seconds()
        except ValueError as error:
            raise click.UsageError(phrase("option-last-wrong", "--last: {reason}", reason=reason_of(error))) from None
        arguments["from"] = arguments.get("to", datetime.datetime.now(datetime.UTC).timestamp()) - seconds
    if raw:
        _print(_pages(hub, series, arguments), zone, json=json)
        return
    answer = hub("history", **arguments)
    if json:
        output.data(answer)
        return
    head: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    if answer["counter"]:
        head = ("from", phrase("used-in-unit", "used ({unit})", unit=answer["unit"]), "estimated", "complete")
        rows = [(_time(c[0], zone), _or(c[1]), c[4] or "", c[5]) for c in answer["cells"]]
    else:
        head = ("from", phrase("mean-in-unit", "mean ({unit})", unit=answer["unit"]), "least", "most", "complete")
        rows = [(_time(c[0], zone), _or(c[1]), _or(c[2]), _or(c[3]), c[5]) for c in answer["cells"]]
    output.table(head, rows)


def _pages(hub: Hub, series: str, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield readings page by page, so that neither the hub nor this process holds all of them."""
    now = datetime.datetime.now(datetime.UTC).timestamp()
    asked = {"series": series, "from": arguments["from"], "to": arguments.get("to", now), "limit": 5000}
    while True:
        page = hub("history.raw", **asked)
        yield page
        if page["next"] is None:
            return
        asked["from"] = page["next"]


def _print(pages: Iterator[dict[str, Any]], zone: str, *, json: bool) -> None:
    table = csv.writer(sys.stdout, lineterminator="\n")
    where, head = ZoneInfo(zone), False
    for page in pages:
        if json:
            output.data(page)
            continue
        if not head:
            table.writerow(("time", page["unit"] or page["metric"]))
            head = True
        for time, value in page["readings"]:
            table.writerow((datetime.datetime.fromtimestamp(time, where).isoformat(), value))


def _or(value: float | None) -> Any:
    return phrase("series-gap", "gap") if value is None else value


def _time(seconds: float | None, zone: str) -> str:
    if seconds is None:
        return ""
    local = datetime.datetime.fromtimestamp(seconds, ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M} {offset_if_ambiguous(local)}".rstrip()


def _date(text: str, zone: str) -> float:
    try:
        when = datetime.datetime.fromisoformat(text)
        return (when if when.tzinfo is not None else when.replace(tzinfo=ZoneInfo(zone))).timestamp()
    except ValueError:
        raise click.UsageError(
            phrase("date-form-wrong", "{text!r} is not a date; expected YYYY-MM-DD or YYYY-MM-DDTHH:MM", text=text)
        ) from None
