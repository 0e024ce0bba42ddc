"""Citizens' reports of broken things: where they go, what they repeat, and what becomes of them. Blocking; any thread.

A report lies in the district: in one of its sectors, where there are some, else near what stands in it. It goes to the
service of its category. One of the same category within NEAR_M of an open one repeats it, and is answered with it; of
one that was closed in the last REOPENS_S it opens that again. Nothing is stored of who wrote it, and the picture is
without what a phone adds to it.
"""

from __future__ import annotations

import hmac
import math
import secrets
import unicodedata
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

import msgspec

from backend.city.people import journal
from backend.city.people.viewer import Scope
from backend.city.register.geometry import read_area
from backend.storage.city import open_api as tables
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.open_api import Category, Report
from hub.core.errors import DecodeError, NotReady
from hub.core.text import Phrase, phrase
from hub.page_kit import picture_sanitizer
from hub.page_kit.people.throttle import network
from hub.page_kit.picture_sanitizer import Picture
from hub.page_kit.refusals import Refused

STATES = ("received", "accepted", "reopened", "done", "refused")
OPEN, CLOSED = ("received", "accepted", "reopened"), ("done", "refused")
NEAR_M, REOPENS_S = 30.0, 30 * 86_400.0
OUTSIDE_M = 5000.0
"""How far from everything that stands in the district a report may lie, where there are no sectors."""
SHORTEST, LONGEST, LONGEST_ADDRESS = 5, 2000, 200
HOUR = 3600.0
MOST_OF_ONE, MOST_OF_ALL = 6, 300
"""Reports of one network in an hour, and of all that come without a token."""
PICTURES_S = 180 * 86_400.0
"""For how long the picture of a closed report is kept."""
_METRES = 111_195.0
DEFAULT_CATEGORIES = (
    Category("lighting", "Éclairage public", "Street lighting", "voirie", ""),
    Category("road", "Chaussée ou trottoir abîmé", "Damaged road or pavement", "voirie", ""),
    Category("waste", "Déchets, corbeille pleine", "Waste, full bin", "propreté", ""),
    Category("dumping", "Dépôt sauvage", "Illegal dumping", "propreté", ""),
    Category("furniture", "Mobilier urbain cassé", "Broken street furniture", "voirie", ""),
    Category("green", "Arbre, espace vert", "Tree, green space", "espaces verts", ""),
    Category("water", "Fuite, eau, égout", "Leak, water, sewer", "eau", ""),
    Category("signs", "Signalisation, feux", "Signs, traffic lights", "voirie", ""),
    Category("playground", "Aire de jeux", "Playground", "espaces verts", ""),
    Category("other", "Autre", "Other", "", ""),
)


class Draft(NamedTuple):
    """A report before it is judged; `picture` is what was uploaded."""

    category: str
    text: str
    lat: float
    lon: float
    address: str = ""
    picture: bytes = b""


class Taken(NamedTuple):
    """A report that was taken; `first` is the one that it repeats, itself otherwise."""

    report: Report
    first: Report


def categories(reader: Reader) -> list[Category]:
    """Return the categories: the usual ones until the operator stores others."""
    return tables.categories(reader) or list(DEFAULT_CATEGORIES)


def told_to_all(one: Report) -> str:
    """Return the text of a report as strangers read it: nothing before one of the operator's people accepted it, and
    nothing of those that only repeat it, which nobody may have read."""
    return "" if one.state == "received" or one.of else one.text


def visible(one: Report, scope: Scope) -> bool:
    """Return whether somebody sees a report: by its service and sector."""
    return (
        not scope.provider
        and (scope.services is None or one.service in scope.services)
        and (scope.sectors is None or one.sector in scope.sectors)
    )


def checked_picture(data: bytes) -> Picture | None:
    """Return a picture without what a phone adds to it; None without one. Raises DecodeError."""
    if not data:
        return None
    try:
        return picture_sanitizer.sanitize(data)
    except Refused as error:
        reasons: dict[str, Phrase] = {
            "plan-large": phrase("open-picture-large", "a picture has at most 4 MB"),
            "plan-kind": phrase("open-picture-kind", "a picture is JPEG or PNG"),
            "plan-size": phrase("open-picture-size", "a picture has 32 to 8000 points on each side"),
        }
        broken = phrase("open-picture-broken", "this picture is damaged")
        raise DecodeError("bad-report", reasons.get(error.key, broken)) from error


