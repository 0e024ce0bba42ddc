"""Reader of an iCalendar file (RFC 5545): a calendar of the configuration, that is days with hours. Pure.

It supports VEVENT with DTSTART, DTEND or DURATION, all-day events, time zones, RRULE (daily to yearly), RDATE and
EXDATE, single changed instances (RECURRENCE-ID), STATUS:CANCELLED. The icalendar package parses the text, dateutil
expands the rules; both are in the extra `calendars`. Endless repetitions are expanded until a day that the caller
names. A file may be hostile: it is bounded in bytes, events and instances, and unsupported events are counted with
their reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hub.config.parts.schedules import LONGEST_PERIOD
from hub.core.errors import HubError
from hub.core.text import Phrase, phrase, reason_of

MAX_BYTES = 4 << 20
MAX_EVENTS = 10_000
MAX_INSTANCES = 20_000
"""Maximum instances of all events together."""
EARLIEST = datetime(1970, 1, 1)
MAX_DAYS = 5000
RETURN_DAY = re.compile("rentr[ée]e|reprise", re.IGNORECASE)
"""Names of days in an académie's calendar on which teachers or pupils return."""
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")

Span = tuple[datetime, datetime]
"""Begin and end by the wall clock of the schedule's zone."""


class BadCalendar(HubError):
    """The file is no usable calendar."""

    exit_code = 3


class ParsedCalendar(NamedTuple):
    """Contents of a calendar. `days`: date → minutes of the day [begin, end); `names`: date → name of its first event;
    `skipped`: (name of the event, why)."""

    days: dict[date, tuple[tuple[int, int], ...]]
    names: dict[date, str]
    events: int
    skipped: list[tuple[str, str]]


def read(data: bytes, zone: ZoneInfo, first: date, until: date) -> ParsedCalendar:
    """Return the events of a file between two days, both included. Raises BadCalendar."""
    if len(data) > MAX_BYTES:
        raise BadCalendar(phrase("calendar-too-large", "the file is larger than {size} MB", size=MAX_BYTES >> 20))
    reading = _Parser(zone, first, until)
    events = _events(data)
    changed = {(str(event.get("UID")), _stamp(event.get("RECURRENCE-ID"))) for event in events if _is_change(event)}
    for event in events:
        reading.add(event, changed)
    return reading.done(len(events))


def _events(data: bytes) -> list[Any]:
    try:
        from icalendar import Calendar
    except ImportError:
        raise BadCalendar(
            phrase(
                "icalendar-not-installed",
                "reading ICS files needs the package icalendar: pip install 'ilot[calendars]'",
            )
        ) from None
    try:
        calendars = Calendar.from_ical(data, multiple=True)
        events = list(islice((one for each in calendars for one in each.walk("VEVENT")), MAX_EVENTS + 1))
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:  # the library's own errors, ValueError, RecursionError: the file is foreign
        raise BadCalendar(
            phrase("file-no-icalendar", "this is no iCalendar file (RFC 5545): {reason}", reason=_line(str(error)))
        ) from error
    if len(events) > MAX_EVENTS:
        raise BadCalendar(phrase("calendar-events-too-many", "more than {most} events", most=MAX_EVENTS))
    if not calendars or not events:
        raise BadCalendar(phrase("calendar-without-event", "no event (VEVENT) is in this file"))
    return events


