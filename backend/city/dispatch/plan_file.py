"""A plan from a file: YAML for the whole, CSV for its routes, its rota or its people. Errors name line and column.

    zone: Europe/Paris
    calendar: france                # or alsace-moselle, none
    services:
      waste: {name: Propreté}
    people:
      jeanne: {name: Jeanne Martin, service: waste, account: jeanne, email: jeanne@ville.example}
    rota:
      - {service: waste, people: [jeanne, paul], turn: week, days: mon-fri, from: "08:00", to: "17:00"}
    routes:
      - id: bins
        rules: [bin-*]
        service: waste
        crew: true
        chain: [{by: [email]}, {after: 15m, by: [sms], service: night}]
      - {id: rest, service: night, chain: [{by: [email, sms]}]}

The columns of a CSV file are these names; several values stand with spaces between, and a chain is written
`0:email 15m:sms@night`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from backend.city.dispatch.plan import Cause, Person, Plan, Route, Service, Shift, Times
from hub.core.errors import ConfigError, Problem
from hub.core.text import Phrase, phrase

MOST_BYTES = 4 << 20
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FRENCH_DAYS = ("lun", "mar", "mer", "jeu", "ven", "sam", "dim")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_SPAN = re.compile(r"(\d{1,6})\s*(s|m|min|h|d)?")
_FIELD = re.compile(r"- at `\$\.?([^`\[]*)")
_NO_MAPPING = phrase("routes-no-mapping", "names with values are expected here")
_NO_LIST = phrase("routes-no-list", "a list is expected here")
T = TypeVar("T")


class _Wrong(Exception):
    def __init__(self, key: str, what: Phrase) -> None:
        self.key, self.what = key, what


def _problem(what: Phrase, name: str, at: tuple[int, int]) -> Problem:
    return Problem(what, file=name, line=at[0], column=at[1])


def read_yaml(text: str, name: str = "plan") -> Plan:
    """Return the plan of a YAML file. Raises ConfigError."""
    _bounded(text, name)
    try:
        data = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        raise ConfigError([_problem(_no_yaml(error), name, at)]) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError([_problem(_no_yaml(error), name, (1, 1))]) from error
    if not isinstance(data, CommentedMap):
        raise ConfigError([_problem(_NO_MAPPING, name, (1, 1))])
    return _Reading(name).plan(data)


def read_csv(text: str, plan: Plan, name: str = "table") -> Plan:
    """Return a plan whose routes, rota or people are those of a CSV file; its columns say which. Raises ConfigError."""
    _bounded(text, name)
    text = text.removeprefix("\ufeff")
    head = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    try:
        lines = [(rows.line_num, cells) for cells in rows if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        said = phrase("routes-no-csv", "this is no CSV: {reason}", reason=str(error))
        raise ConfigError([_problem(said, name, (rows.line_num, 1))]) from error
    if not lines:
        raise ConfigError([_problem(phrase("routes-csv-empty", "the file is empty"), name, (1, 1))])
    return _Reading(name).table([one.strip() for one in lines[0][1]], lines[1:], plan)


def read_route(fields: Mapping[str, str]) -> Route:
    """Return the route of a form, whose fields are the columns of a CSV file. Raises ConfigError."""
    try:
        return _route(dict(fields))
    except _Wrong as error:
        raise ConfigError([Problem(error.what)]) from error


def _bounded(text: str, name: str) -> None:
    if len(text) > MOST_BYTES:
        raise ConfigError([_problem(phrase("routes-file-large", "a plan has 4 MiB at most"), name, (1, 1))])


def _no_yaml(error: Exception) -> Phrase:
    said = getattr(error, "problem", None) or str(error)
    return phrase("routes-no-yaml", "this is no YAML: {reason}", reason=str(said)[:200])


class _Reading:
    """Reads one file, and collects what is wrong."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._problems: list[Problem] = []

    def _wrong(self, at: tuple[int, int], what: Phrase) -> None:
        self._problems.append(_problem(what, self._name, at))

    def plan(self, data: CommentedMap) -> Plan:
        made: dict[str, Any] = {}
        for key in data:
            if key in _PARTS:
                made[key] = tuple(self._entries(data, str(key), _PARTS[key]))
            elif key in ("zone", "calendar"):
                made[key] = data[key]
            elif key in ("more_holidays", "alone"):
                made[key] = list(data[key] or ())
            elif key == "families":
                made[key] = {str(name): tuple(_texts(globs, str(name))) for name, globs in (data[key] or {}).items()}
            else:
                self._wrong(_place(data, key), _unknown(str(key), [*_PARTS, *_OTHERS]))
        plain = {key: value for key, value in made.items() if key not in _PARTS}
        try:
            others = msgspec.convert(plain, Plan, strict=False)
        except (msgspec.ValidationError, ValueError, TypeError) as error:
            self._wrong(_place(data, _field(error)), _invalid(error))
            others = Plan()
        self._end()
        return msgspec.structs.replace(others, **{key: value for key, value in made.items() if key in _PARTS})

    def _entries(self, data: CommentedMap, part: str, make: Callable[[dict[str, Any]], T]) -> Iterator[T]:
        entries = data[part]
        if entries is None:
            return
        if isinstance(entries, CommentedMap):
            pairs: list[tuple[Any, Any, tuple[int, int]]] = [
                (key, entries[key], _place(entries, key)) for key in entries
            ]
        elif isinstance(entries, CommentedSeq):
            pairs = [(None, entry, _item_place(entries, n)) for n, entry in enumerate(entries)]
        else:
            self._wrong(_place(data, part), _NO_LIST)
            return
        for key, entry, at in pairs:
            if not isinstance(entry, CommentedMap):
                self._wrong(at, _NO_MAPPING)
                continue
            given = dict(entry) | ({} if key is None else {"id": str(key)})
            try:
                yield make(given)
            except _Wrong as error:
                self._wrong(_place(entry, error.key) if error.key in entry else at, error.what)

    def table(self, columns: list[str], lines: list[tuple[int, list[str]]], plan: Plan) -> Plan:
        part = "routes" if "chain" in columns else "rota" if "people" in columns else "people"
        made: list[Any] = []
        for line, cells in lines:
            given = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}
            try:
                if len(cells) > len(columns):
                    raise _Wrong(columns[-1], phrase("routes-csv-cells", "this line has more cells than the first one"))
                made.append(_PARTS[part](given))
            except _Wrong as error:
                column = columns.index(error.key) + 1 if error.key in columns else 1
                self._wrong((line, column), error.what)
        self._end()
        return msgspec.structs.replace(plan, **{part: tuple(made)})

    def _end(self) -> None:
        if self._problems:
            raise ConfigError(sorted(self._problems, key=lambda one: (one.line, one.column)))


