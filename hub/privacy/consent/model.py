"""A consent and an erasure. Pure.

    given ──▶ ended     by a withdrawal, for good: a new consent is a separate one with its own key

A consent is given by one person, for one purpose, in one home (zone). A withdrawal by anybody of that home ends all
consents of that purpose there, because the readings of a flat concern everybody in it.
"""

from __future__ import annotations

import msgspec

from hub.core.errors import HubError

PSEUDONYM, DEVICE = "pseudonym", "device"


class ConsentRefused(HubError):
    """Raised when a consent cannot be given, or there is none."""

    exit_code = 3


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """A consent. Times are Unix seconds. `given`: the date on the form; `recorded` when and `by` whom it was entered;
    `ended` None while it is valid, `why` it ended."""

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
    """A deletion requested from the backend: all data of `name`, a pseudonym, for ever; or personal data of a device
    `name` until `until`.

    `confirmed`: when the backend confirmed it, with the number of `readings` deleted; `left`: the number of
    non-personal readings of a device that it keeps.
    """

    id: str
    kind: str
    name: str
    until: float
    asked: float
    person: str = ""
    confirmed: float | None = None
    readings: int = 0
    left: int = 0
