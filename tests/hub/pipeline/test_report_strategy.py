"""Which readings go further."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Metric, Quality, Report, Strategy
from hub.history.latest import MOST_SLOTS
from hub.pipeline.plan import MOST_COMBINATIONS
from hub.pipeline.report_strategy import LastSent, rule
from tests.hub.path_kit import METER, Path

POWER = Metric(key="power", unit="W", resolution="1")


def sent(value, time=0.0, quality=Quality.GOOD):
    return LastSent(value, quality, time)


def due(strategy, before, value, time, quality=Quality.GOOD):
    return strategy.due(before, value, quality, time)


def test_without_a_word_every_reading_goes_further():
    assert rule(POWER, [{}, {"temperature": Strategy("change")}]) is None


def test_what_is_not_said_is_inherited_from_the_level_above():
    hub, instance, device = (
        {"": Strategy("change", 5.0), "power": Strategy(None, 7.0)}, {"": Strategy(None, None, 60.0)},
        {"": Strategy("change-or-period")},
    )  # fmt: skip
    made = rule(POWER, [hub, instance, device])
    assert made is not None
    assert (made.change, made.period, made.band, made.period_s) == (True, True, 7.0, 60.0)


def test_a_level_below_says_always_and_means_it():
    assert rule(POWER, [{"": Strategy("change")}, {"power": Strategy("always")}]) is None


def test_on_change_tells_what_moved_beyond_the_dead_band():
    change = rule(POWER, [{"": Strategy("change", 10.0)}])
    assert due(change, None, 100, 0.0)
    assert not due(change, sent(100), 110, 1.0)
    assert due(change, sent(100), 110.5, 2.0)
    assert due(change, sent(100), 100, 3.0, Quality.BAD), "a quality that changes is a change"


def test_a_step_too_small_to_be_stored_is_no_change():
    change = rule(Metric(key="t", resolution="0.1"), [{"": Strategy("change")}])
    assert not due(change, sent(21.5), 21.54, 1.0)
    assert due(change, sent(21.5), 21.6, 1.0)


def test_a_period_lets_one_through_also_from_a_sensor_that_is_a_little_early():
    period = rule(POWER, [{"": Strategy("period", None, 60.0)}])
    assert not due(period, sent(1), 1000, 30.0)
    assert due(period, sent(1), 1, 59.0)


def test_change_or_period_does_both():
    both = rule(POWER, [{"": Strategy("change-or-period", 10.0, 60.0)}])
    assert due(both, sent(100), 200, 1.0)
    assert due(both, sent(100), 100, 60.0)
    assert not due(both, sent(100), 101, 30.0)


def test_a_former_reading_that_comes_late_goes_further():
    change = rule(POWER, [{"": Strategy("change")}])
    assert due(change, sent(100, 500.0), 100, 400.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0, 1e3))
def test_no_value_left_out_differs_from_the_last_one_sent_by_more_than_the_dead_band(values, band):
    change, before = rule(POWER, [{"": Strategy("change", band)}]), None
    for n, value in enumerate(values):
        if due(change, before, value, float(n)):
            before = sent(value, float(n))
        else:
            assert abs(value - before.value) <= max(band, 0.5)


async def test_on_the_path_what_is_spared_is_seen_and_not_stored():
    path = Path()
    path.devices.put(
        Device(id=METER.id, integration="modbus", place="compteur", report={"power": Strategy("change", 10.0)})
    )
    for power, voltage in ((100, 230.0), (105, 231.0), (120, 232.0)):
        report = Report(device=METER.id, values={"power": power, "voltage": voltage})
        await path.pipeline.emit("modbus", report)
        await path.clock.advance(10)
    columns = [[column.metric for column in row.shape.columns] for row in path.buffer.rows]
    assert columns == [["power", "voltage"], ["voltage"], ["power", "voltage"]]
    assert [row.values for row in path.buffer.rows] == [(100, 230.0), (231.0,), (120, 232.0)]
    assert path.pipeline.spared == 1
    assert {v.metric: v.value for v in path.live.values()} == {"power": 120, "voltage": 232.0}


async def test_a_report_that_is_spared_whole_is_taken_all_the_same():
    path = Path()
    path.devices.put(Device(id=METER.id, integration="modbus", place="compteur", report={"": Strategy("change")}))
    report = Report(device=METER.id, values={"power": 100})
    for _ in range(3):
        await path.pipeline.emit("modbus", report, durable=True)
    assert len(path.buffer.rows) == 1
    assert path.buffer.flushed == 3


async def test_a_device_of_many_metrics_does_not_make_a_shape_of_every_combination():
    path = Path()
    metrics = [key for key, metric in METRICS.items() if metric.kind == "number" and metric.privacy == "technical"][:16]
    path.devices.put(Device(id=METER.id, integration="modbus", place="compteur", report={"": Strategy("change")}))
    rng, last = random.Random(7), dict.fromkeys(metrics, 1.0)
    sent = []
    for _ in range(500):
        for key in rng.sample(metrics, rng.randrange(1, 8)):
            last[key] = 3.0 - last[key]
        sent.append(dict(last))
        await path.pipeline.emit("modbus", Report(device=METER.id, values=dict(last)))
        await path.clock.advance(1)
    assert len({row.shape for row in path.buffer.rows}) <= MOST_COMBINATIONS + len(metrics) + 1
    stored: dict[str, list[float]] = {}
    for row in path.buffer.rows:
        for column, value in zip(row.shape.columns, row.values, strict=True):
            stored.setdefault(column.metric, []).append(value)
    for key in metrics:
        changes = [s[key] for n, s in enumerate(sent) if n == 0 or s[key] != sent[n - 1][key]]
        assert stored[key] == changes


async def test_a_device_that_never_says_the_same_twice_does_not_fill_the_memory():
    path = Path()
    metrics = [key for key, metric in METRICS.items() if metric.kind == "number" and metric.privacy == "technical"][:12]
    rng = random.Random(7)
    for _ in range(3000):
        keys = rng.sample(metrics, rng.randrange(1, 12))
        await path.pipeline.emit("modbus", Report(device=METER.id, values=dict.fromkeys(keys, 1.0)))
    assert len(path.live._slots[METER.id]) <= MOST_SLOTS
