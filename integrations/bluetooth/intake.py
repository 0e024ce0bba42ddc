"""Queue between the radios' callbacks and the hub: bounded, without duplicates, dropping the oldest first. No I/O.

A radio repeats each advertisement on purpose, several adapters and proxies hear the same one, neighbours' devices send
all day, and anybody may flood the air. Therefore:

- data that a device repeats within `repeat` seconds, compared section by section, are dropped, whichever source heard
  them; copies that come while the first still waits add their source and signal to it;
- while several sources listen, an advertisement waits `gather` seconds for its copies: the best signal is the frame's;
- this hub's own devices have a lane of their own, which unknown devices cannot fill and which is served first; up to
  `OWN_WAITING` advertisements of each may wait, because a button may send twice before the queue is read;
- of an unknown device only the newest waits; `limit` unknown devices may wait, and `STRANGERS_PER_S` are read: enough
  to discover a sensor, and a bound on the cost of a flood;
- a random private address (Core 5.4, vol 6 part B §1.3.2.2) does not identify a device: counted and dropped, unless it
  is one of this hub's own devices.

Everything lost is counted by reason: "superseded", "queue-full", "private-address", and those of `advert.parse`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import NamedTuple

import hub
from integrations.bluetooth import advert

OWN_WAITING = 8
STRANGERS_PER_S = 200.0
SILENT = "uuid:"
SECTIONS = (16, 4)
"""Sections (a key and its bytes) remembered of an own device, and of an unknown one."""


class Heard(NamedTuple):
    """An advertisement as a source reports it: either company id → bytes and service UUID → bytes, or the `raw`
    advertising data."""

    address: str
    manufacturer: Mapping[int, bytes] = {}
    service: Mapping[str, bytes] = {}
    name: str = ""
    rssi: int | None = None
    source: str = ""
    random: bool = False  # the address is random, not the maker's
    raw: bytes = b""
    uuids: Sequence[str] = ()  # services listed without data

    def frame(self) -> hub.Frame:
        """Return it as a frame. Raises DecodeError, as `advert.parse` does."""
        if self.raw:
            return advert.parse(self.raw, self.address, rssi=self.rssi, source=self.source)
        return advert.frame(
            self.address,
            self.manufacturer,
            self.service,
            name=self.name,
            rssi=self.rssi,
            source=self.source,
            uuids=self.uuids,
        )


def private(heard: Heard) -> bool:
    """Return whether the address is a random one that changes: resolvable or not, but not static (two highest bits
    set)."""
    return heard.random and int(heard.address[:2], 16) >> 6 != 0b11


def spoken(frame: hub.Frame) -> Iterator[tuple[str, bytes]]:
    """Return the sections with data: a service listed without data adds nothing new."""
    return (section for section in frame.data.items() if not section[0].startswith(SILENT))


class Sighting(NamedTuple):
    """Reception of a device by one source: signal (dBm) and time on the intake's clock."""

    rssi: int | None
    at: float
    random: bool = False


class _QueuedAdvertisement:
    """A queued advertisement and its receptions."""

    __slots__ = ("due", "frame", "heard", "since")

    def __init__(self, frame: hub.Frame, heard: Heard, since: float, gather: float) -> None:
        self.frame = frame
        self.heard = {heard.source: heard.rssi}
        self.since, self.due = since, since + gather

    def joined(self, frame: hub.Frame, heard: Heard) -> bool:
        """Merge `frame` when it is a copy of this one, perhaps with other sections of it."""
        mine = self.frame
        common = {key for key in mine.data.keys() & frame.data.keys() if not key.startswith(SILENT)}
        if not common or any(mine.data[key] != frame.data[key] for key in common):
            return False
        if not frame.data.keys() <= mine.data.keys() or (frame.name and not mine.name):
            data, name = {**mine.data, **frame.data}, mine.name or frame.name
            self.frame = hub.Frame(kind="ble", address=mine.address, data=data, name=name)
        self.heard[heard.source] = _best(self.heard.get(heard.source), heard.rssi)
        return True

    def finished(self) -> hub.Frame:
        by_signal = sorted(self.heard.items(), key=lambda one: -1000 if one[1] is None else one[1], reverse=True)
        source, rssi = by_signal[0]
        signal = hub.Signal(rssi=rssi, source=source, heard=tuple(by_signal) if len(by_signal) > 1 else ())
        frame = self.frame
        return hub.Frame(kind="ble", address=frame.address, data=frame.data, signal=signal, name=frame.name)