def _times(given: dict[str, Any]) -> Times:
    made: dict[str, Any] = {}
    if "days" in given:
        made["days"] = _days(given.pop("days"))
    for key, field in (("from", "begin"), ("to", "end")):
        if key in given:
            made[field] = _clock(given.pop(key), key)
    if "holidays" in given:
        made["holidays"] = given.pop("holidays")
        if made["holidays"] not in ("also", "never", "only"):
            raise _Wrong("holidays", phrase("routes-holidays", "say also, never or only"))
    return Times(**made)


def _days(said: Any) -> tuple[int, ...]:
    words = said.replace(",", " ").split() if isinstance(said, str) else [str(one) for one in said or ()]
    found: list[int] = []
    for word in words:
        first, dash, last = word.lower().partition("-")
        begin = _weekday(first)
        end = _weekday(last) if dash else begin
        found += [(begin + step) % 7 for step in range((end - begin) % 7 + 1)]
    if not found:
        raise _Wrong("days", phrase("routes-days", "say days as mon-fri, sat, or lun-ven"))
    return tuple(sorted(set(found)))


def _weekday(word: str) -> int:
    for names in (WEEKDAYS, FRENCH_DAYS):
        if word[:3] in names:
            return names.index(word[:3])
    raise _Wrong("days", phrase("routes-days", "say days as mon-fri, sat, or lun-ven"))