class _Parser:
    def __init__(self, zone: ZoneInfo, first: date, until: date) -> None:
        self._zone, self._first, self._until = zone, first, until
        self._days: dict[date, list[tuple[int, int]]] = {}
        self._names: dict[date, str] = {}
        self._skipped: list[tuple[str, str]] = []
        self._left = MAX_INSTANCES

    def add(self, event: Any, changed: set[tuple[str, str]]) -> None:
        """Add one VEVENT."""
        name = _line(str(event.get("SUMMARY", "")))[:60]
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            return
        try:
            for begin, end in self._spans(event, changed):
                self._left -= 1
                if self._left < 0:
                    raise BadCalendar(
                        phrase(
                            "calendar-instances-too-many",
                            "more than {most} instances until {until}: choose an earlier day",
                            most=MAX_INSTANCES,
                            until=self._until,
                        )
                    )
                self._mark(begin, end, name)
        except BadCalendar:
            raise
        except Exception as error:  # a hostile or odd event: keep the rest of the file
            why = reason_of(error)
            said = why if isinstance(why, Phrase) else _line(why)[:120] or type(error).__name__
            self._skipped.append((name, said))

    def done(self, events: int) -> ParsedCalendar:
        if len(self._days) > MAX_DAYS:
            raise BadCalendar(
                phrase(
                    "calendar-days-too-many",
                    "more than {most} days until {until}: choose an earlier day",
                    most=MAX_DAYS,
                    until=self._until,
                )
            )
        days = {day: _merged(self._days[day]) for day in sorted(self._days)}
        return ParsedCalendar(days, self._names, events, self._skipped)

    def _spans(self, event: Any, changed: set[tuple[str, str]]) -> Iterator[Span]:
        begin, length = _begin_and_length(event)
        zoned = begin.tzinfo
        wall = begin.replace(tzinfo=None)
        out = {_stamp(one) for one in _dates(event.get("EXDATE"))}
        uid = str(event.get("UID"))
        for one in self._instances(event, wall, zoned):
            moment = one if zoned is None else one.replace(tzinfo=zoned)
            stamp = _stamp(moment)
            if stamp in out or (not _is_change(event) and (uid, stamp) in changed):
                continue
            yield (moment, moment + length) if zoned is None else self._here(moment, moment + length)

    def _here(self, begin: datetime, end: datetime) -> Span:
        """Convert to the wall clock of the schedule. An event that is written in UTC keeps its end when the clocks
        change between. The hour that occurs twice is ambiguous on a wall clock: a span that would end no later than it
        begins gets its length there."""
        first, last = (moment.astimezone(self._zone).replace(tzinfo=None) for moment in (begin, end))
        return first, max(last, first + (end.astimezone(UTC) - begin.astimezone(UTC))) if last <= first else last

    def _instances(self, event: Any, wall: datetime, zoned: tzinfo | None) -> Iterator[datetime]:
        """Yield the starts by the event's own wall clock, from days before the first day wanted to a day after the
        last."""
        extra = [_wall(one) for one in _dates(event.get("RDATE"))]
        rules = event.get("RRULE")
        if rules is None:
            yield wall
        else:
            for rule in rules if isinstance(rules, list) else [rules]:
                yield from self._repeated(rule, wall, zoned)
        yield from extra

    def _repeated(self, rule: Any, wall: datetime, zoned: tzinfo | None) -> Iterator[datetime]:
        from dateutil.rrule import rrulestr

        parts = {str(key).upper(): value for key, value in rule.items()}
        frequency = str(parts.get("FREQ", [""])[0]).upper()
        if not frequency:
            raise ValueError(
                phrase(
                    "event-frequency-missing",
                    "repeats without FREQ: only {frequencies} are understood",
                    frequencies=list(FREQUENCIES),
                )
            )
        if frequency not in FREQUENCIES:
            raise ValueError(
                phrase(
                    "event-frequency-unknown",
                    "repeats {frequency}: only {frequencies} are understood",
                    frequency=frequency,
                    frequencies=list(FREQUENCIES),
                )
            )
        if wall < EARLIEST:
            raise ValueError(phrase("event-repetition-too-old", "a repetition that begins before 1970 is not unfolded"))
        count = int(parts["COUNT"][0]) if "COUNT" in parts else None
        end = datetime.combine(self._until + timedelta(days=2), time())  # the event's own clock may be a day ahead
        if "UNTIL" in parts:
            end = min(end, _until(parts["UNTIL"][0], zoned or self._zone))
        kept = {key: value for key, value in rule.items() if str(key).upper() not in ("COUNT", "UNTIL")}
        text = type(rule)(kept).to_ical().decode()
        yield from islice(rrulestr(text, dtstart=wall).replace(until=end), count)

    def _mark(self, begin: datetime, end: datetime, name: str) -> None:
        if end < begin:
            raise ValueError(phrase("event-ends-before-beginning", "it ends before it begins"))
        if end - begin > timedelta(days=LONGEST_PERIOD):
            raise ValueError(phrase("event-too-long", "it lasts longer than {days} days", days=LONGEST_PERIOD))
        day = max(begin.date(), self._first)
        while day <= min(end.date(), self._until):
            midnight = datetime.combine(day, time())
            low = max(0, int((begin - midnight).total_seconds() // 60))
            high = min(1440, -int(-(end - midnight).total_seconds() // 60))
            if low < high:
                self._days.setdefault(day, []).append((low, high))
                self._names.setdefault(day, name)
            day += timedelta(days=1)


def _begin_and_length(event: Any) -> tuple[datetime, timedelta]:
    """Return begin and length; without an end, a day for an all-day event, nothing for another (RFC 5545, 3.6.1)."""
    start = event.get("DTSTART")
    if start is None:
        raise ValueError(phrase("event-without-start", "it has no DTSTART"))
    begin, end, length = start.dt, event.get("DTEND"), event.get("DURATION")
    whole_day = not isinstance(begin, datetime)
    first = _wall(begin) if whole_day else begin
    if end is not None:
        if isinstance(end.dt, datetime) is whole_day:
            raise ValueError(phrase("event-of-two-kinds", "DTSTART and DTEND are of two kinds"))
        last = end.dt if not whole_day else _wall(end.dt)
        if whole_day or (first.tzinfo is None) != (last.tzinfo is None):
            return first, _wall(last) - _wall(first)
        return first, (last if first.tzinfo is None else last.astimezone(first.tzinfo)) - first
    if length is not None:
        return first, length.dt
    return first, timedelta(days=1) if whole_day else timedelta()


def _dates(value: Any) -> list[Any]:
    """Return the dates of EXDATE or RDATE, which may be one list or several."""
    if value is None:
        return []
    found = []
    for one in value if isinstance(value, list) else [value]:
        for part in one.dts:
            if isinstance(part.dt, tuple):
                raise ValueError(phrase("event-rdate-periods", "RDATE with periods is not understood"))  # noqa: TRY004 - the file is wrong, not a type
            found.append(part.dt)
    return found


def _is_change(event: Any) -> bool:
    return event.get("RECURRENCE-ID") is not None


def _wall(moment: date) -> datetime:
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=None)
    return datetime.combine(moment, time())


def _stamp(moment: Any) -> str:
    """Return the same text for the same instance, however it is written."""
    moment = getattr(moment, "dt", moment)
    if not isinstance(moment, date):
        return ""
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        return moment.astimezone(UTC).isoformat()
    return _wall(moment).isoformat()


def _until(moment: Any, zone: tzinfo) -> datetime:
    """Return the end of a repetition by the wall clock of its event; a date alone includes that whole day."""
    if isinstance(moment, datetime):
        return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo is not None else moment
    return datetime.combine(moment, time(23, 59, 59))


def _merged(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return tuple(found)


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text[:400]).split())


def to_yaml(calendar: ParsedCalendar, until: date, about: str) -> str:
    """Return its YAML, to be included: `calendars: {closures: !include closures.yaml}`. Consecutive days with the same
    hours become one period."""
    lines = [f"# {_line(about)}", f'until: "{until}"', "days:" if calendar.days else "days: {}"]
    begin: date | None = None
    days = sorted(calendar.days)
    for at, day in enumerate(days):
        begin = day if begin is None else begin
        after = days[at + 1] if at + 1 < len(days) else None
        if after is not None and after == day + timedelta(days=1) and (after - begin).days < LONGEST_PERIOD - 1:  # noqa: SIM102
            if calendar.days[after] == calendar.days[day] and calendar.names[after] == calendar.names[day]:
                continue
        hours = ", ".join(f'"{_clock(low)}-{_clock(high)}"' for low, high in calendar.days[day])
        period = f"{begin}/{day}" if begin != day else f"{day}"
        name = calendar.names[begin]
        lines.append(f'  "{period}": [{hours}]' + (f"  # {name}" if name else ""))
        begin = None
    return "\n".join(lines) + "\n"


def school_years(calendar: ParsedCalendar) -> tuple[dict[str, dict[str, str]], list[tuple[str, str]]]:
    """Return school year → period without school → name, of an académie's calendar, and the skipped events with
    reasons. A year begins on 1 August. Only whole days count, and none that is a return day."""
    years: dict[str, dict[str, str]] = {}
    left: dict[str, str] = {}
    run: list[date] = []
    days = sorted(calendar.days)
    for at, day in enumerate(days):
        name = calendar.names[day]
        if RETURN_DAY.search(name):
            left[name] = phrase("school-return-day", "classes begin, they do not stop")
        elif calendar.days[day] != ((0, 1440),):
            left[name] = phrase("school-part-of-day", "not a whole day")
        else:
            run.append(day)
            after = days[at + 1] if at + 1 < len(days) else None
            if after == day + timedelta(days=1) and calendar.names[after] == name and len(run) < LONGEST_PERIOD:
                continue
            first = run[0].year - (run[0].month < 8)
            period = f"{run[0]}/{day}" if len(run) > 1 else f"{day}"
            years.setdefault(f"{first}-{first + 1}", {})[period] = name
        run = []
    return years, list(left.items())


def school_to_yaml(years: dict[str, dict[str, str]], zone: str, about: str) -> str:
    """Return the YAML, to be copied or included: `school_years: !include reunion.yaml`."""
    lines = [f"# {_line(about)}"]
    for year, periods in years.items():
        lines += [f'"{year}":', f"  {zone}:"]
        for period, name in periods.items():
            alone = (
                ""
                if "/" in period
                else "  # one day: where a long holiday only begins here, write its last day behind /"
            )
            said = _line(name).replace("\\", " ").replace('"', "'")
            lines.append(f'    "{period}": "{said}"{alone}')
    return "\n".join(lines) + "\n"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
