"""Which rules hold which metric of a device, and what is to be written yet. Pure; `image` is what outlives a process.

A metric is held by a rule at each place where the rule holds. The one that took it last has its value written; when
that lets go, the one before has its own again; when none is left, what the last one said for then (`otherwise`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from hub.model import Value

KEY = "rules/holds"
"""Of the image, in `meta` of the store."""

Target = tuple[str, str]
"""(device, metric)."""
Holder = tuple[str, str]
"""(rule, key: where it holds)."""
Wish = tuple[Value | None, str]
"""What is to be written, None: let go; by which rule."""


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """What a rule wrote, and what is written when it lets go; `clear`: a reading of trust class C decided it."""

    value: Value | None
    otherwise: Value | None
    clear: bool = False


class _Image(msgspec.Struct):
    holds: list[tuple[str, str, str, str, Hold]] = []
    wishes: list[tuple[str, str, Value | None, str]] = []


class Holds:
    """One a hub."""

    def __init__(self) -> None:
        self._holders: dict[Target, dict[Holder, Hold]] = {}  # the one that took it last comes last
        self._wishes: dict[Target, Wish] = {}

    @classmethod
    def recall(cls, image: bytes) -> Holds:
        """As they were. Raises msgspec.MsgspecError."""
        kept, holds = msgspec.msgpack.decode(image, type=_Image), cls()
        for device, metric, rule, key, hold in kept.holds:
            holds._holders.setdefault((device, metric), {})[rule, key] = hold
        holds._wishes = {(device, metric): (value, rule) for device, metric, value, rule in kept.wishes}
        return holds

    def image(self, *, without: tuple[Target, Wish] | None = None) -> bytes:
        """To be kept; `without` this wish, which is fulfilled in the same commit."""
        return msgspec.msgpack.encode(
            _Image(
                [(*target, *holder, hold) for target, holders in self._holders.items()
                 for holder, hold in holders.items()],
                [(*target, *wish) for target, wish in self._wishes.items() if (target, wish) != without],
            )
        )  # fmt: skip

    def take(self, target: Target, holder: Holder, hold: Hold) -> None:
        """A rule holds it from now on."""
        holders = self._holders.setdefault(target, {})
        holders.pop(holder, None)
        holders[holder] = hold
        self._wishes[target] = hold.value, holder[0]

    def let_go(self, target: Target, holder: Holder) -> None:
        """Its rule is over there; of one that holds nothing, nothing follows."""
        holders = self._holders.get(target, {})
        stood = next(reversed(holders), None) == holder
        hold = holders.pop(holder, None)
        if hold is None:
            return
        if not holders:
            del self._holders[target]
            self._wishes[target] = hold.otherwise, holder[0]
            return
        before = next(reversed(holders))
        if stood and holders[before].value != hold.value:
            self._wishes[target] = holders[before].value, before[0]

    def sweep(self, holds: Callable[[Holder, Target], bool]) -> None:
        """Let go of what no rule holds any more, as `holds` tells."""
        for target, holder, _ in list(self.all()):
            if not holds(holder, target):
                self.let_go(target, holder)

    def all(self) -> Iterator[tuple[Target, Holder, Hold]]:
        for target, holders in self._holders.items():
            for holder, hold in holders.items():
                yield target, holder, hold

    def held(self, target: Target) -> bool:
        return target in self._holders

    def by_clear(self, target: Target) -> bool:
        """Is it held by the word of a reading of trust class C?"""
        holders = self._holders.get(target)
        return holders is not None and next(reversed(holders.values())).clear

    def wishes(self) -> list[tuple[Target, Wish]]:
        return list(self._wishes.items())

    def fulfilled(self, target: Target, wish: Wish) -> None:
        """Nothing of this wish is to be done any more; another one that came meanwhile stays."""
        if self._wishes.get(target) == wish:
            del self._wishes[target]
