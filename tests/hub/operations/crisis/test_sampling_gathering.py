"""What may be asked more often, by what the hub's parts tell: loops, packs, batteries, airtime, gateways."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from hub.core.model import Device
from hub.devices.packs.format import PackKeys
from hub.operations.crisis.sampling.inventory import Sources, _rounded, _snapped, gateways, items
from hub.operations.crisis.sampling.model import DOWNLINK, POLL, Item, SamplingRequest
from hub.operations.crisis.sampling.planner import plan
from hub.plugin_host.poll_scheduler import PollScheduler
from hub.plugin_host.registry import Registry
from hub.sdk.sampling import Sampling
from hub.sdk.testing import ManualClock
from tests.hub.devices.packs.packs_kit import SHIPPED

PROBE = "lorawan:70b3d5e75e00abcd"
AIR = {
    "uplink_s": 0.0515, "channels": 8, "down": "L", "down_s": 0.0617,
    "bands": {"M": {"part": 0.375, "of_s": 36.0}, "L": {"part": 0.625, "of_s": 36.0}},
}  # fmt: skip
WISH = SamplingRequest(period_s=60.0, duration_s=86_400.0)


REGISTRY = Registry.discover()
FIXED = {
    "bluetooth": "broadcasts", "enocean": "broadcasts", "sigfox": "sigfox", "chirpstack": "its-server",
    "things_stack": "its-server", "mqtt_devices": "pushes", "http_json": "pushes", "linky": "meter-tic",
    "opcua": "reports-changes", "knx": "pushes", "mbus": "broadcasts", "wmbus": "broadcasts",
}  # fmt: skip
"""Type → why those of its devices that nobody polls are left out."""


def sampling(kind: str) -> Sampling:
    """As the integration registers it; of a type that is not installed, what counts without a word."""
    return REGISTRY.integration(kind).sampling if kind in REGISTRY.plugins else Sampling()


class House:
    """`told`, `values`, `batteries`: what the parts say; `types` the integrations."""

    def __init__(self) -> None:
        self.devices: list[Device] = []
        self.types: dict[str, str] = {}
        self.told: dict[tuple[str, str], dict[str, Any]] = {}
        self.values: set[tuple[str, str]] = set()
        self.batteries: dict[str, float] = {}
        self.mains: set[str] = set()
        self.cut: set[str] = set()
        self.stopped: set[str] = set()
        self.former: dict[str, float] = {}
        self.paces, self.clock = PollScheduler(), ManualClock()

    def put(self, device: str, integration: str, kind: str, pack: str = "") -> None:
        self.devices.append(Device(id=device, integration=integration, place=device[-4:], pack=pack))
        self.types[integration] = kind

    async def keys(self, pack: str) -> PackKeys | None:
        return SHIPPED.get(pack).keys if pack in SHIPPED.names() else None

    async def items(self, request: SamplingRequest = WISH) -> dict[str, Item]:
        sources = Sources(
            devices=lambda: self.devices,
            zone=lambda place: f"zone-{place}",
            sampling=lambda integration: sampling(self.types[integration]),
            lines=lambda: {"one": "rs485", "two": "rs485"},
            cut=self.cut.__contains__,
            running=lambda name: name not in self.stopped,
            paces=self.paces,
            facts=lambda integration, subject: self.told.get((integration, subject), {}),
            all_facts=lambda: [(i, s, facts) for (i, s), facts in self.told.items()],
            battery_days=self.batteries.get,
            value=lambda device, metric: 1 if (device, metric) in self.values else None,
            keys=self.keys,
            mains=lambda: self.mains,
            former=self.former.get,
        )
        self.sources = sources
        return {item.name: item for item in await items(sources, request)}


@pytest.fixture
def house() -> House:
    return House()


async def looped(house: House, integration: str, usual_s: float, *devices: str) -> Any:
    rounds = house.paces.rounds(integration, usual_s, lambda: devices, house.clock, 0.0)
    await anext(rounds)
    return rounds


async def test_a_lorawan_device_is_told_by_the_downlink_of_its_pack_at_its_own_airtime(house: House) -> None:
    house.put(PROBE, "lora", "lorawan", "milesight-em500-swl")
    house.told["lora", PROBE] = {"period_s": 1199.3, "air": AIR}
    house.batteries[PROBE] = 800.0
    item = (await house.items())[PROBE]
    assert (item.how, item.was_s, item.powered, item.battery, item.why_not) == (DOWNLINK, 1200.0, False, 800.0, None)
    assert item.downlink is not None
    assert (item.downlink.name, item.downlink.field, item.downlink.low_s, item.downlink.high_s) == (
        "period", "seconds", 60.0, 64_800.0,
    )  # fmt: skip
    assert item.air is not None
    assert item.air.tightest.name == "L"
    house.mains.add(PROBE)
    assert (await house.items())[PROBE].powered
    house.former[PROBE] = 1800.0
    assert (await house.items())[PROBE].was_s == 1800.0, "the period to which it goes back, whatever is observed now"


async def test_what_cannot_be_raised_is_named_with_its_reason_for_every_kind(house: House) -> None:
    for kind in FIXED:
        house.put(f"x:{kind}", kind, kind)
    house.put("lorawan:a", "lora", "lorawan", "elsys-ers")
    house.put("lorawan:b", "lora", "lorawan")
    house.put("lorawan:c", "lora", "lorawan", "milesight-em500-swl")
    house.put("acme:d", "acme", "acme_thermo")
    found = await house.items()
    for kind, slug in FIXED.items():
        why = found[f"x:{kind}"].why_not
        assert why is not None
        assert why.slug == slug
        assert all(why.as_dict()[name] for name in ("why", "why_fr"))
    said = {name: item.why_not.slug for name, item in found.items() if item.why_not is not None}
    assert said["lorawan:a"] == "no-downlink"
    assert said["lorawan:b"] == "no-pack"
    assert said["lorawan:c"] == "not-heard"
    assert said["acme:d"] == "pushes"
    assert said["x:sigfox"] == "sigfox"
    assert "140" in (found["x:sigfox"].why_not or pytest.fail("none")).text
    assert plan(found.values(), [], plan_budgets(), WISH).entries == ()


def plan_budgets() -> Any:
    from hub.operations.crisis.sampling.model import Budgets

    return Budgets()


async def test_a_loop_is_one_item_and_the_worst_of_its_batteries_counts(house: House) -> None:
    for name in "abc":
        house.put(f"mbus:{name}", "heat", "mbus")
    async with aclosing(await looped(house, "heat", 3600.0, "mbus:a", "mbus:b", "mbus:c")):
        item = (await house.items())["heat (3)"]
        assert (item.how, item.devices, item.was_s) == (POLL, ("mbus:a", "mbus:b", "mbus:c"), 3600.0)
        assert (item.meter, item.powered, item.line) == (True, True, "heat")
        house.values |= {("mbus:a", "battery"), ("mbus:b", "battery")}
        house.batteries = {"mbus:a": 400.0, "mbus:b": 300.0}
        item = (await house.items())["heat (3)"]
        assert (item.powered, item.battery) == (False, 300.0)
        house.batteries.pop("mbus:a")
        assert (await house.items())["heat (3)"].battery is None, "of one nothing is known"
        house.mains |= {"mbus:a", "mbus:b", "mbus:c"}
        item = (await house.items())["heat (3)"]
        assert (item.meter, item.powered) == (False, True)


async def test_two_integrations_on_one_serial_line_share_it_and_its_load_is_that_of_their_requests(
    house: House,
) -> None:
    house.put("modbus:a", "one", "modbus")
    house.put("modbus:b", "two", "modbus")
    house.told["one", "modbus:a"] = {"latency_ms": 20.4, "requests": 5}
    one, two = await looped(house, "one", 10.0, "modbus:a"), await looped(house, "two", 10.0, "modbus:b")
    async with aclosing(one), aclosing(two):
        found = await house.items()
        assert {item.line for item in found.values()} == {"rs485"}
        assert (found["modbus:a"].turn_s, found["modbus:a"].requests) == (0.11, 5)
        assert found["modbus:b"].turn_s == 0.0, "no turn was measured yet"
        house.cut.add("one")
        house.stopped.add("two")
        found = await house.items()
        assert [item.why_not and item.why_not.slug for item in found.values()] == ["cut-off", "not-running"]


async def test_devices_are_chosen_by_id_zone_or_integration(house: House) -> None:
    house.put("mqtt:aaaa", "one", "mqtt_devices")
    house.put("mqtt:bbbb", "two", "mqtt_devices")
    for request, chosen in (
        (SamplingRequest(period_s=1, duration_s=60), {"mqtt:aaaa", "mqtt:bbbb"}),
        (SamplingRequest(period_s=1, duration_s=60, devices=("mqtt:aaaa",)), {"mqtt:aaaa"}),
        (SamplingRequest(period_s=1, duration_s=60, zones=("zone-bbbb",)), {"mqtt:bbbb"}),
        (SamplingRequest(period_s=1, duration_s=60, integrations=("two",)), {"mqtt:bbbb"}),
    ):
        assert {name for name, item in (await house.items(request)).items() if item.chosen} == chosen


async def test_gateways_that_are_silent_tell_nobody(house: House) -> None:
    duty = {"M": {"left_s": 20.0, "of_s": 36.0}}
    house.told["lora", "gateway:a"] = {"silent": False, "duty": duty}
    house.told["lora", "gateway:b"] = {"silent": True, "duty": duty}
    await house.items()
    assert [(one.name, one.left_s, one.of_s) for one in gateways(house.sources)] == [
        ("gateway:a", {"M": 20.0}, {"M": 36.0})
    ]


@pytest.mark.parametrize(
    ("seen", "meant"),
    [(599.4, 600.0), (61.0, 60.0), (1197.0, 1200.0), (3575.0, 3600.0), (47.3, 47.0), (None, None), (0.2, None)],
)
def test_an_observed_period_is_taken_for_the_round_one_near_it(seen: float | None, meant: float | None) -> None:
    assert _snapped(seen) == meant


@pytest.mark.parametrize(("seconds", "told"), [(0.0, 0.0), (0.0123, 0.013), (0.1, 0.1), (2.01, 2.1), (12.0, 12.0)])
def test_what_is_measured_is_rounded_upwards_to_two_digits(seconds: float, told: float) -> None:
    assert _rounded(seconds) == told
