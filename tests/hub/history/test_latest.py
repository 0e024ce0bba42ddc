"""Last values are made once a report, and never outlive what they were made from."""

from __future__ import annotations

from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Report
from hub.history.latest import LatestValues

DEVICE = Device(id="a:1", integration="a", place="here")
TEMPERATURE, CO2 = METRICS["temperature"], METRICS["co2"]


def test_the_values_of_a_device_are_made_once_a_report_and_anew_after_each_change() -> None:
    live = LatestValues()
    slot = live.slot(DEVICE, (TEMPERATURE,))
    assert live.of("a:1") == []
    slot.report, slot.turn = Report(device="a:1", values={"temperature": 20.0}), 1
    (first,) = live.of("a:1")
    assert (first.value, first.time, first.series) == (20.0, None, "here/temperature")
    assert live.of("a:1")[0] is first, "nothing was heard in between"
    live.of("a:1").clear()
    assert live.of("a:1") == [first], "who reads the list cannot change it"

    slot.time = 1_800_000_000.0  # the clock was set: its report is dated
    assert live.of("a:1")[0].time == 1_800_000_000.0
    slot.report, slot.turn = Report(device="a:1", values={"temperature": 21.0}), 2
    assert live.of("a:1")[0].value == 21.0
    other = live.slot(DEVICE, (CO2,))
    assert [one.metric for one in live.of("a:1")] == ["temperature"]
    other.report, other.turn = Report(device="a:1", values={"co2": 900.0}), 3
    assert [one.metric for one in live.of("a:1")] == ["temperature", "co2"]

    live.rebind(Device(id="a:1", integration="a", place="there"), lambda metric: metric.key == "co2")
    assert [one.series for one in live.of("a:1")] == ["there/co2"]
    live.forget("a:1")
    assert live.of("a:1") == []
