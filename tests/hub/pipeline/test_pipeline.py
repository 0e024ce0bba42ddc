"""The straight path of a report, station by station."""

from __future__ import annotations

import math

import pytest

from hub.core.errors import PluginError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric, Proof, Quality, Report, Signal, TrustClass
from hub.pipeline.pipeline import FUTURE_S
from hub.pipeline.plan import Declared
from hub.protocol.records.columns import forms
from hub.protocol.records.dictionary import Numbering
from tests.hub.path_kit import METER, TAG, Path


async def test_a_report_of_a_known_device_becomes_one_row_with_its_context():
    path = Path()
    path.clock.set(1_800_000_000.25)
    (row,) = await path.emit(values={"temperature": 21.5, "battery": 90}, signal=Signal(rssi=-61))
    assert row.subject.device == TAG.id
    assert (row.subject.place, row.subject.zone, row.subject.site) == ("classe-1", "classes", "ecole")
    assert [column.metric for column in row.shape.columns] == ["temperature", "battery"]
    assert (row.values, row.time_ms, row.sure, row.rssi) == ((21.5, 90), 1_800_000_000_250, True, -61)
    assert row.trust == TrustClass.C


@pytest.mark.parametrize("lies", [14 * 365 * 86_400, 100, -100, -20 * 365 * 86_400])
async def test_a_clock_that_lied_pins_no_latest_value_of_the_hub(lies):
    """The device's clock, or, as far as a device is not believed, that of the hub, which is then set right."""
    path, right = Path(), 1_800_000_000.0
    path.clock.set(right + (lies if lies > FUTURE_S else 0))
    first, later = {"temperature": 99.0, "humidity": 50.0}, {"temperature": 21.5}  # two shapes: a slot for each
    await path.emit(values=first, time=right + lies)
    path.clock.set(right + 10)
    await path.emit(values=later, time=right + 9)
    assert path.live.value(TAG.id, "temperature") == 21.5
    assert path.live.last_report(TAG.id).values == later
    assert path.live.last_seen(TAG.id) == right + 10, "when it came"


async def test_a_device_whose_clock_was_reset_to_2000_is_seen_and_its_values_are_the_latest():
    path, now = Path(), 1_800_000_000.0
    path.clock.set(now)
    await path.emit(values={"temperature": 20.0, "humidity": 50.0}, time=now)
    path.clock.set(now + 60)
    await path.emit(values={"temperature": 21.5}, time=946_684_800.0)
    assert path.live.value(TAG.id, "temperature") == 21.5
    assert path.live.last_seen(TAG.id) == now + 60


@pytest.mark.parametrize("dbm", [32_768, -32_768, 10**9, -71.5, float("nan"), True, "-71"])
async def test_a_signal_that_no_record_has_room_for_is_left_out_and_costs_no_value(dbm):
    """A gateway, or a server between, says what it likes."""
    path = Path()
    (row,) = await path.emit(values={"temperature": 21.5}, signal=Signal(rssi=dbm))
    assert (row.values, row.rssi) == ((21.5,), None)
    assert path.counts.of("implausible", TAG.id) == 1
    forms([row], Numbering())  # as the buffer does: raises what cannot be stored


async def test_an_unknown_device_waits_in_quarantine_and_nothing_is_forwarded():
    path = Path()
    rows = await path.emit(device="ble:00:00:00:00:00:00", values={"temperature": 1.0})
    assert rows == []
    (waiting,) = path.quarantine
    assert (waiting.id, waiting.reason, waiting.values) == (
        "ble:00:00:00:00:00:00",
        "not in the configuration",
        {"temperature": 1.0},
    )


async def test_an_integration_cannot_speak_for_the_device_of_another():
    path = Path()
    with pytest.raises(PluginError, match="a device of 'modbus'"):
        await path.emit(device=METER.id, values={"power": 1.0})
    assert path.buffer.rows == []