class _Lane:
    """Queue of one kind of sender, in the order of arrival, with the recent sections of each sender."""

    def __init__(self, each: int, senders: int | None, sections: int) -> None:
        self.each, self.senders, self.sections = each, senders, sections
        self.order: deque[_QueuedAdvertisement] = deque()
        self.of: dict[str, list[_QueuedAdvertisement]] = {}
        self.said: dict[str, dict[tuple[str, bytes], float]] = {}

    def put(self, frame: hub.Frame, heard: Heard, now: float, gather: float) -> str:
        """Queue it. Returns why something was dropped, "" when nothing was."""
        mine = self.of.get(frame.address)
        if mine is None:
            if self.senders is not None and len(self.of) >= self.senders:
                return "queue-full"
            mine = self.of[frame.address] = []
        if len(mine) < self.each:
            mine.append(_QueuedAdvertisement(frame, heard, now, gather))
            self.order.append(mine[-1])
            return ""
        for older, newer in pairwise(mine):  # keep each place in the order
            older.frame, older.heard = newer.frame, newer.heard
        mine[-1].frame, mine[-1].heard = frame, {heard.source: heard.rssi}
        return "superseded"

    def pop(self) -> hub.Frame:
        one = self.order.popleft()
        mine = self.of[one.frame.address]
        mine.pop(0)
        if not mine:
            del self.of[one.frame.address]
        return one.finished()

    def repeated(self, frame: hub.Frame, now: float, repeat: float) -> bool:
        said = self.said.get(frame.address)
        if said is None:
            return False
        return all(now - said.get(section, -inf) < repeat for section in spoken(frame))

    def remember(self, frame: hub.Frame, now: float) -> None:
        said = self.said.pop(frame.address, None)
        if said is None:
            said = {}
            if self.senders is not None and len(self.said) >= 4 * self.senders:
                del self.said[next(iter(self.said))]
        self.said[frame.address] = said
        for section in spoken(frame):
            said.pop(section, None)
            said[section] = now
        while len(said) > self.sections:
            del said[next(iter(said))]


class Intake:
    """The queue: `hear` from the callbacks, `take` from the loop.

    `own` tells whether a device id is this hub's; `count(reason, device)` is called for what is dropped, with an empty
    device for an unknown one; `clock` is in seconds. `gather` may be changed at any time; `taps` receive every
    advertisement before anything is dropped: they may count, but must store nothing that identifies a sender."""

    def __init__(
        self,
        *,
        own: Callable[[str], bool],
        count: Callable[[str, str], None],
        clock: Callable[[], float],
        limit: int,
        repeat: float,
        gather: float = 0.0,
        taps: Sequence[Callable[[Heard], None]] = (),
    ) -> None:
        self.gather = gather
        self._taps = taps
        self._own = own
        self._count = count
        self._clock = clock
        self._repeat = repeat
        self._mine = _Lane(OWN_WAITING, None, SECTIONS[0])
        self._strangers = _Lane(1, limit, SECTIONS[1])
        self._sightings: dict[str, dict[str, Sighting]] = {}
        self._budget, self._budgeted = STRANGERS_PER_S, clock()
        self._ready = asyncio.Event()

    def hear(self, heard: Heard) -> None:
        """Queue an advertisement. Never waits, never raises, whatever it holds."""
        for tap in self._taps:
            tap(heard)
        device = f"ble:{heard.address.upper()}"
        own = self._own(device)
        now = self._clock()
        if own:
            self._sightings.setdefault(device, {})[heard.source] = Sighting(heard.rssi, now, heard.random)
        if not (heard.manufacturer or heard.service or heard.raw):
            return
        if not own and private(heard):
            self._count("private-address", "")
            return
        try:
            frame = heard.frame()
        except hub.DecodeError as error:
            self._count(error.reason, device if own else "")
            return
        if frame.data:
            self._put(self._mine if own else self._strangers, frame, heard, now, device if own else "")

    def sightings(self, device: str) -> Mapping[str, Sighting]:
        """Return the last reception of one of this hub's own devices, by source."""
        return self._sightings.get(device, {})

    async def take(self) -> hub.Frame:
        """Return the next frame: this hub's own devices first, then unknown ones, each in the order of arrival."""
        while True:
            answer = self.next()
            if isinstance(answer, hub.Frame):
                return answer
            self._ready.clear()
            try:
                async with asyncio.timeout(answer):
                    await self._ready.wait()
            except TimeoutError:
                continue

    def next(self) -> hub.Frame | float | None:
        """Return the next frame; or the seconds until there is one; or None when nothing waits."""
        now = self._clock()
        first = self._mine.order[0] if self._mine.order else None
        if first is not None and first.due <= now:
            return self._mine.pop()
        other = self._strangers.order[0] if self._strangers.order else None
        if other is None:
            return first.due - now if first is not None else None
        self._budget = min(STRANGERS_PER_S, self._budget + (now - self._budgeted) * STRANGERS_PER_S)
        self._budgeted = now
        if other.due <= now and self._budget >= 1:
            self._budget -= 1
            return self._strangers.pop()
        wait = max(other.due - now, (1 - self._budget) / STRANGERS_PER_S)
        return wait if first is None else min(wait, first.due - now)

    def _put(self, lane: _Lane, frame: hub.Frame, heard: Heard, now: float, device: str) -> None:
        for waiting in lane.of.get(frame.address, ()):
            if waiting.joined(frame, heard):
                lane.remember(waiting.frame, waiting.since)
                return
        if lane.repeated(frame, now, self._repeat):
            return
        lost = lane.put(frame, heard, now, self.gather)
        if lost:
            self._count(lost, device)
        if lost != "queue-full":
            lane.remember(frame, now)
            self._ready.set()


def _best(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)
