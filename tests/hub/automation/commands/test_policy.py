"""What may be written, and what is said when it may not."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.automation.commands.policy import SAFETY, Order, WriteRefused, check_order, read_value
from hub.core.model import Device, Metric, Writable

BOILER = Device(
    id="modbus:boiler",
    integration="modbus",
    place="chaufferie",
    writable={"setpoint": Writable(20, 75, "technicien", 60), "pump": Writable(), "free": Writable(role="technicien")},
)
SETPOINT = Metric(key="setpoint", unit="Cel")
PUMP = Metric(key="pump", kind="flag")


def order(**changes):
    given = {"device": BOILER.id, "metric": "setpoint", "value": 55.0, "by": "t", "role": "technicien", "why": "cold"}
    return Order(**{**given, **changes})


def refused(asked, metric=SETPOINT, device=BOILER, last=None, now=1000.0):
    with pytest.raises(WriteRefused) as told:
        check_order(asked, device, metric, last, now)
    return told.value.reason


def test_a_value_within_its_bounds_is_written_by_whom_the_configuration_says():
    check_order(order(), BOILER, SETPOINT, None, 1000.0)
    check_order(order(value=20), BOILER, SETPOINT, None, 1000.0)
    check_order(order(value=75.0, role="administrateur"), BOILER, SETPOINT, None, 1000.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metric": "temperature"}, "read-only"),
        ({"value": 75.1}, "out-of-bounds"),
        ({"value": -1e9}, "out-of-bounds"),
        ({"value": math.nan}, "bad-value"),
        ({"value": math.inf}, "bad-value"),
        ({"value": True}, "bad-value"),
        ({"value": "55"}, "bad-value"),
        ({"role": "auditeur"}, "role"),
        ({"role": "lecteur"}, "role"),
        ({"why": "x" * 201}, "no-reason"),
    ],
)
def test_what_may_not_be_written_is_refused_with_its_reason(changes, reason):
    assert refused(order(**changes)) == reason


LOCK = msgspec.structs.replace(PUMP, key="pump", device_class="lock")


@pytest.mark.parametrize(
    ("reason", "metric", "asks"),
    [
        ("always", PUMP, True), ("always", LOCK, True), ("dangerous", PUMP, False), ("dangerous", LOCK, True),
        ("never", PUMP, False), ("never", LOCK, False),
    ],
)  # fmt: skip
def test_a_reason_is_asked_where_the_configuration_asks_for_one_and_else_where_a_mistake_is_dangerous(
    reason, metric, asks
):
    device = msgspec.structs.replace(BOILER, writable={"pump": Writable(role="technicien", reason=reason)})
    for value in (True, None):  # a release too
        check_order(order(metric="pump", value=value), device, metric, None, 0.0)
        if asks:
            assert refused(order(metric="pump", value=value, why=" "), metric, device) == "no-reason"
        else:
            check_order(order(metric="pump", value=value, why=""), device, metric, None, 0.0)


def test_without_a_word_in_the_configuration_only_what_is_dangerous_and_a_sensors_own_setting_ask_for_a_reason():
    check_order(order(why=""), BOILER, SETPOINT, None, 0.0)
    for one in sorted(SAFETY):
        assert refused(order(why=""), msgspec.structs.replace(SETPOINT, device_class=one)) == "no-reason"
    assert refused(order(metric="report-period", value=None, values={"minutes": 10}, why="")) == "no-reason"


def test_nothing_is_written_to_a_stranger():
    assert refused(order(device="modbus:other"), device=None) == "unknown-device"


def test_a_number_without_bounds_is_not_written_at_all():
    assert refused(order(metric="free"), Metric(key="free")) == "no-bounds"


def test_two_writes_keep_their_distance():
    assert refused(order(), last=950.0) == "too-soon"
    check_order(order(), BOILER, SETPOINT, 940.0, 1000.0)


def test_a_clock_set_back_does_not_lock_a_metric():
    check_order(order(), BOILER, SETPOINT, 5000.0, 1000.0)


def test_a_flag_takes_true_or_false_and_no_number():
    check_order(order(metric="pump", value=True, role="administrateur"), BOILER, PUMP, None, 0.0)
    assert refused(order(metric="pump", value=1, role="administrateur"), PUMP) == "bad-value"
    assert refused(order(metric="pump", value=True), PUMP) == "role", "its role is administrateur when none is said"


def test_letting_go_needs_no_bounds_but_the_same_right():
    check_order(order(metric="free", value=None), BOILER, None, None, 0.0)
    assert refused(order(metric="temperature", value=None)) == "read-only"


def test_a_setting_of_the_sensor_itself_needs_a_technicien_and_no_line_in_the_file():
    check_order(order(metric="report-period", value=None, values={"minutes": 10}), BOILER, None, None, 0.0)
    assert refused(order(metric="report-period", value=None, values={"minutes": 10}, role="lecteur")) == "role"


def test_values_are_read_as_people_type_them():
    assert read_value("21,5", SETPOINT) == 21.5
    assert read_value("on", PUMP) is True
    assert read_value("0", PUMP) is False
    for text, metric in (("warm", SETPOINT), ("maybe", PUMP)):
        with pytest.raises(WriteRefused):
            read_value(text, metric)


@given(st.one_of(st.floats(), st.integers(), st.booleans(), st.text()))
def test_whatever_passes_for_a_number_is_one_within_its_bounds(value):
    try:
        check_order(order(value=value), BOILER, SETPOINT, None, 0.0)
    except WriteRefused:
        return
    assert not isinstance(value, bool)
    assert 20 <= value <= 75


def test_a_reading_that_anybody_could_forge_writes_bounded_comfort_and_nobodys_safety():
    lock = msgspec.structs.replace(SETPOINT, device_class="lock")
    check_order(order(clear=True), BOILER, SETPOINT, None, 1000.0)
    check_order(order(), BOILER, lock, None, 1000.0)
    check_order(order(clear=True, value=None), BOILER, lock, None, 1000.0)  # letting go is always right
    assert refused(order(clear=True, value=1000.0)) == "out-of-bounds"
    assert refused(order(clear=True), metric=lock) == "clear-identity"
    assert refused(order(clear=True), metric=msgspec.structs.replace(SETPOINT, kind="text")) == "clear-identity"
    assert refused(order(clear=True, metric="", value=None, values={"period": 60.0})) == "clear-identity"