async def test_a_replayed_counter_is_refused_counted_and_remembered_with_its_reading():
    path = Path()
    for counter in (5, 5, 4, 6):
        await path.emit(values={"temperature": 20.0}, proof=Proof("bthome-ccm", counter, True))
    assert len(path.buffer.rows) == 2
    assert path.counts.by_subject()[TAG.id] == {"repeat": 1, "replay": 1}
    assert list(path.buffer.local.values()) == [6]
    assert all(row.trust == TrustClass.A for row in path.buffer.rows)


async def test_a_forged_counter_moves_no_window():
    path = Path()
    await path.emit(values={"temperature": 20.0}, proof=Proof("bthome", 4_000_000_000, False))
    await path.emit(values={"temperature": 20.0}, proof=Proof("bthome-ccm", 1, True))
    assert [row.trust for row in path.buffer.rows] == [TrustClass.C, TrustClass.A]


async def test_what_a_device_declares_stands_before_the_catalogue_and_is_no_other_device_s():
    path = Path()
    own = Metric(key="temperature", resolution="0.5")
    path.planner.declared[TAG.id] = Declared(metrics={"temperature": own})
    mine, other = path.planner.compile(TAG).metrics, path.planner.compile(METER).metrics
    assert mine["temperature"] is own
    assert mine["humidity"] is METRICS["humidity"]
    assert set(mine) == set(METRICS)
    assert other is METRICS, "a hub of 500 devices keeps the catalogue once"


async def test_a_wired_bus_inside_a_declared_perimeter_is_class_b():
    path = Path()
    (row,) = await path.emit("modbus", METER.id, values={"power": 1200.0}, proof=Proof("modbus"))
    assert row.trust == TrustClass.B


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e9, -300.0, "warm"])
async def test_an_implausible_value_is_refused_and_counted_and_the_rest_of_the_report_kept(value):
    path = Path()
    (row,) = await path.emit(values={"temperature": value, "battery": 90})
    assert ([c.metric for c in row.shape.columns], row.values) == (["battery"], (90,))
    assert path.counts.by_subject()[TAG.id] == {"implausible": 1}


@pytest.mark.parametrize(("metric", "value"), [("leak", 2), ("leak", "yes"), ("firmware", 3), ("firmware", "x" * 600)])
async def test_a_flag_is_a_flag_and_a_text_is_a_short_text(metric, value):
    path = Path()
    assert await path.emit(values={metric: value}) == []
    assert path.counts.by_subject()[TAG.id] == {"implausible": 1}


async def test_a_metric_nobody_declared_is_left_out_and_counted():
    path = Path()
    (row,) = await path.emit(values={"temperature": 20.0, "wibble": 3})
    assert row.values == (20.0,)
    assert path.counts.by_subject()[TAG.id] == {"unknown-metric": 1}


async def test_a_metric_declared_for_a_device_is_kept_after_the_plan_is_recompiled():
    path = Path()
    await path.emit(values={"wibble": 3})
    path.planner.declared[TAG.id] = Declared(metrics={"wibble": Metric(key="wibble", resolution="1")})
    path.pipeline.recompile(TAG.id)
    (row,) = await path.emit(values={"wibble": 3})
    assert row.values == (3,)


async def test_personal_metrics_do_not_reach_the_buffer_nor_the_live_view_without_a_stated_purpose():
    path = Path()
    (row,) = await path.emit(values={"temperature": 20.0, "motion": True})
    assert row.values == (20.0,)
    assert [value.metric for value in path.live.values()] == ["temperature"]
    assert path.counts.by_subject()[TAG.id] == {"withheld-personal": 1}
    assert await path.emit(values={"motion": True}) == [row], "a report of nothing else leaves no trace"


async def test_a_zone_that_states_a_purpose_keeps_that_metric_and_no_other_zone_does():
    path = Path({"classes": {"motion": "light follows presence"}})
    (row,) = await path.emit(values={"motion": True})
    assert row.values == (True,)
    path = Path({"technique": {"motion": "light follows presence"}})
    assert await path.emit(values={"motion": True}) == []


