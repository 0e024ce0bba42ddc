"""Tracks which rules hold which metric, and which values remain to be written. Pure; the snapshot outlives the process.

A rule holds a metric once per place where the rule holds. The value of the latest holder is written; when that one
releases the metric, the value of the holder before it is written again; when none is left, the last holder's
`otherwise`.

A value to write is pending until a command for it is in flight, and in flight until the device has taken it. A failed
one becomes pending again, and is counted; a newer decision of the rules replaces it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from hub.core.model import Value

KEY = "rules/holds"
"""Key of the snapshot in `meta` of the store."""
ALERT_AFTER = 6
"""Failures in a row after which an alert is raised. A new decision of the rules does not reset the count: it is the
device that takes no commands."""

Target = tuple[str, str]
"""(device, metric)."""
Holder = tuple[str, str]
"""(rule, key of the place where it holds)."""
WriteIntent = tuple[Value | None, str]
"""(value to write, None: release; name of the rule)."""


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """The value a rule writes, and the one written on release; `clear`: a reading of trust class C decided it."""

    value: Value | None
    otherwise: Value | None
    clear: bool = False


class _Snapshot(msgspec.Struct):
    holds: list[tuple[str, str, str, str, Hold]] = []
    wishes: list[tuple[str, str, Value | None, str]] = []
    given: list[tuple[str, str, Value | None, str]] = []
    missed: list[tuple[str, str, int]] = []
    again: list[tuple[str, str, str]] = []
    stopped: bool = False


class Holds:
    """The holds and pending writes of all rules."""

    def __init__(self) -> None:
        self._holders: dict[Target, dict[Holder, Hold]] = {}  # the latest holder last
        self._pending: dict[Target, WriteIntent] = {}
        self._in_flight: dict[Target, WriteIntent] = {}
        self._failures: dict[Target, int] = {}
        self._order_at_failure: dict[Target, str] = {}  # failed target → id of its latest command at that time
        self.stopped = False
        """All writes were stopped, and the held values have not been written again since."""

    @classmethod
    def restore(cls, image: bytes) -> Holds:
        """Restore from a snapshot. Raises msgspec.MsgspecError."""
        kept, holds = msgspec.msgpack.decode(image, type=_Snapshot), cls()
        for device, metric, rule, key, hold in kept.holds:
            holds._holders.setdefault((device, metric), {})[rule, key] = hold
        holds._pending = {(device, metric): (value, rule) for device, metric, value, rule in kept.wishes}
        holds._in_flight = {(device, metric): (value, rule) for device, metric, value, rule in kept.given}
        holds._failures = {(device, metric): count for device, metric, count in kept.missed}
        holds._order_at_failure = {(device, metric): order for device, metric, order in kept.again}
        holds.stopped = kept.stopped
        return holds

    def snapshot(self, *, giving: tuple[Target, WriteIntent] | None = None) -> bytes:
        """Encode for the store; `giving`: as if this intent were in flight, for the commit that holds its command."""
        wishes, given = dict(self._pending), dict(self._in_flight)
        if giving is not None:
            _move_to_in_flight(wishes, given, *giving)
        return msgspec.msgpack.encode(
            _Snapshot(
                [
                    (*target, *holder, hold)
                    for target, holders in self._holders.items()
                    for holder, hold in holders.items()
                ],
                [(*target, *wish) for target, wish in wishes.items()],
                [(*target, *wish) for target, wish in given.items()],
                [(*target, count) for target, count in self._failures.items()],
                [(*target, order) for target, order in self._order_at_failure.items()],
                self.stopped,
            )
        )

    def take(self, target: Target, holder: Holder, hold: Hold) -> None:
        """Let a rule hold the metric from now on."""
        holders = self._holders.setdefault(target, {})
        holders.pop(holder, None)
        holders[holder] = hold
        self._say(target, (hold.value, holder[0]))

    def release(self, target: Target, holder: Holder) -> None:
        """Release the hold of a rule; does nothing if it holds nothing."""
        holders = self._holders.get(target, {})
        stood = next(reversed(holders), None) == holder
        hold = holders.pop(holder, None)
        if hold is None:
            return
        if not holders:
            del self._holders[target]
            self._say(target, (hold.otherwise, holder[0]))
            return
        before = next(reversed(holders))
        if not stood:
            return
        word = holders[before].value, before[0]
        if word[0] != hold.value:
            self._say(target, word)
        else:  # same value, now owed to another rule
            for table in (self._pending, self._in_flight):
                if target in table:
                    table[target] = word

    def revise(self, target: Target, holder: Holder, hold: Hold) -> None:
        """Change the values of a rule that still holds."""
        holders = self._holders.get(target, {})
        former = holders.get(holder)
        if former is None or former == hold:
            return
        holders[holder] = hold
        if next(reversed(holders)) == holder and former.value != hold.value:
            self._say(target, (hold.value, holder[0]))

    def sweep(self, holds: Callable[[Holder, Target], bool]) -> None:
        """Release every hold for which `holds` returns False."""
        for target, holder, _ in list(self.all()):
            if not holds(holder, target):
                self.release(target, holder)

    def resend(self, device: str = "") -> None:
        """Mark all held values, of one device or of all, as pending again.

        Used when somebody else wrote them meanwhile, or the device was replaced.
        """
        for target, holders in self._holders.items():
            if device in ("", target[0]):
                last = next(reversed(holders))
                self._failures.pop(target, None)
                self._pending.pop(
                    target, None
                )  # also a resting one: a later command by somebody else does not supersede this
                self._say(target, (holders[last].value, last[0]))

    def _say(self, target: Target, wish: WriteIntent) -> None:
        if self._pending.get(target) == wish:  # already waiting for its next try
            return
        self._in_flight.pop(target, None)
        self._order_at_failure.pop(target, None)
        self._pending[target] = wish
        if target in self._failures:
            self._failures[target] = min(self._failures[target], ALERT_AFTER - 1)

    def all(self) -> Iterator[tuple[Target, Holder, Hold]]:
        for target, holders in self._holders.items():
            for holder, hold in holders.items():
                yield target, holder, hold

    def targets(self) -> set[Target]:
        """Return all targets that are held, pending or in flight."""
        return {*self._holders, *self._pending, *self._in_flight}

    def held(self, target: Target) -> bool:
        return target in self._holders

    def has(self, target: Target, holder: Holder) -> bool:
        """Return whether this rule holds the metric for this place."""
        return holder in self._holders.get(target, {})

    def decided_by_clear_identity(self, target: Target) -> bool:
        """Return whether the current holder was decided by a reading of trust class C."""
        holders = self._holders.get(target)
        return holders is not None and next(reversed(holders.values())).clear

    def pending(self) -> list[tuple[Target, WriteIntent]]:
        return list(self._pending.items())

    def in_flight(self) -> list[tuple[Target, WriteIntent]]:
        """Return the intents for which a command was given whose outcome is not yet known."""
        return list(self._in_flight.items())

    def mark_in_flight(self, target: Target, wish: WriteIntent) -> None:
        """Mark an intent as in flight; a newer pending one stays."""
        _move_to_in_flight(self._pending, self._in_flight, target, wish)

    def drop(self, target: Target, wish: WriteIntent) -> None:
        """Forget an intent; a newer one stays."""
        for table in (self._pending, self._in_flight):
            if table.get(target) == wish:
                del table[target]
                self._order_at_failure.pop(target, None)

    def confirm(self, target: Target) -> None:
        """Record that the device takes commands: reset its failures."""
        self._in_flight.pop(target, None)
        self._order_at_failure.pop(target, None)
        self._failures.pop(target, None)

    def record_failure(self, target: Target, wish: WriteIntent, order: str, least: int = 0) -> int:
        """Record a failed try: the intent is pending again. Returns the failures in a row, `least` at least.

        `order` is the id of the latest command of the metric at that time, "" if none: a later command by somebody else
        supersedes the intent.
        """
        if self._in_flight.get(target) == wish:
            del self._in_flight[target]
            self._pending[target] = wish
        self._order_at_failure[target] = order
        self._failures[target] = max(self.failures(target) + 1, least)
        return self._failures[target]

    def order_at_failure(self, target: Target) -> str | None:
        """Return the id of the latest command when this target last failed, None if it did not fail."""
        return self._order_at_failure.get(target)

    def failures(self, target: Target) -> int:
        """Return the number of failures in a row."""
        return self._failures.get(target, 0)


def _move_to_in_flight(
    wishes: dict[Target, WriteIntent], given: dict[Target, WriteIntent], target: Target, wish: WriteIntent
) -> None:
    if wishes.get(target) == wish:
        del wishes[target]
        given[target] = wish
