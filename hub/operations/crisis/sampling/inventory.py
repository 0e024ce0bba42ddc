"""Inventory of what this hub can sample more often now: poll loops, packs with a period downlink, and facts that
integrations publish (`hub.rpc.radio` lists the names)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING, Any

from hub.core.model import Device
from hub.operations.crisis.sampling.model import DOWNLINK, Air, Band, Downlink, Gateway, Item, SamplingRequest
from hub.operations.crisis.sampling.reasons import Reason
from hub.plugin_host.poll_scheduler import PollLoop, PollScheduler
from hub.sdk.sampling import Sampling

if TYPE_CHECKING:
    from hub.devices.packs.format import PackKeys

UNITS_S = {"s": 1.0, "min": 60.0, "h": 3600.0}
NEAR = 0.02
"""Relative distance from a round period within which an observed one is taken for it."""

BATTERIES = ("battery", "battery_voltage", "battery_low")


@dataclass
class Sources:
    """Sources of the inventory. `sampling`: integration → how its devices are sampled; `lines`: integration → the line
    that it shares with others, "" for its own; `cut` and `running`: whether it may speak now, whether it does; `facts`:
    its published facts of a subject; `battery_days`: the forecast; `value`: the last value of a device's metric;
    `keys`: its pack, None without one that can be read; `mains`: devices that the owner declared to have no battery;
    `former`: the period in seconds to restore for a raised device, None for any other."""

    devices: Callable[[], Iterable[Device]]
    zone: Callable[[str], str]
    sampling: Callable[[str], Sampling]
    lines: Callable[[], Mapping[str, str]]
    cut: Callable[[str], bool]
    running: Callable[[str], bool]
    paces: PollScheduler
    facts: Callable[[str, str], Mapping[str, Any]]
    all_facts: Callable[[], Iterable[tuple[str, str, Mapping[str, Any]]]]
    battery_days: Callable[[str], float | None]
    value: Callable[[str, str], Any]
    keys: Callable[[str], Awaitable[PackKeys | None]]
    mains: Callable[[], Iterable[str]]
    former: Callable[[str], float | None]


async def items(sources: Sources, request: SamplingRequest) -> list[Item]:
    """Return items that together hold every device of the hub."""
    mains, lines = frozenset(sources.mains()), sources.lines()
    known = {device.id: device for device in sources.devices()}
    found: list[Item] = []
    asked: set[str] = set()
    for pace in sources.paces:
        mine = tuple(sorted(device for device in set(pace.polled_devices()) if device in known and device not in asked))
        if mine:
            asked |= set(mine)
            line = lines.get(pace.integration) or pace.integration
            found.append(_polled(sources, request, pace, [known[one] for one in mine], line, mains))
    others = [device for device in known.values() if device.id not in asked]
    found += [await _other(sources, request, one, mains) for one in others]
    return sorted(found, key=lambda item: item.name)


def gateways(sources: Sources) -> list[Gateway]:
    """Return the gateways that are heard."""
    found = []
    for _, subject, facts in sources.all_facts():
        if subject.startswith("gateway:") and not facts.get("silent"):
            duty = facts.get("duty", {})
            found.append(
                Gateway(
                    subject,
                    {band: float(one["left_s"]) for band, one in duty.items()},
                    {band: float(one["of_s"]) for band, one in duty.items()},
                )
            )
    return found


def _polled(
    sources: Sources,
    request: SamplingRequest,
    pace: PollLoop,
    devices: list[Device],
    line: str,
    mains: frozenset[str],
) -> Item:
    """Return the item of a poll loop. A battery pays for each cycle, so the weakest battery counts."""
    name = devices[0].id if len(devices) == 1 else f"{pace.integration} ({len(devices)})"
    weak = [one.id for one in devices if one.id not in mains and _has_battery(sources, one.id)]
    batteries = [sources.battery_days(one) for one in weak]
    told = [sources.facts(pace.integration, one.id) for one in devices]
    unknown = any(days is None for days in batteries)
    return Item(
        name=name,
        devices=tuple(one.id for one in devices),
        integration=pace.integration,
        was_s=pace.configured_s,
        chosen=any(_chosen(sources, request, one) for one in devices),
        why_not=_away(sources, pace.integration),
        powered=not weak,
        battery=None if unknown or not batteries else min(days for days in batteries if days),
        meter=sources.sampling(pace.integration).meters and not {one.id for one in devices} <= mains,
        least_s=pace.least_s,
        line=line,
        turn_s=_rounded(_busy(told, pace)),
        requests=sum(int(facts.get("requests", 1)) for facts in told),
    )


def _busy(told: list[Mapping[str, Any]], pace: PollLoop) -> float:
    """Return the seconds that one cycle occupies its line: as its integration publishes, else the duration of the
    cycle, which includes waiting for others."""
    if all("latency_ms" in facts and "requests" in facts for facts in told):
        return sum(float(facts["latency_ms"]) / 1000 * int(facts["requests"]) for facts in told)
    return pace.turn_s or 0.0


async def _other(sources: Sources, request: SamplingRequest, device: Device, mains: frozenset[str]) -> Item:
    """Return the item of a device that is not polled: it reports by itself, and a downlink may set its period."""
    facts = sources.facts(device.integration, device.id)
    air = _air(facts)
    was = sources.former(device.id) or _snapped(facts.get("period_s"))
    keys = await sources.keys(device.pack) if device.pack else None
    if was is None and keys is not None and keys.period is not None:
        was = keys.period.total_seconds()
    downlink = _downlink(keys)
    why = _away(sources, device.integration)
    known = sources.sampling(device.integration)
    if why is None and not known.downlinks:
        why = Reason(known.reason, words=known.why)
    elif why is None and keys is None:
        why = Reason("no-pack")
    elif why is None and downlink is None:
        why = Reason("no-downlink")
    elif why is None and air is None:
        why = Reason("not-heard")
    listens = keys.lorawan.class_ if keys is not None and keys.lorawan is not None else "A"
    return Item(
        name=device.id,
        devices=(device.id,),
        integration=device.integration,
        how=DOWNLINK,
        was_s=was,
        chosen=_chosen(sources, request, device),
        why_not=why,
        powered=device.id in mains or listens == "C",
        battery=sources.battery_days(device.id),
        air=air,
        downlink=downlink,
    )


def _downlink(keys: PackKeys | None) -> Downlink | None:
    """Return the downlink of a pack that sets the period."""
    for name, one in keys.downlinks.items() if keys is not None else ():
        if one.period is not None:
            bound = one.fields[one.period]
            unit = UNITS_S[bound.unit]
            return Downlink(name, one.period, unit, bound.low * unit, bound.high * unit)
    return None


def _air(facts: Mapping[str, Any]) -> Air | None:
    """Return the airtime that its integration publishes, None before its first uplink."""
    air = facts.get("air")
    if not isinstance(air, Mapping) or not air.get("bands"):
        return None
    bands = tuple(Band(name, one["part"], one["of_s"]) for name, one in sorted(air["bands"].items()))
    return Air(
        seconds=air["uplink_s"], bands=bands, channels=air["channels"], down_s=air["down_s"], down_band=air["down"]
    )


def _chosen(sources: Sources, request: SamplingRequest, device: Device) -> bool:
    if not (request.devices or request.zones or request.integrations):
        return True
    return (
        device.id in request.devices
        or device.integration in request.integrations
        or sources.zone(device.place) in request.zones
    )


def _away(sources: Sources, integration: str) -> Reason | None:
    if sources.cut(integration):
        return Reason("cut-off")
    return None if sources.running(integration) else Reason("not-running")


def _has_battery(sources: Sources, device: str) -> bool:
    return any(sources.value(device, metric) is not None for metric in BATTERIES)


def _snapped(seconds: Any) -> float | None:
    """Return the round period near an observed one."""
    if not isinstance(seconds, int | float) or seconds < 1:
        return None
    for step in (3600.0, 600.0, 300.0, 60.0, 30.0, 10.0, 5.0):
        near = round(seconds / step) * step
        if near and abs(near - seconds) <= NEAR * seconds:
            return near
    return float(round(seconds))


def _rounded(seconds: float) -> float:
    """Round up to two digits: a plan must not change with each microsecond."""
    if seconds <= 0:
        return 0.0
    scale = 10.0 ** (floor(log10(seconds)) - 1)
    whole = round(seconds / scale, 6)
    return float(f"{(int(whole) + (whole > int(whole))) * scale:.9g}")