def plain_text(text: str, longest: int) -> str:
    """Return what somebody wrote without control characters and marks that turn or hide letters."""
    kept = "".join(
        letter
        for letter in text.replace("\r\n", "\n").replace("\r", "\n")
        if letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    return kept.strip()[: longest + 1]


def take(t: Transaction, draft: Draft, source: str, now: float, *, picture: Picture | None, purse: str = "") -> Taken:
    """Store a report. `purse` is that of a writer without a token. Raises DecodeError, NotReady in a flood."""
    category = next((one for one in categories(t) if one.code == draft.category), None)
    if category is None:
        raise _refused(phrase("open-category-unknown", "there is no category {code}", code=draft.category[:40]))
    text = plain_text(draft.text, LONGEST)
    if not SHORTEST <= len(text) <= LONGEST:
        raise _refused(
            phrase("open-text-length", "say in {low} to {high} characters what is broken", low=SHORTEST, high=LONGEST)
        )
    sector = _sector(t, draft)
    if purse:
        _take_turn(t, purse, now)
    first = _first(t, draft, now)
    fresh = Report(
        0, secrets.token_urlsafe(12), category.code, text, draft.lat, draft.lon,
        plain_text(draft.address, LONGEST_ADDRESS)[:LONGEST_ADDRESS], sector, category.service,
        "received" if first is None else ("reopened" if first.state in CLOSED else first.state), "", now, now, source,
        0 if first is None else first.id, 0, "" if picture is None else picture.kind, "",
    )  # fmt: skip
    stored = fresh._replace(id=tables.add_report(t, fresh, None if picture is None else picture.data))
    if first is not None:
        tables.repeat_report(t, first.id, now)
        if first.state in CLOSED:
            tables.change_report(t, first.id, "reopened", "", now)
            journal.note(t, source, "report-reopened", first.number, {"by": stored.number}, now)
    journal.note(t, source, "report-received", stored.number, {"category": category.code, "sector": sector}, now)
    return Taken(stored, stored if first is None else first)


def answer(t: Transaction, who: str, number: str, state: str, said: str, now: float) -> Report:
    """Give a report a state, with what its writers are told. Raises DecodeError."""
    found = tables.report(t, number)
    if found is None or state not in STATES or state == "received":
        raise _refused(phrase("open-report-unknown", "there is no such report, or no such state"))
    if found.of:
        found = tables.report_of(t, found.of) or found
    told = plain_text(said, LONGEST)[:LONGEST]
    if state in CLOSED and len(told) < SHORTEST:
        raise _refused(phrase("open-answer-missing", "who wrote it is told why it is closed: write a sentence"))
    tables.change_report(t, found.id, state, told, now)
    journal.note(t, who, "report-answered", found.number, {"state": state, "answer": told}, now)
    return found._replace(state=state, answer=told, changed=now)


def purse_of(secret: bytes, address: str) -> str:
    """Return what stands for the network of a writer: a digest that nobody turns back without the secret."""
    return hmac.digest(secret, network(address).encode(), sha256).hex()[:24]


def _take_turn(t: Transaction, purse: str, now: float) -> None:
    tables.forget_writers(t, now - HOUR)
    if tables.taken(t, purse, now - HOUR) >= MOST_OF_ONE or tables.taken(t, "", now - HOUR) >= MOST_OF_ALL:
        raise NotReady(
            phrase("open-reports-many", "too many reports came in this hour: come again later, or telephone if it is"
                   " dangerous")
        )  # fmt: skip
    tables.take(t, purse, now)
    tables.take(t, "", now)


def _first(reader: Reader, draft: Draft, now: float) -> Report | None:
    """Return the report that this one repeats: the nearest of its category, open or closed lately."""
    wide = NEAR_M / (_METRES * max(0.01, math.cos(math.radians(draft.lat))))
    high = NEAR_M / _METRES
    box = (draft.lon - wide, draft.lat - high, draft.lon + wide, draft.lat + high)
    found = [
        (_metres(draft, one), one)
        for one in tables.near(reader, draft.category, box, 0.0)
        if one.state in OPEN or one.changed >= now - REOPENS_S
    ]
    return min(((far, one.id, one) for far, one in found if far <= NEAR_M), default=(0.0, 0, None))[2]


def _metres(draft: Draft, one: Report) -> float:
    narrow = math.cos(math.radians(draft.lat))
    return math.hypot((one.lon - draft.lon) * _METRES * narrow, (one.lat - draft.lat) * _METRES)


def _sector(reader: Reader, draft: Draft) -> str:
    """Return the sector that a report lies in, "" where there are none. Raises DecodeError outside of the district."""
    at = draft.lon, draft.lat
    if not (math.isfinite(at[0]) and math.isfinite(at[1]) and -180 <= at[0] <= 180 and -90 <= at[1] <= 90):
        raise _refused(phrase("open-place-wrong", "a place is a longitude and a latitude in degrees"))
    areas = tables.sector_areas(reader)
    for name, area in sorted(areas):
        if read_area(geometry(msgspec.json.decode(area))).holds(*at):
            return name
    box = None if areas else tables.extent(reader)
    if box is not None:
        high = OUTSIDE_M / _METRES
        wide = high / max(0.01, math.cos(math.radians(draft.lat)))
        if box[0] - wide <= at[0] <= box[2] + wide and box[1] - high <= at[1] <= box[3] + high:
            return ""
    elif not areas:
        return ""
    raise _refused(phrase("open-place-outside", "this place does not lie in the district"))


def geometry(found: object) -> object:
    """Return the geometry of a GeoJSON object that may be a feature."""
    return found.get("geometry") if isinstance(found, Mapping) and found.get("type") == "Feature" else found


def _refused(sentence: Phrase) -> DecodeError:
    return DecodeError("bad-report", sentence)
