"""`ilot schedule show|import`: the hours of a schedule day by day, and calendars from ICS files."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from hub.cli import output
from hub.config.parts.schedules import day_of
from hub.core.errors import ConfigError
from hub.core.text import phrase, reason_of, system_error

if TYPE_CHECKING:
    from hub.automation.rules.schedules import Programme

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""In JSON."""
_DAYS = {
    "Mon": phrase("weekday-mon", "Mon"),
    "Tue": phrase("weekday-tue", "Tue"),
    "Wed": phrase("weekday-wed", "Wed"),
    "Thu": phrase("weekday-thu", "Thu"),
    "Fri": phrase("weekday-fri", "Fri"),
    "Sat": phrase("weekday-sat", "Sat"),
    "Sun": phrase("weekday-sun", "Sun"),
}


class _Day(click.ParamType[date]):
    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return day_of(str(value))
        except ValueError as error:
            self.fail(reason_of(error), param, ctx)


@click.group(cls=output.Group)
def schedule() -> None:
    """The hours at which rules watch."""


@schedule.command()
@click.argument("name", required=False)
@click.option("--from", "first", type=_Day(), default=None, help="First day; by default today.")
@click.option("--days", default=14, show_default=True, type=click.IntRange(1, 400), help="How many days.")
@output.with_hub
def show(name: str | None, first: date | None, days: int, config: Path, state_dir: Path | None, json: bool) -> None:
    """The hours of schedule NAME day by day, and why: holidays, school holidays, exceptions. Without NAME, of all.
    Reads the configuration file; asks no hub."""
    from hub.automation.rules.compiler import compile_programme
    from hub.plugin_host.opening import installed_for

    core = installed_for(config, state_dir).open(config).config
    if name is not None and name not in core.schedules:
        raise click.UsageError(
            phrase(
                "no-such-schedule",
                "there is no schedule {name!r}; there are {schedules}",
                name=name,
                schedules=list(core.schedules) or phrase("nobody-none", "none"),
            )
        )
    found = []
    for one in core.schedules if name is None else [name]:
        programme = compile_programme(core.schedules[one], core)
        begin = first or datetime.now(programme.zone).date()
        found += [_day(one, programme, begin + timedelta(days=step)) for step in range(days)]
    if json:
        output.data({"days": found})
        return
    rows = [
        (one["schedule"], one["date"], _DAYS[one["weekday"]], " ".join(one["hours"]) or "-", one["because"])
        for one in found
    ]
    output.table(("schedule", "date", "day", "hours", "because"), rows)


def _day(name: str, programme: Programme, day: date) -> dict[str, Any]:
    hours, because = programme.hours(day)
    said = [output.translated(because)] if because else []
    spans = list(hours)
    for calendar in programme.special.also:
        spans += calendar.days.get(day, ())
        said += (
            [output.translated(phrase("schedule-also", "also {calendar}", calendar=calendar.name))]
            if day in calendar.days
            else []
        )
    never = [calendar for calendar in programme.special.never if day in calendar.days]
    said += [
        output.translated(
            phrase(
                "schedule-not",
                "not {calendar} {hours}",
                calendar=calendar.name,
                hours=" ".join(_clocks(calendar.days[day])),
            )
        )
        for calendar in never
    ]
    return {
        "schedule": name, "date": day.isoformat(), "weekday": WEEKDAYS[day.weekday()], "hours": _clocks(sorted(spans)),
        "because": "; ".join(said),
    }  # fmt: skip


def _clocks(hours: Any) -> list[str]:
    return [
        f"{begin // 60:02d}:{begin % 60:02d}-{end // 60:02d}:{end % 60:02d}" for begin, end in hours
    ]  # minutes of the day


def _timezone(config: Path) -> str:
    """Return the time zone of the hub's site, as far as the file gives it: it may name the very calendar that does not
    exist yet. Raises UsageError where it may not be read."""
    from pydantic import ValidationError

    from hub.config.model import Core
    from hub.config.source import read_all

    try:
        config.open("rb").close()
    except FileNotFoundError:
        return Core().timezone
    except OSError as error:  # a guess would shift every hour of the calendar
        raise click.UsageError(
            phrase(
                "timezone-not-read",
                "name the time zone of the hub's site with --timezone, {config} cannot be read: {reason}",
                config=config,
                reason=system_error(error),
            )
        ) from None
    data = read_all(config).data
    parts = {name: data[name] for name in ("hub", "sites") if data.get(name)} if isinstance(data, dict) else {}
    try:
        return Core.model_validate(parts).timezone
    except ValidationError:
        return Core().timezone


