"""Which rules hold which metric of a device, and what is to be written yet. Pure; `image` is what outlives a process.

A metric is held by a rule at each place where the rule holds. The one that took it last has its value written; when
that lets go, the one before has its own again; when none is left, what the last one said for then (`otherwise`).

What is to be written is a wish until a command is under way, and given until that has reached its device. One that came
to nothing is a wish again, and counted; the next word of the rules takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from hub.core.model import Value

KEY = "rules/holds"
"""Of the image, in `meta` of the store."""
TOLD = 6
"""After so many tries in a row that came to nothing somebody is told. Another word of the rules does not begin from
nothing: it is the device that takes none."""

Target = tuple[str, str]
"""(device, metric)."""
Holder = tuple[str, str]
"""(rule, key: where it holds)."""
WriteIntent = tuple[Value | None, str]
"""What is to be written, None: let go; by which rule."""


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """What a rule wrote, and what is written when it lets go; `clear`: a reading of trust class C decided it."""

    value: Value | None
    otherwise: Value | None
    clear: bool = False


class _Image(msgspec.Struct):
    holds: list[tuple[str, str, str, str, Hold]] = []
    wishes: list[tuple[str, str, Value | None, str]] = []
    given: list[tuple[str, str, Value | None, str]] = []
    missed: list[tuple[str, str, int]] = []
    again: list[tuple[str, str, str]] = []
    stopped: bool = False


class Holds:
    """One a hub."""

    def __init__(self) -> None:
        self._holders: dict[Target, dict[Holder, Hold]] = {}  # the one that took it last comes last
        self._wishes: dict[Target, WriteIntent] = {}
        self._given: dict[Target, WriteIntent] = {}
        self._missed: dict[Target, int] = {}
        self._again: dict[Target, str] = {}  # whose wish came to nothing → the id of the last order there was then
        self.stopped = False
        """All writes were stopped, and what is held has not been said again since."""

    @classmethod
    def recall(cls, image: bytes) -> Holds:
        """As they were. Raises msgspec.MsgspecError."""
        kept, holds = msgspec.msgpack.decode(image, type=_Image), cls()
        for device, metric, rule, key, hold in kept.holds:
            holds._holders.setdefault((device, metric), {})[rule, key] = hold
        holds._wishes = {(device, metric): (value, rule) for device, metric, value, rule in kept.wishes}
        holds._given = {(device, metric): (value, rule) for device, metric, value, rule in kept.given}
        holds._missed = {(device, metric): count for device, metric, count in kept.missed}
        holds._again = {(device, metric): order for device, metric, order in kept.again}
        holds.stopped = kept.stopped
        return holds

    def image(self, *, giving: tuple[Target, WriteIntent] | None = None) -> bytes:
        """To be kept; `giving` this wish, by a command in the same commit."""
        wishes, given = dict(self._wishes), dict(self._given)
        if giving is not None:
            _give(wishes, given, *giving)
        return msgspec.msgpack.encode(
            _Image(
                [
                    (*target, *holder, hold)
                    for target, holders in self._holders.items()
                    for holder, hold in holders.items()
                ],
                [(*target, *wish) for target, wish in wishes.items()],
                [(*target, *wish) for target, wish in given.items()],
                [(*target, count) for target, count in self._missed.items()],
                [(*target, order) for target, order in self._again.items()],
                self.stopped,
            )
        )

    def take(self, target: Target, holder: Holder, hold: Hold) -> None:
        """A rule holds it from now on."""
        holders = self._holders.setdefault(target, {})
        holders.pop(holder, None)
        holders[holder] = hold
        self._say(target, (hold.value, holder[0]))

    def let_go(self, target: Target, holder: Holder) -> None:
        """Its rule is over there; of one that holds nothing, nothing follows."""
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
        else:  # its word stands, by another name
            for table in (self._wishes, self._given):
                if target in table:
                    table[target] = word

    def revise(self, target: Target, holder: Holder, hold: Hold) -> None:
        """Its rule still holds, and says something else by now."""
        holders = self._holders.get(target, {})
        former = holders.get(holder)
        if former is None or former == hold:
            return
        holders[holder] = hold
        if next(reversed(holders)) == holder and former.value != hold.value:
            self._say(target, (hold.value, holder[0]))

    def sweep(self, holds: Callable[[Holder, Target], bool]) -> None:
        """Let go of what no rule holds any more, as `write_intents` tells."""
        for target, holder, _ in list(self.all()):
            if not holds(holder, target):
                self.let_go(target, holder)

    def say_again(self, device: str = "") -> None:
        """All that is held, of this device or of all, is to be written once more: somebody else wrote it meanwhile, or
        another device stands there."""
        for target, holders in self._holders.items():
            if device in ("", target[0]):
                last = next(reversed(holders))
                self._missed.pop(target, None)
                self._wishes.pop(target, None)  # also one that rests: nobody's later word counts against this one
                self._say(target, (holders[last].value, last[0]))

    def _say(self, target: Target, wish: WriteIntent) -> None:
        if self._wishes.get(target) == wish:  # it waits for its next try already
            return
        self._given.pop(target, None)
        self._again.pop(target, None)
        self._wishes[target] = wish
        if target in self._missed:
            self._missed[target] = min(self._missed[target], TOLD - 1)

    def all(self) -> Iterator[tuple[Target, Holder, Hold]]:
        for target, holders in self._holders.items():
            for holder, hold in holders.items():
                yield target, holder, hold

    def targets(self) -> set[Target]:
        """All that is held, or to be written, or on its way."""
        return {*self._holders, *self._wishes, *self._given}

    def held(self, target: Target) -> bool:
        return target in self._holders

    def has(self, target: Target, holder: Holder) -> bool:
        """Does this rule hold it, by this place?"""
        return holder in self._holders.get(target, {})

    def by_clear(self, target: Target) -> bool:
        """Is it held by the word of a reading of trust class C?"""
        holders = self._holders.get(target)
        return holders is not None and next(reversed(holders.values())).clear

    def wishes(self) -> list[tuple[Target, WriteIntent]]:
        return list(self._wishes.items())

    def given(self) -> list[tuple[Target, WriteIntent]]:
        """What a command is under way for, or was."""
        return list(self._given.items())

    def give(self, target: Target, wish: WriteIntent) -> None:
        """A command is under way for this wish; another one that came meanwhile stays."""
        _give(self._wishes, self._given, target, wish)

    def drop(self, target: Target, wish: WriteIntent) -> None:
        """Nothing of this wish is to be done any more; another one that came meanwhile stays."""
        for table in (self._wishes, self._given):
            if table.get(target) == wish:
                del table[target]
                self._again.pop(target, None)

    def reached(self, target: Target) -> None:
        """Its device takes what it is told."""
        self._given.pop(target, None)
        self._again.pop(target, None)
        self._missed.pop(target, None)

    def miss(self, target: Target, wish: WriteIntent, order: str, least: int = 0) -> int:
        """A try of this wish came to nothing: it is a wish again. `order` is the id of the last order of the metric by
        then, "" where there was none: who gives a later one has the last word. Returns how many tries did, `least` at
        least."""
        if self._given.get(target) == wish:
            del self._given[target]
            self._wishes[target] = wish
        self._again[target] = order
        self._missed[target] = max(self.missed(target) + 1, least)
        return self._missed[target]

    def again(self, target: Target) -> str | None:
        """Where what is to be written came to nothing before: the last order there was then. None where it did not."""
        return self._again.get(target)

    def missed(self, target: Target) -> int:
        """How many tries in a row came to nothing."""
        return self._missed.get(target, 0)


def _give(
    wishes: dict[Target, WriteIntent], given: dict[Target, WriteIntent], target: Target, wish: WriteIntent
) -> None:
    if wishes.get(target) == wish:
        del wishes[target]
        given[target] = wish
