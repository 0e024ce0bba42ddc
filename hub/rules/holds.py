"""Which rules hold which metric of a device, and what is to be written yet. Pure; `image` is what outlives a process.

A metric is held by a rule at each place where the rule holds. When the last of them lets go, what that one said for
then (`otherwise`) is to be written.
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
    """What a rule wrote, and what is written when it lets go."""

    value: Value | None
    otherwise: Value | None


class _Image(msgspec.Struct):
    holds: list[tuple[str, str, str, str, Hold]] = []
    wishes: list[tuple[str, str, Value | None, str]] = []
    clear: list[tuple[str, str]] = []


class Holds:
    """One a hub."""

    def __init__(self) -> None:
        self._holders: dict[Target, dict[Holder, Hold]] = {}
        self._wishes: dict[Target, Wish] = {}
        self._by_clear: set[Target] = set()  # of these, those that a reading of class C decided

    @classmethod
    def recall(cls, image: bytes) -> Holds:
        """As they were. Raises msgspec.DecodeError."""
        kept, holds = msgspec.msgpack.decode(image, type=_Image), cls()
        for device, metric, rule, key, hold in kept.holds:
            holds._holders.setdefault((device, metric), {})[rule, key] = hold
        holds._wishes = {(device, metric): (value, rule) for device, metric, value, rule in kept.wishes}
        holds._by_clear = set(kept.clear)
        return holds

    def image(self, *, without: tuple[Target, Wish] | None = None) -> bytes:
        """To be kept; `without` this wish, which is fulfilled in the same commit."""
        return msgspec.msgpack.encode(
            _Image(
                [(*target, *holder, hold) for target, holders in self._holders.items()
                 for holder, hold in holders.items()],
                [(*target, *wish) for target, wish in self._wishes.items() if (target, wish) != without],
                sorted(self._by_clear & self._holders.keys()),
            )
        )  # fmt: skip

    def take(self, target: Target, holder: Holder, hold: Hold, *, clear: bool) -> None:
        """A rule holds it from now on; `clear`: by a reading of trust class C."""
        self._holders.setdefault(target, {})[holder] = hold
        (self._by_clear.add if clear else self._by_clear.discard)(target)
        self._wishes[target] = hold.value, holder[0]

    def let_go(self, target: Target, holder: Holder) -> None:
        """Its rule is over there; of one that holds nothing, nothing follows."""
        holders = self._holders.get(target, {})
        hold = holders.pop(holder, None)
        if hold is not None and not holders:
            del self._holders[target]
            self._wishes[target] = hold.otherwise, holder[0]

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
        return target in self._by_clear and self.held(target)

    def wishes(self) -> list[tuple[Target, Wish]]:
        return list(self._wishes.items())

    def fulfilled(self, target: Target, wish: Wish) -> None:
        """Nothing of this wish is to be done any more; another one that came meanwhile stays."""
        if self._wishes.get(target) == wish:
            del self._wishes[target]
