"""A data set, as two persons allow it: which series, in which cells of space and time, how late, under which licence.

Families say which rules hold, and which kinds and metrics may be told at all: what is named in none of them is never
published. A definition lists criteria; the series that matched when it was proposed are frozen with it, so that a
sensor which comes later is not published before two persons have seen it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from backend.city.publication.calendar import CELLS, DAY_S, HOUR_S, MONTH_S, WEEK_S, Calendar
from backend.city.publication.disclosure import Rules
from backend.queries.intervals import DEFAULT_ZONE
from backend.storage.city.publication import Candidate, Member
from hub.core.errors import DecodeError
from hub.core.metric_catalogue import METRICS
from hub.core.text import Phrase, phrase

LATE_S = 7 * DAY_S
K = 5
"""Counts below it carry one mark, and all others are rounded to its multiples."""
LEAST_HOMES, LEAST_FIRMS, MOST_SHARE = 10, 3, 0.85
MOST_MEMBERS = 5_000
RESERVED = frozenset(("catalog", "sensors"))
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){0,9}")
_MAIL = re.compile(r"[^@\s<>\"';]{1,64}@[^@\s<>\"';]{1,180}\.[a-z]{2,24}", re.IGNORECASE)


class Family(StrEnum):
    """Data sets that share their rules."""

    AMBIENT = "ambient"
    PRESENCE = "presence"
    HOMES = "homes"
    FIRMS = "firms"


class Statistic(StrEnum):
    """How the readings of one series make one number of a cell."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    LAST = "last"
    ANY = "any"
    INCREASE = "increase"


AMBIENT: Mapping[str, frozenset[str]] = {
    "air": frozenset(
        ("temperature", "humidity", "pressure", "pm1", "pm2_5", "pm10", "tvoc", "no2", "no", "o3", "so2", "co")
    ),
    "weather": frozenset(
        ("temperature", "humidity", "pressure", "dew_point", "precipitation", "speed", "direction", "irradiance",
         "illuminance", "uv_index")
    ),
    "parking-spot": frozenset(("occupancy", "presence")),
    "traffic": frozenset(("count", "speed")),
    "waste-container": frozenset(("fill_level",)),
    "water-level": frozenset(("water_level", "temperature")),
    "street-light": frozenset(("light",)),
}  # fmt: skip
"""Metrics that may be told without a threshold, by the kind of the thing."""
WITHIN = {"waste-container": (HOUR_S, 0), "street-light": (HOUR_S, DAY_S)}
"""Kinds that are told less finely: least length of a cell and least delay, s. A bin that is filled at this minute, or a
lamp that brightens when somebody comes, tells of one person; a mean of an hour, of the lamp a day late, does not."""
SHARED = frozenset(("air", "weather", "waste-container", "water-level", "street-light"))
"""Kinds that one household may have for itself: such a thing is personal in the register, and is not told."""
COUNTS = frozenset(("people", "nearby_devices", "people_in", "people_out"))
FLAGS = frozenset(("occupancy", "motion", "presence"))
METERS = frozenset(("energy", "gas", "water"))
FLAG_METRICS = frozenset(("occupancy", "presence", "motion"))
TOLD = frozenset().union(*AMBIENT.values()) | COUNTS | FLAGS | METERS
"""Metrics for which there is a rule."""
_OF_AMBIENT = {"precipitation": Statistic.SUM, "direction": Statistic.LAST, "count": Statistic.SUM}
FREQUENCIES = {
    300: "UPDATE_CONT", 900: "UPDATE_CONT", HOUR_S: "HOURLY", DAY_S: "DAILY", WEEK_S: "WEEKLY", MONTH_S: "MONTHLY"
}  # fmt: skip
"""Codes of the list of frequencies of the Publications Office of the EU."""
LICENCES = {
    "etalab-2.0": ("Licence Ouverte 2.0", "https://www.etalab.gouv.fr/licence-ouverte-open-licence"),
    "odbl-1.0": ("ODbL 1.0", "https://opendatacommons.org/licenses/odbl/1-0/"),
}
"""Name and address of each licence, by its code."""
LICENCE_IRIS = {
    "etalab-2.0": "http://publications.europa.eu/resource/authority/licence/ETALAB_2_0",
    "odbl-1.0": "http://publications.europa.eu/resource/authority/licence/ODC_ODBL",
}
THEMES = ("ENVI", "TRAN", "ENER", "SOCI", "GOVE", "HEAL", "REGI")


