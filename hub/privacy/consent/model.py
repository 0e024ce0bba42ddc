"""A consent and an erasure. Pure.

    given ──▶ ended     by a withdrawal; for good: a new consent is another one, with another key

A consent is of one person, for one purpose, about one home (zone). A withdrawal by anybody of that home ends all
consents of that purpose there: the readings of a flat are those of everybody in it.
"""

from __future__ import annotations

import msgspec

from hub.core.errors import HubError

PSEUDONYM, DEVICE = "pseudonym", "device"


class ConsentRefused(HubError):
    """This consent cannot be given, or there is none."""

    exit_code = 3


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """Times are Unix seconds. `given`: the date on the form; `recorded` when and `by` whom it was entered; `ended` None
    while it holds, `why` it ended."""

    n: int
    person: str
    purpose: str
    zone: str
    given: float
    recorded: float
    by: str
    ended: float | None = None
    why: str = ""


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What the backend is told to delete: all of `name`, a pseudonym, for ever; or what is personal of a device `name`
    until `until`. `confirmed`: when the backend said that it had, and how many `readings`; `left`: how many of a
    device it keeps, as they say nothing of people."""

    id: str
    kind: str
    name: str
    until: float
    asked: float
    person: str = ""
    confirmed: float | None = None
    readings: int = 0
    left: int = 0