def _clock(said: Any, key: str) -> int:
    if isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= 24 * 60:
        return said  # YAML 1.1 reads 08:00 as sixty times eight
    found = _CLOCK.fullmatch(str(said).strip())
    minutes = int(found[1]) * 60 + int(found[2]) if found else 24 * 60 + 1
    if minutes > 24 * 60:
        raise _Wrong(key, phrase("routes-clock", "say a time of the day as 08:00, at most 24:00"))
    return minutes


def _span(said: Any, key: str = "chain") -> int:
    found = _SPAN.fullmatch(str(said).strip())
    if found is None:
        raise _Wrong(key, phrase("routes-span", "say a duration as 30s, 15m or 2h"))
    return int(found[1]) * _UNITS[found[2] or "s"]


def _texts(said: Any, key: str) -> list[str]:
    if isinstance(said, str):
        return said.split()
    if not isinstance(said, Sequence):
        raise _Wrong(key, _NO_LIST)
    return [str(one) for one in said]


def _chain(said: Any) -> list[dict[str, Any]]:
    if isinstance(said, str):
        return [_written_step(word) for word in said.split()]
    if not isinstance(said, Sequence):
        raise _Wrong("chain", _NO_LIST)
    steps = []
    for one in said:
        if not isinstance(one, Mapping) or set(one) - {"after", "by", "service"}:
            raise _Wrong("chain", phrase("routes-step", "a step has `after`, `by` and `service`"))
        step: dict[str, Any] = {"after_s": _span(one.get("after", 0)), "service": str(one.get("service") or "")}
        if "by" in one:
            step["channels"] = _texts(one["by"], "chain")
        steps.append(step)
    return steps


def _written_step(word: str) -> dict[str, Any]:
    after, colon, rest = word.partition(":")
    channels, _, service = rest.partition("@")
    if not colon:
        raise _Wrong("chain", phrase("routes-written-step", "write a step as 15m:sms@service"))
    return {"after_s": _span(after), "channels": channels.split(","), "service": service}


def _converted(given: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(given, kind, strict=False)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise _Wrong(_field(error), _invalid(error)) from error


def _known(given: dict[str, Any], kind: Any, *more: str) -> None:
    names = [*(one.name for one in msgspec.structs.fields(kind) if one.name != "times"), *more]
    for key in given:
        if key not in names:
            raise _Wrong(str(key), _unknown(str(key), names))


def _service(given: dict[str, Any]) -> Service:
    _known(given, Service)
    return _converted({**given, **{key: str(given[key]) for key in ("glpi", "open311") if key in given}}, Service)


def _person(given: dict[str, Any]) -> Person:
    _known(given, Person)
    return _converted(given, Person)


def _shift(given: dict[str, Any]) -> Shift:
    _known(given, Shift, "days", "from", "to", "holidays")
    times = _times(given)
    given["people"] = _texts(given.get("people", ()), "people")
    if isinstance(since := given.get("since"), datetime):
        given["since"] = since.date()
    made = _converted(given, Shift)
    return msgspec.structs.replace(made, times=times)


def _route(given: dict[str, Any]) -> Route:
    _known(given, Route, "days", "from", "to", "holidays")
    times = _times(given)
    for key in ("rules", "severities", "sectors", "contracts"):
        if key in given:
            given[key] = _texts(given[key], key)
    if "chain" in given:
        given["chain"] = _chain(given["chain"])
    if isinstance(crew := given.get("crew"), str):
        given["crew"] = crew.lower() in ("1", "yes", "true", "oui", "x")
    made = _converted(given, Route)
    return msgspec.structs.replace(made, times=times)


def _cause(given: dict[str, Any]) -> Cause:
    _known(given, Cause)
    for key in ("sites", "hubs", "tags"):
        if key in given:
            given[key] = _texts(given[key], key)
    return _converted(given, Cause)


_PARTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "services": _service, "people": _person, "rota": _shift, "routes": _route, "causes": _cause,
}  # fmt: skip
_OTHERS = ("zone", "calendar", "more_holidays", "families", "alone")