class DefinitionRefused(DecodeError):
    """A data set that may not be published as it is; `problems` says all that stands against it."""

    def __init__(self, problems: Sequence[Phrase]) -> None:
        super().__init__("publication-refused", phrase("publication-refused", "{problems}", problems=list(problems)))
        self.problems = list(problems)


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A data set. `title`, `summary`: texts by language, French at least; `kinds`, `metrics`: what is told; `sectors`,
    `sites`: limits, none without; `space`: what an area is; `cell_s`, `delay_s`: s; `since`, `until`: Unix s, the end
    None while it goes on; `zone`: whose days and months its cells are; `owners`: site → who uses it, where one firm has
    several sites."""

    id: str
    family: Family
    title: dict[str, str]
    summary: dict[str, str]
    kinds: tuple[str, ...]
    metrics: tuple[str, ...]
    space: Literal["thing", "site", "sector"]
    cell_s: int
    delay_s: int
    since: float
    contact: str
    mail: str
    until: float | None = None
    zone: str = DEFAULT_ZONE
    licence: str = "etalab-2.0"
    theme: str = "ENVI"
    keywords: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    owners: dict[str, str] = {}
    total: bool = False

    @property
    def calendar(self) -> Calendar:
        """Its cells of time."""
        return Calendar(self.cell_s, self.zone)

    @property
    def protected(self) -> bool:
        """Whether its cells say something of people, homes or firms."""
        return self.family != Family.AMBIENT

    @property
    def flags(self) -> bool:
        return bool(self.metrics) and self.metrics[0] in FLAG_METRICS

    def statistic(self, metric: str) -> Statistic:
        """Return how a metric's readings make the number of a cell."""
        if self.family in (Family.HOMES, Family.FIRMS) or metric in ("people_in", "people_out"):
            return Statistic.INCREASE
        if self.family == Family.PRESENCE:
            return Statistic.ANY if metric in FLAGS else Statistic.MEAN
        return _OF_AMBIENT.get(metric, Statistic.MEAN)

    @property
    def quantity(self) -> str:
        """What its cells are of: of one quantity of a thing there is one data set at a time."""
        if self.family == Family.PRESENCE:
            return "presence"
        return self.metrics[0] if self.protected and self.metrics else ""

    def rules(self) -> Rules:
        """Return the conditions of its cells."""
        if self.family == Family.AMBIENT:
            limits = [WITHIN[kind] for kind in self.kinds if kind in WITHIN]
            return Rules(max((cell for cell, _ in limits), default=60), max((late for _, late in limits), default=0))
        if self.family == Family.HOMES:
            return Rules(HOUR_S, LATE_S, LEAST_HOMES, least_value=K, step=K, total=self.total)
        if self.family == Family.FIRMS:
            return Rules(HOUR_S, LATE_S, LEAST_FIRMS, MOST_SHARE, K, K, total=self.total)
        if self.flags:
            return Rules(HOUR_S, LATE_S, LEAST_HOMES, least_value=K, step=K, both_ends=True)
        return Rules(HOUR_S, LATE_S, least_value=K, step=K)

    def kept_s(self, days: Mapping[str, int]) -> float:
        """Return for how long all readings of it are kept, s; `days`: privacy class → days, 0 for ever."""
        classes = {METRICS[key].privacy for key in self.metrics if key in METRICS}
        if self.family in (Family.PRESENCE, Family.HOMES):
            classes.add("personal")
        return min((days[one] * DAY_S for one in classes if days.get(one)), default=math.inf)

    def texts(self, lang: str) -> tuple[str, str]:
        """Return title and summary in a language, else in French."""
        return self.title.get(lang) or self.title["fr"], self.summary.get(lang) or self.summary["fr"]


def check(one: Definition) -> None:
    """Raise DefinitionRefused with all that a data set breaks."""
    problems = [*_of_texts(one), *_of_cells(one), *_of_metrics(one)]
    if problems:
        raise DefinitionRefused(problems)


def _of_texts(one: Definition) -> Iterable[Phrase]:
    if not _ID.fullmatch(one.id) or len(one.id) > 60 or one.id in RESERVED:
        yield phrase(
            "publication-id",
            "the name in addresses has small letters, digits and single hyphens, at most 60 characters",
        )
    for texts, most in ((one.title, 200), (one.summary, 2000)):
        if not texts.get("fr", "").strip() or any(len(text) > most for text in texts.values()):
            yield phrase(
                "publication-texts", "title and summary are there in French, and not longer than 200 and 2,000"
            )
    if not one.contact.strip() or len(one.contact) > 200 or not _MAIL.fullmatch(one.mail):
        yield phrase("publication-contact", "a contact has a name and an e-mail address")
    if one.licence not in LICENCES:
        yield phrase("publication-licence", "unknown licence {licence}", licence=one.licence)
    if one.theme not in THEMES:
        yield phrase("publication-theme", "unknown theme {theme}", theme=one.theme)
    if len(one.keywords) > 30 or any(not 0 < len(word) <= 60 for word in one.keywords):
        yield phrase("publication-keywords", "at most 30 keywords of 1 to 60 characters")