@schedule.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--timezone",
    default=None,
    help="Hours are written in it (IANA name); by default that of the hub's site as the "
    "configuration says it, Europe/Paris where there is none.",
)
@click.option("--from", "first", type=_Day(), default=None, help="First day; by default today.")
@click.option("--until", type=_Day(), default=None, help="Last day; by default two years on.")
@click.option("--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="File; by default stdout.")
@click.option("--force", is_flag=True, help="Replace the file that --output names.")
@click.option(
    "--school", metavar="ZONE", help="It is an académie's: make `school_years:` of it, for a zone of that name."
)
@partial(output.with_config, readable=False)  # with --timezone the file is not needed
@output.as_json
def importing(
    file: Path,
    timezone: str | None,
    first: date | None,
    until: date | None,
    target: Path | None,
    force: bool,
    school: str | None,
    config: Path,
    json: bool,
) -> None:
    """Make a calendar for `calendars:` of an ICS FILE (RFC 5545), without network. Name it then in a schedule's
    `also_during` or `not_during`. With --school it becomes holidays for `school_years:`."""
    from hub.config.calendars import ical
    from hub.core.disk.atomic_files import write_atomically

    timezone = timezone or _timezone(config)
    try:
        zone = ZoneInfo(timezone)
    except (ValueError, OSError, KeyError):
        raise click.UsageError(
            phrase(
                "timezone-unknown",
                "--timezone: {timezone!r} is not in the IANA database, like Europe/Paris",
                timezone=timezone,
            )
        ) from None
    today = datetime.now(zone).date()
    begin = first or today
    end = until or begin + timedelta(days=730)
    if end < begin:
        raise click.UsageError(phrase("until-before-from", "--until is before --from"))
    if target is not None and target.exists() and not force:
        raise ConfigError(
            phrase("calendar-there-already", "{target} is there already: --force replaces it", target=target)
        )
    data = file.read_bytes()
    found = ical.read(data, zone, begin, end)
    digest = hashlib.sha256(data).hexdigest()[:16]
    about = f"{file.name} (SHA-256 {digest}…), read {datetime.now(UTC):%Y-%m-%d}, {timezone}"
    text = ical.to_yaml(found, end, about)
    if school is not None:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,40}", school):
            raise click.UsageError(
                phrase("school-zone-form", "--school: a zone's name has letters, digits and hyphens, like reunion")
            )
        years, left_out = ical.school_years(found)
        if not years:
            raise ConfigError(
                phrase(
                    "no-whole-day-off",
                    "{file} has no whole day off between {begin} and {end}: --from and --until choose others",
                    file=file,
                    begin=begin,
                    end=end,
                )
            )
        text = ical.school_to_yaml(years, school, about)
        found = found._replace(skipped=found.skipped + left_out)
    if target is not None:
        write_atomically(target, text.encode(), mode=0o644)
    for name, why in found.skipped[:20]:
        event = name or phrase("event-without-name", "an event without a name")
        output.say(phrase("event-left-out", "left out: {event}: {reason}", event=event, reason=why))
    facts = {
        "events": found.events, "days": len(found.days), "until": end.isoformat(), "timezone": timezone,
        "skipped": [{"event": name, "why": why} for name, why in found.skipped],
    }  # fmt: skip
    if json:
        output.data({**facts, "file": str(target) if target else None, "calendar": None if target else text})
    elif target is None:
        click.echo(text, nl=False)
    summary = {
        "events": output.counted("events", found.events),
        "days": output.counted("days", len(found.days)),
        "end": end,
        "timezone": timezone,
    }
    if found.skipped:
        output.say(
            phrase(
                "calendar-made-partly",
                "{events}, {days} with hours until {end}, by the clock of {timezone}, {left} left out",
                left=len(found.skipped),
                **summary,
            )
        )
    else:
        output.say(
            phrase("calendar-made", "{events}, {days} with hours until {end}, by the clock of {timezone}", **summary)
        )
