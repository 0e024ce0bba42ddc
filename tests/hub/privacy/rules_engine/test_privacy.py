"""What privacy rules leave of a report, on the straight path itself. The purest parts have tests of their own."""

from __future__ import annotations

import hmac
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.model import Core
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Metric, Position, Proof, Quality, Report, Signal
from hub.privacy.rules_engine import Consents, Privacy, compile_privacy
from hub.privacy.rules_engine.data_categories import KINDS, is_dwelling, kind_of, privacy_of
from hub.privacy.rules_engine.positions import METRES_PER_DEGREE, snapped
from hub.privacy.rules_engine.pseudonyms import Rotating, pseudonym
from hub.privacy.rules_engine.windows import GRACE_S, Windows, published
from tests.hub.path_kit import METER, TAG, Path

HOUR = 3600.0


def rules(**written):
    zones = {"classes": {"site": "ecole"}, "technique": {"site": "ecole"}}
    core = Core.model_validate({"sites": {"ecole": {}}, "zones": zones, "privacy": {"rules": written}})
    return compile_privacy(core)


def names(row):
    return [column.metric for column in row.shape.columns]


def end_of_window(path, window=HOUR):
    path.clock.set((path.clock.now() // window + 1) * window + GRACE_S)
    return path.windows.due()


def at_window(path, window=HOUR):
    """A new window has just begun, and this process sees it whole."""
    path.clock.set((path.clock.now() // window + 1) * window)


# -- which rule, and what without any ----------------------------------------------------------------------------


async def test_the_first_rule_that_fits_decides():
    path = Path(
        rules=rules(
            soft={"zones": ["classes"], "metrics": ["temperature"], "coarsen": {"step": 5}},
            none={"drop": True},
        )
    )
    (row,) = await path.emit(values={"temperature": 21.7, "humidity": 41.0})
    assert (names(row), row.values) == (["temperature"], (20.0,))
    assert path.counts.by_subject()[TAG.id] == {"withheld-by-rule": 1}


async def test_a_series_that_no_rule_touches_has_no_veil():
    path = Path(rules=rules(noise={"metrics": ["sound"], "drop": True}))
    await path.emit(values={"temperature": 21.7, "sound": True})
    (shape,) = path.pipeline._plans[TAG.id].shapes.values()
    assert shape.veil is None


async def test_a_rule_without_a_purpose_lets_nothing_personal_through():
    path = Path(rules=rules(soft={"metrics": ["co2"], "coarsen": {"step": 100}}))
    assert await path.emit(values={"co2": 612}) == []
    path = Path(rules=rules(soft={"metrics": ["co2"], "coarsen": {"step": 100}, "purpose": "air"}))
    (row,) = await path.emit(values={"co2": 612})
    assert row.values == (600,)


async def test_what_is_measured_in_a_dwelling_is_personal_and_its_alarms_are_not():
    path = Path(uses={"classes": "Logement"})
    (row,) = await path.emit(values={"temperature": 20.0, "humidity": 40.0, "power": 300, "leak": True, "battery": 90})
    assert names(row) == ["leak", "battery"]
    assert path.counts.by_subject()[TAG.id] == {"withheld-personal": 3}


@pytest.mark.parametrize("use", ["dwelling", "Logement", "appartements T3", "flat", "Habitation (gardien)"])
def test_words_for_homes_are_understood(use):
    assert is_dwelling(use)


@pytest.mark.parametrize("use", ["", "bureaux", "salle de classe", "homework room", "flattened"])
def test_other_words_are_not_homes(use):
    assert not is_dwelling(use)


def test_every_metric_is_of_a_kind_with_a_purpose_and_a_retention_and_maybe_personal_is_personal():
    for metric in METRICS.values():
        for home in (False, True):
            kind = kind_of(metric, dwelling=home)
            assert kind.privacy == privacy_of(metric, dwelling=home), metric.key
    for kind in KINDS:
        assert 0 < kind.retention_days <= 1827
        assert kind.purpose_fr
        assert kind.purpose_en
        assert kind.fr
    at_home = {key for key, metric in METRICS.items() if privacy_of(metric, dwelling=True) == "personal"}
    assert {"temperature", "humidity", "co2", "power", "energy", "water", "gas", "door", "illuminance"} <= at_home
    assert at_home.isdisjoint({"smoke", "co_detected", "gas_detected", "leak", "battery", "fault", "tamper"})


def test_what_rules_and_alerts_may_tell_of_a_value_follows_what_may_be_kept_of_it():
    privacy = Privacy(
        {"classes": {"co2": "air"}},
        rules=rules(soft={"zones": ["technique"], "metrics": ["power"], "coarsen": {"step": 100}}),
    )
    assert privacy.may_keep(METRICS["co2"], "classes")
    assert not privacy.may_keep(METRICS["co2"], "technique")
    assert not privacy.may_keep(METRICS["power"], "technique")
    assert privacy.may_keep(METRICS["power"], "classes")


# -- coarser -----------------------------------------------------------------------------------------------------


async def test_a_coarse_value_is_what_disk_and_live_view_see_and_rules_of_the_tap_saw_the_raw_one():
    path = Path(rules=rules(soft={"metrics": ["temperature"], "coarsen": {"step": 0.5}}))

    class Rules:
        seen = None

        def bind(self, device, metrics, keys):
            return SimpleNamespace(rules=self)

        def evaluate(self, binding, report, trust):
            Rules.seen = report.values["temperature"]

    path.planner.use_rules(Rules())
    (row,) = await path.emit(values={"temperature": 21.37})
    assert row.values == (21.5,)
    assert [value.value for value in path.live.values()] == [21.5]
    assert Rules.seen == 21.37


async def test_a_coarse_time_is_the_beginning_of_its_span_and_the_loudness_goes_with_it():
    path = Path(rules=rules(soft={"metrics": ["battery"], "coarsen": {"time": "15min"}}))
    (row,) = await path.emit(values={"battery": 90}, signal=Signal(rssi=-61))
    assert row.time_ms == int(path.clock.now() // 900 * 900 * 1000)
    assert row.rssi is None


# -- windows -----------------------------------------------------------------------------------------------------


async def test_an_aggregate_of_a_zone_leaves_and_the_readings_do_not():
    path = Path(
        rules=rules(
            air={
                "zones": ["classes"],
                "metrics": ["co2"],
                "purpose": "air",
                "aggregate": {"least": 2},
            }
        )
    )
    other = Device(id="ble:BB", integration="bluetooth", place="classe-1")
    path.devices.join(other) if hasattr(path.devices, "join") else path.devices._devices.update({other.id: other})
    at_window(path)
    began = path.clock.now()
    for value in (400, 600):
        assert await path.emit(values={"co2": value}) == []
    assert await path.emit(device=other.id, values={"co2": 1000}) == []
    assert list(path.live.values()) == []
    (one,) = end_of_window(path)
    assert (one.subject.device, one.subject.zone, one.subject.place) == ("zone:classes", "classes", "")
    assert one.shape.columns[0].metric == "co2_mean"
    assert (one.value, one.start) == (750.0, began)
    assert one.row(sure=True).quality is Quality.GOOD
    assert path.windows.due() == []


async def test_an_aggregate_of_too_few_devices_is_not_told_and_counted():
    path = Path(rules=rules(air={"metrics": ["co2"], "purpose": "air", "aggregate": {}}))
    at_window(path)
    await path.emit(values={"co2": 400})
    assert end_of_window(path) == []
    assert path.counts.total("too-few-to-publish") == 1


async def test_a_window_that_this_process_did_not_see_whole_is_declared_missing():
    path = Path(rules=rules(air={"metrics": ["co2"], "purpose": "air", "aggregate": {"least": 1}}))
    path.clock.set(path.clock.now() + 1)
    path.windows = Windows(path.clock.now, path.counts.add)
    path.privacy.windows = path.windows
    await path.emit(values={"co2": 400})
    (one,) = end_of_window(path)
    row = one.row(sure=True)
    assert one.value is None
    assert ([column.metric for column in row.shape.columns], row.values) == (["co2_mean_missing"], (True,))
    assert path.counts.of("window-missing", "zone:classes") == 1


async def test_what_comes_after_its_window_was_told_is_counted_and_left_out():
    path = Path(rules=rules(air={"metrics": ["co2"], "purpose": "air", "aggregate": {"least": 1}}))
    at_window(path)
    began = path.clock.now()
    await path.emit(values={"co2": 400})
    end_of_window(path)
    await path.emit(values={"co2": 5000}, time=began + 1)
    assert end_of_window(path) == []
    assert path.counts.of("late-for-window", "zone:classes") == 1


async def test_people_are_counted_in_fives_and_nobody_and_a_few_look_alike():
    told = {}
    for people in (None, 0, 1, 4, 5, 7, 8, 23):
        path = Path(rules=rules(door={"metrics": ["count"], "purpose": "hours", "count": {"of": "max", "total": True}}))
        at_window(path)
        if people is not None:
            await path.emit(values={"count": people})
        told[people] = [(one.subject.device, one.value) for one in end_of_window(path)]
    assert told[None] == []
    assert told[0] == told[1] == told[4] == [("zone:classes", 0), ("site:ecole", 0)]
    assert told[5] == told[7] == [("zone:classes", 5), ("site:ecole", 5)]
    assert (told[8][0][1], told[23][0][1]) == (10, 25)


async def test_a_total_is_the_sum_of_what_was_told_and_not_of_what_was_counted():
    path = Path(rules=rules(door={"metrics": ["count"], "purpose": "hours", "count": {"of": "sum", "total": True}}))
    at_window(path)
    for _ in range(4):
        await path.emit(values={"count": 1})
    await path.emit("modbus", METER.id, values={"count": 7})
    told = {one.subject.device: one.value for one in end_of_window(path)}
    assert told == {"zone:classes": 0, "zone:technique": 5, "site:ecole": 5}, "11 people, of whom 5 are told"


async def test_a_flag_counts_devices_that_said_true():
    path = Path(rules=rules(rooms={"metrics": ["occupancy"], "purpose": "use", "count": {}}))
    at_window(path)
    for n in range(6):
        device = Device(id=f"ble:{n}", integration="bluetooth", place="classe-1")
        path.devices._devices[device.id] = device
        await path.emit(device=device.id, values={"occupancy": n > 0})
    (one,) = end_of_window(path)
    assert (one.shape.columns[0].metric, one.shape.columns[0].unit, one.value) == ("occupancy_count", "1", 5)


@given(st.integers(0, 10**6))
def test_a_published_count_is_a_multiple_of_five_within_two_and_a_half_and_hides_what_is_below_five(count):
    figure = published(count)
    assert figure % 5 == 0
    assert figure == 0 if count < 5 else abs(figure - count) <= 2.5


async def test_what_is_out_of_bounds_enters_no_window():
    path = Path(rules=rules(air={"metrics": ["co2"], "purpose": "air", "aggregate": {"least": 1}}))
    at_window(path)
    await path.emit(values={"co2": float("nan")})
    await path.emit(values={"co2": 1e9})
    assert end_of_window(path) == []
    assert path.counts.of("implausible", TAG.id) == 2


# -- pseudonyms --------------------------------------------------------------------------------------------------


async def test_a_rotating_pseudonym_stays_within_its_window_and_changes_with_it():
    path = Path(rules=rules(tags={"metrics": ["button"], "purpose": "use", "pseudonymise": {"rotate": "1h"}}))
    at_window(path)
    for step in (0, 60, HOUR):
        path.clock.set(path.clock.now() + step)
        await path.emit(values={"button": "press"}, signal=Signal(rssi=-50))
    first, second, third = path.buffer.rows
    assert first.subject is second.subject
    assert first.subject.device != third.subject.device
    for row in path.buffer.rows:
        assert row.subject.device.startswith("~")
        assert row.subject.place.startswith("~")
        assert (row.subject.zone, row.subject.model, row.subject.integration, row.rssi) == ("", "", "", None)
    assert list(path.live.values()) == [], "what has no name has no line in the live view, nor at exporters"
    assert path.live.last_seen(TAG.id) is not None, "whether it is heard is seen all the same"


def test_a_pseudonym_is_the_hmac_of_the_id():
    key = bytes(range(32))
    mac = hmac.new(key, b"ble:AA", "sha256").hexdigest()
    import base64

    told = pseudonym(key, "ble:AA")
    assert base64.b32decode(told[1:].upper()) == bytes.fromhex(mac)[:10]


def test_a_report_of_an_earlier_window_brings_no_earlier_key_back():
    keys = iter([b"a", b"b", b"c"])
    rotating = Rotating(60, lambda n: next(keys))
    assert [rotating.key(at) for at in (60, 119, 120, 60, 180)] == [b"a", b"a", b"b", b"b", b"c"]


async def test_what_a_dwelling_keeps_for_a_purpose_leaves_under_a_pseudonym_and_without_a_key_not_at_all():
    path = Path({"classes": {"temperature": "confort"}}, uses={"classes": "logement"})
    assert await path.emit(values={"temperature": 20.0}) == []
    path.consents.begin("classes", "", b"k" * 32)
    (row,) = await path.emit(values={"temperature": 20.0, "battery": 90})
    assert row.subject.place == pseudonym(b"k" * 32, "place classe-1")
    assert row.subject.zone == pseudonym(b"k" * 32, "zone classes"), "by it the home is found again, to be erased"
    assert names(row) == ["temperature", "battery"], "the battery goes under the same name: two would tell they are one"
    assert {column.privacy for column in row.shape.columns} == {"personal", "technical"}


async def test_without_consent_nothing_is_kept_and_the_next_report_after_its_end_neither():
    path = Path(
        uses={"classes": "logement"},
        rules=rules(
            flat={
                "zones": ["classes"],
                "metrics": ["temperature"],
                "purpose": "bâti sain",
                "consent": "climat",
            }
        ),
    )
    assert await path.emit(values={"temperature": 20.0}) == []
    assert path.counts.by_subject()[TAG.id] == {"withheld-no-consent": 1}
    path.consents.begin("classes", "climat", b"k" * 32)
    path.pipeline.recompile()
    (row,) = await path.emit(values={"temperature": 20.0})
    path.consents.end("classes", "climat")
    assert await path.emit(values={"temperature": 21.0}) == [row], "even before plans are compiled anew"
    path.pipeline.recompile()
    assert await path.emit(values={"temperature": 21.0}) == [row]


async def test_two_purposes_have_two_names():
    path = Path(
        uses={"classes": "logement"},
        rules=rules(
            flat={"zones": ["classes"], "metrics": ["temperature"], "purpose": "bâti sain", "consent": "climat"},
            load={"zones": ["classes"], "metrics": ["power"], "purpose": "conseil", "consent": "courbe"},
        ),
    )
    for purpose in ("climat", "courbe"):
        path.consents.begin("classes", purpose, purpose.encode() * 4)
    first, second = await path.emit(values={"power": 300, "temperature": 20.0, "battery": 90})
    assert (names(first), names(second)) == (["power", "battery"], ["temperature"])
    assert len({first.subject.place, second.subject.place}) == 2


async def test_an_id_that_is_a_linky_number_leaves_under_a_pseudonym_and_its_place_stays():
    path = Path()
    key = b"k" * 32
    path.consents.begin("", "", key)
    linky = Device(id="linky:041876097549", integration="linky", place="compteur")
    plain = Device(id="linky:tgbt", integration="linky", place="compteur")
    path.devices._devices |= {linky.id: linky, plain.id: plain}
    await path.emit("linky", linky.id, values={"energy": 1.0})
    await path.emit("linky", plain.id, values={"energy": 1.0})
    first, second = path.buffer.rows
    assert first.subject.device == f"linky:{pseudonym(key, linky.id)}"
    assert (first.subject.place, first.subject.zone) == ("compteur", "technique")
    assert second.subject.device == "linky:tgbt"


# -- positions ---------------------------------------------------------------------------------------------------


async def test_a_position_is_snapped_and_cut_from_its_device_where_a_purpose_is_stated_and_withheld_elsewhere():
    where = Position(48.8566, 2.3522, accuracy=3.0, altitude=35.0)
    report = Report(device=TAG.id, values={"temperature": 20.0}, position=where, proof=Proof("none"))
    plain, declared = Path(), Path({"classes": {"position": "tournée de nettoyage"}})
    for path in (plain, declared):
        await path.pipeline.emit("bluetooth", report)
    (row,) = plain.buffer.rows
    assert row.position is None
    assert plain.counts.by_subject()[TAG.id] == {"withheld-personal": 1}
    cut, own = declared.buffer.rows
    assert own.position is None
    assert own.values == (20.0,)
    assert (cut.subject.device, cut.subject.place, names(cut)) == ("positions:classes", "", ["position"])
    assert cut.position == snapped(where, 200.0)
    assert cut.time_ms % 300_000 == 0, "the same millisecond would tell which device it was"


async def test_a_rule_may_keep_a_position_with_its_device():
    where = Position(48.8566, 2.3522)
    path = Path(
        rules=rules(
            vans={
                "metrics": ["position"],
                "purpose": "levée",
                "coarsen": {"grid": 0, "keep_id": True},
            }
        )
    )
    (row,) = await path.emit(values={"temperature": 20.0}, position=where)
    assert row.position == where


@given(st.floats(-85, 85), st.floats(-179, 179), st.sampled_from([50.0, 200.0, 1000.0]))
def test_a_snapped_position_is_within_its_cell_and_all_of_a_cell_are_one(latitude, longitude, grid):
    from math import cos, radians

    told = snapped(Position(latitude, longitude), grid)
    away_north = abs(told.latitude - latitude) * METRES_PER_DEGREE
    away_east = abs(told.longitude - longitude) * METRES_PER_DEGREE * cos(radians(told.latitude))
    assert away_north <= grid / 2 + 0.1
    assert away_east <= grid / 2 + 0.1
    assert snapped(told, grid) == told
    assert told.altitude is None


def test_metrics_of_plugins_are_personal_in_a_dwelling_too():
    load = Metric(key="reactive_power", device_class="reactive_power")
    assert privacy_of(load, dwelling=True) == "personal"
    assert Privacy(uses={"z": "flat"}, consents=Consents()).treatment(load, "z").why == "withheld-personal"