def _of_cells(one: Definition) -> Iterable[Phrase]:
    rules = one.rules()
    if one.cell_s not in CELLS:
        yield phrase("publication-cell", "a cell lasts 5 or 15 minutes, an hour, a day, a week or a month")
    elif one.cell_s < rules.least_cell_s:
        yield phrase("publication-cell-short", "cells of this last an hour at least")
    if not rules.least_delay_s <= one.delay_s <= 366 * DAY_S:
        yield phrase(
            "publication-delay",
            "this is told {days} days late at least, and a year at most",
            days=rules.least_delay_s // DAY_S,
        )
    if one.until is not None and one.until <= one.since:
        yield phrase("publication-period", "the period ends before it begins")
    if one.protected and one.space == "thing":
        yield phrase("publication-space", "presence and energy are told by site or sector, never by device")
    if one.total and one.family not in (Family.HOMES, Family.FIRMS):
        yield phrase(
            "publication-total", "a total is told of energy alone: elsewhere it is computed from published cells"
        )


def _of_metrics(one: Definition) -> Iterable[Phrase]:
    if not one.metrics:
        yield phrase("publication-no-metric", "no quantity is named")
        return
    if one.family == Family.AMBIENT:
        allowed = frozenset().union(*(AMBIENT.get(kind, frozenset()) for kind in one.kinds))
        unknown = [kind for kind in one.kinds if kind not in AMBIENT]
        if not one.kinds or unknown:
            yield phrase(
                "publication-kind",
                "told without a threshold: {told}; not {kinds}",
                told=", ".join(AMBIENT),
                kinds=", ".join(unknown) or "–",
            )
    else:
        allowed = COUNTS | FLAGS if one.family == Family.PRESENCE else METERS
        if len(one.metrics) > 1:
            yield phrase("publication-one-metric", "presence and energy: one quantity a data set")
    for metric in one.metrics:
        if metric not in allowed:
            yield phrase("publication-metric", "there is no rule for publishing {metric} here", metric=metric)


def matches(one: Definition, series: Candidate) -> bool:
    """Return whether a series of the register may be a member."""
    if series.metric not in one.metrics or series.mobile:
        return False  # where a vehicle is says where its driver is
    if one.sites and series.site not in one.sites:
        return False
    if one.sectors and not series.sectors & set(one.sectors):
        return False
    if one.family == Family.AMBIENT:
        private = series.kind in SHARED and series.privacy == "personal"
        return series.kind in one.kinds and series.metric in AMBIENT.get(series.kind, ()) and not private
    if one.kinds and series.kind not in one.kinds:
        return False
    if one.family == Family.HOMES:
        return series.privacy == "personal"
    if one.family == Family.FIRMS:
        return series.privacy != "personal"
    return True


def member(one: Definition, series: Candidate) -> Member | None:
    """Return a series as a member; None where it lies in no area. Where sectors overlap, the first by id counts: an
    area's cells must not share a unit with another's."""
    if one.space == "thing":
        area = str(series.thing)
    elif one.space == "site":
        area = series.site
    else:
        wanted = sorted(series.sectors & set(one.sectors) if one.sectors else series.sectors)
        area = wanted[0] if wanted else ""
    if not area:
        return None
    return Member(series.thing, series.metric, series.hub, series.device, series.series, area, unit(one, series))


def unit(one: Definition, series: Candidate) -> str:
    """Return what a series is a contribution of: a home is a zone of a site, a firm whoever uses a site."""
    if one.family == Family.FIRMS:
        return f"firm:{one.owners.get(series.site) or series.site or series.thing}"
    if (one.family == Family.HOMES or one.flags) and series.zone and one.protected:
        return f"home:{series.site}/{series.zone}"
    return f"thing:{series.thing}"


def digest(one: Definition, members: Sequence[Member]) -> str:
    """Return what the second person allows: the data set and its series, in hex."""
    content = msgspec.json.encode([one, sorted(members)], order="sorted")
    return hashlib.sha256(content).hexdigest()
