"""The plan that counts, from the database; one that is stored again has the next version."""

from __future__ import annotations

import msgspec

from backend.city.dispatch.checking import errors
from backend.city.dispatch.plan import Plan, Swap
from backend.storage.city import dispatch as table
from backend.storage.city.database import Reader, Transaction
from hub.core.errors import ConfigError


def decode(body: str) -> Plan:
    return msgspec.json.decode(body, type=Plan)


def current(r: Reader) -> tuple[int, Plan]:
    """Return version and plan that count; 0 and an empty plan where there is none."""
    found = table.last_plan(r)
    return (0, Plan()) if found is None else (int(found[0]), decode(found[3]))


def store(t: Transaction, plan: Plan, who: str, now: float) -> int:
    """Store a plan; return its version. Raises ConfigError for one that cannot be used."""
    wrong = errors(plan)
    if wrong:
        raise ConfigError(wrong[0])
    version = table.add_plan(t, now, who, msgspec.json.encode(plan).decode())
    for service in plan.services:
        table.name_service(t, service.id, service.name)
    return version


def standing_swaps(r: Reader, now: float) -> list[Swap]:
    """Return the swaps that may still count."""
    return [
        Swap(
            id=one.id,
            service=one.service,
            person=one.person,
            instead=one.instead,
            begin=one.begin_at,
            end=one.end_at,
        )
        for one in table.swaps(r, now)
    ]
