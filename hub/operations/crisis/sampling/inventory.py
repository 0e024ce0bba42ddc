"""What of this hub may be asked more often, by the facts of now: loops that ask, packs that know a downlink, what
integrations tell of themselves (`hub.rpc.radio` lists the names)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING, Any

from hub.core.model import Device
from hub.operations.crisis.sampling.model import DOWNLINK, Air, Band, Downlink, Gateway, Item, SamplingRequest
from hub.operations.crisis.sampling.reasons import Reason
from hub.plugin_host.poll_scheduler import Pace, Paces

if TYPE_CHECKING:
    from hub.devices.packs.format import PackKeys

UNITS_S = {"s": 1.0, "min": 60.0, "h": 3600.0}
NEAR = 0.02
"""How far an observed period may be from a round one to be taken for it."""

KINDS = {
    "bluetooth": "broadcasts", "enocean": "broadcasts", "sigfox": "sigfox", "lorawan_servers": "its-server",
    "mqtt_devices": "pushes", "http_json": "pushes", "linky": "meter-tic", "opcua": "reports-changes",
    "knx": "pushes", "mbus": "broadcasts",
}  # fmt: skip
"""Type of an integration → why those of its devices that nobody asks in turns are left out."""
BATTERIES = ("battery", "battery_voltage", "battery_low")


@dataclass
class Sources:
    """`types`: integration → its type; `lines`: integration → the line that it shares with others, "" for its own;
    `cut` and `running`: may it speak now, does it; `told`: what it tells of a subject; `battery_days`: the forecast;
    `value`: the last value of a device's metric; `keys`: what its pack says, None without one that can be read;
    `mains`: devices of which the owner says that they have no battery; `former`: the period in seconds to which a
    device that was raised goes back, None of any other."""

    devices: Callable[[], Iterable[Device]]
    zone: Callable[[str], str]
    types: Callable[[], Mapping[str, str]]
    lines: Callable[[], Mapping[str, str]]
    cut: Callable[[str], bool]
    running: Callable[[str], bool]
    paces: Paces
    told: Callable[[str, str], Mapping[str, Any]]
    everything_told: Callable[[], Iterable[tuple[str, str, Mapping[str, Any]]]]
    battery_days: Callable[[str], float | None]
    value: Callable[[str, str], Any]
    keys: Callable[[str], Awaitable[PackKeys | None]]
    mains: Callable[[], Iterable[str]]
    former: Callable[[str], float | None]


async def items(sources: Sources, wish: SamplingRequest) -> list[Item]:
    """Every device of the hub in one item."""
    mains, types, lines = frozenset(sources.mains()), sources.types(), sources.lines()
    known = {device.id: device for device in sources.devices()}
    found: list[Item] = []
    asked: set[str] = set()
    for pace in sources.paces:
        mine = tuple(sorted(device for device in set(pace.asked()) if device in known and device not in asked))
        if mine:
            asked |= set(mine)
            line = lines.get(pace.integration) or pace.integration
            found.append(_polled(sources, wish, pace, [known[one] for one in mine], types, line, mains))
    others = [device for device in known.values() if device.id not in asked]
    found += [await _other(sources, wish, one, types.get(one.integration, ""), mains) for one in others]
    return sorted(found, key=lambda item: item.name)


def gateways(sources: Sources) -> list[Gateway]:
    """Those that are heard."""
    found = []
    for _, subject, facts in sources.everything_told():
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
    wish: SamplingRequest,
    pace: Pace,
    devices: list[Device],
    types: Mapping[str, str],
    line: str,
    mains: frozenset[str],
) -> Item:
    """A loop. What has a battery spends it at each turn, so the one that is worst off counts."""
    name = devices[0].id if len(devices) == 1 else f"{pace.integration} ({len(devices)})"
    weak = [one.id for one in devices if one.id not in mains and _has_battery(sources, one.id)]
    batteries = [sources.battery_days(one) for one in weak]
    told = [sources.told(pace.integration, one.id) for one in devices]
    unknown = any(days is None for days in batteries)
    return Item(
        name=name,
        devices=tuple(one.id for one in devices),
        integration=pace.integration,
        was_s=pace.usual_s,
        chosen=any(_chosen(sources, wish, one) for one in devices),
        why_not=_away(sources, pace.integration),
        powered=not weak,
        battery=None if unknown or not batteries else min(days for days in batteries if days),
        meter=types.get(pace.integration) == "mbus" and not {one.id for one in devices} <= mains,
        least_s=pace.least_s,
        line=line,
        turn_s=_rounded(_busy(told, pace)),
        requests=sum(int(facts.get("requests", 1)) for facts in told),
    )


def _busy(told: list[Mapping[str, Any]], pace: Pace) -> float:
    """Seconds that its line is busy with one turn: as its integration tells, else as long as the turn takes, which
    counts waiting for others too."""
    if all("latency_ms" in facts and "requests" in facts for facts in told):
        return sum(float(facts["latency_ms"]) / 1000 * int(facts["requests"]) for facts in told)
    return pace.turn_s or 0.0


async def _other(sources: Sources, wish: SamplingRequest, device: Device, kind: str, mains: frozenset[str]) -> Item:
    """One that nobody asks in turns: it speaks by itself, and a downlink may tell it how often."""
    facts = sources.told(device.integration, device.id)
    air = _air(facts)
    was = sources.former(device.id) or _snapped(facts.get("period_s"))
    keys = await sources.keys(device.pack) if device.pack else None
    if was is None and keys is not None and keys.period is not None:
        was = keys.period.total_seconds()
    downlink = _downlink(keys)
    why = _away(sources, device.integration)
    if why is None and kind != "lorawan":
        why = Reason(KINDS.get(kind, "pushes"))
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
        chosen=_chosen(sources, wish, device),
        why_not=why,
        powered=device.id in mains or listens == "C",
        battery=sources.battery_days(device.id),
        air=air,
        downlink=downlink,
    )


def _downlink(keys: PackKeys | None) -> Downlink | None:
    """The one of a pack that sets the period."""
    for name, one in keys.downlinks.items() if keys is not None else ():
        if one.period is not None:
            bound = one.fields[one.period]
            unit = UNITS_S[bound.unit]
            return Downlink(name, one.period, unit, bound.low * unit, bound.high * unit)
    return None


def _air(facts: Mapping[str, Any]) -> Air | None:
    """What its integration tells of its airtime, None before its first uplink."""
    air = facts.get("air")
    if not isinstance(air, Mapping) or not air.get("bands"):
        return None
    bands = tuple(Band(name, one["part"], one["of_s"]) for name, one in sorted(air["bands"].items()))
    return Air(
        seconds=air["uplink_s"], bands=bands, channels=air["channels"], down_s=air["down_s"], down_band=air["down"]
    )


def _chosen(sources: Sources, wish: SamplingRequest, device: Device) -> bool:
    if not (wish.devices or wish.zones or wish.integrations):
        return True
    return (
        device.id in wish.devices or device.integration in wish.integrations or sources.zone(device.place) in wish.zones
    )


def _away(sources: Sources, integration: str) -> Reason | None:
    if sources.cut(integration):
        return Reason("cut-off")
    return None if sources.running(integration) else Reason("not-running")


def _has_battery(sources: Sources, device: str) -> bool:
    return any(sources.value(device, metric) is not None for metric in BATTERIES)


def _snapped(seconds: Any) -> float | None:
    """An observed period as it was meant: the round one near it."""
    if not isinstance(seconds, int | float) or seconds < 1:
        return None
    for step in (3600.0, 600.0, 300.0, 60.0, 30.0, 10.0, 5.0):
        near = round(seconds / step) * step
        if near and abs(near - seconds) <= NEAR * seconds:
            return near
    return float(round(seconds))


def _rounded(seconds: float) -> float:
    """Two digits, upwards: a plan must not change with each microsecond."""
    if seconds <= 0:
        return 0.0
    scale = 10.0 ** (floor(log10(seconds)) - 1)
    whole = round(seconds / scale, 6)
    return float(f"{(int(whole) + (whole > int(whole))) * scale:.9g}")
