"""State of one object of a device: its subscription, last notification and errors. Pure: time is an argument."""

from __future__ import annotations

from collections import Counter

from hub.sdk.poll_backoff import PollBackoff
from integrations.bacnet import names
from integrations.bacnet.names import ObjectId
from integrations.bacnet.settings import Point
from integrations.bacnet.values import Facts, Translation

AGAIN_S = 3600.0
"""Seconds after which a refused subscription is requested again."""
LONGEST_SKIP = 63
"""Maximum polls for which an unreadable object is skipped."""


class Subscription:
    """Subscription to one object's changes.

    It is live while it is acknowledged and not expired, and a notification has come since: every subscription begins
    with one (Clause 13.14), so that a lost one is noticed."""

    def __init__(self) -> None:
        self._until = 0.0
        self._since = 0.0
        self._renew_at = 0.0
        self._heard = False
        self._refusal = ""

    def due(self, now: float) -> bool:
        """Return whether to subscribe, or to renew."""
        return now >= self._renew_at

    def live(self, now: float) -> bool:
        return self._heard and now < self._until

    def open(self, now: float) -> bool:
        """Return whether a notification may arrive."""
        return now < self._until

    def mute(self, now: float, patience_s: float) -> bool:
        """Return whether it is acknowledged without a notification since."""
        return now < self._until and not self._heard and now >= self._since + patience_s

    def made(self, now: float, lifetime_s: float) -> None:
        self._since, self._until, self._renew_at = now, now + lifetime_s, now + lifetime_s / 2
        self._heard = False

    def heard(self) -> None:
        self._heard = True

    def accepted(self) -> None:
        self._refusal = ""

    def refused(self, now: float, reason: str = "") -> bool:
        """Ask again later. Returns True when the reason is new; "" is that of another object."""
        self._until, self._renew_at, self._heard = 0.0, now + AGAIN_S, False
        news = reason not in ("", self._refusal)
        self._refusal = reason or self._refusal
        return news

    def lost(self) -> None:
        """Subscribe again as soon as possible: the device was away and may have forgotten."""
        self._until = self._renew_at = 0.0
        self._heard = False


class Watched:
    """A point in use."""

    def __init__(self, who: ObjectId, point: Point) -> None:
        self.object = who
        self.point = point
        self.translation: Translation | None = None
        self.facts = Facts()
        self.subscription = Subscription()
        self.reliability = True
        """True when it has that property."""
        self.last_seen: float | None = None
        self.errors: Counter[str] = Counter()
        self.trouble = ""
        """Why it has no reading, or a bad one, now."""
        self.patience = PollBackoff(LONGEST_SKIP)

    @property
    def wanted(self) -> tuple[int, ...]:
        """Return the properties of a poll."""
        base = (names.PRESENT_VALUE, names.STATUS_FLAGS)
        return (*base, names.RELIABILITY) if self.reliability else base

    @property
    def learnt(self) -> tuple[int, ...]:
        """Return the properties that describe its values."""
        kind = self.object.type
        if kind in names.BINARY:
            return (names.INACTIVE_TEXT, names.ACTIVE_TEXT)
        if kind in names.MULTISTATE:
            return (names.STATE_TEXT,)
        if kind in names.TEXTS:
            return ()
        return (names.UNITS, names.SCALE) if kind == 23 else (names.UNITS,)

    def failed(self, reason: str) -> bool:
        """Note that it cannot be read: skip it for 1, 3, 7 … polls. Returns True when that is new."""
        self.patience.failed()
        return self.worse(reason)

    def worse(self, reason: str) -> bool:
        """Note a problem, or none (""). Returns True when that is new."""
        if reason:
            self.errors[reason] += 1
        news = reason != self.trouble
        self.trouble = reason
        return news

    def spoke(self, now: float) -> None:
        self.last_seen = now
        self.patience.succeeded()