async def test_a_date_in_the_future_is_not_believed():
    path = Path()
    await path.emit(values={"temperature": 1.0}, time=path.clock.now() + FUTURE_S + 1)
    await path.emit(values={"temperature": 1.0}, time=-5.0)
    await path.emit(values={"temperature": 1.0}, time=path.clock.now() - 3600)
    now = int(path.clock.now() * 1000)
    assert [(row.time_ms, row.quality) for row in path.buffer.rows] == [
        (now, Quality.UNCERTAIN),
        (now, Quality.UNCERTAIN),
        (now - 3_600_000, Quality.GOOD),
    ]


async def test_a_clock_that_is_set_while_a_report_is_taken_dates_none_of_it_wrongly():
    path = Path(sure=False)
    path.clock.set(5.0, sure=False)
    date = path.clock.date

    def set_before_it_is_asked():
        path.clock.set(1_800_000_000.0)
        return date()

    path.clock.date = set_before_it_is_asked
    (row,) = await path.emit(values={"temperature": 20.0})
    assert (row.sure, row.time_ms) == (True, 1_800_000_000_000)


async def test_without_a_sure_clock_a_report_is_dated_by_the_boot():
    path = Path(sure=False)
    (row,) = await path.emit(values={"temperature": 1.0})
    assert (row.sure, row.time_ms) == (False, int(path.clock.monotonic() * 1000))
    (value,) = path.live.values()
    assert value.time is None


async def test_what_an_inexact_clock_dates_is_marked_uncertain(monkeypatch):
    path = Path()
    monkeypatch.setattr(path.clock, "exact", lambda: False)
    own, source = await path.emit(values={"temperature": 1.0}), None
    assert (own[0].sure, own[0].quality) == (True, Quality.UNCERTAIN)
    source = (await path.emit(values={"temperature": 1.0}, time=path.clock.now() - 10))[-1]
    assert source.quality is Quality.GOOD, "the source's own date is not the hub's"


async def test_durable_waits_for_the_disk_also_where_the_report_itself_was_kept_out():
    """Told again, it may still be on its way there: whoever acknowledges it does so after this."""
    path = Path()
    await path.pipeline.emit("bluetooth", Report(device=TAG.id, values={"temperature": 1.0}), durable=True)
    await path.pipeline.emit("bluetooth", Report(device="ble:unknown", values={"temperature": 1.0}), durable=True)
    assert path.buffer.flushed == 2


async def test_a_replaced_device_keeps_its_place_and_series():
    path = Path()
    await path.emit(values={"temperature": 20.0})
    new = path.devices.replace(TAG.id, "ble:BB:BB:BB:BB:BB:BB")
    path.pipeline.recompile(TAG.id)
    path.live.forget(TAG.id)
    before, after = await path.emit(device=new.id, values={"temperature": 21.0})
    assert (before.subject.place, after.subject.place) == ("classe-1", "classe-1")
    assert after.shape is before.shape, "one shape serves every device that speaks alike"
    assert [value.series for value in path.live.values()] == ["classe-1/temperature"]
    assert await path.emit(values={"temperature": 1.0}) == [before, after], "the former device is no longer admitted"


async def test_the_live_view_shows_the_newest_value_of_each_metric_whatever_the_shape():
    path = Path()
    await path.emit(values={"temperature": 20.0, "battery": 90})
    path.clock.set(path.clock.now() + 60)
    await path.emit(values={"temperature": 21.0})
    assert {value.metric: value.value for value in path.live.values()} == {"temperature": 21.0, "battery": 90}
    assert path.live.last_seen(TAG.id) == path.clock.now()


async def test_a_device_that_never_says_the_same_twice_does_not_fill_the_memory():
    path = Path()
    keys = [key for key, metric in METRICS.items() if metric.kind == "number" and metric.privacy != "personal"]
    for n in range(2000):
        chosen = [key for bit, key in enumerate(keys) if n >> bit & 1][:20]
        if chosen:
            await path.emit(values=dict.fromkeys(chosen, 1.0))
    plan = path.pipeline._plans[TAG.id]
    assert len(plan.shapes) <= 256
