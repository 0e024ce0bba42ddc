"""Planner: items, budgets and a request → a plan that exceeds no budget. Pure.

The period of each item is the nearest to the requested one, in whole steps of its unit, that keeps all of these:

    battery    B − f·D ≥ keep     and     B / f ≥ keep_raised        f = today's period ÷ the new one
               B the days that the battery lasts at today's period, D the days for which it is raised. The whole
               consumption is attributed to uplinks; the part in sleep would not grow, so this is the worst case
    duty       3600 / T · airtime · part ≤ share · 3600 · duty cycle,      for each sub-band (ERC/REC 70-03 annex 1)
    reads      a wired meter with a battery is read at most so often a day
    bounds     of its downlink, also for the way back
    channel    Σ airtime / T / channels ≤ load, over all LoRaWAN devices, raised or not. Two frames collide as in pure
               ALOHA: of frames with load G a channel loses 1 − e^(−2G) (N. Abramson 1970); that two data rates
               hardly disturb each other is left out, so this is the worst case too
    line       Σ busy / T ≤ load, over everything that is polled on the line, raised or not

Where a shared budget (channel, line) is too small for all, the requested period is lengthened for everyone who shares
it, second by second, until it fits, so that no device is preferred. An item that is then no faster than today is left
as it is, and listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from math import ceil, exp, inf

import msgspec

from hub.config.values import show_duration
from hub.core.text import phrase
from hub.operations.crisis.sampling.model import DAY_S, DOWNLINK, HOUR_S, Budgets, Gateway, Item, SamplingRequest
from hub.operations.crisis.sampling.reasons import Reason

SLACK = 1e-9
"""Tolerance of floating point: nothing is refused for a rounding in the twelfth place."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An item that is raised, from `was_s` to `to_s`; `why`: it is less than requested."""

    item: Item
    was_s: float
    to_s: float
    why: Reason | None = None


class Skipped(msgspec.Struct, frozen=True):
    """An item that is left as it is."""

    item: Item
    why: Reason


class Load(msgspec.Struct, frozen=True):
    """Load of a line or of the channels: share of the time before and after, and the budget; requests (or uplinks) a
    second before and after."""

    name: str
    before: float
    after: float
    budget: float
    rate_before: float
    rate_after: float


class DownlinkCost(msgspec.Struct, frozen=True):
    """Cost of telling the devices: number of downlinks, their airtime `air_s` in seconds, and the seconds `takes_s`
    until the last can have been told: each listens after an uplink of its own, and the gateways have their duty cycle
    too. inf: no gateway can send."""

    downlinks: int
    air_s: float
    takes_s: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    request: SamplingRequest
    budgets: Budgets
    entries: tuple[Entry, ...]
    left: tuple[Skipped, ...]
    loads: tuple[Load, ...]
    downlink_cost: DownlinkCost

    @property
    def digest(self) -> str:
        """Return a digest of the planned changes, without the facts that are merely shown with them."""
        done = [(e.item.name, e.item.devices, e.item.how, e.was_s, e.to_s, e.item.downlink) for e in self.entries]
        said = msgspec.json.encode((self.request, self.budgets, done))
        return hashlib.sha256(b"ilot/sampling/1\0" + said).hexdigest()[:16]


def plan(items: Iterable[Item], gateways: Iterable[Gateway], budgets: Budgets, request: SamplingRequest) -> Plan:
    """Return a plan. `items` are all of the hub, also unselected ones, since they share lines and channels."""
    everything = list(items)
    own: dict[str, tuple[float, Reason | None]] = {}
    left: list[Skipped] = []
    for item in everything:
        if not item.chosen:
            continue
        verdict = _own(item, budgets, request)
        if isinstance(verdict, Reason):
            left.append(Skipped(item, verdict))
        else:
            own[item.name] = verdict
    floors = {key: _floor(everything, own, request, budgets, key) for key in _shared(everything)}
    entries: list[Entry] = []
    for item in everything:
        if item.name in own:
            made = _entry(item, *own[item.name], floors)
            (entries if isinstance(made, Entry) else left).append(made)  # type: ignore[arg-type]
    periods = {entry.item.name: entry.to_s for entry in entries}
    return Plan(
        request=request,
        budgets=budgets,
        entries=tuple(entries),
        left=tuple(left),
        loads=tuple(
            _load(everything, periods, key, budgets) for key in _shared(item for item in everything if item.chosen)
        ),
        downlink_cost=downlink_cost(entries, list(gateways)),
    )


