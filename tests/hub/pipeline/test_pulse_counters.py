"""A counter becomes the index of the meter that it stands for: exactly, over roll-overs, restarts and replacements."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.model import Correction, Device, Place, Pulse, Quality, Report
from hub.pipeline.admission.replay import PREFIX as WINDOWS
from hub.pipeline.pulse_counters import POINT_S, POINTS, Pulses
from tests.hub.path_kit import METER, Path

HOUR = 3600.0
START = 1_790_000_000.0
WATER = Pulse(metric="water", source="count", weight=Decimal(10), initial=Decimal("1234500"))


class Meter:
    """One place, and everything that is remembered of it."""

    def __init__(self, pulse: Pulse, remembered: dict[str, Any] | None = None) -> None:
        self.local: dict[str, Any] = dict(remembered or {})
        self.reasons: list[str] = []
        place = Place(id="p", site="s", zone="z", pulse=pulse)
        self.step = Pulses(self.local, self._remember, lambda reason, _: self.reasons.append(reason)).of(place)

    def _remember(self, key: str, value: Any) -> None:
        self.local[key] = msgspec.msgpack.decode(msgspec.msgpack.encode(value))

    def say(self, raw: object, time: float | None = START, device: str = "d:1", **more: Any) -> Report:
        assert self.step is not None
        report = Report(device=device, values={"count": raw, **more}, time=time)  # type: ignore[dict-item]
        return self.step.apply(report, time)

    def read(self, raw: float, time: float | None = START, device: str = "d:1") -> float | None:
        return self.say(raw, time, device).values.get("water")  # type: ignore[return-value]


def with_(**fields: Any) -> Pulse:
    return msgspec.structs.replace(WATER, **fields)


def test_a_pulse_is_worth_its_weight_and_what_else_is_said_stays() -> None:
    meter = Meter(WATER)
    assert meter.say(500, battery=90).values == {"battery": 90, "water": 1234500.0}
    assert [meter.read(raw, START + n) for n, raw in enumerate((501, 501, 507))] == [1234510.0, 1234510.0, 1234570.0]
    assert meter.reasons == []


def test_the_counter_may_have_counted_before_the_hub_heard_it() -> None:
    assert Meter(with_(initial_raw=Decimal(480))).read(500) == 1234700.0
    assert Meter(with_(initial_raw=Decimal(600))).read(500) == 1234500.0, "it started over since"


def test_decimal_weights_add_up_exactly() -> None:
    meter = Meter(with_(weight=Decimal("0.1"), initial=Decimal(0)))
    meter.read(0)
    assert meter.read(3) == 0.3
    assert meter.read(1_000_003) == 100000.3


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_a_register_that_rolls_over_goes_on_counting(bits: int) -> None:
    meter = Meter(with_(wraps=1 << bits))
    top = (1 << bits) - 2
    assert [meter.read(raw) for raw in (top, top + 1, 0, 3)] == [1234500.0, 1234510.0, 1234520.0, 1234550.0]
    assert meter.reasons == []


def test_a_counter_that_starts_anew_counts_from_zero_and_is_doubted_once() -> None:
    for wraps in (None, 65536):
        meter = Meter(with_(wraps=wraps))
        meter.say(30_000)
        doubted, after = meter.say(4, START + 1), meter.say(5, START + 2)
        assert [report.values["water"] for report in (doubted, after)] == [1234540.0, 1234550.0]
        assert (doubted.quality, after.quality) == (Quality.UNCERTAIN, Quality.GOOD)
        assert meter.reasons == ["pulse-restarted"]


def test_another_transmitter_goes_on_from_where_the_dial_stands() -> None:
    meter = Meter(WATER)
    meter.read(500)
    meter.read(507)
    assert meter.read(12_000, START + HOUR, "d:2") == 1234570.0
    assert meter.read(12_003, START + 2 * HOUR, "d:2") == 1234600.0
    assert meter.reasons == ["pulse-new-counter"]


def test_a_new_meter_starts_at_its_own_index_with_its_own_weight() -> None:
    swap = Correction(at=START + 90 * 60, index=Decimal(3), weight=Decimal(1))
    meter = Meter(with_(corrections=(swap,)))
    said = [meter.read(raw, START + n * HOUR) for n, raw in enumerate((100, 110, 115, 120))]
    assert said == [1234500.0, 1234600.0, 8.0, 13.0], "from the last reading before the swap on"


def test_a_correction_with_the_counters_own_value_is_exact() -> None:
    fix = Correction(at=START + 90 * 60, index=Decimal(2_000_000), raw=Decimal(113))
    meter = Meter(with_(corrections=(fix,)))
    assert [meter.read(raw, START + n * HOUR) for n, raw in enumerate((100, 110, 115))][-1] == 2_000_020.0


def test_a_correction_may_be_written_days_later_but_not_weeks() -> None:
    first = Meter(WATER)
    for n in range(200):
        first.read(100 + n, START + n * HOUR)
    late = Correction(at=START + 150 * HOUR, index=Decimal(5_000_000))
    meter = Meter(with_(corrections=(late,)), first.local)
    assert meter.read(301, START + 200 * HOUR) == 5_000_000 + (301 - 250) * 10
    lost = Correction(at=START + 50 * HOUR, index=Decimal(5_000_000))
    meter = Meter(with_(corrections=(lost,)), first.local)
    assert meter.read(301, START + 200 * HOUR) == 1_234_500 + 201 * 10, "the former index goes on"
    assert meter.reasons == ["pulse-correction"]
    exact = msgspec.structs.replace(lost, raw=Decimal(150))
    assert Meter(with_(corrections=(exact,)), first.local).read(301, START + 200 * HOUR) == 5_000_000 + 151 * 10


def test_a_correction_from_before_the_first_reading_is_where_it_starts() -> None:
    before = Correction(at=START - HOUR, index=Decimal(77))
    assert Meter(with_(corrections=(before,))).read(100) == 77.0


def test_a_correction_does_not_come_early_and_holds_for_readings_after_its_date_only() -> None:
    fix = Correction(at=START + HOUR, index=Decimal(2_000_000))
    meter = Meter(with_(corrections=(fix,)))
    assert meter.read(100, START) == 1234500.0
    assert meter.read(101, START + 2 * HOUR) == 2_000_010.0
    assert meter.read(100, START + 0.5 * HOUR) == 1234500.0, "a former reading that came late"


def test_a_former_reading_moves_nothing_and_an_impossible_one_is_left_out() -> None:
    meter = Meter(WATER)
    meter.read(100, START)
    meter.read(110, START + HOUR)
    assert meter.read(105, START + HOUR / 2) == 1234550.0
    assert meter.read(111, START + 2 * HOUR) == 1234610.0
    report = meter.say(50, START + HOUR, battery=5)
    assert (report.values, meter.reasons) == ({"battery": 5}, ["pulse-order"])


def test_a_counter_that_rose_is_believed_against_a_clock_that_went_back() -> None:
    meter = Meter(with_(wraps=65536))
    meter.read(65_000, START)
    assert meter.read(65_010, START - 60) == 1234600.0
    assert meter.read(4, START - 30) == 1234500.0 + 540 * 10
    assert meter.read(65_020, START - 90) == 1234700.0, "one from before the roll-over, late"
    assert meter.reasons == []


def test_after_a_restart_of_the_hub_the_count_goes_on() -> None:
    meter = Meter(with_(wraps=256))
    meter.read(250)
    meter.read(255)
    assert Meter(with_(wraps=256), meter.local).read(2) == 1234500.0 + 80


def test_another_weight_in_the_file_is_another_weight_of_all_that_was_counted() -> None:
    meter = Meter(WATER)
    meter.read(0)
    meter.read(7)
    assert Meter(with_(weight=Decimal(1)), meter.local).read(8) == 1234508.0


@pytest.mark.parametrize("raw", [True, "12", -1, float("nan"), float("inf")])
def test_what_is_no_count_is_left_for_others_to_judge(raw: object) -> None:
    meter = Meter(WATER)
    assert set(meter.say(raw).values) == {"count"}
    assert meter.local == {}


def test_without_a_sure_clock_it_counts_and_no_correction_comes() -> None:
    fix = Correction(at=START + HOUR, index=Decimal(0))
    meter = Meter(with_(corrections=(fix,)))
    assert [meter.read(raw, None) for raw in (10, 12)] == [1234500.0, 1234520.0]
    assert meter.read(13, START + 2 * HOUR) == 10.0


def test_what_is_remembered_stays_small() -> None:
    meter = Meter(WATER)
    for n in range(2000):
        meter.read(n, START + n * POINT_S / 4)
    assert len(meter.local["pulse/p/past"]["points"]) == POINTS
    assert sum(len(msgspec.msgpack.encode(value)) for value in meter.local.values()) < 4096


@settings(max_examples=500)
@given(st.lists(st.integers(0, 60_000), max_size=30), st.sampled_from([1 << 16, 1 << 24]), st.integers(1, 1 << 16))
def test_the_index_is_what_was_counted_whatever_the_register_shows(steps: list[int], wraps: int, start: int) -> None:
    steps = [step % (wraps // 4) for step in steps]
    pulse = Pulse(metric="energy", source="count", weight=Decimal("0.001"), initial=Decimal(0), wraps=wraps)
    meter, true = Meter(pulse), 0
    meter.say(start % wraps)
    for n, step in enumerate(steps):
        true += step
        said = meter.say((start + true) % wraps, START + n)
        assert said.values["energy"] == float(Decimal(true) / 1000)
    assert meter.reasons == []


async def test_on_the_straight_path_the_index_is_kept_and_its_memory_rides_with_it() -> None:
    pulse = Pulse(metric="energy", source="count", weight=Decimal("0.001"), initial=Decimal("5000"), wraps=65536)
    path = Path(pulse=pulse)
    for raw in (65_535, 1):
        await path.emit("modbus", METER.id, values={"count": raw, "power": 5.0})
        path.clock.set(path.clock.now() + 60)
    assert [dict(zip([c.metric for c in row.shape.columns], row.values, strict=True)) for row in path.buffer.rows] == [
        {"power": 5.0, "energy": 5000.0},
        {"power": 5.0, "energy": 5000.002},
    ]
    assert not any(key.startswith(WINDOWS) for key in path.buffer.local)
    again = Path(pulse=pulse, local=path.buffer.local)  # whose clock has gone back two minutes
    (row,) = await again.emit("modbus", METER.id, values={"count": 11})
    assert row.values == (5000.012,)


async def test_a_device_that_takes_the_place_goes_on_there_and_a_date_nobody_believes_moves_nothing() -> None:
    path = Path(pulse=WATER)
    await path.emit("modbus", METER.id, values={"count": 5})
    await path.emit("modbus", METER.id, values={"count": 6}, time=path.clock.now() + 1e8)
    path.devices.put(Device(id="modbus:new", integration="modbus", place="compteur"))
    await path.emit("modbus", "modbus:new", values={"count": 900})
    await path.emit("modbus", "modbus:new", values={"count": 901})
    assert [row.values for row in path.buffer.rows] == [(1234500.0,), (1234510.0,), (1234510.0,), (1234520.0,)]
    assert path.counts.by_subject()["compteur"] == {"pulse-new-counter": 1}
