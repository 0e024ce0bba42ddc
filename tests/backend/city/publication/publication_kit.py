"""A town with readings in the backend, its register, and passes over what is published of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backend.city.city import City
from backend.city.people.viewer import CLASSES, Role, Scope, Viewer
from backend.city.publication import desk, worker
from backend.city.publication.calendar import HOUR_S
from backend.city.publication.definition import Definition, Family
from backend.city.publication.source import Found
from backend.storage.city.publication import Member

from .attack import START, Thing, put_thing

OFFICER = Viewer("dpo", "Déléguée", Role.DPO, Scope(classes=CLASSES))
HEAD = Viewer("head", "Cheffe", Role.HEAD, Scope(classes=CLASSES))


@dataclass
class Readings:
    """What series say, by (thing, hour): the source of a test."""

    values: dict[tuple[int, float], float] = field(default_factory=dict)

    def cells(self, one: Definition, members: Sequence[Member], starts: Sequence[float]) -> Found:
        found: Found = {start: {} for start in starts}
        for member in members:
            for start in starts:
                value = self.values.get((member.thing, start))
                if value is not None:
                    units = found[start].setdefault((member.area, member.metric), {})
                    units[member.unit] = units.get(member.unit, 0.0) + value
        return found


def air(id: str = "air", **more: object) -> Definition:
    """Air quality, each sensor, each hour, at once."""
    given = {
        "title": {"fr": "Qualité de l'air", "en": "Air quality"}, "summary": {"fr": "Particules fines."},
        "kinds": ("air",), "metrics": ("pm2_5",), "space": "thing", "cell_s": HOUR_S, "delay_s": 0, "since": START,
        "contact": "Délégué à la protection des données", "mail": "dpd@ville.example",
        "keywords": ("air", "particules"),
        **more,
    }  # fmt: skip
    return Definition(id=id, family=Family.AMBIENT, **given)  # type: ignore[arg-type]


AIR = [Thing(n, "pm2_5", "air", "public", f"place-{n}", "") for n in (1, 2, 3)]


async def put(city: City, things: Sequence[Thing]) -> None:
    def write(t) -> None:  # type: ignore[no-untyped-def]
        for thing in things:
            put_thing(t, thing)

    await city.store.write(write)


async def publish(city: City, one: Definition, now: float = START) -> None:
    line = await city.store.write(lambda t: desk.propose(t, one, HEAD, now))
    await city.store.write(lambda t: desk.allow(t, one.id, line.digest, OFFICER, now))


async def passes(city: City, source: object, now: float, kept: Mapping[str, int] | None = None) -> int:
    """Make all that is due; return how many passes did something. `kept`: days of a class of readings."""
    done = 0
    while made := await worker.step(city.store, source, now, kept or {}):  # type: ignore[arg-type]
        done += made
    await worker.note_months(city.store, now)
    return done


def wave(things: Sequence[Thing], hours: int, since: float = START) -> Readings:
    """Readings of things over hours."""
    return Readings(
        {
            (thing.id, since + hour * HOUR_S): round(10 + thing.id + 5 * math.sin(hour / 4), 2)
            for thing in things
            for hour in range(hours)
        }
    )