def excess(done: Plan, items: Iterable[Item]) -> list[str]:
    """Return what a plan exceeds by the current facts, none when it may be carried out."""
    now = {item.name: item for item in items}
    periods = {entry.item.name: entry.to_s for entry in done.entries}
    wrong: list[str] = []
    for entry in done.entries:
        item, was = now.get(entry.item.name), entry.item
        if item is None or not item.chosen or item.why_not is not None:
            wrong.append(phrase("not-raisable-any-more", "{device} cannot be raised any more", device=was.name))
        elif (item.devices, item.how, item.was_s, item.downlink) != (was.devices, was.how, was.was_s, was.downlink):
            wrong.append(
                phrase(
                    "entry-changed",
                    "{device} is not as it was: its period, its devices or its downlink changed",
                    device=was.name,
                )
            )
        elif isinstance(least := _own(item, done.budgets, done.request), Reason) or least[0] > entry.to_s + SLACK:
            wrong.append(phrase("entry-over-budget", "{device} would exceed a budget by now", device=was.name))
    loads = [_load(list(now.values()), periods, key, done.budgets) for key in _shared(now.values())]
    wrong += [
        phrase("line-over-budget", "{line} would be busier than its budget by now", line=load.name)
        for load in loads
        if load.after > max(load.budget, load.before) + SLACK
    ]
    return wrong


def battery_after(days: float, factor: float, duration_s: float) -> tuple[float, float]:
    """Return (days left at the usual period at the end of the raised time, days that it lasts if never slowed down)."""
    return max(0.0, days - factor * duration_s / DAY_S), days / factor


def least(item: Item, budgets: Budgets, request: SamplingRequest) -> list[tuple[float, Reason | None]]:
    """Return the shortest period by each budget of its own, the requested one first. Needs `was_s`; inf: none."""
    was, found = item.was_s or 0.0, list[tuple[float, Reason | None]]()
    found.append((request.period_s, None))
    if item.downlink is not None:
        low = item.downlink.low_s
        found.append((low, Reason("bounds", {"low": spell(low)})))
    if item.least_s:
        found.append((item.least_s, Reason("tick", {"low": spell(item.least_s)})))
    if not item.powered and item.battery is not None:
        days = request.duration_s / DAY_S
        most = min((item.battery - budgets.battery_days) / days, item.battery / budgets.battery_days_raised)
        found.append((was / most if most > 0 else inf, Reason("battery-clip")))
    if item.air is not None:
        found.append((HOUR_S * item.air.share_each / budgets.duty, Reason("duty")))
    if item.meter:
        found.append((DAY_S / budgets.meter_reads, Reason("reads", {"reads": str(budgets.meter_reads)})))
    return found


def _own(item: Item, budgets: Budgets, request: SamplingRequest) -> tuple[float, Reason | None] | Reason:
    """Return the shortest period by its own budgets with the reason that limits it, or why it is left out."""
    if item.why_not is not None:
        return item.why_not
    if item.was_s is None:
        return Reason("unknown-period")
    if not item.powered and item.battery is None and not budgets.unknown_battery:
        return Reason("battery-unknown")
    step = _step(item)
    if item.downlink is not None:
        low, high = item.downlink.low_s, item.downlink.high_s
        if not low <= item.was_s <= high or item.was_s % step:
            facts = {"was": spell(item.was_s), "low": spell(low), "high": spell(high)}
            return Reason("no-way-back", facts)
    period, why = max(least(item, budgets, request), key=lambda one: one[0])
    if period == inf or period >= item.was_s:
        return _as_it_is(item, why, budgets)
    rounded = up(period, step)
    if rounded >= item.was_s:
        return _as_it_is(item, why or Reason("step"), budgets)
    return rounded, why or (Reason("step") if rounded > period + SLACK else None)


def _as_it_is(item: Item, why: Reason | None, budgets: Budgets) -> Reason:
    if why is None:
        return Reason("often-enough")
    if why.slug == "battery-clip":
        left = f"{item.battery or 0:.0f}"
        return Reason("battery", {"left": left, "keep": f"{budgets.battery_days:.0f}"})
    return why