def _field(error: Exception) -> str:
    found = _FIELD.search(str(error))
    return found[1].split(".")[0] if found else ""


def _invalid(error: Exception) -> Phrase:
    said = str(error).partition(" - at")[0]
    field = _field(error)
    if field:
        return phrase("routes-value-wrong", "{field}: {reason:l}", field=field, reason=said[:200])
    return phrase("routes-entry-wrong", "this entry is not right: {reason:l}", reason=said[:200])


def _unknown(key: str, known: Sequence[str]) -> Phrase:
    return phrase("routes-key-unknown", "{key!r} is not known here; there are {known}", key=key[:60], known=list(known))


def _place(data: CommentedMap, key: Any) -> tuple[int, int]:
    try:
        line, column = data.lc.key(key)
    except (KeyError, TypeError, AttributeError):
        line, column = data.lc.line, data.lc.col
    return (line or 0) + 1, (column or 0) + 1


def _item_place(data: CommentedSeq, number: int) -> tuple[int, int]:
    line, column = data.lc.item(number)
    return line + 1, column + 1


def written(plan: Plan) -> str:
    """Return a plan as YAML that `read_yaml` reads as the same plan."""
    parts: dict[str, Any] = {"zone": plan.zone, "calendar": plan.calendar}
    if plan.more_holidays:
        parts["more_holidays"] = list(plan.more_holidays)
    parts["services"] = {one.id: _shown(one, "id") for one in plan.services}
    parts["people"] = {one.id: _shown(one, "id") for one in plan.people}
    parts["rota"] = [_shown(one) | _shown_times(one.times) for one in plan.rota]
    parts["routes"] = [_shown(one) | _shown_times(one.times) | _shown_chain(one) for one in plan.routes]
    if plan.causes:
        parts["causes"] = [_shown(one) for one in plan.causes]
    if plan.families:
        parts["families"] = {name: list(globs) for name, globs in plan.families.items()}
    if plan.alone:
        parts["alone"] = list(plan.alone)
    out = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_unicode, yaml.width = True, 110
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(parts, out)
    return out.getvalue()


def _shown(one: msgspec.Struct, *without: str) -> dict[str, Any]:
    """Return the fields of an entry that are not their defaults."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(one):
        value = getattr(one, field.name)
        if field.name in ("times", "chain", *without) or value == field.default:
            continue
        found[field.name] = list(value) if isinstance(value, tuple) else value
    return found


def _shown_times(times: Times) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if set(times.days) != set(range(7)):
        found["days"] = " ".join(WEEKDAYS[day] for day in times.days)
    if times.begin % 1440 or times.end % 1440:
        found |= {"from": clock_text(times.begin), "to": clock_text(times.end)}
    if times.holidays != "also":
        found["holidays"] = times.holidays
    return found


def _shown_chain(route: Route) -> dict[str, Any]:
    steps = [{"after": f"{one.after_s}s", "by": list(one.channels)} | ({"service": one.service} if one.service else {})
             for one in route.chain]  # fmt: skip
    return {"chain": steps} if steps else {}


def clock_text(minute: int) -> str:
    """Return a minute of the day as 08:00."""
    return f"{minute // 60:02}:{minute % 60:02}"


def day_of(text: str) -> date:
    """Return a date of the form 2026-01-05. Raises ValueError."""
    return date.fromisoformat(text)
