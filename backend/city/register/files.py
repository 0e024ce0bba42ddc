"""Files of the operator: services, sectors, sites and things, as CSV or GeoJSON. Pure.

    services  id, name
    sectors   id, name and a polygon: GeoJSON alone
    sites     id, name, address, lat, lon, service, kind, sectors
    things    hub, device, name, site, zone, kind, layer, service, provider, privacy, mobile, lat, lon

A CSV has these names in its first line, in any order; cells are separated by commas, semicolons or tabs, and numbers
may have a decimal comma where cells are not separated by one. An empty cell says nothing; of a thing, `-` takes back
what was said. In GeoJSON the same names are properties, and lat and lon its geometry. Everything that is wrong is told
with its line; nothing of such a file is taken.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from backend.city.register import geometry, kinds
from backend.storage.city.sql import Value
from hub.core.errors import DecodeError
from hub.core.nesting import shallow_json
from hub.core.text import Phrase, phrase, reason_of

SERVICES, SECTORS, SITES, THINGS = "services", "sectors", "sites", "things"
WHAT = (SERVICES, SECTORS, SITES, THINGS)
MOST_BYTES = 64 << 20
MOST_ROWS = 200_000
MOST_TEXT = 500
TAKEN_BACK = "-"
COLUMNS = {
    SERVICES: ("id", "name"),
    SECTORS: ("id", "name"),
    SITES: ("id", "name", "address", "lat", "lon", "service", "kind", "sectors"),
    THINGS: (
        "hub", "device", "name", "site", "zone", "kind", "layer", "service", "provider", "privacy", "mobile", "lat",
        "lon",
    ),
}  # fmt: skip
_KEYS = {SERVICES: ("id",), SECTORS: ("id",), SITES: ("id",), THINGS: ("hub", "device")}
_ID = re.compile(r"[^\s/\x00-\x1f\x7f]{1,100}")
_TRUTHS = {"1": 1, "0": 0, "true": 1, "false": 0, "oui": 1, "non": 0, "yes": 1, "no": 0}
_CHOICES: dict[str, tuple[str, ...]] = {
    "kind": kinds.KINDS, "layer": kinds.LAYERS, "privacy": ("public", "internal", "personal"),
}  # fmt: skip


class Line(NamedTuple):
    """Columns of a line: those that it gives, None where it takes back what was given. `area` is the GeoJSON of a
    sector."""

    line: int
    values: dict[str, Value]
    sectors: tuple[str, ...] | None = None
    area: str = ""


class Problem(NamedTuple):
    """Something wrong in a line."""

    line: int
    said: Phrase


class Parsed(NamedTuple):
    """A file that was read."""

    what: str
    lines: list[Line]
    problems: list[Problem]


def parse(data: bytes, what: str = "") -> Parsed:
    """Read a file; `what` is one of WHAT, "" where the file's own columns say it. Raises DecodeError where it can be
    taken for neither."""
    if len(data) > MOST_BYTES:
        raise DecodeError(
            "too-large", phrase("register-file-large", "a file has {most} MB at most", most=MOST_BYTES >> 20)
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = data.count(b"\n", 0, error.start) + 1
        raise DecodeError(
            "no-utf8",
            phrase("register-no-utf8", "line {line}: not UTF-8; save the file as UTF-8", line=at),
        ) from error
    found = _geojson(text, what) if text.lstrip().startswith("{") else _csv(text, what)
    return found._replace(problems=[*found.problems, *_doubled(found)])


def _csv(text: str, what: str) -> Parsed:
    head = text.partition("\n")[0]
    separator = max(";,\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    problems: list[Problem] = []
    lines: list[Line] = []
    try:
        names = [cell.strip().lower() for cell in next(reader, [])]
        what = what or _what_of(names)
        _check_columns(what, names)
        if what == SECTORS:
            raise DecodeError("no-area", phrase("register-sectors-geojson", "sectors have polygons: give GeoJSON"))
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(names):
                problems.append(
                    _problem(reader.line_num, phrase("register-cells", "more cells than the first line has"))
                )
                continue
            values = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
            _add(lines, problems, what, reader.line_num, values, decimal_comma=separator != ",")
    except csv.Error as error:
        problems.append(_problem(reader.line_num, phrase("register-csv", "no CSV: {reason}", reason=reason_of(error))))
    return Parsed(what or SITES, lines, problems)


def _geojson(text: str, what: str) -> Parsed:
    try:
        whole = msgspec.json.decode(shallow_json(shallow_json(text)))
        raws = msgspec.json.decode(shallow_json(text), type=_Collection).features
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        where = re.search(r"\(byte (\d+)\)", str(error))
        at = text.encode(errors="replace").count(b"\n", 0, int(where[1])) + 1 if where else 1
        said = phrase("register-geojson", "no GeoJSON FeatureCollection: {reason}", reason=reason_of(error))
        return Parsed(what or SITES, [], [_problem(at, said)])
    problems: list[Problem] = []
    lines: list[Line] = []
    places = list(_lines_of(text, raws))
    features = whole["features"]
    names = sorted({str(name) for one in features for name in _properties(one)})
    areas = sum(_geometry(one).get("type") in ("Polygon", "MultiPolygon") for one in features)
    what = what or (SECTORS if areas and "hub" not in names else THINGS if {"hub", "device"} <= set(names) else SITES)
    for at, one in zip(places, features, strict=True):
        values: dict[str, Any] = {name.lower(): value for name, value in _properties(one).items()}
        if "id" not in values and isinstance(one, dict) and one.get("id") is not None:
            values["id"] = one["id"]
        shape = _geometry(one)
        try:
            area = ""
            if what == SECTORS:
                geometry.read_area(shape)
                area = msgspec.json.encode({"type": shape["type"], "coordinates": shape["coordinates"]}).decode()
            elif shape.get("type") == "Point":
                values["lon"], values["lat"] = geometry.read_position(shape.get("coordinates"))
            elif shape:
                raise DecodeError("no-point", phrase("register-no-point", "a site or a thing is a Point"))
        except DecodeError as error:
            problems.append(_problem(at, error.detail))
            continue
        known = {name: value for name, value in values.items() if name in COLUMNS[what]}
        _add(lines, problems, what, at, known, area=area)
    return Parsed(what, lines, problems)


class _Collection(msgspec.Struct):
    features: list[msgspec.Raw]


def _lines_of(text: str, raws: list[msgspec.Raw]) -> Iterator[int]:
    """Yield the line in which each feature begins."""
    data, before, after, line = text.encode(), 0, 0, 1
    for raw in raws:
        begin = data.index(bytes(raw), after)
        line += data.count(b"\n", before, begin)
        yield line
        before, after = begin, begin + len(bytes(raw))


def _properties(feature: Any) -> Mapping[str, Any]:
    found = feature.get("properties") if isinstance(feature, dict) else None
    return found if isinstance(found, dict) else {}


def _geometry(feature: Any) -> Mapping[str, Any]:
    found = feature.get("geometry") if isinstance(feature, dict) else None
    return found if isinstance(found, dict) else {}


def _what_of(names: list[str]) -> str:
    if {"hub", "device"} <= set(names):
        return THINGS
    if set(names) == {"id", "name"}:
        return SERVICES
    return SITES


def _check_columns(what: str, columns: list[str]) -> None:
    """Raise DecodeError unless the first line of a file is one of what it is taken for."""
    strange = [name for name in columns if name not in COLUMNS[what]]
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    lacking = [name for name in _KEYS[what] if name not in columns]
    if strange or doubled or lacking:
        raise DecodeError(
            "bad-columns",
            phrase(
                "register-columns",
                "line 1: a file of {what} has the columns {columns}, of which {keys} must be there; this one has"
                " {found}",
                what=what,
                columns=", ".join(COLUMNS[what]),
                keys=", ".join(_KEYS[what]),
                found=", ".join(columns)[:MOST_TEXT] or "-",
            ),
        )


def _add(
    lines: list[Line],
    problems: list[Problem],
    what: str,
    at: int,
    cells: Mapping[str, Any],
    *,
    decimal_comma: bool = False,
    area: str = "",
) -> None:
    """Read the cells of a line, and add the line or what is wrong with it."""
    if len(lines) >= MOST_ROWS:
        if len(lines) == MOST_ROWS and not any(one.line == at for one in problems):
            problems.append(_problem(at, phrase("register-rows", "more than {most} lines", most=MOST_ROWS)))
        return
    values: dict[str, Value] = {}
    sectors: tuple[str, ...] | None = None
    wrong = len(problems)
    for name, cell in cells.items():
        if cell is None or cell == "":
            continue
        if what == THINGS and cell == TAKEN_BACK and name not in _KEYS[THINGS]:
            values[name] = None
            continue
        try:
            if name == "sectors":
                sectors = tuple(one for one in re.split(r"[|\s]+", str(cell)) if one)
            else:
                values[name] = _reader(what, name)(name, cell, decimal_comma)
        except DecodeError as error:
            problems.append(
                _problem(at, phrase("register-cell", "{column}: {reason:l}", column=name, reason=error.detail))
            )
    for name in _KEYS[what]:
        if not values.get(name) and not any(one.line == at for one in problems[wrong:]):
            problems.append(_problem(at, phrase("register-lacks", "{column} is missing", column=name)))
    if len(problems) == wrong and _is_half(values):
        problems.append(_problem(at, phrase("register-half-position", "lat and lon belong together")))
    if what == THINGS and values.get("kind") and "layer" not in values:
        values["layer"] = kinds.LAYER_OF[str(values["kind"])]
    if what == THINGS and "kind" in values and values["kind"] is None:
        values.setdefault("layer", None)
    if len(problems) == wrong:
        lines.append(Line(at, values, sectors, area))


def _is_half(values: Mapping[str, Value]) -> bool:
    """Return whether a line gives one half of a position, or takes one half back."""
    halves = [values[name] is None for name in ("lat", "lon") if name in values]
    return len(halves) == 1 or len(set(halves)) > 1


def _text(name: str, cell: Any, decimal_comma: bool) -> str:
    text = str(cell) if isinstance(cell, str | int) else ""
    if not text or len(text) > MOST_TEXT or not text.isprintable():
        raise DecodeError(
            "bad-text", phrase("register-text", "a text of one line, {most} characters at most", most=MOST_TEXT)
        )
    return text


def _id(name: str, cell: Any, decimal_comma: bool) -> str:
    text = str(cell) if isinstance(cell, str | int) else ""
    if not _ID.fullmatch(text):
        raise DecodeError("bad-id", phrase("register-id", "a name without spaces and slashes, 100 characters at most"))
    return text


def _choice(name: str, cell: Any, decimal_comma: bool) -> str:
    if cell not in _CHOICES[name]:
        raise DecodeError(
            "bad-choice",
            phrase(
                "register-choice",
                "{text!r} is none of {choices}",
                text=str(cell)[:100],
                choices=", ".join(_CHOICES[name]),
            ),
        )
    return str(cell)


def _truth(name: str, cell: Any, decimal_comma: bool) -> int:
    found = _TRUTHS.get(str(cell).lower())
    if found is None:
        raise DecodeError("bad-truth", phrase("register-truth", "1 or 0"))
    return found


def _degrees(name: str, cell: Any, decimal_comma: bool) -> float:
    text = str(cell)
    if decimal_comma:
        text = text.replace(",", ".")
    most = 90 if name == "lat" else 180
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= most:
        raise DecodeError("bad-degrees", phrase("register-degrees", "degrees between -{most} and {most}", most=most))
    return value


def _reader(what: str, name: str) -> Callable[[str, Any, bool], Value]:
    if name in ("lat", "lon"):
        return _degrees
    if name == "service" or (name == "id" and what != SITES):  # a site is called as its hubs call it
        return _id
    if what == THINGS and name in _CHOICES:
        return _choice
    return _truth if name == "mobile" else _text


def _doubled(parsed: Parsed) -> Iterator[Problem]:
    """Yield lines that speak of what another line speaks of."""
    seen: dict[tuple[Value, ...], int] = {}
    for one in parsed.lines:
        key = tuple(one.values[name] for name in _KEYS[parsed.what])
        if key in seen:
            yield _problem(one.line, phrase("register-doubled", "the same as line {line}", line=seen[key]))
        seen.setdefault(key, one.line)


def _problem(line: int, said: str) -> Problem:
    return Problem(line, said if isinstance(said, Phrase) else phrase("register-said", "{reason}", reason=str(said)))