def _entry(item: Item, period: float, why: Reason | None, floors: Mapping[str, float]) -> Entry | Skipped:
    """Return the entry after the shared budgets."""
    was, least_s = item.was_s or 0.0, period
    for key in _keys(item):
        if floors[key] > period:
            shared = up(floors[key], _step(item)) if floors[key] < inf else inf
            if shared > least_s:
                least_s, why = shared, Reason("channel") if key == CHANNEL else Reason("line", {"line": key})
    if least_s >= was:
        return Skipped(item, why or Reason("often-enough"))
    return Entry(item=item, was_s=was, to_s=least_s, why=why)


CHANNEL = "LoRaWAN"


def _keys(item: Item) -> list[str]:
    """Return the budgets that it shares with others."""
    return [key for key, holds in ((CHANNEL, item.air is not None), (item.line, bool(item.line))) if holds]


def _shared(items: Iterable[Item]) -> list[str]:
    return sorted({key for item in items for key in _keys(item)})


def _busy(item: Item, key: str) -> float:
    """Return the seconds that one cycle or uplink occupies of a line, or of one channel."""
    if key == CHANNEL:
        return item.air.seconds / item.air.channels if item.air is not None else 0.0
    return item.turn_s if item.line == key else 0.0


def _floor(
    items: list[Item],
    own: Mapping[str, tuple[float, Reason | None]],
    request: SamplingRequest,
    budgets: Budgets,
    key: str,
) -> float:
    """Return the shortest period for all who share a budget, in whole seconds; inf where none may be raised."""
    sharing = [item for item in items if key in _keys(item) and item.was_s]

    def fits(floor: float) -> bool:
        return _sum(sharing, lambda item: _period(item, own, floor), key) <= _budget(budgets, key) + SLACK

    low, high = int(request.period_s), ceil(max((item.was_s or 0.0 for item in sharing), default=0.0))
    if fits(low):
        return 0.0
    if high <= low or not fits(high):
        return inf
    while high - low > 1:  # bisection: `high` fits, `low` does not
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return float(high)


def _period(item: Item, own: Mapping[str, tuple[float, Reason | None]], floor: float) -> float:
    was = item.was_s or inf
    if item.name not in own:
        return was
    return min(was, max(own[item.name][0], up(floor, _step(item))))


def _sum(items: Iterable[Item], period: Callable[[Item], float], key: str) -> float:
    return sum(_busy(item, key) / period(item) for item in items)


def _budget(budgets: Budgets, key: str) -> float:
    return budgets.channel if key == CHANNEL else budgets.line


def _load(items: list[Item], periods: Mapping[str, float], key: str, budgets: Budgets) -> Load:
    sharing = [item for item in items if key in _keys(item) and item.was_s]
    count = (lambda item: 1) if key == CHANNEL else (lambda item: item.requests)
    return Load(
        key,
        _sum(sharing, lambda item: item.was_s or inf, key),
        _sum(sharing, lambda item: periods.get(item.name, item.was_s or inf), key),
        _budget(budgets, key),
        sum(count(item) / (item.was_s or inf) for item in sharing),
        sum(count(item) / periods.get(item.name, item.was_s or inf) for item in sharing),
    )


def collisions(load: float) -> float:
    """Return the share of uplinks that collide on a channel with this load: pure ALOHA."""
    return 1.0 - exp(-2.0 * load)


def downlink_cost(entries: Iterable[Entry], gateways: list[Gateway]) -> DownlinkCost:
    """Return the cost of telling the devices. The sub-band of the first receive window counts, and of it the airtime of
    all gateways together: what they have left now, then that of each hour."""
    told = [entry for entry in entries if entry.item.how == DOWNLINK]
    need: dict[str, float] = {}
    for entry in told:
        air = entry.item.air
        if air is not None:
            need[air.down_band] = need.get(air.down_band, 0.0) + air.down_s
    takes = max((entry.was_s for entry in told), default=0.0)
    for band, seconds in need.items():
        left = sum(gateway.left_s.get(band, 0.0) for gateway in gateways)
        hourly = sum(gateway.of_s.get(band, 0.0) for gateway in gateways)
        if seconds > left:
            takes = max(takes, (seconds - left) / hourly * HOUR_S if hourly else inf)
        elif not hourly:
            takes = inf
    return DownlinkCost(len(told), sum(need.values()), takes)


def up(period: float, step: float) -> float:
    """Round up to a whole step."""
    return step * ceil(period / step - SLACK)


def _step(item: Item) -> float:
    return item.downlink.unit_s if item.downlink is not None else 1.0


def spell(seconds: float) -> str:
    return show_duration(timedelta(seconds=seconds))
